-- SPDX-License-Identifier: GPL-2.0-or-later
-- The configuration: node, peers, routes, exit node, data plane. Fields as in model.h.
-- Addresses are 4 or 16 bytes in network order; times are ns since the Unix epoch, 0 = none.
-- Lists are child tables in the order of "place", which may have gaps.

CREATE TABLE revision (
	only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
	value INTEGER NOT NULL
) STRICT;
INSERT INTO revision VALUES (1, 0);

CREATE TABLE node (
	only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
	id TEXT NOT NULL,
	name TEXT NOT NULL,
	private_key BLOB NOT NULL CHECK (length(private_key) = 32),
	public_key BLOB NOT NULL CHECK (length(public_key) = 32),
	listen_port INTEGER NOT NULL CHECK (listen_port BETWEEN 1 AND 65535),
	endpoint TEXT NOT NULL,
	mtu INTEGER NOT NULL,
	revision INTEGER NOT NULL
) STRICT;

CREATE TABLE node_address (
	place INTEGER PRIMARY KEY,
	address BLOB NOT NULL CHECK (length(address) IN (4, 16)),
	bits INTEGER NOT NULL CHECK (bits BETWEEN 0 AND 8 * length(address))
) STRICT;

CREATE TABLE node_dns (
	place INTEGER PRIMARY KEY,
	address BLOB NOT NULL CHECK (length(address) IN (4, 16))
) STRICT;

CREATE TABLE peer (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	slot INTEGER NOT NULL UNIQUE,
	public_key BLOB NOT NULL UNIQUE CHECK (length(public_key) = 32),
	preshared_key BLOB CHECK (length(preshared_key) = 32),
	endpoint_address BLOB CHECK (length(endpoint_address) IN (4, 16)),
	endpoint_port INTEGER NOT NULL,
	persistent_keepalive_s INTEGER NOT NULL,
	enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
	expires_at INTEGER NOT NULL,
	rate_in_bps INTEGER NOT NULL,
	rate_out_bps INTEGER NOT NULL,
	quota_bytes INTEGER NOT NULL,
	quota_period TEXT NOT NULL CHECK (quota_period IN ('never', 'day', 'week', 'month')),
	max_flows INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE peer_address (
	peer TEXT NOT NULL REFERENCES peer ON DELETE CASCADE,
	place INTEGER NOT NULL,
	address BLOB NOT NULL CHECK (length(address) IN (4, 16)),
	bits INTEGER NOT NULL CHECK (bits BETWEEN 0 AND 8 * length(address)),
	PRIMARY KEY (peer, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE peer_tag (
	peer TEXT NOT NULL REFERENCES peer ON DELETE CASCADE,
	place INTEGER NOT NULL,
	tag TEXT NOT NULL,
	PRIMARY KEY (peer, place)
) STRICT, WITHOUT ROWID;

-- Endpoints that handshakes came from: observed, so outside revisions.
CREATE TABLE learned_endpoint (
	peer TEXT PRIMARY KEY REFERENCES peer ON DELETE CASCADE,
	address BLOB NOT NULL CHECK (length(address) IN (4, 16)),
	port INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE route (
	id TEXT PRIMARY KEY,
	address BLOB NOT NULL CHECK (length(address) IN (4, 16)),
	bits INTEGER NOT NULL CHECK (bits BETWEEN 0 AND 8 * length(address)),
	via TEXT NOT NULL,
	approved INTEGER NOT NULL CHECK (approved IN (0, 1)),
	enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
	all_peers INTEGER NOT NULL CHECK (all_peers IN (0, 1)),
	snat TEXT NOT NULL CHECK (snat IN ('auto', 'masquerade', 'none', 'address')),
	snat_address BLOB CHECK (length(snat_address) IN (4, 16)),
	map_to_address BLOB CHECK (length(map_to_address) IN (4, 16)),
	map_to_bits INTEGER NOT NULL,
	description TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	revision INTEGER NOT NULL,
	UNIQUE (address, bits)
) STRICT, WITHOUT ROWID;

-- grantee: a peer id, or "tag:" and a tag.
CREATE TABLE route_grant (
	route TEXT NOT NULL REFERENCES route ON DELETE CASCADE,
	place INTEGER NOT NULL,
	grantee TEXT NOT NULL,
	PRIMARY KEY (route, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX route_grant_of ON route_grant (grantee);

CREATE TABLE route_protocol (
	route TEXT NOT NULL REFERENCES route ON DELETE CASCADE,
	place INTEGER NOT NULL,
	protocol INTEGER NOT NULL CHECK (protocol BETWEEN 0 AND 255),
	PRIMARY KEY (route, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE route_port (
	route TEXT NOT NULL REFERENCES route ON DELETE CASCADE,
	place INTEGER NOT NULL,
	first INTEGER NOT NULL CHECK (first BETWEEN 0 AND 65535),
	last INTEGER NOT NULL CHECK (last BETWEEN 0 AND 65535),
	PRIMARY KEY (route, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE exit_node (
	only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
	enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
	ipv4 INTEGER NOT NULL CHECK (ipv4 IN (0, 1)),
	ipv6 INTEGER NOT NULL CHECK (ipv6 IN (0, 1)),
	all_peers INTEGER NOT NULL CHECK (all_peers IN (0, 1)),
	allow_lan INTEGER NOT NULL CHECK (allow_lan IN (0, 1)),
	snat TEXT NOT NULL CHECK (snat IN ('auto', 'masquerade', 'none', 'address')),
	snat_address BLOB CHECK (length(snat_address) IN (4, 16)),
	revision INTEGER NOT NULL
) STRICT;
INSERT INTO exit_node VALUES (1, 0, 1, 1, 1, 0, 'auto', NULL, 0);

CREATE TABLE exit_grant (
	place INTEGER PRIMARY KEY,
	grantee TEXT NOT NULL
) STRICT;

CREATE TABLE dataplane (
	only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
	desired TEXT NOT NULL CHECK (desired IN ('auto', 'kernel', 'netstack')),
	revision INTEGER NOT NULL
) STRICT;
INSERT INTO dataplane VALUES (1, 'auto', 0);
