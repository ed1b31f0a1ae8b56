/* SPDX-License-Identifier: Apache-2.0 */
/* Actions that make images of servers: createImage, createBackup. The image is there at once, in status
 * saving; its data come when the flow brings them. */
#include <string.h>

#include "api/compute/server_act.h"
#include "api/compute/server_body.h"
#include "api/image/internal.h"
#include "base/crypto.h"
#include "base/util.h"
#include "store/host_images.h"
#include "store/server_power.h"
#include "store/snapshots.h"

/* --- the row */

struct properties {
	struct image *image;
	struct api_call *c;
};

static int set(struct properties *p, const char *key, const char *value, struct error *err)
{
	struct image *i = p->image;
	size_t k = 0;

	while (k < i->properties_n && strcmp(i->properties[k].key, key) != 0)
		k++;
	if (k == IMAGE_PROPERTIES_MAX)
		return error_set(
			err, ERR_BAD_REQUEST, "an image has at most %d properties", IMAGE_PROPERTIES_MAX);
	if (k == i->properties_n)
		i->properties_n++;
	i->properties[k] = (struct image_property) { key, value };
	return 0;
}

/* What was said of an earlier snapshot or backup is not true of this one. */
static bool is_own(const char *key)
{
	static const char *const own[] = { SNAPSHOT_TYPE, SNAPSHOT_INSTANCE, SNAPSHOT_BACKUP_TYPE,
		SNAPSHOT_ROTATION, "base_image_ref", "user_id", "owner_id", "image_state", "image_location" };

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (strcmp(own[i], key) == 0)
			return true;
	return false;
}

/* What the server's image says of its contents (os_type, hw_*, …) holds for its disk too. */
static int inherit(struct properties *p, int64_t image_id, struct error *err)
{
	const struct image_viewer all = { .is_admin = true };
	struct api_call *c = p->c;
	struct image_facts facts;
	struct image base;
	int rc = image_id ? store_image_facts(c->db, c->arena, image_id, &facts, err) : 0;

	if (rc < 0)
		return -1;
	if (rc == 0)
		return 0;
	if (!facts.deleted) {
		if (store_image_get(c->db, c->arena, all, facts.uid, &base, err) < 0)
			return -1;
		p->image->min_ram_mib = base.min_ram_mib;
		p->image->min_disk_gib = base.min_disk_gib;
		for (size_t i = 0; i < base.properties_n; i++)
			if (!is_own(base.properties[i].key) &&
				set(p, base.properties[i].key, base.properties[i].value, err) < 0)
				return -1;
	}
	return set(p, "base_image_ref", facts.uid, err);
}

static int describe(struct properties *p, const struct server *s, const struct server_snapshot *snapshot,
	struct error *err)
{
	const char *owner;

	if (inherit(p, s->image_id, err) < 0 ||
		store_server_project(p->c->db, p->c->arena, s->project_id, &owner, err) < 0 ||
		set(p, SNAPSHOT_TYPE, snapshot->type, err) < 0 ||
		set(p, SNAPSHOT_INSTANCE, s->uid, err) < 0 ||
		set(p, "user_id", p->c->who->user.uid ? p->c->who->user.uid : "", err) < 0 ||
		set(p, "owner_id", owner, err) < 0)
		return -1;
	for (size_t i = 0; i < snapshot->extra_n; i++) {
		const struct server_pair *x = &snapshot->extra[i];

		if (image_attribute_known(x->key))
			return error_set(err, ERR_BAD_REQUEST,
				"metadata.%.64s: an image has an attribute of that name; set it on the image",
				x->key);
		if (set(p, x->key, x->value, err) < 0)
			return -1;
	}
	return 0;
}

int server_snapshot_make(struct api_call *c, const struct server *s, int64_t project_id,
	struct server_snapshot *snapshot, struct error *err)
{
	char *uid = arena_alloc(c->arena, UUID_TEXT);
	struct image i = {
		.uid = uid,
		.project_id = project_id,
		.name = snapshot->name,
		.status = "saving",
		.visibility = "private",
		.disk_format = "qcow2",
		.container_format = "bare",
		.created_us = c->now_us,
		.updated_us = c->now_us,
		.properties = ARENA_ARRAY(c->arena, struct image_property, IMAGE_PROPERTIES_MAX),
	};
	struct properties p = { &i, c };

	uuid_make(c->api->loop->rng, uid);
	i.id = store_next_id(c->api->store);
	if (image_quota(c->db, project_id, 1, 0, NULL, err) < 0 || describe(&p, s, snapshot, err) < 0)
		return -1;
	if (s->disk_gib > i.min_disk_gib)
		i.min_disk_gib = s->disk_gib;
	snapshot->uid = uid;
	snapshot->id = i.id;
	return store_image_insert(c->db, &i, err);
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
