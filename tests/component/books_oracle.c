/* SPDX-License-Identifier: Apache-2.0 */
/* The accountant of the model test: time is added to what was seen, one thing after the other. */
#include "books_oracle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/util.h"

enum { SECOND_US = 1000000, THING_NAME = 48 };

struct oracle_thing {
	char name[THING_NAME];      /* kind|subject|part */
	char state[ORACLE_KEY - 8]; /* the name, and all that it is counted by */
	uint64_t seen;              /* in which look */
	struct oracle_sum *sum;     /* the segment that it is in; NULL: it is gone */
};

static void die(const char *what)
{
	fprintf(stderr, "oracle: %s\n", what);
	abort();
}

/* ---- sums by key ---- */

static size_t hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return (size_t)(h ^ h >> 29);
}

static struct oracle_sum **bag_slot(const struct oracle_bag *b, const char *key)
{
	size_t i = hash(key) & (b->cap - 1);

	while (b->slots[i] && strcmp(b->slots[i]->key, key) != 0)
		i = (i + 1) & (b->cap - 1);
	return &b->slots[i];
}

static void bag_grow(struct oracle_bag *b)
{
	struct oracle_bag more = { .cap = b->cap ? b->cap * 2 : 1024, .n = b->n };

	more.slots = xcalloc(more.cap, sizeof(struct oracle_sum *));
	for (size_t i = 0; i < b->cap; i++)
		if (b->slots[i])
			*bag_slot(&more, b->slots[i]->key) = b->slots[i];
	free(b->slots);
	*b = more;
}

struct oracle_sum *oracle_bag_get(struct oracle_bag *b, const char *key)
{
	struct oracle_sum **slot;

	if (b->n * 2 >= b->cap)
		bag_grow(b);
	slot = bag_slot(b, key);
	if (!*slot) {
		*slot = xcalloc(1, sizeof **slot);
		str_copy((*slot)->key, ORACLE_KEY, key);
		b->n++;
	}
	return *slot;
}

void oracle_bag_finish(struct oracle_bag *b)
{
	for (size_t i = 0; i < b->cap; i++)
		free(b->slots[i]);
	free(b->slots);
	*b = (struct oracle_bag) { 0 };
}

/* ---- months ---- */

int64_t oracle_month_wall(int month)
{
	struct tm tm = { .tm_year = 70 + month / 12, .tm_mon = month % 12, .tm_mday = 1 };

	return (int64_t)timegm(&tm) * SECOND_US;
}

int oracle_month_of(int64_t wall_us)
{
	time_t s = (time_t)(wall_us / SECOND_US);
	struct tm tm;

	gmtime_r(&s, &tm);
	return (tm.tm_year - 70) * 12 + tm.tm_mon;
}

int64_t oracle_wall(const struct oracle *o)
{
	return o->now_us + o->stretches[o->stretches_n - 1].offset_us;
}

/* Did the clock show that time in the k-th stretch? */
static bool showed(const struct oracle *o, size_t k, int64_t wall_us)
{
	const struct oracle_stretch *s = &o->stretches[k];
	int64_t at_us = wall_us - s->offset_us;

	return at_us >= s->from_us && (k + 1 == o->stretches_n || at_us < s[1].from_us);
}

/* What the clock showed at that moment of the k-th stretch: is it that time or later, and never came again?
 */
static bool counts(const struct oracle *o, size_t k, int64_t at_us, int64_t wall_us)
{
	int64_t shown_us = at_us + o->stretches[k].offset_us;

	if (shown_us < wall_us || !showed(o, k, shown_us))
		return false;
	for (size_t j = k + 1; j < o->stretches_n; j++)
		if (showed(o, j, shown_us))
			return false;
	return true;
}

/* The moments that can be it: where a stretch begins, where it shows the time itself, and where it shows what
 * a later one stopped at. */
