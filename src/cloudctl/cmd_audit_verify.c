/* SPDX-License-Identifier: Apache-2.0 */
/* cloudctl audit verify, and proof --verify: without the daemon, and without believing it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "cloudctl/audit_source.h"
#include "cloudctl/ctl.h"
#include "cloudd/operator.h"
#include "domain/audit_json.h"

enum { KEYS_MAX = 16 };

struct bring { /* what the command line names */
	struct audit_trust trust;
	unsigned char keys[KEYS_MAX][SIGN_PUBLIC];
};

static void bring_finish(struct bring *b)
{
	audit_heads_finish(&b->trust.heads);
}

static int read_keys(struct ctl *ctl, struct bring *b)
{
	const char *path;

	b->trust.keys = b->keys;
	while ((path = args_option_at(&ctl->args, "key", b->trust.keys_n))) {
		if (b->trust.keys_n == KEYS_MAX)
			return error_set(&ctl->err, ERR_BAD_REQUEST, "more than %d keys", KEYS_MAX);
		if (sign_public_load(path, b->keys[b->trust.keys_n], &ctl->err))
			return -1;
		b->trust.keys_n++;
	}
	return 0;
}

static int read_heads(struct ctl *ctl, struct bring *b)
{
	static const char *const options[] = { "witness", "head" };
	const char *path;

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		for (size_t k = 0; (path = args_option_at(&ctl->args, options[i], k)); k++)
			if (audit_heads_read(&b->trust.heads, path, &ctl->err))
				return -1;
	return 0;
}

/* --- what came of it --- */

static json_t *report(const struct audit_result *r, bool trusted)
{
	const struct audit_walk *w = &r->walk;
	json_t *j = json_pack("{s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "verified", !w->bad, "cloud",
		r->cloud_id, "first", (json_int_t)r->first, "last", (json_int_t)w->seq, "records",
		(json_int_t)w->records, "heads", (json_int_t)w->heads, "signed_to",
		(json_int_t)(w->heads ? w->last_head : 0), "keys_given", trusted);

	if (w->bad)
		json_object_set_new(j, "finding",
			json_pack("{s:I, s:I, s:s}", "record", (json_int_t)w->bad_seq, "to",
				(json_int_t)w->bad_to, "what", w->what));
	return j;
}

static void say_good(struct ctl *ctl, const struct audit_result *r, bool trusted)
{
	const struct audit_walk *w = &r->walk;

	ctl_say(ctl, "Good: records %lld to %lld follow on each other, %lld heads are signed for them.",
		(long long)r->first, (long long)w->seq, (long long)w->heads);
	if (!w->heads)
		ctl_say(ctl, "No head is signed: whoever has the file could have written all of it anew.");
	else if (w->last_head < w->seq)
		ctl_say(ctl, "The last %lld records are behind the last head, that of record %lld.",
			(long long)(w->seq - w->last_head), (long long)w->last_head);
	if (!trusted)
		ctl_say(ctl, "The keys are those of the file itself: give --key with one that you kept.");
}

static void say_bad(const struct audit_walk *w)
{
	if (w->bad_to > w->bad_seq)
		fprintf(stderr, "cloudctl: record %lld (to %lld): %s\n", (long long)w->bad_seq,
			(long long)w->bad_to, w->what);
	else
		fprintf(stderr, "cloudctl: record %lld: %s\n", (long long)w->bad_seq, w->what);
}

static int tell(struct ctl *ctl, const struct audit_result *r, bool trusted)
{
	if (ctl->output == OUTPUT_JSON) {
		json_t *j = report(r, trusted);

		ctl_show(ctl, NULL, j);
		json_decref(j);
	} else if (!r->walk.bad) {
		say_good(ctl, r, trusted);
	}
	if (r->walk.bad)
		say_bad(&r->walk);
	return r->walk.bad ? CLOUDCTL_REFUSED : CLOUDCTL_OK;
}

int cmd_audit_verify(struct ctl *ctl)
{
	const char *db = args_option(&ctl->args, "db"), *export = args_option(&ctl->args, "export");
	CLEANUP(bring_finish) struct bring b = { 0 };
	CLEANUP(audit_result_finish) struct audit_result r = { 0 };

	if (!db == !export)
		error_set(&ctl->err, ERR_BAD_REQUEST, "give either --db or --export");
	else if (read_keys(ctl, &b) == 0 && read_heads(ctl, &b) == 0 &&
		 (db ? audit_source_database(db, &b.trust, &r, &ctl->err)
		     : audit_source_export(export, &b.trust, &r, &ctl->err)) == 0)
		return tell(ctl, &r, b.trust.keys_n > 0);
	return ctl_failed(ctl);
}

/* --- a proof --- */

struct proof {
	struct audit_record record;
	unsigned char hash[SHA256_SIZE];
	struct audit_head head;
	char key_id[SIGN_ID_TEXT];
};

