/* SPDX-License-Identifier: Apache-2.0 */
/* What all of compute's handlers use. */
#include "api/compute/compute.h"

#include <string.h>

#include "base/util.h"

int64_t compute_scope(const struct api_call *c)
{
	return api_is_admin(c) ? 0 : c->who->project.id;
}

void compute_links(struct api_call *c, const char *collection, const char *id)
{
	jw_key(&c->out, "links");
	jw_array(&c->out);
	api_link(c, "self", api_url(c, "/compute/v2.1/%s/%s", collection, id));
	api_link(c, "bookmark", api_url(c, "/compute/%s/%s", collection, id));
	jw_end_array(&c->out);
}

void compute_bookmark(struct api_call *c, const char *collection, const char *id)
{
	jw_key(&c->out, "links");
	jw_array(&c->out);
	api_link(c, "bookmark", api_url(c, "/compute/%s/%s", collection, id));
	jw_end_array(&c->out);
}

void compute_time(struct buf *b, const char *key, int64_t us, bool micro)
{
	char text[TIME_TEXT];

	jw_kv_str(b, key, us == 0 ? NULL : micro ? time_iso_us(us, text) : time_iso(us, text));
}

struct flow_origin compute_origin(const struct api_call *c)
{
	return (struct flow_origin) { .request_id = c->request_id,
		.user_uid = c->who->user.uid ? c->who->user.uid : "",
		.project_uid = c->who->project.uid ? c->who->project.uid : "",
		.now_us = c->now_us };
}

int compute_server_row(struct api_call *c, struct server_row *out, struct error *err)
{
	c->target = api_param(c, "server_id");
	return store_server_row(
		c->db, c->arena, compute_scope(c), c->target, api_is_admin(c) && since(c, 3), out, err);
}

int compute_server_load(struct api_call *c, struct server *out, struct error *err)
{
	c->target = api_param(c, "server_id");
	return store_server_get(c->db, c->arena, compute_scope(c), c->target, out, err);
}

int compute_only_query(const struct api_call *c, int from, const char *const *names, struct error *err)
{
	for (size_t i = 0; since(c, from) && i < c->http->query_n; i++) {
		const char *const *name = names;

		while (*name && strcmp(*name, c->http->query[i].name) != 0)
			name++;
		if (!*name)
			return error_set(err, ERR_BAD_REQUEST,
				"Additional properties are not allowed ('%.64s' was unexpected)",
				c->http->query[i].name);
	}
	return 0;
}
