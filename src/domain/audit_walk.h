/* SPDX-License-Identifier: Apache-2.0 */
/* Verifies a chain from its beginning to its end, record by record, and says of the first bad one what is
 * wrong. It believes nothing but the keys that it is told to trust: a key is as good as one of these when the
 * record that introduces it is under a head that one of these signed. */
#ifndef DOMAIN_AUDIT_WALK_H
#define DOMAIN_AUDIT_WALK_H

#include "base/arena.h"
#include "domain/audit_chain.h"

enum { AUDIT_KEYS_MAX = 64 };

struct audit_walk_key {
	unsigned char public_key[SIGN_PUBLIC];
	char id[SIGN_ID_TEXT];
	bool trusted;
	int64_t introduced;            /* by the record; 0: by none that is kept */
	int64_t first_head, last_head; /* that it signed; 0: none */
};

struct audit_suspect { /* a record that does not fit, until the next one tells more */
	struct arena arena;
	struct audit_record record;
	unsigned char hash[SHA256_SIZE];
	bool is, gap;
};

struct audit_walk {
	const char *cloud_id;
	int64_t base_seq, seq; /* before the first, and the last good one */
	unsigned char hash[SHA256_SIZE];
	int64_t records, heads, last_head;
	struct audit_walk_key keys[AUDIT_KEYS_MAX];
	size_t keys_n;
	struct audit_suspect suspect;
	/* the first finding: record bad_seq, or one up to bad_to */
	bool bad;
	int64_t bad_seq, bad_to;
	char what[256];
};

/* cloud_id is borrowed. The hash is that of record base_seq; NULL: the chain begins at 0. */
void audit_walk_begin(struct audit_walk *w, const char *cloud_id, int64_t base_seq,
	const unsigned char base_hash[SHA256_SIZE]);
void audit_walk_finish(struct audit_walk *w);
/* Before the first record. trusted: told from outside. */
void audit_walk_key(struct audit_walk *w, const unsigned char public_key[SIGN_PUBLIC], bool trusted);
/* In the order in which they are found. */
void audit_walk_record(
	struct audit_walk *w, const struct audit_record *r, const unsigned char hash[SHA256_SIZE]);
/* After the record that it is about and before the next; those of records before the first are passed over.
 */
void audit_walk_head(struct audit_walk *w, const struct audit_head *h);
/* tip_seq: where the chain says that it ends, with its hash; -1: it does not say. True: all is good. */
bool audit_walk_end(struct audit_walk *w, int64_t tip_seq, const unsigned char tip_hash[SHA256_SIZE]);

/* All texts go into the arena. */
struct audit_record audit_record_copy(const struct audit_record *r, struct arena *a);

#endif