int64_t oracle_moment(const struct oracle *o, int64_t wall_us)
{
	const struct oracle_stretch *all = o->stretches;

	for (size_t k = 0; k < o->stretches_n; k++) {
		int64_t best = INT64_MAX, self = wall_us - all[k].offset_us;

		if (counts(o, k, all[k].from_us, wall_us))
			return all[k].from_us;
		if (counts(o, k, self, wall_us))
			best = self;
		for (size_t j = k + 1; j + 1 < o->stretches_n; j++) {
			int64_t stop = all[j + 1].from_us + all[j].offset_us - all[k].offset_us;

			if (stop < best && counts(o, k, stop, wall_us))
				best = stop;
		}
		if (best != INT64_MAX)
			return best;
	}
	die("no moment shows a time");
	return 0;
}

/* ---- things ---- */

/* A new segment begins. */
static void thing_count(struct oracle *o, struct oracle_thing *t)
{
	if ((o->segments_n & (o->segments_n - 1)) == 0)
		o->segments = xrealloc(
			o->segments, (o->segments_n ? o->segments_n * 2 : 1) * sizeof(struct oracle_sum *));
	t->sum = xcalloc(1, sizeof *t->sum);
	str_copy(t->sum->key, ORACLE_KEY, t->state);
	t->sum->from_us = o->now_us;
	o->segments[o->segments_n++] = t->sum;
}

static size_t *index_slot(struct oracle *o, const char *name)
{
	size_t i = hash(name) & (o->index_cap - 1);

	while (o->index[i] && strcmp(o->things[o->index[i] - 1].name, name) != 0)
		i = (i + 1) & (o->index_cap - 1);
	return &o->index[i];
}

/* Those that are gone are forgotten. */
static void index_again(struct oracle *o)
{
	size_t n = 0;

	for (size_t i = 0; i < o->n; i++)
		if (o->things[i].sum)
			o->things[n++] = o->things[i];
	o->n = n;
	o->cap = n * 2 + 256;
	o->things = xrealloc(o->things, o->cap * sizeof *o->things);
	free(o->index);
	for (o->index_cap = 1024; o->index_cap < o->cap * 2;)
		o->index_cap *= 2;
	o->index = xcalloc(o->index_cap, sizeof *o->index);
	for (size_t i = 0; i < o->n; i++)
		*index_slot(o, o->things[i].name) = i + 1;
}

static void see(struct oracle *o, const char *name, const char *rest)
{
	char state[ORACLE_KEY - 8];
	struct oracle_thing *t;
	size_t *slot;

	if (o->n == o->cap)
		index_again(o);
	slot = index_slot(o, name);
	if (!*slot) {
		*slot = ++o->n;
		o->things[o->n - 1] = (struct oracle_thing) { .seen = 0 };
		str_copy(o->things[o->n - 1].name, THING_NAME, name);
	}
	t = &o->things[*slot - 1];
	if (t->seen == o->looks)
		die("a thing was seen twice in one look");
	t->seen = o->looks;
	if ((size_t)snprintf(state, sizeof state, "%s|%s", name, rest) >= sizeof state)
		die("a key is too long");
	if (t->sum && strcmp(t->state, state) == 0)
		return;
	str_copy(t->state, sizeof t->state, state);
	thing_count(o, t);
}

/* ---- looking ---- */

static sqlite3_stmt *query(struct db *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	struct error err;

	if (db_query(db, &err, &st, sql, NULL))
		die(err.detail);
	return st;
}

static bool next(sqlite3_stmt *st)
{
	struct error err;
	int rc = db_row(st, &err);

	if (rc < 0)
		die(err.detail);
	return rc > 0;
}

/* Rows of two columns: a thing's name, and what it is counted by. */
static void see_rows(struct oracle *o, struct db *db, const char *sql)
{
	CLEANUP(db_done) sqlite3_stmt *st = query(db, sql);

	while (next(st))
		see(o, db_text(st, 0), db_text(st, 1));
}

/* What has a place has all of its flavor; what waits in an image has nothing of it; what never had a place is
 * not counted. */
