/* SPDX-License-Identifier: Apache-2.0 */
/* Availability zones: names that hosts, or the aggregates that they are in, carry. */
#include <string.h>

#include "api/compute/host_view.h"

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
	bool up = host_is_up(c, h, &seen_us);

	jw_key(b, h->name);
	jw_object(b);
	jw_key(b, "nova-compute");
	jw_object(b);
	jw_kv_bool(b, "available", up);
	jw_kv_bool(b, "active", host_is_enabled(h));
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
		available = available || (strcmp(hosts[i].zone, zone) == 0 && host_is_enabled(&hosts[i]) &&
						 host_is_up(c, &hosts[i], NULL));
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
