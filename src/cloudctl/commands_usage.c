/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands on usage and the ledger of GPUs, and how their answers are shown. */
#include "cloudctl/commands.h"

static const struct view usage_view = { "usage",
	(const struct column[]) {
		{ "project", "project", FORM_TEXT },
		{ "resource", "resource", FORM_TEXT },
		{ "item", "item", FORM_TEXT },
		{ "profile", "profile", FORM_TEXT },
		{ "zone", "zone", FORM_TEXT },
		{ "state", "state", FORM_TEXT },
		{ "preemptible", "preemptible", FORM_TEXT },
		{ "reserved", "block", FORM_TEXT },
		{ "quantity", "quantity", FORM_COUNT },
		{ "unit", "unit", FORM_TEXT },
		{ 0 },
	},
	NULL, "Nothing was used." };

static const struct view ledger_view = { "intervals",
	(const struct column[]) {
		{ "gpu", "gpu", FORM_TEXT },
		{ "host", "host", FORM_TEXT },
		{ "address", "address", FORM_TEXT },
		{ "model", "model", FORM_TEXT },
		{ "from", "from", FORM_TEXT },
		{ "to", "to", FORM_TEXT },
		{ "owner", "owner", FORM_TEXT },
		{ "share", "share", FORM_COUNT },
		{ "profile", "profile", FORM_TEXT },
		{ "state", "state", FORM_TEXT },
		{ "project", "project_id", FORM_TEXT },
		{ "server", "server_id", FORM_TEXT },
		{ "reservation", "reservation_id", FORM_TEXT },
		{ 0 },
	},
	NULL, "The ledger has nothing of that." };

#define PERIOD                                                                                             \
	{ "from", "TIME", "From this time on, as 2026-12-01T00:00:00Z; UTC where nothing else is said", 0, \
		"?from" },                                                                                 \
	{                                                                                                  \
		"to", "TIME", "Until before this time; now where not given", 0, "?to"                      \
	}

const struct command usage_commands[] = {
	{ .path = "usage",
		.help = "Show what was used, by resource and state: exact sums, this month's where no period "
			"is given",
		.options = OPTIONS { { "project", "PROJECT", "Of one project", OPT_PROJECT, "?project" },
			{ "month", "MONTH", "A calendar month in UTC, as 2026-12", 0, "?month" }, PERIOD,
			END },
		.method = "GET",
		.url = OPERATOR "/usage",
		.view = &usage_view },
	{ .path = "ledger show",
		.help = "List who had which GPU when",
		.options = OPTIONS { { "gpu", "GPU", "Of one GPU, by its id or as HOST:ADDRESS", 0, "?gpu" },
			{ "host", "HOST", "Of the GPUs of one host", 0, "?host" },
			{ "model", "MODEL", "Of the GPUs of one model", 0, "?model" }, PERIOD,
			{ "limit", "N", "At most so many", OPT_INT, "?limit" }, END },
		.method = "GET",
		.url = OPERATOR "/ledger",
		.view = &ledger_view },
	{ .path = "ledger verify",
		.help = "Prove that each GPU had owners for all of its time, and that no interval is missing "
			"or double",
		.options = OPTIONS { PERIOD, END },
		.method = "GET",
		.url = OPERATOR "/ledger/verify",
		.run = cmd_ledger_verify },
	{ 0 },
};