static const char servers_sql[] =
	"SELECT 'server|' || s.id || '|0', s.project_id || '|' || s.vm_state || '|' || s.flavor_uid || '|' "
	"|| "
	"s.zone || '|' || coalesce(a.preemptible || '|' || s.vcpus || '|' || s.ram_mib || '|' || "
	"(s.disk_gib + s.ephemeral_gib), '0|0|0|0') || '|0' FROM server s LEFT JOIN allocation a ON a.id = "
	"s.id "
	"WHERE s.deleted_us = 0 AND (a.id IS NOT NULL OR s.vm_state = 'shelved_offloaded')";

static const char images_sql[] =
	"SELECT 'image|' || id || '|0', project_id || '|' || status || '|||0|0|0|0|' || "
	"coalesce(size, 0) FROM image WHERE deleted_us = 0 AND size IS NOT NULL";

static const char addresses_sql[] =
	"SELECT 'address|' || p.id || '|0', p.project_id || '|held|' || (SELECT uid FROM network WHERE id = "
	"p.network_id) || '||0|0|0|0|' || count(*) FROM port_address a JOIN port p ON p.id = a.port_id GROUP "
	"BY p.id";

/* ---- GPUs ---- */

struct gpu { /* a device row, as it concerns its owner */
	int64_t id, block_id, block_project;
	char model[32], zone[32];
	bool broken, away;
	int left; /* thousandths that no tenant holds */
};

static void see_part(
	struct oracle *o, const struct gpu *g, int64_t part, int share, const char *owner, const char *whose)
{
	char name[THING_NAME], rest[160];

	snprintf(name, sizeof name, "gpu|%" PRId64 "|%" PRId64, g->id, part);
	snprintf(rest, sizeof rest, "%s|%d|%s|%s|%s", owner, share, g->model, g->zone, whose);
	see(o, name, rest);
}

/* Tenants: project, server, block, state, profile, preemptible. */
static void see_tenants(struct oracle *o, struct db *db, struct gpu *g)
{
	static const char sql[] = "SELECT h.part, h.share, s.project_id || '|' || s.id || '|' || "
				  "iif(a.block_id = ?2, a.block_id, 0) || '|' || "
				  "iif(a.id = s.id, s.vm_state, 'held') || '|' || h.profile || '|' || "
				  "a.preemptible FROM (SELECT 0 AS "
				  "part, 1000 AS share, allocation_id, '' AS profile FROM allocation_device "
				  "WHERE device_id = ?1 UNION ALL "
				  "SELECT id, share, allocation_id, profile FROM allocation_part WHERE "
				  "device_id = ?1) h JOIN allocation a "
				  "ON a.id = h.allocation_id JOIN server s ON s.id = a.server_id";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct error err;

	if (db_query(db, &err, &st, sql, "ii", g->id, g->block_id))
		die(err.detail);
	while (next(st)) {
		see_part(o, g, db_int(st, 0), (int)db_int(st, 1), "tenant", db_text(st, 2));
		g->left -= (int)db_int(st, 1);
	}
}

static void see_rest(struct oracle *o, const struct gpu *g)
{
	char whose[64] = "0|0|0|||0";
	const char *owner = "idle";

	if (g->broken) {
		owner = "faulty";
	} else if (g->away) {
		owner = "maintenance";
	} else if (g->block_id) {
		owner = "reserved";
		snprintf(whose, sizeof whose, "%" PRId64 "|0|%" PRId64 "|||0", g->block_project, g->block_id);
	}
	see_part(o, g, 0, g->left, owner, whose);
}

