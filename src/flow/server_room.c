/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/server_room.h"

#include "base/util.h"
#include "domain/flavor.h"
#include "flow/claims.h"
#include "flow/move.h"
#include "flow/server_groups.h"
#include "flow/server_parts.h"

enum { GIB_SHIFT = 30 };

/* ---- what it asks for ---- */

/* With a disk that is made of that image. */
static int request_of(struct db *db, struct arena *a, const struct server *s, int64_t image_id,
	struct placement_request *out, struct error *err)
{
	struct flavor_wants *wants = ARENA_NEW(a, struct flavor_wants); /* the request points into it */
	struct image_facts image = { .virtual_size = 0 };
	int64_t disk_gib = s->disk_gib, *avoid;

	if (capacity_wants(s->extra_specs, wants, err) ||
		(image_id && store_image_facts(db, a, image_id, &image, err) < 0))
		return -1;
	if (!disk_gib)
		disk_gib = (image.virtual_size + (1ll << GIB_SHIFT) - 1) >> GIB_SHIFT;
	capacity_request(a, wants, s->vcpus, s->ram_mib, disk_gib + server_blanks_gib(s), out);
	if (leftover_avoid(db, a, s->id, &avoid, &out->avoid_n, err))
		return -1;
	out->avoid = avoid;
	return server_rules_request(db, a, s->id, wants, out, err) ||
			       server_rules_zones(db, a, s->project_id, out, err)
		       ? -1
		       : 0;
}

int server_create_request(struct db *db, struct arena *a, const struct server *s,
	struct placement_request *out, struct error *err)
{
	return request_of(db, a, s, s->image_id, out, err);
}

int server_unshelve_request(struct db *db, struct arena *a, const struct server *s,
	struct placement_request *out, struct error *err)
{
	return request_of(db, a, s, s->shelved_image_id, out, err);
}

/* ---- what follows ---- */

static int begin(struct flow_engine *e, struct db *db, struct arena *a, const struct server *s,
	const struct server_room *r, const struct flow_kind *kind, struct error *err)
{
	if (s->root_image_id &&
		image_stage_ensure(e, db, a, s->host_id, s->root_image_id, r->request_id, r->now_us, err))
		return -1;
	return flow_begin(e, db,
		&(struct flow_start) { .kind = kind,
			.subject_id = s->id,
			.action_id = r->action_id,
			.request_id = r->request_id,
			.now_us = r->now_us },
		err);
}

int server_create_begin(struct flow_engine *e, struct db *db, struct arena *a, const struct server *s,
	const struct server_room *r, struct error *err)
{
	if (claim_take(e, db, a, s->id, s->id, r->req, r->choice, err))
		return -1;
	return begin(e, db, a, s, r, &kind_server_create, err);
}

static void move_in(struct flow_engine *e, struct arena *a, struct server *s, const struct server_room *r,
	const struct flow_kind *kind)
{
	const struct link *l = link_find(e, r->choice->host_id);

	s->host_id = r->choice->host_id;
	if (l)
		s->zone = arena_strdup(a, link_zone(l));
	s->task_state = kind->steps[0].task;
	s->updated_us = r->now_us;
}

int server_create_go(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	const struct server_room *r, struct error *err)
{
	move_in(e, a, s, r, &kind_server_create);
	return store_server_save(db, s, err) || server_create_begin(e, db, a, s, r, err) ? -1 : 0;
}

int server_unshelve_go(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	const struct server_room *r, struct error *err)
{
	move_in(e, a, s, r, &kind_server_unshelve);
	s->root_image_id = s->shelved_image_id;
	if (store_server_save(db, s, err) || claim_take(e, db, a, s->id, s->id, r->req, r->choice, err))
		return -1;
	return begin(e, db, a, s, r, &kind_server_unshelve, err);
}
