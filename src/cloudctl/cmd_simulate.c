/* SPDX-License-Identifier: Apache-2.0 */
/* cloudctl simulate: a trace in CSV, or the journal of a running cloud, against the engine itself with
 * another order or with more hosts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "cloudctl/ctl.h"
#include "cloudctl/simulate.h"
#include "cloudctl/trace.h"
#include "placement/json.h"

enum { SECOND = 1000000, HOSTS_MORE_MAX = 10000, ROWS_MAX = 2000000, GANG_MAX = 20000 };
#define MORE_IDS (INT64_C(1) << 40) /* of hosts and GPUs that are only simulated, and of servers */

/* ---- options ---- */

struct options {
	enum placement_order order;
	int64_t more, wait;
	const char *like;
};

static int options_read(struct ctl *ctl, struct options *o)
{
	const char *more = args_option(&ctl->args, "hosts-more"), *wait = args_option(&ctl->args, "wait");

	*o = (struct options) { .like = args_option(&ctl->args, "like") };
	if (!sim_order(args_option(&ctl->args, "policy"), &o->order))
		return error_set(
			&ctl->err, ERR_BAD_REQUEST, "--policy is mix, best-fit, first-fit or spread");
	if (more && !str_int64(more, 0, HOSTS_MORE_MAX, &o->more))
		return error_set(&ctl->err, ERR_BAD_REQUEST, "--hosts-more is from 0 to %d", HOSTS_MORE_MAX);
	if (wait && !str_int64(wait, 0, INT32_MAX, &o->wait))
		return error_set(&ctl->err, ERR_BAD_REQUEST, "--wait is in seconds");
	return 0;
}

/* ---- a trace ---- */

struct lately { /* whether tasks with GPUs come to stay, or come and go */
	uint64_t placed, released;
	bool churning;
};

static void count_lately(struct sim *s, const struct trace *t, struct lately *l)
{
	bool was = l->churning;
	/* all that came, less those that are there */
	uint64_t placed = (uint64_t)s->placed, released = placed - (uint64_t)s->leaving_n;

	if (placed - l->placed + released - l->released < 2 * placement_hosts(s->p))
		return;
	l->churning = placement_churns(placed - l->placed, released - l->released, was);
	l->placed = placed;
	l->released = released;
	if (l->churning != was)
		trace_expect(t, s->p, l->churning);
}

static int by_coming(const void *a, const void *b)
{
	const struct trace_task *const *x = a, *const *y = b;

	if ((*x)->comes != (*y)->comes)
		return (*x)->comes < (*y)->comes ? -1 : 1;
	return (*x > *y) - (*x < *y);
}

static int trace_hosts(struct ctl *ctl, struct sim *s, const struct trace *t, const struct options *o)
{
	size_t like = 0;

	while (o->like && like < t->hosts_n && strcmp(t->hosts[like].name, o->like) != 0)
		like++;
	if (like == t->hosts_n)
		return error_set(&ctl->err, ERR_NOT_FOUND, "there is no host '%s'", o->like);
	for (size_t i = 0; i < t->hosts_n + (size_t)o->more; i++) {
		size_t from = i < t->hosts_n ? i : like;

		trace_host_set(t, s->p, from, (int64_t)i + 1);
		s->gpus += (int64_t)t->hosts[from].gpus * PLACEMENT_SHARE;
		s->vcpus += t->hosts[from].cpu;
	}
	trace_expect(t, s->p, false);
	placement_forget(s->p);
	return 0;
}

/* In the order in which they come; without times in the order of the file, to stay. */
static void trace_run(struct sim *s, const struct trace *t, bool stay)
{
	CLEANUP(free_ptr) const struct trace_task **tasks = xcalloc(t->tasks_n + 1, sizeof *tasks);
	struct lately lately = { 0 };

	for (size_t i = 0; i < t->tasks_n; i++)
		tasks[i] = &t->tasks[i];
	if (t->timed)
		qsort(tasks, t->tasks_n, sizeof *tasks, by_coming);
	for (size_t i = 0; i < t->tasks_n; i++) {
		const struct trace_task *k = tasks[i];
		struct placement_request r = trace_request(k);

		if (t->timed)
			sim_at(s, k->comes * SECOND);
		sim_ask(s, (int64_t)i + 1, &r,
			t->timed && !stay && k->goes >= k->comes ? (k->goes - k->comes) * SECOND : -1);
		if (t->timed)
			count_lately(s, t, &lately);
	}
	while (s->waiters_n && s->leaving_n) /* some of those that wait will still come */
		sim_at(s, s->leaving[0].due);
}

static void trace_done(struct trace *t)
{
	trace_finish(t);
}