static void see_gpus(struct oracle *o, struct db *db)
{
	static const char sql[] =
		"SELECT d.id, d.model, coalesce((SELECT m.value FROM aggregate_host x JOIN "
		"aggregate_metadata m ON "
		"m.aggregate_id = x.aggregate_id WHERE x.host_id = h.id AND m.key = 'availability_zone'), "
		"h.zone), d.health != 'ok' OR d.custody = 'quarantined' OR NOT "
		"d.present OR "
		"h.forced_down, h.state != 'up' OR d.custody = 'reset' OR EXISTS (SELECT 1 FROM block_host w "
		"JOIN block b "
		"ON b.id = w.block_id WHERE w.host_id = h.id AND b.kind = 'maintenance' AND b.state = "
		"'active'), b.id, b.project_id FROM device d JOIN host h ON h.id = d.host_id LEFT JOIN block "
		"b "
		/* the earlier one, while it ends and another begins */
		"ON b.id = (SELECT k.block_id FROM block_device k JOIN block a ON a.id = k.block_id WHERE "
		"k.device_id = d.id AND a.kind = 'capacity' AND a.state = 'active' ORDER BY a.id LIMIT 1)";
	CLEANUP(db_done) sqlite3_stmt *st = query(db, sql);

	while (next(st)) {
		struct gpu g = { .id = db_int(st, 0),
			.block_id = db_int(st, 5),
			.block_project = db_int(st, 6),
			.left = 1000 };

		str_copy(g.model, sizeof g.model, db_text(st, 1));
		str_copy(g.zone, sizeof g.zone, db_text(st, 2));
		g.broken = db_int(st, 3) != 0;
		g.away = db_int(st, 4) != 0;
		see_tenants(o, db, &g);
		if (g.left < 0)
			die("more of a GPU is held than there is");
		if (g.left)
			see_rest(o, &g);
	}
}

void oracle_look(struct oracle *o, struct db *db)
{
	o->looks++;
	see_rows(o, db, servers_sql);
	see_rows(o, db, images_sql);
	see_rows(o, db, addresses_sql);
	see_gpus(o, db);
	for (size_t i = 0; i < o->n; i++)
		if (o->things[i].seen != o->looks)
			o->things[i].sum = NULL;
}

/* ---- time ---- */

void oracle_pass(struct oracle *o, int64_t us)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->things[i].sum)
			o->things[i].sum->us += us;
	o->now_us += us;
}

void oracle_set_wall(struct oracle *o, int64_t wall_us)
{
	struct oracle_stretch *last = &o->stretches[o->stretches_n - 1];

	if (last->from_us != o->now_us) {
		o->stretches = xrealloc(o->stretches, (o->stretches_n + 1) * sizeof *o->stretches);
		last = &o->stretches[o->stretches_n++];
	}
	*last = (struct oracle_stretch) { o->now_us, wall_us - o->now_us };
}

void oracle_init(struct oracle *o, int64_t wall_us)
{
	*o = (struct oracle) { .now_us = wall_us, .stretches_n = 1 };
	o->stretches = xcalloc(1, sizeof *o->stretches);
	o->stretches[0].from_us = oracle_month_wall(oracle_month_of(wall_us));
	index_again(o);
}

void oracle_finish(struct oracle *o)
{
	for (size_t i = 0; i < o->segments_n; i++)
		free(o->segments[i]);
	free(o->segments);
	free(o->stretches);
	free(o->sealed);
	free(o->things);
	free(o->index);
}

/* ---- by month ---- */

struct months {
	int first;
	size_t n;
	int64_t *began_us; /* n + 1 */
};

int oracle_first_month(const struct oracle *o)
{
	return oracle_month_of(o->stretches[0].from_us);
}

int oracle_month_number(int month)
{
	return (1970 + month / 12) * 100 + month % 12 + 1;
}

int64_t oracle_month_begin(const struct oracle *o, int month)
{
	size_t i = (size_t)(month - oracle_first_month(o));
	int64_t begin_us;

	if (i == 0)
		return o->stretches[0].from_us;
	if (i <= o->sealed_n)
		return o->sealed[i - 1];
	begin_us = oracle_moment(o, oracle_month_wall(month));
	return o->sealed_n && begin_us < o->sealed[o->sealed_n - 1] ? o->sealed[o->sealed_n - 1] : begin_us;
}

int oracle_close(struct oracle *o)
{
	int month = oracle_first_month(o) + (int)o->sealed_n;
	int64_t end_us = oracle_month_begin(o, month + 1);

	if (end_us > o->now_us || oracle_wall(o) < oracle_month_wall(month + 1))
		return 0;
	o->sealed = xrealloc(o->sealed, (o->sealed_n + 1) * sizeof *o->sealed);
	o->sealed[o->sealed_n++] = end_us;
	return oracle_month_number(month);
}

