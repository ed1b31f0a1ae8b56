/* SPDX-License-Identifier: Apache-2.0 */
/* The placement engine: tables of cases on clusters written as one string, and random lives of a cloud held
 * against a model that is too simple to be wrong.
 *
 * A cluster: "a: 32c 128g 500d 2xh100@0,2xh100@1 zone=z1; b: 16c 64g down". c vCPUs, g GiB of memory, d GiB
 * of disk (1000 when left out), GPUs count x model @ NUMA cell. Hosts get the ids 1, 2, ... in this order,
 * the GPUs of host n the ids n01, n02, ... A request is written alike: "4c 8g 1xh100 zone=z1 host=a"; "apart
 * a=2" is a server of a group with that policy which has two members on host a. A host or a request may be
 * "alone". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/placement.h"

enum { GPUS = 64 };

struct test_host {
	struct placement_host h;
	struct placement_gpu gpus[GPUS];
};

static void parse_gpus(char *word, struct test_host *t)
{
	char *save, *part;

	for (part = strtok_r(word, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
		char model[32];
		int n, cell = -1;

		assert_true(sscanf(part, "%dx%31[^@]@%d", &n, model, &cell) >= 2);
		for (int i = 0; i < n; i++) {
			struct placement_gpu *g = &t->gpus[t->h.gpus_n++];

			g->id = t->h.id * 100 + (int64_t)t->h.gpus_n;
			g->numa_cell = cell;
			g->iommu_group = -1;
			g->healthy = model[0] != '!'; /* "1x!h100": broken */
			str_copy(g->model, sizeof g->model, model + !g->healthy);
		}
	}
}

static void parse_host(char *text, int64_t id, struct test_host *t)
{
	static const char *const states[] = { "up", "draining", "disabled", "down" };
	char *save, *word, unit;
	long n;

	*t = (struct test_host) { .h = { .id = id,
					  .disk_gib = 1000,
					  .vcpu_ratio_milli = 1000,
					  .ram_ratio_milli = 1000,
					  .disk_ratio_milli = 1000 } };
	t->h.gpus = t->gpus;
	word = strtok_r(text, ": ", &save);
	str_copy(t->h.name, sizeof t->h.name, word);
	while ((word = strtok_r(NULL, " ", &save))) {
		if (strncmp(word, "zone=", 5) == 0)
			str_copy(t->h.zone, sizeof t->h.zone, word + 5);
		else if (strcmp(word, "alone") == 0)
			t->h.exclusive = true;
		else if (strchr(word, 'x'))
			parse_gpus(word, t);
		else if (sscanf(word, "%ld%c", &n, &unit) == 2)
			*(unit == 'c'         ? &t->h.vcpus
				: unit == 'g' ? &t->h.ram_mib
					      : &t->h.disk_gib) = unit == 'g' ? n * 1024 : n;
		else
			for (size_t s = 0; s < ARRAY_LEN(states); s++)
				if (strcmp(states[s], word) == 0)
					t->h.state = (enum placement_host_state)s;
	}
}

static struct placement *cluster(const char *text)
{
	struct placement *p = placement_create();
	char *copy = xstrdup(text), *save, *part;
	int64_t id = 1;

	for (part = strtok_r(copy, ";", &save); part; part = strtok_r(NULL, ";", &save)) {
		struct test_host t;

		parse_host(part, id++, &t);
		placement_host_set(p, &t.h);
	}
	free(copy);
	placement_forget(p);
	return p;
}

static bool parse_group(const char *word, struct placement_request *r)
{
	static const char *const policies[] = { "", "together", "apart", "soft-together", "soft-apart" };
	static struct placement_members members[8]; /* of the last request */

	for (size_t i = 1; i < ARRAY_LEN(policies); i++)
		if (strcmp(word, policies[i]) == 0) {
			r->policy = (enum placement_policy)i;
			r->members = members;
			return true;
		}
	if (sscanf(word, "most=%d", &r->max_per_host) == 1)
		return true;
	if (word[0] < 'a' || word[0] > 'e' || word[1] != '=')
		return false;
	members[r->members_n++] = (struct placement_members) { word[0] - 'a' + 1, atoi(word + 2) };
	return true;
}

static struct placement_request request(const char *text)
{
	struct placement_request r = { 0 };
	char *copy = xstrdup(text), *save, *word, unit;
	long n;

	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		struct placement_gpu_want *g = &r.gpus[r.gpus_n];

		if (strncmp(word, "zone=", 5) == 0)
			str_copy(r.zone, sizeof r.zone, word + 5);
		else if (strncmp(word, "host=", 5) == 0)
			str_copy(r.host, sizeof r.host, word + 5);
		else if (strcmp(word, "alone") == 0)
			r.exclusive = true;
		else if (parse_group(word, &r))
			continue;
		else if (strchr(word, 'x') && sscanf(word, "%dx%63s", &g->count, g->model) == 2)
			r.gpus_n++;
		else if (sscanf(word, "%ld%c", &n, &unit) == 2)
			*(unit == 'c'         ? &r.vcpus
				: unit == 'g' ? &r.ram_mib
					      : &r.disk_gib) = unit == 'g' ? n * 1024 : n;
	}
	free(copy);
	return r;
}

static char *dump(const struct placement *p)
{
	struct buf b = { 0 };
	char *text;

	placement_dump(p, &b);
	text = xstrdup(buf_text(&b));
	buf_finish(&b);
	return text;
}

