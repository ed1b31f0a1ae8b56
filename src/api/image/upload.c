/* SPDX-License-Identifier: Apache-2.0 */
/* PUT /v2/images/{id}/file and /stage: bytes of any number in bounded memory. What is staged is looked at,
 *hashed and made durable as well, and only then waits for its import, in status uploading.
 *
 *	begin ── claim (unit: queued → saving) ── pieces: gather · look at the start · write and hash on a
 *thread └─ 4xx                                │ anything wrong                   │ end ▼ ▼ error ◄── unit:
 *saving → queued ◄── drop the file    ◄─(no row)─  seal ── unit: active ── 204
 *
 * A piece is gathered while the one before is written; the peer is not read from when both are full. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/image/internal.h"
#include "api/image/writer.h"
#include "api/internal.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/util.h"
#include "domain/image_inspect.h"

enum { PIECE_BYTES = 256 * 1024 };
_Static_assert((int)PIECE_BYTES >= (int)INSPECT_BYTES, "the start is looked at before any of it is written");

enum stage {
	CLAIMING, /* the unit that makes the row ours is under way */
	RECEIVING,
	SEALING,  /* all is with the writer */
	STORING,  /* the unit that makes the image active is under way */
	DROPPING, /* the writer removes what there is */
	REQUEUING /* the unit that gives the row back is under way */
};

struct upload {
	struct api_call *call;
	struct writer *writer;
	struct tick_unit unit;
	enum stage stage;
	bool writing; /* the writer is with its thread */
	bool inspected, ended;
	bool staging;     /* the data are to be imported later */
	struct error err; /* the first thing that went wrong: the answer */
	struct buf gather;
	int64_t left; /* bytes that the project may have beyond its images, at the start */
	struct transfer transfer;
	struct image image; /* id, uid, disk_format; in the end what is known of the data */
	char uid[UUID_TEXT], format[16];
};

static void go_on(struct upload *u);

static void upload_free(struct upload *u)
{
	writer_destroy(u->writer);
	buf_finish(&u->gather);
	disk_transfer_end(&u->transfer);
	free(u);
}

static void answer_error(struct upload *u)
{
	struct api_call *c = u->call;
	struct error err = u->err;

	upload_free(u);
	api_fail(c, &err);
}

/* The daemon ends: the row is given back at the next start. */
static void leave(struct upload *u)
{
	error_set(&u->err, ERR_UNAVAILABLE, "cloudd is stopping: upload the image again");
	answer_error(u);
}

/* --- the three units --------------------------------------------------------------------------------------
 */

static void submit_unit(struct upload *u, int (*run)(struct tick_unit *, struct error *),
	void (*finish)(struct tick_unit *, enum tick_outcome, const struct error *))
{
	u->unit = (struct tick_unit) { .run = run, .finish = finish };
	tick_submit(u->call->api->tick, &u->unit);
}

static int not_queued(const struct upload *u, struct error *err)
{
	return error_set(err, ERR_CONFLICT,
		"Image %s is not (or no longer) queued: its data is there, or is being uploaded now.",
		u->image.uid);
}

static int64_t wall(const struct upload *u)
{
	return clock_wall(u->call->api->loop->clock);
}

/* The status of an image whose data come. */
static const char *coming(const struct upload *u)
{
	return u->staging ? "uploading" : "saving";
}

static int claim_run(struct tick_unit *unit, struct error *err)
{
	struct upload *u = CONTAINER_OF(unit, struct upload, unit);
	int rc = store_image_claim(
		store_rw(u->call->api->store), u->image.id, coming(u), u->format, wall(u), err);

	return rc == 0 ? not_queued(u, err) : rc < 0 ? -1 : 0;
}

static void claim_finish(struct tick_unit *unit, enum tick_outcome outcome, const struct error *err)
{
	struct upload *u = CONTAINER_OF(unit, struct upload, unit);

	if (outcome == TICK_DONE) {
		u->stage = RECEIVING;
		go_on(u);
		return;
	}
	u->err = *err;
	if (outcome != TICK_FAILED)
		api_unstored(&u->err, outcome, err);
	answer_error(u);
}

