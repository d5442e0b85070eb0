/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The migrations as bytes in the binary; store/migrate.c lists them. */

.macro embed name, path
	.global \name
\name:
	.incbin "\path"
	.byte 0
.endm

	.section .rodata
	embed migration_0001, "schema/0001_configuration.sql"
	embed migration_0002, "schema/0002_policy.sql"
	embed migration_0003, "schema/0003_tokens.sql"
	embed migration_0004, "schema/0004_audit.sql"
	embed migration_0005, "schema/0005_replay.sql"
	embed migration_0006, "schema/0006_history.sql"
	embed migration_0007, "schema/0007_usage.sql"

	.section .note.GNU-stack, "", @progbits