/* The choice as text: "b 201 202". */
static const char *chosen(const struct placement_choice *c, char out[128])
{
	size_t n = (size_t)snprintf(out, 128, "%c", (char)('a' + c->host_id - 1));

	for (size_t i = 0; i < c->gpus_n; i++)
		n += (size_t)snprintf(out + n, 128 - n, " %" PRId64, c->gpus[i].id);
	return out;
}

static const struct {
	const char *what, *cluster;
	const char *before[4]; /* requests placed first, with host= to say where */
	const char *want, *got;
} cases[] = {
	{ "the smaller rest wins", "a: 32c 128g; b: 8c 32g; c: 16c 64g", { NULL }, "4c 16g", "b" },
	{ "an exact fit wins", "a: 32c 128g; b: 16c 64g", { "28c 112g host=a" }, "4c 16g", "a" },
	{ "of equal rests the balanced one", "a: 16c 16g; b: 8c 24g; c: 12c 20g", { NULL }, "4c 4g", "c" },
	{ "equal scores: the lower id", "a: 8c 32g; b: 8c 32g; c: 8c 32g", { NULL }, "1c 1g", "a" },
	{ "too small is passed over", "a: 2c 128g; b: 64c 2g; c: 64c 128g", { NULL }, "4c 16g", "c" },
	{ "disk counts", "a: 8c 32g 10d; b: 64c 256g 500d", { NULL }, "1c 1g 20d", "b" },
	{ "the smaller rest of disk", "a: 8c 32g 900d; b: 8c 32g 100d", { NULL }, "4c 16g 10d", "b" },
	{ "zone", "a: 8c 32g zone=z1; b: 64c 256g zone=z2", { NULL }, "1c 1g zone=z2", "b" },
	{ "named host", "a: 8c 32g; b: 64c 256g", { NULL }, "1c 1g host=b", "b" },
	{ "only hosts that are up", "a: 8c 32g draining; b: 8c 32g disabled; c: 8c 32g down; d: 64c 256g",
		{ NULL }, "1c 1g", "d" },
	{ "no GPUs wanted: not a GPU host", "a: 8c 32g 4xh100@0; b: 64c 256g", { NULL }, "1c 1g", "b" },
	{ "no GPUs wanted, only GPU hosts: where none is free", "a: 64c 256g 2xh100@0; b: 64c 256g 2xh100@0",
		{ "1c 1g 2xh100 host=b" }, "1c 1g", "b" },
	{ "GPUs that fit exactly", "a: 64c 256g 8xh100@0; b: 64c 256g 2xh100@0; c: 64c 256g 4xh100@0",
		{ NULL }, "8c 32g 2xh100", "b 201 202" },
	{ "a started host is filled", "a: 64c 256g 8xh100@0; b: 64c 256g 8xh100@0", { "1c 1g 4xh100 host=b" },
		"8c 32g 4xh100", "b 205 206 207 208" },
	{ "one NUMA cell", "a: 64c 256g 1xh100@0,1xh100@1; b: 64c 256g 2xh100@1", { NULL }, "8c 32g 2xh100",
		"b 201 202" },
	{ "one NUMA cell, even where the rest would fit worse",
		"a: 64c 256g 2xh100@1; b: 8c 32g 1xh100@0,1xh100@1", { NULL }, "8c 32g 2xh100", "a 101 102" },
	{ "within the host: the lower cell when it fits exactly", "a: 64c 256g 2xh100@0,4xh100@1", { NULL },
		"8c 32g 2xh100", "a 101 102" },
	{ "within the host: the cell that fits exactly", "a: 64c 256g 4xh100@0,2xh100@1", { NULL },
		"8c 32g 2xh100", "a 105 106" },
	{ "within the host: the fuller cell when none has all", "a: 64c 256g 2xh100@0,3xh100@1,1xh100@2",
		{ NULL }, "8c 32g 4xh100", "a 103 104 105 106" },
	{ "the model asked for", "a: 64c 256g 4xl40s@0; b: 64c 256g 4xl40s@0,4xh100@1", { NULL },
		"8c 32g 1xh100", "b 205" },
	{ "two models, in the order asked for", "a: 64c 256g 4xl40s@0,4xh100@1", { NULL },
		"8c 32g 1xh100 2xl40s", "a 105 101 102" },
	{ "two models in one cell", "a: 64c 256g 2xl40s@0,2xh100@1,1xl40s@1", { NULL },
		"8c 32g 1xh100 1xl40s", "a 103 105" },
	{ "a host kept free for another model", "a: 64c 256g 2xl40s@0,8xh100@0; b: 64c 256g 4xl40s@0",
		{ NULL }, "8c 32g 1xl40s", "b 201" },
	{ "broken GPUs are not given", "a: 64c 256g 2x!h100@0,1xh100@1", { NULL }, "1c 1g 1xh100", "a 103" },
	{ "more models than the fast path keeps", "a: 64c 256g 1xa@0,1xb@0,1xc@0,1xd@0,1xe@0,2xf@0", { NULL },
		"1c 1g 2xf", "a 106 107" },
	{ "none: memory", "a: 8c 4g; b: 8c 8g; c: 8c 4g; d: 64c 256g disabled", { NULL }, "1c 16g",
		"no host fits: 3 of 4 lack ram, 1 is disabled" },
	{ "none: several reasons", "a: 8c 4g; b: 2c 8g; c: 8c 64g; d: 8c 64g 5d; e: 8c 64g zone=z",
		{ "8c 64g host=c" }, "4c 16g 10d", "e" },
	{ "none: nearest first", "a: 8c 4g; b: 2c 8g; c: 8c 64g; d: 8c 64g 5d; e: 9c 9g down; f: 9c 9g down",
		{ "8c 64g host=c" }, "4c 16g 10d",
		"no host fits: 1 of 6 lacks disk, 1 lacks ram, 2 lack vcpus, 2 are down" },
	{ "none: GPUs of two models count apart", "a: 64c 256g 2xh100@0,1xl40s@0", { NULL },
		"1c 1g 1xh100 2xl40s", "no host fits: 1 of 1 lacks gpus" },
	{ "none: unknown model", "a: 64c 256g 2xh100@0", { NULL }, "1c 1g 1xb300",
		"no host fits: 1 of 1 lacks gpus" },
	{ "none: unknown zone", "a: 64c 256g; b: 1c 1g", { NULL }, "1c 1g zone=q",
		"no host fits: 2 of 2 are in another zone" },
	{ "none: unknown host", "a: 64c 256g; b: 1c 1g", { NULL }, "1c 1g host=q",
		"no host fits: 2 of 2 are not the one named" },
	{ "none: one model asked twice is summed", "a: 64c 256g 3xh100@0", { NULL }, "1c 1g 2xh100 2xh100",
		"no host fits: 1 of 1 lacks gpus" },
	{ "none: no hosts", "", { NULL }, "1c 1g", "no host fits: there are no hosts" },
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct placement *p = cluster(cases[i].cluster);
		struct placement_choice c;
		struct placement_request r;
		struct error err;
		const char *got;
		char text[128];

		for (size_t j = 0; j < 4 && cases[i].before[j]; j++) {
			r = request(cases[i].before[j]);
			assert_int_equal(placement_choose(p, &r, 1, &c, &err), 0);
			assert_int_equal(placement_take(p, 1000 + (int64_t)j, &r, &c, false, &err), 0);
		}
		r = request(cases[i].want);
		if (placement_choose(p, &r, 1, &c, &err) == 0) {
			got = chosen(&c, text);
			assert_int_equal(placement_take(p, 1, &r, &c, false, &err), 0);
		} else {
			assert_int_equal(err.code, ERR_NO_HOST);
			got = err.msg;
		}
		if (strcmp(got, cases[i].got) != 0)
			fail_msg("%s: got '%s', not '%s'", cases[i].what, got, cases[i].got);
		placement_destroy(p);
	}
}

