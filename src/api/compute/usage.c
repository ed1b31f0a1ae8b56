/* SPDX-License-Identifier: Apache-2.0 */
/* os-simple-tenant-usage: what servers used in a period, from the intervals that metering wrote. A server
 * counts from the moment it first ran, as with Nova; building is free. */
#include "store/usage.h"

#include <string.h>

#include "api/compute/compute.h"
#include "base/util.h"
#include "domain/usage.h"
#include "store/books.h"
#include "store/projects.h"
#include "store/quotas.h"

struct server_use {
	const struct usage_row *row; /* its last interval in the period */
	struct usage_sum sum;
};

struct report {
	struct api_call *c;
	int64_t from_us, to_us;
	int64_t books_from_us, books_to_us, books_now_us;
	bool detailed;
	int64_t limit; /* servers on this page */
	struct server_use *servers;
	size_t n;
	const char *next; /* marker of the next page; NULL: none */
};

static int read_time(struct api_call *c, const char *name, int64_t *out, struct error *err)
{
	const char *text = api_query(c, name);

	*out = c->now_us;
	if (text && time_parse(text, out) < 0)
		return error_set(err, ERR_BAD_REQUEST,
			"%s must be a time as 2026-01-31T12:00:00, not '%.40s'", name, text);
	return 0;
}

static int read_query(struct report *r, struct api_page *page, struct error *err)
{
	static const char *const any_key[] = { "id", NULL };
	static const char *const known[] = { "start", "end", "detailed", "limit", "marker", NULL };

	if (compute_only_query(r->c, 75, known, err) < 0)
		return -1;
	*page = (struct api_page) { .limit = INT64_MAX };
	if (read_time(r->c, "start", &r->from_us, err) < 0 || read_time(r->c, "end", &r->to_us, err) < 0)
		return -1;
	if (r->to_us < r->from_us)
		return error_set(err, ERR_BAD_REQUEST,
			"Invalid start time. The start time cannot occur after the end time.");
	r->books_from_us = books_from_wall(r->c->db, r->from_us);
	r->books_to_us = books_from_wall(r->c->db, r->to_us);
	r->books_now_us = books_now(r->c->db);
	r->detailed = str_eq(api_query(r->c, "detailed"), "1");
	return since(r->c, 40) ? api_page(r->c, any_key, false, page, err) : 0;
}

static bool counts(const struct usage_row *row)
{
	return row->launched_us && strcmp(row->state, "building") != 0;
}

/* Rows come by project, server and start: the intervals of one server are neighbours. */
static int collect(struct report *r, int64_t project_id, const struct api_page *page, struct error *err)
{
	const char *marker = page->marker;
	struct usage_row *rows;
	size_t rows_n;

	if (store_usage_list(r->c->db, r->c->arena, project_id, r->books_from_us, r->books_to_us, &rows,
		    &rows_n, err) < 0)
		return -1;
	r->servers = ARENA_ARRAY(r->c->arena, struct server_use, rows_n + 1);
	for (size_t i = 0; i < rows_n; i++) {
		struct usage_interval interval = { rows[i].started_us, rows[i].ended_us, rows[i].vcpus,
			rows[i].ram_mib, rows[i].disk_gib, rows[i].gpus };
		struct server_use *last = r->n ? &r->servers[r->n - 1] : NULL;

		if (!counts(&rows[i]))
			continue;
		if (marker) { /* up to and with the marker's intervals nothing is shown */
			bool ends = strcmp(rows[i].server_uid, marker) == 0 &&
				    (i + 1 == rows_n || rows[i + 1].server_id != rows[i].server_id);

			marker = ends ? NULL : marker;
			continue;
		}
		if (!last || last->row->server_id != rows[i].server_id) {
			if ((int64_t)r->n == page->limit)
				break;
			last = &r->servers[r->n++];
		}
		last->row = &rows[i];
		usage_add(&last->sum, &interval, r->books_from_us, r->books_to_us, r->books_now_us);
	}
	if (marker)
		return api_marker_missing(marker, err);
	if (r->n && (int64_t)r->n == page->limit)
		r->next = r->servers[r->n - 1].row->server_uid;
	return 0;
}

