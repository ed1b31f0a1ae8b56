/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, and how their answers are shown. */
#include "cloudctl/ctl.h"

#include "base/util.h"

#define OPERATOR "/cloud/v1"
#define IDENTITY "/identity/v3"
#define COMPUTE "/compute/v2.1"

const struct option global_options[] = {
	{ "output", "table|json|value", "How answers are shown; json is the API's own. Short: -o", 0, NULL },
	{ "column", "COLUMN", "Show this column only. Short: -c", OPT_MANY, NULL },
	{ "socket", "PATH", "The daemon's socket, where it is not the usual one", 0, NULL },
	{ "url", "URL", "Speak to this address over TLS instead, with the OS_* variables", 0, NULL },
	{ "cacert", "FILE", "The CA that the daemon's certificate must come from (OS_CACERT)", 0, NULL },
	{ "os-username", "NAME", "The user to sign in as (OS_USERNAME)", 0, NULL },
	{ "os-project-name", "NAME", "The project to work in (OS_PROJECT_NAME)", 0, NULL },
	{ "help", NULL, "Tell what the command does. Short: -h", OPT_FLAG, NULL },
	{ "version", NULL, "Print the version", OPT_FLAG, NULL },
	{ 0 },
};

/* --- views: columns in the order shown --- */

static const struct view status_view = { NULL,
	(const struct column[]) {
		{ "version", "version", FORM_TEXT },
		{ "uptime", "uptime_s", FORM_SECONDS },
		{ "hosts connected", "hosts.connected/hosts.total", FORM_USED },
		{ "servers", "servers.total", FORM_TEXT },
		{ "servers active", "servers.active", FORM_TEXT },
		{ "servers in error", "servers.error", FORM_TEXT },
		{ "flows running", "flows.running", FORM_TEXT },
		{ "flows stuck", "flows.stuck", FORM_TEXT },
		{ "database", "database.path", FORM_TEXT },
		{ "database size", "database.bytes", FORM_BYTES },
		{ "database schema", "database.schema", FORM_TEXT },
		{ 0 },
	},
	NULL, NULL };

static const struct view explain_parts[] = {
	{ "change",
		(const struct column[]) {
			{ "smallest change", "text", FORM_TEXT },
			{ 0 },
		},
		NULL, NULL },
	{ "totals",
		(const struct column[]) {
			{ "hosts", "hosts", FORM_COUNT },
			{ "rule", "rule", FORM_TEXT },
			{ "reason", "reason", FORM_TEXT },
			{ 0 },
		},
		NULL, NULL },
	{ "hosts",
		(const struct column[]) {
			{ "host", "host", FORM_TEXT },
			{ "chosen", "chosen", FORM_COUNT },
			{ "reason", "reason", FORM_TEXT },
			{ "wanted", "want", FORM_COUNT },
			{ "there", "have", FORM_COUNT },
			{ "score", "score", FORM_COUNT },
			{ 0 },
		},
		NULL, NULL },
	{ 0 },
};

static const struct view explain_view = { "explanation",
	(const struct column[]) {
		{ "fits", "fits", FORM_TEXT },
		{ "servers", "count", FORM_TEXT },
		{ "why not", "message", FORM_TEXT },
		{ "quota", "quota", FORM_TEXT },
		{ 0 },
	},
	explain_parts, NULL };

static const struct view hosts_view = { "hosts",
	(const struct column[]) {
		{ "name", "name", FORM_TEXT },
		{ "zone", "zone", FORM_TEXT },
		{ "state", "state", FORM_TEXT },
		{ "connection", "connection", FORM_TEXT },
		{ "vcpus", "vcpus_used/vcpus", FORM_USED },
		{ "memory", "ram_used_mib/ram_mib", FORM_USED_MIB },
		{ "disk gib", "disk_used_gib/disk_gib", FORM_USED },
		{ "gpus", "gpus_used/gpus_total", FORM_USED },
		{ "servers", "servers", FORM_COUNT },
		{ 0 },
	},
	NULL, "No hosts yet. Prepare one with scripts/node-setup, then: cloudctl host add NAME URI" };

