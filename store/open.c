/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening the database file: made whole or not at all, refused rather than repaired. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "store/db.h"

#define APPLICATION_ID 0x43564c54 /* "CVLT" */

#define FILE_NAME "culvert.db"
/* A new database under construction; what a crash leaves of it is thrown away. */
#define FILE_NEW FILE_NAME ".new"

struct opening {
	struct store *store;
	struct fault *reterr;
	char path[PATH_MAX + sizeof(FILE_NEW)];
};

static int refuse(struct opening *o, int err, const char *why)
{
	return fault_set(o->reterr, err, "storage", "%s %s", o->path, why);
}

/* Says in words what SQLite's answer means for somebody who wants to start. */
static int refuse_result(struct opening *o, int result)
{
	int err = db_errno(result);

	switch (err) {
	case -EBUSY:
		return refuse(o, err, "is in use by another process.");
	case -EBADMSG:
		return refuse(o, err, "is damaged. It was left as it is: restore a backup.");
	case -EACCES:
		return refuse(o, err, "cannot be written by this user.");
	case -ENOSPC:
		return refuse(o, err, "cannot be written: the disk is full.");
	case -ENOMEM:
		return refuse(o, err, "cannot be opened: out of memory.");
	default:
		return fault_set(o->reterr, err, "storage", "%s cannot be opened: %s.", o->path,
				 sqlite3_errstr(result));
	}
}

static int refuse_errno(struct opening *o, int err)
{
	return fault_set(o->reterr, err, "storage", "%s cannot be used: %s.", o->path,
			 strerror(-err));
}

static int lock_directory(struct opening *o, const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return refuse_errno(o, -errno);

	o->store->dir_fd = fd;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return refuse(o, -EBUSY, "is in use by another culvert.");
	return refuse_errno(o, -errno);
}

