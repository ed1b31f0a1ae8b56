/* SPDX-License-Identifier: Apache-2.0 */
/* resize, confirmResize, revertResize, migrate, os-migrateLive, evacuate. */
#include <string.h>

#include "api/compute/server_act.h"
#include "api/compute/server_body.h"
#include "base/util.h"
#include "flow/server_move.h"
#include "store/flavors.h"

/* --- the arguments */

struct resize_args {
	const char *flavor, *disk_config;
};

struct migrate_args {
	const char *host;
};

struct live_args {
	const char *host, *block_word; /* "auto", or */
	bool block, over_commit, force;
};

struct evacuate_args {
	const char *host, *password;
	bool shared, force;
};

static const char *const block_words[] = { "auto", NULL };

#define HOST(struct_name, flags_) BIND(struct_name, host, "host", BIND_STR, flags_, 1, 255)
#define FLAG(struct_name, member, json_name, flags_) \
	BIND(struct_name, member, json_name, BIND_BOOL, BIND_LOOSE | (flags_), 0, 0)
#define BLOCK_WORD                                                                                  \
	{                                                                                           \
		.name = "block_migration", .type = BIND_STR, .flags = BIND_REQUIRED,                \
		.offset = offsetof(struct live_args, block_word), .words = block_words, .since = 25 \
	}

static const struct bind_field resize_fields[] = {
	BIND(resize_args, flavor, "flavorRef", BIND_STR, BIND_REQUIRED | BIND_LOOSE, 1, 1024),
	{ .name = "OS-DCF:diskConfig",
		.type = BIND_STR,
		.offset = offsetof(struct resize_args, disk_config),
		.words = server_disk_configs },
};
static const struct bind_field migrate_fields[] = { HOST(migrate_args, BIND_NULL) };
static const struct bind_field live_old_fields[] = {
	HOST(live_args, BIND_REQUIRED | BIND_NULL),
	FLAG(live_args, block, "block_migration", BIND_REQUIRED),
	FLAG(live_args, over_commit, "disk_over_commit", BIND_REQUIRED),
};
static const struct bind_field live_fields[] = {
	HOST(live_args, BIND_REQUIRED | BIND_NULL),
	FLAG(live_args, block, "block_migration", BIND_REQUIRED),
	BLOCK_WORD,
	{ .name = "force",
		.type = BIND_BOOL,
		.flags = BIND_LOOSE,
		.offset = offsetof(struct live_args, force),
		.since = 30,
		.until = 67 },
};
static const struct bind_field evacuate_fields[] = {
	HOST(evacuate_args, 0),
	BIND(evacuate_args, password, "adminPass", BIND_STR, 0, 1, 255),
	{ .name = "onSharedStorage",
		.type = BIND_BOOL,
		.flags = BIND_LOOSE | BIND_REQUIRED,
		.offset = offsetof(struct evacuate_args, shared),
		.until = 13 },
	{ .name = "force",
		.type = BIND_BOOL,
		.flags = BIND_LOOSE,
		.offset = offsetof(struct evacuate_args, force),
		.since = 29,
		.until = 67 },
};

#undef HOST
#undef FLAG
#undef BLOCK_WORD

const struct bind_table server_resize_args = { BIND_TABLE(resize_args, resize_fields) },
			server_migrate_args = { BIND_TABLE(migrate_args, migrate_fields) },
			server_live_old_args = { BIND_TABLE(live_args, live_old_fields) },
			server_live_args = { BIND_TABLE(live_args, live_fields) },
			server_evacuate_args = { BIND_TABLE(evacuate_args, evacuate_fields) };

/* --- what they refer to */

