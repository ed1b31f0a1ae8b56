/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/server_snapshot.h"

#include <string.h>

#include "base/util.h"
#include "flow/internal.h"
#include "store/host_images.h"
#include "store/images.h"
#include "store/quota_use.h"
#include "store/server_power.h"
#include "store/snapshots.h"

struct properties {
	struct image *image;
	struct db *db;
	struct arena *a;
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
	struct image_facts facts;
	struct image base;
	int rc = image_id ? store_image_facts(p->db, p->a, image_id, &facts, err) : 0;

	if (rc < 0)
		return -1;
	if (rc == 0)
		return 0;
	if (!facts.deleted) {
		if (store_image_get(p->db, p->a, all, facts.uid, &base, err) < 0)
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
		store_server_project(p->db, p->a, s->project_id, &owner, err) < 0 ||
		set(p, SNAPSHOT_TYPE, snapshot->type, err) < 0 ||
		set(p, SNAPSHOT_INSTANCE, s->uid, err) < 0 ||
		set(p, "user_id", snapshot->user_uid, err) < 0 || set(p, "owner_id", owner, err) < 0)
		return -1;
	for (size_t i = 0; i < snapshot->extra_n; i++)
		if (set(p, snapshot->extra[i].key, snapshot->extra[i].value, err) < 0)
			return -1;
	return 0;
}

int server_snapshot_insert(struct flow_engine *e, struct db *db, struct arena *a, const struct server *s,
	int64_t project_id, struct server_snapshot *snapshot, int64_t now_us, struct error *err)
{
	char *uid = arena_alloc(a, UUID_TEXT);
	struct image i = {
		.id = store_next_id(e->cfg.store),
		.uid = uid,
		.project_id = project_id,
		.name = snapshot->name,
		.status = "saving",
		.visibility = "private",
		.disk_format = "qcow2",
		.container_format = "bare",
		.created_us = now_us,
		.updated_us = now_us,
		.properties = ARENA_ARRAY(a, struct image_property, IMAGE_PROPERTIES_MAX),
	};
	struct properties p = { &i, db, a };

	uuid_make(e->cfg.loop->rng, uid);
	if (describe(&p, s, snapshot, err) < 0)
		return -1;
	if (s->disk_gib > i.min_disk_gib)
		i.min_disk_gib = s->disk_gib;
	snapshot->uid = uid;
	snapshot->id = i.id;
	return store_image_insert(db, &i, err) || store_quota_use_images(db, e->quota, project_id, err) ? -1
													: 0;
}

const char *server_shelved_name(struct arena *a, const char *server_name)
{
	static const char suffix[] = "-shelved";
	size_t n = strlen(server_name), max = IMAGE_NAME_MAX - (sizeof suffix - 1);

	if (n > max) {
		n = max;
		while (n && ((unsigned char)server_name[n] & 0xc0) == 0x80)
			n--;
	}
	return arena_printf(a, "%.*s%s", (int)n, server_name, suffix);
}
