/* SPDX-License-Identifier: Apache-2.0 */
/* The image service (Glance v2): images are rows, their bytes are files named by id in config.image_dir. */
#ifndef API_IMAGE_IMAGE_H
#define API_IMAGE_IMAGE_H

#include "api/api.h"

int image_versions(struct api_call *c, struct error *err); /* GET /image and /image/versions */
/* At start, before the first request: uploads that a crash cut off go back to queued, stray files go. */
int image_recover(struct api *api, struct error *err);
/* At the daemon's end, before the tick is destroyed: transfers under way are given up and answered. */
void image_finish(void);

#endif
