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
	[QUOTA_DISK_GIB]                    = { "disk_gib", QUOTA_COMPUTE, QUOTA_PER_PROJECT, QUOTA_UNLIMITED },
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
	[QUOTA_ADDRESSES]                   = { "addresses", QUOTA_NETWORK, QUOTA_PER_PROJECT, QUOTA_UNLIMITED },
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

static const struct quota_resource_info gpus_info = { "gpu:", QUOTA_COMPUTE, QUOTA_PER_PROJECT,
	QUOTA_UNLIMITED };

bool quota_gpu_name(const char *name)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	const char *model = name + strlen(gpus_info.name), *profile;
	size_t n;

	if (!str_starts(name, gpus_info.name))
		return false;
	n = strspn(model, chars);
	if (n && !model[n])
		return n < FLAVOR_MODEL;
	if (!n && model[0] == '*')
		n = 1;
	profile = model + n + 1;
	if (!n || n >= FLAVOR_MODEL || model[n] != '/')
		return false;
	n = strspn(profile, chars);
	return n && n < FLAVOR_PROFILE && !profile[n];
}

const struct quota_resource_info *quota_resource_named(const char *name)
{
	enum quota_resource r;

	if (quota_resource_find(name, &r))
		return &infos[r];
	return quota_gpu_name(name) ? &gpus_info : NULL;
}

/* ---- limits ---- */

bool quota_fits(int64_t limit, int64_t used, int64_t want)
{
	/* not used + want: that could overflow */
	return want <= 0 || limit == QUOTA_UNLIMITED || (used <= limit && want <= limit - used);
}

int quota_refuse(const char *name, enum quota_whose whose, int64_t limit, int64_t used, int64_t want,
	struct error *err)
{
	if (whose == QUOTA_PARENTS)
		return error_set(err, ERR_OVER_QUOTA,
			"Quota exceeded for %.64s: Requested %" PRId64 ", already used %" PRId64
			" by this project, but a limit of a parent project, %" PRId64
			" %.64s, leaves no room for that",
			name, want, used, limit, name);
	return error_set(err, ERR_OVER_QUOTA,
		"Quota exceeded for %.64s: Requested %" PRId64 ", but already used %" PRId64 " of %" PRId64
		" %.64s%s",
		name, want, used, limit, name,
		whose == QUOTA_OWN_TREE ? " with the projects below this one" : "");
}

int quota_check(enum quota_resource r, int64_t limit, int64_t used, int64_t want, struct error *err)
{
	return quota_fits(limit, used, want) ? 0
					     : quota_refuse(infos[r].name, QUOTA_OWN, limit, used, want, err);
}

int quota_limit_valid(const char *name, int64_t limit, struct error *err)
{
	if (limit >= QUOTA_UNLIMITED && limit <= INT32_MAX)
		return 0;
	return error_set(
		err, ERR_BAD_REQUEST, "%.64s must be an integer from -1 (unlimited) to %d", name, INT32_MAX);
}

bool quota_below_fits(enum quota_scope scope, int64_t limit, const struct quota_below *below)
{
	if (limit == QUOTA_UNLIMITED || !below->n)
		return true;
	return !below->unlimited && (scope == QUOTA_PER_PROJECT ? below->sum : below->max) <= limit;
}

/* ---- amounts ---- */

void quota_amounts_add(struct quota_amounts *a, int resource, int64_t n)
{
	size_t i = 0;

	while (i < a->n && a->at[i].resource != resource)
		i++;
	if (i == a->cap) {
		a->cap = a->cap ? 2 * a->cap : 16;
		a->at = xrealloc(a->at, a->cap * sizeof *a->at);
	}
	if (i == a->n)
		a->at[a->n++] = (struct quota_amount) { resource, 0 };
	a->at[i].n += n;
}

int64_t quota_amounts_get(const struct quota_amounts *a, int resource)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->at[i].resource == resource)
			return a->at[i].n;
	return 0;
}

void quota_amounts_over(
	const struct quota_amounts *a, const struct quota_amounts *b, struct quota_amounts *out)
{
	for (size_t i = 0; i < a->n; i++) {
		int64_t more = a->at[i].n - quota_amounts_get(b, a->at[i].resource);

		if (more > 0)
			quota_amounts_add(out, a->at[i].resource, more);
	}
}

void quota_amounts_finish(struct quota_amounts *a)
{
	free(a->at);
	*a = (struct quota_amounts) { .at = NULL };
}
