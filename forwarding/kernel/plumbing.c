/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Setting kernel mode up step by step, and taking it down in reverse. */
#include "forwarding/plumbing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "agent/base/macros.h"
#include "forwarding/kernel/conntrack.h"
#include "forwarding/kernel/device.h"
#include "forwarding/kernel/inside.h"
#include "forwarding/kernel/vnet.h"

#define TUN_STEM "culvert"

static int explain(int err, char text[FAULT_TEXT_MAX], const char *what)
{
	snprintf(text, FAULT_TEXT_MAX, "%s: %s", what, strerror(-err));
	return err;
}

int plumbing_open(struct loop *loop, const char *state_dir,
		  const struct plumbing_handlers *handlers, struct plumbing **ret_plumbing)
{
	struct plumbing *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->loop = loop;
	p->handlers = *handlers;
	p->tun.fd = p->journal.fd = p->watcher.route_fd = -1;

	int r = netlink_open(&p->netlink);
	if (r == 0)
		r = sysctl_open(state_dir, &p->journal);
	if (r < 0) {
		plumbing_close(p);
		return r;
	}
	*ret_plumbing = p;
	return 0;
}

/* Is there one, by the name that the filter knows it by? */
static bool has_tun(const struct plumbing *p)
{
	return p->tun.fd >= 0 && if_nametoindex(p->tun.name) == p->tun.ifindex;
}

static void drop_tun(struct plumbing *p)
{
	if (p->tun.fd < 0)
		return;
	/* The engine may hold its descriptor yet: the interface goes now, with its routes. */
	(void)netlink_link_delete(&p->netlink, p->tun.ifindex);
	tun_close(&p->tun);
}

/* The header says: nothing was offloaded. */
static void write_to_tun(void *ctx, const uint8_t *packet, size_t length)
{
	static const struct virtio_net_hdr plain;
	const struct plumbing *p = ctx;
	const struct iovec iov[2] = { { (void *)(uintptr_t)&plain, VNET_HEADER },
				      { (void *)(uintptr_t)packet, length } };

	/* What the device does not take is lost, as on any link. */
	while (writev(p->tun.fd, iov, 2) < 0 && errno == EINTR)
		;
}

static void tell(const struct plumbing *p, const struct ipc_challenge *rows, size_t n, bool later)
{
	if (p->handlers.on_challenges)
		p->handlers.on_challenges(p->handlers.ctx, rows, n, later);
}

static void ask_now(void *ctx, const struct ipc_challenge *rows, size_t n)
{
	tell(ctx, rows, n, false);
}

/*
 * What peers answered now would come when there is no TUN any more, or be let
 * through by an engine that does not know yet what cut the flow.
 */
static void ask_later(void *ctx, const struct ipc_challenge *rows, size_t n)
{
	tell(ctx, rows, n, true);
}

static struct cutter cutter_of(struct plumbing *p)
{
	return (struct cutter){
		.nft = p->nft, .ctx = p, .to_lan = write_to_tun, .to_peers = ask_now
	};
}

/* Also with only some of the steps done. */
static void take_down(struct plumbing *p)
{
	struct cutter cutter = cutter_of(p);
	cutter.to_peers = ask_later;

	watcher_stop(&p->watcher);
	if (p->snap && p->nft && has_tun(p))
		(void)conntrack_cut_all(p->snap, &cutter);
	if (p->journal.fd >= 0)
		(void)sysctl_restore(&p->journal);
	drop_tun(p);
	if (p->snap)
		(void)conntrack_forget_all(p->snap);
	nft_close(p->nft);
	p->nft = NULL;
	wanted_release(&p->wanted);
	free(p->snap);
	p->snap = NULL;
}

void plumbing_close(struct plumbing *p)
{
	if (!p)
		return;
	take_down(p);
	sysctl_close(&p->journal);
	netlink_close(&p->netlink);
	free(p);
}

unsigned plumbing_tun(const struct plumbing *p, int ret_fds[WORKERS_MAX], struct ipc_tun *ret_tun)
{
	if (p->tun.fd < 0)
		return 0;
	struct ipc_tun tun = { .offloads = p->tun.offloads };
	memcpy(tun.name, p->tun.name, sizeof(tun.name));
	*ret_tun = tun;
	ret_fds[0] = p->tun.fd;
	for (unsigned i = 1; i < p->tun.queues; i++)
		ret_fds[i] = p->tun.others[i - 1];
	return p->tun.queues;
}

