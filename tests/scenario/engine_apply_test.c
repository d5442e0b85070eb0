/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots that a whole engine takes or refuses, and what happens as processes come and go. */
#include "tests/scenario/engine_lab.h"

static void check_refused(int error, const char *text)
{
	struct ipc_result result = publish();
	CHECK_EQ(result.error, error);
	if (strstr(result.text, text) == NULL)
		TEST_FAIL("text is \"%s\", expected \"%s\" in it", result.text, text);
	CHECK_EQ(result.revision, 1);
	CHECK_EQ(counter_get(&counters->node.revision_applied), 1);
	check_alive(0);
	check_alive(1);
}

TEST(refused_snapshot_leaves_the_old_one_running)
{
	char text[FAULT_TEXT_MAX];
	struct udp_sockets other;
	set_up();
	check_alive(0);
	check_alive(1);
	struct wish good = wish;
	wish.head.revision = 2;

	CHECK_EQ(udp_sockets_open(0, &(struct udp_options){ 0 }, &other, text), 0);
	wish.head.listen_port = other.port;
	check_refused(-EADDRINUSE, "is taken by another program");
	udp_sockets_close(&other);
	wish.head.listen_port = good.head.listen_port;

	wish.head.mode = MODE_KERNEL;
	check_refused(-ENODEV, "the tunnel device did not arrive");
	wish.head.mode = MODE_NETSTACK;

	wish.head.peers.count = 1000000;
	check_refused(-EBADMSG, "the snapshot is not valid");
	wish.head.peers.count = 3;

	/* Peer 1 changes its key and peer 0 its addresses; then the third one fails. */
	wish.peers[0].addresses.count = 1;
	wish.peers[1].public_key = clients[2].public_key;
	wish.peers[2].public_key = (struct wg_key){ 0 };
	wish.head.listen_port = free_port();
	struct ipc_result result = publish();
	CHECK_EQ(result.error, -EINVAL);
	CHECK_EQ(result.revision, 1);
	check_alive(0);
	ping(0, "fd00:1::10", "fd00:1::1");
	check_echo_reply(0, "fd00:1::1", "fd00:1::10");
	/* No handshake was needed for peer 0. */
	CHECK_EQ(counter_get(&counters->peers[0].receive_packets) > 0, true);
	tear_down();
}

TEST(snapshot_that_could_still_change_is_refused)
{
	set_up();
	wish.head.revision = 2;
	struct ipc_result result = publish_sealed(F_SEAL_SHRINK | F_SEAL_GROW);
	CHECK_EQ(result.error, -EBADMSG);
	check_alive(0);
	tear_down();
}

TEST(removed_peer_is_not_heard_any_more)
{
	set_up();
	check_alive(0);
	check_alive(1);
	wish.head.revision = 2;
	wish.head.peers.count = 1;
	check_published();
	ping(1, "100.64.0.11", "100.64.0.1");
	CHECK_EQ(clients[1].n_inner, 0);
	CHECK_EQ(drops(DROP_OUTER_UNKNOWN_INDEX), 1);
	check_alive(0);
	CHECK_EQ(counter_get(&counters->node.handshakes_responder), 2);
	tear_down();
}

TEST(port_changes_under_a_running_session)
{
	char text[FAULT_TEXT_MAX];
	struct udp_sockets taken;
	set_up();
	check_alive(0);
	uint16_t old = wish.head.listen_port;
	wish.head.revision = 2;
	wish.head.listen_port = free_port();
	check_published();
	clients[0].engine_port = wish.head.listen_port;
	check_alive(0);
	CHECK_EQ(counter_get(&counters->node.handshakes_responder), 1);
	CHECK_EQ(udp_sockets_open(old, &(struct udp_options){ 0 }, &taken, text), 0);
	udp_sockets_close(&taken);
	tear_down();
}

TEST(control_goes_and_comes_back)
{
	int pair[2];
	set_up();
	check_alive(0);
	close(control_fd);
	settle();
	check_alive(0);

	CHECK_EQ(ipc_pair(pair), 0);
	const struct ipc_header header = { .type = IPC_CONTROL_STARTED };
	CHECK_EQ(ipc_send(supervisor_fd, &header, NULL, &pair[1], 1), 0);
	close(pair[1]);
	control_fd = pair[0];
	settle();
	check_hello(control_fd);
	wish.head.revision = 2;
	check_published();
	check_alive(0);
	CHECK_EQ(counter_get(&counters->node.handshakes_responder), 1);
	tear_down();
}

