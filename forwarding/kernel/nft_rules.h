/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What our table says of a snapshot, as nftables commands. */
#pragma once

#include "agent/base/buf.h"
#include "schema/snapshot.h"

/* Where TCP packets of cut flows are looked up; elements are source . port . destination . port. */
#define NFT_REFUSED_SET_4 "refused4"
#define NFT_REFUSED_SET_6 "refused6"

/*
 * Appends the commands that replace the content of the table, but not of the
 * two sets. tun_name: a plain name that we made. 0 or -ENOMEM; a text that
 * found no room shows in text->failed.
 */
int nft_rules_write(const struct snapshot *snap, const char *table, const char *tun_name,
		    struct buf *text);
