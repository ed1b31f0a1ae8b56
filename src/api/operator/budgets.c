/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets: what a project means to spend a month; who is told of it hears it as an event. */
#include "store/budgets.h"

#include <string.h>

#include "api/operator/billing.h"
#include "base/util.h"
#include "domain/month.h"
#include "store/price_books.h"
#include "store/quotas.h"

static void write_budget(struct api_call *c, const struct budget *b)
{
	char amount[MONEY_TEXT], month[MONTH_TEXT];
	int thresholds[BUDGET_THRESHOLDS_MAX];
	size_t n = billing_thresholds(b->thresholds, thresholds);

	jw_object(&c->out);
	jw_kv_str(&c->out, "id", b->uid);
	jw_kv_str(&c->out, "project_id", b->project_uid);
	jw_kv_str(&c->out, "name", b->name);
	jw_kv_str(&c->out, "amount", money_text(b->amount, currency_find(b->currency), amount));
	jw_kv_str(&c->out, "currency", b->currency);
	jw_key(&c->out, "thresholds");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		jw_int(&c->out, thresholds[i]);
	jw_end_array(&c->out);
	jw_kv_str(&c->out, "told_month", b->told_month ? month_text(b->told_month, month) : NULL);
	jw_kv_int(&c->out, "told_percent", b->told_percent);
	operator_kv_time(c, "created_at", b->created_us);
	jw_end_object(&c->out);
}

static int reply(struct api_call *c, const struct budget *b)
{
	c->target = b->uid;
	jw_object(&c->out);
	jw_key(&c->out, "budget");
	write_budget(c, b);
	jw_end_object(&c->out);
	return 0;
}

int budget_list(struct api_call *c, struct error *err)
{
	struct budget_filter f = { 0 };
	struct budget *all;
	size_t n;

	if (api_limit(c, &f.limit, NULL, err) ||
		billing_project_arg(c, api_query(c, "project"), &f.project_id, err) ||
		store_budget_list(c->db, c->arena, &f, &all, &n, err))
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "budgets");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		write_budget(c, &all[i]);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

static int find(struct api_call *c, struct budget *out, struct error *err)
{
	c->target = api_param(c, "budget");
	return store_budget_load(
		c->db, c->arena, c->target, api_is_admin(c) ? 0 : c->who->project.id, out, err);
}

int budget_show(struct api_call *c, struct error *err)
{
	struct budget b;

	return find(c, &b, err) ? -1 : reply(c, &b);
}

/* --- bodies --- */

struct budget_body {
	const char *name, *amount, *currency, *project;
	struct bind_list thresholds;
};

static const struct bind_field threshold_item = { .type = BIND_INT, .min = 1, .max = BUDGET_PERCENT_MAX };

#define NAME(flags) BIND(budget_body, name, "name", BIND_STR, flags, 1, 255)
#define AMOUNT(flags) BIND(budget_body, amount, "amount", BIND_STR, flags, 1, 24)
#define THRESHOLDS                                                                                          \
	{                                                                                                   \
		.name = "thresholds", .type = BIND_ARR, .offset = offsetof(struct budget_body, thresholds), \
		.min = 1, .max = BUDGET_THRESHOLDS_MAX, .items = &threshold_item                            \
	}
static const struct bind_field create_fields[] = {
	NAME(BIND_REQUIRED),
	AMOUNT(BIND_REQUIRED),
	THRESHOLDS,
	BIND(budget_body, currency, "currency", BIND_STR, 0, 3, 3),
	BIND(budget_body, project, "project_id", BIND_STR, 0, 1, 64),
};
static const struct bind_field change_fields[] = { NAME(0), AMOUNT(0), THRESHOLDS };
const struct bind_table budget_create_body = { .top = "budget", BIND_TABLE(budget_body, create_fields) },
			budget_change_body = { .top = "budget", BIND_TABLE(budget_body, change_fields) };

static int set_amount(const struct budget_body *in, struct budget *b, struct error *err)
{
	const struct currency *c = currency_find(b->currency);

	if (!money_parse(in->amount, c, &b->amount) || b->amount <= 0)
		return error_set(err, ERR_BAD_REQUEST,
			"budget.amount must be an amount of %s above 0, with at most %d digits behind the "
			"point",
			c->code, c->digits);
	return 0;
}

