-- SPDX-License-Identifier: Apache-2.0
-- What servers hold within a host: cells, CPUs, pages and parts of GPUs.

ALTER TABLE allocation ADD COLUMN preemptible INTEGER NOT NULL DEFAULT 0 CHECK (preemptible IN (0, 1));
ALTER TABLE allocation ADD COLUMN block_id INTEGER; -- the capacity block that it uses
-- What it takes of the host's own amounts: no vCPUs where it has CPUs to itself, no memory that is in huge pages.
ALTER TABLE allocation ADD COLUMN float_vcpus INTEGER NOT NULL DEFAULT 0 CHECK (float_vcpus BETWEEN 0 AND vcpus);
ALTER TABLE allocation ADD COLUMN float_ram_mib INTEGER NOT NULL DEFAULT 0 CHECK (float_ram_mib BETWEEN 0 AND ram_mib);
ALTER TABLE allocation ADD COLUMN cpus_isolated INTEGER NOT NULL DEFAULT 0 CHECK (cpus_isolated IN (0, 1));
UPDATE allocation SET float_vcpus = vcpus, float_ram_mib = ram_mib;
DROP INDEX allocation_host;
CREATE INDEX allocation_host ON allocation (host_id, float_vcpus, float_ram_mib, disk_gib);

ALTER TABLE allocation_device ADD COLUMN guest_cell INTEGER NOT NULL DEFAULT -1; -- the server's cell that it is close to

-- While a server changes its flavor on its host: devices that it has in both ways. They are held by the other allocation.
CREATE TABLE allocation_also (
	allocation_id INTEGER NOT NULL REFERENCES allocation (id),
	device_id INTEGER NOT NULL REFERENCES device (id),
	guest_cell INTEGER NOT NULL,
	PRIMARY KEY (allocation_id, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX allocation_also_device ON allocation_also (device_id);

-- A NUMA cell of the server and the host's cell that it lies in.
CREATE TABLE allocation_cell (
	allocation_id INTEGER NOT NULL REFERENCES allocation (id),
	guest_cell INTEGER NOT NULL CHECK (guest_cell >= 0),
	host_id INTEGER NOT NULL REFERENCES host (id), -- the allocation's
	cell INTEGER NOT NULL,
	vcpus INTEGER NOT NULL CHECK (vcpus > 0),
	ram_mib INTEGER NOT NULL CHECK (ram_mib > 0),
	page_kib INTEGER NOT NULL CHECK (page_kib IN (4, 2048, 1048576)),
	PRIMARY KEY (allocation_id, guest_cell)
) STRICT, WITHOUT ROWID;
CREATE INDEX allocation_cell_host ON allocation_cell (host_id, cell, page_kib, ram_mib);

-- The key is the CPU: none is given twice.
CREATE TABLE allocation_cpu (
	host_id INTEGER NOT NULL REFERENCES host (id),
	cpu INTEGER NOT NULL CHECK (cpu >= 0),
	allocation_id INTEGER NOT NULL REFERENCES allocation (id),
	vcpu INTEGER CHECK (vcpu >= 0), -- null: it stays idle, as a thread of a core whose other thread is the server's alone
	PRIMARY KEY (host_id, cpu)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX allocation_cpu_allocation ON allocation_cpu (allocation_id, vcpu);

-- A part of a GPU: a partition, which has slots, or a share alone.
CREATE TABLE allocation_part (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE, -- the mediated device's uuid
	device_id INTEGER NOT NULL REFERENCES device (id),
	allocation_id INTEGER NOT NULL REFERENCES allocation (id),
	profile TEXT NOT NULL, -- '' a share alone
	start INTEGER NOT NULL, -- its first slot; -1: a share alone
	slots INTEGER NOT NULL,
	share INTEGER NOT NULL CHECK (share BETWEEN 1 AND 1000),
	guest_cell INTEGER NOT NULL DEFAULT -1,
	CHECK ((start = -1 AND slots = 0) OR (start >= 0 AND slots > 0 AND start + slots <= 32))
) STRICT;
CREATE INDEX allocation_part_allocation ON allocation_part (allocation_id);
CREATE INDEX allocation_part_device ON allocation_part (device_id, share);

-- The key is the slot: none is given twice.
CREATE TABLE allocation_slot (
	device_id INTEGER NOT NULL REFERENCES device (id),
	slot INTEGER NOT NULL CHECK (slot BETWEEN 0 AND 31),
	part_id INTEGER NOT NULL REFERENCES allocation_part (id),
	PRIMARY KEY (device_id, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX allocation_slot_part ON allocation_slot (part_id);
