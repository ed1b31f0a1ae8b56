/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/audit_keeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "store/audit.h"

/* LOOK_MS: how often it is looked whether a head is due; VERIFY_MAX: records that one unit verifies */
enum { LOOK_MS = 500, VERIFY_MAX = 2000, PURGE_ROWS = 1000, PURGE_EVERY_S = 3600 };
static const int64_t SECOND_US = 1000000;

struct audit_keeper {
	struct audit_keeper_config cfg;
	char *next_path; /* of a key that is to be in force with the next commit */
	struct sign_key *key, *next;
	struct audit_witness *witness;
	struct loop_timer timer;
	struct tick_unit unit;
	bool busy, stopped;
	bool broken; /* what was signed is not what is there: nothing is signed until a start finds it is */
	/* so far the chain was verified, by units that are on disk, since its last head */
	int64_t good_seq;
	unsigned char good_hash[SHA256_SIZE];
	int64_t last_head, since_us; /* since when there are records behind it; 0: there are none */
	uint64_t seen;               /* store_seq at the last look */
	int64_t purge_us;            /* when to look for old records next */
	/* of the unit under way, or of the request's that begins a key */
	struct {
		int64_t seq;
		unsigned char hash[SHA256_SIZE];
		bool signs;
		struct audit_head head;
	} now;
};

static int64_t wall(const struct audit_keeper *k)
{
	return clock_wall(k->cfg.loop->clock);
}

/* --- verifying and signing, inside a unit --- */

static int broken(struct audit_keeper *k, const char *what, int64_t seq)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)seq);
	log_event(LOG_CRIT, "the audit is not what it was: nothing is signed any more", "record", text,
		"what", what, NULL);
	k->broken = true;
	return 0;
}

/* On from what was verified; leaves in k->now how far. */
static int verify(struct audit_keeper *k, struct db *db, const struct audit_tip *tip, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	struct audit_walk w;
	unsigned char hash[SHA256_SIZE];
	struct audit_record r;
	int rc = 0, n = 0;

	audit_walk_begin(&w, k->cfg.cloud_id, k->good_seq, k->good_hash);
	if (store_audit_walk(db, k->good_seq + 1, &st, err) < 0)
		return -1;
	while (!w.bad && n++ < VERIFY_MAX && (rc = store_audit_next(st, &r, hash, err)) > 0)
		audit_walk_record(&w, &r, hash);
	if (rc == 0 || w.seq == tip->seq)
		audit_walk_end(&w, tip->seq, tip->hash);
	k->now.seq = w.seq;
	memcpy(k->now.hash, w.hash, SHA256_SIZE);
	if (w.bad)
		broken(k, w.what, w.bad_seq);
	audit_walk_finish(&w);
	return rc < 0 ? -1 : 0;
}

static int sign_tip(struct audit_keeper *k, struct db *db, struct error *err)
{
	struct audit_head *h = &k->now.head;

	h->seq = k->now.seq;
	h->at_us = wall(k);
	memcpy(h->hash, k->now.hash, SHA256_SIZE);
	audit_head_sign(h, k->cfg.cloud_id, k->key);
	k->now.signs = true;
	return store_audit_head_insert(db, h, err);
}

/* Verifies a piece, and signs when that was the last. */
static int verify_and_sign(struct audit_keeper *k, struct db *db, struct error *err)
{
	struct audit_tip tip;

	k->now.signs = false;
	k->now.seq = k->good_seq;
	memcpy(k->now.hash, k->good_hash, SHA256_SIZE);
	if (k->broken || store_audit_tip(db, &tip, err) || verify(k, db, &tip, err))
		return k->broken ? 0 : -1;
	if (k->broken || k->now.seq != tip.seq || tip.seq <= k->last_head)
		return 0;
	return sign_tip(k, db, err);
}

