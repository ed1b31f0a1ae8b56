/* SPDX-License-Identifier: Apache-2.0 */
#include "store/keypairs.h"

#include "base/util.h"

#define COLUMNS "id, user_id, name, type, public_key, fingerprint, created_us"

static void load(sqlite3_stmt *st, struct arena *a, struct keypair *k)
{
	*k = (struct keypair) { .id = db_int(st, 0),
		.user_id = db_int(st, 1),
		.name = db_dup(st, 2, a),
		.type = db_dup(st, 3, a),
		.public_key = db_dup(st, 4, a),
		.fingerprint = db_dup(st, 5, a),
		.created_us = db_int(st, 6) };
}

int store_keypair_insert(struct db *db, const struct keypair *k, struct error *err)
{
	int64_t other;
	int rc = db_int_query(db, err, &other, "SELECT id FROM keypair WHERE user_id = ? AND name = ?", "is",
		k->user_id, k->name);

	if (rc > 0)
		return error_set(err, ERR_CONFLICT, "Key pair '%.128s' already exists.", k->name);
	if (rc < 0)
		return -1;
	return db_run(db, err, "INSERT INTO keypair (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?)", "iissssi",
		       k->id, k->user_id, k->name, k->type, k->public_key, k->fingerprint, k->created_us) < 0
		       ? -1
		       : 0;
}

int store_keypair_get(struct db *db, struct arena *a, int64_t user_id, const char *name, struct keypair *out,
	struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, "SELECT " COLUMNS " FROM keypair WHERE user_id = ? AND name = ?", "is",
		    user_id, name) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Keypair %.128s not found.", name);
	if (rc < 0)
		return -1;
	load(st, a, out);
	return 0;
}

int store_keypair_list(struct db *db, struct arena *a, int64_t user_id, const char *after, int64_t max,
	struct keypair **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct keypair *list;
	int64_t n = 0, i = 0;
	int rc = 0;

	if (store_keypair_count(db, user_id, &n, err) < 0 ||
		db_query(db, err, &st,
			"SELECT " COLUMNS
			" FROM keypair WHERE user_id = ? AND name > coalesce(?, '') ORDER BY name LIMIT ?",
			"isi", user_id, after, max) < 0)
		return -1;
	list = ARENA_ARRAY(a, struct keypair, (size_t)n + 1);
	for (; i < n && (rc = db_row(st, err)) > 0; i++)
		load(st, a, &list[i]);
	if (rc < 0)
		return -1;
	*out = list;
	*out_n = (size_t)i;
	return 0;
}

int store_keypair_delete(struct db *db, int64_t user_id, const char *name, struct error *err)
{
	int rc = db_run(db, err, "DELETE FROM keypair WHERE user_id = ? AND name = ?", "is", user_id, name);

	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Keypair %.128s not found.", name);
	return rc < 0 ? -1 : 0;
}

int store_keypair_count(struct db *db, int64_t user_id, int64_t *out, struct error *err)
{
	return db_int_query(db, err, out, "SELECT count(*) FROM keypair WHERE user_id = ?", "i", user_id) < 0
		       ? -1
		       : 0;
}

int store_keypair_user(struct db *db, const char *user_uid, int64_t *out_id, struct error *err)
{
	return db_int_query(db, err, out_id, "SELECT id FROM user WHERE uid = ?", "s", user_uid);
}
