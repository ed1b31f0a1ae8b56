/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands on prices, and how their answers are shown. */
#include "cloudctl/commands.h"

#define BOOK_COLUMNS                                                                     \
	{ "version", "version", FORM_COUNT }, { "from month", "from_month", FORM_TEXT }, \
		{ "currency", "currency", FORM_TEXT },                                   \
	{                                                                                \
		"added at", "created_at", FORM_TIME                                      \
	}
static const struct view books_view = { "price_books",
	(const struct column[]) { BOOK_COLUMNS, { "in force", "in_force", FORM_TEXT }, { 0 } }, NULL,
	"No price books. Add one: cloudctl price add FILE" };
static const struct view book_view = { "price_book", (const struct column[]) { BOOK_COLUMNS, { 0 } }, NULL,
	NULL };
static const struct view unpriced_view = { "unpriced",
	(const struct column[]) {
		{ "used without a price", "text", FORM_TEXT },
		{ "quantity", "quantity", FORM_COUNT },
		{ "unit", "unit", FORM_TEXT },
		{ 0 },
	},
	NULL, "All that is used has a price, or is free." };

#define MONTH(help)                               \
	{                                         \
		"month", "YYYY-MM", help, 0, NULL \
	}

const struct command price_commands[] = {
	{ .path = "price add",
		.args = "FILE",
		.help = "Add a price book (JSON): it is in force from its month on",
		.method = "POST",
		.url = OPERATOR "/prices",
		.view = &book_view,
		.run = cmd_price_add },
	{ .path = "price list",
		.help = "List price books",
		.method = "GET",
		.url = OPERATOR "/prices",
		.view = &books_view },
	{ .path = "price show",
		.args = "VERSION",
		.help = "Print a price book as it was added",
		.method = "GET",
		.url = OPERATOR "/prices/{0}",
		.run = cmd_price_show },
	{ .path = "price check",
		.args = "FILE",
		.help = "Check a price book, and name what was used this month and has no price in it",
		.options = OPTIONS { { "month", "YYYY-MM", "Used in this month instead", 0, "?month" }, END },
		.method = "POST",
		.url = OPERATOR "/prices/check",
		.view = &unpriced_view,
		.run = cmd_price_check },
	{ .path = "rate",
		.help = "Tell what a project's month costs, also by another price book",
		.options = OPTIONS { { "project", "PROJECT", "Whose", OPT_REQUIRED | OPT_PROJECT, NULL },
			MONTH("Which month; the one under way where not given"),
			{ "book", "BOOK", "By this book, a file or the version of one that was added", 0,
				NULL },
			{ "all", NULL, "With lines for what has no price", OPT_FLAG, NULL }, END },
		.method = "POST",
		.url = OPERATOR "/rate",
		.run = cmd_rate },
	{ 0 },
};
