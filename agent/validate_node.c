/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The node's own settings. */
#include <string.h>

#include "agent/hostport.h"
#include "agent/validate.h"

static void validate_address(const struct prefix *address, const char *pointer,
			     struct fault *reterr)
{
	struct prefix network = prefix_network(address);
	int bits = addr_bits(&address->addr);

	if (address->addr.family == 0) {
		fault_add(reterr, pointer, "required", "An address is needed.");
	} else if (prefix_is_guarded(address)) {
		fault_add(reterr, pointer, "guarded",
			  "Loopback, link-local, multicast and reserved addresses cannot be used.");
	} else if (address->bits == 0) {
		fault_add(reterr, pointer, "too_wide", "The whole internet is no tunnel network.");
	} else if (address->bits < bits - 1 && addr_equal(&address->addr, &network.addr)) {
		fault_add(reterr, pointer, "network_address",
			  "This is the address of the network itself; the router needs one inside"
			  " it.");
	}
}

static void validate_addresses(const struct node *node, struct fault *reterr)
{
	if (node->n_addresses == 0)
		fault_add(reterr, "/addresses", "required", "The router needs an address.");

	for (size_t i = 0; i < node->n_addresses; i++) {
		const struct prefix *address = &node->addresses[i];
		char pointer[POINTER_SIZE];
		snprintf(pointer, sizeof(pointer), "/addresses/%zu", i);
		validate_address(address, pointer, reterr);

		for (size_t j = 0; j < i; j++)
			if (prefix_contains(address, &node->addresses[j].addr) ||
			    prefix_contains(&node->addresses[j], &address->addr)) {
				fault_add(reterr, pointer, "overlap",
					  "The network overlaps that of another address.");
				break;
			}
	}
}

static void validate_dns(const struct node *node, struct fault *reterr)
{
	for (size_t i = 0; i < node->n_dns; i++) {
		struct prefix host = { .addr = node->dns[i] };
		host.bits = (uint8_t)addr_bits(&host.addr);

		char pointer[POINTER_SIZE];
		snprintf(pointer, sizeof(pointer), "/dns/%zu", i);
		if (host.addr.family == 0 || prefix_is_guarded(&host))
			fault_add(reterr, pointer, "guarded",
				  "Peers cannot reach a resolver at this address.");
	}
}

/* Carried through store_peer_each. */
struct search {
	const struct node *node;
	struct fault *reterr;
};

static int find_clash(void *ctx, const struct peer *peer)
{
	const struct search *search = ctx;

	for (size_t i = 0; i < search->node->n_addresses; i++)
		for (size_t j = 0; j < peer->n_addresses; j++) {
			char pointer[POINTER_SIZE];
			if (!prefix_contains(&peer->addresses[j], &search->node->addresses[i].addr))
				continue;
			snprintf(pointer, sizeof(pointer), "/addresses/%zu", i);
			fault_add(search->reterr, pointer, "taken",
				  "The address belongs to peer %s.", peer->id);
		}
	return 0;
}

int validate_node(struct store *store, const struct node *node, struct fault *reterr)
{
	struct hostport hostport;

	validate_name(node->name, reterr);
	if (node->listen_port == 0)
		fault_add(reterr, "/listen_port", "out_of_range", "A port is 1 to 65535.");
	if (node->endpoint[0] != '\0' && hostport_parse(node->endpoint, &hostport) < 0)
		fault_add(reterr, "/endpoint", "not_an_endpoint",
			  "An endpoint is a host name or address, with or without a port: "
			  "vpn.example.org, 192.0.2.1:51820, [2001:db8::1]:51820.");
	if (node->mtu < INNER_MTU_MIN || node->mtu > INNER_MTU_MAX)
		fault_add(reterr, "/mtu", "out_of_range", "The MTU is %d to %d.", INNER_MTU_MIN,
			  INNER_MTU_MAX);
	validate_addresses(node, reterr);
	validate_dns(node, reterr);

	struct search search = { .node = node, .reterr = reterr };
	return store_peer_each(store, "", PEERS_MAX, find_clash, &search);
}
