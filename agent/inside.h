/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the commands: the agent's state, and the frame that every write runs in. */
#pragma once

#include "agent/agent.h"
#include "agent/events.h"
#include "agent/hostaddr.h"
#include "agent/id.h"
#include "agent/link.h"
#include "agent/options.h"
#include "agent/publish.h"
#include "agent/stats.h"
#include "agent/token.h"
#include "agent/validate.h"
#include "forwarding/forwarding.h"
#include "store/store.h"

#define FAULTS_MAX 8 /* standing at a time; there are fewer kinds */

/* A route in force, and what was last found out about the way to it. */
struct active_route {
	struct prefix prefix;
	struct prefix target; /* the real network: map_to, else prefix */
	char via[ID_MAX + 1];
	bool checked, reachable;
	mono_t checked_at;
};

/* Routes in force, sorted by prefix; made anew when the store's revision moved. */
struct active_routes {
	uint64_t revision;
	bool valid;
	struct active_route *rows;
	size_t n;
};

/* Flows in kernel mode; see flow_counts.c. */
struct flow_counts {
	bool valid; /* as of then */
	mono_t counted_at;
	uint64_t revision; /* of the store */
	uint32_t *by_slot; /* PEERS_MAX of them; NULL before the first count */
	struct flow_sums sums;
};

/* Rows for the store that can wait a second; see agent_audit.c. */
struct journal {
	struct audit_entry entries[AUDIT_WAITING_MAX];
	size_t n_entries;
	struct {
		char id[ID_MAX + 1]; /* of a token or session */
		int64_t at;
	} uses[AUDIT_WAITING_MAX];
	size_t n_uses;
	struct timer timer;
};

/* What is between two samples. */
struct sampling {
	struct timer timer;
	uint32_t slots; /* rows that peers have, at that revision */
	uint64_t slots_revision;
	uint64_t flows;
	mono_t flows_at; /* when they are counted again */
	bool begun;
	struct {
		uint64_t told;
		mono_t next_at;
	} refused[DROPS_MAX]; /* events of refusals, by reason */
};

struct agent {
	struct journal journal;
	struct flow_counts flow_counts;
	struct events events;
	struct stats stats;
	struct sampling sampling;
	struct loop *loop;
	struct link *link;
	const struct counters *counters;
	const struct options *options;
	const char *const *kernel_reasons;

	struct store *store;
	struct id_source ids;
	struct hostaddr host;
	struct hostaddr_watch host_watch;
	struct active_routes active;

	/* What supervisor and engine run; memfd -1: nothing yet. */
	struct publication current;
	bool stale;			    /* current is not what the store and the host say */
	char publish_error[FAULT_TEXT_MAX]; /* why the last attempt failed; "" = it did not */

	struct health faults[FAULTS_MAX]; /* that stand, as the supervisor told them */
	size_t n_faults;
	char unfit
		[FAULT_TEXT_MAX]; /* what is in force though the mode cannot do it; "" = nothing */

	bool engine; /* one is connected and has said hello */
	struct ipc_engine hello;
	int64_t started_at;
	char kernel_refusal[FAULT_TEXT_MAX]; /* why kernel mode was given up; "" = it was not */
	enum dataplane_phase phase;
	int64_t phase_since;

	struct pending pending; /* revision 0: none */
	struct timer confirm_timer;

	struct timer
		tick; /* next expiry, changed host addresses, another try; at least once a minute */
	unsigned usage_turn; /* of storing usage */
	int64_t endpoints_saved_at;
	bool endpoints_moved; /* handshakes since */
};

/* --- write.c: the frame of a write ------------------------------------------ */

/*
 * Inside a write: what it does is told once it is committed. For what happens
 * without one: events_add.
 */
static inline void event_stage(struct agent *agent, enum event_type type, const char *subject,
			       const char *detail)
{
	events_stage(&agent->events, type, subject, detail);
}

/* Opens the transaction. 0 or an error with reterr filled. */
int write_begin(struct agent *agent, struct agent_write *write, struct fault *reterr);
/* revision: of the row that is to be changed; 0 = there is none. 0 or -ESTALE. */
int write_match(const struct agent_write *write, uint64_t revision, struct fault *reterr);
/*
 * Ends it. result: 1, something was changed: publish and commit; 0, nothing was:
 * roll back; negative: roll back, and fill reterr if the command has not.
 * 0 or negative errno.
 */