static void test_groups(void **state)
{
	struct placement *p = cluster("a: 8c 32g; b: 16c 64g; c: 32c 128g");
	struct placement_request r = request("1c 1g");
	const int64_t avoid[] = { 1, 77 }, within[] = { 3, 1 };
	struct placement_choice c;
	struct error err;

	(void)state;
	r.avoid = avoid;
	r.avoid_n = 2;
	assert_int_equal(placement_choose(p, &r, 1, &c, &err), 0);
	assert_int_equal(c.host_id, 2);
	r.within = within;
	r.within_n = 2;
	assert_int_equal(placement_choose(p, &r, 1, &c, &err), 0);
	assert_int_equal(c.host_id, 3);
	r.within_n = 0; /* none of an empty list, unlike no list */
	assert_int_equal(placement_choose(p, &r, 1, &c, &err), -1);
	assert_string_equal(err.msg, "no host fits: 3 of 3 are ruled out");
	placement_destroy(p);
}

static const struct {
	const char *what, *cluster, *before[2], *want;
	size_t n;
	const char *got; /* the hosts, one letter each */
} gangs[] = {
	{ "apart: never where a member is", "a: 8c 32g; b: 16c 64g; c: 32c 128g", { NULL },
		"1c 1g apart a=1 c=1", 1, "b" },
	{ "apart: not with each other", "a: 8c 32g; b: 16c 64g; c: 32c 128g", { NULL }, "1c 1g apart", 3,
		"abc" },
	{ "apart: too few hosts", "a: 8c 32g; b: 16c 64g; c: 32c 128g", { NULL }, "1c 1g apart a=1", 3,
		"only 2 of 3 servers fit: 3 of 3 are ruled out" },
	{ "apart: as many as the rule says", "a: 8c 32g; b: 16c 64g", { NULL }, "1c 1g apart most=2 a=1", 3,
		"abb" },
	{ "apart: the rule is kept", "a: 8c 32g; b: 16c 64g", { NULL }, "1c 1g apart most=2 a=1", 4,
		"only 3 of 4 servers fit: 2 of 2 are ruled out" },
	{ "together: where they are, though another fits better", "a: 2c 8g; b: 16c 64g", { NULL },
		"1c 1g together b=3", 1, "b" },
	{ "together: no room there", "a: 2c 8g; b: 16c 64g", { NULL }, "4c 1g together a=1", 1,
		"no host fits: 1 of 2 lacks vcpus, 1 is ruled out" },
	{ "together: the first host for all", "a: 2c 8g; b: 3c 8g; c: 16c 64g", { NULL }, "1c 1g together", 4,
		"cccc" },
	{ "together: GPUs of one model are short", "a: 9c 9g 2xx@0,2xy@0; b: 9c 9g 3xy@0", { NULL },
		"1c 1g 1xy together", 3, "bbb" },
	{ "together: no host for all", "a: 2c 8g; b: 3c 8g", { NULL }, "1c 1g together", 4,
		"only 3 of 4 servers fit on one host: 2 of 2 have not room for all" },
	{ "soft together: where most are", "a: 2c 8g; b: 16c 64g; c: 16c 64g", { NULL },
		"1c 1g soft-together b=1 c=2", 2, "cc" },
	{ "soft together: elsewhere when that is full", "a: 4c 8g; b: 16c 64g; c: 2c 64g", { NULL },
		"1c 1g soft-together b=1 c=2", 4, "ccbb" },
	{ "soft apart: where fewest are", "a: 2c 8g; b: 16c 64g; c: 16c 64g", { NULL },
		"1c 1g soft-apart a=1 b=2", 1, "c" },
	{ "soft apart: in turns", "a: 8c 32g; b: 16c 64g; c: 32c 128g", { NULL }, "1c 1g soft-apart", 7,
		"abcabca" },
	{ "soft apart: more on one when the others are full", "a: 1c 32g; b: 16c 64g", { NULL },
		"1c 1g soft-apart", 4, "abbb" },
	{ "alone: an empty host", "a: 8c 32g; b: 16c 64g", { "1c 1g host=a" }, "1c 1g alone", 1, "b" },
	{ "alone: one each", "a: 8c 32g; b: 16c 64g", { NULL }, "1c 1g alone", 3,
		"only 2 of 3 servers fit: 2 of 2 are not shared" },
	{ "alone: no company", "a: 8c 32g; b: 16c 64g", { "1c 1g alone host=a" }, "1c 1g", 2, "bb" },
	{ "a host for one takes one", "a: 8c 32g alone; b: 16c 64g", { NULL }, "1c 1g", 3, "abb" },
	{ "a host for one is taken", "a: 8c 32g alone; b: 16c 64g disabled", { "1c 1g" }, "1c 1g", 1,
		"no host fits: 1 of 2 is not shared, 1 is disabled" },
};

