/* SPDX-License-Identifier: Apache-2.0 */
/* One project storms, another goes on with its work: what does the second see? Rounds without and with the
 *storm, in the same run.
 *
 *	bench_overload --port P --ca FILE --token T --storm-token T --pid DAEMON --flavor F --image ID
 *--network ID
 *		--server ID [--rounds N] [--seconds N] [--connections N] [--share creates|lists|gets]
 *
 * The steady one asks for one of its servers 200 times a second, and makes (and deletes) 10 servers a second.
 *Each answer is measured from the time at which the request was due: one that had to wait for the one before
 *counts in full. The storm makes servers, lists them all with details, and deletes them, on many connections
 *without a pause, also when it is told to wait; it runs with the lowest priority, since its own work is not
 *what is measured. Prints "name value". */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "load.h"

enum { UID = 36, READ_MAX = 1 << 16, CONNECTIONS_MAX = 1024, GETS_A_SECOND = 200, CREATES_A_SECOND = 10 };

struct bench {
	int port, pid;
	const char *ca, *token, *storm_token, *flavor, *image, *network, *server;
	unsigned rounds, seconds, connections;
	bool creates, lists, gets; /* what the storm does */
};

static struct bench b = { .rounds = 4, .seconds = 3, .connections = 200, .creates = true, .lists = true };

/* --- requests ------------------------------------------------------------------------------------------- */

static void request(
	struct buf *out, const char *token, const char *method, const char *path, const char *body)
{
	out->len = 0;
	buf_printf(out,
		"%s %s HTTP/1.1\r\nHost: localhost:%d\r\nX-Auth-Token: %s\r\nAccept: application/json\r\n",
		method, path, b.port, token);
	if (body)
		buf_printf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
	buf_printf(out, "\r\n%s", body ? body : "");
}

static void request_create(struct buf *out, const char *token)
{
	char body[512];

	snprintf(body, sizeof body,
		"{\"server\": {\"name\": \"overload\", \"flavorRef\": \"%s\", \"imageRef\": \"%s\", "
		"\"networks\": [{\"uuid\": \"%s\"}]}}",
		b.flavor, b.image, b.network);
	request(out, token, "POST", "/compute/v2.1/servers", body);
}

static bool uid_of(const char *body, size_t n, char out[UID + 1])
{
	const char *id = memmem(body, n, "\"id\":", 5);

	id = id ? memchr(id + 5, '"', n - (size_t)(id + 5 - body)) : NULL;
	if (!id || (size_t)(id + 1 - body) + UID > n)
		return false;
	memcpy(out, id + 1, UID);
	out[UID] = '\0';
	return true;
}

/* --- the steady one: a blocking connection a thread ----------------------------------------------------- */

struct series {
	int64_t *us;
	unsigned n, cap, refused;
};

static void series_add(struct series *s, int64_t us)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 1024;
		s->us = xrealloc(s->us, s->cap * sizeof *s->us);
	}
	s->us[s->n++] = us;
}

static int by_time(const void *a, const void *c)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)c;

	return x < y ? -1 : x > y;
}

static double ms_at(struct series *s, double part)
{
	if (!s->n)
		load_die("nothing was measured");
	qsort(s->us, s->n, sizeof *s->us, by_time);
	return (double)s->us[(size_t)(part * (s->n - 1))] / 1e3;
}

struct steady {
	bool creates;
	struct series quiet, storm, *now;
	int64_t until_us;
	SSL *ssl;
	struct buf out, in;
	char uid[UID + 1];
};

/* Status of the answer. */
static int exchange(struct steady *s)
{
	size_t need = 0;

	if (SSL_write(s->ssl, s->out.data, (int)s->out.len) != (int)s->out.len)
		load_die("a request could not be written");
	s->in.len = 0;
	while (!need || s->in.len < need) {
		int n = SSL_read(s->ssl, buf_reserve(&s->in, READ_MAX), READ_MAX);
		const char *text, *end, *field;

		if (n <= 0)
			load_die("the server closed a connection");
		s->in.len += (size_t)n;
		text = buf_text(&s->in);
		end = strstr(text, "\r\n\r\n");
		field = end ? strcasestr(text, "\ncontent-length:") : NULL;
		if (end)
			need = (size_t)(end + 4 - text) +
			       (field && field < end ? strtoul(field + 16, NULL, 10) : 0);
	}
	return atoi(s->in.data + 9);
}

