/* SPDX-License-Identifier: Apache-2.0 */
/* A GPU that was given back, or came back to its host, is reset and verified before anyone gets it:
 *
 *	reset    its host resets it, while no domain has it
 *	verify   it is what it was, where it was, and no domain has it
 *	ask      the operator's command says yes; only where there is one
 *
 * It waits for its host, and for the device to be there. What cannot be done, or is not as it was, ends in
 * quarantine with the reason: nobody gets a device of which it is not known that it is clean. */
#include <stdio.h>
#include <string.h>

#include "base/program.h"
#include "base/util.h"
#include "flow/custody.h"
#include "flow/preempt.h"
#include "flow/restored.h"
#include "store/hosts.h"

enum { TRIES_MAX = 6, HANGS_S = 900 };

struct gpu_facts {
	struct device_row d;
	struct custody_pass pass;
	const char *host, *command;
	unsigned command_timeout_ms;
	char words[256]; /* what the record says of it */
};

/* ---- what it waits for, and how long ---- */

static int wait_for(const struct flow_engine *e, const struct gpu_facts *f, struct error *err)
{
	if (!f->d.present)
		return error_set(err, ERR_UNAVAILABLE, "device %s is not on its host", f->d.address);
	if (flow_restored(e))
		return error_set(err, ERR_UNAVAILABLE,
			"the database was restored: nothing is reset before an operator says that it is "
			"over");
	return 0;
}

/* A host that is away is waited for; one that answers has to do it in so many tries. What was said last is
 * not known after a restart: then it is tried once more. */
static int give_up(const struct flow_engine *e, const struct act *act, struct error *err)
{
	const struct flow *f = act->flow;
	bool said = f->err.code == ERR_TIMEOUT || f->err.code == ERR_BUSY;

	if (f->tries >= TRIES_MAX && said) {
		error_set(err, ERR_CONFLICT, "given up after %u tries: %.160s", f->tries, f->err.msg);
		return error_detail(err, "%s", f->err.detail);
	}
	if (stray_of(e, f->subject_id) && act->now_us - act->since_us > HANGS_S * 1000000ll)
		return error_set(
			err, ERR_CONFLICT, "a call to its host has not ended for %d minutes", HANGS_S / 60);
	return 0;
}

static enum flow_verdict load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	struct gpu_facts *f = ARENA_NEW(&act->arena, struct gpu_facts);
	int64_t id = act->flow->subject_id;
	struct host_row h;
	int rc = store_device_load(ro, &act->arena, id, &f->d, err);

	act->facts = f;
	if (rc > 0)
		rc = store_custody_get(ro, &act->arena, id, &f->pass, err);
	if (rc == 0)
		error_internal(err, "device %lld is not there, or not to be reset", (long long)id);
	if (rc <= 0 || store_host_load(ro, &act->arena, f->d.host_id, &h, err))
		return FLOW_FAIL;
	f->host = h.name;
	f->command = e->cfg.gpu_verify_command ? e->cfg.gpu_verify_command : "";
	f->command_timeout_ms = e->cfg.gpu_verify_timeout_ms;
	act->host_id = f->d.host_id;
	act->clears = id;
	if (wait_for(e, f, err))
		return FLOW_WAIT;
	return give_up(e, act, err) ? FLOW_FAIL : FLOW_NEXT;
}

/* ---- reset ---- */

/* Gone since the last look: the next one says so, too. */
static int is_gone(struct error *err)
{
	if (err->code == ERR_NOT_FOUND)
		err->code = ERR_UNAVAILABLE;
	return -1;
}

static int reset_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct gpu_facts *f = act->facts;

	if (drv->device_reset(conn, f->d.address, err) == 0)
		return FLOW_NEXT;
	if (err->code == ERR_NOT_IMPLEMENTED)
		error_set(err, ERR_CONFLICT,
			"its host cannot reset devices; reset it by hand, then 'cloudctl gpu clear'");
	return is_gone(err);
}

static int reset_commit(struct flow_engine *e, struct db *db, struct act *act, enum flow_verdict *out_verdict,
	struct error *err)
{
	(void)e;
	(void)out_verdict;
	return store_custody_was_reset(db, act->flow->subject_id, act->now_us, err);
}

/* ---- verify ---- */

