-- SPDX-License-Identifier: Apache-2.0
-- Moves of servers, to another host or another flavor. While one is open a server holds room twice: where it lives, by the
-- allocation whose key is the server's own, and at the other place, by one whose key is the move's. What is left behind on a host
-- that was not cleared yet stays held under such a key, too, and a flow with that subject clears it.

ALTER TABLE allocation RENAME TO allocation_before;
ALTER TABLE allocation_device RENAME TO allocation_device_before;

CREATE TABLE allocation (
	id INTEGER NOT NULL PRIMARY KEY, -- the server's: where it lives
	server_id INTEGER NOT NULL REFERENCES server (id),
	host_id INTEGER NOT NULL REFERENCES host (id),
	vcpus INTEGER NOT NULL CHECK (vcpus >= 0), -- 0: what a smaller flavor leaves to the other allocation on the same host
	ram_mib INTEGER NOT NULL CHECK (ram_mib >= 0),
	disk_gib INTEGER NOT NULL CHECK (disk_gib >= 0),
	CHECK (id != server_id OR (vcpus > 0 AND ram_mib > 0))
) STRICT;
INSERT INTO allocation (id, server_id, host_id, vcpus, ram_mib, disk_gib)
	SELECT server_id, server_id, host_id, vcpus, ram_mib, disk_gib FROM allocation_before;

-- The key is the device: no GPU is given twice.
CREATE TABLE allocation_device (
	device_id INTEGER NOT NULL PRIMARY KEY REFERENCES device (id),
	allocation_id INTEGER NOT NULL REFERENCES allocation (id)
) STRICT;
INSERT INTO allocation_device (device_id, allocation_id) SELECT device_id, server_id FROM allocation_device_before;

DROP TABLE allocation_device_before;
DROP TABLE allocation_before;
CREATE INDEX allocation_host ON allocation (host_id, vcpus, ram_mib, disk_gib);
CREATE INDEX allocation_server ON allocation (server_id);
CREATE INDEX allocation_device_allocation ON allocation_device (allocation_id);

-- A move; the flavor columns are of the flavor that the server does not have: the new one until it is there, then the old one.
CREATE TABLE migration (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	server_id INTEGER NOT NULL REFERENCES server (id),
	kind TEXT NOT NULL CHECK (kind IN ('resize', 'migration', 'live-migration', 'evacuation')),
	status TEXT NOT NULL,
	source_host_id INTEGER REFERENCES host (id), -- null: the host was removed since
	dest_host_id INTEGER REFERENCES host (id),
	source_host TEXT NOT NULL,
	dest_host TEXT NOT NULL,
	flavor_uid TEXT NOT NULL,
	flavor_name TEXT NOT NULL,
	vcpus INTEGER NOT NULL,
	ram_mib INTEGER NOT NULL,
	disk_gib INTEGER NOT NULL,
	ephemeral_gib INTEGER NOT NULL,
	swap_mib INTEGER NOT NULL,
	extra_specs TEXT NOT NULL,
	old_flavor_id INTEGER NOT NULL, -- rows of flavor, as they were
	new_flavor_id INTEGER NOT NULL,
	was_off INTEGER NOT NULL CHECK (was_off IN (0, 1)),
	switched INTEGER NOT NULL DEFAULT 0 CHECK (switched IN (0, 1)), -- the server lives at the destination, with the new flavor
	cancel INTEGER NOT NULL DEFAULT 0 CHECK (cancel IN (0, 1)), -- wished
	reason TEXT NOT NULL DEFAULT '', -- why it went wrong
	user_uid TEXT NOT NULL,
	project_uid TEXT NOT NULL, -- the server's
	created_us INTEGER NOT NULL,
	updated_us INTEGER NOT NULL,
	ended_us INTEGER -- null: open
) STRICT;
CREATE UNIQUE INDEX migration_open ON migration (server_id) WHERE ended_us IS NULL;
CREATE INDEX migration_server ON migration (server_id);
CREATE INDEX migration_updated ON migration (updated_us);
CREATE INDEX migration_source ON migration (source_host_id);
CREATE INDEX migration_dest ON migration (dest_host_id);
