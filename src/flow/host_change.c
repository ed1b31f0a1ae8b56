/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator says of hosts after they were added: labels, traits, dedicated CPUs, links, ratios. */
#include <stdlib.h>
#include <string.h>

#include "base/cpuset.h"
#include "base/crypto.h"
#include "base/util.h"
#include "domain/cpu_traits.h"
#include "domain/gpu_products.h"
#include "domain/names.h"
#include "flow/host_link.h"
#include "flow/internal.h"
#include "flow/preempt.h"
#include "flow/topology.h"
#include "store/host_use.h"

enum { TRAITS_MAX = 64, NAMED_MAX = 5 };

/* ---- hosts ---- */

static int label(const char *what, const char *text, struct error *err)
{
	struct error why;

	if (!*text || name_check(NAME_ZONE, text, &why) == 0)
		return 0;
	return error_set(err, ERR_BAD_REQUEST, "%s: %.200s", what, why.msg);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In order, each once. */
static int traits(struct arena *a, const char *text, const char **out, struct error *err)
{
	CLEANUP(buf_finish) struct buf b = { 0 };
	char *list[TRAITS_MAX], *rest = NULL;
	size_t n = 0;

	for (char *t = strtok_r(arena_strdup(a, text), " ", &rest); t; t = strtok_r(NULL, " ", &rest)) {
		if (n == TRAITS_MAX)
			return error_set(err, ERR_BAD_REQUEST, "a host has at most %d traits", TRAITS_MAX);
		if (trait_check_custom(t, err))
			return -1;
		list[n++] = t;
	}
	qsort(list, n, sizeof *list, by_text);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || strcmp(list[i], list[i - 1]) != 0)
			buf_printf(&b, "%s%s", i ? " " : "", list[i]);
	*out = arena_strdup(a, buf_text(&b));
	return 0;
}

/* Servers that are pinned to CPUs which are to be taken from them. */
static int in_use(
	struct db *db, struct arena *a, const struct host_row *h, const struct cpuset *now, struct error *err)
{
	CLEANUP(buf_finish) struct buf names = { 0 };
	struct host_use_cpu *rows;
	const char *last = "";
	size_t n, found = 0;

	if (store_host_use_cpus(db, a, h->id, &rows, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) { /* by server */
		if (cpuset_has(now, (int)rows[i].cpu) || strcmp(rows[i].server_uid, last) == 0)
			continue;
		last = rows[i].server_uid;
		if (found++ < NAMED_MAX)
			buf_printf(&names, "%s%.60s (%s)", found > 1 ? ", " : "", rows[i].server_name, last);
	}
	if (!found)
		return 0;
	return error_set(err, ERR_CONFLICT,
		"servers are pinned to CPUs that would not be dedicated any more: %s%s", buf_text(&names),
		found > NAMED_MAX ? ", ..." : "");
}

static int there(struct db *db, const struct host_row *h, struct cpuset *set, struct error *err)
{
	CLEANUP(buf_finish) struct buf missing = { 0 };
	struct cpuset known;

	if (!h->inventory_us) /* not known yet */
		return 0;
	if (topology_dedicated(db, h, &known, err))
		return -1;
	cpuset_without(set, &known);
	if (cpuset_empty(set))
		return 0;
	cpuset_write(set, &missing);
	return error_set(err, ERR_BAD_REQUEST, "host %s has no CPUs %.200s", h->name, buf_text(&missing));
}

static int dedicated(struct db *db, struct arena *a, struct host_row *h, struct error *err)
{
	CLEANUP(buf_finish) struct buf b = { 0 };
	struct cpuset set, left;

	if (cpuset_parse(h->dedicated_cpus, &set))
		return error_set(err, ERR_BAD_REQUEST,
			"dedicated_cpus must be a list of CPUs below %d, as 2-15,34-47", CPUSET_MAX);
	cpuset_write(&set, &b);
	h->dedicated_cpus = arena_strdup(a, buf_text(&b));
	left = set;
	return there(db, h, &left, err) || in_use(db, a, h, &set, err) ? -1 : 0;
}

static int gpu_links(struct db *db, struct arena *a, const struct host_row *h, struct error *err)
{
	uint64_t links[GPU_LINKS_MAX];
	struct device_row *devices;
	size_t n;
	int k;

	if (strcmp(h->gpu_links, "auto") == 0 || strcmp(h->gpu_links, "none") == 0)
		return 0;
	k = gpu_links_parse(h->gpu_links, links);
	if (k < 1)
		return error_set(err, ERR_BAD_REQUEST,
			"gpu_links must be auto, none, or at most %d sets of GPUs by index with ';' between, "
			"as "
			"0-7;0-3;4-7",
			GPU_LINKS_MAX);
	if (store_device_list(db, a, h->id, &devices, &n, err))
		return -1;
	for (int i = 0; i < k; i++)
		if (n < 64 && links[i] >> n)
			return error_set(err, ERR_BAD_REQUEST,
				"gpu_links: host %s has %zu GPUs, counted from 0", h->name, n);
	return 0;
}

static int amounts(const struct host_row *h, struct error *err)
{
	if (h->ram_reserved_mib < 0 || h->disk_reserved_gib < 0)
		return error_set(err, ERR_BAD_REQUEST, "what is reserved must be 0 or more");
	return host_ratio_check("vcpu_ratio", h->vcpu_ratio_milli, err) ||
			       host_ratio_check("ram_ratio", h->ram_ratio_milli, err) ||
			       host_ratio_check("disk_ratio", h->disk_ratio_milli, err)
		       ? -1
		       : 0;
}

static int machine(const struct host_row *h, struct error *err)
{
	if (!h->hv_uuid[0] || uuid_valid(h->hv_uuid))
		return 0;
	return error_set(err, ERR_BAD_REQUEST,
		"machine must be the UUID that the host's libvirt tells, or empty: any");
}

static int told(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err)
{
	const struct link *l = link_find(e, host_id);

	return capacity_host_set(e, db, host_id, l && link_placed(l), err);
}

int flow_host_change(
	struct flow_engine *e, struct db *db, struct arena *a, const struct host_row *want, struct error *err)
{
	struct host_row h = *want;

	if (label("rack", h.rack, err) || label("fabric", h.fabric, err) || amounts(&h, err) ||
		traits(a, h.traits, &h.traits, err) || machine(&h, err) || dedicated(db, a, &h, err) ||
		gpu_links(db, a, &h, err))
		return -1;
	return store_host_set_options(db, &h, err) ? -1 : told(e, db, h.id, err);
}
