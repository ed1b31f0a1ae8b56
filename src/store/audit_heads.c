/* SPDX-License-Identifier: Apache-2.0 */
/* Signed heads of the chain, the keys that signed them, and what of the chain is no longer kept. */
#include <string.h>

#include "base/util.h"
#include "store/audit.h"

#define HEAD "seq, hash, at_us, key_id, signature"

int store_audit_head_insert(struct db *db, const struct audit_head *h, struct error *err)
{
	return db_run(db, err, "INSERT INTO audit_head (" HEAD ") VALUES (?, ?, ?, ?, ?)", "ibisb", h->seq,
		       h->hash, sizeof h->hash, h->at_us, h->key_id, h->signature, sizeof h->signature) < 0
		       ? -1
		       : 0;
}

/* Bytes of just that length; else all zero, which verifies nowhere. */
static void get_bytes(sqlite3_stmt *st, int col, unsigned char *out, size_t n)
{
	const void *p = sqlite3_column_blob(st, col);

	memset(out, 0, n);
	if (p && (size_t)sqlite3_column_bytes(st, col) == n)
		memcpy(out, p, n);
}

static int one_head(struct db *db, const char *sql, int64_t value, struct audit_head *out, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "i", value) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc > 0) {
		out->seq = db_int(st, 0);
		get_bytes(st, 1, out->hash, sizeof out->hash);
		out->at_us = db_int(st, 2);
		db_copy(st, 3, out->key_id, sizeof out->key_id);
		get_bytes(st, 4, out->signature, sizeof out->signature);
	}
	return rc;
}

int store_audit_head_from(struct db *db, int64_t seq, struct audit_head *out, struct error *err)
{
	return one_head(
		db, "SELECT " HEAD " FROM audit_head WHERE seq >= ? ORDER BY seq LIMIT 1", seq, out, err);
}

int store_audit_head_last(struct db *db, struct audit_head *out, struct error *err)
{
	return one_head(db, "SELECT " HEAD " FROM audit_head WHERE seq <= ? ORDER BY seq DESC LIMIT 1",
		INT64_MAX, out, err);
}

int store_audit_head_before(struct db *db, int64_t at_us, struct audit_head *out, struct error *err)
{
	return one_head(db, "SELECT " HEAD " FROM audit_head WHERE at_us < ? ORDER BY seq DESC LIMIT 1",
		at_us, out, err);
}

/* --- keys --- */

int store_audit_key_insert(struct db *db, const struct audit_key *k, struct error *err)
{
	return db_run(db, err, "INSERT INTO audit_key (id, public_key, seq) VALUES (?, ?, ?)", "sbi", k->id,
		       k->public_key, sizeof k->public_key, k->seq) < 0
		       ? -1
		       : 0;
}

static void fill_key(sqlite3_stmt *st, struct audit_key *out)
{
	db_copy(st, 0, out->id, sizeof out->id);
	get_bytes(st, 1, out->public_key, sizeof out->public_key);
	out->seq = db_int(st, 2);
}

int store_audit_key_list(
	struct db *db, struct arena *a, struct audit_key **out, size_t *out_n, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	struct audit_key *all;
	int64_t count = 0;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &count, "SELECT count(*) FROM audit_key", NULL) < 0 ||
		db_query(db, err, &st, "SELECT id, public_key, seq FROM audit_key ORDER BY seq, id", NULL) <
			0)
		return -1;
	all = ARENA_ARRAY(a, struct audit_key, (size_t)count + 1);
	while (n < (size_t)count && (rc = db_row(st, err)) > 0)
		fill_key(st, &all[n++]);
	if (rc < 0)
		return -1;
	*out = all;
	*out_n = n;
	return 0;
}

int store_audit_key_find(struct db *db, const char *id, struct audit_key *out, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	int rc;

	if (db_query(db, err, &st, "SELECT id, public_key, seq FROM audit_key WHERE id = ?", "s", id) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		fill_key(st, out);
	return rc;
}

/* --- what is not kept --- */

int store_audit_oldest(struct db *db, int64_t *out_us, struct error *err)
{
	int64_t us = 0;

	if (db_int_query(db, err, &us, "SELECT at_us FROM audit ORDER BY seq LIMIT 1", NULL) < 0)
		return -1;
	*out_us = us;
	return 0;
}

int store_audit_purge(struct db *db, int64_t upto_seq, int64_t limit, struct error *err)
{
	struct audit_tip tip;
	int64_t last;
	int n;

	if (store_audit_tip(db, &tip, err))
		return -1;
	last = upto_seq < tip.base_seq + limit ? upto_seq : tip.base_seq + limit;
	if (last <= tip.base_seq)
		return 0;
	if (db_run(db, err,
		    "UPDATE audit_chain SET base_seq = ?1, base_hash = (SELECT hash FROM audit WHERE seq = "
		    "?1) WHERE one = 1",
		    "i", last) < 0 ||
		(n = db_run(db, err, "DELETE FROM audit WHERE seq <= ?", "i", last)) < 0 ||
		db_run(db, err, "DELETE FROM audit_head WHERE seq < ?", "i", last) < 0)
		return -1;
	return n;
}
