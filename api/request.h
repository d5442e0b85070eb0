/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request and its answer, as handlers see them. No libmicrohttpd here. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/agent.h"
#include "agent/base/buf.h"
#include "api/scope.h"

struct api;
struct connection;
struct route_entry;

enum method { METHOD_GET, METHOD_POST, METHOD_PUT, METHOD_PATCH, METHOD_DELETE, METHODS };

/* Who sent it: whoever is connected, until identify() finds a credential. */
struct caller {
	bool tcp;
	uid_t uid;		  /* unix socket without a credential; else -1 */
	uint64_t scopes;	  /* bits of enum scope, with all that they include */
	char token[ID_MAX + 1];	  /* "": none */
	char session[ID_MAX + 1]; /* "": none */
	bool single_use;	  /* the token buys a session and nothing else */
	struct actor actor;
};

/* Query parameters; only those that the operation takes are accepted. */
enum {
	QUERY_NONE = 0,
	QUERY_DRY_RUN = 1,
	QUERY_CASCADE = 2,
	QUERY_FORMAT = 4,
	QUERY_LIST = 8,	     /* limit, cursor */
	QUERY_FLOWS = 16,    /* the members of struct flow_filter */
	QUERY_EVENTS = 32,   /* types */
	QUERY_PEER = 64,     /* peer */
	QUERY_CONFIRM = 128, /* confirm_within_s */
};

/* Which flows a list is to have. */
struct flow_filter {
	char peer[ID_MAX + 1];	   /* "" = of all */
	uint8_t protocol;	   /* 0 = all */
	struct prefix destination; /* family 0 = all */
	enum flow_state state;	   /* FLOW_STATES = all */
};

/* Which events a stream is to tell. */
struct event_filter {
	bool some; /* false: all but stats */
	bool types[EVENT_TYPES];
	bool stats;
};

struct query {
	bool dry_run;
	bool cascade;
	bool qr_text;
	unsigned confirm_within_s; /* 0 = not given */
	size_t limit;
	char after[ID_MAX + 1]; /* from cursor; "" = from the start */
	struct flow_filter flows;
	struct event_filter events;
};

struct answer {
	unsigned status;	  /* 0 = none yet */
	const char *content_type; /* NULL = no body */
	struct buf body;	  /* wiped after it was sent: may hold secrets */
	bool has_revision;
	uint64_t revision; /* ETag */
	char location[ID_MAX + 32];
	char link[512];
	char cookie[256];	/* Set-Cookie; secret */
	unsigned retry_after_s; /* 0 = no such header */
	unsigned allow;		/* bits of enum method; 0 = no Allow header */
	bool replayed;		/* it was given before */
	bool close;		/* end the connection after this answer */
	struct stream *stream;	/* the body, instead of one; freed with the exchange */
};

#define REQUEST_ID_SIZE 32
#define ANSWER_MAX (4 * 1024 * 1024)
/* A policy is many rules in one resource. */
#define POLICY_BODY_MAX (512 * 1024)
#define CONFIG_BODY_MAX (8 * 1024 * 1024)
#define CONFIG_ANSWER_MAX (32 * 1024 * 1024)

struct request {
	struct api *api;
	struct agent *agent;
	struct connection *connection;
	void *transport; /* of exchange.c */
	const char *(*header)(const struct request *req, const char *name);

	char id[REQUEST_ID_SIZE];
	char target[1024]; /* raw, for the log */
	bool head;
	enum method method;
	const struct caller *caller; /* the connection's, or identity */
	struct caller identity;
	struct audit_entry audit;
	struct replay replay; /* key "": the answer is not kept */
	const struct route_entry *route;
	char object[ID_MAX + 1]; /* the {id} of the path, decoded */
	bool object_fits;	 /* object is a well-formed id */
	struct query query;

	struct buf body;
	bool body_expected; /* the head announced one */
	bool body_too_large;
	struct answer answer;
};

/* A header's value, NULL where it is not there. Names in any case. */
const char *request_header(const struct request *req, const char *name);

/*
 * The body as JSON: UTF-8, no duplicate members, at most JSON_DEPTH_MAX deep.
 * NULL: a problem has been answered. The caller owns the value.
 */
json_t *request_json(struct request *req);
/* The same from bytes, for tests: 0, or -EINVAL and one sentence. */
int json_from_bytes(const char *data, size_t length, json_t **ret_json,
		    char ret_why[FAULT_TEXT_MAX]);

/* What a write is told from the query and the caller; if_match is the handler's. */
struct agent_write request_write(struct request *req);

/* Takes json. */
void answer_json(struct request *req, unsigned status, json_t *json);
/* Takes json; writes its revision as ETag where the write was no rehearsal. */
void answer_resource(struct request *req, unsigned status, uint64_t revision, json_t *json);
void answer_text(struct request *req, unsigned status, const char *content_type, const char *text);
void answer_no_content(struct request *req);

/* Appends JSON text to a buffer. */
void json_add_to(struct buf *buf, const json_t *json, size_t flags);