static const struct view host_parts[] = {
	{ "cells",
		(const struct column[]) {
			{ "cell", "id", FORM_COUNT },
			{ "memory", "ram_mib", FORM_MIB },
			{ "cpus", "cpus", FORM_COUNT },
			{ 0 },
		},
		NULL, NULL },
	{ "devices",
		(const struct column[]) {
			{ "address", "address", FORM_TEXT },
			{ "model", "model", FORM_TEXT },
			{ "vendor", "vendor", FORM_TEXT },
			{ "product", "product", FORM_TEXT },
			{ "vendor id", "vendor_id", FORM_TEXT },
			{ "product id", "product_id", FORM_TEXT },
			{ "cell", "numa_cell", FORM_COUNT },
			{ "iommu group", "iommu_group", FORM_COUNT },
			{ "server", "server_id", FORM_TEXT },
			{ 0 },
		},
		NULL, NULL },
	{ 0 },
};

static const struct view host_view = { "host",
	(const struct column[]) {
		{ "id", "id", FORM_TEXT },
		{ "name", "name", FORM_TEXT },
		{ "uri", "uri", FORM_TEXT },
		{ "zone", "zone", FORM_TEXT },
		{ "pool", "pool", FORM_TEXT },
		{ "accel", "accel", FORM_TEXT },
		{ "state", "state", FORM_TEXT },
		{ "declared dead", "forced_down", FORM_TEXT },
		{ "connection", "connection", FORM_TEXT },
		{ "connection error", "connection_error", FORM_TEXT },
		{ "connection since", "connection_since", FORM_TIME },
		{ "last seen", "last_seen", FORM_TIME },
		{ "hostname", "hostname", FORM_TEXT },
		{ "type", "type", FORM_TEXT },
		{ "kvm", "kvm", FORM_TEXT },
		{ "cpu model", "cpu_model", FORM_TEXT },
		{ "vcpus", "vcpus_used/vcpus", FORM_USED },
		{ "vcpu ratio", "vcpu_ratio", FORM_TEXT },
		{ "memory", "ram_used_mib/ram_mib", FORM_USED_MIB },
		{ "memory ratio", "ram_ratio", FORM_TEXT },
		{ "memory reserved", "ram_reserved_mib", FORM_MIB },
		{ "disk gib", "disk_used_gib/disk_gib", FORM_USED },
		{ "disk ratio", "disk_ratio", FORM_TEXT },
		{ "gpus", "gpus_used/gpus_total", FORM_USED },
		{ "servers", "servers", FORM_TEXT },
		{ 0 },
	},
	host_parts, NULL };

#define NAMED_COLUMNS                                                                              \
	(const struct column[])                                                                    \
	{                                                                                          \
		{ "id", "id", FORM_TEXT }, { "name", "name", FORM_TEXT },                          \
			{ "domain", "domain_id", FORM_TEXT }, { "enabled", "enabled", FORM_TEXT }, \
			{ "description", "description", FORM_TEXT },                               \
		{                                                                                  \
			0                                                                          \
		}                                                                                  \
	}

static const struct view projects_view = { "projects", NAMED_COLUMNS, NULL,
	"No projects yet. The first: cloudctl bootstrap --password-stdin" };
static const struct view project_view = { "project", NAMED_COLUMNS, NULL, NULL };
static const struct column user_columns[] = {
	{ "id", "id", FORM_TEXT },
	{ "name", "name", FORM_TEXT },
	{ "domain", "domain_id", FORM_TEXT },
	{ "enabled", "enabled", FORM_TEXT },
	{ 0 },
};
static const struct view users_view = { "users", user_columns, NULL,
	"No users yet. The first: cloudctl bootstrap --password-stdin" };
static const struct view user_view = { "user", user_columns, NULL, NULL };
static const struct view roles_view = { "roles",
	(const struct column[]) {
		{ "id", "id", FORM_TEXT },
		{ "name", "name", FORM_TEXT },
		{ "description", "description", FORM_TEXT },
		{ 0 },
	},
	NULL, NULL };

#define FLAVOR_COLUMNS                                                                                      \
	(const struct column[])                                                                             \
	{                                                                                                   \
		{ "id", "id", FORM_TEXT }, { "name", "name", FORM_TEXT }, { "vcpus", "vcpus", FORM_COUNT }, \
			{ "memory", "ram", FORM_MIB }, { "disk gib", "disk", FORM_COUNT },                  \
			{ "public", "os-flavor-access:is_public", FORM_TEXT },                              \
			{ "extra specs", "extra_specs", FORM_TEXT },                                        \
		{                                                                                           \
			0                                                                                   \
		}                                                                                           \
	}
static const struct view flavors_view = { "flavors", FLAVOR_COLUMNS, NULL,
	"No flavors yet: cloudctl flavor create NAME --vcpus N --ram SIZE --disk GIB" };
