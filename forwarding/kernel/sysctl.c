/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading and writing /proc/sys, with a journal of what was there before. */
#include "forwarding/kernel/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#define JOURNAL_NAME "kernel-journal"
#define JOURNAL_MAX (1024 * 1024)

static int open_switch(const char *name, int flags)
{
	char path[sizeof("/proc/sys/") + SYSCTL_NAME_MAX];
	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	int fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_read(const char *name, char ret_value[SYSCTL_VALUE_MAX])
{
	_cleanup_(closep) int fd = open_switch(name, O_RDONLY);
	if (fd < 0)
		return fd;

	char value[SYSCTL_VALUE_MAX];
	ssize_t n = read(fd, value, sizeof(value) - 1);
	if (n < 0)
		return -errno;
	value[n] = '\0';
	value[strcspn(value, "\n")] = '\0';
	memcpy(ret_value, value, sizeof(value));
	return 0;
}

bool sysctl_is(const char *name, const char *value)
{
	char now[SYSCTL_VALUE_MAX];
	return sysctl_read(name, now) == 0 && strcmp(now, value) == 0;
}

int sysctl_writable(const char *name)
{
	_cleanup_(closep) int fd = open_switch(name, O_WRONLY);
	return fd < 0 ? fd : 0;
}

int sysctl_set(const char *name, const char *value)
{
	if (sysctl_is(name, value))
		return 0;
	_cleanup_(closep) int fd = open_switch(name, O_WRONLY);
	if (fd < 0)
		return fd;
	return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

/* Only what Culvert changes: the file must not become a way to change anything else. */
static bool is_ours(const char *name)
{
	static const char *const switches[] = { "forwarding", "accept_ra", "accept_redirects" };
	static const char *const folders[] = { "net/ipv4/conf/", "net/ipv6/conf/" };

	static const char *const whole[] = { "net/ipv4/ip_forward",
					     "net/netfilter/nf_conntrack_acct",
					     "net/netfilter/nf_conntrack_timestamp" };

	for (size_t i = 0; i < ARRAY_SIZE(whole); i++)
		if (strcmp(name, whole[i]) == 0)
			return true;
	bool known = false;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		known |= strncmp(name, folders[i], strlen(folders[i])) == 0;
	if (!known)
		return false;

	const char *interface = name + strlen(folders[0]);
	const char *slash = strchr(interface, '/');
	for (size_t i = 0; slash && i < ARRAY_SIZE(switches); i++)
		if (strcmp(slash + 1, switches[i]) == 0)
			return true;
	return false;
}

/* Where the values of the journal belong. */
static int write_place(char *line, size_t size)
{
	char boot[64] = "";
	_cleanup_(closep) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, boot, sizeof(boot) - 1);
	struct stat st;
	if (n < 0 || stat("/proc/self/ns/net", &st) < 0)
		return -errno;

	boot[strcspn(boot, "\n")] = '\0';
	snprintf(line, size, "boot %s netns %ju\n", boot, (uintmax_t)st.st_ino);
	return 0;
}

/* One line, "name value"; anything else is left out. */
static int put_back(char *line)
{
	char *space = strchr(line, ' ');
	if (!space || strlen(line) >= SYSCTL_NAME_MAX + SYSCTL_VALUE_MAX)
		return 0;
	*space = '\0';
	if (!is_ours(line) || strspn(space + 1, "-0123456789") != strlen(space + 1))
		return 0;

	int r = sysctl_set(line, space + 1);
	return r == -ENOENT ? 0 : r; /* its interface has gone */
}

/* A last line without an end was never finished, so its switch was never changed. */
static int put_all_back(char *text)
{
	int error = 0;
	char *end = strrchr(text, '\n');
	while (end) {
		*end = '\0';
		end = strrchr(text, '\n');
		int r = put_back(end ? end + 1 : text);
		if (r < 0 && error == 0)
			error = r;
	}
	return error;
}

static int read_journal(int fd, struct buf *text)
{
	char block[4096];
	ssize_t n;
	for (off_t at = 0; (n = pread(fd, block, sizeof(block), at)) > 0; at += n)
		if (buf_add(text, block, (size_t)n) < 0)
			return -EFBIG;
	return n < 0 ? -errno : 0;
}

/* The directory's owner may be another user: only a file of our own counts. -ENOENT: none. */
static int open_journal(const char *state_dir, bool create)
{
	_cleanup_(closep) int dir = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;

	const int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	_cleanup_(closep) int fd = openat(dir, JOURNAL_NAME, flags);
	struct stat st;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    st.st_nlink == 1)
		return TAKE_FD(fd);

	if (unlinkat(dir, JOURNAL_NAME, 0) < 0 && errno != ENOENT)
		return -errno;
	if (!create)
		return -ENOENT;
	int made = openat(dir, JOURNAL_NAME, flags | O_CREAT | O_EXCL, 0600);
	return made < 0 ? -errno : made;
}

