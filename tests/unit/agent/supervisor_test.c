/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real processes with played parts: who is restarted, who is left alone, and how everything ends. */
#include "agent/supervisor.h"

#include "agent/base/macros.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/*
 * The supervisor under test is a child of this process, engine and control are
 * its children. What they do comes back as lines in one pipe, which ends when
 * the last of them has ended.
 */
static struct part {
	void (*engine_begin)(const struct engine_boot *boot);
	void (*control_begin)(const struct control_boot *boot);
	bool deaf; /* engine and control do not stop when told */
	const char *ping_program;
} part;

static struct counters *page;
static pid_t supervisor;
static FILE *pipe_end;

/* Lines of several processes come in any order: each is kept until it is expected. */
#define LINES_MAX 128
static struct line {
	char text[256];
	bool used;
} lines[LINES_MAX];
static int n_lines;

static void say(const char *what)
{
	dprintf(STDERR_FILENO, "%s %d\n", what, (int)getpid());
}

static void send_to(int fd, uint32_t type, const void *body, size_t length)
{
	const struct ipc_header header = { .type = type, .id = 5, .length = (uint32_t)length };
	if (ipc_send(fd, &header, body, NULL, 0) < 0)
		say("cannot send");
}

static void wait_readable(int fd, int other_fd)
{
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
				{ .fd = other_fd, .events = POLLIN } };
	(void)poll(fds, ARRAY_SIZE(fds), -1);
}

/* Tells what came; -1: the supervisor is gone, or says stop. */
static int hear(const char *who, int fd, int *peer_fd)
{
	static struct ipc_message m;
	int r = ipc_receive(fd, &m);
	if (r == -EAGAIN)
		return 0;
	if (r < 0)
		return -1;

	char text[64];
	snprintf(text, sizeof(text), "%s hears %u error", who, m.header.type & ~IPC_ANSWER);
	if (m.header.type & IPC_ANSWER) {
		struct ipc_result result;
		memcpy(&result, m.body, sizeof(result));
		dprintf(STDERR_FILENO, "%s %d id %u\n", text, result.error, m.header.id);
	}
	if (m.header.type == IPC_ENGINE_STARTED || m.header.type == IPC_CONTROL_STARTED) {
		closep(peer_fd);
		*peer_fd = TAKE_FD(m.fds[0]);
		send_to(*peer_fd, IPC_EVENT, NULL, 0);
		snprintf(text, sizeof(text), "%s meets", who);
		say(text);
	}
	ipc_release(&m);
	return m.header.type == IPC_STOP ? -1 : 0;
}

/* A word from the other side of the common channel. */
static void hear_peer(const char *who, int *peer_fd)
{
	static struct ipc_message m;
	char text[64];
	int r = *peer_fd < 0 ? -EAGAIN : ipc_receive(*peer_fd, &m);
	if (r == -EAGAIN)
		return;

	snprintf(text, sizeof(text), "%s %s", who, r == 0 ? "is greeted" : "is alone");
	say(text);
	if (r < 0) {
		close(*peer_fd);
		*peer_fd = -1;
	}
}

static int live(const char *who, int supervisor_fd, int peer_fd)
{
	char text[64];
	snprintf(text, sizeof(text), "%s up", who);
	say(text);
	for (;;) {
		wait_readable(supervisor_fd, peer_fd);
		if (hear(who, supervisor_fd, &peer_fd) < 0 && !part.deaf)
			return 0;
		hear_peer(who, &peer_fd);
	}
}

static int play_engine(const struct engine_boot *boot)
{
	counter_add(&boot->counters->node.flows_opened_udp, 1); /* births */
	if (part.engine_begin)
		part.engine_begin(boot);
	return live("engine", boot->supervisor_fd, boot->control_fd);
}

static int play_control(const struct control_boot *boot)
{
	if (part.control_begin)
		part.control_begin(boot);
	return live("control", boot->supervisor_fd, -1);
}

