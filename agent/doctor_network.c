/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way out: the port, the address that peers are told, room for the tunnel's packets, pings. */
#include <errno.h>
#include <string.h>

#include "agent/inside.h"

/* What WireGuard puts around a packet: IP, UDP, its own header and tag. */
#define OVERHEAD_V4 60
#define OVERHEAD_V6 80

static void print_patch(const struct agent *agent, const char *body, char ret_fix[FAULT_TEXT_MAX])
{
	snprintf(ret_fix, FAULT_TEXT_MAX,
		 "curl --unix-socket %s -X PATCH http://localhost/v1/node -d '%s'",
		 agent->options->api_socket, body);
}

static void check_port(const struct agent *agent, const struct node *node, struct checklist *list)
{
	char fix[FAULT_TEXT_MAX];
	snprintf(fix, sizeof(fix), "ss -ulpn 'sport = :%u'", node->listen_port);

	if (agent->engine && !agent->stale)
		checklist_add(list, "wireguard_port", CHECK_OK, "",
			      "The engine listens on UDP port %u.", node->listen_port);
	else if (agent->publish_error[0] != '\0')
		checklist_add(list, "wireguard_port", CHECK_FAIL, fix, "%s", agent->publish_error);
	else
		checklist_add(list, "wireguard_port", CHECK_FAIL, fix,
			      "The engine is being started; nothing listens on UDP port %u.",
			      node->listen_port);
}

static bool is_private(const struct addr *addr)
{
	static const struct prefix nets[] = {
		{ .addr = { .b = { 10 }, .family = 4 }, .bits = 8 },
		{ .addr = { .b = { 100, 64 }, .family = 4 }, .bits = 10 },
		{ .addr = { .b = { 172, 16 }, .family = 4 }, .bits = 12 },
		{ .addr = { .b = { 192, 168 }, .family = 4 }, .bits = 16 },
		{ .addr = { .b = { 0xfc }, .family = 6 }, .bits = 7 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(nets); i++)
		if (prefix_contains(&nets[i], addr))
			return true;
	return false;
}

static void check_endpoint(const struct agent *agent, const struct node *node,
			   const struct addr *outward, struct checklist *list)
{
	char text[ADDR_TEXT_SIZE], fix[FAULT_TEXT_MAX];
	print_patch(agent, "{\"endpoint\":\"vpn.example.org\"}", fix);

	if (node->endpoint[0] != '\0')
		checklist_add(list, "endpoint", CHECK_OK, "",
			      "Configurations of peers name %.200s.", node->endpoint);
	else if (outward->family == 0)
		checklist_add(list, "endpoint", CHECK_FAIL, fix,
			      "This host has no way to the internet, and no endpoint is set:"
			      " configurations of peers name none.");
	else if (is_private(outward))
		checklist_add(list, "endpoint", CHECK_WARN, fix,
			      "Configurations of peers name %s, which only the own network reaches;"
			      " set the public name or address.",
			      addr_format(outward, text));
	else
		checklist_add(list, "endpoint", CHECK_OK, "", "Configurations of peers name %s.",
			      addr_format(outward, text));
}

static void check_mtu(const struct agent *agent, const struct node *node,
		      const struct addr *outward, struct checklist *list)
{
	int overhead = outward->family == 4 ? OVERHEAD_V4 : OVERHEAD_V6, mtu = 0;
	char body[32], fix[FAULT_TEXT_MAX];

	if (outward->family == 0 || hostaddr_outward_mtu(&mtu) < 0)
		return;
	if (node->mtu + overhead <= mtu) {
		checklist_add(list, "outer_mtu", CHECK_OK, "",
			      "Tunnel packets of %d bytes fit the way out (%d).",
			      node->mtu + overhead, mtu);
		return;
	}
	snprintf(body, sizeof(body), "{\"mtu\":%d}", MAX(mtu - OVERHEAD_V6, INNER_MTU_MIN));
	print_patch(agent, body, fix);
	checklist_add(list, "outer_mtu", CHECK_WARN, fix,
		      "Tunnel packets of %d bytes do not fit the way out (%d): they are fragmented"
		      " or lost.",
		      node->mtu + overhead, mtu);
}

static void check_ping(const struct agent *agent, struct checklist *list)
{
	if (mode_running(agent) != MODE_NETSTACK || !agent->engine)
		return;
	if (agent->hello.icmp_method == ICMP_NONE)
		checklist_add(list, "ping", CHECK_WARN,
			      "sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"",
			      "Pings of peers cannot be relayed: this host lets the daemon send"
			      " none.");
	else
		checklist_add(list, "ping", CHECK_OK, "", "Pings of peers are relayed.");
}

void doctor_network(struct agent *agent, struct checklist *list)
{
	struct addr outward = { .family = 0 };
	struct node node;

	int r = store_node_get(agent->store, &node);
	if (r < 0) {
		checklist_add(list, "store", CHECK_FAIL, "", "The state cannot be read: %s.",
			      strerror(-r));
		return;
	}
	key_wipe(&node.private_key);
	(void)hostaddr_outward(&outward); /* none: said below */

	check_port(agent, &node, list);
	check_endpoint(agent, &node, &outward, list);
	check_mtu(agent, &node, &outward, list);
	check_ping(agent, list);
}
