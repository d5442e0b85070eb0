/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which backend runs, and on which TUN: opened beside the one in use, then put in its place. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/macros.h"
#include "forwarding/engine.h"

static void close_tun(struct engine_tun *tun)
{
	closep(&tun->fd);
	*tun = ENGINE_TUN_NONE;
}

static int open_netstack(struct engine *engine, const struct snapshot *snap,
			 struct backend **ret_backend)
{
	int r = netstack_backend.open(&engine->host, snap, ret_backend);
	if (r < 0)
		return r;
	/* Told to control in kernel mode, too. */
	engine->icmp_method = netstack_icmp_method(*ret_backend, 4);
	engine->icmp6_method = netstack_icmp_method(*ret_backend, 6);
	return 0;
}

static int open_kernel(struct engine *engine, const struct snapshot *snap,
		       struct backend **ret_backend)
{
	engine->host.tun_fd = engine->next_tun.fd;
	engine->host.tun_offloads = engine->next_tun.offloads;
	return kernel_backend.open(&engine->host, snap, ret_backend);
}

static bool runs(const struct engine *engine, const struct backend_ops *ops)
{
	return engine->backend && engine->backend->ops == ops;
}

int engine_backend_start(struct engine *engine)
{
	static const struct snapshot empty = { .mode = MODE_NETSTACK, .mtu = INNER_MTU_DEFAULT };
	return open_netstack(engine, &empty, &engine->backend);
}

static int prepare_netstack(struct engine *engine, const struct snapshot *snap,
			    struct backend **ret_backend, char ret_text[FAULT_TEXT_MAX])
{
	if (runs(engine, &netstack_backend)) {
		*ret_backend = engine->backend;
		return 0;
	}
	int r = open_netstack(engine, snap, ret_backend);
	if (r < 0)
		snprintf(ret_text, FAULT_TEXT_MAX, "netstack mode cannot start: %s", strerror(-r));
	return r;
}

static int prepare_kernel(struct engine *engine, const struct snapshot *snap,
			  struct backend **ret_backend, char ret_text[FAULT_TEXT_MAX])
{
	if (engine->next_tun.fd < 0 && runs(engine, &kernel_backend)) {
		*ret_backend = engine->backend;
		return 0;
	}
	if (engine->next_tun.fd < 0) {
		snprintf(ret_text, FAULT_TEXT_MAX, "the tunnel device did not arrive");
		return -ENODEV;
	}
	int r = open_kernel(engine, snap, ret_backend);
	if (r < 0)
		snprintf(ret_text, FAULT_TEXT_MAX, "the tunnel device cannot be used: %s",
			 strerror(-r));
	return r;
}

int engine_backend_prepare(struct engine *engine, const struct snapshot *snap,
			   struct backend **ret_backend, char ret_text[FAULT_TEXT_MAX])
{
	return snap->mode == MODE_KERNEL ? prepare_kernel(engine, snap, ret_backend, ret_text)
					 : prepare_netstack(engine, snap, ret_backend, ret_text);
}

void engine_backend_discard(struct engine *engine, struct backend *backend, mono_t now)
{
	if (backend && backend != engine->backend)
		backend->ops->close(backend, now);
	engine->host.tun_fd = engine->tun.fd;
}

void engine_backend_adopt(struct engine *engine, struct backend *backend, mono_t now)
{
	struct backend *before = engine->backend;
	bool changed = backend != before;

	if (changed && before) {
		before->ops->close(before, now);
		udp_flush(engine->sender, now);
	}
	engine->backend = backend;

	bool kernel = runs(engine, &kernel_backend);
	if (!kernel || changed)
		close_tun(&engine->tun);
	if (kernel && changed) {
		engine->tun = engine->next_tun;
		engine->next_tun = ENGINE_TUN_NONE;
	}
	close_tun(&engine->next_tun);
	engine->host.tun_fd = engine->tun.fd;
}

void engine_backend_take_tun(struct engine *engine, int fd, uint32_t offloads, mono_t now)
{
	struct backend *backend;

	close_tun(&engine->next_tun);
	engine->next_tun.fd = fd;
	engine->next_tun.offloads = engine->boot.no_tun_offload ? 0 : offloads;

	/* In place of one that is gone: that needs no snapshot. Else it waits for its own. */
	if (runs(engine, &kernel_backend) && open_kernel(engine, engine->snap, &backend) == 0)
		engine_backend_adopt(engine, backend, now);
}

void engine_backend_close(struct engine *engine, mono_t now)
{
	if (engine->backend)
		engine->backend->ops->close(engine->backend, now);
	engine->backend = NULL;
	close_tun(&engine->tun);
	close_tun(&engine->next_tun);
}
