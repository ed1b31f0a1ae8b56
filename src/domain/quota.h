/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of projects: the table of what is limited and its defaults, the check, and an index in memory of
 * what each project and all below it use, with a journal so that a refused unit of work leaves no trace. */
#ifndef DOMAIN_QUOTA_H
#define DOMAIN_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "domain/flavor.h"

/* ---- resources: those of the table, and GPUs by what they are ---- */

enum quota_resource {
	QUOTA_INSTANCES,
	QUOTA_CORES,
	QUOTA_RAM, /* MiB */
	QUOTA_GPUS,
	QUOTA_DISK_GIB,       /* root and ephemeral disks of servers, as their flavors say */
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
	QUOTA_ADDRESSES, /* fixed ones, of ports */
	QUOTA_ROUTERS,
	QUOTA_FLOATING_IPS,
	QUOTA_SECURITY_GROUPS,
	QUOTA_SECURITY_GROUP_RULES,
	QUOTA_MAX
};

enum quota_scope { QUOTA_PER_PROJECT, QUOTA_PER_USER, QUOTA_PER_ITEM };
enum quota_service { QUOTA_COMPUTE, QUOTA_IMAGE, QUOTA_NETWORK };

enum { QUOTA_UNLIMITED = -1, QUOTA_NAME = 5 + FLAVOR_MODEL + FLAVOR_PROFILE };

struct quota_resource_info {
	const char *name; /* as stored, and as the compute API's quota key: "cores" */
	enum quota_service service;
	enum quota_scope scope; /* the index counts QUOTA_PER_PROJECT only */
	int64_t default_limit;
};

const struct quota_resource_info *quota_resource_info(enum quota_resource r);
bool quota_resource_find(const char *name, enum quota_resource *out);
/* "gpu:MODEL" counts whole GPUs that flavors ask for by that model, "gpu:MODEL/PROFILE" parts of GPUs; the
 * model of parts is '*' where a flavor names none. They are compute's, per project and unlimited by default.
 */
bool quota_gpu_name(const char *name);
/* Of any name: those of the table, or the values of GPUs. NULL: no such resource. */
const struct quota_resource_info *quota_resource_named(const char *name);

/* ---- limits ---- */

/* Does `want` more fit? want 0 or less always does (a project above a lowered limit can still shrink). */
bool quota_fits(int64_t limit, int64_t used, int64_t want);

enum quota_whose { QUOTA_OWN, QUOTA_OWN_TREE, QUOTA_PARENTS };
/* ERR_OVER_QUOTA, whose message names resource, request, use and limit. QUOTA_OWN_TREE: the use is also of
 * projects below; QUOTA_PARENTS: the limit is of one above, `used` the project's own. */
int quota_refuse(const char *name, enum quota_whose whose, int64_t limit, int64_t used, int64_t want,
	struct error *err);
/* Both, for what is counted elsewhere. */
int quota_check(enum quota_resource r, int64_t limit, int64_t used, int64_t want, struct error *err);
/* A limit as an operator may set it: -1 or more. ERR_BAD_REQUEST. */
int quota_limit_valid(const char *name, int64_t limit, struct error *err);

/* What the limits of those below (each the first on its way down that has one) come to. */
struct quota_below {
	int64_t sum, max, n;
	bool unlimited; /* one of them */
};
/* Do they fit inside `limit`? Of what is counted per user or item each must, of all else their sum. */
bool quota_below_fits(enum quota_scope scope, int64_t limit, const struct quota_below *below);

/* ---- amounts: of several resources, each once ---- */

struct quota_amount {
	int resource; /* of an index: enum quota_resource, or beyond */
	int64_t n;
};
struct quota_amounts {
	struct quota_amount *at;
	size_t n, cap;
};
void quota_amounts_add(struct quota_amounts *a, int resource, int64_t n);
int64_t quota_amounts_get(const struct quota_amounts *a, int resource);
/* By how much `a` is larger than `b`, where it is. */
void quota_amounts_over(
	const struct quota_amounts *a, const struct quota_amounts *b, struct quota_amounts *out);
void quota_amounts_finish(struct quota_amounts *a);

/* ---- what projects use ---- */

/* Rebuilt from the rows at start, kept up by whoever changes rows, compared by the check. */
struct quota_index;
struct quota_index *quota_index_create(void);
void quota_index_destroy(struct quota_index *q);

/* The number of a resource by its name; names of GPUs get one when they are first asked for. Less than 0: no
 * such resource. */
int quota_index_resource(struct quota_index *q, const char *name);
const char *quota_index_name(const struct quota_index *q, int resource);
int quota_index_resources(const struct quota_index *q); /* how many numbers there are */

/* Parent 0: none. A project that is not known is at the top. Its use moves with it. */
void quota_index_parent(struct quota_index *q, int64_t project, int64_t parent);
void quota_index_add(struct quota_index *q, int64_t project, int resource, int64_t delta);
void quota_index_add_all(
	struct quota_index *q, int64_t project, const struct quota_amounts *a, int64_t times);
int64_t quota_index_get(const struct quota_index *q, int64_t project, int resource);
/* Of the project and all below it. */
int64_t quota_index_tree(const struct quota_index *q, int64_t project, int resource);
/* What a server with such wants counts beside its size. */
void quota_count_gpus(struct quota_index *q, const struct flavor_wants *w, struct quota_amounts *out);

/* As placement's: what follows a mark can be undone back to it, newest first; forget drops the journal once
 * the tick is on disk. */
size_t quota_index_mark(const struct quota_index *q);
void quota_index_undo(struct quota_index *q, size_t mark);
void quota_index_forget(struct quota_index *q);

/* "project resource use use-of-the-subtree" a line, by project and resource, zeros left out: equal states
 * give equal texts. */
void quota_index_dump(const struct quota_index *q, struct buf *out);

#endif
