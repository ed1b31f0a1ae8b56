/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a GPU between two servers on simulated hosts: it is given to nobody before it was reset and
 * verified, whatever goes wrong and wherever the daemon dies; and GPUs that fall off the bus. */
#include "change_fixture.h"

#include <sys/stat.h>

#include "base/program.h"
#include "flow/custody.h"
#include "flow/drift.h"

#define HOST "vcpus=16&ram_gib=64&gpus=2&gpu=10de:2330"
#define CUT "vcpus=8&ram_gib=64&gpus=1&gpu=10de:2330&mdev=nv-1:4:A-1-10C"
#define BOTH "{\"pci_passthrough:alias\": \"h100:2\"}"
#define ONE "{\"pci_passthrough:alias\": \"h100:1\"}"

static struct cloud cloud;

static void make(struct cloud *c, const char *host)
{
	memset(c, 0, sizeof *c);
	c->flow.gpu_reset = GPU_RESET_AUTO;
	cloud_make(c);
	cloud_host(c, host);
}

static int setup(void **state)
{
	clock_ahead_us = 0;
	make(&cloud, HOST);
	*state = &cloud;
	return 0;
}

static void finish(struct cloud *c)
{
	sim_faults_clear(c->worlds[0]);
	sim_release(c->worlds[0]);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(sim_gpus_unclean(c->worlds[0]), 0);
	cloud_clean(c);
	cloud_close(c);
	cloud_remove(c);
}

static int teardown(void **state)
{
	finish(*state);
	return 0;
}

/* ---- what tests do ---- */

static struct want with(struct cloud *c, const char *extra_specs)
{
	struct want w = { .extra_specs = extra_specs };

	cloud_ok(c, do_create, &w);
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	return w;
}

static void gone(struct cloud *c, struct want *w)
{
	cloud_ok(c, do_delete, w->uid[0]);
	cloud_until_server(c, w->uid[0], VM_DELETED);
}

struct gpu_op {
	int index;
	enum gpu_change what;
	const char *text;
};

static int do_gpu(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct gpu_op *op = arg;
	struct device_row *devices;
	size_t n;

	if (store_device_list(db, &a, c->hosts[0], &devices, &n, err))
		return -1;
	return flow_gpu_change(c->e, db, &devices[op->index], op->what, op->text, err);
}

static size_t room(struct cloud *c)
{
	const struct placement_request one = {
		.vcpus = 1, .ram_mib = 256, .gpus = { { .model = "h100", .count = 1 } }, .gpus_n = 1
	};

	return placement_room(flow_placement(c->e), &one, 64);
}

static int64_t in_custody(struct cloud *c, const char *custody)
{
	char sql[96];

	snprintf(sql, sizeof sql, "SELECT count(*) FROM device WHERE custody = '%s'", custody);
	return cloud_count(c, sql);
}

static bool hangs(struct cloud *c, void *arg)
{
	return sim_hanging(c->worlds[0]) >= *(unsigned *)arg;
}

static bool some_waits(struct cloud *c, void *arg)
{
	(void)arg;
	return cloud_count(c, "SELECT count(*) FROM flow WHERE kind = 'gpu_reset' AND state = 'waiting'") > 0;
}

static void expect_reason(struct cloud *c, const char *text)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct custody_filter f = { .limit = 1 };
	struct custody_record *r;
	struct error err;
	size_t n;

	assert_int_equal(store_custody_records(store_ro(c->store), &a, &f, &r, &n, &err), 0);
	assert_int_equal(n, 1);
	if (!strstr(r->words, text))
		fail_msg("'%s' is not in '%s'", text, r->words);
}

static bool looked(struct cloud *c, void *arg)
{
	return sim_calls(c->worlds[0], SIM_INVENTORY) > *(uint64_t *)arg && tick_pending(c->tick) == 0;
}

/* A look at the host that began after this, and what it wrote. */
static void look_again(struct cloud *c)
{
	for (int i = 0; i < 2; i++) {
		uint64_t n = sim_calls(c->worlds[0], SIM_INVENTORY);

		flow_host_refresh(c->e, c->hosts[0]);
		cloud_until(c, looked, &n);
	}
	cloud_until(c, tick_idle, NULL);
}