/* The chain from the record to the head, of hashes alone. */
static int climb(const json_t *j, struct arena *a, struct proof *p, struct error *err)
{
	const json_t *leaves = json_object_get(j, "leaves"), *leaf_text;
	unsigned char said[SHA256_SIZE], leaf[SHA256_SIZE];
	size_t i;

	if (audit_hash_read(j, "before", p->hash, err) ||
		audit_record_read(json_object_get(j, "record"), a, &p->record, said, err) ||
		audit_head_read(json_object_get(j, "head"), &p->head, err))
		return -1;
	audit_leaf(&p->record, leaf);
	audit_link(p->hash, leaf, p->hash);
	if (memcmp(p->hash, said, SHA256_SIZE) != 0)
		return error_set(err, ERR_CONFLICT, "a field of the record was changed");
	if (p->head.seq - p->record.seq != (int64_t)json_array_size(leaves))
		return error_set(err, ERR_CONFLICT, "the record and the head are not so far apart");
	json_array_foreach(leaves, i, leaf_text)
	{
		if (audit_hash_read(leaf_text, NULL, leaf, err))
			return -1;
		audit_link(p->hash, leaf, p->hash);
	}
	return memcmp(p->hash, p->head.hash, SHA256_SIZE) == 0
		       ? 0
		       : error_set(err, ERR_CONFLICT, "the record does not lead to the head");
}

static int check_signature(const json_t *j, const struct bring *b, struct proof *p, struct error *err)
{
	const char *cloud = json_string_value(json_object_get(j, "cloud"));
	unsigned char own[SIGN_PUBLIC];
	const unsigned char *key = NULL;

	if (!cloud || audit_key_read(json_object_get(j, "key"), own, err))
		return error_set(err, ERR_BAD_REQUEST, "the proof has no key, or no cloud");
	for (size_t i = 0; i < b->trust.keys_n && !key; i++) {
		sign_public_id(b->keys[i], p->key_id);
		if (strcmp(p->key_id, p->head.key_id) == 0)
			key = b->keys[i];
	}
	if (!key && b->trust.keys_n)
		return error_set(err, ERR_CONFLICT, "the head is signed by key %s, which you did not give",
			p->head.key_id);
	if (!audit_head_verify(&p->head, cloud, key ? key : own))
		return error_set(err, ERR_CONFLICT, "the signature of the head is wrong");
	return 0;
}

static int verify_proof(struct ctl *ctl, const char *path, const struct bring *b)
{
	json_error_t where;
	json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
	const json_t *inner = json_object_get(file, "proof"), *j = inner ? inner : file;
	struct proof p = { 0 };
	char when[TIME_TEXT], signed_at[TIME_TEXT];
	int rc;

	if (!file)
		return error_set(&ctl->err, ERR_BAD_REQUEST, "%s: %s", path, where.text);
	rc = !str_eq(json_string_value(json_object_get(j, "format")), AUDIT_PROOF_FORMAT)
		     ? error_set(&ctl->err, ERR_BAD_REQUEST, "%s is no proof", path)
		     : climb(j, &ctl->arena, &p, &ctl->err) || check_signature(j, b, &p, &ctl->err);
	json_decref(file);
	if (rc)
		return -1;
	ctl_say(ctl, "Good: record %lld (%s, %s, status %lld) is under the head of record %lld, signed %s.",
		(long long)p.record.seq, p.record.action, time_iso(p.record.at_us, when),
		(long long)p.record.status, (long long)p.head.seq, time_iso(p.head.at_us, signed_at));
	if (!b->trust.keys_n)
		ctl_say(ctl, "The key is the proof's own: give --key with one that you kept.");
	return 0;
}

int cmd_audit_proof(struct ctl *ctl)
{
	const char *file = args_option(&ctl->args, "verify"), *out = args_option(&ctl->args, "out"), *url;
	CLEANUP(bring_finish) struct bring b = { 0 };
	json_t *answer;

	if (!file == !ctl->args.positional_n)
		error_set(&ctl->err, ERR_BAD_REQUEST, "give the number of a record, or --verify FILE");
	else if (file) {
		if (read_keys(ctl, &b) == 0 && verify_proof(ctl, file, &b) == 0)
			return CLOUDCTL_OK;
	} else if (ctl_url(ctl, "/cloud/v1/audit/{0}/proof", &url) == 0 &&
		   ctl_call(ctl, "GET", url, NULL, &answer) == 0) {
		if (json_dump_file(answer, out ? out : "/dev/stdout", JSON_INDENT(2)) == 0) {
			if (out)
				ctl_say(ctl, "Wrote %s.", out);
			return CLOUDCTL_OK;
		}
		error_set(&ctl->err, ERR_INTERNAL, "cannot write %s", out ? out : "the proof");
	}
	return ctl_failed(ctl);
}
