/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/rating.h"

#include <string.h>

#include "base/buf.h"
#include "base/util.h"

const char *const rating_line_names[LINE_KINDS] = { "usage", "commitment", "discount", "tax", "correction" };

/* One invoice in the making. */
struct make {
	struct arena *a;
	const struct price_book *b;
	const char *project;
	const struct rating_period *p;
	const struct rating_group *groups;
	size_t groups_n;
	/* commitments of the project, by their index in the book */
	size_t *commitments, commitments_n;
	/* amount × µs of each item: row 0 what no commitment covers, then a row for each commitment */
	money_wide *use;
	struct rating_line *lines;
	size_t n, cap;
	struct error *err;
};

static int too_much(struct make *m)
{
	return error_set(
		m->err, ERR_TOO_LARGE, "an amount of project %.64s is more than can be written", m->project);
}

/* µs × amounts that make one unit of quantity. */
static money_wide unit_of(const struct make *m, const struct price_match *match)
{
	int64_t us = match->by_month ? m->p->to_us - m->p->from_us : INT64_C(3600000000);

	return (money_wide)us * price_resources[match->resource].scale;
}

/* --- what was used of each item --- */

static money_wide *use_of(struct make *m, size_t commitment_row, size_t item)
{
	return &m->use[commitment_row * m->b->items_n + item];
}

/* A part counts as one where the item says so. */
static money_wide sum_of(const struct make *m, const struct rating_group *g, int resource, int item)
{
	bool part = item >= 0 && m->b->items[item].by_part;

	return g->sums[part ? 1 : price_resources[resource].amount];
}

static size_t row_of(const struct make *m, int resource, const struct rating_group *g)
{
	int c = m->commitments_n
			? price_commitment_of(m->b, m->project, (enum price_resource)resource, &g->thing)
			: -1;

	for (size_t i = 0; i < m->commitments_n; i++)
		if (c >= 0 && m->commitments[i] == (size_t)c)
			return i + 1;
	return 0;
}

static int collect(struct make *m)
{
	for (size_t i = 0; i < m->groups_n; i++) {
		const struct rating_group *g = &m->groups[i];

		for (int r = 0; r < PRICE_RESOURCES; r++) {
			int item = price_resources[r].kind == g->kind
					   ? price_item_of(m->b, (enum price_resource)r, &g->thing)
					   : -1;
			money_wide *use;

			if (item < 0)
				continue;
			use = use_of(m, row_of(m, r, g), (size_t)item);
			if (__builtin_add_overflow(*use, sum_of(m, g, r, item), use))
				return too_much(m);
		}
	}
	return 0;
}

static void find_commitments(struct make *m)
{
	m->commitments = ARENA_ARRAY(m->a, size_t, m->b->commitments_n + 1);
	for (size_t i = 0; i < m->b->commitments_n; i++)
		if (strcmp(m->b->commitments[i].project, m->project) == 0)
			m->commitments[m->commitments_n++] = i;
	m->use = ARENA_ARRAY(m->a, money_wide, (m->commitments_n + 1) * m->b->items_n + 1);
}

/* --- lines --- */

static struct rating_line *line_add(struct make *m, enum rating_line_kind kind, const char *text)
{
	if (m->n == m->cap) {
		struct rating_line *more = ARENA_ARRAY(m->a, struct rating_line, m->cap ? m->cap * 2 : 16);

		if (m->n)
			memcpy(more, m->lines, m->n * sizeof *more);
		m->lines = more;
		m->cap = m->cap ? m->cap * 2 : 16;
	}
	m->lines[m->n] = (struct rating_line) { .kind = kind,
		.text = text,
		.item = "{}",
		.quantity = "",
		.unit = "",
		.price = "",
		.resource = -1,
		.user_uid = "" };
	return &m->lines[m->n++];
}

static void write_values(struct buf *b, const struct price_match *match)
{
	for (int f = 0; f < PRICE_FIELDS; f++) {
		const struct price_values *v = &match->values[f];

		if (!v->n)
			continue;
		jw_key(b, price_field_names[f]);
		if (v->n == 1) {
			jw_str(b, v->list[0]);
			continue;
		}
		jw_array(b);
		for (size_t i = 0; i < v->n; i++)
			jw_str(b, v->list[i]);
		jw_end_array(b);
	}
}

static const char *match_json(struct make *m, const struct price_match *match)
{
	CLEANUP(buf_finish) struct buf b = { 0 };

	jw_object(&b);
	jw_kv_str(&b, "resource", price_resources[match->resource].name);
	write_values(&b, match);
	jw_end_object(&b);
	return arena_strdup(m->a, buf_text(&b));
}

/* "gpu H100 active", where the book has no text. */
static const char *match_text(struct make *m, const struct price_match *match, const char *text)
{
	CLEANUP(buf_finish) struct buf b = { 0 };

	if (text)
		return text;
	buf_puts(&b, price_resources[match->resource].name);
	for (int f = 0; f < PRICE_FIELDS; f++)
		for (size_t i = 0; i < match->values[f].n; i++)
			buf_printf(&b, "%s%s%s", i ? "|" : " ",
				f == PRICE_PREEMPTIBLE || f == PRICE_BLOCK ? price_field_names[f] : "",
				f == PRICE_PREEMPTIBLE || f == PRICE_BLOCK
					? arena_printf(m->a, "=%s", match->values[f].list[i])
					: match->values[f].list[i]);
	return arena_strdup(m->a, buf_text(&b));
}

