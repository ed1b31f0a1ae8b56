/* SPDX-License-Identifier: Apache-2.0 */
/* Price books come from files; and what a month costs by one of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "cloudctl/invoice_view.h"
#include "cloudd/operator.h"

/* --- files --- */

/* The JSON of a file as one line; "-" is standard input. */
static int read_book(struct ctl *ctl, const char *path, const char **out)
{
	json_error_t where;
	json_t *book = str_eq(path, "-") ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &where)
					 : json_load_file(path, JSON_REJECT_DUPLICATES, &where);
	CLEANUP(free_ptr) char *text = book ? json_dumps(book, JSON_COMPACT) : NULL;

	json_decref(book);
	if (!text && where.line < 0)
		return error_set(&ctl->err, ERR_BAD_REQUEST, "%s: %s", path, where.text);
	if (!text)
		return error_set(&ctl->err, ERR_BAD_REQUEST, "%s is not JSON: line %d, column %d: %s", path,
			where.line, where.column, where.text);
	*out = arena_strdup(&ctl->arena, text);
	return 0;
}

static int post_book(struct ctl *ctl, json_t **answer)
{
	CLEANUP(buf_finish) struct buf b = { 0 };
	const char *book, *url;

	if (read_book(ctl, ctl->args.positional[0], &book) || ctl_url(ctl, ctl->args.command->url, &url))
		return -1;
	jw_object(&b);
	jw_key(&b, "price_book");
	jw_raw(&b, book, strlen(book));
	jw_end_object(&b);
	return ctl_call(ctl, "POST", url, buf_text(&b), answer);
}

int cmd_price_add(struct ctl *ctl)
{
	json_t *answer;

	return post_book(ctl, &answer) ? ctl_failed(ctl) : ctl_show(ctl, ctl->args.command->view, answer);
}

int cmd_price_check(struct ctl *ctl)
{
	const json_t *check;
	json_t *answer;

	if (post_book(ctl, &answer))
		return ctl_failed(ctl);
	check = json_object_get(answer, "check");
	ctl_say(ctl, "The book is good: %lld items.",
		(long long)json_integer_value(json_object_get(check, "items")));
	return ctl_show(ctl, ctl->args.command->view, ctl->output == OUTPUT_JSON ? answer : check);
}

int cmd_price_show(struct ctl *ctl)
{
	const char *url;
	json_t *answer;

	if (ctl_url(ctl, ctl->args.command->url, &url) || ctl_call(ctl, "GET", url, NULL, &answer))
		return ctl_failed(ctl);
	if (ctl->output != OUTPUT_JSON)
		answer = json_object_get(json_object_get(answer, "price_book"), "book");
	json_dumpf(answer, stdout, JSON_INDENT(2));
	putchar('\n');
	return CLOUDCTL_OK;
}

/* --- rating --- */

static int rate_book(struct ctl *ctl, struct buf *b)
{
	const char *book = args_option(&ctl->args, "book"), *text;
	int64_t version;

	if (!book)
		return 0;
	if (str_int64(book, 1, INT32_MAX, &version)) {
		jw_kv_int(b, "version", version);
		return 0;
	}
	if (read_book(ctl, book, &text))
		return -1;
	jw_key(b, "price_book");
	jw_raw(b, text, strlen(text));
	return 0;
}

int cmd_rate(struct ctl *ctl)
{
	const char *month = args_option(&ctl->args, "month");
	CLEANUP(buf_finish) struct buf b = { 0 };
	json_t *answer;

	jw_object(&b);
	jw_key(&b, "rate");
	jw_object(&b);
	jw_kv_str(&b, "project_id", args_option(&ctl->args, "project"));
	if (month)
		jw_kv_str(&b, "month", month);
	if (args_flag(&ctl->args, "all"))
		jw_kv_bool(&b, "all", true);
	if (rate_book(ctl, &b))
		return ctl_failed(ctl);
	jw_end_object(&b);
	jw_end_object(&b);
	if (ctl_call(ctl, "POST", ctl->args.command->url, buf_text(&b), &answer))
		return ctl_failed(ctl);
	return invoice_view(ctl, answer, json_object_get(answer, "invoice"));
}
