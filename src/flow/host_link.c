/* SPDX-License-Identifier: Apache-2.0 */
/* The links of an engine: one for each host's row, made, changed and taken away with it, and what the other
 * files may ask of one. */
#include "flow/link.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "flow/drift_set.h"
#include "flow/move.h"
#include "store/hosts.h"

enum { LANE_LIMIT = 64 };

/* ---- the set ---- */

void links_create(struct flow_engine *e)
{
	e->link_set = xcalloc(1, sizeof *e->link_set);
	e->link_set->gate_tail = &e->link_set->gate_head;
}

static enum hv_accel accel_of(const char *text)
{
	return strcmp(text, "kvm") == 0    ? HV_ACCEL_KVM
	       : strcmp(text, "qemu") == 0 ? HV_ACCEL_QEMU
					   : HV_ACCEL_AUTO;
}

static struct link *link_new(struct flow_engine *e, const struct host_row *h)
{
	struct link *l = xcalloc(1, sizeof *l);

	l->e = e;
	e->refs++;
	l->host_id = h->id;
	l->since_us = engine_now(e);
	l->epoch = h->link_epoch;
	l->known.heard_us = engine_mono(e);
	l->tally = xcalloc(1, sizeof *l->tally);
	l->tally->refs = 1;
	for (int i = 0; i < LINK_LANES; i++) {
		char name[PLACEMENT_NAME + 8];

		snprintf(name, sizeof name, "%s/%s", h->name, i == LINK_OPS ? "ops" : "bulk");
		l->slots[i] = (struct link_slot) {
			.l = l,
			.id = (enum link_lane)i,
			.lane = lane_create(e->cfg.lanes, name, link_lane_widths[i], LANE_LIMIT),
		};
		fair_init(&l->slots[i].line, 0); /* by count */
	}
	map_set(&e->links, h->id, (int64_t)(intptr_t)l);
	return l;
}

void link_set_host(struct flow_engine *e, const struct host_row *h)
{
	struct link *l = link_find(e, h->id);
	struct error err;
	bool is_new = !l;

	if (is_new)
		l = link_new(e, h);
	str_copy(l->name, sizeof l->name, h->name);
	str_copy(l->zone, sizeof l->zone, h->zone);
	str_copy(l->pool, sizeof l->pool, h->pool);
	free(l->uri);
	l->uri = xstrdup(h->uri);
	l->accel = accel_of(h->accel);
	evidence_take(l, h);
	l->drv = hv_driver_for(h->uri, &err);
	if (!l->drv) {
		str_copy(l->error, sizeof l->error, err.msg);
		l->known.failed = true;
	} else if (is_new && e->started) {
		link_begin(l);
	}
}

/* A call that came back as its lane was closed is heard of only in a later turn. */
void link_free_when_idle(struct link *l)
{
	struct flow_engine *e = l->e;

	for (int i = 0; i < LINK_LANES; i++)
		if (l->slots[i].running || l->slots[i].connecting)
			return;
	if (!l->timer_closed)
		return;
	link_tally_unref(l->tally);
	drift_set_free(l->drift);
	for (int i = 0; i < LINK_LANES; i++)
		fair_finish(&l->slots[i].line);
	free(l->uri);
	free(l);
	engine_unref(e);
}

static void link_timer_closed(struct loop_timer *t)
{
	struct link *l = CONTAINER_OF(t, struct link, timer);

	l->timer_closed = true;
	link_free_when_idle(l);
}

static void link_destroy(struct link *l)
{
	l->closing = true;
	map_remove(&l->e->links, l->host_id);
	link_close(l, "the host was removed");
	while (l->parked) {
		struct flow *f = l->parked;

		park_out(f);
		if (!l->e->dead)
			flow_wake(f);
	}
	for (int i = 0; i < LINK_LANES; i++)
		lane_destroy(l->slots[i].lane);
	loop_timer_close(&l->timer, link_timer_closed);
}

void link_remove(struct flow_engine *e, int64_t host_id)
{
	struct link *l = link_find(e, host_id);

	if (l)
		link_destroy(l);
}

static size_t links_all(struct flow_engine *e, struct link ***out)
{
	size_t n = 0;

	*out = xcalloc(e->links.n + 1, sizeof **out);
	for (size_t i = 0; i < e->links.cap; i++)
		if (e->links.entries[i].value != MAP_NONE)
			(*out)[n++] = (struct link *)(intptr_t)e->links.entries[i].value;
	return n;
}

