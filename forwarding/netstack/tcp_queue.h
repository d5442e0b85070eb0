/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes in order on their way to a slow reader: a list of blocks, as large as what is in it. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct tcp_block;

/* Zero is empty. */
struct tcp_queue {
	struct tcp_block *first, *last;
	uint32_t length; /* bytes waiting */
	uint32_t held;	 /* memory taken */
};

void tcp_queue_release(struct tcp_queue *queue);
/* 0 or -ENOMEM: nothing was added. */
int tcp_queue_add(struct tcp_queue *queue, const void *data, size_t length);
/* Fills up to max; returns how many. */
int tcp_queue_peek(const struct tcp_queue *queue, struct iovec *iov, int max);
void tcp_queue_drop(struct tcp_queue *queue, size_t length);
