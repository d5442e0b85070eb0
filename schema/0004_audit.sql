-- SPDX-License-Identifier: GPL-2.0-or-later
-- Who asked for what, and what came of it: outside revisions.
-- refused: 401 and 403. They are kept apart, so that no flood of them drives out what was changed.

CREATE TABLE audit (
	number INTEGER PRIMARY KEY,
	at INTEGER NOT NULL,
	who TEXT NOT NULL,
	came_from TEXT NOT NULL,
	method TEXT NOT NULL,
	object TEXT NOT NULL,
	before_revision INTEGER NOT NULL,
	after_revision INTEGER NOT NULL,
	result INTEGER NOT NULL,
	refused INTEGER NOT NULL CHECK (refused IN (0, 1))
) STRICT;
CREATE INDEX audit_of ON audit (refused, number);
