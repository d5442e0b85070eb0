/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our nftables table: made, replaced in one transaction, watched, removed. */
#include "forwarding/kernel/nft.h"

#include <assert.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/macros.h"
#include "forwarding/kernel/nft_dump.h"
#include "forwarding/kernel/nft_rules.h"

#define TABLES_MAX 16 /* routers on one host */
#define TEXT_MAX ((size_t)8 << 20)
#define REFUSED_BATCH 4096
#define ROOM 32768 /* for events */

struct nft {
	struct nft_ctx *commands; /* its socket owns the table */
	struct mnl_socket *events;
	char table[16];
	bool is_made;
	uint64_t sum; /* of our rules as made */
};

/* libnftables tells the cause in words only. */
static int find_cause(const char *error)
{
	static const int causes[] = { EPERM,	    EEXIST, EOPNOTSUPP, EPROTONOSUPPORT,
				      EAFNOSUPPORT, ENFILE, ENOSPC,	ENOMEM,
				      EBUSY,	    ENOENT, EINVAL };
	for (size_t i = 0; i < ARRAY_SIZE(causes); i++)
		if (strstr(error, strerror(causes[i])))
			return causes[i] == ENFILE ? -ENOSPC : -causes[i];
	return -EIO;
}

static int run(struct nft *nft, const char *commands)
{
	if (nft_run_cmd_from_buffer(nft->commands, commands) == 0)
		return 0;
	/* No words: the batch did not reach the kernel, whose socket buffers bound it. */
	const char *error = nft_ctx_get_error_buffer(nft->commands);
	return *error != '\0' ? find_cause(error) : -EMSGSIZE;
}

static int create_table(struct nft *nft)
{
	int r = -EEXIST;

	/* What another socket owns answers EPERM, as no privileges would: then to all names. */
	for (int i = 1; i <= TABLES_MAX && (r == -EEXIST || r == -EPERM); i++) {
		char command[64];
		if (i == 1)
			snprintf(nft->table, sizeof(nft->table), "culvert");
		else
			snprintf(nft->table, sizeof(nft->table), "culvert-%d", i);
		snprintf(command, sizeof(command), "create table inet %s { flags owner; }",
			 nft->table);
		r = run(nft, command);
	}
	nft->is_made = r == 0;
	return r;
}