/* ---- the way ---- */

static void test_way(void **state)
{
	struct cloud *c = *state;
	struct want w = with(c, BOTH), v;
	unsigned both = 2;

	sim_fault(c->worlds[0], SIM_DEVICE_RESET, 1, 2, SIM_HANG);
	gone(c, &w);
	cloud_until(c, hangs, &both);
	assert_int_equal(in_custody(c, "reset"), 2);
	assert_int_equal(room(c), 0); /* given back, and given to nobody yet */
	cloud_clean(c);
	sim_release(c->worlds[0]);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(in_custody(c, "clean"), 2);
	assert_int_equal(room(c), 2);
	for (unsigned i = 0; i < 2; i++)
		assert_true(sim_gpu_resets(c->worlds[0], i) >= 1);
	assert_int_equal(
		cloud_count(c,
			"SELECT count(*) FROM custody_record r JOIN server s ON s.uid = r.server_uid "
			"WHERE r.result = 'clean' AND r.project_uid = "
			"'c0ffee00000000000000000000000001' AND r.released_us <= r.reset_us AND "
			"r.reset_us <= r.verified_us AND r.words = '10de:2330 in IOMMU group ' || (10 + "
			"(r.address = '0000:11:00.0')) || ' at cell 0, in no domain'"),
		2);
	/* each stage was told, and the end is in the audit */
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM event WHERE type = 'gpu.custody'"), 6);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM event WHERE type = 'gpu.custody' AND data ->> "
					"'stage' = 'verified' AND data ->> 'new' = 'clean'"),
		2);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM audit WHERE action = 'gpu.cleaned'"), 2);
	v = with(c, BOTH);
	gone(c, &v);
}

static void test_no_way(void **state)
{
	struct cloud *c = *state;
	struct want w;

	cloud_close(c);
	c->flow.gpu_reset = GPU_RESET_OFF;
	cloud_open(c);
	w = with(c, BOTH);
	gone(c, &w);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(room(c), 2);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM custody_record"), 0);
	assert_int_equal(sim_calls(c->worlds[0], SIM_DEVICE_RESET), 0);
}

/* ---- what goes wrong ---- */

/* What may pass is waited out: refusals, lost answers, a host that is away. */
static void test_passes(void **state)
{
	static const enum sim_fault_kind kinds[] = { SIM_FAIL, SIM_FAIL_AFTER, SIM_LOSE_REPLY, SIM_DROP };
	static const enum sim_op ops[] = { SIM_DEVICE_RESET, SIM_DEVICE_LOOK };
	struct cloud *c = *state;

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		for (size_t o = 0; o < ARRAY_LEN(ops); o++) {
			struct want w = with(c, ONE);

			sim_fault(c->worlds[0], ops[o], 1, 1, kinds[k]);
			gone(c, &w);
			cloud_until(c, flows_gone, NULL);
			assert_int_equal(in_custody(c, "clean"), 2);
		}
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM custody_record WHERE result = 'clean'"), 8);
}

static void test_host_away(void **state)
{
	struct cloud *c = *state;
	struct want w = with(c, ONE);
	unsigned one = 1, host = 0;

	sim_fault(c->worlds[0], SIM_DEVICE_RESET, 1, 1, SIM_HANG);
	gone(c, &w);
	cloud_until(c, hangs, &one);
	sim_set_down(c->worlds[0], true);
	cloud_until(c, some_waits, NULL);
	cloud_clean(c);
	sim_set_down(c->worlds[0], false);
	cloud_until(c, host_connected, &host);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(in_custody(c, "clean"), 2);
}

static void quarantined(struct cloud *c, const char *reason)
{
	struct want w = with(c, ONE);

	gone(c, &w);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(in_custody(c, "quarantined"), 1);
	assert_int_equal(room(c), 1);
	expect_reason(c, reason);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM device WHERE custody_reason != ''"), 1);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM audit WHERE action = 'gpu.quarantined'"), 1);
	cloud_clean(c);
}

