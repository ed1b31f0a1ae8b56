/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs: public keys of users, given by them or made here. */
#include "store/keypairs.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "api/compute/compute.h"
#include "api/compute/ssh_key.h"
#include "api/compute/x509_key.h"
#include "base/util.h"
#include "domain/names.h"
#include "loop/lane.h"
#include "store/quotas.h"

enum { KEYGEN_QUEUE = 32, KEYGEN_TIMEOUT_MS = 30000 };

/* --- whose */

/* From 2.10 an administrator may name another user. */
static int owner_of(struct api_call *c, const char *uid, int64_t *out, struct error *err)
{
	int rc;

	if (!uid || str_eq(uid, c->who->user.uid)) {
		*out = c->who->user.id;
		return *out ? 0
			    : error_set(
				      err, ERR_BAD_REQUEST, "Key pairs belong to users: name one by user_id");
	}
	if (!api_is_admin(c))
		return error_set(
			err, ERR_FORBIDDEN, "Only an administrator may work on another user's key pairs.");
	rc = store_keypair_user(c->db, uid, out, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "User %.64s could not be found.", uid);
	return rc < 0 ? -1 : 0;
}

static int query_owner(struct api_call *c, int64_t *out, struct error *err)
{
	return owner_of(c, since(c, 10) ? api_query(c, "user_id") : NULL, out, err);
}

static const char *const owner_only[] = { "user_id", NULL };

/* --- views */

static void view_start(struct api_call *c, const struct keypair *k)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_key(b, "keypair");
	jw_object(b);
	jw_kv_str(b, "name", k->name);
	jw_kv_str(b, "public_key", k->public_key);
	jw_kv_str(b, "fingerprint", k->fingerprint);
	if (since(c, 2))
		jw_kv_str(b, "type", k->type);
}

static void view_end(struct api_call *c)
{
	jw_end_object(&c->out);
	jw_end_object(&c->out);
}

static const char *owner_uid(struct api_call *c)
{
	const char *named = since(c, 10) ? api_query(c, "user_id") : NULL;

	return named ? named : c->who->user.uid;
}

int compute_keypair_list(struct api_call *c, struct error *err)
{
	static const char *const keys[] = { "name", NULL };
	static const char *const known[] = { "limit", "marker", "user_id", NULL };
	struct api_page page = { .limit = c->api->config.list_max };
	struct keypair *list, marker;
	int64_t owner;
	size_t n;

	if (compute_only_query(c, 75, known, err) < 0 ||
		(since(c, 35) && api_page(c, keys, false, &page, err) < 0))
		return -1;
	if (query_owner(c, &owner, err) < 0)
		return -1;
	if (page.marker && store_keypair_get(c->db, c->arena, owner, page.marker, &marker, err) < 0)
		return err->code == ERR_NOT_FOUND ? api_marker_missing(page.marker, err) : -1;
	if (store_keypair_list(c->db, c->arena, owner, page.marker, page.limit, &list, &n, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "keypairs");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		view_start(c, &list[i]);
		view_end(c);
	}
	jw_end_array(&c->out);
	if (n && since(c, 35) && (int64_t)n == page.limit)
		api_next_link(c, "keypairs_links", list[n - 1].name);
	jw_end_object(&c->out);
	c->status = 200;
	return 0;
}

int compute_keypair_show(struct api_call *c, struct error *err)
{
	struct buf *b = &c->out;
	struct keypair k;
	int64_t owner;

	if (compute_only_query(c, 75, owner_only, err) < 0 || query_owner(c, &owner, err) < 0 ||
		store_keypair_get(c->db, c->arena, owner, api_param(c, "name"), &k, err) < 0)
		return -1;
	view_start(c, &k);
	jw_kv_str(b, "user_id", owner_uid(c));
	jw_kv_int(b, "id", k.id);
	compute_time(b, "created_at", k.created_us, true);
	jw_kv_null(b, "updated_at");
	jw_kv_bool(b, "deleted", false);
	jw_kv_null(b, "deleted_at");
	view_end(c);
	c->status = 200;
	return 0;
}

