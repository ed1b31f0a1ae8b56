/* SPDX-License-Identifier: Apache-2.0 */
/* POST /servers: the body against its table, what it refers to against the rows, then one call to the flow
 * room. What cannot be given here is refused by name, never dropped. */
#include <stdlib.h>
#include <string.h>

#include "api/compute/server_body.h"
#include "api/compute/server_create_body.h"
#include "api/compute/server_place.h"
#include "base/crypto.h"
#include "base/util.h"
#include "domain/flavor.h"
#include "domain/names.h"
#include "store/flavors.h"
#include "store/keypairs.h"
#include "store/server_refs.h"

struct create {
	struct api_call *c;
	struct server_create_args in;
	struct server_create want;
	struct flavor flavor;
	struct flavor_wants wants;
	struct server_image_ref image;
	int64_t project_id;
};

/* --- what has no place here */

static int read_hints(struct create *k, struct error *err)
{
	static const struct server_hints_body none = { 0 };
	const struct server_create_body *in = k->c->in;
	const struct server_hints_body *hints = in->hints ? in->hints : in->hints_older;

	return server_find_hints(k->c, k->project_id, hints ? hints : &none, &k->want, err);
}

/* The one form that says nothing new: boot from a local disk made of imageRef. */
static int check_block_device(
	const struct server_create_args *in, const struct server_device_body *d, struct error *err)
{
	if (in->image && str_eq(d->uuid, in->image) && str_eq(d->source, "image") &&
		str_eq(d->destination, "local") && d->delete_on_termination && d->boot_index == 0 &&
		!d->other)
		return 0;
	return error_set(err, ERR_BAD_REQUEST,
		"block_device_mapping_v2: this cloud supports only the image of imageRef as local disk with "
		"boot_index 0");
}

static int refuse_parts(const struct server_create_args *in, struct error *err)
{
	const struct server_group_name *groups = in->groups.items;

	if (in->bdm && json_array_size(in->bdm))
		return error_set(err, ERR_BAD_REQUEST,
			"block_device_mapping: this cloud has no volumes; boot from imageRef");
	if (in->devices.n > 1)
		return error_set(err, ERR_BAD_REQUEST,
			"block_device_mapping_v2: this cloud supports one device, the image's local disk");
	if (in->devices.n && check_block_device(in, in->devices.items, err) < 0)
		return -1;
	if (in->personality && json_array_size(in->personality))
		return error_set(err, ERR_BAD_REQUEST,
			"personality: files are not injected by this cloud; use user_data");
	if (in->certificates && json_array_size(in->certificates))
		return error_set(err, ERR_BAD_REQUEST,
			"trusted_image_certificates: image signatures are not checked by this cloud");
	for (size_t i = 0; i < in->groups.n; i++)
		if (strcmp(groups[i].name, "default") != 0)
			return error_set(
				err, ERR_BAD_REQUEST, "Security group %.64s not found.", groups[i].name);
	return 0;
}

/* --- plain values */

static int check_counts(struct server_create_args *in, struct error *err)
{
	if (!in->max_count)
		in->max_count = in->min_count;
	if (in->min_count > in->max_count)
		return error_set(err, ERR_BAD_REQUEST, "min_count must be <= max_count");
	return 0;
}

static int check_values(struct server_create_args *in, struct error *err)
{
	if (name_check(NAME_SERVER, in->name, err) < 0 ||
		(in->description && name_check(NAME_DESCRIPTION, in->description, err) < 0) ||
		(in->access_ipv4 && server_check_address("accessIPv4", in->access_ipv4, false, err) < 0) ||
		(in->access_ipv6 && server_check_address("accessIPv6", in->access_ipv6, true, err) < 0) ||
		(in->user_data && server_check_user_data(in->user_data, err) < 0) ||
		check_counts(in, err) < 0)
		return -1;
	if (in->hostname && !hostname_valid(in->hostname))
		return error_set(err, ERR_BAD_REQUEST,
			"server.hostname must be letters, digits and '-', at most 63 characters");
	return 0;
}

/* --- what the request refers to */

static int find_flavor(struct create *k, struct error *err)
{
	struct api_call *c = k->c;
	const char *slash = strrchr(k->in.flavor, '/'); /* a link is as good as an id */

	if (store_flavor_get(
		    c->db, c->arena, compute_scope(c), slash ? slash + 1 : k->in.flavor, &k->flavor, err) < 0)
		return err->code == ERR_NOT_FOUND ? error_set(err, ERR_BAD_REQUEST,
							    "Flavor %.128s could not be found.", k->in.flavor)
						  : -1;
	return server_flavor_specs(c, &k->flavor, &k->wants, &k->want.base.extra_specs, err);
}

static int find_image(struct create *k, struct error *err)
{
	const struct flavor *f = &k->flavor;

	if (!k->in.image || !*k->in.image)
		return error_set(
			err, ERR_BAD_REQUEST, "imageRef is required: this cloud has no volumes to boot from");
	return server_find_image(k->c, k->project_id, k->in.image, f->ram_mib, f->disk_gib, &k->image, err);
}

