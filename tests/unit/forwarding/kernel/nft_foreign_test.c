/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Other firewalls that would stop peers are named, and what is to be typed against them helps. */
#include "forwarding/kernel/nft.h"

#include "tests/command.h"
#include "tests/own_network.h"

static struct check rows[8];

static void run_no_firewall(void)
{
	command_be_root();
	CHECK_EQ(command("nft 'add table inet t; add chain inet t c { type filter hook forward "
			 "priority 0; policy accept; }; add rule inet t c counter'"),
		 0);
	CHECK_EQ(command("nft 'add table inet u; add chain inet u c { type filter hook output "
			 "priority 0; policy drop; }'"),
		 0);
	CHECK_EQ(nft_foreign(rows, 8, "cvlt0"), 0);
	CHECK_EQ(nft_foreign_input(rows, 8, 51820), 0);
}

TEST(harmless_tables_are_not_told)
{
	in_own_network(run_no_firewall, 65536);
}

static void run_policy(void)
{
	command_be_root();
	CHECK_EQ(command("nft 'add table inet strict; add chain inet strict onward { type filter "
			 "hook "
			 "forward priority 10; policy drop; }; "
			 "add rule inet strict onward iifname \"cvlt01\" accept; "
			 "add rule inet strict onward oifname \"cvlt0\" drop'"),
		 0);
	CHECK_EQ(nft_foreign(rows, 8, "cvlt0"), 1);
	CHECK_STR(rows[0].id, "foreign_firewall");
	CHECK_EQ(rows[0].status, CHECK_FAIL);
	CHECK_STR(rows[0].summary, "chain onward of table inet strict drops what is forwarded from "
				   "and to peers: its policy is drop");
	CHECK_EQ(nft_foreign(rows, 0, "cvlt0"), 0);

	CHECK_EQ(nft_foreign(rows, 8, "cvlt0"), 1);
	CHECK_EQ(command("%s", rows[0].fix), 0);
	CHECK_EQ(nft_foreign(rows, 8, "cvlt0"), 0);
}

TEST(a_drop_policy_is_told_and_its_fix_helps)
{
	in_own_network(run_policy, 65536);
}

static void run_last_rule(void)
{
	command_be_root();
	CHECK_EQ(command("nft 'add table inet firewalld; add chain inet firewalld filter_FORWARD { "
			 "type filter hook forward priority 10; policy accept; }; "
			 "add rule inet firewalld filter_FORWARD ct state established accept; "
			 "add rule inet firewalld filter_FORWARD counter log reject'"),
		 0);
	CHECK_EQ(nft_foreign(rows, 8, "cvlt0"), 1);
	CHECK(strstr(rows[0].summary, "its last rule does"));
	CHECK(strstr(rows[0].fix, "--add-interface=cvlt0"));

	CHECK_EQ(command("nft add rule inet firewalld filter_FORWARD counter"), 0);
	CHECK_EQ(nft_foreign(rows, 8, "cvlt0"), 0);
}

TEST(a_last_rule_that_rejects_is_told)
{
	in_own_network(run_last_rule, 65536);
}

static void run_docker(void)
{
	command_be_root();
	if (command("iptables-nft -P FORWARD DROP && iptables-nft -N DOCKER-USER && "
		    "iptables-nft -I FORWARD -j DOCKER-USER && "
		    "iptables-nft -A DOCKER-USER -j RETURN") != 0) {
		printf("# no iptables-nft here: not tested\n");
		return;
	}
	CHECK_EQ(nft_foreign(rows, 8, "cvlt0"), 1);
	CHECK(strstr(rows[0].summary, "chain FORWARD of table ip filter"));
	CHECK_STR(rows[0].fix, "iptables -I DOCKER-USER -i cvlt0 -j ACCEPT && "
			       "iptables -I DOCKER-USER -o cvlt0 -j ACCEPT");
	CHECK_EQ(command("iptables-nft -I DOCKER-USER -i cvlt0 -j ACCEPT && "
			 "iptables-nft -I DOCKER-USER -o cvlt0 -j ACCEPT"),
		 0);
	CHECK_EQ(nft_foreign(rows, 8, "cvlt0"), 0);
}

TEST(what_docker_does_is_told)
{
	in_own_network(run_docker, 65536);
}

static void run_input(void)
{
	command_be_root();
	CHECK_EQ(command("nft 'add table inet strict; add chain inet strict in { type filter hook "
			 "input priority 0; policy drop; }; "
			 "add rule inet strict in tcp dport 22 accept'"),
		 0);
	CHECK_EQ(nft_foreign(rows, 8, "cvlt0"), 0);
	CHECK_EQ(nft_foreign_input(rows, 8, 51820), 1);
	CHECK_STR(rows[0].fix, "nft insert rule inet strict in udp dport 51820 accept");
	CHECK_EQ(command("%s", rows[0].fix), 0);
	CHECK_EQ(nft_foreign_input(rows, 8, 51820), 0);
}

TEST(an_input_that_does_not_let_peers_in_is_told)
{
	in_own_network(run_input, 65536);
}

TEST_MAIN
