/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the rest of the program sees of forwarding: the engine's entry and the messages between processes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/ipc.h"
#include "agent/base/key.h"
#include "forwarding/boot.h"
#include "schema/counters.h"
#include "schema/report.h"
#include "schema/snapshot.h"

/*
 * DOC: Messages
 *
 * Three channels: supervisor-control, supervisor-engine, control-engine. An
 * answer has the type of its request with IPC_ANSWER set, and its id. A
 * process that receives an unknown type, or a wrong length, exits: both ends
 * are the same binary.
 */
#define IPC_ANSWER 0x80000000u

enum ipc_type {
	/* control -> engine and control -> supervisor; fds[0] = sealed memfd. Answer: ipc_result. */
	IPC_SNAPSHOT = 1,
	/* supervisor -> control: a new engine runs; fds[0] = channel to it. No answer. */
	IPC_ENGINE_STARTED,
	/* supervisor -> control, engine: stop cleanly. No answer. */
	IPC_STOP,
	/* engine -> supervisor: run ping(8); body ipc_ping. Answer: ipc_result, 0 = answered. */
	IPC_PING,
	/*
	 * control -> supervisor: ready for users. Body: the line to print, without
	 * its end; the supervisor prints it once and tells systemd. No answer.
	 */
	IPC_READY,
	/* engine -> control, after IPC_ENGINE_STARTED: what this engine can do; body ipc_engine. */
	IPC_ENGINE_HELLO,
	/* engine -> control: something happened to a peer; body ipc_event. No answer. */
	IPC_EVENT,
	/*
	 * supervisor -> engine: a new control runs; fds[0] = channel to it, in place
	 * of the one before. The engine greets it and goes on. No answer.
	 */
	IPC_CONTROL_STARTED,
	/*
	 * supervisor -> engine: the TUN of kernel mode, before the snapshot that
	 * needs it, and to every new engine; a queue for each worker, body ipc_tun. No answer.
	 */
	IPC_TUN,
	/* supervisor -> engine, before a snapshot that needs them: sockets on port header.id, by worker. */
	IPC_PORT,
	IPC_CHALLENGE, /* supervisor -> engine: peers to ask of cut flows; ipc_challenge rows */
	IPC_CHALLENGE_LATER, /* the same, once the next snapshot is in force */
	/* supervisor -> control: something about the host; body health. No answer. */
	IPC_HEALTH,
	/* control -> engine (netstack) or supervisor (kernel): flow_query. Answer: flow_page, rows. */
	IPC_FLOWS,
	/* control -> the same: cut one flow visibly; body: its id, uint64_t. Answer: ipc_result. */
	IPC_FLOW_CUT,
	IPC_TLS,    /* supervisor -> control: certificate and key; fds[0]. No answer. */
	IPC_DOCTOR, /* control -> supervisor: look at the host; no body. Answer: check rows. */
};

struct ipc_result {
	int32_t error; /* 0 or negative errno */
	uint32_t reserved;
	uint64_t revision;	   /* of the snapshot in force */
	char text[FAULT_TEXT_MAX]; /* cause in words; "" where none */
};

struct ipc_ping {
	struct addr target;
	uint16_t size; /* bytes of payload */
	uint16_t reserved;
};

struct ipc_engine {
	uint32_t icmp_method; /* enum icmp_method of IPv4 */
	uint32_t icmp6_method;
	char aead[16];
};

struct ipc_event {
	uint32_t type; /* enum engine_event */
	uint32_t slot;
	int64_t at; /* wall clock, ns */
};

struct ipc_tun {
	char name[16];
	uint32_t offloads; /* TUN_F_* that the kernel granted */
};

struct ipc_challenge {
	struct endpoint from, to; /* of TCP, as the peer knows them; to is its own */
};

enum engine_event { ENGINE_EVENT_HANDSHAKE = 1 };

/*
 * Runs the engine, with as many workers as it has, until it is told to stop.
 * Returns the exit status, in each worker. Owns the descriptors.
 */
int engine_run(const struct engine_boot *boot);
/* Does this kernel give each of several workers its datagrams? Found by trying. */
bool forwarding_can_share(void);

/*
 * What the packet path would do, by the very functions that it runs. snap:
 * checked. 0, -ENOMEM, or -EBADMSG: see filter_new.
 */
int forwarding_explain(const struct snapshot *snap, const struct explain_query *query,
		       struct explain_result *ret_result);

/*
 * Whether a flow may be, and where it goes, by the filter of the packet path:
 * for who looks at flows after a change of snapshot. Nothing of snap (checked)
 * is kept. 0 or -ENOMEM.
 */
struct forwarding_judge;
struct forwarding_flow {
	uint32_t slot;
	uint8_t protocol;
	struct endpoint dialled;
};
struct forwarding_way {
	struct addr final; /* after map_to */
	uint32_t snat;	   /* enum snat, but never SNAT_AUTO */
	struct addr snat_address;
};
int forwarding_judge_new(const struct snapshot *snap, struct forwarding_judge **ret_judge);
void forwarding_judge_free(struct forwarding_judge *judge);
bool forwarding_judge_allows(const struct forwarding_judge *judge,
			     const struct forwarding_flow *flow, struct forwarding_way *ret_way);

/* Keys for agent/, so that only forwarding/wg/ knows the cryptography. See wg/wg.h. */
int forwarding_public_key(const struct wg_key *private_key, struct wg_key *ret_public);
void forwarding_generate_private_key(struct wg_key *ret_key);
void forwarding_generate_preshared_key(struct wg_key *ret_key);

/* Name and number of the drop reasons, for JSON and metrics. NULL past the end. */
const char *forwarding_drop_name(unsigned drop);
