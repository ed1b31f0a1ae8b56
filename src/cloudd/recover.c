/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudd/recover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "cloudd/config.h"
#include "cloudd/store_member.h"
#include "flow/flow.h"
#include "flow/recover.h"
#include "loop/lane.h"
#include "loop/tick.h"

/* AT_ONCE: hosts that are read at once; HOSTS_MAX: in a file */
enum { AT_ONCE = 16, HOSTS_MAX = 10000, LINE_BYTES = 2048 };

struct recovery {
	const struct config *c;
	struct recover r;
	struct arena arena;
	struct loop loop;
	struct lane_pool *lanes;
	struct lane *lane;
	struct store *store;
	struct tick *tick;
	struct flow_engine *flows;
	struct tick_unit unit;
	size_t reading;
	struct error err;
	bool failed;
};

/* --- which hosts ---------------------------------------------------------------------------------------- */

static int add_host(
	struct recovery *y, const char *name, const char *uri, const char *pool, struct error *err)
{
	struct recover *r = &y->r;

	for (size_t i = 0; i < r->hosts_n; i++)
		if (str_eq(r->hosts[i].name, name) || str_eq(r->hosts[i].uri, uri))
			return error_set(err, ERR_BAD_REQUEST, "host %s is given twice", name);
	if (r->hosts_n == HOSTS_MAX)
		return error_set(err, ERR_BAD_REQUEST, "more than %d hosts", HOSTS_MAX);
	r->hosts = xrealloc(r->hosts, (r->hosts_n + 1) * sizeof *r->hosts);
	r->hosts[r->hosts_n++] = (struct recover_host) { .name = arena_strdup(&y->arena, name),
		.uri = arena_strdup(&y->arena, uri),
		.pool = pool ? arena_strdup(&y->arena, pool) : NULL };
	return 0;
}

static int read_file(struct recovery *y, const char *path, struct error *err)
{
	FILE *in = fopen(path, "re");
	char line[LINE_BYTES];
	int rc = 0;

	if (!in)
		return error_set(err, ERR_BAD_REQUEST, "cannot read %s: %s", path, strerror(errno));
	while (rc == 0 && fgets(line, sizeof line, in)) {
		char *save = NULL, *name = strtok_r(line, " \t\r\n", &save), *uri, *pool;

		if (!name || *name == '#')
			continue;
		uri = strtok_r(NULL, " \t\r\n", &save);
		pool = strtok_r(NULL, " \t\r\n", &save);
		rc = uri ? add_host(y, name, uri, pool, err)
			 : error_set(err, ERR_BAD_REQUEST, "%s: a line is NAME URI [POOL], not '%s'", path,
				   name);
	}
	fclose(in);
	return rc;
}

static int read_hosts(struct recovery *y, const struct offline_recover *what, struct error *err)
{
	for (int i = 0; i < what->hosts_n; i++) {
		CLEANUP(free_ptr) char *text = xstrdup(what->hosts[i]);
		char *equals = strchr(text, '='), *scheme = strstr(text, "://");

		if (!scheme) {
			if (read_file(y, text, err))
				return -1;
			continue;
		}
		if (!equals || equals > scheme)
			return error_set(err, ERR_BAD_REQUEST, "a host is NAME=URI, not '%s'", text);
		*equals = '\0';
		if (add_host(y, text, equals + 1, NULL, err))
			return -1;
	}
	return y->r.hosts_n ? 0 : error_set(err, ERR_BAD_REQUEST, "no hosts are given");
}

/* --- reading them --------------------------------------------------------------------------------------- */

struct reading { /* on the heap: a call that hangs may never come back */
	struct work work;
	struct recovery *y;
	struct recover_host host;
	size_t at;
	struct recover_connect how;
};

static void reading_run(struct work *w)
{
	struct reading *k = CONTAINER_OF(w, struct reading, work);

	recover_host_read(&k->host, &k->how, &k->host.err);
}

static void reading_done(struct work *w, enum work_result res)
{
	struct reading *k = CONTAINER_OF(w, struct reading, work);
	struct recovery *y = k->y;
	struct recover_host *h = &y->r.hosts[k->at];

	if (res == WORK_DONE)
		*h = k->host;
	else
		error_set(&h->err, ERR_TIMEOUT, "the host did not answer in time");
	if (--y->reading == 0)
		loop_stop(&y->loop);
}

static void reading_destroy(struct work *w)
{
	free(CONTAINER_OF(w, struct reading, work));
}