static void test_refuses(void **state)
{
	struct cloud *c = *state;

	sim_fault(c->worlds[0], SIM_DEVICE_RESET, 1, 3, SIM_FAIL);
	quarantined(c, "ordered by sim_fault");
	/* mended, it goes the same way again */
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 0, GPU_RESET, NULL }));
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(in_custody(c, "clean"), 2);
	assert_int_equal(room(c), 2);
}

static void test_other_product(void **state)
{
	struct cloud *c = *state;

	sim_gpu_turns_into(c->worlds[0], 0, 0x20b0);
	quarantined(c, "it was 10de:2330 and is 10de:20b0 after its reset");
}

/* A look between the reset and its verification that writes what is there now does not make it right. */
static void test_other_product_seen(void **state)
{
	struct cloud *c = *state;
	struct want w = with(c, ONE);
	unsigned one = 1;

	sim_gpu_turns_into(c->worlds[0], 0, 0x20b0);
	sim_fault(c->worlds[0], SIM_DEVICE_LOOK, 1, 1, SIM_HANG);
	gone(c, &w);
	cloud_until(c, hangs, &one);
	look_again(c);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM device WHERE product_id = 0x20b0"), 1);
	sim_release(c->worlds[0]);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(in_custody(c, "quarantined"), 1);
}

static void test_cannot_reset(void **state)
{
	struct cloud *c = *state;

	sim_no_resets(c->worlds[0], true);
	quarantined(c, "reset it by hand");
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 0, GPU_CLEAR, NULL }));
	assert_int_equal(room(c), 2);
	expect_reason(c, "an operator's word");
}

/* A reset that never ends holds its device back, and nothing else; at last that is quarantined. */
static void test_hangs(void **state)
{
	struct cloud *c = *state;
	unsigned host = 0;
	struct want w, v;

	cloud_close(c);
	c->flow.call_timeout_ms = 100;
	cloud_open(c);
	cloud_until(c, host_connected, &host);
	w = with(c, ONE);
	sim_fault(c->worlds[0], SIM_DEVICE_RESET, 1, 1, SIM_HANG);
	gone(c, &w);
	cloud_until(c, some_waits, NULL);
	cloud_until(c, host_connected, &host);
	v = with(c, ONE); /* the other one */
	assert_int_equal(in_custody(c, "reset"), 1);
	clock_ahead_us += 3600 * 1000000ll;
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(sim_calls(c->worlds[0], SIM_DEVICE_RESET), 1);
	assert_int_equal(in_custody(c, "quarantined"), 1);
	expect_reason(c, "has not ended");
	sim_release(c->worlds[0]);
	gone(c, &v);
}

/* ---- the operator's command ---- */

static const char *script(struct cloud *c, const char *text)
{
	static char path[160];
	FILE *f;

	snprintf(path, sizeof path, "%s/verify", c->dir);
	assert_non_null(f = fopen(path, "w"));
	fprintf(f, "#!/bin/sh\n%s\n", text);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0700), 0);
	return path;
}

static int ask(const char *path, unsigned ms, struct program_end *end, struct error *err)
{
	const char *const args[] = { path, "node7", "0000:65:00.0", "10de:2330", NULL };
	const struct program p = { .args = args, .timeout_ms = ms };

	return program_run(&p, end, err);
}

static void says(struct cloud *c, const char *text, int status, const char *last)
{
	struct program_end end;
	struct error err;

	assert_int_equal(ask(script(c, text), 20000, &end, &err), 0);
	assert_int_equal(end.signal, 0);
	assert_int_equal(end.status, status);
	assert_string_equal(end.last, last);
}

