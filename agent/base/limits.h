/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every maximum in the program: what grows from outside ends here. */
#pragma once

/* Objects of the configuration. */
#define PEERS_MAX 16384 /* also the number of peer slots */
#define ROUTES_MAX 4096
#define PEER_ADDRESSES_MAX 8
#define PEER_TAGS_MAX 16
#define RATE_BPS_MIN UINT64_C(8000)
#define RATE_BPS_MAX UINT64_C(1000000000000)
#define ROUTE_PEERS_MAX 1024
#define ROUTE_PROTOCOLS_MAX 8
#define ROUTE_PORTS_MAX 32
#define RULES_MAX 1024
#define RULE_DESTINATIONS_MAX 64
#define COMMENT_CHARS_MAX 256
#define COMMENT_BYTES_MAX (4 * COMMENT_CHARS_MAX)
#define NODE_ADDRESSES_MAX 8
#define NODE_DNS_MAX 4
#define HOST_ADDRESSES_MAX 256 /* addresses of this host that peers may not reach */

#define TOKENS_MAX 1024
#define SESSIONS_MAX 1024
#define AUDIT_WRITES_MAX 8000
#define AUDIT_REFUSED_MAX 2000
#define AUDIT_WAITING_MAX 64
#define REPLAYS_MAX 4096

/* Writes that can be taken back. */
#define BACKUP_MAX (256 * 1024 * 1024)
#define REVISIONS_MAX 50
#define REVISIONS_BYTES_MAX (64 * 1024 * 1024)
#define CONFIRM_MIN_S 10
#define CONFIRM_MAX_S 3600

/* Text. Characters are Unicode characters, bytes are their UTF-8. */
#define ID_MAX 64
#define NAME_CHARS_MAX 64
#define NAME_BYTES_MAX (4 * NAME_CHARS_MAX)
#define TAG_MAX 32
#define DESCRIPTION_CHARS_MAX 256
#define DESCRIPTION_BYTES_MAX (4 * DESCRIPTION_CHARS_MAX)
#define SCOPES_TEXT_MAX 511 /* more than all of api/scopes.def */
#define FAULT_TEXT_MAX 240
#define FAULT_POINTER_MAX 128

/* Events. */
#define EVENTS_KEPT 4096	    /* kept */
#define EVENTS_STAGED_MAX 2048	    /* of one write */
#define EVENTS_HANDSHAKE_EVERY_S 60 /* of one peer */
#define EVENTS_HANDSHAKES_PER_S 5   /* of all */
#define EVENTS_HANDSHAKES_BURST 100

/* Statistics: samples of the node, and rows of all peers together. */
#define STATS_SECONDS_KEPT 600
#define STATS_MINUTES_KEPT 1440
#define STATS_SECOND_ROWS_KEPT 131072 /* 5 MiB; 200 peers that move each second have it all */
#define STATS_MINUTE_ROWS_KEPT 262144 /* 10 MiB; 180 that move each minute have the day */

/* HTTP. */
#define HTTP_BODY_MAX (64 * 1024)
#define HTTP_CONNECTIONS_MAX 64
#define HTTP_HEADER_MAX (16 * 1024)
#define HTTP_DEADLINE_S 10
#define JSON_DEPTH_MAX 32
#define LIST_LIMIT_MAX 500
#define LIST_LIMIT_DEFAULT 100

/* Messages between the processes. */
#define IPC_BODY_MAX (60 * 1024)
#define IPC_FDS_MAX (2 * WORKERS_MAX)
#define PUBLISH_TIMEOUT_MS 3000

/* Processes. */
#define WORKERS_MAX 8 /* of the engine */
#define RESTART_DELAY_MS 200
#define CRASHES_MAX 5 /* within CRASH_WINDOW_S: stop, fail closed */
#define CRASH_WINDOW_S 60
#define STOP_TIMEOUT_MS 1500
#define STATE_LOCK_TIMEOUT_MS 700 /* for the processes of a killed daemon to be gone */
#define READY_LINE_MAX 512
#define OWN_UID 65521 /* of control and engine, where there is no user "culvert" */

/* Inner and outer packets. */
#define INNER_MTU_MIN 1280
#define INNER_MTU_MAX 9000
#define INNER_MTU_DEFAULT 1420
#define DATAGRAM_MAX 65536 /* one receive buffer: a whole UDP_GRO aggregate */
#define RECEIVE_BATCH 8	   /* datagram buffers filled by one recvmmsg */
#define GSO_SEGMENTS_MAX 64
#define GSO_BYTES_MAX 65000

/* Reassembly of inner fragments: bounded, an overlap drops the whole datagram. */
#define REASSEMBLY_DATAGRAMS_MAX 64
#define REASSEMBLY_PER_PEER_MAX 16
#define REASSEMBLY_TIMEOUT_S 5

/* Flows that peers answer, by who began them. */
#define RETURNS_MAX 65536
#define RETURNS_TCP_S (2 * 3600 + 4 * 60) /* RFC 5382 REQ-5 */
#define RETURNS_TCP_UNANSWERED_S 300
#define RETURNS_UDP_S 180
#define RETURNS_OTHER_S 60

/* Flows that kernel mode cut, whose ends are asked. */
#define CHALLENGES_MAX 512  /* in one message */
#define CHALLENGED_MAX 4096 /* of one cut; kept for a snapshot to come */

/* Netstack mode. The flow cap is derived from RLIMIT_NOFILE below this. */
#define FLOWS_MAX 131072
#define FDS_RESERVED 64 /* descriptors that flows may not use */
#define DIALS_MAX 4096
#define DIALS_PER_PEER_MAX 1024
#define DIAL_TIMEOUT_S 130 /* longer than Linux' own connect() */
#define UDP_IDLE_S 120
#define UDP_IDLE_DNS_S 30
#define UDP_FLOWS_PER_PEER_MAX 4096
#define TCP_HALF_OPEN_S 600
#define TCP_SYN_MAX 256 /* headers of a SYN that is held during the dial */
#define TCP_BATCH_PACKETS_MAX 2048
#define TCP_OOSEQ_SEGMENTS_MAX 4096 /* of one flow: every second packet of 300 Mb/s over 100 ms */
#define TCP_WINDOW_START (64u * 1024)
#define TCP_WINDOW_MAX (32u * 1024 * 1024)
#define TCP_BUFFER_BYTES_MAX (256u * 1024 * 1024) /* of all flows */
#define TCP_IDLE_S (2 * 3600 + 4 * 60)		  /* RFC 5382 REQ-5 */
#define PINGS_MAX 1024
#define PINGS_PER_PEER_MAX 256
#define PING_TIMEOUT_S 10
#define PING_EXEC_MAX 64
#define PING_EXEC_WAIT_S 2    /* ping's own patience */
#define PING_EXEC_TIMEOUT_S 4 /* then it is killed */