static const struct view flavor_view = { "flavor", FLAVOR_COLUMNS, NULL, NULL };

static const struct view quota_view = { "quotas",
	(const struct column[]) {
		{ "resource", "resource", FORM_TEXT },
		{ "in use", "in_use", FORM_COUNT },
		{ "limit", "limit", FORM_COUNT },
		{ "per", "per", FORM_TEXT },
		{ 0 },
	},
	NULL, NULL };

static const struct view servers_view = { "servers",
	(const struct column[]) {
		{ "id", "id", FORM_TEXT },
		{ "name", "name", FORM_TEXT },
		{ "status", "status", FORM_TEXT },
		{ "task", "task_state", FORM_TEXT },
		{ "host", "host", FORM_TEXT },
		{ "project", "project", FORM_TEXT },
		{ "flavor", "flavor", FORM_TEXT },
		{ "addresses", "addresses", FORM_TEXT },
		{ 0 },
	},
	NULL, "No servers." };
static const struct view server_view = { "server", NULL, NULL, NULL };

#define FLOW_COLUMNS                                                                                      \
	{ "id", "id", FORM_TEXT }, { "kind", "kind", FORM_TEXT }, { "subject", "subject_id", FORM_TEXT }, \
		{ "step", "step", FORM_TEXT }, { "state", "state", FORM_TEXT },                           \
		{ "host", "host", FORM_TEXT }, { "tries", "tries", FORM_COUNT },                          \
	{                                                                                                 \
		"runs at", "run_at", FORM_TIME                                                            \
	}
static const struct view flows_view = { "flows",
	(const struct column[]) {
		FLOW_COLUMNS,
		{ "last error", "last_error", FORM_TEXT },
		{ 0 },
	},
	NULL, "No work is under way." };
static const struct view flow_view = { "flow",
	(const struct column[]) {
		FLOW_COLUMNS,
		{ "deadline", "deadline_at", FORM_TIME },
		{ "last error", "last_error", FORM_TEXT },
		{ 0 },
	},
	NULL, NULL };

static const struct view audit_view = { "records",
	(const struct column[]) {
		{ "at", "at", FORM_TIME },
		{ "user", "user", FORM_TEXT },
		{ "project", "project", FORM_TEXT },
		{ "peer", "peer", FORM_TEXT },
		{ "method", "method", FORM_TEXT },
		{ "path", "path", FORM_TEXT },
		{ "action", "action", FORM_TEXT },
		{ "target", "target", FORM_TEXT },
		{ "status", "status", FORM_COUNT },
		{ "reason", "reason", FORM_TEXT },
		{ "request", "request_id", FORM_TEXT },
		{ 0 },
	},
	NULL, "No records." };
static const struct view config_view = { "config",
	(const struct column[]) {
		{ "name", "name", FORM_TEXT },
		{ "value", "value", FORM_TEXT },
		{ "default", "default", FORM_TEXT },
		{ "reloadable", "reloadable", FORM_TEXT },
		{ "help", "help", FORM_TEXT },
		{ 0 },
	},
	NULL, NULL };

/* --- options --- */

#define OPTIONS (const struct option[])
#define END                               \
	{                                 \
		NULL, NULL, NULL, 0, NULL \
	}

static const struct option password_options[] = {
	{ "password-stdin", NULL, "Read the password from standard input, one line", OPT_FLAG, NULL },
	{ "password", "PASSWORD", "The password; other users of this machine can see it while cloudctl runs",
		0, NULL },
	{ "username", "NAME", "The administrator's name, admin where not given", 0, NULL },
	{ "project", "NAME", "The administrator's project, admin where not given", 0, NULL },
	END,
};

/* --- the table --- */

