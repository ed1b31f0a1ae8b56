/* SPDX-License-Identifier: Apache-2.0 */
/* What follows of what is known of a host: each rule, what comes first where several hold, and how many
 * silent hosts are a network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/util.h"
#include "domain/host_evidence.h"

enum { S = 1000000 };

static const struct {
	struct evidence_facts facts;
	enum host_evidence state;
	const char *source;
} cases[] = {
	{ { .connected = true }, EVIDENCE_CONNECTED, "look" },
	/* nothing is known yet: a start is no evidence */
	{ { .was = EVIDENCE_CONNECTED, .silent_us = 0, .unreachable_us = 30 * S }, EVIDENCE_DOUBTFUL,
		"start" },
	{ { .was = EVIDENCE_CONNECTED, .silent_us = 99 * S, .unreachable_us = 30 * S }, EVIDENCE_DOUBTFUL,
		"start" },
	{ { .failed = true, .silent_us = 29 * S, .unreachable_us = 30 * S }, EVIDENCE_DOUBTFUL, "failure" },
	{ { .failed = true, .silent_us = 30 * S, .unreachable_us = 30 * S }, EVIDENCE_UNREACHABLE,
		"silence" },
	/* it was unreachable before a restart, and still is */
	{ { .was = EVIDENCE_UNREACHABLE, .unreachable_us = 30 * S }, EVIDENCE_UNREACHABLE, "silence" },
	{ { .was = EVIDENCE_UNREACHABLE, .connected = true, .failed = true, .silent_us = 99 * S },
		EVIDENCE_CONNECTED, "look" },
	{ { .connected = true, .unsteady = true }, EVIDENCE_DOUBTFUL, "unsteady" },
	{ { .connected = true, .comes_back = true, .unsteady = true }, EVIDENCE_DOUBTFUL, "return" },
	{ { .comes_back = true, .failed = true, .unreachable_us = 1 }, EVIDENCE_DOUBTFUL, "failure" },
	/* a proof holds whatever else is seen: it ends by an operator's word alone */
	{ { .fenced = true, .connected = true }, EVIDENCE_DOWN, "fence" },
	{ { .stated = true, .connected = true, .comes_back = true }, EVIDENCE_DOWN, "operator" },
	{ { .stated = true, .failed = true, .silent_us = 99 * S }, EVIDENCE_DOWN, "operator" },
	/* that was taken back while it is silent: it is not known to be off any more */
	{ { .was = EVIDENCE_DOWN, .failed = true, .silent_us = 99 * S, .unreachable_us = 30 * S },
		EVIDENCE_UNREACHABLE, "silence" },
};

static void test_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct evidence_verdict v = evidence_weigh(&cases[i].facts);

		if (v.state != cases[i].state || !str_eq(v.source, cases[i].source))
			fail_msg("case %zu: %s by %s", i, evidence_text(v.state), v.source);
		assert_int_equal(v.tell, !str_eq(v.source, "start"));
		assert_true(*evidence_source_says(v.source));
	}
}

/* Silence of any length, in any state, is never a proof. */
static void test_silence_is_no_proof(void **state)
{
	(void)state;
	for (int was = 0; was < EVIDENCE_STATES; was++)
		for (unsigned bits = 0; bits < 16; bits++) {
			struct evidence_facts f = { .connected = bits & 1,
				.failed = bits & 2,
				.comes_back = bits & 4,
				.unsteady = bits & 8,
				.was = (enum host_evidence)was,
				.silent_us = INT64_MAX / 2,
				.unreachable_us = 1 };

			assert_int_not_equal(evidence_weigh(&f).state, EVIDENCE_DOWN);
			if (!f.connected)
				assert_int_not_equal(evidence_weigh(&f).state, EVIDENCE_CONNECTED);
		}
}

static void test_texts(void **state)
{
	enum host_evidence s;

	(void)state;
	for (int i = 0; i < EVIDENCE_STATES; i++)
		assert_true(evidence_parse(evidence_text((enum host_evidence)i), &s) && (int)s == i);
	assert_false(evidence_parse("dead", &s));
}

static void test_unsteady(void **state)
{
	struct evidence_losses l = { .n = 0 };
	int64_t t = 1000LL * S;

	(void)state;
	for (int i = 0; i < EVIDENCE_LOSSES; i++) {
		assert_false(evidence_unsteady(&l, t, 0, 30 * S));
		evidence_lost(&l, t);
		t += 10 * S;
	}
	assert_true(evidence_unsteady(&l, t, 10 * S, 30 * S));
	assert_true(evidence_unsteady(&l, t + 19 * S, 29 * S, 30 * S));
	assert_false(evidence_unsteady(&l, t + 20 * S, 30 * S, 30 * S)); /* it stands */
	assert_false(evidence_unsteady(&l, t, 10 * S, 0));
	/* one loss now and then */
	for (int i = 0; i < 2 * EVIDENCE_LOSSES; i++) {
		t += 21LL * S;
		evidence_lost(&l, t);
	}
	assert_false(evidence_unsteady(&l, t + S, S, 30 * S));
}

static void test_fleet(void **state)
{
	static const struct {
		struct evidence_fleet f;
		bool may;
	} fleets[] = {
		{ { 100, 99, 1, 1 }, true }, { { 100, 98, 2, 1 }, false }, { { 100, 97, 3, 5 }, true },
		{ { 100, 94, 6, 5 }, false }, { { 10, 7, 3, 5 }, false }, /* a fifth is two */
		{ { 10, 8, 2, 5 }, true }, { { 3, 2, 1, 5 }, true },
		{ { 3, 1, 1, 5 }, false }, /* another one is down already: who cannot be heard? */
		{ { 2, 1, 1, 5 }, true }, { { 2, 0, 2, 5 }, false },
		{ { 1, 0, 1, 5 }, false }, /* the only one, or we ourselves */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fleets); i++)
		if (!evidence_holds_fence(&fleets[i].f) != fleets[i].may)
			fail_msg("fleet %zu", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_silence_is_no_proof),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_unsteady),
		cmocka_unit_test(test_fleet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