int write_end(struct agent *agent, struct agent_write *write, int result, struct fault *reterr);
/*
 * The same for what the engine does not see and revisions do not count:
 * result 0 commits.
 */
int write_keep(struct agent *agent, struct agent_write *write, int result, struct fault *reterr);
/* Something was made under that id. */
void write_made(struct agent_write *write, const char *id);
/* Tells the history who and what. */
void write_note(struct agent *agent, const struct agent_write *write);
/* For -ENOENT. */
int write_not_found(struct fault *reterr, const char *what, const char *id);
/* Fills reterr for an error of the store or system. Returns err. */
int write_fault(struct fault *reterr, int err);

/* --- force.c: keeping supervisor and engine at the store's state ---------------- */

/* Publishes the store as it is in the open transaction, for write_end. */
int force_next(struct agent *agent, struct publication *ret_next, struct fault *reterr);
/* next has been committed: it is current now. */
void force_adopt(struct agent *agent, const struct publication *next);
/* A write failed with error: what was in force before is so again. */
void force_restore(struct agent *agent, int error);
/*
 * Publishes the committed state. At the start kernel mode gives way to netstack
 * mode where the host refuses it. 0, or negative errno and what was in force
 * is not any more: force_restore or force_refresh.
 */
int force_committed(struct agent *agent, struct fault *reterr);
/* The same; on failure it is tried again soon. */
void force_refresh(struct agent *agent, mono_t now);
/* Sets the tick to when there is something to do next. */
void force_schedule(struct agent *agent, mono_t now);
void force_on_tick(void *arg, mono_t now);
void force_on_hostaddr(void *arg, mono_t now);

/* agent_replay.c: in the write's transaction. */
int replay_write(struct agent *agent, const struct agent_write *write);

/* --- agent_audit.c --------------------------------------------------------------- */

/* Adds the write's row in its transaction; changed: it has a revision of its own. */
int audit_write(struct agent *agent, const struct agent_write *write, bool changed);
/* After the transaction. */
void audit_done(struct agent *agent, const struct agent_write *write, bool committed);
/* Stores what waits. Not within a transaction. */
void journal_flush(struct agent *agent);
void journal_on_timer(void *arg, mono_t now);
/* A token or session was used, which was used last at that time. */
void journal_note_use(struct agent *agent, const char *id, int64_t last_used_at);
/* --- agent_confirm.c ------------------------------------------------------------ */

/* In a transaction: the next revision waits for being confirmed. */
int confirm_begin(struct agent *agent, unsigned within_s, const struct agent_write *write);
/* Remembers what the store says, and when to go back. */
int confirm_load(struct agent *agent);
/* Fills reterr for a write that comes while another one waits. Returns -EEXIST. */
int confirm_refuse(const struct agent *agent, struct fault *reterr);
/* At the start: goes back where the time has passed. */
int confirm_settle_overdue(struct agent *agent, struct fault *reterr);
void confirm_on_deadline(void *arg, mono_t now);

/* --- the nouns' own ----------------------------------------------------------- */

/* Two that let everybody in are equal, whatever else they name. */
bool grant_equal(const struct grant *a, const struct grant *b);

void endpoints_save(struct agent *agent);
/* Where the peer was heard last, from the counters page; family 0 = nowhere. */
struct endpoint peer_heard_at(const struct agent *agent, const struct peer *peer);

/* Inside a transaction; 1: changed, 0: the same, negative errno. Identity is taken from old. */
int node_change(struct agent *agent, const struct node *node, const struct node *old,
		struct node *ret_node, struct fault *reterr);
int dataplane_change(struct agent *agent, enum mode desired);
int exit_change(struct agent *agent, enum mode mode, struct exit_node *exit_node,
		const struct exit_node *old, struct fault *reterr);
int policy_change(struct agent *agent, struct policy *policy, const struct policy *old,
		  struct fault *reterr);
