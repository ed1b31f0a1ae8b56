/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands on work under way, and how their answers are shown. */
#include "cloudctl/commands.h"

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

const struct command flow_commands[] = {
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
	{ 0 },
};
