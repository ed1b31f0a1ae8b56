/* SPDX-License-Identifier: Apache-2.0 */
/* Servers that shall lie close to each other, and servers that make way for others; both held against trying
 * everything on small clouds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement_random.h"

enum { HOSTS = 12, SERVERS = 40, GANG = 6 };

static struct random_host hosts[HOSTS + 1];

static struct placement *random_cloud(void)
{
	struct placement *p = placement_create();

	for (int64_t id = 1; id <= HOSTS; id++) {
		random_host(&hosts[id], id);
		placement_host_set(p, &hosts[id].h);
	}
	return p;
}

static void random_servers(struct placement *p, int n)
{
	static struct placement_choice c;
	struct random_request r;
	struct error err;

	for (int64_t server = 1; server <= n; server++) {
		random_shape(&r);
		r.r.preemptible = chance(2);
		if (placement_choose(p, &r.r, 1, &c, &err) == 0)
			assert_int_equal(placement_take(p, server, &r.r, &c, false, &err), 0);
	}
}

/* ---- gangs ---- */

static const char *label(const struct random_host *h, enum placement_scope scope)
{
	return scope == PLACEMENT_ONE_RACK ? h->h.rack : h->h.fabric;
}

static bool near(int64_t a, int64_t b, enum placement_scope scope)
{
	const struct random_host *x = &hosts[a], *y = &hosts[b];

	if (a == b || scope == PLACEMENT_ONE_HOST)
		return a == b;
	return *label(x, scope) && strcmp(label(x, scope), label(y, scope)) == 0 &&
	       strcmp(x->h.zone, y->h.zone) == 0;
}

/* Takes one after the other on the host, until no more fit. */
static size_t fill_host(struct placement *p, const struct random_request *like, int64_t host, size_t most)
{
	static struct placement_choice c;
	struct random_request r = *like;
	struct error err;
	size_t n = 0;

	if (r.r.policy != PLACEMENT_NO_GROUP)
		r.r.members = r.members;
	r.r.within = NULL;
	snprintf(r.r.host, sizeof r.r.host, "h%" PRId64, host);
	for (; n < most && placement_choose(p, &r.r, 1, &c, &err) == 0; n++) {
		assert_int_equal(placement_take(p, 1000 + host * 100 + (int64_t)n, &r.r, &c, false, &err), 0);
		if (r.r.policy == PLACEMENT_APART) {
			r.r.members = r.members;
			r.members[r.r.members_n++] = (struct placement_members) { host, 1 };
		}
	}
	return n;
}

/* How many the place around a host takes; nothing is left taken. */
static size_t room_near(struct placement *p, const struct random_request *r, int64_t host,
	enum placement_scope scope, size_t most)
{
	size_t mark = placement_mark(p), n = 0;

	for (int64_t id = 1; id <= HOSTS; id++)
		if (near(host, id, scope))
			n += fill_host(p, r, id, most);
	placement_undo(p, mark);
	return n;
}

static bool any_place(
	struct placement *p, const struct random_request *r, enum placement_scope scope, size_t n)
{
	for (int64_t id = 1; id <= HOSTS; id++)
		if (room_near(p, r, id, scope, n) >= n)
			return true;
	return false;
}

static bool all_near(const struct placement_choice *c, size_t n, enum placement_scope scope)
{
	for (size_t i = 1; i < n; i++)
		if (!near(c[0].host_id, c[i].host_id, scope))
			return false;
	return true;
}

static void check_gang(struct placement *p, const struct random_request *r, size_t n)
{
	static struct placement_choice c[GANG];
	CLEANUP(free_ptr) char *before = random_dump(p);
	CLEANUP(free_ptr) char *after = NULL;
	enum placement_scope closest = r->r.scope;
	size_t mark = placement_mark(p);
	struct error err;
	int rc = placement_choose(p, &r->r, n, c, &err);

	after = random_dump(p);
	assert_string_equal(before, after);
	while (closest != PLACEMENT_ANYWHERE && !any_place(p, r, closest, n)) {
		if (r->r.scope_required) {
			assert_int_equal(rc, -1);
			assert_non_null(strstr(err.msg, " servers fit "));
			return;
		}
		closest = closest == PLACEMENT_ONE_FABRIC ? PLACEMENT_ANYWHERE : closest + 1;
	}
	if (closest == PLACEMENT_ANYWHERE) {
		size_t room = 0;

		for (int64_t id = 1; id <= HOSTS; id++)
			room += room_near(p, r, id, PLACEMENT_ONE_HOST, n);
		assert_int_equal(rc == 0, room >= n);
	} else {
		assert_int_equal(rc, 0);
		assert_true(all_near(c, n, closest));
	}
	for (size_t i = 0; rc == 0 && i < n; i++)
		assert_int_equal(placement_take(p, 5000 + (int64_t)i, &r->r, &c[i], false, &err), 0);
	placement_undo(p, mark);
}

