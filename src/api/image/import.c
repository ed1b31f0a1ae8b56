/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v2/images/{id}/import: data that were staged become the image's, at once; or they are fetched from a
 *web server, on a thread, and the task's row says how it goes. What was accepted is taken up again at a
 *start.
 *
 *	unit: queued → importing, task ── fetch on a thread ── unit: active, task success
 *	                                        └ wrong ────── unit: queued, task failure */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/image/fetch.h"
#include "api/image/internal.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/util.h"
#include "store/image_tasks.h"

enum { LANE_WIDTH = 2, WAITING_MAX = 64 };
static const int64_t TASK_KEPT_US = INT64_C(48) * 3600 * 1000000;

static const char direct[] = "glance-direct", download[] = "web-download";

/* --- what is offered --- */

static bool downloads(const struct api *api)
{
	return api->config.import_hosts && api->config.import_hosts[0];
}

const char *image_import_methods(const struct api *api)
{
	return downloads(api) ? "glance-direct,web-download" : direct;
}

int image_info_import(struct api_call *c, struct error *err)
{
	(void)err;
	jw_object(&c->out);
	jw_key(&c->out, "import-methods");
	jw_object(&c->out);
	jw_kv_str(&c->out, "description", "Import methods available.");
	jw_kv_str(&c->out, "type", "array");
	jw_key(&c->out, "value");
	jw_array(&c->out);
	jw_str(&c->out, direct);
	if (downloads(c->api))
		jw_str(&c->out, download);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* --- a download --- */

struct import {
	struct work work;
	struct fetch fetch;
	struct tick_unit unit;
	struct api *api;
	int64_t image_id, project_id, task_id;
	char uid[UUID_TEXT];
	enum work_result result;
	struct error why; /* of the failure that is written down */
};

static struct lane *lane;

static void import_free(struct import *m)
{
	fetch_finish(&m->fetch);
	free(m);
}

static int64_t wall(const struct import *m)
{
	return clock_wall(m->api->loop->clock);
}

static int fail_run(struct tick_unit *u, struct error *err)
{
	struct import *m = CONTAINER_OF(u, struct import, unit);
	struct db *db = store_rw(m->api->store);

	if (store_image_move(db, m->image_id, "importing", "queued", wall(m), err) < 0)
		return -1;
	return store_image_task_end(db, m->task_id, "failure", m->why.msg, wall(m), err);
}

static void end_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct import *m = CONTAINER_OF(u, struct import, unit);

	if (outcome != TICK_DONE)
		log_event(LOG_ERR, "an import's end is not stored: it is taken up again at the next start",
			"image", m->uid, "error", err->msg, "detail", err->detail, NULL);
	import_free(m);
}

static void fail(struct import *m, const struct error *why)
{
	m->why = *why;
	log_event(LOG_INFO, "import failed", "image", m->uid, "error", why->msg, "detail",
		why->detail[0] ? why->detail : NULL, NULL);
	m->unit = (struct tick_unit) { .run = fail_run, .finish = end_finish };
	tick_submit(m->api->tick, &m->unit);
}

static int store_run(struct tick_unit *u, struct error *err)
{
	struct import *m = CONTAINER_OF(u, struct import, unit);
	const struct writer *w = m->fetch.writer;
	struct db *db = store_rw(m->api->store);
	struct image i = { .id = m->image_id,
		.size = w->size,
		.virtual_size = m->fetch.virtual_size ? m->fetch.virtual_size : w->size,
		.checksum = w->md5,
		.sha512 = w->sha512 };
	int rc;

	if (image_quota(m->api, db, m->project_id, 0, i.size, NULL, err) < 0)
		return -1;
	rc = store_image_activate(db, &i, wall(m), err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "the image was deleted while its data came");
	return rc < 0 || image_counted(m->api, db, m->project_id, err) < 0 ||
			       store_image_task_end(db, m->task_id, "success", "", wall(m), err)
		       ? -1
		       : 0;
}

