/* SPDX-License-Identifier: Apache-2.0 */
/* An image's copy in a host's pool: made once, when the first server there needs it; taken away when the
 * image is deleted and the last server is gone. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "flow/internal.h"
#include "flow/move.h"
#include "store/host_images.h"

struct stage_facts {
	struct host_image_row row;
	const char *path;
};

static enum flow_verdict stage_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	struct stage_facts *f = ARENA_NEW(&act->arena, struct stage_facts);
	struct image_facts image = { 0 };
	int rc = store_host_image_load(ro, &act->arena, act->flow->subject_id, &f->row, err);

	if (rc < 0)
		return FLOW_FAIL;
	if (rc == 0) {
		error_set(err, ERR_NOT_FOUND, "the image's row is gone");
		return FLOW_FAIL;
	}
	act->facts = f;
	act->host_id = f->row.host_id;
	if (store_image_facts(ro, &act->arena, f->row.image_id, &image, err) < 0)
		return FLOW_FAIL;
	act->call.owner = fair_project(image.project_id);
	f->path = arena_printf(&act->arena, "%s/%s", e->cfg.image_dir, f->row.image_uid);
	act->size.disk_gib = f->row.size >> 30;
	return FLOW_NEXT;
}

/* Who waits for the copy need not wait for a dead host. */
static enum flow_verdict copy_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	return unless_dead(e, ro, act, stage_load(e, ro, act, err), err);
}

static int stage_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct stage_facts *f = act->facts;
	CLEANUP(close_fd) int fd = open(f->path, O_RDONLY | O_CLOEXEC);
	char name[HV_VOLUME_NAME];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_internal(err, "image %s cannot be read: %s", f->row.image_uid, strerror(errno));
	if (st.st_size != f->row.size)
		return error_internal(err, "image %s has %lld bytes on disk instead of %lld",
			f->row.image_uid, (long long)st.st_size, (long long)f->row.size);
	hv_image_volume(f->row.image_uid, f->row.format, name);
	if (drv->image_ensure(conn, name, f->row.format, fd, f->row.size, f->row.virtual_size, err))
		return -1;
	return FLOW_NEXT;
}

static int stage_end(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	(void)e;
	return store_host_image_set(db, act->flow->subject_id, "ready", NULL, act->now_us, err);
}

static int stage_fail(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err)
{
	(void)e;
	return store_host_image_set(
		db, f->subject_id, "error", why->detail[0] ? why->detail : why->msg, 0, err);
}

static const struct flow_step stage_steps[] = {
	{ "copy", copy_load, stage_act, NULL, TASK_NONE, LINK_BULK, TIME_STAGE },
};

const struct flow_kind kind_image_stage = {
	.name = "image_stage",
	.subject = SUBJECT_HOST_IMAGE,
	.steps = stage_steps,
	.steps_n = ARRAY_LEN(stage_steps),
	.deadline_s = 6 * 3600,
	.end = stage_end,
	.fail = stage_fail,
};

static enum flow_verdict unstage_load(
	struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	act->clears = act->flow->subject_id;
	return stage_load(e, ro, act, err);
}

static int unstage_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct stage_facts *f = act->facts;
	char name[HV_VOLUME_NAME];

	hv_image_volume(f->row.image_uid, f->row.format, name);
	return drv->volume_remove(conn, name, err) ? -1 : FLOW_NEXT;
}

static int unstage_end(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	(void)e;
	return store_host_image_remove(db, act->flow->subject_id, err);
}

static const struct flow_step unstage_steps[] = {
	{ "remove", unstage_load, unstage_act, NULL, TASK_NONE, LINK_BULK, TIME_CALL },
};

const struct flow_kind kind_image_unstage = {
	.name = "image_unstage",
	.subject = SUBJECT_HOST_IMAGE,
	.flags = KIND_NEVER_FAILS,
	.steps = unstage_steps,
	.steps_n = ARRAY_LEN(unstage_steps),
	.deadline_s = 24 * 3600,
	.end = unstage_end,
};

/* ---- inside a unit ---- */

int image_stage_ensure(struct flow_engine *e, struct db *db, struct arena *a, int64_t host_id,
	int64_t image_id, const char *request_id, int64_t now_us, struct error *err)
{
	struct host_image_row row;
	const struct flow *f;
	int64_t id;
	int rc = store_host_image_find(db, a, host_id, image_id, &row, err);

	if (rc < 0)
		return -1;
	f = rc > 0 ? flow_find(e, row.id) : NULL;
	if (f && f->kind == &kind_image_unstage)
		return error_set(err, ERR_CONFLICT, "The image is deleted, and its copy is being removed.");
	if (rc > 0 && strcmp(row.state, "error") != 0)
		return 0;
	id = rc ? row.id : store_next_id(e->cfg.store);
	if (rc ? store_host_image_set(db, id, "staging", NULL, 0, err)
	       : store_host_image_insert(db, id, host_id, image_id, err))
		return -1;
	return flow_begin(e, db,
		&(struct flow_start) { .kind = &kind_image_stage,
			.subject_id = id,
			.request_id = request_id,
			.now_us = now_us },
		err);
}

static int unstage(struct flow_engine *e, struct db *db, int64_t id, const char *request_id, int64_t now_us,
	struct error *err)
{
	const struct flow_start start = {
		.kind = &kind_image_unstage, .subject_id = id, .request_id = request_id, .now_us = now_us
	};
	struct flow *f = flow_find(e, id);

	if (f && ((flow_is_busy(f) && !f->gave_up) || f->kind == &kind_image_unstage))
		return 0; /* a copy under way looks again at its end */
	return (f && flow_drop(e, db, f, err)) || flow_begin(e, db, &start, err) ? -1 : 0;
}

static int unstage_unused(struct flow_engine *e, struct db *db, int64_t host_id, int64_t image_id,
	const char *request_id, int64_t now_us, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t *ids;
	size_t n;

	if (store_host_image_unused(db, &a, host_id, image_id, &ids, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (unstage(e, db, ids[i], request_id, now_us, err))
			return -1;
	return 0;
}

int image_flow_ended(
	struct flow_engine *e, struct db *db, int64_t host_id, const char *request_id, struct error *err)
{
	return host_id ? unstage_unused(e, db, host_id, 0, request_id, engine_now(e), err) : 0;
}

int flow_image_deleted(struct flow_engine *e, struct db *db, int64_t image_id, struct error *err)
{
	return unstage_unused(e, db, 0, image_id, "", engine_now(e), err);
}

int image_copy_seen(struct flow_engine *e, struct db *db, int64_t host_id, int64_t image_id,
	const char *request_id, int64_t now_us, struct error *err)
{
	int64_t id = store_next_id(e->cfg.store);

	return store_host_image_insert(db, id, host_id, image_id, err) ||
			       unstage(e, db, id, request_id, now_us, err)
		       ? -1
		       : 0;
}
