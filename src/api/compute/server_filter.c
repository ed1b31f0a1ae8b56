/* SPDX-License-Identifier: Apache-2.0 */
#include "api/compute/server_filter.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"
#include "domain/ipam.h"
#include "store/quotas.h"

typedef int match_fn(const struct server_filter *f, const struct server_filter_term *t,
	const struct server_row *r, struct error *err);

enum filter_flags {
	FOR_ADMIN = 1,     /* others' are dropped */
	FOR_ALL_AT_83 = 2, /* with FOR_ADMIN: for all from 2.83 */
	IS_PATTERN = 4,
	IS_TIME = 8,
	IS_BOOL = 16,
	IS_NUMBER = 32
};

struct server_filter_def {
	const char *name;
	int since;
	unsigned flags;
	match_fn *match; /* NULL: read by itself (paging, scope) */
	size_t offset;
};

/* --- tests on a row */

static const void *at(const struct server_filter_term *t, const struct server_row *r)
{
	return (const char *)r + t->def->offset;
}

static bool pattern_matches(const struct server_filter_term *t, const char *text)
{
	return t->regex ? regexec(t->regex, text, 0, NULL, 0) == 0 : strstr(text, t->value) != NULL;
}

static int match_text(const struct server_filter *f, const struct server_filter_term *t,
	const struct server_row *r, struct error *err)
{
	const char *text = *(const char *const *)at(t, r);

	(void)f;
	(void)err;
	return text && strcmp(text, t->value) == 0;
}

static int match_pattern(const struct server_filter *f, const struct server_filter_term *t,
	const struct server_row *r, struct error *err)
{
	const char *text = *(const char *const *)at(t, r);

	(void)f;
	(void)err;
	return text && pattern_matches(t, text);
}

static int match_time(const struct server_filter *f, const struct server_filter_term *t,
	const struct server_row *r, struct error *err)
{
	(void)f;
	(void)err;
	/* clients know whole seconds */
	return *(const int64_t *)at(t, r) / 1000000 == t->number / 1000000;
}

static int match_bool(const struct server_filter *f, const struct server_filter_term *t,
	const struct server_row *r, struct error *err)
{
	(void)f;
	(void)err;
	return *(const bool *)at(t, r) == (t->number != 0);
}

static int match_status(const struct server_filter *f, const struct server_filter_term *t,
	const struct server_row *r, struct error *err)
{
	(void)f;
	(void)err;
	return server_status_is(t->value, r->s.vm_state, r->s.task_state);
}

static int match_vm_state(const struct server_filter *f, const struct server_filter_term *t,
	const struct server_row *r, struct error *err)
{
	(void)f;
	(void)err;
	return strcasecmp(t->value, vm_state_text(r->s.vm_state)) == 0;
}

static int match_task_state(const struct server_filter *f, const struct server_filter_term *t,
	const struct server_row *r, struct error *err)
{
	const char *text = task_state_text(r->s.task_state);

	(void)f;
	(void)err;
	return text ? strcasecmp(t->value, text) == 0 : strcasecmp(t->value, "none") == 0;
}

static int match_power_state(const struct server_filter *f, const struct server_filter_term *t,
	const struct server_row *r, struct error *err)
{
	(void)f;
	(void)err;
	return r->s.power_state == t->number;
}

static int match_launch_index(const struct server_filter *f, const struct server_filter_term *t,
	const struct server_row *r, struct error *err)
{
	(void)f;
	(void)err;
	return r->s.launch_index == t->number;
}

static int match_ip(const struct server_filter *f, const struct server_filter_term *t,
	const struct server_row *r, struct error *err)
{
	struct arena scratch = { 0 };
	struct server_address *list;
	char text[IPAM_TEXT];
	size_t n;
	int found = store_server_addresses(f->c->db, &scratch, r->s.id, &list, &n, err);

	for (size_t i = 0; found == 0 && i < n; i++)
		found = pattern_matches(t, ipam_format(list[i].address, text));
	arena_finish(&scratch);
	return found;
}

/* Addresses are IPv4 only. */
static int match_ip6(const struct server_filter *f, const struct server_filter_term *t,
	const struct server_row *r, struct error *err)
{
	(void)f;
	(void)t;
	(void)r;
	(void)err;
	return 0;
}

