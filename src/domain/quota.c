/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/quota.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* Compute's and network's defaults are those of OpenStack. */
static const struct quota_resource_info infos[QUOTA_MAX] = {
	/* clang-format off */
	[QUOTA_INSTANCES]                   = { "instances", QUOTA_COMPUTE, QUOTA_PER_PROJECT, 10 },
	[QUOTA_CORES]                       = { "cores", QUOTA_COMPUTE, QUOTA_PER_PROJECT, 20 },
	[QUOTA_RAM]                         = { "ram", QUOTA_COMPUTE, QUOTA_PER_PROJECT, 51200 },
	[QUOTA_GPUS]                        = { "gpus", QUOTA_COMPUTE, QUOTA_PER_PROJECT, 8 },
	[QUOTA_METADATA_ITEMS]              = { "metadata_items", QUOTA_COMPUTE, QUOTA_PER_ITEM, 128 },
	[QUOTA_INJECTED_FILES]              = { "injected_files", QUOTA_COMPUTE, QUOTA_PER_ITEM, 5 },
	[QUOTA_INJECTED_FILE_CONTENT_BYTES] = { "injected_file_content_bytes", QUOTA_COMPUTE, QUOTA_PER_ITEM, 10240 },
	[QUOTA_INJECTED_FILE_PATH_BYTES]    = { "injected_file_path_bytes", QUOTA_COMPUTE, QUOTA_PER_ITEM, 255 },
	[QUOTA_KEY_PAIRS]                   = { "key_pairs", QUOTA_COMPUTE, QUOTA_PER_USER, 100 },
	[QUOTA_SERVER_GROUPS]               = { "server_groups", QUOTA_COMPUTE, QUOTA_PER_PROJECT, 10 },
	[QUOTA_SERVER_GROUP_MEMBERS]        = { "server_group_members", QUOTA_COMPUTE, QUOTA_PER_ITEM, 10 },
	[QUOTA_IMAGES]                      = { "images", QUOTA_IMAGE, QUOTA_PER_PROJECT, 100 },
	[QUOTA_IMAGE_MIB]                   = { "image_mib", QUOTA_IMAGE, QUOTA_PER_PROJECT, 1048576 },
	[QUOTA_NETWORKS]                    = { "networks", QUOTA_NETWORK, QUOTA_PER_PROJECT, 100 },
	[QUOTA_SUBNETS]                     = { "subnets", QUOTA_NETWORK, QUOTA_PER_PROJECT, 100 },
	[QUOTA_PORTS]                       = { "ports", QUOTA_NETWORK, QUOTA_PER_PROJECT, 500 },
	[QUOTA_ROUTERS]                     = { "routers", QUOTA_NETWORK, QUOTA_PER_PROJECT, 10 },
	[QUOTA_FLOATING_IPS]                = { "floating_ips", QUOTA_NETWORK, QUOTA_PER_PROJECT, 50 },
	[QUOTA_SECURITY_GROUPS]             = { "security_groups", QUOTA_NETWORK, QUOTA_PER_PROJECT, 10 },
	[QUOTA_SECURITY_GROUP_RULES]        = { "security_group_rules", QUOTA_NETWORK, QUOTA_PER_PROJECT, 100 },
	/* clang-format on */
};

const struct quota_resource_info *quota_resource_info(enum quota_resource r)
{
	return &infos[r];
}

bool quota_resource_find(const char *name, enum quota_resource *out)
{
	for (int i = 0; i < QUOTA_MAX; i++)
		if (strcmp(infos[i].name, name) == 0) {
			*out = (enum quota_resource)i;
			return true;
		}
	return false;
}

int quota_check(enum quota_resource r, int64_t limit, int64_t used, int64_t want, struct error *err)
{
	const char *name = infos[r].name;

	/* not used + want: that could overflow */
	if (want <= 0 || limit == QUOTA_UNLIMITED || (used <= limit && want <= limit - used))
		return 0;
	return error_set(err, ERR_OVER_QUOTA,
		"Quota exceeded for %s: Requested %" PRId64 ", but already used %" PRId64 " of %" PRId64
		" %s",
		name, want, used, limit, name);
}

int quota_limit_valid(enum quota_resource r, int64_t limit, struct error *err)
{
	if (limit >= QUOTA_UNLIMITED && limit <= INT32_MAX)
		return 0;
	return error_set(err, ERR_BAD_REQUEST, "%s must be an integer from -1 (unlimited) to %d",
		infos[r].name, INT32_MAX);
}

