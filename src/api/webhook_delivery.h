/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries: the next events of one webhook as a signed body, sent from a thread; then a unit writes down
 * that they were taken, or when they are tried again, or that they are given up. */
#ifndef API_WEBHOOK_DELIVERY_H
#define API_WEBHOOK_DELIVERY_H

#include "api/webhooks.h"
#include "store/events.h"

struct lane;

enum { WEBHOOK_BATCH = 100, WEBHOOK_BACKOFF_MIN_MS = 1000, WEBHOOK_BACKOFF_MAX_MS = 3600 * 1000 };

struct webhook_sender {
	struct api *api;
	char *key; /* of the secrets */
	struct lane *lane;
	bool stopped; /* what comes back is forgotten */
	struct webhooks_stats stats;
	/* On the loop: it is over; its row says how, but when that could not be stored. */
	void (*over)(struct webhook_sender *s, int64_t id, bool failing, bool stored);
};

/* Sends what the page has, at most WEBHOOK_BATCH events. w->tries says whether its last one failed, which
 * comes back as `failing`. */
void webhook_delivery_begin(
	struct webhook_sender *s, const struct webhook *w, const struct event_page *page, int64_t after);

#endif
