/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our table as nft(8) sees it: its content, who may change it, and that nothing of it stays. */
#include "forwarding/kernel/nft.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "tests/command.h"
#include "tests/own_network.h"
#include "tests/unit/forwarding/filter/draft.h"

static struct draft draft;
static struct nft *nft;

static void begin(void)
{
	command_be_root();
	CHECK_EQ(nft_open(&nft), 0);
	draft_begin(&draft);
	draft.header.mode = MODE_KERNEL;
	draft_node(&draft, "10.9.0.1/24");
	draft_node(&draft, "fd09::1/64");
	draft_peer(&draft, 0, network("10.9.0.2/32"));
}

static void apply(void)
{
	char text[FAULT_TEXT_MAX] = "";
	int r = nft_apply(nft, draft_seal(&draft), "cvlt0", text);
	CHECK_STR(text, "");
	CHECK_EQ(r, 0);
}

static bool says(const char *text)
{
	return strstr(command_output, text) != NULL;
}

/* The lines of a chain. */
static void show(const char *chain)
{
	CHECK_EQ(command("nft list chain inet culvert %s", chain), 0);
}

static void run_nothing_granted(void)
{
	begin();
	apply();
	show("forward");
	CHECK(says("iifname != \"cvlt0\" oifname != \"cvlt0\" accept"));
	CHECK(says("iifname \"cvlt0\" oifname \"cvlt0\" drop"));
	CHECK(says("tcp option maxseg size set rt mtu"));
	CHECK(says("\t\tdrop\n"));
	const char *guard = strstr(command_output, "ct state established,related accept");
	CHECK(guard && !strstr(strchr(guard, '\n'), "accept"));
	show("leave");
	CHECK(!says("masquerade"));
	show("ours");
	CHECK(says("ip daddr 10.9.0.1 fib saddr type != local drop") ||
	      says("ip daddr { 10.9.0.1 } fib saddr type != local drop"));
	nft_close(nft);
}

TEST(without_grants_nothing_is_forwarded)
{
	in_own_network(run_nothing_granted, 65536);
}

static void run_routes(void)
{
	begin();
	draft_route(&draft, network("10.1.0.0/16"));
	draft_route(&draft, network("10.1.2.0/24"))->snat = SNAT_NONE;
	draft_route(&draft, network("10.1.2.3/32"));
	struct snapshot_route *addressed = draft_route(&draft, network("10.3.0.0/16"));
	addressed->snat = SNAT_ADDRESS;
	addressed->snat_address = host("192.0.2.7");
	draft_route(&draft, network("10.4.0.0/16"))->all_peers = 0;
	apply();

	show("forward");
	CHECK(says("10.1.0.0/16"));
	CHECK(says("10.3.0.0/16"));
	CHECK(!says("10.4.0.0/16"));
	show("leave");
	const char *host_rule = strstr(command_output, "10.1.2.3 masquerade");
	const char *inner = strstr(command_output, "10.1.2.0/24 accept");
	const char *outer = strstr(command_output, "10.1.0.0/16 masquerade");
	CHECK(host_rule && inner && outer);
	CHECK(host_rule < inner && inner < outer);
	CHECK(says("10.3.0.0/16 snat ip to 192.0.2.7"));
	nft_close(nft);
}

TEST(each_route_has_its_own_snat_and_the_longest_comes_first)
{
	in_own_network(run_routes, 65536);
}

static void run_sites(void)
{
	begin();
	draft_route(&draft, network("10.5.0.0/16"))->via_slot = 0;
	struct snapshot_route *kept = draft_route(&draft, network("fd05::/64"));
	kept->via_slot = 0;
	kept->snat = SNAT_NONE;
	apply();

	show("forward");
	CHECK(says("oifname \"cvlt0\" ip daddr 10.5.0.0/16 accept"));
	CHECK(!says("iifname \"cvlt0\" ip daddr 10.5.0.0/16"));
	show("leave");
	CHECK(says("oifname \"cvlt0\" ct original ip daddr 10.5.0.0/16 masquerade"));
	CHECK(says("oifname \"cvlt0\" ct original ip6 daddr fd05::/64 accept"));
	nft_close(nft);
}

TEST(the_lan_reaches_sites_behind_peers_and_no_peers)
{
	in_own_network(run_sites, 65536);
}

