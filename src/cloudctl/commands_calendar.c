/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands on what is kept for a time: reservations, maintenance, evictions, and how their
 * answers are shown. */
#include "cloudctl/commands.h"

#define BLOCK_COLUMNS                                                                              \
	{ "id", "id", FORM_TEXT }, { "name", "name", FORM_TEXT }, { "state", "state", FORM_TEXT }, \
		{ "from", "start", FORM_TIME },                                                    \
	{                                                                                          \
		"to", "end", FORM_TIME                                                             \
	}
#define RESERVATION_COLUMNS                                                                  \
	BLOCK_COLUMNS, { "project", "project", FORM_TEXT }, { "model", "model", FORM_TEXT }, \
		{ "gpus", "gpus", FORM_COUNT }, { "within", "within", FORM_TEXT },           \
	{                                                                                    \
		"servers", "servers", FORM_COUNT                                             \
	}
static const struct view block_hosts[] = {
	{ "hosts",
		(const struct column[]) {
			{ "host", "name", FORM_TEXT },
			{ "gpus", "gpus", FORM_COUNT },
			{ 0 },
		},
		NULL, NULL },
	{ 0 },
};
static const struct view reservations_view = { "reservations",
	(const struct column[]) { RESERVATION_COLUMNS, { 0 } }, NULL,
	"No reservations. Make one: cloudctl reservation create PROJECT MODEL GPUS --to TIME" };
static const struct view reservation_view = { "reservation",
	(const struct column[]) { RESERVATION_COLUMNS, { "reason", "reason", FORM_TEXT }, { 0 } },
	block_hosts, NULL };
static const struct view maintenances_view = { "maintenance",
	(const struct column[]) { BLOCK_COLUMNS, { "reason", "reason", FORM_TEXT }, { 0 } }, NULL,
	"No maintenance is planned." };
static const struct view maintenance_view = { "maintenance",
	(const struct column[]) { BLOCK_COLUMNS, { "reason", "reason", FORM_TEXT }, { 0 } }, block_hosts,
	NULL };
static const struct view calendar_view = { "calendar",
	(const struct column[]) { { "kind", "kind", FORM_TEXT }, BLOCK_COLUMNS, { 0 } }, NULL,
	"The calendar is empty." };
static const struct view waiters_view = { "waiting",
	(const struct column[]) {
		{ "server", "server", FORM_TEXT },
		{ "id", "server_id", FORM_TEXT },
		{ "until", "until", FORM_TIME },
		{ "why", "message", FORM_TEXT },
		{ 0 },
	},
	NULL, "No server waits for others to leave." };
static const struct view evictions_view = { "evictions",
	(const struct column[]) {
		{ "server", "server", FORM_TEXT },
		{ "id", "server_id", FORM_TEXT },
		{ "host", "host", FORM_TEXT },
		{ "leaves at", "leave_at", FORM_TIME },
		{ "leaving", "leaving", FORM_TEXT },
		{ "for", "for", FORM_TEXT },
		{ "for id", "for_id", FORM_TEXT },
		{ 0 },
	},
	NULL, "No server has to leave its host." };

