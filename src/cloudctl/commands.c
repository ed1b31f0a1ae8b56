/* SPDX-License-Identifier: Apache-2.0 */
/* Joins the tables of commands: one file for each noun or two. */
#include "cloudctl/commands.h"

#include "base/util.h"

const struct option global_options[] = {
	{ "output", "table|json|value|csv", "How answers are shown; json is the API's own. Short: -o", 0,
		NULL },
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

static const struct command help_commands[] = {
	{ .path = "help",
		.args = "[COMMAND...]",
		.help = "Tell what a command does",
		.options = OPTIONS { { "man", NULL, "Print the manual page's source", OPT_FLAG, NULL }, END },
		.run = cmd_help },
	{ 0 },
};

/* In the order of the help and of the manual page. */
static const struct command *const tables[] = {
	cloud_commands,
	backup_commands,
	recovery_commands,
	host_commands,
	fence_commands,
	gpu_commands,
	identity_commands,
	flavor_commands,
	quota_commands,
	server_commands,
	sample_commands,
	placement_commands,
	calendar_commands,
	usage_commands,
	price_commands,
	invoice_commands,
	flow_commands,
	why_commands,
	event_commands,
	audit_commands,
	pki_commands,
	help_commands,
};

const struct command *command_at(size_t i)
{
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (const struct command *c = tables[t]; c->path; c++)
			if (i-- == 0)
				return c;
	return NULL;
}