static void store_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct import *m = CONTAINER_OF(u, struct import, unit);

	if (outcome != TICK_FAILED) {
		end_finish(u, outcome, err);
		return;
	}
	disk_remove(m->api, m->uid);
	fail(m, err);
}

static void fetch_work(struct work *w)
{
	fetch_run(&CONTAINER_OF(w, struct import, work)->fetch);
}

static void fetch_done(struct work *w, enum work_result res)
{
	CONTAINER_OF(w, struct import, work)->result = res;
}

/* On the loop, when the thread has let go of it. */
static void fetch_settled(struct work *w)
{
	struct import *m = CONTAINER_OF(w, struct import, work);

	if (m->result != WORK_DONE) { /* the daemon ends: the next start takes it up again */
		import_free(m);
	} else if (m->fetch.err.code) {
		fail(m, &m->fetch.err);
	} else {
		m->unit = (struct tick_unit) { .run = store_run, .finish = store_finish };
		tick_submit(m->api->tick, &m->unit);
	}
}

static void start(struct api *api, const struct image_task *t, int64_t left)
{
	struct import *m = xcalloc(1, sizeof *m);
	const struct api_config *config = &api->config;
	struct error err;

	m->api = api;
	m->image_id = t->image_id;
	m->project_id = t->project_id;
	m->task_id = t->id;
	str_copy(m->uid, sizeof m->uid, t->image_uid);
	str_copy(m->fetch.format, sizeof m->fetch.format, t->disk_format ? t->disk_format : "");
	m->fetch.uri = xstrdup(t->uri);
	m->fetch.hosts = xstrdup(config->import_hosts ? config->import_hosts : "");
	m->fetch.networks = xstrdup(config->import_networks ? config->import_networks : "");
	m->fetch.ca_file = xstrdup(config->import_ca ? config->import_ca : "");
	m->fetch.max_bytes = left < config->image_size_max ? left : config->image_size_max;
	m->fetch.timeout_s = (long)config->import_timeout_s;
	m->fetch.min_rate = (long)config->import_min_rate;
	m->fetch.writer = writer_create(api, m->uid, -1);
	m->work = (struct work) { .run = fetch_work, .done = fetch_done, .destroy = fetch_settled };
	if (!lane)
		lane = lane_create(api->lanes, "imports", LANE_WIDTH, UINT_MAX);
	if (lane_submit(lane, &m->work))
		return;
	error_set(&err, ERR_BUSY, "too many imports are waiting");
	fail(m, &err);
}

/* --- the request --- */

struct method {
	const char *name, *uri;
};

struct body {
	struct method *method;
	struct bind_list stores;
	bool all_stores, must_succeed;
};

static const char *const method_names[] = { direct, download, NULL };

static const struct bind_field method_fields[] = {
	{ .name = "name",
		.type = BIND_STR,
		.offset = offsetof(struct method, name),
		.flags = BIND_REQUIRED,
		.words = method_names },
	BIND(method, uri, "uri", BIND_STR, 0, 1, 2048),
};
static const struct bind_table method_table = { BIND_TABLE(method, method_fields) };

static const struct bind_field fields[] = {
	{ .name = "method",
		.type = BIND_OBJ,
		.offset = offsetof(struct body, method),
		.flags = BIND_REQUIRED,
		.table = &method_table },
	/* there is one store: none can be named */
	{ .name = "stores",
		.type = BIND_ARR,
		.offset = offsetof(struct body, stores),
		.items = &bind_item_text },
	BIND(body, all_stores, "all_stores", BIND_BOOL, 0, 0, 0),
	BIND(body, must_succeed, "all_stores_must_succeed", BIND_BOOL, 0, 0, 0),
};

const struct bind_table image_import_body = { BIND_TABLE(body, fields) };

static int add_task(struct api_call *c, const struct image *i, const struct method *m, const char *status,
	struct image_task *t, struct error *err)
{
	char uid[UUID_TEXT];

