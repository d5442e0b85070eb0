-- SPDX-License-Identifier: GPL-2.0-or-later
-- What peers have used of their quotas: observed, so outside revisions.
-- page, key_tag and seen: the counters that were read last, and what they said.
-- After a crash of control alone, counting goes on from there.

CREATE TABLE peer_usage (
	peer TEXT PRIMARY KEY REFERENCES peer ON DELETE CASCADE,
	period_start INTEGER NOT NULL,
	used INTEGER NOT NULL,
	told INTEGER NOT NULL,
	page INTEGER NOT NULL,
	key_tag INTEGER NOT NULL,
	seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
