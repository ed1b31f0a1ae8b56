/* SPDX-License-Identifier: Apache-2.0 */
/* No state without a way out: walks the tables of states (servers and their tasks, kinds of flows and their
 * steps, every column of the schema that lists its states) and wants for each something that ends it: a
 * flow's step, a time, or a command that there is. And each cause of "why" by facts that it is meant for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "cloudctl/command.h"
#include "domain/why.h"
#include "flow/internal.h"
#include "store/db.h"

/* ---- causes ---- */

static const struct {
	const char *cause;
	struct why_facts facts;
} examples[] = {
	{ "flow-stuck", { WHY_SERVER, .flow = WHY_FLOW_STUCK, .link = WHY_LINK_AWAY } },
	{ "flow-stuck", { WHY_FLOW, .flow = WHY_FLOW_STUCK } },
	{ "flow-host-dead", { WHY_SERVER, .flow = WHY_FLOW_HOST, .link = WHY_LINK_DEAD } },
	{ "flow-host-away", { WHY_SERVER, .flow = WHY_FLOW_HOST, .link = WHY_LINK_AWAY } },
	{ "flow-host-away", { WHY_FLOW, .flow = WHY_FLOW_RETRIES, .link = WHY_LINK_AWAY } },
	{ "flow-host-away", { WHY_IMAGE, .flow = WHY_FLOW_HOST, .link = WHY_LINK_OPENING } },
	{ "flow-image", { WHY_SERVER, VM_BUILDING, .flow = WHY_FLOW_IMAGE, .link = WHY_LINK_UP } },
	{ "flow-other", { WHY_SERVER, VM_ACTIVE, .flow = WHY_FLOW_OTHER, .link = WHY_LINK_UP } },
	{ "flow-retries", { WHY_SERVER, VM_ACTIVE, .flow = WHY_FLOW_RETRIES, .link = WHY_LINK_UP } },
	{ "flow-works", { WHY_SERVER, VM_ACTIVE, TASK_MIGRATING, WHY_FLOW_WORKS, WHY_LINK_UP } },
	{ "waits-for-room", { WHY_SERVER, VM_BUILDING, TASK_SCHEDULING, .waits_for_room = true } },
	{ "task-alone", { WHY_SERVER, VM_ACTIVE, TASK_REBOOTING, .link = WHY_LINK_UP } },
	{ "building-alone", { WHY_SERVER, VM_BUILDING } },
	{ "host-dead", { WHY_HOST, .link = WHY_LINK_DEAD, .state = "up" } },
	{ "host-dead", { WHY_SERVER, VM_ACTIVE, .link = WHY_LINK_DEAD } },
	{ "host-away", { WHY_SERVER, VM_ACTIVE, .link = WHY_LINK_AWAY } },
	{ "host-away", { WHY_HOST, .link = WHY_LINK_AWAY, .state = "draining" } },
	{ "host-doubtful", { WHY_SERVER, VM_ACTIVE, .link = WHY_LINK_DOUBTFUL } },
	{ "host-doubtful", { WHY_HOST, .link = WHY_LINK_DOUBTFUL } },
	{ "host-unsteady", { WHY_HOST, .link = WHY_LINK_UNSTEADY } },
	{ "nothing", { WHY_SERVER, VM_ACTIVE, .link = WHY_LINK_UNSTEADY } },
	{ "flow-host-away", { WHY_SERVER, .flow = WHY_FLOW_HOST, .link = WHY_LINK_DOUBTFUL } },
	{ "flow-retries", { WHY_SERVER, VM_ACTIVE, .flow = WHY_FLOW_RETRIES, .link = WHY_LINK_RETURNS } },
	{ "flow-host-fenced", { WHY_SERVER, .flow = WHY_FLOW_HOST, .link = WHY_LINK_FENCING } },
	{ "host-fenced", { WHY_SERVER, VM_ACTIVE, .link = WHY_LINK_FENCING } },
	{ "host-fenced", { WHY_HOST, .link = WHY_LINK_FENCING } },
	{ "host-dead-answers", { WHY_HOST, .link = WHY_LINK_DEAD_ANSWERS } },
	{ "host-dead-answers", { WHY_SERVER, VM_ACTIVE, .link = WHY_LINK_DEAD_ANSWERS } },
	{ "host-returns", { WHY_HOST, .link = WHY_LINK_RETURNS } },
	{ "host-opening", { WHY_HOST, .link = WHY_LINK_OPENING } },
	{ "gpu-lost", { WHY_SERVER, VM_ERROR, .link = WHY_LINK_UP, .gpu_lost = true } },
	{ "gpu-lost", { WHY_SERVER, VM_STOPPED, .link = WHY_LINK_UP, .gpu_lost = true } },
	{ "failed", { WHY_SERVER, VM_ERROR, .link = WHY_LINK_UP } },
	{ "resize-waits", { WHY_SERVER, VM_RESIZED, .link = WHY_LINK_UP, .left_over = true } },
	{ "has-to-leave", { WHY_SERVER, VM_ACTIVE, .link = WHY_LINK_UP, .has_to_leave = true } },
	{ "drain-waits", { WHY_SERVER, VM_ACTIVE, .link = WHY_LINK_UP, .drained = true } },
	{ "emptied", { WHY_HOST, .link = WHY_LINK_UP, .state = "draining", .drained = true } },
	{ "left-over", { WHY_SERVER, VM_ACTIVE, .link = WHY_LINK_UP, .left_over = true } },
	{ "draining", { WHY_HOST, .link = WHY_LINK_UP, .state = "draining" } },
	{ "disabled", { WHY_HOST, .link = WHY_LINK_UP, .state = "disabled" } },
	{ "data-awaited", { WHY_IMAGE, .state = "queued" } },
	{ "data-comes", { WHY_IMAGE, .state = "uploading" } },
	{ "data-comes", { WHY_IMAGE, .state = "importing" } },
	{ "data-made", { WHY_IMAGE, .state = "saving" } },
	{ "deactivated", { WHY_IMAGE, .state = "deactivated" } },
	{ "killed", { WHY_IMAGE, .state = "killed" } },
	{ "nothing", { WHY_SERVER, VM_ACTIVE, .link = WHY_LINK_UP } },
	{ "nothing", { WHY_HOST, .link = WHY_LINK_UP, .state = "up" } },
	{ "nothing", { WHY_IMAGE, .state = "active" } },
};

