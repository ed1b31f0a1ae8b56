-- SPDX-License-Identifier: Apache-2.0
-- A filled database of schema 13: a small cloud, with rows in every table that it had.
INSERT INTO meta VALUES ('cloud_id', 'c0000000-0000-4000-8000-000000000001'), ('clean', '1');
UPDATE counter SET value = 5000 WHERE name = 'id';
UPDATE applied SET seq = 77, epoch = 3, schema = 13;
INSERT INTO domain (id, uid, name) VALUES (101, 'domain-two', 'Two');
INSERT INTO project (id, uid, domain_id, parent_id, name, created_us) VALUES
	(110, 'project-a', 1, NULL, 'a', 1700000000000000), (111, 'project-b', 1, 110, 'b', 1700000000000000);
INSERT INTO project_tag VALUES (110, 'gpu');
INSERT INTO user (id, uid, domain_id, name, created_us) VALUES (120, 'user-a', 1, 'alice', 1700000000000000);
INSERT INTO user_group (id, uid, domain_id, name) VALUES (121, 'group-a', 1, 'people');
INSERT INTO user_group_member VALUES (121, 120);
INSERT INTO role_assignment VALUES ('user', 120, 'project', 110, 3, 0);
INSERT INTO application_credential (id, uid, user_id, project_id, name, secret_hash, created_us) VALUES
	(122, 'credential-a', 120, 110, 'ci', zeroblob(32), 1700000000000000);
INSERT INTO application_credential_role VALUES (122, 3);
INSERT INTO access_rule VALUES (123, 'rule-a', 120, 'compute', 'GET', '/v2.1/servers');
INSERT INTO application_credential_rule VALUES (122, 123);
INSERT INTO user_password VALUES (124, 120, 'scrypt$none');
INSERT INTO token (id, hash, user_id, project_id, methods, audit_ids, issued_us, expires_us) VALUES
	(125, randomblob(32), 120, 110, 'password', 'a', 1700000000000000, 1700000100000000);
INSERT INTO host (id, uid, name, uri, zone, pool, vcpu_ratio_milli, ram_ratio_milli, disk_ratio_milli, ram_reserved_mib, created_us,
	inventory_us, vcpus, ram_mib, disk_gib, disk_free_gib) VALUES
	(130, 'host-1', 'n1', 'sim://old1?off=/dev/null', 'nova', 'cloudd', 4000, 1000, 1000, 0, 1700000000000000, 1700000001000000, 32, 131072, 1000, 900),
	(131, 'host-2', 'n2', 'sim://old2?off=/dev/null', 'nova', 'cloudd', 4000, 1000, 1000, 0, 1700000000000000, 1700000001000000, 32, 131072, 1000, 900);
INSERT INTO host_cell (host_id, cell, ram_mib, cpus, cpu_list) VALUES (130, 0, 131072, 32, '0;1;2;3');
UPDATE host SET dedicated_cpus = '2-3' WHERE id = 130;
INSERT INTO host_trait VALUES (130, 'CUSTOM_NVME');
INSERT INTO device (id, uid, host_id, address, vendor_id, product_id, vendor, product, model, numa_cell, iommu_group, driver) VALUES
	(140, 'gpu-1', 130, '0000:10:00.0', 4318, 8368, 'NVIDIA', 'A100', 'a100', 0, 1, 'vfio-pci'),
	(141, 'gpu-2', 130, '0000:11:00.0', 4318, 8368, 'NVIDIA', 'A100', 'a100', 0, 2, 'vfio-pci'),
	(142, 'gpu-3', 131, '0000:10:00.0', 4318, 8368, 'NVIDIA', 'A100', 'a100', -1, 1, 'vfio-pci');
INSERT INTO image (id, uid, project_id, name, status, visibility, disk_format, container_format, size, virtual_size, checksum, sha512,
	created_us, updated_us) VALUES
	(150, 'image-a', 110, 'debian', 'active', 'public', 'qcow2', 'bare', 1048576, 1048576, 'x', 'y', 1700000000000000, 1700000000000000);
INSERT INTO image_property VALUES (150, 'os', 'linux');
INSERT INTO image_tag VALUES (150, 'stable');
INSERT INTO image_member VALUES (150, 111, 'accepted', 1700000000000000, 1700000000000000);
INSERT INTO image_task VALUES (151, 'task-a', 150, 'user-a', 'req-1', 'web-download', 'https://x/y', 'success', '', 1700000000000000,
	1700000000000000, 1700000100000000);
