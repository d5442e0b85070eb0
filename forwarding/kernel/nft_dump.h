/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading what nftables holds, of whomever, by netlink. */
#pragma once

#include <stdint.h>

#include "forwarding/kernel/attributes.h"

struct nft_dump {
	uint16_t type;		   /* NFT_MSG_GETCHAIN or NFT_MSG_GETRULE */
	uint8_t family;		   /* NFPROTO_*; NFPROTO_UNSPEC: all */
	const char *table, *chain; /* of rules: narrow the dump; NULL: all */
	/* The tables changed meanwhile: forget what was seen, it comes again. */
	void (*begin)(void *ctx);
	mnl_cb_t each; /* one object; returns MNL_CB_OK */
	void *ctx;
};

/* 0 or negative errno. */
int nft_dump_run(const struct nft_dump *dump);
