/* SPDX-License-Identifier: Apache-2.0 */
/* One server: show, update, delete. */
#include <string.h>

#include "api/compute/server_body.h"
#include "api/compute/server_cache.h"
#include "api/compute/server_view.h"
#include "base/util.h"
#include "domain/names.h"

static int reply(
	struct api_call *c, const struct server_row *r, enum server_view_kind kind, struct error *err)
{
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "server");
	if (server_view(c, r, kind, err) < 0)
		return -1;
	jw_end_object(&c->out);
	return 0;
}

int compute_server_show(struct api_call *c, struct error *err)
{
	const char *uid = api_param(c, "server_id");
	struct server_row r;

	c->status = 200;
	if (server_cache_get(c, uid))
		return 0;
	if (compute_server_row(c, &r, err) < 0 || reply(c, &r, SERVER_VIEW_SHOW, err) < 0)
		return -1;
	server_cache_put(c, uid);
	return 0;
}

struct body {
	const char *name, *access_ipv4, *access_ipv6, *disk_config, *description, *hostname;
};

enum { DESCRIPTION_FIELD = 4 };

static const struct bind_field body_fields[] = {
	BIND(body, name, "name", BIND_STR, 0, 1, 255),
	BIND(body, access_ipv4, "accessIPv4", BIND_STR, 0, 0, 64),
	BIND(body, access_ipv6, "accessIPv6", BIND_STR, 0, 0, 64),
	{ .name = "OS-DCF:diskConfig",
		.type = BIND_STR,
		.offset = offsetof(struct body, disk_config),
		.words = server_disk_configs },
	[DESCRIPTION_FIELD] = { .name = "description",
		.type = BIND_STR,
		.offset = offsetof(struct body, description),
		.flags = BIND_NULL,
		.max = 255,
		.since = 19 },
	{ .name = "hostname",
		.type = BIND_STR,
		.offset = offsetof(struct body, hostname),
		.max = 63,
		.since = 90 },
};

const struct bind_table compute_server_update_body = { .top = "server", BIND_TABLE(body, body_fields) };

static int check_body(const struct body *in, struct error *err)
{
	if ((in->name && name_check(NAME_SERVER, in->name, err) < 0) ||
		(in->access_ipv4 && server_check_address("accessIPv4", in->access_ipv4, false, err) < 0) ||
		(in->access_ipv6 && server_check_address("accessIPv6", in->access_ipv6, true, err) < 0) ||
		(in->description && name_check(NAME_DESCRIPTION, in->description, err) < 0))
		return -1;
	if (in->hostname && !hostname_valid(in->hostname))
		return error_set(err, ERR_BAD_REQUEST,
			"server.hostname must be letters, digits and '-', at most 63 characters");
	return 0;
}

int compute_server_update(struct api_call *c, struct error *err)
{
	const struct body *in = c->in;
	struct server_row row;
	struct server s;

	if (check_body(in, err) < 0 || compute_server_load(c, &s, err) < 0)
		return -1;
	s.name = in->name ? in->name : s.name;
	s.access_ipv4 = in->access_ipv4 ? in->access_ipv4 : s.access_ipv4;
	if (in->access_ipv6)
		s.access_ipv6 = server_address_text(c->arena, in->access_ipv6);
	s.disk_config = in->disk_config ? in->disk_config : s.disk_config;
	s.hostname = in->hostname ? in->hostname : s.hostname;
	if (c->seen.present & (1u << DESCRIPTION_FIELD))
		s.description = in->description;
	s.updated_us = c->now_us;
	if (store_server_edit(c->db, &s, err) < 0 || compute_server_row(c, &row, err) < 0)
		return -1;
	return reply(c, &row, SERVER_VIEW_UPDATE, err);
}

int compute_server_delete(struct api_call *c, struct error *err)
{
	struct flow_origin origin = compute_origin(c);
	struct server s;

	if (compute_server_load(c, &s, err) < 0)
		return -1;
	c->status = 204;
	compute_move_ends(c, &s);
	return flow_server_delete(c->api->flows, c->db, &s, api_is_admin(c), &origin, err);
}
