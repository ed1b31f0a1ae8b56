/* SPDX-License-Identifier: Apache-2.0 */
/* Idempotency-Key on POST: a retry, after whatever failure, is given the first attempt's reply.
 *
 *	key seen before?  on the read-only connection, before any work
 *	                  again in the tick, where attempts run one after the other: the second of two that
 *came together finds the first one's row new               the reply is kept in the same savepoint as the
 *effect; what was refused keeps nothing
 *
 * Replies can hold passwords and private keys. They are sealed under the key itself, which is nowhere in the
 * database: only who can repeat the request can read them. */
#include "api/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/seal.h"
#include "base/util.h"
#include "store/idempotency.h"

enum { KEY_MAX = 255, HEADERS_MAX = 8 };
static const int64_t KEPT_US = INT64_C(24) * 3600 * 1000000;
static const char purpose[] = "cloudd kept reply 1";

struct request_key {
	const char *key;
	unsigned char hash[SHA256_SIZE], fingerprint[SHA256_SIZE];
};

static bool is_printable(const char *s)
{
	for (; *s; s++)
		if (*s < '!' || *s > '~')
			return false;
	return true;
}

/* Where no token is needed, the one that came along may be dead when the request is repeated (a new password
 * ends it): such a request is known by what it says alone. */
static const struct principal *owner(const struct api_call *c)
{
	return c->route->role == ROLE_NONE ? NULL : c->who;
}

/* Keys are the project's; without one the user's. */
static void hash_key(const struct principal *who, const char *key, unsigned char out[SHA256_SIZE])
{
	CLEANUP(buf_finish) struct buf b = { 0 };

	if (who)
		buf_printf(&b, "%s %s ", who->project.id ? "project" : "user",
			who->project.id ? who->project.uid : who->user.uid);
	buf_puts(&b, key);
	sha256(b.data, b.len, out);
}

/* Who asks for what. A role that was taken away meanwhile is the dispatcher's to see. The key is part of it,
 * or whoever reads the database could try passwords against what is kept of the body. */
static void hash_request(const struct api_call *c, const char *key, unsigned char out[SHA256_SIZE])
{
	const struct principal *who = owner(c);
	const struct http_request *r = c->http;
	CLEANUP(buf_finish) struct buf b = { 0 };

	buf_printf(&b, "%s\n%s\n%s\n%s %s?%s\n%d\n", key, who ? who->user.uid : "",
		who && who->credential_uid ? who->credential_uid : "", r->method_name, r->path, r->raw_query,
		c->version);
	buf_append(&b, r->body_n ? r->body : "", r->body_n);
	sha256(b.data, b.len, out);
}

int idempotency_begin(struct api_call *c, struct error *err)
{
	const char *key = http_header(c->http, "Idempotency-Key");
	struct request_key *k;

	if (!key || c->http->method != HTTP_POST || (c->route->flags & ROUTE_ANEW))
		return 0;
	if (!key[0] || strlen(key) > KEY_MAX || !is_printable(key))
		return error_set(err, ERR_BAD_REQUEST,
			"Idempotency-Key must be 1 to %d printable characters without blanks", KEY_MAX);
	k = ARENA_NEW(c->arena, struct request_key);
	k->key = key;
	hash_key(owner(c), key, k->hash);
	hash_request(c, key, k->fingerprint);
	c->key = k;
	return 0;
}

/* --- the reply as bytes: status, content type, headers, an empty one, body; a NUL behind each text --- */

static void put_text(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s) + 1);
}

static void write_reply(const struct api_call *c, struct buf *b)
{
	char status[12];

	snprintf(status, sizeof status, "%d", c->status);
	put_text(b, status);
	put_text(b, c->content_type ? c->content_type : "");
	for (size_t i = 0; i < c->headers_n; i++) {
		put_text(b, c->headers[i].name);
		put_text(b, c->headers[i].value);
	}
	put_text(b, "");
	buf_append(b, c->out.len ? c->out.data : "", c->out.len);
}

/* The next text, or NULL when none ends before `end`. */
static const char *take_text(const char **p, const char *end)
{
	const char *text = *p, *nul = memchr(text, '\0', (size_t)(end - text));

	if (!nul)
		return NULL;
	*p = nul + 1;
	return text;
}

static int read_reply(struct api_call *c, const char *p, size_t n, struct error *err)
{
	const char *end = p + n, *status = take_text(&p, end), *type = status ? take_text(&p, end) : NULL;
	const char *name = type ? take_text(&p, end) : NULL, *value;

	for (; name && name[0]; name = take_text(&p, end)) {
		value = take_text(&p, end);
		if (!value || c->headers_n == HEADERS_MAX)
			return error_internal(err, "a kept reply's headers are damaged");
		api_header(c, name, value);
	}
	if (!name)
		return error_internal(err, "a kept reply is damaged");
	c->status = atoi(status);
	c->content_type = type[0] ? type : NULL;
	buf_append(&c->out, p, (size_t)(end - p));
	api_header(c, "Idempotent-Replayed", "true");
	c->audited = true;
	return 1;
}

/* --- replay and keep --- */

int idempotency_replay(struct api_call *c, struct error *err)
{
	struct request_key *k = c->key;
	struct kept_request kept;
	unsigned char *plain;
	int rc = store_request_find(c->db, c->arena, k->hash, c->now_us, &kept, err);

	if (rc <= 0)
		return rc;
	if (!constant_time_equal(kept.fingerprint, k->fingerprint, SHA256_SIZE))
		return error_set(err, ERR_CONFLICT,
			"This Idempotency-Key was used for another request: another path, body, version or "
			"user. Use a new key for each request, and the same one to repeat it.");
	plain = arena_alloc(c->arena, kept.reply_n);
	if (!unseal(k->key, purpose, kept.reply, kept.reply_n, plain))
		return error_internal(err, "a kept reply cannot be opened");
	return read_reply(c, (const char *)plain, kept.reply_n - SEAL_EXTRA, err);
}

/* Whose kept replies it is one of; 0: nobody was known. */
static int64_t owner_of(const struct principal *who)
{
	return !who ? 0 : who->project.id ? who->project.id : who->user.id;
}

int idempotency_keep(struct api_call *c, struct error *err)
{
	struct request_key *k = c->key;
	struct kept_request kept = { .owner_id = owner_of(c->who), .expires_us = c->now_us + KEPT_US };
	CLEANUP(buf_finish) struct buf plain = { 0 };
	unsigned char *sealed;

	write_reply(c, &plain);
	kept.reply_n = plain.len + SEAL_EXTRA;
	sealed = arena_alloc(c->arena, kept.reply_n);
	seal(c->api->loop->rng, k->key, purpose, plain.data, plain.len, sealed);
	kept.reply = sealed;
	memcpy(kept.key_hash, k->hash, SHA256_SIZE);
	memcpy(kept.fingerprint, k->fingerprint, SHA256_SIZE);
	return store_request_insert(c->db, &kept, err);
}
