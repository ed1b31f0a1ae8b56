/* SPDX-License-Identifier: Apache-2.0 */
/* "options" of a user: Keystone's names for the exceptions that an administrator makes. */
#include "api/identity/internal.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	enum user_option bit;
} names[] = {
	{ "ignore_change_password_upon_first_use", USER_IGNORE_CHANGE_FIRST },
	{ "ignore_password_expiry", USER_IGNORE_EXPIRY },
	{ "ignore_lockout_failure_attempts", USER_IGNORE_LOCKOUT },
	{ "lock_password", USER_LOCK_PASSWORD },
};

#define OPTION(name_)                                                  \
	{                                                              \
		.name = (name_), .type = BIND_BOOL, .flags = BIND_NULL \
	}

static const struct bind_field fields[] = {
	OPTION("ignore_change_password_upon_first_use"),
	OPTION("ignore_password_expiry"),
	OPTION("ignore_lockout_failure_attempts"),
	OPTION("lock_password"),
};

const struct bind_table user_options_table = { .fields = fields, .n = ARRAY_LEN(fields) };

unsigned user_options(const char *json)
{
	json_t *all;
	unsigned bits = 0;

	if (str_eq(json, "{}"))
		return 0;
	all = json_loads(json, 0, NULL);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (json_is_true(json_object_get(all, names[i].name)))
			bits |= names[i].bit;
	json_decref(all);
	return bits;
}

static bool is_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i].name, name) == 0)
			return true;
	return false;
}

static int merge(json_t *into, const json_t *given, struct error *err)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)given, key, v)
	{
		if (!is_known(key))
			return error_set(err, ERR_BAD_REQUEST,
				"user.options.%.64s is not offered here; there are "
				"ignore_change_password_upon_first_use, ignore_password_expiry, "
				"ignore_lockout_failure_attempts and lock_password",
				key);
		if (!json_is_boolean(v) && !json_is_null(v))
			return error_set(
				err, ERR_BAD_REQUEST, "user.options.%s must be true, false or null", key);
		if (json_is_null(v))
			json_object_del(into, key);
		else
			json_object_set(into, key, v);
	}
	return 0;
}

int user_options_merge(
	struct api_call *c, const char *old, const json_t *given, const char **out, struct error *err)
{
	json_t *all = old ? json_loads(old, 0, NULL) : NULL;
	char *text;
	int rc;

	if (!all)
		all = json_object();
	rc = merge(all, given, err);
	text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
	if (rc == 0)
		*out = arena_strdup(c->arena, text);
	free(text);
	json_decref(all);
	return rc;
}
