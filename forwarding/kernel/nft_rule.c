/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading one rule of anybody's, expression by expression. */
#include "forwarding/kernel/nft_rule.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <netinet/in.h>
#include <string.h>

#include "agent/base/macros.h"

/* What the last load put in the register, as far as it matters here. */
enum loaded { LOADED_OTHER, LOADED_IIFNAME, LOADED_OIFNAME, LOADED_PORT };

struct reader {
	const struct nft_wish *wish;
	struct nft_rule *rule;
	enum loaded loaded;
};

static const struct nlattr *find(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attr;
	mnl_attr_for_each_nested (attr, nest)
		if (mnl_attr_get_type(attr) == type)
			return attr;
	return NULL;
}

static uint32_t number(const struct nlattr *nest, uint16_t type, uint32_t otherwise)
{
	const struct nlattr *attr = find(nest, type);
	if (!attr || mnl_attr_get_payload_len(attr) != sizeof(uint32_t))
		return otherwise;
	return ntohl(mnl_attr_get_u32(attr));
}

static void read_meta(struct reader *reader, const struct nlattr *data)
{
	uint32_t key = number(data, NFTA_META_KEY, UINT32_MAX);
	reader->loaded = key == NFT_META_IIFNAME   ? LOADED_IIFNAME
			 : key == NFT_META_OIFNAME ? LOADED_OIFNAME
						   : LOADED_OTHER;
}

static void read_payload(struct reader *reader, const struct nlattr *data)
{
	bool is_port = number(data, NFTA_PAYLOAD_BASE, 0) == NFT_PAYLOAD_TRANSPORT_HEADER &&
		       number(data, NFTA_PAYLOAD_OFFSET, 0) == 2 &&
		       number(data, NFTA_PAYLOAD_LEN, 0) == 2;
	reader->loaded = is_port ? LOADED_PORT : LOADED_OTHER;
}

/* A name compares with its zero, or only by its beginning ("wg*"). */
static bool is_interface(const char *wished, const char *bytes, size_t length)
{
	size_t whole = strlen(wished), named = strnlen(bytes, length);
	if (named < length)
		return named == whole && memcmp(bytes, wished, whole) == 0;
	return length <= whole && memcmp(bytes, wished, length) == 0;
}

static void read_cmp(struct reader *reader, const struct nlattr *data)
{
	const struct nft_wish *wish = reader->wish;
	const struct nlattr *nest = find(data, NFTA_CMP_DATA);
	const struct nlattr *value = nest ? find(nest, NFTA_DATA_VALUE) : NULL;

	if (!value || number(data, NFTA_CMP_OP, UINT32_MAX) != NFT_CMP_EQ)
		return;
	const char *bytes = mnl_attr_get_payload(value);
	size_t length = mnl_attr_get_payload_len(value);
	uint16_t port = htons(wish->port);

	if (reader->loaded == LOADED_PORT && length == sizeof(port))
		reader->rule->names_port |= memcmp(bytes, &port, sizeof(port)) == 0;
	if (!wish->interface || !is_interface(wish->interface, bytes, length))
		return;
	reader->rule->names_input |= reader->loaded == LOADED_IIFNAME;
	reader->rule->names_output |= reader->loaded == LOADED_OIFNAME;
}

static void read_verdict(struct reader *reader, const struct nlattr *data)
{
	const struct nlattr *nest = find(data, NFTA_IMMEDIATE_DATA);
	const struct nlattr *verdict = nest ? find(nest, NFTA_DATA_VERDICT) : NULL;
	if (!verdict)
		return;

	int code = (int)number(verdict, NFTA_VERDICT_CODE, NF_ACCEPT);
	reader->rule->stops = code == NF_DROP;
	reader->rule->passes = code == NF_ACCEPT || code == NFT_JUMP || code == NFT_GOTO;
}

/* What iptables-nft leaves to the old modules. */
static void read_match(struct reader *reader, const struct nlattr *data)
{
	const struct nlattr *name = find(data, NFTA_MATCH_NAME);
	const struct nlattr *info = find(data, NFTA_MATCH_INFO);
	struct xt_udp udp;

	if (!name || !info || strcmp(mnl_attr_get_str(name), "udp") != 0 ||
	    mnl_attr_get_payload_len(info) < sizeof(udp))
		return;
	memcpy(&udp, mnl_attr_get_payload(info), sizeof(udp));
	reader->rule->names_port |= udp.dpts[0] <= reader->wish->port &&
				    reader->wish->port <= udp.dpts[1] && udp.invflags == 0;
}

static void read_target(struct reader *reader, const struct nlattr *data)
{
	const struct nlattr *name = find(data, NFTA_TARGET_NAME);
	reader->rule->stops |= name && strcmp(mnl_attr_get_str(name), "REJECT") == 0;
}

static void read_reject(struct reader *reader, const struct nlattr *data)
{
	(void)data;
	reader->rule->stops = true;
}

static void read_nothing(struct reader *reader, const struct nlattr *data)
{
	(void)reader, (void)data;
}

/* Those that are not here are conditions that we do not understand. */
static const struct expression {
	const char *name;
	void (*read)(struct reader *reader, const struct nlattr *data);
	bool is_condition;
} expressions[] = {
	{ "meta", read_meta, true },
	{ "payload", read_payload, true },
	{ "cmp", read_cmp, true },
	{ "match", read_match, true },
	{ "immediate", read_verdict, false },
	{ "reject", read_reject, false },
	{ "target", read_target, false },
	{ "counter", read_nothing, false },
	{ "log", read_nothing, false },
};

static void read_expression(struct reader *reader, const struct nlattr *element)
{
	const struct nlattr *name = find(element, NFTA_EXPR_NAME);
	const struct nlattr *data = find(element, NFTA_EXPR_DATA);

	for (size_t i = 0; name && data && i < ARRAY_SIZE(expressions); i++) {
		if (strcmp(mnl_attr_get_str(name), expressions[i].name) != 0)
			continue;
		expressions[i].read(reader, data);
		reader->rule->is_unconditional &= !expressions[i].is_condition;
		return;
	}
	reader->rule->is_unconditional = false;
}

bool nft_rule_read(const struct nlmsghdr *message, const struct nft_wish *wish,
		   struct nft_rule *ret_rule)
{
	struct nft_rule rule = { .is_unconditional = true };
	struct reader reader = { .wish = wish, .rule = &rule };
	const struct nlattr *attr, *expression;

	mnl_attr_for_each (attr, message, sizeof(struct nfgenmsg)) {
		uint16_t type = mnl_attr_get_type(attr);
		if (type == NFTA_RULE_TABLE)
			rule.table = mnl_attr_get_str(attr);
		else if (type == NFTA_RULE_CHAIN)
			rule.chain = mnl_attr_get_str(attr);
		else if (type == NFTA_RULE_EXPRESSIONS)
			mnl_attr_for_each_nested (expression, attr)
				read_expression(&reader, expression);
	}
	*ret_rule = rule;
	return rule.table && rule.chain;
}
