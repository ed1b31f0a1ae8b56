/* SPDX-License-Identifier: Apache-2.0 */
/* Invoices: those of closed months, provisional ones of others, corrections; and months: closing them, and
 * verifying that nothing was edited. */
#include <string.h>

#include "api/operator/billing.h"
#include "base/util.h"
#include "domain/month.h"

/* --- reading --- */

/* Which invoices the call is about. */
struct wanted {
	int64_t project_id;
	int month; /* 0: none was given */
};

static int wanted(struct api_call *c, struct wanted *out, struct error *err)
{
	const char *month = api_query(c, "month");

	out->month = 0;
	if ((month && billing_month_arg(c, month, &out->month, err)) ||
		billing_project_arg(c, api_query(c, "project"), &out->project_id, err))
		return -1;
	if (billing_wants_csv(c) && (!out->month || !out->project_id))
		return error_set(err, ERR_BAD_REQUEST, "for CSV ask for a project and a month");
	return 0;
}

static void list_begin(struct api_call *c)
{
	jw_object(&c->out);
	jw_key(&c->out, "invoices");
	jw_array(&c->out);
}

static void list_end(struct api_call *c, const char *next)
{
	jw_end_array(&c->out);
	if (next)
		api_next_link(c, "invoices_links", next);
	jw_end_object(&c->out);
}

/* In a list lines come only when it is one project's month. */
static int write_stored(struct api_call *c, const struct invoice *v, bool with_lines, struct error *err)
{
	struct rating_line *lines = NULL;
	size_t n = 0;

	if (with_lines && store_invoice_lines(c->db, c->arena, v->id, &lines, &n, err))
		return -1;
	if (billing_wants_csv(c)) {
		invoice_csv(&c->out, v, lines, n);
		billing_reply_csv(c);
	} else {
		billing_write_invoice(c, v, lines, n, with_lines);
	}
	return 0;
}

static int list_stored(struct api_call *c, const struct wanted *w, struct error *err)
{
	struct invoice_filter f = {
		.project_id = w->project_id, .month = w->month, .after = api_query(c, "marker")
	};
	bool csv = billing_wants_csv(c);
	struct invoice *all;
	size_t n;

	if (api_limit(c, &f.limit, NULL, err) || store_invoice_list(c->db, c->arena, &f, &all, &n, err))
		return -1;
	if (!csv)
		list_begin(c);
	for (size_t i = 0; i < n; i++)
		if (write_stored(c, &all[i], w->project_id && w->month, err))
			return -1;
	if (csv)
		billing_reply_csv(c);
	else
		list_end(c, n && (int64_t)n == f.limit ? all[n - 1].uid : NULL);
	c->status = 200;
	return 0;
}

static void provisional(void *ctx, const struct billing_rated *r, const struct error *err)
{
	struct api_call *c = ctx;
	struct error ignored;
	struct wanted w;
	bool csv = billing_wants_csv(c);

	if (err || wanted(c, &w, &ignored)) {
		api_fail(c, err ? err : &ignored);
		return;
	}
	if (!csv)
		list_begin(c);
	for (size_t i = 0; i < r->n && i < c->api->config.list_max; i++) {
		const struct billing_project *p = &r->projects[i];
		struct invoice v = billing_provisional(r, p, w.month);

		if (csv)
			invoice_csv(&c->out, &v, p->invoice.lines, p->invoice.n);
		else
			billing_write_invoice(c, &v, p->invoice.lines, p->invoice.n, w.project_id != 0);
	}
	if (csv)
		billing_reply_csv(c);
	else
		list_end(c, NULL);
	billing_reply(c);
}

int invoice_list(struct api_call *c, struct error *err)
{
	struct billing_ask ask = { .all = api_query_bool(c, "all", false) };
	struct closed_month m = { 0 };
	struct wanted w;

	if (wanted(c, &w, err) || (w.month && store_month_get(c->db, w.month, &m, err) < 0))
		return -1;
	if (!w.month || m.closed_us) {
		if (list_stored(c, &w, err))
			return -1;
		api_reply(c);
		return 0;
	}
	ask.project_id = w.project_id;
	if (billing_month_load(c->db, w.month, &ask.month, err))
		return -1;
	return billing_rate(c->api->billing, &ask, provisional, c, err);
}

static int find(struct api_call *c, struct invoice *out, struct error *err)
{
	c->target = api_param(c, "invoice");
	return store_invoice_load(
		c->db, c->arena, c->target, api_is_admin(c) ? 0 : c->who->project.id, out, err);
}

static int reply(struct api_call *c, const struct invoice *v, struct error *err)
{
	bool csv = billing_wants_csv(c);

	if (!csv) {
		jw_object(&c->out);
		jw_key(&c->out, "invoice");
	}
	if (write_stored(c, v, true, err))
		return -1;
	if (!csv)
		jw_end_object(&c->out);
	return 0;
}

int invoice_show(struct api_call *c, struct error *err)
{
	struct invoice v;

	return find(c, &v, err) || reply(c, &v, err) ? -1 : 0;
}

/* --- corrections --- */

struct correction_body {
	const char *text, *amount;
};

