/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries of events to where webhooks say: in order for each, at least once, from threads, so that one
 *that does not answer holds up nothing but itself. How far each has come is in its row; here is only who has
 * something to be sent, and when.
 *
 *	commit → who wants it? → the next events, signed → POST on a thread → unit: done, or when to try again
 */
#ifndef API_WEBHOOKS_H
#define API_WEBHOOKS_H

#include "api/api.h"
#include "api/outbound.h"
#include "store/webhooks.h"

struct webhooks;

/* With what it makes of the secrets' key, when the configuration lets webhooks lead anywhere. */
int webhooks_create(struct api *api, struct webhooks **out, struct error *err);
/* Reads the rows. */
int webhooks_start(struct webhooks *all, struct error *err);
/* Something was committed that events tell of. */
void webhooks_wake(struct webhooks *all);
/* That row is new, was changed or removed: it is on disk. */
void webhooks_changed(struct webhooks *all, int64_t id);
/* In a unit, now and then: writes down how far those have come that nothing was for. */
int webhooks_note(struct webhooks *all, struct db *db, struct error *err);
/* Begins no more; what comes back now is forgotten, and sent again at the next start. */
void webhooks_stop(struct webhooks *all);
void webhooks_destroy(struct webhooks *all);

/* Are there any, by the configuration? */
bool webhooks_offered(const struct api *api);
/* Where they may lead; texts are the configuration's. */
struct outbound webhooks_outbound(const struct api *api);

/* Fills in the secret of a row that has its uid; in the arena. */
void webhooks_seal(struct webhooks *all, struct arena *a, const char *secret, struct webhook *w);

struct webhooks_stats {
	unsigned n, busy, failing; /* failing: those whose last delivery failed */
	uint64_t delivered, failed, events, given_up;
};
void webhooks_stats(const struct webhooks *all, struct webhooks_stats *out);

#endif
