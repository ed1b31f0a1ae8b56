/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that touches image files runs off the loop, on the lane "images". */
#ifndef API_IMAGE_DISK_H
#define API_IMAGE_DISK_H

#include "api/api.h"
#include "loop/lane.h"

/* Uploads and downloads at once, of all and of one project; each holds about half a MiB. */
enum { TRANSFERS_MAX = 256, TRANSFERS_PROJECT_MAX = 64 };

/* A piece of work that its owner submits as often as it likes, one at a time. What `run` reads and writes is
 * the job's alone until `settled`. */
struct disk_job {
	struct work work;
	void (*run)(struct disk_job *j);     /* on a thread */
	void (*settled)(struct disk_job *j); /* on the loop: may submit again, or free */
	void (*release)(struct disk_job *j); /* frees a job that was lost */
	/* On the loop, at the daemon's end: the job still runs, it is not the owner's any more. */
	void (*lost)(void *owner);
	void *owner;
	bool cancelled; /* for settled: run was not called, the daemon ends */
	bool is_lost;
};

void disk_start(void); /* also again, after image_finish */
/* False: the daemon ends, nothing is called. */
bool disk_submit(struct api *api, struct disk_job *j);

struct transfer {
	struct transfer *prev, *next;
	int64_t project_id;
	int64_t bytes; /* received for it, and not in a row yet */
};
/* A transfer begins: ERR_BUSY when there are too many. */
int disk_transfer_begin(struct transfer *t, int64_t project_id, struct error *err);
void disk_transfer_end(struct transfer *t);
/* Bytes of all transfers of the project. */
int64_t disk_transfer_bytes(int64_t project_id);

/* Where an image's bytes are; owned by the caller. */
char *disk_path(const struct api *api, const char *uid);
char *disk_part_path(const struct api *api, const char *uid);
/* Unlinks an image's file soon; what cannot be unlinked goes at the next start. */
void disk_remove(struct api *api, const char *uid);
/* errno as the client may hear it. Always -1. */
int disk_error(struct error *err, int number, const char *what, const char *path);

#endif
