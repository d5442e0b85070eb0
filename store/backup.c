/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A consistent copy of the database, made while it is in use. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "store/db.h"

#define FILE_COPY "backup.tmp"

/* VACUUM INTO wants a path: that of this process's own descriptor of the directory. */
static int write_copy(struct store *store)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d/" FILE_COPY, store->dir_fd);

	sqlite3_stmt *stmt = NULL;
	int result = sqlite3_prepare_v2(store->db, "VACUUM INTO ?", -1, &stmt, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC);
	if (result == SQLITE_OK)
		result = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return db_errno(result);
}

static int make_file(struct store *store)
{
	if (unlinkat(store->dir_fd, FILE_COPY, 0) < 0 && errno != ENOENT)
		return -errno;
	int fd = openat(store->dir_fd, FILE_COPY, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

int store_backup(struct store *store)
{
	/* Empty at first: SQLite writes into what is nobody else's to read. */
	_cleanup_(closep) int fd = make_file(store);
	if (fd < 0)
		return fd;

	int r = write_copy(store);
	if (unlinkat(store->dir_fd, FILE_COPY, 0) < 0 && r == 0)
		r = -errno;
	return r < 0 ? r : TAKE_FD(fd);
}