/* What the unit did is on disk. */
static void settled(struct audit_keeper *k)
{
	const struct audit_head *h = &k->now.head;
	char hash[2 * SHA256_SIZE + 1], seq[24];
	CLEANUP(free_ptr) char *signature = NULL;

	k->good_seq = k->now.seq;
	memcpy(k->good_hash, k->now.hash, SHA256_SIZE);
	if (!k->now.signs)
		return;
	k->now.signs = false;
	k->last_head = h->seq;
	k->since_us = 0;
	hex_encode(h->hash, SHA256_SIZE, hash);
	snprintf(seq, sizeof seq, "%lld", (long long)h->seq);
	signature = base64_encode(h->signature, SIGN_BYTES);
	log_event(LOG_NOTICE, "audit head", "seq", seq, "hash", hash, "key", h->key_id, "signature",
		signature, NULL);
	if (k->witness)
		audit_witness_add(k->witness, h, k->stopped);
}

/* --- keys --- */

static int introduce(struct audit_keeper *k, struct db *db, const struct sign_key *key,
	const char *request_id, struct error *err)
{
	CLEANUP(free_ptr) char *reason = audit_key_reason(sign_key_public(key));
	const struct audit_note note = { .at_us = wall(k),
		.request_id = request_id,
		.action = AUDIT_ACTION_KEY,
		.target = sign_key_id(key),
		.status = 200,
		.reason = reason };
	struct audit_key row;
	struct audit_tip tip;

	if (store_audit_note(db, &note, err) || store_audit_tip(db, &tip, err))
		return -1;
	row.seq = tip.seq;
	str_copy(row.id, sizeof row.id, sign_key_id(key));
	memcpy(row.public_key, sign_key_public(key), SIGN_PUBLIC);
	return store_audit_key_insert(db, &row, err);
}

/* The key that signs has a record: at the first start, and when its file was replaced. */
static int introduce_missing(struct audit_keeper *k, struct db *db, struct error *err)
{
	struct audit_key row;
	int rc = store_audit_key_find(db, sign_key_id(k->key), &row, err);

	return rc < 0 ? -1 : rc > 0 ? 0 : introduce(k, db, k->key, NULL, err);
}

int audit_keeper_rotate(
	struct audit_keeper *k, struct db *db, const char *request_id, const char **out_id, struct error *err)
{
	if (k->busy)
		return error_set(err, ERR_BUSY, "a head is being signed: try again in a moment");
	sign_key_free(k->next);
	k->next = sign_key_make();
	/* a file to write in the middle of a unit: keys begin once in years */
	if (sign_key_save(k->next, k->next_path, err) || introduce(k, db, k->next, request_id, err) ||
		verify_and_sign(k, db, err))
		return -1;
	if (!k->now.signs)
		return error_set(err, ERR_CONFLICT,
			k->broken ? "the chain is not what was signed: 'cloudctl audit verify' tells more"
				  : "records wait for a head to be signed: try again in a moment");
	*out_id = sign_key_id(k->next);
	return 0;
}

static int rename_key(struct audit_keeper *k, struct error *err)
{
	CLEANUP(free_ptr) char *from = xasprintf("%s.pub", k->next_path);
	CLEANUP(free_ptr) char *to = xasprintf("%s.pub", k->cfg.key_path);

	if (rename(k->next_path, k->cfg.key_path) || rename(from, to))
		return error_set(err, ERR_UNAVAILABLE, "cannot rename %s: %s", k->next_path, strerror(errno));
	return 0;
}

void audit_keeper_rotated(struct audit_keeper *k)
{
	struct error err;

	settled(k);
	sign_key_free(k->key);
	k->key = k->next;
	k->next = NULL;
	/* when this fails the next start does it: the key's record is there */
	if (rename_key(k, &err))
		log_event(LOG_ERR, err.msg, NULL);
	log_event(LOG_NOTICE, "a new key signs the audit", "key", sign_key_id(k->key), NULL);
}

/* A key that was to be in force with a commit is, when that holds its record. */
static int take_next(struct audit_keeper *k, struct error *err)
{
	struct sign_key *next = NULL;
	struct audit_key row;
	struct error none = { 0 };
	int rc;

	if (sign_key_load(k->next_path, &next, &none))
		return none.code == ERR_NOT_FOUND ? 0 : (*err = none, -1);
	rc = store_audit_key_find(store_ro(k->cfg.store), sign_key_id(next), &row, err);
	sign_key_free(next);
	if (rc > 0)
		return rename_key(k, err);
	unlink(k->next_path);
	return rc;
}