static void test_causes(void **state)
{
	const struct why_cause *c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(examples); i++)
		assert_string_equal(why_find(&examples[i].facts)->name, examples[i].cause);
	for (size_t i = 0; (c = why_cause_at(i)); i++) {
		size_t k = 0;

		while (k < ARRAY_LEN(examples) && strcmp(examples[k].cause, c->name) != 0)
			k++;
		if (k == ARRAY_LEN(examples))
			fail_msg("no facts lead to cause %s", c->name);
		assert_non_null(c->says);
		assert_true(c->tells || !(c->subjects & WHY_SERVER)); /* tenants ask of servers */
	}
}

/* What tenants are told names neither hosts nor flows. */
static void test_tells_little(void **state)
{
	static const char *const inside[] = { "{host}", "{flow}", "{other", "{error}", "{kind}", "{step}" };
	const struct why_cause *c;

	(void)state;
	for (size_t i = 0; (c = why_cause_at(i)); i++)
		for (size_t k = 0; c->tells && k < ARRAY_LEN(inside); k++)
			if (strstr(c->tells, inside[k]))
				fail_msg("cause %s tells tenants %s", c->name, inside[k]);
}

static void test_fill(void **state)
{
	CLEANUP(buf_finish) struct buf b = { 0 };
	const struct why_word words[] = { { "host", "h1" }, { "until", NULL } };

	(void)state;
	why_fill(&b, "on {host} until {until}, {nobody} {", words, ARRAY_LEN(words));
	assert_string_equal(buf_text(&b), "on h1 until ?, ? {");
}

