/* SPDX-License-Identifier: Apache-2.0 */
/* What an audit record is, byte for byte, and how records hang together. docs/audit.md says the same for
 *those who write a verifier of their own.
 *
 *	leaf(n) = SHA-256("cloudd audit record 1" NUL, each field in order)
 *		null: "n" · integer: "i", 8 bytes, big endian · text: "s", its length in 8 bytes, the bytes
 *	hash(n) = SHA-256("cloudd audit chain 1" NUL, hash(n - 1), leaf(n));  hash(0) = 32 zero bytes
 *	a head is a text with cloud, number, hash and time, signed by Ed25519 */
#ifndef DOMAIN_AUDIT_CHAIN_H
#define DOMAIN_AUDIT_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/crypto.h"
#include "base/sign.h"

struct audit_record { /* in the order in which it is hashed */
	int64_t seq;  /* 1, 2, 3 .. */
	int64_t at_us;
	const char *request_id;
	const char *user_uid, *user_name, *project_uid; /* NULL: nobody was known */
	const char *peer, *method, *path;               /* "-": what cloudd did by itself */
	const char *action;
	const char *target; /* NULL: none */
	int64_t status;
	const char *reason; /* NULL: it was done */
};

struct audit_head {
	int64_t seq, at_us;
	unsigned char hash[SHA256_SIZE];
	char key_id[SIGN_ID_TEXT];
	unsigned char signature[SIGN_BYTES];
};

/* The action of a record that introduces a key: target is its id, reason "ed25519 " and base64 of it. */
#define AUDIT_ACTION_KEY "audit.key"

void audit_leaf(const struct audit_record *r, unsigned char out[SHA256_SIZE]);
void audit_link(const unsigned char before[SHA256_SIZE], const unsigned char leaf[SHA256_SIZE],
	unsigned char out[SHA256_SIZE]);

/* What is signed. */
void audit_head_text(const struct audit_head *h, const char *cloud_id, struct buf *out);
/* Fills in key_id and signature. */
void audit_head_sign(struct audit_head *h, const char *cloud_id, const struct sign_key *key);
bool audit_head_verify(
	const struct audit_head *h, const char *cloud_id, const unsigned char public_key[SIGN_PUBLIC]);

/* The reason of a record that introduces a key, owned by the caller; and back. */
char *audit_key_reason(const unsigned char public_key[SIGN_PUBLIC]);
bool audit_key_of(const struct audit_record *r, unsigned char out[SIGN_PUBLIC]);

#endif
