/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics: the daemon's own figures in Prometheus' text format, for administrators and for who has the
 * configured bearer token. Few series: by service, state, kind and host, never by server or project. */
#ifndef API_METRICS_H
#define API_METRICS_H

#include "api/api.h"

struct metrics;

/* token: NULL, or what a scraper says who is no administrator. */
struct metrics *metrics_create(struct api *api, const char *token);
void metrics_destroy(struct metrics *m);
/* A call was answered. */
void metrics_count(struct metrics *m, const struct api_service *service, int status);
/* Does "Authorization: Bearer ..." name the token? */
bool metrics_bearer(const struct metrics *m, const char *authorization);
int metrics_show(struct api_call *c, struct error *err);

#endif