/* A line of a quantity and its price. */
static int line_priced(struct make *m, enum rating_line_kind kind, const struct price_match *match,
	const char *text, money_wide use, struct decimal price)
{
	struct rating_line *l = line_add(m, kind, match_text(m, match, text));
	char fraction[FRACTION_TEXT], digits[DECIMAL_TEXT];
	money_wide unit = unit_of(m, match);

	l->resource = (int)match->resource;
	l->item = match_json(m, match);
	l->quantity = arena_strdup(m->a, fraction_text(use, unit, fraction));
	l->unit = arena_printf(
		m->a, "%s-%s", price_resources[match->resource].unit, match->by_month ? "month" : "hour");
	l->price = arena_strdup(m->a, decimal_text(price, digits));
	return money_amount(use, unit, price, m->b->currency, &l->amount) ? 0 : too_much(m);
}

/* --- commitments: paid for in any case, and used up first, in the order of the items --- */

static int cover(struct make *m, size_t row)
{
	const struct price_commitment *c = &m->b->commitments[m->commitments[row - 1]];
	money_wide left = c->quantity * unit_of(m, &c->match);
	const struct decimal nothing = { 0, 0 };

	for (size_t i = 0; i < m->b->items_n; i++) {
		money_wide *use = use_of(m, row, i), part = *use < left ? *use : left;
		const struct price_item *item = &m->b->items[i];

		if (part > 0 && line_priced(m, LINE_USAGE, &item->match,
					arena_printf(m->a, "%s (committed: %s)",
						match_text(m, &item->match, item->text),
						match_text(m, &c->match, c->text)),
					part, nothing))
			return -1;
		left -= part;
		*use_of(m, 0, i) += *use - part;
	}
	return 0;
}

static int commitment_lines(struct make *m)
{
	for (size_t i = 0; i < m->commitments_n; i++) {
		const struct price_commitment *c = &m->b->commitments[m->commitments[i]];

		if (line_priced(m, LINE_COMMITMENT, &c->match, c->text, c->quantity * unit_of(m, &c->match),
			    c->price))
			return -1;
	}
	return 0;
}

/* --- use --- */

static int item_lines(struct make *m, size_t i)
{
	const struct price_item *item = &m->b->items[i];
	money_wide use = *use_of(m, 0, i), unit = unit_of(m, &item->match);

	for (size_t t = 0; t < item->tiers_n; t++) {
		money_wide from = item->tiers[t].from * unit, to = use;

		if (t + 1 < item->tiers_n && item->tiers[t + 1].from * unit < use)
			to = item->tiers[t + 1].from * unit;
		if (to > from &&
			line_priced(m, LINE_USAGE, &item->match, item->text, to - from, item->tiers[t].price))
			return -1;
	}
	return 0;
}

static int usage_lines(struct make *m)
{
	for (size_t row = 1; row <= m->commitments_n; row++)
		if (cover(m, row))
			return -1;
	for (size_t i = 0; i < m->b->items_n; i++)
		if (item_lines(m, i))
			return -1;
	return commitment_lines(m);
}

/* --- what has no price --- */

static const char *thing_json(struct make *m, int resource, const struct price_thing *t)
{
	CLEANUP(buf_finish) struct buf b = { 0 };

	jw_object(&b);
	jw_kv_str(&b, "resource", price_resources[resource].name);
	for (int f = 0; f < PRICE_FIELDS; f++)
		if (*t->fields[f] && (price_resources[resource].fields & 1u << f))
			jw_kv_str(&b, price_field_names[f], t->fields[f]);
	jw_end_object(&b);
	return arena_strdup(m->a, buf_text(&b));
}

static const char *thing_text(struct make *m, int resource, const struct price_thing *t)
{
	CLEANUP(buf_finish) struct buf b = { 0 };

	buf_puts(&b, price_resources[resource].name);
	for (int f = 0; f < PRICE_PREEMPTIBLE; f++)
		if (*t->fields[f])
			buf_printf(&b, " %s", t->fields[f]);
	buf_puts(&b, price_state_free(t->fields[PRICE_STATE]) ? " (free)" : " (no price)");
	return arena_strdup(m->a, buf_text(&b));
}

static bool is_sold(const struct make *m, int resource)
{
	for (size_t i = 0; i < m->b->items_n; i++)
		if ((int)m->b->items[i].match.resource == resource)
			return true;
	return false;
}

/* Who sells vCPUs and memory need not sell servers beside. */
static bool lacks_price(const struct make *m, int resource, const struct rating_group *g)
{
	if (price_state_free(g->thing.fields[PRICE_STATE]) || is_sold(m, resource))
		return !price_state_free(g->thing.fields[PRICE_STATE]);
	for (int r = 0; r < PRICE_RESOURCES; r++)
		if (price_resources[r].kind == g->kind &&
			price_item_of(m->b, (enum price_resource)r, &g->thing) >= 0)
			return false;
	return true;
}