static void test_command(void **state)
{
	struct cloud *c = *state;
	struct program_end end;
	struct error err = { 0 };

	says(c, "echo first; echo \"$*\"; echo", 0, "node7 0000:65:00.0 10de:2330");
	says(c, "env | grep -v ^_= | grep -v ^PWD= | sort | tr '\\n' ' '", 0,
		"HOME=/ LC_ALL=C.UTF-8 "
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin ");
	says(c, "cat; echo 'ECC: 3 errors' >&2; exit 4", 4, "ECC: 3 errors");
	says(c, "ls /proc/self/fd | tr '\\n' ' '", 0, "0 1 2 3 ");
	says(c, "yes | head -c 300000; echo; echo end", 0, "end");
	says(c, "sleep 600 & echo done", 0, "done"); /* what it started is ended, though it holds the pipe */
	assert_int_equal(ask(script(c, "sleep 600 & sleep 600"), 50, &end, &err), -1);
	assert_int_equal(err.code, ERR_TIMEOUT);
	assert_int_equal(ask(script(c, "kill -9 $$"), 20000, &end, &err), 0);
	assert_int_equal(end.signal, 9);
	assert_int_equal(ask("/nowhere/verify", 20000, &end, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
}

static void test_command_decides(void **state)
{
	struct cloud *c = *state;
	struct want w;

	cloud_close(c);
	c->flow.gpu_verify_command = script(c, "echo \"ECC ok on $2\"");
	c->flow.gpu_verify_timeout_ms = 20000;
	cloud_open(c);
	w = with(c, ONE);
	gone(c, &w);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(in_custody(c, "clean"), 2);
	expect_reason(c, "ECC ok on 0000:1");
	script(c, "echo row remapping failed; exit 1");
	quarantined(c, "said no (1): row remapping failed");
}

/* ---- the daemon dies ---- */

static struct {
	int at, seen;
	bool crashed;
} crash;

static bool crash_here(void *ctx, const char *step, const char *point)
{
	(void)ctx;
	(void)point;
	if (strncmp(step, "gpu_reset/", 10) != 0 || crash.seen++ != crash.at)
		return false;
	crash.crashed = true;
	return true;
}

static bool crashed_or_done(struct cloud *c, void *arg)
{
	return crash.crashed || flows_gone(c, arg);
}

static void test_dies_anywhere(void **state)
{
	struct cloud *c = *state;
	int points = 0;

	c->flow.gpu_verify_command = "/bin/true";
	c->flow.gpu_verify_timeout_ms = 20000;
	for (crash.at = 0;; crash.at++) {
		struct want w;

		cloud_close(c);
		crash.seen = 0;
		crash.crashed = false;
		c->hooks = (struct flow_hooks) { .crash = crash_here, .act_twice = crash.at % 2 };
		cloud_open(c);
		w = with(c, ONE);
		cloud_ok(c, do_delete, w.uid[0]);
		cloud_until(c, crashed_or_done, NULL);
		if (!crash.crashed)
			break;
		points++;
		cloud_shut(c);
		c->hooks = (struct flow_hooks) { .crash = NULL };
		cloud_open(c);
		cloud_until(c, flows_gone, NULL);
		cloud_until_server(c, w.uid[0], VM_DELETED);
		assert_int_equal(in_custody(c, "clean"), 2);
		cloud_clean(c);
	}
	assert_int_equal(points, 9); /* three steps, three points each */
	assert_int_equal(
		cloud_count(c, "SELECT count(*) FROM custody_record WHERE result = 'clean'"), points + 1);
}

/* ---- the operator ---- */

static void test_operator(void **state)
{
	struct cloud *c = *state;
	struct want w = with(c, BOTH);
	unsigned both = 2;

	assert_int_equal(cloud_do(c, do_gpu, (&(struct gpu_op) { 0, GPU_RESET, NULL })), -1);
	assert_int_equal(c->err.code, ERR_CONFLICT);
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 1, GPU_QUARANTINE, "Xid 79" }));
	gone(c, &w);
	cloud_until(c, flows_gone, NULL);
	/* the quarantined one was not touched; its record says who had it */
	assert_int_equal(in_custody(c, "quarantined"), 1);
	assert_int_equal(sim_gpu_resets(c->worlds[0], 1), 0);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM custody_record WHERE result = 'quarantined' "
					"AND server_uid != '' AND reset_us = 0 AND words = 'Xid 79'"),
		1);
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 1, GPU_CLEAR, NULL }));
	assert_int_equal(room(c), 2);
	/* an operator's word while a call is under way has to wait; then it ends the way */
	sim_fault(c->worlds[0], SIM_DEVICE_RESET, 1, 2, SIM_HANG);
	w = with(c, BOTH);
	gone(c, &w);
	cloud_until(c, hangs, &both);
	assert_int_equal(cloud_do(c, do_gpu, (&(struct gpu_op) { 0, GPU_CLEAR, NULL })), -1);
	assert_int_equal(c->err.code, ERR_CONFLICT);
	assert_int_equal(cloud_do(c, do_gpu, (&(struct gpu_op) { 0, GPU_CUT, "whole" })), -1);
	sim_set_down(c->worlds[0], true);
	cloud_until(c, some_waits, NULL);
	cloud_until(c, tick_idle, NULL);
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 0, GPU_CLEAR, NULL }));
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 1, GPU_QUARANTINE, "to be looked at" }));
	assert_int_equal(in_custody(c, "clean"), 1);
	assert_int_equal(in_custody(c, "quarantined"), 1);
	cloud_clean(c);
	sim_set_down(c->worlds[0], false);
}

