/* SPDX-License-Identifier: Apache-2.0 */
/* Audit records and heads as JSON, exactly: the API writes them, and who verifies reads them back. */
#ifndef DOMAIN_AUDIT_JSON_H
#define DOMAIN_AUDIT_JSON_H

#include <jansson.h>

#include "base/arena.h"
#include "base/error.h"
#include "domain/audit_chain.h"

#define AUDIT_EXPORT_FORMAT "cloudd audit export 1"
#define AUDIT_PROOF_FORMAT "cloudd audit proof 1"

/* The members of an object that the caller has open. hash NULL: left out. */
void audit_record_write(struct buf *b, const struct audit_record *r, const unsigned char hash[SHA256_SIZE]);
void audit_head_write(struct buf *b, const struct audit_head *h);
void audit_key_write(struct buf *b, const unsigned char public_key[SIGN_PUBLIC]);
/* Key and a hash in hex. */
void audit_hash_write(struct buf *b, const char *key, const unsigned char hash[SHA256_SIZE]);

/* Texts are in the arena. ERR_BAD_REQUEST names the member that is not as it was written. hash may be NULL.
 */
int audit_record_read(const json_t *j, struct arena *a, struct audit_record *out,
	unsigned char hash[SHA256_SIZE], struct error *err);
int audit_head_read(const json_t *j, struct audit_head *out, struct error *err);
int audit_key_read(const json_t *j, unsigned char out[SIGN_PUBLIC], struct error *err);
int audit_hash_read(const json_t *j, const char *key, unsigned char out[SHA256_SIZE], struct error *err);

#endif
