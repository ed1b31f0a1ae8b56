-- SPDX-License-Identifier: Apache-2.0
-- What hosts are made of: where they stand, which of their CPUs are for servers with dedicated ones, their huge pages, how
-- their GPUs are tied together and cut, and in which state each GPU is.

ALTER TABLE host ADD COLUMN rack TEXT NOT NULL DEFAULT ''; -- operator's labels; '' not known
ALTER TABLE host ADD COLUMN fabric TEXT NOT NULL DEFAULT '';
ALTER TABLE host ADD COLUMN dedicated_cpus TEXT NOT NULL DEFAULT ''; -- operator's: "2-15,34-47"
ALTER TABLE host ADD COLUMN disk_reserved_gib INTEGER NOT NULL DEFAULT 0 CHECK (disk_reserved_gib >= 0);
ALTER TABLE host ADD COLUMN gpu_links TEXT NOT NULL DEFAULT 'auto'; -- auto (by product), none, or sets by index: "0-7;0-3;4-7;0,1"
ALTER TABLE host ADD COLUMN cpu_features TEXT NOT NULL DEFAULT ''; -- as read; blanks between

ALTER TABLE host_cell ADD COLUMN cpu_list TEXT NOT NULL DEFAULT ''; -- as read: "0,32;1,33;..": threads of a core, cores
ALTER TABLE host_cell ADD COLUMN pages_2m INTEGER NOT NULL DEFAULT 0;
ALTER TABLE host_cell ADD COLUMN pages_1g INTEGER NOT NULL DEFAULT 0;

-- Operator's traits (CUSTOM_...); those of the CPU are derived from its features.
CREATE TABLE host_trait (
	host_id INTEGER NOT NULL REFERENCES host (id),
	trait TEXT NOT NULL,
	PRIMARY KEY (host_id, trait)
) STRICT, WITHOUT ROWID;

ALTER TABLE device ADD COLUMN memory_mib INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device ADD COLUMN health TEXT NOT NULL DEFAULT 'ok' CHECK (health IN ('ok', 'faulty'));
-- clean, or held by a server; reset: to be reset before anyone gets it; quarantined: by an operator, or a reset that failed
ALTER TABLE device ADD COLUMN custody TEXT NOT NULL DEFAULT 'clean' CHECK (custody IN ('clean', 'reset', 'quarantined'));
ALTER TABLE device ADD COLUMN custody_reason TEXT NOT NULL DEFAULT '';
-- whole: given by passthrough; mdev: in mediated devices of the types below; else a geometry's name: in partitions of it
ALTER TABLE device ADD COLUMN cut TEXT NOT NULL DEFAULT 'whole';
-- as read: other functions of its IOMMU group that go with it, and types of mediated devices with how many can be made
ALTER TABLE device ADD COLUMN companions TEXT NOT NULL DEFAULT ''; -- "0000:65:00.1,0000:65:00.2"
ALTER TABLE device ADD COLUMN mdev_types TEXT NOT NULL DEFAULT ''; -- "nvidia-474=7:NVIDIA A100-1-5C;nvidia-475=3:..."
