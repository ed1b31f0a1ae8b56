/* SPDX-License-Identifier: Apache-2.0 */
/* What consoles print is kept: over rotations, restarts, the server's end and its host's absence; and live
 * consoles, whatever becomes of guest, host and viewer. */
#include "flow_fixture.h"

#include "flow/console.h"

#define HOST "vcpus=16&ram_gib=64&disk_gib=500"

static struct cloud cloud;

static void history_make(struct cloud *c)
{
	static char path[96];
	struct history_config h = {
		.keep_us = INT64_MAX / 4, .server_bytes = 1 << 20, .total_bytes = 1 << 22, .path = path
	};
	struct error err;

	snprintf(path, sizeof path, "%s/console.db", c->dir);
	if (history_open(&h, &c->flow.history, &err))
		fail_msg("%s (%s)", err.msg, err.detail);
}

/* The fixture makes the directory as it opens: the history comes right after. */
static void make(struct cloud *c, unsigned poll_ms, unsigned call_timeout_ms)
{
	memset(c, 0, sizeof *c);
	c->flow.console_poll_ms = poll_ms;
	c->flow.call_timeout_ms = call_timeout_ms;
	cloud_make(c);
	history_make(c);
	cloud_close(c);
	cloud_open(c);
	cloud_host(c, HOST);
	cloud_host(c, HOST);
}

static int setup(void **state)
{
	make(&cloud, 10, 0);
	*state = &cloud;
	return 0;
}

static int setup_seldom(void **state)
{
	make(&cloud, 3600000, 0);
	*state = &cloud;
	return 0;
}

static int setup_hasty(void **state)
{
	make(&cloud, 10, 300);
	*state = &cloud;
	return 0;
}

static int teardown(void **state)
{
	struct cloud *c = *state;

	for (unsigned i = 0; i < c->hosts_n; i++) {
		sim_faults_clear(c->worlds[i]);
		sim_release(c->worlds[i]);
		sim_set_down(c->worlds[i], false);
	}
	cloud_close(c);
	history_unref(c->flow.history);
	cloud_remove(c);
	return 0;
}

static void make_on(struct cloud *c, struct want *w, const char *host)
{
	w->host = host;
	cloud_ok(c, do_create, w);
	cloud_until_server(c, w->uid[0], VM_ACTIVE);
}

/* --- reading --- */

struct reading {
	const char *uid;
	struct buf text;
	unsigned chunks, lost;
	bool cut; /* a chunk ends inside of a character */
	bool done;
};

static void on_read(void *ctx, const struct history_chunk *list, size_t n, bool more, const struct error *err)
{
	struct reading *r = ctx;

	assert_null(err);
	assert_false(more);
	r->text.len = 0;
	r->chunks = (unsigned)n;
	r->lost = 0;
	for (size_t i = 0; i < n; i++) {
		buf_append(&r->text, list[i].p, list[i].n);
		r->lost += list[i].lost;
		r->cut |= !utf8_valid(list[i].p, list[i].n);
	}
	r->done = true;
}

static void read_now(struct cloud *c, struct reading *r)
{
	r->done = false;
	flow_console_history(c->e, r->uid, 0, INT64_MAX, 1000, on_read, r);
	while (!r->done)
		uv_run(&c->loop.uv, UV_RUN_ONCE);
}

struct wanted {
	struct reading r;
	const char *end;
};

static bool ends_with(struct cloud *c, void *arg)
{
	struct wanted *w = arg;
	size_t n = strlen(w->end);

	read_now(c, &w->r);
	return w->r.text.len >= n && memcmp(w->r.text.data + w->r.text.len - n, w->end, n) == 0;
}

/* Waits until the history ends with the text, and gives all of it. */
static const char *until(struct cloud *c, struct wanted *w, const char *uid, const char *end)
{
	w->r.uid = uid;
	w->end = end;
	if (!cloud_try_until(c, ends_with, w))
		fail_msg("'%s' did not come; there is: %s", end, buf_text(&w->r.text));
	return buf_text(&w->r.text);
}

static void print_text(struct cloud *c, unsigned host, const char *uid, const char *text)
{
	assert_int_equal(sim_guest_print(c->worlds[host], uid, text, strlen(text)), 0);
}

