-- SPDX-License-Identifier: GPL-2.0-or-later
-- What each write changed, so that it can be taken back, and a write that waits for being confirmed.
-- changes is an SQLite changeset: it may hold secrets, and is never shown.

CREATE TABLE history (
	revision INTEGER PRIMARY KEY,
	at INTEGER NOT NULL,
	who TEXT NOT NULL,
	origin TEXT NOT NULL,
	what TEXT NOT NULL,
	changes BLOB NOT NULL
) STRICT;

-- Until deadline; a restart of the daemon counts by boot_deadline while the kernel is the same.
CREATE TABLE pending (
	only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
	revision INTEGER NOT NULL,
	base INTEGER NOT NULL,
	within_s INTEGER NOT NULL,
	deadline INTEGER NOT NULL,
	boot TEXT NOT NULL,
	boot_deadline INTEGER NOT NULL,
	who TEXT NOT NULL
) STRICT;
