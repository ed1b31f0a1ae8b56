/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that follows the rows: placement's index and what projects use of their quota. Both are built
 * from the rows at start; the engine's tick member undoes what a failed unit did to them. */
#include <jansson.h>
#include <string.h>

#include "base/util.h"
#include "domain/flavor.h"
#include "flow/claims.h"
#include "flow/drain.h"
#include "flow/expect.h"
#include "flow/internal.h"
#include "flow/preempt.h"
#include "flow/topology.h"
#include "store/allocations.h"
#include "store/devices.h"
#include "store/hosts.h"
#include "store/quota_use.h"
#include "store/servers.h"

/* ---- what a server counts ---- */

int capacity_wants(const char *extra_specs, struct flavor_wants *out, struct error *err)
{
	json_t *specs, *value;
	const char *key;
	int rc = 0;

	memset(out, 0, sizeof *out);
	if (!extra_specs || strcmp(extra_specs, "{}") == 0)
		return 0;
	specs = json_loads(extra_specs, 0, NULL);
	if (!json_is_object(specs)) {
		json_decref(specs);
		return error_internal(err, "extra specs are not an object: %.100s", extra_specs);
	}
	json_object_foreach(specs, key, value)
	{
		rc = flavor_extra_spec(
			key, json_string_value(value) ? json_string_value(value) : "", out, err);
		if (rc)
			break;
	}
	json_decref(specs);
	return rc;
}

int capacity_gpus(const char *extra_specs)
{
	struct flavor_wants wants;
	struct error err;

	return capacity_wants(extra_specs, &wants, &err) ? 0 : (int)flavor_wants_gpus(&wants);
}

static void request_gpu(const struct flavor_gpu_want *want, struct placement_request *out)
{
	struct placement_gpu_want *g = &out->gpus[out->gpus_n++];

	str_copy(g->model, sizeof g->model, want->model);
	str_copy(g->profile, sizeof g->profile, want->profile);
	g->count = want->count;
}

static void request_traits(struct arena *a, const struct flavor_wants *wants, struct placement_request *out)
{
	const char **required = ARENA_ARRAY(a, const char *, wants->traits_n + 1),
		   **forbidden = ARENA_ARRAY(a, const char *, wants->traits_n + 1);

	for (size_t i = 0; i < wants->traits_n; i++)
		if (wants->traits[i].forbidden)
			forbidden[out->traits_forbidden_n++] = wants->traits[i].name;
		else
			required[out->traits_required_n++] = wants->traits[i].name;
	out->traits_required = required;
	out->traits_forbidden = forbidden;
}

/* domain and placement do not see each other: their words are the same. */
_Static_assert(
	(int)FLAVOR_REQUIRED == PLACEMENT_REQUIRED && (int)FLAVOR_PREFERRED == PLACEMENT_PREFERRED, "");
_Static_assert((int)FLAVOR_PCI_REQUIRED == PLACEMENT_PCI_REQUIRED &&
		       (int)FLAVOR_PCI_PREFERRED == PLACEMENT_PCI_PREFERRED &&
		       (int)FLAVOR_PCI_SOCKET == PLACEMENT_PCI_SOCKET,
	"");
_Static_assert((int)FLAVOR_THREADS_ISOLATE == PLACEMENT_THREADS_ISOLATE &&
		       (int)FLAVOR_THREADS_REQUIRE == PLACEMENT_THREADS_REQUIRE,
	"");
_Static_assert((int)FLAVOR_ONE_HOST == PLACEMENT_ONE_HOST && (int)FLAVOR_ONE_RACK == PLACEMENT_ONE_RACK &&
		       (int)FLAVOR_ONE_FABRIC == PLACEMENT_ONE_FABRIC,
	"");
_Static_assert((int)FLAVOR_PAGE_ANY == PAGE_ANY && (int)FLAVOR_PAGE_LARGE == PAGE_LARGE, "");
_Static_assert((int)FLAVOR_CELLS_MAX == PLACEMENT_GUEST_CELLS_MAX && (int)FLAVOR_MODEL <= PLACEMENT_MODELS &&
		       (int)FLAVOR_GPU_KINDS_MAX <= PLACEMENT_GPU_KINDS_MAX,
	"");

