-- SPDX-License-Identifier: Apache-2.0
-- The first schema. Every table is STRICT with an explicit key; keys are integers from one sequence (counter 'id'), the ids
-- that clients see are in unique indexes. Times are microseconds since 1970 UTC (_us). No clock, no random(), no triggers,
-- no cascades: what goes with what is written in the code that removes it.

CREATE TABLE meta (
	key TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE counter (
	name TEXT NOT NULL PRIMARY KEY,
	value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counter VALUES ('id', 100);

-- Counted by each tick that wrote: where a replicated log would continue.
CREATE TABLE applied (
	one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
	seq INTEGER NOT NULL,
	epoch INTEGER NOT NULL,
	schema INTEGER NOT NULL,
	prev INTEGER NOT NULL
) STRICT;
INSERT INTO applied VALUES (1, 0, 0, 1, 0);

-- ---------------------------------------------------------------- identity

CREATE TABLE domain (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL COLLATE NOCASE UNIQUE,
	description TEXT NOT NULL DEFAULT '',
	enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
	extra TEXT NOT NULL DEFAULT '{}'
) STRICT;
INSERT INTO domain (id, uid, name, description) VALUES (1, 'default', 'Default', 'The default domain');

CREATE TABLE project (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	domain_id INTEGER NOT NULL REFERENCES domain (id),
	parent_id INTEGER REFERENCES project (id),
	name TEXT NOT NULL COLLATE NOCASE,
	description TEXT NOT NULL DEFAULT '',
	enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
	extra TEXT NOT NULL DEFAULT '{}',
	created_us INTEGER NOT NULL,
	UNIQUE (domain_id, name)
) STRICT;
CREATE INDEX project_parent ON project (parent_id);

CREATE TABLE project_tag (
	project_id INTEGER NOT NULL REFERENCES project (id),
	tag TEXT NOT NULL,
	PRIMARY KEY (project_id, tag)
) STRICT, WITHOUT ROWID;

CREATE TABLE user (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	domain_id INTEGER NOT NULL REFERENCES domain (id),
	name TEXT NOT NULL COLLATE NOCASE,
	description TEXT,
	email TEXT,
	enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
	default_project_uid TEXT,
	password_hash TEXT,
	password_changed_us INTEGER,
	password_expires_us INTEGER,
	failures INTEGER NOT NULL DEFAULT 0,
	locked_until_us INTEGER NOT NULL DEFAULT 0,
	extra TEXT NOT NULL DEFAULT '{}',
	created_us INTEGER NOT NULL,
	UNIQUE (domain_id, name)
) STRICT;

CREATE TABLE user_group (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	domain_id INTEGER NOT NULL REFERENCES domain (id),
	name TEXT NOT NULL COLLATE NOCASE,
	description TEXT NOT NULL DEFAULT '',
	extra TEXT NOT NULL DEFAULT '{}',
	UNIQUE (domain_id, name)
) STRICT;

CREATE TABLE user_group_member (
	group_id INTEGER NOT NULL REFERENCES user_group (id),
	user_id INTEGER NOT NULL REFERENCES user (id),
	PRIMARY KEY (group_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_group_member_user ON user_group_member (user_id);

CREATE TABLE role (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL COLLATE NOCASE,
	domain_id INTEGER REFERENCES domain (id),
	description TEXT,
	extra TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE UNIQUE INDEX role_name ON role (name, coalesce(domain_id, 0));
-- admin implies member implies reader; the ids are fixed, so that every cloud has them
INSERT INTO role (id, uid, name) VALUES
	(2, 'c10dd000000000000000000000000002', 'admin'),
	(3, 'c10dd000000000000000000000000003', 'member'),
	(4, 'c10dd000000000000000000000000004', 'reader');

CREATE TABLE role_implies (
	prior_id INTEGER NOT NULL REFERENCES role (id),
	implied_id INTEGER NOT NULL REFERENCES role (id),
	PRIMARY KEY (prior_id, implied_id)
) STRICT, WITHOUT ROWID;
INSERT INTO role_implies VALUES (2, 3), (3, 4);

-- actor: user or user_group; target: project, domain, or the system (target_id 0)
CREATE TABLE role_assignment (
	actor_kind TEXT NOT NULL CHECK (actor_kind IN ('user', 'group')),
	actor_id INTEGER NOT NULL,
	target_kind TEXT NOT NULL CHECK (target_kind IN ('project', 'domain', 'system')),
	target_id INTEGER NOT NULL,
	role_id INTEGER NOT NULL REFERENCES role (id),
	inherited INTEGER NOT NULL DEFAULT 0 CHECK (inherited IN (0, 1)),
	PRIMARY KEY (actor_kind, actor_id, target_kind, target_id, role_id, inherited)
) STRICT, WITHOUT ROWID;
CREATE INDEX role_assignment_target ON role_assignment (target_kind, target_id);
CREATE INDEX role_assignment_role ON role_assignment (role_id);

CREATE TABLE application_credential (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	user_id INTEGER NOT NULL REFERENCES user (id),
	project_id INTEGER NOT NULL REFERENCES project (id),
	name TEXT NOT NULL,
	description TEXT,
	secret_hash BLOB NOT NULL, -- SHA-256: the secret is random
	expires_us INTEGER,
	unrestricted INTEGER NOT NULL DEFAULT 0 CHECK (unrestricted IN (0, 1)),
	created_us INTEGER NOT NULL,
	UNIQUE (user_id, name)
) STRICT;
CREATE INDEX application_credential_project ON application_credential (project_id);

CREATE TABLE application_credential_role (
	credential_id INTEGER NOT NULL REFERENCES application_credential (id),
	role_id INTEGER NOT NULL REFERENCES role (id),
	PRIMARY KEY (credential_id, role_id)
) STRICT, WITHOUT ROWID;

-- A live token; revoking deletes the row. The text is kept nowhere: hash is its SHA-256.
CREATE TABLE token (
	id INTEGER NOT NULL PRIMARY KEY,
	hash BLOB NOT NULL UNIQUE,
	user_id INTEGER NOT NULL REFERENCES user (id),
	project_id INTEGER REFERENCES project (id),
	domain_id INTEGER REFERENCES domain (id),
	is_system INTEGER NOT NULL DEFAULT 0 CHECK (is_system IN (0, 1)),
	credential_id INTEGER REFERENCES application_credential (id),
	methods TEXT NOT NULL,
	audit_ids TEXT NOT NULL, -- own, then the parent's: comma between
	issued_us INTEGER NOT NULL,
	expires_us INTEGER NOT NULL,
	CHECK ((project_id IS NOT NULL) + (domain_id IS NOT NULL) + is_system <= 1)
) STRICT;
CREATE INDEX token_project ON token (project_id) WHERE project_id IS NOT NULL;
CREATE INDEX token_credential ON token (credential_id) WHERE credential_id IS NOT NULL;
CREATE INDEX token_user ON token (user_id);
CREATE INDEX token_expires ON token (expires_us);

-- ---------------------------------------------------------------- hosts

CREATE TABLE host (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL UNIQUE,
	uri TEXT NOT NULL UNIQUE,
	zone TEXT NOT NULL,
	pool TEXT NOT NULL,
	accel TEXT NOT NULL DEFAULT 'auto' CHECK (accel IN ('auto', 'kvm', 'qemu')),
	state TEXT NOT NULL DEFAULT 'up' CHECK (state IN ('up', 'draining', 'disabled')),
	state_reason TEXT NOT NULL DEFAULT '',
	vcpu_ratio_milli INTEGER NOT NULL CHECK (vcpu_ratio_milli > 0),
	ram_ratio_milli INTEGER NOT NULL CHECK (ram_ratio_milli > 0),
	disk_ratio_milli INTEGER NOT NULL CHECK (disk_ratio_milli > 0),
	ram_reserved_mib INTEGER NOT NULL CHECK (ram_reserved_mib >= 0),
	created_us INTEGER NOT NULL,
	-- as last read from the host (inventory_us 0: never)
	inventory_us INTEGER NOT NULL DEFAULT 0,
	hv_uuid TEXT NOT NULL DEFAULT '',
	hv_hostname TEXT NOT NULL DEFAULT '',
	hv_type TEXT NOT NULL DEFAULT '',
	hv_version INTEGER NOT NULL DEFAULT 0,
	arch TEXT NOT NULL DEFAULT '',
	cpu_model TEXT NOT NULL DEFAULT '',
	vcpus INTEGER NOT NULL DEFAULT 0,
	cpu_sockets INTEGER NOT NULL DEFAULT 0,
	cpu_cores INTEGER NOT NULL DEFAULT 0,
	cpu_threads INTEGER NOT NULL DEFAULT 0,
	ram_mib INTEGER NOT NULL DEFAULT 0,
	disk_gib INTEGER NOT NULL DEFAULT 0,
	disk_free_gib INTEGER NOT NULL DEFAULT 0,
	kvm INTEGER NOT NULL DEFAULT 0 CHECK (kvm IN (0, 1))
) STRICT;

CREATE TABLE host_cell (
	host_id INTEGER NOT NULL REFERENCES host (id),
	cell INTEGER NOT NULL,
	ram_mib INTEGER NOT NULL,
	cpus INTEGER NOT NULL,
	PRIMARY KEY (host_id, cell)
) STRICT, WITHOUT ROWID;

-- A GPU or accelerator. model: the operator's name for vendor:product ('' unknown: never given to a guest).
CREATE TABLE device (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	host_id INTEGER NOT NULL REFERENCES host (id),
	address TEXT NOT NULL,
	vendor_id INTEGER NOT NULL,
	product_id INTEGER NOT NULL,
	vendor TEXT NOT NULL,
	product TEXT NOT NULL,
	model TEXT NOT NULL,
	numa_cell INTEGER NOT NULL,
	iommu_group INTEGER NOT NULL,
	driver TEXT NOT NULL,
	present INTEGER NOT NULL DEFAULT 1 CHECK (present IN (0, 1)),
	UNIQUE (host_id, address)
) STRICT;

-- ---------------------------------------------------------------- images

CREATE TABLE image (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	project_id INTEGER NOT NULL REFERENCES project (id),
	name TEXT,
	status TEXT NOT NULL CHECK (status IN ('queued', 'saving', 'uploading', 'importing', 'active', 'deactivated', 'killed')),
	visibility TEXT NOT NULL CHECK (visibility IN ('public', 'private', 'shared', 'community')),
	disk_format TEXT,
	container_format TEXT,
	size INTEGER,
	virtual_size INTEGER,
	checksum TEXT,
	sha512 TEXT,
	min_disk_gib INTEGER NOT NULL DEFAULT 0,
	min_ram_mib INTEGER NOT NULL DEFAULT 0,
	protected INTEGER NOT NULL DEFAULT 0 CHECK (protected IN (0, 1)),
	hidden INTEGER NOT NULL DEFAULT 0 CHECK (hidden IN (0, 1)),
	created_us INTEGER NOT NULL,
	updated_us INTEGER NOT NULL,
	deleted_us INTEGER NOT NULL DEFAULT 0 -- kept while servers and hosts still name it
) STRICT;
CREATE INDEX image_project ON image (project_id) WHERE deleted_us = 0;

CREATE TABLE image_property (
	image_id INTEGER NOT NULL REFERENCES image (id),
	key TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (image_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE image_tag (
	image_id INTEGER NOT NULL REFERENCES image (id),
	tag TEXT NOT NULL,
	PRIMARY KEY (image_id, tag)
) STRICT, WITHOUT ROWID;

CREATE TABLE image_member (
	image_id INTEGER NOT NULL REFERENCES image (id),
	project_id INTEGER NOT NULL REFERENCES project (id),
	status TEXT NOT NULL CHECK (status IN ('pending', 'accepted', 'rejected')),
	created_us INTEGER NOT NULL,
	updated_us INTEGER NOT NULL,
	PRIMARY KEY (image_id, project_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_member_project ON image_member (project_id);

-- The image as a volume of a host's pool; the staging flow's subject is id.
CREATE TABLE host_image (
	id INTEGER NOT NULL PRIMARY KEY,
	host_id INTEGER NOT NULL REFERENCES host (id),
	image_id INTEGER NOT NULL REFERENCES image (id),
	state TEXT NOT NULL CHECK (state IN ('staging', 'ready', 'error')),
	error TEXT,
	staged_us INTEGER,
	UNIQUE (host_id, image_id)
) STRICT;
CREATE INDEX host_image_image ON host_image (image_id);

-- ---------------------------------------------------------------- networks

CREATE TABLE network (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	project_id INTEGER REFERENCES project (id), -- null: the provider's
	name TEXT NOT NULL,
	description TEXT NOT NULL DEFAULT '',
	shared INTEGER NOT NULL CHECK (shared IN (0, 1)),
	external INTEGER NOT NULL DEFAULT 0 CHECK (external IN (0, 1)),
	mtu INTEGER NOT NULL,
	source_kind TEXT NOT NULL CHECK (source_kind IN ('network', 'bridge')), -- of the hosts
	source TEXT NOT NULL,
	created_us INTEGER NOT NULL,
	updated_us INTEGER NOT NULL
) STRICT;

-- IPv4 addresses are integers in host order; cursor: the address given last, so that a freed one rests.
CREATE TABLE subnet (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	network_id INTEGER NOT NULL REFERENCES network (id),
	name TEXT NOT NULL,
	cidr_base INTEGER NOT NULL,
	cidr_bits INTEGER NOT NULL CHECK (cidr_bits BETWEEN 1 AND 32),
	gateway INTEGER,
	pool_first INTEGER NOT NULL,
	pool_last INTEGER NOT NULL CHECK (pool_last >= pool_first),
	cursor INTEGER NOT NULL,
	dhcp INTEGER NOT NULL DEFAULT 0 CHECK (dhcp IN (0, 1)),
	dns TEXT NOT NULL DEFAULT '', -- addresses, comma between
	created_us INTEGER NOT NULL,
	updated_us INTEGER NOT NULL
) STRICT;
CREATE INDEX subnet_network ON subnet (network_id);

CREATE TABLE port (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	network_id INTEGER NOT NULL REFERENCES network (id),
	project_id INTEGER NOT NULL REFERENCES project (id),
	server_id INTEGER, -- the server that holds it
	name TEXT NOT NULL DEFAULT '',
	mac TEXT NOT NULL,
	admin_up INTEGER NOT NULL DEFAULT 1 CHECK (admin_up IN (0, 1)),
	own INTEGER NOT NULL DEFAULT 1 CHECK (own IN (0, 1)), -- made for the server and removed with it
	created_us INTEGER NOT NULL,
	updated_us INTEGER NOT NULL,
	UNIQUE (network_id, mac)
) STRICT;
CREATE INDEX port_server ON port (server_id);
CREATE INDEX port_project ON port (project_id);

CREATE TABLE port_address (
	subnet_id INTEGER NOT NULL REFERENCES subnet (id),
	address INTEGER NOT NULL,
	port_id INTEGER NOT NULL REFERENCES port (id),
	PRIMARY KEY (subnet_id, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX port_address_port ON port_address (port_id);

-- ---------------------------------------------------------------- compute

CREATE TABLE flavor (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL UNIQUE,
	vcpus INTEGER NOT NULL CHECK (vcpus >= 1),
	ram_mib INTEGER NOT NULL CHECK (ram_mib >= 1),
	disk_gib INTEGER NOT NULL CHECK (disk_gib >= 0),
	ephemeral_gib INTEGER NOT NULL DEFAULT 0,
	swap_mib INTEGER NOT NULL DEFAULT 0,
	rxtx_factor REAL NOT NULL DEFAULT 1.0,
	is_public INTEGER NOT NULL DEFAULT 1 CHECK (is_public IN (0, 1)),
	disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
	description TEXT,
	created_us INTEGER NOT NULL
) STRICT;

CREATE TABLE flavor_extra (
	flavor_id INTEGER NOT NULL REFERENCES flavor (id),
	key TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (flavor_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE flavor_access (
	flavor_id INTEGER NOT NULL REFERENCES flavor (id),
	project_id INTEGER NOT NULL REFERENCES project (id),
	PRIMARY KEY (flavor_id, project_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX flavor_access_project ON flavor_access (project_id);

CREATE TABLE keypair (
	id INTEGER NOT NULL PRIMARY KEY,
	user_id INTEGER NOT NULL REFERENCES user (id),
	name TEXT NOT NULL,
	type TEXT NOT NULL CHECK (type IN ('ssh', 'x509')),
	public_key TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	created_us INTEGER NOT NULL,
	UNIQUE (user_id, name)
) STRICT;

-- The flavor and the key are kept as they were when the server was made. deleted_us 0: live.
CREATE TABLE server (
	id INTEGER NOT NULL PRIMARY KEY, -- the domain's name is instance-%08x of it
	uid TEXT NOT NULL UNIQUE,        -- and its uuid is this
	project_id INTEGER NOT NULL REFERENCES project (id),
	user_uid TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT,
	hostname TEXT NOT NULL,
	vm_state TEXT NOT NULL,
	task_state TEXT, -- null: none
	power_state INTEGER NOT NULL DEFAULT 0,
	power_seen_us INTEGER NOT NULL DEFAULT 0, -- when the power was last observed
	power_seen_epoch INTEGER NOT NULL DEFAULT 0, -- over which connection of the host
	host_id INTEGER REFERENCES host (id),
	epoch INTEGER NOT NULL DEFAULT 0, -- of the last start; grows; also in the domain's mark
	want_delete INTEGER NOT NULL DEFAULT 0 CHECK (want_delete IN (0, 1)),
	flavor_uid TEXT NOT NULL,
	flavor_name TEXT NOT NULL,
	vcpus INTEGER NOT NULL,
	ram_mib INTEGER NOT NULL,
	disk_gib INTEGER NOT NULL,
	ephemeral_gib INTEGER NOT NULL DEFAULT 0,
	swap_mib INTEGER NOT NULL DEFAULT 0,
	extra_specs TEXT NOT NULL DEFAULT '{}', -- JSON, as the flavor's were
	image_id INTEGER REFERENCES image (id),
	key_name TEXT,
	key_type TEXT,
	key_public TEXT,
	user_data TEXT, -- base64, as it came
	config_drive INTEGER NOT NULL DEFAULT 0 CHECK (config_drive IN (0, 1)),
	admin_pass TEXT, -- until the config drive is written
	zone TEXT NOT NULL DEFAULT '',
	access_ipv4 TEXT NOT NULL DEFAULT '',
	access_ipv6 TEXT NOT NULL DEFAULT '',
	disk_config TEXT NOT NULL DEFAULT 'MANUAL' CHECK (disk_config IN ('AUTO', 'MANUAL')),
	locked INTEGER NOT NULL DEFAULT 0 CHECK (locked IN (0, 1)),
	locked_reason TEXT,
	reservation_id TEXT NOT NULL,
	launch_index INTEGER NOT NULL DEFAULT 0,
	fault_code INTEGER NOT NULL DEFAULT 0,
	fault_message TEXT,
	fault_details TEXT,
	fault_us INTEGER,
	created_us INTEGER NOT NULL,
	updated_us INTEGER NOT NULL,
	launched_us INTEGER,
	terminated_us INTEGER,
	deleted_us INTEGER NOT NULL DEFAULT 0,
	generation INTEGER NOT NULL DEFAULT 1 -- counts changes of the row, for guarded updates and caches
) STRICT;
CREATE INDEX server_project ON server (project_id, created_us) WHERE deleted_us = 0;
CREATE INDEX server_host ON server (host_id) WHERE deleted_us = 0;
CREATE INDEX server_image ON server (image_id) WHERE deleted_us = 0;

CREATE TABLE server_metadata (
	server_id INTEGER NOT NULL REFERENCES server (id),
	key TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (server_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE server_tag (
	server_id INTEGER NOT NULL REFERENCES server (id),
	tag TEXT NOT NULL,
	PRIMARY KEY (server_id, tag)
) STRICT, WITHOUT ROWID;

-- os-instance-actions
CREATE TABLE server_action (
	id INTEGER NOT NULL PRIMARY KEY,
	server_id INTEGER NOT NULL REFERENCES server (id),
	action TEXT NOT NULL,
	request_id TEXT NOT NULL,
	user_uid TEXT NOT NULL,
	project_uid TEXT NOT NULL,
	start_us INTEGER NOT NULL,
	finish_us INTEGER,
	message TEXT -- null: well; else what went wrong
) STRICT;
CREATE INDEX server_action_server ON server_action (server_id);

-- What a server holds of a host. One row while it holds anything.
CREATE TABLE allocation (
	server_id INTEGER NOT NULL PRIMARY KEY REFERENCES server (id),
	host_id INTEGER NOT NULL REFERENCES host (id),
	vcpus INTEGER NOT NULL CHECK (vcpus > 0),
	ram_mib INTEGER NOT NULL CHECK (ram_mib > 0),
	disk_gib INTEGER NOT NULL CHECK (disk_gib >= 0)
) STRICT;
CREATE INDEX allocation_host ON allocation (host_id, vcpus, ram_mib, disk_gib);

-- The key is the device: no GPU is given twice.
CREATE TABLE allocation_device (
	device_id INTEGER NOT NULL PRIMARY KEY REFERENCES device (id),
	server_id INTEGER NOT NULL REFERENCES allocation (server_id)
) STRICT;
CREATE INDEX allocation_device_server ON allocation_device (server_id);

-- ---------------------------------------------------------------- quota, usage, flows, audit

CREATE TABLE quota (
	project_id INTEGER NOT NULL REFERENCES project (id),
	resource TEXT NOT NULL,
	hard_limit INTEGER NOT NULL CHECK (hard_limit >= -1),
	PRIMARY KEY (project_id, resource)
) STRICT, WITHOUT ROWID;

-- A server's life in half-open intervals [started_us, ended_us) by state, without gaps; open: ended_us null.
-- state: building, active, paused, stopped, error
CREATE TABLE usage (
	id INTEGER NOT NULL PRIMARY KEY,
	project_id INTEGER NOT NULL REFERENCES project (id),
	server_id INTEGER NOT NULL REFERENCES server (id),
	state TEXT NOT NULL,
	vcpus INTEGER NOT NULL,
	ram_mib INTEGER NOT NULL,
	disk_gib INTEGER NOT NULL,
	gpus INTEGER NOT NULL,
	started_us INTEGER NOT NULL,
	ended_us INTEGER CHECK (ended_us >= started_us)
) STRICT;
CREATE UNIQUE INDEX usage_open ON usage (server_id) WHERE ended_us IS NULL;
CREATE INDEX usage_project ON usage (project_id, started_us);

-- Work that outlives a request. One flow a subject: the unique key is the 409.
CREATE TABLE flow (
	id INTEGER NOT NULL PRIMARY KEY,
	kind TEXT NOT NULL,
	subject_kind TEXT NOT NULL, -- server, host_image
	subject_id INTEGER NOT NULL,
	step TEXT NOT NULL,
	state TEXT NOT NULL CHECK (state IN ('ready', 'waiting', 'stuck')),
	tries INTEGER NOT NULL DEFAULT 0,
	run_at_us INTEGER NOT NULL,
	deadline_us INTEGER NOT NULL,
	last_error TEXT,
	action_id INTEGER, -- server_action to finish
	request_id TEXT NOT NULL,
	created_us INTEGER NOT NULL,
	UNIQUE (subject_kind, subject_id)
) STRICT;

CREATE TABLE audit (
	id INTEGER NOT NULL PRIMARY KEY,
	at_us INTEGER NOT NULL,
	request_id TEXT NOT NULL,
	user_uid TEXT, -- null: nobody was known
	user_name TEXT,
	project_uid TEXT,
	peer TEXT NOT NULL,
	method TEXT NOT NULL,
	path TEXT NOT NULL,
	action TEXT NOT NULL, -- the route's name, with the action's where there is one
	target TEXT,
	status INTEGER NOT NULL,
	reason TEXT
) STRICT;
CREATE INDEX audit_at ON audit (at_us);