/* Refused only where no place takes all; as near as can be; and taken as chosen. */
static void test_near(void **state)
{
	(void)state;
	for (int life = 0; life < 250; life++) {
		struct placement *p;
		struct random_request r;

		seed = 20000 + (uint64_t)life;
		p = random_cloud();
		random_servers(p, (int)rnd(SERVERS));
		placement_forget(p);
		for (int i = 0; i < 4; i++) {
			random_shape(&r);
			if (chance(3))
				random_constraints(&r, HOSTS);
			r.r.within = NULL;
			if (r.r.policy != PLACEMENT_APART)
				r.r.policy = PLACEMENT_NO_GROUP;
			*r.r.host = '\0';
			r.r.members_n = 0;
			r.r.scope = (enum placement_scope)rnd(4);
			r.r.scope_required = chance(2);
			check_gang(p, &r, 2 + rnd(GANG - 1));
		}
		placement_destroy(p);
	}
}

/* A cloud of hosts with so many GPUs each: "r1:8,8,4 r2:8". */
static struct placement *racks(const char *text)
{
	struct placement *p = placement_create();
	int64_t id = 1;
	CLEANUP(free_ptr) char *copy = xstrdup(text);
	char *save, *word;

	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *inner, *count = strtok_r(word, ":,", &inner);
		const char *rack = count;

		while ((count = strtok_r(NULL, ":,", &inner))) {
			struct placement_gpu gpus[8] = { { .id = 0 } };
			struct placement_host h = { .id = id,
				.vcpus = 64,
				.ram_mib = 1 << 18,
				.disk_gib = 1000,
				.vcpu_ratio_milli = 1000,
				.ram_ratio_milli = 1000,
				.disk_ratio_milli = 1000,
				.gpus = gpus,
				.gpus_n = (size_t)atoi(count) };

			for (int i = 0; i < 8; i++) {
				gpus[i] = (struct placement_gpu) { .id = id * 100 + i,
					.numa_cell = -1,
					.iommu_group = -1,
					.healthy = true };
				str_copy(gpus[i].model, sizeof gpus[i].model, "h100");
			}
			snprintf(h.name, sizeof h.name, "h%" PRId64, id++);
			str_copy(h.rack, sizeof h.rack, rack);
			h.fabric[0] = rack[1] <= '2' ? 'f' : 'g';
			placement_host_set(p, &h);
		}
	}
	return p;
}

static const struct {
	const char *what, *racks;
	int gpus;
	size_t n;
	enum placement_scope scope;
	bool required;
	const char *got; /* hosts by letter, sorted; or the message */
} near_cases[] = {
	{ "the rack that is left fullest", "r1:8,8,8 r2:8,8 r3:8,8,8,8", 8, 2, PLACEMENT_ONE_RACK, true,
		"de" },
	{ "fewest hosts", "r1:2,2,2,2 r2:8,4", 2, 4, PLACEMENT_ONE_RACK, true, "eeee" },
	{ "the last one where it fits tightly", "r1:8,8,2,4", 2, 5, PLACEMENT_ONE_RACK, true, "aaaac" },
	{ "no rack takes all", "r1:8,8 r2:8,8", 8, 3, PLACEMENT_ONE_RACK, true,
		"only 2 of 3 servers fit in one rack: 4 of 4 are nowhere with room for all" },
	{ "no rack takes all: the fabric", "r1:8 r3:8,8 r4:8,8 r2:8", 8, 3, PLACEMENT_ONE_RACK, false,
		"bcd" },
	{ "no fabric takes all", "r1:8 r2:8 r3:8", 8, 3, PLACEMENT_ONE_FABRIC, false, "abc" },
	{ "one host", "r1:4,8,4", 2, 4, PLACEMENT_ONE_HOST, true, "bbbb" },
	{ "one host, or one rack", "r1:4,2 r2:4,4", 2, 4, PLACEMENT_ONE_HOST, false, "ccdd" },
	{ "not on one host", "r1:4,8,4", 2, 5, PLACEMENT_ONE_HOST, true,
		"only 4 of 5 servers fit on one host: 3 of 3 have not room for all" },
};