static int store_run(struct tick_unit *unit, struct error *err)
{
	struct upload *u = CONTAINER_OF(unit, struct upload, unit);
	struct api_call *c = u->call;
	struct db *db = store_rw(c->api->store);
	int rc;

	if (image_quota(c->api, db, u->transfer.project_id, 0, u->image.size, NULL, err) < 0)
		return -1;
	rc = (u->staging ? store_image_staged : store_image_activate)(db, &u->image, wall(u), err);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Image %s was deleted while its data came.", u->uid);
	c->status = 204;
	return image_counted(c->api, db, u->transfer.project_id, err) < 0 ? -1
									  : audit_insert(c, db, NULL, err);
}

static void store_finish(struct tick_unit *unit, enum tick_outcome outcome, const struct error *err)
{
	struct upload *u = CONTAINER_OF(unit, struct upload, unit);
	struct api_call *c = u->call;

	if (outcome == TICK_DONE) {
		upload_free(u);
		api_reply(c);
		return;
	}
	u->err = *err;
	if (outcome != TICK_FAILED)
		api_unstored(&u->err, outcome, err);
	if (outcome == TICK_UNKNOWN) { /* the row may be active: the next start knows, and needs the file */
		answer_error(u);
		return;
	}
	u->stage = RECEIVING;
	go_on(u);
}

static int requeue_run(struct tick_unit *unit, struct error *err)
{
	struct upload *u = CONTAINER_OF(unit, struct upload, unit);

	return store_image_move(
		       store_rw(u->call->api->store), u->image.id, coming(u), "queued", wall(u), err) < 0
		       ? -1
		       : 0;
}

static void requeue_finish(struct tick_unit *unit, enum tick_outcome outcome, const struct error *err)
{
	struct upload *u = CONTAINER_OF(unit, struct upload, unit);

	if (outcome != TICK_DONE)
		log_event(LOG_ERR, "an image waits for data until the next start", "image", u->uid, "error",
			err->msg, "detail", err->detail, NULL);
	answer_error(u);
}

/* --- the writer -------------------------------------------------------------------------------------------
 */

/* False: u is gone. */
static bool write_act(struct upload *u, enum writer_act act)
{
	struct writer *w = u->writer;

	w->act = act;
	if (act != WRITER_DROP) {
		struct buf empty = w->data; /* its memory is used again */

		w->data = u->gather;
		u->gather = empty;
		u->gather.len = 0;
	}
	u->writing = true;
	if (disk_submit(u->call->api, &w->job))
		return true;
	leave(u);
	return false;
}

static void take_facts(struct upload *u)
{
	const struct writer *w = u->writer;

	u->image.size = w->size;
	if (!u->image.virtual_size)
		u->image.virtual_size = w->size;
	u->image.checksum = w->md5;
	u->image.sha512 = w->sha512;
}

static void writer_settled(struct disk_job *j)
{
	struct upload *u = j->owner;
	struct writer *w = u->writer;

	u->writing = false;
	if (j->cancelled) {
		leave(u);
		return;
	}
	if (u->stage == DROPPING) {
		if (w->err.code)
			log_event(LOG_ERR, "what was uploaded stays until the next start", "image", u->uid,
				"detail", w->err.detail, NULL);
		u->stage = REQUEUING;
		submit_unit(u, requeue_run, requeue_finish);
		return;
	}
	if (w->err.code && !u->err.code)
		u->err = w->err;
	w->err = (struct error) { 0 };
	if (u->stage == SEALING && !u->err.code) {
		take_facts(u);
		u->stage = STORING;
		submit_unit(u, store_run, store_finish);
		return;
	}
	u->stage = RECEIVING; /* also when sealing failed: go_on drops it */
	go_on(u);
}

/* The writer is its thread's now, for good. */
static void writer_lost(void *owner)
{
	struct upload *u = owner;

	u->writer = NULL;
	leave(u);
}

/* --- the machine ------------------------------------------------------------------------------------------
 */

static bool has_room(const struct upload *u)
{
	return u->stage == RECEIVING && !u->err.code && u->gather.len < PIECE_BYTES;
}

/* Gives the writer what there is for it to do. False: u is gone. */
static bool advance(struct upload *u)
{
	if (u->writing || u->stage != RECEIVING)
		return true;
	if (u->err.code) {
		u->stage = DROPPING;
		return write_act(u, WRITER_DROP);
	}
	if (u->ended) {
		u->stage = SEALING;
		return write_act(u, WRITER_SEAL);
	}
	return u->gather.len < PIECE_BYTES || write_act(u, WRITER_WRITE);
}

/* Something changed, but for data that came. u may be gone afterwards. */
static void go_on(struct upload *u)
{
	if (advance(u) && has_room(u))
		http_body_resume(u->call->http);
}

