/* SPDX-License-Identifier: Apache-2.0 */
#include "store/aggregates.h"

#include "base/util.h"
#include "store/books.h"
#include "store/row.h"

#define COLUMNS "id, uid, name, created_us, updated_us FROM aggregate"

int store_aggregate_insert(struct db *db, const struct aggregate *a, struct error *err)
{
	if (db_run(db, err, "INSERT INTO aggregate (id, uid, name, created_us) VALUES (?, ?, ?, ?)", "issi",
		    a->id, a->uid, a->name, a->created_us) < 0)
		return err->code == ERR_CONFLICT
			       ? error_set(err, ERR_CONFLICT, "Aggregate %.128s already exists.", a->name)
			       : -1;
	return 0;
}

static int read_hosts(struct db *db, struct arena *arena, struct aggregate *a, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &n, "SELECT count(*) FROM aggregate_host WHERE aggregate_id = ?", "i",
		    a->id) < 0 ||
		db_query(db, err, &st,
			"SELECT h.id, h.name FROM aggregate_host x JOIN host h ON h.id = x.host_id"
			" WHERE x.aggregate_id = ? ORDER BY h.name",
			"i", a->id) < 0)
		return -1;
	a->hosts = ARENA_ARRAY(arena, const char *, (size_t)n + 1);
	a->host_ids = ARENA_ARRAY(arena, int64_t, (size_t)n + 1);
	while (a->hosts_n < (size_t)n && (rc = db_row(st, err)) > 0) {
		a->host_ids[a->hosts_n] = db_int(st, 0);
		a->hosts[a->hosts_n++] = db_dup(st, 1, arena);
	}
	return rc < 0 ? -1 : 0;
}

static int read_metadata(struct db *db, struct arena *arena, struct aggregate *a, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &n, "SELECT count(*) FROM aggregate_metadata WHERE aggregate_id = ?", "i",
		    a->id) < 0 ||
		db_query(db, err, &st,
			"SELECT key, value FROM aggregate_metadata WHERE aggregate_id = ? ORDER BY key", "i",
			a->id) < 0)
		return -1;
	a->metadata = ARENA_ARRAY(arena, struct server_pair, (size_t)n + 1);
	while (a->metadata_n < (size_t)n && (rc = db_row(st, err)) > 0) {
		struct server_pair *m = &a->metadata[a->metadata_n++];

		*m = (struct server_pair) { db_dup(st, 0, arena), db_dup(st, 1, arena) };
		if (str_eq(m->key, AGGREGATE_ZONE))
			a->zone = m->value;
	}
	return rc < 0 ? -1 : 0;
}

static int read_one(
	struct db *db, sqlite3_stmt *st, struct arena *arena, struct aggregate *out, struct error *err)
{
	*out = (struct aggregate) {
		.id = db_int(st, 0),
		.uid = db_dup(st, 1, arena),
		.name = db_dup(st, 2, arena),
		.created_us = db_int(st, 3),
		.updated_us = db_int(st, 4),
	};
	return read_hosts(db, arena, out, err) < 0 ? -1 : read_metadata(db, arena, out, err);
}

static int not_found(int64_t id, struct error *err)
{
	return error_set(err, ERR_NOT_FOUND, "Aggregate %lld could not be found.", (long long)id);
}

int store_aggregate_get(
	struct db *db, struct arena *arena, int64_t id, struct aggregate *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, "SELECT " COLUMNS " WHERE id = ?", "i", id) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc == 0)
		return not_found(id, err);
	return rc < 0 ? -1 : read_one(db, st, arena, out, err);
}

int store_aggregate_list(
	struct db *db, struct arena *arena, struct aggregate **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct aggregate *list;
	int64_t count = 0;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &count, "SELECT count(*) FROM aggregate", NULL) < 0 ||
		db_query(db, err, &st, "SELECT " COLUMNS " ORDER BY id", NULL) < 0)
		return -1;
	list = ARENA_ARRAY(arena, struct aggregate, (size_t)count + 1);
	while (n < (size_t)count && (rc = db_row(st, err)) > 0)
		if (read_one(db, st, arena, &list[n++], err) < 0)
			return -1;
	*out = list;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int store_aggregate_update(struct db *db, int64_t id, const char *name, int64_t now_us, struct error *err)
{
	int rc = db_run(db, err,
		"UPDATE aggregate SET name = coalesce(?2, name), updated_us = ?3 WHERE id = ?1", "isi", id,
		name, now_us);

	if (rc < 0 && err->code == ERR_CONFLICT)
		return error_set(err, ERR_CONFLICT, "Aggregate %.128s already exists.", name);
	return rc == 0 ? not_found(id, err) : rc < 0 ? -1 : 0;
}

