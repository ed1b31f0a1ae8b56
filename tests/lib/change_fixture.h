/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that change a server in its place or make an image of it, as the API makes them. */
#ifndef TESTS_CHANGE_FIXTURE_H
#define TESTS_CHANGE_FIXTURE_H

#include "flow_fixture.h"

#include <dirent.h>

#include "store/images.h"

enum change_kind {
	CHANGE_CREATE_IMAGE = 200,
	CHANGE_BACKUP,
	CHANGE_REBUILD,
	CHANGE_RESCUE,
	CHANGE_UNRESCUE,
	CHANGE_SHELVE,
	CHANGE_OFFLOAD,
	CHANGE_UNSHELVE
};

struct change {
	const char *uid;
	enum change_kind what;
	const char *rotation;      /* of a backup */
	const char *zone;          /* to be unshelved in */
	int64_t with;              /* image to rebuild or rescue with; 0: the seed's */
	int64_t image;             /* out: row of the image that is made */
	char image_uid[UUID_TEXT]; /* out */
};

/* An image's row as a request makes it. */
static inline int make_image(struct cloud *c, struct db *db, struct change *x, struct error *err)
{
	struct image_property properties[] = {
		{ "image_type", x->what == CHANGE_BACKUP ? "backup" : "snapshot" },
		{ "instance_uuid", x->uid },
		{ "backup_type", "daily" },
		{ "backup_rotation", x->rotation ? x->rotation : "" },
	};
	struct image i = {
		.id = store_next_id(c->store),
		.project_id = c->project,
		.uid = x->image_uid,
		.name = "made",
		.status = "saving",
		.visibility = "private",
		.disk_format = "qcow2",
		.container_format = "bare",
		.created_us = clock_wall(&clock_system),
		.updated_us = clock_wall(&clock_system),
		.properties = properties,
		.properties_n = ARRAY_LEN(properties),
	};

	uuid_make(&rng_system, x->image_uid);
	x->image = i.id;
	return store_image_insert(db, &i, err) || images_counted(c, db, err) ? -1 : 0;
}

/* A struct change. */
static inline int do_change(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct change *x = arg;
	const struct server_unshelve place = { .zone = x->zone };
	const struct server_rebuild rebuild = { .image_id = x->with ? x->with : c->image };
	struct flow_origin o = origin_now();
	struct server s;

	if (store_server_get(db, &a, c->project, x->uid, &s, err))
		return -1;
	switch (x->what) {
	case CHANGE_CREATE_IMAGE:
		return make_image(c, db, x, err) ||
		       flow_server_image(c->e, db, &s, ACTION_CREATE_IMAGE, x->image, false, &o, err);
	case CHANGE_BACKUP:
		return make_image(c, db, x, err) ||
		       flow_server_image(c->e, db, &s, ACTION_CREATE_BACKUP, x->image, false, &o, err);
	case CHANGE_SHELVE:
		return make_image(c, db, x, err) ||
		       flow_server_shelve(c->e, db, &s, x->image, false, &o, err);
	case CHANGE_OFFLOAD:
		return flow_server_shelve_offload(c->e, db, &s, false, &o, err);
	case CHANGE_UNSHELVE:
		return flow_server_unshelve(c->e, db, &a, &s, &place, false, &o, err);
	case CHANGE_REBUILD:
		s.name = "anew";
		s.admin_pass = "secret2";
		return flow_server_rebuild(c->e, db, &s, &rebuild, false, &o, err);
	case CHANGE_RESCUE:
		s.admin_pass = "secret3";
		return flow_server_rescue(c->e, db, &s, rebuild.image_id, false, &o, err);
	default:
		return flow_server_unrescue(c->e, db, &s, false, &o, err);
	}
}

/* What the daemon's start does (api/image/recover.c): a crash can come before the file of a deleted image
 * went. */
static inline void files_recover(struct cloud *c)
{
	static const char sql[] = "SELECT count(*) FROM image WHERE uid = substr(?, 1, 36) AND deleted_us != "
				  "0 AND name = 'made'";
	DIR *dir = opendir(c->image_dir);
	struct error err;

	assert_non_null(dir);
	for (const struct dirent *d; (d = readdir(dir));) {
		int64_t gone = 0;

		assert_true(db_int_query(store_ro(c->store), &err, &gone, sql, "s", d->d_name) >= 0);
		if (gone)
			unlinkat(dirfd(dir), d->d_name, 0);
	}
	closedir(dir);
}

/* The files are the seed's and one of each image that was made: what is gone goes from a thread. */
static inline bool files_match(struct cloud *c, void *arg)
{
	int64_t made = cloud_count(
		c, "SELECT count(*) FROM image WHERE status = 'active' AND deleted_us = 0 AND name = 'made'");
	DIR *dir = opendir(c->image_dir);
	int64_t files = 0;

	(void)arg;
	assert_non_null(dir);
	for (const struct dirent *d; (d = readdir(dir));)
		files += d->d_name[0] != '.';
	closedir(dir);
	return files == made + 1;
}

#endif
