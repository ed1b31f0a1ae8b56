/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the audit: signs heads of its chain, takes what is older than it shall be kept away, and begins new
 * keys. The key is in a file apart from the database; heads also go to the journal and, where that is
 * configured, into a witness file, so that who kept one notices when the end is cut off. */
#ifndef FLOW_AUDIT_KEEPER_H
#define FLOW_AUDIT_KEEPER_H

#include <stdint.h>

#include "domain/audit_chain.h"
#include "loop/lane.h"
#include "loop/loop.h"
#include "loop/tick.h"
#include "store/db.h"

struct audit_keeper;

struct audit_keeper_config { /* strings are borrowed and live as long as the keeper */
	struct loop *loop;
	struct tick *tick;
	struct store *store;
	struct lane_pool *lanes;
	const char *cloud_id;
	const char *key_path;
	const char *witness;  /* "": none */
	int64_t head_s;       /* a head is signed that long after the first record that no head covers, */
	int64_t head_records; /* or when there are so many of them */
	int64_t keep_us;      /* 0: for ever */
};

/* Reads the key, or makes it at the first start. When the chain is not what its last head or the witness
 * says, that is logged, and nothing is signed. */
int audit_keeper_create(
	const struct audit_keeper_config *config, struct audit_keeper **out, struct error *err);
/* No more units of its own, but for a last head. */
void audit_keeper_stop(struct audit_keeper *k);
void audit_keeper_destroy(struct audit_keeper *k); /* NULL is fine */

/* Inside a unit: a new key begins, vouched for by a head of the one before; in force when the unit is on
 * disk: audit_keeper_rotated then. The id of the new key is the keeper's. */
int audit_keeper_rotate(struct audit_keeper *k, struct db *db, const char *request_id, const char **out_id,
	struct error *err);
void audit_keeper_rotated(struct audit_keeper *k);

/* audit_witness.c: lines of heads in a file, written on a lane. */
struct audit_witness;
struct audit_witness *audit_witness_open(struct lane_pool *lanes, const char *path, const char *cloud_id);
/* here: on the loop, when there is no other time. */
void audit_witness_add(struct audit_witness *w, const struct audit_head *h, bool here);
void audit_witness_close(struct audit_witness *w); /* NULL is fine */
/* The last head of the file: 1, 0 none, -1. Blocks: at start alone. */
int audit_witness_last(const char *path, struct audit_head *out, struct error *err);

#endif