INSERT INTO host_image VALUES (152, 130, 150, 'ready', NULL, 1700000000000000);
INSERT INTO network (id, uid, name, shared, mtu, source_kind, source, created_us, updated_us) VALUES
	(160, 'network-a', 'public', 1, 1500, 'network', 'sim', 1700000000000000, 1700000000000000);
INSERT INTO subnet (id, uid, network_id, name, cidr_base, cidr_bits, gateway, pool_first, pool_last, cursor, created_us, updated_us) VALUES
	(161, 'subnet-a', 160, 'public', 167772160, 24, 167772161, 167772170, 167772400, 167772170, 1700000000000000, 1700000000000000);
INSERT INTO flavor (id, uid, name, vcpus, ram_mib, disk_gib, created_us) VALUES
	(170, '1', 'small', 2, 4096, 20, 1700000000000000), (171, '2', 'gpu', 4, 8192, 40, 1700000000000000);
INSERT INTO flavor_extra VALUES (171, 'pci_passthrough:alias', 'a100:1');
INSERT INTO flavor_access VALUES (171, 110);
INSERT INTO keypair VALUES (172, 120, 'key', 'ssh', 'ssh-ed25519 AAAA', 'aa:bb', 1700000000000000);
INSERT INTO server (id, uid, project_id, user_uid, name, hostname, vm_state, power_state, host_id, epoch, flavor_uid, flavor_name, vcpus,
	ram_mib, disk_gib, extra_specs, image_id, root_image_id, zone, reservation_id, created_us, updated_us, launched_us) VALUES
	(200, '20000000-0000-4000-8000-000000000200', 110, 'user-a', 'plain', 'plain', 'active', 1, 130, 1, '1', 'small', 2, 4096, 20, '{}',
		150, 150, 'nova', 'r-1', 1700000000000000, 1700000000000000, 1700000000000000),
	(201, '20000000-0000-4000-8000-000000000201', 110, 'user-a', 'gpu', 'gpu', 'stopped', 4, 130, 2, '2', 'gpu', 4, 8192, 40,
		'{"pci_passthrough:alias": "a100:1"}', 150, 150, 'nova', 'r-2', 1700000000000000, 1700000000000000, 1700000000000000),
	(202, '20000000-0000-4000-8000-000000000202', 111, 'user-a', 'pinned', 'pinned', 'active', 1, 130, 1, '3', 'pinned', 2, 2048, 10,
		'{"hw:cpu_policy": "dedicated"}', 150, 150, 'nova', 'r-3', 1700000000000000, 1700000000000000, 1700000000000000);
INSERT INTO server (id, uid, project_id, user_uid, name, hostname, vm_state, flavor_uid, flavor_name, vcpus, ram_mib, disk_gib,
	reservation_id, created_us, updated_us, terminated_us, deleted_us) VALUES
	(203, '20000000-0000-4000-8000-000000000203', 110, 'user-a', 'gone', 'gone', 'deleted', '1', 'small', 2, 4096, 20, 'r-4',
		1700000000000000, 1700000050000000, 1700000050000000, 1700000050000000);
UPDATE server SET task_state = 'powering-on' WHERE id = 201;
INSERT INTO server_metadata VALUES (200, 'role', 'web');
INSERT INTO server_tag VALUES (200, 'prod');
INSERT INTO server_action VALUES (210, 200, 'create', 'req-2', 'user-a', 'project-a', 1700000000000000, 1700000001000000, NULL);
INSERT INTO server_group VALUES (211, 'servergroup-a', 110, 'user-a', 'together', 'soft-affinity', 0, 1700000000000000);
INSERT INTO server_group_member VALUES (200, 211);
INSERT INTO server_hint VALUES (201, 'same_host', 200);
INSERT INTO allocation (id, server_id, host_id, vcpus, ram_mib, disk_gib, float_vcpus, float_ram_mib) VALUES
	(200, 200, 130, 2, 4096, 20, 2, 4096), (201, 201, 130, 4, 8192, 40, 4, 8192), (202, 202, 130, 2, 2048, 10, 0, 2048);
