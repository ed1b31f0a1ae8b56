/* SPDX-License-Identifier: Apache-2.0 */
/* Random lives of clouds with all that hosts can have: nothing is ever given twice or beyond what there is,
 * what is given back is exactly what was taken, what is undone leaves no trace, and the state is the one that
 * is built from what is held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement_random.h"

enum { HOSTS = 10, SERVERS = 60, LIVES = 60, STEPS = 120 };

static struct random_host hosts[HOSTS + 1];

/* ---- what is held, added up ---- */

struct sums {
	int64_t vcpus, ram_mib, disk_gib;
	int64_t cell_ram[2], pages[2][2]; /* by cell: of 2 MiB, of 1 GiB */
	int64_t cpu[16], gpu_owner[8];    /* server, 0 */
	uint32_t slots[8];
	int share[8];
};

static void add_gpu(
	struct sums *s, const struct random_host *h, int64_t server, const struct placement_gpu_choice *c)
{
	const struct placement_gpu *g = NULL;
	size_t at = 0;
	uint32_t slots = 0;

	for (size_t i = 0; i < h->h.gpus_n; i++)
		if (h->gpus[i].id == c->id) {
			g = &h->gpus[i];
			at = i;
		}
	assert_non_null(g);
	for (size_t k = 0; *c->profile && k < g->geometry->profiles_n; k++)
		if (strcmp(g->geometry->profiles[k].name, c->profile) == 0) {
			const struct placement_profile *profile = &g->geometry->profiles[k];

			assert_true(profile->starts >> c->start & 1);
			assert_int_equal(profile->share, c->share);
			slots = ((1u << profile->slots) - 1) << c->start;
			assert_true(slots < 1u << g->geometry->slots);
		}
	assert_true(!*c->profile == !slots);
	assert_int_equal(s->gpu_owner[at], 0);
	assert_int_equal(s->slots[at] & slots, 0);
	s->slots[at] |= slots;
	s->share[at] += c->share;
	assert_in_range(s->share[at], 0, PLACEMENT_SHARE);
	if (!slots && c->share == PLACEMENT_SHARE)
		s->gpu_owner[at] = server;
}

static void add_cells(struct sums *s, const struct placement_choice *c)
{
	for (size_t i = 0; i < c->cells_n; i++) {
		const struct placement_cell_choice *of = &c->cells[i];

		assert_in_range(of->cell, 0, 1);
		if (of->page_kib == PAGE_4K) {
			s->cell_ram[of->cell] += of->ram_mib;
			s->ram_mib += of->ram_mib;
		} else {
			s->pages[of->cell][of->page_kib == PAGE_1G] +=
				(of->ram_mib * 1024 + of->page_kib - 1) / of->page_kib;
		}
	}
}

static void add_server(struct sums *s, const struct random_host *h, int64_t server,
	const struct placement_request *r, const struct placement_choice *c)
{
	s->vcpus += c->cpus_n ? 0 : r->vcpus;
	s->ram_mib += c->cells_n ? 0 : r->ram_mib;
	s->disk_gib += r->disk_gib;
	for (size_t i = 0; i < c->gpus_n; i++)
		add_gpu(s, h, server, &c->gpus[i]);
	add_cells(s, c);
	for (size_t i = 0; i < c->cpus_n; i++)
		for (int16_t k = 0; k < 16; k++) /* isolated: the whole core */
			if (k == c->cpus[i] || (c->cpus_isolated && k / 2 == c->cpus[i] / 2)) {
				assert_int_equal(s->cpu[k], 0);
				s->cpu[k] = server;
			}
}

static void check_host(const struct placement *p, int64_t id, const struct sums *s)
{
	const struct random_host *h = &hosts[id];
	struct placement_usage u;
	int gpus = 0, cpus = 0;
	int64_t huge = 0;

	if (!placement_host_usage(p, id, &u))
		return;
	assert_int_equal(u.vcpus_used, s->vcpus);
	assert_int_equal(u.ram_used_mib, s->ram_mib);
	assert_int_equal(u.disk_used_gib, s->disk_gib);
	assert_true(u.vcpus_used <= u.vcpus_total && u.ram_used_mib <= u.ram_total_mib &&
		    u.disk_used_gib <= u.disk_total_gib);
	for (size_t i = 0; i < 8; i++)
		gpus += s->share[i] > 0;
	assert_int_equal(u.gpus_used, gpus);
	for (size_t i = 0; i < 16; i++)
		cpus += s->cpu[i] > 0 && i % 8 < h->cells[i / 8].cpus_n;
	assert_int_equal(u.dedicated_used, cpus);
	for (size_t c = 0; c < h->h.cells_n; c++) {
		assert_true(s->cell_ram[c] <= h->cells[c].ram_mib);
		assert_true(s->pages[c][0] <= h->cells[c].pages_2m);
		assert_true(s->pages[c][1] <= h->cells[c].pages_1g);
		huge += s->pages[c][0] * 2 + s->pages[c][1] * 1024;
	}
	assert_int_equal(u.huge_used_mib, huge);
}

static void check_all(const struct placement *p)
{
	static struct placement_choice c;
	static struct sums sums[HOSTS + 1];
	struct placement_request r;

	memset(sums, 0, sizeof sums);
	for (int64_t server = 1; server <= SERVERS; server++)
		if (placement_held(p, server, &r, &c))
			add_server(&sums[c.host_id], &hosts[c.host_id], server, &r, &c);
	for (int64_t id = 1; id <= HOSTS; id++)
		check_host(p, id, &sums[id]);
}

