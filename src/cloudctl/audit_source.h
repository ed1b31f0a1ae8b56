/* SPDX-License-Identifier: Apache-2.0 */
/* Where an audit is read from for its verification, without the daemon: a database file or an export; and
 * heads that were kept elsewhere. */
#ifndef CLOUDCTL_AUDIT_SOURCE_H
#define CLOUDCTL_AUDIT_SOURCE_H

#include "base/error.h"
#include "domain/audit_walk.h"

struct audit_heads { /* kept elsewhere, in the order of their records */
	struct audit_head *all;
	size_t n, at; /* at: the next */
};
/* Adds the heads of a witness file, or of one that an answer was kept in. */
int audit_heads_read(struct audit_heads *h, const char *path, struct error *err);
void audit_heads_sort(struct audit_heads *h);
void audit_heads_finish(struct audit_heads *h);

struct audit_trust { /* what the one who verifies brings along */
	struct audit_heads heads;
	unsigned char (*keys)[SIGN_PUBLIC];
	size_t keys_n;
};

struct audit_result {
	struct audit_walk walk;
	char cloud_id[64];
	int64_t first; /* record */
	bool from_start;
};
void audit_result_finish(struct audit_result *r);

/* Walks all of it. -1: it cannot be read; what was found is in out->walk. */
int audit_source_database(
	const char *path, struct audit_trust *trust, struct audit_result *out, struct error *err);
int audit_source_export(
	const char *path, struct audit_trust *trust, struct audit_result *out, struct error *err);

/* For both: the walk begins, and all heads kept elsewhere up to the record where it stands. */
void audit_trust_begin(struct audit_trust *trust, struct audit_result *out, int64_t base_seq,
	const unsigned char base_hash[SHA256_SIZE]);
void audit_trust_heads(struct audit_trust *trust, struct audit_walk *w, bool end);

#endif