INSERT INTO allocation_device VALUES (140, 201, -1);
INSERT INTO allocation_cell VALUES (202, 0, 130, 0, 2, 2048, 4);
INSERT INTO allocation_cpu VALUES (130, 2, 202, 0), (130, 3, 202, 1);
INSERT INTO port (id, uid, network_id, project_id, server_id, mac, created_us, updated_us) VALUES
	(220, 'port-a', 160, 110, 200, 'fa:16:3e:00:00:01', 1700000000000000, 1700000000000000),
	(221, 'port-b', 160, 110, 201, 'fa:16:3e:00:00:02', 1700000000000000, 1700000000000000),
	(222, 'port-c', 160, 111, 202, 'fa:16:3e:00:00:03', 1700000000000000, 1700000000000000);
INSERT INTO port_address VALUES (161, 167772171, 220), (161, 167772172, 221), (161, 167772173, 222);
INSERT INTO quota VALUES (110, 'cores', 100);
INSERT INTO quota_default VALUES ('instances', 50);
INSERT INTO usage VALUES
	(230, 110, 200, 'active', 2, 4096, 20, 0, 1700000000000000, NULL),
	(231, 110, 201, 'active', 4, 8192, 40, 1, 1700000000000000, 1700000020000000),
	(232, 110, 201, 'stopped', 4, 8192, 40, 1, 1700000020000000, NULL),
	(233, 111, 202, 'active', 2, 2048, 10, 0, 1700000000000000, NULL),
	(234, 110, 203, 'active', 2, 4096, 20, 0, 1700000000000000, 1700000050000000);
INSERT INTO migration (id, uid, server_id, kind, status, source_host_id, dest_host_id, source_host, dest_host, flavor_uid, flavor_name,
	vcpus, ram_mib, disk_gib, ephemeral_gib, swap_mib, extra_specs, old_flavor_id, new_flavor_id, was_off, user_uid, project_uid,
	created_us, updated_us, ended_us) VALUES
	(240, 'migration-a', 201, 'migration', 'confirmed', 131, 130, 'n2', 'n1', '2', 'gpu', 4, 8192, 40, 0, 0, '{}', 171, 171, 1,
		'user-a', 'project-a', 1700000010000000, 1700000020000000, 1700000020000000);
INSERT INTO aggregate VALUES (250, 'aggregate-a', 'fast', 1700000000000000, 0);
INSERT INTO aggregate_host VALUES (250, 130);
INSERT INTO aggregate_metadata VALUES (250, 'ssd', 'true');
INSERT INTO request VALUES (251, 110, zeroblob(32), zeroblob(32), zeroblob(4), 1700000100000000);
INSERT INTO catalog_region VALUES (252, 'Region2', '', NULL, '{}');
INSERT INTO catalog_service VALUES (253, 'service-a', 'backup', 'b', NULL, 1, '{}');
INSERT INTO catalog_endpoint VALUES (254, 'endpoint-a', 'service-a', 'Region2', 'public', 'https://b', 1, '{}');
INSERT INTO block (id, uid, kind, name, project_id, model, gpus, start_us, end_us, state, created_us, updated_us) VALUES
	(260, 'block-a', 'capacity', 'training', 110, 'a100', 1, 4000000000000000, 4000000100000000, 'planned', 1700000000000000,
		1700000000000000);
INSERT INTO block (id, uid, kind, name, start_us, end_us, state, created_us, updated_us) VALUES
	(261, 'block-b', 'maintenance', 'firmware', 1700000000000000, 1700000100000000, 'ended', 1700000000000000, 1700000000000000);
INSERT INTO block_device VALUES (260, 142);
INSERT INTO block_host VALUES (261, 131, 0);
INSERT INTO decision VALUES (270, 1700000000000000, 'mix', 0, '', '', '{}', '', '');
INSERT INTO audit VALUES
	(280, 1700000000000000, 'req-1', 'user-a', 'alice', 'project-a', '192.0.2.1', 'POST', '/servers', 'server.create',
		'20000000-0000-4000-8000-000000000200', 202, NULL),
	(281, 1700000001000000, 'req-2', NULL, NULL, NULL, '192.0.2.2', 'POST', '/servers', 'server.create', NULL, 401, 'no token');
INSERT INTO flow (id, kind, subject_kind, subject_id, step, state, run_at_us, deadline_us, request_id, created_us) VALUES
	(290, 'server_start', 'server', 201, 'spawn', 'stuck', 1700000000000000, 1700000000000000, 'req-3', 1700000000000000);
