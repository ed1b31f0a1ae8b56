/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v2/images. Images are few (thousands at most): those that pass are gathered, sorted, and one page of
 * them is shown. */
#include <stdlib.h>
#include <string.h>

#include "api/image/filter.h"
#include "api/image/internal.h"
#include "base/util.h"

enum { PAGE_BYTES = 4 << 20 }; /* a page ends there, whatever the properties are */

struct gathering {
	struct api_call *call;
	struct image_filter filter;
	struct image *marker; /* NULL: from the start */
	struct image *images;
	size_t n, cap;
};

static void keep(struct gathering *g, const struct image *i)
{
	struct arena *a = g->call->arena;
	struct image *own;

	if (g->n == g->cap) {
		struct image *more = ARENA_ARRAY(a, struct image, g->cap = g->cap ? 2 * g->cap : 64);

		if (g->n)
			memcpy(more, g->images, g->n * sizeof *more);
		g->images = more;
	}
	own = &g->images[g->n++];
	*own = *i;
	own->uid = arena_strdup(a, i->uid);
	own->project_uid = arena_strdup(a, i->project_uid);
	own->name = arena_strdup(a, i->name);
	own->status = arena_strdup(a, i->status);
	own->visibility = arena_strdup(a, i->visibility);
	own->disk_format = arena_strdup(a, i->disk_format);
	own->container_format = arena_strdup(a, i->container_format);
	own->checksum = arena_strdup(a, i->checksum);
	own->sha512 = arena_strdup(a, i->sha512);
	own->member_status = NULL;
	own->properties = NULL;
	own->tags = NULL;
	own->properties_n = own->tags_n = 0;
}

static int gather(void *ctx, const struct image *i, struct error *err)
{
	struct gathering *g = ctx;
	int rc;

	if (g->marker && image_filter_compare(&g->filter, i, g->marker) <= 0)
		return 0;
	rc = image_filter_pass(&g->filter, g->call->db, i, err);
	if (rc > 0)
		keep(g, i);
	return rc < 0 ? -1 : 0;
}

static int compare(const void *a, const void *b, void *filter)
{
	return image_filter_compare(filter, a, b);
}

static int find_marker(struct gathering *g, struct error *err)
{
	const char *uid = api_query(g->call, "marker");

	if (!uid)
		return 0;
	g->marker = ARENA_NEW(g->call->arena, struct image);
	if (store_image_get(g->call->db, g->call->arena, g->filter.scan.viewer, uid, g->marker, err) < 0)
		return api_marker_missing(uid, err);
	return 0;
}

/* This request without its marker, as a path of the image service. */
static const char *list_path(struct api_call *c, const char *marker)
{
	const char *url = api_next_url(c, marker) + strlen(api_url(c, "/image"));

	return url;
}

static const char *first_path(struct api_call *c)
{
	const char *path = list_path(c, "");
	size_t n = strlen(path) - strlen("marker=");

	/* what is left ends with the '?' or '&' before the marker */
	return arena_strndup(c->arena, path, n - 1);
}

static int show_page(struct gathering *g, size_t limit, struct error *err)
{
	struct api_call *c = g->call;
	size_t shown = 0;

	jw_object(&c->out);
	jw_key(&c->out, "images");
	jw_array(&c->out);
	for (; shown < g->n && shown < limit && c->out.len < PAGE_BYTES; shown++) {
		struct arena scratch = { 0 };
		int rc = store_image_details(c->db, &scratch, &g->images[shown], err);

		if (rc == 0)
			image_view(&c->out, &g->images[shown]);
		arena_finish(&scratch);
		if (rc < 0)
			return -1;
	}
	jw_end_array(&c->out);
	jw_kv_str(&c->out, "schema", "/v2/schemas/images");
	jw_kv_str(&c->out, "first", first_path(c));
	if (shown && shown < g->n)
		jw_kv_str(&c->out, "next", list_path(c, g->images[shown - 1].uid));
	jw_end_object(&c->out);
	return 0;
}

int image_list(struct api_call *c, struct error *err)
{
	struct gathering g = { .call = c };
	int64_t limit;

	if (api_limit(c, &limit, NULL, err) < 0)
		return -1;
	if (image_filter_init(&g.filter, c->arena, image_viewer(c), c->http->query, c->http->query_n, err) <
			0 ||
		find_marker(&g, err) < 0 || store_image_scan(c->db, &g.filter.scan, gather, &g, err) < 0)
		return -1;
	if (g.n)
		qsort_r(g.images, g.n, sizeof *g.images, compare, &g.filter);
	return show_page(&g, (size_t)limit, err);
}
