/* SPDX-License-Identifier: Apache-2.0 */
/* The audit's chain: what is hashed, and that nothing can be changed without being found and named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "domain/audit_json.h"
#include "domain/audit_walk.h"

enum { N = 12, HEAD_EACH = 4 };
static const char cloud[] = "11111111-2222-4333-8444-555555555555";

struct chain {
	struct arena arena;
	struct audit_record r[N + 2]; /* from 0; record n is r[n - 1] */
	unsigned char hash[N + 2][SHA256_SIZE];
	size_t n;
	struct audit_head head[N];
	size_t heads_n;
	struct sign_key *key;
	char *reason; /* of the first record */
	int64_t tip_seq;
	unsigned char tip_hash[SHA256_SIZE];
};

static const struct audit_record plain = { .seq = 1,
	.at_us = 1700000000000000,
	.request_id = "req-1",
	.user_uid = "u1",
	.user_name = "Nguyễn",
	.project_uid = "p1",
	.peer = "192.0.2.7",
	.method = "POST",
	.path = "/compute/v2.1/servers",
	.action = "server.create",
	.target = "s1",
	.status = 202,
	.reason = NULL };

static void hash_from(struct chain *c, size_t at)
{
	static const unsigned char zero[SHA256_SIZE];
	unsigned char leaf[SHA256_SIZE];

	for (size_t i = at; i < c->n; i++) {
		audit_leaf(&c->r[i], leaf);
		audit_link(i ? c->hash[i - 1] : zero, leaf, c->hash[i]);
	}
	c->tip_seq = (int64_t)c->n;
	memcpy(c->tip_hash, c->hash[c->n - 1], SHA256_SIZE);
}

static void sign_heads(struct chain *c, struct sign_key *key, size_t from)
{
	for (size_t i = from; i < c->n; i += HEAD_EACH) {
		struct audit_head *h = &c->head[c->heads_n++];

		*h = (struct audit_head) { .seq = (int64_t)i + 1, .at_us = plain.at_us + (int64_t)i };
		memcpy(h->hash, c->hash[i], SHA256_SIZE);
		audit_head_sign(h, cloud, key);
	}
}

static int setup(void **state)
{
	struct chain *c = xcalloc(1, sizeof *c);

	c->key = sign_key_make();
	c->n = N;
	for (size_t i = 0; i < N; i++) {
		c->r[i] = plain;
		c->r[i].seq = (int64_t)i + 1;
		c->r[i].at_us += (int64_t)i * 1000000;
		c->r[i].request_id = arena_printf(&c->arena, "req-%zu", i);
	}
	c->r[0].action = AUDIT_ACTION_KEY;
	c->r[0].method = "-";
	c->r[0].target = sign_key_id(c->key);
	c->r[0].reason = c->reason = audit_key_reason(sign_key_public(c->key));
	hash_from(c, 0);
	sign_heads(c, c->key, 2); /* of 3, 7, 11: record 12 is behind the last */
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	struct chain *c = *state;

	sign_key_free(c->key);
	free(c->reason);
	arena_finish(&c->arena);
	free(c);
	return 0;
}

/* Walks it all; NULL when it is good, else what was found. */
static const char *walk(struct chain *c, struct audit_walk *w, const unsigned char *trusted)
{
	size_t h = 0;

	audit_walk_begin(w, cloud, 0, NULL);
	if (trusted)
		audit_walk_key(w, trusted, true);
	for (size_t i = 0; i < c->n; i++) {
		audit_walk_record(w, &c->r[i], c->hash[i]);
		while (h < c->heads_n && c->head[h].seq <= w->seq)
			audit_walk_head(w, &c->head[h++]);
	}
	while (h < c->heads_n)
		audit_walk_head(w, &c->head[h++]);
	audit_walk_end(w, c->tip_seq, c->tip_hash);
	audit_walk_finish(w);
	return w->bad ? w->what : NULL;
}

static void found(struct chain *c, int64_t seq, const char *what)
{
	struct audit_walk w;
	const char *said = walk(c, &w, sign_key_public(c->key));

	if (!said || w.bad_seq != seq || !strstr(said, what))
		fail_msg("wanted record %lld '%s', got %lld '%s'", (long long)seq, what, (long long)w.bad_seq,
			said ? said : "all good");
}

/* The bytes are what docs/audit.md says: this value was made by scripts/audit-verify. */
static void test_bytes(void **state)
{
	static const unsigned char zero[SHA256_SIZE];
	unsigned char leaf[SHA256_SIZE], hash[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];

	(void)state;
	audit_leaf(&plain, leaf);
	hex_encode(leaf, sizeof leaf, hex);
	assert_string_equal(hex, "27ce80596ec548795d553134b335a9a8b9e6eacee4e45d6b351ea58030c96df0");
	audit_link(zero, leaf, hash);
	hex_encode(hash, sizeof hash, hex);
	assert_string_equal(hex, "5e40db9c8b43db5da244ad4d889b699b6aafb6c135dba9f9a575389d616df8ea");
}

