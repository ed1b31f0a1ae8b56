/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts as the compute API shows them: hypervisors and services for administrators, availability zones for
 * all. */
#include "store/hosts.h"

#include <string.h>

#include "api/compute/compute.h"
#include "base/util.h"
#include "store/host_use.h"

static bool is_connected(const struct api_call *c, int64_t host_id, int64_t *out_seen_us)
{
	struct host_link link;

	if (out_seen_us)
		*out_seen_us = 0;
	if (!flow_host_link(c->api->flows, host_id, &link))
		return false;
	if (out_seen_us)
		*out_seen_us = link.seen_us;
	return strcmp(link.state, "connected") == 0;
}

static bool is_enabled(const struct host_row *h)
{
	return strcmp(h->state, "up") == 0;
}

static const char *hostname_of(const struct host_row *h)
{
	return *h->hv_hostname ? h->hv_hostname : h->name;
}

/* Why no new servers go there; NULL: they do. */
static const char *disabled_reason(const struct host_row *h)
{
	return is_enabled(h) ? NULL : *h->state_reason ? h->state_reason : h->state;
}

static void put_id(struct api_call *c, const struct host_row *h)
{
	if (since(c, 53))
		jw_kv_str(&c->out, "id", h->uid);
	else
		jw_kv_int(&c->out, "id", h->id);
}

/* --- hypervisors */

struct listing {
	bool detail, with_servers;
	const char *pattern;
};

static void brief_fields(struct api_call *c, const struct host_row *h)
{
	put_id(c, h);
	jw_kv_str(&c->out, "hypervisor_hostname", hostname_of(h));
	jw_kv_str(&c->out, "state", is_connected(c, h->id, NULL) ? "up" : "down");
	jw_kv_str(&c->out, "status", is_enabled(h) ? "enabled" : "disabled");
}

/* qemu+tls://HOST:PORT/system */
static const char *host_ip(struct api_call *c, const char *uri)
{
	const char *start = strstr(uri, "://");

	if (!start)
		return "";
	start += 3;
	if (*start == '[')
		return arena_strndup(c->arena, start + 1, strcspn(start + 1, "]"));
	return arena_strndup(c->arena, start, strcspn(start, ":/?"));
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
	put_id(c, h);
	jw_kv_str(b, "host", h->name);
	jw_kv_str(b, "disabled_reason", disabled_reason(h));
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
	const char *with = since(c, 53) ? api_query(c, "with_servers") : NULL;

	out->with_servers = false;
	out->pattern = since(c, 53) ? api_query(c, "hypervisor_hostname_pattern") : NULL;
	if (with && !str_bool(with, &out->with_servers))
		return error_set(
			err, ERR_BAD_REQUEST, "with_servers must be True or False, not '%.32s'", with);
	return 0;
}

static const char *marker_of(struct api_call *c, const struct host_row *h)
{
	return since(c, 53) ? h->uid : arena_printf(c->arena, "%lld", (long long)h->id);
}

static int hypervisor_list(struct api_call *c, bool detail, struct error *err)
{
	static const char *const any_key[] = { "id", NULL };
	struct api_page page = { .limit = INT64_MAX };
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
		if (l.pattern && !strstr(hostname_of(&hosts[i]), l.pattern))
			continue;
		if (!started) {
			started = strcmp(page.marker, marker_of(c, &hosts[i])) == 0;
			continue;
		}
		if (hypervisor_view(c, &hosts[i], &l, err) < 0)
			return -1;
		last = &hosts[i];
		n++;
	}
	jw_end_array(&c->out);
	if (!started)
		return error_set(err, ERR_BAD_REQUEST, "marker [%.64s] not found", page.marker);
	if (l.pattern && !n && !page.marker)
		return error_set(
			err, ERR_NOT_FOUND, "No hypervisor matching '%.64s' could be found.", l.pattern);
	if (last && n == page.limit)
		compute_next_link(c, "hypervisors_links", marker_of(c, last));
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