/* ---- commands ---- */

static bool is_command(const char *text)
{
	const struct command *c;

	for (size_t i = 0; (c = command_at(i)); i++) {
		size_t n = strlen(c->path);

		if (strncmp(text, c->path, n) == 0 && (text[n] == ' ' || text[n] == '\0'))
			return true;
	}
	return false;
}

static void want_command(const char *whose, const char *command)
{
	static const char ours[] = "cloudctl ";

	if (strncmp(command, ours, strlen(ours)) == 0 && !is_command(command + strlen(ours)))
		fail_msg("%s: there is no '%s'", whose, command);
}

static void test_commands(void **state)
{
	const struct why_cause *c;
	const struct why_way *w;

	(void)state;
	for (size_t i = 0; (c = why_cause_at(i)); i++)
		for (size_t k = 0; k < WHY_COMMANDS && c->commands[k]; k++)
			want_command(c->name, c->commands[k]);
	for (size_t i = 0; (w = why_way_at(i)); i++) {
		if (w->command)
			want_command(w->value, w->command);
		if (w->end == WHY_END_COMMAND && !is_command(w->by))
			fail_msg("%s.%s %s: there is no command '%s'", w->table, w->column, w->value, w->by);
	}
}

/* ---- servers ---- */

static bool allowed(enum server_action action, enum vm_state vm, enum task_state task)
{
	struct error err;

	return server_action_allowed(action, "id", vm, task, false, true, &err) == 0;
}

static void test_server_states(void **state)
{
	(void)state;
	for (int vm = 0; vm < VM_DELETED; vm++) {
		const struct why_step *s = why_server_steps((enum vm_state)vm);

		if (!s->command)
			fail_msg("nothing leads out of %s", vm_state_text((enum vm_state)vm));
		for (; s->command; s++)
			if (!allowed(s->action, (enum vm_state)vm, TASK_NONE))
				fail_msg("'%s' is not allowed in %s", s->command,
					vm_state_text((enum vm_state)vm));
	}
}

static const struct flow_kind *shown_by(enum task_state task)
{
	const struct flow_kind *k;

	for (size_t i = 0; (k = flow_kind_at(i)); i++)
		for (size_t s = 0; s < k->steps_n; s++)
			if (k->steps[s].task == task)
				return k;
	return NULL;
}

/* Of Nova's that this cloud never sets: what clients may filter by, and nothing else. */
static const enum task_state unused[] = { TASK_NETWORKING, TASK_IMAGE_SNAPSHOT_PENDING,
	TASK_IMAGE_PENDING_UPLOAD, TASK_UPDATING_PASSWORD, TASK_RESIZE_CONFIRMING, TASK_REBOOT_PENDING_HARD,
	TASK_SOFT_DELETING, TASK_RESTORING };

static bool is_unused(enum task_state task)
{
	for (size_t i = 0; i < ARRAY_LEN(unused); i++)
		if (unused[i] == task)
			return true;
	return false;
}

static void test_tasks(void **state)
{
	(void)state;
	for (int t = TASK_NONE + 1; t < TASK_STATE_MAX; t++) {
		enum task_state task = (enum task_state)t;
		bool shown = shown_by(task) || why_task_of(task);

		if (shown == is_unused(task))
			fail_msg("task %s: %s", task_state_text(task),
				shown ? "is shown after all" : "nothing ends it");
		/* and whatever happens, there is always deletion and the administrator's word */
		for (int vm = 0; vm < VM_DELETED; vm++)
			assert_true(allowed(ACTION_DELETE, (enum vm_state)vm, task) &&
				    allowed(ACTION_RESET_STATE, (enum vm_state)vm, task));
	}
}

/* ---- flows ---- */