static void tell_tun(const struct plumbing *p)
{
	struct ipc_tun tun;
	int fds[WORKERS_MAX];
	unsigned queues = plumbing_tun(p, fds, &tun);
	if (queues > 0 && p->handlers.on_tun)
		p->handlers.on_tun(p->handlers.ctx, fds, queues, &tun);
}

/* What is kept needs no secrets. */
static struct snapshot *copy_without_keys(const struct snapshot *snap)
{
	struct snapshot *copy = malloc(snap->size);
	if (!copy)
		return NULL;
	memcpy(copy, snap, snap->size);

	key_wipe(&copy->private_key);
	struct snapshot_peer *peers =
		(struct snapshot_peer *)(void *)((char *)copy + copy->peers.offset);
	for (uint64_t i = 0; i < copy->peers.count; i++)
		key_wipe(&peers[i].preshared_key);
	return copy;
}

static struct switches switches_of(const struct plumbing *p, const struct wanted *wanted)
{
	return (struct switches){ .tun = p->tun.name, .ipv4 = wanted->ipv4, .ipv6 = wanted->ipv6 };
}

static int make_table(struct plumbing *p, char text[FAULT_TEXT_MAX])
{
	int r = p->nft ? 0 : nft_open(&p->nft);
	return r < 0 ? explain(r, text, "cannot make a table in nftables") : 0;
}

static int make_tun(struct plumbing *p, char text[FAULT_TEXT_MAX])
{
	if (has_tun(p))
		return 0;
	drop_tun(p);
	int r = tun_open(TUN_STEM, MAX(p->handlers.workers, 1u), &p->tun);
	if (r == 0 && switches_have_ipv6())
		r = netlink_link_bare(&p->netlink, p->tun.ifindex);
	return r < 0 ? explain(r, text, "cannot make a TUN device") : 0;
}

/* What is there is brought from before to wanted; what is not is made. */
static int set_up(struct plumbing *p, const struct snapshot *snap, const struct wanted *before,
		  const struct wanted *wanted, char text[FAULT_TEXT_MAX])
{
	int r = make_table(p, text);
	if (r == 0)
		r = make_tun(p, text); /* down yet: the filter needs its name */
	const struct switches switches = switches_of(p, wanted);
	if (r == 0)
		r = nft_apply(p->nft, snap, p->tun.name, text);
	if (r == 0)
		r = switches_prepare(&switches, text);
	if (r == 0)
		r = device_settle(&p->netlink, &p->tun, before, wanted, text);
	return r == 0 ? switches_forward(&switches, &p->journal, text) : r;
}

/* Without this kernel mode has no leg to stand on: what cannot be put back is taken down. */
static void go_back(struct plumbing *p, const struct wanted *wanted)
{
	char text[FAULT_TEXT_MAX];
	if (!p->snap || set_up(p, p->snap, wanted, &p->wanted, text) < 0)
		take_down(p);
}

static int change(struct plumbing *p, const struct snapshot *snap, struct wanted *wanted,
		  char text[FAULT_TEXT_MAX])
{
	struct snapshot *copy = copy_without_keys(snap);
	unsigned ifindex_before = p->tun.ifindex;
	int r = copy ? set_up(p, copy, &p->wanted, wanted, text)
		     : explain(-ENOMEM, text, "cannot set up the kernel");
	if (r == 0 && !p->snap) {
		r = watcher_start(&p->watcher, p);
		if (r < 0)
			explain(r, text, "cannot watch the kernel");
	}
	if (r < 0) {
		free(copy);
		go_back(p, wanted);
		return r;
	}

	/* The filter judges first packets: what was let in earlier is cut here. */
	struct cutter cutter = cutter_of(p);
	cutter.to_peers = ask_later;
	if (p->snap)
		(void)conntrack_cut_denied(p->snap, copy, &cutter);
	free(p->snap);
	p->snap = copy;
	struct wanted old = p->wanted;
	p->wanted = *wanted;
	*wanted = old;
	if (p->tun.ifindex != ifindex_before)
		tell_tun(p);
	return 0;
}