static void read_all(struct recovery *y)
{
	const struct config *c = y->c;

	y->reading = y->r.hosts_n;
	for (size_t i = 0; i < y->r.hosts_n; i++) {
		struct reading *k = xcalloc(1, sizeof *k);

		k->work = (struct work) {
			.run = reading_run, .done = reading_done, .destroy = reading_destroy
		};
		/* in the queue, too: each sixteenth host waits for those before it */
		k->work.timeout_ms =
			(unsigned)((c->connect_timeout_ms + c->call_timeout_ms) * (int64_t)(i / AT_ONCE + 1));
		k->y = y;
		k->at = i;
		k->host = y->r.hosts[i];
		k->how = (struct recover_connect) { c->pki_dir, (unsigned)c->connect_timeout_ms };
		lane_submit(y->lane, &k->work);
	}
	loop_run(&y->loop);
}

/* --- showing -------------------------------------------------------------------------------------------- */

static const char *power_text(enum hv_power p)
{
	static const char *const texts[] = { [HV_POWER_ABSENT] = "gone",
		[HV_POWER_RUNNING] = "running",
		[HV_POWER_PAUSED] = "paused",
		[HV_POWER_SHUTOFF] = "off",
		[HV_POWER_CRASHED] = "crashed",
		[HV_POWER_SUSPENDED] = "suspended" };

	return (size_t)p < ARRAY_LEN(texts) ? texts[p] : "unknown";
}

static void show_domain(const struct recover_host *h, const struct recover_domain *x)
{
	const struct hv_domain *d = &x->d;

	if (!x->marked)
		return;
	printf("%-16s %-36s %-20.20s %-32.32s %-16.16s %5d %8lld %6lld %4zu %4zu %-9s %s\n", h->name, d->uuid,
		d->title ? d->title : d->name, d->project_id ? d->project_id : "-",
		d->flavor_name ? d->flavor_name : "-", d->vcpus, (long long)d->ram_mib,
		(long long)x->disk_gib, d->hostdevs_n, d->nics_n, power_text(x->power),
		x->refused ? x->refused : "take over");
	for (size_t i = 0; !x->refused && i < d->nics_n; i++)
		if (!d->nics[i].address)
			printf("%-16s   network card %s: its address is not told, it gets none\n", "",
				d->nics[i].mac);
}

static void show(const struct recover *r)
{
	printf("%-16s %-36s %-20s %-32s %-16s %5s %8s %6s %4s %4s %-9s %s\n", "HOST", "SERVER", "NAME",
		"PROJECT", "FLAVOR", "VCPUS", "RAM MIB", "GIB", "GPUS", "NICS", "POWER", "WHAT");
	for (size_t i = 0; i < r->hosts_n; i++) {
		const struct recover_host *h = &r->hosts[i];

		if (!h->read)
			printf("%-16s NOT READ: %s %s\n", h->name, h->err.msg, h->err.detail);
		for (size_t k = 0; k < h->domains_n; k++)
			show_domain(h, &h->domains[k]);
	}
	printf("cloud %s: %zu to take over, %zu in conflict, %zu without a mark (left alone), %zu hosts not "
	       "read\n",
		r->cloud_id, r->taken_n, r->refused_n, r->unmarked_n, r->unread_n);
}

/* --- writing -------------------------------------------------------------------------------------------- */

static int unit_run(struct tick_unit *u, struct error *err)
{
	struct recovery *y = CONTAINER_OF(u, struct recovery, unit);

	return recover_write(y->flows, store_rw(y->store), &y->r, err);
}

static void on_idle(void *ctx)
{
	struct recovery *y = ctx;

	loop_stop(&y->loop);
}

static void on_stopped(void *ctx)
{
	struct recovery *y = ctx;

	tick_drain(y->tick, on_idle, y);
}

static void unit_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct recovery *y = CONTAINER_OF(u, struct recovery, unit);

	y->failed = outcome != TICK_DONE;
	y->err = *err;
	flow_engine_stop(y->flows, 0, on_stopped, y);
}

static void on_fatal(void *ctx, const struct error *err)
{
	(void)ctx;
	fprintf(stderr, "cloudd: %s: %s\n", err->msg, err->detail);
	_exit(70);
}

