/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nouns of the configuration: plain structs, no functions. Field names follow the API. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/ip.h"
#include "agent/base/key.h"
#include "agent/base/limits.h"
#include "agent/base/mono.h"

/* Wall times are nanoseconds since the Unix epoch; 0 = none. */

enum mode { MODE_AUTO, MODE_KERNEL, MODE_NETSTACK };

/* How netstack mode can relay pings. */
enum icmp_method { ICMP_NONE, ICMP_PING_SOCKET, ICMP_RAW, ICMP_EXEC };

/* IP protocols that a rule may name; other numbers are written as numbers. */
enum { PROTOCOL_ICMP = 1, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17, PROTOCOL_ICMPV6 = 58 };

struct port_range {
	uint16_t first, last;
};

struct node {
	char id[ID_MAX + 1];
	char name[NAME_BYTES_MAX + 1];
	struct wg_key private_key; /* secret */
	struct wg_key public_key;
	uint16_t listen_port;
	char endpoint[256]; /* "host:port" or "host" that client configs name; "" = found out */
	/* Interface addresses with host bits; the first v4 and v6 are the router's own. */
	struct prefix addresses[NODE_ADDRESSES_MAX];
	size_t n_addresses;
	uint16_t mtu;
	struct addr dns[NODE_DNS_MAX];
	size_t n_dns;
	uint64_t revision;
};

enum quota_period { QUOTA_NEVER, QUOTA_DAY, QUOTA_WEEK, QUOTA_MONTH };

/* 0 = no limit. */
struct peer_limits {
	uint64_t rate_in_bps;
	uint64_t rate_out_bps;
	uint64_t quota_bytes;
	enum quota_period quota_period;
	uint32_t max_flows;
};

struct peer {
	char id[ID_MAX + 1];
	char name[NAME_BYTES_MAX + 1];
	/* Row of counters, index in the engine: smallest free number when made, kept for life. */
	uint32_t slot;
	struct wg_key public_key;
	bool has_preshared_key;
	struct wg_key preshared_key;		     /* secret */
	struct prefix addresses[PEER_ADDRESSES_MAX]; /* networks: what the peer may send from */
	size_t n_addresses;
	struct endpoint endpoint; /* fixed; family 0 = learned */
	uint16_t persistent_keepalive_s;
	bool enabled;
	int64_t expires_at;
	char tags[PEER_TAGS_MAX][TAG_MAX + 1];
	size_t n_tags;
	struct peer_limits limits;
	int64_t created_at;
	uint64_t revision;
};

/* Who may use a route or the exit node: everybody, or peers by id and by tag. */
struct grant {
	bool all;
	/* Each a peer id, or "tag:" and a tag. */
	char peers[ROUTE_PEERS_MAX][ID_MAX + 1];
	size_t n_peers;
};

enum snat { SNAT_AUTO, SNAT_MASQUERADE, SNAT_NONE, SNAT_ADDRESS };

struct route {
	char id[ID_MAX + 1];
	struct prefix prefix;
	char via[ID_MAX + 1]; /* "router" or a peer id */
	bool approved;
	bool enabled;
	struct grant grant;			/* "peers" in the API */
	uint8_t protocols[ROUTE_PROTOCOLS_MAX]; /* none = any */
	size_t n_protocols;
	struct port_range ports[ROUTE_PORTS_MAX]; /* none = any */
	size_t n_ports;
	enum snat snat;
	struct addr snat_address;
	struct prefix map_to; /* family 0 = none */
	char description[DESCRIPTION_BYTES_MAX + 1];
	int64_t created_at;
	uint64_t revision;
};

struct exit_node {
	bool enabled;
	bool ipv4;
	bool ipv6;
	struct grant grant;
	bool allow_lan;
	enum snat snat;
	struct addr snat_address;
	uint64_t revision;
};

/* One line of the policy: the first whose peers, destination, protocol and port match decides. */
struct rule {
	char id[ID_MAX + 1];
	bool allow;
	struct grant grant;				   /* "peers" in the API */
	struct prefix destinations[RULE_DESTINATIONS_MAX]; /* none = any */
	size_t n_destinations;
	uint8_t protocols[ROUTE_PROTOCOLS_MAX]; /* none = any */
	size_t n_protocols;
	struct port_range ports[ROUTE_PORTS_MAX]; /* none = any */
	size_t n_ports;
	char comment[COMMENT_BYTES_MAX + 1];
};

