/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking things up in the lists of a snapshot. */
#include "forwarding/filter/lists.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *lists_copy(const void *from, uint64_t n, size_t size)
{
	void *copy = calloc(n + 1, size);
	if (copy && n > 0)
		memcpy(copy, from, n * size);
	return copy;
}

int lists_init(struct lists *lists, const struct snapshot *snap)
{
	lists->slots = lists_copy(SNAPSHOT_ARRAY(snap, slots, uint32_t), snap->slots.count,
				  sizeof(uint32_t));
	lists->ports = lists_copy(SNAPSHOT_ARRAY(snap, ports, struct port_range), snap->ports.count,
				  sizeof(struct port_range));
	return lists->slots && lists->ports ? 0 : -ENOMEM;
}

void lists_release(struct lists *lists)
{
	free(lists->slots);
	free(lists->ports);
	*lists = (struct lists){ 0 };
}

/* slots of a list ascend. */
bool lists_has_slot(const struct lists *lists, const struct snapshot_list *list, uint32_t slot)
{
	const uint32_t *base = lists->slots + list->first;
	size_t n = list->count;
	if (n == 0)
		return false;

	while (n > 1) {
		size_t half = n / 2;
		base = base[half] <= slot ? base + half : base;
		n -= half;
	}
	return *base == slot;
}

static bool is_icmp(uint8_t protocol)
{
	return protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6;
}

static bool names_protocol(const struct service *service, uint8_t protocol)
{
	for (uint32_t i = 0; i < service->n_protocols; i++)
		if (service->protocols[i] == protocol ||
		    (is_icmp(service->protocols[i]) && is_icmp(protocol)))
			return true;
	return false;
}

static bool names_port(const struct lists *lists, const struct service *service, uint16_t port)
{
	const struct port_range *ranges = lists->ports + service->ports.first;
	for (uint32_t i = 0; i < service->ports.count; i++)
		if (ranges[i].first <= port && port <= ranges[i].last)
			return true;
	return false;
}

static bool has_unseen_port(uint8_t protocol)
{
	return protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP || protocol == IPPROTO_UDPLITE;
}

bool lists_has_service(const struct lists *lists, const struct service *service,
		       const struct filter_query *query, bool unseen)
{
	bool named = names_protocol(service, query->protocol);
	if (service->n_protocols > 0 && !named)
		return false;
	if (service->ports.count == 0)
		return true;
	if (query->protocol == PROTOCOL_TCP || query->protocol == PROTOCOL_UDP)
		return names_port(lists, service, query->port);
	if (has_unseen_port(query->protocol))
		return named && unseen;
	return named;
}