static int write_all(struct recovery *y, struct error *err)
{
	const struct config *c = y->c;
	const struct store_config sc = { .path = c->database, .clock = &clock_system };
	const struct tick_config tc = { .loop = &y->loop, .units_max = 512, .fatal = on_fatal };
	struct flow_config fc = { .loop = &y->loop,
		.lanes = y->lanes,
		.cloud_id = y->r.cloud_id,
		.pki_dir = c->pki_dir,
		.image_dir = c->image_dir,
		.default_zone = c->default_zone,
		.gpu_models = c->gpus,
		.gpu_models_n = c->gpus_n,
		.connects_max = 1 };
	struct tick_member member = store_member();

	if (mkdir(c->state_dir, 0700) < 0 && errno != EEXIST)
		return error_set(err, ERR_UNAVAILABLE, "cannot make %s: %s", c->state_dir, strerror(errno));
	if (store_open(&sc, &y->store, err))
		return -1;
	fc.store = y->store;
	fc.tick = y->tick = tick_create(&tc);
	member.ctx = y->store;
	tick_add_member(y->tick, &member);
	if (flow_engine_create(&fc, &y->flows, err))
		return -1;
	y->unit = (struct tick_unit) { .run = unit_run, .finish = unit_finish };
	tick_submit(y->tick, &y->unit);
	loop_run(&y->loop);
	if (y->failed)
		*err = y->err;
	return y->failed ? -1 : 0;
}

/* What is half made goes, so that it can be tried again. */
static void remove_half(const struct config *c)
{
	for (const char *const *tail = (const char *const[]) { "", "-wal", "-shm", NULL }; *tail; tail++) {
		CLEANUP(free_ptr) char *path = xasprintf("%s%s", c->database, *tail);

		unlink(path);
	}
}

/* --- all of it ------------------------------------------------------------------------------------------ */

static int recover(struct recovery *y, const struct offline_recover *what, struct error *err)
{
	if (access(y->c->database, F_OK) == 0)
		return error_set(err, ERR_CONFLICT,
			"there is a database, %s: put it aside first, or restore a backup", y->c->database);
	if (read_hosts(y, what, err))
		return -1;
	read_all(y);
	if (what->cloud && !str_copy(y->r.cloud_id, sizeof y->r.cloud_id, what->cloud))
		return error_set(err, ERR_BAD_REQUEST, "--cloud wants the id of a cloud");
	y->r.networks = y->c->networks;
	y->r.networks_n = y->c->networks_n;
	if (recover_judge(&y->r, err)) {
		for (size_t i = 0; i < y->r.hosts_n; i++)
			if (!y->r.hosts[i].read)
				printf("%s: NOT READ: %s %s\n", y->r.hosts[i].name, y->r.hosts[i].err.msg,
					y->r.hosts[i].err.detail);
		return -1;
	}
	show(&y->r);
	if (!what->apply) {
		puts("Nothing was written: --apply makes the database.");
		return 0;
	}
	if (write_all(y, err)) {
		if (y->store)
			y->failed = true;
		return -1;
	}
	printf("Made %s. Start cloudd, make an administrator ('cloudctl bootstrap'), then see 'cloudctl "
	       "check' and "
	       "'cloudctl recovery show'.\n",
		y->c->database);
	return 0;
}

static unsigned finish(struct recovery *y)
{
	unsigned lost;

	if (y->flows)
		flow_engine_destroy(y->flows);
	lane_destroy(y->lane);
	lost = lane_pool_destroy(y->lanes, 1000);
	if (y->tick)
		tick_destroy(y->tick);
	hv_finish();
	loop_finish(&y->loop);
	store_close(y->store);
	if (y->store && y->failed)
		remove_half(y->c);
	for (size_t i = 0; i < y->r.hosts_n; i++)
		arena_finish(&y->r.hosts[i].arena);
	free(y->r.hosts);
	arena_finish(&y->arena);
	return lost;
}

int offline_recover(const struct config *c, const struct offline_recover *what)
{
	struct recovery *y = xcalloc(1, sizeof *y);
	struct error err = { 0 };
	unsigned lost;
	int rc;

	umask(0077);
	y->c = c;
	if (loop_init(&y->loop, &clock_system, &rng_system, &err) || hv_init(&y->loop.uv, "-", &err)) {
		fprintf(stderr, "cloudd: %s\n", err.msg);
		return 1;
	}
	y->lanes = lane_pool_create(&y->loop);
	y->lane = lane_create(y->lanes, "hosts", AT_ONCE, HOSTS_MAX);
	rc = recover(y, what, &err);
	fflush(stdout);
	if (rc)
		fprintf(stderr, "cloudd: %s%s%s\n", err.msg, err.detail[0] ? ": " : "", err.detail);
	lost = finish(y);
	if (lost)
		_exit(rc ? 1 : 0); /* no destructors of libraries under threads that are in them */
	free(y);
	return rc ? 1 : 0;
}