int store_aggregate_delete(struct db *db, int64_t id, struct error *err)
{
	int rc;

	if (db_run(db, err, "DELETE FROM aggregate_metadata WHERE aggregate_id = ?", "i", id) < 0)
		return -1;
	rc = db_run(db, err, "DELETE FROM aggregate WHERE id = ?", "i", id);
	return rc == 0 ? not_found(id, err) : rc < 0 ? -1 : 0;
}

int store_aggregate_host_add(struct db *db, int64_t id, int64_t host_id, struct error *err)
{
	books_touch(db, BOOKS_HOST, host_id);
	if (db_run(db, err, "INSERT INTO aggregate_host (aggregate_id, host_id) VALUES (?, ?)", "ii", id,
		    host_id) < 0)
		return err->code == ERR_CONFLICT
			       ? error_set(err, ERR_CONFLICT, "Aggregate %lld already has that host.",
					 (long long)id)
			       : -1;
	return 0;
}

int store_aggregate_host_remove(struct db *db, int64_t id, int64_t host_id, struct error *err)
{
	int rc = db_run(db, err, "DELETE FROM aggregate_host WHERE aggregate_id = ? AND host_id = ?", "ii",
		id, host_id);

	books_touch(db, BOOKS_HOST, host_id);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Aggregate %lld has no such host.", (long long)id);
	return rc < 0 ? -1 : 0;
}

int store_aggregate_metadata_set(
	struct db *db, int64_t id, const char *key, const char *value, struct error *err)
{
	int rc = value ? db_run(db, err,
				 "INSERT INTO aggregate_metadata (aggregate_id, key, value) VALUES (?, ?, ?)"
				 " ON CONFLICT (aggregate_id, key) DO UPDATE SET value = excluded.value",
				 "iss", id, key, value)
		       : db_run(db, err, "DELETE FROM aggregate_metadata WHERE aggregate_id = ? AND key = ?",
				 "is", id, key);

	if (str_eq(key, AGGREGATE_ZONE))
		books_touch(db, BOOKS_AGGREGATE, id);
	return rc < 0 ? -1 : 0;
}

int store_aggregate_torn_host(struct db *db, struct arena *arena, const char **out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT h.name FROM aggregate_host x JOIN aggregate_metadata m"
		    " ON m.aggregate_id = x.aggregate_id AND m.key = '" AGGREGATE_ZONE "'"
		    " JOIN host h ON h.id = x.host_id GROUP BY h.id HAVING count(DISTINCT m.value) > 1 LIMIT "
		    "1",
		    NULL) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		*out = db_dup(st, 0, arena);
	return rc;
}

int store_aggregate_hosts_with(struct db *db, struct arena *arena, const char *key, const char *value,
	int64_t **out, size_t *out_n, struct error *err)
{
	static const char count[] = "SELECT count(DISTINCT x.host_id) FROM aggregate_metadata m"
				    " JOIN aggregate_host x ON x.aggregate_id = m.aggregate_id"
				    " WHERE m.key = ? AND m.value = ?";
	static const char ids[] = "SELECT DISTINCT x.host_id FROM aggregate_metadata m"
				  " JOIN aggregate_host x ON x.aggregate_id = m.aggregate_id"
				  " WHERE m.key = ? AND m.value = ? ORDER BY x.host_id";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t max = 0, *list;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &max, count, "ss", key, value) < 0 ||
		db_query(db, err, &st, ids, "ss", key, value) < 0)
		return -1;
	list = ARENA_ARRAY(arena, int64_t, (size_t)max + 1);
	while (n < (size_t)max && (rc = db_row(st, err)) > 0)
		list[n++] = db_int(st, 0);
	*out = list;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int store_aggregate_demands(
	struct db *db, struct arena *arena, struct aggregate_demand **out, size_t *out_n, struct error *err)
{
	static const char count[] = "SELECT count(*) FROM aggregate_metadata m"
				    " JOIN aggregate_host x ON x.aggregate_id = m.aggregate_id"
				    " WHERE m.key > 'trait:' AND m.key < 'trait;' AND m.value = 'required'";
	static const char rows[] = "SELECT substr(m.key, 7), x.host_id FROM aggregate_metadata m"
				   " JOIN aggregate_host x ON x.aggregate_id = m.aggregate_id"
				   " WHERE m.key > 'trait:' AND m.key < 'trait;' AND m.value = 'required'"
				   " ORDER BY m.key, x.host_id";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t max = 0;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &max, count, NULL) < 0)
		return -1;
	*out = ARENA_ARRAY(arena, struct aggregate_demand, (size_t)max + 1);
	*out_n = 0;
	if (!max)
		return 0;
	if (db_query(db, err, &st, rows, NULL) < 0)
		return -1;
	while (n < (size_t)max && (rc = db_row(st, err)) > 0)
		(*out)[n++] = (struct aggregate_demand) { db_dup(st, 0, arena), db_int(st, 1) };
	*out_n = n;
	return rc < 0 ? -1 : 0;
}
