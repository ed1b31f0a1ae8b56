/* SPDX-License-Identifier: Apache-2.0 */
/* An event as others see it: the same JSON in lists, streams and deliveries. */
#ifndef API_EVENT_VIEW_H
#define API_EVENT_VIEW_H

#include <stdbool.h>

#include "base/buf.h"
#include "store/events.h"

/* is_operator: with what only operators see. */
void event_view(struct buf *b, const struct event_row *r, bool is_operator);
/* One of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
void event_view_sent(struct buf *b, const struct event_row *r, bool is_operator);
/* What stands in for events that are not kept any more: those behind `after`, up to `upto`. */
void event_view_lost(struct buf *b, int64_t after, int64_t upto);

#endif
