/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file that cannot be trusted is refused in words and left as it is; a crash loses nothing. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "tests/unit/store/fixture.h"

static struct {
	char bytes[1 << 18];
	size_t length;
} before, after;

static void read_file(const char *name, typeof(before) *ret)
{
	int fd = open(fixture_path(name), O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, ret->bytes, sizeof(ret->bytes));
	if (fd >= 0)
		close(fd);
	CHECK(n >= 0);
	ret->length = (size_t)n;
}

/* Opening fails with error and a text with word in it; the file stays as it is. */
static void check_refused(int error, const char *word)
{
	struct fault fault = { 0 };
	struct store *store = NULL;

	read_file("culvert.db", &before);
	CHECK_EQ(store_open(fixture_dir, &store, &fault), error);
	if (!strstr(fault.text, word))
		TEST_FAIL("no \"%s\" in \"%s\"", word, fault.text);
	read_file("culvert.db", &after);
	CHECK_EQ(after.length, before.length);
	CHECK_MEM(after.bytes, before.bytes, before.length);
}

static void run_sql(const char *sql)
{
	sqlite3 *db = NULL;
	CHECK_EQ(sqlite3_open(fixture_path("culvert.db"), &db), SQLITE_OK);
	CHECK_EQ(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void make_store(void)
{
	fixture_fresh();
	struct store *store = fixture_open();
	for (unsigned n = 0; n < 20; n++)
		fixture_put_peer(store, n);
	store_close(store);
}

TEST(newer_schema)
{
	make_store();
	run_sql("PRAGMA user_version = 99; CREATE TABLE future (x);");
	check_refused(-EPROTONOSUPPORT, "newer");
}

TEST(newer_schema_that_is_only_in_the_log)
{
	make_store();
	pid_t pid = fork();
	if (pid == 0) {
		sqlite3 *db = NULL;
		sqlite3_open(fixture_path("culvert.db"), &db);
		sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	read_file("culvert.db-wal", &before);
	CHECK(before.length > 0);
	check_refused(-EPROTONOSUPPORT, "newer");
}

TEST(foreign_database)
{
	make_store();
	run_sql("PRAGMA application_id = 1");
	check_refused(-EBADMSG, "not culvert's");
}

TEST(no_database_at_all)
{
	make_store();
	int fd = open(fixture_path("culvert.db"), O_WRONLY | O_TRUNC);
	CHECK_EQ(write(fd, "something else entirely", 23), 23);
	close(fd);
	check_refused(-EBADMSG, "damaged");
}

TEST(empty_file_is_not_a_new_store)
{
	make_store();
	CHECK_EQ(truncate(fixture_path("culvert.db"), 0), 0);
	check_refused(-EBADMSG, "damaged");
}

TEST(truncated_at_each_page)
{
	make_store();
	struct stat st;
	CHECK_EQ(stat(fixture_path("culvert.db"), &st), 0);
	for (off_t length = st.st_size - 4096; length > 0; length -= 4096) {
		CHECK_EQ(truncate(fixture_path("culvert.db"), length), 0);
		check_refused(-EBADMSG, "damaged");
	}
}

TEST(flipped_bits_never_crash)
{
	make_store();
	read_file("culvert.db", &before);
	static typeof(before) whole;
	whole = before;
	srand(1);
	for (int i = 0; i < 200; i++) {
		size_t at = (size_t)rand() % whole.length;
		int fd = open(fixture_path("culvert.db"), O_WRONLY | O_TRUNC);
		whole.bytes[at] ^= (char)(1 << (rand() & 7));
		CHECK_EQ(write(fd, whole.bytes, whole.length), (ssize_t)whole.length);
		whole.bytes[at] = before.bytes[at];
		close(fd);

		struct fault fault = { 0 };
		struct store *store = NULL;
		if (store_open(fixture_dir, &store, &fault) < 0)
			CHECK(fault.text[0] != '\0');
		store_close(store);
		unlink(fixture_path("culvert.db-wal"));
	}
}

TEST(second_opener)
{
	fixture_fresh();
	struct store *store = fixture_open();
	fixture_put_peer(store, 1);
	check_refused(-EBUSY, "in use");
	store_close(store);
	store_close(fixture_open());
}

TEST(locked_by_another_program)
{
	make_store();
	sqlite3 *db = NULL;
	CHECK_EQ(sqlite3_open(fixture_path("culvert.db"), &db), SQLITE_OK);
	sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE", NULL, NULL, NULL);
	struct fault fault = { 0 };
	struct store *store = NULL;
	CHECK_EQ(store_open(fixture_dir, &store, &fault), -EBUSY);
	CHECK(strstr(fault.text, "in use"));
	sqlite3_close(db);
}

TEST(no_such_directory)
{
	struct fault fault = { 0 };
	struct store *store = NULL;
	CHECK_EQ(store_open("/tmp/culvert-no-such-directory", &store, &fault), -ENOENT);
	CHECK(strstr(fault.text, "No such file"));
}

TEST(left_over_of_a_crash_in_the_first_start)
{
	fixture_fresh();
	int fd = open(fixture_path("culvert.db.new"), O_CREAT | O_WRONLY, 0600);
	CHECK_EQ(write(fd, "half", 4), 4);
	close(fd);
	store_close(fixture_open());
	CHECK(access(fixture_path("culvert.db.new"), F_OK) != 0);
}

/* Writes peers for ever, telling each number only after its commit. */
static void write_until_killed(int fd, unsigned first)
{
	struct fault fault = { 0 };
	struct store *store = NULL;
	if (store_open(fixture_dir, &store, &fault) < 0)
		_exit(1);
	for (unsigned n = first;; n++) {
		struct peer peer = fixture_peer(n);
		if (store_begin(store) < 0 || store_peer_put(store, &peer) < 0 ||
		    store_commit(store, true) < 0)
			_exit(1);
		if (write(fd, &n, sizeof(n)) != sizeof(n))
			_exit(1);
	}
}

TEST(every_acknowledged_write_survives_sigkill)
{
	fixture_fresh();
	unsigned next = 0;
	srand(7);

	for (int round = 0; round < 20; round++) {
		int fds[2];
		CHECK_EQ(pipe(fds), 0);
		pid_t pid = fork();
		if (pid == 0)
			write_until_killed(fds[1], next);
		close(fds[1]);

		/* Killed after a random number of acknowledgements, somewhere in the write after. */
		int acknowledged = rand() % 8;
		unsigned n;
		while (acknowledged-- > 0 && read(fds[0], &n, sizeof(n)) == sizeof(n))
			next = n + 1;
		for (volatile int spin = rand() % 300000; spin > 0; spin--)
			;
		kill(pid, SIGKILL);
		CHECK_EQ(waitpid(pid, NULL, 0), pid);
		while (read(fds[0], &n, sizeof(n)) == sizeof(n))
			next = n + 1;
		close(fds[0]);

		struct store *store = fixture_open();
		struct peer peer;
		for (n = 0; n < next; n++)
			CHECK_EQ(store_peer_get(store, fixture_peer(n).id, &peer), 0);
		size_t count;
		CHECK_EQ(store_peer_count(store, &count), 0);
		CHECK(count == next || count == next + 1);
		CHECK_EQ(store_revision(store), count);
		next = (unsigned)count;
		store_close(store);
	}
}

static void fill_disk(void)
{
	static const char block[4096];
	int fd = open(fixture_path("filler"), O_CREAT | O_WRONLY, 0600);
	while (write(fd, block, sizeof(block)) == sizeof(block))
		;
	while (write(fd, block, 1) == 1)
		;
	close(fd);
}

TEST(full_disk)
{
	fixture_fresh();
	if (mount("none", fixture_dir, "tmpfs", 0, "size=512k,mode=0700") < 0) {
		printf("# skipped: mounting a tmpfs needs CAP_SYS_ADMIN\n");
		return;
	}

	/* No CHECK before the umount: it would leave the mount behind. */
	struct fault fault = { 0 };
	struct store *store = NULL;
	int opened = store_open(fixture_dir, &store, &fault), r = 0, again = -1;
	fill_disk();
	for (unsigned n = 0; opened == 0 && r == 0 && n < 1000; n++) {
		struct peer peer = fixture_peer(n);
		r = store_begin(store);
		if (r < 0)
			break;
		r = store_peer_put(store, &peer);
		if (r == 0)
			r = store_commit(store, true);
		else
			store_rollback(store);
	}
	uint64_t revision = opened == 0 ? store_revision(store) : 0;
	size_t count = 0;
	if (opened == 0)
		store_peer_count(store, &count);

	unlink(fixture_path("filler"));
	struct peer peer = fixture_peer(2000);
	if (opened == 0 && store_begin(store) == 0 && store_peer_put(store, &peer) == 0)
		again = store_commit(store, true);
	store_close(store);

	struct store *reopened = NULL;
	int reopen = store_open(fixture_dir, &reopened, &fault);
	store_close(reopened);
	umount(fixture_dir);
	CHECK_EQ(opened, 0);
	CHECK_EQ(r, -ENOSPC);
	CHECK_EQ(count, revision);
	CHECK_EQ(again, 0);
	CHECK_EQ(reopen, 0);
}

TEST_MAIN