void capacity_request(struct arena *a, const struct flavor_wants *wants, int64_t vcpus, int64_t ram_mib,
	int64_t disk_gib, struct placement_request *out)
{
	struct flavor_cell cells[FLAVOR_CELLS_MAX];

	*out = (struct placement_request) {
		.vcpus = vcpus,
		.ram_mib = ram_mib,
		.disk_gib = disk_gib,
		.link = (enum placement_wish)wants->link,
		.pci = (enum placement_pci)wants->pci,
		.cells_n = (size_t)flavor_wants_cells(wants, vcpus, ram_mib, cells),
		.dedicated = wants->dedicated,
		.threads = (enum placement_threads)wants->threads,
		.page_kib = wants->page_kib,
		.exclusive = wants->exclusive_host,
		.scope = (enum placement_scope)wants->scope,
		.scope_required = wants->scope_wish != FLAVOR_PREFERRED,
		.preemptible = wants->preemptible,
	};
	for (size_t i = 0; i < out->cells_n; i++)
		out->cells[i] = (struct placement_guest_cell) { cells[i].vcpus, cells[i].ram_mib };
	for (size_t i = 0; i < wants->gpus_n; i++)
		request_gpu(&wants->gpus[i], out);
	if (wants->part.count)
		request_gpu(&wants->part, out);
	request_traits(a, wants, out);
}

void capacity_amounts(struct quota_index *q, const struct capacity_size *size, struct quota_amounts *out)
{
	struct flavor_wants wants;
	struct error unreadable; /* then it counts no GPUs, as capacity_gpus has it */

	quota_amounts_add(out, QUOTA_INSTANCES, 1);
	quota_amounts_add(out, QUOTA_CORES, size->vcpus);
	quota_amounts_add(out, QUOTA_RAM, size->ram_mib);
	quota_amounts_add(out, QUOTA_DISK_GIB, size->disk_gib);
	if (capacity_wants(size->extra_specs, &wants, &unreadable) == 0)
		quota_count_gpus(q, &wants, out);
}

struct capacity_size capacity_size_of(const struct server *s)
{
	return (struct capacity_size) { s->vcpus, s->ram_mib, s->disk_gib + s->ephemeral_gib,
		s->extra_specs };
}

void capacity_count_server(struct quota_index *q, const struct server *s, int sign)
{
	CLEANUP(quota_amounts_finish) struct quota_amounts all = { .at = NULL };
	struct capacity_size size = capacity_size_of(s);

	capacity_amounts(q, &size, &all);
	quota_index_add_all(q, s->project_id, &all, sign);
}

/* GPUs are of each server the larger of its two flavors', too. */
static void count_gpus(struct quota_index *q, const struct quota_use_row *r)
{
	CLEANUP(quota_amounts_finish)
	struct quota_amounts own = { .at = NULL }, other = { .at = NULL }, all = { .at = NULL };

	capacity_amounts(q, &(struct capacity_size) { .extra_specs = r->extra_specs }, &own);
	capacity_amounts(q, &(struct capacity_size) { .extra_specs = r->other_specs }, &other);
	quota_amounts_over(&other, &own, &all);
	for (size_t i = 0; i < own.n; i++)
		if (own.at[i].resource != QUOTA_INSTANCES)
			quota_amounts_add(&all, own.at[i].resource, own.at[i].n);
	quota_index_add_all(q, r->project_id, &all, r->servers);
}