static int match_since(const struct server_filter *f, const struct server_filter_term *t,
	const struct server_row *r, struct error *err)
{
	(void)f;
	(void)err;
	return r->s.updated_us >= t->number || r->s.deleted_us >= t->number;
}

static int match_before(const struct server_filter *f, const struct server_filter_term *t,
	const struct server_row *r, struct error *err)
{
	(void)f;
	(void)err;
	return r->s.updated_us <= t->number;
}

static int match_deleted(const struct server_filter *f, const struct server_filter_term *t,
	const struct server_row *r, struct error *err)
{
	(void)f;
	(void)err;
	return (r->s.deleted_us != 0) == (t->number != 0);
}

/* How many of the comma-separated tags the server has; *out_asked: how many there are. */
static int count_tags(
	const struct server_filter *f, const char *list, int64_t server_id, int *out_asked, struct error *err)
{
	struct arena scratch = { 0 };
	const char **tags;
	size_t n;
	int found = 0, asked = 0;

	if (store_server_tags(f->c->db, &scratch, server_id, &tags, &n, err) < 0) {
		arena_finish(&scratch);
		return -1;
	}
	for (const char *p = list; *p; p += *p == ',') {
		size_t len = strcspn(p, ",");

		for (size_t i = 0; i < n; i++)
			found += strlen(tags[i]) == len && memcmp(tags[i], p, len) == 0;
		asked += len > 0;
		p += len;
	}
	arena_finish(&scratch);
	*out_asked = asked;
	return found;
}

static int match_tags(const struct server_filter *f, const struct server_filter_term *t,
	const struct server_row *r, struct error *err)
{
	const char *name = t->def->name;
	int asked = 0, found = count_tags(f, t->value, r->s.id, &asked, err);

	if (found < 0)
		return -1;
	if (strcmp(name, "tags") == 0)
		return found == asked;
	if (strcmp(name, "tags-any") == 0)
		return found > 0;
	return strcmp(name, "not-tags") == 0 ? found != asked : found == 0;
}

/* --- the table */

#define ROW(member) offsetof(struct server_row, member)

static const struct server_filter_def defs[] = {
	/* clang-format off */
	{ "limit", 0, 0, NULL, 0 },
	{ "marker", 0, 0, NULL, 0 },
	{ "sort_key", 0, 0, NULL, 0 },
	{ "sort_dir", 0, 0, NULL, 0 },
	{ "all_tenants", 0, 0, NULL, 0 },
	{ "project_id", 0, 0, NULL, 0 },
	{ "tenant_id", 0, 0, NULL, 0 },
	{ "name", 0, IS_PATTERN, match_pattern, ROW(s.name) },
	{ "status", 0, 0, match_status, 0 },
	{ "flavor", 0, 0, match_text, ROW(s.flavor_uid) },
	{ "image", 0, 0, match_text, ROW(image_uid) },
	{ "uuid", 0, 0, match_text, ROW(s.uid) },
	{ "reservation_id", 0, 0, match_text, ROW(s.reservation_id) },
	{ "ip", 0, IS_PATTERN, match_ip, 0 },
	{ "ip6", 0, IS_PATTERN, match_ip6, 0 },
	{ "changes-since", 0, IS_TIME, match_since, 0 },
	{ "changes-before", 66, IS_TIME, match_before, 0 },
	{ "tags", 26, 0, match_tags, 0 },
	{ "tags-any", 26, 0, match_tags, 0 },
	{ "not-tags", 26, 0, match_tags, 0 },
	{ "not-tags-any", 26, 0, match_tags, 0 },
	{ "locked", 73, IS_BOOL, match_bool, ROW(s.locked) },
	{ "deleted", 0, FOR_ADMIN | IS_BOOL, match_deleted, 0 },
	{ "host", 0, FOR_ADMIN, match_text, ROW(host_name) },
	{ "node", 0, FOR_ADMIN, match_text, ROW(hv_hostname) },
	{ "hostname", 0, FOR_ADMIN, match_text, ROW(s.hostname) },
	{ "description", 0, FOR_ADMIN | IS_PATTERN, match_pattern, ROW(s.description) },
	{ "launch_index", 0, FOR_ADMIN | IS_NUMBER, match_launch_index, 0 },
	{ "user_id", 0, FOR_ADMIN | FOR_ALL_AT_83, match_text, ROW(s.user_uid) },
	{ "availability_zone", 0, FOR_ADMIN | FOR_ALL_AT_83, match_text, ROW(s.zone) },
	{ "key_name", 0, FOR_ADMIN | FOR_ALL_AT_83, match_text, ROW(s.key_name) },
	{ "config_drive", 0, FOR_ADMIN | FOR_ALL_AT_83 | IS_BOOL, match_bool, ROW(s.config_drive) },
	{ "vm_state", 0, FOR_ADMIN | FOR_ALL_AT_83, match_vm_state, 0 },
	{ "task_state", 0, FOR_ADMIN | FOR_ALL_AT_83, match_task_state, 0 },
	{ "power_state", 0, FOR_ADMIN | FOR_ALL_AT_83 | IS_NUMBER, match_power_state, 0 },
	{ "created_at", 0, FOR_ADMIN | FOR_ALL_AT_83 | IS_TIME, match_time, ROW(s.created_us) },
	{ "launched_at", 0, FOR_ADMIN | FOR_ALL_AT_83 | IS_TIME, match_time, ROW(s.launched_us) },
	{ "terminated_at", 0, FOR_ADMIN | FOR_ALL_AT_83 | IS_TIME, match_time, ROW(s.terminated_us) },
	/* clang-format on */
};

