/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state directory and its lock. */
#include "agent/statedir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#define LOCK_NAME "lock"
#define LOCK_STEP_MS 20

/* What may lie in a directory of ours, and belongs to who. */
static const char *const own_files[] = { LOCK_NAME, "culvert.db", "culvert.db-wal",
					 "culvert.db-shm" };

static int refuse(struct fault *reterr, int err, const char *dir, const char *what)
{
	return fault_set(reterr, err, "state_unusable", "state directory %.150s: %s", dir, what);
}

static int refuse_errno(struct fault *reterr, const char *dir)
{
	int r = -errno;
	return refuse(reterr, r, dir, strerror(-r));
}

static int make_parents(const char *dir)
{
	char path[4096];
	if ((size_t)snprintf(path, sizeof(path), "%s", dir) >= sizeof(path))
		return -ENAMETOOLONG;

	mode_t mode = geteuid() == 0 ? 0755 : 0700;
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, mode) == 0) {
			if (chmod(path, mode) < 0)
				return -errno;
		} else if (errno != EEXIST) {
			return -errno;
		}
		*slash = '/';
	}
	return 0;
}

/* May this directory change hands? Empty, or with our lock or database in it. */
static bool is_adoptable(int fd)
{
	struct stat st;
	for (size_t i = 0; i < ARRAY_SIZE(own_files); i++)
		if (fstatat(fd, own_files[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			return true;

	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir)
		return false;

	int entries = 0;
	while (readdir(dir))
		entries++;
	closedir(dir);
	return entries <= 2;
}

/*
 * Files that root left behind become the owner's. Only plain files of root
 * with one name: a link planted by the owner must not give away another file.
 */
static int adopt_files(int dir_fd, const struct identity *who)
{
	for (size_t i = 0; i < ARRAY_SIZE(own_files); i++) {
		_cleanup_(closep) int fd = openat(dir_fd, own_files[i],
						  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		struct stat st;
		if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
		    st.st_uid != 0)
			continue;
		if (fchown(fd, who->uid, who->gid) < 0)
			return -errno;
	}
	return 0;
}

static int take_over(const char *dir, int fd, const struct identity *who, struct fault *reterr)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return refuse_errno(reterr, dir);

	if (st.st_uid != who->uid && (st.st_uid != 0 || !who->change)) {
		char text[80];
		snprintf(text, sizeof(text), "belongs to user %u, and this runs as user %u",
			 (unsigned)st.st_uid, (unsigned)who->uid);
		return refuse(reterr, -EACCES, dir, text);
	}

	bool fits = st.st_uid == who->uid && (st.st_mode & 07777) == 0700;
	if (!fits && !is_adoptable(fd))
		return refuse(reterr, -ENOTEMPTY, dir,
			      "holds other files already; give Culvert a directory of its own");
	if (!fits && who->change && fchown(fd, who->uid, who->gid) < 0)
		return refuse_errno(reterr, dir);
	if (!fits && fchmod(fd, 0700) < 0)
		return refuse_errno(reterr, dir);

	int r = who->change ? adopt_files(fd, who) : 0;
	return r < 0 ? refuse(reterr, r, dir, strerror(-r)) : 0;
}

static int lock(const char *dir, int dir_fd, const struct identity *who, int *ret_fd,
		struct fault *reterr)
{
	_cleanup_(closep) int fd =
		openat(dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return refuse_errno(reterr, dir);
	if (who->change && fchown(fd, who->uid, who->gid) < 0)
		return refuse_errno(reterr, dir);

	static const struct timespec step = { .tv_nsec = LOCK_STEP_MS * 1000000L };
	for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited_ms += LOCK_STEP_MS) {
		if (errno != EWOULDBLOCK)
			return refuse_errno(reterr, dir);
		if (waited_ms >= STATE_LOCK_TIMEOUT_MS)
			return refuse(reterr, -EBUSY, dir, "another culvert is running on it");
		nanosleep(&step, NULL);
	}

	*ret_fd = TAKE_FD(fd);
	return 0;
}

int statedir_open(const char *dir, const struct identity *who, int *ret_lock_fd,
		  struct fault *reterr)
{
	int r = make_parents(dir);
	if (r < 0)
		return refuse(reterr, r, dir, strerror(-r));
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return refuse_errno(reterr, dir);

	_cleanup_(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return refuse_errno(reterr, dir);

	r = take_over(dir, fd, who, reterr);
	return r < 0 ? r : lock(dir, fd, who, ret_lock_fd, reterr);
}

static bool may_pass(const char *path, const struct identity *who)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return false;

	mode_t search = S_IXOTH;
	if (st.st_uid == who->uid)
		search = S_IXUSR;
	else if (st.st_gid == who->gid)
		search = S_IXGRP;
	return st.st_mode & search;
}

/* Cuts path to the first directory that who may not pass. false: there is none. */
static bool find_obstacle(char *path, const struct identity *who)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (!may_pass(path, who))
			return true;
		*slash = '/';
	}
	return false;
}

static int cover(const char *obstacle, const char *dir)
{
	unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;

	/* Opened in the new namespace: only its own mounts can be bound in it. */
	char source[32];
	_cleanup_(closep) int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || mount("culvert", obstacle, "tmpfs", flags, "mode=0755,size=64k") < 0)
		return -errno;
	snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);

	int r = make_parents(dir);
	if (r < 0)
		return r;
	if (mkdir(dir, 0755) < 0 || mount(source, dir, NULL, MS_BIND, NULL) < 0)
		return -errno;
	return 0;
}

int statedir_reach(const char *dir, const struct identity *who, struct fault *reterr)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s", dir);
	if (!who->change || !find_obstacle(path, who))
		return 0;

	int r = cover(path, dir);
	if (r < 0) {
		char text[FAULT_TEXT_MAX];
		snprintf(text, sizeof(text), "user %u, which serves it, may not pass %.100s",
			 (unsigned)who->uid, path);
		return refuse(reterr, r, dir, text);
	}
	return 0;
}
