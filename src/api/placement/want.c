/* SPDX-License-Identifier: Apache-2.0 */
#include "api/placement/want.h"

#include <string.h>

#include "base/crypto.h"
#include "base/util.h"

enum {
	NAME_MAX_ = 255,
	FORBIDDEN_TRAITS = 22,
	REPEATED_MEMBERS = 24,
	FORBIDDEN_MEMBERS = 32,
	ANY_TRAITS = 39
};

const char *const want_params[WANT_PARAMS] = { [WANT_RESOURCES] = "resources",
	[WANT_REQUIRED] = "required",
	[WANT_MEMBER_OF] = "member_of",
	[WANT_IN_TREE] = "in_tree" };

static int bad(struct error *err, const char *name, const char *why)
{
	return error_set(err, ERR_BAD_REQUEST, "Invalid query parameter %.80s: %s", name, why);
}

/* Of a class or trait. */
static bool name_valid(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return n && n <= NAME_MAX_ && !s[n];
}

/* Takes the next part of a comma list off; NULL: no more. */
static char *next_part(char **rest)
{
	return strsep(rest, ",");
}

static int read_resources(
	struct api_call *c, const char *name, const char *value, struct rp_want *out, struct error *err)
{
	char *rest = arena_strdup(c->arena, value), *part;

	while ((part = next_part(&rest))) {
		char *colon = strchr(part, ':');
		struct rp_amount a = { .name = part };

		if (!colon || !str_int64(colon + 1, 1, INT32_MAX, &a.n))
			return bad(err, name,
				"it must be of the form CLASS:AMOUNT,CLASS:AMOUNT, amounts from 1 on");
		*colon = '\0';
		if (!name_valid(part))
			return bad(err, name, "a resource class is made of A-Z, 0-9 and _");
		if (out->amounts_n == WANT_AMOUNTS_MAX)
			return bad(err, name, "too many resource classes");
		for (size_t i = 0; i < out->amounts_n; i++)
			if (strcmp(out->amounts[i].name, part) == 0)
				return bad(err, name, "a resource class is named twice");
		out->amounts[out->amounts_n++] = a;
	}
	return 0;
}

static int add_set(struct api_call *c, const char *name, char *list, bool forbidden, struct want_set *sets,
	size_t *n, struct error *err)
{
	const char **names = ARENA_ARRAY(c->arena, const char *, WANT_NAMES_MAX);
	size_t names_n = 0;
	char *part;

	if (*n == WANT_SETS_MAX)
		return bad(err, name, "too many conditions");
	while ((part = next_part(&list))) {
		if (names_n == WANT_NAMES_MAX)
			return bad(err, name, "too many alternatives");
		names[names_n++] = part;
	}
	sets[(*n)++] = (struct want_set) { names, names_n, forbidden };
	return 0;
}

static int check_traits(const struct want_set *s, const char *name, struct error *err)
{
	for (size_t i = 0; i < s->n; i++)
		if (!name_valid(s->names[i]))
			return bad(err, name, "a trait is made of A-Z, 0-9 and _");
	return 0;
}

int want_read_traits(
	struct api_call *c, const char *name, const char *value, struct rp_want *out, struct error *err)
{
	char *rest = arena_strdup(c->arena, value), *part;
	size_t first = out->traits_n;

	if (str_starts(rest, "in:") && c->version >= ANY_TRAITS) {
		if (add_set(c, name, rest + 3, false, out->traits, &out->traits_n, err) < 0)
			return -1;
		rest = NULL;
	}
	while ((part = next_part(&rest))) {
		bool forbidden = *part == '!' && c->version >= FORBIDDEN_TRAITS;

		if (add_set(c, name, part + forbidden, forbidden, out->traits, &out->traits_n, err) < 0)
			return -1;
	}
	for (size_t i = first; i < out->traits_n; i++)
		if (check_traits(&out->traits[i], name, err) < 0)
			return -1;
	return 0;
}

static int read_members(
	struct api_call *c, const char *name, const char *value, struct rp_want *out, struct error *err)
{
	char *list = arena_strdup(c->arena, value);
	bool forbidden = *list == '!' && c->version >= FORBIDDEN_MEMBERS;
	struct want_set *s;

	if (out->members_n && c->version < REPEATED_MEMBERS)
		return bad(err, name, "it can be given once only at this version");
	list += forbidden;
	if (str_starts(list, "in:"))
		list += 3;
	else if (strchr(list, ','))
		return bad(err, name, "several aggregates are written in:A,B");
	if (add_set(c, name, list, forbidden, out->members, &out->members_n, err) < 0)
		return -1;
	s = &out->members[out->members_n - 1];
	for (size_t i = 0; i < s->n; i++)
		if (!uuid_valid(s->names[i]))
			return bad(err, name, "expected aggregates' uuids");
	return 0;
}

int want_read(struct api_call *c, enum want_param param, const char *name, const char *value,
	struct rp_want *out, struct error *err)
{
	switch (param) {
	case WANT_RESOURCES:
		return out->amounts_n ? bad(err, name, "it can be given once only")
				      : read_resources(c, name, value, out, err);
	case WANT_REQUIRED:
		return out->traits_n && c->version < ANY_TRAITS
			       ? bad(err, name, "it can be given once only at this version")
			       : want_read_traits(c, name, value, out, err);
	case WANT_MEMBER_OF:
		return read_members(c, name, value, out, err);
	default:
		if (!uuid_valid(value))
			return bad(err, name, "expected a provider's uuid");
		out->in_tree = value;
		return 0;
	}
}

bool want_fits(const struct rp *p, const struct rp_amount *amount)
{
	const struct rp_class *k = rp_class_find(p, amount->name);

	return k && k->used + k->asked + amount->n <= rp_class_capacity(k);
}

bool want_has_traits(const struct rp *p, const struct rp_want *w)
{
	for (size_t i = 0; i < w->traits_n; i++) {
		const struct want_set *s = &w->traits[i];
		bool any = false;

		for (size_t k = 0; k < s->n && !any; k++)
			any = rp_has_trait(p, s->names[k]);
		if (any == s->forbidden)
			return false;
	}
	return true;
}

bool want_is_member(const struct provider_member *members, size_t n, int64_t host_id, const struct rp_want *w)
{
	size_t lo = 0, hi = n;

	if (!w->members_n)
		return true;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (members[mid].host_id < host_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (size_t i = 0; i < w->members_n; i++) {
		const struct want_set *s = &w->members[i];
		bool any = false;

		for (size_t m = lo; m < n && members[m].host_id == host_id && !any; m++)
			for (size_t k = 0; k < s->n && !any; k++)
				any = strcmp(members[m].aggregate_uid, s->names[k]) == 0;
		if (any == s->forbidden)
			return false;
	}
	return true;
}
