/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the audit's chain: what no head covers yet, and the last head. All of it, and without believing
 * the daemon, is for `cloudctl audit verify`. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "store/audit.h"
#include "store/check_rules.h"
#include "store/meta.h"

enum { RECORDS_MAX = 20000 };

struct audit_check {
	struct db *db;
	store_finding_fn *found;
	void *ctx;
	char cloud[64];
	struct audit_tip tip;
	struct audit_head head;
	bool has_head;
};

static void tell(const struct audit_check *c, const char *rule, int64_t seq, const char *what)
{
	char object[40];

	snprintf(object, sizeof object, "audit record %lld", (long long)seq);
	c->found(c->ctx, rule, object, what);
}

static int check_head(const struct audit_check *c, struct error *err)
{
	struct audit_key key;
	int rc;

	if (!c->has_head)
		return 0;
	rc = store_audit_key_find(c->db, c->head.key_id, &key, err);
	if (rc == 0)
		tell(c, "audit-head", c->head.seq, "its head is signed by a key that has no row");
	else if (rc > 0 && !audit_head_verify(&c->head, c->cloud, key.public_key))
		tell(c, "audit-head", c->head.seq, "the signature of its head is wrong");
	return rc < 0 ? -1 : 0;
}

/* From the record of the last head on, or from where the chain begins. */
static int walk_begin(struct audit_check *c, struct audit_walk *w, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	unsigned char hash[SHA256_SIZE];
	struct audit_record r;

	if (!c->has_head || c->head.seq <= c->tip.base_seq) {
		audit_walk_begin(w, c->cloud, c->tip.base_seq, c->tip.base_hash);
		return 0;
	}
	audit_walk_begin(w, c->cloud, c->head.seq, c->head.hash);
	if (store_audit_load(c->db, &a, c->head.seq, NULL, &r, hash, err)) {
		if (err->code != ERR_NOT_FOUND)
			return -1;
		tell(c, "audit-chain", c->head.seq, "it was signed, and is missing");
	} else if (memcmp(hash, c->head.hash, SHA256_SIZE) != 0) {
		tell(c, "audit-chain", c->head.seq, "it is not what was signed");
	}
	return 0;
}

static int check_tail(struct audit_check *c, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	unsigned char hash[SHA256_SIZE];
	struct audit_record r;
	struct audit_walk w;
	int rc = 0, n = 0;

	if (walk_begin(c, &w, err) || store_audit_walk(c->db, w.seq + 1, &st, err) < 0)
		return -1;
	while (!w.bad && n++ < RECORDS_MAX && (rc = store_audit_next(st, &r, hash, err)) > 0)
		audit_walk_record(&w, &r, hash);
	if (rc == 0)
		audit_walk_end(&w, c->tip.seq, c->tip.hash);
	if (w.bad)
		tell(c, "audit-chain", w.bad_seq, w.what);
	audit_walk_finish(&w);
	return rc < 0 ? -1 : 0;
}

int check_audit(struct db *db, store_finding_fn *found, void *ctx, struct error *err)
{
	struct audit_check c = { .db = db, .found = found, .ctx = ctx };
	int rc = store_audit_head_last(db, &c.head, err);

	c.has_head = rc > 0;
	if (rc < 0 || store_audit_tip(db, &c.tip, err) ||
		store_meta_get(db, "cloud_id", c.cloud, sizeof c.cloud, err) < 0)
		return -1;
	return check_head(&c, err) || check_tail(&c, err) ? -1 : 0;
}
