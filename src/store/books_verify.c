/* SPDX-License-Identifier: Apache-2.0 */
#include "store/books_verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/util.h"
#include "store/check_rules.h"

enum { WHOLE = 1000, MODELS_MAX = 256 };

const char *const gpu_owner_names[GPU_OWNERS] = {
	[GPU_TENANT] = "tenant",
	[GPU_RESERVED] = "reserved",
	[GPU_IDLE] = "idle",
	[GPU_MAINTENANCE] = "maintenance",
	[GPU_FAULTY] = "faulty",
};

static const char *when(const struct books_verify *v, int64_t us, char out[TIME_TEXT])
{
	return time_iso_us(books_time_to_wall(v->steps, v->steps_n, us), out);
}

static int stopping(const struct books_verify *v, struct error *err)
{
	return atomic_load_explicit(v->stop, memory_order_relaxed)
		       ? error_set(err, ERR_UNAVAILABLE, "cloudd is stopping")
		       : 0;
}

/* ---- GPUs ---- */

struct edge {
	int64_t at_us, share; /* more from then on, or less */
};

/* One GPU on the walk through the ledger. */
struct gpu {
	int64_t id;
	char uid[64];
	int64_t from_us, to_us; /* its time in the books, within the period */
	int64_t first_us, last_us;
	struct buf edges;
	int64_t part_id, ended_us; /* of the row before; ended 0: open */
	bool any;
};

static void gpu_say(const struct books_verify *v, const struct gpu *g, const char *rule, int64_t share,
	int64_t from_us, int64_t to_us)
{
	char from[TIME_TEXT], to[TIME_TEXT], text[192];

	snprintf(text, sizeof text, "%" PRId64 " of 1000 are somebody's from %s to %s", share,
		when(v, from_us, from), when(v, to_us, to));
	v->found(v->ctx, rule, g->uid, text);
}

static int edge_order(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return (x->at_us > y->at_us) - (x->at_us < y->at_us);
}

/* What all rows say together, from edge to edge. */
static void gpu_sweep(const struct books_verify *v, struct gpu *g)
{
	size_t n = g->edges.len / sizeof(struct edge);
	struct edge *edges = (struct edge *)(void *)g->edges.data;
	int64_t share = 0, at_us = g->from_us;

	if (n)
		qsort(edges, n, sizeof *edges, edge_order);
	for (size_t i = 0; i <= n && at_us < g->to_us; i++) {
		int64_t next_us = i < n && edges[i].at_us < g->to_us ? edges[i].at_us : g->to_us;

		if (next_us > at_us && share != WHOLE)
			gpu_say(v, g, share < WHOLE ? "gpu-gap" : "gpu-overlap", share, at_us, next_us);
		if (next_us > at_us)
			at_us = next_us;
		if (i < n)
			share += edges[i].share;
	}
}

static struct books_model *model_of(struct books_verify *v, const char *name)
{
	for (size_t i = 0; i < v->models_n; i++)
		if (strcmp(v->models[i].model, name) == 0)
			return &v->models[i];
	if (v->models_n == MODELS_MAX)
		return &v->models[MODELS_MAX - 1];
	v->models[v->models_n].model = arena_strdup(v->arena, name);
	return &v->models[v->models_n++];
}

enum {
	G_DEVICE,
	G_UID,
	G_MODEL,
	G_FIRST,
	G_LAST,
	G_PART,
	G_STARTED,
	G_ENDED,
	G_OWNER,
	G_SHARE,
	G_ROW_MODEL,
	G_KNOWN
};

static void gpu_begin(struct books_verify *v, struct gpu *g, sqlite3_stmt *st)
{
	g->id = db_int(st, G_DEVICE);
	db_copy(st, G_UID, g->uid, sizeof g->uid);
	g->first_us = db_int(st, G_FIRST);
	g->last_us = db_is_null(st, G_LAST) ? INT64_MAX : db_int(st, G_LAST);
	g->from_us = g->first_us > v->from_us ? g->first_us : v->from_us;
	g->to_us = g->last_us < v->to_us ? g->last_us : v->to_us;
	g->edges.len = 0;
	g->any = false;
	v->gpus++;
	if (g->to_us > g->from_us)
		model_of(v, db_text(st, G_MODEL))->lifetime += (usage_wide)(g->to_us - g->from_us) * WHOLE;
}

