/* SPDX-License-Identifier: Apache-2.0 */
/* GET /why/{id}: why a server, a host, an image or a flow is as it is: its state, the last steps that led
 * there, what it waits for, the evidence, and what can be done. Tenants ask of their own servers, and see
 * nothing of hosts and flows. */
#include "domain/why.h"

#include <stdlib.h>
#include <string.h>

#include "api/operator/operator.h"
#include "base/util.h"
#include "flow/flow.h"
#include "flow/why.h"
#include "store/allocations.h"
#include "store/custody.h"
#include "store/decisions.h"
#include "store/drains.h"
#include "store/evictions.h"
#include "store/flows.h"
#include "store/host_images.h"
#include "store/hosts.h"
#include "store/images.h"
#include "store/moves.h"
#include "store/operator_reads.h"
#include "store/server_list.h"
#include "store/servers.h"

enum {
	STEPS_MAX = 48,
	ACTIONS_MAX = 12,
	DECISIONS_MAX = 6,
	EVICTIONS_MAX = 8,
	MOVES_MAX = 6,
	COPIES_MAX = 8
};
enum { WORDS_MAX = 32 };

struct step {
	int64_t at_us;
	const char *what, *how, *request_id;
};

struct why {
	struct api_call *c;
	bool inside; /* an administrator asks */
	struct why_facts facts;
	const char *id, *name, *state, *task;
	struct why_word words[WORDS_MAX];
	size_t words_n;
	bool has_host, has_flow;
	struct host_row host;
	struct host_link link;
	struct flow_row flow;
	const struct server *server; /* NULL: it is none */
	struct step steps[STEPS_MAX];
	size_t steps_n;
};

/* ---- gathering ---- */

static void word(struct why *w, const char *name, const char *value)
{
	if (w->words_n < WORDS_MAX)
		w->words[w->words_n++] = (struct why_word) { name, value };
}

static const char *time_text(struct why *w, int64_t us)
{
	char text[TIME_TEXT];

	return us ? arena_strdup(w->c->arena, time_iso_us(us, text)) : NULL;
}

static const char *id_text(struct why *w, int64_t id)
{
	return arena_printf(w->c->arena, "%lld", (long long)id);
}

static void step(struct why *w, int64_t at_us, const char *what, const char *how, const char *request_id)
{
	if (w->steps_n < STEPS_MAX)
		w->steps[w->steps_n++] = (struct step) { at_us, what, how, request_id };
}