static void test_good(void **state)
{
	struct chain *c = *state;
	struct audit_walk w;

	assert_null(walk(c, &w, sign_key_public(c->key)));
	assert_int_equal(w.records, N);
	assert_int_equal(w.heads, 3);
	assert_int_equal(w.last_head, 11);
	assert_null(walk(c, &w, NULL));
}

/* Null is not "", and no border between two fields can be moved. */
static void test_unambiguous(void **state)
{
	unsigned char a[SHA256_SIZE], b[SHA256_SIZE];
	struct audit_record x = plain, y = plain;

	(void)state;
	x.reason = "";
	audit_leaf(&plain, a);
	audit_leaf(&x, b);
	assert_memory_not_equal(a, b, SHA256_SIZE);
	x = plain;
	x.user_uid = "ab";
	x.user_name = "c";
	y.user_uid = "a";
	y.user_name = "bc";
	audit_leaf(&x, a);
	audit_leaf(&y, b);
	assert_memory_not_equal(a, b, SHA256_SIZE);
}

static const struct {
	size_t offset;
	bool number;
} fields[] = {
	{ offsetof(struct audit_record, at_us), true },
	{ offsetof(struct audit_record, request_id), false },
	{ offsetof(struct audit_record, user_uid), false },
	{ offsetof(struct audit_record, user_name), false },
	{ offsetof(struct audit_record, project_uid), false },
	{ offsetof(struct audit_record, peer), false },
	{ offsetof(struct audit_record, method), false },
	{ offsetof(struct audit_record, path), false },
	{ offsetof(struct audit_record, action), false },
	{ offsetof(struct audit_record, target), false },
	{ offsetof(struct audit_record, status), true },
	{ offsetof(struct audit_record, reason), false },
};

/* Each field of each record, at both ends too, and its hash. */
static void test_fields(void **state)
{
	struct chain *c = *state;

	for (size_t at = 0; at < N; at++) {
		for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
			const struct audit_record kept = c->r[at];
			char *p = (char *)&c->r[at] + fields[i].offset;

			if (fields[i].number)
				++*(int64_t *)(void *)p;
			else /* another text, or nothing where something was */
				*(const char **)(void *)p = at % 2 || !*(const char **)(void *)p ? "y" : NULL;
			found(c, (int64_t)at + 1, at + 1 < N ? "a field of it was changed" : "a field of it");
			c->r[at] = kept;
		}
		c->hash[at][31] ^= 1;
		found(c, (int64_t)at + 1, at + 1 < N ? "its hash was changed" : "its hash");
		c->hash[at][31] ^= 1;
	}
}

static void swap_records(struct chain *c, size_t a, size_t b)
{
	struct audit_record r = c->r[a];
	unsigned char h[SHA256_SIZE];

	memcpy(h, c->hash[a], SHA256_SIZE);
	c->r[a] = c->r[b];
	memcpy(c->hash[a], c->hash[b], SHA256_SIZE);
	c->r[b] = r;
	memcpy(c->hash[b], h, SHA256_SIZE);
}

static void test_order(void **state)
{
	struct chain *c = *state;

	swap_records(c, 4, 5); /* the lines, with their numbers */
	found(c, 5, "the order is wrong");
	c->r[4].seq = 5; /* and numbered as if nothing had happened */
	c->r[5].seq = 6;
	found(c, 5, "have changed places");
}

static void remove_record(struct chain *c, size_t at)
{
	memmove(&c->r[at], &c->r[at + 1], (c->n - at - 1) * sizeof *c->r);
	memmove(c->hash[at], c->hash[at + 1], (c->n - at - 1) * SHA256_SIZE);
	c->n--;
}

static void test_missing(void **state)
{
	struct chain *c = *state;

	remove_record(c, 5);
	found(c, 6, "missing: record 5 is followed by record 7");
	for (size_t i = 5; i < c->n; i++)
		c->r[i].seq--;
	found(c, 6, "a record is missing before it");
}

static void test_missing_begin(void **state)
{
	struct chain *c = *state;

	remove_record(c, 0);
	found(c, 1, "missing");
}

static void test_missing_end(void **state)
{
	struct chain *c = *state;

	c->n--;
	found(c, 12, "the end was cut off");
	/* the chain's row is changed to fit: nothing was signed yet, and nobody can know */
	c->tip_seq = 11;
	memcpy(c->tip_hash, c->hash[10], SHA256_SIZE);
	c->n--;
	found(c, 11, "the end was cut off");
	c->tip_seq = 10;
	memcpy(c->tip_hash, c->hash[9], SHA256_SIZE);
	found(c, 11, "a head for record 11 was signed");
}

