/* SPDX-License-Identifier: Apache-2.0 */
/* What was used, by resource and state: exact sums of the books, as invoices are made of. A tenant sees its
 * own project, an administrator one project or all. */
#include <string.h>

#include "api/operator/billing.h"
#include "api/operator/books.h"
#include "base/util.h"
#include "domain/rating_sums.h"
#include "store/projects.h"
#include "store/rating_read.h"
#include "store/usage.h"

static const int64_t hour_us = 3600000000;

struct usage_write {
	struct books_report *r;
	struct db *db;
	struct project project; /* of the groups under way */
};

static void kv_quantity(struct buf *b, const struct price_resource_info *info, money_wide amount_us)
{
	char text[FRACTION_TEXT];
	money_wide den = (money_wide)info->scale * hour_us;

	jw_kv_str(b, "quantity", quantity_text(amount_us, den, text));
	jw_kv_str(b, "quantity_exact", fraction_text(amount_us, den, text));
	jw_key(b, "unit");
	jw_strf(b, "%s-hour", info->unit);
}

/* What a flavor or network is called now; its id when it is gone. */
static int write_item(struct usage_write *w, const struct price_thing *t, struct error *err)
{
	static const char flavor[] = "SELECT name FROM flavor WHERE uid = ?";
	static const char network[] = "SELECT name FROM network WHERE uid = ?";
	const char *id = t->fields[PRICE_FLAVOR], *net = t->fields[PRICE_NETWORK];
	const char *item = t->fields[PRICE_MODEL];
	int rc = 0;

	if (id && *id)
		rc = store_usage_name(w->db, &w->r->arena, flavor, item = id, &item, err);
	else if (net && *net)
		rc = store_usage_name(w->db, &w->r->arena, network, item = net, &item, err);
	jw_kv_str(&w->r->out, "item", item);
	return rc;
}

static int write_line(struct usage_write *w, const struct rating_group *g,
	const struct price_resource_info *info, struct error *err)
{
	struct buf *b = &w->r->out;

	if (!g->sums[info->amount])
		return 0;
	jw_object(b);
	jw_kv_str(b, "project_id", w->project.uid);
	jw_kv_str(b, "project", w->project.name);
	jw_kv_str(b, "resource", info->name);
	if (write_item(w, &g->thing, err))
		return -1;
	for (int f = 0; f < PRICE_FIELDS; f++)
		if (info->fields & 1u << f)
			jw_kv_str(b, price_field_names[f], g->thing.fields[f]);
	kv_quantity(b, info, g->sums[info->amount]);
	if (g->kind == RATING_GPU) { /* the quantity is shares of GPUs; of whole ones or parts there were */
		char text[FRACTION_TEXT];

		jw_kv_str(b, "instance_hours", quantity_text(g->sums[1], (money_wide)hour_us * 1000, text));
	}
	jw_end_object(b);
	return 0;
}

static int write_group(struct usage_write *w, const struct rating_group *g, struct error *err)
{
	if (w->project.id != g->project_id &&
		store_project_load(w->db, &w->r->arena, g->project_id, &w->project, err))
		return -1;
	for (int i = 0; i < PRICE_RESOURCES; i++)
		if (price_resources[i].kind == g->kind && write_line(w, g, &price_resources[i], err))
			return -1;
	return 0;
}

static void write_totals(struct buf *b, const struct rating_group *groups, size_t n)
{
	jw_key(b, "totals");
	jw_array(b);
	for (int i = 0; i < PRICE_RESOURCES; i++) {
		const struct price_resource_info *info = &price_resources[i];
		money_wide sum = 0;

		for (size_t k = 0; k < n; k++)
			if (groups[k].kind == info->kind)
				sum += groups[k].sums[info->amount];
		jw_object(b);
		jw_kv_str(b, "resource", info->name);
		kv_quantity(b, info, sum);
		jw_end_object(b);
	}
	jw_end_array(b);
}

static int write_sums(struct books_report *r, struct db *db, struct rating_sums *sums, struct error *err)
{
	struct usage_write w = { .r = r, .db = db, .project = { .id = -1 } };
	size_t n;
	const struct rating_group *groups = rating_sums_sorted(sums, &n);
	struct buf *b = &r->out;

	jw_object(b);
	books_write_period(r);
	jw_key(b, "usage");
	jw_array(b);
	for (size_t i = 0; i < n; i++)
		if (write_group(&w, &groups[i], err))
			return -1;
	jw_end_array(b);
	write_totals(b, groups, n);
	jw_end_object(b);
	return 0;
}

static int write_usage(struct books_report *r, struct db *db, const atomic_bool *stop, struct error *err)
{
	struct rating_sums *sums = rating_sums_create(r->from_us, r->to_us);
	int rc = store_rating_read(db, r->project_id, r->from_us, r->to_us, stop, sums, err) ||
				 write_sums(r, db, sums, err)
			 ? -1
			 : 0;

	rating_sums_destroy(sums);
	return rc;
}

int usage_report(struct api_call *c, struct error *err)
{
	struct books_report *r = books_report_create(c, false, write_usage, err);

	if (!r)
		return -1;
	if (billing_project_arg(c, api_query(c, "project"), &r->project_id, err)) {
		books_report_destroy(r);
		return -1;
	}
	return books_report_send(r, err);
}
