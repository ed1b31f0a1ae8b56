/* SPDX-License-Identifier: Apache-2.0 */
#include "store/guardrails.h"

#include <string.h>

#include "base/util.h"
#include "store/hosts.h"
#include "store/quotas.h"

const char *const guardrail_visibilities[] = { "public", "private", "shared", "community", NULL };

static const char *const rules[GUARDRAIL_LISTS] = { "flavor", "zone", "image_visibility" };

/* ---- rows ---- */

static int rule_of(const char *name)
{
	int r = 0;

	while (r < GUARDRAIL_LISTS && strcmp(rules[r], name) != 0)
		r++;
	return r;
}

static void list_add(struct guardrail_list *l, struct arena *a, const char *value)
{
	/* room doubles: 1, 2, 4, ... */
	if ((l->n & (l->n - 1)) == 0) {
		const char **more = ARENA_ARRAY(a, const char *, l->n ? 2 * l->n : 1);

		if (l->n)
			memcpy(more, l->values, l->n * sizeof *more);
		l->values = more;
	}
	l->values[l->n++] = arena_strdup(a, value);
}

static bool list_has(const struct guardrail_list *l, const char *value)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->values[i], value) == 0)
			return true;
	return false;
}

static void read_rule(struct guardrail *g, struct arena *a, const char *rule, const char *value)
{
	int r = rule_of(rule);

	if (r < GUARDRAIL_LISTS) {
		g->lists[r].said = true;
		list_add(&g->lists[r], a, value);
	} else if (strcmp(rule, "preemptible") == 0) {
		g->no_preemptible = true;
	} else if (strcmp(rule, "reserved") == 0) {
		g->no_reserved = true;
	}
}

int store_guardrail_own(
	struct db *db, struct arena *a, int64_t project_id, struct guardrail *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	*out = (struct guardrail) { .no_reserved = false };
	if (db_query(db, err, &st,
		    "SELECT rule, value FROM guardrail WHERE project_id = ? ORDER BY rule, value", "i",
		    project_id) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0)
		read_rule(out, a, db_text(st, 0), db_text(st, 1));
	return rc;
}

/* What both leave. */
static void narrow(struct guardrail *g, const struct guardrail *by)
{
	g->no_preemptible |= by->no_preemptible;
	g->no_reserved |= by->no_reserved;
	for (int r = 0; r < GUARDRAIL_LISTS; r++) {
		struct guardrail_list *l = &g->lists[r];
		size_t n = 0;

		if (!by->lists[r].said)
			continue;
		for (size_t i = 0; l->said && i < l->n; i++)
			if (list_has(&by->lists[r], l->values[i]))
				l->values[n++] = l->values[i];
		if (l->said)
			l->n = n;
		else
			*l = by->lists[r];
	}
}

int store_guardrail_effective(
	struct db *db, struct arena *a, int64_t project_id, struct guardrail *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	*out = (struct guardrail) { .no_reserved = false };
	if (db_query(db, err, &st, QUOTA_UP "SELECT id FROM up ORDER BY depth", "i", project_id) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		struct guardrail g;

		if (store_guardrail_own(db, a, db_int(st, 0), &g, err) < 0)
			return -1;
		narrow(out, &g);
	}
	return rc;
}

static int insert(struct db *db, int64_t project_id, const char *rule, const char *value, struct error *err)
{
	return db_run(db, err, "INSERT OR IGNORE INTO guardrail (project_id, rule, value) VALUES (?, ?, ?)",
		       "iss", project_id, rule, value) < 0
		       ? -1
		       : 0;
}

int store_guardrail_set(struct db *db, int64_t project_id, const struct guardrail *g, struct error *err)
{
	if (db_run(db, err, "DELETE FROM guardrail WHERE project_id = ?", "i", project_id) < 0)
		return -1;
	for (int r = 0; r < GUARDRAIL_LISTS; r++)
		for (size_t i = 0; i < g->lists[r].n; i++)
			if (insert(db, project_id, rules[r], g->lists[r].values[i], err))
				return -1;
	return (g->no_preemptible && insert(db, project_id, "preemptible", "no", err)) ||
			       (g->no_reserved && insert(db, project_id, "reserved", "no", err))
		       ? -1
		       : 0;
}

