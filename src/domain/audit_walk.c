/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/audit_walk.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"

struct audit_record audit_record_copy(const struct audit_record *r, struct arena *a)
{
	struct audit_record c = *r;
	const char **const texts[] = { &c.request_id, &c.user_uid, &c.user_name, &c.project_uid, &c.peer,
		&c.method, &c.path, &c.action, &c.target, &c.reason };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = arena_strdup(a, *texts[i]);
	return c;
}

void audit_walk_begin(struct audit_walk *w, const char *cloud_id, int64_t base_seq,
	const unsigned char base_hash[SHA256_SIZE])
{
	*w = (struct audit_walk) {
		.cloud_id = cloud_id, .base_seq = base_seq, .seq = base_seq, .last_head = base_seq
	};
	if (base_hash)
		memcpy(w->hash, base_hash, SHA256_SIZE);
}

void audit_walk_finish(struct audit_walk *w)
{
	arena_finish(&w->suspect.arena);
}

static void found(struct audit_walk *w, int64_t seq, int64_t to, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void found(struct audit_walk *w, int64_t seq, int64_t to, const char *fmt, ...)
{
	va_list ap;

	if (w->bad)
		return;
	w->bad = true;
	w->bad_seq = seq;
	w->bad_to = to;
	va_start(ap, fmt);
	vsnprintf(w->what, sizeof w->what, fmt, ap);
	va_end(ap);
}

/* --- keys --- */

static struct audit_walk_key *key_find(struct audit_walk *w, const char *id)
{
	for (size_t i = 0; i < w->keys_n; i++)
		if (strcmp(w->keys[i].id, id) == 0)
			return &w->keys[i];
	return NULL;
}

static struct audit_walk_key *key_add(struct audit_walk *w, const unsigned char public_key[SIGN_PUBLIC])
{
	char id[SIGN_ID_TEXT];
	struct audit_walk_key *k;

	sign_public_id(public_key, id);
	k = key_find(w, id);
	if (k || w->keys_n == AUDIT_KEYS_MAX)
		return k;
	k = &w->keys[w->keys_n++];
	*k = (struct audit_walk_key) { 0 };
	memcpy(k->public_key, public_key, SIGN_PUBLIC);
	str_copy(k->id, sizeof k->id, id);
	return k;
}

void audit_walk_key(struct audit_walk *w, const unsigned char public_key[SIGN_PUBLIC], bool trusted)
{
	struct audit_walk_key *k = key_add(w, public_key);

	if (k)
		k->trusted = k->trusted || trusted;
}

/* Who is introduced under a head of a trusted key is trusted. */
static void spread_trust(struct audit_walk *w)
{
	int64_t upto = 0;
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < w->keys_n; i++) {
			struct audit_walk_key *k = &w->keys[i];

			if (k->trusted && k->last_head > upto)
				upto = k->last_head;
			else if (!k->trusted && k->introduced && k->introduced <= upto)
				k->trusted = true;
			else
				continue;
			more = true;
		}
	}
}

/* --- records --- */

static void next_hash(const unsigned char before[SHA256_SIZE], const struct audit_record *r, int64_t seq,
	unsigned char out[SHA256_SIZE])
{
	struct audit_record as = *r;
	unsigned char leaf[SHA256_SIZE];

	as.seq = seq;
	audit_leaf(&as, leaf);
	audit_link(before, leaf, out);
}

/* Would the record have that hash, were it number seq behind that one? */
static bool fits(const unsigned char before[SHA256_SIZE], const struct audit_record *r, int64_t seq,
	const unsigned char hash[SHA256_SIZE])
{
	unsigned char would[SHA256_SIZE];

	next_hash(before, r, seq, would);
	return memcmp(would, hash, SHA256_SIZE) == 0;
}

/* What became of a record that does not fit, by the one behind it; next NULL: there is none. */
static const char *diagnosis(
	const struct audit_walk *w, const struct audit_record *next, const unsigned char *next_has)
{
	const struct audit_suspect *s = &w->suspect;
	const int64_t n = s->record.seq;
	unsigned char should[SHA256_SIZE];

	if (!next || next->seq != n + 1)
		return "a field of it, or its hash, was changed";
	if (fits(s->hash, next, n + 1, next_has))
		return "a field of it was changed";
	next_hash(w->hash, &s->record, n, should);
	if (fits(should, next, n + 1, next_has))
		return "its hash was changed";
	if (fits(w->hash, next, n, next_has))
		return fits(next_has, &s->record, n + 1, s->hash)
			       ? "it and the next one have changed places: the order is wrong"
			       : "it was inserted: the next one follows on the one before it";
	if (fits(s->hash, next, n + 2, next_has))
		return "a record is missing before it, and those from here on were numbered anew";
	return "it was changed or replaced, and so was what follows";
}

