/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A router as kernel mode leaves it, between a peer and a server. A veth with
 * the name of the TUN stands for tunnel and engine.
 *
 *   peer 10.9.0.2 ---- 10.9.0.1 cvlt0  router  lan0 10.1.0.1 ---- 10.1.0.5 server
 *        fd09::2       fd09::1                      fd01::1       fd01::5
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>

#include "forwarding/kernel/nft.h"
#include "tests/command.h"
#include "tests/own_network.h"
#include "tests/unit/forwarding/filter/draft.h"

#define LAB_TUN "cvlt0"
#define LAB_PATIENCE_MS 5000

static int lab_router, lab_peer, lab_server; /* network namespaces */
static struct nft *lab_nft;
static struct draft lab_draft;

static inline int lab_this_network(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static inline void lab_enter(int network)
{
	CHECK_EQ(setns(network, CLONE_NEWNET), 0);
}

static inline int lab_new_network(void)
{
	CHECK_EQ(unshare(CLONE_NEWNET), 0);
	int network = lab_this_network();
	lab_enter(lab_router);
	return network;
}

/*
 * A cable from the router to a host. A tunnel needs no neighbour discovery,
 * and our rules let none through: what it would find is given.
 */
static inline void lab_connect(int network, const char *name, const char *net4, const char *net6,
			       int host)
{
	CHECK_EQ(command("ip link add %s type veth peer name eth0 netns /proc/%d/fd/%d && "
			 "ip addr add %s.1/24 dev %s && ip addr add %s::1/64 dev %s nodad && "
			 "ip link set %s address 02:00:00:00:00:01 up && "
			 "ip neigh add %s::%d lladdr 02:00:00:00:00:02 dev %s",
			 name, getpid(), network, net4, name, net6, name, name, net6, host, name),
		 0);
	lab_enter(network);
	CHECK_EQ(command("ip addr add %s.%d/24 dev eth0 && ip addr add %s::%d/64 dev eth0 nodad && "
			 "ip link set eth0 address 02:00:00:00:00:02 up && ip link set lo up && "
			 "ip neigh add %s::1 lladdr 02:00:00:00:00:01 dev eth0",
			 net4, host, net6, host, net6),
		 0);
	lab_enter(lab_router);
}

/* The server knows nothing of the tunnel's networks. */
static inline void lab_begin(void)
{
	command_be_root();
	lab_router = lab_this_network();
	lab_peer = lab_new_network();
	lab_server = lab_new_network();
	lab_connect(lab_peer, LAB_TUN, "10.9.0", "fd09", 2);
	lab_connect(lab_server, "lan0", "10.1.0", "fd01", 5);
	lab_enter(lab_peer);
	CHECK_EQ(command("ip route add default via 10.9.0.1 && ip route add default via fd09::1"),
		 0);
	lab_enter(lab_router);
	command_write("/proc/sys/net/ipv4/ip_forward", "1");
	command_write("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	command_write("/proc/sys/net/netfilter/nf_conntrack_acct", "1");

	CHECK_EQ(nft_open(&lab_nft), 0);
	draft_begin(&lab_draft);
	lab_draft.header.mode = MODE_KERNEL;
	draft_node(&lab_draft, "10.9.0.1/24");
	draft_node(&lab_draft, "fd09::1/64");
	draft_peer(&lab_draft, 3, network("10.9.0.2/32"));
	draft_peer(&lab_draft, 4, network("fd09::2/128"));
}

static inline void lab_apply(void)
{
	char text[FAULT_TEXT_MAX] = "";
	int r = nft_apply(lab_nft, draft_seal(&lab_draft), LAB_TUN, text);
	CHECK_STR(text, "");
	CHECK_EQ(r, 0);
}

/* A socket of a host; port 0: not bound. */
static inline int lab_socket(int network, int type, int family, unsigned port)
{
	struct endpoint any = { .addr.family = family == AF_INET ? 4 : 6, .port = (uint16_t)port };
	struct sockaddr_storage sa;
	socklen_t length = endpoint_to_sockaddr(&any, &sa);
	struct timeval patience = { .tv_sec = LAB_PATIENCE_MS / 1000 };
	int yes = 1;

	lab_enter(network);
	int fd = socket(family, type | SOCK_CLOEXEC, 0);
	lab_enter(lab_router);
	CHECK(fd >= 0);
	if (port != 0) /* else sockets could be given the same one */
		CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
	CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
	if (family == AF_INET6)
		CHECK_EQ(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)), 0);
	CHECK_EQ(bind(fd, (struct sockaddr *)&sa, length), 0);
	return fd;
}

static inline int lab_dial(int fd, const char *address, unsigned port)
{
	struct endpoint ep = { .addr = host(address), .port = (uint16_t)port };
	struct sockaddr_storage to;
	socklen_t length = endpoint_to_sockaddr(&ep, &to);
	return connect(fd, (struct sockaddr *)&to, length) == 0 ? 0 : -errno;
}

static inline int lab_listen(int network, int family, unsigned port)
{
	int fd = lab_socket(network, SOCK_STREAM, family, port);
	CHECK_EQ(listen(fd, 16), 0);
	return fd;
}

/* A connection from the peer to the listening server: both ends. */
struct lab_pair {
	int peer, server;
	struct endpoint seen; /* who called, as the server sees it */
};

static inline struct lab_pair lab_pair(int listener, const char *address, unsigned port)
{
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);
	struct lab_pair pair;
	bool is_ip6 = strchr(address, ':') != NULL;

	pair.peer = lab_socket(lab_peer, SOCK_STREAM, is_ip6 ? AF_INET6 : AF_INET, 0);
	CHECK_EQ(lab_dial(pair.peer, address, port), 0);
	pair.server = accept(listener, (struct sockaddr *)&from, &length);
	CHECK(pair.server >= 0);
	CHECK_EQ(endpoint_from_sockaddr((struct sockaddr *)&from, &pair.seen), 0);
	return pair;
}

static inline void lab_say(int from, int to)
{
	char byte;
	CHECK_EQ(send(from, "x", 1, MSG_NOSIGNAL), 1);
	CHECK_EQ(recv(to, &byte, 1, 0), 1);
}

static inline bool lab_is_reset(int fd)
{
	char byte;
	send(fd, "x", 1, MSG_NOSIGNAL);
	return recv(fd, &byte, 1, 0) < 0 && errno == ECONNRESET;
}
