/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/resize_wait.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/util.h"
#include "flow/server_parts.h"

/* The request, for the waiter's row: the flavor as it was when it was asked for. */
static char *pack(const struct server_move *want, const struct flow_origin *o)
{
	const struct move_flavor *f = want->flavor;
	json_t *j = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s}", "uid", f->uid,
		"name", f->name, "extra_specs", f->extra_specs ? f->extra_specs : "{}", "vcpus",
		(json_int_t)f->vcpus, "ram_mib", (json_int_t)f->ram_mib, "disk_gib", (json_int_t)f->disk_gib,
		"ephemeral_gib", (json_int_t)f->ephemeral_gib, "swap_mib", (json_int_t)f->swap_mib, "old",
		(json_int_t)want->old_flavor_id, "new", (json_int_t)want->new_flavor_id, "user", o->user_uid,
		"project", o->project_uid);
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

	json_decref(j);
	return text;
}

int resize_wait_begin(struct flow_engine *e, struct db *db, struct server *s, const struct server_move *want,
	const struct placement_request *req, const struct preempt_plan *plan, const struct flow_origin *o,
	struct error *err)
{
	CLEANUP(free_ptr) char *text = pack(want, o);
	struct waiter_wish wish = { .req = req, .plan = plan, .resize = text };

	if (!text)
		return error_internal(err, "a resize cannot be written down");
	s->task_state = TASK_RESIZE_PREP;
	s->updated_us = o->now_us;
	return store_server_save(db, s, err) ||
			       store_server_action_start(db, s->id, server_action_rule(ACTION_RESIZE)->event,
				       o->request_id, o->user_uid, o->project_uid, o->now_us, &wish.action_id,
				       err) ||
			       waiter_begin(e, db, s, &wish, o, err)
		       ? -1
		       : 0;
}

static int go(struct flow_engine *e, struct db *db, struct arena *a, struct server *s, const struct waiter *w,
	json_t *j, struct error *err)
{
	struct flow_origin o = { .request_id = w->request_id, .now_us = engine_now(e) };
	json_int_t vcpus, ram, disk, ephemeral, swap, old, new;
	struct move_flavor f;
	struct server_move want = { .kind = MOVE_RESIZE, .flavor = &f, .action_id = w->action_id };

	if (json_unpack(j, "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s}", "uid", &f.uid,
		    "name", &f.name, "extra_specs", &f.extra_specs, "vcpus", &vcpus, "ram_mib", &ram,
		    "disk_gib", &disk, "ephemeral_gib", &ephemeral, "swap_mib", &swap, "old", &old, "new",
		    &new, "user", &o.user_uid, "project", &o.project_uid))
		return error_internal(err, "a resize that waits cannot be read");
	f.vcpus = vcpus;
	f.ram_mib = ram;
	f.disk_gib = disk;
	f.ephemeral_gib = ephemeral;
	f.swap_mib = swap;
	want.old_flavor_id = old;
	want.new_flavor_id = new;
	s->task_state = TASK_NONE;
	return flow_server_move(e, db, a, s, &want, true, &o, err);
}

int resize_wait_go(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	const struct waiter *w, struct error *err)
{
	json_t *j = json_loads(w->resize, 0, NULL);
	int rc = j ? go(e, db, a, s, w, j, err) : error_internal(err, "a resize that waits cannot be read");

	json_decref(j);
	return rc;
}
