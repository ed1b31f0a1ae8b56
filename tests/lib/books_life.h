/* SPDX-License-Identifier: Apache-2.0 */
/* What can happen in a cloud, at random: for the model test of the books. Requests of tenants and operators
 * that are refused are as welcome as those that are not. */
#ifndef TESTS_BOOKS_LIFE_H
#define TESTS_BOOKS_LIFE_H

#include "change_fixture.h"
#include "move_fixture.h"

#include "flow/calendar.h"
#include "store/aggregates.h"
#include "store/devices.h"
#include "store/server_ports.h"

enum { HOSTS = 4, PROJECTS = 3, IMAGES_KEPT = 32, BLOCKS_KEPT = 8 };

static uint64_t random_state;

static inline uint64_t dice_wide(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1du >> 16;
}

static inline unsigned dice(unsigned n)
{
	return (unsigned)(dice_wide() % n);
}

static inline bool one_in(unsigned n)
{
	return dice(n) == 0;
}

struct guest {
	char uid[UUID_TEXT];
	int64_t project;
};

struct life {
	struct cloud c;
	int64_t projects[PROJECTS];
	struct guest *guests; /* whose deletion was not asked for */
	unsigned n, made, live;
	char images[IMAGES_KEPT][UUID_TEXT];
	unsigned images_n;
	int64_t blocks[BLOCKS_KEPT];
	unsigned blocks_n;
	int64_t aggregate; /* a zone that hosts join and leave */
};

/* ---- the world ---- */

/* Three in whole GPUs or parts, one without; two zones. */
static const struct {
	const char *params, *zone;
} life_hosts[HOSTS] = {
	{ "vcpus=64&ram_gib=256&disk_gib=4000&gpus=4&gpu=10de:2330&mdev=nvidia-474:7:H100-1-10C", "nova" },
	{ "vcpus=64&ram_gib=256&disk_gib=4000&gpus=4&gpu=10de:2330&mdev=nvidia-474:7:H100-1-10C,nvidia-475:3:"
	  "H100-2-20C",
		"nova" },
	{ "vcpus=64&ram_gib=256&disk_gib=4000&gpus=2&gpu=10de:2330", "east" },
	{ "vcpus=64&ram_gib=256&disk_gib=4000", "east" },
};

struct host_new {
	unsigned i;
	char uri[240];
};

static inline int do_zone(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	const struct host_new *h = arg;
	char name[16];
	struct host_add want = { .name = name,
		.uri = h->uri,
		.zone = life_hosts[h->i].zone,
		.vcpu_ratio_milli = 4000,
		.ram_ratio_milli = 1000,
		.disk_ratio_milli = 1000 };

	snprintf(name, sizeof name, "host%u", h->i);
	return flow_host_add(c->e, db, &want, origin_now().now_us, &c->hosts[h->i], err);
}

static inline void life_host(struct cloud *c, unsigned i)
{
	static unsigned worlds;
	struct host_new h = { .i = i };

	snprintf(c->worlds[i], sizeof c->worlds[i], "books%d-%u", (int)getpid(), worlds++);
	snprintf(h.uri, sizeof h.uri, "sim://%s?%s", c->worlds[i], life_hosts[i].params);
	cloud_ok(c, do_zone, &h);
	if (i == c->hosts_n)
		c->hosts_n++;
	cloud_until(c, host_connected, &i);
}

