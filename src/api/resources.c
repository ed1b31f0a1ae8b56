/* SPDX-License-Identifier: Apache-2.0 */
#include "api/resources.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "api/api.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/util.h"
#include "loop/lane.h"
#include "store/events.h"

/* LOOK_MS: how often all is looked at; AGAIN_MS: while something runs short; SOON_MS: after a write was
 * refused */
enum { LOOK_MS = 10000, AGAIN_MS = 1000, SOON_MS = 50, LOOK_TIMEOUT_MS = 60000 };
static const int64_t LOG_MOST = INT64_C(512) << 20;

enum which {
	DATABASE_DISK,
	IMAGE_DISK,
	BACKUP_DISK,
	DATABASE,
	DATABASE_LOG,
	DESCRIPTORS,
	MEMORY,
	RESOURCES,
	DISKS = BACKUP_DISK + 1
};

static const struct resource table[RESOURCES] = {
	[DATABASE_DISK] = { "database_disk", "what takes room is refused; deletions go on",
		"make room on the disk of the database, or give it a larger one" },
	[IMAGE_DISK] = { "image_disk", "images are not taken; deletions go on",
		"make room in image_dir, or give it a larger disk" },
	[BACKUP_DISK] = { "backup_disk", "the next backup does not fit",
		"make room in backup_dir, or keep fewer (backup_keep)" },
	[DATABASE] = { "database", "writes are refused, and work on hosts waits; reads go on",
		"make room on its disk, or end the program that holds its lock" },
	[DATABASE_LOG] = { "database_log", "the log grows, and cannot be copied into the database",
		"end the program that reads the database for so long" },
	[DESCRIPTORS] = { "descriptors", "new clients wait, and hosts may not be heard",
		"raise LimitNOFILE of the unit, or lower connections_max" },
	[MEMORY] = { "memory", "requests are refused",
		"give the machine more memory, or lower connections_max" },
};

struct look { /* on the heap: a directory that hangs may keep the thread for ever */
	struct work work;
	struct resources *owner;
	char *dirs[DISKS], *log;
	int64_t left[DISKS]; /* -1: not known */
	bool read_only[DISKS];
	int64_t log_bytes, open;
};

struct resources {
	struct api *api;
	struct lane *lane;
	struct loop_timer timer;
	struct tick_unit unit; /* tells of changes */
	bool looking, telling, stopped;
	struct resource all[RESOURCES];
	bool told[RESOURCES], tells[RESOURCES]; /* as the last event has it; as the one under way */
	char *database_dir;
};

static void fire(struct loop_timer *t);

/* --- on the thread --- */

static int64_t count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int64_t n = -3; /* "." and ".." and its own */

	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void look_run(struct work *w)
{
	struct look *k = CONTAINER_OF(w, struct look, work);
	struct stat log;

	for (size_t i = 0; i < DISKS; i++) {
		struct statvfs fs;

		k->left[i] = -1;
		if (!k->dirs[i] || statvfs(k->dirs[i], &fs) < 0)
			continue;
		k->left[i] = (int64_t)(fs.f_bavail * fs.f_frsize);
		k->read_only[i] = fs.f_flag & ST_RDONLY;
	}
	k->log_bytes = stat(k->log, &log) < 0 ? 0 : (int64_t)log.st_size;
	k->open = count_descriptors();
}

/* --- what became of it --- */

static void tell(struct resources *r);

static void judge(struct resources *r, enum which which, bool bad, const char *why)
{
	struct resource *x = &r->all[which];

	str_copy(x->why, sizeof x->why, bad ? why : "");
	if (x->trouble == bad)
		return;
	x->trouble = bad;
	if (bad) {
		x->since_us = clock_wall(r->api->loop->clock);
		log_event(LOG_ERR, "the controller runs short", "resource", x->name, "why", why, "meanwhile",
			x->means, "remedy", x->remedy, NULL);
	} else {
		log_event(LOG_NOTICE, "the controller has enough again", "resource", x->name, NULL);
	}
}

static void judge_disk(struct resources *r, enum which which, const struct look *k)
{
	struct resource *x = &r->all[which];
	char why[sizeof x->why];

	x->left = k->left[which];
	x->least = r->api->config.disk_reserve;
	if (which == BACKUP_DISK && r->api->config.backup_every_us)
		x->least += store_bytes(r->api->store);
	if (k->read_only[which])
		snprintf(why, sizeof why, "%.150s is read-only", k->dirs[which]);
	else
		snprintf(why, sizeof why, "%.120s has %lld MiB left, to be %lld",
			k->dirs[which] ? k->dirs[which] : "", (long long)(x->left >> 20),
			(long long)(x->least >> 20));
	judge(r, which, k->read_only[which] || (x->left >= 0 && x->left < x->least), why);
}

