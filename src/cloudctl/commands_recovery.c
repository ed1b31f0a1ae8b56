/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands for a cloud that was restored, and how their answers are shown. */
#include "cloudctl/commands.h"

static const struct view domains_view = { "recovery.domains",
	(const struct column[]) {
		{ "host", "host", FORM_TEXT },
		{ "server", "server", FORM_TEXT },
		{ "power", "power", FORM_TEXT },
		{ "epoch", "epoch", FORM_TEXT },
		{ "rows say", "why", FORM_TEXT },
		{ 0 },
	},
	NULL, "Every domain that connected hosts show is accounted for." };

static const struct view state_view = { "recovery",
	(const struct column[]) {
		{ "state", "state", FORM_TEXT },
		{ "restored", "restored_at", FORM_TIME },
		{ "backup", "backup", FORM_TEXT },
		{ "made", "backup_at", FORM_TIME },
		{ 0 },
	},
	NULL, NULL };

const struct command recovery_commands[] = {
	{ .path = "recovery show",
		.help = "Show whether the cloud was restored and waits for 'recovery finish'",
		.method = "GET",
		.url = OPERATOR "/recovery",
		.view = &state_view },
	{ .path = "recovery domains",
		.help = "List domains with our mark that the rows do not account for",
		.method = "GET",
		.url = OPERATOR "/recovery",
		.view = &domains_view },
	{ .path = "recovery adopt",
		.args = "HOST SERVER",
		.help = "Take a domain over that no row knows: it becomes a server with all that it holds",
		.method = "POST",
		.url = OPERATOR "/recovery/adopt",
		.wrap = "domain",
		.fields = "host server",
		.done = "Taken over from {0}." },
	{ .path = "recovery discard",
		.args = "HOST SERVER",
		.help = "Remove a domain that the rows do not account for from its host, with its disks",
		.method = "POST",
		.url = OPERATOR "/recovery/discard",
		.wrap = "domain",
		.fields = "host server",
		.done = "It is being removed from {0}." },
	{ .path = "recovery finish",
		.help = "Say that a restored cloud is in order: left-overs are cleared again, held work goes "
			"on",
		.method = "POST",
		.url = OPERATOR "/recovery/finish",
		.done = "The cloud is as any other again." },
	{ 0 },
};
