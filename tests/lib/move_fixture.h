/* SPDX-License-Identifier: Apache-2.0 */
/* Moves of servers in a cloud of the flow fixture: the requests, and where things are. */
#ifndef TESTS_MOVE_FIXTURE_H
#define TESTS_MOVE_FIXTURE_H

#include <dirent.h>

#include "flow/server_move.h"
#include "flow_fixture.h"
#include "store/hosts.h"

/* ---- requests ---- */

struct go {
	const char *uid;
	struct server_move move;
	struct move_flavor flavor;
	int verb; /* 0 move, 'c' confirm, 'r' revert */
};

static inline int do_move(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct go *g = arg;
	struct flow_origin o = origin_now();
	struct server s;

	if (store_server_get(db, &a, c->project, g->uid, &s, err))
		return -1;
	if (g->verb == 'c')
		return flow_server_confirm(c->e, db, &a, &s, true, &o, err);
	if (g->verb == 'r')
		return flow_server_revert(c->e, db, &a, &s, true, &o, err);
	g->move.flavor = &g->flavor;
	return flow_server_move(c->e, db, &a, &s, &g->move, true, &o, err);
}

static inline struct go resize_to(const char *uid, int64_t vcpus, int64_t ram_mib, const char *extra_specs)
{
	return (struct go) { .uid = uid,
		.move = { .kind = MOVE_RESIZE },
		.flavor = { .uid = "f2",
			.name = "m1.other",
			.vcpus = vcpus,
			.ram_mib = ram_mib,
			.disk_gib = 20,
			.extra_specs = extra_specs ? extra_specs : "{}" } };
}

static inline struct go go_elsewhere(const char *uid, enum move_kind kind)
{
	return (struct go) { .uid = uid, .move = { .kind = kind } };
}

static inline void verb(struct cloud *c, const char *uid, int v)
{
	struct go g = { .uid = uid, .verb = v };

	cloud_ok(c, do_move, &g);
}

/* ---- looking ---- */

static inline int64_t quota_of(struct cloud *c, enum quota_resource r)
{
	return quota_index_get(flow_quota(c->e), c->project, r);
}

/* The host (0, 1, ...) of the fixture that a row names. */
static inline int host_of(struct cloud *c, const char *uid)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server s = cloud_server(c, &a, uid);

	for (unsigned i = 0; i < c->hosts_n; i++)
		if (c->hosts[i] == s.host_id)
			return (int)i;
	return -1;
}

static inline enum hv_power power_on(struct cloud *c, int host, const char *uid)
{
	struct sim_domain d = { .power = HV_POWER_ABSENT };

	sim_domain_get(c->worlds[host], uid, &d);
	return d.power;
}

static inline bool disk_on(struct cloud *c, int host, const char *uid)
{
	char name[HV_VOLUME_NAME];

	return sim_volume_exists(c->worlds[host], hv_server_volume(uid, HV_ROOT, name));
}

static inline int do_force_down(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	int host = *(int *)arg;

	return flow_host_force_down(c->e, db, c->hosts[host < 0 ? -host - 1 : host],
		host >= 0 ? &(struct host_proof) { .proof = "operator" } : NULL, err);
}

static inline int files_left(struct cloud *c)
{
	DIR *d = opendir(c->image_dir);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 3; /* ".", "..", the image */
}

#endif