static unsigned times(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

/* --- history --- */

static void test_rotation_and_reboot(void **state)
{
	struct cloud *c = *state;
	struct wanted w = { 0 };
	struct want vm = { 0 };
	const char *uid = vm.uid[0], *all;

	make_on(c, &vm, "host0");
	until(c, &w, uid, "boot 1\nsim: ready\n");
	print_text(c, 0, uid, "one ");
	until(c, &w, uid, "one ");
	/* what was printed before and after the log was put aside */
	print_text(c, 0, uid, "two ");
	assert_int_equal(sim_console_rotate(c->worlds[0], uid), 0);
	print_text(c, 0, uid, "three ");
	until(c, &w, uid, "one two three ");
	/* the new one has grown as long as the old one was: its end tells that it is another */
	assert_int_equal(sim_console_rotate(c->worlds[0], uid), 0);
	print_text(c, 0, uid, "four four four four four four four four four four four four four ");
	all = until(
		c, &w, uid, "two three four four four four four four four four four four four four four ");
	assert_int_equal(w.r.lost, 0);
	assert_int_equal(times(all, "boot 1"), 1);
	/* a reboot goes into the same log */
	cloud_ok(c, do_op, (&(struct op) { uid, SERVER_REBOOT_HARD }));
	all = until(c, &w, uid, "boot 2\nsim: ready\n");
	assert_int_equal(times(all, "three"), 1);
	buf_finish(&w.r.text);
}

/* Rotated twice between two looks: what is gone is gone, and the text says so. */
static void test_what_is_lost_is_told(void **state)
{
	struct cloud *c = *state;
	struct wanted w = { 0 };
	struct want vm = { 0 };
	const char *uid = vm.uid[0];

	make_on(c, &vm, "host0");
	until(c, &w, uid, "sim: ready\n");
	sim_fault(c->worlds[0], SIM_CONSOLE_FOLLOW, 1, -1, SIM_FAIL);
	print_text(c, 0, uid, "never seen");
	assert_int_equal(sim_console_rotate(c->worlds[0], uid), 0);
	print_text(c, 0, uid, "nor this");
	assert_int_equal(sim_console_rotate(c->worlds[0], uid), 0);
	print_text(c, 0, uid, "seen");
	sim_faults_clear(c->worlds[0]);
	assert_null(strstr(until(c, &w, uid, "seen"), "never"));
	assert_int_equal(w.r.lost, 1);
	buf_finish(&w.r.text);
}

static bool looked_at(struct cloud *c, void *arg)
{
	return sim_calls(c->worlds[0], SIM_CONSOLE_FOLLOW) >= *(uint64_t *)arg;
}

static void test_characters_stay_whole(void **state)
{
	struct cloud *c = *state;
	struct wanted w = { 0 };
	struct want vm = { 0 };
	const char *uid = vm.uid[0];
	uint64_t looks;

	make_on(c, &vm, "host0");
	until(c, &w, uid, "sim: ready\n");
	print_text(c, 0, uid, "x\xe1\xba");
	looks = sim_calls(c->worlds[0], SIM_CONSOLE_FOLLOW) + 4;
	cloud_until(c, looked_at, &looks);
	until(c, &w, uid, "x");
	print_text(c, 0, uid, "\xbfy");
	until(c, &w, uid, "x\xe1\xba\xbfy");
	assert_false(w.r.cut);
	/* bytes that are no text are kept as they are */
	print_text(c, 0, uid, "\xff\xfe");
	until(c, &w, uid, "y\xff\xfe");
	buf_finish(&w.r.text);
}

static void test_restart_goes_on(void **state)
{
	struct cloud *c = *state;
	struct wanted w = { 0 };
	struct want vm = { 0 };
	const char *uid = vm.uid[0], *all;

	make_on(c, &vm, "host0");
	print_text(c, 0, uid, "before ");
	until(c, &w, uid, "before ");
	cloud_close(c);
	print_text(c, 0, uid, "meanwhile ");
	history_unref(c->flow.history);
	history_make(c);
	cloud_open(c);
	print_text(c, 0, uid, "after ");
	all = until(c, &w, uid, "before meanwhile after ");
	assert_int_equal(times(all, "before"), 1);
	assert_int_equal(times(all, "boot 1"), 1);
	buf_finish(&w.r.text);
}

/* Nobody looked since it was made: its end itself keeps what was printed, to the last byte. */
static void test_last_words(void **state)
{
	struct cloud *c = *state;
	struct wanted w = { 0 };
	struct want vm = { 0 };
	const char *uid = vm.uid[0];

	make_on(c, &vm, "host0");
	print_text(c, 0, uid, "last words\xe1\xba");
	cloud_ok(c, do_delete, (void *)(uintptr_t)uid);
	cloud_until_server(c, uid, VM_DELETED);
	assert_int_equal(times(until(c, &w, uid, "last words\xe1\xba"), "boot 1"), 1);
	buf_finish(&w.r.text);
}

static bool hangs(struct cloud *c, void *arg)
{
	(void)arg;
	return sim_hanging(c->worlds[0]) > 0;
}

static void test_a_hung_host_holds_up_itself(void **state)
{
	struct cloud *c = *state;
	struct wanted w = { 0 };
	struct want a = { 0 }, b = { 0 };

	make_on(c, &a, "host0");
	make_on(c, &b, "host1");
	until(c, &w, a.uid[0], "sim: ready\n");
	sim_fault(c->worlds[0], SIM_CONSOLE_FOLLOW, 1, 1, SIM_HANG);
	cloud_until(c, hangs, NULL);
	print_text(c, 0, a.uid[0], "held");
	for (int i = 0; i < 3; i++) {
		char text[16];

		snprintf(text, sizeof text, "goes on %d", i);
		print_text(c, 1, b.uid[0], text);
		until(c, &w, b.uid[0], text);
	}
	/* the call is given up, and the next connection reads on */
	until(c, &w, a.uid[0], "held");
	buf_finish(&w.r.text);
}

struct answer {
	bool done;
	struct buf text;
	struct error err;
};

static void on_output_text(void *ctx, const struct buf *text, const struct error *err)
{
	struct answer *a = ctx;

	a->done = true;
	if (err)
		a->err = *err;
	else
		buf_append(&a->text, text->data, text->len);
}

static void ask(struct cloud *c, struct answer *a, unsigned host, const char *uid, int64_t lines)
{
	a->text.len = 0;
	a->done = false;
	a->err = (struct error) { 0 };
	flow_server_console(c->e, c->hosts[host], uid, lines, on_output_text, a);
	while (!a->done)
		uv_run(&c->loop.uv, UV_RUN_ONCE);
}

/* While the host is away the plain output is what is kept of it. */
static void test_output_of_a_host_that_is_away(void **state)
{
	struct cloud *c = *state;
	struct wanted w = { 0 };
	struct want vm = { 0 };
	struct answer a = { 0 };
	const char *uid = vm.uid[0];

	make_on(c, &vm, "host0");
	print_text(c, 0, uid, "line\nend\n");
	until(c, &w, uid, "end\n");
	sim_set_down(c->worlds[0], true);
	sim_drop(c->worlds[0], "the power is gone");
	ask(c, &a, 0, uid, 0);
	assert_int_equal(a.err.code, 0);
	assert_string_equal(buf_text(&a.text), buf_text(&w.r.text));
	ask(c, &a, 0, uid, 2); /* the empty one behind it is a line */
	assert_string_equal(buf_text(&a.text), "end\n");
	buf_finish(&a.text);
	buf_finish(&w.r.text);
}

/* --- live --- */

struct viewer {
	struct flow_console *k;
	bool answered, closed;
	struct error err;
	struct buf seen;
};

static void on_opened(void *ctx, struct flow_console *k, const struct error *err)
{
	struct viewer *v = ctx;

	v->answered = true;
	v->k = k;
	if (err)
		v->err = *err;
}

static void on_output(void *ctx, const void *p, size_t n)
{
	struct viewer *v = ctx;

	assert_non_null(v->k);
	buf_append(&v->seen, p, n);
}

static void on_room(void *ctx)
{
	(void)ctx;
}

static void on_closed(void *ctx, const struct error *why)
{
	struct viewer *v = ctx;

	v->closed = true;
	v->k = NULL;
	v->err = *why;
}

static const struct flow_console_events viewer_events = { on_opened, on_output, on_room, on_closed };

static bool answered(struct cloud *c, void *arg)
{
	(void)c;
	return ((struct viewer *)arg)->answered;
}

static bool closed(struct cloud *c, void *arg)
{
	(void)c;
	return ((struct viewer *)arg)->closed;
}

static void open_console(struct cloud *c, struct viewer *v, unsigned host, const char *uid)
{
	buf_finish(&v->seen);
	memset(v, 0, sizeof *v);
	flow_console_open(c->e, c->hosts[host], uid, &viewer_events, v);
	cloud_until(c, answered, v);
}

struct sight {
	struct viewer *v;
	const char *text;
};

static bool sees(struct cloud *c, void *arg)
{
	struct sight *s = arg;

	(void)c;
	return strstr(buf_text(&s->v->seen), s->text) != NULL;
}

static void test_live(void **state)
{
	struct cloud *c = *state;
	struct want vm = { 0 };
	struct viewer v = { 0 }, other = { 0 };
	const char *uid = vm.uid[0];

	make_on(c, &vm, "host0");
	open_console(c, &v, 0, uid);
	assert_int_equal(v.err.code, 0);
	assert_int_equal(flow_console_send(v.k, "typed", 5), 5);
	cloud_until(c, sees, (&(struct sight) { &v, "typed" }));
	print_text(c, 0, uid, "printed");
	cloud_until(c, sees, (&(struct sight) { &v, "typedprinted" }));
	/* the newest viewer wins */
	open_console(c, &other, 0, uid);
	assert_non_null(other.k);
	cloud_until(c, closed, &v);
	assert_string_equal(v.err.msg, "another viewer has opened the console");
	print_text(c, 0, uid, "now here");
	cloud_until(c, sees, (&(struct sight) { &other, "now here" }));
	assert_null(strstr(buf_text(&v.seen), "now here"));
	/* the guest ends */
	assert_int_equal(sim_guest_shutdown(c->worlds[0], uid), 0);
	cloud_until(c, closed, &other);
	open_console(c, &v, 0, uid);
	assert_int_equal(v.err.code, ERR_CONFLICT);
	assert_null(v.k);
	/* closed by its owner: no call follows */
	cloud_until_server(c, uid, VM_STOPPED);
	cloud_ok(c, do_op, (&(struct op) { uid, SERVER_START }));
	cloud_until_server(c, uid, VM_ACTIVE);
	open_console(c, &v, 0, uid);
	print_text(c, 0, uid, "on its way");
	flow_console_close(v.k);
	v.k = NULL;
	/* the host goes */
	open_console(c, &other, 0, uid);
	assert_non_null(other.k);
	sim_set_down(c->worlds[0], true);
	sim_drop(c->worlds[0], "the power is gone");
	cloud_until(c, closed, &other);
	assert_false(v.closed);
	assert_int_equal(v.seen.len, 0);
	open_console(c, &v, 0, uid);
	assert_int_equal(v.err.code, ERR_UNREACHABLE);
	buf_finish(&v.seen);
	buf_finish(&other.seen);
}

/* Opened by a call that was given up: it is closed again as soon as it comes back. */
static void test_opened_too_late(void **state)
{
	struct cloud *c = *state;
	struct want vm = { 0 };
	struct viewer v = { 0 };

	make_on(c, &vm, "host0");
	sim_fault(c->worlds[0], SIM_CONSOLE_OPEN, 1, 1, SIM_HANG);
	open_console(c, &v, 0, vm.uid[0]);
	assert_int_equal(v.err.code, ERR_TIMEOUT);
	assert_null(v.k);
	print_text(c, 0, vm.uid[0], "for nobody");
	sim_release(c->worlds[0]);
	cloud_until(c, lanes_idle, NULL);
	assert_false(v.closed);
	assert_int_equal(v.seen.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rotation_and_reboot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_lost_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_characters_stay_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last_words, setup_seldom, teardown),
		cmocka_unit_test_setup_teardown(test_a_hung_host_holds_up_itself, setup_hasty, teardown),
		cmocka_unit_test_setup_teardown(test_output_of_a_host_that_is_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_live, setup, teardown),
		cmocka_unit_test_setup_teardown(test_opened_too_late, setup_hasty, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
