/* SPDX-License-Identifier: Apache-2.0 */
/* The attributes of an image that clients may set, by name, and the rules for free properties. Creating and
 * patching go through the same table. */
#include <ctype.h>
#include <string.h>

#include "api/image/internal.h"
#include "base/crypto.h"
#include "base/util.h"
#include "store/projects.h"

enum { VALUE_BYTES_MAX = 65535, PROPERTY_BYTES_MAX = 2 * VALUE_BYTES_MAX, TAG_CHARS_MAX = 255 };

const char *const image_disk_formats[] = { "raw", "qcow2", "vhd", "vhdx", "vmdk", "vdi", "iso", "ploop",
	"ami", "ari", "aki", NULL };
const char *const image_container_formats[] = { "bare", "ovf", "ova", "docker", "compressed", "ami", "ari",
	"aki", NULL };
const char *const image_visibilities[] = { "shared", "private", "public", "community", NULL };

bool image_word_known(const char *const *words, const char *word)
{
	for (; *words; words++)
		if (strcmp(*words, word) == 0)
			return true;
	return false;
}

/* A value, as its row in the table below says. */
union value {
	const char *text;
	int64_t number;
	bool flag;
	struct bind_list list;
};

typedef int set_fn(struct image_edit *e, const union value *v, struct error *err);

static int set_name(struct image_edit *e, const union value *v, struct error *err)
{
	(void)err;
	e->image->name = v->text;
	return 0;
}

static int set_visibility(struct image_edit *e, const union value *v, struct error *err)
{
	if (strcmp(v->text, "public") == 0 && strcmp(e->image->visibility, "public") != 0 &&
		!api_is_admin(e->call))
		return error_set(err, ERR_FORBIDDEN, "Only an administrator may make an image public.");
	e->image->visibility = v->text;
	return 0;
}

static int set_format(
	struct image_edit *e, const char *name, const char *word, const char **out, struct error *err)
{
	if (strcmp(e->image->status, "queued") != 0 && !str_eq(word, *out))
		return error_set(
			err, ERR_FORBIDDEN, "Attribute %s can be only replaced for a queued image.", name);
	*out = word;
	return 0;
}

static int set_disk_format(struct image_edit *e, const union value *v, struct error *err)
{
	return set_format(e, "disk_format", v->text, &e->image->disk_format, err);
}

static int set_container_format(struct image_edit *e, const union value *v, struct error *err)
{
	return set_format(e, "container_format", v->text, &e->image->container_format, err);
}

static int set_min_disk(struct image_edit *e, const union value *v, struct error *err)
{
	(void)err;
	e->image->min_disk_gib = v->number;
	return 0;
}

static int set_min_ram(struct image_edit *e, const union value *v, struct error *err)
{
	(void)err;
	e->image->min_ram_mib = v->number;
	return 0;
}

static int set_protected(struct image_edit *e, const union value *v, struct error *err)
{
	(void)err;
	e->image->is_protected = v->flag;
	return 0;
}

static int set_hidden(struct image_edit *e, const union value *v, struct error *err)
{
	(void)err;
	e->image->hidden = v->flag;
	return 0;
}

int image_tag_check(const char *tag, struct error *err)
{
	size_t n = tag ? utf8_length(tag) : 0;

	if (n < 1 || n > TAG_CHARS_MAX)
		return error_set(
			err, ERR_BAD_REQUEST, "a tag must be a string of 1 to %d characters", TAG_CHARS_MAX);
	return 0;
}

static bool has_tag(const char *const *tags, size_t n, const char *tag)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(tags[i], tag) == 0)
			return true;
	return false;
}

static int set_tags(struct image_edit *e, const union value *v, struct error *err)
{
	const char *const *given = v->list.items;
	const char **tags = ARENA_ARRAY(e->call->arena, const char *, IMAGE_TAGS_MAX);
	size_t n = 0;

	for (size_t i = 0; i < v->list.n; i++) {
		if (has_tag(tags, n, given[i]))
			continue;
		if (n == IMAGE_TAGS_MAX)
			return error_set(err, ERR_TOO_LARGE, "an image has at most %d tags", IMAGE_TAGS_MAX);
		tags[n++] = given[i];
	}
	e->image->tags = tags;
	e->image->tags_n = n;
	return 0;
}

