/* SPDX-License-Identifier: Apache-2.0 */
#include "api/image/disk.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/image/internal.h"
#include "base/log.h"
#include "base/util.h"

enum { LANE_WIDTH = 4 };

/* One daemon has one directory of images, and one lane before it. */
static struct {
	struct lane *lane;
	bool ended;
	struct transfer *transfers;
} disk;

static void on_run(struct work *w)
{
	struct disk_job *j = CONTAINER_OF(w, struct disk_job, work);

	j->run(j);
}

static void on_done(struct work *w, enum work_result res)
{
	struct disk_job *j = CONTAINER_OF(w, struct disk_job, work);

	j->cancelled = res == WORK_CANCELLED;
	j->is_lost = res == WORK_GIVEN_UP;
	if (j->is_lost)
		j->lost(j->owner);
}

static void on_destroy(struct work *w)
{
	struct disk_job *j = CONTAINER_OF(w, struct disk_job, work);

	if (j->is_lost)
		j->release(j);
	else
		j->settled(j);
}

bool disk_submit(struct api *api, struct disk_job *j)
{
	if (disk.ended)
		return false;
	if (!disk.lane)
		disk.lane = lane_create(api->lanes, "images", LANE_WIDTH, UINT_MAX);
	j->work = (struct work) { .run = on_run, .done = on_done, .destroy = on_destroy };
	return lane_submit(disk.lane, &j->work);
}

void image_finish(void)
{
	struct lane *lane = disk.lane;

	image_import_finish();
	disk.ended = true;
	disk.lane = NULL;
	lane_destroy(lane);
}

void disk_start(void)
{
	disk.ended = false;
}

int disk_transfer_begin(struct transfer *t, int64_t project_id, struct error *err)
{
	unsigned all = 0, own = 0;

	for (const struct transfer *o = disk.transfers; o; o = o->next) {
		all++;
		own += o->project_id == project_id;
	}
	if (all >= TRANSFERS_MAX || own >= TRANSFERS_PROJECT_MAX)
		return error_set(err, ERR_BUSY,
			"too many images are being sent or received now: try again a little later");
	*t = (struct transfer) { .next = disk.transfers, .project_id = project_id };
	if (t->next)
		t->next->prev = t;
	disk.transfers = t;
	return 0;
}

void disk_transfer_end(struct transfer *t)
{
	if (t->next)
		t->next->prev = t->prev;
	if (t->prev)
		t->prev->next = t->next;
	else
		disk.transfers = t->next;
}

int64_t disk_transfer_bytes(int64_t project_id)
{
	int64_t bytes = 0;

	for (const struct transfer *t = disk.transfers; t; t = t->next)
		bytes += t->project_id == project_id ? t->bytes : 0;
	return bytes;
}

char *disk_path(const struct api *api, const char *uid)
{
	return xasprintf("%s/%s", api->config.image_dir, uid);
}

char *disk_part_path(const struct api *api, const char *uid)
{
	return xasprintf("%s/%s.part", api->config.image_dir, uid);
}

int disk_error(struct error *err, int number, const char *what, const char *path)
{
	if (number == ENOSPC || number == EDQUOT)
		error_set(err, ERR_NO_SPACE,
			"there is no space left for images: nothing was stored, tell your operator");
	else
		error_set(err, ERR_UNAVAILABLE,
			"the store of images cannot be used now: try again later, or tell your operator");
	return error_detail(err, "%s %.160s: %s", what, path, strerror(number));
}

/* --- removal ----------------------------------------------------------------------------------------------
 */

struct removal {
	struct disk_job job;
	char *path;
	int number; /* errno, or 0 */
};

static void removal_free(struct disk_job *j)
{
	struct removal *r = CONTAINER_OF(j, struct removal, job);

	free(r->path);
	free(r);
}

static void removal_run(struct disk_job *j)
{
	struct removal *r = CONTAINER_OF(j, struct removal, job);

	if (unlink(r->path) < 0 && errno != ENOENT)
		r->number = errno;
}

static void removal_settled(struct disk_job *j)
{
	const struct removal *r = CONTAINER_OF(j, struct removal, job);

	if (r->number)
		log_event(LOG_ERR, "the file of a deleted image stays until the next start", "path", r->path,
			"error", strerror(r->number), NULL);
	removal_free(j);
}

static void removal_lost(void *owner)
{
	(void)owner;
}

void disk_remove(struct api *api, const char *uid)
{
	struct removal *r = xcalloc(1, sizeof *r);

	r->path = disk_path(api, uid);
	r->job = (struct disk_job) {
		.run = removal_run, .settled = removal_settled, .release = removal_free, .lost = removal_lost
	};
	if (!disk_submit(api, &r->job))
		removal_free(&r->job);
}