/* Many at once, and the same one after the other. */
static void test_policies(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(gangs); i++) {
		struct placement *p = cluster(gangs[i].cluster);
		CLEANUP(free_ptr) char *was = NULL;
		CLEANUP(free_ptr) char *is = NULL;
		struct placement_choice c[8];
		struct placement_request r;
		char text[256] = "";
		struct error err = { 0 };

		for (size_t j = 0; j < 2 && gangs[i].before[j]; j++) {
			r = request(gangs[i].before[j]);
			assert_int_equal(placement_choose(p, &r, 1, c, &err), 0);
			assert_int_equal(placement_take(p, 1000 + (int64_t)j, &r, c, false, &err), 0);
		}
		r = request(gangs[i].want);
		was = dump(p);
		if (placement_choose(p, &r, gangs[i].n, c, &err) < 0)
			str_copy(text, sizeof text, err.msg);
		else
			for (size_t k = 0; k < gangs[i].n; k++)
				snprintf(text + k, 2, "%c", (char)('a' + c[k].host_id - 1));
		is = dump(p);
		assert_string_equal(was, is);
		if (strcmp(text, gangs[i].got) != 0)
			fail_msg("%s: got '%s', not '%s'", gangs[i].what, text, gangs[i].got);
		for (size_t k = 0; err.code != ERR_NO_HOST && k < gangs[i].n; k++)
			assert_int_equal(placement_take(p, 1 + (int64_t)k, &r, &c[k], false, &err), 0);
		placement_destroy(p);
	}
}

/* What is chosen for one cannot be taken by another, and comes back with the one who had it. */
static void test_alone(void **state)
{
	struct placement *p = cluster("a: 8c 32g; b: 8c 32g");
	struct placement_request one = request("1c 1g"), alone = request("1c 1g alone");
	struct placement_choice a = { .host_id = 1 };
	size_t mark;
	struct error err;

	(void)state;
	assert_int_equal(placement_take(p, 1, &alone, &a, false, &err), 0);
	assert_int_equal(placement_take(p, 2, &one, &a, false, &err), -1);
	assert_string_equal(err.msg, "host a is not shared");
	mark = placement_mark(p);
	placement_release(p, 1);
	assert_int_equal(placement_take(p, 2, &one, &a, false, &err), 0);
	assert_int_equal(placement_take(p, 3, &alone, &a, false, &err), -1);
	placement_undo(p, mark);
	assert_int_equal(placement_take(p, 2, &one, &a, false, &err), -1);
	assert_int_equal(placement_take(p, 2, &one, &a, true, &err), 0); /* it is there: loading at start */
	placement_release(p, 1);
	assert_int_equal(placement_take(p, 3, &one, &a, false, &err), 0);
	placement_destroy(p);
}

static void test_eligible(void **state)
{
	struct placement *p = cluster("a: 8c 32g; b: 16c 64g; c: 32c 128g");
	struct placement_request r = request("1c 1g");
	const int64_t eligible[] = { 2, 3 }, avoid[] = { 2 };
	struct placement_choice c;
	struct error err;

	(void)state;
	r.eligible = eligible;
	r.eligible_n = 2;
	assert_int_equal(placement_choose(p, &r, 1, &c, &err), 0);
	assert_int_equal(c.host_id, 2);
	r.avoid = avoid;
	r.avoid_n = 1;
	assert_int_equal(placement_choose(p, &r, 1, &c, &err), 0);
	assert_int_equal(c.host_id, 3);
	r.eligible_n = 1;
	assert_int_equal(placement_choose(p, &r, 1, &c, &err), -1);
	assert_string_equal(
		err.msg, "no host fits: 1 of 3 is ruled out, 2 are in no aggregate that the flavor wants");
	r.avoid_n = 0;
	r.eligible = NULL;
	r.apart = avoid; /* for flavors that require more */
	r.apart_n = 1;
	assert_int_equal(placement_choose(p, &r, 1, &c, &err), 0);
	assert_int_equal(c.host_id, 1);
	r.apart = eligible;
	r.apart_n = 2;
	assert_int_equal(placement_choose(p, &r, 1, &c, &err), 0);
	assert_int_equal(c.host_id, 1);
	r.zone[0] = '\0';
	str_copy(r.host, sizeof r.host, "b");
	assert_int_equal(placement_choose(p, &r, 1, &c, &err), -1);
	placement_destroy(p);
}

