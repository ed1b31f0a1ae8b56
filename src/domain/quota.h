/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of a project: the table of what is limited and its defaults, the check, and an index in memory of
 * what each project uses, with a journal so that a refused unit of work leaves no trace. */
#ifndef DOMAIN_QUOTA_H
#define DOMAIN_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum quota_resource {
	QUOTA_INSTANCES,
	QUOTA_CORES,
	QUOTA_RAM, /* MiB */
	QUOTA_GPUS,
	QUOTA_METADATA_ITEMS, /* of one server or image */
	QUOTA_INJECTED_FILES,
	QUOTA_INJECTED_FILE_CONTENT_BYTES,
	QUOTA_INJECTED_FILE_PATH_BYTES,
	QUOTA_KEY_PAIRS, /* of one user */
	QUOTA_SERVER_GROUPS,
	QUOTA_SERVER_GROUP_MEMBERS, /* of one group */
	QUOTA_IMAGES,
	QUOTA_IMAGE_MIB,
	QUOTA_NETWORKS,
	QUOTA_SUBNETS,
	QUOTA_PORTS,
	QUOTA_ROUTERS,
	QUOTA_FLOATING_IPS,
	QUOTA_SECURITY_GROUPS,
	QUOTA_SECURITY_GROUP_RULES,
	QUOTA_MAX
};

enum quota_scope { QUOTA_PER_PROJECT, QUOTA_PER_USER, QUOTA_PER_ITEM };
enum quota_service { QUOTA_COMPUTE, QUOTA_IMAGE, QUOTA_NETWORK };

enum { QUOTA_UNLIMITED = -1 };

struct quota_resource_info {
	const char *name; /* as stored, and as the compute API's quota key: "cores" */
	enum quota_service service;
	enum quota_scope scope; /* the index counts QUOTA_PER_PROJECT only */
	int64_t default_limit;
};

const struct quota_resource_info *quota_resource_info(enum quota_resource r);
bool quota_resource_find(const char *name, enum quota_resource *out);

/* May `want` more be used? 0, or ERR_OVER_QUOTA whose message names resource, request, use and limit. limit
 * -1: unlimited; want 0 or less is always fine (a project above a lowered limit can still shrink). */
int quota_check(enum quota_resource r, int64_t limit, int64_t used, int64_t want, struct error *err);
/* A limit as an operator may set it: -1 or more. ERR_BAD_REQUEST. */
int quota_limit_valid(enum quota_resource r, int64_t limit, struct error *err);

/* What projects use. Rebuilt from the rows at start, kept up by whoever changes rows, compared by the check.
 */
struct quota_index;
struct quota_index *quota_index_create(void);
void quota_index_destroy(struct quota_index *q);
void quota_index_add(struct quota_index *q, int64_t project, enum quota_resource r, int64_t delta);
int64_t quota_index_get(const struct quota_index *q, int64_t project, enum quota_resource r);

/* As placement's: what follows a mark can be undone back to it, newest first; forget drops the journal once
 * the tick is on disk. */
size_t quota_index_mark(const struct quota_index *q);
void quota_index_undo(struct quota_index *q, size_t mark);
void quota_index_forget(struct quota_index *q);

/* "project resource use" a line, by project and resource, zeros left out: equal states give equal texts. */
void quota_index_dump(const struct quota_index *q, struct buf *out);

#endif
