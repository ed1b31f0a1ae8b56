/* SPDX-License-Identifier: Apache-2.0 */
/* From a token's text to its bearer, served from memory: SHA-256 of the text → principal. Any change that
 * tokens rest on drops all of it, at once and again when the change is on disk; what is wrong is never
 * remembered. */
#include "api/identity/internal.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum {
	TOKEN_TEXT_MAX = 512,
	CACHE_FIRST = 256,
	CACHE_MAX = 16384 /* entries of about 4 kB; when it is full it starts anew */
};

struct slot {
	unsigned char hash[SHA256_SIZE];
	struct principal *who; /* NULL: free */
};

struct token_cache {
	struct slot *slots; /* open addressing, at most half full; cap is a power of two */
	size_t cap, n;
	bool stale; /* dropped by a change that is not on disk yet */
	uint64_t stale_seq;
	EVP_MD *md;
	EVP_MD_CTX *md_ctx;
};

static void cache_drop(struct token_cache *t)
{
	for (size_t i = 0; t->n && i < t->cap; i++) {
		if (!t->slots[i].who)
			continue;
		principal_unref(t->slots[i].who);
		t->slots[i].who = NULL;
		t->n--;
	}
}

static struct slot *cache_find(const struct token_cache *t, const unsigned char hash[SHA256_SIZE])
{
	size_t i;

	memcpy(&i, hash, sizeof i);
	for (;; i++) {
		struct slot *s = &t->slots[i & (t->cap - 1)];

		if (!s->who || memcmp(s->hash, hash, SHA256_SIZE) == 0)
			return s;
	}
}

static void cache_grow(struct token_cache *t)
{
	struct token_cache bigger = { .cap = t->cap * 2 };

	bigger.slots = xcalloc(bigger.cap, sizeof *bigger.slots);
	for (size_t i = 0; i < t->cap; i++)
		if (t->slots[i].who)
			*cache_find(&bigger, t->slots[i].hash) = t->slots[i];
	free(t->slots);
	t->slots = bigger.slots;
	t->cap = bigger.cap;
}

static void cache_add(struct token_cache *t, const unsigned char hash[SHA256_SIZE], struct principal *p)
{
	struct slot *s;

	if (t->n >= CACHE_MAX)
		cache_drop(t);
	if (2 * (t->n + 1) > t->cap)
		cache_grow(t);
	s = cache_find(t, hash);
	memcpy(s->hash, hash, SHA256_SIZE);
	s->who = principal_ref(p);
	t->n++;
}

/* sha256() of base looks the algorithm up each time; this is the hot path. */
static void token_hash(struct token_cache *t, const char *text, size_t n, unsigned char out[SHA256_SIZE])
{
	if (EVP_DigestInit_ex2(t->md_ctx, t->md, NULL) != 1 || EVP_DigestUpdate(t->md_ctx, text, n) != 1 ||
		EVP_DigestFinal_ex(t->md_ctx, out, NULL) != 1)
		abort();
}

/* A change that was announced may be on disk by now: what was read before it is dropped. */
static void cache_settle(struct identity *id)
{
	struct token_cache *t = id->cache;

	if (!t->stale || store_seq(id->api->store) == t->stale_seq)
		return;
	cache_drop(t);
	t->stale = false;
}

static struct principal *load(
	struct identity *id, const unsigned char hash[SHA256_SIZE], int64_t now_us, struct error *err)
{
	struct db *db = store_ro(id->api->store);
	struct principal *p = NULL;
	struct arena a = { 0 };
	struct token row;
	int rc = store_token_find(db, &a, hash, &row, err);

	if (rc == 0)
		unauthorized(err, "an unknown or revoked token");
	else if (rc > 0 && row.expires_us <= now_us)
		unauthorized(err, "an expired token");
	else if (rc > 0 && principal_load(db, &row, &p, err) == 0)
		cache_add(id->cache, hash, p);
	arena_finish(&a);
	return p;
}

struct principal *identity_authenticate(struct identity *id, const char *token, struct error *err)
{
	int64_t now_us = clock_wall(id->api->loop->clock);
	size_t n = token ? strlen(token) : 0;
	unsigned char hash[SHA256_SIZE];
	struct principal *p;

	if (n == 0 || n > TOKEN_TEXT_MAX) {
		unauthorized(err, "no token, or one of no possible length");
		return NULL;
	}
	token_hash(id->cache, token, n, hash);
	cache_settle(id);
	p = cache_find(id->cache, hash)->who;
	if (!p)
		return load(id, hash, now_us, err);
	if (p->expires_us <= now_us) {
		unauthorized(err, "an expired token");
		return NULL;
	}
	return principal_ref(p);
}

void identity_changed(struct identity *id)
{
	cache_drop(id->cache);
	id->cache->stale = true;
	id->cache->stale_seq = store_seq(id->api->store);
}

struct principal *identity_local_root(struct identity *id)
{
	return principal_ref(id->local_root);
}

static struct principal *make_local_root(void)
{
	struct principal *p = xcalloc(1, sizeof *p);

	*p = (struct principal) {
		.refs = 1,
		.user = { 0, "local-root", "root" },
		.user_domain = { 0, DOMAIN_DEFAULT_UID, "Default" },
		.is_system = true,
		.is_local_root = true,
		.is_admin = true,
		.is_member = true,
		.is_reader = true,
		.methods = "local",
		.audit_ids = "",
		.expires_us = INT64_MAX,
	};
	return p;
}

static struct token_cache *cache_create(void)
{
	struct token_cache *t = xcalloc(1, sizeof *t);

	t->cap = CACHE_FIRST;
	t->slots = xcalloc(t->cap, sizeof *t->slots);
	t->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	t->md_ctx = EVP_MD_CTX_new();
	if (!t->md || !t->md_ctx)
		abort();
	return t;
}

int identity_create(struct api *api, struct identity **out, struct error *err)
{
	struct identity *id = xcalloc(1, sizeof *id);

	(void)err;
	id->api = api;
	password_pool_create(id);
	id->cache = cache_create();
	id->local_root = make_local_root();
	*out = id;
	return 0;
}

void identity_destroy(struct identity *id)
{
	if (!id)
		return;
	password_pool_destroy(id);
	cache_drop(id->cache);
	free(id->cache->slots);
	EVP_MD_free(id->cache->md);
	EVP_MD_CTX_free(id->cache->md_ctx);
	free(id->cache);
	principal_unref(id->local_root);
	free(id);
}