static void test_gang(void **state)
{
	struct placement *p = cluster("a: 8c 32g 2xh100@0; b: 8c 32g 4xh100@0; c: 4c 64g 1xh100@0");
	struct placement_request r = request("2c 4g 1xh100");
	struct placement_choice c[8] = { { .host_id = 42 } };
	CLEANUP(free_ptr) char *before = dump(p);
	CLEANUP(free_ptr) char *after = NULL;
	struct error err;

	(void)state;
	assert_int_equal(placement_choose(p, &r, 8, c, &err), -1);
	assert_string_equal(err.msg, "only 7 of 8 servers fit: 2 of 3 lack gpus, 1 lacks vcpus");
	assert_int_equal(c[0].host_id, 42); /* untouched */
	assert_int_equal(placement_choose(p, &r, 7, c, &err), 0);
	after = dump(p);
	assert_string_equal(before, after); /* nothing was taken */
	assert_int_equal(c[0].host_id, 3);
	assert_int_equal(c[1].host_id, 1);
	assert_int_equal(c[2].host_id, 1);
	assert_int_equal(c[3].host_id, 2);
	for (int i = 0; i < 7; i++)
		assert_int_equal(placement_take(p, i + 1, &r, &c[i], false, &err), 0);
	placement_destroy(p);
}

static void test_explain(void **state)
{
	struct placement *p =
		cluster("a: 8c 32g 4xh100@0; b: 2c 64g; c: 64c 256g down; d: 16c 64g 1xh100@0; e: 8c 8g");
	struct placement_request r = request("4c 16g 2xh100");
	struct placement_verdict v[5];
	static const struct {
		enum placement_rule rule;
		int64_t want, have;
	} right[] = { { RULE_OK, 0, 0 }, { RULE_VCPUS, 4, 2 }, { RULE_HOST_STATE, 0, 0 }, { RULE_GPU, 2, 1 },
		{ RULE_RAM, 16384, 8192 } };

	(void)state;
	assert_int_equal(placement_hosts(p), 5);
	assert_int_equal(placement_explain(p, &r, v), 1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(v[i].host_id, i + 1);
		assert_int_equal(v[i].rule, right[i].rule);
		assert_int_equal(v[i].want, right[i].want);
		assert_int_equal(v[i].have, right[i].have);
	}
	for (int r2 = RULE_OK; r2 < RULE_MAX; r2++)
		assert_non_null(placement_rule_name((enum placement_rule)r2));
	placement_destroy(p);
}

static void test_ratios(void **state)
{
	struct placement *p = placement_create();
	struct placement_host h = { .id = 1,
		.name = "a",
		.vcpus = 10,
		.ram_mib = 1000,
		.ram_reserved_mib = 200,
		.disk_gib = 100,
		.vcpu_ratio_milli = 4000,
		.ram_ratio_milli = 1500,
		.disk_ratio_milli = 900 };
	struct placement_usage u;

	(void)state;
	placement_host_set(p, &h);
	assert_true(placement_host_usage(p, 1, &u));
	assert_int_equal(u.vcpus_total, 40);
	assert_int_equal(u.ram_total_mib, 1200);
	assert_int_equal(u.disk_total_gib, 90);
	h.ram_reserved_mib = 2000; /* more than there is */
	placement_host_set(p, &h);
	assert_true(placement_host_usage(p, 1, &u));
	assert_int_equal(u.ram_total_mib, 0);
	assert_false(placement_host_usage(p, 2, &u));
	placement_destroy(p);
}

static void test_take_conflicts(void **state)
{
	struct placement *p = cluster("a: 8c 32g 100d 2xh100@0,1xl40s@0,1x!h100@0");
	struct placement_request r = request("4c 16g 10d 1xh100"), none = request("4c 16g 10d");
	struct placement_choice ok = { .host_id = 1, .gpus = { { .id = 101 } }, .gpus_n = 1 }, c;
	CLEANUP(free_ptr) char *before = NULL;
	CLEANUP(free_ptr) char *after = NULL;
	struct error err;

	(void)state;
	assert_int_equal(placement_take(p, 1, &r, &ok, false, &err), 0);
	before = dump(p);
#define REFUSED(server, req, choice, text)                                                   \
	do {                                                                                 \
		assert_int_equal(placement_take(p, server, &req, &choice, false, &err), -1); \
		assert_int_equal(err.code, ERR_CONFLICT);                                    \
		assert_string_equal(err.msg, text);                                          \
	} while (0)
	REFUSED(1, r, ok, "server 1 holds something already");
	REFUSED(2, r, ok, "GPU 101 of host a is not free");
	c = ok;
	c.host_id = 9;
	REFUSED(2, r, c, "host 9 is not known");
	c = ok;
	c.gpus[0].id = 103;
	REFUSED(2, r, c, "GPU 103 of host a is not of a wanted model");
	c.gpus[0].id = 104;
	REFUSED(2, r, c, "GPU 104 of host a is not free");
	c.gpus[0].id = 999;
	REFUSED(2, r, c, "GPU 999 of host a is not free");
	c.gpus_n = 0;
	REFUSED(2, r, c, "0 GPUs were chosen where 1 are wanted");
	REFUSED(2, none, ok, "1 GPUs were chosen where 0 are wanted");
	c = ok;
	c.gpus[0].id = c.gpus[1].id = 102;
	c.gpus_n = 2;
	REFUSED(2, r, c, "a GPU is named twice");
	c.gpus_n = 0;
	none.vcpus = 5;
	REFUSED(2, none, c, "host a has 4 vcpus left, not 5");
	none.vcpus = 4;
	none.ram_mib = 20000;
	REFUSED(2, none, c, "host a has 16384 MiB of ram left, not 20000");
	none.ram_mib = 1;
	none.disk_gib = 91;
	REFUSED(2, none, c, "host a has 90 GiB of disk left, not 91");
#undef REFUSED
	after = dump(p);
	assert_string_equal(before, after);
	placement_release(p, 2); /* holds nothing: fine */
	placement_release(p, 1);
	assert_int_equal(placement_take(p, 2, &r, &ok, false, &err), 0);
	placement_destroy(p);
}