struct row {
	int64_t project;
	int64_t use[QUOTA_MAX];
};

struct change {
	int64_t project, delta;
	enum quota_resource resource;
};

/* Rows are never removed: a project that is gone uses nothing. slots is a hash by project of row + 1, 0 free.
 */
struct quota_index {
	struct row *rows;
	size_t rows_n, rows_cap;
	uint32_t *slots;
	size_t slots_n; /* a power of two, more than rows_cap */
	struct change *log;
	size_t log_n, log_cap;
};

struct quota_index *quota_index_create(void)
{
	return xcalloc(1, sizeof(struct quota_index));
}

void quota_index_destroy(struct quota_index *q)
{
	if (!q)
		return;
	free(q->rows);
	free(q->slots);
	free(q->log);
	free(q);
}

/* The slot of the project, or the free one where it belongs. */
static size_t slot_of(const struct quota_index *q, int64_t project)
{
	uint64_t h = (uint64_t)project * UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (size_t)(h >> 32) & (q->slots_n - 1);

	while (q->slots[i] && q->rows[q->slots[i] - 1].project != project)
		i = (i + 1) & (q->slots_n - 1);
	return i;
}

static void grow(struct quota_index *q)
{
	q->rows_cap = q->rows_cap ? 2 * q->rows_cap : 16;
	q->rows = xrealloc(q->rows, q->rows_cap * sizeof *q->rows);
	q->slots_n = 2 * q->rows_cap;
	free(q->slots);
	q->slots = xcalloc(q->slots_n, sizeof *q->slots);
	for (size_t i = 0; i < q->rows_n; i++)
		q->slots[slot_of(q, q->rows[i].project)] = (uint32_t)i + 1;
}

static const struct row *find(const struct quota_index *q, int64_t project)
{
	size_t i = q->slots_n ? slot_of(q, project) : 0;

	return q->slots_n && q->slots[i] ? &q->rows[q->slots[i] - 1] : NULL;
}

static struct row *have(struct quota_index *q, int64_t project)
{
	struct row *r = (struct row *)find(q, project);

	if (r)
		return r;
	if (q->rows_n == q->rows_cap)
		grow(q);
	q->slots[slot_of(q, project)] = (uint32_t)q->rows_n + 1;
	r = &q->rows[q->rows_n++];
	*r = (struct row) { .project = project };
	return r;
}

void quota_index_add(struct quota_index *q, int64_t project, enum quota_resource r, int64_t delta)
{
	if (!delta)
		return;
	have(q, project)->use[r] += delta;
	if (q->log_n == q->log_cap) {
		q->log_cap = q->log_cap ? 2 * q->log_cap : 64;
		q->log = xrealloc(q->log, q->log_cap * sizeof *q->log);
	}
	q->log[q->log_n++] = (struct change) { project, delta, r };
}

int64_t quota_index_get(const struct quota_index *q, int64_t project, enum quota_resource r)
{
	const struct row *row = find(q, project);

	return row ? row->use[r] : 0;
}

size_t quota_index_mark(const struct quota_index *q)
{
	return q->log_n;
}

void quota_index_undo(struct quota_index *q, size_t mark)
{
	while (q->log_n > mark) {
		const struct change *c = &q->log[--q->log_n];

		have(q, c->project)->use[c->resource] -= c->delta;
	}
}

void quota_index_forget(struct quota_index *q)
{
	q->log_n = 0;
}

static int by_project(const void *a, const void *b)
{
	const struct row *const *x = a, *const *y = b;

	return ((*x)->project > (*y)->project) - ((*x)->project < (*y)->project);
}

void quota_index_dump(const struct quota_index *q, struct buf *out)
{
	CLEANUP(free_ptr) const struct row **rows = xmalloc(q->rows_n * sizeof *rows);

	for (size_t i = 0; i < q->rows_n; i++)
		rows[i] = &q->rows[i];
	qsort(rows, q->rows_n, sizeof *rows, by_project);
	for (size_t i = 0; i < q->rows_n; i++)
		for (int r = 0; r < QUOTA_MAX; r++)
			if (rows[i]->use[r])
				buf_printf(out, "%" PRId64 " %s %" PRId64 "\n", rows[i]->project,
					infos[r].name, rows[i]->use[r]);
}
