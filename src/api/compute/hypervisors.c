/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts as hypervisors, for administrators. */
#include <arpa/inet.h>
#include <string.h>

#include "api/compute/host_view.h"
#include "base/util.h"
#include "store/host_use.h"

struct listing {
	bool detail, with_servers;
	const char *pattern;
};

static void brief_fields(struct api_call *c, const struct host_row *h)
{
	host_put_id(c, h);
	jw_kv_str(&c->out, "hypervisor_hostname", host_hypervisor_name(h));
	jw_kv_str(&c->out, "state", host_is_up(c, h, NULL) ? "up" : "down");
	jw_kv_str(&c->out, "status", host_is_enabled(h) ? "enabled" : "disabled");
}

/* qemu+tls://HOST:PORT/system. NULL when that is no address but a name: clients take it for one. */
static const char *host_ip(struct api_call *c, const char *uri)
{
	const char *start = strstr(uri, "://"), *text;
	unsigned char raw[16];
	bool is_v6;

	if (!start)
		return NULL;
	start += 3;
	is_v6 = *start == '[';
	start += is_v6;
	text = arena_strndup(c->arena, start, strcspn(start, is_v6 ? "]" : ":/?"));
	return inet_pton(is_v6 ? AF_INET6 : AF_INET, text, raw) == 1 ? text : NULL;
}

static void cpu_object(struct buf *b, const struct host_row *h)
{
	jw_object(b);
	jw_kv_str(b, "arch", h->arch);
	jw_kv_str(b, "model", h->cpu_model);
	jw_kv_str(b, "vendor", "");
	jw_key(b, "features");
	jw_array(b);
	jw_end_array(b);
	jw_key(b, "topology");
	jw_object(b);
	jw_kv_int(b, "sockets", h->cpu_sockets);
	jw_kv_int(b, "cores", h->cpu_cores);
	jw_kv_int(b, "threads", h->cpu_threads);
	jw_end_object(b);
	jw_end_object(b);
}

/* Text below 2.28. */
static void cpu_info(struct api_call *c, const struct host_row *h)
{
	CLEANUP(buf_finish) struct buf text = { 0 };

	jw_key(&c->out, "cpu_info");
	if (since(c, 28)) {
		cpu_object(&c->out, h);
		return;
	}
	cpu_object(&text, h);
	jw_strn(&c->out, text.data, text.len);
}

static void put_numbers(struct buf *b, const struct host_row *h, const struct host_use *u)
{
	int64_t ram_used = u->ram_mib + h->ram_reserved_mib;

	jw_kv_int(b, "vcpus", h->vcpus);
	jw_kv_int(b, "vcpus_used", u->vcpus);
	jw_kv_int(b, "memory_mb", h->ram_mib);
	jw_kv_int(b, "memory_mb_used", ram_used);
	jw_kv_int(b, "free_ram_mb", h->ram_mib - ram_used);
	jw_kv_int(b, "local_gb", h->disk_gib);
	jw_kv_int(b, "local_gb_used", u->disk_gib);
	jw_kv_int(b, "free_disk_gb", h->disk_gib - u->disk_gib);
	jw_kv_int(b, "disk_available_least", h->disk_free_gib);
	jw_kv_int(b, "running_vms", u->servers);
	jw_kv_int(b, "current_workload", 0);
}

static int detail_fields(struct api_call *c, const struct host_row *h, struct error *err)
{
	struct buf *b = &c->out;
	struct host_use use;

	jw_kv_str(b, "hypervisor_type", "QEMU");
	jw_kv_int(b, "hypervisor_version", h->hv_version);
	jw_kv_str(b, "host_ip", host_ip(c, h->uri));
	jw_key(b, "service");
	jw_object(b);
	host_put_id(c, h);
	jw_kv_str(b, "host", h->name);
	jw_kv_str(b, "disabled_reason", host_disabled_reason(h));
	jw_end_object(b);
	if (since(c, 88)) {
		jw_kv_str(b, "uptime", ""); /* not known; clients take the text apart, so no null */
		return 0;
	}
	cpu_info(c, h);
	if (store_host_use(c->db, h->id, &use, err) < 0)
		return -1;
	put_numbers(b, h, &use);
	return 0;
}

static int put_servers(struct api_call *c, const struct host_row *h, struct error *err)
{
	struct server_pair *list;
	size_t n;

	if (store_host_use_servers(c->db, c->arena, h->id, &list, &n, err) < 0)
		return -1;
	if (!n && !since(c, 75))
		return 0;
	jw_key(&c->out, "servers");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		jw_object(&c->out);
		jw_kv_str(&c->out, "name", list[i].key);
		jw_kv_str(&c->out, "uuid", list[i].value);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	return 0;
}

static int hypervisor_view(
	struct api_call *c, const struct host_row *h, const struct listing *l, struct error *err)
{
	jw_object(&c->out);
	brief_fields(c, h);
	if (l->detail && detail_fields(c, h, err) < 0)
		return -1;
	if (l->with_servers && put_servers(c, h, err) < 0)
		return -1;
	jw_end_object(&c->out);
	return 0;
}