/* What runs is counted, even where it should not fit. */
static void test_force(void **state)
{
	struct placement *p = cluster("a: 8c 32g 1xh100@0");
	struct placement_request r = request("20c 64g 1xh100");
	struct placement_choice c = { .host_id = 1, .gpus = { { .id = 777 } }, .gpus_n = 1 }, c2;
	struct placement_usage u;
	CLEANUP(free_ptr) char *before = dump(p);
	CLEANUP(free_ptr) char *after = NULL;
	struct error err;

	(void)state;
	assert_int_equal(placement_take(p, 1, &r, &c, false, &err), -1);
	assert_int_equal(placement_take(p, 1, &r, &c, true, &err), 0);
	assert_int_equal(placement_take(p, 2, &r, &c, true, &err), -1);
	assert_string_equal(err.msg, "GPU 777 of host a is taken by server 1");
	assert_true(placement_host_usage(p, 1, &u));
	assert_int_equal(u.vcpus_used, 20);
	assert_int_equal(u.gpus_total, 1);
	assert_int_equal(u.gpus_used, 1);
	r = request("1c 1g");
	assert_int_equal(placement_choose(p, &r, 1, &c2, &err), -1); /* overfull: nothing more fits */
	placement_release(p, 1);
	after = dump(p);
	assert_string_equal(before, after);
	placement_destroy(p);
}

/* The inventory changes under what is taken. */
static void test_gpu_vanishes(void **state)
{
	struct placement *p = cluster("a: 8c 32g 2xh100@0");
	struct placement_request r = request("1c 1g 1xh100"), both = request("1c 1g 2xh100");
	struct placement_choice c;
	struct test_host t;
	struct placement_usage u;
	char text[] = "a: 8c 32g 2xh100@0";
	struct error err;

	(void)state;
	assert_int_equal(placement_choose(p, &r, 1, &c, &err), 0);
	assert_int_equal(c.gpus[0].id, 101);
	assert_int_equal(placement_take(p, 1, &r, &c, false, &err), 0);
	parse_host(text, 1, &t);
	t.gpus[0] = t.gpus[1]; /* 101 is gone */
	t.h.gpus_n = 1;
	placement_host_set(p, &t.h);
	assert_true(placement_host_usage(p, 1, &u));
	assert_int_equal(u.gpus_total, 1);
	assert_int_equal(u.gpus_used, 1);
	assert_false(placement_host_remove(p, 1)); /* still used */
	placement_release(p, 1);
	assert_int_equal(placement_choose(p, &both, 1, &c, &err), -1); /* it is not given again */
	assert_int_equal(placement_choose(p, &r, 1, &c, &err), 0);
	assert_int_equal(c.gpus[0].id, 102);
	assert_true(placement_host_remove(p, 1));
	assert_true(placement_host_remove(p, 1)); /* not there: fine */
	assert_int_equal(placement_hosts(p), 0);
	placement_undo(p, 0);
	assert_true(placement_host_usage(p, 1, &u));
	assert_int_equal(u.gpus_total, 2);
	assert_int_equal(u.gpus_used, 0);
	placement_destroy(p);
}

/* ---- random lives ---- */

static uint64_t seed;

static uint32_t rnd(uint32_t below) /* splitmix64 */
{
	uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) % below);
}

enum { HOSTS = 8, SERVERS = 48, STEPS = 400, LIVES = 60 };
static const char *const models[] = { "h100", "l40s", "b300" };

struct model_server {
	bool held;
	struct placement_request r;
	struct placement_choice c;
};

struct model { /* what should be so */
	bool here[HOSTS];
	struct test_host hosts[HOSTS];
	struct model_server servers[SERVERS];
};

static void random_host(struct test_host *t, int64_t id)
{
	*t = (struct test_host) { .h = { .id = id,
					  .vcpus = 4 << rnd(5),
					  .ram_mib = 8192 << rnd(5),
					  .ram_reserved_mib = rnd(2) * 1024,
					  .disk_gib = 100 << rnd(3),
					  .vcpu_ratio_milli = 1000 + (int32_t)rnd(3) * 500,
					  .ram_ratio_milli = 1000,
					  .disk_ratio_milli = 1000,
					  .state = rnd(8) ? PLACEMENT_UP
							  : (enum placement_host_state)rnd(4) } };
	snprintf(t->h.name, sizeof t->h.name, "h%" PRId64, id);
	snprintf(t->h.zone, sizeof t->h.zone, "z%u", rnd(2));
	t->h.gpus = t->gpus;
	t->h.gpus_n = rnd(2) ? 0 : 1 + rnd(8);
	for (size_t i = 0; i < t->h.gpus_n; i++) {
		t->gpus[i] = (struct placement_gpu) { .id = id * 100 + (int64_t)i,
			.numa_cell = (int)rnd(3) - 1,
			.iommu_group = -1,
			.healthy = rnd(10) != 0 };
		str_copy(t->gpus[i].model, sizeof t->gpus[i].model, models[rnd(3)]);
	}
}

