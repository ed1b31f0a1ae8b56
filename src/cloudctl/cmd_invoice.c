/* SPDX-License-Identifier: Apache-2.0 */
/* Invoices with their lines, months that are closed, and budgets. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "cloudctl/invoice_view.h"
#include "cloudctl/table.h"
#include "cloudd/operator.h"

enum { LOOK_MS = 200 };

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* --- an invoice --- */

/* "-1234567.50" as "-1.234.567,50" would be read differently here and there: blanks group everywhere. */
static const char *grouped(struct ctl *ctl, const char *amount)
{
	size_t digits = strspn(amount + (*amount == '-'), "0123456789"), n = 0;
	size_t size = strlen(amount) * 2 + 1;
	char *out = arena_alloc(&ctl->arena, size);

	if (*amount == '-')
		out[n++] = *amount++;
	for (; digits; digits--) {
		out[n++] = *amount++;
		if (digits > 1 && digits % 3 == 1)
			out[n++] = ' ';
	}
	str_copy(out + n, size - n, amount);
	return out;
}

static void add_line(struct ctl *ctl, struct table *t, const json_t *line)
{
	const char *cells[] = { text_of(line, "kind"), text_of(line, "text"), text_of(line, "quantity"),
		text_of(line, "unit"), text_of(line, "price"), grouped(ctl, text_of(line, "amount")) };

	table_row(t);
	for (size_t i = 0; i < ARRAY_LEN(cells); i++)
		table_set(t, i, cells[i]);
}

static void add_sum(
	struct ctl *ctl, struct table *t, const char *what, const json_t *invoice, const char *key)
{
	table_row(t);
	table_set(t, 1, what);
	table_set(t, 3, text_of(invoice, "currency"));
	table_set(t, 5, grouped(ctl, text_of(invoice, key)));
}

static void print_table(struct ctl *ctl, const json_t *invoice)
{
	static const char *const titles[] = { "KIND", "TEXT", "QUANTITY", "UNIT", "PRICE", "AMOUNT" };
	const json_t *lines = json_object_get(invoice, "lines");
	CLEANUP(table_finish) struct table t = { 0 };
	CLEANUP(buf_finish) struct buf out = { 0 };
	bool provisional = json_is_true(json_object_get(invoice, "provisional"));
	json_t *line;
	size_t i;

	printf("%s%s of %s (%s), %s, price book %lld\n\n", provisional ? "provisional invoice" : "invoice ",
		text_of(invoice, "id"), text_of(invoice, "project"), text_of(invoice, "project_id"),
		text_of(invoice, "month"),
		(long long)json_integer_value(json_object_get(invoice, "price_book")));
	table_init(&t, ARRAY_LEN(titles), titles);
	t.right[2] = t.right[4] = t.right[5] = true;
	json_array_foreach(lines, i, line) add_line(ctl, &t, line);
	add_sum(ctl, &t, "total", invoice, "to_pay");
	table_print(&t, &out);
	fwrite(out.data, 1, out.len, stdout);
}

static const struct view lines_view = { "lines",
	(const struct column[]) {
		{ "line", "line", FORM_COUNT },
		{ "kind", "kind", FORM_TEXT },
		{ "text", "text", FORM_TEXT },
		{ "quantity", "quantity", FORM_COUNT },
		{ "quantity_exact", "quantity_exact", FORM_TEXT },
		{ "unit", "unit", FORM_TEXT },
		{ "price", "price", FORM_TEXT },
		{ "amount", "amount", FORM_COUNT },
		{ 0 },
	},
	NULL, "The invoice has no lines." };

int invoice_view(struct ctl *ctl, const json_t *answer, const json_t *invoice)
{
	if (ctl->output == OUTPUT_JSON)
		return ctl_show(ctl, NULL, answer);
	if (ctl->output != OUTPUT_TABLE || ctl->columns.n)
		return ctl_show(ctl, &lines_view, invoice);
	print_table(ctl, invoice);
	return CLOUDCTL_OK;
}

/* --- reading --- */

/* The url with the project's id and the month behind it. */
static int query_url(struct ctl *ctl, const char **out)
{
	const char *project = args_option(&ctl->args, "project"), *month = args_option(&ctl->args, "month"),
		   *url;
	CLEANUP(buf_finish) struct buf b = { 0 };

	if (ctl_url(ctl, ctl->args.command->url, &url))
		return -1;
	buf_puts(&b, url);
	if (project) {
		buf_puts(&b, "?project=");
		url_escape(&b, project);
	}
	if (month) {
		buf_puts(&b, project ? "&month=" : "?month=");
		url_escape(&b, month);
	}
	*out = arena_strdup(&ctl->arena, buf_text(&b));
	return 0;
}

int cmd_invoice_list(struct ctl *ctl)
{
	const char *url;
	json_t *answer;

	if (query_url(ctl, &url) || ctl_call(ctl, "GET", url, NULL, &answer))
		return ctl_failed(ctl);
	return ctl_show(ctl, ctl->args.command->view, answer);
}

static int show_by_id(struct ctl *ctl)
{
	const char *url;
	json_t *answer;

	if (ctl_url(ctl, "/cloud/v1/invoices/{0}", &url) || ctl_call(ctl, "GET", url, NULL, &answer))
		return ctl_failed(ctl);
	return invoice_view(ctl, answer, json_object_get(answer, "invoice"));
}

