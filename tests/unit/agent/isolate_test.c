/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a child still has after isolation, asked of the kernel by the child itself. */
#include "agent/isolate.h"

#include "agent/base/log.h"
#include "agent/base/macros.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define FDS_LOOKED_AT 200

static struct identity who;
static int kept_fd, other_fd;

/* In the child: a sentence about what is wrong, NULL when nothing is. */
static const char *check_privileges(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) < 0)
		return "capget fails";
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		if (data[i].effective || data[i].permitted || data[i].inheritable)
			return "capabilities are left";
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return "new privileges are possible";
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_RAW, 0, 0) != 0)
		return "an ambient capability is left";
	if (!who.change)
		return NULL;
	if (prctl(PR_CAPBSET_READ, CAP_NET_ADMIN) != 0)
		return "the bounding set is not empty";
	if (getuid() == 0 || geteuid() == 0 || getgid() == 0 || getgroups(0, NULL) != 0)
		return "still root, or in its groups";
	if (setuid(0) == 0)
		return "can become root again";
	return NULL;
}

static const char *check_process(void)
{
	struct rlimit core;
	int death_signal = 0;
	char cwd[8], name[16];

	if (prctl(PR_GET_DUMPABLE) != 0)
		return "may be traced";
	if (getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0)
		return "leaves a core";
	if (prctl(PR_GET_PDEATHSIG, &death_signal) < 0 || death_signal != SIGKILL)
		return "outlives its parent";
	if (umask(0) != 077)
		return "makes files that others can read";
	if (!getcwd(cwd, sizeof(cwd)) || strcmp(cwd, "/") != 0)
		return "stays in its directory";
	if (prctl(PR_GET_NAME, name) < 0 || strcmp(name, "culvert-test") != 0)
		return "has another name";
	if (getenv("SECRET"))
		return "has the environment of its parent";
	return NULL;
}

static const char *check_descriptors(void)
{
	for (int fd = STDERR_FILENO + 1; fd < FDS_LOOKED_AT; fd++)
		if (fd != kept_fd && fcntl(fd, F_GETFD) >= 0)
			return "has a descriptor that it was not given";
	if (fcntl(kept_fd, F_GETFD) < 0)
		return "has lost the descriptor that it was given";
	if (write(STDOUT_FILENO, "x", 1) != 1)
		return "has no standard output";
	return NULL;
}

static const char *check_signals(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	struct sigaction action;
	sigset_t blocked;

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		if (sigaction(ignored[i], NULL, &action) < 0 || action.sa_handler != SIG_IGN)
			return "listens to signals of the terminal";
	if (sigaction(SIGUSR1, NULL, &action) < 0 || action.sa_handler != SIG_DFL)
		return "has a handler of its parent";
	if (sigprocmask(SIG_BLOCK, NULL, &blocked) < 0 || sigismember(&blocked, SIGCHLD))
		return "has signals blocked";
	return NULL;
}

static void on_signal(int number)
{
	(void)number;
}

/* Isolates a child, lets it look, and returns what it says. */
static const char *examine(const char *(*look)(void), pid_t parent)
{
	static char said[200];
	int fds[2];
	CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
	kept_fd = fds[1];
	other_fd = open("/dev/null", O_RDONLY);
	identity_find(&who);

	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGUSR1, on_signal);
	setenv("SECRET", "1", 1);

	pid_t pid = fork();
	if (pid == 0) {
		const int keep[] = { -1, kept_fd, -1 };
		const struct isolation isolation = {
			.name = "test",
			.who = who,
			.parent = parent,
			.keep = keep,
			.n_keep = ARRAY_SIZE(keep),
		};
		const char *wrong = isolate_child(&isolation) < 0 ? "not isolated" : look();
		if (!wrong)
			wrong = "nothing";
		_exit(write(kept_fd, wrong, strlen(wrong)) < 0);
	}
	close(fds[1]);
	ssize_t n = read(fds[0], said, sizeof(said) - 1);
	said[MAX(n, 0)] = '\0';
	close(fds[0]);
	close(other_fd);
	waitpid(pid, NULL, 0);
	return said;
}

TEST(no_privilege_is_left_and_none_can_come_back)
{
	CHECK_STR(examine(check_privileges, getpid()), "nothing");
}

TEST(the_process_leaves_no_trace_and_cannot_be_traced)
{
	CHECK_STR(examine(check_process, getpid()), "nothing");
}

TEST(only_the_descriptors_it_was_given)
{
	CHECK_STR(examine(check_descriptors, getpid()), "nothing");
}

TEST(signals_are_as_documented)
{
	CHECK_STR(examine(check_signals, getpid()), "nothing");
}

TEST(a_child_whose_parent_is_gone_does_not_begin)
{
	CHECK_STR(examine(check_process, getppid()), "not isolated");
}

TEST_MAIN
