/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudctl/simulate.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum { WAITERS_MAX = 1000000, ALIKE = 64 };

bool sim_order(const char *name, enum placement_order *out)
{
	static const char *const names[] = { [PLACEMENT_BY_MIX] = "mix",
		[PLACEMENT_BEST_FIT] = "best-fit",
		[PLACEMENT_FIRST_FIT] = "first-fit",
		[PLACEMENT_SPREAD] = "spread" };

	*out = PLACEMENT_BY_MIX;
	for (size_t i = 0; name && i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0) {
			*out = (enum placement_order)i;
			return true;
		}
	return !name;
}

void sim_open(struct sim *s, enum placement_order order)
{
	*s = (struct sim) { .p = placement_create(), .begun = -1 };
	placement_order_set(s->p, order);
}

void sim_close(struct sim *s)
{
	placement_destroy(s->p);
	free(s->waiters);
	free(s->waits);
	free(s->leaving);
}

/* ---- what is counted ---- */

static double share(int64_t used, int64_t all)
{
	return all > 0 ? (double)used / (double)all : 0;
}

static void count_step(struct sim *s)
{
	s->gpus_sum += share(s->gpus_used, s->gpus);
	s->vcpus_sum += share(s->vcpus_used, s->vcpus);
	s->steps++;
}

void sim_count_host(struct sim *s, const struct placement_host *h, int sign)
{
	s->gpus += sign * (int64_t)h->gpus_n * PLACEMENT_SHARE;
	s->vcpus += sign * (h->vcpus * h->vcpu_ratio_milli / 1000);
	for (size_t i = 0; i < h->cells_n; i++)
		s->vcpus += sign * (int64_t)h->cells[i].cpus_n;
}

static void count_held(
	struct sim *s, const struct placement_request *req, const struct placement_choice *choice, int sign)
{
	for (size_t i = 0; i < choice->gpus_n; i++)
		s->gpus_used += sign * choice->gpus[i].share;
	s->vcpus_used += sign * req->vcpus;
}

/* "no host fits: 3 of 4 lack gpus, 1 is down": what the hosts that came nearest lack. */
static void count_reason(struct sim *s, const char *msg)
{
	static const char *const words[][2] = { { "lacks ", "lack " }, { "has ", "have " },
		{ "is ", "are " } };
	const char *text = strstr(msg, ": ");
	char reason[SIM_REASON];
	size_t i = 0;

	text = text ? text + 2 : msg;
	while (isdigit((unsigned char)*text) || strncmp(text, " of ", 4) == 0)
		text += isdigit((unsigned char)*text) ? 1 : 4;
	text += *text == ' ';
	str_copy(reason, sizeof reason, "");
	for (size_t w = 0; w < ARRAY_LEN(words); w++)
		if (strncmp(text, words[w][0], strlen(words[w][0])) == 0) {
			str_copy(reason, sizeof reason, words[w][1]);
			text += strlen(words[w][0]);
			break;
		}
	for (i = strlen(reason); *text && *text != ',' && i + 1 < sizeof reason;)
		reason[i++] = *text++;
	reason[i] = '\0';
	for (i = 0; i + 1 < SIM_REASONS && s->reasons[i].n && strcmp(s->reasons[i].text, reason) != 0;)
		i++;
	if (!s->reasons[i].n)
		str_copy(s->reasons[i].text, sizeof s->reasons[i].text, reason);
	s->reasons[i].n++;
}

static void refuse(struct sim *s, const struct placement_request *req, const char *why)
{
	s->refused++;
	s->refused_gpu += req->gpus_n > 0;
	count_reason(s, why);
}

void sim_placed(struct sim *s, int64_t us)
{
	if (s->waits_n == s->waits_cap) {
		s->waits_cap = s->waits_cap ? 2 * s->waits_cap : 1024;
		s->waits = xrealloc(s->waits, s->waits_cap * sizeof *s->waits);
	}
	s->waits[s->waits_n++] = us;
	s->placed++;
}

