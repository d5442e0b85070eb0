/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the agent's tests: an agent on a fresh state directory, with a link that only remembers. */
#pragma once

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "agent/base/buf.h"
#include "agent/link.h"
#include "agent/options.h"
#include "forwarding/forwarding.h"
#include "schema/snapshot.h"
#include "tests/unit/store/fixture.h"

/* The other end of the link, as far as the agent can tell. */
static struct {
	int error;	  /* what the next publications are answered with */
	int kernel_error; /* the same, for those of kernel mode */
	unsigned published;
	uint64_t revision;
	bool engine_gone;
	const struct snapshot *snapshot; /* last one that was taken */
	size_t size;
} fake_link;

int link_publish(struct link *link, int memfd, uint64_t revision, struct fault *reterr)
{
	(void)link;
	fake_link.published++;
	if (fake_link.error < 0)
		return fault_set(reterr, fake_link.error, "engine_unavailable", "It said no.");

	struct stat st;
	if (fstat(memfd, &st) < 0)
		return -errno;
	size_t size = (size_t)st.st_size;
	const struct snapshot *snapshot = mmap(NULL, size, PROT_READ, MAP_SHARED, memfd, 0);
	if (fake_link.kernel_error < 0 && snapshot->mode == MODE_KERNEL) {
		munmap((void *)(uintptr_t)snapshot, size);
		return fault_set(reterr, fake_link.kernel_error, "internal",
				 "The table was refused.");
	}
	if (fake_link.snapshot)
		munmap((void *)(uintptr_t)fake_link.snapshot, fake_link.size);
	fake_link.size = size;
	fake_link.snapshot = snapshot;
	fake_link.revision = revision;
	return 0;
}

/* What link_ask was asked, and what it answers. */
static struct {
	int error;
	bool engine;
	uint32_t type;
	uint8_t asked[256];
	void (*answer)(struct ipc_message *ret_answer);
} fake_ask;

int link_ask(struct link *link, bool engine, uint32_t type, const void *body, size_t length,
	     struct ipc_message *ret_answer)
{
	(void)link;
	fake_ask.engine = engine;
	fake_ask.type = type;
	if (length > 0)
		memcpy(fake_ask.asked, body, length);
	if (fake_ask.error < 0)
		return fake_ask.error;
	ret_answer->n_fds = 0;
	ret_answer->header.length = 0;
	if (fake_ask.answer)
		fake_ask.answer(ret_answer);
	return 0;
}

bool link_engine_running(const struct link *link)
{
	(void)link;
	return !fake_link.engine_gone;
}

/* Appends to the body of an answer. */
static inline void answer_add(struct ipc_message *answer, const void *bytes, size_t length)
{
	memcpy(answer->body + answer->header.length, bytes, length);
	answer->header.length += (uint32_t)length;
}

static struct {
	struct loop *loop;
	struct agent *agent;
	struct counters counters;
	struct options options;
	struct fault fault;
	struct agent_write write;
	const char *kernel_reasons[2];
} t;

/* Starts the agent on the directory as it is. 0 or the error of agent_open. */
static inline int agent_fixture_start(void)
{
	struct agent_conf conf = {
		.loop = t.loop,
		.counters = &t.counters,
		.options = &t.options,
		.kernel_reasons = t.kernel_reasons,
	};
	snprintf(t.options.state_dir, sizeof(t.options.state_dir), "%s", fixture_dir);
	t.fault = (struct fault){ .problem = NULL };
	int r = agent_open(&conf, &t.agent, &t.fault);
	if (r == 0)
		agent_on_engine(t.agent, &(struct ipc_engine){ .aead = "openssl" },
				loop_now(t.loop));
	return r;
}

static inline void agent_fixture_stop(void)
{
	agent_close(t.agent);
	t.agent = NULL;
}

/* A fresh agent on 10.77.0.1/16 and fd77::1/64, the engine being there. */
static inline void agent_fixture_fresh(void)
{
	agent_fixture_stop();
	if (!t.loop)
		CHECK_EQ(loop_open(&t.loop), 0);
	fixture_fresh();
	memset(&t.counters, 0, sizeof(t.counters));
	memset(&t.options, 0, sizeof(t.options));
	fake_link.error = fake_link.kernel_error = 0;
	fake_link.engine_gone = false;
	memset(&fake_ask, 0, sizeof(fake_ask));
	t.kernel_reasons[0] = "there is no /dev/net/tun";
	t.options.node_addresses[0] = fixture_prefix("10.77.0.1/16");
	t.options.node_addresses[1] = fixture_prefix("fd77::1/64");
	t.options.n_node_addresses = 2;
	if (agent_fixture_start() < 0)
		TEST_FAIL("%s", t.fault.text);
	t.write = (struct agent_write){ .may_approve = true };
}

/* Clears what the last command said. */
static inline struct fault *agent_fixture_fault(void)
{
	t.fault = (struct fault){ .problem = NULL };
	return &t.fault;
}

/* The code of the item at pointer; "" where there is none. */
static inline const char *code_at(const char *pointer)
{
	for (size_t i = 0; i < t.fault.n_items; i++)
		if (strcmp(t.fault.items[i].pointer, pointer) == 0)
			return t.fault.items[i].code;
	return "";
}

static inline struct peer new_peer(const char *name)
{
	struct peer peer = { .enabled = true };
	snprintf(peer.name, sizeof(peer.name), "%s", name);
	return peer;
}

/* Adds a peer with made keys and addresses. */
static inline struct peer add_peer(const char *name, const char *tag)
{
	struct peer peer = new_peer(name), made;
	struct wg_key key;
	if (tag) {
		snprintf(peer.tags[0], sizeof(peer.tags[0]), "%s", tag);
		peer.n_tags = 1;
	}
	if (agent_peer_add(t.agent, &peer, &t.write, &made, &key, agent_fixture_fault()) < 0)
		TEST_FAIL("%s", t.fault.text);
	return made;
}

/* Routes are too large for the stack: the one being made, and what came back. */
static struct route route, made_route;

static inline void new_route(const char *prefix)
{
	memset(&route, 0, sizeof(route));
	route.prefix = fixture_prefix(prefix);
	route.enabled = route.approved = route.grant.all = true;
	snprintf(route.via, sizeof(route.via), "router");
}

static inline int add_route(const char *prefix)
{
	new_route(prefix);
	return agent_route_add(t.agent, &route, &t.write, &made_route, agent_fixture_fault());
}
