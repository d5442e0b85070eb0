/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel mode set up, changed, broken and taken down in a network of our own. */
#include "forwarding/plumbing.h"

#include "agent/base/macros.h"
#include "tests/own_network.h"
#include "tests/unit/forwarding/filter/draft.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#define OUTPUT_MAX (256 * 1024)

static struct draft draft;
static struct loop *loop;
static struct plumbing *plumbing;
static char state_dir[] = "/tmp/culvert-plumbing-XXXXXX";
static char text[FAULT_TEXT_MAX];
static int n_tuns, tun_fd;
static unsigned n_queues;
static char healths[1024];

static void on_tun(void *ctx, const int fds[], unsigned queues, const struct ipc_tun *tun)
{
	(void)ctx, (void)tun;
	n_tuns++;
	n_queues = queues;
	tun_fd = fds[0];
}

static void on_health(void *ctx, const struct health *health)
{
	(void)ctx;
	size_t n = strlen(healths);
	snprintf(healths + n, sizeof(healths) - n, "%s%d ", health->id, (int)health->active);
}

static const struct plumbing_handlers handlers = { .on_tun = on_tun, .on_health = on_health };

/* What a command says. */
static const char *output(const char *command, char said[OUTPUT_MAX])
{
	int fds[2];
	CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	size_t length = 0;
	for (ssize_t n; (n = read(fds[0], said + length, OUTPUT_MAX - 1 - length)) > 0;)
		length += (size_t)n;
	said[length] = '\0';
	close(fds[0]);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	return said;
}

static void sh(const char *command)
{
	static char said[OUTPUT_MAX];
	output(command, said);
	if (said[0] != '\0')
		TEST_FAIL("%s: %s", command, said);
}

static bool says(const char *command, const char *words)
{
	static char said[OUTPUT_MAX];
	return strstr(output(command, said), words) != NULL;
}

/* All that plumbing may touch. */
static const char *look(char said[OUTPUT_MAX])
{
	return output("ip -br address; "
		      "ip route show table all; ip -6 route show table all; ip rule; ip -6 rule; "
		      "nft list ruleset; sysctl -a 2>/dev/null | "
		      "grep -E '^net\\.(ipv[46]\\.(ip_|conf)|netfilter)'",
		      said);
}

static void prepare(void)
{
	draft_begin(&draft);
	draft.header.mode = MODE_KERNEL;
	draft.header.mtu = 1420;
	draft.header.listen_port = 51820;
	draft_node(&draft, "10.99.0.1/24");
	draft_node(&draft, "fd99::1/64");
	draft_peer(&draft, 0, network("10.99.0.2/32"));
	draft_peer(&draft, 1, network("172.31.7.0/24"));
	draft_route(&draft, network("192.168.50.0/24"));

	memcpy(state_dir + strlen(state_dir) - 6, "XXXXXX", 6);
	CHECK(mkdtemp(state_dir) != NULL);
	healths[0] = '\0';
	n_tuns = 0;
	sh("ip link add lan type veth peer name far && ip link set lan up && ip address add "
	   "192.168.50.1/24 dev "
	   "lan");
	CHECK_EQ(loop_open(&loop), 0);
	CHECK_EQ(plumbing_open(loop, state_dir, &handlers, &plumbing), 0);
}

static void apply(void)
{
	int r = plumbing_apply(plumbing, draft_seal(&draft), text);
	if (r < 0)
		TEST_FAIL("%s: %s", strerror(-r), text);
}

static void finish(void)
{
	plumbing_close(plumbing);
	loop_close(loop);
	CHECK_EQ(rmdir(state_dir), 0); /* nothing is left in it */
}

static void set_up(void)
{
	prepare();
	apply();
	CHECK_EQ(n_tuns, 1);
	CHECK_EQ(n_queues, 1);
	CHECK(fcntl(tun_fd, F_GETFL) & O_NONBLOCK);
	CHECK(says("ip address show culvert", "mtu 1420"));
	CHECK(says("ip address show culvert", "inet 10.99.0.1/24"));
	CHECK(says("ip address show culvert", "inet6 fd99::1/64 scope global"));
	CHECK(!says("ip address show culvert", "tentative"));
	CHECK(!says("ip address show culvert", "fe80"));
	CHECK(says("ip route", "10.99.0.0/24 dev culvert"));
	CHECK(says("ip route", "172.31.7.0/24 dev culvert"));
	CHECK(!says("ip route", "192.168.50.0/24 dev culvert"));
	CHECK(says("ip -6 route", "fd99::/64 dev culvert"));
	CHECK(says("sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding", "ip_forward = 1"));
	CHECK(says("sysctl net.ipv6.conf.all.forwarding", "= 1"));
	CHECK(says("sysctl net.ipv6.conf.lan.accept_ra", "= 2"));
	CHECK(says("nft list ruleset", "culvert"));
	finish();
}