int capacity_quota_rebuild(struct db *db, struct quota_index *q, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct quota_use_row *servers;
	size_t n;

	if (store_quota_use_all(db, q, err) || store_quota_use_servers(db, &a, &servers, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct quota_use_row *r = &servers[i];

		quota_index_add(q, r->project_id, QUOTA_INSTANCES, r->servers);
		quota_index_add(q, r->project_id, QUOTA_CORES, r->vcpus);
		quota_index_add(q, r->project_id, QUOTA_RAM, r->ram_mib);
		quota_index_add(q, r->project_id, QUOTA_DISK_GIB, r->disk_gib);
		count_gpus(q, r);
	}
	quota_index_forget(q);
	return 0;
}

/* ---- hosts ---- */

static enum placement_host_state placement_state(const struct host_row *h, bool connected)
{
	if (strcmp(h->state, "disabled") == 0)
		return PLACEMENT_DISABLED;
	if (strcmp(h->state, "draining") == 0)
		return PLACEMENT_DRAINING;
	return connected && !h->forced_down && !h->comes_back ? PLACEMENT_UP : PLACEMENT_DOWN;
}

static int host_set(struct db *db, struct placement *p, const struct host_row *h,
	const struct device_row *devices, size_t n, bool connected, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct placement_host to;

	if (topology_host(db, &a, h, devices, n, &to, err))
		return -1;
	to.state = placement_state(h, connected);
	placement_host_set(p, &to);
	return 0;
}

int capacity_host_set(
	struct flow_engine *e, struct db *db, int64_t host_id, bool connected, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct device_row *devices;
	struct host_row h;
	size_t n;

	drain_changed(e);
	drain_room(e);
	if (store_host_load(db, &a, host_id, &h, err)) {
		/* removed meanwhile: nothing to tell */
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	}
	if (store_device_list(db, &a, host_id, &devices, &n, err))
		return -1;
	return host_set(db, e->placement, &h, devices, n, connected, err);
}

/* ---- from the rows ---- */

static int take_rows(struct db *db, struct arena *a, struct placement *p, struct error *err)
{
	struct allocation_row *rows;
	size_t n;

	if (store_allocation_list(db, a, 0, &rows, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct placement_request req;
		struct placement_choice choice;

		claim_held(&rows[i], &req, &choice);
		if (placement_take(p, rows[i].id, &req, &choice, true, err))
			return error_wrap(err, "allocation of server %lld", (long long)rows[i].server_id);
	}
	return 0;
}

/* The list is sorted by host. */
static size_t devices_first(const struct device_row *devices, size_t n, int64_t host_id)
{
	size_t lo = 0;

	while (lo < n) {
		size_t mid = lo + (n - lo) / 2;

		if (devices[mid].host_id < host_id)
			lo = mid + 1;
		else
			n = mid;
	}
	return lo;
}

/* A host whose row says up is refused for its state when it is not connected. The verdicts are in the order
 * of ids. */
static bool connected_in(const struct placement_verdict *v, size_t n, int64_t host_id)
{
	size_t lo = 0;

	while (lo < n) {
		size_t mid = lo + (n - lo) / 2;

		if (v[mid].host_id == host_id)
			return v[mid].rule != RULE_HOST_STATE;
		if (v[mid].host_id < host_id)
			lo = mid + 1;
		else
			n = mid;
	}
	return false;
}

static struct placement_verdict *verdicts_of(const struct placement *p, struct arena *a, size_t *out_n)
{
	struct placement_request any = { .vcpus = 1 };
	struct placement_verdict *verdicts;

	*out_n = p ? placement_hosts(p) : 0;
	verdicts = ARENA_ARRAY(a, struct placement_verdict, *out_n + 1);
	if (*out_n)
		placement_explain(p, &any, verdicts);
	return verdicts;
}

int capacity_hosts_compare(
	struct flow_engine *e, struct db *db, flow_finding_fn *found, void *ctx, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	size_t n, known;
	struct placement_verdict *verdicts = verdicts_of(e->placement, &a, &known);
	struct host_row *hosts;

	if (store_host_list(db, &a, &hosts, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct link *l = link_find(e, hosts[i].id);

		if (!l || link_telling(l) || strcmp(hosts[i].state, "up") != 0 || hosts[i].forced_down ||
			hosts[i].comes_back)
			continue;
		if (link_placed(l) != connected_in(verdicts, known, hosts[i].id))
			found(ctx, "memory-hosts", hosts[i].name,
				"placement does not know whether it is connected");
	}
	return 0;
}

int capacity_placement_rebuild(const struct flow_engine *e, const struct placement *like, struct db *db,
	struct placement *p, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	size_t known;
	struct placement_verdict *verdicts = verdicts_of(like, &a, &known);
	struct device_row *devices;
	struct host_row *hosts;
	size_t hosts_n, devices_n;

	if (store_host_list(db, &a, &hosts, &hosts_n, err) ||
		store_device_list(db, &a, 0, &devices, &devices_n, err))
		return -1;
	for (size_t i = 0; i < hosts_n; i++) {
		size_t first = devices_first(devices, devices_n, hosts[i].id);
		const struct link *l = link_find(e, hosts[i].id);

		if (host_set(db, p, &hosts[i], devices + first, devices_n - first,
			    like ? connected_in(verdicts, known, hosts[i].id) : l && link_placed(l), err))
			return -1;
	}
	if (take_rows(db, &a, p, err) || waiters_hold(db, p, err))
		return -1;
	placement_forget(p);
	return 0;
}

static int links_make(struct flow_engine *e, struct db *db, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct host_row *hosts;
	size_t n;

	if (store_host_list(db, &a, &hosts, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		link_set_host(e, &hosts[i]);
	return 0;
}

int capacity_create(struct flow_engine *e, struct db *db, struct error *err)
{
	e->placement = placement_create();
	e->quota = quota_index_create();
	return links_make(e, db, err) || capacity_placement_rebuild(e, NULL, db, e->placement, err) ||
			       capacity_quota_rebuild(db, e->quota, err) || flow_expect(e, db, err)
		       ? -1
		       : 0;
}

void capacity_destroy(struct flow_engine *e)
{
	placement_destroy(e->placement);
	quota_index_destroy(e->quota);
	e->placement = NULL;
	e->quota = NULL;
}
