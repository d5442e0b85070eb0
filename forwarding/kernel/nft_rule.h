/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading one rule of anybody's: does it end all, or let through what is ours? */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "forwarding/kernel/attributes.h"

/* What we look for: an interface, or a UDP port. */
struct nft_wish {
	const char *interface; /* NULL: none */
	uint16_t port;	       /* 0: none */
};

struct nft_rule {
	const char *table, *chain; /* in the message */
	bool is_unconditional;
	bool stops;			/* drop or reject */
	bool passes;			/* accept, or on to another chain */
	bool names_input, names_output; /* the wished interface */
	bool names_port;
};

/* An NFT_MSG_NEWRULE. False: not one that can be read. */
bool nft_rule_read(const struct nlmsghdr *message, const struct nft_wish *wish,
		   struct nft_rule *ret_rule);
