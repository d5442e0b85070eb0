/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this host has, word of a change, and tunnel networks that keep clear of it. */
#include "agent/hostaddr.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/address.h"
#include "tests/test.h"

static struct prefix prefix(const char *text)
{
	struct prefix p;
	CHECK_EQ(prefix_parse_address(text, &p), 0);
	return p;
}

static struct hostaddr host_at(const char *address, const char *network)
{
	struct hostaddr host = { .n_addresses = 1, .n_networks = 1 };
	host.addresses[0] = prefix(address).addr;
	host.networks[0] = prefix(network);
	return host;
}

TEST(overlap)
{
	struct hostaddr host = host_at("192.168.1.5", "192.168.1.0/24");
	struct prefix inside = prefix("192.168.1.128/25"), around = prefix("192.168.0.0/16"),
		      beside = prefix("192.168.2.0/24"), v6 = prefix("::/0");
	CHECK(hostaddr_overlaps(&host, &inside));
	CHECK(hostaddr_overlaps(&host, &around));
	CHECK(!hostaddr_overlaps(&host, &beside));
	CHECK(!hostaddr_overlaps(&host, &v6));
	host.n_networks = 0;
	CHECK(hostaddr_overlaps(&host, &around));
	CHECK(!hostaddr_overlaps(&host, &inside));
}

TEST(readings_compare)
{
	struct hostaddr a = host_at("192.168.1.5", "192.168.1.0/24"), b = a;
	CHECK(hostaddr_equal(&a, &b));
	b.networks[0].bits = 25;
	CHECK(!hostaddr_equal(&a, &b));
	CHECK_EQ(hostaddr_read(&a), 0);
	CHECK_EQ(hostaddr_read(&b), 0);
	CHECK(hostaddr_equal(&a, &b));
	for (size_t i = 0; i < a.n_addresses; i++)
		CHECK(a.addresses[i].b[0] != 127);
}

TEST(tunnel_network_keeps_clear_of_the_host)
{
	/* All but 100.127.255.0/24 is taken. */
	struct hostaddr host = { .n_addresses = 0 };
	struct prefix left = prefix("100.64.0.0/10");
	while (left.bits < 24) {
		left.bits++;
		host.networks[host.n_networks++] = left;
		left.addr.b[(left.bits - 1) / 8] |= (uint8_t)(0x80 >> (left.bits - 1) % 8);
	}

	struct node node;
	char text[PREFIX_TEXT_SIZE];
	address_choose_networks(&host, &node);
	CHECK_EQ(node.n_addresses, 2);
	CHECK_STR(prefix_format(&node.addresses[0], text), "100.127.255.1/24");
	CHECK_EQ(node.addresses[1].addr.b[0], 0xfd);
	CHECK_EQ(node.addresses[1].addr.b[15], 1);
}

static void count(void *arg, mono_t now)
{
	(void)now;
	++*(int *)arg;
}

/* Gives the loopback interface of a namespace of ours an address. */
static void set_address(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	struct sockaddr_in *sin = (struct sockaddr_in *)(void *)&request.ifr_addr;
	sin->sin_family = AF_INET;
	memcpy(&sin->sin_addr, (const uint8_t[]){ 10, 1, 2, 3 }, 4);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK_EQ(ioctl(fd, SIOCSIFADDR, &request), 0);
	close(fd);
}

TEST(change_is_told)
{
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		printf("# skipped: no network namespace of our own can be made\n");
		return;
	}
	int told = 0;
	struct loop *loop;
	CHECK_EQ(loop_open(&loop), 0);
	struct hostaddr_watch watch = { .loop = loop, .fn = count, .arg = &told };
	CHECK_EQ(hostaddr_watch_open(&watch), 0);
	CHECK_EQ(loop_pass(loop, 0), 0);
	CHECK_EQ(told, 0);

	set_address();
	CHECK_EQ(loop_pass(loop, 5000), 0);
	CHECK_EQ(told, 1);
	hostaddr_watch_close(&watch);
	loop_close(loop);
}

TEST_MAIN
