-- SPDX-License-Identifier: Apache-2.0
-- The way of a GPU from one server to the next: a row while it is on it, and a record of each way that is over.

-- A device whose custody is reset. What it was when it was given back is what it has to be after its reset.
CREATE TABLE device_custody (
	device_id INTEGER NOT NULL PRIMARY KEY REFERENCES device (id),
	server_uid TEXT NOT NULL, -- who had it; '' nobody: it came back to its host, or an operator wants it reset
	project_uid TEXT NOT NULL,
	by_operator INTEGER NOT NULL CHECK (by_operator IN (0, 1)), -- 1: no flow resets it, "gpu clear" is awaited
	vendor_id INTEGER NOT NULL,
	product_id INTEGER NOT NULL,
	numa_cell INTEGER NOT NULL,
	iommu_group INTEGER NOT NULL,
	released_us INTEGER NOT NULL,
	reset_us INTEGER NOT NULL DEFAULT 0 CHECK (reset_us = 0 OR reset_us >= released_us) -- 0: not yet
) STRICT;

INSERT INTO device_custody (device_id, server_uid, project_uid, by_operator, vendor_id, product_id, numa_cell, iommu_group,
	released_us) SELECT id, '', '', 1, vendor_id, product_id, numa_cell, iommu_group, 0 FROM device WHERE custody = 'reset';

-- Only ever added to; what is older than the audit is kept goes with it. Names, since hosts and devices go.
CREATE TABLE custody_record (
	id INTEGER NOT NULL PRIMARY KEY,
	device_uid TEXT NOT NULL,
	host TEXT NOT NULL,
	address TEXT NOT NULL,
	model TEXT NOT NULL,
	part TEXT NOT NULL, -- the mediated device's profile; '' all of it
	server_uid TEXT NOT NULL, -- who had it; '' nobody
	project_uid TEXT NOT NULL,
	released_us INTEGER NOT NULL,
	reset_us INTEGER NOT NULL CHECK (reset_us = 0 OR reset_us >= released_us), -- 0: it was not
	verified_us INTEGER NOT NULL CHECK (verified_us = 0 OR (reset_us > 0 AND verified_us >= reset_us)),
	ended_us INTEGER NOT NULL CHECK (ended_us >= released_us AND ended_us >= reset_us AND ended_us >= verified_us),
	result TEXT NOT NULL CHECK (result = 'clean' OR result = 'cleared' OR result = 'quarantined'), -- cleared: by an operator's word
	words TEXT NOT NULL,
	CHECK (result != 'clean' OR verified_us > 0)
) STRICT;
CREATE INDEX custody_record_device ON custody_record (device_uid, id);
CREATE INDEX custody_record_ended ON custody_record (ended_us);