static int find_host(struct why *w, int64_t host_id, struct error *err)
{
	if (!host_id || w->has_host)
		return 0;
	if (store_host_load(w->c->db, w->c->arena, host_id, &w->host, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	w->has_host = true;
	return 0;
}

static void host_words(struct why *w)
{
	w->facts.link = flow_host_stands(w->c->api->flows, w->has_host ? &w->host : NULL);
	if (!w->has_host)
		return;
	flow_host_link(w->c->api->flows, w->host.id, &w->link);
	word(w, "host", w->host.name);
	word(w, "since", time_text(w, w->link.since_us));
	word(w, "seen", time_text(w, w->link.seen_us));
	word(w, "reason", w->host.state_reason);
	word(w, "evidence", evidence_text(w->link.known));
	word(w, "down", time_text(w, w->host.down_us));
	word(w, "proof",
		str_eq(w->host.down_proof, "fence")
			? "its power was read as off"
			: arena_printf(w->c->arena, "%s said so", w->host.down_by));
	if (w->facts.flow != WHY_FLOW_RETRIES && w->facts.flow != WHY_FLOW_STUCK)
		word(w, "error", w->link.error[0] ? w->link.error : "it was not tried yet");
}

/* What a flow says, and the host that it waits for. */
static int use_flow(struct why *w, const struct flow_row *f, struct error *err)
{
	struct flow_stands s = flow_stands(w->c->api->flows, f);

	w->flow = *f;
	w->has_flow = true;
	w->facts.flow = s.how;
	word(w, "flow", id_text(w, f->id));
	word(w, "kind", f->kind);
	word(w, "step", f->step);
	word(w, "tries", id_text(w, f->tries));
	word(w, "due", time_text(w, f->run_at_us));
	word(w, "until", time_text(w, f->deadline_us));
	word(w, "other", id_text(w, s.other_id));
	word(w, "other_kind", s.other_kind);
	if (s.how == WHY_FLOW_RETRIES || s.how == WHY_FLOW_STUCK)
		word(w, "error", f->last_error ? f->last_error : "");
	return find_host(w, s.host_id, err);
}

static int find_flow(struct why *w, const char *subject_kind, int64_t subject_id, struct error *err)
{
	struct flow_row f;
	int rc = store_flow_find(w->c->db, w->c->arena, subject_kind, subject_id, &f, err);

	return rc <= 0 ? rc : use_flow(w, &f, err);
}

/* ---- the steps of a server ---- */

static int actions(struct why *w, const struct server *s, struct error *err)
{
	struct server_action_row *rows;
	size_t n;

	if (store_server_actions(w->c->db, w->c->arena, s->id, NULL, &rows, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n && i < ACTIONS_MAX; i++)
		step(w, rows[i].start_us, rows[i].action,
			rows[i].message ? rows[i].message
			: rows[i].finish_us
				? arena_printf(w->c->arena, "done at %s", time_text(w, rows[i].finish_us))
				: "under way",
			rows[i].request_id);
	return 0;
}

static const char *answer_text(const struct why *w, const char *json)
{
	json_t *answer = json_loads(json, 0, NULL);
	const char *refused = json_string_value(json_object_get(answer, "refused"));
	const char *text = refused ? arena_printf(w->c->arena, "refused: %s", refused) : "placed";

	json_decref(answer);
	return text;
}

static int decisions(struct why *w, const struct server *s, struct error *err)
{
	const struct decision_filter f = { .server_uid = s->uid, .limit = DECISIONS_MAX };
	struct decision_row *rows;
	size_t n;

	if (store_decision_list(w->c->db, w->c->arena, &f, &rows, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		step(w, rows[i].at_us,
			arena_printf(w->c->arena, "placement decision %lld", (long long)rows[i].id),
			answer_text(w, rows[i].answer), rows[i].request_id);
	return 0;
}

static int moves(struct why *w, const struct server *s, struct error *err)
{
	const struct move_filter f = { .server_uid = s->uid, .limit = MOVES_MAX };
	struct move *rows;
	size_t n;

	if (store_move_list(w->c->db, w->c->arena, &f, &rows, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct move *m = &rows[i];

		step(w, m->updated_us, move_kind_text(m->kind),
			arena_printf(w->c->arena, "%s, %s to %s%s%s", m->status,
				m->source_host ? m->source_host : "?", m->dest_host ? m->dest_host : "?",
				m->reason && *m->reason ? ": " : "", m->reason ? m->reason : ""),
			NULL);
		if (!m->ended_us && str_eq(m->status, "finished")) {
			const char *at =
				time_text(w, flow_resize_confirms_us(w->c->api->flows, m->updated_us));

			word(w, "confirm",
				at ? arena_printf(w->c->arena, "; at %s it is confirmed by itself", at) : "");
		}
	}
	return 0;
}

/* Those that leave for it, and its own notice. */
static int leavers(struct why *w, const struct server *s, struct error *err)
{
	const struct eviction_filter f = { .for_server_id = s->id, .limit = EVICTIONS_MAX };
	struct eviction own, *rows;
	struct waiter wait;
	size_t n;
	int rc = store_waiter_get(w->c->db, w->c->arena, s->id, &wait, err);

	if (rc < 0 || store_eviction_list(w->c->db, w->c->arena, &f, &rows, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		step(w, rows[i].leave_us,
			arena_printf(w->c->arena, "server %s leaves for it", rows[i].server_uid),
			rows[i].begun ? "leaving" : "was told", NULL);
	if (rc > 0) {
		w->facts.waits_for_room = true;
		word(w, "leavers", id_text(w, wait.leavers));
		word(w, "until", time_text(w, wait.deadline_us));
		if (find_host(w, wait.host_id, err) < 0)
			return -1;
	}
	rc = store_eviction_get(w->c->db, w->c->arena, s->id, &own, err);
	if (rc <= 0)
		return rc;
	w->facts.has_to_leave = true;
	word(w, "until", time_text(w, own.leave_us));
	word(w, "for", own.for_uid ? own.for_uid : "the maintenance of its host");
	step(w, own.notice_us, "eviction notice", own.begun ? "leaving" : "was told", NULL);
	return 0;
}

/* Its host is being emptied, and it has not left yet. */
static int leaves(struct why *w, const struct server *s, struct error *err)
{
	struct drain_server *all;
	size_t n;

	if (!s->host_id || store_drain_servers(w->c->db, w->c->arena, s->host_id, false, &all, &n, err) < 0)
		return s->host_id ? -1 : 0;
	for (size_t i = 0; i < n; i++)
		if (all[i].server_id == s->id) {
			w->facts.drained = true;
			word(w, "drain",
				arena_printf(w->c->arena, "is %s%s%s",
					str_eq(all[i].state, "stays") ? "staying" : all[i].state,
					*all[i].reason ? ": " : "", all[i].reason));
		}
	return 0;
}

/* What it left elsewhere; its own flow comes first. */
static int left_overs(struct why *w, const struct server *s, struct error *err)
{
	struct allocation_row *rows;
	struct flow_row f;
	size_t n;

	if (w->has_flow || store_allocation_list(w->c->db, w->c->arena, s->id, &rows, &n, err) < 0)
		return w->has_flow ? 0 : -1;
	for (size_t i = 0; i < n; i++) {
		struct host_row h;
		int rc = rows[i].id == s->id
				 ? 0
				 : store_flow_find(w->c->db, w->c->arena, "allocation", rows[i].id, &f, err);

		if (rc < 0)
			return -1;
		if (!rc)
			continue;
		if (store_host_load(w->c->db, w->c->arena, rows[i].host_id, &h, err) < 0)
			return -1;
		w->facts.left_over = true;
		word(w, "other", id_text(w, f.id));
		word(w, "other_host", h.name);
		word(w, "left_waits",
			f.last_error ? arena_printf(w->c->arena, ", which waits: %s; it tries again at %s",
					       f.last_error, time_text(w, f.run_at_us))
				     : "");
		return 0;
	}
	return 0;
}

/* The first GPU of it that is not there. */
static int gpus_lost(struct why *w, const struct server *s, struct error *err)
{
	struct custody_lost *all;
	size_t n;

	if (store_custody_lost(w->c->db, w->c->arena, 0, s->id, &all, &n, err))
		return -1;
	if (!n)
		return 0;
	w->facts.gpu_lost = true;
	word(w, "gpu", arena_printf(w->c->arena, "%s:%s", all->host, all->address));
	return 0;
}

static int why_server(struct why *w, const struct server *s, struct error *err)
{
	struct image_facts image = { 0 };

	w->server = s;
	w->facts = (struct why_facts) { .subject = WHY_SERVER, .vm = s->vm_state, .task = s->task_state };
	w->id = s->uid;
	w->name = s->name;
	w->state = server_status(s->vm_state, s->task_state);
	w->task = task_state_text(s->task_state);
	word(w, "task", w->task);
	word(w, "fault", s->fault_message);
	if (actions(w, s, err) < 0 || moves(w, s, err) < 0 || find_flow(w, "server", s->id, err) < 0 ||
		leavers(w, s, err) < 0 || leaves(w, s, err) < 0 || left_overs(w, s, err) < 0 ||
		gpus_lost(w, s, err) < 0 || find_host(w, s->host_id, err) < 0 ||
		(w->inside && decisions(w, s, err) < 0))
		return -1;
	if (s->image_id && store_image_facts(w->c->db, w->c->arena, s->image_id, &image, err) > 0)
		word(w, "image", image.uid);
	host_words(w);
	return 0;
}

/* ---- the others ---- */

static int emptied(struct why *w, struct error *err)
{
	struct drain_counts n;
	struct drain d;
	int rc = store_drain_get(w->c->db, w->c->arena, w->host.id, &d, err);

	if (rc <= 0 || str_eq(d.state, "done"))
		return rc < 0 ? -1 : 0;
	if (store_drain_counts(w->c->db, w->host.id, &n, err) < 0)
		return -1;
	w->facts.drained = true;
	word(w, "drain",
		arena_printf(w->c->arena, "%lld moved, %lld on the way, %lld wait, %lld stay",
			(long long)n.moved, (long long)n.moving, (long long)n.waiting, (long long)n.stays));
	return 0;
}

static int why_host(struct why *w, struct error *err)
{
	w->facts = (struct why_facts) { .subject = WHY_HOST, .state = w->host.state };
	w->id = w->host.uid;
	w->name = w->host.name;
	w->state = w->host.state;
	host_words(w);
	return emptied(w, err);
}

static int why_image(struct why *w, const struct image *i, struct error *err)
{
	struct image_copy *copies;
	size_t n;

	w->facts = (struct why_facts) { .subject = WHY_IMAGE, .state = i->status };
	w->id = i->uid;
	w->name = i->name;
	w->state = i->status;
	word(w, "image", i->uid);
	if (store_image_copies(w->c->db, w->c->arena, i->id, COPIES_MAX, &copies, &n, err) < 0)
		return -1;
	for (size_t k = 0; k < n; k++) {
		step(w, 0, arena_printf(w->c->arena, "copy on host %s", copies[k].host),
			copies[k].error
				? arena_printf(w->c->arena, "%s: %s", copies[k].state, copies[k].error)
				: copies[k].state,
			NULL);
		if (w->has_flow)
			continue;
		if (find_flow(w, "host_image", copies[k].id, err) < 0 ||
			(w->has_flow && find_host(w, copies[k].host_id, err) < 0))
			return -1;
	}
	host_words(w);
	return 0;
}

static int why_flow(struct why *w, const struct flow_row *f, struct error *err)
{
	const char *subject = NULL, *host = NULL;

	w->facts = (struct why_facts) { .subject = WHY_FLOW };
	w->id = id_text(w, f->id);
	w->name = f->kind;
	w->state = f->state;
	if (store_flow_subject(w->c->db, w->c->arena, f->subject_kind, f->subject_id, &subject, &host, err) <
			0 ||
		use_flow(w, f, err) < 0)
		return -1;
	if (host && !w->has_host && store_host_get(w->c->db, w->c->arena, host, &w->host, err) == 0)
		w->has_host = true;
	step(w, f->created_us, f->kind,
		arena_printf(w->c->arena, "begun for %s %s", f->subject_kind, subject ? subject : "?"),
		f->request_id);
	if (str_eq(f->subject_kind, "host_image"))
		word(w, "image", subject);
	else if (subject)
		word(w, "id", subject);
	host_words(w);
	return 0;
}

/* ---- the answer ---- */

static int by_time(const void *a, const void *b)
{
	int64_t x = ((const struct step *)a)->at_us, y = ((const struct step *)b)->at_us;

	return (x > y) - (x < y);
}

static void write_steps(struct why *w)
{
	struct buf *b = &w->c->out;

	qsort(w->steps, w->steps_n, sizeof *w->steps, by_time);
	jw_key(b, "steps");
	jw_array(b);
	for (size_t i = 0; i < w->steps_n; i++) {
		jw_object(b);
		operator_kv_time(w->c, "at", w->steps[i].at_us);
		jw_kv_str(b, "what", w->steps[i].what);
		jw_kv_str(b, "how", w->steps[i].how);
		jw_kv_str(b, "request_id", w->steps[i].request_id);
		jw_end_object(b);
	}
	jw_end_array(b);
}

static void write_filled(struct why *w, const char *text)
{
	CLEANUP(buf_finish) struct buf filled = { 0 };

	why_fill(&filled, text, w->words, w->words_n);
	jw_str(&w->c->out, buf_text(&filled));
}

static void write_command(struct why *w, const char *command)
{
	if (!w->inside && strncmp(command, "openstack server ", strlen("openstack server ")) != 0)
		return;
	if (!w->inside && (strstr(command, " set --state") || strstr(command, " evacuate")))
		return;
	jw_object(&w->c->out);
	jw_key(&w->c->out, "command");
	write_filled(w, command);
	jw_end_object(&w->c->out);
}

/* Of the cause; and of the state, where no flow is at work and the cause names none. */
static void write_commands(struct why *w, const struct why_cause *cause)
{
	jw_key(&w->c->out, "can_do");
	jw_array(&w->c->out);
	for (size_t i = 0; i < WHY_COMMANDS && cause->commands[i]; i++)
		write_command(w, cause->commands[i]);
	if (w->server && !w->has_flow && !cause->commands[0])
		for (const struct why_step *s = why_server_steps(w->facts.vm); s->command; s++)
			write_command(w, s->command);
	jw_end_array(&w->c->out);
}

static void write_evidence(struct why *w)
{
	struct buf *b = &w->c->out;
	const struct server *s = w->server;

	if (s) {
		jw_kv_str(b, "power", power_state_text(s->power_state));
		operator_kv_time(w->c, "power_seen_at", s->power_seen_us);
	}
	if (!w->inside)
		return;
	if (s) {
		jw_kv_int(b, "power_seen_epoch", s->power_seen_epoch);
		jw_kv_str(b, "power_source", s->power_seen_epoch ? "host" : NULL);
		jw_kv_int(b, "epoch", s->epoch);
		jw_kv_str(b, "fault_details", s->fault_details);
	}
	jw_kv_str(b, "host", w->has_host ? w->host.name : NULL);
	jw_kv_str(b, "host_state", w->has_host ? w->host.state : NULL);
	jw_kv_str(b, "connection", w->has_host ? w->link.state : NULL);
	jw_kv_str(b, "host_evidence", w->has_host ? evidence_text(w->link.known) : NULL);
	jw_kv_str(b, "host_evidence_by", w->has_host ? w->link.source : NULL);
	operator_kv_time(w->c, "host_evidence_since", w->has_host ? w->link.known_us : 0);
	operator_kv_time(w->c, "connection_since", w->has_host ? w->link.since_us : 0);
	operator_kv_time(w->c, "last_seen", w->has_host ? w->link.seen_us : 0);
	jw_kv_str(b, "connection_error", w->has_host && w->link.error[0] ? w->link.error : NULL);
	jw_kv_int(b, "connection_epoch", w->has_host ? w->link.epoch : 0);
}

static void write_flow(struct why *w)
{
	struct buf *b = &w->c->out;
	bool has = w->has_flow && w->inside;

	jw_key(b, "flow");
	if (!has) {
		jw_null(b);
		return;
	}
	jw_object(b);
	jw_kv_int(b, "id", w->flow.id);
	jw_kv_str(b, "kind", w->flow.kind);
	jw_kv_str(b, "step", w->flow.step);
	jw_kv_str(b, "state", w->flow.state);
	jw_kv_int(b, "tries", w->flow.tries);
	operator_kv_time(w->c, "run_at", w->flow.run_at_us);
	operator_kv_time(w->c, "deadline_at", w->flow.deadline_us);
	jw_kv_str(b, "last_error", w->flow.last_error);
	jw_end_object(b);
}

static int reply(struct why *w)
{
	static const char *const kinds[] = {
		[WHY_SERVER] = "server", [WHY_HOST] = "host", [WHY_IMAGE] = "image", [WHY_FLOW] = "flow"
	};
	const struct why_cause *cause;
	struct buf *b = &w->c->out;

	word(w, "id", w->id);
	cause = why_find(&w->facts);
	jw_object(b);
	jw_key(b, "why");
	jw_object(b);
	jw_kv_str(b, "kind", kinds[w->facts.subject]);
	jw_kv_str(b, "id", w->id);
	jw_kv_str(b, "name", w->name);
	jw_kv_str(b, "state", w->state);
	jw_kv_str(b, "task_state", w->task);
	jw_kv_str(b, "cause", cause->name);
	jw_key(b, "says");
	write_filled(w, w->inside || !cause->tells ? cause->says : cause->tells);
	write_evidence(w);
	write_flow(w);
	write_steps(w);
	write_commands(w, cause);
	jw_end_object(b);
	jw_end_object(b);
	return 0;
}

/* ---- whose id is it? ---- */

static int nothing(const struct why *w, struct error *err)
{
	return error_set(err, ERR_NOT_FOUND, "there is no server%s %.64s",
		w->inside ? ", host, image or flow" : "", w->c->target);
}

/* 1 found, 0 not, -1. */
static int is_server(struct why *w, struct error *err)
{
	struct server *s = ARENA_NEW(w->c->arena, struct server);

	if (store_server_get(
		    w->c->db, w->c->arena, w->inside ? 0 : w->c->who->project.id, w->c->target, s, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	return why_server(w, s, err) < 0 ? -1 : 1;
}

static int is_host(struct why *w, struct error *err)
{
	if (store_host_get(w->c->db, w->c->arena, w->c->target, &w->host, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	w->has_host = true;
	return why_host(w, err) < 0 ? -1 : 1;
}

static int is_image(struct why *w, struct error *err)
{
	struct image i;

	if (store_image_get(w->c->db, w->c->arena, (struct image_viewer) { .is_admin = true }, w->c->target,
		    &i, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	return why_image(w, &i, err) < 0 ? -1 : 1;
}

static int is_flow(struct why *w, struct error *err)
{
	struct flow_row f;
	int64_t id;

	if (!str_int64(w->c->target, 1, INT64_MAX, &id))
		return 0;
	if (store_flow_load(w->c->db, w->c->arena, id, &f, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	return why_flow(w, &f, err) < 0 ? -1 : 1;
}

int operator_why(struct api_call *c, struct error *err)
{
	static int (*const kinds[])(struct why *, struct error *) = { is_server, is_host, is_image, is_flow };
	struct why *w = ARENA_NEW(c->arena, struct why);
	int rc = 0;

	w->c = c;
	w->inside = api_is_admin(c);
	c->target = api_param(c, "server");
	for (size_t i = 0; rc == 0 && i < (w->inside ? ARRAY_LEN(kinds) : 1); i++)
		rc = kinds[i](w, err);
	return rc < 0 ? -1 : rc == 0 ? nothing(w, err) : reply(w);
}
