/* SPDX-License-Identifier: Apache-2.0 */
/* Images made of servers, which go on meanwhile:
 *
 *	(request: the image's row, saving) --> snapshot --> upload --> the image is active
 *
 * `snapshot` copies the root disk, with what it is made over, to a volume of its own; `upload` brings that to
 * the directory of images. Whatever goes wrong leaves the server as it is, and no image. */
#include "base/util.h"
#include "flow/preempt.h"
#include "flow/server_parts.h"
#include "store/images.h"
#include "store/quota_use.h"
#include "store/quotas.h"
#include "store/server_power.h"
#include "store/snapshots.h"

enum { MIB_SHIFT = 20 };

/* How many bytes the project's limits leave for it. A server that is made to leave is kept in any case. */
static int bytes_left(const struct flow_engine *e, struct db *db, const struct act *act, int64_t project_id,
	int64_t *out, struct error *err)
{
	struct quota_amount mib = { QUOTA_IMAGE_MIB, 1 };
	int64_t room = 0;
	int leaves = preempt_begun(db, act->flow->subject_id, err);

	*out = INT64_MAX;
	if (leaves)
		return leaves < 0 ? -1 : 0;
	*out = e->cfg.image_size_max ? e->cfg.image_size_max : INT64_MAX;
	if (store_quota_room(db, e->quota, project_id, &(struct quota_amounts) { &mib, 1, 1 },
		    *out >> MIB_SHIFT, &room, err))
		return -1;
	if (room < *out >> MIB_SHIFT)
		*out = room << MIB_SHIFT;
	return 0;
}

/* ---- the steps ---- */

enum flow_verdict server_image_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	struct image_made *made = ARENA_NEW(&act->arena, struct image_made);
	int rc;

	if (server_load_row(e, ro, act, err) != FLOW_NEXT)
		return FLOW_FAIL;
	rc = store_image_facts(ro, &act->arena, act->flow->arg_id, &made->image, err);
	if (rc <= 0) {
		if (rc == 0)
			error_internal(err, "image %lld has no row", (long long)act->flow->arg_id);
		return FLOW_FAIL;
	}
	made->wanted = !made->image.deleted;
	made->path = arena_printf(&act->arena, "%s/%s", e->cfg.image_dir, made->image.uid);
	((struct server_facts *)act->facts)->made = made;
	return bytes_left(e, ro, act, made->image.project_id, &made->max, err) ? FLOW_FAIL : FLOW_NEXT;
}

static int flatten(
	const struct server_facts *f, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	char root[HV_VOLUME_NAME], to[HV_VOLUME_NAME];

	return drv->volume_flatten(conn, f->s.uid, hv_server_volume(f->s.uid, HV_ROOT, root),
		hv_server_volume(f->s.uid, HV_SNAPSHOT, to), err);
}

int server_snapshot_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	return f->made->wanted && flatten(f, drv, conn, err) ? -1 : FLOW_NEXT;
}

static int fetch(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, const char *name,
	struct error *err)
{
	const struct server_facts *f = act->facts;
	struct image_made *m = f->made;

	return image_file_fetch(act, drv, conn, name, m->path, m->max, &m->data, err);
}

int server_upload_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	char name[HV_VOLUME_NAME];
	struct error ignored;
	int rc = 0;

	hv_server_volume(f->s.uid, HV_SNAPSHOT, name);
	if (f->made->wanted) {
		rc = fetch(act, drv, conn, name, err);
		/* an earlier try got so far that the volume is gone */
		if (rc && err->code == ERR_NOT_FOUND)
			rc = flatten(f, drv, conn, err) || act_abandoned(act, err) ||
					     fetch(act, drv, conn, name, err)
				     ? -1
				     : 0;
	}
	if (rc) {
		if (!flow_error_passes(err->code) && !act_abandoned(act, &ignored))
			(void)drv->volume_remove(conn, name, &ignored);
		return -1;
	}
	return drv->volume_remove(conn, name, err) ? -1 : FLOW_NEXT;
}

/* ---- in a unit ---- */

int server_image_drop(struct flow_engine *e, struct db *db, int64_t image_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct image_facts image;
	int rc = image_id ? store_image_facts(db, &a, image_id, &image, err) : 0;

	if (rc <= 0)
		return rc;
	image_file_forget(e, image.uid);
	if (image.deleted)
		return 0;
	return store_image_delete(db, image_id, engine_now(e), err) ||
			       store_quota_use_images(db, e->quota, image.project_id, err) ||
			       flow_image_deleted(e, db, image_id, err)
		       ? -1
		       : 0;
}