int compute_keypair_delete(struct api_call *c, struct error *err)
{
	int64_t owner;

	c->target = api_param(c, "name");
	c->status = since(c, 2) ? 204 : 202;
	if (compute_only_query(c, 75, owner_only, err) < 0 || query_owner(c, &owner, err) < 0)
		return -1;
	return store_keypair_delete(c->db, owner, c->target, err);
}

/* --- create */

struct body {
	const char *name, *public_key, *type, *user_id;
};

static const char *const types[] = { "ssh", "x509", NULL };

static bool is_certificate(const struct body *in)
{
	return in->type && strcmp(in->type, "x509") == 0;
}

static int fingerprint_of(const struct body *in, char out[X509_FINGERPRINT], struct error *err)
{
	return is_certificate(in) ? x509_key_fingerprint(in->public_key, out, err)
				  : ssh_key_fingerprint(in->public_key, out, err);
}

static const struct bind_field body_fields[] = {
	BIND(body, name, "name", BIND_STR, BIND_REQUIRED, 1, 255),
	BIND(body, public_key, "public_key", BIND_STR, 0, 0, 0),
	{ .name = "type",
		.type = BIND_STR,
		.offset = offsetof(struct body, type),
		.since = 2,
		.words = types },
	{ .name = "user_id",
		.type = BIND_STR,
		.offset = offsetof(struct body, user_id),
		.max = 64,
		.since = 10 },
};

const struct bind_table compute_keypair_body = { .top = "keypair", BIND_TABLE(body, body_fields) };

struct keygen {
	struct work work;
	struct api_call *call;
	enum ssh_key_type type;
	const char *certified; /* x509: the user that the certificate names; else NULL */
	char *private_key, *public_key;
	struct error error;
};

static const char *trimmed(struct arena *a, const char *s)
{
	size_t n = strlen(s);

	while (n && strchr(" \t\r\n", s[n - 1]))
		n--;
	return arena_strndup(a, s, n);
}

static int read_body(struct api_call *c, struct body *in, struct error *err)
{
	*in = *(const struct body *)c->in;
	if (name_check(since(c, 92) ? NAME_KEYPAIR_292 : NAME_KEYPAIR, in->name, err) < 0)
		return -1;
	if (since(c, 92) && !in->public_key)
		return error_set(err, ERR_BAD_REQUEST,
			"keypair.public_key is required from API version 2.92 on: keys are made by the "
			"client");
	if (in->public_key)
		in->public_key = trimmed(c->arena, in->public_key);
	return 0;
}

/* May the user have one more, of that name? */
static int admit(struct api_call *c, const struct body *in, int64_t owner, struct error *err)
{
	int64_t used = 0, limit = 0;
	struct keypair other;

	if (store_keypair_get(c->db, c->arena, owner, in->name, &other, err) == 0)
		return error_set(err, ERR_CONFLICT, "Key pair '%.128s' already exists.", in->name);
	if (err->code != ERR_NOT_FOUND)
		return -1;
	if (store_keypair_count(c->db, owner, &used, err) < 0 ||
		store_quota_limit(c->db, c->who->project.id, "key_pairs", &limit, err) < 0)
		return -1;
	return quota_check(QUOTA_KEY_PAIRS, limit, used, 1, err);
}

