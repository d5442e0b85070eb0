/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every command of the router: validate, store, publish, commit. What api/ calls. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/fault.h"
#include "agent/base/mono.h"
#include "schema/counters.h"
#include "schema/event.h"
#include "schema/model.h"
#include "schema/report.h"
#include "schema/stats.h"

struct agent;

/*
 * DOC: A write
 *
 * A command opens a transaction, checks If-Match, validates (all faults are
 * collected in reterr->items), writes, publishes the snapshot that the store
 * would now give to supervisor and engine, and commits only when both took it.
 * Whatever fails, the previous snapshot is in force again and the store is
 * untouched. With dry_run it stops before publishing, answers as if, and
 * changes nothing. A write that changes nothing keeps the revision.
 *
 * Errors: -ENOENT not found; -EINVAL invalid (items say what); -EEXIST
 * conflict (existing_id); -ESTALE precondition failed (current_revision);
 * -EPERM not allowed; -EOPNOTSUPP not possible here; -ENOSPC disk full; -EIO
 * store fault; -EAGAIN the engine does not answer just now. reterr->problem
 * has the slug for all of them. reterr must come zeroed.
 */
struct agent_write {
	const struct actor *actor; /* kept by the caller; NULL: the daemon itself */
	/*
	 * Method, object and actor are filled, the rest is not: goes into the
	 * audit with the write, and has a result then. NULL: nothing goes there.
	 */
	struct audit_entry *audit;
	struct replay *replay; /* stored with the write, as one without its answer; NULL: none */
	const char *what;      /* for the history, of a write by the daemon itself; else NULL */
	unsigned confirm_within_s; /* of a configuration: 0 = for good */
	bool at_start;		   /* nothing runs yet: stored only, not published */
	bool settles; /* set by the command: may change what waits for being confirmed */
	bool dry_run;
	bool has_if_match;
	uint64_t if_match;     /* revision from the ETag */
	bool may_approve;      /* the caller holds routes:approve */
	uint64_t ret_revision; /* set by the command: store revision after it */
	bool ret_created;      /* set by put: made, not replaced */
};

uint64_t agent_revision(const struct agent *agent);

int agent_node_get(struct agent *agent, struct node *ret_node);
/* Changes name, listen_port, endpoint, addresses, mtu, dns; the rest of node is ignored. */
int agent_node_put(struct agent *agent, const struct node *node, struct agent_write *write,
		   struct node *ret_node, struct fault *reterr);

/* A new key pair: every session is made anew, and no peer that knows the old key comes back. */
int agent_node_rotate_key(struct agent *agent, struct agent_write *write, struct node *ret_node,
			  struct fault *reterr);

/*
 * Peers. id "" is made. A zero public_key: a pair is made, and the private key
 * comes back once in ret_private_key (zero otherwise). No addresses: the next
 * free v4 and v6 of the node's prefixes. slot, created_at, revision are set here.
 */
int agent_peer_add(struct agent *agent, const struct peer *peer, struct agent_write *write,
		   struct peer *ret_peer, struct wg_key *ret_private_key, struct fault *reterr);
/* Creates or replaces the peer of id; public_key is required. Without has_preshared_key: none. */
int agent_peer_put(struct agent *agent, const char *id, const struct peer *peer,
		   struct agent_write *write, struct peer *ret_peer, struct fault *reterr);
/* cascade: also removes routes via this peer; else -EEXIST names them. */
int agent_peer_remove(struct agent *agent, const char *id, bool cascade, struct agent_write *write,
		      struct fault *reterr);
int agent_peer_get(struct agent *agent, const char *id, struct peer *ret_peer);
/* In order of id; after "" = from the start. fn returns <0 to stop, which is returned. */
int agent_peer_each(struct agent *agent, const char *after, size_t limit,
		    int (*fn)(void *ctx, const struct peer *peer), void *ctx);

/* Observed, from the counters page. */
struct peer_status {
	bool online;		   /* a session younger than 180 s */
	int64_t last_handshake_at; /* 0 = never */
	struct endpoint endpoint;  /* family 0 = none */
	uint64_t receive_bytes, transmit_bytes, receive_packets, transmit_packets;
	uint32_t active_flows;
	uint64_t quota_used_bytes; /* inner bytes in this period, of a peer that has a quota */
	int64_t quota_resets_at;   /* 0 = never */
};
void agent_peer_status(struct agent *agent, const struct peer *peer,
		       struct peer_status *ret_status);

/*
 * wg-quick text for the peer's own device. private_key NULL: a placeholder
 * line. Contains the preshared key: treat as secret. buf is appended to.
 */