/* Ascending, each once. */
static int set_thresholds(struct api_call *c, const struct bind_list *in, struct budget *b, struct error *err)
{
	const int64_t *list = in->items;

	b->thresholds = "";
	for (size_t i = 0; i < in->n; i++) {
		if (i && list[i] <= list[i - 1])
			return error_set(err, ERR_BAD_REQUEST, "budget.thresholds must go up");
		b->thresholds =
			arena_printf(c->arena, "%s%s%lld", b->thresholds, i ? "," : "", (long long)list[i]);
	}
	return 0;
}

/* --- changes --- */

static int set_project(struct api_call *c, const char *uid, struct budget *b, struct error *err)
{
	int found;

	b->project_id = c->who->project.id;
	b->project_uid = c->who->project.uid;
	if (!uid && !b->project_id)
		return error_set(err, ERR_BAD_REQUEST, "budget.project_id is required");
	if (!uid)
		return 0;
	if (!api_is_admin(c) && !str_eq(uid, b->project_uid))
		return error_set(err, ERR_FORBIDDEN, "You make budgets for your own project, no other.");
	b->project_uid = uid;
	found = store_quota_project(c->db, uid, false, &b->project_id, err);
	if (found == 0)
		return error_set(err, ERR_BAD_REQUEST, "there is no project %.64s", uid);
	return found < 0 ? -1 : 0;
}

/* That of the book in force, unless it says another: which then waits for a book of that currency. */
static int set_currency(struct api_call *c, const char *code, struct budget *b, struct error *err)
{
	struct price_book_row row;
	int version, rc;

	b->currency = code;
	if (!code) {
		rc = store_price_book_in_force(c->db, month_of(c->now_us), &version, err);
		if (rc <= 0)
			return rc ? -1
				  : error_set(err, ERR_BAD_REQUEST,
					    "budget.currency is required: there is no price book");
		if (store_price_book_load(c->db, c->arena, version, &row, err))
			return -1;
		b->currency = row.currency;
	}
	if (!currency_find(b->currency))
		return error_set(err, ERR_BAD_REQUEST, "budget.currency: there is no %.3s", b->currency);
	return 0;
}

static void changed(struct api_call *c)
{
	struct error ignored;
	struct budget b;

	if (store_budget_load(c->db, c->arena, c->target, 0, &b, &ignored) == 0)
		billing_budgets_soon(c->api->billing, b.project_id);
}

int budget_create(struct api_call *c, struct error *err)
{
	static const int64_t usual[] = { 50, 80, 100 };
	const struct budget_body *in = c->in;
	struct bind_list thresholds = { usual, ARRAY_LEN(usual) };
	struct budget b = { .name = in->name, .created_us = c->now_us };
	char uid[UUID_TEXT];

	if (set_project(c, in->project, &b, err) || set_currency(c, in->currency, &b, err) ||
		set_amount(in, &b, err) ||
		set_thresholds(c, in->thresholds.items ? &in->thresholds : &thresholds, &b, err))
		return -1;
	uuid_make(c->api->loop->rng, uid);
	b.uid = arena_strdup(c->arena, uid);
	if (store_budget_insert(c->db, &b, err))
		return -1;
	c->status = 201;
	c->committed = changed;
	return reply(c, &b);
}

int budget_change(struct api_call *c, struct error *err)
{
	const struct budget_body *in = c->in;
	struct budget b;

	if (find(c, &b, err))
		return -1;
	b.name = in->name ? in->name : b.name;
	if ((in->amount && set_amount(in, &b, err)) ||
		(in->thresholds.items && set_thresholds(c, &in->thresholds, &b, err)) ||
		store_budget_update(c->db, &b, err))
		return -1;
	b.told_month = b.told_percent = 0;
	c->committed = changed;
	return reply(c, &b);
}

int budget_delete(struct api_call *c, struct error *err)
{
	struct budget b;

	c->status = 204;
	return find(c, &b, err) || store_budget_delete(c->db, b.id, err) ? -1 : 0;
}
