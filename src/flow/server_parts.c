/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/server_parts.h"

#include <string.h>

#include "base/util.h"
#include "store/allocations.h"
#include "store/server_power.h"

enum flow_verdict server_load_row(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	struct server_facts *f = ARENA_NEW(&act->arena, struct server_facts);

	act->facts = f;
	f->cloud_id = e->cfg.cloud_id;
	if (store_server_load(ro, &act->arena, act->flow->subject_id, &f->s, err))
		return FLOW_FAIL;
	act->host_id = f->s.host_id;
	act->want_delete = f->s.want_delete || f->s.deleted_us;
	f->late = act->now_us - act->since_us >= (int64_t)e->cfg.stop_timeout_ms * 1000;
	return FLOW_NEXT;
}

enum flow_verdict server_load_domain(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	struct server_facts *f;

	if (server_load_row(e, ro, act, err) != FLOW_NEXT)
		return FLOW_FAIL;
	f = act->facts;
	if (store_server_port_list(ro, &act->arena, f->s.id, &f->ports, &f->ports_n, err) ||
		(capacity_gpus(f->s.extra_specs) &&
			store_allocation_addresses(ro, &act->arena, f->s.id, &f->gpus, &f->gpus_n, err)) ||
		store_server_project(ro, &act->arena, f->s.project_id, &f->project_uid, err))
		return FLOW_FAIL;
	return FLOW_NEXT;
}

enum flow_verdict server_image_wait(struct db *ro, struct act *act, int64_t image_id, struct error *err)
{
	struct server_facts *f = act->facts;
	int rc;

	if (!image_id)
		return FLOW_NEXT;
	rc = store_host_image_find(ro, &act->arena, f->s.host_id, image_id, &f->image, err);
	if (rc < 0)
		return FLOW_FAIL;
	if (rc == 0) {
		error_set(err, ERR_NOT_FOUND, "the image is gone from the host");
		return FLOW_FAIL;
	}
	f->has_image = true;
	if (strcmp(f->image.state, "ready") == 0)
		return FLOW_NEXT;
	if (strcmp(f->image.state, "error") == 0) {
		error_set(err, ERR_INTERNAL, "the image could not be copied to the host");
		error_detail(err, "%s", f->image.error ? f->image.error : "");
		return FLOW_FAIL;
	}
	act->wait_for = f->image.id;
	return FLOW_PARK;
}

const char *server_usage_state(enum vm_state vm)
{
	switch (vm) {
	case VM_BUILDING:
		return "building";
	case VM_PAUSED:
		return "paused";
	case VM_STOPPED:
		return "stopped";
	case VM_ERROR:
		return "error";
	default:
		return "active";
	}
}

static int power_of(enum vm_state vm)
{
	return vm == VM_PAUSED ? POWER_PAUSED : vm == VM_STOPPED ? POWER_SHUTDOWN : POWER_RUNNING;
}

int server_settle(struct flow_engine *e, struct db *db, struct act *act, enum vm_state vm, struct error *err)
{
	const struct server_facts *f = act->facts;
	struct server_settled to = {
		.id = f->s.id,
		.vm_state = vm,
		.power_state = power_of(vm),
		.seen_epoch = act->link_epoch,
		.now_us = act->now_us,
		.launched = vm == VM_ACTIVE,
		.forget_pass = vm == VM_ACTIVE,
	};

	(void)e;
	if (store_server_settle(db, &to, err))
		return -1;
	return store_usage_switch(
		db, &f->s, server_usage_state(vm), capacity_gpus(f->s.extra_specs), act->now_us, err);
}

int server_fail(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t now_us = engine_now(e);
	struct server s;

	if (store_server_load(db, &a, f->subject_id, &s, err))
		return -1;
	if (store_server_fault(db, s.id, 500, why->msg, why->detail[0] ? why->detail : NULL, now_us, err))
		return -1;
	return store_usage_switch(db, &s, "error", capacity_gpus(s.extra_specs), now_us, err);
}

void flow_note_event(struct flow *f, int64_t host_id, const struct hv_seen *seen)
{
	f->event_host_id = host_id;
	f->event = *seen;
}