const struct command commands[] = {
	{ .path = "status",
		.help = "Show the whole cloud at a glance",
		.method = "GET",
		.url = OPERATOR "/status",
		.view = &status_view },
	{ .path = "bootstrap",
		.help = "Make the first administrator, with a project of its own",
		.options = password_options,
		.run = cmd_bootstrap },

	{ .path = "host add",
		.args = "NAME URI",
		.help = "Take a hypervisor host into the cloud; URI is qemu+tls://HOST/system",
		.options = OPTIONS { { "zone", "ZONE", "Availability zone", 0, "zone" },
			{ "pool", "POOL", "Storage pool for images and disks", 0, "pool" },
			{ "accel", "auto|kvm|qemu",
				"Acceleration; auto takes kvm where the host really has it", 0, "accel" },
			{ "vcpu-ratio", "RATIO", "Virtual CPUs given out for each one there is", OPT_REAL,
				"vcpu_ratio" },
			{ "ram-ratio", "RATIO", "Memory given out for what there is", OPT_REAL, "ram_ratio" },
			{ "disk-ratio", "RATIO", "Disk given out for what there is", OPT_REAL, "disk_ratio" },
			{ "ram-reserved", "SIZE", "Memory kept for the host itself, as 4096 (MiB) or 4G",
				OPT_MIB, "ram_reserved_mib" },
			{ "wait", NULL, "Return when the host is connected, or has failed to", OPT_FLAG,
				NULL },
			{ "timeout", "SECONDS", "How long --wait waits, 60 where not given", OPT_INT, NULL },
			END },
		.method = "POST",
		.url = OPERATOR "/hosts",
		.wrap = "host",
		.fields = "name uri",
		.view = &host_view,
		.run = cmd_host_add },
	{ .path = "host list",
		.help = "List hosts with what they have and what is in use",
		.method = "GET",
		.url = OPERATOR "/hosts",
		.view = &hosts_view },
	{ .path = "host show",
		.args = "HOST",
		.help = "Show one host with its NUMA cells and GPUs",
		.method = "GET",
		.url = OPERATOR "/hosts/{0}",
		.view = &host_view },
	{ .path = "host drain",
		.args = "HOST",
		.help = "Give the host no new servers",
		.method = "POST",
		.url = OPERATOR "/hosts/{0}/action",
		.body = "{\"drain\":null}",
		.done = "Host {0} gets no new servers." },
	{ .path = "host enable",
		.args = "HOST",
		.help = "Give the host servers again, after drain or disable",
		.method = "POST",
		.url = OPERATOR "/hosts/{0}/action",
		.body = "{\"enable\":null}",
		.done = "Host {0} is enabled." },
	{ .path = "host disable",
		.args = "HOST",
		.help = "Give the host no new servers, as one out of use; its guests run on",
		.method = "POST",
		.url = OPERATOR "/hosts/{0}/action",
		.body = "{\"disable\":null}",
		.done = "Host {0} is disabled." },
	{ .path = "host down",
		.args = "HOST",
		.help = "Declare the host dead: it gets no servers, and those on it may be evacuated",
		.options = OPTIONS { { "confirm-dead", NULL,
					     "You have seen to it that the machine is off: a guest that "
					     "still runs there "
					     "would be made a second time elsewhere, on the same address and "
					     "disks",
					     OPT_FLAG | OPT_REQUIRED, "confirm_dead" },
			END },
		.method = "POST",
		.url = OPERATOR "/hosts/{0}/action",
		.wrap = "down",
		.done = "Host {0} counts as dead until it is revived." },
	{ .path = "host revive",
		.args = "HOST",
		.help = "Take back that the host is dead",
		.method = "POST",
		.url = OPERATOR "/hosts/{0}/action",
		.body = "{\"revive\":null}",
		.done = "Host {0} counts again, as soon as it is connected." },
	{ .path = "host refresh",
		.args = "HOST",
		.help = "Read again what the host has, as after new hardware",
		.method = "POST",
		.url = OPERATOR "/hosts/{0}/action",
		.body = "{\"refresh\":null}",
		.done = "Host {0} is being read again." },
	{ .path = "host remove",
		.args = "HOST",
		.help = "Take a host without servers out of the cloud",
		.method = "DELETE",
		.url = OPERATOR "/hosts/{0}",
		.done = "Host {0} is removed." },

	{ .path = "project create",
		.args = "NAME",
		.help = "Make a project",
		.options = OPTIONS { { "description", "TEXT", "What it is for", 0, "description" }, END },
		.method = "POST",
		.url = IDENTITY "/projects",
		.wrap = "project",
		.fields = "name",
		.view = &project_view },
	{ .path = "project list",
		.help = "List projects",
		.method = "GET",
		.url = IDENTITY "/projects",
		.view = &projects_view },
	{ .path = "project show",
		.args = "PROJECT",
		.help = "Show one project",
		.method = "GET",
		.url = IDENTITY "/projects/{projects:0}",
		.view = &project_view },
	{ .path = "project delete",
		.args = "PROJECT",
		.help = "Delete a project that holds nothing any more",
		.method = "DELETE",
		.url = IDENTITY "/projects/{projects:0}",
		.done = "Project {0} is deleted." },

	{ .path = "user create",
		.args = "NAME",
		.help = "Make a user, with a role in a project where both are given",
		.options = OPTIONS { { "password-stdin", NULL,
					     "Read the password from standard input, one line", OPT_FLAG,
					     NULL },
			{ "password", "PASSWORD",
				"The password; other users of this machine can see it while cloudctl runs", 0,
				NULL },
			{ "project", "PROJECT", "Default project, where the role is granted", 0, NULL },
			{ "role", "ROLE", "Role in the project, member where not given", 0, NULL }, END },
		.view = &user_view,
		.run = cmd_user_create },
	{ .path = "user password",
		.args = "NAME",
		.help = "Give a user a new password; the user's tokens end",
		.options = OPTIONS { { "password-stdin", NULL,
					     "Read the password from standard input, one line", OPT_FLAG,
					     NULL },
			{ "password", "PASSWORD",
				"The password; other users of this machine can see it while cloudctl runs", 0,
				NULL },
			END },
		.run = cmd_user_password },
	{ .path = "user list",
		.help = "List users",
		.method = "GET",
		.url = IDENTITY "/users",
		.view = &users_view },

	{ .path = "role list",
		.help = "List roles",
		.method = "GET",
		.url = IDENTITY "/roles",
		.view = &roles_view },
	{ .path = "role grant",
		.args = "ROLE",
		.help = "Give a user a role in a project",
		.options = OPTIONS { { "user", "USER", "Who gets it", OPT_REQUIRED, NULL },
			{ "project", "PROJECT", "Where", OPT_REQUIRED, NULL }, END },
		.method = "PUT",
		.url = IDENTITY "/projects/{projects:--project}/users/{users:--user}/roles/{roles:0}",
		.done = "Role {0} is granted." },

	{ .path = "flavor create",
		.args = "NAME",
		.help = "Make a flavor: the size of a server",
		.options = OPTIONS { { "vcpus", "N", "Virtual CPUs", OPT_REQUIRED | OPT_INT, "vcpus" },
			{ "ram", "SIZE", "Memory, as 4096 (MiB) or 4G", OPT_REQUIRED | OPT_MIB, "ram" },
			{ "disk", "GIB", "Root disk", OPT_REQUIRED | OPT_INT, "disk" },
			{ "id", "ID", "Its id, made where not given", 0, "id" },
			{ "gpus", "MODEL:N", "Whole GPUs of this model for each server", OPT_MANY, NULL },
			END },
		.method = "POST",
		.url = COMPUTE "/flavors",
		.wrap = "flavor",
		.fields = "name",
		.view = &flavor_view,
		.run = cmd_flavor_create },
	{ .path = "flavor list",
		.help = "List flavors",
		.method = "GET",
		.url = COMPUTE "/flavors/detail?is_public=None",
		.view = &flavors_view },

	{ .path = "quota show",
		.args = "PROJECT",
		.help = "Show a project's limits and what it uses; -1 is no limit",
		.method = "GET",
		.url = OPERATOR "/quotas/{projects:0}",
		.view = &quota_view },
	{ .path = "quota set",
		.args = "PROJECT KEY=VALUE...",
		.help = "Set limits of a project, by the names that quota show prints",
		.url = OPERATOR "/quotas/{projects:0}",
		.view = &quota_view,
		.run = cmd_quota_set },
	{ .path = "quota defaults",
		.help = "Show the limits of projects that have none of their own",
		.method = "GET",
		.url = OPERATOR "/quota-defaults",
		.view = &quota_view },
	{ .path = "quota set-defaults",
		.args = "KEY=VALUE...",
		.help = "Set limits of projects that have none of their own",
		.url = OPERATOR "/quota-defaults",
		.view = &quota_view,
		.run = cmd_quota_set },

	{ .path = "server list",
		.help = "List servers",
		.options = OPTIONS { { "all", NULL, "Of all projects", OPT_FLAG, "?all" }, END },
		.method = "GET",
		.url = OPERATOR "/servers",
		.view = &servers_view },
	{ .path = "server console",
		.args = "SERVER",
		.help = "Print what a server's console has printed, as long as it is kept",
		.options = OPTIONS { { "since", "TIME",
					     "Not before this time, or so long ago: 90s, 30m, 1h, 2d", 0,
					     NULL },
			{ "until", "TIME", "Not after it", 0, NULL },
			{ "follow", NULL, "Go on with what it prints, until interrupted", OPT_FLAG, NULL },
			END },
		.run = cmd_server_console },
	{ .path = "server show",
		.args = "SERVER",
		.help = "Show one server with where it runs",
		.method = "GET",
		.url = OPERATOR "/servers/{0}",
		.view = &server_view },

	{ .path = "explain",
		.args = "FLAVOR",
		.help = "Say where a server of this flavor would go now, and why not elsewhere",
		.options =
			OPTIONS {
				{ "image", "IMAGE",
					"Of this image's id; without: a disk of the flavor's size", 0, NULL },
				{ "count", "N", "So many servers at once, all or none", OPT_INT, NULL },
				{ "zone", "ZONE", "In this availability zone", 0, NULL },
				{ "host", "HOST", "On this host", 0, NULL },
				{ "project", "PROJECT", "With the limits of this project", 0, NULL },
				{ "group", "GROUP", "In this server group's id", 0, NULL },
				{ "same-host", "SERVER", "On the host of this server's id", 0, NULL },
				{ "different-host", "SERVER", "Not on the host of this server's id", 0,
					NULL },
				END },
		.view = &explain_view,
		.run = cmd_explain },

	{ .path = "flow list",
		.help = "List work under way and stuck",
		.method = "GET",
		.url = OPERATOR "/flows",
		.view = &flows_view },
	{ .path = "flow show",
		.args = "FLOW",
		.help = "Show one piece of work",
		.method = "GET",
		.url = OPERATOR "/flows/{0}",
		.view = &flow_view },
	{ .path = "flow retry",
		.args = "FLOW",
		.help = "Try again now, without waiting for the back-off",
		.method = "POST",
		.url = OPERATOR "/flows/{0}/action",
		.body = "{\"retry\":null}",
		.done = "Flow {0} runs again." },

	{ .path = "check",
		.help = "Prove the database's rules on the live cloud: nothing given twice, nothing lost",
		.method = "GET",
		.url = OPERATOR "/check",
		.run = cmd_check },
	{ .path = "audit list",
		.help = "List who changed what, and who was refused",
		.options =
			OPTIONS { { "limit", "N", "At most so many, the latest", OPT_INT, "?limit" }, END },
		.method = "GET",
		.url = OPERATOR "/audit",
		.view = &audit_view },
	{ .path = "config show",
		.help = "Show the daemon's configuration with its defaults",
		.method = "GET",
		.url = OPERATOR "/config",
		.view = &config_view },

	{ .path = "pki init",
		.args = "DIR",
		.help = "Make the cloud's certificate authority in DIR, valid for ten years",
		.options =
			OPTIONS { { "name", "NAME", "The CA's name, \"cloudd CA\" where not given", 0, NULL },
				{ "force", NULL,
					"Replace a CA that is there; all its certificates become worthless",
					OPT_FLAG, NULL },
				END },
		.run = cmd_pki_init },
	{ .path = "pki issue",
		.args = "DIR",
		.help = "Make a key and a certificate of the CA in DIR",
		.options = OPTIONS { { "name", "NAME", "Common name; for a server or node the host's name",
					     OPT_REQUIRED, NULL },
			{ "san", "NAME", "A further host name or address that it is good for", OPT_MANY,
				NULL },
			{ "server", NULL, "For the API's listener", OPT_FLAG, NULL },
			{ "client", NULL, "For the controller, towards its hosts", OPT_FLAG, NULL },
			{ "node", NULL, "For a hypervisor host", OPT_FLAG, NULL },
			{ "days", "N", "Days until it expires, 397 where not given", OPT_INT, NULL },
			{ "force", NULL, "Replace the certificate of that name", OPT_FLAG, NULL }, END },
		.run = cmd_pki_issue },
	{ .path = "pki list",
		.args = "DIR",
		.help = "List what the CA in DIR has issued, and what expires soon",
		.run = cmd_pki_list },
	{ .path = "pki bundle",
		.args = "DIR",
		.help = "Write certificate, key and CA as one file, for scripts/node-setup --bundle",
		.options = OPTIONS { { "name", "NAME", "What pki issue named", OPT_REQUIRED, NULL },
			{ "out", "FILE", "Where to; standard output where not given", 0, NULL },
			{ "force", NULL, "Replace FILE", OPT_FLAG, NULL }, END },
		.run = cmd_pki_bundle },

	{ .path = "help",
		.args = "[COMMAND...]",
		.help = "Tell what a command does",
		.options = OPTIONS { { "man", NULL, "Print the manual page's source", OPT_FLAG, NULL }, END },
		.run = cmd_help },
};

const size_t commands_n = ARRAY_LEN(commands);