TEST(new_engine_seeks_the_peers_that_the_page_remembers)
{
	set_up();
	check_alive(0);
	check_alive(1);
	engine_close(engine);
	close(control_fd);
	close(supervisor_fd);

	engine_start();
	check_published();
	settle();
	CHECK_EQ(counter_get(&counters->node.handshakes_initiator), 2);
	check_alive(0);
	check_alive(1);
	CHECK_EQ(counter_get(&counters->node.handshakes_responder), 2);
	tear_down();
}

TEST(endpoint_of_the_snapshot_is_sought)
{
	set_up();
	wish.head.revision = 2;
	wish.head.listen_port = free_port();
	wish.peers[0].endpoint =
		(struct endpoint){ .addr = address("127.0.0.1"), .port = clients[0].sockets.port };
	engine_close(engine);
	close(control_fd);
	close(supervisor_fd);
	engine_start();
	clients[0].engine_port = wish.head.listen_port;
	check_published();
	settle();
	CHECK_EQ(counter_get(&counters->node.handshakes_initiator), 1);
	check_alive(0);
	tear_down();
}

/* More peers, under keys that nobody has, all said to be where client 0 is. */
static void wish_for_many(void)
{
	wish.head.peers.count = WISHED;
	for (unsigned i = 0; i < WISHED; i++) {
		struct wg_key private_key;
		wg_generate_private_key(&private_key);
		wish.peers[i] = (struct snapshot_peer){ .slot = i,
							.endpoint.addr = address("127.0.0.1"),
							.endpoint.port = clients[0].sockets.port };
		CHECK_EQ(wg_public_key(&private_key, &wish.peers[i].public_key), 0);
	}
}

static unsigned count_calls(void)
{
	uint8_t data[2048];
	unsigned n = 0;
	while (recv(clients[0].sockets.fd4, data, sizeof(data), MSG_DONTWAIT) > 0)
		n++;
	return n;
}

TEST(many_peers_are_called_some_at_a_time)
{
	set_up();
	engine_close(engine);
	close(control_fd);
	close(supervisor_fd);
	memset(counters, 0, sizeof(*counters));
	engine_start();
	wish.head.listen_port = free_port();
	wish_for_many();

	_cleanup_(closep) int fd = make_memfd(F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
	const struct ipc_header header = { .type = IPC_SNAPSHOT, .id = 1 };
	CHECK_EQ(ipc_send(control_fd, &header, NULL, &fd, 1), 0);
	CHECK_EQ(engine_pass(engine, 0), 0);
	unsigned called = count_calls();
	CHECK(called > 0 && called < WISHED);
	while (called < WISHED) {
		CHECK_EQ(engine_pass(engine, -1), 0);
		called += count_calls();
	}
	tear_down();
}

TEST(ping_requests_reach_the_supervisor)
{
	set_up();
	struct addr target = address("10.1.2.3");
	CHECK_EQ(engine->host.ping_exec(engine->host.ctx, &target, 56, 12), 0);
	CHECK_EQ(ipc_receive(supervisor_fd, &answer), 0);
	struct ipc_ping ping_body;
	CHECK_EQ(answer.header.type, IPC_PING);
	CHECK_EQ(answer.header.id, 12);
	memcpy(&ping_body, answer.body, sizeof(ping_body));
	CHECK(addr_equal(&ping_body.target, &target));
	CHECK_EQ(ping_body.size, 56);

	/* An answer that nobody waits for any more harms nothing. */
	struct ipc_result result = { 0 };
	const struct ipc_header header = { .type = IPC_PING | IPC_ANSWER,
					   .id = 12,
					   .length = sizeof(result) };
	CHECK_EQ(ipc_send(supervisor_fd, &header, &result, NULL, 0), 0);
	settle();
	CHECK(!engine->stopping);
	tear_down();
}

TEST(what_ends_the_engine)
{
	const struct ipc_header stop = { .type = IPC_STOP }, unknown = { .type = 99 };

	set_up();
	CHECK_EQ(ipc_send(supervisor_fd, &stop, NULL, NULL, 0), 0);
	settle();
	CHECK(engine->stopping && engine->status == 0);
	tear_down();

	set_up();
	shutdown(supervisor_fd, SHUT_RDWR);
	settle();
	CHECK(engine->stopping && engine->status == 0);
	tear_down();

	set_up();
	CHECK_EQ(ipc_send(control_fd, &unknown, NULL, NULL, 0), 0);
	settle();
	CHECK(engine->stopping && engine->status == 1);
	tear_down();
}

TEST_MAIN