static int by_letter(const void *a, const void *b)
{
	return *(const char *)a - *(const char *)b;
}

static void test_near_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(near_cases); i++) {
		struct placement *p = racks(near_cases[i].racks);
		struct placement_request r = { .vcpus = 1,
			.ram_mib = 1024,
			.gpus = { { "h100", near_cases[i].gpus, 0, "" } },
			.gpus_n = 1,
			.scope = near_cases[i].scope,
			.scope_required = near_cases[i].required };
		static struct placement_choice c[8];
		struct error err = { 0 };
		char text[256] = "";

		if (placement_choose(p, &r, near_cases[i].n, c, &err))
			str_copy(text, sizeof text, err.msg);
		for (size_t k = 0; !err.code && k < near_cases[i].n; k++)
			text[k] = (char)('a' + c[k].host_id - 1);
		if (!err.code)
			qsort(text, near_cases[i].n, 1, by_letter);
		if (strcmp(text, near_cases[i].got) != 0)
			fail_msg("%s: got '%s', not '%s'", near_cases[i].what, text, near_cases[i].got);
		placement_destroy(p);
	}
}

/* ---- room ---- */

static void test_room(void **state)
{
	(void)state;
	for (int life = 0; life < 150; life++) {
		struct placement *p;
		struct random_request r;
		size_t room = 0, n;

		seed = 30000 + (uint64_t)life;
		p = random_cloud();
		random_servers(p, (int)rnd(SERVERS));
		random_shape(&r);
		n = placement_room(p, &r.r, 1000);
		for (int64_t id = 1; id <= HOSTS; id++)
			room += fill_host(p, &r, id, 100);
		assert_int_equal(n, room);
		placement_undo(p, 0);
		assert_int_equal(placement_hosts(p), 0);
		placement_destroy(p);
	}
}

/* ---- victims ---- */

struct victims {
	size_t n;
	int64_t ids[SERVERS];     /* the newest first */
	int64_t gpus, vcpus, ram; /* added up */
	int64_t host;
};

static bool fewer(const struct victims *a, const struct victims *b)
{
	const int64_t x[] = { (int64_t)a->n, a->gpus, a->vcpus, a->ram };
	const int64_t y[] = { (int64_t)b->n, b->gpus, b->vcpus, b->ram };

	for (size_t i = 0; i < ARRAY_LEN(x); i++)
		if (x[i] != y[i])
			return x[i] < y[i];
	for (size_t i = 0; i < a->n; i++)
		if (a->ids[i] != b->ids[i])
			return a->ids[i] > b->ids[i];
	return false;
}

static bool fits_on(const struct placement *p, const struct placement_request *r, int64_t host)
{
	struct placement_verdict v[HOSTS];

	placement_explain(p, r, v);
	return v[host - 1].rule == RULE_OK;
}

/* Every set of the host's preemptible servers. */
static void try_host(
	struct placement *p, const struct placement_request *r, int64_t host, struct victims *best)
{
	static struct placement_choice c;
	int64_t there[SERVERS];
	struct placement_request had;
	size_t n = 0;

	for (int64_t s = SERVERS; s; s--)
		if (placement_held(p, s, &had, &c) && c.host_id == host && had.preemptible)
			there[n++] = s;
	assert_true(n < 12);
	for (unsigned set = 1; set < 1u << n; set++) {
		struct victims v = { .host = host };
		size_t mark = placement_mark(p);

		for (size_t i = 0; i < n; i++) {
			if (!(set >> i & 1))
				continue;
			placement_held(p, there[i], &had, &c);
			v.ids[v.n++] = there[i];
			v.vcpus += had.vcpus;
			v.ram += had.ram_mib;
			for (size_t g = 0; g < c.gpus_n; g++)
				v.gpus += c.gpus[g].share;
			placement_release(p, there[i]);
		}
		if ((!best->n || fewer(&v, best)) && fits_on(p, r, host))
			*best = v;
		placement_undo(p, mark);
	}
}