TEST(the_kernel_becomes_what_the_snapshot_says)
{
	in_own_network(set_up, 65536);
}

static void undo(void)
{
	static char before[OUTPUT_MAX], after[OUTPUT_MAX];
	prepare();
	sh("sysctl -qw net.ipv4.conf.all.accept_redirects=0 net.ipv6.conf.lan.forwarding=0");
	look(before);
	CHECK(strstr(before, "net.ipv4.ip_forward = 0"));
	apply();
	CHECK(strcmp(look(after), before) != 0);
	draft.header.mode = MODE_NETSTACK;
	apply();
	CHECK_STR(look(after), before);
	finish();
	CHECK_STR(look(after), before);
}

TEST(nothing_is_left_when_it_is_taken_down)
{
	in_own_network(undo, 65536);
}

static void kill_in_the_middle(void)
{
	static char before[OUTPUT_MAX], after[OUTPUT_MAX];
	prepare();
	plumbing_close(plumbing);
	look(before);

	int fds[2];
	CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0) {
		if (plumbing_open(loop, state_dir, &handlers, &plumbing) == 0 &&
		    plumbing_apply(plumbing, &draft.header, text) == 0)
			(void)!write(fds[1], "x", 1);
		pause();
		_exit(0);
	}
	char byte;
	close(fds[1]);
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, NULL, 0), child);

	/* The table and the interface are gone with it: nothing is forwarded unfiltered. */
	CHECK(!says("ip link", "culvert"));
	CHECK(says("sysctl net.ipv4.ip_forward", "= 1"));
	CHECK_EQ(plumbing_open(loop, state_dir, &handlers, &plumbing), 0);
	CHECK_STR(look(after), before);
	finish();
}

TEST(the_next_start_puts_right_what_a_kill_left)
{
	in_own_network(kill_in_the_middle, 65536);
}

static void conflict(void)
{
	static char before[OUTPUT_MAX], after[OUTPUT_MAX];
	prepare();
	sh("ip route add 172.31.7.0/24 via 192.168.50.2 metric 700");
	look(before);
	CHECK_EQ(plumbing_apply(plumbing, draft_seal(&draft), text), -EEXIST);
	CHECK(strstr(text, "172.31.7.0/24"));
	CHECK(strstr(text, "lan"));
	CHECK_STR(look(after), before);

	sh("ip route delete 172.31.7.0/24");
	apply();
	draft_peer(&draft, 2, network("192.168.50.0/24"));
	CHECK_EQ(plumbing_apply(plumbing, draft_seal(&draft), text), -EEXIST);
	CHECK(strstr(text, "192.168.50.0/24"));
	CHECK(says("ip route", "172.31.7.0/24 dev culvert")); /* what was in force is again */
	finish();
}

TEST(a_route_of_the_host_is_named_and_left_alone)
{
	in_own_network(conflict, 65536);
}

static void change(void)
{
	prepare();
	apply();
	draft.node_addresses[0] = network("10.98.0.1/16");
	draft.prefixes[1] = network("172.31.8.0/24");
	draft.header.mtu = 1380;
	apply();
	CHECK_EQ(n_tuns, 1);
	CHECK_EQ(n_queues, 1);
	CHECK(says("ip address show culvert", "inet 10.98.0.1/16"));
	CHECK(says("ip address show culvert", "mtu 1380"));
	CHECK(!says("ip address show culvert", "10.99.0.1"));
	CHECK(says("ip route", "10.98.0.0/16 dev culvert"));
	CHECK(says("ip route", "172.31.8.0/24 dev culvert"));
	CHECK(!says("ip route", "172.31.7.0/24"));
	CHECK(!says("ip route", "10.99.0.0/24"));
	finish();
}

TEST(a_new_snapshot_changes_only_what_differs)
{
	in_own_network(change, 65536);
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void many_times(void)
{
	prepare();
	int before = count_fds();
	for (int i = 0; i < 20; i++) {
		draft.header.mode = MODE_KERNEL;
		apply();
		draft.header.mode = MODE_NETSTACK;
		apply();
	}
	CHECK_EQ(count_fds(), before);
	CHECK_EQ(n_tuns, 20);
	finish();
}

TEST(twenty_times_leave_no_descriptor)
{
	in_own_network(many_times, 65536);
}

/* Time flies: only what the loop sees of it counts. */
static bool comes_back(const char *command, const char *words)
{
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(loop_pass(loop, 20), 0);
		if (says(command, words))
			return true;
	}
	return false;
}