const struct command calendar_commands[] = {
	{ .path = "reservation create",
		.args = "PROJECT MODEL GPUS",
		.help = "Keep so many GPUs of a model for a project, for a time",
		.options = OPTIONS { { "from", "TIME",
					     "When it begins, as 2026-01-31T12:00:00Z or from now on: +2h, "
					     "+7d; now where not given",
					     0, NULL },
			{ "to", "TIME", "When it ends", OPT_REQUIRED, NULL },
			{ "name", "NAME", "Its name", 0, "name" },
			{ "within", "host|rack|fabric", "All of them in one; anywhere where not given", 0,
				"within" },
			{ "reason", "TEXT", "What it is for", 0, "reason" }, END },
		.method = "POST",
		.url = OPERATOR "/reservations",
		.wrap = "reservation",
		.view = &reservation_view,
		.run = cmd_reservation_create },
	{ .path = "reservation list",
		.help = "List reservations",
		.options = OPTIONS { { "all", NULL, "Also those that are over", OPT_FLAG, "?all" }, END },
		.method = "GET",
		.url = OPERATOR "/reservations",
		.view = &reservations_view },
	{ .path = "reservation show",
		.args = "RESERVATION",
		.help = "Show one reservation with where its GPUs are",
		.method = "GET",
		.url = OPERATOR "/reservations/{0}",
		.view = &reservation_view },
	{ .path = "reservation set",
		.args = "RESERVATION",
		.help = "Give a reservation another end or name",
		.options = OPTIONS { { "to", "TIME", "When it ends", 0, NULL },
			{ "name", "NAME", "Its name", 0, "name" }, END },
		.method = "PATCH",
		.url = OPERATOR "/reservations/{0}",
		.wrap = "reservation",
		.view = &reservation_view,
		.run = cmd_block_set },
	{ .path = "reservation cancel",
		.args = "RESERVATION",
		.help = "End a reservation now, or before it begins; its servers stay as ordinary ones",
		.method = "DELETE",
		.url = OPERATOR "/reservations/{0}",
		.done = "Reservation {0} is cancelled." },
	{ .path = "maintenance plan",
		.args = "HOST...",
		.help = "Plan a time in which hosts get no new servers",
		.options = OPTIONS { { "from", "TIME",
					     "When it begins, as 2026-01-31T12:00:00Z or from now on: +2h, "
					     "+7d; now where not given",
					     0, NULL },
			{ "to", "TIME", "When it ends", OPT_REQUIRED, NULL },
			{ "name", "NAME", "Its name", 0, "name" },
			{ "reason", "TEXT", "What is done, as the hosts show it", 0, "reason" },
			{ "drain", NULL, "Move their servers elsewhere when it begins", OPT_FLAG, "drain" }, END },
		.method = "POST",
		.url = OPERATOR "/maintenance",
		.wrap = "maintenance",
		.view = &maintenance_view,
		.run = cmd_maintenance_plan },
	{ .path = "maintenance list",
		.help = "List maintenance windows",
		.options = OPTIONS { { "all", NULL, "Also those that are over", OPT_FLAG, "?all" }, END },
		.method = "GET",
		.url = OPERATOR "/maintenance",
		.view = &maintenances_view },
	{ .path = "maintenance show",
		.args = "MAINTENANCE",
		.help = "Show one maintenance window with its hosts",
		.method = "GET",
		.url = OPERATOR "/maintenance/{0}",
		.view = &maintenance_view },
	{ .path = "maintenance set",
		.args = "MAINTENANCE",
		.help = "Give a maintenance window another end or name",
		.options = OPTIONS { { "to", "TIME", "When it ends", 0, NULL },
			{ "name", "NAME", "Its name", 0, "name" }, END },
		.method = "PATCH",
		.url = OPERATOR "/maintenance/{0}",
		.wrap = "maintenance",
		.view = &maintenance_view,
		.run = cmd_block_set },
	{ .path = "maintenance cancel",
		.args = "MAINTENANCE",
		.help = "End a maintenance window now, or before it begins",
		.method = "DELETE",
		.url = OPERATOR "/maintenance/{0}",
		.done = "Maintenance {0} is cancelled." },
	{ .path = "calendar",
		.help = "Draw reservations and maintenance windows by time",
		.options = OPTIONS { { "host", "HOST", "Of this host only", 0, "?host" },
			{ "all", NULL, "Also what is over", OPT_FLAG, "?all" }, END },
		.method = "GET",
		.url = OPERATOR "/calendar",
		.view = &calendar_view,
		.run = cmd_calendar },
	{ .path = "eviction list",
		.help = "List servers that have to leave their hosts, and for whom",
		.method = "GET",
		.url = OPERATOR "/evictions",
		.view = &evictions_view },
	{ .path = "eviction waiting",
		.help = "List servers that wait for others to leave a host for them",
		.method = "GET",
		.url = OPERATOR "/evictions",
		.view = &waiters_view },
	{ 0 },
};
