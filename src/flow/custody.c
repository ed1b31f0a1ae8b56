/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/custody.h"

#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "store/audit_notes.h"
#include "store/server_power.h"
#include "store/servers.h"

/* ---- onto the way ---- */

static int begin_flow(
	struct flow_engine *e, struct db *db, int64_t device_id, int64_t now_us, struct error *err)
{
	return flow_begin(e, db,
		&(struct flow_start) { .kind = &kind_gpu_reset,
			.subject_id = device_id,
			.request_id = "",
			.now_us = now_us },
		err);
}

static int begin(
	struct flow_engine *e, struct db *db, const struct custody_pass *p, int64_t now_us, struct error *err)
{
	if (store_custody_begin(db, p, now_us, err))
		return -1;
	return p->by_operator ? 0 : begin_flow(e, db, p->device_id, now_us, err);
}

int custody_given_back(
	struct flow_engine *e, struct db *db, const struct custody_held *h, int64_t now_us, struct error *err)
{
	const struct custody_pass p = {
		.device_id = h->device_id,
		.server_uid = h->server_uid,
		.project_uid = h->project_uid,
		.by_operator = e->cfg.gpu_reset == GPU_RESET_OPERATOR,
	};

	if (e->cfg.gpu_reset == GPU_RESET_OFF)
		return 0;
	return strcmp(h->custody, "clean") == 0 ? begin(e, db, &p, now_us, err)
						: store_custody_kept(db, h, now_us, err);
}

static int by_flow(struct flow_engine *e, struct db *db, int64_t device_id, int64_t now_us, struct error *err)
{
	return store_custody_by_flow(db, device_id, err) ? -1 : begin_flow(e, db, device_id, now_us, err);
}

int custody_reset(
	struct flow_engine *e, struct db *db, const struct device_row *d, int64_t now_us, struct error *err)
{
	const struct custody_pass p = { .device_id = d->id, .server_uid = "", .project_uid = "" };
	const struct flow *f = flow_find(e, d->id);

	if (d->server_id || d->parts)
		return error_set(err, ERR_CONFLICT, "GPU %s is in use", d->address);
	if (!d->present)
		return error_set(err, ERR_CONFLICT, "GPU %s is not on its host", d->address);
	if (strcmp(d->cut, "whole") != 0)
		return error_set(err, ERR_CONFLICT,
			"GPU %s is cut: what is reset of it are its parts, which are made anew for each "
			"server",
			d->address);
	if (f)
		return flow_retry(e, db, f->id, err);
	return strcmp(d->custody, "reset") == 0 ? by_flow(e, db, d->id, now_us, err)
						: begin(e, db, &p, now_us, err);
}

/* ---- off it ---- */

int custody_cut_short(struct flow_engine *e, struct db *db, const struct device_row *d,
	enum custody_result result, const char *words, int64_t now_us, struct error *err)
{
	struct flow *f = flow_find(e, d->id);

	if (strcmp(d->custody, "reset") != 0)
		return 0;
	if (f && flow_is_busy(f) && !f->gave_up)
		return error_set(err, ERR_CONFLICT, "a call to the host is under way; try again soon");
	return (f && flow_drop(e, db, f, err)) || store_custody_end(db, d->id, result, words, now_us, err)
		       ? -1
		       : 0;
}

int custody_forget(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct device_row *all;
	size_t n;

	if (store_device_list(db, &a, host_id, &all, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (custody_cut_short(e, db, &all[i], CUSTODY_QUARANTINED,
			    "its host was removed before it was reset", engine_now(e), err))
			return -1;
	return 0;
}

/* ---- seen ---- */

static bool is_held(const struct device_row *d)
{
	return d->server_id || d->parts;
}

int custody_seen(struct flow_engine *e, struct db *db, const struct device_row *was, int64_t now_us,
	bool *changed, struct error *err)
{
	const struct custody_pass p = {
		.device_id = was->id,
		.server_uid = "",
		.project_uid = "",
		.by_operator = e->cfg.gpu_reset == GPU_RESET_OPERATOR,
	};
	bool way = strcmp(was->custody, "reset") == 0;
	const struct flow *f = way ? flow_find(e, was->id) : NULL;

	if (e->cfg.gpu_reset == GPU_RESET_OFF)
		return 0;
	if (f) /* it need not wait for its back-off */
		return was->present || flow_is_busy(f) ? 0 : flow_retry(e, db, f->id, err);
	if (way)
		return was->by_operator && e->cfg.gpu_reset == GPU_RESET_AUTO
			       ? by_flow(e, db, was->id, now_us, err)
			       : 0;
	if (was->present || is_held(was) || strcmp(was->custody, "clean") != 0)
		return 0;
	*changed = true;
	return begin(e, db, &p, now_us, err);
}

/* ---- not seen ---- */

static bool runs(const struct custody_lost *l)
{
	return strcmp(l->state, "active") == 0 || strcmp(l->state, "paused") == 0 ||
	       strcmp(l->state, "rescued") == 0;
}

static int lose(struct db *db, const struct custody_lost *l, int64_t now_us, struct error *err)
{
	char words[160];
	const struct audit_note note = {
		.at_us = now_us, .action = "server.found", .status = 200, .reason = words
	};

	snprintf(words, sizeof words, "GPU %.64s:%.15s is not on its host", l->host, l->address);
	log_event(LOG_WARNING, "a server has lost a GPU", "server", l->server_uid, "host", l->host, "gpu",
		l->address, NULL);
	return store_server_fault(db, l->server_id, 500, "A GPU of the server is gone from its host.", words,
		       now_us, err) ||
			       store_audit_server(db, l->server_id, &note, err)
		       ? -1
		       : 0;
}

/* What a flow works on, or has settled since the look began, the look says nothing about. */
int custody_lost(struct flow_engine *e, struct db *db, const struct host_look *look, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct custody_lost *all;
	int64_t last = 0;
	size_t n;

	if (store_custody_lost(db, &a, look->host_id, 0, &all, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) { /* by server */
		if (all[i].server_id == last || all[i].has_flow || !runs(&all[i]) ||
			all[i].settled_us > look->started_us)
			continue;
		last = all[i].server_id;
		if (lose(db, &all[i], engine_now(e), err))
			return -1;
	}
	return 0;
}

int custody_complete(struct flow_engine *e, struct db *db, const struct server *s, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct link *l = link_find(e, s->host_id);
	struct custody_lost *all;
	size_t n;

	if (store_custody_lost(db, &a, 0, s->id, &all, &n, err))
		return -1;
	if (!n)
		return 0;
	if (l)
		link_look_over(l, true); /* it may be back */
	error_set(err, ERR_CONFLICT, "A GPU of instance %s is not on its host now", s->uid);
	return error_detail(err, "GPU %s:%s", all->host, all->address);
}