static void sim_done(struct sim *s)
{
	sim_close(s);
}

static int show(struct ctl *ctl, json_t *report)
{
	json_t *answer = json_pack("{s:o}", "simulation", report);

	if (!ctl->answers)
		ctl->answers = json_array();
	json_array_append_new(ctl->answers, answer);
	return ctl_show(ctl, ctl->args.command->view, answer);
}

static int simulate_trace(struct ctl *ctl, const char *tasks, const char *hosts)
{
	CLEANUP(trace_done) struct trace t = { 0 };
	struct options o;

	if (options_read(ctl, &o) < 0 || trace_read_hosts(&t, hosts, &ctl->err) < 0 ||
		trace_read_tasks(&t, tasks, &ctl->err) < 0)
		return ctl_failed(ctl);
	{
		CLEANUP(sim_done) struct sim s;

		sim_open(&s, o.order);
		s.wait = t.timed ? o.wait * SECOND : 0;
		if (trace_hosts(ctl, &s, &t, &o) < 0)
			return ctl_failed(ctl);
		trace_run(&s, &t, args_flag(&ctl->args, "stay"));
		return show(ctl, sim_report(&s));
	}
}

/* ---- the journal of a cloud ---- */

struct replay {
	struct ctl *ctl;
	struct options o;
	struct sim s;
	struct arena arena; /* what hosts are told, as long as the engine */
	/* The last question: its answer here, and who takes it. */
	struct placement_request request;
	struct placement_choice *choices;
	int64_t n, next;
	bool fits;
	char why[sizeof((struct error *)0)->msg];
	int64_t extra; /* servers that were refused then */
	int64_t same, elsewhere, only_then, only_now, then_refused;
};

static int64_t number(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

static const char *text(const json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));

	return s ? s : "";
}

/* All pages of a list. */
static int fetch(struct ctl *ctl, const char *path, const char *key, json_t *out)
{
	int64_t after = 0;

	do {
		const char *url = arena_printf(&ctl->arena, "%s?limit=5000&after=%" PRId64, path, after);
		json_t *answer;

		if (ctl_call(ctl, "GET", url, NULL, &answer))
			return -1;
		json_array_extend(out, json_object_get(answer, key));
		after = number(answer, "next");
	} while (after && json_array_size(out) < ROWS_MAX);
	return after ? error_set(&ctl->err, ERR_TOO_LARGE, "more than %d rows are kept", ROWS_MAX) : 0;
}

static int set_host(struct replay *r, int64_t id, const json_t *was, const json_t *is)
{
	struct placement_host h;

	if (was && placement_host_read(was, &r->arena, &h, &r->ctl->err) < 0)
		return -1;
	if (was)
		sim_count_host(&r->s, &h, -1);
	if (!is) {
		placement_host_remove(r->s.p, id);
		return 0;
	}
	if (placement_host_read(is, &r->arena, &h, &r->ctl->err) < 0)
		return -1;
	placement_host_set(r->s.p, &h);
	sim_count_host(&r->s, &h, 1);
	return 0;
}

static int set_mix(struct replay *r, const json_t *is)
{
	struct placement_mix m = { .n = 0 };

	if (is && placement_mix_read(is, &r->arena, &m, &r->ctl->err) < 0)
		return -1;
	placement_mix_set(r->s.p, m.requests, m.weights, m.n, m.churning);
	return 0;
}

static int read_held(
	struct replay *r, const json_t *held, struct placement_request *req, struct placement_choice *choice)
{
	return placement_request_read(json_object_get(held, "request"), &r->arena, req, &r->ctl->err) < 0 ||
			       placement_choice_read(
				       json_object_get(held, "choice"), &r->arena, choice, &r->ctl->err) < 0
		       ? -1
		       : 0;
}

static int take_as_was(struct replay *r, int64_t id, const json_t *held)
{
	struct placement_request req;
	struct placement_choice choice;

	if (read_held(r, held, &req, &choice) < 0)
		return -1;
	if (!sim_take(&r->s, id, &req, &choice, false))
		sim_take(&r->s, id, &req, &choice, true);
	return 0;
}

/* ---- a question ---- */

static void compare(struct replay *r, const json_t *answer)
{
	const json_t *then = json_object_get(answer, "choices");
	int64_t n = r->n;

	for (int64_t i = 0; i < n && then && r->fits; i++) {
		int64_t host = number(json_array_get(then, (size_t)i), "host_id");

		*(host == r->choices[i].host_id ? &r->same : &r->elsewhere) += 1;
	}
	if (then && !r->fits)
		r->only_then += n;
	else if (!then && r->fits)
		r->only_now += n;
	else if (!then)
		r->same += n;
	r->then_refused += then ? 0 : n;
}

