/* SPDX-License-Identifier: Apache-2.0 */
/* What libvirt's bulk statistics say of a guest: as QEMU's driver tells it, with groups and devices missing,
 * and nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "hv/libvirt/useparams.h"

enum {
	U = VIR_TYPED_PARAM_UINT,
	L = VIR_TYPED_PARAM_ULLONG,
	I = VIR_TYPED_PARAM_INT,
	S = VIR_TYPED_PARAM_LLONG
};

struct said {
	const char *field;
	int type;
	long long value;
};

/* A guest with two disks and two nets, as libvirt 9 tells of it. */
static const struct said running[] = {
	{ "state.state", I, 1 },
	{ "state.reason", I, 5 },
	{ "cpu.time", L, 41273842000 },
	{ "cpu.user", L, 1270000000 },
	{ "cpu.system", L, 980000000 },
	{ "cpu.cache.monitor.count", U, 0 },
	{ "balloon.current", L, 2097152 },
	{ "balloon.maximum", L, 2097152 },
	{ "balloon.swap_in", L, 0 },
	{ "balloon.available", L, 2017284 },
	{ "balloon.unused", L, 1500000 },
	{ "balloon.usable", L, 1700000 },
	{ "balloon.rss", L, 1048576 },
	{ "net.count", U, 2 },
	{ "net.0.rx.bytes", L, 1000 },
	{ "net.0.rx.pkts", L, 10 },
	{ "net.0.rx.errs", L, 7 },
	{ "net.0.tx.bytes", L, 2000 },
	{ "net.0.tx.pkts", L, 20 },
	{ "net.1.rx.bytes", L, 1 },
	{ "net.1.rx.pkts", L, 2 },
	{ "net.1.tx.bytes", L, 3 },
	{ "net.1.tx.pkts", L, 4 },
	{ "block.count", U, 2 },
	{ "block.0.rd.reqs", L, 5 },
	{ "block.0.rd.bytes", L, 4096 },
	{ "block.0.rd.times", L, 99 },
	{ "block.0.wr.reqs", L, 6 },
	{ "block.0.wr.bytes", L, 8192 },
	{ "block.0.fl.reqs", L, 55 },
	{ "block.0.allocation", L, 12345 },
	{ "block.1.rd.reqs", L, 1 },
	{ "block.1.rd.bytes", L, 512 },
	{ "block.1.wr.reqs", L, 0 },
	{ "block.1.wr.bytes", L, 0 },
	{ 0 },
};

/* "counters in their order, ram"; - for what is not known. Without what begins with `but`. */
static const char *read_said(const struct said *list, const char *but)
{
	static char out[512];
	virTypedParameter params[64];
	struct hv_use u = { 0 };
	size_t len = 0;
	int n = 0;

	for (; list->field; list++) {
		virTypedParameter *p = &params[n];

		if (but && str_starts(list->field, but))
			continue;
		memset(p, 0, sizeof *p);
		str_copy(p->field, sizeof p->field, list->field);
		p->type = list->type;
		if (list->type == I)
			p->value.i = (int)list->value;
		else if (list->type == U)
			p->value.ui = (unsigned)list->value;
		else if (list->type == L)
			p->value.ul = (unsigned long long)list->value;
		else
			p->value.l = list->value;
		n++;
	}
	useparams_read(params, n, &u);
	for (int i = 0; i <= SAMPLE_COUNTERS; i++) {
		int64_t v = i < SAMPLE_COUNTERS ? u.counter[i] : u.ram_mib;

		len += (size_t)snprintf(
			out + len, sizeof out - len, v < 0 ? "%s-" : "%s%lld", i ? " " : "", (long long)v);
	}
	return out;
}

static void test_groups(void **state)
{
	(void)state;
	assert_string_equal(read_said(running, NULL), "41273842000 4608 6 8192 6 1001 12 2003 24 309");
	assert_string_equal(
		read_said(running, "balloon.usable"), "41273842000 4608 6 8192 6 1001 12 2003 24 505");
	assert_string_equal(
		read_said(running, "balloon.un"), "41273842000 4608 6 8192 6 1001 12 2003 24 309");
	assert_string_equal(
		read_said(running, "balloon.available"), "41273842000 4608 6 8192 6 1001 12 2003 24 1024");
	assert_string_equal(read_said(running, "balloon."), "41273842000 4608 6 8192 6 1001 12 2003 24 -");
	/* one that is busy: the monitor was not asked */
	assert_string_equal(read_said(running, "block."), "41273842000 - - - - 1001 12 2003 24 309");
	assert_string_equal(read_said(running, "net."), "41273842000 4608 6 8192 6 - - - - 309");
	assert_string_equal(read_said(running, "cpu."), "- 4608 6 8192 6 1001 12 2003 24 309");
	assert_string_equal(read_said(running + ARRAY_LEN(running) - 1, NULL), "- - - - - - - - - -");
}

/* The sum of some devices is not told. */
static void test_devices(void **state)
{
	static const struct said none[] = { { "net.count", U, 0 }, { "block.count", U, 0 }, { 0 } };

	(void)state;
	assert_string_equal(read_said(running, "net.1.rx"), "41273842000 4608 6 8192 6 - - 2003 24 309");
	assert_string_equal(
		read_said(running, "block.0.wr.bytes"), "41273842000 4608 6 - 6 1001 12 2003 24 309");
	assert_string_equal(read_said(running, "block.count"), "41273842000 - - - - 1001 12 2003 24 309");
	assert_string_equal(read_said(none, NULL), "- 0 0 0 0 0 0 0 0 -");
}

static void test_nonsense(void **state)
{
	static const struct said odd[] = { { "cpu.time", S, -5 }, { "balloon.current", L, -1 },
		{ "net.count", U, 1 }, { "net.x.rx.bytes", L, 1 }, { "net..rx.bytes", L, 1 },
		{ "net.0.rx.bytes.more", L, 1 }, { "net.0rx.bytes", L, 1 }, { "block.count", I, -1 }, { 0 } };
	static const struct said large[] = { { "net.count", U, 2 }, { "net.0.rx.bytes", L, INT64_MAX },
		{ "net.1.rx.bytes", L, 2 }, { "cpu.time", S, 12 }, { 0 } };

	(void)state;
	assert_string_equal(read_said(odd, NULL), "- - - - - - - - - -");
	assert_string_equal(read_said(large, NULL), "12 - - - - - - - - -");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
