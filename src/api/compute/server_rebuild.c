/* SPDX-License-Identifier: Apache-2.0 */
/* rebuild, rescue, unrescue. */
#include <string.h>

#include "api/compute/server_act.h"
#include "api/compute/server_body.h"
#include "api/compute/server_view.h"
#include "base/util.h"
#include "domain/names.h"
#include "store/host_images.h"
#include "store/keypairs.h"

/* --- rebuild */

struct rebuild_body {
	const char *image, *name, *admin_pass, *access_ipv4, *access_ipv6, *disk_config, *description,
		*key_name, *user_data, *hostname;
	json_t *metadata, *personality, *certificates;
	bool preserve_ephemeral;
};

#define AT(member) .offset = offsetof(struct rebuild_body, member)
#define TEXT(member, json_name, flags_, lo, hi) \
	BIND(rebuild_body, member, json_name, BIND_STR, flags_, lo, hi)

static const struct bind_field rebuild_fields[] = {
	/* clang-format off */
	TEXT(image, "imageRef", BIND_REQUIRED, 1, 255),
	TEXT(name, "name", 0, 1, 255),
	TEXT(admin_pass, "adminPass", 0, 1, 255),
	TEXT(access_ipv4, "accessIPv4", 0, 0, 0),
	TEXT(access_ipv6, "accessIPv6", 0, 0, 0),
	{ .name = "OS-DCF:diskConfig", .type = BIND_STR, AT(disk_config), .words = server_disk_configs },
	{ .name = "metadata", .type = BIND_OBJ, AT(metadata), .flags = BIND_JSON, .table = &server_metadata_table },
	BIND(rebuild_body, preserve_ephemeral, "preserve_ephemeral", BIND_BOOL, BIND_LOOSE, 0, 0),
	{ .name = "personality", .type = BIND_ARR, AT(personality), .until = 56 },
	{ .name = "description", .type = BIND_STR, AT(description), .flags = BIND_NULL, .max = 255, .since = 19 },
	{ .name = "key_name", .type = BIND_STR, AT(key_name), .flags = BIND_NULL, .min = 1, .max = 255, .since = 54 },
	{ .name = "user_data", .type = BIND_STR, AT(user_data), .flags = BIND_NULL, .max = SERVER_USER_DATA_MAX,
		.since = 57 },
	{ .name = "trusted_image_certificates", .type = BIND_ARR, AT(certificates), .flags = BIND_NULL,
		.since = 63 },
	{ .name = "hostname", .type = BIND_STR, AT(hostname), .min = 1, .max = 63, .since = 90 },
	/* clang-format on */
};

#undef AT
#undef TEXT

const struct bind_table server_rebuild_args = { BIND_TABLE(rebuild_body, rebuild_fields) };

static int check_parts(const struct rebuild_body *in, struct error *err)
{
	if (in->preserve_ephemeral)
		return error_set(err, ERR_BAD_REQUEST,
			"preserve_ephemeral: a rebuild makes all disks anew in this cloud");
	if (in->personality && json_array_size(in->personality))
		return error_set(err, ERR_BAD_REQUEST,
			"personality: files are not injected by this cloud; use user_data");
	if (in->certificates && json_array_size(in->certificates))
		return error_set(err, ERR_BAD_REQUEST,
			"trusted_image_certificates: image signatures are not checked by this cloud");
	return 0;
}

static int check_values(const struct rebuild_body *in, struct error *err)
{
	if ((in->name && name_check(NAME_SERVER, in->name, err) < 0) ||
		(in->description && name_check(NAME_DESCRIPTION, in->description, err) < 0) ||
		(in->access_ipv4 && server_check_address("accessIPv4", in->access_ipv4, false, err) < 0) ||
		(in->access_ipv6 && server_check_address("accessIPv6", in->access_ipv6, true, err) < 0) ||
		(in->user_data && server_check_user_data(in->user_data, err) < 0))
		return -1;
	if (in->hostname && !hostname_valid(in->hostname))
		return error_set(err, ERR_BAD_REQUEST,
			"rebuild.hostname must be letters, digits and '-', at most 63 characters");
	return check_parts(in, err);
}

/* Given as null: it has none any more. */
static bool given(const struct server_act *a, const char *key)
{
	return json_object_get(a->args, key) != NULL;
}

static int set_key(struct api_call *c, struct server *s, const char *name, struct error *err)
{
	struct keypair key = { .name = NULL };

	if (name && store_keypair_get(c->db, c->arena, c->who->user.id, name, &key, err) < 0)
		return err->code == ERR_NOT_FOUND
			       ? error_set(err, ERR_BAD_REQUEST, "Invalid key_name provided.")
			       : -1;
	s->key_name = key.name;
	s->key_type = key.type;
	s->key_public = key.public_key;
	return 0;
}

