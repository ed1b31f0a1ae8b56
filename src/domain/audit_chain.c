/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/audit_chain.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define KEY_KIND "ed25519 "

static void put_number(struct buf *b, char kind, uint64_t v)
{
	unsigned char *at = (unsigned char *)buf_reserve(b, 9);

	at[0] = (unsigned char)kind;
	for (int i = 0; i < 8; i++)
		at[1 + i] = (unsigned char)(v >> (56 - 8 * i));
	b->len += 9;
}

static void put_text(struct buf *b, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (!s) {
		buf_append(b, "n", 1);
		return;
	}
	put_number(b, 's', n);
	buf_append(b, s, n);
}

void audit_leaf(const struct audit_record *r, unsigned char out[SHA256_SIZE])
{
	static const char tag[] = "cloudd audit record 1";
	const char *const texts[] = { r->request_id, r->user_uid, r->user_name, r->project_uid, r->peer,
		r->method, r->path, r->action, r->target };
	CLEANUP(buf_finish) struct buf b = { 0 };

	buf_reserve(&b, 1024);
	buf_append(&b, tag, sizeof tag);
	put_number(&b, 'i', (uint64_t)r->seq);
	put_number(&b, 'i', (uint64_t)r->at_us);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		put_text(&b, texts[i]);
	put_number(&b, 'i', (uint64_t)r->status);
	put_text(&b, r->reason);
	sha256(b.data, b.len, out);
}

void audit_link(const unsigned char before[SHA256_SIZE], const unsigned char leaf[SHA256_SIZE],
	unsigned char out[SHA256_SIZE])
{
	static const char tag[] = "cloudd audit chain 1";
	unsigned char all[sizeof tag + 2 * SHA256_SIZE];

	memcpy(all, tag, sizeof tag);
	memcpy(all + sizeof tag, before, SHA256_SIZE);
	memcpy(all + sizeof tag + SHA256_SIZE, leaf, SHA256_SIZE);
	sha256(all, sizeof all, out);
}

void audit_head_text(const struct audit_head *h, const char *cloud_id, struct buf *out)
{
	char hash[2 * SHA256_SIZE + 1];

	hex_encode(h->hash, SHA256_SIZE, hash);
	buf_printf(out, "cloudd audit head 1\ncloud %s\nseq %lld\nhash %s\nat %lld\nkey %s\n", cloud_id,
		(long long)h->seq, hash, (long long)h->at_us, h->key_id);
}

void audit_head_sign(struct audit_head *h, const char *cloud_id, const struct sign_key *key)
{
	CLEANUP(buf_finish) struct buf text = { 0 };

	str_copy(h->key_id, sizeof h->key_id, sign_key_id(key));
	audit_head_text(h, cloud_id, &text);
	sign(key, text.data, text.len, h->signature);
}

bool audit_head_verify(
	const struct audit_head *h, const char *cloud_id, const unsigned char public_key[SIGN_PUBLIC])
{
	CLEANUP(buf_finish) struct buf text = { 0 };

	audit_head_text(h, cloud_id, &text);
	return sign_verify(public_key, text.data, text.len, h->signature);
}

char *audit_key_reason(const unsigned char public_key[SIGN_PUBLIC])
{
	CLEANUP(free_ptr) char *base64 = base64_encode(public_key, SIGN_PUBLIC);

	return xasprintf(KEY_KIND "%s", base64);
}

bool audit_key_of(const struct audit_record *r, unsigned char out[SIGN_PUBLIC])
{
	CLEANUP(free_ptr) unsigned char *raw = NULL;
	char id[SIGN_ID_TEXT];
	size_t n;

	if (!str_eq(r->action, AUDIT_ACTION_KEY) || !r->reason || !r->target ||
		!str_starts(r->reason, KEY_KIND) || !str_eq(r->method, "-"))
		return false;
	raw = base64_decode(r->reason + strlen(KEY_KIND), strlen(r->reason) - strlen(KEY_KIND), &n);
	if (!raw || n != SIGN_PUBLIC)
		return false;
	sign_public_id(raw, id);
	if (strcmp(id, r->target) != 0)
		return false;
	memcpy(out, raw, SIGN_PUBLIC);
	return true;
}
