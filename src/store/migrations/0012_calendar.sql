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
	scope TEXT NOT NULL DEFAULT '' CHECK (scope IN ('', 'host', 'rack', 'fabric')), -- all its GPUs are of one
	start_us INTEGER NOT NULL,
	end_us INTEGER NOT NULL CHECK (end_us > start_us),
	-- clearing: it has not begun, and those who use its GPUs have got their notice
	state TEXT NOT NULL CHECK (state IN ('planned', 'clearing', 'active', 'ended', 'cancelled')),
	reason TEXT NOT NULL DEFAULT '',
	created_us INTEGER NOT NULL,
	updated_us INTEGER NOT NULL,
	CHECK ((kind = 'maintenance') = (project_id IS NULL))
) STRICT;
CREATE INDEX block_project ON block (project_id);
CREATE INDEX block_open ON block (start_us) WHERE state IN ('planned', 'clearing', 'active');

CREATE TABLE block_device (
	block_id INTEGER NOT NULL REFERENCES block (id),
	device_id INTEGER NOT NULL REFERENCES device (id),
	PRIMARY KEY (block_id, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX block_device_device ON block_device (device_id);

CREATE TABLE block_host (
	block_id INTEGER NOT NULL REFERENCES block (id),
	host_id INTEGER NOT NULL REFERENCES host (id),
	drained INTEGER NOT NULL DEFAULT 0 CHECK (drained IN (0, 1)), -- by this window, which takes it back
	PRIMARY KEY (block_id, host_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX block_host_host ON block_host (host_id);

-- The block whose GPUs a server was made for.
CREATE TABLE server_block (
	server_id INTEGER NOT NULL PRIMARY KEY REFERENCES server (id),
	block_id INTEGER NOT NULL REFERENCES block (id)
) STRICT;
CREATE INDEX server_block_block ON server_block (block_id);

-- A server that has to leave its host, and for whom.
CREATE TABLE eviction (
	server_id INTEGER NOT NULL PRIMARY KEY REFERENCES server (id),
	host_id INTEGER NOT NULL REFERENCES host (id),
	for_server_id INTEGER REFERENCES server (id), -- who waits for its room
	for_block_id INTEGER REFERENCES block (id),
	action_id INTEGER NOT NULL, -- "preempt" in the server's log, open until it has left
	notice_us INTEGER NOT NULL,
	leave_us INTEGER NOT NULL, -- when it is made to, or made to again
	begun INTEGER NOT NULL DEFAULT 0 CHECK (begun IN (0, 1)), -- it is being made to
	tries INTEGER NOT NULL DEFAULT 0, -- that failed
	CHECK ((for_server_id IS NULL) != (for_block_id IS NULL))
) STRICT;
CREATE INDEX eviction_for ON eviction (for_server_id);
CREATE INDEX eviction_block ON eviction (for_block_id);
CREATE INDEX eviction_host ON eviction (host_id);
CREATE INDEX eviction_due ON eviction (leave_us) WHERE begun = 0;

-- A server that waits until others have left a host for it, which is kept for it meanwhile. It is on no host, unless it waits
-- to be resized.
CREATE TABLE waiter (
	server_id INTEGER NOT NULL PRIMARY KEY REFERENCES server (id),
	host_id INTEGER NOT NULL UNIQUE REFERENCES host (id),
	named INTEGER NOT NULL CHECK (named IN (0, 1)), -- only that host was asked for
	zone TEXT NOT NULL,
	resize TEXT, -- JSON: the request; null: it is no resize
	action_id INTEGER NOT NULL, -- in its log: create, unshelve, resize
	request_id TEXT NOT NULL,
	deadline_us INTEGER NOT NULL -- then it goes elsewhere, or gives up
) STRICT;
CREATE INDEX waiter_deadline ON waiter (deadline_us);
