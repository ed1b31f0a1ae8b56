/* SPDX-License-Identifier: Apache-2.0 */
/* One delivery: a signed POST, on a thread. */
#ifndef API_WEBHOOK_POST_H
#define API_WEBHOOK_POST_H

#include <stdint.h>

#include "api/outbound.h"
#include "base/buf.h"

struct webhook_post {
	/* to the thread, which sees nothing else; texts of `to` are the configuration's, which outlives it */
	struct outbound to;
	char *url, *webhook, *secret;
	struct buf body;
	int64_t event_id, at_s; /* the last event in it; seconds since 1970 */
	/* from the thread */
	struct error err; /* code 0: it was taken, with a status from 200 to 299 */
};

void webhook_post_run(struct webhook_post *p);
void webhook_post_finish(struct webhook_post *p);

#endif
