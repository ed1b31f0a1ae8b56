/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts' URIs: what libvirt gets, host and port, and the probe of who listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "hv/libvirt/address.h"

static void test_uri(void **state)
{
	static const struct {
		const char *uri, *pki, *want;
	} rows[] = {
		{ "qemu+tls://h/system", "/etc/pki", "qemu+tls://h/system?pkipath=/etc/pki" },
		{ "qemu+tls://h/system?a=b", "/p", "qemu+tls://h/system?a=b&pkipath=/p" },
		{ "qemu+tls://h/system?pkipath=/own", "/p", "qemu+tls://h/system?pkipath=/own" },
		{ "test+tls://h:1/default", "/a b&c=%\"",
			"test+tls://h:1/default?pkipath=/a%20b%26c%3D%25%22" },
		{ "test:///default", NULL, "test:///default" },
		{ "qemu:///system", "/p", "qemu:///system" },
	};
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct hv_target t = { .uri = rows[i].uri, .pki_dir = rows[i].pki };
		char *got = address_uri(&t, &err);

		assert_string_equal(got, rows[i].want);
		free(got);
	}
	assert_null(address_uri(&(struct hv_target) { .uri = "qemu+tls://h/system" }, &err));
	assert_int_equal(err.code, ERR_BAD_REQUEST);
}

static void test_host(void **state)
{
	static const struct {
		const char *uri, *host, *port; /* host NULL: refused */
	} rows[] = {
		{ "qemu+tls://node-1.example/system", "node-1.example", "16514" },
		{ "qemu+tls://10.0.0.1:7/system", "10.0.0.1", "7" },
		{ "qemu+tls://[2001:db8::1]/system", "2001:db8::1", "16514" },
		{ "qemu+tls://[2001:db8::1]:65535/system?x=1", "2001:db8::1", "65535" },
		{ "qemu+tls://h?x=1:2", "h", "16514" },
		{ "qemu+tls://user@h/system", NULL, NULL },
		{ "qemu+tls://[::1/system", NULL, NULL },
		{ "qemu+tls:///system", NULL, NULL },
		{ "qemu+tls://h:0/system", NULL, NULL },
		{ "qemu+tls://h:65536/system", NULL, NULL },
		{ "qemu+tls://h:1234567890/system", NULL, NULL },
		{ "qemu+tls://h:/system", NULL, NULL },
		{ "qemu+tls://h:1x/system", NULL, NULL },
	};
	char host[64], port[8];
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int rc = address_host(rows[i].uri, host, sizeof host, port, &err);

		assert_int_equal(rc, rows[i].host ? 0 : -1);
		if (rows[i].host) {
			assert_string_equal(host, rows[i].host);
			assert_string_equal(port, rows[i].port);
		} else {
			assert_int_equal(err.code, ERR_BAD_REQUEST);
		}
	}
}

/* A listener whose queue is full answers nobody: as a host that drops packets. */
static void test_probe(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fill[8];
	socklen_t len = sizeof a;
	struct error err;
	char uri[64];

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	snprintf(uri, sizeof uri, "qemu+tls://127.0.0.1:%d/system", ntohs(a.sin_port));
	assert_int_equal(address_probe(uri, 1000, &err), -1); /* bound, but nobody listens */
	assert_int_equal(err.code, ERR_UNREACHABLE);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(address_probe(uri, 1000, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(fill); i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(fill[i], (struct sockaddr *)&a, sizeof a);
	}
	err.code = ERR_NONE;
	assert_int_equal(address_probe(uri, 100, &err), -1);
	assert_int_equal(err.code, ERR_UNREACHABLE);
	for (size_t i = 0; i < ARRAY_LEN(fill); i++)
		close(fill[i]);
	close(fd);
	assert_int_equal(address_probe("test:///default", 100, &err), 0); /* nothing to probe */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uri),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