	uuid_make(c->api->loop->rng, uid);
	*t = (struct image_task) { .id = store_next_id(c->api->store),
		.image_id = i->id,
		.uid = arena_strdup(c->arena, uid),
		.user_uid = c->who->user.uid,
		.request_id = c->request_id,
		.method = m->name,
		.uri = m->uri ? m->uri : "",
		.status = status,
		.created_us = c->now_us,
		.expires_us = c->now_us + TASK_KEPT_US,
		.image_uid = i->uid,
		.project_id = i->project_id,
		.disk_format = i->disk_format };
	return store_image_task_insert(c->db, t, err);
}

static int wrong_status(const struct image *i, const char *wanted, struct error *err)
{
	return error_set(err, ERR_CONFLICT, "Image %s is in status %s%s: this import needs one that is %s.",
		i->uid, i->status,
		strcmp(i->status, "uploading") == 0 && i->size < 0 ? ", and its data still come" : "",
		wanted);
}

/* All about the data was found out when they were staged. */
static int import_staged(struct api_call *c, const struct image *i, const struct method *m, struct error *err)
{
	struct image_task t;
	int rc;

	if (m->uri)
		return error_set(err, ERR_BAD_REQUEST, "method.uri goes with web-download only");
	if (i->size < 0)
		return wrong_status(i, "staged", err);
	rc = store_image_move(c->db, i->id, "uploading", "active", c->now_us, err);
	if (rc == 0)
		return wrong_status(i, "staged", err);
	return rc < 0 ? -1 : add_task(c, i, m, "success", &t, err);
}

struct download {
	struct image_task task;
	int64_t left;
};

static void accepted(struct api_call *c)
{
	const struct download *d = c->stream.data_ctx;

	start(c->api, &d->task, d->left);
}

static int import_download(
	struct api_call *c, const struct image *i, const struct method *m, struct error *err)
{
	struct download *d = ARENA_NEW(c->arena, struct download);
	int rc;

	if (!downloads(c->api))
		return error_set(err, ERR_BAD_REQUEST, "method.name: web-download is not offered here");
	if (!m->uri)
		return error_set(err, ERR_BAD_REQUEST, "method.uri is required for web-download");
	if (fetch_uri_check(m->uri, c->api->config.import_hosts, err) < 0)
		return -1;
	if (!i->disk_format || !i->container_format)
		return error_set(err, ERR_BAD_REQUEST,
			"Properties disk_format and container_format must be set prior to saving data.");
	if (lane && lane_queued(lane) >= WAITING_MAX)
		return error_set(err, ERR_BUSY, "too many imports are waiting: try again later");
	if (image_quota(c->api, c->db, i->project_id, 0, 1, &d->left, err) < 0)
		return -1;
	rc = store_image_claim(c->db, i->id, "importing", i->disk_format, c->now_us, err);
	if (rc == 0)
		return wrong_status(i, "queued", err);
	if (rc < 0 || add_task(c, i, m, "processing", &d->task, err) < 0)
		return -1;
	c->stream.data_ctx = d;
	c->committed = accepted;
	return 0;
}

int image_import(struct api_call *c, struct error *err)
{
	const struct body *body = c->in;
	const struct method *m = body->method;
	struct image i;

	if (image_find_own(c, &i, err) < 0)
		return -1;
	if (body->stores.n)
		return error_set(err, ERR_BAD_REQUEST, "stores: there is one store here, which has no name");
	c->status = 202;
	return strcmp(m->name, direct) == 0 ? import_staged(c, &i, m, err) : import_download(c, &i, m, err);
}

/* --- start and end of the daemon --- */

int image_import_resume(struct api *api, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct db *db = store_ro(api->store);
	struct arena a = { 0 };
	struct image_task t;
	int64_t left;
	int rc;

	outbound_start_all();
	if (store_image_task_open(db, &st, err) < 0)
		return -1;
	while ((rc = store_image_task_next(st, &a, &t, err)) > 0) {
		if (image_quota(api, db, t.project_id, 0, 0, &left, err) < 0)
			break;
		start(api, &t, left);
	}
	arena_finish(&a);
	return rc == 0 ? 0 : -1;
}

void image_import_finish(void)
{
	struct lane *old = lane;

	outbound_stop_all();
	lane = NULL;
	if (old)
		lane_destroy(old);
}
