/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `culvert run` was told on its command line. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/ip.h"
#include "agent/base/log.h"
#include "schema/model.h"

struct options {
	char state_dir[4096];	      /* absolute */
	char api_socket[108];	      /* sun_path */
	bool http;		      /* false with --no-http */
	struct endpoint http_address; /* 127.0.0.1:8080 */
	bool behind_proxy;
	char tls_cert[4096], tls_key[4096]; /* both or none (""): TLS for http_address */

	/* Stored values that the command line overrides; has_ says which were given. */
	bool has_wg_port;
	uint16_t wg_port;
	bool has_mode;
	enum mode mode;
	struct prefix node_addresses[NODE_ADDRESSES_MAX];
	size_t n_node_addresses; /* 0 = not given */
	char endpoint[256];	 /* "" = not given */

	bool has_workers; /* given, or what is usual here */
	unsigned workers; /* processes that forward */

	char config_file[4096]; /* "" = none */
	enum log_format log_format;
	enum log_level log_level;
	bool metrics_open;
};

/*
 * Parses the arguments behind "run" ("--name value" or "--name=value") and
 * fills the defaults of the user who runs it. 0, or -EINVAL with one sentence
 * in ret_error (256 bytes).
 */
int options_parse(int argc, char *const argv[], struct options *ret_options, char *ret_error);

/* How many workers a host with so many cores gets where nobody says. */
unsigned options_workers_for(unsigned cores);

/*
 * The socket where a client looks when it is not told: same defaults. Without
 * XDG_RUNTIME_DIR it lies in the default state directory. 0, -ENAMETOOLONG,
 * or -ENOENT for a user without a home.
 */
int options_default_socket(char ret_path[108]);

extern const char options_usage[];