static void steady_one(struct steady *s, int64_t due_us)
{
	char path[128];
	int status;

	if (s->creates) {
		request_create(&s->out, b.token);
	} else {
		snprintf(path, sizeof path, "/compute/v2.1/servers/%s", b.server);
		request(&s->out, b.token, "GET", path, NULL);
	}
	status = exchange(s);
	series_add(s->now, load_now_us() - due_us);
	if (status >= 300) {
		if (!s->now->refused++)
			fprintf(stderr, "the steady one was answered %.*s\n", (int)s->in.len, s->in.data);
	} else if (s->creates && uid_of(s->in.data, s->in.len, s->uid)) {
		snprintf(path, sizeof path, "/compute/v2.1/servers/%s", s->uid);
		request(&s->out, b.token, "DELETE", path, NULL);
		exchange(s);
	}
}

static void *steady_run(void *arg)
{
	struct steady *s = arg;
	int64_t every_us = 1000000 / (s->creates ? CREATES_A_SECOND : GETS_A_SECOND), due_us = load_now_us();

	for (; due_us < s->until_us; due_us += every_us) {
		int64_t left = due_us - load_now_us();

		if (left > 0)
			nanosleep(&(struct timespec) { left / 1000000, left % 1000000 * 1000 }, NULL);
		steady_one(s, due_us);
	}
	return NULL;
}

/* --- the storm: a process of its own -----------------------------------------------------------------------
 */

struct storm {
	struct load load;
	char (*uids)[UID + 1]; /* servers that are to be deleted */
	unsigned uids_n, turn;
	volatile unsigned long *counts; /* answers by class of status; shared with who began it */
};

static bool storm_next(void *ctx, struct buf *out)
{
	struct storm *s = ctx;
	char path[128];
	unsigned turn = s->turn++;

	if (b.gets && turn % 2) {
		request(out, b.storm_token, "GET", "/compute/v2.1/flavors/1", NULL);
	} else if (b.lists && (turn % 2 || !b.creates)) {
		request(out, b.storm_token, "GET", "/compute/v2.1/servers/detail", NULL);
	} else if (b.creates && s->uids_n > b.connections) {
		snprintf(path, sizeof path, "/compute/v2.1/servers/%s", s->uids[--s->uids_n]);
		request(out, b.storm_token, "DELETE", path, NULL);
	} else if (b.creates) {
		request_create(out, b.storm_token);
	} else {
		request(out, b.storm_token, "GET", "/compute/v2.1/flavors/1", NULL);
	}
	return true;
}

static void storm_reply(void *ctx, int status, const char *body, size_t n, int64_t us)
{
	struct storm *s = ctx;

	(void)us;
	if (status == 202 && s->uids_n < 4 * CONNECTIONS_MAX && uid_of(body, n, s->uids[s->uids_n]))
		s->uids_n++;
	s->counts[status == 429 ? 6 : status == 503 ? 7 : status / 100 % 6]++;
}

static pid_t storm_begin(volatile unsigned long *counts)
{
	struct storm s = { .counts = counts };
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid(); /* where the kernel shares the processor by sessions, its share is not ours */
	s.uids = xcalloc(4 * CONNECTIONS_MAX, sizeof *s.uids);
	s.load.next = storm_next;
	s.load.reply = storm_reply;
	s.load.ctx = &s;
	load_open(&s.load, b.port, b.ca, b.connections);
	counts[0]++; /* ready */
	load_run(&s.load, b.connections);
	_exit(0);
}

/* --- the run
 * ------------------------------------------------------------------------------------------------- */

static double rss_mb(void)
{
	char path[64], line[128];
	double kb = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", b.pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, "VmRSS:", 6) == 0)
			kb = atof(line + 6);
	if (f)
		fclose(f);
	return kb / 1024;
}