static void test_flows(void **state)
{
	const struct why_facts facts = { WHY_FLOW, .flow = WHY_FLOW_STUCK };
	const struct why_cause *c = why_find(&facts);
	const struct flow_kind *k;

	(void)state;
	assert_true(c->commands[0] && strcmp(c->commands[0], "cloudctl flow retry {flow}") == 0);
	for (size_t i = 0; (k = flow_kind_at(i)); i++) {
		if (k->deadline_s <= 0)
			fail_msg("%s has no deadline", k->name);
		if (!k->fail && !(k->flags & KIND_NEVER_FAILS))
			fail_msg("%s may fail, and then says nothing", k->name);
		assert_true(k->steps_n > 0);
		for (size_t s = 0; s < k->steps_n; s++)
			if (!k->steps[s].load || k->steps[s].time < TIME_CALL || k->steps[s].time >= TIMES)
				fail_msg("%s/%s: its call has no deadline", k->name, k->steps[s].name);
		assert_ptr_equal(flow_kind_find(k->name), k);
	}
}

/* ---- rows ---- */

/* The next 'value' of the list, or NULL at its end. */
static const char *value_next(const char *p, char *out, size_t size)
{
	size_t n = 0;

	while (*p && *p != '\'' && *p != ')')
		p++;
	if (*p++ != '\'')
		return NULL;
	while (p[n] && p[n] != '\'' && n + 1 < size)
		n++;
	memcpy(out, p, n);
	out[n] = '\0';
	return p + n + 1;
}

static int check_column(const char *table, const char *sql, const char *column)
{
	char mark[64], value[64];
	const char *p;
	int n = 0;

	snprintf(mark, sizeof mark, "CHECK (%s IN (", column);
	p = strstr(sql, mark);
	for (p = p ? p + strlen(mark) : NULL; p && (p = value_next(p, value, sizeof value)); n++) {
		const struct why_way *w = why_way_find(table, column, value);

		if (!w)
			fail_msg("nothing leads out of %s.%s '%s': see the ways in domain/why.c", table,
				column, value);
		if (w->end != WHY_END_REST && !w->by)
			fail_msg("%s.%s '%s': what ends it?", table, column, value);
		if (w->end == WHY_END_FLOW && !flow_kind_find(w->by))
			fail_msg("%s.%s '%s': there is no flow %s", table, column, value, w->by);
	}
	return n;
}

static void test_rows(void **state)
{
	static const char *const columns[] = { "state", "status", "health", "custody", "phase", "evidence",
		"down_proof" };
	char dir[] = "/tmp/why-XXXXXX", path[64], command[96];
	struct store_config config = { .path = path, .clock = &clock_system, .no_sync = true };
	sqlite3_stmt *st = NULL;
	struct store *store;
	struct error err = { 0 };
	int values = 0;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/db", dir);
	if (store_open(&config, &store, &err))
		fail_msg("%s (%s)", err.msg, err.detail);
	assert_int_equal(db_query(store_ro(store), &err, &st,
				 "SELECT name, sql FROM sqlite_master WHERE type = 'table'", NULL),
		0);
	while (db_row(st, &err) > 0)
		for (size_t i = 0; i < ARRAY_LEN(columns); i++)
			values += check_column(db_text(st, 0), db_text(st, 1), columns[i]);
	db_done(&st);
	assert_true(values > 30); /* the schema was read */
	store_close(store);
	snprintf(command, sizeof command, "rm -r %s", dir);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a path of our own */
}

/* What the schema does not list, the store refuses to write (store_move_status). */
static void test_moves(void **state)
{
	const struct why_way *w;

	(void)state;
	assert_null(why_way_find("migration", "status", "stranded"));
	for (size_t i = 0; (w = why_way_at(i)); i++)
		if (w->end == WHY_END_FLOW && !flow_kind_find(w->by))
			fail_msg("%s.%s '%s': there is no flow %s", w->table, w->column, w->value, w->by);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_causes),
		cmocka_unit_test(test_tells_little),
		cmocka_unit_test(test_fill),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_server_states),
		cmocka_unit_test(test_tasks),
		cmocka_unit_test(test_flows),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