static void forget(struct sysctl_journal *journal)
{
	char path[4096];
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", journal->state_dir, JOURNAL_NAME) <
	    sizeof(path))
		(void)unlink(path);
	sysctl_close(journal);
}

int sysctl_restore(struct sysctl_journal *journal)
{
	char place[128];
	struct buf text;
	if (journal->fd < 0)
		return 0;
	buf_init(&text, JOURNAL_MAX);

	int r = write_place(place, sizeof(place));
	if (r == 0)
		r = read_journal(journal->fd, &text);
	if (r == 0 && text.length > 0 && strncmp(text.data, place, strlen(place)) == 0)
		r = put_all_back(text.data + strlen(place));
	buf_release(&text);
	forget(journal);
	return r;
}

int sysctl_open(const char *state_dir, struct sysctl_journal *ret_journal)
{
	struct sysctl_journal journal = { .state_dir = state_dir };
	buf_init(&journal.names, JOURNAL_MAX);
	journal.fd = open_journal(state_dir, false);
	if (journal.fd < 0 && journal.fd != -ENOENT)
		return journal.fd;

	int r = sysctl_restore(&journal);
	journal.fd = -1;
	if (r == 0)
		*ret_journal = journal;
	return r;
}

void sysctl_close(struct sysctl_journal *journal)
{
	closep(&journal->fd);
	journal->fd = -1;
	buf_release(&journal->names);
}

static bool is_recorded(const struct sysctl_journal *journal, const char *name)
{
	char entry[SYSCTL_NAME_MAX + 2];
	snprintf(entry, sizeof(entry), "\n%s ", name);
	return journal->names.data && strstr(journal->names.data, entry);
}

static int append(struct sysctl_journal *journal, const char *line)
{
	off_t end = lseek(journal->fd, 0, SEEK_END);
	ssize_t n = write(journal->fd, line, strlen(line));
	if (n < 0)
		return -errno;
	if ((size_t)n != strlen(line)) {
		(void)!ftruncate(journal->fd, end); /* half a line would spoil the next */
		return -ENOSPC;
	}
	return fsync(journal->fd) < 0 ? -errno : 0;
}

static int begin(struct sysctl_journal *journal)
{
	char place[128];
	int r = write_place(place, sizeof(place));
	if (r < 0)
		return r;
	journal->fd = open_journal(journal->state_dir, true);
	return journal->fd < 0 ? journal->fd : append(journal, place);
}

int sysctl_record(struct sysctl_journal *journal, const char *name)
{
	char line[SYSCTL_NAME_MAX + SYSCTL_VALUE_MAX], value[SYSCTL_VALUE_MAX];
	if (is_recorded(journal, name))
		return 0;
	int r = sysctl_read(name, value);
	if (r < 0)
		return r == -ENOENT ? 0 : r;

	if (journal->fd < 0)
		r = begin(journal);
	if (r < 0)
		return r;
	snprintf(line, sizeof(line), "%s %s\n", name, value);
	r = append(journal, line);
	return r < 0 ? r : buf_printf(&journal->names, "\n%s ", name);
}

int sysctl_change(struct sysctl_journal *journal, const char *name, const char *value)
{
	if (sysctl_is(name, value))
		return 0;
	int r = sysctl_record(journal, name);
	return r < 0 ? r : sysctl_set(name, value);
}