static void run_mapped(void)
{
	begin();
	draft_route(&draft, network("10.50.0.0/24"))->map_to = network("10.1.0.0/24");
	draft_route(&draft, network("10.50.0.7/32"))->map_to = network("10.2.0.7/32");
	draft_route(&draft, network("10.50.0.8/32"));
	draft_route(&draft, network("10.60.0.0/24"));
	draft_route(&draft, network("fd50::/64"))->map_to = network("fd51::/64");
	apply();

	show("dial");
	CHECK(says("map { 10.50.0.0/24 : 10.1.0.0/24 }"));
	CHECK(says("map { fd50::/64 : fd51::/64 }"));
	const char *exception = strstr(command_output, "10.50.0.8 accept");
	CHECK(exception && exception < strstr(command_output, "10.50.0.0/24"));
	CHECK(!says("10.60"));
	show("forward");
	CHECK(says("10.1.0.0/24") && !says("10.50.0.0/24"));
	nft_close(nft);
}

TEST(a_mapped_route_leads_to_the_real_network)
{
	in_own_network(run_mapped, 65536);
}

static void run_exit(void)
{
	begin();
	draft.header.exit = (struct snapshot_exit){ .ipv4 = 1, .all_peers = 1 };
	draft_host(&draft, NULL, "198.51.100.0/24");
	apply();
	show("forward");
	CHECK(says("ip daddr != { ") && says("192.168.0.0/16") && says("198.51.100.0/24"));
	CHECK(!says("ip6 daddr != "));
	show("leave");
	CHECK(says("iifname \"cvlt0\" meta nfproto ipv4 masquerade"));
	CHECK(!says("ipv6"));

	draft.header.exit.allow_lan = 1;
	draft.header.exit.ipv6 = 1;
	draft.header.exit.snat = SNAT_ADDRESS;
	draft.header.exit.snat_address = host("2001:db8::7");
	apply();
	show("forward");
	CHECK(says("iifname \"cvlt0\" meta nfproto ipv4 accept"));
	show("leave");
	CHECK(says("meta nfproto ipv6 snat ip6 to 2001:db8::7"));
	nft_close(nft);
}

TEST(the_exit_node_means_the_internet)
{
	in_own_network(run_exit, 65536);
}

static void run_owned(void)
{
	begin();
	draft_route(&draft, network("10.1.0.0/16"));
	apply();
	CHECK_EQ(command("nft list ruleset > /tmp/nft_test.%d", getpid()), 0);
	CHECK_EQ(command("nft flush ruleset"), 0);
	CHECK(command("nft delete table inet culvert") != 0);
	CHECK(command("nft flush chain inet culvert forward") != 0);
	CHECK(command("nft add rule inet culvert forward accept") != 0);
	CHECK_EQ(command("nft list ruleset | cmp - /tmp/nft_test.%d", getpid()), 0);
	CHECK_EQ(command("rm /tmp/nft_test.%d", getpid()), 0);
	CHECK_EQ(nft_intact(nft), 1);
	nft_close(nft);
}

TEST(nobody_else_changes_the_table)
{
	in_own_network(run_owned, 65536);
}

static void run_closed(void)
{
	command_be_root();
	CHECK_EQ(command("nft add table inet other"), 0);
	CHECK_EQ(command("nft list ruleset"), 0);
	char *before = strdup(command_output);
	begin();
	apply();
	nft_close(nft);
	CHECK_EQ(command("nft list ruleset"), 0);
	CHECK_STR(command_output, before);
	free(before);
}