static void test_inserted(void **state)
{
	struct chain *c = *state;

	memmove(&c->r[6], &c->r[5], (c->n - 5) * sizeof *c->r);
	memmove(c->hash[6], c->hash[5], (c->n - 5) * SHA256_SIZE);
	c->n++;
	c->r[5].request_id = "req-forged";
	for (size_t i = 6; i < c->n; i++)
		c->r[i].seq++;
	c->hash[5][0] ^= 1;
	found(c, 6, "it was inserted");
	/* without new numbers, there are two of one */
	for (size_t i = 6; i < c->n; i++)
		c->r[i].seq--;
	found(c, 6, "");
}

/* With all hashes made to fit: only what was signed tells. */
static void test_written_anew(void **state)
{
	struct chain *c = *state;
	struct audit_walk w;

	c->r[5].user_name = "nobody";
	hash_from(c, 5);
	found(c, 4, "the chain was written anew");
	walk(c, &w, NULL);
	assert_int_equal(w.bad_to, 7);
}

static void test_heads(void **state)
{
	struct chain *c = *state;
	struct sign_key *other = sign_key_make();

	c->head[1].signature[0] ^= 1;
	found(c, 7, "the signature of its head is wrong");
	c->head[1].signature[0] ^= 1;
	c->head[1].at_us++;
	found(c, 7, "the signature of its head is wrong");
	c->head[1].at_us--;
	c->head[1].hash[0] ^= 1;
	found(c, 7, "the signature of its head is wrong");
	c->head[1].hash[0] ^= 1;
	audit_head_sign(&c->head[1], cloud, other);
	found(c, 7, "which nothing here introduces");
	audit_head_sign(&c->head[1], "another cloud", c->key);
	found(c, 7, "the signature of its head is wrong");
	sign_key_free(other);
}

/* Who has the database, but no key, can begin a key and sign all anew: the keys that were kept tell. */
static void test_trust(void **state)
{
	struct chain *c = *state;
	struct sign_key *forger = sign_key_make();
	CLEANUP(free_ptr) char *reason = audit_key_reason(sign_key_public(forger));
	struct audit_walk w;

	c->r[7].action = AUDIT_ACTION_KEY;
	c->r[7].method = "-";
	c->r[7].target = sign_key_id(forger);
	c->r[7].reason = reason;
	hash_from(c, 7);
	c->heads_n = 2;
	sign_heads(c, forger, 9);
	assert_null(walk(c, &w, NULL)); /* it hangs together, */
	found(c, 10, "for which no key that you trust vouches");
	/* a new key that the old one has signed for is as good */
	c->heads_n = 2;
	sign_heads(c, c->key, 8);
	c->heads_n = 3;
	sign_heads(c, forger, 10);
	assert_null(walk(c, &w, sign_key_public(c->key)));
	sign_key_free(forger);
}

static void test_tip(void **state)
{
	struct chain *c = *state;

	c->tip_hash[0] ^= 1;
	found(c, 12, "the chain's row has another hash");
	c->tip_seq = 10;
	found(c, 11, "behind the end");
}

/* What is written as JSON comes back as it was, and not otherwise. */
static void test_json(void **state)
{
	struct chain *c = *state;
	CLEANUP(buf_finish) struct buf b = { 0 };
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct audit_record r = plain, back;
	unsigned char hash[SHA256_SIZE], leaf[2][SHA256_SIZE];
	struct error err;
	json_t *j;

	r.reason = "a \"quoted\"\nreason \\ with all";
	r.user_uid = NULL;
	jw_object(&b);
	audit_record_write(&b, &r, c->hash[0]);
	jw_end_object(&b);
	j = json_loads(buf_text(&b), 0, NULL);
	assert_non_null(j);
	assert_int_equal(audit_record_read(j, &a, &back, hash, &err), 0);
	audit_leaf(&r, leaf[0]);
	audit_leaf(&back, leaf[1]);
	assert_memory_equal(leaf[0], leaf[1], SHA256_SIZE);
	assert_memory_equal(hash, c->hash[0], SHA256_SIZE);
	json_object_set_new(j, "at", json_string("2026-01-01T00:00:00.000000Z"));
	assert_int_equal(audit_record_read(j, &a, &back, hash, &err), -1);
	json_decref(j);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_bytes),
		T(test_good),
		T(test_unambiguous),
		T(test_fields),
		T(test_order),
		T(test_missing),
		T(test_missing_begin),
		T(test_missing_end),
		T(test_inserted),
		T(test_written_anew),
		T(test_heads),
		T(test_trust),
		T(test_tip),
		T(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