static inline int do_seed(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	struct life *l = arg;
	struct aggregate west = {
		.id = store_next_id(c->store), .uid = "a9000000-0000-4000-8000-000000000001", .name = "west"
	};

	l->projects[0] = c->project;
	for (unsigned i = 1; i < PROJECTS; i++) {
		char uid[40], name[16];

		l->projects[i] = store_next_id(c->store);
		snprintf(uid, sizeof uid, "c0ffee0000000000000000000000000%u", i + 1);
		snprintf(name, sizeof name, "tenant%u", i);
		if (db_run(db, err,
			    "INSERT INTO project (id, uid, domain_id, name, created_us) VALUES (?, ?, 1, ?, "
			    "1)",
			    "iss", l->projects[i], uid, name) < 0)
			return -1;
	}
	if (store_aggregate_insert(db, &west, err) ||
		store_aggregate_metadata_set(db, west.id, AGGREGATE_ZONE, "west", err))
		return -1;
	l->aggregate = west.id;
	return db_run(db, err,
		       "INSERT INTO quota_default (resource, hard_limit) VALUES ('gpus', -1), ('cores', -1), "
		       "('ram', -1), ('instances', -1), ('image_mib', -1), ('images', -1)",
		       NULL) < 0 ||
			       db_run(db, err, "UPDATE subnet SET pool_last = pool_first + 200", NULL) < 0
		       ? -1
		       : 0;
}

/* ---- tenants ---- */

static inline struct guest *life_guest(struct life *l)
{
	struct guest *g = l->n ? &l->guests[dice(l->n)] : NULL;

	if (g)
		l->c.project = g->project;
	return g;
}

static inline void some_create(struct life *l)
{
	static const char *const specs[] = { NULL, NULL, "{\"pci_passthrough:alias\":\"h100:1\"}",
		"{\"pci_passthrough:alias\":\"h100:2\"}",
		"{\"pci_passthrough:alias\":\"h100:1\",\"cloudd:preemptible\":\"true\"}",
		"{\"resources:VGPU\":\"1\",\"cloudd:gpu_profile\":\"nvidia-474\"}",
		"{\"resources:VGPU\":\"2\",\"cloudd:gpu_profile\":\"nvidia-475\"}",
		"{\"pci_passthrough:alias\":\"h100:1\",\"resources:VGPU\":\"1\",\"cloudd:gpu_profile\":"
		"\"nvidia-474\"}",
		"{\"cloudd:preemptible\":\"true\"}" };
	struct want w = { .vcpus = 1 + dice(4),
		.ram_mib = 64 * (1 + dice(8)),
		.disk_gib = 1 + dice(3),
		.ephemeral_gib = dice(2),
		.count = one_in(4) ? 3 : 1,
		.extra_specs = specs[dice(ARRAY_LEN(specs))] };

	l->c.project = l->projects[dice(PROJECTS)];
	if (l->blocks_n && one_in(3)) {
		w.reservation = l->blocks[one_in(3) ? dice(l->blocks_n) : l->blocks_n - 1];
		w.extra_specs = specs[2];
		w.count = 1;
		l->c.project = l->projects[0];
	}
	if (l->n + 3 > l->live || cloud_do(&l->c, do_create, &w))
		return;
	for (int i = 0; i < w.count; i++) {
		struct guest *g = &l->guests[l->n++];

		str_copy(g->uid, UUID_TEXT, w.uid[i]);
		g->project = l->c.project;
		l->made++;
	}
}

static inline void some_delete(struct life *l)
{
	struct guest *g = life_guest(l);

	if (g && cloud_do(&l->c, do_delete, g->uid) == 0)
		*g = l->guests[--l->n];
}

static inline void some_wish(struct life *l)
{
	struct guest *g = life_guest(l);
	struct change change = { .rotation = "1" };
	struct op op;

	for (int tries = 0; g && tries < 4; tries++, g = life_guest(l)) {
		op.uid = change.uid = g->uid;
		op.op = (enum server_op)dice(SERVER_RESUME + 1);
		change.what = (enum change_kind)(
			CHANGE_CREATE_IMAGE + (int)dice(CHANGE_UNSHELVE - CHANGE_CREATE_IMAGE + 1));
		if (!one_in(2)) {
			if (cloud_do(&l->c, do_op, &op) == 0)
				return;
			continue;
		}
		if (cloud_do(&l->c, do_change, &change))
			continue;
		if (change.what <= CHANGE_BACKUP && l->images_n < IMAGES_KEPT)
			str_copy(l->images[l->images_n++], UUID_TEXT, change.image_uid);
		return;
	}
}

