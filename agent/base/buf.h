/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A growing byte buffer with a mandatory maximum. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/macros.h"

/*
 * data is always zero-terminated once something was added, NULL before.
 * A buffer that would pass max, or finds no memory, becomes failed and takes
 * nothing more: callers check once, at the end.
 */
struct buf {
	char *data;
	size_t length;
	size_t capacity;
	size_t max;
	bool failed;
};

void buf_init(struct buf *buf, size_t max);
/* Frees the content; the buffer may be used again. */
void buf_release(struct buf *buf);
/* As buf_release, but overwrites the content first. */
void buf_release_secret(struct buf *buf);

/* 0 or -ENOSPC (maximum), -ENOMEM. */
int buf_add(struct buf *buf, const void *data, size_t length);
int buf_add_text(struct buf *buf, const char *text);
int buf_printf(struct buf *buf, const char *format, ...) FORMAT(2, 3);
