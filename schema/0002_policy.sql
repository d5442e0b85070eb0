-- SPDX-License-Identifier: GPL-2.0-or-later
-- The policy: what happens to traffic that routes, exit node and peers grant.
-- Rules are tried in the order of "place"; the first that matches decides.

CREATE TABLE policy (
	only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
	default_allow INTEGER NOT NULL CHECK (default_allow IN (0, 1)),
	revision INTEGER NOT NULL
) STRICT;
INSERT INTO policy VALUES (1, 1, 0);

CREATE TABLE rule (
	id TEXT PRIMARY KEY,
	place INTEGER NOT NULL UNIQUE,
	allow INTEGER NOT NULL CHECK (allow IN (0, 1)),
	all_peers INTEGER NOT NULL CHECK (all_peers IN (0, 1)),
	comment TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- grantee: a peer id, or "tag:" and a tag.
CREATE TABLE rule_grant (
	rule TEXT NOT NULL REFERENCES rule ON DELETE CASCADE,
	place INTEGER NOT NULL,
	grantee TEXT NOT NULL,
	PRIMARY KEY (rule, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX rule_grant_of ON rule_grant (grantee);

CREATE TABLE rule_destination (
	rule TEXT NOT NULL REFERENCES rule ON DELETE CASCADE,
	place INTEGER NOT NULL,
	address BLOB NOT NULL CHECK (length(address) IN (4, 16)),
	bits INTEGER NOT NULL CHECK (bits BETWEEN 0 AND 8 * length(address)),
	PRIMARY KEY (rule, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE rule_protocol (
	rule TEXT NOT NULL REFERENCES rule ON DELETE CASCADE,
	place INTEGER NOT NULL,
	protocol INTEGER NOT NULL CHECK (protocol BETWEEN 0 AND 255),
	PRIMARY KEY (rule, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE rule_port (
	rule TEXT NOT NULL REFERENCES rule ON DELETE CASCADE,
	place INTEGER NOT NULL,
	first INTEGER NOT NULL CHECK (first BETWEEN 0 AND 65535),
	last INTEGER NOT NULL CHECK (last BETWEEN 0 AND 65535),
	PRIMARY KEY (rule, place)
) STRICT, WITHOUT ROWID;
