/* SPDX-License-Identifier: Apache-2.0 */
/* Whose turn it is: the order in which connections are served, and who is turned away, as counts. Server and
 * clients share one thread, so that all that is asked is there before anything is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/util.h"
#include "http/http.h"

enum { CONNS_MAX = 600, BUSY_NS = 60000 };

static uv_loop_t loop;
static struct http_server *server;
static char dir[64], path[96];
static int fds[CONNS_MAX];
static size_t fds_n;
static uint64_t order[4 * CONNS_MAX]; /* owners, as they were served */
static size_t served;
static unsigned verdicts[3], dropped;

static enum http_body begin(void *ctx, struct http_request *r)
{
	uint64_t owner = strtoull(http_header(r, "X-Owner"), NULL, 10);
	unsigned retry_s = 0;
	enum http_admission a = http_admit(r, owner, true, &retry_s);

	(void)ctx;
	verdicts[a]++;
	if (a == HTTP_FINE)
		return HTTP_BODY_COLLECT;
	assert_true(retry_s >= 1 && retry_s <= 60);
	http_respond(r, a == HTTP_EXCESS ? 429 : 503, NULL, 0, NULL);
	return HTTP_BODY_REFUSED;
}

/* Takes some time, as handlers do: what is shared is time. */
static void end(void *ctx, struct http_request *r)
{
	uint64_t until = uv_hrtime() + BUSY_NS;

	(void)ctx;
	while (uv_hrtime() < until)
		;
	order[served++] = strtoull(http_header(r, "X-Owner"), NULL, 10);
	http_respond(r, 204, NULL, 0, NULL);
}

static void on_dropped(void *ctx, struct http_request *r)
{
	(void)ctx;
	(void)r;
	dropped++;
}

static int up_with(struct http_limits limits)
{
	const struct http_handler handler = { .begin = begin, .end = end, .dropped = on_dropped };
	struct error err = { 0 };

	limits.connections = CONNS_MAX;
	strcpy(dir, "/tmp/cloudd-turns-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/socket", dir);
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(http_server_create(&loop, &limits, &handler, &server, &err), 0);
	assert_int_equal(http_server_listen_unix(server, path, 0600, &err), 0);
	fds_n = served = 0;
	memset(verdicts, 0, sizeof verdicts);
	dropped = 0;
	return 0;
}

static int up(void **state)
{
	(void)state;
	return up_with(http_limits_default);
}

static int up_narrow(void **state)
{
	struct http_limits limits = http_limits_default;

	(void)state;
	limits.waiting = 40;
	limits.bodies = 4000;
	return up_with(limits);
}

