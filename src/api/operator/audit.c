/* SPDX-License-Identifier: Apache-2.0 */
/* The audit: a project's own records, all of them for the operator; and what proves that they are in the
 * chain. Those of others show in a proof as hashes alone. */
#include <string.h>

#include "api/operator/operator.h"
#include "base/util.h"
#include "domain/audit_json.h"
#include "flow/audit_keeper.h"
#include "store/audit.h"
#include "store/meta.h"

enum { PAGE = 50, PAGE_MAX = 1000, PROOF_MAX = 20000 };

/* Whose records may be seen; NULL: all. */
static const char *own_project(const struct api_call *c)
{
	return api_is_admin(c) ? api_query(c, "project") : c->who->project.uid;
}

static int read_number(struct api_call *c, const char *name, int64_t max, int64_t *out, struct error *err)
{
	const char *text = api_query(c, name);

	if (text && !str_int64(text, 1, max, out))
		return error_set(
			err, ERR_BAD_REQUEST, "%s must be an integer from 1 to %lld", name, (long long)max);
	return 0;
}

static int read_time(struct api_call *c, const char *name, int64_t *out, struct error *err)
{
	const char *text = api_query(c, name);

	if (text && time_parse(text, out))
		return error_set(err, ERR_BAD_REQUEST, "%s must be a time as 2026-01-31T00:00:00Z", name);
	return 0;
}

/* A number, or a class of them as "4xx". */
static int read_status(struct api_call *c, struct audit_filter *f, struct error *err)
{
	const char *text = api_query(c, "status");

	if (!text)
		return 0;
	if (strlen(text) == 3 && strcmp(text + 1, "xx") == 0 && *text >= '1' && *text <= '5') {
		f->status_min = (*text - '0') * 100;
		f->status_max = f->status_min + 99;
		return 0;
	}
	if (!str_int64(text, 100, 599, &f->status_min))
		return error_set(err, ERR_BAD_REQUEST, "status must be from 100 to 599, or as 4xx");
	f->status_max = f->status_min;
	return 0;
}

