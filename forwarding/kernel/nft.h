/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our nftables table: kernel mode's second wall, and its NAT. Supervisor side. */
#pragma once

#include "schema/report.h"
#include "schema/snapshot.h"

/*
 * DOC: One owned table
 *
 * An inet table named "culvert" ("culvert-2" and so on where another router on
 * this host has that name), with the owner flag: only the netlink socket that
 * made it may change it, so a foreign flush leaves it, and our death, however
 * sudden, takes it away. The socket is libnftables' and lives as long as
 * struct nft; a child that inherits it must close it.
 *
 * Commands are text, for that is what libnftables takes, made of binary
 * addresses, numbers and the name of our own TUN: never of what a user wrote.
 * The whole content is replaced in one transaction.
 */
struct nft;

/*
 * Makes the table, empty. -EPERM: no CAP_NET_ADMIN; -EOPNOTSUPP, -EINVAL: the
 * kernel has no nftables, or none with owners (Linux 5.12); -EPROTONOSUPPORT:
 * no netfilter at all, or forbidden; else negative errno.
 */
int nft_open(struct nft **ret_nft);
/* Removes the table. NULL is fine. */
void nft_close(struct nft *nft);

/* The name of the table. */
const char *nft_table(const struct nft *nft);

/*
 * Makes the table say what a checked snapshot in kernel mode says. 0; or
 * negative errno, one sentence in ret_text, and the table as before. -EMSGSIZE:
 * in a user namespace the batch may only be as large as socket buffers there,
 * which is enough for some thousand routes.
 */
int nft_apply(struct nft *nft, const struct snapshot *snap, const char *tun_name,
	      char ret_text[FAULT_TEXT_MAX]);

/* 1: the rules are there as made. 0: they are not. Or negative errno. */
int nft_intact(struct nft *nft);

/* Readable when anybody changed any table; nft_drain empties it. */
int nft_watch_fd(const struct nft *nft);
void nft_drain(struct nft *nft);

/* TCP packets with just these ends. */
struct nft_refused {
	struct endpoint source, destination;
};
#define NFT_REFUSE_S 60

/*
 * For NFT_REFUSE_S such packets are answered with a reset, whatever else is
 * granted, on their way through the tunnel or to this host. -ENOSPC: too many
 * at a time; 0 or negative errno.
 */
int nft_refuse(struct nft *nft, const struct nft_refused *refused, size_t n);

/*
 * Other tables that stop what we would forward: base chains that drop or
 * reject what no rule before took, unless their table accepts the TUN by name;
 * iptables-legacy, whose rules cannot be read here. Returns the number of rows.
 */
size_t nft_foreign(struct check *ret_rows, size_t max, const char *tun_name);
/* The same for input, where peers' datagrams to our UDP port arrive. */
size_t nft_foreign_input(struct check *ret_rows, size_t max, uint16_t listen_port);
