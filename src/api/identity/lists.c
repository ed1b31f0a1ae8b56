/* SPDX-License-Identifier: Apache-2.0 */
/* What many of identity's handlers do in the same way. */
#include "api/identity/internal.h"

#include <string.h>

void list_begin(struct api_call *c, const char *key)
{
	jw_object(&c->out);
	jw_key(&c->out, key);
	jw_array(&c->out);
}

void list_end(struct api_call *c, const char *next_marker)
{
	jw_end_array(&c->out);
	view_list_links(c, next_marker);
	jw_end_object(&c->out);
}

int query_flag(struct api_call *c, const char *name)
{
	const char *text = api_query(c, name);
	bool value = true;

	if (!text)
		return -1;
	if (text[0] && !str_bool(text, &value))
		return 1; /* any other text is true, as the clients' Python has it */
	return value;
}

int query_page(struct api_call *c, page_marker *find, struct list_page *out, struct error *err)
{
	static const char *const keys[] = { "id", "name", "domain_id", "enabled", NULL };
	struct api_page page;

	if (api_page(c, keys, false, &page, err) < 0)
		return -1;
	out->limit = page.limit_given && page.limit > 0 ? page.limit : LIST_MAX;
	out->after_id = 0;
	out->last = out->next = NULL;
	if (page.marker && find(c, page.marker, &out->after_id, err) < 0)
		return err->code == ERR_NOT_FOUND ? api_marker_missing(page.marker, err) : -1;
	return 0;
}

static bool starts(const char *name, size_t n, const char *part, size_t part_n, bool any_case)
{
	return n >= part_n && (any_case ? strncasecmp(name, part, part_n) : strncmp(name, part, part_n)) == 0;
}

static bool contains(const char *name, const char *part, bool any_case)
{
	return (any_case ? strcasestr(name, part) : strstr(name, part)) != NULL;
}

/* Comparison by a suffix of the parameter's name, as Keystone has them; an i before it: any case. */
static bool fits(const char *how, const char *name, const char *part)
{
	bool any_case = how[0] == 'i';
	size_t n = strlen(name), part_n = strlen(part);

	how += any_case;
	if (strcmp(how, "contains") == 0)
		return contains(name, part, any_case);
	if (strcmp(how, "startswith") == 0)
		return starts(name, n, part, part_n, any_case);
	if (strcmp(how, "endswith") == 0)
		return n >= part_n && starts(name + n - part_n, part_n, part, part_n, any_case);
	return strcmp(how, "exact") != 0 || strcasecmp(name, part) == 0;
}

bool query_name_fits(const struct api_call *c, const char *name)
{
	static const char prefix[] = "name__";

	for (size_t i = 0; i < c->http->query_n; i++) {
		const struct http_pair *q = &c->http->query[i];

		if (str_starts(q->name, prefix) && !fits(q->name + strlen(prefix), name, q->value))
			return false;
	}
	return true;
}

int list_take(struct api_call *c, struct list_page *p, int64_t id, const char *uid, const char *name)
{
	if (id <= p->after_id || !query_name_fits(c, name))
		return 0;
	if (p->limit == 0) {
		p->next = p->last;
		return -1;
	}
	if (--p->limit == 0)
		p->last = arena_strdup(c->arena, uid);
	return 1;
}

const char *param_or_null(const struct api_call *c, const char *name)
{
	for (size_t i = 0; i < c->match.params_n; i++)
		if (strcmp(c->match.params[i].name, name) == 0)
			return c->match.params[i].value;
	return NULL;
}

bool is_self(const struct api_call *c, const char *user_uid)
{
	return c->who->user.id && str_eq(c->who->user.uid, user_uid);
}

int no_content(struct api_call *c)
{
	c->status = 204;
	return 0;
}

void tokens_changed(struct api_call *c)
{
	identity_changed(c->api->identity);
}

int64_t new_id(struct api_call *c)
{
	return store_next_id(c->api->store);
}

const char *new_uid(struct api_call *c)
{
	char uid[HEX32_TEXT];

	hex32_make(c->api->loop->rng, uid);
	return arena_strdup(c->arena, uid);
}
