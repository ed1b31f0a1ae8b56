/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks: imports under way and those of the last two days, as the clients look for them. */
#include "store/image_tasks.h"

#include <string.h>

#include "api/image/internal.h"
#include "base/util.h"

enum { TASKS_SHOWN = 100 };

static void view_task(struct buf *b, const struct image_task *t)
{
	char when[TIME_TEXT];

	jw_object(b);
	jw_kv_str(b, "id", t->uid);
	jw_kv_str(b, "type", "api_image_import");
	jw_kv_str(b, "status", t->status);
	jw_kv_str(b, "owner", t->project_uid);
	jw_kv_str(b, "message", t->message);
	jw_kv_str(b, "image_id", t->image_uid);
	jw_kv_str(b, "request_id", t->request_id);
	jw_kv_str(b, "user_id", t->user_uid);
	jw_key(b, "input");
	jw_object(b);
	jw_kv_str(b, "image_id", t->image_uid);
	jw_key(b, "import_req");
	jw_object(b);
	jw_key(b, "method");
	jw_object(b);
	jw_kv_str(b, "name", t->method);
	if (t->uri[0])
		jw_kv_str(b, "uri", t->uri);
	jw_end_object(b);
	jw_end_object(b);
	jw_end_object(b);
	jw_key(b, "result");
	if (strcmp(t->status, "success") == 0) {
		jw_object(b);
		jw_kv_str(b, "image_id", t->image_uid);
		jw_end_object(b);
	} else {
		jw_null(b);
	}
	jw_kv_str(b, "created_at", time_iso(t->created_us, when));
	jw_kv_str(b, "updated_at", time_iso(t->updated_us, when));
	jw_kv_str(b, "expires_at", time_iso(t->expires_us, when));
	jw_key(b, "self");
	jw_strf(b, "/v2/tasks/%s", t->uid);
	jw_kv_str(b, "schema", "/v2/schemas/task");
	jw_end_object(b);
}

static int list_tasks(struct api_call *c, int64_t project_id, int64_t image_id, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct image_task t;
	int rc;

	if (store_image_task_query(c->db, project_id, image_id, TASKS_SHOWN, &st, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "tasks");
	jw_array(&c->out);
	while ((rc = store_image_task_next(st, NULL, &t, err)) > 0)
		view_task(&c->out, &t);
	jw_end_array(&c->out);
	if (!image_id) {
		jw_kv_str(&c->out, "first", "/v2/tasks");
		jw_kv_str(&c->out, "schema", "/v2/schemas/tasks");
	}
	jw_end_object(&c->out);
	return rc;
}

/* Whose tasks a caller sees: an administrator all. -1: nobody's. */
static int64_t viewer(const struct api_call *c)
{
	return api_is_admin(c) ? 0 : c->who->project.id ? c->who->project.id : -1;
}

int image_tasks_of(struct api_call *c, struct error *err)
{
	struct image i;

	return image_find_own(c, &i, err) < 0 ? -1 : list_tasks(c, 0, i.id, err);
}

int image_task_list(struct api_call *c, struct error *err)
{
	return list_tasks(c, viewer(c), 0, err);
}

int image_task_show(struct api_call *c, struct error *err)
{
	struct image_task t;

	if (store_image_task_get(c->db, c->arena, viewer(c), api_param(c, "task_id"), &t, err) < 0)
		return -1;
	view_task(&c->out, &t);
	return 0;
}
