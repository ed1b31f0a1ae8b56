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

ALTER TABLE applied ADD COLUMN books_us INTEGER NOT NULL DEFAULT 0; -- the last tick's

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
	owner TEXT NOT NULL CHECK (owner = 'tenant' OR owner = 'reserved' OR owner = 'idle' OR owner = 'maintenance' OR owner = 'faulty'),
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

-- Half-open [started_us, ended_us); of one thing they meet, and the last is open (ended_us null) while it lives.
ALTER TABLE usage RENAME TO usage_before;
DROP INDEX usage_open;
DROP INDEX usage_project;
CREATE TABLE usage (
	kind TEXT NOT NULL CHECK (kind = 'server' OR kind = 'image' OR kind = 'address'), -- a longer IN would be a table of its own for each row
	subject_id INTEGER NOT NULL, -- server, image, port
	started_us INTEGER NOT NULL,
	ended_us INTEGER CHECK (ended_us > started_us),
	project_id INTEGER NOT NULL REFERENCES project (id),
	state TEXT NOT NULL,            -- a server's vm_state; an image's status; an address: held
	item TEXT NOT NULL DEFAULT '',  -- a server's flavor id; an address' network id
	zone TEXT NOT NULL DEFAULT '',
	preemptible INTEGER NOT NULL DEFAULT 0 CHECK (preemptible IN (0, 1)),
	vcpus INTEGER NOT NULL DEFAULT 0,
	ram_mib INTEGER NOT NULL DEFAULT 0,
	disk_gib INTEGER NOT NULL DEFAULT 0, -- root and ephemeral
	gpus INTEGER NOT NULL DEFAULT 0,     -- whole ones and parts, as its flavor has them
	amount INTEGER NOT NULL DEFAULT 0,   -- an image's bytes; a port's addresses
	PRIMARY KEY (kind, subject_id, started_us)
) STRICT, WITHOUT ROWID;
INSERT INTO usage (kind, subject_id, started_us, ended_us, project_id, state, item, vcpus, ram_mib, disk_gib, gpus)
	SELECT 'server', u.server_id, u.started_us, u.ended_us, u.project_id, u.state, s.flavor_uid, u.vcpus, u.ram_mib, u.disk_gib + s.ephemeral_gib * (u.disk_gib > 0), u.gpus
	FROM usage_before u JOIN server s ON s.id = u.server_id WHERE u.ended_us IS NULL OR u.ended_us > u.started_us;
DROP TABLE usage_before;
CREATE UNIQUE INDEX usage_open ON usage (kind, subject_id) WHERE ended_us IS NULL;
CREATE INDEX usage_project ON usage (project_id, ended_us);

