/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel mode with a real TUN: a peer and this machine's own kernel talk through a whole engine. */
#include <dirent.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/ioctl.h>

#include "forwarding/pkt/bytes.h"
#include "tests/own_network.h"
#include "tests/scenario/engine_lab.h"

#define SERVER "10.1.2.3"
#define SERVER_PORT 80
#define CLIENT "100.64.0.10"
#define CLIENT_PORT 40000
#define SEGMENT 1300

enum { SYN = 0x02, ACK = 0x10 };

static int tun_fd;
static uint32_t client_seq, client_ack;

/* What the supervisor would do. */

static void set_address4(int fd, const char *name, const char *text, const char *mask)
{
	struct ifreq ifr = { 0 };
	struct sockaddr_storage sa;
	struct endpoint end = { .addr = address(text) };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	endpoint_to_sockaddr(&end, &sa);
	memcpy(&ifr.ifr_addr, &sa, sizeof(struct sockaddr));
	CHECK_EQ(ioctl(fd, SIOCSIFADDR, &ifr), 0);
	end.addr = address(mask);
	endpoint_to_sockaddr(&end, &sa);
	memcpy(&ifr.ifr_netmask, &sa, sizeof(struct sockaddr));
	CHECK_EQ(ioctl(fd, SIOCSIFNETMASK, &ifr), 0);
}

static void set_address6(const char *name, const char *text)
{
	struct {
		struct in6_addr addr;
		uint32_t prefix_length;
		int index;
	} request = { .prefix_length = 64, .index = (int)if_nametoindex(name) };
	struct addr addr = address(text);

	memcpy(&request.addr, addr.b, 16);
	_cleanup_(closep) int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(ioctl(fd, SIOCSIFADDR, &request), 0);

	/* The kernel takes it into use by and by. */
	struct sockaddr_in6 own = { .sin6_family = AF_INET6, .sin6_addr = request.addr };
	int tries = 0;
	while (bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0 && tries++ < 5000)
		poll(NULL, 0, 1);
	CHECK(tries < 5000);
}