static const struct server_filter_def *find_def(const struct api_call *c, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(defs); i++)
		if (strcmp(defs[i].name, name) == 0 && since(c, defs[i].since))
			return &defs[i];
	return NULL;
}

/* --- reading */

/* Patterns are POSIX extended. Counted repeats and back references are refused: they can cost any amount of
 * memory and time. So can a '+' over another: the C library writes "x+" out as "xx*", and each doubles. It is
 * taken after a character or a class only. */
static int read_pattern(struct server_filter_term *t, struct error *err)
{
	enum { PATTERN_MAX = 255 };
	const char *p = t->value;
	regex_t *re;

	if (strlen(p) > PATTERN_MAX)
		return error_set(
			err, ERR_BAD_REQUEST, "%s is longer than %d characters", t->def->name, PATTERN_MAX);
	if (!p[strcspn(p, "\\^$.[]|()?*+{}")])
		return 0;
	for (size_t i = 0; p[i]; i++) {
		if (p[i] == '+' && i && strchr(")*+?", p[i - 1]))
			return error_set(err, ERR_BAD_REQUEST,
				"%s: '+' cannot follow ')', '*', '+' or '?' in patterns", t->def->name);
		if (p[i] == '{' || (p[i] == '\\' && p[i + 1] >= '0' && p[i + 1] <= '9'))
			return error_set(err, ERR_BAD_REQUEST,
				"%s: counted repeats and back references are not possible in patterns",
				t->def->name);
	}
	re = xmalloc(sizeof *re);
	if (regcomp(re, p, REG_EXTENDED | REG_NOSUB) != 0) {
		free(re);
		return error_set(err, ERR_BAD_REQUEST, "%s is not a valid regular expression", t->def->name);
	}
	t->regex = re;
	return 0;
}

static int read_value(struct server_filter_term *t, struct error *err)
{
	unsigned flags = t->def->flags;
	bool on = false;

	if (flags & IS_PATTERN)
		return read_pattern(t, err);
	if ((flags & IS_TIME) && time_parse(t->value, &t->number) < 0)
		return error_set(err, ERR_BAD_REQUEST,
			"%s must be a time as 2026-01-31T12:00:00Z, not '%.40s'", t->def->name, t->value);
	if (flags & IS_BOOL) {
		if (!str_bool(t->value, &on))
			return error_set(err, ERR_BAD_REQUEST, "%s must be True or False, not '%.32s'",
				t->def->name, t->value);
		t->number = on;
	}
	if ((flags & IS_NUMBER) && !str_int64(t->value, INT32_MIN, INT32_MAX, &t->number))
		return error_set(err, ERR_BAD_REQUEST, "%s must be an integer", t->def->name);
	return 0;
}

/* An unknown status is an error from 2.38 on; before, nothing has it. Deleted servers are for administrators.
 */
static int read_status(struct server_filter *f, const char *status, struct error *err)
{
	if (!server_status_known(status)) {
		if (since(f->c, 38))
			return error_set(err, ERR_BAD_REQUEST, "Invalid status value: %.64s", status);
	} else if (strcasecmp(status, "DELETED") == 0) {
		if (!api_is_admin(f->c))
			return error_set(
				err, ERR_FORBIDDEN, "Only administrators may list deleted instances");
		f->deleted = true;
	}
	return 0;
}

