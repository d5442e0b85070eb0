/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A state directory is made private, locked against a second daemon, and never taken from others. */
#include "agent/statedir.h"

#include "agent/base/macros.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char base[64], dir[100];
static struct identity who;
static struct fault fault;

/* A fresh place that the daemon's user may pass through. */
static void begin(void)
{
	snprintf(base, sizeof(base),
		 "/tmp/culvert-test-XX"
		 "XX"
		 "XX");
	CHECK(mkdtemp(base));
	CHECK_EQ(chmod(base, 0755), 0);
	snprintf(dir, sizeof(dir), "%s/state", base);
	identity_find(&who);
	memset(&fault, 0, sizeof(fault));
}

static void remove_in(const char *name)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

static void finish(void)
{
	remove_in("lock");
	remove_in("diary.txt");
	remove_in("culvert.db");
	remove_in("api.sock");
	rmdir(dir);
	rmdir(base);
}

static void put_file(const char *name)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	close(open(path, O_WRONLY | O_CREAT, 0644));
}

static mode_t mode_of_dir(void)
{
	struct stat st;
	CHECK_EQ(stat(dir, &st), 0);
	CHECK_EQ(st.st_uid, who.uid);
	return st.st_mode & 07777;
}

TEST(made_with_its_parents_for_the_owner_alone)
{
	int fd;
	begin();
	snprintf(dir, sizeof(dir), "%s/a/b", base);
	umask(0);
	CHECK_EQ(statedir_open(dir, &who, &fd, &fault), 0);
	CHECK_EQ(mode_of_dir(), 0700);
	close(fd);
	finish();
	snprintf(dir, sizeof(dir), "%s/a", base);
	finish();
}

TEST(an_empty_directory_becomes_private)
{
	int fd;
	begin();
	CHECK_EQ(mkdir(dir, 0755), 0);
	CHECK_EQ(statedir_open(dir, &who, &fd, &fault), 0);
	CHECK_EQ(mode_of_dir(), 0700);
	close(fd);
	finish();
}

TEST(a_directory_with_other_files_is_left_as_it_is)
{
	int fd;
	struct stat st;
	begin();
	CHECK_EQ(mkdir(dir, 0755), 0);
	put_file("diary.txt");
	CHECK_EQ(statedir_open(dir, &who, &fd, &fault), -ENOTEMPTY);
	CHECK(strstr(fault.text, dir));
	CHECK_EQ(stat(dir, &st), 0);
	CHECK_EQ(st.st_mode & 07777, 0755);
	CHECK_EQ(st.st_uid, geteuid());
	finish();
}

TEST(our_own_directory_is_found_again)
{
	int fd;
	begin();
	CHECK_EQ(statedir_open(dir, &who, &fd, &fault), 0);
	close(fd);
	CHECK_EQ(chmod(dir, 0755), 0);
	CHECK_EQ(statedir_open(dir, &who, &fd, &fault), 0);
	CHECK_EQ(mode_of_dir(), 0700);
	close(fd);
	finish();
}

TEST(a_second_daemon_is_told)
{
	int fd, second;
	begin();
	CHECK_EQ(statedir_open(dir, &who, &fd, &fault), 0);
	CHECK_EQ(statedir_open(dir, &who, &second, &fault), -EBUSY);
	CHECK(strstr(fault.text, "another culvert"));
	close(fd);
	CHECK_EQ(statedir_open(dir, &who, &fd, &fault), 0);
	close(fd);
	finish();
}

/* A killed daemon's children may outlive it by a moment, and hold the lock as long. */
TEST(the_lock_is_free_when_the_last_heir_is_gone)
{
	int fd;
	begin();
	CHECK_EQ(statedir_open(dir, &who, &fd, &fault), 0);
	int fds[2];
	CHECK_EQ(pipe(fds), 0);
	pid_t heir = fork();
	if (heir == 0) {
		char byte;
		close(fds[1]);
		_exit(read(fds[0], &byte, 1) != 0);
	}
	close(fd);
	CHECK_EQ(statedir_open(dir, &who, &fd, &fault), -EBUSY);
	close(fds[0]);
	close(fds[1]);
	waitpid(heir, NULL, 0);
	CHECK_EQ(statedir_open(dir, &who, &fd, &fault), 0);
	close(fd);
	finish();
}

TEST(what_is_no_directory_is_refused)
{
	int fd;
	begin();
	CHECK_EQ(statedir_open("/dev/null", &who, &fd, &fault), -ENOTDIR);
	CHECK_EQ(statedir_open("/dev/null/state", &who, &fd, &fault), -ENOTDIR);
	CHECK_EQ(statedir_open("/proc/culvert", &who, &fd, &fault), -ENOENT);
	finish();
}

TEST(files_that_root_left_become_the_owners)
{
	int fd;
	struct stat st;
	char path[200];
	begin();
	if (!who.change) {
		finish();
		return; /* an ordinary user has nothing of root's */
	}
	CHECK_EQ(mkdir(dir, 0700), 0);
	put_file("culvert.db");
	CHECK_EQ(statedir_open(dir, &who, &fd, &fault), 0);
	snprintf(path, sizeof(path), "%s/culvert.db", dir);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_uid, who.uid);
	close(fd);

	/* A second name may be one that the owner planted: it stays root's. */
	snprintf(path, sizeof(path), "%s/culvert.db", dir);
	CHECK_EQ(chown(path, 0, 0), 0);
	char other[200];
	snprintf(other, sizeof(other), "%s/diary.txt", dir);
	CHECK_EQ(link(path, other), 0);
	CHECK_EQ(statedir_open(dir, &who, &fd, &fault), 0);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_uid, 0);
	close(fd);
	finish();
}

TEST(another_users_directory_is_refused)
{
	int fd;
	begin();
	if (!who.change) {
		finish();
		return; /* only root can make one */
	}
	CHECK_EQ(mkdir(dir, 0700), 0);
	CHECK_EQ(chown(dir, who.uid + 1, who.gid + 1), 0);
	CHECK_EQ(statedir_open(dir, &who, &fd, &fault), -EACCES);
	CHECK(strstr(fault.text, "belongs to user"));
	finish();
}

/* In a child: reaches dir, becomes the owner, and leaves a file there. */
static int reach_and_write(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (statedir_reach(dir, &who, &fault) < 0)
			_exit(2);
		if (setgid(who.gid) < 0 || setuid(who.uid) < 0)
			_exit(3);
		put_file("culvert.db");
		_exit(0);
	}
	int status;
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

TEST(the_owner_reaches_it_through_private_directories)
{
	int fd;
	struct stat st;
	char path[200];
	begin();
	snprintf(dir, sizeof(dir), "%s/a/state", base);
	CHECK_EQ(statedir_open(dir, &who, &fd, &fault), 0);
	close(fd);
	CHECK_EQ(chmod(base, 0700), 0);

	CHECK_EQ(reach_and_write(), 0);
	snprintf(path, sizeof(path), "%s/culvert.db", dir);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_uid, who.uid);
	CHECK_EQ(stat(base, &st), 0);
	CHECK_EQ(st.st_mode & 07777, 0700); /* for everybody else it is as it was */
	finish();
	snprintf(dir, sizeof(dir), "%s/a", base);
	finish();
}

TEST_MAIN