static void check_victims(struct placement *p, const struct placement_request *r)
{
	static struct placement_choice c;
	struct placement_verdict v[HOSTS];
	struct victims best = { .n = 0 };
	int64_t ids[SERVERS];
	size_t n = 99, mark = placement_mark(p);
	struct error err;
	int rc = placement_victims(p, r, NULL, &c, ids, SERVERS, &n, &err);

	if (placement_explain(p, r, v)) {
		assert_int_equal(rc, 0);
		assert_int_equal(n, 0);
		assert_int_equal(placement_take(p, 9999, r, &c, false, &err), 0);
		placement_undo(p, mark);
		return;
	}
	for (int64_t id = 1; id <= HOSTS; id++)
		try_host(p, r, id, &best);
	assert_int_equal(rc == 0, best.n > 0);
	if (rc)
		return;
	assert_int_equal(n, best.n);
	assert_memory_equal(ids, best.ids, n * sizeof *ids);
	assert_int_equal(c.host_id, best.host);
	for (size_t i = 0; i < n; i++)
		placement_release(p, ids[i]);
	assert_int_equal(placement_take(p, 9999, r, &c, false, &err), 0);
	placement_undo(p, mark);
}

static void test_victims(void **state)
{
	(void)state;
	for (int life = 0; life < 120; life++) {
		struct placement *p;
		struct random_request r;

		seed = 40000 + (uint64_t)life;
		p = random_cloud();
		random_servers(p, SERVERS);
		placement_forget(p);
		for (int i = 0; i < 4; i++) {
			random_shape(&r);
			if (chance(3))
				random_constraints(&r, HOSTS);
			check_victims(p, &r.r);
		}
		placement_destroy(p);
	}
}

static bool odd_ones(void *ctx, int64_t server_id)
{
	(void)ctx;
	return server_id % 2;
}

/* Whom the caller says, and no more than there is room for. */
static void test_who_may_leave(void **state)
{
	struct placement *p = racks("r1:4");
	struct placement_request r = { .vcpus = 1, .gpus = { { "h100", 1, 0, "" } }, .gpus_n = 1 };
	const struct placement_may may = { odd_ones, NULL };
	struct placement_choice c;
	int64_t ids[4];
	struct error err;
	size_t n;

	(void)state;
	for (int64_t s = 1; s <= 4; s++) {
		assert_int_equal(placement_choose(p, &r, 1, &c, &err), 0);
		assert_int_equal(placement_take(p, s, &r, &c, false, &err), 0);
	}
	assert_int_equal(placement_victims(p, &r, NULL, &c, ids, 4, &n, &err), -1);
	assert_int_equal(err.code, ERR_NO_HOST);
	assert_int_equal(placement_victims(p, &r, &may, &c, ids, 4, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(ids[0], 3);
	r.gpus[0].count = 2;
	assert_int_equal(placement_victims(p, &r, &may, &c, ids, 4, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_int_equal(placement_victims(p, &r, &may, &c, ids, 1, &n, &err), -1);
	r.gpus[0].count = 3;
	assert_int_equal(placement_victims(p, &r, &may, &c, ids, 4, &n, &err), -1);
	placement_destroy(p);
}

/* Sets of one size: the one with the newest server, however it is made up. */
static void test_newest_leave(void **state)
{
	static const int gpus[] = { 1, 3, 2, 2 };
	struct placement *p = racks("r1:8");
	struct placement_request r = { .vcpus = 1, .gpus = { { "h100", 1, 0, "" } }, .gpus_n = 1 };
	struct placement_choice c;
	int64_t ids[4];
	struct error err;
	size_t n;

	(void)state;
	r.preemptible = true;
	for (int64_t s = 1; s <= 4; s++) {
		r.gpus[0].count = gpus[s - 1];
		assert_int_equal(placement_choose(p, &r, 1, &c, &err), 0);
		assert_int_equal(placement_take(p, s, &r, &c, false, &err), 0);
	}
	r.gpus[0].count = 4;
	assert_int_equal(placement_victims(p, &r, NULL, &c, ids, 4, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_int_equal(ids[0], 4);
	assert_int_equal(ids[1], 3);
	placement_destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_near),
		cmocka_unit_test(test_near_cases),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_victims),
		cmocka_unit_test(test_who_may_leave),
		cmocka_unit_test(test_newest_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
