/* SPDX-License-Identifier: Apache-2.0 */
/* Who has to go so that a request fits: of one host, the fewest servers, of these the smallest, of these the
 * newest. The search is exact as long as it takes a bounded number of tries; beyond, the largest go first. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/choose.h"

enum { TRIES_MAX = 20000, SET_MAX = 64 };

struct size { /* compared in this order */
	int64_t gpus, vcpus, ram_mib;
};

struct leaver {
	size_t slot;
	struct size size;
	const struct holding *held;
};

/* Who leaves one host: by their numbers in the search's list. */
struct set {
	size_t n;
	size_t of[SET_MAX];
	struct size size;
	const struct leaver *from;
};

struct search {
	const struct query *q;
	struct host *host; /* a copy, without those that are in `now` */
	const struct leaver *leavers;
	size_t leavers_n;
	struct set now, best;
	bool found;
	int tries;
};

/* ---- order ---- */

static int64_t size_compare(const struct size *a, const struct size *b)
{
	if (a->gpus != b->gpus)
		return a->gpus - b->gpus;
	return a->vcpus != b->vcpus ? a->vcpus - b->vcpus : a->ram_mib - b->ram_mib;
}

static struct size size_add(const struct size *a, const struct size *b, int64_t times)
{
	return (struct size) { a->gpus + times * b->gpus, a->vcpus + times * b->vcpus,
		a->ram_mib + times * b->ram_mib };
}

static int by_newest(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x < *y) - (*x > *y);
}

static void set_ids(const struct set *s, int64_t *out)
{
	for (size_t i = 0; i < s->n; i++)
		out[i] = s->from[s->of[i]].held->server;
	if (s->n)
		qsort(out, s->n, sizeof *out, by_newest);
}

static bool set_better(const struct set *a, const struct set *b)
{
	int64_t x[SET_MAX], y[SET_MAX], by_size = size_compare(&a->size, &b->size);
	size_t i = 0;

	if (a->n != b->n || by_size)
		return a->n != b->n ? a->n < b->n : by_size < 0;
	set_ids(a, x);
	set_ids(b, y);
	while (i < a->n && x[i] == y[i])
		i++;
	return i < a->n && x[i] > y[i];
}

/* By host; the smallest first, of these the newest. */
static int by_slot(const void *a, const void *b)
{
	const struct leaver *x = a, *y = b;
	int64_t size = size_compare(&x->size, &y->size);

	if (x->slot != y->slot)
		return x->slot < y->slot ? -1 : 1;
	if (size)
		return size < 0 ? -1 : 1;
	return (x->held->server < y->held->server) - (x->held->server > y->held->server);
}

/* ---- one host ---- */

static bool fits_now(struct search *s)
{
	const struct placement_request *req = s->q->req;
	const struct host *h = s->host;

	s->tries++;
	if (h->exclusives || ((h->exclusive || req->exclusive) && h->servers))
		return false;
	return fit_check(h, &s->q->key.shape, NULL, NULL) == RULE_OK;
}

static void go(struct search *s, size_t i)
{
	host_charge(s->q->p, s->host, -1, s->leavers[i].held);
	s->now.of[s->now.n++] = i;
	s->now.size = size_add(&s->now.size, &s->leavers[i].size, 1);
}

static void come_back(struct search *s)
{
	size_t i = s->now.of[--s->now.n];

	host_charge(s->q->p, s->host, 1, s->leavers[i].held);
	s->now.size = size_add(&s->now.size, &s->leavers[i].size, -1);
}

/* All sets with k more, of those from i on. They come smallest first: none can be smaller than k times the
 * next one more. */
static void search_sets(struct search *s, size_t i, size_t k)
{
	if (!k) {
		if (fits_now(s) && (!s->found || set_better(&s->now, &s->best))) {
			s->best = s->now;
			s->found = true;
		}
		return;
	}
	for (; i + k <= s->leavers_n && s->tries < TRIES_MAX; i++) {
		struct size least = size_add(&s->now.size, &s->leavers[i].size, (int64_t)k);

		if (s->found &&
			(s->now.n + k > s->best.n ||
				(s->now.n + k == s->best.n && size_compare(&least, &s->best.size) > 0)))
			return;
		go(s, i);
		search_sets(s, i + 1, k - 1);
		come_back(s);
	}
}

/* The largest go until it fits. */
static void search_fast(struct search *s, size_t most)
{
	for (size_t i = s->leavers_n; i-- > 0 && s->now.n < most;) {
		go(s, i);
		if (!fits_now(s))
			continue;
		if (!s->found || set_better(&s->now, &s->best)) {
			s->best = s->now;
			s->found = true;
		}
		break;
	}
	while (s->now.n)
		come_back(s);
}

