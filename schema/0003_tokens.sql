-- SPDX-License-Identifier: GPL-2.0-or-later
-- Credentials of the API: outside revisions, since the engine knows nothing of them.
-- secret_hash: SHA-256 of the secret, which is shown once and kept nowhere.
-- scopes: names as in api/scopes.def, with spaces between.

CREATE TABLE token (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	secret_hash BLOB NOT NULL CHECK (length(secret_hash) = 32),
	scopes TEXT NOT NULL,
	single_use INTEGER NOT NULL CHECK (single_use IN (0, 1)),
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	last_used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- token: NULL where it was for a single use, and is gone.
CREATE TABLE session (
	id TEXT PRIMARY KEY,
	token TEXT REFERENCES token ON DELETE CASCADE,
	name TEXT NOT NULL,
	secret_hash BLOB NOT NULL CHECK (length(secret_hash) = 32),
	scopes TEXT NOT NULL,
	remote_address TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	last_used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_of ON session (token);
