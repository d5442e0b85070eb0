/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Binding the API's sockets. */
#include "agent/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

static int refuse(struct fault *reterr, int err, const char *where, const char *what)
{
	return fault_set(reterr, err, "listen", "cannot listen on %.150s: %s", where, what);
}

static int refuse_errno(struct fault *reterr, const char *where)
{
	int r = -errno;
	return refuse(reterr, r, where, strerror(-r));
}

/* The directory of path, when only the last part of it is missing. */
static int make_directory(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	snprintf(dir, sizeof(dir), "%s", path);

	char *slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	if (mkdir(dir, 0755) < 0)
		return errno == EEXIST ? 0 : -errno;
	return chmod(dir, 0755) < 0 ? -errno : 0; /* whatever the umask */
}

/* Clears the way of a socket that a dead daemon left; nothing else is touched. */
static int remove_stale(const struct sockaddr_un *sa, struct fault *reterr)
{
	struct stat st;
	if (lstat(sa->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : refuse_errno(reterr, sa->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return refuse(reterr, -EEXIST, sa->sun_path, "there is a file that is no socket");

	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return refuse_errno(reterr, sa->sun_path);
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno != ECONNREFUSED)
		return refuse(reterr, -EADDRINUSE, sa->sun_path, "another daemon answers there");

	return unlink(sa->sun_path) < 0 ? refuse_errno(reterr, sa->sun_path) : 0;
}

int listen_unix(const char *path, int *ret_fd, struct fault *reterr)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	if ((size_t)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path) >= sizeof(sa.sun_path))
		return refuse(reterr, -ENAMETOOLONG, path, "the path is too long");

	int r = make_directory(path);
	if (r < 0)
		return refuse(reterr, r, path, strerror(-r));
	r = remove_stale(&sa, reterr);
	if (r < 0)
		return r;

	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return refuse_errno(reterr, path);
	if (chmod(path, 0666) < 0 || listen(fd, BACKLOG) < 0) {
		r = refuse_errno(reterr, path);
		(void)unlink(path);
		return r;
	}

	*ret_fd = TAKE_FD(fd);
	return 0;
}

int listen_tcp(const struct endpoint *address, int *ret_fd, struct fault *reterr)
{
	static const int on = 1;
	char where[ENDPOINT_TEXT_SIZE];
	struct sockaddr_storage sa;
	socklen_t length = endpoint_to_sockaddr(address, &sa);
	endpoint_format(address, where);

	_cleanup_(closep) int fd =
		socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return refuse_errno(reterr, where);

	/* A port in TIME_WAIT is no reason not to start; an IPv6 address means IPv6. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return refuse_errno(reterr, where);
	if (sa.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return refuse_errno(reterr, where);
	if (bind(fd, (const struct sockaddr *)&sa, length) < 0 || listen(fd, BACKLOG) < 0)
		return refuse_errno(reterr, where);

	*ret_fd = TAKE_FD(fd);
	return 0;
}

/*
 * Of several on one port the first is bound alone, so that a port that somebody
 * has is refused, and opened for the others then; see forwarding/udp.h.
 */
static int bind_udp(int family, uint16_t port, bool first, bool alone, int *ret_fd)
{
	_cleanup_(closep) int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct endpoint any = { .addr.family = family == AF_INET ? 4 : 6, .port = port };
	struct sockaddr_storage sa;
	int yes = 1;

	if (fd < 0 || (family == AF_INET6 &&
		       setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) < 0))
		return -errno;
	socklen_t length = endpoint_to_sockaddr(&any, &sa);
	if (!first && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, length) < 0)
		return -errno;
	if (first && !alone && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int listen_udp(uint16_t port, uint32_t workers, int ret_fds[])
{
	static const int families[] = { AF_INET, AF_INET6 };
	int n = 0;

	for (size_t i = 0; i < workers * ARRAY_SIZE(families); i++) {
		int r = bind_udp(families[i % 2], port, i < 2, workers == 1, &ret_fds[n]);
		if (r == 0) {
			n++;
		} else if (r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL && r != -EPROTONOSUPPORT) {
			while (n > 0)
				close(ret_fds[--n]);
			return r;
		}
	}
	return n;
}
