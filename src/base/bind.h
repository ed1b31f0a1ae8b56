/* SPDX-License-Identifier: Apache-2.0 */
/* JSON bodies against tables: one const table per body says names, types, ranges and where each value goes in
 * a plain struct. The error names the path and what would be right; unknown keys are refused. */
#ifndef BASE_BIND_H
#define BASE_BIND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum bind_type {
	BIND_STR,  /* const char *; min/max are characters; copied into the arena */
	BIND_INT,  /* int64_t; min/max are the range; digits in a string are taken too, as the clients send
		      both */
	BIND_BOOL, /* bool; JSON true/false, or their text forms when BIND_LOOSE */
	BIND_OBJ,  /* json_t *, borrowed from the document: an object */
	BIND_ARR,  /* json_t *, borrowed: an array; min/max are its length */
	BIND_ANY   /* json_t *, borrowed: whatever it is */
};

enum bind_flags {
	BIND_REQUIRED = 1, /* absent (or null, unless BIND_NULL) is an error */
	BIND_NULL = 2,     /* an explicit null is a value: presence is noted and the field left as it was */
	BIND_LOOSE = 4,    /* booleans also as "True", "false", 1, 0; strings also from numbers */
};

struct bind_field {
	const char *name;
	enum bind_type type;
	size_t offset; /* in the struct */
	int flags;
	int64_t min, max; /* both 0: no check (strings are then at most 65535 characters) */
	int since, until; /* API minor versions that know the field; 0, 0: all */
};

enum { BIND_FIELDS_MAX = 64 };

/* What a table found in a body: bit i for fields[i]. `null` bits are explicit nulls. */
struct bind_seen {
	uint64_t present, null;
};

#define BIND(struct_name, member, json_name, bind_type, bind_flags_, lo, hi)                              \
	{                                                                                                 \
		.name = (json_name), .type = (bind_type), .offset = offsetof(struct struct_name, member), \
		.flags = (bind_flags_), .min = (lo), .max = (hi)                                          \
	}

/* Parses text of at most `limit` bytes: valid UTF-8, no duplicate keys, depth bounded. NULL with the error
 * set. Owned by the caller: json_decref. */
json_t *bind_parse(const char *text, size_t n, struct error *err);
/* Fills *out from an object by the table. `where` names the object in messages ("server"). `version` is the
 * request's minor version, 0 where there is none. `seen` may be NULL. */
int bind_object(const json_t *obj, const char *where, const struct bind_field *fields, size_t n, int version,
	struct arena *arena, void *out, struct bind_seen *seen, struct error *err);
/* The value of the body's one top key, an object: {"server": {...}}. NULL with the error set. */
json_t *bind_top(const json_t *body, const char *key, struct error *err);

#endif