static void set_link(const char *name, short flags)
{
	struct ifreq ifr = { .ifr_mtu = INNER_MTU_DEFAULT };
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	CHECK_EQ(ioctl(fd, SIOCSIFMTU, &ifr), 0);
	ifr.ifr_flags = flags;
	CHECK_EQ(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
	if (flags & IFF_UP)
		set_address4(fd, name, "100.64.0.1", "255.255.255.0");
}

static void send_tun(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	struct ipc_tun body = { .offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 };
	const struct ipc_header header = { .type = IPC_TUN, .length = sizeof(body) };

	tun_fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	CHECK(tun_fd >= 0);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	snprintf(body.name, sizeof(body.name), "%s", name);
	CHECK_EQ(ioctl(tun_fd, TUNSETIFF, &ifr), 0);
	CHECK_EQ(ioctl(tun_fd, TUNSETOFFLOAD, (unsigned long)body.offloads), 0);
	set_link(name, IFF_UP);
	set_address6(name, "fd00:1::1");
	CHECK_EQ(ipc_send(supervisor_fd, &header, &body, &tun_fd, 1), 0);
}

static struct ipc_result switch_to(enum mode mode)
{
	wish.head.revision++;
	wish.head.mode = mode;
	return publish();
}

static void check_switched(enum mode mode)
{
	struct ipc_result result = switch_to(mode);
	CHECK_STR(result.text, "");
	CHECK_EQ(result.error, 0);
	CHECK_EQ(engine->backend->ops == &kernel_backend, mode == MODE_KERNEL);
}

static void check_alive6(unsigned i)
{
	char own[32];
	snprintf(own, sizeof(own), "fd00:1::%u", 10 + i);
	ping(i, own, "fd00:1::1");
	check_echo_reply(i, "fd00:1::1", own);
}

static void enter_kernel_mode(void)
{
	set_up();
	check_alive(0);
	send_tun("tun-a");
	check_switched(MODE_KERNEL);
}

static void leave(void)
{
	close(tun_fd);
	tear_down();
	CHECK_EQ(if_nametoindex("tun-a"), 0);
}

static void run_ping(void)
{
	enter_kernel_mode();
	uint64_t before = counter_get(&counters->node.tun_write_packets);
	check_alive(0);
	check_alive6(0);
	check_alive(1);
	check_alive6(1);
	CHECK_EQ(counter_get(&counters->node.tun_write_packets), before + 4);
	CHECK(counter_get(&counters->node.tun_read_packets) >= 4);
	CHECK_EQ(counter_get(&counters->node.handshakes_responder), 2);
	leave();
}

TEST(the_kernel_answers_ping)
{
	in_own_network(run_ping, 65536);
}

/* A TCP connection: this kernel at 10.1.2.3, the peer's end made by hand. */

static size_t make_segment(uint8_t flags, size_t payload, uint8_t *packet)
{
	static const uint8_t mss[4] = { 2, 4, SEGMENT >> 8, SEGMENT & 0xff };
	struct addr from = address(CLIENT), to = address(SERVER);
	size_t options = flags & SYN ? sizeof(mss) : 0, length = 20 + options + payload;

	uint8_t *tcp = packet + build_ip_header(&from, &to, PROTOCOL_TCP, length, 0, packet);
	memset(tcp, 0, 20);
	store16(tcp, CLIENT_PORT);
	store16(tcp + 2, SERVER_PORT);
	store32(tcp + 4, client_seq);
	store32(tcp + 8, client_ack);
	tcp[12] = (uint8_t)((5 + options / 4) << 4);
	tcp[13] = flags;
	store16(tcp + 14, 65535);
	memcpy(tcp + 20, mss, options);
	for (size_t i = 0; i < payload; i++)
		tcp[20 + options + i] = (uint8_t)(client_seq + i);

	uint64_t sum = checksum_pseudo(&from, &to, PROTOCOL_TCP, (uint32_t)length);
	checksum_store(checksum_add(sum, tcp, length), tcp + 16);
	client_seq += (uint32_t)payload + (flags & SYN ? 1 : 0);
	return (size_t)(tcp - packet) + length;
}

static void send_segment(uint8_t flags)
{
	uint8_t packet[128];
	client_send(0, packet, make_segment(flags, 0, packet));
}

/* Many at once, so that the engine finds them in one batch. */
static void send_segments(unsigned n, size_t payload)
{
	uint8_t packet[WG_HEADER + 2048];
	struct wg_path path;
	uint8_t tos;

	for (unsigned i = 0; i < n; i++) {
		size_t length = make_segment(ACK, payload, packet + WG_HEADER);
		length = wg_send(clients[0].wg, 0, packet + WG_HEADER, length, now(), &path, &tos);
		client_transmit(&clients[0], &path, packet, length, tos);
	}
	settle();
}

static int listen_at_server(void)
{
	struct endpoint at = { .addr = address(SERVER), .port = SERVER_PORT };
	struct sockaddr_storage sa;
	socklen_t length = endpoint_to_sockaddr(&at, &sa);

	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	set_address4(fd, "lo:1", SERVER, "255.255.255.255");
	CHECK_EQ(bind(fd, (struct sockaddr *)&sa, length), 0);
	CHECK_EQ(listen(fd, 1), 0);
	return fd;
}

static int connect_to_server(void)
{
	struct view view;
	_cleanup_(closep) int listener = listen_at_server();

	client_seq = 1000;
	client_ack = 0;
	clients[0].n_inner = 0;
	send_segment(SYN);
	view_got(0, 0, &view);
	CHECK_EQ(view.tcp_flags, SYN | ACK);
	client_ack = load32(view.data + view.transport + 4) + 1;
	send_segment(ACK);
	clients[0].n_inner = 0;
	return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void check_upload(int server)
{
	static uint8_t bytes[16 * SEGMENT];
	uint32_t first = client_seq;

	send_segments(8, SEGMENT);
	send_segments(8, SEGMENT);
	CHECK_EQ(recv(server, bytes, sizeof(bytes), 0), sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		size_t in_segment = i % SEGMENT, segment = i - in_segment;
		CHECK_EQ(bytes[i], (uint8_t)(first + segment + in_segment));
	}
}

/* A congestion window's worth, which the kernel writes at once. */
static void check_download(int server)
{
	static uint8_t bytes[8 * SEGMENT];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 3 + i / 256);

	clients[0].n_inner = 0;
	CHECK_EQ(send(server, bytes, sizeof(bytes), 0), sizeof(bytes));
	settle();
	CHECK_EQ(clients[0].n_inner, 8);
	for (unsigned i = 0; i < 8; i++) {
		struct view view;
		view_got(0, i, &view);
		const uint8_t *tcp = view.data + view.transport;
		CHECK_EQ(view.length - view.payload, SEGMENT);
		CHECK_EQ(load32(tcp + 4), client_ack);
		CHECK_MEM(view.data + view.payload, bytes + (size_t)i * SEGMENT, SEGMENT);
		client_ack += SEGMENT;
	}
}

struct transfer {
	uint64_t reads, read_packets, writes, written_packets;
};

static struct transfer run_transfer(void)
{
	const struct node_counters *node = &counters->node;
	int server = connect_to_server();
	CHECK(server >= 0);
	struct transfer did = { counter_get(&node->tun_read_calls),
				counter_get(&node->tun_read_packets),
				counter_get(&node->tun_write_calls),
				counter_get(&node->tun_write_packets) };
	check_upload(server);
	check_download(server);
	close(server);

	did.reads = counter_get(&node->tun_read_calls) - did.reads;
	did.read_packets = counter_get(&node->tun_read_packets) - did.read_packets;
	did.writes = counter_get(&node->tun_write_calls) - did.writes;
	did.written_packets = counter_get(&node->tun_write_packets) - did.written_packets;
	CHECK_EQ(did.written_packets, 16);
	CHECK_EQ(counter_get(&node->tun_fallbacks), 0);
	CHECK_EQ(drops(DROP_TUN_WRITE), 0);
	return did;
}

static void run_tcp(void)
{
	enter_kernel_mode();
	struct transfer did = run_transfer();
	CHECK(did.writes < did.written_packets / 2);
	CHECK(did.reads < did.read_packets);
	leave();
}

TEST(tcp_goes_through_in_super_packets)
{
	in_own_network(run_tcp, 65536);
}

static void run_tcp_plain(void)
{
	set_up();
	engine->boot.no_tun_offload = true;
	send_tun("tun-a");
	check_switched(MODE_KERNEL);
	struct transfer did = run_transfer();
	CHECK_EQ(did.writes, did.written_packets);
	CHECK_EQ(did.reads, did.read_packets);
	leave();
}

TEST(tcp_goes_through_without_offloads)
{
	in_own_network(run_tcp_plain, 65536);
}

static void run_tiny(void)
{
	uint8_t bytes[16];
	enter_kernel_mode();
	int server = connect_to_server();
	uint64_t writes = counter_get(&counters->node.tun_write_calls);
	send_segments(8, 1);
	CHECK_EQ(recv(server, bytes, sizeof(bytes), 0), 8);
	CHECK_EQ(counter_get(&counters->node.tun_write_calls), writes + 1);
	CHECK_EQ(counter_get(&counters->node.tun_fallbacks), 0);
	close(server);
	leave();
}

TEST(tiny_segments_do_not_spoil_the_offload)
{
	in_own_network(run_tiny, 65536);
}

static void run_without_tun(void)
{
	set_up();
	check_alive(0);
	struct ipc_result result = switch_to(MODE_KERNEL);
	CHECK_EQ(result.error, -ENODEV);
	CHECK_STR(result.text, "the tunnel device did not arrive");
	CHECK_EQ(result.revision, 1);
	check_alive(0);
	CHECK_EQ(counter_get(&counters->node.handshakes_responder), 1);
	tear_down();
}

TEST(no_tun_no_kernel_mode)
{
	in_own_network(run_without_tun, 65536);
}

static void run_late_tun(void)
{
	const struct ipc_header header = { .type = IPC_SNAPSHOT, .id = 99 };
	struct ipc_result result;

	set_up();
	wish.head.revision++;
	wish.head.mode = MODE_KERNEL;
	_cleanup_(closep) int fd = make_memfd(F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
	CHECK_EQ(ipc_send(control_fd, &header, NULL, &fd, 1), 0);
	send_tun("tun-a");
	settle();
	CHECK_EQ(ipc_receive(control_fd, &answer), 0);
	memcpy(&result, answer.body, sizeof(result));
	CHECK_EQ(result.error, 0);
	check_alive(0);
	leave();
}

TEST(tun_may_be_read_after_its_snapshot)
{
	in_own_network(run_late_tun, 65536);
}

static unsigned count_descriptors(void)
{
	unsigned n = 0;
	DIR *dir = opendir("/proc/self/fd");
	CHECK(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void run_switches(void)
{
	set_up();
	check_alive(0);
	check_alive(1);
	unsigned descriptors = count_descriptors();
	for (unsigned i = 0; i < 20; i++) {
		send_tun("tun-a");
		check_switched(MODE_KERNEL);
		close(tun_fd);
		check_alive(0);
		check_alive6(1);
		check_switched(MODE_NETSTACK);
		/* With its last descriptor the device goes. */
		CHECK_EQ(if_nametoindex("tun-a"), 0);
		check_alive(0);
		check_alive6(1);
	}
	CHECK_EQ(count_descriptors(), descriptors);
	CHECK_EQ(counter_get(&counters->node.handshakes_responder), 2);
	CHECK_EQ(counter_get(&counters->node.handshakes_initiator), 0);
	tear_down();
}

TEST(sessions_outlive_mode_switches)
{
	in_own_network(run_switches, 65536);
}

static void run_failed_switch(void)
{
	char text[FAULT_TEXT_MAX];
	struct udp_sockets other;
	set_up();
	check_alive(0);
	CHECK_EQ(udp_sockets_open(0, &(struct udp_options){ 0 }, &other, text), 0);
	uint16_t port = wish.head.listen_port;

	send_tun("tun-a");
	wish.head.listen_port = other.port;
	CHECK_EQ(switch_to(MODE_KERNEL).error, -EADDRINUSE);
	CHECK(engine->backend->ops == &netstack_backend);
	check_alive(0);

	wish.head.listen_port = port;
	check_switched(MODE_KERNEL);
	check_alive(0);
	wish.head.listen_port = other.port;
	CHECK_EQ(switch_to(MODE_NETSTACK).error, -EADDRINUSE);
	CHECK(engine->backend->ops == &kernel_backend);
	check_alive(0);
	udp_sockets_close(&other);
	leave();
}

TEST(failed_switch_leaves_the_old_mode_running)
{
	in_own_network(run_failed_switch, 65536);
}

static void run_new_tun(void)
{
	enter_kernel_mode();
	check_alive(0);
	set_link("tun-a", 0);
	close(tun_fd);
	ping(0, CLIENT, "100.64.0.1");
	CHECK_EQ(clients[0].n_inner, 0);
	CHECK_EQ(drops(DROP_TUN_WRITE), 1);

	/* The supervisor made another one: no snapshot comes with it. */
	send_tun("tun-b");
	settle();
	CHECK_EQ(if_nametoindex("tun-a"), 0);
	check_alive(0);
	check_alive6(1);
	leave();
	CHECK_EQ(if_nametoindex("tun-b"), 0);
}

TEST(lost_device_is_replaced)
{
	in_own_network(run_new_tun, 65536);
}

static void check_unreachable(const char *text, enum drop drop)
{
	int on = 1;
	char byte = 0;
	struct endpoint to = { .addr = address(text), .port = 9 };
	struct sockaddr_storage sa;
	socklen_t length = endpoint_to_sockaddr(&to, &sa);

	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CHECK_EQ(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)), 0);
	CHECK_EQ(connect(fd, (struct sockaddr *)&sa, length), 0);
	CHECK_EQ(send(fd, &byte, 1, 0), 1);
	settle();
	CHECK_EQ(drops(drop), 1);
	CHECK_EQ(recv(fd, &byte, 1, 0), -1);
	CHECK_EQ(errno, EHOSTUNREACH);
}

static void run_nobody_there(void)
{
	enter_kernel_mode();
	check_unreachable("100.64.0.99", DROP_PEER_UNKNOWN);
	/* A peer that has not come yet. */
	check_unreachable("100.64.0.11", DROP_PEER_NO_ENDPOINT);
	leave();
}

TEST(peers_that_are_not_there_are_unreachable)
{
	in_own_network(run_nobody_there, 65536);
}

static void ping_in_fragments4(size_t payload, size_t cut)
{
	static uint8_t packet[4096];
	size_t length = make_echo(CLIENT, "100.64.0.1", payload, 0, packet) - 20;

	for (unsigned i = 0; i < 2; i++) {
		uint8_t out[2048];
		size_t at = i * cut, piece = i == 0 ? cut : length - cut;
		memcpy(out, packet, 20);
		store16(out + 2, (uint16_t)(20 + piece));
		store16(out + 4, 9);
		store16(out + 6, (uint16_t)(at / 8 | (i == 0 ? 0x2000 : 0)));
		store16(out + 10, 0);
		checksum_store(checksum_add(0, out, 20), out + 10);
		memcpy(out + 20, packet + 20 + at, piece);
		client_send(0, out, 20 + piece);
	}
}

/* An echo request of that payload in two fragments, cut at an offset. */
static void ping_in_fragments6(size_t payload, size_t cut)
{
	static uint8_t packet[4096];
	size_t length = make_echo("fd00:1::10", "fd00:1::1", payload, 0, packet) - 40;

	for (unsigned i = 0; i < 2; i++) {
		uint8_t out[2048];
		size_t at = i * cut, piece = i == 0 ? cut : length - cut;
		memcpy(out, packet, 40);
		store16(out + 4, (uint16_t)(8 + piece));
		out[6] = IPPROTO_FRAGMENT;
		memset(out + 40, 0, 8);
		out[40] = PROTOCOL_ICMPV6;
		store16(out + 42, (uint16_t)(at | (i == 0)));
		out[47] = 5;
		memcpy(out + 48, packet + 40 + at, piece);
		client_send(0, out, 48 + piece);
	}
}

static void run_fragments4(void)
{
	struct view view;
	enter_kernel_mode();
	uint64_t before = counter_get(&counters->node.tun_write_packets);
	clients[0].n_inner = 0;
	ping_in_fragments4(2000, 1200);
	CHECK_EQ(counter_get(&counters->node.tun_write_packets), before + 1);
	CHECK_EQ(clients[0].n_inner, 2);
	view_got(0, 0, &view);
	CHECK(view.fragment);
	leave();
}

TEST(reassembled_ipv4_is_the_kernels_to_cut)
{
	in_own_network(run_fragments4, 65536);
}

static void run_fragments(void)
{
	struct view view;
	enter_kernel_mode();
	uint64_t before = counter_get(&counters->node.tun_write_packets);
	clients[0].n_inner = 0;
	ping_in_fragments6(2000, 1200);
	/* They went in as fragments, and so came the answer. */
	CHECK_EQ(counter_get(&counters->node.tun_write_packets), before + 2);
	CHECK_EQ(clients[0].n_inner, 2);
	view_got(0, 0, &view);
	CHECK(view.fragment);
	leave();
}

TEST(reassembled_ipv6_is_cut_again)
{
	in_own_network(run_fragments, 65536);
}

/* The first is asked in the server's name; nobody is at the other address. */
static void run_challenge(void)
{
	const struct endpoint server = { .addr = address(SERVER), .port = SERVER_PORT };
	const struct ipc_challenge rows[2] = {
		{ server, { .addr = address(CLIENT), .port = CLIENT_PORT } },
		{ server, { .addr = address("100.64.99.99"), .port = CLIENT_PORT } },
	};
	struct ipc_header header = { .type = IPC_CHALLENGE, .length = sizeof(rows) };
	struct view view;

	enter_kernel_mode();
	clients[0].n_inner = 0;
	CHECK_EQ(ipc_send(supervisor_fd, &header, rows, NULL, 0), 0);
	settle();
	CHECK_EQ(clients[0].n_inner, 1);
	view_got(0, 0, &view);
	CHECK_EQ(view.tcp_flags, SYN);
	CHECK(addr_equal(&view.source, &rows[0].from.addr));
	CHECK_EQ(view.source_port, SERVER_PORT);
	CHECK_EQ(view.destination_port, CLIENT_PORT);
	CHECK_EQ(counter_get(&counters->node.challenges), 1);

	header.length = sizeof(rows) - 1;
	CHECK_EQ(ipc_send(supervisor_fd, &header, rows, NULL, 0), 0);
	settle();
	CHECK(engine->stopping);
	leave();
}

/* What would be answered into a TUN that is going. */
static void run_challenge_later(void)
{
	const struct ipc_challenge row = {
		.from = { .addr = address(SERVER), .port = SERVER_PORT },
		.to = { .addr = address(CLIENT), .port = CLIENT_PORT },
	};
	const struct ipc_header header = { .type = IPC_CHALLENGE_LATER, .length = sizeof(row) };

	enter_kernel_mode();
	clients[0].n_inner = 0;
	CHECK_EQ(ipc_send(supervisor_fd, &header, &row, NULL, 0), 0);
	settle();
	CHECK_EQ(clients[0].n_inner, 0);
	check_switched(MODE_NETSTACK);
	settle();
	CHECK_EQ(clients[0].n_inner, 1);
	CHECK_EQ(counter_get(&counters->node.challenges), 1);

	/* Asked once. */
	close(tun_fd);
	send_tun("tun-b");
	check_switched(MODE_KERNEL);
	check_switched(MODE_NETSTACK);
	settle();
	CHECK_EQ(counter_get(&counters->node.challenges), 1);
	leave();
}

/* By the policy before, the answer would pass and nobody be reset. */
static void run_challenge_after_policy(void)
{
	const struct ipc_challenge row = {
		.from = { .addr = address(SERVER), .port = SERVER_PORT },
		.to = { .addr = address(CLIENT), .port = CLIENT_PORT },
	};
	const struct ipc_header header = { .type = IPC_CHALLENGE_LATER, .length = sizeof(row) };

	enter_kernel_mode();
	clients[0].n_inner = 0;
	CHECK_EQ(ipc_send(supervisor_fd, &header, &row, NULL, 0), 0);
	settle();
	CHECK_EQ(clients[0].n_inner, 0);
	wish.head.revision++;
	check_published();
	settle();
	CHECK_EQ(clients[0].n_inner, 1);
	CHECK_EQ(counter_get(&counters->node.challenges), 1);
	leave();
}

TEST(what_a_policy_cut_is_asked_when_it_is_in_force)
{
	in_own_network(run_challenge_after_policy, 65536);
}

TEST(what_a_switch_cut_is_asked_by_the_mode_that_follows)
{
	in_own_network(run_challenge_later, 65536);
}

TEST(a_peer_is_asked_about_a_flow_that_was_cut)
{
	in_own_network(run_challenge, 65536);
}

static void run_flows(void)
{
	struct flow_query query = { .limit = 10, .slot = UINT32_MAX };
	const struct ipc_header flows = { .type = IPC_FLOWS, .id = 5, .length = sizeof(query) };
	uint64_t id = 77;
	const struct ipc_header cut = { .type = IPC_FLOW_CUT, .id = 6, .length = sizeof(id) };
	struct flow_page page;
	struct ipc_result result;

	enter_kernel_mode();
	while (ipc_receive(control_fd, &answer) == 0)
		;
	CHECK_EQ(ipc_send(control_fd, &flows, &query, NULL, 0), 0);
	CHECK_EQ(ipc_send(control_fd, &cut, &id, NULL, 0), 0);
	settle();
	CHECK_EQ(ipc_receive(control_fd, &answer), 0);
	CHECK_EQ(answer.header.type, IPC_FLOWS | IPC_ANSWER);
	CHECK_EQ(answer.header.length, sizeof(page));
	memcpy(&page, answer.body, sizeof(page));
	CHECK_EQ(page.count, 0);
	CHECK_EQ(ipc_receive(control_fd, &answer), 0);
	CHECK_EQ(answer.header.type, IPC_FLOW_CUT | IPC_ANSWER);
	CHECK_EQ(answer.header.id, 6);
	memcpy(&result, answer.body, sizeof(result));
	CHECK_EQ(result.error, -ENOENT);
	CHECK(!engine->stopping);
	leave();
}

TEST(flows_of_kernel_mode_are_not_here)
{
	in_own_network(run_flows, 65536);
}

TEST_MAIN
