/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands on invoices, months and budgets, and how their answers are shown. */
#include "cloudctl/commands.h"

static const struct view invoices_view = { "invoices",
	(const struct column[]) {
		{ "id", "id", FORM_TEXT },
		{ "month", "month", FORM_TEXT },
		{ "project", "project", FORM_TEXT },
		{ "project id", "project_id", FORM_TEXT },
		{ "total", "total", FORM_COUNT },
		{ "corrections", "corrections", FORM_COUNT },
		{ "to pay", "to_pay", FORM_COUNT },
		{ "currency", "currency", FORM_TEXT },
		{ "provisional", "provisional", FORM_TEXT },
		{ 0 },
	},
	NULL, "No invoices." };
static const struct view months_view = { "months",
	(const struct column[]) {
		{ "month", "month", FORM_TEXT },
		{ "state", "state", FORM_TEXT },
		{ "invoices", "invoices", FORM_COUNT },
		{ "price book", "price_book", FORM_COUNT },
		{ "closed at", "closed_at", FORM_TIME },
		{ "digest", "digest", FORM_TEXT },
		{ 0 },
	},
	NULL, "No month is closed." };
static const struct view month_view = { "month",
	(const struct column[]) {
		{ "month", "month", FORM_TEXT },
		{ "state", "state", FORM_TEXT },
		{ "invoices", "invoices", FORM_COUNT },
		{ "price book", "price_book", FORM_COUNT },
		{ "closed at", "closed_at", FORM_TIME },
		{ "digest", "digest", FORM_TEXT },
		{ "error", "error", FORM_TEXT },
		{ 0 },
	},
	NULL, NULL };
static const struct view faults_view = { "faults",
	(const struct column[]) {
		{ "invoice", "invoice", FORM_TEXT },
		{ "fault", "fault", FORM_TEXT },
		{ 0 },
	},
	NULL, "All invoices are as they were sealed." };
#define BUDGET_COLUMNS                                                                                    \
	{ "id", "id", FORM_TEXT }, { "name", "name", FORM_TEXT }, { "project", "project_id", FORM_TEXT }, \
		{ "amount", "amount", FORM_COUNT }, { "currency", "currency", FORM_TEXT },                \
		{ "thresholds", "thresholds", FORM_TEXT }, { "told in", "told_month", FORM_TEXT },        \
	{                                                                                                 \
		"told", "told_percent", FORM_COUNT                                                        \
	}
static const struct view budgets_view = { "budgets", (const struct column[]) { BUDGET_COLUMNS, { 0 } }, NULL,
	"No budgets. Make one: cloudctl budget create NAME AMOUNT --project PROJECT" };
static const struct view budget_view = { "budget", (const struct column[]) { BUDGET_COLUMNS, { 0 } }, NULL,
	NULL };

#define PROJECT                                                  \
	{                                                        \
		"project", "PROJECT", "Whose", OPT_PROJECT, NULL \
	}
#define MONTH(flags)                                           \
	{                                                      \
		"month", "YYYY-MM", "Which month", flags, NULL \
	}

const struct command invoice_commands[] = {
	{ .path = "invoice list",
		.help = "List invoices; of a month that is not closed what they would be",
		.options = OPTIONS { PROJECT, MONTH(0), END },
		.method = "GET",
		.url = OPERATOR "/invoices",
		.view = &invoices_view,
		.run = cmd_invoice_list },
	{ .path = "invoice show",
		.args = "[INVOICE]",
		.help = "Show an invoice with its lines: one by its id, or a project's of a month",
		.options = OPTIONS { PROJECT, MONTH(0), END },
		.method = "GET",
		.url = OPERATOR "/invoices",
		.run = cmd_invoice_show },
	{ .path = "invoice months",
		.help = "List months that are closed",
		.method = "GET",
		.url = OPERATOR "/months",
		.view = &months_view },
	{ .path = "invoice close",
		.help = "Close a month that is over: its invoices are written and sealed",
		.options = OPTIONS { MONTH(OPT_REQUIRED), END },
		.method = "POST",
		.url = OPERATOR "/months/{--month}/close",
		.view = &month_view,
		.run = cmd_invoice_close },
	{ .path = "invoice correct",
		.args = "INVOICE AMOUNT TEXT",
		.help = "Add a line to an invoice: what is closed is never edited. A negative AMOUNT behind "
			"--",
		.method = "POST",
		.url = OPERATOR "/invoices/{0}/corrections",
		.run = cmd_invoice_correct },
	{ .path = "invoice verify",
		.help = "Look whether the invoices of a closed month are as they were sealed",
		.options = OPTIONS { MONTH(OPT_REQUIRED), END },
		.method = "GET",
		.url = OPERATOR "/months/{--month}/verify",
		.view = &faults_view,
		.run = cmd_invoice_verify },
	{ .path = "budget create",
		.args = "NAME AMOUNT",
		.help = "Tell of it when a project has spent parts of so much within a month",
		.options = OPTIONS { PROJECT,
			{ "threshold", "PERCENT", "When to tell of it; 50, 80 and 100 where not given",
				OPT_MANY | OPT_INT, NULL },
			{ "currency", "CODE", "That of the price book where not given", 0, "currency" },
			END },
		.method = "POST",
		.url = OPERATOR "/budgets",
		.wrap = "budget",
		.view = &budget_view,
		.run = cmd_budget_create },
	{ .path = "budget list",
		.help = "List budgets",
		.options = OPTIONS { PROJECT, END },
		.method = "GET",
		.url = OPERATOR "/budgets",
		.view = &budgets_view,
		.run = cmd_invoice_list },
	{ .path = "budget show",
		.args = "BUDGET",
		.help = "Show one budget",
		.method = "GET",
		.url = OPERATOR "/budgets/{0}",
		.view = &budget_view },
	{ .path = "budget set",
		.args = "BUDGET",
		.help = "Change a budget; what was told this month is told again",
		.options = OPTIONS { { "name", "NAME", "Its name", 0, "name" },
			{ "amount", "AMOUNT", "How much a month", 0, "amount" },
			{ "threshold", "PERCENT", "When to tell of it, instead of those that it has",
				OPT_MANY | OPT_INT, NULL },
			END },
		.method = "PATCH",
		.url = OPERATOR "/budgets/{0}",
		.wrap = "budget",
		.view = &budget_view,
		.run = cmd_budget_set },
	{ .path = "budget delete",
		.args = "BUDGET",
		.help = "Delete a budget",
		.method = "DELETE",
		.url = OPERATOR "/budgets/{0}",
		.done = "Budget {0} is deleted." },
	{ 0 },
};
