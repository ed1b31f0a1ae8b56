/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 ranges, pools, and the next address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/util.h"
#include "domain/ipam.h"

static uint32_t ip(const char *text)
{
	uint32_t a;

	assert_true(ipam_parse(text, &a));
	return a;
}

static void test_parse(void **state)
{
	static const char *const good[] = { "0.0.0.0", "10.0.0.1", "255.255.255.255", "192.168.100.20" };
	static const char *const bad[] = { "", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.-4", "01.2.3.4",
		"1.2.3.4 ", " 1.2.3.4", "1..2.3", "1.2.3.4/24", "a.b.c.d", "1.2.3.1000", "::1" };
	char text[IPAM_TEXT];
	uint32_t a = 42;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_string_equal(ipam_format(ip(good[i]), text), good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (ipam_parse(bad[i], &a))
			fail_msg("'%s' was taken", bad[i]);
	assert_int_equal(a, 42);
}

static const struct {
	const char *text, *says; /* NULL: good */
	const char *first, *last;
} cidrs[] = {
	{ "10.0.0.0/24", NULL, "10.0.0.1", "10.0.0.254" },
	{ "10.0.0.0/8", NULL, "10.0.0.1", "10.255.255.254" },
	{ "10.0.0.4/30", NULL, "10.0.0.5", "10.0.0.6" },
	{ "10.0.0.4/31", NULL, "10.0.0.4", "10.0.0.5" },
	{ "10.0.0.4/32", NULL, "10.0.0.4", "10.0.0.4" },
	{ "0.0.0.0/0", NULL, "0.0.0.1", "255.255.255.254" },
	{ "255.255.255.0/24", NULL, "255.255.255.1", "255.255.255.254" },
	{ "10.0.0.5/24", "'10.0.0.0/24' is recommended", NULL, NULL },
	{ "10.0.0.0", "not an IPv4 range", NULL, NULL },
	{ "10.0.0.0/33", "not an IPv4 range", NULL, NULL },
	{ "10.0.0.0/024", "not an IPv4 range", NULL, NULL },
	{ "10.0.0.0/24x", "not an IPv4 range", NULL, NULL },
	{ "10.0.0/24", "not an IPv4 range", NULL, NULL },
	{ "fd00::/64", "not an IPv4 range", NULL, NULL },
};

static void test_cidr(void **state)
{
	char text[IPAM_CIDR_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cidrs); i++) {
		struct ipam_cidr c;
		struct ipam_pool hosts;
		struct error err;
		int rc = ipam_cidr_parse(cidrs[i].text, &c, &err);

		assert_int_equal(rc, cidrs[i].says ? -1 : 0);
		if (rc) {
			assert_int_equal(err.code, ERR_BAD_REQUEST);
			assert_non_null(strstr(err.msg, cidrs[i].says));
			continue;
		}
		assert_string_equal(ipam_cidr_format(&c, text), cidrs[i].text);
		hosts = ipam_cidr_hosts(&c);
		assert_int_equal(hosts.first, ip(cidrs[i].first));
		assert_int_equal(hosts.last, ip(cidrs[i].last));
		assert_true(ipam_cidr_has(&c, hosts.first) && ipam_cidr_has(&c, hosts.last));
	}
}

static struct ipam_cidr cidr(const char *text)
{
	struct ipam_cidr c;
	struct error err;

	assert_int_equal(ipam_cidr_parse(text, &c, &err), 0);
	return c;
}

static void test_overlap(void **state)
{
	struct ipam_cidr a = cidr("10.0.0.0/16"), b = cidr("10.0.3.0/24"), c = cidr("10.1.0.0/16"),
			 all = cidr("0.0.0.0/0");

	(void)state;
	assert_true(ipam_cidr_overlap(&a, &b) && ipam_cidr_overlap(&b, &a) && ipam_cidr_overlap(&c, &all));
	assert_false(ipam_cidr_overlap(&a, &c));
	assert_false(ipam_cidr_overlap(&b, &c));
	assert_int_equal(ipam_netmask(&a), 0xffff0000u);
	assert_int_equal(ipam_netmask(&all), 0);
}

