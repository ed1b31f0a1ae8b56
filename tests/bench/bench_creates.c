/* SPDX-License-Identifier: Apache-2.0 */
/* Makes many servers through the API and waits until all are ACTIVE, or deletes them and waits until all are
 *gone, with the daemon's CPU time for it.
 *
 *	bench_creates create|delete --port P --ca FILE --token T --pid DAEMON --ids FILE [--count N]
 *[--in-flight N]
 *		[--flavor F --image ID --network ID]
 *
 * `create` writes the servers' ids to FILE, `delete` reads them there. Prints lines "name value". Progress is
 *read from GET /cloud/v1/status, whose cost is the daemon's too and counted; it is asked only when all
 *requests are answered. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "load.h"

enum { UID = 36, POLL_MS = 100, STALLED_MS = 60000, COUNT_MAX = 1000000 };

struct bench {
	int port, pid;
	const char *verb, *ca, *token, *admin_token, *ids_file, *flavor, *image, *network;
	unsigned count, in_flight;
	unsigned sent, answered, refused;
	char (*uids)[UID + 1];
	int64_t *latency_us;
	struct load load;
};

struct counts {
	long total, active, error, flows;
};

/* --- requests ------------------------------------------------------------------------------------------- */

static void head(const struct bench *b, struct buf *out, const char *token, const char *method,
	const char *path, size_t body_n)
{
	buf_printf(out,
		"%s %s HTTP/1.1\r\nHost: localhost:%d\r\nX-Auth-Token: %s\r\nAccept: application/json\r\n",
		method, path, b->port, token);
	if (body_n)
		buf_printf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body_n);
	buf_printf(out, "\r\n");
}

static bool next_create(void *ctx, struct buf *out)
{
	struct bench *b = ctx;
	char body[512];
	int n;

	if (b->sent == b->count)
		return false;
	n = snprintf(body, sizeof body,
		"{\"server\": {\"name\": \"bench-%u\", \"flavorRef\": \"%s\", \"imageRef\": \"%s\", "
		"\"networks\": [{\"uuid\": \"%s\"}]}}",
		b->sent++, b->flavor, b->image, b->network);
	head(b, out, b->token, "POST", "/compute/v2.1/servers", (size_t)n);
	buf_append(out, body, (size_t)n);
	return true;
}

static bool next_delete(void *ctx, struct buf *out)
{
	struct bench *b = ctx;
	char path[128];

	if (b->sent == b->count)
		return false;
	snprintf(path, sizeof path, "/compute/v2.1/servers/%s", b->uids[b->sent++]);
	head(b, out, b->token, "DELETE", path, 0);
	return true;
}

static void answered(struct bench *b, int status, int wanted, const char *body, size_t n, int64_t us)
{
	if (status != wanted && !b->refused++)
		fprintf(stderr, "status %d: %.*s\n", status, (int)n, body);
	b->latency_us[b->answered++] = us;
}

static void on_created(void *ctx, int status, const char *body, size_t n, int64_t us)
{
	struct bench *b = ctx;
	const char *id = memmem(body, n, "\"id\":", 5);

	if (status == 202) {
		if (id)
			id = memchr(id + 5, '"', n - (size_t)(id + 5 - body));
		if (!id || (size_t)(id + 1 - body) + UID > n)
			load_die("an answer without id: %.*s", (int)n, body);
		memcpy(b->uids[b->answered], id + 1, UID);
	}
	answered(b, status, 202, body, n, us);
}

static void on_deleted(void *ctx, int status, const char *body, size_t n, int64_t us)
{
	answered(ctx, status, 204, body, n, us);
}

/* --- progress ------------------------------------------------------------------------------------------- */

struct look {
	struct bench *b;
	struct counts counts;
	bool asked;
};

static bool next_look(void *ctx, struct buf *out)
{
	struct look *k = ctx;

	if (k->asked)
		return false;
	k->asked = true;
	head(k->b, out, k->b->admin_token, "GET", "/cloud/v1/status", 0);
	return true;
}

static long number(const char *text, const char *section, const char *key)
{
	char name[32];
	const char *p = strstr(text, section);

	snprintf(name, sizeof name, "\"%s\":", key);
	if (!p || !(p = strstr(p, name)))
		load_die("no %s %s in: %s", section, key, text);
	return atol(p + strlen(name));
}

static void on_look(void *ctx, int status, const char *body, size_t n, int64_t us)
{
	struct look *k = ctx;
	char *text = strndup(body, n);

	(void)us;
	if (status != 200)
		load_die("GET /cloud/v1/status: %d %s", status, text);
	k->counts = (struct counts) {
		.total = number(text, "\"servers\":", "total"),
		.active = number(text, "\"servers\":", "active"),
		.error = number(text, "\"servers\":", "error"),
		.flows = number(text, "\"flows\":", "running"),
	};
	free(text);
}

static struct counts look(struct bench *b)
{
	struct look k = { .b = b };

	b->load.next = next_look;
	b->load.reply = on_look;
	b->load.ctx = &k;
	load_run(&b->load, 1);
	return k.counts;
}

static bool reached(const struct bench *b, const struct counts *before, const struct counts *now)
{
	if (now->error > before->error)
		load_die("%ld servers went into ERROR", now->error - before->error);
	if (strcmp(b->verb, "create") == 0)
		return now->active >= before->active + (long)b->count;
	return now->total <= before->total - (long)b->count && now->flows == 0;
}