static void inspect(struct upload *u)
{
	size_t n = u->gather.len < INSPECT_BYTES ? u->gather.len : INSPECT_BYTES;

	u->inspected = true;
	if (!u->err.code)
		image_inspect(
			u->gather.data ? u->gather.data : "", n, u->format, &u->image.virtual_size, &u->err);
}

static int check_size(const struct upload *u, struct error *err)
{
	int64_t max = u->call->api->config.image_size_max;

	if (u->transfer.bytes > max)
		return error_set(err, ERR_TOO_LARGE, "the image is larger than the %lld bytes allowed here",
			(long long)max);
	if (disk_transfer_bytes(u->transfer.project_id) > u->left)
		return error_set(err, ERR_OVER_QUOTA,
			"Quota exceeded for image_mib: only %lld bytes were left for all uploads",
			(long long)u->left);
	return 0;
}

static bool on_data(struct api_call *c, const void *p, size_t n)
{
	struct upload *u = c->stream.data_ctx;

	if (u->err.code)
		return false;
	u->transfer.bytes += (int64_t)n;
	if (check_size(u, &u->err) == 0)
		buf_append(&u->gather, p, n);
	if (!u->inspected && u->gather.len >= INSPECT_BYTES)
		inspect(u);
	return advance(u) && has_room(u); /* false: go_on resumes, or the answer ends it */
}

static void on_end(struct api_call *c)
{
	struct upload *u = c->stream.data_ctx;

	u->ended = true;
	if (!u->inspected)
		inspect(u);
	go_on(u);
}

static void on_abort(struct api_call *c)
{
	struct upload *u = c->stream.data_ctx;

	if (!u->err.code)
		error_set(&u->err, ERR_BAD_REQUEST, "the connection ended before all of the image came");
	go_on(u);
}

/* --- begin ------------------------------------------------------------------------------------------------
 */

static bool is_octets(const char *type)
{
	static const char octets[] = "application/octet-stream";
	size_t n = sizeof octets - 1;

	return type && strncasecmp(type, octets, n) == 0 && strchr("; ", type[n]);
}

static int check_request(struct api_call *c, const struct image *i, struct error *err)
{
	const char *type = http_header(c->http, "Content-Type");
	int64_t max = c->api->config.image_size_max;

	if (!is_octets(type))
		return error_set(err, ERR_MEDIA_TYPE,
			"image data must be sent with Content-Type: application/octet-stream");
	if (strcmp(i->status, "queued") != 0)
		return error_set(err, ERR_CONFLICT, "Image %s is in status %s: only a queued one takes data.",
			i->uid, i->status);
	if (!i->disk_format || !i->container_format)
		return error_set(err, ERR_BAD_REQUEST,
			"Properties disk_format and container_format must be set prior to saving data.");
	if (c->http->content_length > max)
		return error_set(err, ERR_TOO_LARGE, "the image is larger than the %lld bytes allowed here",
			(long long)max);
	return 0;
}

static int begin(struct api_call *c, bool staging, struct error *err)
{
	int64_t length = c->http->content_length, left;
	struct image i;
	struct upload *u;

	if (image_find_own(c, &i, err) < 0 || check_request(c, &i, err) < 0 ||
		image_quota(c->api, c->db, i.project_id, 0, length > 0 ? length : 0, &left, err) < 0)
		return -1;
	u = xcalloc(1, sizeof *u);
	u->left = left;
	u->staging = staging;
	if (disk_transfer_begin(&u->transfer, i.project_id, err) < 0) {
		free(u);
		return -1;
	}
	str_copy(u->uid, sizeof u->uid, i.uid);
	str_copy(u->format, sizeof u->format, i.disk_format);
	u->image = (struct image) { .id = i.id, .uid = u->uid };
	u->call = c;
	u->writer = writer_create(c->api, u->uid, c->http->content_length);
	u->writer->job.settled = writer_settled;
	u->writer->job.lost = writer_lost;
	u->writer->job.owner = u;
	c->stream = (struct api_stream) { .data = on_data, .end = on_end, .abort = on_abort, .data_ctx = u };
	submit_unit(u, claim_run, claim_finish);
	return 0;
}

int image_upload(struct api_call *c, struct error *err)
{
	return begin(c, false, err);
}

int image_stage(struct api_call *c, struct error *err)
{
	return begin(c, true, err);
}