static void drift(void)
{
	static const struct {
		const char *attack, *show, *words;
	} rows[] = {
		{ "ip address delete 10.99.0.1/24 dev culvert", "ip -4 address", "10.99.0.1/24" },
		{ "ip route delete 172.31.7.0/24", "ip route", "172.31.7.0/24 dev culvert" },
		{ "ip link set culvert down", "ip -6 route", "fd99::/64 dev culvert" },
		{ "sysctl -qw net.ipv4.ip_forward=0", "sysctl net.ipv4.ip_forward", "= 1" },
		{ "sysctl -qw net.ipv6.conf.all.forwarding=0",
		  "sysctl net.ipv6.conf.all.forwarding", "= 1" },
		{ "ip link delete culvert", "ip address", "10.99.0.1/24" },
		{ "ip link set culvert down; ip link set culvert name other; ip link set other up",
		  "ip address", "culvert: " },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		prepare();
		apply();
		sh(rows[i].attack);
		CHECK(!says(rows[i].show, rows[i].words));
		if (!comes_back(rows[i].show, rows[i].words))
			TEST_FAIL("%s: not repaired", rows[i].attack);
		CHECK(says("ip route", "172.31.7.0/24 dev culvert"));
		CHECK_STR(healths, "drift1 drift0 ");
		finish();
		sh("ip link delete lan");
	}
}

TEST(what_others_change_is_put_right)
{
	in_own_network(drift, 65536);
}

static void fight(void)
{
	prepare();
	apply();
	sh("ip route delete 172.31.7.0/24");
	CHECK(comes_back("ip route", "172.31.7.0/24 dev culvert"));
	sh("ip route delete 172.31.7.0/24");
	for (int i = 0; i < 20; i++)
		CHECK_EQ(loop_pass(loop, 20), 0);
	CHECK(!says("ip route", "172.31.7.0/24 dev culvert"));
	CHECK_STR(healths, "drift1 drift0 plumbing_fight1 ");
	draft.header.mode = MODE_NETSTACK;
	apply();
	CHECK_STR(healths, "drift1 drift0 plumbing_fight1 plumbing_fight0 ");
	finish();
}

TEST(who_fights_back_is_told_and_waited_for)
{
	in_own_network(fight, 65536);
}

static void foreign_flush(void)
{
	prepare();
	apply();
	sh("nft flush ruleset");
	for (int i = 0; i < 5; i++)
		CHECK_EQ(loop_pass(loop, 20), 0);
	CHECK(says("nft list ruleset", "culvert"));
	finish();
}

TEST(a_flushed_ruleset_keeps_our_table)
{
	in_own_network(foreign_flush, 65536);
}

static void name_is_taken(void)
{
	prepare();
	sh("ip link add culvert type veth peer name strange");
	apply();
	CHECK(says("ip address show culvert1", "10.99.0.1/24"));
	finish();
	CHECK(says("ip link", "culvert:"));
}

TEST(an_interface_of_that_name_is_left_alone)
{
	in_own_network(name_is_taken, 65536);
}

static void journal_is_not_believed(void)
{
	char path[128];
	prepare();
	plumbing_close(plumbing);
	snprintf(path, sizeof(path), "%s/kernel-journal", state_dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	dprintf(fd, "boot of-old netns 1\nnet/ipv4/ip_forward 1\n");
	close(fd);
	CHECK_EQ(plumbing_open(loop, state_dir, &handlers, &plumbing), 0);
	CHECK(says("sysctl net.ipv4.ip_forward", "= 0"));
	finish();
}

TEST(the_journal_of_another_boot_is_forgotten)
{
	in_own_network(journal_is_not_believed, 65536);
}

static void reasons(void)
{
	static char before[OUTPUT_MAX], after[OUTPUT_MAX];
	prepare();
	look(before);
	CHECK(plumbing_reasons()[0] == NULL);
	CHECK_STR(look(after), before);
	finish();
}

TEST(trying_leaves_no_trace)
{
	in_own_network(reasons, 65536);
}

static void doctor(void)
{
	struct check rows[PLUMBING_CHECKS_MAX];
	prepare();
	apply();
	size_t n = plumbing_doctor(plumbing, rows);
	CHECK(n >= 5);
	for (size_t i = 0; i < n; i++)
		if (rows[i].status == CHECK_FAIL)
			TEST_FAIL("%s: %s", rows[i].id, rows[i].summary);

	sh("nft add table inet other && "
	   "nft 'add chain inet other forward { type filter hook forward priority 0; policy drop; "
	   "}'");
	n = plumbing_doctor(plumbing, rows);
	bool named = false;
	for (size_t i = 0; i < n; i++)
		named |= rows[i].status != CHECK_OK && strstr(rows[i].summary, "other");
	CHECK(named);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(loop_pass(loop, 20), 0);
	sh("nft delete table inet other");
	for (int i = 0; i < 10; i++)
		CHECK_EQ(loop_pass(loop, 20), 0);
	CHECK_STR(healths, "foreign_firewall1 foreign_firewall0 ");
	finish();
}

TEST(the_doctor_names_a_firewall_in_the_way)
{
	in_own_network(doctor, 65536);
}

TEST_MAIN
