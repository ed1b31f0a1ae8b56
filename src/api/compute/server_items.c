/* SPDX-License-Identifier: Apache-2.0 */
/* What hangs on a server: metadata and tags, addresses, and the empty lists of what is not there. */
#include <string.h>

#include "api/compute/server_body.h"
#include "api/compute/server_view.h"
#include "base/util.h"
#include "domain/ipam.h"
#include "domain/names.h"
#include "store/server_ports.h"

/* --- metadata */

static int metadata_reply(struct api_call *c, int64_t server_id, struct error *err)
{
	struct server_pair *pairs;
	size_t n;

	if (store_server_metadata(c->db, c->arena, server_id, &pairs, &n, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "metadata");
	jw_object(&c->out);
	for (size_t i = 0; i < n; i++)
		jw_kv_str(&c->out, pairs[i].key, pairs[i].value);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

static int meta_reply(struct api_call *c, const char *key, const char *value)
{
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "meta");
	jw_object(&c->out);
	jw_kv_str(&c->out, key, value);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* A lock keeps others than administrators from changing what guests see. */
static int load_unlocked(struct api_call *c, struct server *s, struct error *err)
{
	if (compute_server_load(c, s, err) < 0)
		return -1;
	if (s->locked && !api_is_admin(c))
		return error_set(err, ERR_CONFLICT, "Instance %s is locked", s->uid);
	return 0;
}

/* Writes pairs, checks the limit on what came of it, and answers. */
static int metadata_write(struct api_call *c, const struct server *s, const struct server_pair *pairs,
	size_t n, bool replace, struct error *err)
{
	struct server_pair *now;
	size_t now_n;

	if (store_server_metadata_set(c->db, s->id, pairs, n, replace, err) < 0 ||
		store_server_touch(c->db, s->id, c->now_us, err) < 0 ||
		store_server_metadata(c->db, c->arena, s->id, &now, &now_n, err) < 0)
		return -1;
	return server_check_metadata_count(c, s->project_id, now_n, err);
}

int compute_server_metadata_list(struct api_call *c, struct error *err)
{
	struct server_row r;

	return compute_server_row(c, &r, err) < 0 ? -1 : metadata_reply(c, r.s.id, err);
}

struct metadata_body {
	json_t *map;
};

static const struct bind_field metadata_fields[] = {
	{ .name = "metadata",
		.type = BIND_OBJ,
		.flags = BIND_REQUIRED | BIND_JSON,
		.table = &server_metadata_table },
};

/* One key, the path's. */
static const struct bind_field meta_fields[] = {
	{ .name = "meta",
		.type = BIND_OBJ,
		.flags = BIND_REQUIRED | BIND_JSON,
		.min = 1,
		.max = 1,
		.table = &server_metadata_table },
};

const struct bind_table compute_metadata_body = { BIND_TABLE(metadata_body, metadata_fields) },
			compute_meta_body = { BIND_TABLE(metadata_body, meta_fields) };

static int metadata_put(struct api_call *c, bool replace, struct error *err)
{
	const struct metadata_body *in = c->in;
	struct server_pair *pairs;
	struct server s;
	size_t n;

	if (server_read_metadata(c, in->map, &pairs, &n, err) < 0 || load_unlocked(c, &s, err) < 0 ||
		metadata_write(c, &s, pairs, n, replace, err) < 0)
		return -1;
	return metadata_reply(c, s.id, err);
}

int compute_server_metadata_merge(struct api_call *c, struct error *err)
{
	return metadata_put(c, false, err);
}

int compute_server_metadata_replace(struct api_call *c, struct error *err)
{
	return metadata_put(c, true, err);
}

int compute_server_meta_show(struct api_call *c, struct error *err)
{
	const char *key = api_param(c, "key");
	struct server_pair *pairs;
	struct server_row r;
	size_t n;

	if (compute_server_row(c, &r, err) < 0 ||
		store_server_metadata(c->db, c->arena, r.s.id, &pairs, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (strcmp(pairs[i].key, key) == 0)
			return meta_reply(c, key, pairs[i].value);
	return error_set(err, ERR_NOT_FOUND, "Metadata item was not found");
}

int compute_server_meta_set(struct api_call *c, struct error *err)
{
	const struct metadata_body *in = c->in;
	struct server_pair *pairs;
	struct server s;
	size_t n;

	if (server_read_metadata(c, in->map, &pairs, &n, err) < 0)
		return -1;
	if (strcmp(pairs[0].key, api_param(c, "key")) != 0)
		return error_set(
			err, ERR_BAD_REQUEST, "meta must have exactly one key, the same as the path's");
	if (load_unlocked(c, &s, err) < 0 || metadata_write(c, &s, pairs, n, false, err) < 0)
		return -1;
	return meta_reply(c, pairs[0].key, pairs[0].value);
}

int compute_server_meta_delete(struct api_call *c, struct error *err)
{
	struct server s;

	c->status = 204;
	if (load_unlocked(c, &s, err) < 0 ||
		store_server_metadata_remove(c->db, s.id, api_param(c, "key"), err) < 0)
		return -1;
	return store_server_touch(c->db, s.id, c->now_us, err);
}

/* --- tags */

static int tags_reply(struct api_call *c, int64_t server_id, struct error *err)
{
	const char **tags;
	size_t n;

	if (store_server_tags(c->db, c->arena, server_id, &tags, &n, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "tags");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		jw_str(&c->out, tags[i]);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int compute_server_tags_list(struct api_call *c, struct error *err)
{
	struct server_row r;

	return compute_server_row(c, &r, err) < 0 ? -1 : tags_reply(c, r.s.id, err);
}

struct tags_body {
	json_t *tags;
};

static const struct bind_field tags_fields[] = {
	{ .name = "tags",
		.type = BIND_ARR,
		.flags = BIND_REQUIRED | BIND_JSON,
		.max = SERVER_TAGS_MAX,
		.items = &server_tag_item },
};

const struct bind_table compute_tags_body = { BIND_TABLE(tags_body, tags_fields) };

int compute_server_tags_replace(struct api_call *c, struct error *err)
{
	const struct tags_body *in = c->in;
	const char **tags;
	struct server s;
	size_t n;
	bool is_new;

	if (server_read_tags(c, in->tags, &tags, &n, err) < 0 || load_unlocked(c, &s, err) < 0 ||
		store_server_tags_remove(c->db, s.id, NULL, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (store_server_tag_add(c->db, s.id, tags[i], &is_new, err) < 0)
			return -1;
	return store_server_touch(c->db, s.id, c->now_us, err) < 0 ? -1 : tags_reply(c, s.id, err);
}

int compute_server_tags_clear(struct api_call *c, struct error *err)
{
	struct server s;

	c->status = 204;
	if (load_unlocked(c, &s, err) < 0 || store_server_tags_remove(c->db, s.id, NULL, err) < 0)
		return -1;
	return store_server_touch(c->db, s.id, c->now_us, err);
}

int compute_server_tag_check(struct api_call *c, struct error *err)
{
	const char *tag = api_param(c, "tag"), **tags;
	struct server_row r;
	size_t n;

	if (compute_server_row(c, &r, err) < 0 ||
		store_server_tags(c->db, c->arena, r.s.id, &tags, &n, err) < 0)
		return -1;
	c->status = 204;
	for (size_t i = 0; i < n; i++)
		if (strcmp(tags[i], tag) == 0)
			return 0;
	return error_set(err, ERR_NOT_FOUND, "Server %s has no tag '%.64s'", r.s.uid, tag);
}

int compute_server_tag_add(struct api_call *c, struct error *err)
{
	const char *tag = api_param(c, "tag"), **tags;
	struct server s;
	bool is_new;
	size_t n;

	if (name_check(NAME_TAG, tag, err) < 0 || load_unlocked(c, &s, err) < 0 ||
		store_server_tags(c->db, c->arena, s.id, &tags, &n, err) < 0 ||
		store_server_tag_add(c->db, s.id, tag, &is_new, err) < 0)
		return -1;
	if (is_new && n >= SERVER_TAGS_MAX)
		return error_set(err, ERR_BAD_REQUEST, "a server has at most %d tags", SERVER_TAGS_MAX);
	c->status = is_new ? 201 : 204;
	api_header(c, "Location", api_url(c, "/compute/v2.1/servers/%s/tags/%s", s.uid, tag));
	return store_server_touch(c->db, s.id, c->now_us, err);
}

int compute_server_tag_remove(struct api_call *c, struct error *err)
{
	struct server s;

	c->status = 204;
	if (load_unlocked(c, &s, err) < 0 ||
		store_server_tags_remove(c->db, s.id, api_param(c, "tag"), err) < 0)
		return -1;
	return store_server_touch(c->db, s.id, c->now_us, err);
}

/* --- addresses */

int compute_server_ips(struct api_call *c, struct error *err)
{
	struct server_row r;

	if (compute_server_row(c, &r, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "addresses");
	if (server_addresses_view(c, r.s.id, NULL, false, err) < 0)
		return -1;
	jw_end_object(&c->out);
	return 0;
}

int compute_server_ips_of(struct api_call *c, struct error *err)
{
	const char *label = api_param(c, "label");
	struct server_row r;
	int labels;

	if (compute_server_row(c, &r, err) < 0)
		return -1;
	c->status = 200;
	labels = server_addresses_view(c, r.s.id, label, false, err);
	if (labels == 0)
		return error_set(err, ERR_NOT_FOUND, "Instance is not a member of network %.64s", label);
	return labels < 0 ? -1 : 0;
}

static void interface_view(
	struct api_call *c, const struct server_port *p, const char *subnet, bool is_active)
{
	struct buf *b = &c->out;
	char text[IPAM_TEXT];

	jw_object(b);
	jw_kv_str(b, "port_id", p->uid);
	jw_kv_str(b, "net_id", p->network_uid);
	jw_kv_str(b, "mac_addr", p->mac);
	jw_kv_str(b, "port_state", is_active ? "ACTIVE" : "DOWN");
	jw_key(b, "fixed_ips");
	jw_array(b);
	if (p->has_address && subnet) {
		jw_object(b);
		jw_kv_str(b, "subnet_id", subnet);
		jw_kv_str(b, "ip_address", ipam_format(p->address, text));
		jw_end_object(b);
	}
	jw_end_array(b);
	if (since(c, 70))
		jw_kv_null(b, "tag");
	jw_end_object(b);
}

int compute_server_interfaces(struct api_call *c, struct error *err)
{
	struct server_port *ports;
	struct server_row r;
	const char *subnet;
	size_t n;

	if (compute_server_row(c, &r, err) < 0 ||
		store_server_port_list(c->db, c->arena, r.s.id, &ports, &n, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "interfaceAttachments");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		if (store_server_port_subnet(c->db, c->arena, ports[i].id, &subnet, err) < 0)
			return -1;
		interface_view(c, &ports[i], subnet, r.s.vm_state == VM_ACTIVE || r.s.vm_state == VM_PAUSED);
	}
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* --- what no server has yet */

static int empty_list(struct api_call *c, const char *key, struct error *err)
{
	struct server_row r;

	if (compute_server_row(c, &r, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, key);
	jw_array(&c->out);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int compute_server_groups_of(struct api_call *c, struct error *err)
{
	return empty_list(c, "security_groups", err);
}

int compute_server_volumes(struct api_call *c, struct error *err)
{
	return empty_list(c, "volumeAttachments", err);
}

/* For Windows guests, which post theirs encrypted: none does. */
/* No guest of ours posts one, so there is nothing to show and nothing to clear. */
int compute_server_password_clear(struct api_call *c, struct error *err)
{
	struct server s;

	if (compute_server_load(c, &s, err) < 0)
		return -1;
	c->status = 204;
	return 0;
}

int compute_server_password(struct api_call *c, struct error *err)
{
	struct server_row r;

	if (compute_server_row(c, &r, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_kv_str(&c->out, "password", "");
	jw_end_object(&c->out);
	return 0;
}
