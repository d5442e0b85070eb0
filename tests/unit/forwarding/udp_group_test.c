/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets of several workers on one port: each datagram is where the receiver index in it says. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/macros.h"
#include "forwarding/forwarding.h"
#include "forwarding/udp.h"
#include "tests/own_network.h"
#include "tests/test.h"

static struct udp_sockets group[WORKERS_MAX];
static char text[FAULT_TEXT_MAX];

static void open_group(uint32_t workers)
{
	text[0] = '\0';
	CHECK_EQ(udp_group_open(0, workers, &(struct udp_options){ 0 }, group, text), 0);
	CHECK(group[0].port != 0);
}

static void close_group(uint32_t workers)
{
	for (uint32_t i = 0; i < workers; i++)
		udp_sockets_close(&group[i]);
}

static int fd_of(uint32_t worker, int family)
{
	return family == AF_INET ? group[worker].fd4 : group[worker].fd6;
}

/* Sends from a new port each time; the worker that has it, UINT32_MAX if none. */
static uint32_t arrives_at(int family, const void *data, size_t length, uint32_t workers)
{
	struct endpoint to = { .port = group[0].port };
	struct sockaddr_storage sa;
	uint32_t at = UINT32_MAX;
	char got[64];

	CHECK_EQ(addr_parse(family == AF_INET ? "127.0.0.1" : "::1", &to.addr), 0);
	socklen_t size = endpoint_to_sockaddr(&to, &sa);
	_cleanup_(closep) int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(sendto(fd, data, length, 0, (struct sockaddr *)&sa, size), (ssize_t)length);
	for (uint32_t i = 0; i < workers; i++) {
		if (recv(fd_of(i, family), got, sizeof(got), MSG_DONTWAIT) < 0)
			continue;
		CHECK_EQ(at, UINT32_MAX);
		at = i;
	}
	return at;
}

static void check_indices(int family, uint32_t workers)
{
	for (unsigned low = 0; low < 256; low += 7) {
		const uint8_t response[48] = { 2, [4] = 0xee, [8] = (uint8_t)low, [9] = 0xaa };
		const uint8_t cookie[48] = { 3, [4] = (uint8_t)low, [8] = 0xee };
		const uint8_t data[48] = { 4, [4] = (uint8_t)low, [8] = 0xee };
		CHECK_EQ(arrives_at(family, response, 48, workers), low % workers);
		CHECK_EQ(arrives_at(family, cookie, 48, workers), low % workers);
		CHECK_EQ(arrives_at(family, data, 48, workers), low % workers);
	}
}

TEST(the_receiver_index_says_which_worker_gets_it)
{
	for (uint32_t workers = 2; workers <= WORKERS_MAX; workers++) {
		open_group(workers);
		check_indices(AF_INET, workers);
		check_indices(AF_INET6, workers);
		close_group(workers);
	}
}

TEST(a_kernel_that_can_is_found_to)
{
	CHECK(forwarding_can_share());
}

TEST(initiations_and_nonsense_are_the_first_workers)
{
	const uint8_t initiation[48] = { 1, [4] = 1, [8] = 1 }, unknown[48] = { 77, [4] = 1 };
	const uint8_t cut[3] = { 4 };

	open_group(3);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(arrives_at(AF_INET, initiation, 48, 3), 0);
		CHECK_EQ(arrives_at(AF_INET6, unknown, 48, 3), 0);
		CHECK_EQ(arrives_at(AF_INET, cut, 3, 3), 0);
		CHECK_EQ(arrives_at(AF_INET, cut, 0, 3), 0);
	}
	close_group(3);
}

/* Two daemons on one port would take each other's datagrams. */
TEST(a_port_that_another_group_has_is_refused)
{
	struct udp_sockets other[2];

	open_group(2);
	CHECK_EQ(udp_group_open(group[0].port, 2, &(struct udp_options){ 0 }, other, text),
		 -EADDRINUSE);
	CHECK(strstr(text, "is taken by another program"));
	CHECK_EQ(other[0].fd4, -1);
	CHECK_EQ(udp_sockets_open(group[0].port, &(struct udp_options){ 0 }, &other[0], text),
		 -EADDRINUSE);
	close_group(2);
}

TEST_MAIN
