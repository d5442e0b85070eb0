/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose and which traffic is meant: what routes, exit node and rules have alike. */
#include <errno.h>
#include <string.h>

#include "agent/validate.h"

#define TAG_PREFIX "tag:"

/* 0, or an error of the store. */
static int validate_grantee(struct store *store, const char *grantee, const char *pointer,
			    struct fault *reterr)
{
	if (strncmp(grantee, TAG_PREFIX, strlen(TAG_PREFIX)) == 0) {
		if (!tag_is_valid(grantee + strlen(TAG_PREFIX)))
			fault_add(reterr, pointer, "not_a_tag",
				  "A tag is 1 to %d letters, digits, hyphens or underscores.",
				  TAG_MAX);
		return 0;
	}

	struct peer peer;
	int r = store_peer_get(store, grantee, &peer);
	if (r == 0)
		key_wipe(&peer.preshared_key);
	if (r == -ENOENT) {
		fault_add(reterr, pointer, "unknown_peer", "There is no peer \"%s\".", grantee);
		r = 0;
	}
	return r;
}

int validate_grant(struct store *store, const char *at, const struct grant *grant,
		   struct fault *reterr)
{
	if (grant->all)
		return 0;

	for (size_t i = 0; i < grant->n_peers; i++) {
		char pointer[POINTER_SIZE];
		snprintf(pointer, sizeof(pointer), "%s/peers/%zu", at, i);
		int r = validate_grantee(store, grant->peers[i], pointer, reterr);
		if (r < 0)
			return r;

		for (size_t j = 0; j < i; j++)
			if (strcmp(grant->peers[i], grant->peers[j]) == 0) {
				fault_add(reterr, pointer, "duplicate",
					  "\"%s\" is in the list already.", grant->peers[i]);
				break;
			}
	}
	return 0;
}

void validate_protocols(const char *at, const uint8_t *protocols, size_t n, struct fault *reterr)
{
	for (size_t i = 0; i < n; i++) {
		char pointer[POINTER_SIZE];
		snprintf(pointer, sizeof(pointer), "%s/protocols/%zu", at, i);
		if (protocols[i] == 0 || protocols[i] == 255)
			fault_add(reterr, pointer, "not_a_protocol",
				  "%u is not a protocol that packets carry.", protocols[i]);
		if (memchr(protocols, protocols[i], i))
			fault_add(reterr, pointer, "duplicate", "The protocol is there already.");
	}
}

static bool names_ports(const struct port_list *ports)
{
	bool useful = ports->n_protocols == 0;

	for (size_t i = 0; i < ports->n_protocols; i++)
		useful = useful || ports->protocols[i] == PROTOCOL_TCP ||
			 ports->protocols[i] == PROTOCOL_UDP;
	return useful;
}

void validate_ports(const char *at, const struct port_list *ports, struct fault *reterr)
{
	char pointer[POINTER_SIZE];

	snprintf(pointer, sizeof(pointer), "%s/ports", at);
	if (ports->n > 0 && !names_ports(ports))
		fault_add(reterr, pointer, "ports_without_protocol",
			  "Only tcp and udp have ports, and protocols names neither.");

	for (size_t i = 0; i < ports->n; i++) {
		snprintf(pointer, sizeof(pointer), "%s/ports/%zu", at, i);
		if (ports->ranges[i].first == 0)
			fault_add(reterr, pointer, "out_of_range", "A port is 1 to 65535.");
		else if (ports->ranges[i].first > ports->ranges[i].last)
			fault_add(reterr, pointer, "reversed", "The range ends before it starts.");
	}
}

const char *snat_unfit_for_netstack(enum snat snat, const struct addr *address,
				    const struct hostaddr *host)
{
	if (snat == SNAT_NONE)
		return "netstack mode ends flows in this process, so the server always sees one of"
		       " this host's addresses";
	if (snat == SNAT_ADDRESS && !hostaddr_has(host, address))
		return "netstack mode sends from sockets of this host, so the address must be one"
		       " of this host's";
	return NULL;
}

void validate_snat(const struct route_context *context, const struct source *source,
		   struct fault *reterr)
{
	const struct addr *address = source->address;
	struct prefix host = { .addr = *address, .bits = (uint8_t)addr_bits(address) };

	if (source->snat == SNAT_ADDRESS && address->family == 0) {
		fault_add(reterr, "/snat", "required", "An address is needed.");
		return;
	}
	if (source->snat == SNAT_ADDRESS && source->family != 0 &&
	    address->family != source->family)
		fault_add(reterr, "/snat", "wrong_family",
			  "The address must be of the same IP version as the prefix.");
	if (source->snat == SNAT_ADDRESS && prefix_is_guarded(&host))
		fault_add(reterr, "/snat", "guarded",
			  "Nothing is sent from loopback, link-local, multicast and reserved"
			  " addresses.");

	const char *reason = context->mode == MODE_NETSTACK
				     ? snat_unfit_for_netstack(source->snat, address, context->host)
				     : NULL;
	if (reason)
		fault_add(reterr, "/snat", "not_in_netstack_mode", "%s.", reason);
}
