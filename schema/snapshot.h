/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole state that packets are judged by: one immutable, pointer-free block in a sealed memfd. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/ip.h"
#include "agent/base/key.h"
#include "agent/base/limits.h"
#include "schema/model.h"

/*
 * DOC: Layout
 *
 * struct snapshot, then the arrays at the offsets that the header names, each
 * aligned to 8 bytes. Lists inside rows are (first, count) into a shared
 * array. Everything that is not in force is left out: disabled or expired
 * peers, disabled or unapproved routes, grants to peers that are gone.
 * agent/publish.c writes it, snapshot_check() has been passed before anyone
 * reads it.
 */
#define SNAPSHOT_MAGIC 0x43564c54u /* "CVLT" */
#define SNAPSHOT_VERSION 3
#define SNAPSHOT_VIA_ROUTER UINT32_MAX

struct snapshot_list {
	uint32_t first, count;
};

struct snapshot_peer {
	uint32_t slot; /* unique, below PEERS_MAX */
	uint16_t persistent_keepalive_s;
	uint16_t has_preshared_key;
	struct wg_key public_key;
	struct wg_key preshared_key;
	struct endpoint endpoint;	/* fixed, or learned earlier; family 0 = unknown */
	struct snapshot_list addresses; /* into prefixes */
	uint32_t max_flows;		/* 0 = no limit of its own */
	uint32_t has_quota;
	uint64_t quota_stop; /* inner_bytes of its counters at which the quota is used up */
	uint64_t rate_in_bps, rate_out_bps; /* 0 = no limit */
};

struct snapshot_route {
	struct prefix prefix;
	uint32_t all_peers;	    /* 1: peers is not looked at */
	struct snapshot_list peers; /* into slots, ascending */
	struct snapshot_list ports; /* into ports; none = any */
	uint8_t protocols[ROUTE_PROTOCOLS_MAX];
	uint32_t n_protocols; /* 0 = any */
	/* SNAPSHOT_VIA_ROUTER, or the slot of the peer whose site this is (its allowed-ips too). */
	uint32_t via_slot;
	uint32_t snat; /* enum snat; for via router */
	struct addr snat_address;
	struct prefix map_to; /* family 0 = none; same length as prefix: the real network */
};

struct snapshot_rule {
	uint32_t allow;
	uint32_t all_peers;
	struct snapshot_list peers;	   /* into slots, ascending */
	struct snapshot_list destinations; /* into prefixes; none = any */
	struct snapshot_list ports;	   /* into ports; none = any */
	uint8_t protocols[ROUTE_PROTOCOLS_MAX];
	uint32_t n_protocols; /* 0 = any */
	uint32_t reserved;
};

struct snapshot_exit {
	uint8_t ipv4, ipv6; /* both 0: off */
	uint8_t allow_lan;
	uint8_t all_peers;
	struct snapshot_list peers; /* into slots, ascending */
	uint32_t snat;		    /* enum snat */
	struct addr snat_address;
};

struct snapshot {
	uint32_t magic;
	uint32_t version;
	uint64_t size; /* of the whole block in bytes */
	uint64_t revision;
	uint32_t mode; /* enum mode: KERNEL or NETSTACK, never AUTO */
	uint16_t listen_port;
	uint16_t mtu;
	struct wg_key private_key;
	struct snapshot_exit exit;
	uint32_t policy_allow; /* what happens when no rule matches */
	uint32_t reserved;

	/* Byte offset from the start of the block, and number of elements. */
	struct snapshot_array {
		uint64_t offset;
		uint64_t count;
	} node_addresses,	/* struct prefix: the router's own, with host bits */
		host_addresses, /* struct addr: other addresses of this host */
		host_networks,	/* struct prefix: networks this host is attached to */
		peers,		/* struct snapshot_peer, ascending by slot */
		prefixes,	/* struct prefix */
		routes,		/* struct snapshot_route */
		rules,		/* struct snapshot_rule, in order */
		slots,		/* uint32_t */
		ports;		/* struct port_range */
};

/* The elements of an array; valid after snapshot_check(). */
#define SNAPSHOT_ARRAY(snap, member, type) \
	((const type *)(const void *)((const char *)(snap) + (snap)->member.offset))

/*
 * Is every offset, count, list, slot and length inside the block? The reader
 * of a snapshot calls it once after mapping. 0 or -EBADMSG.
 */
int snapshot_check(const struct snapshot *snap, size_t size);
