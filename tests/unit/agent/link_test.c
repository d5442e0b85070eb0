/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control's channels: what the other ends send arrives once, in order, and publishing waits for both. */
#include "agent/link.h"

#include "agent/base/macros.h"
#include "tests/test.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>

/* The far ends are played by threads that block on their sockets, and what control sees is written down. */
struct stage {
	struct loop *loop;
	struct link *link;
	int supervisor_fd; /* the far end */
	char seen[256];
	bool publish_in_handler;
	int published;
	int memfd;
};

static struct stage stage;

static void see(const char *what)
{
	size_t n = strlen(stage.seen);
	snprintf(stage.seen + n, sizeof(stage.seen) - n, "%s%s", n ? " " : "", what);
}

static void on_engine(void *ctx, const struct ipc_engine *hello, mono_t now)
{
	char text[24];
	(void)ctx, (void)now;
	snprintf(text, sizeof(text), "engine:%.15s", hello->aead);
	see(text);
	if (stage.publish_in_handler) {
		struct fault fault = { 0 };
		stage.published = link_publish(stage.link, stage.memfd, 7, &fault);
	}
}

static void on_engine_lost(void *ctx, mono_t now)
{
	(void)ctx, (void)now;
	see("lost");
}

static void on_event(void *ctx, const struct ipc_event *event, mono_t now)
{
	char text[24];
	(void)ctx, (void)now;
	snprintf(text, sizeof(text), "event%u", event->slot);
	see(text);
}

static void on_stop(void *ctx, mono_t now)
{
	(void)ctx, (void)now;
	see("stop");
	loop_stop(stage.loop, 0);
}

static void open_stage(void)
{
	static const struct link_handlers handlers = { .on_engine = on_engine,
						       .on_engine_lost = on_engine_lost,
						       .on_event = on_event,
						       .on_stop = on_stop };
	int pair[2];
	memset(&stage, 0, sizeof(stage));
	CHECK_EQ(loop_open(&stage.loop), 0);
	CHECK_EQ(ipc_pair(pair), 0);
	stage.supervisor_fd = pair[1];
	stage.memfd = memfd_create("snapshot", MFD_CLOEXEC);
	CHECK_EQ(link_open(stage.loop, pair[0], &handlers, &stage.link), 0);
}

static void close_stage(void)
{
	link_close(stage.link);
	loop_close(stage.loop);
	if (stage.supervisor_fd >= 0)
		close(stage.supervisor_fd);
	close(stage.memfd);
}

/* For far ends, which may run in another thread than the test: no CHECK there. */
static void must(bool condition)
{
	if (!condition)
		abort();
}

static void send_message(int fd, uint32_t type, const void *body, size_t length)
{
	const struct ipc_header header = { .type = type, .length = (uint32_t)length };
	must(ipc_send(fd, &header, body, NULL, 0) == 0);
}

/* A new engine, as the supervisor announces it. Returns the engine's end. */
static int send_engine(const char *aead)
{
	int pair[2];
	must(ipc_pair(pair) == 0);
	const struct ipc_header header = { .type = IPC_ENGINE_STARTED };
	must(ipc_send(stage.supervisor_fd, &header, NULL, &pair[0], 1) == 0);
	close(pair[0]);

	struct ipc_engine hello = { 0 };
	snprintf(hello.aead, sizeof(hello.aead), "%s", aead);
	send_message(pair[1], IPC_ENGINE_HELLO, &hello, sizeof(hello));
	return pair[1];
}

static void send_event(int fd, uint32_t slot)
{
	const struct ipc_event event = { .type = ENGINE_EVENT_HANDSHAKE, .slot = slot };
	send_message(fd, IPC_EVENT, &event, sizeof(event));
}

static void pass(int n)
{
	for (int i = 0; i < n; i++)
		CHECK_EQ(loop_pass(stage.loop, 0), 0);
}

/* A far end that takes one snapshot. */
struct player {
	pthread_t thread;
	int fd;
	int error; /* its answer */
	uint64_t revision;
	bool dies; /* an engine: ends instead of answering, and the next one answers */
	bool got_memfd;
};

static void receive(int fd, struct ipc_message *message)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	must(poll(&poll_fd, 1, -1) == 1);
	must(ipc_receive(fd, message) == 0);
}

static void *play(void *arg)
{
	struct player *p = arg;
	struct ipc_message *message = malloc(sizeof(*message));
	receive(p->fd, message);
	p->got_memfd = message->header.type == IPC_SNAPSHOT && message->n_fds == 1;
	ipc_release(message);

	if (p->dies) {
		close(p->fd);
		p->fd = send_engine("second");
		receive(p->fd, message);
		ipc_release(message);
		send_event(p->fd, 2);
	}
	struct ipc_result result = { .error = p->error, .revision = p->revision };
	snprintf(result.text, sizeof(result.text), "port 51820 is taken");
	const struct ipc_header header = {
		.type = IPC_SNAPSHOT | IPC_ANSWER,
		.id = message->header.id,
		.length = sizeof(result),
	};
	must(ipc_send(p->fd, &header, &result, NULL, 0) == 0);
	free(message);
	return NULL;
}

static void play_start(struct player *p)
{
	CHECK_EQ(pthread_create(&p->thread, NULL, play, p), 0);
}

static void play_end(struct player *p)
{
	CHECK_EQ(pthread_join(p->thread, NULL), 0);
}