static struct placement_request random_request(void)
{
	struct placement_request r = {
		.vcpus = 1 + rnd(8), .ram_mib = 512 * (1 + rnd(16)), .disk_gib = rnd(40)
	};

	if (rnd(3) == 0)
		r.gpus_n = 1 + rnd(2);
	for (size_t i = 0; i < r.gpus_n; i++) {
		str_copy(r.gpus[i].model, sizeof r.gpus[i].model, models[(i + rnd(2)) % 3]);
		r.gpus[i].count = 1 + (int)rnd(3);
	}
	if (r.gpus_n == 2 && strcmp(r.gpus[0].model, r.gpus[1].model) == 0)
		r.gpus_n = 1;
	if (rnd(6) == 0)
		snprintf(r.zone, sizeof r.zone, "z%u", rnd(3));
	if (rnd(12) == 0)
		snprintf(r.host, sizeof r.host, "h%u", 1 + rnd(HOSTS));
	return r;
}

static bool gpu_is_free(const struct model *m, const struct placement_gpu *g)
{
	for (int s = 0; s < SERVERS; s++)
		for (size_t i = 0; m->servers[s].held && i < m->servers[s].c.gpus_n; i++)
			if (m->servers[s].c.gpus[i].id == g->id)
				return false;
	return g->healthy;
}

static void model_used(const struct model *m, int64_t host, int64_t used[3])
{
	used[0] = used[1] = used[2] = 0;
	for (int s = 0; s < SERVERS; s++) {
		const struct model_server *ms = &m->servers[s];

		if (!ms->held || ms->c.host_id != host)
			continue;
		used[0] += ms->r.vcpus;
		used[1] += ms->r.ram_mib;
		used[2] += ms->r.disk_gib;
	}
}

/* How many such servers the host takes. */
static int64_t model_room(const struct model *m, int i, const struct placement_request *r)
{
	const struct placement_host *h = &m->hosts[i].h;
	int64_t used[3], room,
		caps[3] = { h->vcpus * h->vcpu_ratio_milli / 1000, h->ram_mib - h->ram_reserved_mib,
			h->disk_gib };
	const int64_t want[3] = { r->vcpus, r->ram_mib, r->disk_gib };

	if (!m->here[i] || h->state != PLACEMENT_UP || (*r->zone && strcmp(r->zone, h->zone) != 0) ||
		(*r->host && strcmp(r->host, h->name) != 0))
		return 0;
	model_used(m, h->id, used);
	room = INT64_MAX;
	for (int d = 0; d < 3; d++) {
		int64_t n = !want[d] ? INT64_MAX : caps[d] < used[d] ? 0 : (caps[d] - used[d]) / want[d];

		room = n < room ? n : room;
	}
	for (size_t k = 0; k < r->gpus_n; k++) {
		int64_t n = 0;

		for (size_t g = 0; g < h->gpus_n; g++)
			n += strcmp(h->gpus[g].model, r->gpus[k].model) == 0 &&
			     gpu_is_free(m, &m->hosts[i].gpus[g]);
		room = n / r->gpus[k].count < room ? n / r->gpus[k].count : room;
	}
	return room;
}

static void step_create(struct placement *p, struct model *m)
{
	struct placement_request r = random_request();
	size_t n = 1 + rnd(3);
	struct placement_choice c[3];
	int64_t room = 0;
	struct error err;
	int slots[3], got = 0, rc;

	for (int s = 0; s < SERVERS && got < (int)n; s++)
		if (!m->servers[s].held)
			slots[got++] = s;
	if (got < (int)n)
		return;
	for (int i = 0; i < HOSTS && room < 100; i++)
		room += model_room(m, i, &r);
	rc = placement_choose(p, &r, n, c, &err);
	assert_int_equal(rc == 0, room >= (int64_t)n); /* refused only, and always, when it does not fit */
	if (rc < 0) {
		assert_int_equal(err.code, ERR_NO_HOST);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct model_server *s = &m->servers[slots[i]];

		assert_true(model_room(m, (int)c[i].host_id - 1, &r) >= 1);
		assert_int_equal(placement_take(p, slots[i] + 1, &r, &c[i], false, &err), 0);
		*s = (struct model_server) { true, r, c[i] };
	}
}

static void step_host(struct placement *p, struct model *m)
{
	int i = (int)rnd(HOSTS);
	bool used = false;

	for (int s = 0; s < SERVERS; s++)
		used = used || (m->servers[s].held && m->servers[s].c.host_id == i + 1);
	if (rnd(4) == 0) {
		bool gone = placement_host_remove(p, i + 1);

		assert_int_equal(gone, !used || !m->here[i]);
		m->here[i] = m->here[i] && !gone;
		return;
	}
	random_host(&m->hosts[i], i + 1);
	m->here[i] = true;
	m->hosts[i].h.gpus = m->hosts[i].gpus;
	placement_host_set(p, &m->hosts[i].h);
}

static void check_model(const struct placement *p, const struct model *m)
{
	for (int i = 0; i < HOSTS; i++) {
		struct placement_usage u;
		int64_t used[3];

		assert_int_equal(placement_host_usage(p, i + 1, &u), m->here[i]);
		if (!m->here[i])
			continue;
		model_used(m, i + 1, used);
		assert_int_equal(u.vcpus_used, used[0]);
		assert_int_equal(u.ram_used_mib, used[1]);
		assert_int_equal(u.disk_used_gib, used[2]);
	}
}

