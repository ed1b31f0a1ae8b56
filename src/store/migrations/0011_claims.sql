-- SPDX-License-Identifier: Apache-2.0
-- What servers hold within a host: cells, CPUs, pages and parts of GPUs.

ALTER TABLE allocation ADD COLUMN preemptible INTEGER NOT NULL DEFAULT 0 CHECK (preemptible IN (0, 1));
ALTER TABLE allocation ADD COLUMN block_id INTEGER; -- the capacity block that it uses
ALTER TABLE allocation_device ADD COLUMN guest_cell INTEGER NOT NULL DEFAULT -1; -- the server's cell that it is close to

-- A NUMA cell of the server and the host's cell that it lies in.
CREATE TABLE allocation_cell (
	allocation_id INTEGER NOT NULL REFERENCES allocation (id),
	guest_cell INTEGER NOT NULL CHECK (guest_cell >= 0),
	cell INTEGER NOT NULL,
	vcpus INTEGER NOT NULL CHECK (vcpus > 0),
	ram_mib INTEGER NOT NULL CHECK (ram_mib > 0),
	page_kib INTEGER NOT NULL CHECK (page_kib IN (4, 2048, 1048576)),
	PRIMARY KEY (allocation_id, guest_cell)
) STRICT, WITHOUT ROWID;

-- The key is the CPU: none is given twice.
CREATE TABLE allocation_cpu (
	host_id INTEGER NOT NULL REFERENCES host (id),
	cpu INTEGER NOT NULL,
	allocation_id INTEGER NOT NULL REFERENCES allocation (id),
	vcpu INTEGER NOT NULL CHECK (vcpu >= 0),
	PRIMARY KEY (host_id, cpu)
) STRICT, WITHOUT ROWID;
CREATE INDEX allocation_cpu_allocation ON allocation_cpu (allocation_id, vcpu);

-- A part of a GPU: a partition, which has slots, or a share alone.
CREATE TABLE allocation_part (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE, -- the mediated device's uuid
	device_id INTEGER NOT NULL REFERENCES device (id),
	allocation_id INTEGER NOT NULL REFERENCES allocation (id),
	profile TEXT NOT NULL, -- '' a share alone
	start INTEGER NOT NULL, -- its first slot; -1: a share alone
	slots INTEGER NOT NULL CHECK (slots >= 0),
	share INTEGER NOT NULL CHECK (share BETWEEN 1 AND 1000),
	guest_cell INTEGER NOT NULL DEFAULT -1
) STRICT;
CREATE INDEX allocation_part_allocation ON allocation_part (allocation_id);
CREATE INDEX allocation_part_device ON allocation_part (device_id);

-- The key is the slot: none is given twice.
CREATE TABLE allocation_slot (
	device_id INTEGER NOT NULL REFERENCES device (id),
	slot INTEGER NOT NULL CHECK (slot BETWEEN 0 AND 31),
	part_id INTEGER NOT NULL REFERENCES allocation_part (id),
	PRIMARY KEY (device_id, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX allocation_slot_part ON allocation_slot (part_id);
