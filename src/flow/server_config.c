/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest finds on its config drive, in the form that cloud-init's ConfigDrive source reads. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "domain/flavor.h"
#include "domain/ipam.h"
#include "flow/server_parts.h"
#include "hv/config_drive.h"

static void write_keys(const struct server *s, struct buf *b)
{
	jw_key(b, "public_keys");
	jw_object(b);
	jw_kv_str(b, s->key_name, s->key_public);
	jw_end_object(b);
	jw_key(b, "keys");
	jw_array(b);
	jw_object(b);
	jw_kv_str(b, "name", s->key_name);
	jw_kv_str(b, "type", s->key_type ? s->key_type : "ssh");
	jw_kv_str(b, "data", s->key_public);
	jw_end_object(b);
	jw_end_array(b);
}

/* The vCPUs that have a CPU of the host each: all or none. */
static void write_dedicated(const struct server *s, struct buf *b)
{
	struct flavor_wants wants;
	struct error ignored;

	jw_key(b, "dedicated_cpus");
	jw_array(b);
	if (capacity_wants(s->extra_specs, &wants, &ignored) == 0 && wants.dedicated)
		for (int64_t i = 0; i < s->vcpus; i++)
			jw_int(b, i);
	jw_end_array(b);
}

static void write_meta(const struct server_facts *f, struct buf *b)
{
	const struct server *s = &f->s;
	CLEANUP(free_ptr) char *seed = base64_encode(f->seed, sizeof f->seed);

	jw_object(b);
	jw_kv_str(b, "uuid", s->uid);
	jw_kv_str(b, "name", s->name);
	jw_kv_str(b, "hostname", s->hostname);
	jw_kv_str(b, "availability_zone", s->zone);
	jw_kv_str(b, "project_id", f->project_uid);
	jw_kv_int(b, "launch_index", s->launch_index);
	if (s->key_name && s->key_public)
		write_keys(s, b);
	if (f->metadata_n) {
		jw_key(b, "meta");
		jw_object(b);
		for (size_t i = 0; i < f->metadata_n; i++)
			jw_kv_str(b, f->metadata[i].key, f->metadata[i].value);
		jw_end_object(b);
	}
	if (s->admin_pass)
		jw_kv_str(b, "admin_pass", s->admin_pass);
	jw_kv_str(b, "random_seed", seed);
	jw_key(b, "devices");
	jw_array(b);
	jw_end_array(b);
	write_dedicated(s, b);
	jw_end_object(b);
}

static void write_dns(const struct server_port *p, struct buf *b)
{
	const char *at = p->dns ? p->dns : "";

	while (*at) {
		size_t n = strcspn(at, ", ");

		if (n) {
			jw_object(b);
			jw_kv_str(b, "type", "dns");
			jw_key(b, "address");
			jw_strn(b, at, n);
			jw_end_object(b);
		}
		at += n;
		at += strspn(at, ", ");
	}
}

static void write_routes(const struct server_port *p, struct buf *b)
{
	char text[IPAM_TEXT];

	jw_key(b, "routes");
	jw_array(b);
	if (p->gateway) {
		jw_object(b);
		jw_kv_str(b, "network", "0.0.0.0");
		jw_kv_str(b, "netmask", "0.0.0.0");
		jw_kv_str(b, "gateway", ipam_format(p->gateway, text));
		jw_end_object(b);
	}
	jw_end_array(b);
}

static void write_network(const struct server_port *p, size_t i, struct buf *b)
{
	struct ipam_cidr cidr = { p->cidr_base, p->cidr_bits };
	char text[IPAM_TEXT];

	jw_object(b);
	jw_key(b, "id");
	jw_strf(b, "network%zu", i);
	jw_kv_str(b, "type", "ipv4");
	jw_key(b, "link");
	jw_strf(b, "tap%.11s", p->uid);
	jw_kv_str(b, "ip_address", ipam_format(p->address, text));
	jw_kv_str(b, "netmask", ipam_format(ipam_netmask(&cidr), text));
	write_routes(p, b);
	jw_kv_str(b, "network_id", p->network_uid);
	jw_key(b, "services");
	jw_array(b);
	write_dns(p, b);
	jw_end_array(b);
	jw_end_object(b);
}

static void write_link(const struct server_port *p, struct buf *b)
{
	jw_object(b);
	jw_key(b, "id");
	jw_strf(b, "tap%.11s", p->uid);
	jw_kv_str(b, "vif_id", p->uid);
	jw_kv_str(b, "type", "bridge");
	jw_kv_int(b, "mtu", p->mtu);
	jw_kv_str(b, "ethernet_mac_address", p->mac);
	jw_end_object(b);
}

static void write_networks(const struct server_facts *f, struct buf *b)
{
	jw_object(b);
	jw_key(b, "links");
	jw_array(b);
	for (size_t i = 0; i < f->ports_n; i++)
		write_link(&f->ports[i], b);
	jw_end_array(b);
	jw_key(b, "networks");
	jw_array(b);
	for (size_t i = 0; i < f->ports_n; i++)
		if (f->ports[i].has_address)
			write_network(&f->ports[i], i, b);
	jw_end_array(b);
	jw_key(b, "services");
	jw_array(b);
	for (size_t i = 0; i < f->ports_n; i++)
		write_dns(&f->ports[i], b);
	jw_end_array(b);
	jw_end_object(b);
}

int server_config_make(const struct server_facts *f, struct buf *out, struct error *err)
{
	struct config_drive cd = { .user_data = NULL };
	unsigned char *user_data = NULL;
	int rc;

	if (f->s.user_data && f->s.user_data[0]) {
		user_data = base64_decode(f->s.user_data, strlen(f->s.user_data), &cd.user_data_n);
		if (!user_data)
			return error_set(err, ERR_BAD_REQUEST, "the user data is not base64");
		cd.user_data = user_data;
	}
	write_meta(f, &cd.meta_data);
	write_networks(f, &cd.network_data);
	rc = config_drive_make(&cd, out, err);
	buf_finish(&cd.meta_data);
	buf_finish(&cd.network_data);
	free(user_data);
	return rc;
}
