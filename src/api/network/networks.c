/* SPDX-License-Identifier: Apache-2.0 */
/* Networks, subnets and ports as Neutron shows them. */
#include "store/networks.h"
#include "api/network/network.h"
#include "base/util.h"
#include <string.h>

enum { PORTS_MAX = 10000 }; /* read for one list, before filters and paging */

/* A project sees its own and shared things; administrators all. */
static int64_t seen_by(const struct api_call *c)
{
	return api_is_admin(c) ? 0 : c->who->project.id;
}

static void common(json_t *o, const char *project_uid, int64_t created_us, int64_t updated_us)
{
	char text[TIME_TEXT];

	json_object_set_new(o, "tenant_id", json_string(project_uid));
	json_object_set_new(o, "project_id", json_string(project_uid));
	json_object_set_new(o, "created_at", json_string(time_iso(created_us, text)));
	json_object_set_new(o, "updated_at", json_string(time_iso(updated_us, text)));
	json_object_set_new(o, "revision_number", json_integer(1));
	json_object_set_new(o, "tags", json_array());
}

static json_t *network_view(
	struct api_call *c, const struct network *n, const struct subnet *subnets, size_t subnets_n)
{
	json_t *ids = json_array(), *o;

	for (size_t i = 0; i < subnets_n; i++)
		if (subnets[i].network_id == n->id)
			json_array_append_new(ids, json_string(subnets[i].uid));
	o = json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:i, s:o, s:[], s:[s], s:n, s:n}", "id", n->uid,
		"name", n->name, "description", n->description, "status", "ACTIVE", "admin_state_up", 1,
		"shared", n->shared, "router:external", n->external, "mtu", n->mtu, "subnets", ids,
		"availability_zone_hints", "availability_zones", c->api->config.default_zone,
		"ipv4_address_scope", "ipv6_address_scope");
	common(o, n->project_uid, n->created_us, n->updated_us);
	if (api_is_admin(c)) {
		json_object_set_new(o, "provider:network_type", json_string("flat"));
		json_object_set_new(o, "provider:physical_network", json_string(n->source));
		json_object_set_new(o, "provider:segmentation_id", json_null());
	}
	return o;
}

int network_list(struct api_call *c, struct error *err)
{
	json_t *items;
	struct network *all;
	struct subnet *subnets;
	size_t n, subnets_n;

	if (store_network_list(c->db, c->arena, seen_by(c), &all, &n, err) < 0 ||
		store_subnet_list(c->db, c->arena, seen_by(c), &subnets, &subnets_n, err) < 0)
		return -1;
	items = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, network_view(c, &all[i], subnets, subnets_n));
	return network_reply_list(c, "networks", items, err);
}

int network_show(struct api_call *c, struct error *err)
{
	struct network n;
	struct subnet *subnets;
	size_t subnets_n;

	if (store_network_get(c->db, c->arena, seen_by(c), api_param(c, "id"), &n, err) < 0 ||
		store_subnet_list(c->db, c->arena, seen_by(c), &subnets, &subnets_n, err) < 0)
		return -1;
	return network_reply_one(c, "network", network_view(c, &n, subnets, subnets_n));
}

static json_t *dns_list(struct api_call *c, const char *text)
{
	char *copy = arena_strdup(c->arena, text), *save = NULL;
	json_t *list = json_array();

	for (char *p = strtok_r(copy, ", ", &save); p; p = strtok_r(NULL, ", ", &save))
		json_array_append_new(list, json_string(p));
	return list;
}

static json_t *subnet_view(struct api_call *c, const struct subnet *s)
{
	char cidr[IPAM_CIDR_TEXT], gateway[IPAM_TEXT], first[IPAM_TEXT], last[IPAM_TEXT];
	json_t *o;

	o = json_pack(
		"{s:s, s:s, s:s, s:s, s:i, s:s, s:o, s:b, s:[{s:s, s:s}], s:o, s:[], s:n, s:n, s:n, s:[]}",
		"id", s->uid, "name", s->name, "description", "", "network_id", s->network_uid, "ip_version",
		4, "cidr", ipam_cidr_format(&s->cidr, cidr), "gateway_ip",
		s->gateway ? json_string(ipam_format(s->gateway, gateway)) : json_null(), "enable_dhcp",
		s->dhcp, "allocation_pools", "start", ipam_format(s->pool.first, first), "end",
		ipam_format(s->pool.last, last), "dns_nameservers", dns_list(c, s->dns), "host_routes",
		"ipv6_ra_mode", "ipv6_address_mode", "subnetpool_id", "service_types");
	common(o, s->project_uid, s->created_us, s->updated_us);
	return o;
}

int subnet_list(struct api_call *c, struct error *err)
{
	json_t *items;
	struct subnet *all;
	size_t n;

	if (store_subnet_list(c->db, c->arena, seen_by(c), &all, &n, err) < 0)
		return -1;
	items = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, subnet_view(c, &all[i]));
	return network_reply_list(c, "subnets", items, err);
}

int subnet_show(struct api_call *c, struct error *err)
{
	struct subnet s;

	if (store_subnet_get(c->db, c->arena, seen_by(c), api_param(c, "id"), &s, err) < 0)
		return -1;
	return network_reply_one(c, "subnet", subnet_view(c, &s));
}

static json_t *port_view(struct api_call *c, const struct port *p)
{
	json_t *ips = json_array(), *o;
	char text[IPAM_TEXT];

	for (size_t i = 0; i < p->addresses_n; i++)
		json_array_append_new(ips, json_pack("{s:s, s:s}", "subnet_id", p->addresses[i].subnet_uid,
						   "ip_address", ipam_format(p->addresses[i].address, text)));
	o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:o, s:[], s:[], s:[], s:s}", "id",
		p->uid, "name", p->name, "description", "", "network_id", p->network_uid, "mac_address",
		p->mac, "admin_state_up", p->admin_up, "status", p->active ? "ACTIVE" : "DOWN", "device_id",
		p->server_uid, "device_owner",
		*p->server_uid ? arena_printf(c->arena, "compute:%s", p->zone) : "", "fixed_ips", ips,
		"security_groups", "allowed_address_pairs", "extra_dhcp_opts", "binding:vnic_type", "normal");
	common(o, p->project_uid, p->created_us, p->updated_us);
	if (api_is_admin(c)) {
		json_object_set_new(o, "binding:host_id", json_string(p->host));
		json_object_set_new(o, "binding:profile", json_object());
		json_object_set_new(o, "binding:vif_type", json_string("bridge"));
		json_object_set_new(o, "binding:vif_details", json_object());
	}
	return o;
}

int port_list(struct api_call *c, struct error *err)
{
	struct port_filter f = {
		.project_id = seen_by(c),
		.server_uid = api_query(c, "device_id"),
		.network_uid = api_query(c, "network_id"),
		.name = api_query(c, "name"),
		.mac = api_query(c, "mac_address"),
		.limit = PORTS_MAX,
	};
	json_t *items;
	struct port *all;
	size_t n;

	if (store_port_list(c->db, c->arena, &f, &all, &n, err) < 0)
		return -1;
	items = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, port_view(c, &all[i]));
	return network_reply_list(c, "ports", items, err);
}

int port_show(struct api_call *c, struct error *err)
{
	struct port p;

	if (store_port_get(c->db, c->arena, seen_by(c), api_param(c, "id"), &p, err) < 0)
		return -1;
	return network_reply_one(c, "port", port_view(c, &p));
}