/* With what the server gives up for the time of the question given up. */
static int question(struct replay *r, const json_t *input)
{
	const json_t *beside = json_object_get(input, "beside");
	size_t mark = placement_mark(r->s.p);
	struct error err = { 0 };

	r->n = number(input, "n");
	r->next = 0;
	if (r->n < 1 || r->n > GANG_MAX ||
		placement_request_read(
			json_object_get(input, "request"), &r->arena, &r->request, &r->ctl->err) < 0)
		return error_wrap(&r->ctl->err, "journal");
	r->choices = xrealloc(r->choices, (size_t)r->n * sizeof *r->choices);
	if (beside) {
		struct placement_request req;

		placement_release(r->s.p, number(beside, "id"));
		if (json_object_get(beside, "request")) {
			if (read_held(r, beside, &req, &r->choices[0]) < 0)
				return -1;
			placement_take(r->s.p, number(beside, "id"), &req, &r->choices[0], true, &err);
		}
	}
	r->fits = placement_choose(r->s.p, &r->request, (size_t)r->n, r->choices, &err) == 0;
	str_copy(r->why, sizeof r->why, r->fits ? "" : err.msg);
	placement_undo(r->s.p, mark);
	return 0;
}

static int replay_choose(struct replay *r, const json_t *row)
{
	const json_t *answer = json_object_get(row, "answer");
	bool then = json_object_get(answer, "choices");

	if (question(r, json_object_get(row, "input")) < 0)
		return -1;
	compare(r, answer);
	r->s.asked += r->n;
	if (then)
		return 0; /* who takes it follows */
	for (int64_t i = 0; i < r->n; i++) {
		if (!r->fits) {
			sim_missed(&r->s, MORE_IDS + ++r->extra, &r->request, -1, r->why);
			continue;
		}
		sim_placed(&r->s, 0);
		if (!number(row, "subject")) /* a new server, that would have stayed */
			sim_take(&r->s, MORE_IDS + ++r->extra, &r->request, &r->choices[i], false);
	}
	r->n = 0;
	return 0;
}

static int replay_take(struct replay *r, const json_t *row)
{
	int64_t id = number(row, "subject");

	if (r->next == r->n)
		return take_as_was(r, id, json_object_get(row, "input"));
	if (r->fits && sim_take(&r->s, id, &r->request, &r->choices[r->next], false))
		sim_placed(&r->s, 0);
	else
		sim_missed(&r->s, id, &r->request, -1, r->fits ? "in the way of others" : r->why);
	r->next++;
	return 0;
}

static int replay_row(struct replay *r, const json_t *row)
{
	const char *kind = text(row, "kind");
	int64_t id = number(row, "subject");

	sim_at(&r->s, number(row, "at_us"));
	if (str_eq(kind, "choose"))
		return replay_choose(r, row);
	if (str_eq(kind, "take"))
		return replay_take(r, row);
	if (str_eq(kind, "release"))
		sim_give_back(&r->s, id);
	else if (str_eq(kind, "hold"))
		placement_host_hold(r->s.p, id, json_integer_value(json_object_get(row, "input")));
	else if (str_eq(kind, "host"))
		return set_host(r, id, json_object_get(row, "before"), json_object_get(row, "input"));
	else if (str_eq(kind, "mix"))
		return set_mix(r, json_object_get(row, "input"));
	placement_forget(r->s.p);
	return 0;
}

/* ---- how it was at first ---- */

static void host_more(struct replay *r, const struct placement_host *like)
{
	for (int64_t i = 0; i < r->o.more; i++) {
		struct placement_host h = *like;
		struct placement_gpu gpus[PLACEMENT_GPUS_MAX];

		h.id = MORE_IDS + i;
		h.state = PLACEMENT_UP;
		snprintf(h.name, sizeof h.name, "%.40s+%" PRId64, like->name, i + 1);
		for (size_t g = 0; g < h.gpus_n; g++) {
			gpus[g] = like->gpus[g];
			gpus[g].id = MORE_IDS + i * PLACEMENT_GPUS_MAX + (int64_t)g;
			gpus[g].healthy = true;
		}
		h.gpus = gpus;
		placement_host_set(r->s.p, &h);
		sim_count_host(&r->s, &h, 1);
	}
}