/* By number below 2.53, by uuid from then on. */
static int find_host(struct api_call *c, struct host_row *out, struct error *err)
{
	const char *text = api_param(c, "hypervisor_id");
	struct host_row *hosts;
	size_t n;

	if (store_host_list(c->db, c->arena, &hosts, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(marker_of(c, &hosts[i]), text) == 0) {
			*out = hosts[i];
			return 0;
		}
	}
	return error_set(err, ERR_NOT_FOUND, "Hypervisor with ID '%.64s' could not be found.", text);
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
		if (!strstr(hostname_of(&hosts[i]), text))
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

/* --- services: each host stands for one nova-compute */

static void service_view(struct api_call *c, const struct host_row *h)
{
	struct buf *b = &c->out;
	int64_t seen_us;
	bool up = is_connected(c, h->id, &seen_us);

	jw_object(b);
	put_id(c, h);
	jw_kv_str(b, "binary", "nova-compute");
	jw_kv_str(b, "host", h->name);
	jw_kv_str(b, "zone", h->zone);
	jw_kv_str(b, "status", is_enabled(h) ? "enabled" : "disabled");
	jw_kv_str(b, "state", up ? "up" : "down");
	compute_time(b, "updated_at", seen_us, true);
	jw_kv_str(b, "disabled_reason", disabled_reason(h));
	if (since(c, 11))
		jw_kv_bool(b, "forced_down", false);
	jw_end_object(b);
}

int compute_service_list(struct api_call *c, struct error *err)
{
	const char *host = api_query(c, "host"), *binary = api_query(c, "binary");
	struct host_row *hosts;
	size_t n;

	if (store_host_list(c->db, c->arena, &hosts, &n, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "services");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		if ((!host || !*host || strcmp(host, hosts[i].name) == 0) &&
			(!binary || !*binary || strcmp(binary, "nova-compute") == 0))
			service_view(c, &hosts[i]);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* --- availability zones */

static bool seen_before(const struct host_row *hosts, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(hosts[k].zone, hosts[i].zone) == 0)
			return true;
	return false;
}

static void zone_host_view(struct api_call *c, const struct host_row *h)
{
	struct buf *b = &c->out;
	int64_t seen_us;
	bool active = is_connected(c, h->id, &seen_us);

	jw_key(b, h->name);
	jw_object(b);
	jw_key(b, "nova-compute");
	jw_object(b);
	jw_kv_bool(b, "available", is_enabled(h));
	jw_kv_bool(b, "active", active);
	compute_time(b, "updated_at", seen_us, true);
	jw_end_object(b);
	jw_end_object(b);
}

/* A zone is available when one of its hosts takes new servers. */
static void zone_view(
	struct api_call *c, const struct host_row *hosts, size_t n, const char *zone, bool detail)
{
	struct buf *b = &c->out;
	bool available = false;

	for (size_t i = 0; i < n; i++)
		available = available || (strcmp(hosts[i].zone, zone) == 0 && is_enabled(&hosts[i]) &&
						 is_connected(c, hosts[i].id, NULL));
	jw_object(b);
	jw_kv_str(b, "zoneName", zone);
	jw_key(b, "zoneState");
	jw_object(b);
	jw_kv_bool(b, "available", available);
	jw_end_object(b);
	jw_key(b, "hosts");
	if (detail) {
		jw_object(b);
		for (size_t i = 0; i < n; i++)
			if (strcmp(hosts[i].zone, zone) == 0)
				zone_host_view(c, &hosts[i]);
		jw_end_object(b);
	} else {
		jw_null(b);
	}
	jw_end_object(b);
}

static int zone_list(struct api_call *c, bool detail, struct error *err)
{
	struct host_row *hosts;
	size_t n;

	if (store_host_list(c->db, c->arena, &hosts, &n, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "availabilityZoneInfo");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		if (!seen_before(hosts, i))
			zone_view(c, hosts, n, hosts[i].zone, detail);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int compute_zone_list(struct api_call *c, struct error *err)
{
	return zone_list(c, false, err);
}

int compute_zone_detail(struct api_call *c, struct error *err)
{
	return zone_list(c, true, err);
}