struct buf;
int agent_peer_config(struct agent *agent, const struct peer *peer,
		      const struct wg_key *private_key, struct buf *buf);

enum route_state {
	ROUTE_PROPOSED,
	ROUTE_DISABLED,
	ROUTE_ACTIVE,
	ROUTE_SHADOWED,
	ROUTE_UNREACHABLE,
};
int agent_route_add(struct agent *agent, const struct route *route, struct agent_write *write,
		    struct route *ret_route, struct fault *reterr);
int agent_route_put(struct agent *agent, const char *id, const struct route *route,
		    struct agent_write *write, struct route *ret_route, struct fault *reterr);
int agent_route_remove(struct agent *agent, const char *id, struct agent_write *write,
		       struct fault *reterr);
int agent_route_get(struct agent *agent, const char *id, struct route *ret_route);
int agent_route_each(struct agent *agent, const char *after, size_t limit,
		     int (*fn)(void *ctx, const struct route *route), void *ctx);
enum route_state agent_route_state(struct agent *agent, const struct route *route);

int agent_exit_node_get(struct agent *agent, struct exit_node *ret_exit);
int agent_exit_node_put(struct agent *agent, const struct exit_node *exit_node,
			struct agent_write *write, struct exit_node *ret_exit,
			struct fault *reterr);

#define REASONS_MAX 8

/* --- the whole configuration ------------------------------------------------- */

/* Everything that is stored, secrets included; all has_ are set. The caller's: config_release. */
int agent_config_get(struct agent *agent, struct config *ret_config);
/* Wipes the secrets. */
void config_release(struct config *config);

/* Ids of peers and routes, and "node", "exit_node", "dataplane", "policy". */
struct config_change {
	struct id_list {
		char (*ids)[ID_MAX + 1];
		size_t n;
	} created, changed, deleted;
};
void config_change_release(struct config_change *change);

/* What is stored then, or would be. The caller's: config_result_release. */
struct config_result {
	struct config config;
	struct config_change change;
};
void config_result_release(struct config_result *result);

/*
 * Makes the configuration what the sections of config say, whole or not at all,
 * in one write and one publication: peers and routes that a list leaves out are
 * removed. Pointers of items begin at the document ("/peers/3/addresses/0").
 * With confirm_within_s it is taken back unless it is confirmed in time, also
 * by a daemon that was killed and started again; until then every other write
 * of the configuration is -EEXIST, "change_pending".
 */
int agent_config_put(struct agent *agent, const struct config *config, struct agent_write *write,
		     struct config_result *ret_result, struct fault *reterr);
/* What it would end to make before after. Both whole; peers_cut.ids is the caller's to free. */
struct config_impact {
	enum mode mode_before, mode_after;
	uint64_t flows_cut; /* of peers_cut, without a route any more, or in the way of the mode */
	struct id_list peers_cut;
	bool port_change;
	bool source_address_change;
	const char *protocols_lost[REASONS_MAX + 1]; /* NULL-ended */
};
int agent_config_impact(struct agent *agent, const struct config *before,
			const struct config *after, struct config_impact *ret_impact);
/* -EEXIST: nothing is waiting. */
int agent_config_confirm(struct agent *agent, struct agent_write *write, struct fault *reterr);
/* Back to a revision of the history; 0: the one before, or before the one that waits. */
int agent_config_rollback(struct agent *agent, uint64_t revision, struct agent_write *write,
			  struct config_result *ret_result, struct fault *reterr);
/* A consistent copy of the database, secrets included: a descriptor, the caller's. */
int agent_backup(struct agent *agent, struct fault *reterr);
/* Is a revision waiting for being confirmed? */
bool agent_pending(const struct agent *agent, struct pending *ret_pending);
/* The last REVISIONS_MAX writes, the newest first; fn returns <0 to stop. */
int agent_revision_each(struct agent *agent, int (*fn)(void *ctx, const struct revision *revision),
			void *ctx);

enum dataplane_phase { PHASE_STARTING, PHASE_RUNNING, PHASE_SWITCHING, PHASE_DEGRADED };
extern const char *const mode_names[];	/* by enum mode, ends with NULL */
extern const char *const phase_names[]; /* by enum dataplane_phase, the same */