int cmd_invoice_show(struct ctl *ctl)
{
	const char *url;
	const json_t *invoice;
	json_t *answer;

	if (ctl->args.positional_n)
		return show_by_id(ctl);
	if (!args_option(&ctl->args, "project") || !args_option(&ctl->args, "month")) {
		error_set(&ctl->err, ERR_BAD_REQUEST, "give an invoice's id, or --project and --month");
		return ctl_failed(ctl);
	}
	if (query_url(ctl, &url) || ctl_call(ctl, "GET", url, NULL, &answer))
		return ctl_failed(ctl);
	invoice = json_array_get(json_object_get(answer, "invoices"), 0);
	if (!invoice) {
		ctl_say(ctl, "The project used nothing in that month.");
		return ctl->output == OUTPUT_JSON ? ctl_show(ctl, NULL, answer) : CLOUDCTL_OK;
	}
	return invoice_view(ctl, answer, invoice);
}

/* --- months --- */

/* Until it is closed, or open again. */
static int wait_closed(struct ctl *ctl, json_t **answer)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };
	const char *url;

	if (ctl_url(ctl, "/cloud/v1/months/{--month}", &url))
		return -1;
	for (;;) {
		if (ctl_call(ctl, "GET", url, NULL, answer))
			return -1;
		if (!str_eq(text_of(json_object_get(*answer, "month"), "state"), "closing"))
			return 0;
		nanosleep(&pause, NULL);
	}
}

int cmd_invoice_close(struct ctl *ctl)
{
	const json_t *month;
	const char *url;
	json_t *answer;

	if (ctl_url(ctl, ctl->args.command->url, &url) || ctl_call(ctl, "POST", url, NULL, &answer) ||
		wait_closed(ctl, &answer))
		return ctl_failed(ctl);
	month = json_object_get(answer, "month");
	if (!str_eq(text_of(month, "state"), "closed")) {
		error_set(&ctl->err, ERR_CONFLICT, "%s is not closed: %s", text_of(month, "month"),
			text_of(month, "error"));
		return ctl_failed(ctl);
	}
	return ctl_show(ctl, ctl->args.command->view, answer);
}

int cmd_invoice_verify(struct ctl *ctl)
{
	const json_t *verdict;
	const char *url;
	json_t *answer;
	int rc;

	if (ctl_url(ctl, ctl->args.command->url, &url) || ctl_call(ctl, "GET", url, NULL, &answer))
		return ctl_failed(ctl);
	verdict = json_object_get(answer, "verdict");
	rc = ctl_show(ctl, ctl->args.command->view, ctl->output == OUTPUT_JSON ? answer : verdict);
	return rc == CLOUDCTL_OK && !json_is_true(json_object_get(verdict, "good")) ? CLOUDCTL_REFUSED : rc;
}

int cmd_invoice_correct(struct ctl *ctl)
{
	CLEANUP(buf_finish) struct buf b = { 0 };
	const char *url;
	json_t *answer;

	jw_object(&b);
	jw_key(&b, "correction");
	jw_object(&b);
	jw_kv_str(&b, "amount", ctl->args.positional[1]);
	jw_kv_str(&b, "text", ctl->args.positional[2]);
	jw_end_object(&b);
	jw_end_object(&b);
	if (ctl_url(ctl, ctl->args.command->url, &url) || ctl_call(ctl, "POST", url, buf_text(&b), &answer))
		return ctl_failed(ctl);
	return invoice_view(ctl, answer, json_object_get(answer, "invoice"));
}

/* --- budgets --- */

static void body_thresholds(struct ctl *ctl, struct buf *b)
{
	const char *one;
	int64_t percent;

	if (!args_option(&ctl->args, "threshold"))
		return;
	jw_key(b, "thresholds");
	jw_array(b);
	for (size_t i = 0; (one = args_option_at(&ctl->args, "threshold", i)); i++)
		if (str_int64(one, 0, INT64_MAX, &percent))
			jw_int(b, percent);
	jw_end_array(b);
}

static int send_budget(struct ctl *ctl, const char *project)
{
	const struct command *command = ctl->args.command;
	CLEANUP(buf_finish) struct buf b = { 0 };
	const char *url;
	json_t *answer;

	jw_object(&b);
	jw_key(&b, "budget");
	jw_object(&b);
	if (str_eq(command->method, "POST")) {
		jw_kv_str(&b, "name", ctl->args.positional[0]);
		jw_kv_str(&b, "amount", ctl->args.positional[1]);
	}
	if (project)
		jw_kv_str(&b, "project_id", project);
	ctl_body_options(ctl, &b);
	body_thresholds(ctl, &b);
	jw_end_object(&b);
	jw_end_object(&b);
	if (ctl_url(ctl, command->url, &url) || ctl_call(ctl, command->method, url, buf_text(&b), &answer))
		return ctl_failed(ctl);
	return ctl_show(ctl, command->view, answer);
}

int cmd_budget_create(struct ctl *ctl)
{
	return send_budget(ctl, args_option(&ctl->args, "project"));
}

int cmd_budget_set(struct ctl *ctl)
{
	return send_budget(ctl, NULL);
}