int plumbing_apply(struct plumbing *p, const struct snapshot *snap, char ret_text[FAULT_TEXT_MAX])
{
	if (snap->mode != MODE_KERNEL) {
		take_down(p);
		return 0;
	}

	struct wanted wanted;
	int r = wanted_make(snap, switches_have_ipv6(), &wanted);
	if (r < 0)
		return explain(r, ret_text, "cannot set up the kernel");
	r = change(p, snap, &wanted, ret_text);
	wanted_release(&wanted);
	return r;
}

static bool filter_is_whole(const struct plumbing *p, char text[FAULT_TEXT_MAX])
{
	if (p->nft && nft_intact(p->nft) > 0)
		return true;
	snprintf(text, FAULT_TEXT_MAX, "the nftables table was changed or removed");
	return false;
}

static bool interface_is_whole(const struct plumbing *p, char text[FAULT_TEXT_MAX])
{
	if (has_tun(p))
		return true;
	snprintf(text, FAULT_TEXT_MAX, "the interface %s was removed or renamed", p->tun.name);
	return false;
}

bool plumbing_part_is_whole(struct plumbing *p, enum part part, char ret_text[FAULT_TEXT_MAX])
{
	const struct switches switches = switches_of(p, &p->wanted);
	switch (part) {
	case PART_FILTER:
		return filter_is_whole(p, ret_text);
	case PART_INTERFACE:
		return interface_is_whole(p, ret_text);
	case PART_NETWORK:
		return device_is_settled(&p->netlink, &p->tun, &p->wanted, ret_text);
	default:
		return switches_are_set(&switches, ret_text);
	}
}

/* Nothing passes while there is no table. */
static int remake_table(struct plumbing *p, char text[FAULT_TEXT_MAX])
{
	(void)netlink_link_set(&p->netlink, p->tun.ifindex, false, p->wanted.mtu);
	watcher_leave_filter(&p->watcher);
	nft_close(p->nft);
	p->nft = NULL;

	int r = make_table(p, text);
	if (r == 0)
		r = nft_apply(p->nft, p->snap, p->tun.name, text);
	if (r == 0)
		r = watcher_follow_filter(&p->watcher);
	return r == 0 ? device_settle(&p->netlink, &p->tun, &p->wanted, &p->wanted, text) : r;
}

static int repair_table(struct plumbing *p, char text[FAULT_TEXT_MAX])
{
	if (p->nft && nft_apply(p->nft, p->snap, p->tun.name, text) == 0 && nft_intact(p->nft) > 0)
		return 0;
	return remake_table(p, text);
}

static int repair_tun(struct plumbing *p, char text[FAULT_TEXT_MAX])
{
	const struct wanted nothing = { .n_routes = 0 };
	int r = set_up(p, p->snap, &nothing, &p->wanted, text);
	tell_tun(p);
	return r;
}

int plumbing_part_repair(struct plumbing *p, enum part part, char ret_text[FAULT_TEXT_MAX])
{
	const struct switches switches = switches_of(p, &p->wanted);
	int r = 0;
	switch (part) {
	case PART_FILTER:
		return repair_table(p, ret_text);
	case PART_INTERFACE:
		return repair_tun(p, ret_text);
	case PART_NETWORK:
		return device_settle(&p->netlink, &p->tun, &p->wanted, &p->wanted, ret_text);
	default:
		r = switches_prepare(&switches, ret_text);
		return r == 0 ? switches_forward(&switches, &p->journal, ret_text) : r;
	}
}

int plumbing_flows(struct plumbing *p, const struct flow_query *query, struct flow_row *ret_rows,
		   size_t *ret_count, bool *ret_more)
{
	if (p->snap)
		return conntrack_flows(p->snap, query, ret_rows, ret_count, ret_more);
	*ret_count = 0;
	*ret_more = false;
	return 0;
}

int plumbing_cut(struct plumbing *p, uint64_t id)
{
	const struct cutter cutter = cutter_of(p);
	return p->snap ? conntrack_cut(p->snap, &cutter, id) : -ENOENT;
}