static int find_key(struct create *k, struct error *err)
{
	struct keypair key;

	if (!k->in.key_name)
		return 0;
	if (store_keypair_get(k->c->db, k->c->arena, k->c->who->user.id, k->in.key_name, &key, err) < 0)
		return err->code == ERR_NOT_FOUND
			       ? error_set(err, ERR_BAD_REQUEST, "Invalid key_name provided.")
			       : -1;
	k->want.base.key_name = key.name;
	k->want.base.key_type = key.type;
	k->want.base.key_public = key.public_key;
	return 0;
}

/* --- made here */

static void fill_base(struct create *k)
{
	static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	const struct server_create_args *in = &k->in;
	const struct flavor *f = &k->flavor;
	struct server *s = &k->want.base;

	s->project_id = k->project_id;
	s->user_uid = k->c->who->user.uid ? k->c->who->user.uid : "";
	s->name = in->name;
	s->description = in->description;
	s->hostname = in->hostname;
	s->flavor_uid = f->uid;
	s->flavor_name = f->name;
	s->vcpus = f->vcpus;
	s->ram_mib = f->ram_mib;
	s->disk_gib = f->disk_gib;
	s->ephemeral_gib = f->ephemeral_gib;
	s->swap_mib = f->swap_mib;
	s->image_id = k->image.id;
	s->user_data = in->user_data && *in->user_data ? in->user_data : NULL;
	s->config_drive = in->config_drive || k->c->api->config.force_config_drive;
	s->admin_pass = in->admin_pass ? in->admin_pass : server_random_password(k->c);
	s->zone = k->want.zone ? k->want.zone : "";
	s->access_ipv4 = in->access_ipv4 ? in->access_ipv4 : "";
	s->access_ipv6 = in->access_ipv6 ? server_address_text(k->c->arena, in->access_ipv6) : "";
	s->disk_config = in->disk_config ? in->disk_config : "MANUAL";
	s->reservation_id = server_random_text(k->c, "r-", lower, 8);
	s->created_us = s->updated_us = k->c->now_us;
}

/* How many of min_count to max_count the limits allow. */
static int settle_count(struct create *k, struct error *err)
{
	int64_t room = k->in.min_count;

	if (k->in.max_count > k->in.min_count &&
		flow_server_room(k->c->api->flows, k->c->db, &k->want, k->in.max_count, &room, err) < 0)
		return -1;
	k->want.count = (int)(room > k->in.min_count ? room : k->in.min_count);
	k->want.numbered = k->in.max_count > 1;
	return 0;
}

/* --- the request */

static void reply(const struct create *k, const char *uid)
{
	struct api_call *c = k->c;
	struct buf *b = &c->out;

	c->status = 202;
	jw_object(b);
	if (k->in.return_reservation) {
		jw_kv_str(b, "reservation_id", k->want.base.reservation_id);
		jw_end_object(b);
		return;
	}
	api_header(c, "Location", api_url(c, "/compute/v2.1/servers/%s", uid));
	jw_key(b, "server");
	jw_object(b);
	jw_kv_str(b, "id", uid);
	compute_links(c, "servers", uid);
	jw_kv_str(b, "OS-DCF:diskConfig", k->want.base.disk_config);
	jw_kv_str(b, "adminPass", k->want.base.admin_pass);
	jw_key(b, "security_groups");
	jw_array(b);
	jw_object(b);
	jw_kv_str(b, "name", "default");
	jw_end_object(b);
	jw_end_array(b);
	jw_end_object(b);
	jw_end_object(b);
}

static int read_request(struct create *k, struct error *err)
{
	struct api_call *c = k->c;
	const struct server_create_args *in = &k->in;
	const char **tags = NULL;

	if (read_hints(k, err) < 0 || check_values(&k->in, err) < 0 || refuse_parts(in, err) < 0)
		return -1;
	if (in->tags && server_read_tags(c, in->tags, &tags, &k->want.tags_n, err) < 0)
		return -1;
	k->want.tags = tags;
	if (in->metadata &&
		server_read_metadata(c, in->metadata, &k->want.metadata, &k->want.metadata_n, err) < 0)
		return -1;
	return server_check_metadata_count(c, k->project_id, k->want.metadata_n, err);
}

int compute_server_create(struct api_call *c, struct error *err)
{
	const struct server_create_body *body = c->in;
	struct create k = { .c = c, .in = *body->server, .project_id = c->who->project.id };
	struct flow_origin origin = compute_origin(c);
	const char **uids;

	if (!k.project_id)
		return error_set(err, ERR_FORBIDDEN,
			"A server belongs to a project: the token must be scoped to one.");
	if (read_request(&k, err) < 0 || find_flavor(&k, err) < 0 || find_image(&k, err) < 0 ||
		find_key(&k, err) < 0 ||
		server_find_place(c, k.in.zone, k.in.host, k.in.hypervisor, &k.want, err) < 0 ||
		server_find_networks(c, k.project_id, &k.in, &k.want, err) < 0)
		return -1;
	fill_base(&k);
	if (settle_count(&k, err) < 0 ||
		flow_server_create(c->api->flows, c->db, c->arena, &k.want, &origin, &uids, err) < 0)
		return -1;
	c->target = uids[0];
	reply(&k, uids[0]);
	return 0;
}
