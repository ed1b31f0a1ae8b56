-- SPDX-License-Identifier: Apache-2.0
-- Where servers may go beside their size: groups and hints of theirs, aggregates of hosts; the operator's word that a host is
-- dead; and the cloud's own default limits.

ALTER TABLE host ADD COLUMN forced_down INTEGER NOT NULL DEFAULT 0 CHECK (forced_down IN (0, 1));

-- No other server on its host.
ALTER TABLE allocation ADD COLUMN exclusive INTEGER NOT NULL DEFAULT 0 CHECK (exclusive IN (0, 1));

CREATE TABLE server_group (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	project_id INTEGER NOT NULL REFERENCES project (id),
	user_uid TEXT NOT NULL,
	name TEXT NOT NULL,
	policy TEXT NOT NULL CHECK (policy IN ('affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity')),
	max_per_host INTEGER NOT NULL DEFAULT 0 CHECK (max_per_host >= 0), -- of anti-affinity; 0: no rule was given, one
	created_us INTEGER NOT NULL
) STRICT;
CREATE INDEX server_group_project ON server_group (project_id);

-- A server joins one group at most, when it is made, and leaves it when it is deleted.
CREATE TABLE server_group_member (
	server_id INTEGER NOT NULL PRIMARY KEY REFERENCES server (id),
	group_id INTEGER NOT NULL REFERENCES server_group (id)
) STRICT;
CREATE INDEX server_group_member_group ON server_group_member (group_id);

-- Other servers whose hosts it wants, or wants to stay away from.
CREATE TABLE server_hint (
	server_id INTEGER NOT NULL REFERENCES server (id),
	kind TEXT NOT NULL CHECK (kind IN ('same_host', 'different_host')),
	other_id INTEGER NOT NULL REFERENCES server (id),
	PRIMARY KEY (server_id, kind, other_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX server_hint_other ON server_hint (other_id);

CREATE TABLE aggregate (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL UNIQUE,
	created_us INTEGER NOT NULL,
	updated_us INTEGER NOT NULL DEFAULT 0 -- 0: never
) STRICT;

CREATE TABLE aggregate_host (
	aggregate_id INTEGER NOT NULL REFERENCES aggregate (id),
	host_id INTEGER NOT NULL REFERENCES host (id),
	PRIMARY KEY (aggregate_id, host_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX aggregate_host_host ON aggregate_host (host_id);

-- The key availability_zone names the zone of the aggregate's hosts, in place of the one that a host was added with.
CREATE TABLE aggregate_metadata (
	aggregate_id INTEGER NOT NULL REFERENCES aggregate (id),
	key TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (aggregate_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX aggregate_metadata_key ON aggregate_metadata (key, value);

-- Limits for projects that have none of their own, where they differ from those that cloudd is built with.
CREATE TABLE quota_default (
	resource TEXT NOT NULL PRIMARY KEY,
	hard_limit INTEGER NOT NULL CHECK (hard_limit >= -1)
) STRICT, WITHOUT ROWID;
