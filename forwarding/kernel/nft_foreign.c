/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding the chains of others that would stop our traffic, and what to type against it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/macros.h"
#include "forwarding/kernel/nft.h"
#include "forwarding/kernel/nft_dump.h"
#include "forwarding/kernel/nft_rule.h"

#define CHAINS_MAX 64
#define NAME_SIZE 64 /* of tables and chains; longer ones are cut */

/* A base chain at the hook that we look at. */
struct chain {
	uint8_t family;
	char table[NAME_SIZE], name[NAME_SIZE];
	bool policy_drops;
	bool end_drops; /* so does its last rule */
	/* By any rule of the table: the wished interface, or port. */
	bool input_passes, output_passes, port_passes;
	/* Who rules this table. */
	bool has_docker, has_ufw;
};

struct search {
	uint32_t hook;
	struct nft_wish wish;
	size_t n;
	struct chain chains[CHAINS_MAX];
	struct chain *current;
};

/* Our own, and those of other routers: they let go of what is not theirs. */
static bool is_ours(const char *table)
{
	return strcmp(table, "culvert") == 0 || strncmp(table, "culvert-", 8) == 0;
}

static bool is_at_hook(const struct nlattr *nest, uint32_t hook)
{
	const struct nlattr *attr;
	mnl_attr_for_each_nested (attr, nest)
		if (mnl_attr_get_type(attr) == NFTA_HOOK_HOOKNUM)
			return ntohl(mnl_attr_get_u32(attr)) == hook;
	return false;
}

static void begin_chains(void *ctx)
{
	((struct search *)ctx)->n = 0;
}

static int see_chain(const struct nlmsghdr *message, void *ctx)
{
	struct search *search = ctx;
	const struct nfgenmsg *generic = mnl_nlmsg_get_payload(message);
	struct chain chain = { .family = generic->nfgen_family };
	const struct nlattr *attr;
	bool here = false;

	mnl_attr_for_each (attr, message, sizeof(*generic)) {
		uint16_t type = mnl_attr_get_type(attr);
		if (type == NFTA_CHAIN_TABLE)
			snprintf(chain.table, NAME_SIZE, "%s", mnl_attr_get_str(attr));
		else if (type == NFTA_CHAIN_NAME)
			snprintf(chain.name, NAME_SIZE, "%s", mnl_attr_get_str(attr));
		else if (type == NFTA_CHAIN_HOOK)
			here = is_at_hook(attr, search->hook);
		else if (type == NFTA_CHAIN_POLICY)
			chain.policy_drops = ntohl(mnl_attr_get_u32(attr)) == NF_DROP;
	}
	bool is_ip = chain.family == NFPROTO_INET || chain.family == NFPROTO_IPV4 ||
		     chain.family == NFPROTO_IPV6;
	if (here && is_ip && !is_ours(chain.table) && search->n < CHAINS_MAX)
		search->chains[search->n++] = chain;
	return MNL_CB_OK;
}

static void begin_rules(void *ctx)
{
	struct chain *chain = ((struct search *)ctx)->current;
	chain->end_drops = false;
	chain->input_passes = chain->output_passes = chain->port_passes = false;
	chain->has_docker = chain->has_ufw = false;
}

static int see_rule(const struct nlmsghdr *message, void *ctx)
{
	const struct search *search = ctx;
	struct chain *chain = search->current;
	struct nft_rule rule;

	if (!nft_rule_read(message, &search->wish, &rule))
		return MNL_CB_OK;
	if (strcmp(rule.chain, chain->name) == 0)
		chain->end_drops = rule.is_unconditional && rule.stops;
	chain->input_passes |= rule.passes && rule.names_input;
	chain->output_passes |= rule.passes && rule.names_output;
	chain->port_passes |= rule.passes && rule.names_port;
	chain->has_docker |= strcmp(rule.chain, "DOCKER-USER") == 0;
	chain->has_ufw |= strncmp(rule.chain, "ufw-", 4) == 0;
	return MNL_CB_OK;
}

/* Finds the chains and reads the rules of their tables. */
static int run_search(struct search *search)
{
	const struct nft_dump chains = {
		.type = NFT_MSG_GETCHAIN,
		.begin = begin_chains,
		.each = see_chain,
		.ctx = search,
	};
	int r = nft_dump_run(&chains);

	for (size_t i = 0; r == 0 && i < search->n; i++) {
		struct chain *chain = &search->chains[i];
		const struct nft_dump rules = {
			.type = NFT_MSG_GETRULE,
			.family = chain->family,
			.table = chain->table,
			.begin = begin_rules,
			.each = see_rule,
			.ctx = search,
		};
		search->current = chain;
		r = nft_dump_run(&rules);
	}
	return r;
}

static const char *family_name(const struct chain *chain)
{
	return chain->family == NFPROTO_INET   ? "inet"
	       : chain->family == NFPROTO_IPV4 ? "ip"
					       : "ip6";
}

static bool is_firewalld(const struct chain *chain)
{
	return strcmp(chain->table, "firewalld") == 0;
}

/* A table that iptables made. */
static bool is_iptables(const struct chain *chain)
{
	return chain->family != NFPROTO_INET && strcmp(chain->table, "filter") == 0;
}