static int set_owner(struct image_edit *e, const union value *v, struct error *err)
{
	struct project p;

	if (str_eq(v->text, e->image->project_uid))
		return 0;
	if (!api_is_admin(e->call))
		return error_set(
			err, ERR_FORBIDDEN, "Only an administrator may give an image to another project.");
	if (store_project_get(e->call->db, e->call->arena, v->text, &p, err) < 0)
		return error_set(err, ERR_BAD_REQUEST, "owner: there is no project %.64s", v->text);
	e->image->project_id = p.id;
	e->image->project_uid = p.uid;
	return 0;
}

static int set_id(struct image_edit *e, const union value *v, struct error *err)
{
	char *own;

	if (!e->creating)
		return error_set(err, ERR_FORBIDDEN, "Attribute 'id' is read-only.");
	if (!uuid_valid(v->text))
		return error_set(err, ERR_BAD_REQUEST, "id: '%.64s' is no UUID", v->text);
	own = arena_strdup(e->call->arena, v->text);
	for (char *p = own; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	e->image->uid = own;
	return 0;
}

static const struct bind_field tag_item = { .type = BIND_STR, .min = 1, .max = TAG_CHARS_MAX };
static const struct bind_field property = { .type = BIND_STR, .max = VALUE_BYTES_MAX };

/* clang-format off */
#define WORD(name_, words_, null_) { .name = (name_), .type = BIND_STR, .words = (words_), .flags = (null_) }
#define COUNT(name_) { .name = (name_), .type = BIND_INT, .max = INT32_MAX }
#define READ_ONLY(name_) { { .name = (name_), .type = BIND_ANY, .flags = BIND_NULL }, NULL }

static const struct attribute {
	struct bind_field field;
	set_fn *set; /* NULL: read-only */
} attributes[] = {
	{ { .name = "name", .type = BIND_STR, .max = IMAGE_NAME_MAX, .flags = BIND_NULL }, set_name },
	{ WORD("visibility", image_visibilities, 0), set_visibility },
	{ WORD("disk_format", image_disk_formats, BIND_NULL), set_disk_format },
	{ WORD("container_format", image_container_formats, BIND_NULL), set_container_format },
	{ COUNT("min_disk"), set_min_disk },
	{ COUNT("min_ram"), set_min_ram },
	{ { .name = "protected", .type = BIND_BOOL }, set_protected },
	{ { .name = "os_hidden", .type = BIND_BOOL }, set_hidden },
	{ { .name = "tags", .type = BIND_ARR, .items = &tag_item }, set_tags },
	{ { .name = "owner", .type = BIND_STR, .min = 1, .max = 64 }, set_owner },
	{ { .name = "id", .type = BIND_STR, .min = 1, .max = 64 }, set_id },
	READ_ONLY("status"),
	READ_ONLY("size"),
	READ_ONLY("virtual_size"),
	READ_ONLY("checksum"),
	READ_ONLY("os_hash_algo"),
	READ_ONLY("os_hash_value"),
	READ_ONLY("created_at"),
	READ_ONLY("updated_at"),
	READ_ONLY("self"),
	READ_ONLY("file"),
	READ_ONLY("schema"),
	READ_ONLY("direct_url"),
	READ_ONLY("locations"),
	READ_ONLY("stores"),
	/* Glance's own, never shown */
	READ_ONLY("location"),
	READ_ONLY("deleted"),
	READ_ONLY("deleted_at"),
};

#undef WORD
#undef COUNT
#undef READ_ONLY
/* clang-format on */

/* Any other key is a free property. The values are set one by one. */
const struct bind_table image_create_body = { .fields = &attributes[0].field,
	.n = ARRAY_LEN(attributes),
	.stride = sizeof *attributes,
	.size = sizeof(union value),
	.more = &property };

static const struct attribute *find_attribute(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(attributes); i++)
		if (strcmp(attributes[i].field.name, name) == 0)
			return &attributes[i];
	return NULL;
}

