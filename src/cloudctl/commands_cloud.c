/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands of the cloud as a whole, and how their answers are shown. */
#include "cloudctl/commands.h"

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
		{ "requests waiting", "requests.waiting", FORM_TEXT },
		{ "requests turned away", "requests.turned_away", FORM_TEXT },
		{ "database", "database.path", FORM_TEXT },
		{ "database size", "database.bytes", FORM_BYTES },
		{ "database schema", "database.schema", FORM_TEXT },
		{ "runs short of", "short_of", FORM_TEXT },
		{ "last backup", "backup.last_at", FORM_TIME },
		{ "backup", "backup.state", FORM_TEXT },
		{ "backup error", "backup.error", FORM_TEXT },
		{ 0 },
	},
	NULL, NULL };

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

static const struct option password_options[] = {
	{ "password-stdin", NULL, "Read the password from standard input, one line", OPT_FLAG, NULL },
	{ "password", "PASSWORD", "The password; other users of this machine can see it while cloudctl runs",
		0, NULL },
	{ "username", "NAME", "The administrator's name, admin where not given", 0, NULL },
	{ "project", "NAME", "The administrator's project, admin where not given", 0, NULL },
	END,
};

const struct command cloud_commands[] = {
	{ .path = "status",
		.help = "Show the whole cloud at a glance",
		.method = "GET",
		.url = OPERATOR "/status",
		.view = &status_view },
	{ .path = "bootstrap",
		.help = "Make the first administrator, with a project of its own",
		.options = password_options,
		.run = cmd_bootstrap },
	{ .path = "check",
		.help = "Prove the database's rules on the live cloud: nothing given twice, nothing lost",
		.method = "GET",
		.url = OPERATOR "/check",
		.run = cmd_check },
	{ .path = "config show",
		.help = "Show the daemon's configuration with its defaults",
		.method = "GET",
		.url = OPERATOR "/config",
		.view = &config_view },
	{ 0 },
};