static int open_key(struct audit_keeper *k, struct error *err)
{
	struct error none = { 0 };

	if (take_next(k, err))
		return -1;
	if (sign_key_load(k->cfg.key_path, &k->key, &none) == 0)
		return 0;
	if (none.code != ERR_NOT_FOUND)
		return *err = none, -1;
	k->key = sign_key_make();
	log_event(LOG_NOTICE, "made a key for the audit: keep its public half elsewhere", "path",
		k->cfg.key_path, "key", sign_key_id(k->key), NULL);
	return sign_key_save(k->key, k->cfg.key_path, err);
}

/* --- what is older than it shall be kept --- */

static int purge(struct audit_keeper *k, struct db *db, bool *out_more, struct error *err)
{
	const int64_t before_us = wall(k) - k->cfg.keep_us;
	char target[24], reason[96];
	struct audit_note note = {
		.at_us = wall(k), .action = "audit.purge", .target = target, .status = 200, .reason = reason
	};
	struct audit_head h;
	struct audit_tip tip;
	int64_t oldest_us;
	int n;

	*out_more = false;
	if (store_audit_oldest(db, &oldest_us, err) || store_audit_tip(db, &tip, err))
		return -1;
	if (!oldest_us || oldest_us > before_us)
		return 0;
	n = store_audit_head_before(db, before_us, &h, err);
	if (n <= 0 || h.seq <= tip.base_seq)
		return n < 0 ? -1 : 0;
	if ((n = store_audit_purge(db, h.seq, PURGE_ROWS, err)) < 0)
		return -1;
	*out_more = tip.base_seq + n < h.seq;
	if (*out_more)
		return 0;
	snprintf(target, sizeof target, "%lld", (long long)h.seq);
	snprintf(reason, sizeof reason, "the records up to it are older than they are kept");
	return store_audit_note(db, &note, err);
}

/* --- the unit and its timer --- */

static bool purge_due(const struct audit_keeper *k)
{
	return k->cfg.keep_us && wall(k) >= k->purge_us;
}

static int run(struct tick_unit *u, struct error *err)
{
	struct audit_keeper *k = CONTAINER_OF(u, struct audit_keeper, unit);
	struct db *db = store_rw(k->cfg.store);
	bool more = false;

	k->now.signs = false;
	k->now.seq = k->good_seq;
	memcpy(k->now.hash, k->good_hash, SHA256_SIZE);
	if (introduce_missing(k, db, err) || (purge_due(k) && purge(k, db, &more, err)))
		return -1;
	if (!more)
		k->purge_us = wall(k) + PURGE_EVERY_S * SECOND_US;
	return verify_and_sign(k, db, err);
}

static void fire(struct loop_timer *t);

static void finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct audit_keeper *k = CONTAINER_OF(u, struct audit_keeper, unit);

	k->busy = false;
	if (outcome == TICK_DONE)
		settled(k);
	else
		log_event(LOG_ERR, "the audit's head was not signed", "error", err->msg, "detail",
			err->detail, NULL);
	if (!k->stopped)
		loop_timer_set(k->cfg.loop, &k->timer, LOOK_MS, fire);
}

static void submit(struct audit_keeper *k)
{
	k->busy = true;
	k->unit = (struct tick_unit) { .run = run, .finish = finish, .patient = true };
	tick_submit(k->cfg.tick, &k->unit);
}

/* Are there records that wait for a head long enough, or so many? */
static bool head_due(struct audit_keeper *k)
{
	struct error ignored;
	struct audit_tip tip;

	if (k->broken || (store_seq(k->cfg.store) == k->seen && !k->since_us))
		return false;
	k->seen = store_seq(k->cfg.store);
	if (store_audit_tip(store_ro(k->cfg.store), &tip, &ignored) || tip.seq <= k->last_head)
		return false;
	if (!k->since_us)
		k->since_us = clock_mono(k->cfg.loop->clock);
	return tip.seq - k->last_head >= k->cfg.head_records || tip.seq - k->good_seq > VERIFY_MAX ||
	       clock_mono(k->cfg.loop->clock) - k->since_us >= k->cfg.head_s * SECOND_US;
}

