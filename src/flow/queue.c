/* SPDX-License-Identifier: Apache-2.0 */
/* Where flows wait: a heap by the time they are due, and lists of those parked for a host or another flow;
 * and the acts that nobody waits for any more. */
#include <stdlib.h>

#include "base/util.h"
#include "flow/internal.h"

enum { STRAY_CALLS = 5 }; /* how many times the time of a call one is waited for */

static void heap_put(struct flow_engine *e, size_t i, struct flow *f)
{
	e->heap[i] = f;
	f->heap_at = i + 1;
}

static void sift_up(struct flow_engine *e, size_t i, struct flow *f)
{
	while (i && e->heap[(i - 1) / 2]->due_us > f->due_us) {
		heap_put(e, i, e->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(e, i, f);
}

static void sift_down(struct flow_engine *e, size_t i, struct flow *f)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= e->heap_n)
			break;
		if (child + 1 < e->heap_n && e->heap[child + 1]->due_us < e->heap[child]->due_us)
			child++;
		if (e->heap[child]->due_us >= f->due_us)
			break;
		heap_put(e, i, e->heap[child]);
		i = child;
	}
	heap_put(e, i, f);
}

void heap_remove(struct flow_engine *e, struct flow *f)
{
	size_t i = f->heap_at - 1;
	struct flow *last;

	if (!f->heap_at)
		return;
	f->heap_at = 0;
	last = e->heap[--e->heap_n];
	if (last == f)
		return;
	if (i && e->heap[(i - 1) / 2]->due_us > last->due_us)
		sift_up(e, i, last);
	else
		sift_down(e, i, last);
}

void heap_set(struct flow_engine *e, struct flow *f, int64_t due_us)
{
	heap_remove(e, f);
	if (e->heap_n == e->heap_cap) {
		e->heap_cap = e->heap_cap ? e->heap_cap * 2 : 64;
		e->heap = xrealloc(e->heap, e->heap_cap * sizeof *e->heap);
	}
	f->due_us = due_us;
	sift_up(e, e->heap_n++, f);
}

void park_in(struct flow *f, struct flow **list)
{
	f->list = list;
	f->prev = NULL;
	f->next = *list;
	if (f->next)
		f->next->prev = f;
	*list = f;
}

void park_out(struct flow *f)
{
	if (!f->list)
		return;
	if (f->next)
		f->next->prev = f->prev;
	if (f->prev)
		f->prev->next = f->next;
	else
		*f->list = f->next;
	f->list = NULL;
	f->next = f->prev = NULL;
}

void stray_add(struct flow_engine *e, struct act *act)
{
	act->given_up_us = engine_mono(e);
	act->stray_at = &e->strays;
	act->stray_next = e->strays;
	if (act->stray_next)
		act->stray_next->stray_at = &act->stray_next;
	e->strays = act;
}

void stray_home(struct act *act)
{
	if (!act->stray_at)
		return;
	*act->stray_at = act->stray_next;
	if (act->stray_next)
		act->stray_next->stray_at = act->stray_at;
	act->stray_at = NULL;
	act->stray_next = NULL;
}

static bool is_lost(const struct flow_engine *e, const struct act *act)
{
	const struct link *l = link_find(e, act->host_id);

	return engine_mono(e) - act->given_up_us > (int64_t)e->cfg.call_timeout_ms * 1000 * STRAY_CALLS &&
	       (act->step->lane != LINK_OPS || !l || link_epoch(l) != act->link_epoch);
}

bool stray_of(const struct flow_engine *e, int64_t subject_id)
{
	const struct act *act = e->strays;

	while (act && (act->subject_id != subject_id || is_lost(e, act)))
		act = act->stray_next;
	return act != NULL;
}