static void measure(struct steady *all, size_t n, bool storming)
{
	pthread_t threads[2];
	int64_t until_us = load_now_us() + (int64_t)b.seconds * 1000000;

	for (size_t i = 0; i < n; i++) {
		all[i].now = storming ? &all[i].storm : &all[i].quiet;
		all[i].until_us = until_us;
		if (pthread_create(&threads[i], NULL, steady_run, &all[i]))
			load_die("no thread");
	}
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static void report(const char *name, struct steady *s)
{
	double quiet = ms_at(&s->quiet, 0.99), storm = ms_at(&s->storm, 0.99);

	printf("%s_n %u\n", name, s->storm.n);
	printf("%s_quiet_p50_ms %.2f\n", name, ms_at(&s->quiet, 0.5));
	printf("%s_storm_p50_ms %.2f\n", name, ms_at(&s->storm, 0.5));
	printf("%s_quiet_p99_ms %.2f\n", name, quiet);
	printf("%s_storm_p99_ms %.2f\n", name, storm);
	printf("%s_p99_ratio %.2f\n", name, storm / quiet);
	printf("%s_refused %u\n", name, s->storm.refused + s->quiet.refused);
}

static void run(void)
{
	struct steady all[] = { { .creates = false }, { .creates = true } };
	volatile unsigned long *counts =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	SSL_CTX *tls = load_tls(b.ca);
	double before, after = 0;
	unsigned long stormed = 0;

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		all[i].ssl = load_connect(tls, b.port);
	before = rss_mb();
	for (unsigned i = 0; i < b.rounds; i++) {
		pid_t pid;

		measure(all, ARRAY_LEN(all), false);
		counts[0] = 0;
		pid = storm_begin(counts);
		while (!counts[0])
			nanosleep(&(struct timespec) { 0, 10000000 }, NULL);
		stormed -= counts[2] + counts[4] + counts[5] + counts[6] + counts[7];
		measure(all, ARRAY_LEN(all), true);
		stormed += counts[2] + counts[4] + counts[5] + counts[6] + counts[7];
		after = rss_mb() > after ? rss_mb() : after;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		nanosleep(&(struct timespec) { 3, 0 }, NULL); /* what it began ends */
	}
	report("get", &all[0]);
	report("create", &all[1]);
	printf("storm_rate %.0f\n", (double)stormed / b.rounds / b.seconds);
	printf("storm_429 %lu\nstorm_503 %lu\n", counts[6], counts[7]);
	printf("memory_before_mb %.1f\nmemory_storm_mb %.1f\n", before, after);
}

static const struct {
	struct option option;
	const char **text;
	unsigned *number;
} options[] = {
	{ { "ca", 1, 0, 0 }, &b.ca, NULL },
	{ { "token", 1, 0, 0 }, &b.token, NULL },
	{ { "storm-token", 1, 0, 0 }, &b.storm_token, NULL },
	{ { "flavor", 1, 0, 0 }, &b.flavor, NULL },
	{ { "image", 1, 0, 0 }, &b.image, NULL },
	{ { "network", 1, 0, 0 }, &b.network, NULL },
	{ { "server", 1, 0, 0 }, &b.server, NULL },
	{ { "port", 1, 0, 0 }, NULL, (unsigned *)&b.port },
	{ { "pid", 1, 0, 0 }, NULL, (unsigned *)&b.pid },
	{ { "rounds", 1, 0, 0 }, NULL, &b.rounds },
	{ { "seconds", 1, 0, 0 }, NULL, &b.seconds },
	{ { "connections", 1, 0, 0 }, NULL, &b.connections },
};

int main(int argc, char **argv)
{
	struct option table[ARRAY_LEN(options) + 2] = { 0 };
	const char *share = NULL;
	int at;

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		table[i] = options[i].option;
	table[ARRAY_LEN(options)] = (struct option) { "share", 1, 0, 0 };
	while (getopt_long(argc, argv, "", table, &at) == 0) {
		if (at == ARRAY_LEN(options))
			share = optarg;
		else if (options[at].text)
			*options[at].text = optarg;
		else
			*options[at].number = (unsigned)strtoul(optarg, NULL, 10);
	}
	if (share) {
		b.creates = strcmp(share, "creates") == 0;
		b.lists = strcmp(share, "lists") == 0;
		b.gets = strcmp(share, "gets") == 0;
	}
	if (!b.port || !b.pid || !b.ca || !b.token || !b.storm_token || !b.flavor || !b.image || !b.network ||
		!b.server || !b.rounds || !b.seconds || !b.connections || b.connections > CONNECTIONS_MAX)
		load_die("usage: see the head of tests/bench/bench_overload.c");
	signal(SIGPIPE, SIG_IGN);
	run();
	return 0;
}
