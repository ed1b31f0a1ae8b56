/* SPDX-License-Identifier: Apache-2.0 */
/* The services side by side: builds the router from their tables, and answers what belongs to none of them.
 */
#include "api/internal.h"

#include <stdlib.h>
#include <string.h>

#include "api/admission.h"
#include "api/backups.h"
#include "api/compute/compute.h"
#include "api/consoles.h"
#include "api/event_streams.h"
#include "api/identity/identity.h"
#include "api/image/image.h"
#include "api/long_reads.h"
#include "api/metrics.h"
#include "api/network/network.h"
#include "api/resources.h"
#include "api/webhooks.h"
#include "base/util.h"
#include "flow/billing.h"

/* GET /: the prefixes, for people who look. */
static int root_show(struct api_call *c, struct error *err)
{
	const struct api_service *const *all;
	size_t n;

	(void)err;
	all = api_services(&n);
	jw_object(&c->out);
	jw_key(&c->out, "services");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		if (!all[i]->prefix[0])
			continue;
		jw_object(&c->out);
		jw_kv_str(&c->out, "name", all[i]->name);
		jw_kv_str(&c->out, "url", api_url(c, "%s", all[i]->prefix));
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

static const struct api_route root_routes[] = {
	{ "GET", "/", root_show, ROLE_NONE, 0, 0, 0, "root.show" },
	{ "GET", "/identity", identity_versions, ROLE_NONE, 0, 0, 0, "identity.versions" },
	{ "GET", "/compute", compute_versions, ROLE_NONE, 0, 0, 0, "compute.versions" },
	{ "GET", "/compute/v2", compute_version_v2, ROLE_NONE, 0, 0, 0, "compute.version_v2" },
	{ "GET", "/image", image_versions, ROLE_NONE, 0, 0, 0, "image.versions" },
	{ "GET", "/image/versions", image_versions, ROLE_NONE, 0, 0, 0, "image.versions" },
	{ "GET", "/network", network_versions, ROLE_NONE, 0, 0, 0, "network.versions" },
	{ "GET", "/healthcheck", resources_health, ROLE_NONE, 0, 0, 0, "root.health" },
	{ "GET", "/console", console_connect, ROLE_NONE, 0, 0, ROUTE_OWN, "server.console" },
	{ "GET", "/metrics", metrics_show, ROLE_ADMIN, 0, 0, ROUTE_OWN | ROUTE_BEARER, "cloud.metrics" },
};

const struct api_service service_root = {
	.name = "root",
	.prefix = "",
	.routes = root_routes,
	.routes_n = ARRAY_LEN(root_routes),
	.error_body = api_error_body_identity,
};

static const struct api_service *const services[] = {
	&service_root,
	&service_identity,
	&service_compute,
	&service_image,
	&service_network,
	&service_placement,
	&service_operator,
};

const struct api_service *const *api_services(size_t *n)
{
	*n = ARRAY_LEN(services);
	return services;
}

static const struct {
	const char *name;
	enum http_method method;
} methods[] = {
	{ "GET", HTTP_GET },
	{ "HEAD", HTTP_HEAD },
	{ "POST", HTTP_POST },
	{ "PUT", HTTP_PUT },
	{ "PATCH", HTTP_PATCH },
	{ "DELETE", HTTP_DELETE },
};

static enum http_method method_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (strcmp(methods[i].name, name) == 0)
			return methods[i].method;
	abort(); /* a table names a method that does not exist */
}

static void add_routes(struct api *api, const struct api_service *s)
{
	for (size_t i = 0; i < s->routes_n; i++) {
		const struct api_route *r = &s->routes[i];
		char *pattern = xasprintf("%s%s", s->prefix, r->path);

		router_add(api->router, method_of(r->method), pattern, r);
		api->patterns[api->patterns_n++] = pattern;
	}
}

/* What was committed is told to those who want to be told of events. */
static void on_settle(void *ctx, bool done)
{
	struct api *api = ctx;

	if (!store_event_news(api->store) || !done)
		return;
	event_streams_wake(api->event_streams);
	webhooks_wake(api->webhooks);
}

int api_init(struct api *api, struct error *err)
{
	const struct billing_config billing = { api->loop, api->tick, api->store, api->lanes,
		api->config.budgets_every_s };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(services); i++)
		n += services[i]->routes_n;
	api->patterns = xcalloc(n, sizeof *api->patterns);
	api->router = router_create();
	for (size_t i = 0; i < ARRAY_LEN(services); i++)
		add_routes(api, services[i]);
	api->admission = admission_create();
	api->long_reads = long_reads_create(api);
	housekeeping_start(api);
	api->metrics = metrics_create(api, api->config.metrics_token);
	api->resources = resources_create(api);
	api->consoles = consoles_create(api);
	api->billing = billing_create(&billing);
	if (api->config.backup_dir)
		api->backups = backups_create(api);
	api->event_streams = event_streams_create(api);
	tick_add_member(api->tick, &(struct tick_member) { .settle = on_settle, .ctx = api });
	if (webhooks_create(api, &api->webhooks, err) < 0 || webhooks_start(api->webhooks, err) < 0)
		return -1;
	return identity_create(api, &api->identity, err);
}

void api_stop(struct api *api)
{
	housekeeping_stop(api);
	if (api->billing)
		billing_stop(api->billing);
	backups_stop(api->backups);
	resources_stop(api->resources);
	if (api->event_streams)
		event_streams_stop(api->event_streams);
	if (api->webhooks)
		webhooks_stop(api->webhooks);
}

void api_finish(struct api *api)
{
	housekeeping_destroy(api);
	long_reads_destroy(api->long_reads);
	admission_destroy(api->admission);
	metrics_destroy(api->metrics);
	consoles_destroy(api->consoles);
	resources_destroy(api->resources);
	api->resources = NULL;
	billing_destroy(api->billing);
	backups_destroy(api->backups);
	api->backups = NULL;
	event_streams_destroy(api->event_streams);
	webhooks_destroy(api->webhooks);
	identity_destroy(api->identity);
	router_destroy(api->router);
	for (size_t i = 0; i < api->patterns_n; i++)
		free(api->patterns[i]);
	free(api->patterns);
}
