/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of projects. */
#ifndef API_IDENTITY_TAGS_H
#define API_IDENTITY_TAGS_H

#include "api/identity/internal.h"

/* Replaces all; tags (checked by body_tags) may be NULL: none. */
int tags_set(struct api_call *c, int64_t project_id, const json_t *tags, struct error *err);
/* Does the project pass the query's tags, tags-any, not-tags, not-tags-any? 1, 0, -1. */
int tags_match(struct api_call *c, int64_t project_id, struct error *err);

#endif
