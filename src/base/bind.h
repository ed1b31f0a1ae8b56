/* SPDX-License-Identifier: Apache-2.0 */
/* JSON bodies against tables: one const table per body says names, types, ranges and where each value goes in
 * a plain struct. Tables nest. The error names the whole path ("server.networks[0].uuid") and what would be
 * right; unknown keys are refused. Tables are data: the tests and the documents are made of them too. */
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
	BIND_NUM,  /* double; min/max are the range */
	BIND_OBJ, /* without a table: json_t *, borrowed from the document; with one: a pointer to the table's
		     struct, in the arena; NULL: absent. min/max are the number of keys */
	BIND_ARR, /* without items: json_t *, borrowed; with them: struct bind_list. min/max are its length */
	BIND_ANY  /* json_t *, borrowed: whatever it is */
};

enum bind_flags {
	BIND_REQUIRED = 1, /* absent (or null, unless BIND_NULL) is an error */
	BIND_NULL = 2,     /* an explicit null is a value: presence is noted and the field left as it was */
	BIND_LOOSE = 4,    /* booleans also as "True", "false", 1, 0; strings also from numbers */
	BIND_JSON = 8,     /* objects and arrays are checked, but handed over as json_t * */
	BIND_ANY_CASE = 16 /* words in upper or lower case */
};

/* Two rows may have one name: for different versions, or for different types ("auto" or a list). */
struct bind_field {
	const char *name;
	enum bind_type type;
	size_t offset; /* in the struct */
	int flags;
	int64_t min, max;               /* both 0: no check (strings are then at most 65535 characters) */
	int since, until;               /* API minor versions that know the field; 0, 0: all */
	const struct bind_table *table; /* BIND_OBJ: what is inside */
	const struct bind_field *items; /* BIND_ARR: what each entry is; its name and offset are not used */
	const char *const *words;       /* BIND_STR: one of these, NULL-ended; the table's spelling is kept */
	int64_t absent;                 /* numbers and booleans: the value when there is none */
};

enum bind_table_flags {
	BIND_ONE = 1,      /* exactly one of the fields, and null is no less: an action and its arguments */
	BIND_OPTIONAL = 2, /* a request without a body is as good as an empty table */
	BIND_LINKS = 4     /* "links" is passed over: what we sent comes back */
};

/* A body, or an object in one. */
struct bind_table {
	const char *top; /* of a body: its only key, whose value the fields describe; NULL: the body itself */
	const struct bind_field *fields;
	size_t n;
	size_t stride; /* from field to field, where they are the first members of larger rows; else 0 */
	size_t size;   /* of the struct; 0: nothing is kept */
	int flags;
	uint64_t required;             /* bit i: fields[i] too, beside those whose own flags say so */
	const struct bind_field *more; /* what the value of any other key must be; NULL: others are refused */
};

/* The entries of a BIND_ARR: const char *, int64_t, the struct of the items' table, or json_t *. */
struct bind_list {
	const void *items; /* NULL: there was no array */
	size_t n;
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
/* The members of a table: a struct's name, and its array of fields. */
#define BIND_TABLE(struct_name, fields_) \
	.fields = (fields_), .n = sizeof(fields_) / sizeof *(fields_), .size = sizeof(struct struct_name)

/* The same for an array of rows whose first member, `field`, is the field. */
#define BIND_ROWS(struct_name, rows)                                                              \
	.fields = &(rows)[0].field, .n = sizeof(rows) / sizeof *(rows), .stride = sizeof *(rows), \
	.size = sizeof(struct struct_name)

/* Items and values of any kind, or strings of up to 255 characters. */
extern const struct bind_field bind_item_any, bind_item_text;

/* Parses text of at most `limit` bytes: valid UTF-8, no duplicate keys, depth bounded. NULL with the error
 * set. Owned by the caller: json_decref. */
json_t *bind_parse(const char *text, size_t n, struct error *err);
/* Fills *out (of t->size, zeroed by the caller) from a request's body; NULL is a request without one. `seen`
 * may be NULL. `version` is the request's minor version, 0 where there is none. */
int bind_body(const json_t *body, const struct bind_table *t, int version, struct arena *arena, void *out,
	struct bind_seen *seen, struct error *err);
/* One value by one field, into *out. `where` is what messages call it. */
int bind_one(json_t *v, const char *where, const struct bind_field *f, int version, struct arena *arena,
	void *out, struct error *err);
const struct bind_field *bind_field_at(const struct bind_table *t, size_t i);

#endif
