/* SPDX-License-Identifier: Apache-2.0 */
/* Events as they happen, to those who keep a request open for them. The streams that are up to date share one
 * read of each commit; one that has fallen behind, or begins with the past, reads by itself, a page at a
 * time, as fast as its peer takes it. Nothing piles up here: what is not sent yet is in the database. */
#ifndef API_EVENT_STREAMS_H
#define API_EVENT_STREAMS_H

#include "api/api.h"
#include "store/events.h"

struct event_streams;

struct event_streams *event_streams_create(struct api *api);
/* Something was committed that events tell of. */
void event_streams_wake(struct event_streams *all);
/* Ends all, in order, and takes no more. */
void event_streams_stop(struct event_streams *all);
void event_streams_destroy(struct event_streams *all);
unsigned event_streams_open(const struct event_streams *all);

/* Answers the call with a stream of what f asks for, behind f->after (below 0: from now on). f's texts are
 * copied. -1 with ERR_BUSY when there are as many streams as there may be. */
int event_stream_begin(struct api_call *c, const struct event_filter *f, struct error *err);

#endif