static void settle(
	struct audit_walk *w, const struct audit_record *next, const unsigned char next_has[SHA256_SIZE])
{
	struct audit_suspect *s = &w->suspect;
	int64_t n = w->seq + 1;

	s->is = false;
	if (!s->gap)
		found(w, n, n, "%s", diagnosis(w, next, next_has));
	else if (next && next->seq == n)
		found(w, n, n, "it stands behind record %lld: the order is wrong", (long long)s->record.seq);
	else
		found(w, n, s->record.seq - 1, "missing: record %lld is followed by record %lld",
			(long long)w->seq, (long long)s->record.seq);
}

static void suspect(
	struct audit_walk *w, const struct audit_record *r, const unsigned char hash[SHA256_SIZE], bool gap)
{
	struct audit_suspect *s = &w->suspect;

	s->record = audit_record_copy(r, &s->arena);
	memcpy(s->hash, hash, SHA256_SIZE);
	s->gap = gap;
	s->is = true;
}

void audit_walk_record(
	struct audit_walk *w, const struct audit_record *r, const unsigned char hash[SHA256_SIZE])
{
	unsigned char public_key[SIGN_PUBLIC];
	struct audit_walk_key *k;

	if (w->bad)
		return;
	if (w->suspect.is)
		settle(w, r, hash);
	else if (r->seq <= w->seq)
		found(w, r->seq, r->seq, "it stands behind record %lld: inserted, or out of order",
			(long long)w->seq);
	else if (r->seq > w->seq + 1)
		suspect(w, r, hash, true);
	else if (!fits(w->hash, r, r->seq, hash))
		suspect(w, r, hash, false);
	else {
		w->seq = r->seq;
		memcpy(w->hash, hash, SHA256_SIZE);
		w->records++;
		if (audit_key_of(r, public_key) && (k = key_add(w, public_key)) && !k->introduced)
			k->introduced = r->seq;
	}
}

/* --- heads and the end --- */

void audit_walk_head(struct audit_walk *w, const struct audit_head *h)
{
	struct audit_walk_key *k = key_find(w, h->key_id);
	char when[TIME_TEXT];

	if (w->bad || w->suspect.is || h->seq < w->base_seq)
		return;
	if (!k)
		found(w, h->seq, h->seq, "its head is signed by key %s, which nothing here introduces",
			h->key_id);
	else if (!audit_head_verify(h, w->cloud_id, k->public_key))
		found(w, h->seq, h->seq, "the signature of its head is wrong: the head was changed");
	else if (h->seq > w->seq)
		found(w, w->seq + 1, h->seq,
			"missing: the end was cut off, as a head for record %lld was signed at %s",
			(long long)h->seq, time_iso(h->at_us, when));
	else if (h->seq < w->seq)
		found(w, h->seq, h->seq, "its head stands behind record %lld", (long long)w->seq);
	else if (memcmp(h->hash, w->hash, SHA256_SIZE) != 0)
		found(w, w->last_head < h->seq ? w->last_head + 1 : h->seq, h->seq,
			"the chain was written anew: the head of record %lld was signed for another one",
			(long long)h->seq);
	else {
		w->heads += h->seq != w->last_head || !w->heads; /* the same may be kept elsewhere */
		w->last_head = h->seq;
		k->first_head = k->first_head ? k->first_head : h->seq;
		k->last_head = h->seq;
	}
}

static void end_keys(struct audit_walk *w)
{
	const struct audit_walk_key *worst = NULL;
	bool any = false;

	spread_trust(w);
	for (size_t i = 0; i < w->keys_n; i++) {
		const struct audit_walk_key *k = &w->keys[i];

		any = any || k->trusted;
		if (!k->trusted && k->first_head && (!worst || k->first_head < worst->first_head))
			worst = k;
	}
	if (any && worst)
		found(w, worst->first_head, worst->first_head,
			"its head is signed by key %s, for which no key that you trust vouches", worst->id);
}

bool audit_walk_end(struct audit_walk *w, int64_t tip_seq, const unsigned char tip_hash[SHA256_SIZE])
{
	if (w->suspect.is && !w->bad)
		settle(w, NULL, NULL);
	if (tip_seq > w->seq)
		found(w, w->seq + 1, tip_seq, "missing: the end was cut off, the chain's row names %lld",
			(long long)tip_seq);
	else if (tip_seq >= 0 && tip_seq < w->seq)
		found(w, tip_seq + 1, w->seq, "it stands behind the end that the chain's row names");
	else if (tip_seq >= 0 && memcmp(tip_hash, w->hash, SHA256_SIZE) != 0)
		found(w, tip_seq, tip_seq, "the chain's row has another hash for it");
	end_keys(w);
	return !w->bad;
}
