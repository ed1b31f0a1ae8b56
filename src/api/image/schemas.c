/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v2/schemas/{name}: what an image and a member look like, as JSON schemas; dashboards and glanceclient
 * read the lists of formats from them. */
#include <string.h>

#include "api/image/internal.h"
#include "base/util.h"

struct schema_property {
	const char *name, *type; /* of JSON; "string?": or null */
	const char *description;
	bool read_only;
	const char *const *words;
};

static const char *const statuses[] = { "queued", "saving", "active", "killed", "deleted", "uploading",
	"importing", "pending_delete", "deactivated", NULL };
static const char *const member_statuses[] = { "pending", "accepted", "rejected", NULL };

static const struct schema_property image_properties[] = {
	{ "id", "string", "An identifier for the image", false, NULL },
	{ "name", "string?", "Descriptive name for the image", false, NULL },
	{ "status", "string", "Status of the image", true, statuses },
	{ "visibility", "string", "Scope of image accessibility", false, image_visibilities },
	{ "protected", "boolean", "If true, image will not be deletable.", false, NULL },
	{ "os_hidden", "boolean", "If true, image will not appear in default image list response.", false,
		NULL },
	{ "checksum", "string?", "md5 hash of image contents.", true, NULL },
	{ "os_hash_algo", "string?", "Algorithm to calculate the os_hash_value", true, NULL },
	{ "os_hash_value", "string?",
		"Hexdigest of the image contents using the algorithm specified by the os_hash_algo", true,
		NULL },
	{ "owner", "string?", "Owner of the image", false, NULL },
	{ "size", "integer?", "Size of image file in bytes", true, NULL },
	{ "virtual_size", "integer?", "Virtual size of image in bytes", true, NULL },
	{ "container_format", "string?", "Format of the container", false, image_container_formats },
	{ "disk_format", "string?", "Format of the disk", false, image_disk_formats },
	{ "created_at", "string", "Date and time of image registration", true, NULL },
	{ "updated_at", "string", "Date and time of the last image modification", true, NULL },
	{ "tags", "array", "List of strings related to the image", false, NULL },
	{ "min_ram", "integer", "Amount of ram (in MB) required to boot image.", false, NULL },
	{ "min_disk", "integer", "Amount of disk space (in GB) required to boot image.", false, NULL },
	{ "self", "string", "An image self url", true, NULL },
	{ "file", "string", "An image file url", true, NULL },
	{ "schema", "string", "An image schema url", true, NULL },
};

static const struct schema_property member_properties[] = {
	{ "member_id", "string", "An identifier for the image member (tenantId)", false, NULL },
	{ "image_id", "string", "An identifier for the image", false, NULL },
	{ "created_at", "string", "Date and time of image member creation", false, NULL },
	{ "updated_at", "string", "Date and time of last modification of image member", false, NULL },
	{ "status", "string", "The status of this image member", false, member_statuses },
	{ "schema", "string", "Schema URL of image member", true, NULL },
};

static void write_type(struct buf *out, const char *type)
{
	size_t n = strcspn(type, "?");

	jw_key(out, "type");
	if (!type[n]) {
		jw_str(out, type);
		return;
	}
	jw_array(out);
	jw_str(out, "null");
	jw_strn(out, type, n);
	jw_end_array(out);
}

static void write_property(struct buf *out, const struct schema_property *p)
{
	jw_key(out, p->name);
	jw_object(out);
	write_type(out, p->type);
	jw_kv_str(out, "description", p->description);
	if (p->read_only)
		jw_kv_bool(out, "readOnly", true);
	if (p->words) {
		jw_key(out, "enum");
		jw_array(out);
		if (strchr(p->type, '?'))
			jw_null(out);
		for (const char *const *w = p->words; *w; w++)
			jw_str(out, *w);
		jw_end_array(out);
	}
	if (strcmp(p->type, "array") == 0) {
		jw_key(out, "items");
		jw_object(out);
		jw_kv_str(out, "type", "string");
		jw_kv_int(out, "maxLength", 255);
		jw_end_object(out);
	}
	jw_end_object(out);
}

static void write_link(struct buf *out, const char *rel, const char *href)
{
	jw_object(out);
	jw_kv_str(out, "rel", rel);
	jw_kv_str(out, "href", href);
	jw_end_object(out);
}

static void write_one(struct buf *out, const char *name)
{
	bool image = strcmp(name, "image") == 0;
	const struct schema_property *p = image ? image_properties : member_properties;
	size_t n = image ? ARRAY_LEN(image_properties) : ARRAY_LEN(member_properties);

	jw_object(out);
	jw_kv_str(out, "name", name);
	jw_key(out, "properties");
	jw_object(out);
	for (size_t i = 0; i < n; i++)
		write_property(out, &p[i]);
	jw_end_object(out);
	if (image) {
		jw_key(out, "additionalProperties");
		jw_object(out);
		jw_kv_str(out, "type", "string");
		jw_end_object(out);
		jw_key(out, "links");
		jw_array(out);
		write_link(out, "self", "{self}");
		write_link(out, "enclosure", "{file}");
		write_link(out, "describedby", "{schema}");
		jw_end_array(out);
	}
	jw_end_object(out);
}

/* {"images": [image, …], "first", "next", "schema"} */
static void write_many(struct buf *out, const char *name)
{
	bool images = strcmp(name, "images") == 0;

	jw_object(out);
	jw_kv_str(out, "name", name);
	jw_key(out, "properties");
	jw_object(out);
	jw_key(out, name);
	jw_object(out);
	jw_kv_str(out, "type", "array");
	jw_key(out, "items");
	write_one(out, images ? "image" : "member");
	jw_end_object(out);
	write_property(out, &(struct schema_property) { "first", "string", "", false, NULL });
	write_property(out, &(struct schema_property) { "next", "string", "", false, NULL });
	write_property(out, &(struct schema_property) { "schema", "string", "", false, NULL });
	jw_end_object(out);
	jw_key(out, "links");
	jw_array(out);
	if (images) {
		write_link(out, "first", "{first}");
		write_link(out, "next", "{next}");
	}
	write_link(out, "describedby", "{schema}");
	jw_end_array(out);
	jw_end_object(out);
}

int image_schema(struct api_call *c, struct error *err)
{
	static const char *const names[] = { "image", "member", "images", "members", NULL };
	const char *name = api_param(c, "name");

	if (!image_word_known(names, name))
		return error_set(err, ERR_NOT_FOUND, "There is no schema '%.64s'.", name);
	if (name[strlen(name) - 1] == 's')
		write_many(&c->out, name);
	else
		write_one(&c->out, name);
	return 0;
}