TEST(a_new_engine_is_reported_with_what_it_can_do)
{
	open_stage();
	CHECK(!link_engine_running(stage.link));
	int engine = send_engine("first");
	pass(2);
	CHECK_STR(stage.seen, "engine:first");
	CHECK(link_engine_running(stage.link));

	send_event(engine, 3);
	pass(1);
	CHECK_STR(stage.seen, "engine:first event3");
	close(engine);
	close_stage();
}

TEST(a_lost_engine_is_reported_before_the_next)
{
	open_stage();
	close(send_engine("first"));
	int engine = send_engine("second");
	pass(4);
	CHECK_STR(stage.seen, "lost engine:second");
	close(engine);
	pass(1);
	CHECK_STR(stage.seen, "lost engine:second lost");
	CHECK(!link_engine_running(stage.link));
	close_stage();
}

TEST(stop_and_the_death_of_the_supervisor_both_stop)
{
	open_stage();
	send_message(stage.supervisor_fd, IPC_STOP, NULL, 0);
	CHECK_EQ(loop_run(stage.loop), 0);
	CHECK_STR(stage.seen, "stop");
	close_stage();

	open_stage();
	close(stage.supervisor_fd);
	stage.supervisor_fd = -1;
	CHECK_EQ(loop_run(stage.loop), 0);
	CHECK_STR(stage.seen, "stop");
	CHECK_EQ(link_ready(stage.link, "ready"), -EPIPE);
	close_stage();
}

TEST(publishing_succeeds_when_both_took_it)
{
	open_stage();
	struct player engine = { .fd = send_engine("first"), .revision = 7 };
	pass(2);
	struct player supervisor = { .fd = stage.supervisor_fd };
	play_start(&supervisor);
	play_start(&engine);

	struct fault fault = { 0 };
	CHECK_EQ(link_publish(stage.link, stage.memfd, 7, &fault), 0);
	play_end(&supervisor);
	play_end(&engine);
	CHECK(supervisor.got_memfd && engine.got_memfd);
	close(engine.fd);
	close_stage();
}

TEST(a_refusal_comes_back_with_its_words)
{
	open_stage();
	struct player engine = { .fd = send_engine("first"), .error = -EADDRINUSE, .revision = 6 };
	pass(2);
	struct player supervisor = { .fd = stage.supervisor_fd };
	play_start(&supervisor);
	play_start(&engine);

	struct fault fault = { 0 };
	CHECK_EQ(link_publish(stage.link, stage.memfd, 7, &fault), -EADDRINUSE);
	CHECK_STR(fault.text, "port 51820 is taken");
	CHECK_STR(fault.problem, "conflict");
	play_end(&supervisor);
	play_end(&engine);
	close(engine.fd);
	close_stage();
}

TEST(an_engine_that_applied_something_else_is_no_success)
{
	open_stage();
	struct player engine = { .fd = send_engine("first"), .revision = 6 };
	pass(2);
	struct player supervisor = { .fd = stage.supervisor_fd };
	play_start(&supervisor);
	play_start(&engine);

	struct fault fault = { 0 };
	CHECK_EQ(link_publish(stage.link, stage.memfd, 7, &fault), -EIO);
	play_end(&supervisor);
	play_end(&engine);
	close(engine.fd);
	close_stage();
}

TEST(an_engine_that_dies_while_publishing_is_waited_for)
{
	open_stage();
	struct player engine = { .fd = send_engine("first"), .revision = 7, .dies = true };
	pass(2);
	struct player supervisor = { .fd = stage.supervisor_fd };
	play_start(&supervisor);
	play_start(&engine);

	struct fault fault = { 0 };
	CHECK_EQ(link_publish(stage.link, stage.memfd, 7, &fault), 0);
	CHECK_STR(stage.seen, "engine:first"); /* nothing is told from inside */
	play_end(&supervisor);
	play_end(&engine);

	pass(2);
	CHECK_STR(stage.seen, "engine:first lost engine:second event2");
	close(engine.fd);
	close_stage();
}

TEST(a_handler_may_publish)
{
	open_stage();
	stage.publish_in_handler = true;
	struct player engine = { .fd = send_engine("first"), .revision = 7 };
	struct player supervisor = { .fd = stage.supervisor_fd };
	play_start(&supervisor);
	play_start(&engine);
	stage.published = -1;
	pass(2);
	CHECK_EQ(stage.published, 0);
	play_end(&supervisor);
	play_end(&engine);
	close(engine.fd);
	close_stage();
}

TEST(without_an_engine_publishing_ends_in_time)
{
	open_stage();
	struct player supervisor = { .fd = stage.supervisor_fd };
	play_start(&supervisor);
	struct fault fault = { 0 };
	CHECK_EQ(link_publish(stage.link, stage.memfd, 7, &fault), -EAGAIN);
	CHECK_STR(fault.problem, "engine_unavailable");
	play_end(&supervisor);
	close_stage();
}

TEST(the_ready_line_reaches_the_supervisor_whole)
{
	open_stage();
	CHECK_EQ(link_ready(stage.link, "culvert ready: api=/run/x"), 0);
	static struct ipc_message message;
	receive(stage.supervisor_fd, &message);
	CHECK_EQ(message.header.type, IPC_READY);
	CHECK_EQ(message.header.length, 25);
	CHECK_MEM(message.body, "culvert ready: api=/run/x", 25);
	close_stage();
}

TEST(nonsense_ends_the_channel_it_came_by)
{
	open_stage();
	int engine = send_engine("first");
	pass(2);
	send_message(engine, IPC_EVENT, "short", 5);
	pass(1);
	CHECK_STR(stage.seen, "engine:first lost");
	close(engine);
	close_stage();
}

TEST_MAIN
