/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Handshakes per source: 20 a second, 5 at once, per IPv4 address or IPv6 /64. */
#pragma once

#include <stdbool.h>

#include "agent/base/ip.h"
#include "agent/base/mono.h"

#define RATELIMIT_PER_S 20
#define RATELIMIT_BURST 5
#define RATELIMIT_SOURCES_MAX 65536

/*
 * A bounded table: an entry that was not used for a second is as good as free,
 * because its bucket is full again. When all entries that a source may have
 * are busy, the source is refused. Hashed under a secret key, so that senders
 * cannot choose whom they crowd out.
 */
struct ratelimit;

/* 0 or -ENOMEM. */
int ratelimit_new(struct ratelimit **ret_limit);
void ratelimit_free(struct ratelimit *limit);
bool ratelimit_allow(struct ratelimit *limit, const struct addr *source, mono_t now);