/* Within what routes, exit node and peers grant. rules: on the heap, owned by whoever holds it. */
struct policy {
	bool default_allow;
	struct rule *rules;
	size_t n_rules;
	uint64_t revision;
};

struct dataplane {
	enum mode desired;
	uint64_t revision;
};

/*
 * The whole configuration, or the sections of it that somebody names: the others
 * stay as they are. Arrays on the heap, owned by whoever holds it. In a wish, a
 * zero private_key keeps the node's; a peer with has_preshared_key and a zero
 * key keeps the one it has, if any.
 */
struct config {
	bool has_node, has_peers, has_routes, has_exit_node, has_dataplane, has_policy;
	struct node node;
	struct peer *peers;
	size_t n_peers;
	struct route *routes;
	size_t n_routes;
	struct exit_node exit_node;
	struct dataplane dataplane;
	struct policy policy;
};

/* Who asked for a change, and from where: as audit and revisions keep and show it. */
#define WHO_MAX (ID_MAX + 16)
struct actor {
	char who[WHO_MAX + 1];	   /* "uid:1000", "token:<id>", "session:<id>"; "daemon": itself */
	char from[ADDR_TEXT_SIZE]; /* the address; "socket": the unix socket; "": itself */
};

/* What a peer has used of its quota, as it is stored: see agent/usage.h. */
struct usage_record {
	char peer[ID_MAX + 1];
	int64_t period_start;
	uint64_t used;
	uint8_t told; /* enum usage_level */
	uint64_t page;
	uint32_t key_tag;
	uint64_t seen;
};

/* A credential of the API. scopes: names as in api/scopes.def, with spaces between. */
struct token {
	char id[ID_MAX + 1];
	char name[NAME_BYTES_MAX + 1];
	char scopes[SCOPES_TEXT_MAX + 1];
	bool single_use; /* buys one session, and is gone then */
	int64_t created_at;
	int64_t expires_at;
	int64_t last_used_at;	   /* to the minute */
	struct wg_key secret_hash; /* SHA-256 */
};

/* Somebody signed in with a browser. Ends with its token, whose name and scopes it has. */
struct session {
	char id[ID_MAX + 1];
	char token[ID_MAX + 1]; /* "": it was for a single use */
	char name[NAME_BYTES_MAX + 1];
	char scopes[SCOPES_TEXT_MAX + 1];
	char remote_address[ADDR_TEXT_SIZE];
	int64_t created_at;
	int64_t expires_at;
	int64_t last_used_at;	   /* to the minute */
	struct wg_key secret_hash; /* SHA-256 */
};

/* What somebody asked for, and what came of it. */
struct audit_entry {
	int64_t number; /* larger is later */
	int64_t at;
	struct actor actor;
	char method[16];
	char object[192];	/* path; longer ones are cut */
	uint64_t before, after; /* revisions of the configuration */
	uint16_t result;	/* HTTP status; 0 = not known yet */
	bool refused;
};

/* An answer that is kept for who asks again with the same Idempotency-Key. */
#define REPLAY_NS (INT64_C(24) * 3600 * 1000000000)
struct replay {
	char who[WHO_MAX + 1];
	char key[256];
	struct wg_key fingerprint; /* of target and body */
	int64_t made_at;
	uint16_t status;   /* 0 = done, but the answer is not here */
	uint64_t revision; /* of the ETag; 0 = none */
	char location[ID_MAX + 32];
};

/* One write, as the history has it. */
#define WHAT_MAX 160
struct revision {
	uint64_t revision;
	int64_t at;
	struct actor actor;
	char what[WHAT_MAX + 1]; /* "PUT /v1/peers/laptop" */
};

/* A revision that is taken back unless somebody confirms it in time. */
struct pending {
	uint64_t revision; /* 0 = none */
	uint64_t base;	   /* what is gone back to */
	unsigned within_s;
	int64_t deadline;     /* wall clock: for people, and after a reboot */
	char boot[40];	      /* kernel's boot id, for which boot_deadline is meant */
	mono_t boot_deadline; /* counts, whatever the wall clock does */
	char who[WHO_MAX + 1];
};
