/* SPDX-License-Identifier: Apache-2.0 */
/* Limits in random trees of projects, against sums over all projects that are made anew for each question:
 * what is admitted, alone or with others in one tick, what the operator may set, and that a unit which fails
 * after it was counted leaves nothing. */
#include "flow_fixture.h"

#include "base/log.h"
#include "store/projects.h"
#include "store/quota_tree.h"

enum { PROJECTS = 14, KINDS = 6, SERVERS_MAX = 400, TICKS = 150, UNITS_MAX = 8 };

#define SPECS "{\"pci_passthrough:alias\":\"a100:%d\"}"

static const char *const kinds[KINDS] = { "instances", "cores", "ram", "disk_gib", "gpus", "gpu:a100" };
static const int64_t defaults[KINDS] = { 10, 20, 51200, -1, 8, -1 };

/* ---- the oracle: plain arrays ---- */

static struct model {
	int64_t id[PROJECTS];
	int parent[PROJECTS]; /* -1: none */
	bool has[PROJECTS][KINDS];
	int64_t limit[PROJECTS][KINDS], use[PROJECTS][KINDS];
} model;

static bool is_below(int project, int top)
{
	while (project >= 0 && project != top)
		project = model.parent[project];
	return project == top;
}

static int64_t sum(int top, int kind)
{
	int64_t n = 0;

	for (int p = 0; p < PROJECTS; p++)
		if (is_below(p, top))
			n += model.use[p][kind];
	return n;
}

/* -1 where nothing holds it there */
static int64_t limit_at(int project, int kind)
{
	if (model.has[project][kind])
		return model.limit[project][kind];
	return model.parent[project] < 0 ? defaults[kind] : -1;
}

static bool admitted(int project, const int64_t want[KINDS])
{
	for (int p = project; p >= 0; p = model.parent[p])
		for (int k = 0; k < KINDS; k++)
			if (want[k] && limit_at(p, k) >= 0 && sum(p, k) + want[k] > limit_at(p, k))
				return false;
	return true;
}

/* Who holds this one's limit: the next one above that has one, or the topmost. */
static int holder(int project, int kind)
{
	int p = model.parent[project];

	while (p >= 0 && model.parent[p] >= 0 && !model.has[p][kind])
		p = model.parent[p];
	return p;
}

static bool settable(void)
{
	for (int top = 0; top < PROJECTS; top++)
		for (int k = 0; k < KINDS; k++) {
			int64_t all = 0;
			bool unlimited = false;

			for (int p = 0; p < PROJECTS; p++)
				if (model.has[p][k] && holder(p, k) == top) {
					unlimited |= model.limit[p][k] < 0;
					all += model.limit[p][k];
				}
			if (limit_at(top, k) >= 0 && (model.has[top][k] || model.parent[top] < 0) &&
				(unlimited || all > limit_at(top, k)))
				return false;
		}
	return true;
}

/* ---- dice ---- */

static unsigned seed = 20261122;