static inline void some_move(struct life *l)
{
	static const char *const gpus[] = { NULL, "{\"pci_passthrough:alias\":\"h100:1\"}",
		"{\"pci_passthrough:alias\":\"h100:2\"}",
		"{\"resources:VGPU\":\"1\",\"cloudd:gpu_profile\":\"nvidia-474\"}" };
	struct guest *g = life_guest(l);

	/* most are in a state that does not allow it */
	for (int tries = 0; g && tries < 8; tries++, g = life_guest(l)) {
		struct go go =
			resize_to(g->uid, 1 + dice(4), 64 * (1 + dice(8)), gpus[dice(ARRAY_LEN(gpus))]);
		char flavor[8];

		snprintf(flavor, sizeof flavor, "f%u", dice(4));
		go.flavor.uid = flavor;
		go.move.kind = (enum move_kind)dice(MOVE_EVACUATION + 1);
		go.verb = (int[]) { 0, 0, 'c', 'r' }[dice(4)];
		if (cloud_do(&l->c, do_move, &go) == 0)
			return;
	}
}

static inline int do_image_gone(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct image_viewer anybody = { .is_admin = true };
	struct image i;

	if (store_image_get(db, &a, anybody, arg, &i, err))
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	return store_image_delete(db, i.id, origin_now().now_us, err) ||
			       flow_image_deleted(c->e, db, i.id, err) ||
			       store_quota_use_images(db, flow_quota(c->e), i.project_id, err)
		       ? -1
		       : 0;
}

static inline void some_image_gone(struct life *l)
{
	unsigned i = l->images_n ? dice(l->images_n) : 0;

	if (l->images_n && cloud_do(&l->c, do_image_gone, l->images[i]) == 0)
		memmove(l->images[i], l->images[--l->images_n], UUID_TEXT);
}

/* ---- operators ---- */

struct gpu_deed {
	unsigned which, what;
};

static inline int do_gpu(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	static const char *const cuts[] = { "whole", "mdev", "mdev" };
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct gpu_deed *deed = arg;
	struct device_row *all;
	size_t n;

	if (store_device_list(db, &a, 0, &all, &n, err))
		return -1;
	if (!n)
		return 0;
	all += deed->which % n;
	if (deed->what == 6) { /* until the next look at the host */
		all->present = !all->present;
		return store_device_update(db, all, err);
	}
	return flow_gpu_change(c->e, db, all, deed->what < 3 ? GPU_CUT : (enum gpu_change)(deed->what - 2),
		deed->what < 3 ? cuts[deed->what] : "why", err);
}

static inline void some_gpu(struct life *l)
{
	/* cut in 0 to 2, quarantined, faulty, cleared, absent */
	struct gpu_deed deed = { dice(64), (unsigned[]) { 0, 1, 2, 3, 4, 5, 5, 5, 6 }[dice(9)] };

	cloud_do(&l->c, do_gpu, &deed);
}

static inline int do_host_state(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	static const char *const states[] = { "up", "up", "up", "draining", "disabled" };

	(void)arg;
	return flow_host_set_state(
		c->e, db, c->hosts[dice(HOSTS)], states[dice(ARRAY_LEN(states))], "why", err);
}

static inline int do_join_zone(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t host = c->hosts[dice(HOSTS)];
	bool in = one_in(2);
	struct aggregate_change change = { .add_host = in ? host : 0, .remove_host = in ? 0 : host };

	return flow_aggregate_change(c->e, db, &a, *(int64_t *)arg, &change, origin_now().now_us, err);
}

static inline int do_host_remove(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	return flow_host_remove(c->e, db, c->hosts[*(unsigned *)arg], err);
}

/* An empty host is taken out of the cloud, and another takes its name. */
static inline void some_host_new(struct life *l)
{
	for (unsigned i = 0; i < HOSTS; i++)
		if (cloud_do(&l->c, do_host_remove, &i) == 0) {
			life_host(&l->c, i);
			return;
		}
}