static void search_host(struct search *s, size_t most)
{
	bool possible;

	for (size_t i = 0; i < s->leavers_n; i++)
		host_charge(s->q->p, s->host, -1, s->leavers[i].held);
	possible = fits_now(s);
	for (size_t i = 0; i < s->leavers_n; i++)
		host_charge(s->q->p, s->host, 1, s->leavers[i].held);
	if (!possible)
		return;
	s->tries = 0;
	for (size_t k = 1; k <= s->leavers_n && k <= most; k++) {
		if (s->found && s->best.n < k)
			return;
		search_sets(s, 0, k);
		if (s->tries >= TRIES_MAX) {
			while (s->now.n)
				come_back(s);
			search_fast(s, most);
			return;
		}
	}
}

/* ---- all hosts ---- */

static struct size size_of(const struct holding *h)
{
	struct size size = { 0, h->vcpus, h->ram_mib };

	for (size_t i = 0; h->claim && i < h->claim->gpus_n; i++)
		size.gpus += h->claim->gpus[i].share;
	return size;
}

static size_t find_leavers(const struct placement *p, const struct placement_may *may, struct leaver *out)
{
	size_t n = 0;

	for (size_t i = 0; i < p->holdings_n; i++) {
		const struct holding *h = &p->holdings[i];

		if (may ? may->leave(may->ctx, h->server) : h->preemptible)
			out[n++] = (struct leaver) { (size_t)map_get(&p->by_id, h->host), size_of(h), h };
	}
	if (n)
		qsort(out, n, sizeof *out, by_slot);
	return n;
}

static bool host_may(const struct query *q, size_t slot)
{
	int64_t held_for = q->p->hosts[slot]->held_for;

	return query_rule_of_place(q, slot) == RULE_OK && (!held_for || held_for == q->req->server);
}

static void search_all(struct search *s, const struct leaver *leavers, size_t n, size_t most)
{
	for (size_t i = 0, end; i < n; i = end) {
		size_t slot = leavers[i].slot;

		for (end = i; end < n && leavers[end].slot == slot;)
			end++;
		if (!host_may(s->q, slot))
			continue;
		s->leavers = leavers + i;
		s->leavers_n = end - i;
		s->now.from = s->leavers;
		s->host = host_copy(s->q->p->hosts[slot]);
		search_host(s, most);
		host_destroy(s->host);
	}
}

/* Where nobody has to go. */
static bool fits_as_it_is(const struct query *q, struct placement_choice *out)
{
	size_t best = SIZE_MAX;
	int64_t least = 0, score;

	for (size_t i = 0; i < q->p->hosts_n; i++) {
		if (query_ask(q, i, &score) != RULE_OK)
			continue;
		if (best != SIZE_MAX &&
			(query_preference(q, i) > query_preference(q, best) ||
				(query_preference(q, i) == query_preference(q, best) &&
					(score > least ||
						(score == least && q->p->hot[i].id > q->p->hot[best].id)))))
			continue;
		best = i;
		least = score;
	}
	if (best != SIZE_MAX)
		choose_on(q, best, out);
	return best != SIZE_MAX;
}

static void place_without(const struct search *s, struct placement_choice *out)
{
	const struct leaver *first = &s->best.from[s->best.of[0]];
	struct host *h = host_copy(s->q->p->hosts[first->slot]);

	for (size_t i = 0; i < s->best.n; i++)
		host_charge(s->q->p, h, -1, s->best.from[s->best.of[i]].held);
	fit_pick(h, &s->q->key.shape, out);
	out->host_id = h->id;
	host_destroy(h);
}

int placement_victims(const struct placement *p, const struct placement_request *req,
	const struct placement_may *may, struct placement_choice *out, int64_t *victims, size_t max,
	size_t *out_n, struct error *err)
{
	CLEANUP(query_finish) struct query q = query_make(p, req);
	CLEANUP(free_ptr) struct leaver *leavers = xmalloc((p->holdings_n + 1) * sizeof *leavers);
	struct search s = { .q = &q };
	size_t n;

	*out_n = 0;
	if (fits_as_it_is(&q, out))
		return 0;
	n = find_leavers(p, may, leavers);
	search_all(&s, leavers, n, max < SET_MAX ? max : SET_MAX);
	if (!s.found)
		return error_set(err, ERR_NO_HOST, "no host would fit if %zu servers left", n);
	place_without(&s, out);
	*out_n = s.best.n;
	set_ids(&s.best, victims);
	return 0;
}
