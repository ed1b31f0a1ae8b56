/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands on quotas, and how their answers are shown. */
#include "cloudctl/commands.h"

static const struct view quota_view = { "quotas",
	(const struct column[]) {
		{ "resource", "resource", FORM_TEXT },
		{ "in use", "in_use", FORM_COUNT },
		{ "limit", "limit", FORM_COUNT },
		{ "per", "per", FORM_TEXT },
		{ 0 },
	},
	NULL, NULL };

const struct command quota_commands[] = {
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
	{ 0 },
};
