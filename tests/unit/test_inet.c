/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>

#include "base/util.h"
#include "domain/inet.h"

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage s = { 0 };
	void *to = strchr(text, ':') ? (void *)&((struct sockaddr_in6 *)&s)->sin6_addr
				     : (void *)&((struct sockaddr_in *)&s)->sin_addr;

	s.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(s.ss_family, text, to), 1);
	return s;
}

static void test_public(void **state)
{
	static const char *const inside[] = { "127.0.0.1", "127.255.255.254", "10.1.2.3", "172.16.0.1",
		"172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255",
		"0.0.0.0", "0.1.2.3", "224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "192.0.2.1",
		"198.18.0.1", "198.51.100.7", "203.0.113.9", "192.0.0.8", "::", "::1", "::ffff:8.8.8.8",
		"::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::a00:1", "fe80::1", "fec0::1", "fc00::1",
		"fd12::1", "ff02::1", "100::1", "2001:db8::1", "2001::1", "2002:7f00:1::1", "3fff::1" };
	static const char *const outside[] = { "8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.0",
		"100.63.255.255", "100.128.0.0", "11.0.0.1", "9.255.255.255", "126.255.255.255", "128.0.0.1",
		"169.253.255.255", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::200e",
		"2001:4860::1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
		struct sockaddr_storage s = address(inside[i]);

		if (inet_is_public((struct sockaddr *)&s))
			fail_msg("%s is not out in the world", inside[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
		struct sockaddr_storage s = address(outside[i]);

		if (!inet_is_public((struct sockaddr *)&s))
			fail_msg("%s is out in the world", outside[i]);
	}
}

static void test_networks(void **state)
{
	static const struct {
		const char *network, *address;
		bool in;
	} rows[] = {
		{ "10.0.0.0/8", "10.255.0.1", true },
		{ "10.0.0.0/8", "11.0.0.1", false },
		{ "10.0.0.0/9", "10.128.0.0", false },
		{ "10.0.0.0/9", "10.127.255.255", true },
		{ "127.0.0.1", "127.0.0.1", true },
		{ "127.0.0.1", "127.0.0.2", false },
		{ "0.0.0.0/0", "8.8.8.8", true },
		{ "0.0.0.0/0", "::1", false },
		{ "fd00::/8", "fd12::1", true },
		{ "fd00::/127", "fd00::2", false },
	};
	static const char *const wrong[] = { "", "10", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/x",
		"fd00::/129", "host", "10.0.0.0/8 ", "1.2.3.4.5" };
	struct inet_network n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sockaddr_storage s = address(rows[i].address);

		assert_true(inet_network_parse(rows[i].network, &n));
		if (inet_network_has(&n, (struct sockaddr *)&s) != rows[i].in)
			fail_msg("%s in %s", rows[i].address, rows[i].network);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_false(inet_network_parse(wrong[i], &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_public), cmocka_unit_test(test_networks) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