/* ---- time ---- */

static void waiter_drop(struct sim *s, size_t at)
{
	memmove(&s->waiters[at], &s->waiters[at + 1], (--s->waiters_n - at) * sizeof *s->waiters);
}

static void advance(struct sim *s, int64_t us)
{
	double dt = s->begun < 0 || us <= s->now ? 0 : (double)(us - s->now);

	s->gpus_time += dt * share(s->gpus_used, s->gpus);
	s->vcpus_time += dt * share(s->vcpus_used, s->vcpus);
	s->time += dt;
	if (s->begun < 0)
		s->begun = us;
	if (us > s->now)
		s->now = us;
}

static bool sooner(const struct sim_leaving *a, const struct sim_leaving *b)
{
	return a->due != b->due ? a->due < b->due : a->id < b->id;
}

static void leaving_push(struct sim *s, struct sim_leaving l)
{
	size_t at = s->leaving_n++;

	if (at == s->leaving_cap) {
		s->leaving_cap = at ? 2 * at : 1024;
		s->leaving = xrealloc(s->leaving, s->leaving_cap * sizeof *s->leaving);
	}
	for (; at && sooner(&l, &s->leaving[(at - 1) / 2]); at = (at - 1) / 2)
		s->leaving[at] = s->leaving[(at - 1) / 2];
	s->leaving[at] = l;
}

static struct sim_leaving leaving_pop(struct sim *s)
{
	struct sim_leaving first = s->leaving[0], last = s->leaving[--s->leaving_n];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < s->leaving_n) {
		child += child + 1 < s->leaving_n && sooner(&s->leaving[child + 1], &s->leaving[child]);
		if (!sooner(&s->leaving[child], &last))
			break;
		s->leaving[at] = s->leaving[child];
		at = child;
	}
	s->leaving[at] = last;
	return first;
}

static void give_up(struct sim *s, int64_t us)
{
	size_t i = 0;

	while (i < s->waiters_n) {
		if (s->waiters[i].until > us) {
			i++;
			continue;
		}
		refuse(s, &s->waiters[i].request, "waited too long");
		waiter_drop(s, i);
	}
}

void sim_at(struct sim *s, int64_t us)
{
	while (s->leaving_n && s->leaving[0].due <= us) {
		struct sim_leaving l = leaving_pop(s);

		give_up(s, l.due);
		advance(s, l.due);
		sim_give_back(s, l.id);
	}
	give_up(s, us);
	advance(s, us);
}

/* ---- servers ---- */

bool sim_take(struct sim *s, int64_t id, const struct placement_request *req,
	const struct placement_choice *choice, bool force)
{
	struct error err;

	if (placement_take(s->p, id, req, choice, force, &err) < 0)
		return false;
	count_held(s, req, choice, 1);
	count_step(s);
	placement_forget(s->p);
	return true;
}

static bool try(
	struct sim *s, int64_t id, const struct placement_request *req, int64_t life, struct error *err)
{
	if (placement_choose(s->p, req, 1, &s->choice, err) < 0 || !sim_take(s, id, req, &s->choice, false))
		return false;
	if (life >= 0)
		leaving_push(s, (struct sim_leaving) { s->now + life, id });
	return true;
}

void sim_missed(struct sim *s, int64_t id, const struct placement_request *req, int64_t life, const char *why)
{
	count_step(s);
	if (!s->wait || s->waiters_n == WAITERS_MAX) {
		refuse(s, req, why);
		return;
	}
	if (s->waiters_n == s->waiters_cap) {
		s->waiters_cap = s->waiters_cap ? 2 * s->waiters_cap : 64;
		s->waiters = xrealloc(s->waiters, s->waiters_cap * sizeof *s->waiters);
	}
	s->waiters[s->waiters_n++] = (struct sim_waiter) {
		.id = id, .since = s->now, .until = s->now + s->wait, .life = life, .request = *req
	};
	if ((int64_t)s->waiters_n > s->waiting_most)
		s->waiting_most = (int64_t)s->waiters_n;
}