static int apply(struct api_call *c, const struct server_act *a, const char *password, struct error *err)
{
	const struct rebuild_body *in = a->in;
	struct server *s = a->s;

	s->name = in->name ? in->name : s->name;
	s->access_ipv4 = in->access_ipv4 ? in->access_ipv4 : s->access_ipv4;
	if (in->access_ipv6)
		s->access_ipv6 = server_address_text(c->arena, in->access_ipv6);
	s->disk_config = in->disk_config ? in->disk_config : s->disk_config;
	s->hostname = in->hostname ? in->hostname : s->hostname;
	s->admin_pass = s->config_drive ? password : NULL;
	if (given(a, "description"))
		s->description = in->description;
	if (given(a, "user_data"))
		s->user_data = in->user_data && *in->user_data ? in->user_data : NULL;
	return given(a, "key_name") ? set_key(c, s, in->key_name, err) : 0;
}

static int reply(struct api_call *c, const char *password, struct error *err)
{
	struct server_row row;

	if (store_server_row(c->db, c->arena, compute_scope(c), c->target, true, &row, err) < 0)
		return -1;
	row.s.admin_pass = password;
	api_header(c, "Location", api_url(c, "/compute/v2.1/servers/%s", row.s.uid));
	jw_object(&c->out);
	jw_key(&c->out, "server");
	if (server_view(c, &row, SERVER_VIEW_REBUILD, err) < 0)
		return -1;
	jw_end_object(&c->out);
	return 0;
}

int server_act_rebuild(struct api_call *c, const struct server_act *a, struct error *err)
{
	const struct rebuild_body *in = a->in;
	const char *password = in->admin_pass ? in->admin_pass : server_random_password(c);
	struct server_rebuild want = { .metadata = NULL };
	struct server_image_ref image;
	struct server_pair *pairs;

	if (check_values(in, err) < 0 || server_find_image(c, a->s->project_id, in->image, a->s->ram_mib,
						 a->s->disk_gib, &image, err) < 0)
		return -1;
	want.image_id = image.id;
	if (in->metadata) {
		if (server_read_metadata(c, in->metadata, &pairs, &want.metadata_n, err) < 0 ||
			server_check_metadata_count(c, a->s->project_id, want.metadata_n, err) < 0)
			return -1;
		want.metadata = pairs;
	}
	if (apply(c, a, password, err) < 0 ||
		flow_server_rebuild(c->api->flows, c->db, a->s, &want, api_is_admin(c), a->origin, err) < 0)
		return -1;
	return reply(c, password, err);
}

/* --- rescue */

struct rescue_body {
	const char *admin_pass, *image;
};

static const struct bind_field rescue_fields[] = {
	BIND(rescue_body, admin_pass, "adminPass", BIND_STR, 0, 1, 255),
	BIND(rescue_body, image, "rescue_image_ref", BIND_STR, 0, 1, 255),
};

const struct bind_table server_rescue_args = { BIND_TABLE(rescue_body, rescue_fields) };

/* The server's own image serves as well, as long as it is there, or its copy on the host is. */
static int own_image(struct api_call *c, const struct server *s, int64_t *out, struct error *err)
{
	struct host_image_row copy;
	struct image_facts facts;
	int rc = s->image_id ? store_image_facts(c->db, c->arena, s->image_id, &facts, err) : 0;

	if (rc < 0)
		return -1;
	*out = s->image_id;
	if (rc && !facts.deleted && str_eq(facts.status, "active"))
		return 0;
	rc = rc ? store_host_image_find(c->db, c->arena, s->host_id, s->image_id, &copy, err) : 0;
	if (rc < 0)
		return -1;
	if (rc && str_eq(copy.state, "ready"))
		return 0;
	return error_set(err, ERR_BAD_REQUEST,
		"The image of instance %s is not there any more: name one by rescue_image_ref", s->uid);
}

int server_act_rescue(struct api_call *c, const struct server_act *a, struct error *err)
{
	const struct rescue_body none = { .image = NULL }, *in = a->in ? a->in : &none;
	const char *password = in->admin_pass ? in->admin_pass : server_random_password(c);
	struct server_image_ref image;

	if (server_action_allowed(ACTION_RESCUE, a->s->uid, a->s->vm_state, a->s->task_state, a->s->locked,
		    api_is_admin(c), err) < 0)
		return -1;
	if (in->image ? server_find_image(c, a->s->project_id, in->image, a->s->ram_mib, 0, &image, err) < 0
		      : own_image(c, a->s, &image.id, err) < 0)
		return -1;
	a->s->admin_pass = a->s->config_drive ? password : NULL;
	if (flow_server_rescue(c->api->flows, c->db, a->s, image.id, api_is_admin(c), a->origin, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_kv_str(&c->out, "adminPass", password);
	jw_end_object(&c->out);
	return 0;
}

int server_act_unrescue(struct api_call *c, const struct server_act *a, struct error *err)
{
	return flow_server_unrescue(c->api->flows, c->db, a->s, api_is_admin(c), a->origin, err);
}