/* In the tick. keygen is set when the pair was made here. */
static int insert(struct api_call *c, struct keygen *keygen, struct error *err)
{
	char fingerprint[X509_FINGERPRINT];
	struct keypair k;
	struct body in;
	int64_t owner;

	if (read_body(c, &in, err) < 0 || owner_of(c, in.user_id, &owner, err) < 0 ||
		admit(c, &in, owner, err) < 0)
		return -1;
	if (keygen)
		in.public_key = arena_strdup(c->arena, keygen->public_key);
	if (fingerprint_of(&in, fingerprint, err) < 0)
		return -1;
	k = (struct keypair) { .id = store_next_id(c->api->store),
		.user_id = owner,
		.name = in.name,
		.type = in.type ? in.type : types[0],
		.public_key = in.public_key,
		.fingerprint = fingerprint,
		.created_us = c->now_us };
	if (store_keypair_insert(c->db, &k, err) < 0)
		return -1;
	c->target = k.name;
	c->status = since(c, 2) ? 201 : 200;
	view_start(c, &k);
	jw_kv_str(&c->out, "user_id", in.user_id ? in.user_id : c->who->user.uid);
	if (keygen)
		jw_kv_str(&c->out, "private_key", keygen->private_key);
	view_end(c);
	return 0;
}

static int insert_given(struct api_call *c, struct error *err)
{
	return insert(c, NULL, err);
}

/* The work is freed when the lane lets go of it, which may be before the tick runs: the call carries what it
 * made. */
static int insert_made(struct api_call *c, struct error *err)
{
	return insert(c, c->stream.data_ctx, err);
}

static void keygen_run(struct work *w)
{
	struct keygen *k = CONTAINER_OF(w, struct keygen, work);

	if (k->certified)
		x509_key_generate(k->certified, k->call->now_us, &k->private_key, &k->public_key, &k->error);
	else
		ssh_key_generate(k->type, &k->private_key, &k->public_key, &k->error);
}

static void keygen_done(struct work *w, enum work_result res)
{
	struct keygen *k = CONTAINER_OF(w, struct keygen, work), *made;
	struct api_call *c = k->call;
	struct error err = { 0 };

	if (res != WORK_DONE) {
		error_set(&err, ERR_BUSY, "too many key pairs are being made, try again later");
		api_fail(c, &err);
	} else if (k->error.code) {
		api_fail(c, &k->error);
	} else {
		made = ARENA_NEW(c->arena, struct keygen);
		made->private_key = arena_strdup(c->arena, k->private_key);
		made->public_key = arena_strdup(c->arena, k->public_key);
		c->stream.data_ctx = made;
		api_submit(c, insert_made);
	}
}

static void keygen_destroy(struct work *w)
{
	struct keygen *k = CONTAINER_OF(w, struct keygen, work);

	if (k->private_key)
		OPENSSL_cleanse(k->private_key, strlen(k->private_key));
	free(k->private_key);
	free(k->public_key);
	free(k);
}

/* One key at a time for the whole daemon: whoever asks for many waits, and nobody else does. */
static struct lane *keygen_lane(struct api *api)
{
	static struct {
		struct lane_pool *pool;
		struct lane *lane;
	} the;

	if (the.pool != api->lanes) {
		the.pool = api->lanes;
		the.lane = lane_create(api->lanes, "keygen", 1, KEYGEN_QUEUE);
	}
	return the.lane;
}

int compute_keypair_create(struct api_call *c, struct error *err)
{
	struct keygen *k;
	struct body in;
	int64_t owner;

	if (read_body(c, &in, err) < 0)
		return -1;
	if (in.public_key) {
		api_submit(c, insert_given);
		return 0;
	}
	if (owner_of(c, in.user_id, &owner, err) < 0 || admit(c, &in, owner, err) < 0)
		return -1;
	k = xcalloc(1, sizeof *k);
	k->call = c;
	k->type = c->api->config.ed25519_keypairs ? SSH_KEY_ED25519 : SSH_KEY_RSA;
	k->certified = is_certificate(&in) ? c->who->user.uid : NULL;
	k->work = (struct work) { .run = keygen_run,
		.done = keygen_done,
		.destroy = keygen_destroy,
		.timeout_ms = KEYGEN_TIMEOUT_MS };
	if (lane_submit(keygen_lane(c->api), &k->work))
		return 0;
	free(k);
	return error_set(err, ERR_BUSY, "too many key pairs are being made, try again later");
}
