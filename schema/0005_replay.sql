-- SPDX-License-Identifier: GPL-2.0-or-later
-- Answers to requests with an Idempotency-Key, for those who ask again. Without secrets.
-- status: 0 = the write was stored, but its answer was not.
-- revision: of the ETag; 0 = there was none.

CREATE TABLE replay (
	who TEXT NOT NULL,
	key TEXT NOT NULL,
	fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
	made_at INTEGER NOT NULL,
	status INTEGER NOT NULL,
	revision INTEGER NOT NULL,
	location TEXT NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (who, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX replay_age ON replay (made_at);
