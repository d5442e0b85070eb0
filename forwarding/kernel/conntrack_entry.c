/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One conntrack entry as ctnetlink tells it. */
#include "forwarding/kernel/conntrack_entry.h"

#include <endian.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

static uint16_t get_be16(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= 2 ? ntohs(mnl_attr_get_u16(attr)) : 0;
}

static uint32_t get_be32(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= 4 ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

static uint64_t get_be64(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= 8 ? be64toh(mnl_attr_get_u64(attr)) : 0;
}

static void read_addresses(const struct nlattr *nest, struct entry_tuple *tuple)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, nest) {
		const uint8_t *bytes = mnl_attr_get_payload(attr);
		uint16_t type = mnl_attr_get_type(attr), length = mnl_attr_get_payload_len(attr);
		bool is_source = type == CTA_IP_V4_SRC || type == CTA_IP_V6_SRC;
		struct endpoint *end = is_source ? &tuple->source : &tuple->destination;

		if ((type == CTA_IP_V4_SRC || type == CTA_IP_V4_DST) && length == 4)
			end->addr = addr_v4(bytes);
		else if ((type == CTA_IP_V6_SRC || type == CTA_IP_V6_DST) && length == 16)
			end->addr = addr_v6(bytes);
	}
}

static void read_ends(const struct nlattr *nest, struct entry_tuple *tuple)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, nest) {
		uint16_t type = mnl_attr_get_type(attr);
		if (type == CTA_PROTO_NUM && mnl_attr_get_payload_len(attr) >= 1)
			tuple->protocol = mnl_attr_get_u8(attr);
		else if (type == CTA_PROTO_SRC_PORT)
			tuple->source.port = get_be16(attr);
		else if (type == CTA_PROTO_DST_PORT)
			tuple->destination.port = get_be16(attr);
	}
}

static void read_tuple(const struct nlattr *nest, struct entry_tuple *tuple)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, nest) {
		if (mnl_attr_get_type(attr) == CTA_TUPLE_IP)
			read_addresses(attr, tuple);
		else if (mnl_attr_get_type(attr) == CTA_TUPLE_PROTO)
			read_ends(attr, tuple);
	}
}

static void read_counters(const struct nlattr *nest, uint64_t *ret_packets, uint64_t *ret_bytes)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, nest) {
		if (mnl_attr_get_type(attr) == CTA_COUNTERS_PACKETS)
			*ret_packets = get_be64(attr);
		else if (mnl_attr_get_type(attr) == CTA_COUNTERS_BYTES)
			*ret_bytes = get_be64(attr);
	}
}

static void read_protocol(const struct nlattr *nest, struct entry *entry)
{
	const struct nlattr *kind, *attr;

	mnl_attr_for_each_nested (kind, nest) {
		if (mnl_attr_get_type(kind) != CTA_PROTOINFO_TCP)
			continue;
		mnl_attr_for_each_nested (attr, kind)
			if (mnl_attr_get_type(attr) == CTA_PROTOINFO_TCP_STATE)
				entry->tcp_state = mnl_attr_get_u8(attr);
	}
}

static void read_start(const struct nlattr *nest, struct entry *entry)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, nest)
		if (mnl_attr_get_type(attr) == CTA_TIMESTAMP_START)
			entry->started_at = (int64_t)get_be64(attr);
}

static void read_status(const struct nlattr *attr, struct entry *entry)
{
	uint32_t status = get_be32(attr);
	entry->is_replied = status & IPS_SEEN_REPLY;
	entry->is_assured = status & IPS_ASSURED;
}

static void read_attribute(const struct nlattr *attr, struct entry *entry)
{
	switch (mnl_attr_get_type(attr)) {
	case CTA_TUPLE_ORIG:
		entry->tuple = attr;
		read_tuple(attr, &entry->original);
		break;
	case CTA_TUPLE_REPLY:
		read_tuple(attr, &entry->reply);
		break;
	case CTA_STATUS:
		read_status(attr, entry);
		break;
	case CTA_PROTOINFO:
		read_protocol(attr, entry);
		break;
	case CTA_TIMEOUT:
		entry->timeout_s = get_be32(attr);
		break;
	case CTA_COUNTERS_ORIG:
		read_counters(attr, &entry->packets_in, &entry->bytes_in);
		break;
	case CTA_COUNTERS_REPLY:
		read_counters(attr, &entry->packets_out, &entry->bytes_out);
		break;
	case CTA_TIMESTAMP:
		read_start(attr, entry);
		break;
	case CTA_ID:
		entry->number = attr;
		break;
	case CTA_ZONE:
		entry->zone = attr;
		break;
	default:
		break;
	}
}

/* The kernel's id has 32 bits only; FNV-1a of the tuple gives the upper half. */
static uint64_t widen(const struct nlattr *number, const struct nlattr *tuple)
{
	const uint8_t *bytes = mnl_attr_get_payload(tuple);
	uint32_t hash = 0x811c9dc5;

	for (size_t i = 0; i < mnl_attr_get_payload_len(tuple); i++)
		hash = (hash ^ bytes[i]) * 0x01000193;
	return (uint64_t)(hash | 1) << 32 | get_be32(number);
}

bool entry_read(const struct nlmsghdr *message, struct entry *ret_entry)
{
	struct entry entry = { .id = 0 };
	const struct nlattr *attr;

	mnl_attr_for_each (attr, message, sizeof(struct nfgenmsg))
		read_attribute(attr, &entry);

	uint8_t family = entry.original.source.addr.family;
	if (!entry.tuple || !entry.number || family == 0 ||
	    entry.original.destination.addr.family != family ||
	    entry.reply.source.addr.family == 0 || entry.reply.destination.addr.family == 0)
		return false;
	entry.id = widen(entry.number, entry.tuple);
	*ret_entry = entry;
	return true;
}
