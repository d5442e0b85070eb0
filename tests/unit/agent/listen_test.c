/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listening: a dead daemon's socket is replaced, a living one's is not, and files are never lost. */
#include "agent/listen.h"

#include "agent/base/macros.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static char base[64], path[100];
static struct fault fault;

static void begin(void)
{
	snprintf(base, sizeof(base),
		 "/tmp/culvert-test-XX"
		 "XX"
		 "XX");
	CHECK(mkdtemp(base));
	snprintf(path, sizeof(path), "%s/run/api.sock", base);
	memset(&fault, 0, sizeof(fault));
}

static void finish(void)
{
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	rmdir(base);
}

static bool answers(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
}

TEST(everybody_may_connect_to_the_socket)
{
	int fd;
	struct stat st;
	begin();
	umask(077);
	CHECK_EQ(listen_unix(path, &fd, &fault), 0);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0666);
	CHECK(answers());
	close(fd);

	char directory[100];
	snprintf(directory, sizeof(directory), "%s/run", base);
	CHECK_EQ(stat(directory, &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0755);
	finish();
}

TEST(a_dead_daemons_socket_is_replaced)
{
	int fd;
	begin();
	CHECK_EQ(listen_unix(path, &fd, &fault), 0);
	close(fd);
	CHECK(!answers());
	CHECK_EQ(listen_unix(path, &fd, &fault), 0);
	CHECK(answers());
	close(fd);
	finish();
}

TEST(a_living_daemons_socket_is_not)
{
	int fd, second;
	begin();
	CHECK_EQ(listen_unix(path, &fd, &fault), 0);
	CHECK_EQ(listen_unix(path, &second, &fault), -EADDRINUSE);
	CHECK(strstr(fault.text, "another daemon"));
	CHECK(answers());
	close(fd);
	finish();
}

TEST(a_file_in_the_way_is_kept)
{
	int fd;
	struct stat st;
	begin();
	CHECK_EQ(listen_unix(path, &fd, &fault), 0);
	close(fd);
	CHECK_EQ(unlink(path), 0);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	CHECK_EQ(listen_unix(path, &fd, &fault), -EEXIST);
	CHECK_EQ(stat(path, &st), 0);
	CHECK(S_ISREG(st.st_mode));
	finish();
}

TEST(a_directory_two_levels_short_is_told)
{
	int fd;
	begin();
	CHECK_EQ(listen_unix("/tmp/culvert-none/none/api.sock", &fd, &fault), -ENOENT);
	CHECK(strstr(fault.text, "/tmp/culvert-none/none/api.sock"));
	finish();
}

/* The kernel chooses a port, so that nobody else's is in the way. */
static uint16_t bound_port(int fd)
{
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);
	struct endpoint endpoint;
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&sa, &length), 0);
	CHECK_EQ(endpoint_from_sockaddr((struct sockaddr *)&sa, &endpoint), 0);
	return endpoint.port;
}

TEST(a_port_that_is_taken_is_told)
{
	struct endpoint address = { .addr = { .b = { 127, 0, 0, 1 }, .family = 4 } };
	int fd, second;
	CHECK_EQ(listen_tcp(&address, &fd, &fault), 0);
	address.port = bound_port(fd);
	CHECK_EQ(listen_tcp(&address, &second, &fault), -EADDRINUSE);
	char text[ENDPOINT_TEXT_SIZE];
	CHECK(strstr(fault.text, endpoint_format(&address, text)));
	close(fd);
}

TEST(an_address_of_another_host_is_told)
{
	const struct endpoint address = { .addr = { .b = { 192, 0, 2, 1 }, .family = 4 } };
	int fd;
	CHECK_EQ(listen_tcp(&address, &fd, &fault), -EADDRNOTAVAIL);
}

TEST_MAIN
