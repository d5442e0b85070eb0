/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Brings the schema up to date: each step in one transaction with its user_version. */
#include <errno.h>

#include "store/db.h"

extern const char migration_0001[], migration_0002[], migration_0003[], migration_0004[],
	migration_0005[], migration_0006[], migration_0007[];

static const char *const steps[] = { migration_0001, migration_0002, migration_0003, migration_0004,
				     migration_0005, migration_0006, migration_0007 };

int migrate_version(void)
{
	return (int)ARRAY_SIZE(steps);
}

static int version_of(sqlite3 *db, int *ret_version)
{
	sqlite3_stmt *stmt = NULL;
	int result = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL);

	if (result == SQLITE_OK)
		result = sqlite3_step(stmt);
	if (result == SQLITE_ROW)
		*ret_version = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return result == SQLITE_ROW ? 0 : db_errno(result);
}

static int run_step(sqlite3 *db, int step)
{
	char set_version[64];
	snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %d", step + 1);

	int result = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_exec(db, steps[step], NULL, NULL, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_exec(db, set_version, NULL, NULL, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	if (result != SQLITE_OK && !sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return db_errno(result);
}

int migrate(sqlite3 *db)
{
	int version = 0;
	int r = version_of(db, &version);

	for (int step = version; r == 0 && step < migrate_version(); step++)
		r = run_step(db, step);
	return r;
}
