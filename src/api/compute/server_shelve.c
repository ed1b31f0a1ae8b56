/* SPDX-License-Identifier: Apache-2.0 */
/* shelve, shelveOffload, unshelve. */
#include "api/compute/server_act.h"
#include "api/compute/server_place.h"
#include "base/util.h"

int server_act_shelve(struct api_call *c, const struct server_act *a, struct error *err)
{
	struct server_snapshot snapshot = { .name = server_shelved_name(c->arena, a->s->name),
		.type = "snapshot" };

	if (server_action_allowed(ACTION_SHELVE, a->s->uid, a->s->vm_state, a->s->task_state, a->s->locked,
		    api_is_admin(c), err) < 0 ||
		server_snapshot_make(c, a->s, a->s->project_id, &snapshot, err) < 0)
		return -1;
	return flow_server_shelve(c->api->flows, c->db, a->s, snapshot.id, api_is_admin(c), a->origin, err);
}

int server_act_shelve_offload(struct api_call *c, const struct server_act *a, struct error *err)
{
	return flow_server_shelve_offload(c->api->flows, c->db, a->s, api_is_admin(c), a->origin, err);
}

struct unshelve_body {
	const char *zone, *host;
};

static const struct bind_field az_fields[] = {
	BIND(unshelve_body, zone, "availability_zone", BIND_STR, BIND_REQUIRED, 1, 255),
};
static const struct bind_field unshelve_fields[] = {
	BIND(unshelve_body, zone, "availability_zone", BIND_STR, BIND_NULL, 1, 255),
	BIND(unshelve_body, host, "host", BIND_STR, 0, 1, 255),
};

const struct bind_table server_unshelve_az_args = { BIND_TABLE(unshelve_body, az_fields) },
			server_unshelve_args = { BIND_TABLE(unshelve_body, unshelve_fields) };

/* It comes back to the zone that it was in, unless another is named, or (null, from 2.91) any will do. */
int server_act_unshelve(struct api_call *c, const struct server_act *a, struct error *err)
{
	const struct unshelve_body *in = a->in;
	struct server_create place = { .zone = NULL };
	struct server_unshelve want = { .zone = a->s->vm_state == VM_SHELVED_OFFLOADED ? a->s->zone : NULL };

	if (in && !json_object_size(a->args))
		return error_set(err, ERR_BAD_REQUEST, "unshelve needs null, availability_zone or host");
	if (in && (in->zone || in->host)) {
		if (server_find_place(c, in->zone, in->host, NULL, &place, err) < 0)
			return -1;
		want = (struct server_unshelve) { .zone = place.zone, .host = place.host };
	} else if (json_object_get(a->args, "availability_zone")) {
		want.zone = NULL;
	}
	return flow_server_unshelve(
		c->api->flows, c->db, c->arena, a->s, &want, api_is_admin(c), a->origin, err);
}