static void judge_descriptors(struct resources *r, const struct look *k)
{
	struct resource *x = &r->all[DESCRIPTORS];
	struct rlimit most;
	char why[sizeof x->why];
	int64_t open;

	if (getrlimit(RLIMIT_NOFILE, &most) < 0)
		return;
	open = k->open < 0 ? (int64_t)most.rlim_cur : k->open; /* there was none to count them with */
	x->left = (int64_t)most.rlim_cur - open;
	x->least = (int64_t)most.rlim_cur / 16 < 16 ? 16 : (int64_t)most.rlim_cur / 16;
	snprintf(why, sizeof why, "%lld of %lld are open", (long long)open, (long long)most.rlim_cur);
	judge(r, DESCRIPTORS, x->left < x->least, why);
}

/* What the loop knows by itself. */
static void judge_own(struct resources *r)
{
	const struct tick_trouble *t = tick_trouble(r->api->tick);
	char why[sizeof r->all[0].why] = "";

	if (t)
		snprintf(why, sizeof why, "%.80s %.110s", t->err.msg, t->err.detail);
	judge(r, DATABASE, t != NULL, why);
	memory_regain();
	judge(r, MEMORY, memory_low(), "an allocation failed; the reserve for that is used up");
}

static bool any_trouble(const struct resources *r)
{
	for (size_t i = 0; i < RESOURCES; i++)
		if (r->all[i].trouble)
			return true;
	return false;
}

static void look_done(struct work *w, enum work_result res)
{
	struct look *k = CONTAINER_OF(w, struct look, work);
	struct resources *r = k->owner;
	char why[sizeof r->all[0].why];

	r->looking = false;
	if (r->stopped)
		return;
	if (res == WORK_DONE) {
		for (size_t i = 0; i < DISKS; i++)
			judge_disk(r, (enum which)i, k);
		r->all[DATABASE_LOG].left = k->log_bytes;
		snprintf(why, sizeof why, "%lld MiB", (long long)(k->log_bytes >> 20));
		judge(r, DATABASE_LOG, k->log_bytes > LOG_MOST, why);
		judge_descriptors(r, k);
	}
	judge_own(r);
	tell(r);
	loop_timer_set(r->api->loop, &r->timer, any_trouble(r) ? AGAIN_MS : LOOK_MS, fire);
}

static void look_destroy(struct work *w)
{
	struct look *k = CONTAINER_OF(w, struct look, work);

	for (size_t i = 0; i < DISKS; i++)
		free(k->dirs[i]);
	free(k->log);
	free(k);
}

/* --- telling: an event for each change. While the database takes none, it is the event of its recovery that
 * is tried: once it is on disk, it is true. --- */

static void write_inside(const struct resource *x, bool trouble, struct buf *out)
{
	char since[TIME_TEXT];

	jw_object(out);
	jw_kv_str(out, "state", trouble ? "short" : "well");
	jw_kv_str(out, "since", time_iso_usz(x->since_us, since));
	if (trouble) {
		jw_kv_str(out, "why", x->why);
		jw_kv_str(out, "remedy", x->remedy);
	}
	jw_end_object(out);
}

static int tell_run(struct tick_unit *u, struct error *err)
{
	struct resources *r = CONTAINER_OF(u, struct resources, unit);

	for (size_t i = 0; i < RESOURCES; i++) {
		const struct resource *x = &r->all[i];
		CLEANUP(buf_finish) struct buf inside = { 0 };
		struct event_row e = { .at_us = clock_wall(r->api->loop->clock),
			.type = "controller.state",
			.subject = x->name };

		r->tells[i] = i == DATABASE ? false : x->trouble;
		if (r->tells[i] == r->told[i] && !(i == DATABASE && x->trouble))
			continue;
		write_inside(x, r->tells[i], &inside);
		e.inside = buf_text(&inside);
		if (store_event_add(store_rw(r->api->store), &e, err) < 0)
			return -1;
	}
	return 0;
}

static void tell_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct resources *r = CONTAINER_OF(u, struct resources, unit);

	(void)err; /* it is tried again, and said in the journal already */
	r->telling = false;
	if (outcome == TICK_DONE)
		memcpy(r->told, r->tells, sizeof r->told);
	if (!r->stopped)
		judge_own(r);
}

