/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An engine of several processes, as control and supervisor see it: one that answers for all. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/macros.h"
#include "forwarding/forwarding.h"
#include "forwarding/kernel/tun.h"
#include "forwarding/udp.h"
#include "forwarding/wg/wg.h"
#include "tests/own_network.h"
#include "tests/test.h"

#define WORKERS 3
#define PATIENCE_MS 20000

static struct counters *counters; /* shared with the engine */
static pid_t engine;
static int control_fd, supervisor_fd;
static struct snapshot wish;
static struct ipc_message answer;
static uint32_t last_id;

/* Which process a worker is: it tells by the page, in a place that nobody else writes to. */
static pid_t *pids;

static void on_worker(uint32_t worker)
{
	pids[worker] = getpid();
}

static void *shared(size_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(map != MAP_FAILED);
	return map;
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	return poll(&p, 1, PATIENCE_MS) == 1;
}

static void start(void)
{
	int control[2], supervisor[2];
	counters = shared(WORKERS * sizeof(*counters));
	counters->siblings = WORKERS - 1;
	pids = shared(4096);
	CHECK_EQ(ipc_pair(control), 0);
	CHECK_EQ(ipc_pair(supervisor), 0);
	struct engine_boot boot = { .control_fd = control[1],
				    .supervisor_fd = supervisor[1],
				    .counters = counters,
				    .raw_icmp_fd = -1,
				    .raw_icmp6_fd = -1,
				    .workers = WORKERS,
				    .on_worker = on_worker };
	for (int i = 0; i < WORKERS; i++)
		boot.raw[i] = (struct engine_raw){ -1, -1 };

	control_fd = control[0];
	supervisor_fd = supervisor[0];
	engine = fork();
	if (engine == 0) {
		close(control_fd);
		close(supervisor_fd);
		_exit(engine_run(&boot));
	}
	close(control[1]);
	close(supervisor[1]);

	static const struct snapshot_array none = { .offset = sizeof(wish) };
	wish = (struct snapshot){
		.magic = SNAPSHOT_MAGIC,
		.version = SNAPSHOT_VERSION,
		.size = sizeof(wish),
		.revision = 1,
		.mode = MODE_NETSTACK,
		.mtu = INNER_MTU_DEFAULT,
		.policy_allow = 1,
		.node_addresses = none,
		.host_addresses = none,
		.host_networks = none,
		.peers = none,
		.prefixes = none,
		.routes = none,
		.rules = none,
		.slots = none,
		.ports = none,
	};
	wg_generate_private_key(&wish.private_key);
}

/* Its end, as the exit status. */
static int wait_for_end(void)
{
	int status;
	CHECK_EQ(waitpid(engine, &status, 0), engine);
	CHECK(WIFEXITED(status));
	close(control_fd);
	close(supervisor_fd);
	return WEXITSTATUS(status);
}

static void stop(void)
{
	const struct ipc_header header = { .type = IPC_STOP };
	CHECK_EQ(ipc_send(supervisor_fd, &header, NULL, NULL, 0), 0);
	CHECK_EQ(wait_for_end(), 0);
	for (int i = 1; i < WORKERS; i++)
		CHECK(pids[i] > 0 && kill(pids[i], 0) < 0 && errno == ESRCH);
}

static void next_message(void)
{
	CHECK(readable(control_fd));
	CHECK_EQ(ipc_receive(control_fd, &answer), 0);
}

static void ask(uint32_t type, const void *body, size_t length, const int *fd)
{
	const struct ipc_header header = { type, ++last_id, (uint32_t)length };
	CHECK_EQ(ipc_send(control_fd, &header, body, fd, fd ? 1 : 0), 0);
	/* As control does: what is late is of no use. */
	do
		next_message();
	while (answer.header.type == IPC_ENGINE_HELLO || answer.header.id < last_id);
	CHECK_EQ(answer.header.type, type | IPC_ANSWER);
	CHECK_EQ(answer.header.id, last_id);
}

static struct ipc_result result(void)
{
	struct ipc_result read;
	CHECK_EQ(answer.header.length, sizeof(read));
	memcpy(&read, answer.body, sizeof(read));
	return read;
}

static struct ipc_result publish(void)
{
	_cleanup_(closep) int fd = memfd_create("snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK_EQ(write(fd, &wish, sizeof(wish)), sizeof(wish));
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), 0);
	ask(IPC_SNAPSHOT, NULL, 0, &fd);
	return result();
}

static uint64_t revision_of(uint32_t worker)
{
	return counter_get(&counters[worker].node.revision_applied);
}

static void check_published(void)
{
	struct ipc_result done = publish();
	CHECK_STR(done.text, "");
	CHECK_EQ(done.error, 0);
	CHECK_EQ(done.revision, wish.revision);
	for (uint32_t i = 0; i < WORKERS; i++)
		CHECK_EQ(revision_of(i), wish.revision);
}

static int bind_port(uint16_t *port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(*port) };
	socklen_t length = sizeof(sa);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&sa, length) < 0) {
		close(fd);
		return -errno;
	}
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&sa, &length), 0);
	*port = ntohs(sa.sin_port);
	return fd;
}

