/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that mean ill: TLS connections that say nothing, and some that send the head of a request byte by
 *byte. They come again when they are thrown out.
 *
 *	bench_hostile --port P --ca FILE [--idle N] [--slow N] [--byte-ms MS]
 *
 * Prints "ready" when all are there; a line on its input is answered by one with how many are still open, and
 *how often the slow ones had to come again; at the end of its input it leaves. */
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "load.h"

enum { TICK_MS = 10 };

struct hostile {
	int port;
	const char *ca;
	unsigned idle_n, slow_n, byte_ms, again;
	SSL_CTX *tls;
	SSL **idle, **slow;
	size_t *sent; /* of each slow one */
};

static const char head[] = "GET /identity HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";

static SSL *come(struct hostile *h)
{
	SSL *s = load_connect(h->tls, h->port);

	if (!s)
		load_die("nobody listens on port %d", h->port);
	fcntl(SSL_get_fd(s), F_SETFL, O_NONBLOCK);
	return s;
}

static void leave(SSL *s)
{
	close(SSL_get_fd(s));
	SSL_free(s);
}

static bool is_open(SSL *s)
{
	char c;

	return recv(SSL_get_fd(s), &c, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

/* The next byte; again from the first when the server had enough of it. */
static void say(struct hostile *h, unsigned i)
{
	char ignored[512];
	size_t at = h->sent[i]++;
	char c = at < sizeof head - 1 ? head[at] : 'x';

	if (SSL_write(h->slow[i], &c, 1) == 1) {
		int n = SSL_read(h->slow[i], ignored, sizeof ignored);

		/* tickets are read by the way; an answer can only be a refusal */
		if (n < 0 && SSL_get_error(h->slow[i], n) == SSL_ERROR_WANT_READ)
			return;
	}
	leave(h->slow[i]);
	h->slow[i] = come(h);
	h->sent[i] = 0;
	h->again++;
}

static unsigned count(SSL **all, unsigned n)
{
	unsigned open = 0;

	for (unsigned i = 0; i < n; i++)
		open += is_open(all[i]);
	return open;
}

/* False at the end of the input. */
static bool obey(struct hostile *h)
{
	char line[64];
	ssize_t n = read(STDIN_FILENO, line, sizeof line);

	if (n <= 0)
		return false;
	printf("idle %u slow %u again %u\n", count(h->idle, h->idle_n), count(h->slow, h->slow_n), h->again);
	fflush(stdout);
	return true;
}

static void run(struct hostile *h)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	int64_t start = load_now_us();
	uint64_t done = 0;

	h->tls = load_tls(h->ca);
	SSL_CTX_set_mode(h->tls, SSL_MODE_RELEASE_BUFFERS);
	h->idle = xcalloc(h->idle_n, sizeof(SSL *));
	h->slow = xcalloc(h->slow_n, sizeof(SSL *));
	h->sent = xcalloc(h->slow_n, sizeof *h->sent);
	for (unsigned i = 0; i < h->idle_n; i++)
		h->idle[i] = come(h);
	for (unsigned i = 0; i < h->slow_n; i++)
		h->slow[i] = come(h);
	printf("ready %lld\n", (long long)(load_now_us() - start));
	fflush(stdout);
	start = load_now_us();
	for (;;) {
		uint64_t due = (uint64_t)(load_now_us() - start) * h->slow_n / (h->byte_ms * UINT64_C(1000));

		for (; done < due; done++)
			say(h, (unsigned)(done % h->slow_n));
		if (poll(&in, 1, TICK_MS) > 0 && !obey(h))
			return;
	}
}

static void options(struct hostile *h, int argc, char **argv)
{
	static const struct option table[] = { { "port", 1, 0, 'p' }, { "ca", 1, 0, 'a' },
		{ "idle", 1, 0, 'i' }, { "slow", 1, 0, 's' }, { "byte-ms", 1, 0, 'b' }, { 0 } };
	int opt;

	while ((opt = getopt_long(argc, argv, "", table, NULL)) != -1) {
		unsigned long v = strtoul(optarg ? optarg : "0", NULL, 10);

		if (opt == 'p')
			h->port = (int)v;
		else if (opt == 'a')
			h->ca = optarg;
		else if (opt == 'i')
			h->idle_n = (unsigned)v;
		else if (opt == 's')
			h->slow_n = (unsigned)v;
		else if (opt == 'b')
			h->byte_ms = (unsigned)v;
		else
			exit(2);
	}
}

int main(int argc, char **argv)
{
	struct hostile h = { .idle_n = 10000, .slow_n = 1000, .byte_ms = 1000 };
	struct rlimit rl;

	options(&h, argc, argv);
	if (!h.port || !h.ca || !h.byte_ms)
		load_die("usage: %s --port P --ca FILE [--idle N] [--slow N] [--byte-ms MS]", argv[0]);
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	run(&h);
	return 0;
}