static int read_listing(struct api_call *c, struct listing *out, struct error *err)
{
	static const char *const known[] = { "limit", "marker", "hypervisor_hostname_pattern", "with_servers",
		NULL };
	const char *with = since(c, 53) ? api_query(c, "with_servers") : NULL;

	if (compute_only_query(c, 53, known, err) < 0)
		return -1;
	out->with_servers = false;
	out->pattern = since(c, 53) ? api_query(c, "hypervisor_hostname_pattern") : NULL;
	if (out->pattern && (api_query(c, "limit") || api_query(c, "marker")))
		return error_set(err, ERR_BAD_REQUEST,
			"Paging over results with the hypervisor_hostname_pattern query parameter is not "
			"supported.");
	if (with && !str_bool(with, &out->with_servers))
		return error_set(
			err, ERR_BAD_REQUEST, "with_servers must be True or False, not '%.32s'", with);
	return 0;
}

static int hypervisor_list(struct api_call *c, bool detail, struct error *err)
{
	static const char *const any_key[] = { "id", NULL };
	struct api_page page = { .limit = c->api->config.list_max };
	struct listing l = { .detail = detail };
	struct host_row *hosts, *last = NULL;
	bool started;
	int64_t n = 0;
	size_t hosts_n;

	if (read_listing(c, &l, err) < 0 || (since(c, 33) && api_page(c, any_key, false, &page, err) < 0) ||
		store_host_list(c->db, c->arena, &hosts, &hosts_n, err) < 0)
		return -1;
	started = !page.marker;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "hypervisors");
	jw_array(&c->out);
	for (size_t i = 0; i < hosts_n && n < page.limit; i++) {
		if (l.pattern && !strstr(host_hypervisor_name(&hosts[i]), l.pattern))
			continue;
		if (!started) {
			started = strcmp(page.marker, host_public_id(c, &hosts[i])) == 0;
			continue;
		}
		if (hypervisor_view(c, &hosts[i], &l, err) < 0)
			return -1;
		last = &hosts[i];
		n++;
	}
	jw_end_array(&c->out);
	if (!started)
		return api_marker_missing(page.marker, err);
	if (l.pattern && !n && !page.marker)
		return error_set(
			err, ERR_NOT_FOUND, "No hypervisor matching '%.64s' could be found.", l.pattern);
	if (last && n == page.limit)
		api_next_link(c, "hypervisors_links", host_public_id(c, last));
	jw_end_object(&c->out);
	return 0;
}

int compute_hypervisor_list(struct api_call *c, struct error *err)
{
	return hypervisor_list(c, false, err);
}

int compute_hypervisor_detail(struct api_call *c, struct error *err)
{
	return hypervisor_list(c, true, err);
}

static int find_host(struct api_call *c, struct host_row *out, struct error *err)
{
	const char *text = api_param(c, "hypervisor_id");
	bool found;

	if (host_find_by_id(c, text, out, &found, err) < 0)
		return -1;
	return found ? 0
		     : error_set(err, ERR_NOT_FOUND, "Hypervisor with ID '%.64s' could not be found.", text);
}

int compute_hypervisor_show(struct api_call *c, struct error *err)
{
	struct listing l = { .detail = true };
	struct host_row host;

	if (read_listing(c, &l, err) < 0 || find_host(c, &host, err) < 0)
		return -1;
	l.detail = true;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "hypervisor");
	if (hypervisor_view(c, &host, &l, err) < 0)
		return -1;
	jw_end_object(&c->out);
	return 0;
}

int compute_hypervisor_uptime(struct api_call *c, struct error *err)
{
	struct host_row host;

	if (find_host(c, &host, err) < 0)
		return -1;
	return error_set(err, ERR_NOT_IMPLEMENTED, "libvirt does not tell how long a host has been up");
}

/* Below 2.53: those whose name has the text in it, with their servers when asked for. */
static int matching(struct api_call *c, bool with_servers, struct error *err)
{
	const char *text = api_param(c, "hypervisor_id");
	struct host_row *hosts;
	size_t n, found = 0;

	if (store_host_list(c->db, c->arena, &hosts, &n, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "hypervisors");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		if (!strstr(host_hypervisor_name(&hosts[i]), text))
			continue;
		jw_object(&c->out);
		brief_fields(c, &hosts[i]);
		if (with_servers && put_servers(c, &hosts[i], err) < 0)
			return -1;
		jw_end_object(&c->out);
		found++;
	}
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return found ? 0
		     : error_set(err, ERR_NOT_FOUND, "No hypervisor matching '%.64s' could be found.", text);
}

int compute_hypervisor_search(struct api_call *c, struct error *err)
{
	return matching(c, false, err);
}

int compute_hypervisor_servers(struct api_call *c, struct error *err)
{
	return matching(c, true, err);
}

int compute_hypervisor_statistics(struct api_call *c, struct error *err)
{
	struct host_row *hosts, sum = { 0 };
	struct host_use used = { 0 }, use;
	size_t n;

	if (store_host_list(c->db, c->arena, &hosts, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (store_host_use(c->db, hosts[i].id, &use, err) < 0)
			return -1;
		used.servers += use.servers;
		used.vcpus += use.vcpus;
		used.ram_mib += use.ram_mib;
		used.disk_gib += use.disk_gib;
		sum.vcpus += hosts[i].vcpus;
		sum.ram_mib += hosts[i].ram_mib;
		sum.ram_reserved_mib += hosts[i].ram_reserved_mib;
		sum.disk_gib += hosts[i].disk_gib;
		sum.disk_free_gib += hosts[i].disk_free_gib;
	}
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "hypervisor_statistics");
	jw_object(&c->out);
	jw_kv_int(&c->out, "count", (int64_t)n);
	put_numbers(&c->out, &sum, &used);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}
