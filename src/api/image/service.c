/* SPDX-License-Identifier: Apache-2.0 */
/* The image service's table, its small documents and its shape of errors. */
#include "api/image/internal.h"
#include "base/util.h"
#include "flow/flow.h"
#include "store/quotas.h"

enum { VERSION_MINOR_MAX = 9 };

/* Newest first; only that one is current. v2.8 came with several stores, v2.6 with imports. */
int image_versions(struct api_call *c, struct error *err)
{
	const char *self = api_url(c, "/image/v2/");

	(void)err;
	c->status = str_eq(c->http->path, "/image/versions") ? 200 : 300;
	jw_object(&c->out);
	jw_key(&c->out, "versions");
	jw_array(&c->out);
	for (int minor = VERSION_MINOR_MAX; minor >= 0; minor--) {
		jw_object(&c->out);
		jw_key(&c->out, "id");
		jw_strf(&c->out, "v2.%d", minor);
		jw_kv_str(&c->out, "status", minor == VERSION_MINOR_MAX ? "CURRENT" : "SUPPORTED");
		jw_key(&c->out, "links");
		jw_array(&c->out);
		api_link(c, "self", self);
		jw_end_array(&c->out);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

static int info_stores(struct api_call *c, struct error *err)
{
	(void)c;
	return error_set(
		err, ERR_NOT_FOUND, "There is one store of images: multiple stores are not enabled.");
}

/* Use and limits of the token's project; sizes are in MiB. */
static int info_usage(struct api_call *c, struct error *err)
{
	static const struct {
		const char *key;
		enum quota_resource resource;
	} rows[] = { { "image_size_total", QUOTA_IMAGE_MIB }, { "image_count_total", QUOTA_IMAGES } };
	const struct quota_index *q = flow_quota(c->api->flows);
	int64_t limits[QUOTA_MAX];

	if (store_quota_limits(c->db, c->who->project.id, limits, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "usage");
	jw_object(&c->out);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		jw_key(&c->out, rows[i].key);
		jw_object(&c->out);
		jw_kv_int(&c->out, "limit", limits[rows[i].resource]);
		jw_kv_int(&c->out, "usage", quota_index_get(q, c->who->project.id, (int)rows[i].resource));
		jw_end_object(&c->out);
	}
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* What dashboards list before they work. */
static int no_namespaces(struct api_call *c, struct error *err)
{
	(void)err;
	jw_object(&c->out);
	jw_key(&c->out, "namespaces");
	jw_array(&c->out);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

static void error_body(struct api_call *c, const struct error *err)
{
	const char *title;

	if (err->code == ERR_OVER_QUOTA)
		c->status = 413; /* Glance's */
	title = http_status_text(c->status);
	if (err->code == ERR_MEDIA_TYPE && c->http->method == HTTP_PATCH)
		api_header(c, "Accept-Patch",
			"application/openstack-images-v2.1-json-patch, "
			"application/openstack-images-v2.0-json-patch");
	jw_object(&c->out);
	jw_kv_str(&c->out, "message", err->msg);
	jw_key(&c->out, "code");
	jw_strf(&c->out, "%d %s", c->status, title);
	jw_kv_str(&c->out, "title", title);
	jw_end_object(&c->out);
}

#define IMAGE "/images/{image_id}"
#define MEMBER IMAGE "/members/{member_id}"

static const struct api_route routes[] = {
	{ "GET", "/images", image_list, ROLE_READER, 0, 0, ROUTE_LONG, "image.list" },
	{ "POST", "/images", image_create, ROLE_MEMBER, 0, 0, ROUTE_GROWS, "image.create",
		&image_create_body },
	{ "GET", IMAGE, image_show, ROLE_READER, 0, 0, 0, "image.show" },
	{ "PATCH", IMAGE, image_patch, ROLE_MEMBER, 0, 0, ROUTE_RAW_BODY, "image.update" },
	{ "DELETE", IMAGE, image_delete, ROLE_MEMBER, 0, 0, ROUTE_NO_BODY, "image.delete" },
	{ "PUT", IMAGE "/file", image_upload, ROLE_MEMBER, 0, 0, ROUTE_OWN | ROUTE_STREAM | ROUTE_IMAGES,
		"image.upload" },
	{ "PUT", IMAGE "/stage", image_stage, ROLE_MEMBER, 0, 0, ROUTE_OWN | ROUTE_STREAM | ROUTE_IMAGES,
		"image.stage" },
	{ "POST", IMAGE "/import", image_import, ROLE_MEMBER, 0, 0, ROUTE_IMAGES, "image.import",
		&image_import_body },
	{ "GET", IMAGE "/tasks", image_tasks_of, ROLE_READER, 0, 0, 0, "image.tasks" },
	{ "GET", "/tasks", image_task_list, ROLE_READER, 0, 0, 0, "image_task.list" },
	{ "GET", "/tasks/{task_id}", image_task_show, ROLE_READER, 0, 0, 0, "image_task.show" },
	{ "GET", IMAGE "/file", image_download, ROLE_READER, 0, 0, ROUTE_OWN, "image.download" },
	{ "POST", IMAGE "/actions/deactivate", image_deactivate, ROLE_MEMBER, 0, 0, ROUTE_NO_BODY,
		"image.deactivate" },
	{ "POST", IMAGE "/actions/reactivate", image_reactivate, ROLE_MEMBER, 0, 0, ROUTE_NO_BODY,
		"image.reactivate" },
	{ "PUT", IMAGE "/tags/{tag}", image_tag_add, ROLE_MEMBER, 0, 0, ROUTE_NO_BODY, "image.tag" },
	{ "DELETE", IMAGE "/tags/{tag}", image_tag_remove, ROLE_MEMBER, 0, 0, ROUTE_NO_BODY, "image.untag" },
	{ "GET", IMAGE "/members", image_member_list, ROLE_READER, 0, 0, 0, "image_member.list" },
	{ "POST", IMAGE "/members", image_member_create, ROLE_MEMBER, 0, 0, 0, "image_member.create",
		&image_member_body },
	{ "GET", MEMBER, image_member_show, ROLE_READER, 0, 0, 0, "image_member.show" },
	{ "PUT", MEMBER, image_member_set, ROLE_MEMBER, 0, 0, 0, "image_member.update",
		&image_member_status_body },
	{ "DELETE", MEMBER, image_member_delete, ROLE_MEMBER, 0, 0, ROUTE_NO_BODY, "image_member.delete" },
	{ "GET", "/schemas/{name}", image_schema, ROLE_ANY, 0, 0, 0, "image_schema.show" },
	{ "GET", "/info/import", image_info_import, ROLE_ANY, 0, 0, 0, "image_info.import" },
	{ "GET", "/info/usage", info_usage, ROLE_READER, 0, 0, 0, "image_info.usage" },
	{ "GET", "/info/stores", info_stores, ROLE_ANY, 0, 0, 0, "image_info.stores" },
	{ "GET", "/metadefs/namespaces", no_namespaces, ROLE_ANY, 0, 0, 0, "metadef_namespace.list" },
};

const struct api_service service_image = {
	.name = "image",
	.prefix = "/image/v2",
	.routes = routes,
	.routes_n = ARRAY_LEN(routes),
	.error_body = error_body,
};
