/* SPDX-License-Identifier: Apache-2.0 */
/* What is expected, and the orders: which of the hosts that fit is chosen; the mix in the journal and as
 * JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/json.h"
#include "placement/placement.h"

static const struct placement_profile profiles[] = { { "1g", 0x7f, 1, 125 }, { "7g", 0x01, 8, 1000 } };
static const struct placement_geometry geometry = { 8, false, profiles, ARRAY_LEN(profiles) };

struct host {
	int vcpus, gib, gpus;
	const char *model;
	bool shared, cut;
};

static void add(struct placement *p, int64_t id, struct host of)
{
	struct placement_gpu gpus[8];
	struct placement_host h = { .id = id,
		.vcpus = of.vcpus,
		.ram_mib = of.gib * 1024,
		.vcpu_ratio_milli = 1000,
		.ram_ratio_milli = 1000,
		.disk_ratio_milli = 1000,
		.gpus = gpus,
		.gpus_n = (size_t)of.gpus };

	snprintf(h.name, sizeof h.name, "h%d", (int)id);
	for (int i = 0; i < of.gpus; i++) {
		gpus[i] = (struct placement_gpu) { .id = id * 100 + i,
			.numa_cell = -1,
			.iommu_group = -1,
			.healthy = true,
			.shared = of.shared,
			.geometry = of.cut ? &geometry : NULL };
		str_copy(gpus[i].model, sizeof gpus[i].model, of.model);
	}
	placement_host_set(p, &h);
}

static struct placement_request wish(int vcpus, int gib, int gpus, const char *model, int share)
{
	struct placement_request r = { .vcpus = vcpus, .ram_mib = gib * 1024, .gpus_n = gpus > 0 };

	r.gpus[0].count = gpus;
	r.gpus[0].share = share;
	str_copy(r.gpus[0].model, sizeof r.gpus[0].model, model);
	return r;
}

/* The host's id; it is taken. 0: none. */
static int64_t place(struct placement *p, int64_t server, struct placement_request r)
{
	static struct placement_choice c;
	struct error err;

	if (placement_choose(p, &r, 1, &c, &err) < 0)
		return 0;
	assert_int_equal(placement_take(p, server, &r, &c, false, &err), 0);
	return c.host_id;
}

static int64_t where(struct placement *p, struct placement_request r)
{
	static struct placement_choice c;
	struct error err;

	return placement_choose(p, &r, 1, &c, &err) < 0 ? 0 : c.host_id;
}

/* Host 1 could take servers that want many vCPUs, which host 2 cannot: a small one does not go there. */
static void test_scarce(void **state)
{
	const struct placement_request mix[] = { wish(64, 64, 1, "", 0), wish(4, 4, 1, "", 0) };
	const uint32_t weights[] = { 1, 5 };
	struct placement *p = placement_create();

	(void)state;
	add(p, 1, (struct host) { 128, 128, 2, "a", false, false });
	add(p, 2, (struct host) { 16, 128, 2, "a", false, false });
	placement_mix_set(p, mix, weights, 2, false);
	assert_int_equal(where(p, mix[1]), 2);
	assert_int_equal(where(p, mix[0]), 1);
	add(p, 3, (struct host) { 256, 128, 8, "a", false, false }); /* the fleet is another one now */
	assert_int_equal(where(p, mix[1]), 2);
	placement_destroy(p);
}

/* Shares fill GPUs that are begun; whole hosts stay for those who want them. */
static void test_shares(void **state)
{
	const struct placement_request mix[] = { wish(1, 1, 1, "", 500), wish(4, 4, 4, "", 0) };
	const uint32_t weights[] = { 8, 1 };
	struct placement *p = placement_create();

	(void)state;
	add(p, 1, (struct host) { 64, 64, 4, "a", true, false });
	add(p, 2, (struct host) { 64, 64, 4, "a", true, false });
	for (int churning = 0; churning < 2; churning++) {
		placement_mix_set(p, mix, weights, 2, churning);
		for (int i = 0; i < 8; i++)
			assert_int_equal(place(p, 1 + i, mix[0]), 1);
		assert_int_equal(place(p, 20, mix[1]), 2);
		assert_int_equal(where(p, mix[0]), 0);
		for (int i = 0; i < 20; i++)
			placement_release(p, 1 + i);
	}
	placement_destroy(p);
}

/* Hosts without GPUs first; then where the GPUs are in use; a free GPU keeps what it needs. */
static void test_without_gpus(void **state)
{
	const struct placement_request mix[] = { wish(8, 8, 1, "", 0), wish(8, 8, 0, "", 0) };
	const uint32_t weights[] = { 1, 100 };
	struct placement *p = placement_create();

	(void)state;
	add(p, 1, (struct host) { 16, 64, 2, "a", false, false });
	add(p, 2, (struct host) { 24, 64, 2, "a", false, false });
	add(p, 3, (struct host) { 8, 64, 0, "", false, false });
	placement_mix_set(p, mix, weights, 2, false);
	assert_int_equal(place(p, 1, mix[1]), 3);
	assert_int_equal(place(p, 2, mix[1]), 2); /* 16 vCPUs are left for its two GPUs */
	assert_int_equal(place(p, 3, mix[0]), 1);
	placement_mix_set(p, &mix[1], weights, 1, false); /* nobody wants GPUs: as if nothing was expected */
	placement_release(p, 1);
	assert_int_equal(where(p, mix[1]), 3);
	placement_destroy(p);
}