static int rotate(struct flow_engine *e, struct db *db, int64_t image_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t *ids;
	size_t n;

	if (store_snapshot_surplus(db, &a, image_id, &ids, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (server_image_drop(e, db, ids[i], err))
			return -1;
	return 0;
}

/* What was uploaded meanwhile may have used up the project's limit. */
static int refuse(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	return store_server_action_finish(db, act->flow->action_id, act->now_us,
		       "Quota exceeded for image_mib: the image was not kept", err) ||
			       server_image_drop(e, db, act->flow->arg_id, err)
		       ? -1
		       : 0;
}

int server_image_finish(
	struct flow_engine *e, struct db *db, struct act *act, bool *out_made, struct error *err)
{
	const struct image_made *m = ((const struct server_facts *)act->facts)->made;
	struct image i = {
		.id = act->flow->arg_id,
		.size = m->data.size,
		.virtual_size = m->data.virtual_size,
		.checksum = m->data.md5,
		.sha512 = m->data.sha512,
	};
	int64_t left;
	int rc = 0;

	*out_made = false;
	if (bytes_left(e, db, act, m->image.project_id, &left, err))
		return -1;
	if (m->wanted && i.size > left)
		return refuse(e, db, act, err);
	if (m->wanted)
		rc = store_image_activate(db, &i, act->now_us, err);
	if (rc < 0 || (rc > 0 && store_quota_use_images(db, e->quota, m->image.project_id, err)))
		return -1;
	*out_made = rc > 0;
	/* it was deleted meanwhile: nobody else removes the file */
	return rc ? rotate(e, db, i.id, err) : server_image_drop(e, db, i.id, err);
}

static int upload_commit(struct flow_engine *e, struct db *db, struct act *act,
	enum flow_verdict *out_verdict, struct error *err)
{
	bool made;

	(void)out_verdict;
	return server_image_finish(e, db, act, &made, err);
}

static int image_end(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	(void)e;
	return store_server_task(db, act->flow->subject_id, TASK_NONE, act->now_us, err);
}

static int image_fail(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err)
{
	return server_image_drop(e, db, f->arg_id, err) ? -1 : server_fail_kept(e, db, f, why, err);
}

static int image_give_way(struct flow_engine *e, struct db *db, struct flow *f, struct error *err)
{
	return server_image_drop(e, db, f->arg_id, err);
}

/* ---- the tables ---- */

#define STEPS(task)                                                                                          \
	{                                                                                                    \
		{ "snapshot", server_image_load, server_snapshot_act, NULL, task, LINK_BULK, TIME_STAGE },   \
		{                                                                                            \
			"upload", server_image_load, server_upload_act, upload_commit, TASK_IMAGE_UPLOADING, \
				LINK_BULK, TIME_STAGE                                                        \
		}                                                                                            \
	}

static const struct flow_step image_steps[] = STEPS(TASK_IMAGE_SNAPSHOT);
static const struct flow_step backup_steps[] = STEPS(TASK_IMAGE_BACKUP);

#undef STEPS
#define KIND(kind_name, kind_steps)                                                          \
	{                                                                                    \
		.name = (kind_name), .subject = SUBJECT_SERVER, .steps = (kind_steps),       \
		.steps_n = ARRAY_LEN(kind_steps), .deadline_s = 6 * 3600L, .end = image_end, \
		.give_way = image_give_way, .fail = image_fail                               \
	}

const struct flow_kind kind_server_create_image = KIND("server_create_image", image_steps);
const struct flow_kind kind_server_create_backup = KIND("server_create_backup", backup_steps);

#undef KIND

int flow_server_image(struct flow_engine *e, struct db *db, struct server *s, enum server_action action,
	int64_t image_id, bool is_admin, const struct flow_origin *origin, struct error *err)
{
	struct server_start start = {
		.action = action,
		.kind = action == ACTION_CREATE_BACKUP ? &kind_server_create_backup
						       : &kind_server_create_image,
		.arg_id = image_id,
	};

	if (server_may(s, action, is_admin, err))
		return -1;
	return server_start(e, db, s, &start, origin, err);
}