/* Counted by ourselves: a command has descriptors of its own on the way. */
static int open_descriptors(void)
{
	int n = 0;
	DIR *dir = opendir("/proc/self/fd");
	CHECK(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void run_closed_often(void)
{
	command_be_root();
	int before = open_descriptors();
	for (int i = 0; i < 20; i++) {
		begin();
		apply();
		CHECK_EQ(nft_intact(nft), 1);
		nft_close(nft);
	}
	CHECK_EQ(open_descriptors(), before);
}

TEST(closing_gives_back_all_descriptors)
{
	in_own_network(run_closed_often, 65536);
}

TEST(closing_leaves_the_rules_of_the_host_as_before)
{
	in_own_network(run_closed, 65536);
}

static void run_killed(void)
{
	command_be_root();
	fflush(stdout);
	int ready[2];
	CHECK_EQ(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		begin();
		apply();
		CHECK_EQ(write(ready[1], "r", 1), 1);
		pause();
	}
	char byte;
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	CHECK_EQ(command("nft list tables"), 0);
	CHECK(says("culvert"));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	CHECK_EQ(command("nft list tables"), 0);
	CHECK_STR(command_output, "");
}

TEST(the_table_dies_with_its_owner)
{
	in_own_network(run_killed, 65536);
}

static void run_two(void)
{
	begin();
	struct nft *second;
	CHECK_EQ(nft_open(&second), 0);
	CHECK_STR(nft_table(nft), "culvert");
	CHECK_STR(nft_table(second), "culvert-2");
	char text[FAULT_TEXT_MAX];
	CHECK_EQ(nft_apply(second, draft_seal(&draft), "cvlt1", text), 0);
	apply();
	nft_close(nft);
	CHECK_EQ(nft_intact(second), 1);
	nft_close(second);
}

TEST(two_routers_on_one_host_have_a_table_each)
{
	in_own_network(run_two, 65536);
}

static void run_replaced(void)
{
	begin();
	for (int i = 0; i < 3; i++)
		apply();
	show("forward");
	char *first = strdup(command_output);
	draft_route(&draft, network("10.1.0.0/16"));
	apply();
	show("forward");
	CHECK(strcmp(command_output, first) != 0);

	/* What cannot be taken leaves all as it was. */
	char *second = strdup(command_output), text[FAULT_TEXT_MAX] = "";
	struct snapshot_route *bad = draft_route(&draft, network("10.2.0.0/16"));
	bad->snat = SNAT_ADDRESS;
	bad->snat_address = host("192.0.2.7");
	bad->map_to = network("10.3.0.0/24");
	int r = nft_apply(nft, draft_seal(&draft), "a-name-longer-than-any-interface-has", text);
	CHECK(r < 0);
	CHECK(text[0] != '\0');
	show("forward");
	CHECK_STR(command_output, second);
	CHECK_EQ(nft_intact(nft), 1);
	free(first);
	free(second);
	nft_close(nft);
}

TEST(the_content_is_replaced_as_a_whole_or_not_at_all)
{
	in_own_network(run_replaced, 65536);
}

static void run_many(void)
{
	begin();
	for (unsigned i = 0; i < 1024; i++) {
		struct prefix prefix = network("10.0.0.0/24");
		prefix.addr.b[1] = (uint8_t)(i >> 7);
		prefix.addr.b[2] = (uint8_t)(i << 1);
		struct snapshot_route *route = draft_route(&draft, prefix);
		route->snat = i % 2 ? SNAT_NONE : SNAT_MASQUERADE;
	}
	apply();
	CHECK_EQ(nft_intact(nft), 1);
	nft_close(nft);
}

TEST(a_thousand_routes)
{
	in_own_network(run_many, 65536);
}

static void run_refused(void)
{
	begin();
	apply();
	struct nft_refused refused[2] = {
		{ { host("10.9.0.2"), 1234, 0 }, { host("10.1.0.1"), 80, 0 } },
		{ { host("fd09::2"), 1234, 0 }, { host("fd01::1"), 80, 0 } },
	};
	CHECK_EQ(nft_refuse(nft, refused, 2), 0);
	CHECK_EQ(nft_refuse(nft, refused, 2), 0);
	apply();
	CHECK_EQ(command("nft list table inet culvert"), 0);
	CHECK(says("10.9.0.2 . 1234 . 10.1.0.1 . 80 timeout 1m"));
	CHECK(says("fd09::2 . 1234 . fd01::1 . 80 timeout 1m"));
	CHECK_EQ(nft_intact(nft), 1);
	nft_close(nft);
}

TEST(refused_flows_outlive_a_change_of_rules)
{
	in_own_network(run_refused, 65536);
}

static void run_watched(void)
{
	begin();
	apply();
	struct pollfd poller = { .fd = nft_watch_fd(nft), .events = POLLIN };
	nft_drain(nft);
	CHECK_EQ(poll(&poller, 1, 0), 0);
	CHECK_EQ(command("nft add table inet other"), 0);
	CHECK_EQ(poll(&poller, 1, 1000), 1);
	nft_drain(nft);
	CHECK_EQ(poll(&poller, 1, 0), 0);
	nft_close(nft);
}

TEST(changes_of_any_table_are_told)
{
	in_own_network(run_watched, 65536);
}

static void run_powerless(void)
{
	command_be_root();
	CHECK_EQ(setgid(65534) == 0 || errno == EINVAL, 1);
	if (setuid(65534) < 0)
		return; /* only one user is mapped here */
	CHECK_EQ(nft_open(&nft), -EPERM);
}

TEST(without_privileges_it_says_so)
{
	in_own_network(run_powerless, 65536);
}

TEST_MAIN
