/* SPDX-License-Identifier: Apache-2.0 */
#include "store/idempotency.h"

#include <string.h>

#include "store/row.h"

int store_request_find(struct db *db, struct arena *a, const unsigned char key_hash[SHA256_SIZE],
	int64_t now_us, struct kept_request *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT fingerprint, reply, expires_us FROM request WHERE key_hash = ? AND expires_us > "
		    "?",
		    "bi", key_hash, (size_t)SHA256_SIZE, now_us) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc;
	if (sqlite3_column_bytes(st, 0) != SHA256_SIZE)
		return error_internal(err, "a kept request's fingerprint is damaged");
	memcpy(out->key_hash, key_hash, SHA256_SIZE);
	memcpy(out->fingerprint, sqlite3_column_blob(st, 0), SHA256_SIZE);
	out->reply_n = (size_t)sqlite3_column_bytes(st, 1);
	out->reply = arena_copy(a, sqlite3_column_blob(st, 1), out->reply_n);
	out->expires_us = db_int(st, 2);
	return 1;
}

int store_request_insert(struct db *db, const struct kept_request *r, struct error *err)
{
	static const char count[] = "SELECT count(*) FROM request WHERE owner_id = ?";
	int64_t n = 0;

	if (db_int_query(db, err, &n, count, "i", r->owner_id) < 0)
		return -1;
	if (n >= KEPT_REQUESTS_MAX)
		return error_set(err, ERR_OVER_QUOTA,
			"The replies of %d requests with an Idempotency-Key are kept for a day: try again "
			"later, "
			"or without a key.",
			KEPT_REQUESTS_MAX);
	return db_run(db, err,
		       "INSERT OR REPLACE INTO request (id, owner_id, key_hash, fingerprint, reply, "
		       "expires_us) VALUES (?, ?, ?, ?, ?, ?)",
		       "iibbbi", store_next_id(db_store(db)), r->owner_id, r->key_hash, (size_t)SHA256_SIZE,
		       r->fingerprint, (size_t)SHA256_SIZE, r->reply, r->reply_n, r->expires_us) < 0
		       ? -1
		       : 0;
}

int store_request_purge(struct db *db, int64_t now_us, int64_t limit, struct error *err)
{
	return db_run(db, err,
		"DELETE FROM request WHERE id IN (SELECT id FROM request WHERE expires_us <= ? ORDER BY "
		"expires_us LIMIT ?)",
		"ii", now_us, limit);
}
