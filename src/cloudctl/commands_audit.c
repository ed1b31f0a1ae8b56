/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands on the record of who changed what, and how their answers are shown. */
#include "cloudctl/commands.h"

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

const struct command audit_commands[] = {
	{ .path = "audit list",
		.help = "List who changed what, and who was refused",
		.options =
			OPTIONS { { "limit", "N", "At most so many, the latest", OPT_INT, "?limit" }, END },
		.method = "GET",
		.url = OPERATOR "/audit",
		.view = &audit_view },
	{ 0 },
};