/* libnftables ends the process where it gets no socket: so ours comes first. */
static int open_sockets(struct nft *nft)
{
	int group = NFNLGRP_NFTABLES;

	nft->events = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!nft->events || mnl_socket_bind(nft->events, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(nft->events, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return -errno;

	nft->commands = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!nft->commands || nft_ctx_buffer_error(nft->commands) != 0 ||
	    nft_ctx_buffer_output(nft->commands) != 0)
		return -ENOMEM;
	return 0;
}

int nft_open(struct nft **ret_nft)
{
	struct nft *nft = calloc(1, sizeof(*nft));
	if (!nft)
		return -ENOMEM;

	int r = open_sockets(nft);
	if (r == 0)
		r = create_table(nft);
	if (r < 0) {
		nft_close(nft);
		return r;
	}
	*ret_nft = nft;
	return 0;
}

void nft_close(struct nft *nft)
{
	if (!nft)
		return;
	if (nft->is_made) {
		char command[64];
		snprintf(command, sizeof(command), "delete table inet %s", nft->table);
		run(nft, command);
	}
	if (nft->commands)
		nft_ctx_free(nft->commands);
	if (nft->events)
		mnl_socket_close(nft->events);
	free(nft);
}

const char *nft_table(const struct nft *nft)
{
	return nft->table;
}

struct sum {
	uint64_t value;
	size_t n;
};

static void begin_sum(void *ctx)
{
	*(struct sum *)ctx = (struct sum){ .value = 0xcbf29ce484222325 }; /* FNV-1a */
}

static int sum_rule(const struct nlmsghdr *message, void *ctx)
{
	struct sum *sum = ctx;
	const uint8_t *bytes = mnl_nlmsg_get_payload_offset(message, sizeof(struct nfgenmsg));
	const uint8_t *end = mnl_nlmsg_get_payload_tail(message);

	for (; bytes < end; bytes++)
		sum->value = (sum->value ^ *bytes) * 0x100000001b3;
	sum->n++;
	return MNL_CB_OK;
}

/* Our rules carry no counters or limits: the kernel tells them in the same bytes each time. */
static int sum_rules(const struct nft *nft, uint64_t *ret_sum)
{
	struct sum sum;
	const struct nft_dump dump = {
		.type = NFT_MSG_GETRULE,
		.family = NFPROTO_INET,
		.table = nft->table,
		.begin = begin_sum,
		.each = sum_rule,
		.ctx = &sum,
	};
	int r = nft_dump_run(&dump);
	if (r == 0)
		*ret_sum = sum.value;
	return r;
}

/* The first line of what libnftables said: the next ones repeat our commands. */
static void explain(const struct nft *nft, int r, char ret_text[FAULT_TEXT_MAX])
{
	const char *error = nft_ctx_get_error_buffer(nft->commands);
	if (*error == '\0')
		error = strerror(-r);
	snprintf(ret_text, FAULT_TEXT_MAX, "nftables does not take our table: %.*s",
		 (int)strcspn(error, "\n"), error);
}

static bool is_plain_name(const char *name)
{
	return *name != '\0' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

int nft_apply(struct nft *nft, const struct snapshot *snap, const char *tun_name,
	      char ret_text[FAULT_TEXT_MAX])
{
	_cleanup_(buf_release) struct buf text;
	buf_init(&text, TEXT_MAX);
	assert(is_plain_name(tun_name));

	int r = nft_rules_write(snap, nft->table, tun_name, &text);
	if (r < 0 || text.failed) {
		snprintf(ret_text, FAULT_TEXT_MAX, "no memory for the rules of our nftables table");
		return -ENOMEM;
	}
	r = run(nft, text.data);
	if (r < 0) {
		explain(nft, r, ret_text);
		return r;
	}
	r = sum_rules(nft, &nft->sum);
	if (r < 0)
		snprintf(ret_text, FAULT_TEXT_MAX, "nftables does not show our table: %s",
			 strerror(-r));
	return r;
}

int nft_intact(struct nft *nft)
{
	uint64_t sum = 0;
	int r = sum_rules(nft, &sum);
	return r < 0 ? r : sum == nft->sum;
}

int nft_watch_fd(const struct nft *nft)
{
	return mnl_socket_get_fd(nft->events);
}

void nft_drain(struct nft *nft)
{
	static char room[ROOM];
	ssize_t n;

	/* ENOBUFS: so many that some were lost; there are still more to read. */
	do
		n = mnl_socket_recvfrom(nft->events, room, sizeof(room));
	while (n > 0 || (n < 0 && (errno == ENOBUFS || errno == ENOSPC || errno == EINTR)));
}

static void write_refused(struct buf *text, const struct nft_refused *refused)
{
	char source[ADDR_TEXT_SIZE], destination[ADDR_TEXT_SIZE];
	buf_printf(text, "%s . %u . %s . %u timeout %ds, ",
		   addr_format(&refused->source.addr, source), refused->source.port,
		   addr_format(&refused->destination.addr, destination), refused->destination.port,
		   NFT_REFUSE_S);
}

static int refuse_family(struct nft *nft, int family, const struct nft_refused *refused, size_t n)
{
	_cleanup_(buf_release) struct buf text;
	size_t count = 0;

	buf_init(&text, TEXT_MAX);
	buf_printf(&text, "add element inet %s %s { ", nft->table,
		   family == 4 ? NFT_REFUSED_SET_4 : NFT_REFUSED_SET_6);
	for (size_t i = 0; i < n; i++) {
		if (refused[i].source.addr.family != family ||
		    refused[i].destination.addr.family != family)
			continue;
		write_refused(&text, &refused[i]);
		count++;
	}
	buf_add_text(&text, "}");
	if (count == 0)
		return 0;
	return text.failed ? -ENOMEM : run(nft, text.data);
}

int nft_refuse(struct nft *nft, const struct nft_refused *refused, size_t n)
{
	for (size_t done = 0; done < n; done += REFUSED_BATCH) {
		size_t batch = MIN(n - done, (size_t)REFUSED_BATCH);
		int r = refuse_family(nft, 4, refused + done, batch);
		if (r == 0)
			r = refuse_family(nft, 6, refused + done, batch);
		if (r < 0)
			return r;
	}
	return 0;
}
