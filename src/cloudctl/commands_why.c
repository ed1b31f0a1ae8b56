/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands that say why something is as it is, and what differs from what it should be. */
#include "cloudctl/commands.h"

static const struct view why_view = { "why",
	(const struct column[]) {
		{ "kind", "kind", FORM_TEXT },
		{ "id", "id", FORM_TEXT },
		{ "name", "name", FORM_TEXT },
		{ "state", "state", FORM_TEXT },
		{ "task", "task_state", FORM_TEXT },
		{ "cause", "cause", FORM_TEXT },
		{ "why", "says", FORM_TEXT },
		{ "power", "power", FORM_TEXT },
		{ "power seen", "power_seen_at", FORM_TIME },
		{ "seen over connection", "power_seen_epoch", FORM_TEXT },
		{ "epoch", "epoch", FORM_TEXT },
		{ "fault details", "fault_details", FORM_TEXT },
		{ "host", "host", FORM_TEXT },
		{ "host state", "host_state", FORM_TEXT },
		{ "connection", "connection", FORM_TEXT },
		{ "since", "connection_since", FORM_TIME },
		{ "last heard", "last_seen", FORM_TIME },
		{ "connection error", "connection_error", FORM_TEXT },
		{ "flow", "flow.id", FORM_TEXT },
		{ "flow kind", "flow.kind", FORM_TEXT },
		{ "flow step", "flow.step", FORM_TEXT },
		{ "flow state", "flow.state", FORM_TEXT },
		{ "tries", "flow.tries", FORM_TEXT },
		{ "again at", "flow.run_at", FORM_TIME },
		{ "deadline", "flow.deadline_at", FORM_TIME },
		{ "last error", "flow.last_error", FORM_TEXT },
		{ 0 },
	},
	(const struct view[]) {
		{ "steps",
			(const struct column[]) {
				{ "at", "at", FORM_TIME },
				{ "what", "what", FORM_TEXT },
				{ "how", "how", FORM_TEXT },
				{ "request", "request_id", FORM_TEXT },
				{ 0 },
			},
			NULL, NULL },
		{ "can_do",
			(const struct column[]) {
				{ "what can be done", "command", FORM_TEXT },
				{ 0 },
			},
			NULL, NULL },
		{ 0 },
	},
	NULL };

const struct command why_commands[] = {
	{ .path = "why",
		.args = "ID",
		.help = "Tell why a server, host, image or flow is as it is, what it waits for and what can "
			"be "
			"done",
		.method = "GET",
		.url = OPERATOR "/why/{0}",
		.view = &why_view },
	{ 0 },
};