/* The same from what is held, in another order, as at a start. */
static void check_rebuild(const struct placement *p, const bool *here, const int64_t *held_for)
{
	static struct placement_choice c;
	struct placement *q = placement_create();
	CLEANUP(free_ptr) char *is = random_dump(p);
	CLEANUP(free_ptr) char *again = NULL;
	struct placement_request r;
	struct error err;

	for (int64_t id = HOSTS; id; id--)
		if (here[id]) {
			placement_host_set(q, &hosts[id].h);
			placement_host_hold(q, id, held_for[id]);
		}
	for (int64_t server = SERVERS; server; server--)
		if (placement_held(p, server, &r, &c))
			assert_int_equal(placement_take(q, server, &r, &c, true, &err), 0);
	again = random_dump(q);
	assert_string_equal(is, again);
	placement_destroy(q);
}

/* ---- lives ---- */

struct life {
	struct placement *p;
	bool here[HOSTS + 1];
	int64_t held_for[HOSTS + 1];
};

static void step_create(struct life *l)
{
	static struct placement_choice c[3];
	struct random_request r;
	size_t n = 1 + rnd(3);
	struct error err;

	random_shape(&r);
	if (chance(2))
		random_constraints(&r, HOSTS);
	r.r.scope = (enum placement_scope)rnd(4);
	r.r.scope_required = chance(2);
	if (placement_choose(l->p, &r.r, n, c, &err)) {
		assert_int_equal(err.code, ERR_NO_HOST);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		int64_t server = 1 + rnd(SERVERS);
		struct placement_request had;
		static struct placement_choice other;

		if (!placement_held(l->p, server, &had, &other))
			assert_int_equal(placement_take(l->p, server, &r.r, &c[i], false, &err), 0);
	}
}

static void step_host(struct life *l)
{
	int64_t id = 1 + rnd(HOSTS);

	switch (rnd(4)) {
	case 0:
		if (placement_host_remove(l->p, id)) {
			l->here[id] = false;
			l->held_for[id] = 0;
		}
		break;
	case 1:
		if (!l->here[id])
			break;
		l->held_for[id] = rnd(3);
		placement_host_hold(l->p, id, l->held_for[id]);
		break;
	default:
		random_host_change(&hosts[id]);
		placement_host_set(l->p, &hosts[id].h);
		l->here[id] = true;
		break;
	}
}

static void step(struct life *l)
{
	if (chance(12))
		step_host(l);
	else if (chance(3))
		placement_release(l->p, 1 + rnd(SERVERS));
	else
		step_create(l);
}

static void live(struct life *l)
{
	static struct random_host saved[HOSTS + 1];

	for (int i = 0; i < STEPS; i++) {
		size_t mark = placement_mark(l->p);
		CLEANUP(free_ptr) char *before = random_dump(l->p);
		struct life was = *l;

		memcpy(saved, hosts, sizeof hosts);
		for (unsigned n = 1 + rnd(4); n; n--)
			step(l);
		check_all(l->p);
		if (chance(3)) {
			CLEANUP(free_ptr) char *after = NULL;

			placement_undo(l->p, mark);
			after = random_dump(l->p);
			assert_string_equal(before, after);
			memcpy(hosts, saved, sizeof hosts);
			*l = was;
			check_all(l->p);
		} else if (chance(3)) {
			placement_forget(l->p);
		}
		if (chance(10))
			check_rebuild(l->p, l->here, l->held_for);
	}
}

static void test_lives(void **state)
{
	(void)state;
	for (int i = 0; i < LIVES; i++) {
		struct life l = { .p = placement_create() };

		seed = 300 + (uint64_t)i;
		for (int64_t id = 1; id <= HOSTS; id++) {
			random_host(&hosts[id], id);
			l.here[id] = !chance(5);
			if (l.here[id])
				placement_host_set(l.p, &hosts[id].h);
		}
		live(&l);
		for (int64_t server = 1; server <= SERVERS; server++)
			placement_release(l.p, server);
		check_all(l.p);
		check_rebuild(l.p, l.here, l.held_for);
		placement_destroy(l.p);
	}
}

/* A copy has a life of its own. */
static void test_copy(void **state)
{
	struct life l = { .p = placement_create() }, other;
	CLEANUP(free_ptr) char *was = NULL;
	CLEANUP(free_ptr) char *is = NULL;

	(void)state;
	seed = 17;
	for (int64_t id = 1; id <= HOSTS; id++) {
		random_host(&hosts[id], id);
		l.here[id] = true;
		placement_host_set(l.p, &hosts[id].h);
	}
	for (int i = 0; i < 60; i++)
		step(&l);
	was = random_dump(l.p);
	other = l;
	other.p = placement_copy(l.p);
	is = random_dump(other.p);
	assert_string_equal(was, is);
	assert_int_equal(placement_mark(other.p), 0);
	for (int i = 0; i < 60; i++)
		step(&other);
	free(is);
	is = random_dump(l.p);
	assert_string_equal(was, is);
	placement_undo(other.p, 0);
	placement_destroy(l.p);
	free(is);
	is = random_dump(other.p);
	assert_string_equal(was, is);
	placement_destroy(other.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lives),
		cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