static int fill_new(struct opening *o)
{
	sqlite3 *db = NULL;
	char set_id[64];
	snprintf(set_id, sizeof(set_id), "PRAGMA application_id = %d", APPLICATION_ID);

	int result = sqlite3_open_v2(o->path, &db, SQLITE_OPEN_READWRITE, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_exec(db, set_id, NULL, NULL, NULL);
	int r = result == SQLITE_OK ? migrate(db) : db_errno(result);
	sqlite3_close(db);
	return r;
}

/* Built under another name, so that a crash in between never leaves a file that looks like a store. */
static int make_new(struct opening *o)
{
	int dir_fd = o->store->dir_fd;
	if (unlinkat(dir_fd, FILE_NEW "-journal", 0) < 0 && errno != ENOENT)
		return refuse_errno(o, -errno);
	if (unlinkat(dir_fd, FILE_NEW, 0) < 0 && errno != ENOENT)
		return refuse_errno(o, -errno);

	int fd = openat(dir_fd, FILE_NEW, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return refuse_errno(o, -errno);
	close(fd);

	char *end = o->path + strlen(o->path) - strlen(FILE_NAME);
	memcpy(end, FILE_NEW, sizeof(FILE_NEW));
	int r = fill_new(o);
	memcpy(end, FILE_NAME, sizeof(FILE_NAME));
	if (r < 0)
		return refuse_errno(o, r);

	if (renameat(dir_fd, FILE_NEW, dir_fd, FILE_NAME) < 0 || fsync(dir_fd) < 0)
		return refuse_errno(o, -errno);
	return 0;
}

/* SQLite takes an empty file for a new database; for us it is one that lost everything. */
static int check_file(struct opening *o)
{
	static const char magic[16] = "SQLite format 3";
	char start[16] = { 0 };

	_cleanup_(closep) int fd = openat(o->store->dir_fd, FILE_NAME, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EISDIR;
	if (read(fd, start, sizeof(start)) != sizeof(start) || memcmp(start, magic, 16) != 0)
		return -EBADMSG;
	if ((st.st_mode & 077) != 0 && fchmod(fd, st.st_mode & 0700) < 0)
		return -errno;
	return 0;
}

static int find_file(struct opening *o)
{
	int r = check_file(o);
	if (r == -ENOENT)
		return make_new(o);
	if (r == -EBADMSG)
		return refuse(o, r, "is damaged: not a database. It was left as it is.");
	return r < 0 ? refuse_errno(o, r) : 0;
}

/* Runs a PRAGMA or SELECT that answers one number. */
static int read_number(sqlite3 *db, const char *sql, int64_t *ret_value)
{
	sqlite3_stmt *stmt = NULL;
	int result = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (result == SQLITE_OK)
		result = sqlite3_step(stmt);
	if (result == SQLITE_ROW) {
		*ret_value = sqlite3_column_int64(stmt, 0);
		result = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	return result;
}

static int check_integrity(struct opening *o)
{
	sqlite3_stmt *stmt = NULL;
	int result = sqlite3_prepare_v2(o->store->db, "PRAGMA quick_check(1)", -1, &stmt, NULL);

	if (result == SQLITE_OK)
		result = sqlite3_step(stmt);
	bool good = result == SQLITE_ROW &&
		    strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") == 0;
	if (result == SQLITE_ROW && !good)
		result = SQLITE_CORRUPT;
	sqlite3_finalize(stmt);
	return good ? 0 : refuse_result(o, result);
}

/* Nothing is written before all of this is known: not even a checkpoint on close. */
static int check_content(struct opening *o)
{
	sqlite3 *db = o->store->db;
	int64_t version, application;

	int result = read_number(db, "PRAGMA user_version", &version);
	if (result == SQLITE_OK)
		result = read_number(db, "PRAGMA application_id", &application);
	if (result != SQLITE_OK)
		return refuse_result(o, result);

	if (application != APPLICATION_ID)
		return refuse(o, -EBADMSG,
			      "is a database, but not culvert's. It was left as it is.");
	if (version > migrate_version())
		return fault_set(o->reterr, -EPROTONOSUPPORT, "storage",
				 "%s was written by a newer culvert (schema %d, this one knows %d)."
				 " It was left as it is.",
				 o->path, (int)version, migrate_version());
	return check_integrity(o);
}

static int connect_file(struct opening *o)
{
	struct store *store = o->store;

	int result = sqlite3_open_v2(o->path, &store->db,
				     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (result != SQLITE_OK)
		return refuse_result(o, result);
	if (sqlite3_db_readonly(store->db, "main") == 1)
		return refuse(o, -EACCES, "cannot be written by this user.");

	sqlite3_extended_result_codes(store->db, 1);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	result = sqlite3_exec(store->db,
			      "PRAGMA trusted_schema = OFF;"
			      "PRAGMA locking_mode = EXCLUSIVE;"
			      "PRAGMA synchronous = FULL;"
			      "PRAGMA foreign_keys = ON;"
			      "PRAGMA secure_delete = ON;",
			      NULL, NULL, NULL);
	return result == SQLITE_OK ? 0 : refuse_result(o, result);
}

static int make_ready(struct opening *o)
{
	struct store *store = o->store;

	int result = sqlite3_exec(store->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
	if (result != SQLITE_OK)
		return refuse_result(o, result);
	int r = migrate(store->db);
	if (r < 0)
		return refuse_errno(o, r);

	int64_t revision = 0;
	result = read_number(store->db, "SELECT value FROM revision", &revision);
	if (result != SQLITE_OK)
		return refuse_result(o, result);
	store->revision = (uint64_t)revision;
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return 0;
}

int store_open(const char *dir, struct store **ret_store, struct fault *reterr)
{
	struct store *store = calloc(1, sizeof(*store));
	if (!store)
		return fault_set(reterr, -ENOMEM, "storage", "Out of memory.");
	store->dir_fd = -1;

	struct opening o = { .store = store, .reterr = reterr };
	int n = snprintf(o.path, PATH_MAX, "%s/" FILE_NAME, dir);
	int r = n < PATH_MAX ? lock_directory(&o, dir) : refuse_errno(&o, -ENAMETOOLONG);
	if (r == 0)
		r = find_file(&o);
	if (r == 0)
		r = connect_file(&o);
	if (r == 0)
		r = check_content(&o);
	if (r == 0)
		r = make_ready(&o);
	if (r < 0) {
		store_close(store);
		return r;
	}

	*ret_store = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < store->n_statements; i++)
		sqlite3_finalize(store->statements[i].stmt);
	sqlite3_close(store->db);
	closep(&store->dir_fd);
	free(store);
}