static int add_term(
	struct server_filter *f, const struct server_filter_def *def, const char *value, struct error *err)
{
	struct server_filter_term *t = &f->terms[f->terms_n];
	unsigned flags = def->flags;

	if ((flags & FOR_ADMIN) && !api_is_admin(f->c) && !((flags & FOR_ALL_AT_83) && since(f->c, 83)))
		return 0;
	if (f->terms_n == FILTERS_MAX)
		return error_set(err, ERR_BAD_REQUEST, "more than %d filters", FILTERS_MAX);
	*t = (struct server_filter_term) { .def = def, .value = value };
	f->terms_n++;
	if (def->match == match_status && read_status(f, value, err) < 0)
		return -1;
	if (read_value(t, err) < 0)
		return -1;
	f->deleted = f->deleted || def->match == match_since || (def->match == match_deleted && t->number);
	return 0;
}

static bool names_project(const struct server_filter_def *def)
{
	return strcmp(def->name, "project_id") == 0 || strcmp(def->name, "tenant_id") == 0;
}

/* Whose servers: the token's project's; with all_tenants (administrators) all, or one of all. */
static int read_scope(struct server_filter *f, struct error *err)
{
	struct api_call *c = f->c;
	const char *all_text = api_query(c, "all_tenants"), *project = api_query(c, "project_id");
	bool all = all_text && !*all_text;
	int rc;

	if (all_text && *all_text && !str_bool(all_text, &all))
		return error_set(
			err, ERR_BAD_REQUEST, "all_tenants must be True or False, not '%.32s'", all_text);
	if (all && !api_is_admin(c))
		return error_set(err, ERR_FORBIDDEN,
			"You are not authorized to list the servers of all projects: it needs the role "
			"admin.");
	f->project_id = c->who->project.id;
	if (!api_is_admin(c) || !(all || !f->project_id))
		return 0;
	f->project_id = 0;
	if (!project)
		project = api_query(c, "tenant_id");
	if (!project)
		return 0;
	rc = store_quota_project(c->db, project, true, &f->project_id, err);
	f->nothing = rc == 0;
	return rc < 0 ? -1 : 0;
}

static const char *const sort_keys[] = { "created_at", "display_name", "name", "uuid", "vm_state",
	"task_state", "power_state", "updated_at", "launched_at", "terminated_at", "user_id", "project_id",
	"host", "node", "hostname", "availability_zone", "key_name", "image_ref", "launch_index", "locked",
	"config_drive", "display_description", "access_ip_v4", "access_ip_v6", "auto_disk_config", "progress",
	"root_device_name", "instance_type_id", "kernel_id", "ramdisk_id" };

static int read_sort_dir(const char *text, bool *out, struct error *err)
{
	if (strcmp(text, "asc") != 0 && strcmp(text, "desc") != 0)
		return error_set(err, ERR_BAD_REQUEST, "sort_dir must be 'asc' or 'desc', not '%.32s'", text);
	*out = strcmp(text, "desc") == 0;
	return 0;
}

static int read_sort_key(struct server_filter *f, const char *key, struct error *err)
{
	bool known = false;

	for (size_t i = 0; i < ARRAY_LEN(sort_keys); i++)
		known = known || strcmp(sort_keys[i], key) == 0;
	if ((strcmp(key, "host") == 0 || strcmp(key, "node") == 0) && !api_is_admin(f->c))
		known = false;
	if (!known || f->sorts_n == SORTS_MAX)
		return error_set(err, ERR_BAD_REQUEST,
			"sort_key '%.64s' is not one that servers can be sorted by", key);
	f->sorts[f->sorts_n++] = (struct server_sort) { key, true };
	return 0;
}

/* Pairs in order; a direction that is left out is descending. */
static int read_sorts(struct server_filter *f, struct error *err)
{
	const struct http_request *r = f->c->http;
	size_t dirs = 0;

	for (size_t i = 0; i < r->query_n; i++)
		if (strcmp(r->query[i].name, "sort_key") == 0 && read_sort_key(f, r->query[i].value, err) < 0)
			return -1;
	for (size_t i = 0; i < r->query_n; i++) {
		bool descending = false;

		if (strcmp(r->query[i].name, "sort_dir") != 0)
			continue;
		if (read_sort_dir(r->query[i].value, &descending, err) < 0)
			return -1;
		if (dirs == f->sorts_n && dirs == 0) /* a direction alone is that of the default key */
			f->sorts[f->sorts_n++] = (struct server_sort) { sort_keys[0], true };
		if (dirs < f->sorts_n)
			f->sorts[dirs++].descending = descending;
	}
	return 0;
}