/* All that the outside can see: what is taken, and what would be decided next. */
static char *everything(const struct placement *p)
{
	struct placement_verdict v[HOSTS];
	struct buf b = { 0 };
	char *text;

	placement_dump(p, &b);
	for (unsigned i = 0; i < ARRAY_LEN(models); i++) {
		struct placement_request r = { .vcpus = 1, .ram_mib = 1 };

		if (i) {
			str_copy(r.gpus[0].model, sizeof r.gpus[0].model, models[i]);
			r.gpus[0].count = 1;
			r.gpus_n = 1;
		}
		placement_explain(p, &r, v);
		for (size_t h = 0; h < placement_hosts(p); h++)
			buf_printf(&b, "%" PRId64 " %d %" PRId64 " %" PRId64 "\n", v[h].host_id, v[h].rule,
				v[h].score, v[h].have);
	}
	text = xstrdup(buf_text(&b));
	buf_finish(&b);
	return text;
}

static void step(struct placement *p, struct model *m)
{
	unsigned what = rnd(10);
	int s = (int)rnd(SERVERS);

	if (what < 5) {
		step_create(p, m);
	} else if (what < 9) {
		placement_release(p, s + 1);
		m->servers[s].held = false;
	} else {
		step_host(p, m);
	}
}

/* Never over capacity, refused only where nothing fits, and what is undone leaves no trace. */
static void test_lives(void **state)
{
	static struct model m, saved;

	(void)state;
	for (int life = 0; life < LIVES; life++) {
		struct placement *p = placement_create();

		seed = 1000 + (uint64_t)life;
		memset(&m, 0, sizeof m);
		for (int i = 0; i < HOSTS; i++)
			if (rnd(4)) {
				random_host(&m.hosts[i], i + 1);
				m.here[i] = true;
				placement_host_set(p, &m.hosts[i].h);
			}
		for (int i = 0; i < STEPS; i++) {
			size_t mark = placement_mark(p);
			CLEANUP(free_ptr) char *before = everything(p);
			CLEANUP(free_ptr) char *after = NULL;

			saved = m;
			for (unsigned n = 1 + rnd(4); n; n--)
				step(p, &m);
			check_model(p, &m);
			if (rnd(3) == 0) {
				placement_undo(p, mark);
				after = everything(p);
				assert_string_equal(before, after);
				m = saved;
				check_model(p, &m);
			} else if (rnd(3) == 0) {
				placement_forget(p);
			}
		}
		placement_destroy(p);
	}
}

/* The order in which hosts were learnt of does not show, nor does the way a state was reached. */
static void test_order(void **state)
{
	static struct test_host hosts[HOSTS];

	(void)state;
	for (int life = 0; life < LIVES; life++) {
		struct placement *p = placement_create(), *q = placement_create();
		struct placement_choice c, d;
		struct error err, err2;
		char *x, *y;

		seed = 5000 + (uint64_t)life;
		for (int i = 0; i < HOSTS; i++)
			random_host(&hosts[i], i + 1);
		for (int i = 0; i < HOSTS; i++) {
			placement_host_set(p, &hosts[i].h);
			placement_host_set(q, &hosts[HOSTS - 1 - i].h);
		}
		placement_host_remove(q, 3); /* moves others about */
		placement_host_set(q, &hosts[2].h);
		for (int64_t s = 1; s <= SERVERS; s++) {
			struct placement_request r = random_request();
			int rc = placement_choose(p, &r, 1, &c, &err);

			assert_int_equal(placement_choose(q, &r, 1, &d, &err2), rc);
			if (rc < 0) {
				assert_string_equal(err.msg, err2.msg);
				continue;
			}
			assert_int_equal(c.host_id, d.host_id);
			assert_int_equal(c.gpus_n, d.gpus_n);
			assert_memory_equal(c.gpus, d.gpus, c.gpus_n * sizeof *c.gpus);
			assert_int_equal(placement_take(p, s, &r, &c, false, &err), 0);
			assert_int_equal(placement_take(q, s, &r, &d, false, &err), 0);
		}
		x = dump(p);
		y = dump(q);
		assert_string_equal(x, y);
		free(x);
		free(y);
		placement_destroy(p);
		placement_destroy(q);
	}
}

/* n at once are the n that would be chosen one by one. */
static void test_gang_is_one_by_one(void **state)
{
	enum { GANG = 12 };
	static struct test_host host;

	(void)state;
	for (int life = 0; life < LIVES; life++) {
		struct placement *p = placement_create();
		struct placement_request r;
		struct placement_choice gang[GANG], one;
		struct error err;

		seed = 9000 + (uint64_t)life;
		for (int i = 0; i < HOSTS; i++) {
			random_host(&host, i + 1);
			placement_host_set(p, &host.h);
		}
		r = random_request();
		if (placement_choose(p, &r, GANG, gang, &err) == 0)
			for (int i = 0; i < GANG; i++) {
				assert_int_equal(placement_choose(p, &r, 1, &one, &err), 0);
				assert_int_equal(one.host_id, gang[i].host_id);
				assert_memory_equal(one.gpus, gang[i].gpus, one.gpus_n * sizeof *one.gpus);
				assert_int_equal(placement_take(p, i + 1, &r, &one, false, &err), 0);
			}
		placement_destroy(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_eligible),
		cmocka_unit_test(test_gang),
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_ratios),
		cmocka_unit_test(test_take_conflicts),
		cmocka_unit_test(test_force),
		cmocka_unit_test(test_gpu_vanishes),
		cmocka_unit_test(test_lives),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_gang_is_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
