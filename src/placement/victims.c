/* SPDX-License-Identifier: Apache-2.0 */
/* Who has to go so that a request fits: of one host, the fewest servers, of these the smallest, of these the
 * newest. Where one is enough, all servers that could be it are tried in that order. Else hosts are searched,
 * those first that could do with fewest, until no other could do better. The search is exact as long as it
 * takes a bounded number of tries; beyond, the largest go first. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/choose.h"
#include "placement/leavers.h"

enum { TRIES_MAX = 20000, SET_MAX = 64 };

/* Who leaves one host: by their numbers in the group's list. */
struct set {
	size_t n;
	size_t of[SET_MAX];
	struct size size;
	const struct group *from;
};

struct search {
	const struct query *q;
	struct host *host; /* a copy, without those that are in `now` */
	const struct group *group;
	size_t most;
	struct set now, best;
	bool found;
	int tries;
};

/* ---- order ---- */

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
		out[i] = s->from->leavers[s->of[i]].server;
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
	host_charge(s->q->p, s->host, -1, s->group->leavers[i].held);
	s->now.of[s->now.n++] = i;
	s->now.size = size_add(&s->now.size, &s->group->leavers[i].size, 1);
}

static void come_back(struct search *s)
{
	size_t i = s->now.of[--s->now.n];

	host_charge(s->q->p, s->host, 1, s->group->leavers[i].held);
	s->now.size = size_add(&s->now.size, &s->group->leavers[i].size, -1);
}

static void keep_if_better(struct search *s)
{
	if (s->found && !set_better(&s->now, &s->best))
		return;
	s->best = s->now;
	s->found = true;
}

/* All sets with k more, of those from i on. They come smallest first: none can be smaller than k times the
 * next one more. */
static void search_sets(struct search *s, size_t i, size_t k)
{
	if (!k) {
		if (fits_now(s))
			keep_if_better(s);
		return;
	}
	for (; i + k <= s->group->n && s->tries < TRIES_MAX; i++) {
		struct size least = size_add(&s->now.size, &s->group->leavers[i].size, (int64_t)k);

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
static void search_fast(struct search *s)
{
	bool fits = false;

	for (size_t i = s->group->n; !fits && i-- > 0 && s->now.n < s->most;) {
		go(s, i);
		fits = fits_now(s);
	}
	if (fits)
		keep_if_better(s);
	while (s->now.n)
		come_back(s);
}

static bool fits_without_all(struct search *s)
{
	bool fits;

	for (size_t i = 0; i < s->group->n; i++)
		host_charge(s->q->p, s->host, -1, s->group->leavers[i].held);
	fits = fits_now(s);
	for (size_t i = 0; i < s->group->n; i++)
		host_charge(s->q->p, s->host, 1, s->group->leavers[i].held);
	return fits;
}

static void search_group(struct search *s, const struct group *g)
{
	s->group = g;
	s->now = (struct set) { .from = g };
	s->host = host_copy(s->q->p->hosts[g->slot]);
	if (s->tries >= TRIES_MAX) {
		search_fast(s);
	} else if (fits_without_all(s)) {
		for (size_t k = g->fewest; k <= g->n && k <= s->most; k++) {
			if (s->found && s->best.n < k)
				break;
			search_sets(s, 0, k);
		}
	}
	host_destroy(s->host);
}

/* ---- all hosts ---- */

struct single {
	struct size size;
	int64_t server;
	const struct group *group;
	size_t at;
};

static int by_single(const void *a, const void *b)
{
	const struct single *x = a, *y = b;

	return leaver_compare(&x->size, x->server, &y->size, y->server);
}

/* One alone, the best first: the first that is enough is the answer. */
static void search_singles(struct search *s, const struct group *groups, size_t groups_n, size_t leavers_n)
{
	CLEANUP(free_ptr) struct single *singles = xmalloc((leavers_n + 1) * sizeof *singles);
	size_t n = 0;

	for (size_t i = 0; i < groups_n; i++)
		for (size_t k = 0; k < groups[i].n; k++) {
			const struct leaver *l = &groups[i].leavers[k];

			if (leaver_is_enough(&groups[i], l))
				singles[n++] = (struct single) { l->size, l->server, &groups[i], k };
		}
	if (n)
		qsort(singles, n, sizeof *singles, by_single);
	for (size_t i = 0; i < n && !s->found && s->tries < TRIES_MAX; i++) {
		s->group = singles[i].group;
		s->now = (struct set) { .from = s->group };
		s->host = host_copy(s->q->p->hosts[s->group->slot]);
		go(s, singles[i].at);
		if (fits_now(s))
			keep_if_better(s);
		host_destroy(s->host);
	}
}

/* Could the group still be better than what was found? */
static bool promises_more(const struct search *s, const struct group *g)
{
	int64_t ids[SET_MAX], size = size_compare(&g->smallest, &s->best.size);

	if (!s->found || g->fewest != s->best.n || size)
		return !s->found || g->fewest < s->best.n || (g->fewest == s->best.n && size < 0);
	set_ids(&s->best, ids);
	return g->newest >= ids[0];
}

/* Several of one host: the most promising hosts first. */
static void search_sets_of_all(struct search *s, struct group *groups, size_t n)
{
	groups_rank(groups, n);
	for (size_t i = 0; i < n; i++)
		if (groups[i].fewest <= groups[i].n && groups[i].fewest <= s->most &&
			promises_more(s, &groups[i]) && (!s->found || s->tries < TRIES_MAX))
			search_group(s, &groups[i]);
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
	struct host *h = host_copy(s->q->p->hosts[s->best.from->slot]);

	for (size_t i = 0; i < s->best.n; i++)
		host_charge(s->q->p, h, -1, s->best.from->leavers[s->best.of[i]].held);
	fit_pick(h, &s->q->key.shape, out);
	out->host_id = h->id;
	host_destroy(h);
}

int placement_victims(const struct placement *p, const struct placement_request *req,
	const struct placement_may *may, struct placement_choice *out, int64_t *victims, size_t max,
	size_t *out_n, struct error *err)
{
	CLEANUP(query_finish) struct query q = query_make(p, req);
	CLEANUP(free_ptr) struct leaver *leavers = NULL;
	CLEANUP(free_ptr) struct group *groups = NULL;
	CLEANUP(free_ptr) size_t *first = NULL;
	struct search s = { .q = &q, .most = max < SET_MAX ? max : SET_MAX };
	size_t n;

	*out_n = 0;
	if (fits_as_it_is(&q, out))
		return 0;
	leavers = xmalloc((p->holdings_n + 1) * sizeof *leavers);
	groups = xmalloc((p->hosts_n + 1) * sizeof *groups);
	first = xmalloc((p->hosts_n + 2) * sizeof *first);
	leavers_find(p, may, leavers, first);
	n = groups_find(&q, leavers, first, groups);
	if (n && s.most)
		search_singles(&s, groups, n, first[p->hosts_n]);
	if (n && !s.found)
		search_sets_of_all(&s, groups, n);
	if (!s.found)
		return error_set(
			err, ERR_NO_HOST, "no host would fit if %zu servers left", first[p->hosts_n]);
	place_without(&s, out);
	*out_n = s.best.n;
	set_ids(&s.best, victims);
	return 0;
}