static void row_count(struct books_verify *v, struct gpu *g, const char *owner, const char *model,
	int64_t share, int64_t from_us, int64_t to_us)
{
	const struct edge edges[] = { { from_us, share }, { to_us, -share } };

	if (to_us <= from_us)
		return;
	buf_append(&g->edges, edges, sizeof edges);
	for (int i = 0; i < GPU_OWNERS; i++)
		if (strcmp(owner, gpu_owner_names[i]) == 0)
			model_of(v, model)->owners[i] += (usage_wide)(to_us - from_us) * share;
}

static void gpu_row(struct books_verify *v, struct gpu *g, sqlite3_stmt *st)
{
	int64_t started_us = db_int(st, G_STARTED), ended_us = db_int(st, G_ENDED);
	int64_t end_us = ended_us ? ended_us : v->now_us;
	bool same_part = g->any && g->part_id == db_int(st, G_PART);

	if (same_part && (!g->ended_us || g->ended_us > started_us))
		gpu_say(v, g, "gpu-overlap", 2 * db_int(st, G_SHARE), started_us,
			g->ended_us ? g->ended_us : v->now_us);
	g->any = true;
	g->part_id = db_int(st, G_PART);
	g->ended_us = ended_us;
	if (end_us <= v->from_us || started_us >= v->to_us)
		return;
	v->gpu_rows++;
	if (started_us < g->first_us || (ended_us ? ended_us : g->last_us) > g->last_us)
		v->found(v->ctx, "gpu-bounds", g->uid, "has a row of a time when it was not there");
	if (!db_int(st, G_KNOWN))
		v->found(v->ctx, "gpu-owner", g->uid, "a row names an owner that does not exist");
	row_count(v, g, db_text(st, G_OWNER), db_text(st, G_ROW_MODEL), db_int(st, G_SHARE),
		started_us > v->from_us ? started_us : v->from_us, end_us < v->to_us ? end_us : v->to_us);
}

static int verify_gpus(struct db *db, struct books_verify *v, struct error *err)
{
	static const char sql[] =
		"SELECT b.device_id, b.uid, b.model, b.first_us, b.last_us, u.part_id, u.started_us, "
		"u.ended_us, u.owner, u.share, u.model, (u.project_id IS NULL OR EXISTS (SELECT 1 FROM "
		"project p WHERE p.id = u.project_id)) AND (u.server_id IS NULL OR EXISTS (SELECT 1 FROM "
		"server s WHERE s.id = u.server_id AND s.project_id = u.project_id)) AND (u.block_id IS NULL "
		"OR EXISTS (SELECT 1 FROM block k WHERE k.id = u.block_id)) FROM gpu_book b LEFT JOIN "
		"gpu_usage u ON u.device_id = b.device_id ORDER BY b.device_id, u.part_id, u.started_us";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct gpu g = { .id = -1 };
	int rc;

	if (db_query(db, err, &st, sql, NULL))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		if (g.id != db_int(st, G_DEVICE)) {
			gpu_sweep(v, &g);
			gpu_begin(v, &g, st);
		}
		if (!db_is_null(st, G_STARTED))
			gpu_row(v, &g, st);
		if (stopping(v, err)) {
			rc = -1;
			break;
		}
	}
	gpu_sweep(v, &g);
	buf_finish(&g.edges);
	return rc;
}

static void verify_sum(const struct books_verify *v)
{
	usage_wide owners = 0, lifetime = 0;

	for (size_t i = 0; i < v->models_n; i++) {
		for (int k = 0; k < GPU_OWNERS; k++)
			owners += v->models[i].owners[k];
		lifetime += v->models[i].lifetime;
	}
	if (owners != lifetime)
		v->found(
			v->ctx, "gpu-sum", "all GPUs", "their owners' hours are not the hours that they had");
}

