/* SPDX-License-Identifier: Apache-2.0 */
/* Actions that make images of servers: createImage, createBackup. The image is there at once, in status
 * saving; its data come when the flow brings them. */
#include <string.h>

#include "api/compute/server_act.h"
#include "api/compute/server_body.h"
#include "api/image/internal.h"
#include "api/resources.h"
#include "base/util.h"
#include "store/guardrails.h"
#include "store/snapshots.h"

/* --- the row */

int server_snapshot_make(struct api_call *c, const struct server *s, int64_t project_id,
	struct server_snapshot *snapshot, struct error *err)
{
	for (size_t i = 0; i < snapshot->extra_n; i++)
		if (image_attribute_known(snapshot->extra[i].key))
			return error_set(err, ERR_BAD_REQUEST,
				"metadata.%.64s: an image has an attribute of that name; set it on the image",
				snapshot->extra[i].key);
	if (resources_room(c->api->resources, true, err) < 0 ||
		image_quota(c->api, c->db, project_id, 1, 0, NULL, err) < 0)
		return -1;
	snapshot->user_uid = c->who->user.uid ? c->who->user.uid : "";
	return server_snapshot_insert(
		c->api->flows, c->db, c->arena, s, project_id, snapshot, c->now_us, err);
}

/* --- the actions */

struct create_image_body {
	const char *name;
	json_t *metadata;
};

static const struct bind_field create_image_fields[] = {
	BIND(create_image_body, name, "name", BIND_STR, BIND_REQUIRED, 1, 255),
	{ .name = "metadata",
		.type = BIND_OBJ,
		.offset = offsetof(struct create_image_body, metadata),
		.flags = BIND_JSON,
		.table = &server_metadata_table },
};

const struct bind_table server_create_image_args = { BIND_TABLE(create_image_body, create_image_fields) };

struct backup_body {
	const char *name, *type;
	int64_t rotation;
	json_t *metadata;
};

static const struct bind_field backup_fields[] = {
	BIND(backup_body, name, "name", BIND_STR, BIND_REQUIRED, 1, 255),
	BIND(backup_body, type, "backup_type", BIND_STR, BIND_REQUIRED, 0, 255),
	BIND(backup_body, rotation, "rotation", BIND_INT, BIND_REQUIRED, 0, 1000000),
	{ .name = "metadata",
		.type = BIND_OBJ,
		.offset = offsetof(struct backup_body, metadata),
		.flags = BIND_JSON,
		.table = &server_metadata_table },
};

const struct bind_table server_create_backup_args = { BIND_TABLE(backup_body, backup_fields) };

static void reply(struct api_call *c, const char *uid)
{
	if (!since(c, 45)) {
		api_header(c, "Location", api_url(c, "/image/v2/images/%s", uid));
		return;
	}
	jw_object(&c->out);
	jw_kv_str(&c->out, "image_id", uid);
	jw_end_object(&c->out);
}

static int make(struct api_call *c, const struct server_act *a, enum server_action action,
	struct server_snapshot *snapshot, struct error *err)
{
	/* the image is the caller's, who may be an administrator of another project */
	int64_t project_id = c->who->project.id ? c->who->project.id : a->s->project_id;

	if (server_action_allowed(action, a->s->uid, a->s->vm_state, a->s->task_state, a->s->locked,
		    api_is_admin(c), err) < 0 ||
		store_guardrail_check(
			c->db, project_id, &(struct guardrail_ask) { .visibility = "private" }, err) < 0 ||
		server_check_metadata_count(c, project_id, snapshot->extra_n, err) < 0 ||
		server_snapshot_make(c, a->s, project_id, snapshot, err) < 0 ||
		flow_server_image(c->api->flows, c->db, a->s, action, snapshot->id, api_is_admin(c),
			a->origin, err) < 0)
		return -1;
	reply(c, snapshot->uid);
	return 0;
}

int server_act_create_image(struct api_call *c, const struct server_act *a, struct error *err)
{
	const struct create_image_body *in = a->in;
	struct server_snapshot snapshot = { .name = in->name, .type = "snapshot" };
	struct server_pair *pairs;

	if (in->metadata) {
		if (server_read_metadata(c, in->metadata, &pairs, &snapshot.extra_n, err) < 0)
			return -1;
		snapshot.extra = pairs;
	}
	return make(c, a, ACTION_CREATE_IMAGE, &snapshot, err);
}

int server_act_create_backup(struct api_call *c, const struct server_act *a, struct error *err)
{
	const struct backup_body *in = a->in;
	struct server_snapshot snapshot = { .name = in->name, .type = "backup" };
	struct server_pair *pairs, *all;
	size_t n = 0;

	if (in->metadata && server_read_metadata(c, in->metadata, &pairs, &n, err) < 0)
		return -1;
	all = ARENA_ARRAY(c->arena, struct server_pair, n + 2);
	if (n)
		memcpy(all, pairs, n * sizeof *all);
	all[n++] = (struct server_pair) { SNAPSHOT_BACKUP_TYPE, in->type };
	all[n++] = (struct server_pair) { SNAPSHOT_ROTATION,
		arena_printf(c->arena, "%lld", (long long)in->rotation) };
	snapshot.extra = all;
	snapshot.extra_n = n;
	return make(c, a, ACTION_CREATE_BACKUP, &snapshot, err);
}