void links_start(struct flow_engine *e)
{
	struct link **all;
	size_t n = links_all(e, &all);

	for (size_t i = 0; i < n; i++)
		if (all[i]->drv)
			link_begin(all[i]);
	free(all);
}

void links_destroy(struct flow_engine *e)
{
	struct link **all;
	size_t n;

	if (!e->link_set)
		return;
	n = links_all(e, &all);
	for (size_t i = 0; i < n; i++)
		link_destroy(all[i]);
	free(all);
	map_finish(&e->links);
	free(e->link_set);
	e->link_set = NULL;
}

/* ---- what may be asked of one ---- */

struct link *link_find(const struct flow_engine *e, int64_t host_id)
{
	return map_ptr(&e->links, host_id);
}

bool link_connected(const struct link *l)
{
	return l->state == LINK_CONNECTED;
}

bool link_placed(const struct link *l)
{
	return l->known.told == EVIDENCE_CONNECTED;
}

bool link_telling(const struct link *l)
{
	return l->telling != 0;
}

int64_t link_epoch(const struct link *l)
{
	return l->epoch;
}

const char *link_zone(const struct link *l)
{
	return l->zone;
}

struct hv_target link_target(const struct link *l, struct arena *a)
{
	const struct flow_config *cfg = &l->e->cfg;

	return (struct hv_target) {
		.uri = arena_strdup(a, l->uri),
		.pki_dir = arena_strdup(a, cfg->pki_dir ? cfg->pki_dir : ""),
		.pool = arena_strdup(a, l->pool),
		.accel = l->accel,
		.connect_timeout_ms = cfg->connect_timeout_ms,
	};
}

const char *link_error(const struct link *l)
{
	return l->error;
}

struct flow **link_parked(struct link *l)
{
	return &l->parked;
}

int64_t link_parked_host(struct flow **list)
{
	return CONTAINER_OF(list, struct link, parked)->host_id;
}

void link_wake_parked(struct link *l)
{
	for (int other = 0; other < 2; other++) {
		for (struct flow *f = l->parked, *next; f; f = next) {
			next = f->next;
			if ((f->kind != &kind_leftover_remove) == other)
				flow_wake(f);
		}
	}
}

bool flow_host_link(struct flow_engine *e, int64_t host_id, struct host_link *out)
{
	const struct link *l = link_find(e, host_id);
	struct evidence_verdict v;

	if (!l)
		return false;
	*out = (struct host_link) {
		.state = l->state == LINK_CONNECTED ? "connected"
			 : l->error[0]              ? "unreachable"
						    : "connecting",
		.since_us = l->since_us,
		.seen_us = l->seen_us,
		.epoch = l->epoch,
	};
	str_copy(out->error, sizeof out->error, l->error);
	v = evidence_of(l, l->state == LINK_CONNECTED);
	out->known = v.state;
	out->source = v.source;
	out->known_us = v.state == l->known.told ? l->known.told_us : l->since_us;
	out->fencing = l->held;
	out->is_connected = l->state == LINK_CONNECTED;
	for (int i = 0; i < LINK_LANES; i++) {
		out->queued += l->slots[i].line.n;
		out->running += l->slots[i].running;
	}
	return true;
}

void flow_host_refresh(struct flow_engine *e, int64_t host_id)
{
	struct link *l = link_find(e, host_id);

	if (!l)
		return;
	if (l->state == LINK_WAITING && e->started && !e->stopping && l->drv) {
		link_retry(l);
	} else {
		link_look_over(l, true);
	}
}

static int by_id(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

const int64_t *flow_hosts_heard(struct flow_engine *e, struct arena *a, size_t *out_n)
{
	int64_t *ids = ARENA_ARRAY(a, int64_t, e->links.n + 1);
	struct host_link link;
	size_t n = 0;

	for (size_t i = 0; i < e->links.cap; i++) {
		int64_t id = e->links.entries[i].key;

		if (e->links.entries[i].value != MAP_NONE && flow_host_link(e, id, &link) &&
			host_link_is_up(&link))
			ids[n++] = id;
	}
	qsort(ids, n, sizeof *ids, by_id);
	*out_n = n;
	return ids;
}