bool sim_ask(struct sim *s, int64_t id, const struct placement_request *req, int64_t life)
{
	struct error err = { 0 };

	s->asked++;
	if (!try(s, id, req, life, &err)) {
		sim_missed(s, id, req, life, err.msg);
		return false;
	}
	sim_placed(s, 0);
	return true;
}

static bool same(const struct placement_request *a, const struct placement_request *b)
{
	return a->vcpus == b->vcpus && a->ram_mib == b->ram_mib && a->disk_gib == b->disk_gib &&
	       a->gpus_n == b->gpus_n && memcmp(a->gpus, b->gpus, a->gpus_n * sizeof *a->gpus) == 0;
}

/* Room came free: those that wait are tried, first come first; of those alike that do not fit, one. */
static void serve(struct sim *s)
{
	struct placement_request failed[ALIKE];
	size_t n = 0, i = 0;

	while (i < s->waiters_n && n < ALIKE) {
		struct sim_waiter w = s->waiters[i];
		struct error err;
		size_t k = 0;

		while (k < n && !same(&failed[k], &w.request))
			k++;
		if (k < n || !try(s, w.id, &w.request, w.life, &err)) {
			if (k == n)
				failed[n++] = w.request;
			i++;
			continue;
		}
		sim_placed(s, s->now - w.since);
		waiter_drop(s, i);
	}
}

bool sim_give_back(struct sim *s, int64_t id)
{
	struct placement_request req;
	struct placement_choice choice;

	if (!placement_held(s->p, id, &req, &choice)) {
		for (size_t i = 0; i < s->waiters_n; i++)
			if (s->waiters[i].id == id) {
				refuse(s, &s->waiters[i].request, "left while it waited");
				waiter_drop(s, i);
				break;
			}
		return false;
	}
	count_held(s, &req, &choice, -1);
	placement_release(s->p, id);
	count_step(s);
	placement_forget(s->p);
	if (s->waiters_n)
		serve(s);
	return true;
}

/* ---- the report ---- */

static int by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double seconds_at(struct sim *s, size_t hundredths)
{
	size_t at = s->waits_n ? (s->waits_n - 1) * hundredths / 100 : 0;

	return s->waits_n ? (double)s->waits[at] / 1e6 : 0;
}

static json_t *percent(double part)
{
	return json_real((double)(int64_t)(part * 10000 + 0.5) / 100);
}

json_t *sim_report(struct sim *s)
{
	json_t *reasons = json_array();
	bool timed = s->time > 0;

	while (s->waiters_n) {
		refuse(s, &s->waiters[0].request, "waits still");
		waiter_drop(s, 0);
	}
	for (size_t i = 0; i < SIM_REASONS && s->reasons[i].n; i++)
		json_array_append_new(reasons, json_pack("{s:s, s:I}", "reason", s->reasons[i].text,
						       "servers", (json_int_t)s->reasons[i].n));
	qsort(s->waits, s->waits_n, sizeof *s->waits, by_value);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "hosts",
		(json_int_t)placement_hosts(s->p), "asked", (json_int_t)s->asked, "placed",
		(json_int_t)s->placed, "refused", (json_int_t)s->refused, "refused_gpu",
		(json_int_t)s->refused_gpu, "gpus_used_end", percent(share(s->gpus_used, s->gpus)),
		"gpus_used_mean",
		percent(timed      ? s->gpus_time / s->time
			: s->steps ? s->gpus_sum / s->steps
				   : 0),
		"vcpus_used_end", percent(share(s->vcpus_used, s->vcpus)), "vcpus_used_mean",
		percent(timed      ? s->vcpus_time / s->time
			: s->steps ? s->vcpus_sum / s->steps
				   : 0),
		"wait_p50_s", json_real(seconds_at(s, 50)), "wait_p99_s", json_real(seconds_at(s, 99)),
		"waiting_most", (json_int_t)s->waiting_most, "reasons", reasons);
}