/* --- views */

static void put_hours(struct buf *b, const char *key, usage_wide us)
{
	jw_key(b, key);
	jw_double(b, usage_hours(us));
}

static void server_usage_view(struct report *r, const struct server_use *u, const char *project_uid)
{
	const struct usage_row *row = u->row;
	struct buf *b = &r->c->out;
	int64_t ended_us = row->terminated_us;

	jw_object(b);
	jw_kv_str(b, "instance_id", row->server_uid);
	jw_kv_str(b, "name", row->server_name);
	put_hours(b, "hours", u->sum.us);
	jw_kv_str(b, "flavor", row->flavor_name);
	jw_kv_int(b, "memory_mb", row->ram_mib);
	jw_kv_int(b, "local_gb", row->disk_gib);
	jw_kv_int(b, "vcpus", row->vcpus);
	jw_kv_str(b, "tenant_id", project_uid);
	compute_time(b, "started_at", row->launched_us, true);
	compute_time(b, "ended_at", ended_us, true);
	jw_kv_str(b, "state", ended_us ? "terminated" : row->vm_state);
	jw_kv_int(b, "uptime", ((ended_us ? ended_us : r->c->now_us) - row->launched_us) / 1000000);
	jw_end_object(b);
}

/* One project's servers, from..to in r->servers. */
static int project_view(struct report *r, size_t from, size_t to, bool detailed, struct error *err)
{
	struct buf *b = &r->c->out;
	struct usage_sum sum = { 0 };
	struct project project;

	if (store_project_load(r->c->db, r->c->arena, r->servers[from].row->project_id, &project, err) < 0)
		return -1;
	for (size_t i = from; i < to; i++)
		usage_sum_add(&sum, &r->servers[i].sum);
	jw_object(b);
	jw_kv_str(b, "tenant_id", project.uid);
	compute_time(b, "start", r->from_us, true);
	compute_time(b, "stop", r->to_us, true);
	put_hours(b, "total_hours", sum.us);
	put_hours(b, "total_vcpus_usage", sum.vcpu_us);
	put_hours(b, "total_memory_mb_usage", sum.ram_mib_us);
	put_hours(b, "total_local_gb_usage", sum.disk_gib_us);
	if (detailed) {
		jw_key(b, "server_usages");
		jw_array(b);
		for (size_t i = from; i < to; i++)
			server_usage_view(r, &r->servers[i], project.uid);
		jw_end_array(b);
	}
	jw_end_object(b);
	return 0;
}

int compute_usage_list(struct api_call *c, struct error *err)
{
	struct report r = { .c = c };
	struct api_page page;

	if (read_query(&r, &page, err) < 0 || collect(&r, 0, &page, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "tenant_usages");
	jw_array(&c->out);
	for (size_t from = 0, to; from < r.n; from = to) {
		for (to = from + 1;
			to < r.n && r.servers[to].row->project_id == r.servers[from].row->project_id;)
			to++;
		if (project_view(&r, from, to, r.detailed, err) < 0)
			return -1;
	}
	jw_end_array(&c->out);
	if (r.next)
		api_next_link(c, "tenant_usages_links", r.next);
	jw_end_object(&c->out);
	return 0;
}

int compute_usage_show(struct api_call *c, struct error *err)
{
	const char *uid = api_param(c, "project_id");
	struct report r = { .c = c };
	struct api_page page;
	int64_t project = 0;
	int rc;

	if (!api_is_admin(c) && !str_eq(uid, c->who->project.uid))
		return error_set(
			err, ERR_FORBIDDEN, "Only an administrator may see another project's usage.");
	rc = store_quota_project(c->db, uid, true, &project, err);
	if (rc < 0 || read_query(&r, &page, err) < 0 || (rc > 0 && collect(&r, project, &page, err) < 0))
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "tenant_usage");
	if (r.n) {
		if (project_view(&r, 0, r.n, true, err) < 0)
			return -1;
	} else {
		jw_object(&c->out);
		jw_end_object(&c->out);
	}
	if (r.next)
		api_next_link(c, "tenant_usage_links", r.next);
	jw_end_object(&c->out);
	return 0;
}
