/* SPDX-License-Identifier: Apache-2.0 */
/* What a crash may have left: rows in status saving, parts of files, files without a row. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/image/disk.h"
#include "api/image/internal.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/util.h"
#include "flow/restored.h"
#include "store/moves.h"

struct recovery {
	struct tick_unit unit;
	struct api *api;
	int requeued;
};

static int recovery_run(struct tick_unit *u, struct error *err)
{
	struct recovery *r = CONTAINER_OF(u, struct recovery, unit);

	r->requeued = store_image_requeue_all(store_rw(r->api->store), clock_wall(r->api->loop->clock), err);
	return r->requeued < 0 ? -1 : 0;
}

static void recovery_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct recovery *r = CONTAINER_OF(u, struct recovery, unit);

	if (outcome != TICK_DONE)
		log_event(LOG_ERR, "uploads that were cut off stay in status saving", "error", err->msg,
			"detail", err->detail, NULL);
	else if (r->requeued)
		log_msg(LOG_NOTICE, "%d uploads were cut off: their images are queued again", r->requeued);
	free(r);
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* Is it a name that we make, and is there no row for it? 1, 0, -1. What is not ours is never touched. */
static int is_stray(struct db *db, const char *name, struct error *err)
{
	char uid[UUID_TEXT];
	bool disk;
	int rc;

	if (strlen(name) < sizeof uid - 1)
		return 0;
	memcpy(uid, name, sizeof uid - 1);
	uid[sizeof uid - 1] = '\0';
	if (!uuid_valid(uid))
		return 0;
	name += sizeof uid - 1;
	/* a server's disk on its way to another host is named by its move */
	disk = strncmp(name, ".ephemeral", strlen(".ephemeral")) == 0;
	name += disk ? strlen(".ephemeral") : 0;
	if (str_starts(name, ".part"))
		return 1;
	if (*name)
		return 0;
	rc = disk ? 0 : store_image_has_data(db, uid, err);
	if (rc == 0)
		rc = store_move_is_open(db, uid, err);
	return rc < 0 ? -1 : !rc;
}

static int remove_strays(struct api *api, struct error *err)
{
	CLEANUP(close_dir) DIR *dir = opendir(api->config.image_dir);
	struct dirent *e;
	int rc;

	if (!dir)
		return disk_error(err, errno, "open", api->config.image_dir);
	while ((e = readdir(dir))) {
		rc = is_stray(store_ro(api->store), e->d_name, err);
		if (rc < 0)
			return -1;
		if (!rc)
			continue;
		if (unlinkat(dirfd(dir), e->d_name, 0) < 0)
			log_event(LOG_ERR, "cannot remove what an upload or a deletion left", "file",
				e->d_name, "error", strerror(errno), NULL);
		else
			log_event(LOG_NOTICE, "removed what an upload or a deletion left", "file", e->d_name,
				NULL);
	}
	return 0;
}

/* Nothing can be done about it here, but the operator should know before a tenant does. */
static int tell_missing(void *ctx, const struct image *i, struct error *err)
{
	struct api *api = ctx;
	CLEANUP(free_ptr) char *path = disk_path(api, i->uid);
	struct stat st;
	bool there = stat(path, &st) == 0;

	(void)err;
	if (strcmp(i->status, "active") != 0 && strcmp(i->status, "deactivated") != 0)
		return 0;
	if (!there || st.st_size != i->size)
		log_event(LOG_ERR, "the file of an image is missing or has another size", "path", path, NULL);
	return 0;
}

int image_recover(struct api *api, struct error *err)
{
	static const struct image_scan everything = { .viewer = { .is_admin = true },
		.member_status = "all" };
	struct recovery *r;

	disk_start();
	/* files that are newer than rows put back from a backup are nobody's leftovers */
	if ((!(api->flows && flow_restored(api->flows)) && remove_strays(api, err) < 0) ||
		store_image_scan(store_ro(api->store), &everything, tell_missing, api, err) < 0)
		return -1;
	r = xcalloc(1, sizeof *r);
	r->api = api;
	r->unit = (struct tick_unit) { .run = recovery_run, .finish = recovery_finish };
	tick_submit(api->tick, &r->unit);
	return image_import_resume(api, err);
}
