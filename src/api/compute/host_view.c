/* SPDX-License-Identifier: Apache-2.0 */
#include "api/compute/host_view.h"

#include <string.h>

#include "base/util.h"

bool host_is_up(const struct api_call *c, const struct host_row *h, int64_t *out_seen_us)
{
	struct host_link link;
	bool known = flow_host_link(c->api->flows, h->id, &link);

	if (out_seen_us)
		*out_seen_us = known ? link.seen_us : 0;
	return known && !h->forced_down && host_link_is_up(&link);
}

bool host_is_enabled(const struct host_row *h)
{
	return strcmp(h->state, "up") == 0;
}

const char *host_disabled_reason(const struct host_row *h)
{
	return host_is_enabled(h) ? NULL : *h->state_reason ? h->state_reason : h->state;
}

const char *host_hypervisor_name(const struct host_row *h)
{
	return *h->hv_hostname ? h->hv_hostname : h->name;
}

const char *host_public_id(struct api_call *c, const struct host_row *h)
{
	return since(c, 53) ? h->uid : arena_printf(c->arena, "%lld", (long long)h->id);
}

void host_put_id(struct api_call *c, const struct host_row *h)
{
	if (since(c, 53))
		jw_kv_str(&c->out, "id", h->uid);
	else
		jw_kv_int(&c->out, "id", h->id);
}

int host_find_by_id(
	struct api_call *c, const char *text, struct host_row *out, bool *out_found, struct error *err)
{
	struct host_row *hosts;
	size_t n;

	*out_found = false;
	if (store_host_list(c->db, c->arena, &hosts, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n && !*out_found; i++) {
		if (strcmp(host_public_id(c, &hosts[i]), text) != 0)
			continue;
		*out = hosts[i];
		*out_found = true;
	}
	return 0;
}

int host_find_by_name(struct api_call *c, const char *name, struct host_row *out, struct error *err)
{
	if (store_host_get(c->db, c->arena, name, out, err) < 0)
		return err->code == ERR_NOT_FOUND
			       ? error_set(err, ERR_NOT_FOUND, "Compute host %.64s could not be found.", name)
			       : -1;
	if (strcmp(out->name, name) != 0) /* it was found by its uuid */
		return error_set(err, ERR_NOT_FOUND, "Compute host %.64s could not be found.", name);
	return 0;
}

int host_set_enabled(
	struct api_call *c, struct host_row *h, bool enabled, const char *reason, struct error *err)
{
	if (flow_host_set_state(
		    c->api->flows, c->db, h->id, enabled ? "up" : "disabled", enabled ? "" : reason, err) < 0)
		return -1;
	return store_host_load(c->db, c->arena, h->id, h, err);
}