static void begin(void)
{
	int fds[2];
	CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED);
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	supervisor = fork();
	if (supervisor == 0) {
		struct supervisor_conf conf = {
			.engine_main = play_engine,
			.control_main = play_control,
			.tls_fd = -1,
			.engine = { .counters = page, .raw_icmp_fd = -1, .raw_icmp6_fd = -1 },
			.control = { .counters_fd = null_fd, .socket_fd = null_fd, .http_fd = -1 },
			.state_dir = "/tmp",
			.lock_fd = null_fd,
			.ping_program = part.ping_program,
			.log_level = LOG_LEVEL_ERROR,
		};
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		identity_find(&conf.who);
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		log_setup(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR, "supervisor");
		_exit(supervisor_run(&conf));
	}
	close(fds[1]);
	close(null_fd);
	pipe_end = fdopen(fds[0], "r");
	n_lines = 0;
	alarm(30); /* a line that does not come fails the test, not the machine */
}

/* false: the last process has ended. */
static bool read_line(void)
{
	if (n_lines == LINES_MAX)
		TEST_FAIL("too many lines");
	if (!fgets(lines[n_lines].text, sizeof(lines[n_lines].text), pipe_end))
		return false;
	lines[n_lines++].used = false;
	return true;
}

/* The line that contains text, each once; waits for it. */
static const char *find(const char *text)
{
	for (int i = 0; i < n_lines || read_line(); i++) {
		if (lines[i].used || !strstr(lines[i].text, text))
			continue;
		lines[i].used = true;
		return lines[i].text;
	}
	TEST_FAIL("no line with \"%s\"", text);
}

/* The same, and returns the number at its end. */
static int expect(const char *text)
{
	const char *number = strrchr(find(text), ' ');
	return number ? (int)strtol(number, NULL, 10) : 0;
}

/* Reads to the end of the last process; fails when text is among what nobody expected. */
static void expect_end(const char *unwanted)
{
	while (read_line())
		;
	for (int i = 0; unwanted && i < n_lines; i++)
		if (!lines[i].used && strstr(lines[i].text, unwanted))
			TEST_FAIL("unexpected: %s", lines[i].text);
}