static void wait_reached(struct bench *b, const struct counts *before)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	struct counts last = { 0 }, now;
	int64_t moved = load_now_us();

	while (now = look(b), !reached(b, before, &now)) {
		if (memcmp(&now, &last, sizeof now) != 0)
			moved = load_now_us();
		else if (load_now_us() - moved > STALLED_MS * INT64_C(1000))
			load_die("stalled: %ld servers, %ld active, %ld flows", now.total, now.active,
				now.flows);
		last = now;
		nanosleep(&pause, NULL);
	}
}

/* --- the run -------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void run(struct bench *b)
{
	bool creating = strcmp(b->verb, "create") == 0;
	int64_t start, accepted, done, cpu;
	struct counts before;

	load_open(&b->load, b->port, b->ca, b->in_flight);
	before = look(b);
	b->load.ctx = b;
	b->load.next = creating ? next_create : next_delete;
	b->load.reply = creating ? on_created : on_deleted;
	cpu = load_cpu_us(b->pid);
	start = load_now_us();
	load_run(&b->load, b->in_flight);
	accepted = load_now_us() - start;
	if (b->refused)
		load_die("%u of %u requests were refused", b->refused, b->count);
	wait_reached(b, &before);
	done = load_now_us() - start;
	cpu = load_cpu_us(b->pid) - cpu;
	load_close(&b->load);
	qsort(b->latency_us, b->answered, sizeof *b->latency_us, compare);
	printf("answered_per_s %.1f\n", b->count * 1e6 / (double)accepted);
	printf("done_per_s %.1f\n", b->count * 1e6 / (double)done);
	printf("cpu_us %.1f\n", (double)cpu / b->count);
	printf("answer_p50_ms %.2f\n", (double)b->latency_us[b->count / 2] / 1e3);
	printf("answer_p99_ms %.2f\n", (double)b->latency_us[b->count * 99UL / 100] / 1e3);
}

static void ids_read(struct bench *b)
{
	FILE *f = fopen(b->ids_file, "r");

	if (!f)
		load_die("%s cannot be read", b->ids_file);
	for (b->count = 0; b->count < COUNT_MAX && fscanf(f, "%36s", b->uids[b->count]) == 1;)
		b->count++;
	fclose(f);
}

static void ids_write(const struct bench *b)
{
	FILE *f = fopen(b->ids_file, "w");

	if (!f)
		load_die("%s cannot be written", b->ids_file);
	for (unsigned i = 0; i < b->count; i++)
		fprintf(f, "%s\n", b->uids[i]);
	if (fclose(f))
		load_die("%s cannot be written", b->ids_file);
}

static void options(struct bench *b, int argc, char **argv)
{
	static const struct option table[] = { { "port", 1, 0, 'p' }, { "ca", 1, 0, 'a' },
		{ "token", 1, 0, 't' }, { "admin-token", 1, 0, 'm' }, { "pid", 1, 0, 'd' },
		{ "ids", 1, 0, 's' }, { "count", 1, 0, 'c' }, { "in-flight", 1, 0, 'l' },
		{ "flavor", 1, 0, 'f' }, { "image", 1, 0, 'i' }, { "network", 1, 0, 'n' }, { 0 } };
	int opt;

	while ((opt = getopt_long(argc, argv, "", table, NULL)) != -1) {
		switch (opt) {
		case 'p':
			b->port = atoi(optarg);
			break;
		case 'a':
			b->ca = optarg;
			break;
		case 't':
			b->token = optarg;
			break;
		case 'm':
			b->admin_token = optarg;
			break;
		case 'd':
			b->pid = atoi(optarg);
			break;
		case 's':
			b->ids_file = optarg;
			break;
		case 'c':
			b->count = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'l':
			b->in_flight = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'f':
			b->flavor = optarg;
			break;
		case 'i':
			b->image = optarg;
			break;
		case 'n':
			b->network = optarg;
			break;
		default:
			exit(2);
		}
	}
	b->verb = optind < argc ? argv[optind] : "";
}

int main(int argc, char **argv)
{
	struct bench b = { .count = 1000, .in_flight = 64, .flavor = "1" };
	bool creating;

	options(&b, argc, argv);
	creating = strcmp(b.verb, "create") == 0;
	if (!b.port || !b.pid || !b.ca || !b.token || !b.admin_token || !b.ids_file || !b.in_flight ||
		b.in_flight > 1024 || !b.count || b.count > COUNT_MAX ||
		(creating ? !b.image || !b.network : strcmp(b.verb, "delete") != 0))
		load_die("usage: %s create|delete --port P --ca FILE --token T --admin-token T --pid DAEMON "
			 "--ids FILE "
			 "[--count N] [--in-flight N] [--flavor F --image ID --network ID]",
			argv[0]);
	b.uids = xcalloc(creating ? b.count : COUNT_MAX, sizeof *b.uids);
	if (!creating)
		ids_read(&b);
	b.latency_us = xcalloc(b.count + 1, sizeof *b.latency_us);
	b.load.ctx = &b;
	run(&b);
	if (creating)
		ids_write(&b);
	free(b.uids);
	free(b.latency_us);
	return 0;
}