/* A copy in which every rule has an id. */
int policy_copy(struct agent *agent, const struct policy *policy, struct policy *ret_copy);
/* Everything that a user sets. */
bool peer_equal(const struct peer *a, const struct peer *b);
bool route_equal(const struct route *a, const struct route *b);
/* What one approved is not approved any more when somebody else makes it more. */
bool route_stays_approved(const struct agent_write *write, const struct route *old,
			  const struct route *route);

/* --- agent_usage.c ---------------------------------------------------------------- */

/* Before anything is published: what is stored. 0 or negative errno. */
int usage_load(struct agent *agent);
/* Once a second. */
void usage_tick(struct agent *agent, mono_t now);
/* Stores all, for the end. */
void usage_save(struct agent *agent);
/* Fills the members about the quota. */
void usage_status(const struct agent *agent, const struct peer *peer,
		  struct peer_status *ret_status);

/* --- agent_events.c --------------------------------------------------------------- */

/* Inside a write: what became of a peer or route. old NULL: it was made; next NULL: removed. */
void peer_stage(struct agent *agent, const struct peer *old, const struct peer *next);
void route_stage(struct agent *agent, const struct route *old, const struct route *next);

/* Without a write. subject, detail: see schema/events.def; NULL: none. */
void event_tell(struct agent *agent, enum event_type type, const char *subject, const char *detail);
/* Another phase, or another mode in force. */
void dataplane_tell(struct agent *agent, enum event_type type);
/* Unless it is too soon. */
void handshake_tell(struct agent *agent, uint32_t slot, mono_t now);

/* The mode that a wish comes to here. */
enum mode mode_of_wish(const struct agent *agent, enum mode desired);
/* 0, or -EOPNOTSUPP for a wish that cannot be met here. */
int mode_check(const struct agent *agent, enum mode desired, struct fault *reterr);
/* Does everything in force work in netstack mode? 0, or -EOPNOTSUPP naming what does not. */
int netstack_check(struct agent *agent, struct fault *reterr);
/* After a fallback: names what netstack mode cannot do, for agent_health. */
void unfit_note(struct agent *agent);
/* Fills reason of a status otherwise complete. */
void dataplane_explain(const struct agent *agent, struct dataplane_status *status);
/* Kernel mode is given up until the next wish for a mode. NULL: it is not. */
void kernel_note_refusal(struct agent *agent, const char *text);
/* The mode that runs, or will when an engine is there. */
enum mode mode_running(const struct agent *agent);
/* Notes the time when the phase changed; a change of mode notes its own. */
void phase_note(struct agent *agent);

int active_routes_load(struct agent *agent);
/* Do more specific routes in force cover the whole prefix? */
bool route_is_shadowed(const struct active_routes *active, const struct prefix *prefix);
/* How many routes are in force and lead somewhere; active_routes_load first. */
size_t active_routes_count(struct agent *agent);

/* --- doctor ------------------------------------------------------------------------ */

/* Rows under construction. */
struct checklist {
	struct check *rows; /* CHECKS_MAX */
	size_t n;
};
/* fix: what to type; "" = nothing. */
void checklist_add(struct checklist *list, const char *id, enum check_status status,
		   const char *fix, const char *format, ...) FORMAT(5, 6);
/* What control finds out about the machine, and about the way out of it. */
void doctor_host(struct agent *agent, struct checklist *list);
void doctor_network(struct agent *agent, struct checklist *list);

/* --- flow_counts.c --------------------------------------------------------------- */

/* Flows of the peer of that slot in kernel mode, at most two seconds old. */
uint32_t flow_counts_of(struct agent *agent, uint32_t slot);
/* All flows in the mode that runs, as old. 0 or negative errno. */
int flow_counts_sums(struct agent *agent, struct flow_sums *ret_sums);
/* There is one less. */
void flow_counts_forget(struct agent *agent);
void flow_counts_release(struct agent *agent);

/* --- agent_stats.c ----------------------------------------------------------------- */

/* 0 or negative errno. A store that takes no file is only warned of. */
int sampling_start(struct agent *agent);
void sampling_stop(struct agent *agent);

/* --- start.c --------------------------------------------------------------------- */

/* Makes the node where there is none and takes over the command line's values. */
int start_node(struct agent *agent, struct fault *reterr);