static struct months months_make(const struct oracle *o)
{
	struct months m = { .first = oracle_first_month(o) };

	do {
		m.began_us = xrealloc(m.began_us, (m.n + 1) * sizeof *m.began_us);
		m.began_us[m.n] = oracle_month_begin(o, m.first + (int)m.n);
	} while (m.began_us[m.n++] <= o->now_us);
	m.n--;
	return m;
}

static void cut(
	const struct months *m, struct oracle_bag *bag, const char *key, int64_t from_us, int64_t to_us)
{
	int64_t left = to_us - from_us;

	for (size_t i = 0; i < m->n; i++) {
		int64_t begin = from_us > m->began_us[i] ? from_us : m->began_us[i];
		int64_t end = to_us < m->began_us[i + 1] ? to_us : m->began_us[i + 1];
		char text[ORACLE_KEY + 8];

		if (end <= begin)
			continue;
		snprintf(text, sizeof text, "%d|%s", oracle_month_number(m->first + (int)i), key);
		oracle_bag_get(bag, text)->us += end - begin;
		left -= end - begin;
	}
	if (left)
		die("the months are not all there is");
}

void oracle_months(const struct oracle *o, struct oracle_bag *out)
{
	struct months m = months_make(o);

	for (size_t i = 0; i < o->segments_n; i++)
		cut(&m, out, o->segments[i]->key, o->segments[i]->from_us,
			o->segments[i]->from_us + o->segments[i]->us);
	free(m.began_us);
}

/* ---- the books ---- */

static const char *const books_sql[] = {
	"SELECT kind || '|' || subject_id || '|0|' || project_id || '|' || state || '|' || item || '|' || "
	"zone || '|' || "
	"preemptible || '|' || vcpus || '|' || ram_mib || '|' || disk_gib || '|' || amount, started_us, "
	"ended_us FROM usage",
	"SELECT 'gpu|' || device_id || '|' || part_id || '|' || owner || '|' || share || '|' || model || '|' "
	"|| zone || '|' || "
	"coalesce(project_id, 0) || '|' || coalesce(server_id, 0) || '|' || coalesce(block_id, 0) || '|' || "
	"state || '|' || "
	"profile || '|' || preemptible, started_us, ended_us FROM gpu_usage",
};

static void books_months(const struct oracle *o, struct db *db, struct oracle_bag *out)
{
	struct months m = months_make(o);

	for (size_t i = 0; i < ARRAY_LEN(books_sql); i++) {
		CLEANUP(db_done) sqlite3_stmt *st = query(db, books_sql[i]);

		while (next(st))
			cut(&m, out, db_text(st, 0), db_int(st, 1),
				db_is_null(st, 2) ? o->now_us : db_int(st, 2));
	}
	free(m.began_us);
}

static int differ(const struct oracle_bag *a, struct oracle_bag *b, const char *who, bool values)
{
	int n = 0;

	for (size_t i = 0; i < a->cap; i++) {
		const struct oracle_sum *x = a->slots[i];
		const struct oracle_sum *y = x && x->us ? oracle_bag_get(b, x->key) : NULL;

		if (!y || (values ? x->us == y->us : y->us != 0))
			continue;
		if (n++ < 10)
			fprintf(stderr, "%s: %s: %" PRId64 " us, the other has %" PRId64 "\n", who, x->key,
				x->us, y->us);
	}
	return n;
}

int oracle_compare(const struct oracle *o, struct db *db)
{
	struct oracle_bag mine = { 0 }, books = { 0 };
	int n;

	oracle_months(o, &mine);
	books_months(o, db, &books);
	n = differ(&mine, &books, "oracle", true);
	n += differ(&books, &mine, "books", false);
	oracle_bag_finish(&mine);
	oracle_bag_finish(&books);
	return n;
}
