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

static int text_of(struct image_edit *e, const char *name, const json_t *v, size_t max, const char **out,
	struct error *err)
{
	const char *s = json_string_value(v);

	if (!s)
		return error_set(err, ERR_BAD_REQUEST, "%.64s must be a string", name);
	if (utf8_length(s) > max)
		return error_set(
			err, ERR_BAD_REQUEST, "%.64s must not be longer than %zu characters", name, max);
	*out = arena_strdup(e->call->arena, s);
	return 0;
}

static int set_name(struct image_edit *e, const json_t *v, struct error *err)
{
	if (json_is_null(v)) {
		e->image->name = NULL;
		return 0;
	}
	return text_of(e, "name", v, IMAGE_NAME_MAX, &e->image->name, err);
}

static int set_visibility(struct image_edit *e, const json_t *v, struct error *err)
{
	const char *word = json_string_value(v);

	if (!word || !image_word_known(image_visibilities, word))
		return error_set(
			err, ERR_BAD_REQUEST, "visibility must be public, private, shared or community");
	if (strcmp(word, "public") == 0 && strcmp(e->image->visibility, "public") != 0 &&
		!api_is_admin(e->call))
		return error_set(err, ERR_FORBIDDEN, "Only an administrator may make an image public.");
	e->image->visibility = arena_strdup(e->call->arena, word);
	return 0;
}

static int set_format(struct image_edit *e, const char *name, const char *const *words, const json_t *v,
	const char **out, struct error *err)
{
	const char *word = json_string_value(v);

	if (strcmp(e->image->status, "queued") != 0 && !str_eq(word, *out))
		return error_set(
			err, ERR_FORBIDDEN, "Attribute %s can be only replaced for a queued image.", name);
	if (!json_is_null(v) && (!word || !image_word_known(words, word)))
		return error_set(
			err, ERR_BAD_REQUEST, "'%.32s' is no %s that is known here", word ? word : "", name);
	*out = arena_strdup(e->call->arena, word);
	return 0;
}

static int set_disk_format(struct image_edit *e, const json_t *v, struct error *err)
{
	return set_format(e, "disk_format", image_disk_formats, v, &e->image->disk_format, err);
}

static int set_container_format(struct image_edit *e, const json_t *v, struct error *err)
{
	return set_format(
		e, "container_format", image_container_formats, v, &e->image->container_format, err);
}

static int set_count(const char *name, const json_t *v, int64_t *out, struct error *err)
{
	int64_t n;

	if (json_is_integer(v))
		n = json_integer_value(v);
	else if (!json_is_string(v) || !str_int64(json_string_value(v), INT32_MIN, INT32_MAX, &n))
		return error_set(err, ERR_BAD_REQUEST, "%s must be an integer", name);
	if (n < 0 || n > INT32_MAX)
		return error_set(err, ERR_BAD_REQUEST, "%s must be from 0 to %d", name, INT32_MAX);
	*out = n;
	return 0;
}

static int set_min_disk(struct image_edit *e, const json_t *v, struct error *err)
{
	return set_count("min_disk", v, &e->image->min_disk_gib, err);
}

static int set_min_ram(struct image_edit *e, const json_t *v, struct error *err)
{
	return set_count("min_ram", v, &e->image->min_ram_mib, err);
}

static int set_flag(const char *name, const json_t *v, bool *out, struct error *err)
{
	if (!json_is_boolean(v))
		return error_set(err, ERR_BAD_REQUEST, "%s must be true or false", name);
	*out = json_is_true(v);
	return 0;
}

static int set_protected(struct image_edit *e, const json_t *v, struct error *err)
{
	return set_flag("protected", v, &e->image->is_protected, err);
}

static int set_hidden(struct image_edit *e, const json_t *v, struct error *err)
{
	return set_flag("os_hidden", v, &e->image->hidden, err);
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

static int set_tags(struct image_edit *e, const json_t *v, struct error *err)
{
	const char **tags = ARENA_ARRAY(e->call->arena, const char *, IMAGE_TAGS_MAX);
	size_t n = 0, i;
	json_t *item;

	if (!json_is_array(v))
		return error_set(err, ERR_BAD_REQUEST, "tags must be an array of strings");
	json_array_foreach(v, i, item)
	{
		const char *tag = json_string_value(item);

		if (image_tag_check(tag, err) < 0)
			return -1;
		if (has_tag(tags, n, tag))
			continue;
		if (n == IMAGE_TAGS_MAX)
			return error_set(err, ERR_TOO_LARGE, "an image has at most %d tags", IMAGE_TAGS_MAX);
		tags[n++] = arena_strdup(e->call->arena, tag);
	}
	e->image->tags = tags;
	e->image->tags_n = n;
	return 0;
}

static int set_owner(struct image_edit *e, const json_t *v, struct error *err)
{
	const char *uid = json_string_value(v);
	struct project p;

	if (!uid)
		return error_set(err, ERR_BAD_REQUEST, "owner must be a project's id");
	if (str_eq(uid, e->image->project_uid))
		return 0;
	if (!api_is_admin(e->call))
		return error_set(
			err, ERR_FORBIDDEN, "Only an administrator may give an image to another project.");
	if (store_project_get(e->call->db, e->call->arena, uid, &p, err) < 0)
		return error_set(err, ERR_BAD_REQUEST, "owner: there is no project %.64s", uid);
	e->image->project_id = p.id;
	e->image->project_uid = p.uid;
	return 0;
}

static int set_id(struct image_edit *e, const json_t *v, struct error *err)
{
	const char *uid = json_string_value(v);
	char *own;

	if (!e->creating)
		return error_set(err, ERR_FORBIDDEN, "Attribute 'id' is read-only.");
	if (!uid || !uuid_valid(uid))
		return error_set(err, ERR_BAD_REQUEST, "id must be a UUID");
	own = arena_strdup(e->call->arena, uid);
	for (char *p = own; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	e->image->uid = own;
	return 0;
}

static const struct {
	const char *name;
	int (*set)(struct image_edit *e, const json_t *v, struct error *err); /* NULL: read-only */
} attributes[] = {
	{ "name", set_name },
	{ "visibility", set_visibility },
	{ "disk_format", set_disk_format },
	{ "container_format", set_container_format },
	{ "min_disk", set_min_disk },
	{ "min_ram", set_min_ram },
	{ "protected", set_protected },
	{ "os_hidden", set_hidden },
	{ "tags", set_tags },
	{ "owner", set_owner },
	{ "id", set_id },
	{ "status", NULL },
	{ "size", NULL },
	{ "virtual_size", NULL },
	{ "checksum", NULL },
	{ "os_hash_algo", NULL },
	{ "os_hash_value", NULL },
	{ "created_at", NULL },
	{ "updated_at", NULL },
	{ "self", NULL },
	{ "file", NULL },
	{ "schema", NULL },
	{ "direct_url", NULL },
	{ "locations", NULL },
	{ "stores", NULL },
	/* Glance's own, never shown */
	{ "location", NULL },
	{ "deleted", NULL },
	{ "deleted_at", NULL },
};

bool image_attribute_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(attributes); i++)
		if (strcmp(attributes[i].name, name) == 0)
			return true;
	return false;
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

int image_attribute_set(struct image_edit *e, const char *name, const json_t *value, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
		if (strcmp(attributes[i].name, name) != 0)
			continue;
		if (attributes[i].set)
			return attributes[i].set(e, value, err);
		return error_set(err, ERR_FORBIDDEN, "Attribute '%s' is read-only.", name);
	}
	return set_property(e, name, value, err);
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
