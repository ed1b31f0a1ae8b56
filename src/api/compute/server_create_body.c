/* SPDX-License-Identifier: Apache-2.0 */
#include "api/compute/server_create_body.h"

#include "api/compute/server_body.h"
#include "base/util.h"

/* --- networks */

static const struct bind_field nic_fields[] = {
	BIND(server_nic_body, network, "uuid", BIND_STR, 0, 1, 64),
	BIND(server_nic_body, port, "port", BIND_STR, 0, 1, 64),
	BIND(server_nic_body, fixed_ip, "fixed_ip", BIND_STR, 0, 1, 64),
	BIND(server_nic_body, tag, "tag", BIND_STR, 0, 1, 60),
};

static const struct bind_table nic_table = { BIND_TABLE(server_nic_body, nic_fields) };
static const struct bind_field nic_item = { .type = BIND_OBJ, .table = &nic_table };
static const char *const network_words[] = { "auto", "none", NULL };

/* --- block devices */

#define OTHER(json_name, since_)                                          \
	{                                                                 \
		.name = (json_name), .type = BIND_ANY, .since = (since_), \
		.offset = offsetof(struct server_device_body, other)      \
	}

static const struct bind_field device_fields[] = {
	BIND(server_device_body, uuid, "uuid", BIND_STR, 0, 1, 64),
	BIND(server_device_body, source, "source_type", BIND_STR, 0, 1, 32),
	BIND(server_device_body, destination, "destination_type", BIND_STR, 0, 1, 32),
	{ .name = "boot_index",
		.type = BIND_INT,
		.offset = offsetof(struct server_device_body, boot_index),
		.min = -1,
		.max = 255,
		.absent = -1 },
	{ .name = "delete_on_termination",
		.type = BIND_BOOL,
		.offset = offsetof(struct server_device_body, delete_on_termination),
		.flags = BIND_LOOSE,
		.absent = true },
	OTHER("volume_size", 0),
	OTHER("volume_type", 67),
	OTHER("device_name", 0),
	OTHER("device_type", 0),
	OTHER("disk_bus", 0),
	OTHER("guest_format", 0),
	OTHER("no_device", 0),
	OTHER("tag", 32),
};

#undef OTHER

static const struct bind_table device_table = { BIND_TABLE(server_device_body, device_fields) };
static const struct bind_field device_item = { .type = BIND_OBJ, .table = &device_table };

/* --- security groups */

static const struct bind_field group_fields[] = {
	BIND(server_group_name, name, "name", BIND_STR, BIND_REQUIRED, 1, 255),
};

static const struct bind_table group_table = { BIND_TABLE(server_group_name, group_fields) };
static const struct bind_field group_item = { .type = BIND_OBJ, .table = &group_table };

/* --- the server */

#define AT(member) .offset = offsetof(struct server_create_args, member)
#define TEXT(member, json_name, flags_, lo, hi)                                                    \
	{                                                                                          \
		.name = (json_name), .type = BIND_STR, AT(member), .flags = (flags_), .min = (lo), \
		.max = (hi)                                                                        \
	}
#define LATER(member, json_name, hi, since_)                                                      \
	{                                                                                         \
		.name = (json_name), .type = BIND_STR, AT(member), .max = (hi), .since = (since_) \
	}
#define LIST(member, json_name, item_)                                               \
	{                                                                            \
		.name = (json_name), .type = BIND_ARR, AT(member), .items = &(item_) \
	}

static const struct bind_field server_fields[] = {
	/* clang-format off */
	TEXT(name, "name", BIND_REQUIRED, 1, 255),
	TEXT(image, "imageRef", 0, 0, 255),
	TEXT(flavor, "flavorRef", BIND_REQUIRED | BIND_LOOSE, 1, 1024),
	TEXT(key_name, "key_name", 0, 1, 255),
	TEXT(zone, "availability_zone", 0, 1, 255),
	TEXT(admin_pass, "adminPass", 0, 1, 255),
	TEXT(user_data, "user_data", 0, 0, SERVER_USER_DATA_MAX),
	{ .name = "OS-DCF:diskConfig", .type = BIND_STR, AT(disk_config), .words = server_disk_configs },
	TEXT(access_ipv4, "accessIPv4", 0, 0, 64),
	TEXT(access_ipv6, "accessIPv6", 0, 0, 64),
	{ .name = "networks", .type = BIND_ARR, AT(networks), .max = SERVER_NICS_MAX, .items = &nic_item },
	{ .name = "networks", .type = BIND_STR, AT(networks_word), .since = 37, .words = network_words },
	LIST(groups, "security_groups", group_item),
	{ .name = "metadata", .type = BIND_OBJ, AT(metadata), .flags = BIND_JSON, .table = &server_metadata_table },
	LIST(devices, "block_device_mapping_v2", device_item),
	{ .name = "block_device_mapping", .type = BIND_ARR, AT(bdm) },
	{ .name = "config_drive", .type = BIND_BOOL, AT(config_drive), .flags = BIND_LOOSE },
	{ .name = "return_reservation_id", .type = BIND_BOOL, AT(return_reservation), .flags = BIND_LOOSE },
	{ .name = "min_count", .type = BIND_INT, AT(min_count), .min = 1, .max = SERVERS_MAX, .absent = 1 },
	{ .name = "max_count", .type = BIND_INT, AT(max_count), .min = 1, .max = SERVERS_MAX },
	{ .name = "personality", .type = BIND_ARR, AT(personality), .until = 56 },
	LATER(description, "description", 255, 19),
	{ .name = "tags", .type = BIND_ARR, AT(tags), .flags = BIND_JSON, .max = SERVER_TAGS_MAX, .since = 52,
		.items = &server_tag_item },
	{ .name = "trusted_image_certificates", .type = BIND_ARR, AT(certificates), .since = 63 },
	LATER(host, "host", 255, 74),
	LATER(hypervisor, "hypervisor_hostname", 255, 74),
	LATER(hostname, "hostname", 63, 90),
	/* clang-format on */
};

#undef AT
#undef TEXT
#undef LATER
#undef LIST

static const struct bind_table server_table = { BIND_TABLE(server_create_args, server_fields) };

/* --- the body */

static const struct bind_field fields[] = {
	{ .name = "server",
		.type = BIND_OBJ,
		.offset = offsetof(struct server_create_body, server),
		.flags = BIND_REQUIRED,
		.table = &server_table },
	{ .name = "os:scheduler_hints",
		.type = BIND_OBJ,
		.offset = offsetof(struct server_create_body, hints),
		.table = &server_hints_table },
	{ .name = "OS-SCH-HNT:scheduler_hints",
		.type = BIND_OBJ,
		.offset = offsetof(struct server_create_body, hints_older),
		.table = &server_hints_table },
};

const struct bind_table compute_server_create_body = { BIND_TABLE(server_create_body, fields) };
