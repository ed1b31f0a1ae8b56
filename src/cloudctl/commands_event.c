/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands on events and webhooks, and how their answers are shown. */
#include "cloudctl/commands.h"

static const struct view events_view = { "events",
	(const struct column[]) {
		{ "id", "id", FORM_COUNT },
		{ "at", "at", FORM_TIME },
		{ "type", "type", FORM_TEXT },
		{ "subject", "subject", FORM_TEXT },
		{ "name", "data.name", FORM_TEXT },
		{ "old", "data.old", FORM_TEXT },
		{ "new", "data.new", FORM_TEXT },
		{ "project", "project_id", FORM_TEXT },
		{ 0 },
	},
	NULL, "Nothing happened." };
static const struct view types_view = { "event_types",
	(const struct column[]) {
		{ "name", "name", FORM_TEXT },
		{ "tenant", "tenant", FORM_TEXT },
		{ "meaning", "meaning", FORM_TEXT },
		{ 0 },
	},
	NULL, NULL };

#define WEBHOOK_COLUMNS                                                                         \
	{ "id", "id", FORM_TEXT }, { "name", "name", FORM_TEXT }, { "url", "url", FORM_TEXT },  \
		{ "types", "types", FORM_TEXT }, { "everything", "everything", FORM_TEXT },     \
		{ "state", "state", FORM_TEXT }, { "delivered at", "delivered_at", FORM_TIME }, \
		{ "failures", "failures", FORM_COUNT },                                         \
	{                                                                                       \
		"last error", "last_error", FORM_TEXT                                           \
	}
static const struct view webhooks_view = { "webhooks", (const struct column[]) { WEBHOOK_COLUMNS, { 0 } },
	NULL, "No webhooks. Make one: cloudctl webhook add URL" };
static const struct view webhook_view = { "webhook",
	(const struct column[]) {
		WEBHOOK_COLUMNS,
		{ "next try at", "next_try_at", FORM_TIME },
		{ "waiting", "waiting", FORM_COUNT },
		{ "waiting since", "waiting_since", FORM_TIME },
		{ "delivered up to", "delivered_upto", FORM_COUNT },
		{ "given up", "given_up", FORM_COUNT },
		{ "project", "project_id", FORM_TEXT },
		{ "secret", "secret", FORM_TEXT },
		{ 0 },
	},
	NULL, NULL };

#define TYPE                                                                                             \
	{                                                                                                \
		"type", "TYPES", "Of these types, or beginnings of types: server,host.state", 0, "?type" \
	}
#define SUBJECT                                                                            \
	{                                                                                  \
		"subject", "ID", "About this: a server's id, a host's name", 0, "?subject" \
	}
#define PROJECT                                                                  \
	{                                                                        \
		"project", "PROJECT", "Of this project", OPT_PROJECT, "?project" \
	}
#define WEBHOOK_ACTION(verb, help_, body_, done_)                                              \
	{                                                                                      \
		.path = "webhook " verb, .args = "WEBHOOK", .help = (help_), .method = "POST", \
		.body = (body_), .url = OPERATOR "/webhooks/{0}/action", .done = (done_)       \
	}

const struct command event_commands[] = {
	{ .path = "event list",
		.help = "List what happened, the newest last",
		.options = OPTIONS { TYPE, SUBJECT, PROJECT,
			{ "after", "ID", "From the one behind that event on; 0: from the first that is kept",
				OPT_INT, "?after" },
			{ "limit", "N", "How many", OPT_INT, "?limit" }, END },
		.method = "GET",
		.url = OPERATOR "/events",
		.view = &events_view },
	{ .path = "event watch",
		.help = "Show what happens as it happens, a line each; -o json: an object each",
		.options = OPTIONS { TYPE, SUBJECT, PROJECT,
			{ "after", "ID", "Begin behind that event; now where not given", OPT_INT, NULL },
			{ "count", "N", "End after so many", OPT_INT, NULL }, END },
		.method = "GET",
		.url = OPERATOR "/events",
		.run = cmd_event_watch },
	{ .path = "event types",
		.help = "List the types of events, and whether tenants hear of them",
		.method = "GET",
		.url = OPERATOR "/event-types",
		.view = &types_view },
	{ .path = "webhook add",
		.args = "URL",
		.help = "Have events sent to a web server; what they are signed with is shown once",
		.options = OPTIONS { { "name", "NAME", "Its name", 0, "name" },
			{ "types", "TYPES", "Of these types, or beginnings of types: server,host.state", 0,
				"types" },
			{ "secret", "TEXT", "What they are signed with; made where not given", 0, "secret" },
			{ "project", "PROJECT", "For this project", OPT_PROJECT, "project_id" },
			{ "everything", NULL, "Of all projects, and what operators alone see", OPT_FLAG,
				"everything" },
			END },
		.method = "POST",
		.url = OPERATOR "/webhooks",
		.wrap = "webhook",
		.fields = "url",
		.view = &webhook_view },
	{ .path = "webhook list",
		.help = "List webhooks",
		.options = OPTIONS { PROJECT, END },
		.method = "GET",
		.url = OPERATOR "/webhooks",
		.view = &webhooks_view },
	{ .path = "webhook show",
		.args = "WEBHOOK",
		.help = "Show one webhook, and how much waits for it",
		.method = "GET",
		.url = OPERATOR "/webhooks/{0}",
		.view = &webhook_view },
	WEBHOOK_ACTION("test", "Send an event to one webhook alone", "{\"test\":null}",
		"A test is on its way to {0}."),
	WEBHOOK_ACTION("pause", "Send nothing to a webhook; events wait for it as long as they are kept",
		"{\"pause\":null}", "Webhook {0} is paused."),
	WEBHOOK_ACTION(
		"resume", "Go on with what waits for a webhook", "{\"resume\":null}", "Webhook {0} goes on."),
	{ .path = "webhook redeliver",
		.args = "WEBHOOK",
		.help = "Send all behind an event again",
		.options = OPTIONS { { "after", "ID", "The event; 0: from the first that is kept",
					     OPT_INT | OPT_REQUIRED, NULL },
			END },
		.method = "POST",
		.url = OPERATOR "/webhooks/{0}/action",
		.view = &webhook_view,
		.run = cmd_webhook_redeliver },
	{ .path = "webhook remove",
		.args = "WEBHOOK",
		.help = "Remove a webhook; what waits for it is not sent",
		.method = "DELETE",
		.url = OPERATOR "/webhooks/{0}",
		.done = "Webhook {0} is removed." },
	{ 0 },
};