/* ---- may it? ---- */

/* Most clouds have none: then nobody has to look up the tree. 1, 0, -1. */
static int any_rows(struct db *db, struct error *err)
{
	int64_t one;

	return db_int_query(db, err, &one, "SELECT 1 FROM guardrail LIMIT 1", NULL);
}

static int refuse(const char *rule, const char *flavor, const struct guardrail_ask *ask, struct error *err)
{
	switch (rule_of(rule)) {
	case GUARDRAIL_FLAVOR:
		return error_set(err, ERR_FORBIDDEN,
			"This project's guardrails do not allow the flavor %.255s.", flavor);
	case GUARDRAIL_ZONE:
		return error_set(err, ERR_FORBIDDEN,
			"This project's guardrails do not allow the availability zone %.64s.", ask->zone);
	case GUARDRAIL_IMAGE:
		return error_set(err, ERR_FORBIDDEN, "This project's guardrails do not allow %s images.",
			ask->visibility);
	default:
		return error_set(err, ERR_FORBIDDEN, "This project's guardrails do not allow %s.",
			strcmp(rule, "reserved") == 0 ? "the use of reserved capacity"
						      : "preemptible servers");
	}
}

int store_guardrail_check(
	struct db *db, int64_t project_id, const struct guardrail_ask *ask, struct error *err)
{
	/* of each project on the way up, rules that speak of what is asked for and have no row for it */
	static const char sql[] = QUOTA_UP
		"SELECT g.rule, coalesce((SELECT name FROM flavor WHERE uid = ?2), ?2) FROM up u JOIN "
		"guardrail g ON g.project_id = u.id WHERE CASE g.rule "
		"WHEN 'flavor' THEN ?2 IS NOT NULL WHEN 'zone' THEN ?3 IS NOT NULL WHEN "
		"'image_visibility' THEN ?4 IS NOT NULL WHEN 'preemptible' THEN ?5 WHEN 'reserved' THEN "
		"?6 END GROUP BY u.id, g.rule HAVING NOT max(coalesce(CASE g.rule WHEN 'flavor' THEN "
		"g.value = ?2 WHEN 'zone' THEN g.value = ?3 WHEN 'image_visibility' THEN g.value = ?4 "
		"END, 0)) LIMIT 1";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc = any_rows(db, err);

	if (rc <= 0)
		return rc;
	if (db_query(db, err, &st, sql, "isssii", project_id, ask->flavor_uid,
		    ask->zone && *ask->zone ? ask->zone : NULL, ask->visibility, (int64_t)ask->preemptible,
		    (int64_t)ask->reserved) < 0)
		return -1;
	rc = db_row(st, err);
	return rc > 0 ? refuse(db_text(st, 0), db_text(st, 1), ask, err) : rc;
}

int store_guardrail_hosts(
	struct db *db, struct arena *a, int64_t project_id, int64_t **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t hosts = 0, rows = 0;
	int rc = any_rows(db, err);

	*out = NULL;
	*out_n = 0;
	if (rc <= 0)
		return rc;
	if (db_int_query(db, err, &rows,
		    QUOTA_UP
		    "SELECT count(*) FROM up u JOIN guardrail g ON g.project_id = u.id WHERE g.rule = "
		    "'zone'",
		    "i", project_id) < 0)
		return -1;
	if (!rows)
		return 0;
	if (db_int_query(db, err, &hosts, "SELECT count(*) FROM host", NULL) < 0 ||
		db_query(db, err, &st,
			QUOTA_UP
			"SELECT id FROM (SELECT id, " STORE_HOST_ZONE " AS zone FROM host) h WHERE NOT "
			"EXISTS (SELECT 1 FROM up u JOIN guardrail g ON g.project_id = u.id WHERE "
			"g.rule = 'zone' GROUP BY u.id HAVING NOT max(g.value = h.zone)) ORDER BY id",
			"i", project_id) < 0)
		return -1;
	*out = ARENA_ARRAY(a, int64_t, (size_t)hosts + 1);
	while ((rc = db_row(st, err)) > 0)
		(*out)[(*out_n)++] = db_int(st, 0);
	return rc;
}