/* What waits for the operator's word is taken over by the flow when the configuration says so. */
static void test_taken_over(void **state)
{
	struct cloud *c = *state;
	struct want w;

	cloud_close(c);
	c->flow.gpu_reset = GPU_RESET_OPERATOR;
	cloud_open(c);
	w = with(c, BOTH);
	gone(c, &w);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(in_custody(c, "reset"), 2);
	cloud_clean(c);
	cloud_close(c);
	c->flow.gpu_reset = GPU_RESET_AUTO;
	cloud_open(c);
	cloud_until(c, host_connected, &(unsigned) { 0 });
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(in_custody(c, "clean"), 2);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM custody_record WHERE server_uid != ''"), 2);
}

static int do_remove(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	return flow_host_remove(c->e, db, c->hosts[0], err);
}

static void test_host_removed(void **state)
{
	struct cloud *c = *state;
	struct want w = with(c, BOTH);
	unsigned both = 2;

	sim_fault(c->worlds[0], SIM_DEVICE_RESET, 1, 2, SIM_HANG);
	gone(c, &w);
	cloud_until(c, hangs, &both);
	assert_int_equal(cloud_do(c, do_remove, NULL), -1);
	sim_set_down(c->worlds[0], true);
	cloud_until(c, some_waits, NULL);
	cloud_until(c, tick_idle, NULL);
	cloud_ok(c, do_remove, NULL);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM device"), 0);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM flow"), 0);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM custody_record WHERE result = 'quarantined' "
					"AND host = 'host0' AND address LIKE '0000:1%'"),
		2);
	sim_set_down(c->worlds[0], false);
}

/* ---- parts ---- */

static void test_parts(void **state)
{
	struct cloud *c = *state;
	struct want w = { .extra_specs = "{\"resources:VGPU\": \"1\", \"cloudd:gpu_profile\": \"nv-1\"}" };

	cloud_close(c);
	cloud_remove(c);
	make(c, CUT);
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 0, GPU_CUT, "mdev" }));
	cloud_ok(c, do_create, &w);
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	gone(c, &w);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(in_custody(c, "clean"), 1);
	assert_int_equal(sim_calls(c->worlds[0], SIM_DEVICE_RESET), 0);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM custody_record WHERE part = 'nv-1' AND result "
					"= 'clean' AND server_uid != '' AND words LIKE 'its mediated device "
					"% was removed'"),
		1);
	assert_int_equal(cloud_do(c, do_gpu, (&(struct gpu_op) { 0, GPU_RESET, NULL })), -1);
}

/* ---- off the bus ---- */

static size_t drifts(struct cloud *c, enum drift_what what)
{
	struct drift_host d;
	size_t n = 0;

	assert_true(flow_drift_host(c->e, c->hosts[0], &d));
	for (size_t i = 0; i < d.n; i++)
		n += d.found[i].what == what;
	return n;
}

