/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Giving up privileges, descriptors and inherited state, in the order that works. */
#include "agent/isolate.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/limits.h"
#include "agent/base/log.h"
#include "agent/base/macros.h"
#include "agent/capability.h"

/* The memory of the arguments, which ps(1) shows. */
static char *title_start;
static size_t title_size;

void title_init(int argc, char *argv[])
{
	if (argc < 1)
		return;
	char *last = argv[argc - 1];
	title_start = argv[0];
	title_size = (size_t)(last + strlen(last) + 1 - title_start);
}

void title_set(const char *name)
{
	/* The kernel keeps 15 characters: "culvert-control" fits. */
	char title[64];
	snprintf(title, sizeof(title), "culvert-%s", name);
	prctl(PR_SET_NAME, title);
	snprintf(title, sizeof(title), "culvert: %s", name);

	if (title_size == 0)
		return;
	memset(title_start, 0, title_size);
	snprintf(title_start, title_size, "%s", title);
}

/* Does this user namespace know uid? */
static bool uid_is_mapped(uid_t uid)
{
	FILE *file = fopen("/proc/self/uid_map", "re");
	if (!file)
		return true;

	bool found = false;
	unsigned long first, outside, count;
	while (!found && fscanf(file, "%lu %lu %lu", &first, &outside, &count) == 3)
		found = uid >= first && uid - first < count;
	fclose(file);
	return found;
}

/* What it takes to hand things over to another user, and to end its processes. */
static bool can_change_user(void)
{
	static const unsigned needed[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER,
					   CAP_KILL,  CAP_SETGID,	CAP_SETUID };
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!capability_has(needed[i]))
			return false;
	return true;
}

void identity_find(struct identity *ret_identity)
{
	struct identity who = { .uid = geteuid(), .gid = getegid(), .change = false };

	if (who.uid == 0) {
		const struct passwd *pw = getpwnam("culvert");
		uid_t uid = pw ? pw->pw_uid : OWN_UID;
		gid_t gid = pw ? pw->pw_gid : OWN_UID;
		if (can_change_user() && uid_is_mapped(uid))
			who = (struct identity){ .uid = uid, .gid = gid, .change = true };
		else
			log_warn("user 0 may not become user %u here: control and engine stay "
				 "user 0, without capabilities",
				 (unsigned)uid);
	}
	*ret_identity = who;
}

static int failed(const char *what)
{
	int r = -errno;
	log_error("cannot %s: %s", what, strerror(-r));
	return r;
}

static int reset_signals(bool ignore_stopping)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	sigset_t none;

	for (int i = 1; i < _NSIG; i++)
		(void)signal(i, SIG_DFL); /* KILL, STOP and libc's own say no */
	for (size_t i = 0; ignore_stopping && i < ARRAY_SIZE(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);

	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? failed("unblock signals") : 0;
}

/* Standard descriptors up to last become /dev/null. */
static int null_stdio(int last)
{
	_cleanup_(closep) int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return failed("open /dev/null");

	for (int i = STDIN_FILENO; i <= last; i++)
		if (dup2(fd, i) < 0)
			return failed("redirect standard input and output");
	return 0;
}

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Closes everything above standard error but keep. */
static int close_others(const int keep[], size_t n)
{
	int sorted[ISOLATION_KEEP_MAX];
	assert(n <= ARRAY_SIZE(sorted));
	if (n > 0)
		memcpy(sorted, keep, n * sizeof(int));
	qsort(sorted, n, sizeof(int), compare_fds);

	unsigned next = STDERR_FILENO + 1;
	for (size_t i = 0; i < n; i++) {
		if (sorted[i] < (int)next)
			continue;
		if (sorted[i] > (int)next && close_range(next, (unsigned)sorted[i] - 1, 0) < 0)
			return failed("close descriptors");
		next = (unsigned)sorted[i] + 1;
	}
	return close_range(next, ~0U, 0) < 0 ? failed("close descriptors") : 0;
}

/* Needs CAP_SETPCAP; who has not got it has no capability that matters here. */
static void drop_bounding_set(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap);
}

static int become(const struct identity *who)
{
	if (!who->change)
		return 0;
	if (setgroups(0, NULL) < 0)
		return failed("leave the groups of root");
	if (setresgid(who->gid, who->gid, who->gid) < 0 ||
	    setresuid(who->uid, who->uid, who->uid) < 0)
		return failed("become another user");
	return 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none) < 0)
		return failed("drop capabilities");
	return 0;
}

static int no_core(void)
{
	static const struct rlimit none = { 0, 0 };
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return failed("forbid core files");
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return failed("forbid tracing");
	return 0;
}

/* Both a change of user and exec reset it: comes after them. */
static int die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return failed("bind my life to the supervisor's");
	if (getppid() != parent)
		return -ESRCH; /* it died before the line above */
	return 0;
}

int isolate_child(const struct isolation *isolation)
{
	title_set(isolation->name);
	if (clearenv() != 0)
		return -EINVAL;

	int r = reset_signals(true);
	if (r == 0)
		r = null_stdio(STDOUT_FILENO);
	if (r == 0)
		r = close_others(isolation->keep, isolation->n_keep);
	if (r < 0)
		return r;

	drop_bounding_set();
	r = become(&isolation->who);
	if (r == 0)
		r = drop_capabilities();
	if (r < 0)
		return r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed("forbid new privileges");
	(void)umask(077);
	if (chdir("/") < 0)
		return failed("leave the working directory");
	r = no_core();
	return r < 0 ? r : die_with(isolation->parent);
}

int isolate_program(const struct identity *who)
{
	int r = reset_signals(false);
	if (r == 0)
		r = null_stdio(STDERR_FILENO);
	if (r == 0)
		r = close_others(NULL, 0);
	return r < 0 ? r : become(who);
}

/* What the supervisor goes on needing, as far as it has it. */
static int drop_unneeded_capabilities(void)
{
	static const unsigned needed[] = {
		CAP_NET_ADMIN,	      /* kernel mode */
		CAP_NET_BIND_SERVICE, /* a listen port below 1024 */
		CAP_SETUID,
		CAP_SETGID,
		CAP_SETPCAP, /* children become another user */
		CAP_KILL,    /* and are put down */
		CAP_SYS_ADMIN,
		CAP_DAC_OVERRIDE, /* and find the state directory */
	};
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	if (syscall(SYS_capget, &header, data) < 0)
		return failed("read my capabilities");

	struct __user_cap_data_struct kept[_LINUX_CAPABILITY_U32S_3] = { 0 };
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		kept[CAP_TO_INDEX(needed[i])].permitted |= CAP_TO_MASK(needed[i]);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		kept[i].permitted &= data[i].permitted;
		kept[i].effective = kept[i].permitted & data[i].effective;
	}
	return syscall(SYS_capset, &header, kept) < 0 ? failed("drop capabilities") : 0;
}

int isolate_supervisor(bool no_new_privs)
{
	int r = drop_unneeded_capabilities();
	if (r < 0)
		return r;
	if (no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed("forbid new privileges");
	return no_core();
}