static const struct bind_field correction_fields[] = {
	BIND(correction_body, text, "text", BIND_STR, BIND_REQUIRED, 1, 200),
	BIND(correction_body, amount, "amount", BIND_STR, BIND_REQUIRED, 1, 24),
};
const struct bind_table correction_body = { .top = "correction",
	BIND_TABLE(correction_body, correction_fields) };

int invoice_correct(struct api_call *c, struct error *err)
{
	const struct correction_body *in = c->in;
	struct invoice_correction line = { .text = in->text,
		.user_uid = c->who->user.uid ? c->who->user.uid : "root",
		.now_us = c->now_us };
	const struct currency *currency;
	struct closed_month m;
	struct invoice v;

	if (find(c, &v, err) || store_month_get(c->db, v.month, &m, err) < 0)
		return -1;
	currency = currency_find(v.currency);
	if (!m.closed_us)
		return error_set(err, ERR_CONFLICT, "its month is still being closed");
	if (!money_parse(in->amount, currency, &line.amount) || !line.amount)
		return error_set(err, ERR_BAD_REQUEST,
			"correction.amount must be an amount of %s as -12%s, with at most %d digits behind "
			"the "
			"point",
			v.currency, currency->digits ? ".5" : "", currency->digits);
	if (store_invoice_correct(c->db, &v, &line, err) ||
		store_invoice_load(c->db, c->arena, v.uid, 0, &v, err))
		return -1;
	c->status = 201;
	return reply(c, &v, err);
}

/* --- months --- */

static void write_month(struct api_call *c, const struct closed_month *m)
{
	char month[MONTH_TEXT], digest[2 * SHA256_SIZE + 1];
	const char *why = billing_close_error(c->api->billing, m->month);
	struct buf *b = &c->out;

	hex_encode(m->digest, SHA256_SIZE, digest);
	jw_object(b);
	jw_kv_str(b, "month", month_text(m->month, month));
	jw_kv_str(b, "state", m->closed_us ? "closed" : m->begun_us ? "closing" : "open");
	jw_kv_int(b, "price_book", m->book_version);
	jw_kv_int(b, "invoices", m->invoices);
	operator_kv_time(c, "begun_at", m->begun_us);
	operator_kv_time(c, "closed_at", m->closed_us);
	jw_kv_str(b, "digest", m->closed_us ? digest : NULL);
	jw_kv_str(b, "error", *why ? why : NULL);
	jw_end_object(b);
}

int month_list(struct api_call *c, struct error *err)
{
	struct closed_month *all;
	int64_t limit;
	size_t n;

	if (api_limit(c, &limit, NULL, err) || store_month_list(c->db, c->arena, limit, &all, &n, err))
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "months");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		write_month(c, &all[i]);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

static int month_param(struct api_call *c, int *out, struct error *err)
{
	c->target = api_param(c, "month");
	return month_parse(c->target, out)
		       ? 0
		       : error_set(err, ERR_NOT_FOUND, "There is no month %.20s.", c->target);
}

static void reply_month(struct api_call *c, const struct closed_month *m)
{
	jw_object(&c->out);
	jw_key(&c->out, "month");
	write_month(c, m);
	jw_end_object(&c->out);
}

int month_show(struct api_call *c, struct error *err)
{
	struct closed_month m = { 0 };
	int month;

	if (month_param(c, &month, err) || store_month_get(c->db, month, &m, err) < 0)
		return -1;
	m.month = month;
	reply_month(c, &m);
	return 0;
}

static void close_go(struct api_call *c)
{
	billing_close_go(c->api->billing);
}

int month_close(struct api_call *c, struct error *err)
{
	struct closed_month m;
	int month;

	if (month_param(c, &month, err) || billing_close_begin(c->db, month, c->now_us, &m, err))
		return -1;
	c->status = m.closed_us ? 200 : 202;
	c->committed = close_go;
	reply_month(c, &m);
	return 0;
}

static void verified(void *ctx, const struct billing_verdict *v, const struct error *err)
{
	struct api_call *c = ctx;
	struct buf *b = &c->out;

	if (err) {
		api_fail(c, err);
		return;
	}
	jw_object(b);
	jw_key(b, "verdict");
	jw_object(b);
	jw_kv_str(b, "month", api_param(c, "month"));
	jw_kv_int(b, "invoices", v->invoices);
	jw_kv_bool(b, "good", !v->n);
	jw_key(b, "faults");
	jw_array(b);
	for (size_t i = 0; i < v->n; i++) {
		jw_object(b);
		jw_kv_str(b, "invoice", v->faults[i].uid);
		jw_kv_str(b, "fault", v->faults[i].fault);
		jw_end_object(b);
	}
	jw_end_array(b);
	jw_kv_bool(b, "more", v->more);
	jw_end_object(b);
	jw_end_object(b);
	billing_reply(c);
}

int month_verify(struct api_call *c, struct error *err)
{
	struct closed_month m;
	int month, rc;

	if (month_param(c, &month, err))
		return -1;
	rc = store_month_get(c->db, month, &m, err);
	if (rc <= 0 || !m.closed_us)
		return rc < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "%s is not closed.", c->target);
	return billing_verify(c->api->billing, month, verified, c, err);
}