static uint16_t free_port(void)
{
	uint16_t port = 0;
	close(bind_port(&port));
	return port;
}

TEST(an_answer_means_that_all_workers_have_it)
{
	start();
	wish.listen_port = free_port();
	for (wish.revision = 1; wish.revision <= 5; wish.revision++)
		check_published();
	stop();
}

TEST(a_port_that_is_taken_is_refused_and_the_one_before_stays)
{
	uint16_t taken = 0, port = free_port();
	_cleanup_(closep) int fd = bind_port(&taken);
	CHECK(fd >= 0);

	start();
	wish.listen_port = port;
	check_published();
	wish.revision++;
	wish.listen_port = taken;
	struct ipc_result refused = publish();
	CHECK_EQ(refused.error, -EADDRINUSE);
	CHECK(strstr(refused.text, "is taken by another program"));
	CHECK_EQ(refused.revision, 1);
	CHECK_EQ(bind_port(&port), -EADDRINUSE);

	/* The fault passes, as does its port. */
	wish.listen_port = free_port();
	check_published();
	CHECK(bind_port(&port) >= 0);
	stop();
}

/* A TUN whose first queue is one, and whose others are not. */
static void send_queues(void)
{
	const struct ipc_tun tun = { .name = "culvert" };
	const struct ipc_header header = { .type = IPC_TUN, .length = sizeof(tun) };
	struct tun device;
	int fds[WORKERS];

	CHECK_EQ(tun_open("culvert", 1, &device), 0);
	fds[0] = device.fd;
	for (int i = 1; i < WORKERS; i++)
		fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
	CHECK_EQ(ipc_send(supervisor_fd, &header, &tun, fds, WORKERS), 0);
	for (int i = 0; i < WORKERS; i++)
		close(fds[i]);
}

static void refuse_in_sibling(void)
{
	start();
	wish.listen_port = free_port();
	check_published();
	send_queues();
	wish.mode = MODE_KERNEL;
	wish.revision++;
	struct ipc_result refused = publish();
	CHECK(refused.error < 0);
	CHECK(strstr(refused.text, "the tunnel device cannot be used"));

	/* What control does then brings all back to one state. */
	wish.mode = MODE_NETSTACK;
	wish.revision = 1;
	check_published();
	stop();
}

TEST(what_one_worker_refuses_is_refused)
{
	in_own_network(refuse_in_sibling, 65536);
}

TEST(a_list_of_no_flows_asks_everybody_and_ends)
{
	struct flow_query query = { .limit = 10, .slot = UINT32_MAX };
	struct flow_page page;

	start();
	wish.listen_port = free_port();
	check_published();
	for (uint64_t worker = 0; worker < WORKERS + 2; worker++) {
		query.after = worker << 56 | 1;
		ask(IPC_FLOWS, &query, sizeof(query), NULL);
		CHECK_EQ(answer.header.length, sizeof(page));
		memcpy(&page, answer.body, sizeof(page));
		CHECK_EQ(page.count, 0);
		CHECK_EQ(page.more, 0);
		ask(IPC_FLOW_CUT, &query.after, sizeof(query.after), NULL);
		CHECK_EQ(result().error, -ENOENT);
	}
	stop();
}

TEST(one_that_dies_ends_all_with_a_fault)
{
	for (int victim = 1; victim < WORKERS; victim++) {
		start();
		wish.listen_port = free_port();
		check_published();
		CHECK_EQ(kill(pids[victim], SIGKILL), 0);
		CHECK_EQ(wait_for_end(), 1);
		for (int i = 1; i < WORKERS; i++)
			CHECK(kill(pids[i], 0) < 0 && errno == ESRCH);
		/* The next engine can have the port at once. */
		uint16_t port = wish.listen_port;
		int fd = bind_port(&port);
		CHECK(fd >= 0);
		close(fd);
	}
}

TEST(one_that_does_not_answer_holds_the_answer_back)
{
	struct pollfd p = { .events = POLLIN };

	start();
	wish.listen_port = free_port();
	check_published();
	CHECK_EQ(kill(pids[2], SIGSTOP), 0);
	wish.revision = 2;
	_cleanup_(closep) int fd = memfd_create("snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK_EQ(write(fd, &wish, sizeof(wish)), sizeof(wish));
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), 0);
	const struct ipc_header header = { IPC_SNAPSHOT, ++last_id, 0 };
	CHECK_EQ(ipc_send(control_fd, &header, NULL, &fd, 1), 0);
	for (int ms = 0; revision_of(1) != 2 && ms < PATIENCE_MS; ms++)
		(void)poll(NULL, 0, 1);
	CHECK_EQ(revision_of(1), 2);
	p.fd = control_fd;
	CHECK_EQ(poll(&p, 1, 0), 0);

	/* Control has given up, and asks anew: the new question gets one answer, of all. */
	CHECK_EQ(kill(pids[2], SIGCONT), 0);
	wish.revision = 3;
	check_published();
	CHECK_EQ(poll(&p, 1, 0), 0);
	stop();
}

TEST_MAIN
