/* SPDX-License-Identifier: Apache-2.0 */
/* Limits in bodies: each service has its own names for its share of them. */
#ifndef API_QUOTA_BODY_H
#define API_QUOTA_BODY_H

#include "base/bind.h"
#include "domain/quota.h"

struct quota_body {
	int64_t limits[QUOTA_MAX];
	bool force;
};

struct quota_field {
	struct bind_field field;
	enum quota_resource resource;
};

#define QUOTA_LIMIT(json_name, resource_)                                                         \
	.field = { .name = (json_name),                                                           \
		.type = BIND_INT,                                                                 \
		.offset = offsetof(struct quota_body, limits[0]) + (resource_) * sizeof(int64_t), \
		.min = QUOTA_UNLIMITED,                                                           \
		.max = INT32_MAX },                                                               \
	.resource = (resource_)

#endif