int server_filter_read(struct api_call *c, struct server_filter *f, struct error *err)
{
	*f = (struct server_filter) { .c = c };
	if (read_scope(f, err) < 0 || read_sorts(f, err) < 0)
		return -1;
	for (size_t i = 0; i < c->http->query_n; i++) {
		const struct http_pair *q = &c->http->query[i];
		const struct server_filter_def *def = find_def(c, q->name);

		if (!def && since(c, 75))
			return error_set(err, ERR_BAD_REQUEST,
				"Additional properties are not allowed: '%.64s' is not a query parameter of "
				"this list",
				q->name);
		if (def && names_project(def))
			continue;
		if (def && def->match && add_term(f, def, q->value, err) < 0)
			return -1;
	}
	return 0;
}

void server_filter_finish(struct server_filter *f)
{
	for (size_t i = 0; i < f->terms_n; i++) {
		if (f->terms[i].regex)
			regfree(f->terms[i].regex);
		free(f->terms[i].regex);
	}
}

/* --- using it */

/* Terms of the same name are alternatives, different names must all match. */
int server_filter_match(const struct server_filter *f, const struct server_row *r, struct error *err)
{
	for (size_t i = 0; i < f->terms_n; i++) {
		bool first = true, any = false;

		for (size_t k = 0; k < i; k++)
			first = first && f->terms[k].def != f->terms[i].def;
		for (size_t k = i; first && !any && k < f->terms_n; k++) {
			int rc = f->terms[k].def == f->terms[i].def
					 ? f->terms[k].def->match(f, &f->terms[k], r, err)
					 : 0;

			if (rc < 0)
				return -1;
			any = rc > 0;
		}
		if (first && !any)
			return 0;
	}
	return 1;
}

static const struct {
	const char *key;
	bool is_text;
	size_t offset;
} sort_columns[] = {
	{ "created_at", false, ROW(s.created_us) },
	{ "updated_at", false, ROW(s.updated_us) },
	{ "launched_at", false, ROW(s.launched_us) },
	{ "terminated_at", false, ROW(s.terminated_us) },
	{ "launch_index", false, ROW(s.launch_index) },
	{ "display_name", true, ROW(s.name) },
	{ "name", true, ROW(s.name) },
	{ "uuid", true, ROW(s.uid) },
	{ "user_id", true, ROW(s.user_uid) },
	{ "project_id", true, ROW(project_uid) },
	{ "host", true, ROW(host_name) },
	{ "node", true, ROW(hv_hostname) },
	{ "hostname", true, ROW(s.hostname) },
	{ "availability_zone", true, ROW(s.zone) },
	{ "key_name", true, ROW(s.key_name) },
	{ "image_ref", true, ROW(image_uid) },
	{ "display_description", true, ROW(s.description) },
	{ "access_ip_v4", true, ROW(s.access_ipv4) },
	{ "access_ip_v6", true, ROW(s.access_ipv6) },
	{ "auto_disk_config", true, ROW(s.disk_config) },
};

#undef ROW

int64_t server_sort_value(const char *key, const struct server_row *r, const char **out_text)
{
	*out_text = NULL;
	for (size_t i = 0; i < ARRAY_LEN(sort_columns); i++) {
		const void *p = (const char *)r + sort_columns[i].offset;

		if (strcmp(sort_columns[i].key, key) != 0)
			continue;
		if (!sort_columns[i].is_text)
			return *(const int64_t *)p;
		*out_text = *(const char *const *)p ? *(const char *const *)p : "";
		return 0;
	}
	if (strcmp(key, "vm_state") == 0)
		*out_text = vm_state_text(r->s.vm_state);
	else if (strcmp(key, "task_state") == 0)
		*out_text = r->s.task_state ? task_state_text(r->s.task_state) : "";
	else if (strcmp(key, "power_state") == 0)
		return r->s.power_state;
	else if (strcmp(key, "locked") == 0)
		return r->s.locked;
	else if (strcmp(key, "config_drive") == 0)
		return r->s.config_drive;
	return 0; /* the same for all: progress, root_device_name and their like */
}