static int compare(const struct custody_pass *was, const struct hv_device *is, struct error *err)
{
	if (was->vendor_id != is->vendor_id || was->product_id != is->product_id)
		return error_set(err, ERR_CONFLICT, "it was %04x:%04x and is %04x:%04x after its reset",
			(unsigned)was->vendor_id, (unsigned)was->product_id, is->vendor_id, is->product_id);
	if (was->iommu_group != is->iommu_group)
		return error_set(err, ERR_CONFLICT, "it was in IOMMU group %lld and is in %d after its reset",
			(long long)was->iommu_group, is->iommu_group);
	if (was->numa_cell != is->numa_cell)
		return error_set(err, ERR_CONFLICT, "it was at cell %lld and is at cell %d after its reset",
			(long long)was->numa_cell, is->numa_cell);
	return 0;
}

static int verify_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	struct gpu_facts *f = act->facts;
	struct hv_device_seen seen;

	if (drv->device_look(conn, f->d.address, &seen, err))
		return is_gone(err);
	if (seen.user[0])
		return error_set(err, ERR_BUSY, "the device is in use by domain %s", seen.user);
	if (compare(&f->pass, &seen.device, err))
		return -1;
	snprintf(f->words, sizeof f->words, "%04x:%04x in IOMMU group %d at cell %d, in no domain",
		seen.device.vendor_id, seen.device.product_id, seen.device.iommu_group,
		seen.device.numa_cell);
	return FLOW_NEXT;
}

static int verify_commit(struct flow_engine *e, struct db *db, struct act *act,
	enum flow_verdict *out_verdict, struct error *err)
{
	const struct gpu_facts *f = act->facts;

	(void)e;
	(void)db;
	(void)err;
	if (!f->command[0])
		*out_verdict = FLOW_DONE;
	return 0;
}

static int ask_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	struct gpu_facts *f = act->facts;
	char product[16];
	const char *const args[] = { f->command, f->host, f->d.address, product, NULL };
	const struct program p = {
		.args = args, .timeout_ms = f->command_timeout_ms, .abandoned = &act->call.abandoned
	};
	struct program_end end;

	(void)drv;
	(void)conn;
	snprintf(product, sizeof product, "%04x:%04x", (unsigned)f->pass.vendor_id,
		(unsigned)f->pass.product_id);
	if (program_run(&p, &end, err))
		return -1;
	if (end.signal)
		return error_set(err, ERR_CONFLICT, "the verifying command died of signal %d: %s", end.signal,
			end.last);
	if (end.status)
		return error_set(
			err, ERR_CONFLICT, "the verifying command said no (%d): %s", end.status, end.last);
	str_copy(f->words, sizeof f->words, end.last[0] ? end.last : "the verifying command said yes");
	return FLOW_NEXT;
}

/* ---- the end ---- */

static int told(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err)
{
	const struct link *l = link_find(e, host_id);

	return capacity_host_set(e, db, host_id, l && link_placed(l), err) || waiter_room(e, db, host_id, err)
		       ? -1
		       : 0;
}

static int verified_end(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	const struct gpu_facts *f = act->facts;

	return store_custody_end(db, f->d.id, CUSTODY_CLEAN, f->words, act->now_us, err)
		       ? -1
		       : told(e, db, f->d.host_id, err);
}

static int quarantine(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	char words[sizeof why->msg + sizeof why->detail + 8];
	struct device_row d;
	int rc = store_device_load(db, &a, f->subject_id, &d, err);

	if (rc <= 0)
		return rc;
	snprintf(words, sizeof words, "%s%s%s%s", why->msg, why->detail[0] ? " (" : "", why->detail,
		why->detail[0] ? ")" : "");
	return store_custody_end(db, d.id, CUSTODY_QUARANTINED, words, engine_now(e), err)
		       ? -1
		       : told(e, db, d.host_id, err);
}

static const struct flow_step reset_steps[] = {
	{ "reset", load, reset_act, reset_commit, TASK_NONE, LINK_OPS, TIME_CALL },
	{ "verify", load, verify_act, verify_commit, TASK_NONE, LINK_OPS, TIME_CALL },
	{ "ask", load, ask_act, NULL, TASK_NONE, LINK_BULK, TIME_STAGE },
};

const struct flow_kind kind_gpu_reset = {
	.name = "gpu_reset",
	.subject = SUBJECT_DEVICE,
	.steps = reset_steps,
	.steps_n = ARRAY_LEN(reset_steps),
	.deadline_s = 365 * 24 * 3600, /* a host, or a card, may come back late */
	.end = verified_end,
	.fail = quarantine,
};