static unsigned dice(unsigned n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

/* ---- units ---- */

struct deed {
	enum { CREATE, REMOVE, LIMIT, RESET } what;
	int project, kind;
	int64_t n[KINDS], limit;
	bool fails; /* after it was done */
	bool may;   /* what the oracle says */
	struct want want;
	char specs[64], uid[UUID_TEXT];
};

static struct {
	int project;
	int64_t n[KINDS];
	char uid[UUID_TEXT];
} servers[SERVERS_MAX];
static int servers_n;

static int do_deed(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	struct deed *d = arg;
	int64_t id = model.id[d->project];
	int rc = 0;

	c->project = id;
	switch (d->what) {
	case CREATE:
		rc = do_create(c, db, &d->want, err);
		break;
	case REMOVE:
		rc = do_delete(c, db, d->uid, err);
		break;
	case LIMIT:
		rc = store_quota_set(db, id, kinds[d->kind], d->limit, err);
		break;
	case RESET:
		rc = store_quota_reset(db, id, QUOTA_COMPUTE, err);
		break;
	}
	if (rc == 0 && d->fails)
		return error_set(err, ERR_CONFLICT, "undone");
	return rc;
}

static void make_create(struct deed *d)
{
	int gpus = dice(3) ? 0 : 1 + (int)dice(2);

	d->what = CREATE;
	d->want = (struct want) { .vcpus = 1 + dice(4),
		.ram_mib = 512 * (1 + dice(8)),
		.disk_gib = 1 + dice(20),
		.ephemeral_gib = dice(5),
		.count = 1 + (int)dice(3) };
	if (gpus) {
		snprintf(d->specs, sizeof d->specs, SPECS, gpus);
		d->want.extra_specs = d->specs;
	}
	for (int k = 0; k < KINDS; k++) {
		const int64_t each[KINDS] = { 1, d->want.vcpus, d->want.ram_mib,
			d->want.disk_gib + d->want.ephemeral_gib, gpus, gpus };

		d->n[k] = each[k] * d->want.count;
	}
	d->fails = dice(6) == 0;
	d->may = admitted(d->project, d->n);
	for (int k = 0; d->may && !d->fails && k < KINDS; k++)
		model.use[d->project][k] += d->n[k];
}

/* Only of earlier ticks: uids are known then. */
static bool make_remove(struct deed *d)
{
	int i = servers_n ? (int)dice((unsigned)servers_n) : -1;

	if (i < 0)
		return false;
	*d = (struct deed) { .what = REMOVE, .project = servers[i].project, .may = true };
	str_copy(d->uid, sizeof d->uid, servers[i].uid);
	for (int k = 0; k < KINDS; k++)
		model.use[d->project][k] -= servers[i].n[k];
	servers[i] = servers[--servers_n];
	return true;
}

static void make_limit(struct deed *d)
{
	static const int64_t scale[KINDS] = { 3, 8, 4096, 30, 3, 3 };
	struct model before = model;

	d->what = dice(8) ? LIMIT : RESET;
	d->kind = (int)dice(KINDS);
	d->limit = dice(8) ? scale[d->kind] * dice(12) : -1;
	d->fails = dice(6) == 0;
	for (int k = 0; d->what == RESET && k < KINDS; k++)
		model.has[d->project][k] = false;
	if (d->what == LIMIT) {
		model.has[d->project][d->kind] = true;
		model.limit[d->project][d->kind] = d->limit;
	}
	d->may = settable();
	if (!d->may || d->fails)
		model = before;
}

static void make_deed(struct deed *d)
{
	unsigned what = dice(10);

	*d = (struct deed) { .project = (int)dice(PROJECTS) };
	if (what < 2 && make_remove(d))
		return;
	if (what < 6)
		make_limit(d);
	else
		make_create(d);
}

static void keep_servers(struct cloud *c, const struct deed *d)
{
	(void)c;
	for (int i = 0; i < d->want.count; i++) {
		assert_true(servers_n < SERVERS_MAX);
		servers[servers_n].project = d->project;
		for (int k = 0; k < KINDS; k++)
			servers[servers_n].n[k] = d->n[k] / d->want.count;
		str_copy(servers[servers_n++].uid, UUID_TEXT, d->want.uid[i]);
	}
}

static void judge(struct cloud *c, const struct cloud_unit *k, const struct deed *d)
{
	bool done = k->outcome == TICK_DONE;

	if (done != (d->may && !d->fails))
		fail_msg("deed %d of project %d: %s, the sums say %s", d->what, d->project,
			done ? "done" : k->err.msg, d->may ? "it fits" : "it does not fit");
	if (!d->may) {
		assert_int_equal(k->err.code, d->what == CREATE ? ERR_OVER_QUOTA : ERR_BAD_REQUEST);
		assert_true(strlen(k->err.msg) > 20);
	}
	if (done && d->what == CREATE)
		keep_servers(c, d);
}

/* All in one tick, as far as one takes them. */
static void play(struct cloud *c)
{
	static struct deed deeds[UNITS_MAX];
	struct cloud_unit units[UNITS_MAX];
	unsigned n = 1 + dice(UNITS_MAX);

	for (unsigned i = 0; i < n; i++) {
		make_deed(&deeds[i]);
		units[i] =
			(struct cloud_unit) { .unit = { .run = cloud_unit_run, .finish = cloud_unit_finish },
				.c = c,
				.fn = do_deed,
				.arg = &deeds[i] };
		tick_submit(c->tick, &units[i].unit);
	}
	for (unsigned i = 0; i < n; i++) {
		cloud_until(c, unit_finished, &units[i]);
		judge(c, &units[i], &deeds[i]);
	}
}

static int make_projects(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	for (int i = 0; i < PROJECTS; i++) {
		char uid[33], name[16];
		struct project p = { .id = store_next_id(c->store),
			.uid = uid,
			.domain_id = 1,
			.name = name,
			.description = "",
			.enabled = true,
			.extra = "{}" };

		model.parent[i] =
			(int)dice((unsigned)i + 1) - 1; /* the first is at the top, and some others */
		p.parent_id = model.parent[i] < 0 ? 0 : model.id[model.parent[i]];
		snprintf(uid, sizeof uid, "%032d", i);
		snprintf(name, sizeof name, "p%d", i);
		if (store_project_insert(db, &p, err))
			return -1;
		quota_index_parent(flow_quota(c->e), p.id, p.parent_id);
		model.id[i] = p.id;
	}
	return 0;
}

static void compare(struct cloud *c)
{
	struct quota_index *q = flow_quota(c->e);

	for (int p = 0; p < PROJECTS; p++)
		for (int k = 0; k < KINDS; k++) {
			int r = quota_index_resource(q, kinds[k]);

			assert_int_equal(quota_index_get(q, model.id[p], r), model.use[p][k]);
			assert_int_equal(quota_index_tree(q, model.id[p], r), sum(p, k));
		}
}

static void test_random_trees(void **state)
{
	struct cloud c = { 0 };

	(void)state;
	cloud_make(&c);
	cloud_ok(&c, make_projects, NULL);
	for (int i = 0; i < TICKS; i++) {
		play(&c);
		compare(&c);
		if (i % 50 == 0)
			cloud_clean(&c);
	}
	cloud_clean(&c);
	/* and the same after a restart, from the rows alone */
	cloud_shut(&c);
	cloud_open(&c);
	compare(&c);
	cloud_clean(&c);
	cloud_close(&c);
	cloud_remove(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_trees),
	};

	log_set_level(LOG_CRIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