/* ---- servers, images, addresses ---- */

struct seen { /* the row before */
	char kind[16];
	int64_t id, started_us, ended_us; /* ended 0: open */
};

static void use_say(const struct books_verify *v, const char *rule, const char *kind, int64_t id,
	const char *what, int64_t at_us)
{
	char object[64], text[160], at[TIME_TEXT];

	snprintf(object, sizeof object, "%s %" PRId64, kind, id);
	snprintf(text, sizeof text, "%s at %s", what, when(v, at_us, at));
	v->found(v->ctx, rule, object, text);
}

enum { U_KIND, U_ID, U_STARTED, U_ENDED, U_STATE, U_KNOWN };

/* How it follows the row before. */
static void use_seam(const struct books_verify *v, const struct seen *before, sqlite3_stmt *st)
{
	int64_t started_us = db_int(st, U_STARTED), id = db_int(st, U_ID);
	const char *kind = db_text(st, U_KIND);

	if (before->id != id || strcmp(before->kind, kind) != 0) {
		if (strcmp(kind, "server") == 0 && strcmp(db_text(st, U_STATE), "building") != 0)
			use_say(v, "usage-first", kind, id, "its first interval is not of being built, begun",
				started_us);
		return;
	}
	if (started_us > v->to_us || (before->ended_us && before->ended_us < v->from_us))
		return;
	if (!before->ended_us || before->ended_us > started_us)
		use_say(v, "usage-overlap", kind, id, "has two intervals", started_us);
	else if (before->ended_us < started_us)
		use_say(v, "usage-gap", kind, id, "has no interval", before->ended_us);
}

static void use_row(struct books_verify *v, struct seen *before, sqlite3_stmt *st)
{
	int64_t started_us = db_int(st, U_STARTED), ended_us = db_int(st, U_ENDED);

	use_seam(v, before, st);
	db_copy(st, U_KIND, before->kind, sizeof before->kind);
	before->id = db_int(st, U_ID);
	before->started_us = started_us;
	before->ended_us = ended_us;
	if (started_us >= v->to_us || (ended_us && ended_us <= v->from_us))
		return;
	v->rows++;
	if (!db_int(st, U_KNOWN))
		use_say(v, "usage-owner", before->kind, before->id, "names an owner that does not exist,",
			started_us);
	if (started_us > v->now_us || ended_us > v->now_us)
		use_say(v, "usage-future", before->kind, before->id, "is in the future", started_us);
}

static int verify_uses(struct db *db, struct books_verify *v, struct error *err)
{
	static const char sql[] =
		"SELECT u.kind, u.subject_id, u.started_us, u.ended_us, u.state, EXISTS (SELECT 1 FROM "
		"project p WHERE p.id = u.project_id) AND CASE u.kind WHEN 'server' THEN EXISTS (SELECT 1 "
		"FROM server s WHERE s.id = u.subject_id) WHEN 'image' THEN EXISTS (SELECT 1 FROM image i "
		"WHERE i.id = u.subject_id) ELSE 1 END FROM usage u ORDER BY u.kind, u.subject_id, "
		"u.started_us";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct seen before = { .id = -1 };
	int rc;

	if (db_query(db, err, &st, sql, NULL))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		use_row(v, &before, st);
		if (stopping(v, err))
			return -1;
	}
	return rc;
}

int store_books_verify(struct db *db, struct books_verify *v, struct error *err)
{
	int64_t last_us = 0;

	/* what is read may be of a later tick than the question */
	if (db_int_query(db, err, &last_us, "SELECT books_us FROM applied", NULL) < 0)
		return -1;
	if (last_us > v->now_us)
		v->now_us = last_us;
	v->models = ARENA_ARRAY(v->arena, struct books_model, MODELS_MAX);
	if (verify_gpus(db, v, err) || verify_uses(db, v, err) ||
		check_run(db, check_book_rules, check_book_rules_n, v->found, v->ctx, err))
		return -1;
	verify_sum(v);
	return 0;
}