static void test_pools(void **state)
{
	struct ipam_cidr c = cidr("10.0.0.0/24"), tiny = cidr("10.0.0.0/30");
	struct ipam_pool p[2];
	struct error err;

	(void)state;
	assert_int_equal(ipam_pools_default(&c, ip("10.0.0.1"), p), 1);
	assert_int_equal(p[0].first, ip("10.0.0.2"));
	assert_int_equal(ipam_pools_size(p, 1), 253);
	assert_int_equal(ipam_pools_default(&c, ip("10.0.0.254"), p), 1);
	assert_int_equal(p[0].last, ip("10.0.0.253"));
	assert_int_equal(ipam_pools_default(&c, 0, p), 1);
	assert_int_equal(ipam_pools_size(p, 1), 254);
	assert_int_equal(ipam_pools_default(&c, ip("10.0.0.9"), p), 2);
	assert_int_equal(ipam_pools_size(p, 2), 253);
	assert_int_equal(ipam_pools_check(&c, ip("10.0.0.9"), p, 2, &err), 0);
	assert_true(ipam_pools_have(p, 2, ip("10.0.0.8")) && ipam_pools_have(p, 2, ip("10.0.0.10")));
	assert_false(ipam_pools_have(p, 2, ip("10.0.0.9")));
	assert_int_equal(ipam_pools_check(&c, ip("10.0.0.8"), p, 2, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	p[1].first = p[0].last;
	assert_int_equal(ipam_pools_check(&c, 0, p, 2, &err), -1);
	assert_non_null(strstr(err.msg, "overlaps"));
	p[1] = (struct ipam_pool) { ip("10.0.0.20"), ip("10.0.0.19") };
	assert_int_equal(ipam_pools_check(&c, 0, p, 2, &err), -1);
	p[1] = (struct ipam_pool) { ip("10.0.0.20"), ip("10.0.0.255") };
	assert_int_equal(ipam_pools_check(&c, 0, p, 2, &err), -1);
	assert_non_null(strstr(err.msg, "10.0.0.20-10.0.0.255"));
	assert_int_equal(ipam_pools_default(&tiny, ip("10.0.0.1"), p), 1);
	assert_int_equal(ipam_pools_size(p, 1), 1);
	tiny = cidr("10.0.0.1/32");
	assert_int_equal(ipam_pools_default(&tiny, ip("10.0.0.1"), p), 0);
}

/* Goes round, across pools in any order; a freed address comes last; all are given before it is full. */
static void test_next(void **state)
{
	const struct ipam_pool pools[] = { { 100, 102 }, { 50, 51 } };
	static const uint32_t order[] = { 50, 51, 100, 101, 102 };
	uint32_t taken[8], cursor = 0, got = 7;
	struct ipam_sorted sorted = { taken, 0 };
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		assert_int_equal(ipam_next(pools, 2, cursor, ipam_taken_sorted, &sorted, &got, &err), 0);
		assert_int_equal(got, order[i]);
		taken[sorted.n++] = cursor = got;
		if (i == 1) { /* free the first: not given again before the others */
			taken[0] = taken[1];
			sorted.n = 1;
		}
	}
	assert_int_equal(ipam_next(pools, 2, cursor, ipam_taken_sorted, &sorted, &got, &err), 0);
	assert_int_equal(got, 50);
	memmove(taken + 1, taken, sorted.n++ * sizeof *taken);
	taken[0] = 50;
	for (cursor = 0; cursor < 120; cursor++) {
		got = 7;
		assert_int_equal(ipam_next(pools, 2, cursor, ipam_taken_sorted, &sorted, &got, &err), -1);
		assert_int_equal(err.code, ERR_CONFLICT);
		assert_int_equal(got, 7);
	}
	assert_int_equal(ipam_next(NULL, 0, 0, ipam_taken_sorted, &sorted, &got, &err), -1);
}

static void test_next_at_the_end(void **state)
{
	const struct ipam_pool pools[] = { { UINT32_MAX - 1, UINT32_MAX } };
	struct ipam_sorted none = { NULL, 0 };
	struct error err;
	uint32_t got;

	(void)state;
	assert_int_equal(ipam_next(pools, 1, UINT32_MAX, ipam_taken_sorted, &none, &got, &err), 0);
	assert_int_equal(got, UINT32_MAX - 1);
	assert_int_equal(ipam_next(pools, 1, got, ipam_taken_sorted, &none, &got, &err), 0);
	assert_int_equal(got, UINT32_MAX);
}

static void test_mac(void **state)
{
	static const char *const bad[] = { "", "fa:16:3e:00:00", "fa:16:3e:00:00:00:00", "fa-16-3e-00-00-00",
		"01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "fa:16:3e:0g:00:00" };
	const unsigned char bytes[3] = { 0, 0x7f, 0xff };
	char text[IPAM_MAC_TEXT];

	(void)state;
	assert_string_equal(ipam_mac(bytes, text), "fa:16:3e:00:7f:ff");
	assert_true(ipam_mac_parse("FA:16:3E:0A:bc:01", text));
	assert_string_equal(text, "fa:16:3e:0a:bc:01");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (ipam_mac_parse(bad[i], text))
			fail_msg("'%s' was taken", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_cidr),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_pools),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_next_at_the_end),
		cmocka_unit_test(test_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