static void both_lost(struct cloud *c, bool lost)
{
	for (unsigned i = 0; i < 2; i++)
		sim_gpu_lose(c->worlds[0], i, lost);
}

static void test_falls_off(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct cloud *c = *state;
	struct want w = with(c, BOTH);
	struct server s;

	sim_gpu_lose(c->worlds[0], 1, true);
	look_again(c);
	cloud_until_server(c, w.uid[0], VM_ERROR);
	s = cloud_server(c, &a, w.uid[0]);
	assert_string_equal(s.fault_message, "A GPU of the server is gone from its host.");
	assert_string_equal(s.fault_details, "GPU host0:0000:11:00.0 is not on its host");
	look_again(c);
	assert_int_equal(drifts(c, DRIFT_GPU_ABSENT), 1);
	cloud_clean(c);
	/* not started before all is there */
	assert_int_equal(cloud_do(c, do_op, (&(struct op) { w.uid[0], SERVER_REBOOT_HARD })), -1);
	assert_int_equal(c->err.code, ERR_CONFLICT);
	sim_gpu_lose(c->worlds[0], 1, false);
	look_again(c);
	look_again(c);
	assert_int_equal(drifts(c, DRIFT_GPU_ABSENT), 0);
	cloud_ok(c, do_op, (&(struct op) { w.uid[0], SERVER_REBOOT_HARD }));
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	/* its own: nothing was reset meanwhile */
	assert_int_equal(sim_gpu_resets(c->worlds[0], 1), 0);
	gone(c, &w);
}

static void test_lost_at_reboot(void **state)
{
	struct cloud *c = *state;
	struct want w = with(c, BOTH);
	unsigned host = 0;

	sim_set_down(c->worlds[0], true);
	sim_crash(c->worlds[0]);
	both_lost(c, true);
	sim_set_down(c->worlds[0], false);
	cloud_until(c, host_connected, &host);
	cloud_until_server(c, w.uid[0], VM_STOPPED); /* its guest did not come up */
	assert_int_equal(cloud_do(c, do_op, (&(struct op) { w.uid[0], SERVER_START })), -1);
	assert_int_equal(c->err.code, ERR_CONFLICT);
	/* given up by its owner: given to nobody before it is there again, reset and verified */
	gone(c, &w);
	cloud_until(c, some_waits, NULL);
	assert_int_equal(in_custody(c, "reset"), 2);
	assert_int_equal(room(c), 0);
	cloud_clean(c);
	both_lost(c, false);
	look_again(c);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(in_custody(c, "clean"), 2);
	assert_int_equal(room(c), 2);
}

/* Nobody had it: where it was meanwhile is not known. */
static void test_comes_back(void **state)
{
	struct cloud *c = *state;
	unsigned one = 1;

	sim_gpu_lose(c->worlds[0], 0, true);
	look_again(c);
	assert_int_equal(room(c), 1);
	sim_fault(c->worlds[0], SIM_DEVICE_RESET, 1, 1, SIM_HANG);
	sim_gpu_lose(c->worlds[0], 0, false);
	look_again(c);
	cloud_until(c, hangs, &one);
	assert_int_equal(room(c), 1);
	sim_release(c->worlds[0]);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(room(c), 2);
	assert_int_equal(sim_gpu_resets(c->worlds[0], 0), 1);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_way),
		TEST(test_no_way),
		TEST(test_passes),
		TEST(test_host_away),
		TEST(test_refuses),
		TEST(test_other_product),
		TEST(test_other_product_seen),
		TEST(test_cannot_reset),
		TEST(test_hangs),
		TEST(test_command),
		TEST(test_command_decides),
		TEST(test_dies_anywhere),
		TEST(test_operator),
		TEST(test_taken_over),
		TEST(test_host_removed),
		TEST(test_parts),
		TEST(test_falls_off),
		TEST(test_lost_at_reboot),
		TEST(test_comes_back),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
