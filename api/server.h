/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The API's state, for its own folder: listeners, connections, counts. */
#pragma once

#include "api/access.h"
#include "api/api.h"
#include "api/errors.h"
#include "api/limiter.h"
#include "api/latency.h"
#include "api/rates.h"
#include "api/router.h"
#include "api/stream.h"
#include "api/tls.h"

struct MHD_Daemon;

#define TCP_PER_ADDRESS_MAX 16 /* connections */

/* One libmicrohttpd daemon for each, so that a full TCP side never starves the socket. */
struct listener {
	struct api *api;
	struct MHD_Daemon *daemon;
	struct watch watch;
	struct timer timer;
	bool tcp;
};

struct http_count {
	const struct route_entry *route; /* NULL: none fitted */
	unsigned status;
	uint64_t n;
};

/* More pairs of route and status than there are in practice; beyond, nothing is counted. */
#define HTTP_COUNTS 256
struct http_counts {
	struct http_count rows[HTTP_COUNTS];
};

struct api {
	struct api_conf conf;
	struct trust trust;
	struct listener listeners[2];
	uint32_t id_prefix; /* of request ids: differs between runs */
	uint64_t n_requests;
	struct http_counts counts;
	struct latency latency;
	struct errors errors;
	struct limiter limiter;
	struct streams streams;
	struct tls_pair *tls;		 /* NULL: none yet */
	const struct counters *counters; /* NULL until the agent told */
	struct rates rates;
	uint64_t rates_revision; /* at which rates.n_rows was found */
	struct timer rates_timer;
};

/* Lets libmicrohttpd work on what is there, and sets when it wants to next. */
void listener_run(struct listener *listener);
