/* SPDX-License-Identifier: Apache-2.0 */
/* Does everything still add up? Rows with rows, and memory with what the rows would make of it. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "flow/internal.h"
#include "store/checks.h"

struct lines { /* a text that is read line by line */
	const char *at, *end;
};

static size_t line(struct lines *l, const char **out)
{
	const char *nl = memchr(l->at, '\n', (size_t)(l->end - l->at));
	size_t n = nl ? (size_t)(nl - l->at) : (size_t)(l->end - l->at);

	*out = l->at;
	l->at = nl ? nl + 1 : l->end;
	return n;
}

/* Both texts are ordered: the first line that differs says where to look. */
static void compare(struct buf *memory, struct buf *rows, const char *rule, flow_finding_fn *found, void *ctx)
{
	struct lines a = { memory->data, memory->data + memory->len };
	struct lines b = { rows->data, rows->data + rows->len };
	char message[256];

	if (memory->len == rows->len && (!rows->len || memcmp(memory->data, rows->data, rows->len) == 0))
		return;
	for (;;) {
		const char *x = "", *y = "";
		size_t n = a.at < a.end ? line(&a, &x) : 0, m = b.at < b.end ? line(&b, &y) : 0;

		if (n == m && (!n || memcmp(x, y, n) == 0))
			continue;
		snprintf(message, sizeof message, "memory has '%.*s' where the rows say '%.*s'",
			(int)(n < 100 ? n : 100), x, (int)(m < 100 ? m : 100), y);
		found(ctx, rule, "memory", message);
		return;
	}
}

static int check_placement(
	struct flow_engine *e, struct db *db, flow_finding_fn *found, void *ctx, struct error *err)
{
	struct placement *p = placement_create();
	struct buf memory = { 0 }, rows = { 0 };
	int rc = capacity_placement_rebuild(e, e->placement, db, p, err);

	if (rc == 0) {
		placement_dump(e->placement, &memory);
		placement_dump(p, &rows);
		compare(&memory, &rows, "memory-placement", found, ctx);
	} else if (err->code == ERR_CONFLICT) { /* rows that give something twice */
		found(ctx, "memory-placement", "rows", err->msg);
		rc = 0;
	}
	buf_finish(&memory);
	buf_finish(&rows);
	placement_destroy(p);
	return rc;
}

static int check_quota(
	struct flow_engine *e, struct db *db, flow_finding_fn *found, void *ctx, struct error *err)
{
	struct quota_index *q = quota_index_create();
	struct buf memory = { 0 }, rows = { 0 };
	int rc = capacity_quota_rebuild(db, q, err);

	if (rc == 0) {
		quota_index_dump(e->quota, &memory);
		quota_index_dump(q, &rows);
		compare(&memory, &rows, "memory-quota", found, ctx);
	}
	buf_finish(&memory);
	buf_finish(&rows);
	quota_index_destroy(q);
	return rc;
}

static int check_flows(
	struct flow_engine *e, struct db *db, flow_finding_fn *found, void *ctx, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct flow_row *rows;
	size_t n;

	if (store_flow_list(db, &a, &rows, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct flow *f = flow_find(e, rows[i].subject_id);
		char id[32];

		if (f && f->id == rows[i].id)
			continue;
		snprintf(id, sizeof id, "flow %lld", (long long)rows[i].id);
		found(ctx, "memory-flows", id, "its row is on disk and the engine does not know it");
	}
	if (n < e->flows.n && !e->notes_n)
		found(ctx, "memory-flows", "memory", "the engine knows flows that have no row");
	return 0;
}

int flow_check(struct flow_engine *e, struct db *db, flow_finding_fn *found, void *ctx, int *out_rules,
	struct error *err)
{
	static int (*const memory[])(struct flow_engine *, struct db *, flow_finding_fn *, void *,
		struct error *) = { check_placement, capacity_hosts_compare, check_quota, check_flows };
	int rules;

	if (store_check(db, found, ctx, &rules, err))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(memory); i++)
		if (memory[i](e, db, found, ctx, err))
			return -1;
	*out_rules = rules + (int)ARRAY_LEN(memory);
	return 0;
}