static void fix_forward(const struct chain *chain, const char *tun, char ret_fix[FAULT_TEXT_MAX])
{
	const char *command = chain->family == NFPROTO_IPV6 ? "ip6tables" : "iptables";
	const char *name = chain->has_docker ? "DOCKER-USER" : chain->name;

	if (is_firewalld(chain))
		snprintf(ret_fix, FAULT_TEXT_MAX,
			 "firewall-cmd --permanent --zone=trusted --add-interface=%s && "
			 "firewall-cmd --reload",
			 tun);
	else if (chain->has_ufw)
		snprintf(ret_fix, FAULT_TEXT_MAX,
			 "ufw route allow in on %1$s && ufw route allow out on %1$s", tun);
	else if (is_iptables(chain))
		snprintf(ret_fix, FAULT_TEXT_MAX,
			 "%1$s -I %2$s -i %3$s -j ACCEPT && %1$s -I %2$s -o %3$s -j ACCEPT",
			 command, name, tun);
	else
		snprintf(ret_fix, FAULT_TEXT_MAX,
			 "nft insert rule %1$s %2$s %3$s iifname %4$s accept && "
			 "nft insert rule %1$s %2$s %3$s oifname %4$s accept",
			 family_name(chain), chain->table, chain->name, tun);
}

static void fix_input(const struct chain *chain, unsigned port, char ret_fix[FAULT_TEXT_MAX])
{
	if (is_firewalld(chain))
		snprintf(ret_fix, FAULT_TEXT_MAX,
			 "firewall-cmd --permanent --add-port=%u/udp && firewall-cmd --reload",
			 port);
	else if (chain->has_ufw)
		snprintf(ret_fix, FAULT_TEXT_MAX, "ufw allow %u/udp", port);
	else if (is_iptables(chain))
		snprintf(ret_fix, FAULT_TEXT_MAX, "%s -I %s -p udp --dport %u -j ACCEPT",
			 chain->family == NFPROTO_IPV6 ? "ip6tables" : "iptables", chain->name,
			 port);
	else
		snprintf(ret_fix, FAULT_TEXT_MAX, "nft insert rule %s %s %s udp dport %u accept",
			 family_name(chain), chain->table, chain->name, port);
}

static bool stops(const struct chain *chain)
{
	return chain->policy_drops || chain->end_drops;
}

static void describe(const struct chain *chain, const char *what, char ret_text[FAULT_TEXT_MAX])
{
	snprintf(ret_text, FAULT_TEXT_MAX, "chain %s of table %s %s drops %s: %s", chain->name,
		 family_name(chain), chain->table, what,
		 chain->policy_drops ? "its policy is drop" : "its last rule does");
}

static size_t find_forward(struct check *rows, size_t max, const char *tun_name)
{
	static struct search search;
	size_t n = 0;

	search = (struct search){ .hook = NF_INET_FORWARD, .wish = { .interface = tun_name } };
	if (run_search(&search) < 0)
		return 0;
	for (size_t i = 0; i < search.n && n < max; i++) {
		const struct chain *chain = &search.chains[i];
		if (!stops(chain) || (chain->input_passes && chain->output_passes))
			continue;
		rows[n] = (struct check){ .id = "foreign_firewall", .status = CHECK_FAIL };
		describe(chain, "what is forwarded from and to peers", rows[n].summary);
		fix_forward(chain, tun_name, rows[n].fix);
		n++;
	}
	return n;
}

/* The old interface keeps its rules to itself; its filter table exists once anybody asked for it. */
static bool has_legacy_filter(const char *path)
{
	char names[256];
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, names, sizeof(names) - 1);
	if (n <= 0)
		return false;
	names[n] = '\0';
	return strncmp(names, "filter\n", 7) == 0 || strstr(names, "\nfilter\n");
}

static size_t find_legacy(struct check *rows, size_t max, const char *tun_name)
{
	static const struct {
		const char *path, *command;
	} legacy[] = {
		{ "/proc/net/ip_tables_names", "iptables-legacy" },
		{ "/proc/net/ip6_tables_names", "ip6tables-legacy" },
	};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(legacy) && n < max; i++) {
		if (!has_legacy_filter(legacy[i].path))
			continue;
		rows[n] = (struct check){ .id = "iptables_legacy", .status = CHECK_WARN };
		snprintf(rows[n].summary, FAULT_TEXT_MAX,
			 "%s has rules here that Culvert cannot see; "
			 "should they drop what is forwarded, they must let the tunnel through",
			 legacy[i].command);
		snprintf(rows[n].fix, FAULT_TEXT_MAX,
			 "%1$s -I FORWARD -i %2$s -j ACCEPT && %1$s -I FORWARD -o %2$s -j ACCEPT",
			 legacy[i].command, tun_name);
		n++;
	}
	return n;
}

size_t nft_foreign(struct check *ret_rows, size_t max, const char *tun_name)
{
	size_t n = find_forward(ret_rows, max, tun_name);
	return n + find_legacy(ret_rows + n, max - n, tun_name);
}

size_t nft_foreign_input(struct check *ret_rows, size_t max, uint16_t listen_port)
{
	static struct search search;
	size_t n = 0;

	search = (struct search){ .hook = NF_INET_LOCAL_IN, .wish = { .port = listen_port } };
	if (run_search(&search) < 0)
		return 0;
	for (size_t i = 0; i < search.n && n < max; i++) {
		const struct chain *chain = &search.chains[i];
		if (!stops(chain) || chain->port_passes)
			continue;
		ret_rows[n] =
			(struct check){ .id = "foreign_firewall_input", .status = CHECK_WARN };
		describe(chain, "what peers send to our UDP port", ret_rows[n].summary);
		fix_input(chain, listen_port, ret_rows[n].fix);
		n++;
	}
	return n;
}