/* The row of the flavor that the server has, if it is there still. */
static int old_flavor(struct api_call *c, const struct server *s, int64_t *out, struct error *err)
{
	struct flavor f;

	*out = 0;
	if (store_flavor_get(c->db, c->arena, 0, s->flavor_uid, &f, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	*out = f.id;
	return 0;
}

static int find_flavor(
	struct api_call *c, const char *ref, struct move_flavor *out, int64_t *out_id, struct error *err)
{
	const char *slash = strrchr(ref, '/'); /* a link is as good as an id */
	struct flavor_wants wants = { .gpus_n = 0 };
	struct flavor f;

	if (store_flavor_get(c->db, c->arena, compute_scope(c), slash ? slash + 1 : ref, &f, err) < 0)
		return err->code == ERR_NOT_FOUND
			       ? error_set(err, ERR_BAD_REQUEST, "Flavor %.128s could not be found.", ref)
			       : -1;
	if (f.disabled)
		return error_set(err, ERR_BAD_REQUEST, "Flavor %.128s is disabled.", ref);
	*out = (struct move_flavor) {
		.uid = f.uid,
		.name = f.name,
		.vcpus = f.vcpus,
		.ram_mib = f.ram_mib,
		.disk_gib = f.disk_gib,
		.ephemeral_gib = f.ephemeral_gib,
		.swap_mib = f.swap_mib,
	};
	*out_id = f.id;
	return server_flavor_specs(c, &f, &wants, &out->extra_specs, err);
}

static int find_host(struct api_call *c, const char *name, const char **out, struct error *err)
{
	int rc;

	*out = NULL;
	if (!name)
		return 0;
	rc = store_ref_host(c->db, c->arena, name, out, NULL, err);
	if (rc == 0)
		return error_set(err, ERR_BAD_REQUEST, "Compute host %.64s could not be found.", name);
	return rc < 0 ? -1 : 0;
}

/* --- the actions */

static int move(struct api_call *c, const struct server_act *a, struct server_move *want, struct error *err)
{
	if (old_flavor(c, a->s, &want->old_flavor_id, err) < 0)
		return -1;
	if (!want->new_flavor_id)
		want->new_flavor_id = want->old_flavor_id;
	return flow_server_move(c->api->flows, c->db, c->arena, a->s, want, api_is_admin(c), a->origin, err);
}

int server_act_resize(struct api_call *c, const struct server_act *a, struct error *err)
{
	const struct resize_args *in = a->in;
	struct move_flavor flavor;
	struct server_move want = { .kind = MOVE_RESIZE, .flavor = &flavor };

	if (find_flavor(c, in->flavor, &flavor, &want.new_flavor_id, err) < 0)
		return -1;
	if (in->disk_config) {
		a->s->disk_config = in->disk_config;
		a->s->updated_us = c->now_us;
		if (store_server_edit(c->db, a->s, err) < 0)
			return -1;
	}
	return move(c, a, &want, err);
}

int server_act_confirm_resize(struct api_call *c, const struct server_act *a, struct error *err)
{
	c->status = 204;
	return flow_server_confirm(c->api->flows, c->db, c->arena, a->s, api_is_admin(c), a->origin, err);
}

int server_act_revert_resize(struct api_call *c, const struct server_act *a, struct error *err)
{
	return flow_server_revert(c->api->flows, c->db, c->arena, a->s, api_is_admin(c), a->origin, err);
}

int server_act_migrate(struct api_call *c, const struct server_act *a, struct error *err)
{
	const struct migrate_args *in = a->in;
	struct server_move want = { .kind = MOVE_COLD };

	if (since(c, 56) && in && find_host(c, in->host, &want.host, err) < 0)
		return -1;
	return move(c, a, &want, err);
}

/* Disks are local, so they move with the guest: asking for a move without them cannot be met. */
int server_act_migrate_live(struct api_call *c, const struct server_act *a, struct error *err)
{
	const struct live_args *in = a->in;
	struct server_move want = { .kind = MOVE_LIVE };

	if (server_action_allowed(ACTION_MIGRATE_LIVE, a->s->uid, a->s->vm_state, a->s->task_state,
		    a->s->locked, api_is_admin(c), err) < 0)
		return -1;
	if (!in->block && !in->block_word)
		return error_set(err, ERR_BAD_REQUEST,
			"block_migration: disks are local in this cloud, so a live migration moves them: "
			"say true%s",
			since(c, 25) ? " or auto" : "");
	if (find_host(c, in->host, &want.host, err) < 0)
		return -1;
	return move(c, a, &want, err);
}

int server_act_evacuate(struct api_call *c, const struct server_act *a, struct error *err)
{
	const struct evacuate_args *in = a->in;
	struct server_move want = { .kind = MOVE_EVACUATION, .admin_pass = in->password };

	if (in->shared)
		return error_set(err, ERR_BAD_REQUEST,
			"onSharedStorage: disks are local in this cloud, and lost with their host");
	if (!want.admin_pass)
		want.admin_pass = server_random_password(c);
	if (find_host(c, in->host, &want.host, err) < 0 || move(c, a, &want, err) < 0)
		return -1;
	c->status = 200;
	if (since(c, 14))
		return 0;
	jw_object(&c->out);
	jw_kv_str(&c->out, "adminPass", want.admin_pass);
	jw_end_object(&c->out);
	return 0;
}
