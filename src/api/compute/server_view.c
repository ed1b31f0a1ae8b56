/* SPDX-License-Identifier: Apache-2.0 */
#include "api/compute/server_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/util.h"
#include "domain/ipam.h"
#include "domain/names.h"

/* --- parts */

static int pairs_view(struct api_call *c, const struct server_pair *pairs, size_t n)
{
	jw_object(&c->out);
	for (size_t i = 0; i < n; i++)
		jw_kv_str(&c->out, pairs[i].key, pairs[i].value);
	jw_end_object(&c->out);
	return 0;
}

static void address_view(struct buf *b, const struct server_address *a, bool extended)
{
	char text[IPAM_TEXT];

	jw_object(b);
	jw_kv_int(b, "version", 4);
	jw_kv_str(b, "addr", ipam_format(a->address, text));
	if (extended) {
		jw_kv_str(b, "OS-EXT-IPS:type", "fixed");
		jw_kv_str(b, "OS-EXT-IPS-MAC:mac_addr", a->mac);
	}
	jw_end_object(b);
}

int server_addresses_view(
	struct api_call *c, int64_t server_id, const char *label, bool extended, struct error *err)
{
	struct server_address *list;
	const char *open = NULL;
	int labels = 0;
	size_t n;

	if (store_server_addresses(c->db, c->arena, server_id, &list, &n, err) < 0)
		return -1;
	jw_object(&c->out);
	for (size_t i = 0; i < n; i++) {
		if (label && strcmp(label, list[i].network) != 0)
			continue;
		if (!open || strcmp(open, list[i].network) != 0) {
			if (open)
				jw_end_array(&c->out);
			open = list[i].network;
			jw_key(&c->out, open);
			jw_array(&c->out);
			labels++;
		}
		address_view(&c->out, &list[i], extended);
	}
	if (open)
		jw_end_array(&c->out);
	jw_end_object(&c->out);
	return labels;
}

/* --- fields: one row each, in the order of the answer */

struct view {
	struct api_call *c;
	const struct server_row *r;
	enum server_view_kind kind;
	bool reduced; /* PUT's answer below 2.75 */
};

typedef int put_fn(struct view *v, struct error *err);

static int put_status(struct view *v, struct error *err)
{
	(void)err;
	jw_str(&v->c->out, server_status(v->r->s.vm_state, v->r->s.task_state));
	return 0;
}

static int put_metadata(struct view *v, struct error *err)
{
	struct server_pair *pairs;
	size_t n;

	if (store_server_metadata(v->c->db, v->c->arena, v->r->s.id, &pairs, &n, err) < 0)
		return -1;
	return pairs_view(v->c, pairs, n);
}

static int put_host_id(struct view *v, struct error *err)
{
	char text[HOST_ID_TEXT];

	(void)err;
	host_id_make(v->r->project_uid, v->r->host_name, text);
	jw_str(&v->c->out, text);
	return 0;
}

static int put_image(struct view *v, struct error *err)
{
	struct buf *b = &v->c->out;

	(void)err;
	if (!v->r->image_uid) {
		jw_str(b, "");
		return 0;
	}
	jw_object(b);
	jw_kv_str(b, "id", v->r->image_uid);
	compute_bookmark(v->c, "images", v->r->image_uid);
	jw_end_object(b);
	return 0;
}

/* From 2.47 the flavor as it was when the server was made, without an id. */
static int put_flavor(struct view *v, struct error *err)
{
	const struct server *s = &v->r->s;
	struct buf *b = &v->c->out;

	(void)err;
	jw_object(b);
	if (!since(v->c, 47)) {
		jw_kv_str(b, "id", s->flavor_uid);
		compute_bookmark(v->c, "flavors", s->flavor_uid);
	} else {
		jw_kv_str(b, "original_name", s->flavor_name);
		jw_kv_int(b, "vcpus", s->vcpus);
		jw_kv_int(b, "ram", s->ram_mib);
		jw_kv_int(b, "disk", s->disk_gib);
		jw_kv_int(b, "ephemeral", s->ephemeral_gib);
		jw_kv_int(b, "swap", s->swap_mib);
		jw_key(b, "extra_specs");
		jw_raw(b, s->extra_specs, strlen(s->extra_specs));
	}
	jw_end_object(b);
	return 0;
}

static int put_addresses(struct view *v, struct error *err)
{
	return server_addresses_view(v->c, v->r->s.id, NULL, !v->reduced, err) < 0 ? -1 : 0;
}

