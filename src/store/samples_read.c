/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of what servers used. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "store/samples_file.h"

#define SUMS                                                                                         \
	"sum(covered_ms), sum(cpu_ns), sum(read_bytes), sum(reads), sum(write_bytes), sum(writes), " \
	"sum(rx_bytes), sum(rx_packets), sum(tx_bytes), sum(tx_packets), sum(ram_known_ms), "        \
	"sum(ram_mib_ms), max(ram_max_mib), sum(n)"
/* Rows lie by time, so a server's are fetched one by one, from the first step that there is to the last. */
#define READ(table)                                                                                       \
	"WITH RECURSIVE t (at) AS (SELECT max(?2, (SELECT min(at) FROM " table                            \
	")) UNION ALL SELECT at + 1 FROM t WHERE at + 1 < min(?3, 1 + (SELECT max(at) FROM " table "))) " \
	"SELECT x.at / ?4 * ?4, " SUMS " FROM t CROSS JOIN " table                                        \
	" x ON x.at = t.at AND x.server = (SELECT id FROM server WHERE uid = ?1) "                        \
	"WHERE x.at < ?3 GROUP BY 1 ORDER BY 1 LIMIT ?5"

const char *const samples_read_sql[SAMPLES_STATEMENTS - SAMPLES_WRITES] = {
	[READ_MINUTES - SAMPLES_WRITES] = READ("minute"),
	[READ_HOURS - SAMPLES_WRITES] = READ("hour"),
	[READ_SERVERS - SAMPLES_WRITES] = "SELECT uid, project FROM server WHERE (?1 IS NULL OR project = "
					  "?1) AND uid > ?2 ORDER BY uid "
					  "LIMIT ?3",
	[READ_TOP - SAMPLES_WRITES] =
		"SELECT min(x.at), " SUMS ", s.uid, s.project FROM minute x JOIN server s ON s.id = x.server "
		"WHERE x.at >= ?1 AND (?2 IS NULL OR s.project = ?2) GROUP BY x.server",
};

static const int64_t step_ms[] = { [SAMPLES_MINUTE] = 60000, [SAMPLES_HOUR] = 3600000 };

static struct samples_sum sum_of(sqlite3_stmt *st, int64_t unit_ms)
{
	struct samples_sum out = { .at_ms = sqlite3_column_int64(st, 0) * unit_ms,
		.covered_ms = sqlite3_column_int64(st, 1) };
	int i = 2;

	for (int k = 0; k < SAMPLE_COUNTERS; k++)
		out.used[k] = sqlite3_column_int64(st, i++);
	out.ram_known_ms = sqlite3_column_int64(st, i++);
	out.ram_mib_ms = sqlite3_column_int64(st, i++);
	out.ram_max_mib = sqlite3_column_int64(st, i++);
	out.readings = sqlite3_column_int64(st, i);
	return out;
}

int samples_read(struct samples *s, struct arena *a, const struct samples_query *q, struct samples_sum **out,
	size_t *out_n, bool *out_more, struct error *err)
{
	sqlite3_stmt *st = s->st[q->step == SAMPLES_HOUR ? READ_HOURS : READ_MINUTES];
	struct samples_sum *list = ARENA_ARRAY(a, struct samples_sum, q->max);
	int64_t unit = step_ms[q->step];
	size_t n = 0;
	int rc;

	*out_more = false;
	pthread_mutex_lock(&s->read_lock);
	sqlite3_bind_text(st, 1, q->server, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, (q->from_ms + unit - 1) / unit);
	sqlite3_bind_int64(st, 3, (q->to_ms + unit - 1) / unit);
	sqlite3_bind_int64(st, 4, q->each ? q->each : INT64_MAX);
	sqlite3_bind_int64(st, 5, (int64_t)q->max + 1);
	while ((rc = samples_step(st, err)) > 0) {
		if (n == q->max) {
			*out_more = true;
			break;
		}
		list[n++] = sum_of(st, unit);
	}
	samples_done(st, 0);
	pthread_mutex_unlock(&s->read_lock);
	*out = list;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

static void bind_project(sqlite3_stmt *st, int i, const char *project)
{
	if (project)
		sqlite3_bind_text(st, i, project, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, i);
}

int samples_servers(struct samples *s, struct arena *a, const char *project, const char *after, size_t max,
	struct samples_server **out, size_t *out_n, struct error *err)
{
	sqlite3_stmt *st = s->st[READ_SERVERS];
	struct samples_server *list = ARENA_ARRAY(a, struct samples_server, max);
	size_t n = 0;
	int rc = 0;

	pthread_mutex_lock(&s->read_lock);
	bind_project(st, 1, project);
	sqlite3_bind_text(st, 2, after ? after : "", -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, (int64_t)max);
	while (n < max && (rc = samples_step(st, err)) > 0)
		list[n++] = (struct samples_server) {
			.uid = arena_strdup(a, (const char *)sqlite3_column_text(st, 0)),
			.project = arena_strdup(a, (const char *)sqlite3_column_text(st, 1)),
		};
	samples_done(st, 0);
	pthread_mutex_unlock(&s->read_lock);
	*out = list;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

/* --- who used most -------------------------------------------------------------------------------------- */

static int64_t weight(const struct samples_sum *u, enum samples_order order)
{
	switch (order) {
	case SAMPLES_BY_DISK:
		return u->used[SAMPLE_DISK_READ_BYTES] + u->used[SAMPLE_DISK_WRITE_BYTES];
	case SAMPLES_BY_NET:
		return u->used[SAMPLE_NET_RX_BYTES] + u->used[SAMPLE_NET_TX_BYTES];
	case SAMPLES_BY_RAM:
		return u->ram_max_mib;
	default:
		return u->used[SAMPLE_CPU_NS];
	}
}

/* Into its place among the first max, most first. */
static size_t insert(
	struct samples_top *list, size_t n, size_t max, const struct samples_top *t, enum samples_order order)
{
	size_t at = n;

	while (at && weight(&list[at - 1].sum, order) < weight(&t->sum, order))
		at--;
	if (at == max)
		return n;
	if (n == max)
		n--;
	memmove(&list[at + 1], &list[at], (n - at) * sizeof *list);
	list[at] = *t;
	return n + 1;
}

static bool belongs(const struct samples_top *list, size_t n, size_t max, const struct samples_sum *sum,
	enum samples_order order)
{
	return n < max || weight(&list[n - 1].sum, order) < weight(sum, order);
}

int samples_top(struct samples *s, struct arena *a, const char *project, int64_t from_ms,
	enum samples_order order, size_t max, struct samples_top **out, size_t *out_n, struct error *err)
{
	sqlite3_stmt *st = s->st[READ_TOP];
	struct samples_top *list = ARENA_ARRAY(a, struct samples_top, max + 1);
	size_t n = 0;
	int rc;

	pthread_mutex_lock(&s->read_lock);
	sqlite3_bind_int64(st, 1, from_ms / step_ms[SAMPLES_MINUTE]);
	bind_project(st, 2, project);
	while ((rc = samples_step(st, err)) > 0) {
		struct samples_top t = { .sum = sum_of(st, step_ms[SAMPLES_MINUTE]) };

		if (!belongs(list, n, max, &t.sum, order))
			continue;
		t.server.uid = arena_strdup(a, (const char *)sqlite3_column_text(st, 15));
		t.server.project = arena_strdup(a, (const char *)sqlite3_column_text(st, 16));
		n = insert(list, n, max, &t, order);
	}
	samples_done(st, 0);
	pthread_mutex_unlock(&s->read_lock);
	*out = list;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}