/* Waits for the supervisor. Returns its exit status. */
static int end(void)
{
	int status;
	CHECK_EQ(waitpid(supervisor, &status, 0), supervisor);
	fclose(pipe_end);
	munmap(page, sizeof(*page));
	memset(&part, 0, sizeof(part));
	alarm(0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Both are up and know each other. */
static void expect_both(int *ret_engine, int *ret_control)
{
	*ret_engine = expect("engine up");
	*ret_control = expect("control up");
	CHECK_EQ(expect("control meets"), *ret_control);
	CHECK_EQ(expect("engine is greeted"), *ret_engine);
}

TEST(terminate_stops_everything_with_status_0)
{
	int engine, control;
	begin();
	expect_both(&engine, &control);
	CHECK(engine != control && engine != supervisor);
	kill(supervisor, SIGTERM);
	kill(supervisor, SIGTERM);
	expect_end("again");
	CHECK_EQ(end(), 0);
}

TEST(hangup_stops_nothing)
{
	int engine, control;
	begin();
	expect_both(&engine, &control);
	for (int i = 0; i < 100; i++)
		kill(supervisor, SIGHUP);
	kill(engine, SIGKILL);
	CHECK(expect("engine up") != engine);
	kill(supervisor, SIGINT);
	expect_end(NULL);
	CHECK_EQ(end(), 0);
}

TEST(terminal_signals_do_not_reach_engine_and_control)
{
	int engine, control;
	begin();
	expect_both(&engine, &control);
	kill(engine, SIGINT);
	kill(control, SIGTERM);
	kill(control, SIGHUP);
	kill(supervisor, SIGTERM);
	expect_end("again");
	CHECK_EQ(end(), 0);
}

TEST(a_dead_engine_comes_back_and_control_is_left_alone)
{
	int engine, control;
	begin();
	expect_both(&engine, &control);
	kill(engine, SIGKILL);
	CHECK_EQ(expect("control is alone"), control);
	CHECK_EQ(expect("control meets"), control);
	expect("engine up");
	CHECK_EQ(counter_get(&page->node.flows_opened_udp), 2); /* the page outlived the first */
	kill(supervisor, SIGTERM);
	expect_end("control up");
	CHECK_EQ(end(), 0);
}

TEST(a_dead_control_comes_back_and_the_engine_is_left_alone)
{
	int engine, control;
	begin();
	expect_both(&engine, &control);
	kill(control, SIGSEGV);
	CHECK_EQ(expect("engine is alone"), engine);
	CHECK(expect("control up") != control);
	CHECK_EQ(expect("engine is greeted"), engine);
	CHECK_EQ(counter_get(&page->node.flows_opened_udp), 1);
	kill(supervisor, SIGTERM);
	expect_end("engine up");
	CHECK_EQ(end(), 0);
}

TEST(both_may_die_at_once)
{
	int engine, control;
	begin();
	expect_both(&engine, &control);
	kill(control, SIGKILL);
	kill(engine, SIGKILL);
	expect_both(&engine, &control);
	kill(supervisor, SIGTERM);
	expect_end(NULL);
	CHECK_EQ(end(), 0);
}

static void crash(const struct engine_boot *boot)
{
	(void)boot;
	say("engine crashes");
	kill(getpid(), SIGKILL);
}

TEST(five_deaths_in_a_minute_stop_everything)
{
	part.engine_begin = crash;
	begin();
	for (int i = 0; i < CRASHES_MAX; i++)
		expect("engine crashes");
	expect("stopping everything");
	expect_end("engine crashes");
	CHECK_EQ(end(), 1);
}

static void leave_3(const struct control_boot *boot)
{
	(void)boot;
	_exit(CONTROL_STATE_UNUSABLE);
}

TEST(an_unusable_state_ends_everything_with_its_status)
{
	part.control_begin = leave_3;
	begin();
	expect_end("again");
	CHECK_EQ(end(), 3);
}

static void leave_1(const struct control_boot *boot)
{
	(void)boot;
	_exit(1);
}

TEST(a_control_that_never_got_ready_is_not_tried_again)
{
	part.control_begin = leave_1;
	begin();
	expect_end("again");
	CHECK_EQ(end(), 1);
}

static void get_ready(const struct control_boot *boot)
{
	static const char text[] = "culvert ready: a\033[2Jb";
	send_to(boot->supervisor_fd, IPC_READY, text, strlen(text));
}

TEST(the_ready_line_is_printed_once_and_cleaned)
{
	int engine, control;
	part.control_begin = get_ready;
	begin();
	CHECK_STR(find("culvert ready: "), "culvert ready: a?[2Jb\n");
	expect_both(&engine, &control);
	kill(control, SIGKILL);
	CHECK(expect("control up") != control);
	CHECK_EQ(expect("engine is greeted"), engine);
	kill(supervisor, SIGTERM);
	expect_end("culvert ready");
	CHECK_EQ(end(), 0);
}

TEST(the_service_manager_is_told)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char name[40], got[32] = "";
	snprintf(name, sizeof(name), "@culvert-test-%d", (int)getpid());
	memcpy(sa.sun_path + 1, name + 1, strlen(name) - 1);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	CHECK_EQ(bind(fd, (struct sockaddr *)&sa, size), 0);

	setenv("NOTIFY_SOCKET", name, 1);
	part.control_begin = get_ready;
	begin();
	unsetenv("NOTIFY_SOCKET");
	CHECK_EQ(recv(fd, got, sizeof(got) - 1, 0), 7);
	CHECK_STR(got, "READY=1");
	kill(supervisor, SIGTERM);
	CHECK_EQ(recv(fd, got, sizeof(got) - 1, 0), 10);
	CHECK_STR(got, "STOPPING=1");
	expect_end(NULL);
	CHECK_EQ(end(), 0);
	close(fd);
}

TEST(those_that_do_not_stop_are_killed)
{
	int engine, control;
	part.deaf = true;
	begin();
	expect_both(&engine, &control);
	kill(supervisor, SIGTERM);
	expect("does not stop");
	expect_end(NULL);
	CHECK_EQ(end(), 0);
}

TEST(nobody_outlives_the_supervisor)
{
	int engine, control;
	part.deaf = true;
	begin();
	expect_both(&engine, &control);
	kill(supervisor, SIGKILL);
	expect_end(NULL); /* returns when the last writer is gone */
	CHECK_EQ(end(), -1);
}

static void babble(const struct engine_boot *boot)
{
	if (counter_get(&boot->counters->node.flows_opened_udp) == 1)
		send_to(boot->supervisor_fd, IPC_READY, "I am control", 12);
}

TEST(a_child_that_sends_nonsense_is_replaced)
{
	part.engine_begin = babble;
	begin();
	expect("makes no sense");
	expect("again");
	expect("engine up");
	kill(supervisor, SIGTERM);
	expect_end("I am control");
	CHECK_EQ(end(), 0);
}

static void publish(const struct control_boot *boot, enum mode mode, bool seal)
{
	const struct snapshot_array nothing = { .offset = sizeof(struct snapshot) };
	struct snapshot snapshot = {
		.magic = SNAPSHOT_MAGIC,
		.version = SNAPSHOT_VERSION,
		.size = sizeof(snapshot),
		.mode = mode,
		.mtu = 1420,
		.revision = 3,
		.node_addresses = nothing,
		.host_addresses = nothing,
		.host_networks = nothing,
		.peers = nothing,
		.prefixes = nothing,
		.routes = nothing,
		.rules = nothing,
		.slots = nothing,
		.ports = nothing,
	};
	int fd = memfd_create("snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const struct ipc_header header = { .type = IPC_SNAPSHOT, .id = 40 + mode };
	if (write(fd, &snapshot, sizeof(snapshot)) != sizeof(snapshot) ||
	    (seal && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0) ||
	    ipc_send(boot->supervisor_fd, &header, NULL, &fd, 1) < 0)
		say("cannot send");
	close(fd);
}

static void publish_both(const struct control_boot *boot)
{
	publish(boot, MODE_NETSTACK, true);
	publish(boot, MODE_KERNEL, false);
}

TEST(netstack_asks_nothing_and_what_could_change_is_refused)
{
	part.control_begin = publish_both;
	begin();
	expect("control hears 1 error 0 id 42");
	expect("control hears 1 error -74 id 41");
	kill(supervisor, SIGTERM);
	expect_end(NULL);
	CHECK_EQ(end(), 0);
}

static void ask_for_ping(const struct engine_boot *boot)
{
	static const struct ipc_ping ping = {
		.target = { .b = { 127, 0, 0, 1 }, .family = 4 },
		.size = 56,
	};
	send_to(boot->supervisor_fd, IPC_PING, &ping, sizeof(ping));
}

/* The program that is run stands for the outcome: true answers, false does not. */
TEST(ping_is_answered_only_when_the_target_answered)
{
	static const struct {
		const char *program;
		int error;
	} cases[] = { { "/bin/true", 0 }, { "/bin/false", -ETIMEDOUT }, { NULL, -EOPNOTSUPP } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char want[64];
		part.engine_begin = ask_for_ping;
		part.ping_program = cases[i].program;
		begin();
		snprintf(want, sizeof(want), "engine hears 4 error %d id 5", cases[i].error);
		expect(want);
		kill(supervisor, SIGTERM);
		expect_end(NULL);
		CHECK_EQ(end(), 0);
	}
}

TEST_MAIN