/* Like the one of that name as it was last told: when hosts are new their devices are not known yet. */
static int hosts_more(struct replay *r, const json_t *journal)
{
	struct placement_host h;

	for (size_t i = json_array_size(journal); r->o.more && i-- > 0;) {
		const json_t *row = json_array_get(journal, i), *input = json_object_get(row, "input");

		if (!str_eq(text(row, "kind"), "host") || !input ||
			(r->o.like && !str_eq(text(input, "name"), r->o.like)))
			continue;
		if (placement_host_read(input, &r->arena, &h, &r->ctl->err) < 0)
			return -1;
		host_more(r, &h);
		return 0;
	}
	return r->o.more ? error_set(&r->ctl->err, ERR_NOT_FOUND, "the journal knows no host '%s'",
				   r->o.like ? r->o.like : "")
			 : 0;
}

/* False: the journal has told of it before. */
static bool first_of(struct replay *r, json_t *seen, const char *sort, int64_t id)
{
	const char *key = arena_printf(&r->arena, "%s%" PRId64, sort, id);

	if (json_object_get(seen, key))
		return false;
	json_object_set_new(seen, key, json_true());
	return true;
}

/* Hosts first, then what is held there: each row says what was before. */
static int begin_with(struct replay *r, const json_t *row, json_t *seen, bool hosts)
{
	const char *kind = text(row, "kind");
	const json_t *before = json_object_get(row, "before");
	int64_t id = number(row, "subject");
	bool held = str_eq(kind, "take") || str_eq(kind, "release");

	if (str_eq(kind, "choose") || held == hosts || !first_of(r, seen, held ? "server" : kind, id))
		return 0;
	if (str_eq(kind, "release"))
		return take_as_was(r, id, before);
	if (str_eq(kind, "host") && before)
		return set_host(r, id, NULL, before);
	if (str_eq(kind, "mix"))
		return set_mix(r, before);
	if (str_eq(kind, "hold") && json_integer_value(before))
		placement_host_hold(r->s.p, id, json_integer_value(before));
	return 0;
}

static int begin(struct replay *r, const json_t *journal, const json_t *held)
{
	json_t *seen = json_object(), *row;
	size_t i;
	int rc = 0;

	for (int hosts = 1; hosts >= 0 && rc == 0; hosts--)
		for (i = 0; rc == 0 && i < json_array_size(journal); i++)
			rc = begin_with(r, json_array_get(journal, i), seen, hosts);
	for (i = 0; rc == 0 && i < json_array_size(held); i++) {
		row = json_array_get(held, i);
		if (first_of(r, seen, "server", number(row, "id")))
			rc = take_as_was(r, number(row, "id"), row);
	}
	json_decref(seen);
	if (rc == 0)
		rc = hosts_more(r, journal);
	placement_forget(r->s.p);
	return rc;
}

static void report_differences(const struct replay *r, json_t *report)
{
	const struct {
		const char *key;
		int64_t n;
	} all[] = { { "then_refused", r->then_refused }, { "same", r->same }, { "elsewhere", r->elsewhere },
		{ "placed_only_then", r->only_then }, { "placed_only_now", r->only_now } };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		json_object_set_new(report, all[i].key, json_integer(all[i].n));
}

static int replay_run(struct replay *r, json_t *journal, json_t *held)
{
	struct ctl *ctl = r->ctl;
	json_t *report;

	if (fetch(ctl, "/cloud/v1/placement/held", "held", held) ||
		fetch(ctl, "/cloud/v1/placement/journal", "journal", journal) || begin(r, journal, held) < 0)
		return ctl_failed(ctl);
	for (size_t i = 0; i < json_array_size(journal); i++)
		if (replay_row(r, json_array_get(journal, i)) < 0)
			return ctl_failed(ctl);
	report = sim_report(&r->s);
	report_differences(r, report);
	return show(ctl, report);
}

static int simulate_journal(struct ctl *ctl)
{
	struct replay r = { .ctl = ctl };
	json_t *journal = json_array(), *held = json_array();
	int rc;

	if (options_read(ctl, &r.o) < 0) {
		rc = ctl_failed(ctl);
	} else {
		sim_open(&r.s, r.o.order);
		r.s.wait = r.o.wait * SECOND;
		rc = replay_run(&r, journal, held);
		sim_close(&r.s);
	}
	arena_finish(&r.arena);
	free(r.choices);
	json_decref(journal);
	json_decref(held);
	return rc;
}

int cmd_simulate(struct ctl *ctl)
{
	const char *tasks = args_option(&ctl->args, "trace"), *hosts = args_option(&ctl->args, "nodes");

	if (args_flag(&ctl->args, "journal") ? tasks || hosts : !tasks || !hosts) {
		error_set(&ctl->err, ERR_BAD_REQUEST, "either --journal, or --trace FILE and --nodes FILE");
		return ctl_failed(ctl);
	}
	return tasks ? simulate_trace(ctl, tasks, hosts) : simulate_journal(ctl);
}
