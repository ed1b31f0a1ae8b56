/* SPDX-License-Identifier: Apache-2.0 */
/* os-hosts, which clients of old versions (below 2.43) use to look at hosts and to disable them. */
#include <string.h>

#include "api/compute/host_view.h"
#include "base/util.h"
#include "store/host_use.h"

int compute_os_host_list(struct api_call *c, struct error *err)
{
	const char *zone = api_query(c, "zone"), *service = api_query(c, "service");
	struct host_row *hosts;
	size_t n;

	if (store_host_list(c->db, c->arena, &hosts, &n, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "hosts");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		if ((zone && *zone && strcmp(zone, hosts[i].zone) != 0) ||
			(service && strcmp(service, "compute") != 0))
			continue;
		jw_object(&c->out);
		jw_kv_str(&c->out, "host_name", hosts[i].name);
		jw_kv_str(&c->out, "service", "compute");
		jw_kv_str(&c->out, "zone", hosts[i].zone);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

static void resource_view(struct api_call *c, const char *host, const char *project, const struct host_use *u)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_key(b, "resource");
	jw_object(b);
	jw_kv_str(b, "host", host);
	jw_kv_str(b, "project", project);
	jw_kv_int(b, "cpu", u->vcpus);
	jw_kv_int(b, "memory_mb", u->ram_mib);
	jw_kv_int(b, "disk_gb", u->disk_gib);
	jw_end_object(b);
	jw_end_object(b);
}

int compute_os_host_show(struct api_call *c, struct error *err)
{
	struct host_use used, total, *projects;
	const char **uids;
	struct host_row h;
	size_t n;

	if (host_find_by_name(c, api_param(c, "host_name"), &h, err) < 0 ||
		store_host_use(c->db, h.id, &used, err) < 0 ||
		store_host_use_projects(c->db, c->arena, h.id, &uids, &projects, &n, err) < 0)
		return -1;
	total = (struct host_use) { .vcpus = h.vcpus, .ram_mib = h.ram_mib, .disk_gib = h.disk_gib };
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "host");
	jw_array(&c->out);
	resource_view(c, h.name, "(total)", &total);
	resource_view(c, h.name, "(used_max)", &used);
	used.ram_mib += h.ram_reserved_mib;
	resource_view(c, h.name, "(used_now)", &used);
	for (size_t i = 0; i < n; i++)
		resource_view(c, h.name, uids[i], &projects[i]);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

struct os_host_body {
	const char *status, *maintenance;
};

static const char *const states[] = { "enable", "disable", NULL };

static const struct bind_field os_host_fields[] = {
	{ .name = "status",
		.type = BIND_STR,
		.offset = offsetof(struct os_host_body, status),
		.flags = BIND_ANY_CASE,
		.words = states },
	{ .name = "maintenance_mode",
		.type = BIND_STR,
		.offset = offsetof(struct os_host_body, maintenance),
		.flags = BIND_ANY_CASE,
		.words = states },
};
const struct bind_table compute_os_host_body = { BIND_TABLE(os_host_body, os_host_fields) };

int compute_os_host_update(struct api_call *c, struct error *err)
{
	const struct os_host_body *in = c->in;
	struct host_row h;

	if (!in->status && !in->maintenance)
		return error_set(err, ERR_BAD_REQUEST, "the body needs 'status' or 'maintenance_mode'");
	if (host_find_by_name(c, api_param(c, "host_name"), &h, err) < 0)
		return -1;
	c->target = h.name;
	if (in->maintenance)
		return error_set(err, ERR_NOT_IMPLEMENTED,
			"maintenance_mode: hosts have no such mode; disable the host instead");
	if (host_set_enabled(c, &h, strcmp(in->status, "enable") == 0, "", err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_kv_str(&c->out, "host", h.name);
	jw_kv_str(&c->out, "status", host_is_enabled(&h) ? "enabled" : "disabled");
	jw_end_object(&c->out);
	return 0;
}

/* A host is started, stopped and rebooted by other means than libvirt. */
int compute_os_host_power(struct api_call *c, struct error *err)
{
	struct host_row h;

	if (host_find_by_name(c, api_param(c, "host_name"), &h, err) < 0)
		return -1;
	return error_set(err, ERR_NOT_IMPLEMENTED, "hosts are not started, stopped or rebooted by the cloud");
}