static int down(void **state)
{
	(void)state;
	for (size_t i = 0; i < fds_n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	http_server_destroy(server);
	while (uv_run(&loop, UV_RUN_DEFAULT))
		;
	assert_int_equal(uv_loop_close(&loop), 0);
	rmdir(dir);
	return 0;
}

static size_t client(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	str_copy(a.sun_path, sizeof a.sun_path, path);
	assert_true(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	fds[fds_n] = fd;
	return fds_n++;
}

static void put(size_t i, const char *text)
{
	assert_int_equal(send(fds[i], text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void ask(size_t i, uint64_t owner)
{
	char text[128];

	snprintf(text, sizeof text, "GET /x HTTP/1.1\r\nHost: x\r\nX-Owner: %llu\r\n\r\n",
		(unsigned long long)owner);
	put(i, text);
}

/* A request whose body does not come yet. */
static void announce(size_t i, uint64_t owner, unsigned n)
{
	char text[160];

	snprintf(text, sizeof text,
		"POST /x HTTP/1.1\r\nHost: x\r\nX-Owner: %llu\r\nContent-Length: %u\r\n\r\n",
		(unsigned long long)owner, n);
	put(i, text);
}

/* Status of the answer on a connection; 0: none yet. */
static int status(size_t i)
{
	char text[512];
	ssize_t n = recv(fds[i], text, sizeof text - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	assert_null(strstr(text + 1, "HTTP/1.1 ")); /* one answer, not two */
	return atoi(text + 9);
}

/* Until nothing happens any more. */
static void run(void)
{
	for (unsigned quiet = 0; quiet < 20; quiet++) {
		size_t before = served + verdicts[HTTP_EXCESS] + verdicts[HTTP_OVERLOAD];

		uv_run(&loop, UV_RUN_NOWAIT);
		if (served + verdicts[HTTP_EXCESS] + verdicts[HTTP_OVERLOAD] != before)
			quiet = 0;
	}
}

/* n connections, of which the server knows whose they are. */
static size_t clients(uint64_t owner, size_t n)
{
	size_t first = fds_n;

	for (size_t i = 0; i < n; i++) {
		ask(client(), owner);
		run();
		assert_int_equal(status(first + i), 204);
	}
	served = 0;
	memset(verdicts, 0, sizeof verdicts);
	return first;
}

/* Several ask, so nobody is served out of turn. */
static void stir(size_t a, size_t b)
{
	ask(a, 5);
	run();
	ask(b, 9);
	run();
	assert_int_equal(status(a), 204);
	assert_int_equal(status(b), 204);
	served = 0;
}

static size_t place_of(uint64_t owner)
{
	for (size_t i = 0; i < served; i++)
		if (order[i] == owner)
			return i;
	fail_msg("it was never served");
	return 0;
}

/* n requests of one, and one of another on connection b: how many are served before that. What a request
 * costs is measured, and a machine that is busy with other things makes one dear: so it is tried a few times.
 */
static size_t least_before(size_t a, size_t n, size_t b, size_t also)
{
	size_t least = SIZE_MAX;

	for (unsigned tries = 0; tries < 5 && least > 16; tries++) {
		stir(a, b);
		for (size_t i = 0; i < n; i++)
			ask(a + i, 5);
		ask(b, 9);
		for (size_t i = 1; i <= also; i++)
			ask(b + i, 5);
		run();
		assert_int_equal(served, n + 1 + also);
		least = place_of(9) < least ? place_of(9) : least;
		for (size_t i = 0; i < fds_n; i++)
			assert_int_equal(status(i), 204);
	}
	return least;
}

static void test_a_storm_holds_up_nobody(void **state)
{
	size_t b = clients(9, 1), a = clients(5, 500);

	(void)state;
	assert_true(least_before(a, 500, b, 0) <= 16);
}

/* Whoever changes the token on its connection stands where it belongs. */
static void test_a_request_stands_in_its_owners_line(void **state)
{
	size_t a = clients(5, 200), b = clients(9, 10);

	(void)state;
	assert_true(least_before(a, 200, b, 9) <= 16);
}

static void test_operators_come_first(void **state)
{
	size_t b = clients(9, 1), a = clients(5, 100), o = clients(HTTP_OWNER_FIRST, 3);

	(void)state;
	stir(a, b);
	for (size_t i = 0; i < 100; i++)
		ask(a + i, 5);
	for (size_t i = 0; i < 3; i++)
		ask(o + i, HTTP_OWNER_FIRST);
	run();
	assert_int_equal(served, 103);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(order[i], HTTP_OWNER_FIRST);
}

/* More than may wait: each is answered once, one way or the other; and others are not turned away for it. */
static void test_a_long_line_turns_away(void **state)
{
	size_t b = clients(9, 2), a = clients(5, 300), o = clients(HTTP_OWNER_FIRST, 60);
	unsigned fine = 0, away = 0;

	(void)state;
	for (size_t i = 0; i < 300; i++)
		ask(a + i, 5);
	ask(b, 9);
	ask(b + 1, 9);
	for (size_t i = 0; i < 60; i++)
		ask(o + i, HTTP_OWNER_FIRST);
	run();
	for (size_t i = 0; i < 300; i++) {
		int s = status(a + i);

		assert_true(s == 204 || s == 429);
		fine += s == 204;
		away += s == 429;
	}
	assert_true(fine >= 40 && away >= 100);
	assert_int_equal(fine + away, 300);
	assert_int_equal(status(b), 204);
	assert_int_equal(status(b + 1), 204);
	for (size_t i = 0; i < 60; i++)
		assert_int_equal(status(o + i), 204);
	/* and the connections that were told so go on */
	for (size_t i = 0; i < 10; i++)
		ask(a + 290 + i, 5);
	run();
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(status(a + 290 + i), 204);
}

static void test_room_for_bodies(void **state)
{
	struct http_stats stats;
	size_t a = clients(5, 2), b = clients(9, 1), others[3];

	(void)state;
	announce(a, 5, 1000);
	run();
	announce(a + 1, 5, 10);
	run();
	assert_int_equal(status(a + 1), 429); /* a quarter of it is the most that one may take */
	for (unsigned i = 0; i < 3; i++) {
		others[i] = clients(20 + i, 1);
		announce(others[i], 20 + i, 1000);
		run();
	}
	http_server_stats(server, &stats);
	assert_int_equal(stats.bodies, 4000);
	announce(b, 9, 10);
	run();
	assert_int_equal(status(b), 503); /* others took all */
	close(fds[others[0]]);            /* who leaves gives back */
	fds[others[0]] = -1;
	run();
	assert_int_equal(dropped, 1);
	b = clients(9, 1);
	announce(b, 9, 10);
	put(b, "0123456789");
	run();
	assert_int_equal(status(b), 204);
	http_server_stats(server, &stats);
	assert_int_equal(stats.bodies, 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_storm_holds_up_nobody, up, down),
		cmocka_unit_test_setup_teardown(test_a_request_stands_in_its_owners_line, up, down),
		cmocka_unit_test_setup_teardown(test_operators_come_first, up, down),
		cmocka_unit_test_setup_teardown(test_a_long_line_turns_away, up_narrow, down),
		cmocka_unit_test_setup_teardown(test_room_for_bodies, up_narrow, down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
