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
	if (store_server_project(ro, &act->arena, f->s.project_id, &f->project_uid, err))
		return FLOW_FAIL;
	act->host_id = f->s.host_id;
	act->size = (struct step_size) { f->s.ram_mib,
		f->s.disk_gib + f->s.ephemeral_gib + f->s.swap_mib / 1024, capacity_gpus(f->s.extra_specs) };
	act->call.owner = fair_project(f->s.project_id);
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
		server_promise_load(ro, &act->arena, &f->s, f->s.id, &f->promise, err))
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

enum flow_verdict server_drive_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	struct server_facts *f = act->facts;

	if (!f->s.config_drive)
		return FLOW_NEXT;
	if (store_server_metadata(ro, &act->arena, f->s.id, &f->metadata, &f->metadata_n, err))
		return FLOW_FAIL;
	e->cfg.loop->rng->fill(e->cfg.loop->rng->ctx, f->seed, sizeof f->seed);
	return FLOW_NEXT;
}

static int power_of(enum vm_state vm)
{
	switch (vm) {
	case VM_PAUSED:
		return POWER_PAUSED;
	case VM_SUSPENDED:
		return POWER_SUSPENDED;
	case VM_STOPPED:
	case VM_SHELVED:
	case VM_SHELVED_OFFLOADED:
		return POWER_SHUTDOWN;
	default:
		return POWER_RUNNING;
	}
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
		.forget_pass = true,
	};

	(void)e;
	return store_server_settle(db, &to, err);
}

int server_fail(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err)
{
	return store_server_fault(
		db, f->subject_id, 500, why->msg, why->detail[0] ? why->detail : NULL, engine_now(e), err);
}

int server_fail_kept(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err)
{
	(void)why;
	return store_server_task(db, f->subject_id, TASK_NONE, engine_now(e), err);
}

int server_may(const struct server *s, enum server_action action, bool is_admin, struct error *err)
{
	if (server_action_allowed(action, s->uid, s->vm_state, s->task_state, s->locked, is_admin, err))
		return -1;
	if (s->host_id)
		return 0;
	return error_set(err, ERR_CONFLICT, "Cannot '%s' instance %s: it is on no host",
		server_action_rule(action)->name, s->uid);
}

int server_start(struct flow_engine *e, struct db *db, struct server *s, const struct server_start *start,
	const struct flow_origin *origin, struct error *err)
{
	struct flow_start flow = {
		.kind = start->kind,
		.subject_id = s->id,
		.arg_id = start->arg_id,
		.action_id = start->action_id,
		.request_id = origin->request_id,
		.now_us = origin->now_us,
	};

	s->task_state = start->kind->steps[0].task;
	s->updated_us = origin->now_us;
	if (store_server_save(db, s, err) ||
		(!flow.action_id &&
			store_server_action_start(db, s->id, server_action_rule(start->action)->event,
				origin->request_id, origin->user_uid, origin->project_uid, origin->now_us,
				&flow.action_id, err)))
		return -1;
	return flow_begin(e, db, &flow, err);
}

void flow_note_event(struct flow *f, int64_t host_id, const struct hv_seen *seen)
{
	f->event_host_id = host_id;
	f->event = *seen;
}
