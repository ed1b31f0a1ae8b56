/* SPDX-License-Identifier: Apache-2.0 */
/* Price books: adding, showing, checking them against what is used, and rating by another than the one in
 * force. */
#include <stdlib.h>
#include <string.h>

#include "api/operator/billing.h"
#include "base/util.h"
#include "domain/month.h"
#include "store/price_books.h"

enum { BOOK_BYTES_MAX = 1 << 20 };

static void write_head(struct api_call *c, const struct price_book_row *r)
{
	char month[MONTH_TEXT];

	jw_kv_int(&c->out, "version", r->version);
	jw_kv_str(&c->out, "from_month", month_text(r->from_month, month));
	jw_kv_str(&c->out, "currency", r->currency);
	operator_kv_time(c, "created_at", r->created_us);
}

int price_book_list(struct api_call *c, struct error *err)
{
	struct price_book_row *all;
	int in_force = 0;
	size_t n;

	if (store_price_book_list(c->db, c->arena, c->api->config.list_max, &all, &n, err) ||
		store_price_book_in_force(c->db, month_of(c->now_us), &in_force, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "price_books");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		jw_object(&c->out);
		write_head(c, &all[i]);
		jw_kv_bool(&c->out, "in_force", all[i].version == in_force);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* What was agreed with others is no tenant's business. */
static void leave_own(json_t *list, const char *project)
{
	for (size_t i = json_array_size(list); i > 0; i--)
		if (!str_eq(json_string_value(json_object_get(json_array_get(list, i - 1), "project_id")),
			    project))
			json_array_remove(list, i - 1);
}

static int write_book(struct api_call *c, const struct price_book_row *r, struct error *err)
{
	json_t *book = bind_parse(r->body, strlen(r->body), err);
	CLEANUP(free_ptr) char *text = NULL;

	if (!book)
		return error_internal(err, "price book %d is damaged: %s", r->version, err->msg);
	if (!api_is_admin(c)) {
		leave_own(json_object_get(book, "discounts"), c->who->project.uid);
		leave_own(json_object_get(book, "commitments"), c->who->project.uid);
	}
	text = json_dumps(book, JSON_COMPACT);
	json_decref(book);
	jw_object(&c->out);
	jw_key(&c->out, "price_book");
	jw_object(&c->out);
	write_head(c, r);
	jw_key(&c->out, "book");
	jw_raw(&c->out, text, strlen(text));
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int price_book_show(struct api_call *c, struct error *err)
{
	const char *text = api_param(c, "version");
	struct price_book_row r;
	int64_t version;

	if (!str_int64(text, 1, INT32_MAX, &version))
		return error_set(err, ERR_NOT_FOUND, "There is no price book %.32s.", text);
	c->target = text;
	return store_price_book_load(c->db, c->arena, (int)version, &r, err) || write_book(c, &r, err) ? -1
												       : 0;
}

/* As it came, without blanks. */
static int book_text(struct api_call *c, const json_t *book, const char **out, struct error *err)
{
	CLEANUP(free_ptr) char *text = json_dumps(book, JSON_COMPACT);

	if (strlen(text) > BOOK_BYTES_MAX)
		return error_set(err, ERR_TOO_LARGE, "a price book may have %d bytes", BOOK_BYTES_MAX);
	*out = arena_strdup(c->arena, text);
	return 0;
}

static int refuse_closed(struct api_call *c, int from_month, struct error *err)
{
	char text[MONTH_TEXT];
	int last, rc = store_month_last(c->db, &last, err);

	if (rc > 0 && from_month <= last)
		return error_set(err, ERR_CONFLICT, "%s is closed: a new book can begin with %s",
			month_text(last, (char[MONTH_TEXT]) { "" }), month_text(month_next(last), text));
	return rc < 0 ? -1 : 0;
}

int price_book_add(struct api_call *c, struct error *err)
{
	struct price_book_row r = { .created_us = c->now_us };
	struct price_book book;

	if (price_book_make(c->in, c->arena, &book, err) || refuse_closed(c, book.from_month, err) ||
		book_text(c, json_object_get(c->body, "price_book"), &r.body, err))
		return -1;
	r.from_month = book.from_month;
	r.currency = book.currency->code;
	if (store_price_book_add(c->db, &r, err) ||
		store_price_book_load(c->db, c->arena, r.version, &r, err))
		return -1;
	c->status = 201;
	c->target = arena_printf(c->arena, "%d", r.version);
	return write_book(c, &r, err);
}

/* --- rating with another book --- */

struct rate_body {
	const char *project, *month;
	int64_t version;
	json_t *book;
	bool all;
};

static const struct bind_field rate_fields[] = {
	BIND(rate_body, project, "project_id", BIND_STR, BIND_REQUIRED, 1, 64),
	BIND(rate_body, month, "month", BIND_STR, 0, 7, 7),
	BIND(rate_body, version, "version", BIND_INT, 0, 1, INT32_MAX),
	{ .name = "price_book",
		.type = BIND_OBJ,
		.offset = offsetof(struct rate_body, book),
		.flags = BIND_JSON,
		.table = &price_book_table },
	BIND(rate_body, all, "all", BIND_BOOL, 0, 0, 0),
};
const struct bind_table rate_body = { .top = "rate", BIND_TABLE(rate_body, rate_fields) };

/* Nobody used anything: an invoice without lines. */
static const struct billing_project *the_project(
	struct api_call *c, const struct billing_rated *r, struct billing_project *none)
{
	const struct rate_body *in = c->in;

	*none = (struct billing_project) { .uid = in->project };
	return r->n ? &r->projects[0] : none;
}

static void rated(void *ctx, const struct billing_rated *r, const struct error *err)
{
	struct api_call *c = ctx;
	const struct rate_body *in = c->in;
	struct billing_project none;
	const struct billing_project *p;
	struct error ignored;
	struct invoice v;
	int month;

	if (err) {
		api_fail(c, err);
		return;
	}
	p = the_project(c, r, &none);
	billing_month_arg(c, in->month, &month, &ignored);
	v = billing_provisional(r, p, month);
	if (billing_wants_csv(c)) {
		invoice_csv(&c->out, &v, p->invoice.lines, p->invoice.n);
		billing_reply_csv(c);
	} else {
		jw_object(&c->out);
		jw_key(&c->out, "invoice");
		billing_write_invoice(c, &v, p->invoice.lines, p->invoice.n, true);
		jw_end_object(&c->out);
	}
	billing_reply(c);
}

int price_rate(struct api_call *c, struct error *err)
{
	const struct rate_body *in = c->in;
	struct billing_ask ask = { .all = in->all };
	struct price_book_row row;
	int month;

	if (billing_month_arg(c, in->month, &month, err) ||
		billing_project_arg(c, in->project, &ask.project_id, err) ||
		billing_month_load(c->db, month, &ask.month, err) ||
		(in->book && book_text(c, in->book, &ask.book, err)) ||
		(in->version && store_price_book_load(c->db, c->arena, (int)in->version, &row, err)))
		return -1;
	if (in->version && in->book)
		return error_set(err, ERR_BAD_REQUEST, "rate.version and rate.price_book: give one");
	if (in->version)
		ask.month.version = (int)in->version;
	c->target = in->project;
	return billing_rate(c->api->billing, &ask, rated, c, err);
}

/* --- checking --- */

static void checked(void *ctx, const struct billing_rated *r, const struct error *err)
{
	struct api_call *c = ctx;
	struct buf *b = &c->out;
	char quantity[FRACTION_TEXT];
	money_wide num, den;

	if (err) {
		api_fail(c, err);
		return;
	}
	jw_object(b);
	jw_key(b, "check");
	jw_object(b);
	jw_kv_int(b, "items", (int64_t)r->book.items_n);
	jw_key(b, "unpriced");
	jw_array(b);
	for (size_t i = 0; r->n && i < r->projects[0].invoice.n; i++) {
		const struct rating_line *l = &r->projects[0].invoice.lines[i];

		if (!l->no_price)
			continue;
		fraction_parse(l->quantity, &num, &den);
		jw_object(b);
		jw_kv_str(b, "text", l->text);
		jw_key(b, "item");
		jw_raw(b, l->item, strlen(l->item));
		jw_kv_str(b, "quantity", quantity_text(num, den, quantity));
		jw_kv_str(b, "unit", l->unit);
		jw_end_object(b);
	}
	jw_end_array(b);
	jw_end_object(b);
	jw_end_object(b);
	billing_reply(c);
}

int price_book_check(struct api_call *c, struct error *err)
{
	struct billing_ask ask = { .all = true, .merged = true };
	struct price_book book;
	int month;

	if (price_book_make(c->in, c->arena, &book, err) ||
		billing_month_arg(c, api_query(c, "month"), &month, err) ||
		billing_month_load(c->db, month, &ask.month, err) ||
		book_text(c, json_object_get(c->body, "price_book"), &ask.book, err))
		return -1;
	return billing_rate(c->api->billing, &ask, checked, c, err);
}
