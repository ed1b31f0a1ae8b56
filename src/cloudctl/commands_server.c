/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands on servers, and how their answers are shown. */
#include "cloudctl/commands.h"

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

const struct command server_commands[] = {
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
	{ 0 },
};
