/* SPDX-License-Identifier: Apache-2.0 */
#include "api/operator/billing.h"

#include <string.h>

#include "base/util.h"
#include "domain/month.h"
#include "store/quotas.h"

int billing_month_arg(struct api_call *c, const char *text, int *out, struct error *err)
{
	*out = month_of(c->now_us);
	if (!text || month_parse(text, out))
		return 0;
	return error_set(err, ERR_BAD_REQUEST, "the month must be as 2027-01, not '%.20s'", text);
}

int billing_project_arg(struct api_call *c, const char *uid, int64_t *out, struct error *err)
{
	int found;

	*out = api_is_admin(c) ? 0 : c->who->project.id;
	if (!uid)
		return 0;
	if (!api_is_admin(c))
		return str_eq(uid, c->who->project.uid)
			       ? 0
			       : error_set(err, ERR_FORBIDDEN,
					 "You see what your own project pays, no other's.");
	found = store_quota_project(c->db, uid, true, out, err);
	if (found == 0)
		return error_set(err, ERR_BAD_REQUEST, "there is no project %.64s", uid);
	return found < 0 ? -1 : 0;
}

bool billing_wants_csv(const struct api_call *c)
{
	const char *format = api_query(c, "format"), *accept = http_header(c->http, "Accept");

	if (format)
		return strcmp(format, "csv") == 0;
	return accept && str_starts(accept, "text/csv");
}

void billing_reply_csv(struct api_call *c)
{
	c->content_type = "text/csv; charset=utf-8";
}

/* --- views --- */

static void kv_money(struct buf *b, const char *key, int64_t amount, const struct currency *c)
{
	char text[MONEY_TEXT];

	jw_kv_str(b, key, money_text(amount, c, text));
}

static void write_line(
	struct api_call *c, const struct currency *currency, size_t number, const struct rating_line *l)
{
	struct buf *b = &c->out;
	char quantity[FRACTION_TEXT];
	money_wide num, den;

	jw_object(b);
	jw_kv_int(b, "line", (int64_t)number);
	jw_kv_str(b, "kind", rating_line_names[l->kind]);
	jw_kv_str(b, "text", l->text);
	jw_key(b, "item");
	jw_raw(b, l->item, strlen(l->item));
	jw_kv_str(b, "quantity",
		fraction_parse(l->quantity, &num, &den) ? quantity_text(num, den, quantity) : NULL);
	jw_kv_str(b, "quantity_exact", *l->quantity ? l->quantity : NULL);
	jw_kv_str(b, "unit", *l->unit ? l->unit : NULL);
	jw_kv_str(b, "price", *l->price ? l->price : NULL);
	kv_money(b, "amount", l->amount, currency);
	if (l->kind == LINE_CORRECTION) {
		operator_kv_time(c, "created_at", l->created_us);
		jw_kv_str(b, "user_id", *l->user_uid ? l->user_uid : NULL);
	}
	jw_end_object(b);
}

void billing_write_lines(
	struct api_call *c, const struct currency *currency, const struct rating_line *lines, size_t n)
{
	jw_key(&c->out, "lines");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		write_line(c, currency, i + 1, &lines[i]);
	jw_end_array(&c->out);
}

void billing_write_invoice(struct api_call *c, const struct invoice *v, const struct rating_line *lines,
	size_t n, bool with_lines)
{
	const struct currency *currency = currency_find(v->currency);
	char month[MONTH_TEXT], digest[2 * SHA256_SIZE + 1];
	struct buf *b = &c->out;
	int64_t sum = v->total;

	money_add(&sum, v->corrections);
	hex_encode(v->digest, SHA256_SIZE, digest);
	jw_object(b);
	jw_kv_str(b, "id", v->uid);
	jw_kv_bool(b, "provisional", !v->uid);
	jw_kv_str(b, "month", month_text(v->month, month));
	jw_kv_str(b, "project_id", v->project_uid);
	jw_kv_str(b, "project", v->project_name);
	jw_kv_int(b, "price_book", v->book_version);
	jw_kv_str(b, "currency", v->currency);
	if (with_lines)
		billing_write_lines(c, currency, lines, n);
	kv_money(b, "total", v->total, currency);
	kv_money(b, "corrections", v->corrections, currency);
	kv_money(b, "to_pay", sum, currency);
	operator_kv_time(c, "created_at", v->created_us);
	jw_kv_str(b, "digest", v->uid ? digest : NULL);
	jw_end_object(b);
}

struct invoice billing_provisional(const struct billing_rated *r, const struct billing_project *p, int month)
{
	return (struct invoice) { .project_id = p->id,
		.month = month,
		.project_uid = p->uid,
		.project_name = p->name,
		.book_version = r->book.version,
		.currency = r->book.currency->code,
		.lines_n = (int64_t)p->invoice.n,
		.total = p->invoice.total };
}

static int nothing_more(struct api_call *c, struct error *err)
{
	(void)c;
	(void)err;
	return 0;
}

void billing_reply(struct api_call *c)
{
	c->status = 200;
	if (c->http->method > HTTP_HEAD)
		api_submit(c, nothing_more); /* through a tick, for its audit row */
	else
		api_reply(c);
}