static inline int do_some_block(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct life *l = arg;
	int64_t now_us = origin_now().now_us, id;
	struct block_want want = { .name = "b",
		.reason = "why",
		.start_us = now_us + (one_in(2) ? 0 : (int64_t)dice(48) * 3600000000),
		.hosts = &c->hosts[dice(HOSTS)] };

	want.end_us = want.start_us + (int64_t)(1 + dice(one_in(2) ? 20 : 1000)) * 3600000000;
	if (one_in(3)) {
		want.hosts_n = 1;
	} else {
		want.project_id = l->projects[0];
		want.model = "h100";
		want.gpus = 1 + dice(4);
	}
	if (flow_block_make(c->e, db, &a, &want, now_us, &id, err))
		return -1;
	l->blocks[l->blocks_n] = id;
	return 0;
}

static inline int do_block_less(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t now_us = origin_now().now_us;
	struct block b;

	if (store_block_load(db, &a, *(int64_t *)arg, &b, err))
		return -1;
	if (one_in(2))
		return flow_block_cancel(c->e, db, &a, &b, now_us, err);
	return flow_block_change(
		c->e, db, &a, &b, NULL, now_us + (int64_t)(1 + dice(100)) * 3600000000, now_us, err);
}

static inline void some_block(struct life *l)
{
	unsigned i = l->blocks_n ? dice(l->blocks_n) : 0;

	if (l->blocks_n == BLOCKS_KEPT)
		memmove(l->blocks, l->blocks + 1, --l->blocks_n * sizeof *l->blocks);
	if (l->blocks_n && one_in(3))
		cloud_do(&l->c, do_block_less, &l->blocks[i]);
	else if (cloud_do(&l->c, do_some_block, l) == 0)
		l->blocks_n++;
}

static inline int do_retry(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct flow_row *rows;
	size_t n;

	(void)arg;
	if (store_flow_list(db, &a, &rows, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (flow_retry(c->e, db, rows[i].id, err) && err->code != ERR_NOT_FOUND)
			return -1;
	return 0;
}

/* ---- trouble ---- */

static inline void some_fault(struct life *l)
{
	static const enum sim_fault_kind kinds[] = { SIM_FAIL, SIM_FAIL, SIM_FAIL_AFTER, SIM_LOSE_REPLY,
		SIM_DROP, SIM_DELAY };

	/* after the third refusal a flow gives up */
	sim_fault(l->c.worlds[dice(HOSTS)], (enum sim_op)dice(SIM_ANY + 1), 1 + dice(3), one_in(2) ? 1 : 4,
		kinds[dice(ARRAY_LEN(kinds))]);
}

static inline void some_trouble(struct life *l)
{
	const char *world = l->c.worlds[dice(HOSTS)];
	int host = (int)dice(HOSTS);

	switch (dice(10)) {
	case 0:
		sim_drop(world, "cable");
		break;
	case 1:
		sim_set_down(world, true);
		sim_drop(world, "down");
		break;
	case 2:
	case 3:
		sim_set_down(world, false);
		break;
	case 4:
		sim_crash(world);
		break;
	case 5:
		sim_events(world, one_in(2), one_in(2));
		break;
	case 6: /* the operator's word, right or wrong, or taken back */
		host = one_in(3) ? host : -host - 1;
		cloud_do(&l->c, do_force_down, &host);
		break;
	default: /* the guest itself, or somebody's virsh */
		for (unsigned i = 0, g = dice(64); l->n && i < HOSTS; i++)
			(host % 2 ? sim_guest_shutdown : sim_undefine)(
				l->c.worlds[i], l->guests[g % l->n].uid);
	}
}

static inline void some_operator(struct life *l)
{
	switch (dice(9)) {
	case 0:
	case 5:
		cloud_do(&l->c, do_host_state, NULL);
		break;
	case 4:
		some_host_new(l);
		cloud_do(&l->c, do_join_zone, &l->aggregate);
		break;
	case 1:
		some_block(l);
		break;
	case 2:
		flow_host_refresh(l->c.e, l->c.hosts[dice(HOSTS)]);
		break;
	case 3:
		cloud_do(&l->c, do_retry, NULL);
		break;
	default:
		some_gpu(l);
	}
}

#endif