static int put_fault(struct view *v, struct error *err)
{
	const struct server *s = &v->r->s;
	struct buf *b = &v->c->out;

	(void)err;
	jw_object(b);
	jw_kv_int(b, "code", s->fault_code);
	compute_time(b, "created", s->fault_us ? s->fault_us : s->updated_us, false);
	jw_kv_str(b, "message", s->fault_message ? s->fault_message : "");
	if (s->fault_details && (api_is_admin(v->c) || s->fault_code != 500))
		jw_kv_str(b, "details", s->fault_details);
	jw_end_object(b);
	return 0;
}

/* Nova's hosts do not tell either; clients only want a number there. */
static int put_zero(struct view *v, struct error *err)
{
	(void)err;
	jw_int(&v->c->out, 0);
	return 0;
}

static int put_config_drive(struct view *v, struct error *err)
{
	(void)err;
	jw_str(&v->c->out, v->r->s.config_drive ? "True" : "");
	return 0;
}

static int put_vm_state(struct view *v, struct error *err)
{
	(void)err;
	jw_str(&v->c->out, vm_state_text(v->r->s.vm_state));
	return 0;
}

static int put_task_state(struct view *v, struct error *err)
{
	(void)err;
	jw_str(&v->c->out, task_state_text(v->r->s.task_state));
	return 0;
}

static int put_power_state(struct view *v, struct error *err)
{
	(void)err;
	jw_int(&v->c->out, v->r->s.power_state);
	return 0;
}

static int put_empty_list(struct view *v, struct error *err)
{
	(void)err;
	jw_array(&v->c->out);
	jw_end_array(&v->c->out);
	return 0;
}

static int put_empty_text(struct view *v, struct error *err)
{
	(void)err;
	jw_str(&v->c->out, "");
	return 0;
}

static int put_null(struct view *v, struct error *err)
{
	(void)err;
	jw_null(&v->c->out);
	return 0;
}

static int put_instance_name(struct view *v, struct error *err)
{
	(void)err;
	jw_strf(&v->c->out, "instance-%08llx", (long long)v->r->s.id);
	return 0;
}

static int put_hypervisor_hostname(struct view *v, struct error *err)
{
	const struct server_row *r = v->r;

	(void)err;
	jw_str(&v->c->out, r->hv_hostname && *r->hv_hostname ? r->hv_hostname : r->host_name);
	return 0;
}

static int put_root_device(struct view *v, struct error *err)
{
	(void)err;
	jw_str(&v->c->out, "/dev/vda");
	return 0;
}

