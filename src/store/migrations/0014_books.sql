-- SPDX-License-Identifier: Apache-2.0
-- The books: who used what, from when until when. They follow the rows of the things themselves, in the savepoint that changes those.
-- Times (_us) are books time: microseconds that never jump nor run backward. What the wall clock said is books time plus the offset of
-- the last step before it.

CREATE TABLE books_clock (
	one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
	boot_id TEXT NOT NULL,     -- of the machine's run that base_us belongs to
	base_us INTEGER NOT NULL,  -- books time less the machine's time since boot
	offset_us INTEGER NOT NULL -- wall clock less books time, as last seen
) STRICT;

CREATE TABLE clock_step (
	at_us INTEGER NOT NULL PRIMARY KEY,
	offset_us INTEGER NOT NULL -- from then on
) STRICT;

-- Every GPU that the cloud has had: its time in the books is [first_us, last_us).
CREATE TABLE gpu_book (
	device_id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL,
	host TEXT NOT NULL,
	address TEXT NOT NULL,
	model TEXT NOT NULL,
	first_us INTEGER NOT NULL,
	last_us INTEGER -- null: it is there
) STRICT;

-- The shares of a GPU's rows of any moment are 1000 together.
CREATE TABLE gpu_usage (
	device_id INTEGER NOT NULL REFERENCES gpu_book (device_id),
	part_id INTEGER NOT NULL, -- of a tenant's part: its allocation_part; 0: the whole GPU, or what the parts leave of it
	started_us INTEGER NOT NULL,
	ended_us INTEGER CHECK (ended_us > started_us),
	owner TEXT NOT NULL CHECK (owner IN ('tenant', 'reserved', 'idle', 'maintenance', 'faulty')),
	share INTEGER NOT NULL CHECK (share BETWEEN 1 AND 1000),
	project_id INTEGER REFERENCES project (id), -- of tenant and reserved
	server_id INTEGER, -- of tenant
	block_id INTEGER,  -- of reserved, and of a tenant that uses its block
	state TEXT NOT NULL DEFAULT '', -- of tenant: the server's; 'held' where the server does not live (a move, what is left over)
	model TEXT NOT NULL,
	profile TEXT NOT NULL DEFAULT '', -- of a part
	zone TEXT NOT NULL DEFAULT '',
	preemptible INTEGER NOT NULL DEFAULT 0 CHECK (preemptible IN (0, 1)),
	PRIMARY KEY (device_id, part_id, started_us),
	CHECK ((owner IN ('tenant', 'reserved')) = (project_id IS NOT NULL)),
	CHECK ((owner = 'tenant') = (server_id IS NOT NULL)),
	CHECK (owner != 'reserved' OR block_id IS NOT NULL)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX gpu_usage_open ON gpu_usage (device_id, part_id) WHERE ended_us IS NULL;
CREATE INDEX gpu_usage_project ON gpu_usage (project_id, ended_us) WHERE project_id IS NOT NULL;
CREATE INDEX gpu_usage_server ON gpu_usage (server_id) WHERE server_id IS NOT NULL;
