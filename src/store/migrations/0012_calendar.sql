-- SPDX-License-Identifier: Apache-2.0
-- The calendar: capacity blocks of projects and maintenance windows of hosts, and servers that leave for others.

CREATE TABLE block (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	kind TEXT NOT NULL CHECK (kind IN ('capacity', 'maintenance')),
	name TEXT NOT NULL,
	project_id INTEGER REFERENCES project (id), -- null: maintenance
	model TEXT NOT NULL DEFAULT '',
	gpus INTEGER NOT NULL DEFAULT 0 CHECK (gpus >= 0),
	start_us INTEGER NOT NULL,
	end_us INTEGER NOT NULL CHECK (end_us > start_us),
	state TEXT NOT NULL CHECK (state IN ('planned', 'active', 'ended', 'cancelled')),
	reason TEXT NOT NULL DEFAULT '',
	created_us INTEGER NOT NULL,
	updated_us INTEGER NOT NULL
) STRICT;
CREATE INDEX block_project ON block (project_id);
CREATE INDEX block_open ON block (start_us) WHERE state IN ('planned', 'active');

CREATE TABLE block_device (
	block_id INTEGER NOT NULL REFERENCES block (id),
	device_id INTEGER NOT NULL REFERENCES device (id),
	PRIMARY KEY (block_id, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX block_device_device ON block_device (device_id);

CREATE TABLE block_host (
	block_id INTEGER NOT NULL REFERENCES block (id),
	host_id INTEGER NOT NULL REFERENCES host (id),
	PRIMARY KEY (block_id, host_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX block_host_host ON block_host (host_id);

-- A server that has to leave its host, and for whom.
CREATE TABLE eviction (
	server_id INTEGER NOT NULL PRIMARY KEY REFERENCES server (id),
	host_id INTEGER NOT NULL REFERENCES host (id),
	for_server_id INTEGER REFERENCES server (id), -- who waits for its room
	for_block_id INTEGER REFERENCES block (id),
	notice_us INTEGER NOT NULL,
	leave_us INTEGER NOT NULL, -- when it is made to
	CHECK ((for_server_id IS NULL) != (for_block_id IS NULL))
) STRICT;
CREATE INDEX eviction_for ON eviction (for_server_id);
CREATE INDEX eviction_block ON eviction (for_block_id);