static void tell(struct resources *r)
{
	bool news = r->all[DATABASE].trouble;

	for (size_t i = 0; i < RESOURCES; i++)
		news |= i != DATABASE && r->told[i] != r->all[i].trouble;
	if (!news || r->telling)
		return;
	r->telling = true;
	r->unit = (struct tick_unit) { .run = tell_run, .finish = tell_finish };
	tick_submit(r->api->tick, &r->unit);
}

/* --- when --- */

static void fire(struct loop_timer *t)
{
	struct resources *r = CONTAINER_OF(t, struct resources, timer);
	const struct api_config *c = &r->api->config;
	struct look *k;

	if (r->looking || r->stopped)
		return;
	k = xcalloc(1, sizeof *k);
	k->work = (struct work) {
		.run = look_run, .done = look_done, .destroy = look_destroy, .timeout_ms = LOOK_TIMEOUT_MS
	};
	k->owner = r;
	k->dirs[DATABASE_DISK] = xstrdup(r->database_dir);
	k->dirs[IMAGE_DISK] = c->image_dir ? xstrdup(c->image_dir) : NULL;
	k->dirs[BACKUP_DISK] = c->backup_dir && c->backup_every_us ? xstrdup(c->backup_dir) : NULL;
	k->log = xasprintf("%s-wal", store_path(r->api->store));
	r->looking = lane_submit(r->lane, &k->work);
	if (!r->looking)
		look_destroy(&k->work);
}

void resources_hint(struct resources *r)
{
	if (r && !r->stopped && !r->all[DATABASE].trouble)
		loop_timer_set(r->api->loop, &r->timer, SOON_MS, fire);
}

/* --- what it means --- */

int resources_room(const struct resources *r, bool images, struct error *err)
{
	if (!r || (!r->all[DATABASE_DISK].trouble && !(images && r->all[IMAGE_DISK].trouble)))
		return 0;
	error_set(err, ERR_NO_SPACE,
		"The cloud has little disk space left and takes nothing new%s for now; what is there can be "
		"used and "
		"deleted. Try again later, or tell your operator.",
		r->all[DATABASE_DISK].trouble ? "" : " of images");
	return error_detail(err, "%.200s",
		r->all[DATABASE_DISK].trouble ? r->all[DATABASE_DISK].why : r->all[IMAGE_DISK].why);
}

int resources_memory(const struct resources *r, struct error *err)
{
	return r && memory_low()
		       ? error_set(err, ERR_UNAVAILABLE,
				 "The cloud's controller is short of memory: try again a little later.")
		       : 0;
}

int resources_health(struct api_call *c, struct error *err)
{
	const struct tick_trouble *t = tick_trouble(c->api->tick);

	(void)err;
	c->content_type = "text/plain; charset=utf-8";
	c->status = t ? 503 : 200;
	if (t)
		buf_printf(&c->out, "writes are refused: %s\n", t->err.msg);
	else
		buf_puts(&c->out, "OK\n");
	return 0;
}

const struct resource *resources_all(const struct resources *r, size_t *n)
{
	*n = r ? RESOURCES : 0;
	return r ? r->all : NULL;
}

/* --- life --- */

struct resources *resources_create(struct api *api)
{
	struct resources *r = xcalloc(1, sizeof *r);
	char *slash;

	r->api = api;
	memcpy(r->all, table, sizeof r->all);
	for (size_t i = 0; i < RESOURCES; i++)
		r->all[i].left = r->all[i].least = -1;
	r->database_dir = xstrdup(store_path(api->store));
	slash = strrchr(r->database_dir, '/');
	str_copy(slash ? slash + 1 : r->database_dir, 2, slash ? "" : ".");
	r->lane = lane_create(api->lanes, "resources", 1, 1);
	loop_timer_set(api->loop, &r->timer, 0, fire);
	return r;
}

void resources_stop(struct resources *r)
{
	if (!r || r->stopped)
		return;
	r->stopped = true;
	loop_timer_stop(&r->timer);
}

static void closed(struct loop_timer *t)
{
	struct resources *r = CONTAINER_OF(t, struct resources, timer);

	free(r->database_dir);
	free(r);
}

void resources_destroy(struct resources *r)
{
	if (!r)
		return;
	resources_stop(r);
	lane_destroy(r->lane);
	loop_timer_close(&r->timer, closed);
}