int operator_audit_list(struct api_call *c, struct error *err)
{
	struct audit_filter f = { .project_uid = own_project(c),
		.action = api_query(c, "action"),
		.target = api_query(c, "target"),
		.user = api_query(c, "user"),
		.request_id = api_query(c, "request_id") };
	int64_t limit = PAGE, next;
	struct audit_record *all;
	size_t n;

	if (read_number(c, "limit", PAGE_MAX, &limit, err) ||
		read_number(c, "before", INT64_MAX, &f.before, err) ||
		read_time(c, "from", &f.from_us, err) || read_time(c, "to", &f.to_us, err) ||
		read_status(c, &f, err))
		return -1;
	f.limit = (size_t)limit;
	if (store_audit_list(c->db, c->arena, &f, &all, &n, &next, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "records");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		jw_object(&c->out);
		audit_record_write(&c->out, &all[i], NULL);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	jw_kv_int(&c->out, "next", next);
	jw_end_object(&c->out);
	return 0;
}

static int find(
	struct api_call *c, struct audit_record *out, unsigned char hash[SHA256_SIZE], struct error *err)
{
	const char *text = api_param(c, "seq");
	int64_t seq;

	if (!str_int64(text, 1, INT64_MAX, &seq))
		return error_set(err, ERR_NOT_FOUND, "there is no audit record %.40s", text);
	return store_audit_load(
		c->db, c->arena, seq, api_is_admin(c) ? NULL : c->who->project.uid, out, hash, err);
}

int operator_audit_show(struct api_call *c, struct error *err)
{
	unsigned char hash[SHA256_SIZE];
	struct audit_record r;

	if (find(c, &r, hash, err))
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "record");
	jw_object(&c->out);
	audit_record_write(&c->out, &r, hash);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* --- proofs --- */

static int hash_before(struct api_call *c, int64_t seq, unsigned char out[SHA256_SIZE], struct error *err)
{
	struct audit_record r;
	struct audit_tip tip;

	if (store_audit_tip(c->db, &tip, err))
		return -1;
	if (seq - 1 == tip.base_seq) {
		memcpy(out, tip.base_hash, SHA256_SIZE);
		return 0;
	}
	return store_audit_load(c->db, c->arena, seq - 1, NULL, &r, out, err);
}

/* What is signed: the first head that the record is under, and its key. */
static int proof_head(
	struct api_call *c, int64_t seq, struct audit_head *head, struct audit_key *key, struct error *err)
{
	int rc = store_audit_head_from(c->db, seq, head, err);

	if (rc < 0)
		return -1;
	if (!rc)
		return error_set(err, ERR_CONFLICT,
			"no head was signed since this record was written: try again after the next one");
	if (head->seq - seq > PROOF_MAX)
		return error_set(err, ERR_TOO_LARGE,
			"more than %d records lie between this one and the head that covers it: ask the "
			"operator for an export",
			PROOF_MAX);
	rc = store_audit_key_find(c->db, head->key_id, key, err);
	return rc > 0   ? 0
	       : rc < 0 ? -1
			: error_internal(err, "a head is signed by key %s, which has no row", head->key_id);
}

static int write_leaves(struct api_call *c, int64_t after, int64_t last, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	unsigned char leaf[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];
	struct audit_record r = { 0 };
	int rc = 1;

	if (store_audit_walk(c->db, after + 1, &st, err) < 0)
		return -1;
	jw_key(&c->out, "leaves");
	jw_array(&c->out);
	for (int64_t seq = after; seq < last && (rc = store_audit_next(st, &r, NULL, err)) > 0;) {
		if (r.seq != ++seq)
			return error_internal(err, "audit record %lld is missing", (long long)seq);
		audit_leaf(&r, leaf);
		hex_encode(leaf, SHA256_SIZE, hex);
		jw_str(&c->out, hex);
	}
	jw_end_array(&c->out);
	return rc > 0 ? 0 : rc < 0 ? -1 : error_internal(err, "the audit ends before its last head");
}

int operator_audit_proof(struct api_call *c, struct error *err)
{
	unsigned char hash[SHA256_SIZE], before[SHA256_SIZE];
	struct buf *b = &c->out;
	char cloud[UUID_TEXT] = "";
	struct audit_record r;
	struct audit_head head;
	struct audit_key key;

	if (find(c, &r, hash, err) || proof_head(c, r.seq, &head, &key, err) ||
		hash_before(c, r.seq, before, err) ||
		store_meta_get(c->db, "cloud_id", cloud, sizeof cloud, err) < 0)
		return -1;
	jw_object(b);
	jw_key(b, "proof");
	jw_object(b);
	jw_kv_str(b, "format", AUDIT_PROOF_FORMAT);
	jw_kv_str(b, "cloud", cloud);
	audit_hash_write(b, "before", before);
	jw_key(b, "record");
	jw_object(b);
	audit_record_write(b, &r, hash);
	jw_end_object(b);
	if (write_leaves(c, r.seq, head.seq, err))
		return -1;
	jw_key(b, "head");
	jw_object(b);
	audit_head_write(b, &head);
	jw_end_object(b);
	jw_key(b, "key");
	jw_object(b);
	audit_key_write(b, key.public_key);
	jw_end_object(b);
	jw_end_object(b);
	jw_end_object(b);
	return 0;
}

int operator_audit_head(struct api_call *c, struct error *err)
{
	char cloud[UUID_TEXT] = "";
	struct audit_head head;
	int rc = store_audit_head_last(c->db, &head, err);

	if (rc < 0 || store_meta_get(c->db, "cloud_id", cloud, sizeof cloud, err) < 0)
		return -1;
	if (!rc)
		return error_set(err, ERR_NOT_FOUND, "no head of the audit was signed yet");
	jw_object(&c->out);
	jw_key(&c->out, "head");
	jw_object(&c->out);
	jw_kv_str(&c->out, "cloud", cloud);
	audit_head_write(&c->out, &head);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int operator_audit_keys(struct api_call *c, struct error *err)
{
	struct audit_key *all;
	size_t n;

	if (store_audit_key_list(c->db, c->arena, &all, &n, err))
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "keys");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		jw_object(&c->out);
		audit_key_write(&c->out, all[i].public_key);
		jw_kv_int(&c->out, "seq", all[i].seq);
		jw_kv_bool(&c->out, "signs", i + 1 == n);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

static void rotated(struct api_call *c)
{
	audit_keeper_rotated(c->api->audit);
}

int operator_audit_rotate(struct api_call *c, struct error *err)
{
	const char *id;

	if (!c->api->audit)
		return error_set(err, ERR_CONFLICT, "nothing is signed here");
	if (audit_keeper_rotate(c->api->audit, c->db, c->request_id, &id, err))
		return -1;
	c->status = 201;
	c->target = arena_strdup(c->arena, id);
	c->committed = rotated;
	jw_object(&c->out);
	jw_kv_str(&c->out, "key", id);
	jw_end_object(&c->out);
	return 0;
}