static int by_id(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static bool is_heard(const struct api_call *c, int64_t host_id)
{
	struct host_link link;

	if (c->away)
		return bsearch(&host_id, c->hosts_heard, c->hosts_heard_n, sizeof host_id, by_id) != NULL;
	return flow_host_link(c->api->flows, host_id, &link) && host_link_is_up(&link);
}

/* What is known of the host's control plane; "" on no host. */
static int put_host_status(struct view *v, struct error *err)
{
	const char *text = "";

	(void)err;
	if (v->r->host_name) {
		if (v->r->host_forced_down)
			text = "DOWN";
		else if (strcmp(v->r->host_state, "up") != 0)
			text = "MAINTENANCE";
		else /* that it is silent is no proof that it is down */
			text = is_heard(v->c, v->r->s.host_id) ? "UP" : "UNKNOWN";
	}
	jw_str(&v->c->out, text);
	return 0;
}

static int put_tags(struct view *v, struct error *err)
{
	const char **tags;
	size_t n;

	if (store_server_tags(v->c->db, v->c->arena, v->r->s.id, &tags, &n, err) < 0)
		return -1;
	jw_array(&v->c->out);
	for (size_t i = 0; i < n; i++)
		jw_str(&v->c->out, tags[i]);
	jw_end_array(&v->c->out);
	return 0;
}

static int put_groups(struct view *v, struct error *err)
{
	const char *uid;
	int64_t id;

	if (store_server_group_of(v->c->db, v->c->arena, v->r->s.id, &id, &uid, err) < 0)
		return -1;
	jw_array(&v->c->out);
	if (uid)
		jw_str(&v->c->out, uid);
	jw_end_array(&v->c->out);
	return 0;
}

static bool has_progress(const struct view *v)
{
	static const char *const with[] = { "ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE",
		"MIGRATING" };
	const char *status = server_status(v->r->s.vm_state, v->r->s.task_state);

	for (size_t i = 0; i < ARRAY_LEN(with); i++)
		if (strcmp(status, with[i]) == 0)
			return true;
	return false;
}

static bool has_fault(const struct view *v)
{
	return v->r->s.fault_code && (v->r->s.vm_state == VM_ERROR || v->r->s.vm_state == VM_DELETED);
}

static bool is_reduced(const struct view *v)
{
	return v->reduced;
}

enum field_type { F_STR, F_INT, F_BOOL, F_TIME, F_TIME_US, F_LINKS, F_FN };

enum field_flags {
	F_ADMIN = 1,      /* administrators only */
	F_NOT_PUT = 2,    /* not in PUT's answer below 2.75 */
	F_NOT_LIST = 4,   /* not in lists */
	F_OPEN_AT_90 = 8, /* with F_ADMIN: for all from 2.90 */
	F_REBUILD = 16,   /* only in rebuild's answer */
	F_NOT_REBUILD = 32
};

#define ROW(member) offsetof(struct server_row, member)
#define FN(fn) F_FN, 0, fn

static const struct field {
	const char *key;
	int since;
	unsigned flags;
	enum field_type type;
	size_t offset;
	put_fn *fn;
	bool (*when)(const struct view *v);
} fields[] = {
	/* clang-format off */
	{ "id", 0, 0, F_STR, ROW(s.uid), NULL, NULL },
	{ "name", 0, 0, F_STR, ROW(s.name), NULL, NULL },
	{ "status", 0, 0, FN(put_status), NULL },
	{ "tenant_id", 0, 0, F_STR, ROW(project_uid), NULL, NULL },
	{ "user_id", 0, 0, F_STR, ROW(s.user_uid), NULL, NULL },
	{ "metadata", 0, 0, FN(put_metadata), NULL },
	{ "hostId", 0, 0, FN(put_host_id), NULL },
	{ "image", 0, 0, FN(put_image), NULL },
	{ "flavor", 0, 0, FN(put_flavor), NULL },
	{ "created", 0, 0, F_TIME, ROW(s.created_us), NULL, NULL },
	{ "updated", 0, 0, F_TIME, ROW(s.updated_us), NULL, NULL },
	{ "addresses", 0, 0, FN(put_addresses), NULL },
	{ "accessIPv4", 0, 0, F_STR, ROW(s.access_ipv4), NULL, NULL },
	{ "accessIPv6", 0, 0, F_STR, ROW(s.access_ipv6), NULL, NULL },
	{ "links", 0, 0, F_LINKS, ROW(s.uid), NULL, NULL },
	{ "OS-DCF:diskConfig", 0, 0, F_STR, ROW(s.disk_config), NULL, NULL },
	{ "fault", 0, 0, FN(put_fault), has_fault },
	{ "progress", 0, 0, FN(put_zero), has_progress },
	{ "OS-EXT-AZ:availability_zone", 0, F_NOT_PUT, F_STR, ROW(s.zone), NULL, NULL },
	{ "config_drive", 0, F_NOT_PUT, FN(put_config_drive), NULL },
	{ "key_name", 0, F_NOT_PUT, F_STR, ROW(s.key_name), NULL, NULL },
	{ "OS-SRV-USG:launched_at", 0, F_NOT_PUT, F_TIME_US, ROW(s.launched_us), NULL, NULL },
	{ "OS-SRV-USG:terminated_at", 0, F_NOT_PUT, F_TIME_US, ROW(s.terminated_us), NULL, NULL },
	{ "OS-EXT-STS:task_state", 0, F_NOT_PUT, FN(put_task_state), NULL },
	{ "OS-EXT-STS:vm_state", 0, F_NOT_PUT, FN(put_vm_state), NULL },
	{ "OS-EXT-STS:power_state", 0, F_NOT_PUT, FN(put_power_state), NULL },
	{ "os-extended-volumes:volumes_attached", 0, F_NOT_PUT, FN(put_empty_list), NULL },
	{ "OS-EXT-SRV-ATTR:host", 0, F_ADMIN | F_NOT_PUT, F_STR, ROW(host_name), NULL, NULL },
	{ "OS-EXT-SRV-ATTR:instance_name", 0, F_ADMIN | F_NOT_PUT, FN(put_instance_name), NULL },
	{ "OS-EXT-SRV-ATTR:hypervisor_hostname", 0, F_ADMIN | F_NOT_PUT, FN(put_hypervisor_hostname), NULL },
	{ "OS-EXT-SRV-ATTR:reservation_id", 3, F_ADMIN | F_NOT_PUT, F_STR, ROW(s.reservation_id), NULL, NULL },
	{ "OS-EXT-SRV-ATTR:launch_index", 3, F_ADMIN | F_NOT_PUT, F_INT, ROW(s.launch_index), NULL, NULL },
	{ "OS-EXT-SRV-ATTR:hostname", 3, F_ADMIN | F_NOT_PUT | F_OPEN_AT_90, F_STR, ROW(s.hostname), NULL, NULL },
	{ "OS-EXT-SRV-ATTR:kernel_id", 3, F_ADMIN | F_NOT_PUT, FN(put_empty_text), NULL },
	{ "OS-EXT-SRV-ATTR:ramdisk_id", 3, F_ADMIN | F_NOT_PUT, FN(put_empty_text), NULL },
	{ "OS-EXT-SRV-ATTR:root_device_name", 3, F_ADMIN | F_NOT_PUT, FN(put_root_device), NULL },
	{ "OS-EXT-SRV-ATTR:user_data", 3, F_ADMIN | F_NOT_PUT | F_NOT_REBUILD, F_STR, ROW(s.user_data), NULL, NULL },
	{ "locked", 9, 0, F_BOOL, ROW(s.locked), NULL, NULL },
	{ "host_status", 16, F_ADMIN | F_NOT_PUT, FN(put_host_status), NULL },
	{ "description", 19, 0, F_STR, ROW(s.description), NULL, NULL },
	{ "tags", 26, 0, FN(put_tags), NULL },
	{ "trusted_image_certificates", 63, 0, FN(put_null), NULL },
	{ "server_groups", 71, F_NOT_LIST, FN(put_groups), NULL },
	{ "locked_reason", 73, 0, F_STR, ROW(s.locked_reason), NULL, NULL },
	{ "adminPass", 0, F_REBUILD, F_STR, ROW(s.admin_pass), NULL, NULL },
	{ "key_name", 54, F_REBUILD, F_STR, ROW(s.key_name), NULL, is_reduced },
	{ "user_data", 57, F_REBUILD, F_STR, ROW(s.user_data), NULL, NULL },
	/* clang-format on */
};

#undef ROW
#undef FN

static int put_field(struct view *v, const struct field *f, struct error *err)
{
	const void *at = (const char *)v->r + f->offset;
	struct buf *b = &v->c->out;

	if (f->type == F_TIME || f->type == F_TIME_US) {
		compute_time(b, f->key, *(const int64_t *)at, f->type == F_TIME_US);
		return 0;
	}
	if (f->type == F_LINKS) {
		compute_links(v->c, "servers", v->r->s.uid);
		return 0;
	}
	jw_key(b, f->key);
	if (f->type == F_STR)
		jw_str(b, *(const char *const *)at);
	else if (f->type == F_INT)
		jw_int(b, *(const int64_t *)at);
	else if (f->type == F_BOOL)
		jw_bool(b, *(const bool *)at);
	else
		return f->fn(v, err);
	return 0;
}

static bool shown(const struct view *v, const struct field *f)
{
	if (!since(v->c, f->since) || (v->reduced && (f->flags & F_NOT_PUT)))
		return false;
	if ((f->flags & F_NOT_LIST) && v->kind == SERVER_VIEW_LIST)
		return false;
	if ((f->flags & F_NOT_REBUILD) && v->kind == SERVER_VIEW_REBUILD)
		return false;
	if ((f->flags & F_REBUILD) && v->kind != SERVER_VIEW_REBUILD)
		return false;
	if ((f->flags & F_ADMIN) && !api_is_admin(v->c) && !((f->flags & F_OPEN_AT_90) && since(v->c, 90)))
		return false;
	return !f->when || f->when(v);
}

int server_view(struct api_call *c, const struct server_row *r, enum server_view_kind kind, struct error *err)
{
	struct view v = {
		.c = c,
		.r = r,
		.kind = kind,
		.reduced = (kind == SERVER_VIEW_UPDATE || kind == SERVER_VIEW_REBUILD) && !since(c, 75),
	};

	jw_object(&c->out);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (shown(&v, &fields[i]) && put_field(&v, &fields[i], err) < 0)
			return -1;
	jw_end_object(&c->out);
	return 0;
}

void server_view_brief(struct api_call *c, const struct server_row *r)
{
	jw_object(&c->out);
	jw_kv_str(&c->out, "id", r->s.uid);
	jw_kv_str(&c->out, "name", r->s.name);
	compute_links(c, "servers", r->s.uid);
	jw_end_object(&c->out);
}