/* Reasons are sentences without a full stop, kept by the agent; NULL ends the list. */
struct dataplane_status {
	enum mode desired;
	enum mode actual; /* never MODE_AUTO */
	enum dataplane_phase phase;
	int64_t since;
	char reason[FAULT_TEXT_MAX];
	uint64_t revision_applied;
	bool kernel_available;
	const char *kernel_reasons[REASONS_MAX + 1];
	bool netstack_available;
	const char *netstack_reasons[REASONS_MAX + 1];
	const char *icmp;  /* "ping_socket", "raw", "exec", "none" */
	uint64_t revision; /* of the stored wish */
};
int agent_dataplane_get(struct agent *agent, struct dataplane_status *ret_status);
int agent_dataplane_put(struct agent *agent, enum mode desired, struct agent_write *write,
			struct dataplane_status *ret_status, struct fault *reterr);

/* Flows now, by protocol. */
struct flow_sums {
	uint64_t tcp, udp, icmp, other;
	uint64_t max; /* the most at once; 0 = not known */
};

/* One page for people: what /v1/status and /metrics are made of. */
struct agent_status {
	struct dataplane_status dataplane;
	bool engine_running;
	int64_t started_at;
	uint64_t peers, peers_online, routes, routes_active;
	struct flow_sums flows;
	uint64_t store_bytes;		 /* database and log; 0 = not known */
	uint64_t events;		 /* that happened in this run */
	const struct counters *counters; /* the live page; read with counter_get */
	char aead[16];
};
int agent_status_get(struct agent *agent, struct agent_status *ret_status);

/* Name of a row of node_counters.drops, for JSON and metrics; NULL past the last. */
const char *agent_drop_name(unsigned drop);

/* Is the store open and the engine at the store's revision? text: why not. */
bool agent_ready(struct agent *agent, char ret_text[FAULT_TEXT_MAX]);

/*
 * What happened. The events [first, next) are kept; a reader that is behind
 * first has missed some. Numbers hold within an epoch, which is one run.
 */
struct event_range {
	uint64_t epoch, first, next;
};
struct event_range agent_events(const struct agent *agent);
/* NULL: not kept, or not there yet. Valid until the loop goes on. */
const struct event *agent_event(const struct agent *agent, uint64_t seq);
/* fn is called when there is something new: it may only take note of that. NULL: nobody waits. */
void agent_events_watch(struct agent *agent, void (*fn)(void *arg), void *arg);

/*
 * Traffic over time, oldest first. A sample each second for ten minutes, each
 * minute for a day. Of a peer there is none for a time in which nothing moved;
 * what is returned is from when on they are complete (Unix time).
 */
void agent_stats_node(const struct agent *agent, enum stats_resolution resolution,
		      void (*fn)(void *ctx, const struct stats_sample *sample), void *ctx);
int64_t agent_stats_peer(const struct agent *agent, const struct peer *peer,
			 enum stats_resolution resolution,
			 void (*fn)(void *ctx, const struct stats_row *row), void *ctx);
/* The last second; false: there was none yet. Who watches the events is called for each. */
bool agent_stats_last(const struct agent *agent, struct stats_sample *ret_sample);

/* --- lifetime: for agent/control.c ----------------------------------------- */

struct link;
struct loop;
struct options;
struct ipc_engine;
struct ipc_event;

struct agent_conf {
	struct loop *loop;
	struct link *link;
	const struct counters *counters; /* the shared page, read-only */
	const struct options *options;
	/* Can the process that does plumbing take kernel mode? Sentences without a full stop, NULL-ended; empty = yes. */
	const char *const *kernel_reasons;
};

/*
 * Opens the store in options->state_dir, makes a node with keys and addresses
 * where there is none, and takes over options that override stored values.
 * Nothing is published before agent_on_engine. Errors as store_open.
 */
int agent_open(const struct agent_conf *conf, struct agent **ret_agent, struct fault *reterr);
/* Stores learned endpoints, closes the store. */
void agent_close(struct agent *agent);

/* A new engine is there: publish to it. */
void agent_on_engine(struct agent *agent, const struct ipc_engine *hello, mono_t now);
void agent_on_engine_lost(struct agent *agent, mono_t now);
void agent_on_event(struct agent *agent, const struct ipc_event *event, mono_t now);
/* The supervisor noticed something about the host: it stands until it has passed. */
void agent_on_health(struct agent *agent, const struct health *health);

/* --- policy, explanations, flows, the host ----------------------------------- */

/* ret_policy's rules are the caller's: policy_release. */
int agent_policy_get(struct agent *agent, struct policy *ret_policy);
/* Rules without an id get one. Replaces the policy whole. */
int agent_policy_put(struct agent *agent, const struct policy *policy, struct agent_write *write,
		     struct policy *ret_policy, struct fault *reterr);
void policy_release(struct policy *policy);

/*
 * peer: id or name. The result's indices are turned into ids: ret_refs[i] is
 * the route's or rule's id of step i, "" where none.
 */
