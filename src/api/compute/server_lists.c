/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of servers: the rows are walked newest first and tested one by one; only those of the page are
 * rendered. */
#include <stdlib.h>
#include <string.h>

#include "api/compute/server_filter.h"
#include "api/compute/server_view.h"
#include "base/util.h"

struct pick { /* a server that is wanted */
	int64_t id;
	const char *uid;
	int64_t number[SORTS_MAX]; /* its values under the sort keys */
	const char *text[SORTS_MAX];
};

struct picks {
	struct server_filter *filter;
	size_t enough; /* stop there; 0: all are needed, for sorting */
	struct pick *list;
	size_t n, cap;
};

static int pick(void *ctx, const struct server_row *r, struct error *err)
{
	struct picks *p = ctx;
	struct arena *a = p->filter->c->arena;
	struct pick *one;
	int rc = server_filter_match(p->filter, r, err);

	if (rc <= 0)
		return rc;
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 64;
		p->list = xrealloc(p->list, p->cap * sizeof *p->list);
	}
	one = &p->list[p->n++];
	*one = (struct pick) { .id = r->s.id, .uid = arena_strdup(a, r->s.uid) };
	for (size_t i = 0; i < p->filter->sorts_n; i++) {
		one->number[i] = server_sort_value(p->filter->sorts[i].key, r, &one->text[i]);
		one->text[i] = arena_strdup(a, one->text[i]);
	}
	return p->enough && p->n == p->enough;
}

/* By the sort keys, then newest first. */
static int compare(const void *pa, const void *pb, void *filter)
{
	const struct server_filter *f = filter;
	const struct pick *a = pa, *b = pb;

	for (size_t i = 0; i < f->sorts_n; i++) {
		int d = a->text[i] ? strcmp(a->text[i], b->text[i])
				   : (a->number[i] > b->number[i]) - (a->number[i] < b->number[i]);

		if (d)
			return f->sorts[i].descending ? -d : d;
	}
	return (b->id > a->id) - (b->id < a->id);
}

/* Newest first: the walk itself starts after the marker and ends with the page. */
static int collect_newest(struct picks *p, const struct api_page *page, struct error *err)
{
	struct server_scan scan = { .project_id = p->filter->project_id, .deleted = p->filter->deleted };
	int rc;

	if (page->marker) {
		rc = store_server_find(p->filter->c->db, p->filter->project_id, page->marker, &scan.below_id,
			&scan.below_created_us, err);
		if (rc <= 0)
			return rc < 0 ? -1 : api_marker_missing(page->marker, err);
	}
	p->enough = (size_t)page->limit;
	return store_server_scan(p->filter->c->db, &scan, pick, p, err);
}

static int collect_sorted(struct picks *p, const struct api_page *page, size_t *out_first, struct error *err)
{
	struct server_scan scan = { .project_id = p->filter->project_id, .deleted = p->filter->deleted };

	if (store_server_scan(p->filter->c->db, &scan, pick, p, err) < 0)
		return -1;
	if (p->n)
		qsort_r(p->list, p->n, sizeof *p->list, compare, p->filter);
	return api_page_start(
		page, p->list, p->n, sizeof *p->list, offsetof(struct pick, uid), out_first, err);
}

static int render(struct api_call *c, const struct pick *list, size_t n, bool detail, struct error *err)
{
	bool with_user_data = detail && api_is_admin(c) && since(c, 3);
	struct server_row row;

	for (size_t i = 0; i < n; i++) {
		if (store_server_row_by_id(c->db, c->arena, list[i].id, with_user_data, &row, err) < 0)
			return -1;
		if (!detail)
			server_view_brief(c, &row);
		else if (server_view(c, &row, SERVER_VIEW_LIST, err) < 0)
			return -1;
	}
	return 0;
}

static int answer(struct picks *p, const struct api_page *page, bool detail, struct error *err)
{
	struct api_call *c = p->filter->c;
	size_t first = 0, n;

	if (page->limit && !p->filter->nothing &&
		(p->filter->sorts_n ? collect_sorted(p, page, &first, err) : collect_newest(p, page, err)) <
			0)
		return -1;
	n = p->n - first;
	if (n > (size_t)page->limit)
		n = (size_t)page->limit;
	jw_object(&c->out);
	jw_key(&c->out, "servers");
	jw_array(&c->out);
	if (render(c, p->list + first, n, detail, err) < 0)
		return -1;
	jw_end_array(&c->out);
	if (n && n == (size_t)page->limit)
		api_next_link(c, "servers_links", p->list[first + n - 1].uid);
	jw_end_object(&c->out);
	c->status = 200;
	return 0;
}

static int list(struct api_call *c, bool detail, struct error *err)
{
	static const char *const any_key[] = { "created_at", NULL };
	struct server_filter filter = { .c = c };
	struct picks p = { .filter = &filter };
	struct api_page page;
	int rc = server_filter_read(c, &filter, err);

	/* sort keys are the filter's business: the page is asked for limit and marker */
	if (rc == 0 && filter.sorts_n == 0)
		rc = api_page(c, any_key, true, &page, err);
	else if (rc == 0)
		rc = api_page(c, (const char *const[]) { filter.sorts[0].key, NULL }, true, &page, err);
	if (rc == 0)
		rc = answer(&p, &page, detail, err);
	free(p.list);
	server_filter_finish(&filter);
	return rc;
}

int compute_server_list(struct api_call *c, struct error *err)
{
	return list(c, false, err);
}

int compute_server_detail(struct api_call *c, struct error *err)
{
	return list(c, true, err);
}