static void unpriced_lines(struct make *m)
{
	char fraction[FRACTION_TEXT];

	for (size_t i = 0; m->p->all && i < m->groups_n; i++) {
		const struct rating_group *g = &m->groups[i];

		for (int r = 0; r < PRICE_RESOURCES; r++) {
			const struct price_match any = { .resource = (enum price_resource)r };
			money_wide use = sum_of(m, g, r, -1);
			struct rating_line *l;

			if (price_resources[r].kind != g->kind || use == 0 ||
				price_item_of(m->b, (enum price_resource)r, &g->thing) >= 0)
				continue;
			l = line_add(m, LINE_USAGE, thing_text(m, r, &g->thing));
			l->item = thing_json(m, r, &g->thing);
			l->no_price = lacks_price(m, r, g);
			l->quantity = arena_strdup(m->a, fraction_text(use, unit_of(m, &any), fraction));
			l->unit = arena_printf(m->a, "%s-hour", price_resources[r].unit);
		}
	}
}

/* --- discounts and taxes --- */

static bool has_own_discount(const struct make *m, int resource)
{
	for (size_t i = 0; i < m->b->discounts_n; i++)
		if (m->b->discounts[i].resource == resource &&
			strcmp(m->b->discounts[i].project, m->project) == 0)
			return true;
	return false;
}

static int line_percent(
	struct make *m, enum rating_line_kind kind, const char *text, int64_t base, struct decimal percent)
{
	struct rating_line *l = line_add(m, kind, text);
	char digits[DECIMAL_TEXT];

	l->price = arena_printf(m->a, "%s%%", decimal_text(percent, digits));
	if (!money_percent(base, percent, &l->amount))
		return too_much(m);
	if (kind == LINE_DISCOUNT)
		l->amount = -l->amount;
	return 0;
}

static int discount_lines(struct make *m)
{
	size_t usage_n = m->n;

	for (size_t i = 0; i < m->b->discounts_n; i++) {
		const struct price_discount *d = &m->b->discounts[i];
		int64_t base = 0;

		if (strcmp(d->project, m->project) != 0)
			continue;
		for (size_t k = 0; k < usage_n; k++) {
			const struct rating_line *l = &m->lines[k];

			if (l->kind == LINE_USAGE && l->resource >= 0 &&
				(d->resource < 0 ? !has_own_discount(m, l->resource)
						 : l->resource == d->resource) &&
				!money_add(&base, l->amount))
				return too_much(m);
		}
		if (base &&
			line_percent(m, LINE_DISCOUNT,
				d->text ? d->text
					: arena_printf(m->a, "discount%s%s", d->resource < 0 ? "" : " on ",
						  d->resource < 0 ? "" : price_resources[d->resource].name),
				base, d->percent))
			return -1;
	}
	return 0;
}

static int add_up(struct make *m, int64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < m->n; i++)
		if (!money_add(out, m->lines[i].amount))
			return too_much(m);
	return 0;
}

static int tax_lines(struct make *m)
{
	int64_t base;

	if (add_up(m, &base))
		return -1;
	for (size_t i = 0; m->n && i < m->b->taxes_n; i++)
		if (line_percent(m, LINE_TAX, m->b->taxes[i].name, base, m->b->taxes[i].percent))
			return -1;
	return 0;
}

int rating_make(struct arena *a, const struct price_book *b, const char *project,
	const struct rating_period *p, const struct rating_group *groups, size_t n,
	struct rating_invoice *out, struct error *err)
{
	struct make m = {
		.a = a, .b = b, .project = project, .p = p, .groups = groups, .groups_n = n, .err = err
	};
	int64_t total;

	if (p->to_us <= p->from_us || p->to_us - p->from_us > RATING_PERIOD_MAX)
		return error_set(err, ERR_BAD_REQUEST, "a period to be rated lasts from 1 µs to 400 days");
	find_commitments(&m);
	if (collect(&m) || usage_lines(&m) || discount_lines(&m))
		return -1;
	unpriced_lines(&m);
	if (tax_lines(&m) || add_up(&m, &total))
		return -1;
	*out = (struct rating_invoice) { m.lines, m.n, total };
	return 0;
}

size_t rating_project_groups(const struct rating_group *groups, size_t n)
{
	size_t i = 0;

	while (i < n && groups[i].project_id == groups[0].project_id)
		i++;
	return i;
}

bool rating_line_holds(const struct rating_line *l, const struct currency *c)
{
	struct decimal price;
	money_wide num, den;
	int64_t amount;

	if ((l->kind != LINE_USAGE && l->kind != LINE_COMMITMENT) || !*l->price)
		return true;
	return fraction_parse(l->quantity, &num, &den) && decimal_parse(l->price, &price) &&
	       money_amount(num, den, price, c, &amount) && amount == l->amount;
}
