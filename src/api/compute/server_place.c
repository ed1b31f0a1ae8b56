/* SPDX-License-Identifier: Apache-2.0 */
#include "api/compute/server_place.h"

#include <string.h>

#include "base/util.h"
#include "domain/ipam.h"
#include "store/server_refs.h"

struct place {
	struct api_call *c;
	struct server_create *want;
	int64_t project_id;
	bool several; /* servers in one request */
};

/* --- zone and host */

static int check_zone(struct place *p, const char *zone, struct error *err)
{
	int rc = store_ref_zone(p->c->db, zone, err);

	if (rc == 0 && !str_eq(zone, p->c->api->config.default_zone))
		return error_set(err, ERR_BAD_REQUEST,
			"The requested availability zone is not available: %.63s", zone);
	return rc < 0 ? -1 : 0;
}

static int force_host(struct place *p, const char *name, struct error *err)
{
	const char *found, *zone;
	int rc;

	if (!api_is_admin(p->c))
		return error_set(err, ERR_FORBIDDEN,
			"You are not authorized to choose a host: it needs the role admin.");
	rc = store_ref_host(p->c->db, p->c->arena, name, &found, &zone, err);
	if (rc == 0)
		return error_set(err, ERR_BAD_REQUEST, "Compute host %.64s could not be found.", name);
	if (rc < 0)
		return -1;
	if (p->want->host && strcmp(p->want->host, found) != 0)
		return error_set(err, ERR_BAD_REQUEST, "The request names two different hosts.");
	if (p->want->zone && strcmp(p->want->zone, zone) != 0)
		return error_set(
			err, ERR_BAD_REQUEST, "Host %.64s is not in zone %.63s.", found, p->want->zone);
	p->want->host = found;
	return 0;
}

/* zone, or for administrators zone:host, zone:host:node, :host */
int server_find_place(struct api_call *c, const char *zone, const char *host, const char *hypervisor,
	struct server_create *want, struct error *err)
{
	struct place here = { .c = c, .want = want }, *p = &here;
	const char *text = zone, *colon = text ? strchr(text, ':') : NULL, *node;

	if (text && *text != ':') {
		p->want->zone = colon ? arena_strndup(p->c->arena, text, (size_t)(colon - text)) : text;
		if (check_zone(p, p->want->zone, err) < 0)
			return -1;
	}
	if (colon) {
		node = strchr(colon + 1, ':');
		text = node ? arena_strndup(p->c->arena, colon + 1, (size_t)(node - colon - 1)) : colon + 1;
		if ((*text && force_host(p, text, err) < 0) ||
			(node && node[1] && force_host(p, node + 1, err) < 0))
			return -1;
	}
	if ((host && force_host(p, host, err) < 0) || (hypervisor && force_host(p, hypervisor, err) < 0))
		return -1;
	return 0;
}

/* --- networks */

static int check_nic(const struct place *p, const struct server_nic_body *in, size_t i, struct error *err)
{
	const char *where = arena_printf(p->c->arena, "server.networks[%zu]", i);
	uint32_t address;

	if (in->tag)
		return error_set(
			err, ERR_BAD_REQUEST, "%s.tag: device tags are not supported by this cloud", where);
	if (!in->network && !in->port)
		return error_set(err, ERR_BAD_REQUEST, "%s needs 'uuid' or 'port'", where);
	if (in->fixed_ip && (in->port || !ipam_parse(in->fixed_ip, &address)))
		return error_set(err, ERR_BAD_REQUEST,
			"%s.fixed_ip must be an IPv4 address, and goes with 'uuid' only", where);
	if ((in->port || in->fixed_ip) && p->several)
		return error_set(err, ERR_BAD_REQUEST,
			"%s: a port or an address cannot be given to several servers", where);
	return 0;
}

static int find_nic(
	struct place *p, const struct server_nic_body *in, struct server_nic_want *out, struct error *err)
{
	struct server_port_ref port;
	int rc;

	*out = (struct server_nic_want) { .fixed_ip = in->fixed_ip };
	if (!in->port) {
		rc = store_ref_network(p->c->db, p->project_id, in->network, &out->network_id, err);
		if (rc == 0)
			return error_set(
				err, ERR_BAD_REQUEST, "Network %.64s could not be found.", in->network);
		return rc < 0 ? -1 : 0;
	}
	rc = store_ref_port(p->c->db, p->project_id, in->port, &port, err);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return error_set(err, ERR_BAD_REQUEST, "Port id %.64s could not be found.", in->port);
	for (size_t i = 0; i < p->want->nics_n; i++)
		port.in_use = port.in_use || p->want->nics[i].port_id == port.id;
	if (port.in_use)
		return error_set(err, ERR_CONFLICT, "Port %.64s is still in use.", in->port);
	out->network_id = port.network_id;
	out->port_id = port.id;
	return 0;
}

/* The only network there is; with several the caller has to choose. */
static int auto_network(struct place *p, bool required, struct error *err)
{
	int64_t id, n;

	if (store_ref_network_only(p->c->db, p->project_id, &id, &n, err) < 0)
		return -1;
	if (n > 1)
		return error_set(err, ERR_CONFLICT,
			"Multiple possible networks found, use a Network ID to be more specific.");
	if (n == 0 && required)
		return error_set(err, ERR_BAD_REQUEST,
			"Unable to automatically allocate a network for project: it has none to use");
	if (n == 1) {
		p->want->nics[0] = (struct server_nic_want) { .network_id = id };
		p->want->nics_n = 1;
	}
	return 0;
}

int server_find_networks(struct api_call *c, int64_t project_id, const struct server_create_args *in,
	struct server_create *want, struct error *err)
{
	struct place here = { .c = c, .want = want, .project_id = project_id, .several = in->max_count > 1 },
		     *p = &here;
	const struct server_nic_body *nics = in->networks.items;
	const char *word = in->networks_word;

	want->nics = ARENA_ARRAY(c->arena, struct server_nic_want, SERVER_NICS_MAX);
	if (!nics && !word && since(c, 37))
		return error_set(err, ERR_BAD_REQUEST,
			"server.networks is required: a list of networks, 'auto' or 'none'");
	if (word)
		return str_eq(word, "none") ? 0 : auto_network(p, true, err);
	if (!nics || !in->networks.n)
		return auto_network(p, false, err);
	for (size_t i = 0; i < in->networks.n; i++) {
		if (check_nic(p, &nics[i], i, err) < 0 || find_nic(p, &nics[i], &want->nics[i], err) < 0)
			return -1;
		want->nics_n++;
	}
	return 0;
}
