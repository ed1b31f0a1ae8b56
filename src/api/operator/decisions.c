/* SPDX-License-Identifier: Apache-2.0 */
/* The journal of placement's decisions: what was asked and answered, and the same question asked again as of
 * then. */
#include <jansson.h>
#include <string.h>

#include "api/operator/operator.h"
#include "base/util.h"
#include "flow/decisions.h"
#include "store/hosts.h"

enum { DECISIONS_PAGE = 50, DECISIONS_PAGE_MAX = 1000 };

static const char *host_name(struct api_call *c, int64_t id)
{
	struct host_row h;
	struct error ignored;

	return store_host_load(c->db, c->arena, id, &h, &ignored) < 0 ? "(removed)" : h.name;
}

/* "host3" or "host3, host4 and 6 more", of the answer's choices. */
static const char *hosts_text(struct api_call *c, const json_t *choices)
{
	CLEANUP(buf_finish) struct buf b = { 0 };
	size_t n = json_array_size(choices);

	for (size_t i = 0; i < n && i < 3; i++)
		buf_printf(&b, "%s%s", i ? ", " : "",
			host_name(c,
				json_integer_value(json_object_get(json_array_get(choices, i), "host_id"))));
	if (n > 3)
		buf_printf(&b, " and %zu more", n - 3);
	return arena_strdup(c->arena, buf_text(&b));
}

static void write_question(struct api_call *c, const json_t *question)
{
	const json_t *r = json_object_get(question, "request"), *want;
	struct buf *b = &c->out;
	CLEANUP(buf_finish) struct buf gpus = { 0 };
	size_t i;

	json_array_foreach(json_object_get(r, "gpus"), i, want)
	{
		const char *model = json_string_value(json_object_get(want, "model")),
			   *profile = json_string_value(json_object_get(want, "profile"));

		buf_printf(&gpus, "%s%s%s%s:%lld", i ? "," : "", model ? model : "any", profile ? "/" : "",
			profile ? profile : "",
			(long long)json_integer_value(json_object_get(want, "count")));
	}
	jw_kv_int(b, "servers", json_integer_value(json_object_get(question, "n")));
	jw_kv_int(b, "vcpus", json_integer_value(json_object_get(r, "vcpus")));
	jw_kv_int(b, "ram_mib", json_integer_value(json_object_get(r, "ram_mib")));
	jw_kv_int(b, "disk_gib", json_integer_value(json_object_get(r, "disk_gib")));
	jw_kv_str(b, "gpus", buf_text(&gpus));
}

/* The object is left open. */
static void write_decision(struct api_call *c, const struct decision_row *d)
{
	struct buf *b = &c->out;
	json_t *question = json_loads(d->input, 0, NULL), *answer = json_loads(d->answer, 0, NULL);
	const json_t *choices = json_object_get(answer, "choices");

	jw_object(b);
	jw_kv_int(b, "id", d->id);
	operator_kv_time(c, "at", d->at_us);
	jw_kv_str(b, "request_id", d->request_id);
	jw_kv_str(b, "project_id", d->project_uid);
	write_question(c, question);
	jw_kv_str(b, "hosts", choices ? hosts_text(c, choices) : NULL);
	jw_kv_str(b, "refused", json_string_value(json_object_get(answer, "refused")));
	json_decref(question);
	json_decref(answer);
}

static int read_filter(struct api_call *c, struct decision_filter *f, struct error *err)
{
	const char *limit_text = api_query(c, "limit"), *before_text = api_query(c, "before");
	int64_t limit = DECISIONS_PAGE;

	if (limit_text && !str_int64(limit_text, 1, DECISIONS_PAGE_MAX, &limit))
		return error_set(
			err, ERR_BAD_REQUEST, "limit must be an integer from 1 to %d", DECISIONS_PAGE_MAX);
	if (before_text && !str_int64(before_text, 1, INT64_MAX, &f->before))
		return error_set(err, ERR_BAD_REQUEST, "before must be the id of a decision");
	f->limit = (size_t)limit;
	f->project_uid = api_query(c, "project_id");
	f->server_uid = api_query(c, "server_id");
	return 0;
}

int operator_decision_list(struct api_call *c, struct error *err)
{
	struct decision_filter f = { .before = 0 };
	struct decision_row *all;
	size_t n;

	if (read_filter(c, &f, err) < 0 || store_decision_list(c->db, c->arena, &f, &all, &n, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "decisions");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		write_decision(c, &all[i]);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

static int load(struct api_call *c, struct decision_row *d, struct error *err)
{
	const char *text = api_param(c, "decision");
	int64_t id;

	if (!str_int64(text, 1, INT64_MAX, &id))
		return error_set(err, ERR_NOT_FOUND, "there is no decision '%.32s'", text);
	return store_decision_load(c->db, c->arena, id, d, err);
}

int operator_decision_show(struct api_call *c, struct error *err)
{
	struct decision_row d;

	if (load(c, &d, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "decision");
	write_decision(c, &d);
	jw_key(&c->out, "question");
	jw_raw(&c->out, d.input, strlen(d.input));
	jw_key(&c->out, "answer");
	jw_raw(&c->out, d.answer, strlen(d.answer));
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

static int run_again(struct api_call *c, struct error *err)
{
	struct decision_row d;
	const char *answer;

	if (load(c, &d, err) < 0 || flow_decision_ask(c->api->flows, c->db, c->arena, &d, &answer, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "decision");
	write_decision(c, &d);
	jw_kv_bool(&c->out, "same", str_eq(answer, d.answer));
	jw_key(&c->out, "answer_then");
	jw_raw(&c->out, d.answer, strlen(d.answer));
	jw_key(&c->out, "answer_now");
	jw_raw(&c->out, answer, strlen(answer));
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* Inside the tick, where rows and memory stand at the same point. */
int operator_decision_again(struct api_call *c, struct error *err)
{
	(void)err;
	api_submit(c, run_again);
	return 0;
}