bool image_attribute_known(const char *name)
{
	return find_attribute(name) != NULL;
}

static struct image_property *find_property(const struct image *i, const char *key)
{
	for (size_t k = 0; k < i->properties_n; k++)
		if (strcmp(i->properties[k].key, key) == 0)
			return &i->properties[k];
	return NULL;
}

bool image_attribute_exists(const struct image_edit *e, const char *name)
{
	return image_attribute_known(name) || find_property(e->image, name);
}

static int property_check(const char *key, const json_t *v, struct error *err)
{
	if (str_starts(key, "os_glance"))
		return error_set(
			err, ERR_FORBIDDEN, "Properties whose names start with 'os_glance' are reserved.");
	if (!*key || utf8_length(key) > IMAGE_NAME_MAX)
		return error_set(err, ERR_BAD_REQUEST, "a property's name must have 1 to %d characters",
			IMAGE_NAME_MAX);
	if (v && !json_is_string(v))
		return error_set(
			err, ERR_BAD_REQUEST, "property '%.64s' must be a string: it is free text", key);
	if (v && json_string_length(v) > VALUE_BYTES_MAX)
		return error_set(err, ERR_BAD_REQUEST, "property '%.64s' must not be longer than %d bytes",
			key, VALUE_BYTES_MAX);
	return 0;
}

/* Bytes of all properties but one. */
static size_t property_bytes(const struct image *i, const struct image_property *but)
{
	size_t n = 0;

	for (size_t k = 0; k < i->properties_n; k++)
		if (&i->properties[k] != but)
			n += strlen(i->properties[k].key) + strlen(i->properties[k].value);
	return n;
}

static int set_property(struct image_edit *e, const char *key, const json_t *v, struct error *err)
{
	struct image *i = e->image;
	struct image_property *p;

	if (property_check(key, v, err) < 0)
		return -1;
	p = find_property(i, key);
	if (!p && i->properties_n == IMAGE_PROPERTIES_MAX)
		return error_set(
			err, ERR_TOO_LARGE, "an image has at most %d properties", IMAGE_PROPERTIES_MAX);
	if (property_bytes(i, p) + strlen(key) + json_string_length(v) > PROPERTY_BYTES_MAX)
		return error_set(err, ERR_TOO_LARGE, "an image's properties have at most %d bytes together",
			PROPERTY_BYTES_MAX);
	if (!p) {
		p = &i->properties[i->properties_n++];
		p->key = arena_strdup(e->call->arena, key);
	}
	p->value = arena_strdup(e->call->arena, json_string_value(v));
	return 0;
}

int image_attribute_set(struct image_edit *e, const char *name, json_t *value, struct error *err)
{
	const struct attribute *a = find_attribute(name);
	union value v = { .list = { NULL, 0 } };

	if (!a)
		return set_property(e, name, value, err);
	if (!a->set)
		return error_set(err, ERR_FORBIDDEN, "Attribute '%s' is read-only.", name);
	if (json_is_null(value) && (a->field.flags & BIND_NULL))
		return a->set(e, &v, err);
	return bind_one(value, name, &a->field, 0, e->call->arena, &v, err) < 0 ? -1 : a->set(e, &v, err);
}

int image_attribute_remove(struct image_edit *e, const char *name, struct error *err)
{
	struct image *i = e->image;
	struct image_property *p;

	if (image_attribute_known(name))
		return error_set(err, ERR_FORBIDDEN, "Property %s may not be removed.", name);
	if (property_check(name, NULL, err) < 0)
		return -1;
	p = find_property(i, name);
	if (!p)
		return error_set(err, ERR_CONFLICT, "Property %.64s does not exist.", name);
	memmove(p, p + 1, (size_t)(i->properties + --i->properties_n - p) * sizeof *p);
	return 0;
}