/* A model that is wanted alone is kept from those who take any; parts of GPUs have their own hosts. */
static void test_sorts(void **state)
{
	struct placement_request mix[] = { wish(4, 4, 1, "a|b", 0), wish(4, 4, 1, "b", 0),
		wish(1, 1, 1, "", 0) };
	const uint32_t weights[] = { 3, 3, 3 };
	struct placement *p = placement_create();

	(void)state;
	str_copy(mix[2].gpus[0].profile, sizeof mix[2].gpus[0].profile, "1g");
	add(p, 1, (struct host) { 64, 64, 1, "b", false, false });
	add(p, 2, (struct host) { 64, 64, 1, "a", false, false });
	add(p, 3, (struct host) { 64, 64, 1, "b", false, true });
	placement_mix_set(p, mix, weights, 3, false);
	assert_int_equal(where(p, mix[0]), 2);
	assert_int_equal(where(p, mix[1]), 1); /* not the one that can be cut */
	assert_int_equal(place(p, 1, mix[2]), 3);
	assert_int_equal(place(p, 2, mix[2]), 3);
	placement_destroy(p);
}

static void test_orders(void **state)
{
	static const struct {
		enum placement_order order;
		int64_t host;
	} cases[] = { { PLACEMENT_FIRST_FIT, 1 }, { PLACEMENT_BEST_FIT, 3 }, { PLACEMENT_SPREAD, 2 } };
	struct placement *p = placement_create();

	(void)state;
	add(p, 1, (struct host) { 32, 64, 4, "a", false, false });
	add(p, 2, (struct host) { 64, 64, 8, "a", false, false });
	add(p, 3, (struct host) { 16, 64, 2, "a", false, false });
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		placement_order_set(p, cases[i].order);
		assert_int_equal(where(p, wish(4, 4, 1, "", 0)), cases[i].host);
	}
	placement_destroy(p);
}

struct told {
	struct buf now, before;
	int n;
};

static int tell(void *ctx, const struct placement_event *ev, struct error *err)
{
	struct told *t = ctx;

	(void)err;
	if (ev->kind != PLACEMENT_MIX_TOLD)
		return 0;
	t->n++;
	buf_finish(&t->now);
	buf_finish(&t->before);
	if (ev->mix)
		placement_mix_write(&t->now, ev->mix);
	if (ev->mix_before)
		placement_mix_write(&t->before, ev->mix_before);
	return 0;
}

/* It is told as it was set, undone with the rest, and read back from what was written. */
static void test_journal(void **state)
{
	const struct placement_request mix[] = { wish(8, 8, 1, "a|b", 250), wish(64, 64, 8, "", 0) };
	const uint32_t weights[] = { 7, UINT32_MAX };
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct placement *p = placement_create(), *other = placement_create();
	struct told t = { .n = 0 }, back = { .n = 0 };
	struct placement_mix got;
	struct error err;
	json_t *j;
	size_t mark;

	(void)state;
	mark = placement_mark(p);
	placement_mix_set(p, mix, weights, 2, true);
	placement_mix_set(p, mix, weights, 2, true); /* the same: nothing happens */
	assert_int_equal(placement_events(p, mark, tell, &t, &err), 0);
	assert_int_equal(t.n, 1);
	assert_string_equal(buf_text(&t.before), "");
	j = json_loads(buf_text(&t.now), 0, NULL);
	assert_int_equal(placement_mix_read(j, &a, &got, &err), 0);
	assert_int_equal(got.n, 2);
	assert_true(got.churning);
	assert_int_equal(got.weights[1], UINT32_MAX);
	assert_string_equal(got.requests[0].gpus[0].model, "a|b");
	assert_int_equal(got.requests[0].gpus[0].share, 250);
	placement_mix_set(other, got.requests, got.weights, got.n, got.churning);
	assert_int_equal(placement_mix_tell(other, tell, &back, &err), 0);
	assert_string_equal(buf_text(&back.now), buf_text(&t.now));
	json_array_append_new(json_object_get(j, "weights"), json_integer(1));
	assert_int_equal(placement_mix_read(j, &a, &got, &err), -1);
	json_decref(j);

	mark = placement_mark(p);
	placement_mix_set(p, mix, weights, 1, false);
	placement_mix_set(p, NULL, NULL, 0, false);
	placement_undo(p, mark);
	assert_int_equal(placement_mix_tell(p, tell, &back, &err), 0);
	assert_string_equal(buf_text(&back.now), buf_text(&t.now));
	buf_finish(&t.now);
	buf_finish(&t.before);
	buf_finish(&back.now);
	buf_finish(&back.before);
	placement_destroy(p);
	placement_destroy(other);
}

static void test_churns(void **state)
{
	(void)state;
	assert_false(placement_churns(0, 0, false));
	assert_false(placement_churns(100, 20, false));
	assert_true(placement_churns(100, 20, true));
	assert_true(placement_churns(100, 30, false));
	assert_false(placement_churns(100, 12, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scarce),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_without_gpus),
		cmocka_unit_test(test_sorts),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_churns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
