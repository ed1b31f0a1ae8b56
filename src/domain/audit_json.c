/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/audit_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"

static const struct member {
	const char *key;
	size_t offset;
	bool may_be_null;
} members[] = {
	{ "request_id", offsetof(struct audit_record, request_id), false },
	{ "user_id", offsetof(struct audit_record, user_uid), true },
	{ "user", offsetof(struct audit_record, user_name), true },
	{ "project", offsetof(struct audit_record, project_uid), true },
	{ "peer", offsetof(struct audit_record, peer), false },
	{ "method", offsetof(struct audit_record, method), false },
	{ "path", offsetof(struct audit_record, path), false },
	{ "action", offsetof(struct audit_record, action), false },
	{ "target", offsetof(struct audit_record, target), true },
	{ "reason", offsetof(struct audit_record, reason), true },
};

static const char **text_at(struct audit_record *r, const struct member *m)
{
	return (const char **)(void *)((char *)r + m->offset);
}

void audit_hash_write(struct buf *b, const char *key, const unsigned char hash[SHA256_SIZE])
{
	char hex[2 * SHA256_SIZE + 1];

	hex_encode(hash, SHA256_SIZE, hex);
	jw_kv_str(b, key, hex);
}

static void base64_write(struct buf *b, const char *key, const unsigned char *data, size_t n)
{
	CLEANUP(free_ptr) char *text = base64_encode(data, n);

	jw_kv_str(b, key, text);
}

static void at_write(struct buf *b, int64_t at_us)
{
	char text[TIME_TEXT];

	jw_kv_str(b, "at", time_iso_usz(at_us, text));
	jw_kv_int(b, "at_us", at_us);
}

void audit_record_write(struct buf *b, const struct audit_record *r, const unsigned char hash[SHA256_SIZE])
{
	struct audit_record copy = *r;

	jw_kv_int(b, "seq", r->seq);
	at_write(b, r->at_us);
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		jw_kv_str(b, members[i].key, *text_at(&copy, &members[i]));
	jw_kv_int(b, "status", r->status);
	if (hash)
		audit_hash_write(b, "hash", hash);
}

void audit_head_write(struct buf *b, const struct audit_head *h)
{
	jw_kv_int(b, "seq", h->seq);
	audit_hash_write(b, "hash", h->hash);
	at_write(b, h->at_us);
	jw_kv_str(b, "key", h->key_id);
	base64_write(b, "signature", h->signature, SIGN_BYTES);
}

void audit_key_write(struct buf *b, const unsigned char public_key[SIGN_PUBLIC])
{
	CLEANUP(buf_finish) struct buf pem = { 0 };
	char id[SIGN_ID_TEXT];

	sign_public_id(public_key, id);
	sign_public_pem(public_key, &pem);
	jw_kv_str(b, "id", id);
	base64_write(b, "public_key", public_key, SIGN_PUBLIC);
	jw_kv_str(b, "pem", buf_text(&pem));
}

static int bad(struct error *err, const char *key)
{
	return error_set(err, ERR_BAD_REQUEST, "'%s' is missing, or not as it was written", key);
}

static int read_number(const json_t *j, const char *key, int64_t *out, struct error *err)
{
	const json_t *v = json_object_get(j, key);

	if (!json_is_integer(v))
		return bad(err, key);
	*out = json_integer_value(v);
	return 0;
}

/* The time is there twice, once for people. */
static int read_at(const json_t *j, int64_t *out, struct error *err)
{
	char text[TIME_TEXT];

	if (read_number(j, "at_us", out, err))
		return -1;
	return str_eq(json_string_value(json_object_get(j, "at")), time_iso_usz(*out, text)) ? 0
											     : bad(err, "at");
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

int audit_hash_read(const json_t *j, const char *key, unsigned char out[SHA256_SIZE], struct error *err)
{
	const char *text = key ? json_string_value(json_object_get(j, key)) : json_string_value(j);

	if (!text || strlen(text) != 2 * SHA256_SIZE)
		return bad(err, key ? key : "hash");
	for (size_t i = 0; i < SHA256_SIZE; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return bad(err, key ? key : "hash");
		out[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}

static int read_base64(const json_t *j, const char *key, unsigned char *out, size_t n, struct error *err)
{
	const char *text = json_string_value(json_object_get(j, key));
	size_t len = 0;
	CLEANUP(free_ptr) unsigned char *raw = text ? base64_decode(text, strlen(text), &len) : NULL;

	if (!raw || len != n)
		return bad(err, key);
	memcpy(out, raw, n);
	return 0;
}

int audit_record_read(const json_t *j, struct arena *a, struct audit_record *out,
	unsigned char hash[SHA256_SIZE], struct error *err)
{
	struct audit_record r = { 0 };

	if (read_number(j, "seq", &r.seq, err) || read_at(j, &r.at_us, err) ||
		read_number(j, "status", &r.status, err) || (hash && audit_hash_read(j, "hash", hash, err)))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const json_t *v = json_object_get(j, members[i].key);

		if (!json_is_string(v) && !(json_is_null(v) && members[i].may_be_null))
			return bad(err, members[i].key);
		*text_at(&r, &members[i]) = arena_strdup(a, json_string_value(v));
	}
	*out = r;
	return 0;
}

int audit_head_read(const json_t *j, struct audit_head *out, struct error *err)
{
	const char *key = json_string_value(json_object_get(j, "key"));
	struct audit_head h;

	if (!key || !str_copy(h.key_id, sizeof h.key_id, key))
		return bad(err, "key");
	if (read_number(j, "seq", &h.seq, err) || read_at(j, &h.at_us, err) ||
		audit_hash_read(j, "hash", h.hash, err) ||
		read_base64(j, "signature", h.signature, SIGN_BYTES, err))
		return -1;
	*out = h;
	return 0;
}

int audit_key_read(const json_t *j, unsigned char out[SIGN_PUBLIC], struct error *err)
{
	return read_base64(j, "public_key", out, SIGN_PUBLIC, err);
}