static void fire(struct loop_timer *t)
{
	struct audit_keeper *k = CONTAINER_OF(t, struct audit_keeper, timer);

	if (head_due(k) || purge_due(k))
		submit(k);
	else
		loop_timer_set(k->cfg.loop, t, LOOK_MS, fire);
}

/* --- the start --- */

/* The last head there is holds, and what it says of its record. */
static int begin_at(struct audit_keeper *k, const struct audit_head *h, struct error *err)
{
	struct db *ro = store_ro(k->cfg.store);
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct audit_record r;
	struct audit_key key;
	unsigned char hash[SHA256_SIZE];
	struct audit_tip tip;
	int rc = store_audit_key_find(ro, h->key_id, &key, err);

	if (rc < 0 || store_audit_tip(ro, &tip, err))
		return -1;
	k->last_head = k->good_seq = h->seq;
	memcpy(k->good_hash, h->hash, SHA256_SIZE);
	if (!rc || !audit_head_verify(h, k->cfg.cloud_id, key.public_key))
		return broken(k, "the signature of its head is wrong", h->seq);
	if (h->seq > tip.seq)
		return broken(k, "it was signed and is missing", h->seq);
	if (h->seq == tip.base_seq)
		memcpy(hash, tip.base_hash, SHA256_SIZE);
	else if (h->seq < tip.base_seq)
		return 0;
	else if (store_audit_load(ro, &a, h->seq, NULL, &r, hash, err))
		return err->code == ERR_NOT_FOUND ? broken(k, "it was signed and is missing", h->seq) : -1;
	return memcmp(hash, h->hash, SHA256_SIZE) == 0 ? 0 : broken(k, "it is not what was signed", h->seq);
}

static int begin_chain(struct audit_keeper *k, struct error *err)
{
	struct db *ro = store_ro(k->cfg.store);
	struct audit_head h;
	struct audit_tip tip;
	int rc;

	if (*k->cfg.witness) {
		rc = audit_witness_last(k->cfg.witness, &h, err);
		if (rc < 0 || (rc > 0 && begin_at(k, &h, err)))
			return -1;
	}
	rc = store_audit_head_last(ro, &h, err);
	if (rc < 0 || store_audit_tip(ro, &tip, err) || (rc > 0 && begin_at(k, &h, err)))
		return -1;
	if (rc > 0)
		return 0;
	k->last_head = k->good_seq = tip.base_seq;
	memcpy(k->good_hash, tip.base_hash, SHA256_SIZE);
	return 0;
}

int audit_keeper_create(
	const struct audit_keeper_config *config, struct audit_keeper **out, struct error *err)
{
	struct audit_keeper *k = xcalloc(1, sizeof *k);

	k->cfg = *config;
	k->next_path = xasprintf("%s.next", config->key_path);
	if (open_key(k, err) || begin_chain(k, err)) {
		audit_keeper_destroy(k);
		return error_wrap(err, "audit");
	}
	if (*config->witness)
		k->witness = audit_witness_open(config->lanes, config->witness, config->cloud_id);
	submit(k); /* its end sets the timer */
	*out = k;
	return 0;
}

void audit_keeper_stop(struct audit_keeper *k)
{
	if (!k || k->stopped)
		return;
	k->stopped = true;
	loop_timer_stop(&k->timer);
	if (!k->busy)
		submit(k);
}

static void freed(struct loop_timer *t)
{
	struct audit_keeper *k = CONTAINER_OF(t, struct audit_keeper, timer);

	sign_key_free(k->key);
	sign_key_free(k->next);
	free(k->next_path);
	free(k);
}

void audit_keeper_destroy(struct audit_keeper *k)
{
	if (!k)
		return;
	audit_witness_close(k->witness);
	k->witness = NULL;
	loop_timer_close(&k->timer, freed);
}