struct agent_explanation {
	struct explain_result *result; /* on the heap; agent_explanation_release */
	char refs[EXPLAIN_STEPS_MAX][ID_MAX + 1];
	enum mode mode;
};
int agent_explain(struct agent *agent, const char *peer, const struct explain_query *query,
		  struct agent_explanation *ret_explanation, struct fault *reterr);
void agent_explanation_release(struct agent_explanation *explanation);

/* A page of flows of the mode that runs. ret_rows: room for query->limit. */
int agent_flows(struct agent *agent, const struct flow_query *query, struct flow_row *ret_rows,
		size_t *ret_count, bool *ret_more, struct fault *reterr);
int agent_flow_cut(struct agent *agent, uint64_t id, struct fault *reterr);
/* The peer of a slot. -ENOENT. */
int agent_peer_of_slot(struct agent *agent, uint32_t slot, struct peer *ret_peer);

/* What a switch to that mode would do now. */
struct dataplane_impact {
	uint64_t flows_cut;
	bool source_address_change;
	const char *protocols_lost[REASONS_MAX + 1]; /* NULL-ended */
};
int agent_dataplane_impact(struct agent *agent, enum mode desired,
			   struct dataplane_impact *ret_impact);

/* Checks of this host, of control's own and the supervisor's. Returns the number of rows. */
#define CHECKS_MAX 32
size_t agent_doctor(struct agent *agent, struct check ret_checks[CHECKS_MAX]);
/* The standing faults that /readyz and /v1/status name. NULL past the end. */
const char *agent_health(struct agent *agent, size_t i);

/* --- credentials: outside revisions ------------------------------------------ */

#define CREDENTIAL_SIZE 96

/*
 * Makes a token with a new id and secret; ret_secret is its text, which is
 * known only now: wipe it. The caller has seen to it that the scopes may be
 * given. Expired tokens and sessions are forgotten on the way. Without
 * expires_at one for a single use lasts ten minutes, any other for ever.
 */
int agent_token_add(struct agent *agent, const struct token *token, struct agent_write *write,
		    struct token *ret_token, char ret_secret[CREDENTIAL_SIZE],
		    struct fault *reterr);
int agent_token_get(struct agent *agent, const char *id, struct token *ret_token);
/* Ends its sessions too. */
int agent_token_remove(struct agent *agent, const char *id, struct agent_write *write,
		       struct fault *reterr);
int agent_token_each(struct agent *agent, const char *after, size_t limit,
		     int (*fn)(void *ctx, const struct token *token), void *ctx);
/* Whose text is it? -ENOENT for all that is not a token in force, whatever is wrong with it. */
int agent_token_check(struct agent *agent, const char *text, struct token *ret_token);

/* A session of a token that was just checked; write->actor is needed. Spends a single use. */
int agent_session_add(struct agent *agent, const struct token *token, struct agent_write *write,
		      struct session *ret_session, char ret_secret[CREDENTIAL_SIZE],
		      struct fault *reterr);
int agent_session_get(struct agent *agent, const char *id, struct session *ret_session);
int agent_session_remove(struct agent *agent, const char *id, struct agent_write *write,
			 struct fault *reterr);
int agent_session_each(struct agent *agent, const char *after, size_t limit,
		       int (*fn)(void *ctx, const struct session *session), void *ctx);
int agent_session_check(struct agent *agent, const char *text, struct session *ret_session);

/* --- audit ---------------------------------------------------------------------- */

/* What no write has noted itself: it is stored within a second. number, at, revisions are made here. */
void agent_audit_note(struct agent *agent, const struct audit_entry *entry);
int agent_audit_get(struct agent *agent, int64_t number, struct audit_entry *ret_entry);
/* The newest first, those before a number; limit at most LIST_LIMIT_MAX + 1. */
int agent_audit_each(struct agent *agent, int64_t before, size_t limit,
		     int (*fn)(void *ctx, const struct audit_entry *entry), void *ctx);

/* --- requests that may come twice ------------------------------------------------- */

/*
 * who, key and fingerprint are looked for: 0, with its answer (body is appended
 * to); -ENOENT: it is new; -EEXIST: the key came with something else.
 */
int agent_replay_find(struct agent *agent, const struct replay *wanted, struct replay *ret_found,
		      struct buf *ret_body);
void agent_replay_fingerprint(const char *target, const void *body, size_t length,
			      struct wg_key *ret_fingerprint);
/* Keeps an answer, which must hold no secrets. */
int agent_replay_keep(struct agent *agent, const struct replay *replay, const char *body);
