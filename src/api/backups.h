/* SPDX-License-Identifier: Apache-2.0 */
/* Backups of the database: when one is due, or asked for, it is made on a thread with connections of its own
 * (store/backup.h); what became of it is told, and how many are kept is seen to. */
#ifndef API_BACKUPS_H
#define API_BACKUPS_H

#include "api/api.h"
#include "loop/lane.h"
#include "store/backup.h"

struct backups;

struct backups *backups_create(struct api *api);
/* No more begin, and one under way is given up. */
void backups_stop(struct backups *b);
void backups_destroy(struct backups *b); /* NULL is fine */

/* Now. by: who asked. ERR_CONFLICT: one is under way. */
int backups_begin(struct backups *b, const char *by, struct error *err);

struct backups_state {
	bool running;
	int64_t done, total;            /* bytes, of the one under way */
	int64_t ended_us;               /* of the last one that ended since the start; 0: none did */
	const char *error;              /* what went wrong with it; "" nothing */
	const struct backup_info *kept; /* newest first; valid until the loop's next turn */
	size_t kept_n;
};
void backups_look(const struct backups *b, struct backups_state *out);
/* For reading a kept one in pieces: as lane_submit. */
bool backups_read(struct backups *b, struct work *w);

#endif
