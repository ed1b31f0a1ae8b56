/* SPDX-License-Identifier: Apache-2.0 */
/* Images as rows, through the service's table on a real store: what may be set, who sees and changes what,
 * how lists are filtered, sorted and paged, and sharing. */
#include "image_fixture.h"

#define FREE CLEANUP(free_ptr) char
#define PATCH_TYPE "application/openstack-images-v2.1-json-patch"
#define OLD_PATCH_TYPE "application/openstack-images-v2.0-json-patch"

/* --- create -----------------------------------------------------------------------------------------------
 */

static void test_create_defaults(void **state)
{
	static const char *const want[][2] = {
		{ "status", "\"queued\"" },
		{ "visibility", "\"shared\"" },
		{ "name", "null" },
		{ "size", "null" },
		{ "virtual_size", "null" },
		{ "checksum", "null" },
		{ "os_hash_algo", "null" },
		{ "os_hash_value", "null" },
		{ "disk_format", "null" },
		{ "container_format", "null" },
		{ "min_disk", "0" },
		{ "min_ram", "0" },
		{ "protected", "false" },
		{ "os_hidden", "false" },
		{ "tags", "[]" },
		{ "owner", "\"project-a\"" },
		{ "schema", "\"/v2/schemas/image\"" },
	};
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", "{}");
	FREE *location = xasprintf("https://cloud.test:8774/image/v2%s", path);
	FREE *self = xasprintf("\"/v2%s\"", path);

	assert_string_equal(header_out(&w->last, "Location"), location);
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < ARRAY_LEN(want); i++)
			assert_string_equal(value_of(w, want[i][0]), want[i][1]);
		assert_string_equal(value_of(w, "self"), self);
		ASK(200, w, "alice", "GET", path, NULL);
	}
}

static void test_create_bodies(void **state)
{
	static const struct {
		int status;
		const char *who, *body;
	} cases[] = {
		{ 201, "alice", "{'name': null, 'disk_format': null}" },
		{ 201, "alice", "{'id': '11111111-2222-4333-8444-AAAAAAAAAAAA', 'name': 'mine'}" },
		{ 409, "alice", "{'id': '11111111-2222-4333-8444-aaaaaaaaaaaa'}" },
		{ 409, "bob", "{'id': '11111111-2222-4333-8444-aaaaaaaaaaaa'}" },
		{ 400, "alice", "{'id': 'no-uuid'}" },
		{ 400, "alice", "{'id': '../../../../../../etc/passwd-0123456'}" },
		{ 400, "alice", "{'name': 5}" },
		{ 400, "alice", "{'disk_format': 'exe'}" },
		{ 400, "alice", "{'container_format': 'box'}" },
		{ 400, "alice", "{'visibility': 'secret'}" },
		{ 403, "alice", "{'visibility': 'public'}" },
		{ 201, "admin", "{'visibility': 'public'}" },
		{ 201, "alice", "{'visibility': 'community'}" },
		{ 400, "alice", "{'min_disk': -1}" },
		{ 400, "alice", "{'min_ram': 2147483648}" },
		{ 201, "alice", "{'min_ram': 2147483647, 'min_disk': '7'}" },
		{ 400, "alice", "{'protected': 'yes'}" },
		{ 400, "alice", "{'os_hidden': 1}" },
		{ 400, "alice", "{'tags': 'x'}" },
		{ 400, "alice", "{'tags': [1]}" },
		{ 400, "alice", "{'tags': ['']}" },
		{ 201, "alice", "{'tags': ['b', 'a', 'b']}" },
		{ 201, "alice", "{'owner': 'project-a'}" },
		{ 403, "alice", "{'owner': 'project-b'}" },
		{ 201, "admin", "{'owner': 'project-b'}" },
		{ 400, "admin", "{'owner': 'project-none'}" },
		{ 403, "alice", "{'status': 'active'}" },
		{ 403, "alice", "{'size': 5}" },
		{ 403, "alice", "{'checksum': 'x'}" },
		{ 403, "alice", "{'created_at': 'x'}" },
		{ 403, "alice", "{'os_hash_value': 'x'}" },
		{ 403, "alice", "{'locations': []}" },
		{ 403, "alice", "{'deleted': true}" },
		{ 403, "alice", "{'os_glance_x': 'y'}" },
		{ 400, "alice", "{'hw_disk_bus': 5}" },
		{ 400, "alice", "{'hw_disk_bus': null}" },
		{ 400, "alice", "{'': 'x'}" },
		{ 201, "alice", "{'hw_disk_bus': 'scsi', 'os_distro': ''}" },
		{ 400, "alice", "[]" },
		{ 400, "alice", "{" },
		{ 400, "root", "{'name': 'nobody owns me'}" },
		{ 201, "root", "{'owner': 'project-c'}" },
	};
	struct cloud *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (ask(w, cases[i].who, "POST", "/images", cases[i].body) != cases[i].status)
			fail_msg("%s: %d instead of %d: %s", cases[i].body, w->last.status, cases[i].status,
				buf_text(&w->last.text));
	/* what was refused left nothing */
	assert_int_equal(sql_int(w, "SELECT count(*) FROM image"), 10);
	ASK(200, w, "alice", "GET", "/images/11111111-2222-4333-8444-aaaaaaaaaaaa", NULL);
	assert_string_equal(value_of(w, "name"), "\"mine\"");
}

static void test_property_limits(void **state)
{
	struct cloud *w = *state;
	json_t *body = json_object();
	char key[300], *text, *value = xcalloc(1, 70000);

	for (int i = 0; i < IMAGE_PROPERTIES_MAX; i++) {
		snprintf(key, sizeof key, "p%d", i);
		json_object_set_new(body, key, json_string("v"));
	}
	text = json_dumps(body, 0);
	ASK(201, w, "alice", "POST", "/images", text);
	free(text);
	json_object_set_new(body, "one_more", json_string("v"));
	text = json_dumps(body, 0);
	ASK(413, w, "alice", "POST", "/images", text);
	free(text);
	json_object_clear(body);
	memset(key, 'k', 256);
	key[256] = '\0';
	json_object_set_new(body, key, json_string("v"));
	text = json_dumps(body, 0);
	ASK(400, w, "alice", "POST", "/images", text);
	free(text);
	json_object_clear(body);
	for (int n = 65535; n <= 65536; n++) {
		memset(value, 'v', (size_t)n);
		json_object_set_new(body, "p", json_string(value));
		text = json_dumps(body, 0);
		ASK(n == 65535 ? 201 : 400, w, "alice", "POST", "/images", text);
		free(text);
	}
	value[65000] = '\0'; /* three of these are too many together */
	for (int i = 0; i < 3; i++) {
		snprintf(key, sizeof key, "p%d", i);
		json_object_set_new(body, key, json_string(value));
	}
	json_object_del(body, "p");
	text = json_dumps(body, 0);
	ASK(413, w, "alice", "POST", "/images", text);
	free(text);
	free(value);
	json_decref(body);
}

/* --- patch ------------------------------------------------------------------------------------------------
 */

static void test_patch(void **state)
{
	static const struct {
		int status;
		const char *patch, *key, *value; /* what the key is afterwards; "" absent */
	} cases[] = {
		{ 200, "[]", "name", "\"n\"" },
		{ 200, "[{'op': 'replace', 'path': '/name', 'value': 'new'}]", "name", "\"new\"" },
		{ 200, "[{'op': 'add', 'path': '/name', 'value': null}]", "name", "null" },
		{ 200, "[{'op': 'add', 'path': '/p', 'value': '1'}]", "p", "\"1\"" },
		{ 200, "[{'op': 'add', 'path': '/p', 'value': '2'}]", "p", "\"2\"" },
		{ 200, "[{'op': 'replace', 'path': '/p', 'value': '3'}]", "p", "\"3\"" },
		{ 200, "[{'op': 'remove', 'path': '/p'}]", "p", "" },
		{ 409, "[{'op': 'remove', 'path': '/p'}]", "p", "" },
		{ 409, "[{'op': 'replace', 'path': '/p', 'value': '3'}]", "p", "" },
		{ 200, "[{'op': 'add', 'path': '/a~1b~0c', 'value': 'x'}]", "a/b~c", "\"x\"" },
		{ 400, "[{'op': 'add', 'path': '/a~2', 'value': 'x'}]", "a~2", "" },
		{ 400, "[{'op': 'add', 'path': '/a/b', 'value': 'x'}]", "a", "" },
		{ 400, "[{'op': 'add', 'path': 'a', 'value': 'x'}]", "a", "" },
		{ 400, "[{'op': 'add', 'path': '/', 'value': 'x'}]", "", "" },
		{ 400, "[{'op': 'add', 'value': 'x'}]", "", "" },
		{ 400, "[{'op': 'add', 'path': '/q'}]", "q", "" },
		{ 400, "[{'op': 'test', 'path': '/name', 'value': 'x'}]", "name", "null" },
		{ 400, "[5]", "name", "null" },
		{ 400, "{}", "name", "null" },
		{ 400, "", "name", "null" },
		{ 403, "[{'op': 'remove', 'path': '/name'}]", "name", "null" },
		{ 403,
			"[{'op': 'replace', 'path': '/id', 'value': "
			"'11111111-2222-4333-8444-aaaaaaaaaaaa'}]",
			"name", "null" },
		{ 403, "[{'op': 'replace', 'path': '/status', 'value': 'active'}]", "status", "\"queued\"" },
		{ 403, "[{'op': 'add', 'path': '/os_glance_x', 'value': 'x'}]", "os_glance_x", "" },
		{ 403, "[{'op': 'replace', 'path': '/visibility', 'value': 'public'}]", "visibility",
			"\"shared\"" },
		{ 200, "[{'op': 'replace', 'path': '/visibility', 'value': 'private'}]", "visibility",
			"\"private\"" },
		{ 200, "[{'op': 'replace', 'path': '/tags', 'value': ['x', 'y']}]", "tags", "[\"x\",\"y\"]" },
		{ 200, "[{'op': 'replace', 'path': '/min_ram', 'value': 64}]", "min_ram", "64" },
		{ 200, "[{'op': 'replace', 'path': '/disk_format', 'value': 'raw'}]", "disk_format",
			"\"raw\"" },
		/* all or nothing */
		{ 400,
			"[{'op': 'add', 'path': '/half', 'value': 'x'}, {'op': 'add', 'path': '/min_disk', "
			"'value': -1}]",
			"half", "" },
	};
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", "{'name': 'n'}");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (ask_typed(w, "alice", "PATCH", path, PATCH_TYPE, cases[i].patch) != cases[i].status)
			fail_msg("%s: %d instead of %d: %s", cases[i].patch, w->last.status, cases[i].status,
				buf_text(&w->last.text));
		ASK(200, w, "alice", "GET", path, NULL);
		if (cases[i].key[0] && strcmp(value_of(w, cases[i].key), cases[i].value) != 0)
			fail_msg("%s: %s is %s", cases[i].patch, cases[i].key, value_of(w, cases[i].key));
	}
}

static void test_patch_types(void **state)
{
	static const char patch[] = "[{'op': 'replace', 'path': '/name', 'value': 'x'}]";
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", "{'name': 'n'}");

	assert_int_equal(ask_typed(w, "alice", "PATCH", path, "application/json", patch), 415);
	assert_non_null(strstr(header_out(&w->last, "Accept-Patch"), PATCH_TYPE));
	assert_int_equal(ask_typed(w, "alice", "PATCH", path, NULL, patch), 415);
	assert_int_equal(ask_typed(w, "alice", "PATCH", path, PATCH_TYPE "; charset=utf-8", patch), 200);
	/* the older form */
	assert_int_equal(ask_typed(w, "alice", "PATCH", path, OLD_PATCH_TYPE,
				 "[{'replace': '/name', 'value': 'old'}, {'add': '/p', 'value': 'v'}]"),
		200);
	assert_string_equal(value_of(w, "name"), "\"old\"");
	assert_int_equal(ask_typed(w, "alice", "PATCH", path, OLD_PATCH_TYPE, "[{'remove': '/p'}]"), 200);
	assert_string_equal(value_of(w, "p"), "");
	assert_int_equal(ask_typed(w, "alice", "PATCH", path, OLD_PATCH_TYPE,
				 "[{'remove': '/p', 'add': '/p', 'value': 'v'}]"),
		400);
	/* a format is fixed once there is data */
	sql(w, "UPDATE image SET status = 'active', disk_format = 'raw', container_format = 'bare'");
	assert_int_equal(ask_typed(w, "alice", "PATCH", path, PATCH_TYPE,
				 "[{'op': 'replace', 'path': '/disk_format', 'value': 'qcow2'}]"),
		403);
	assert_int_equal(ask_typed(w, "alice", "PATCH", path, PATCH_TYPE,
				 "[{'op': 'replace', 'path': '/disk_format', 'value': 'raw'}]"),
		200);
}

/* --- who may ----------------------------------------------------------------------------------------------
 */

/* Status of GET, PATCH and DELETE for each person, by visibility. */
static void test_matrix(void **state)
{
	static const struct {
		const char *visibility, *who;
		int get, patch, delete;
	} cases[] = {
		{ "private", "bob", 404, 404, 404 },
		{ "shared", "bob", 200, 403, 403 }, /* a member */
		{ "shared", "carol", 404, 404, 404 },
		{ "community", "carol", 200, 403, 403 },
		{ "public", "carol", 200, 403, 403 },
		{ "private", "admin", 200, 200, 204 },
		{ "private", "alice", 200, 200, 204 },
	};
	struct cloud *w = *state;
	char text[128];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		FREE *path = make_image(w, "alice", "{}");
		FREE *members = xasprintf("%s/members", path);
		FREE *file = xasprintf("%s/file", path);

		ASK(200, w, "alice", "POST", members, "{'member': 'project-b'}");
		snprintf(text, sizeof text,
			"UPDATE image SET visibility = '%s' WHERE id = "
			"(SELECT max(id) FROM image)",
			cases[i].visibility);
		sql(w, text);
		ASK(cases[i].get, w, cases[i].who, "GET", path, NULL);
		ASK(cases[i].get == 200 ? 204 : 404, w, cases[i].who, "GET", file, NULL);
		assert_int_equal(ask_typed(w, cases[i].who, "PATCH", path, PATCH_TYPE, "[]"), cases[i].patch);
		ASK(cases[i].delete, w, cases[i].who, "DELETE", path, NULL);
	}
}

static void test_delete(void **state)
{
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice",
		"{'id': '11111111-2222-4333-8444-aaaaaaaaaaaa', 'protected': true, 'p': 'v', 'tags': ['t']}");
	FREE *file = xasprintf("%s/%s", w->image_dir, "11111111-2222-4333-8444-aaaaaaaaaaaa");
	FILE *f = fopen(file, "w");

	fclose(f);
	flow_deletions = 0;
	ASK(403, w, "alice", "DELETE", path, NULL);
	ASK(403, w, "admin", "DELETE", path, NULL);
	assert_int_equal(flow_deletions, 0);
	assert_int_equal(ask_typed(w, "alice", "PATCH", path, PATCH_TYPE,
				 "[{'op': 'replace', 'path': '/protected', 'value': false}]"),
		200);
	ASK(204, w, "alice", "DELETE", path, NULL);
	assert_int_equal(flow_deletions, 1);
	ASK(404, w, "alice", "DELETE", path, NULL);
	ASK(404, w, "alice", "GET", path, NULL);
	/* its id is never given again: hosts may still have copies by that name */
	ASK(409, w, "alice", "POST", "/images", "{'id': '11111111-2222-4333-8444-aaaaaaaaaaaa'}");
	assert_int_equal(sql_int(w, "SELECT count(*) FROM image WHERE deleted_us > 0"), 1);
	assert_int_equal(sql_int(w, "SELECT (SELECT count(*) FROM image_property) + "
				    "(SELECT count(*) FROM image_tag)"),
		0);
	/* the file goes soon after */
	while (access(file, F_OK) == 0)
		uv_run(&w->store.loop.uv, UV_RUN_ONCE);
}

static void test_tags_and_actions(void **state)
{
	static const struct {
		int status;
		const char *who, *method, *below;
	} cases[] = {
		{ 204, "alice", "PUT", "/tags/one" },
		{ 204, "alice", "PUT", "/tags/one" },
		{ 403, "bob", "PUT", "/tags/two" },
		{ 404, "alice", "DELETE", "/tags/two" },
		{ 204, "alice", "DELETE", "/tags/one" },
		{ 404, "alice", "DELETE", "/tags/one" },
		{ 403, "alice", "POST", "/actions/deactivate" }, /* queued */
		{ 403, "alice", "POST", "/actions/reactivate" },
	};
	static const struct {
		int status;
		const char *who, *below;
	} active[] = {
		{ 403, "bob", "/actions/deactivate" },
		{ 204, "alice", "/actions/deactivate" },
		{ 204, "alice", "/actions/deactivate" },
		{ 403, "bob", "/actions/reactivate" },
		{ 204, "admin", "/actions/reactivate" },
	};
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", "{'visibility': 'community'}");
	FREE *long_tag = xcalloc(1, 400);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		FREE *where = xasprintf("%s%s", path, cases[i].below);

		ASK(cases[i].status, w, cases[i].who, cases[i].method, where, NULL);
	}
	snprintf(long_tag, 400, "%s/tags/%0256d", path, 1);
	ASK(400, w, "alice", "PUT", long_tag, NULL);
	sql(w, "UPDATE image SET status = 'active'");
	for (size_t i = 0; i < ARRAY_LEN(active); i++) {
		FREE *where = xasprintf("%s%s", path, active[i].below);

		ASK(active[i].status, w, active[i].who, "POST", where, NULL);
	}
	ASK(200, w, "alice", "GET", path, NULL);
	assert_string_equal(value_of(w, "status"), "\"active\"");
}

static void test_members(void **state)
{
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", "{'name': 'shared'}");
	FREE *members = xasprintf("%s/members", path);
	FREE *bob = xasprintf("%s/members/project-b", path);
	FREE *carol = xasprintf("%s/members/project-c", path);

	ASK(404, w, "bob", "GET", members, NULL);
	ASK(200, w, "alice", "POST", members, "{'member': 'project-b'}");
	assert_string_equal(value_of(w, "status"), "\"pending\"");
	assert_string_equal(value_of(w, "schema"), "\"/v2/schemas/member\"");
	ASK(409, w, "alice", "POST", members, "{'member': 'project-b'}");
	ASK(404, w, "alice", "POST", members, "{'member': 'project-none'}");
	ASK(400, w, "alice", "POST", members, "{'member': 5}");
	ASK(403, w, "bob", "POST", members, "{'member': 'project-c'}");
	ASK(200, w, "alice", "POST", members, "{'member': 'project-c'}");
	/* the owner sees all, a member itself */
	ASK(200, w, "alice", "GET", members, NULL);
	assert_int_equal(json_array_size(json_object_get(w->last.body, "members")), 2);
	ASK(200, w, "bob", "GET", members, NULL);
	assert_int_equal(json_array_size(json_object_get(w->last.body, "members")), 1);
	ASK(404, w, "bob", "GET", carol, NULL);
	ASK(404, w, "bob", "PUT", carol, "{'status': 'rejected'}");
	/* the member alone decides */
	ASK(403, w, "alice", "PUT", bob, "{'status': 'accepted'}");
	ASK(400, w, "bob", "PUT", bob, "{'status': 'maybe'}");
	ASK(200, w, "bob", "PUT", bob, "{'status': 'accepted'}");
	assert_string_equal(value_of(w, "status"), "\"accepted\"");
	/* the owner alone ends it */
	ASK(403, w, "bob", "DELETE", bob, NULL);
	ASK(204, w, "alice", "DELETE", bob, NULL);
	ASK(404, w, "bob", "GET", path, NULL);
	ASK(404, w, "alice", "DELETE", bob, NULL);
	/* only shared images have members */
	sql(w, "UPDATE image SET visibility = 'private'");
	ASK(403, w, "alice", "GET", members, NULL);
	ASK(404, w, "carol", "GET", path, NULL);
}

/* --- lists ------------------------------------------------------------------------------------------------
 */

/* One image per letter; alice's a and b, bob's c (public), d (private), e (community), f and g (shared with
 * alice: accepted, pending), h (alice's, hidden). Sizes grow with the letter, times too. */
static void fill(struct cloud *w)
{
	static const struct {
		const char *who, *body;
	} images[] = {
		{ "alice", "{'name': 'a', 'disk_format': 'raw', 'p': 'x', 'tags': ['t1', 't2']}" },
		{ "alice", "{'name': 'b', 'disk_format': 'qcow2', 'p': 'y', 'tags': ['t1'], 'min_ram': 5}" },
		{ "bob", "{'name': 'c', 'protected': true}" },
		{ "bob", "{'name': 'd', 'visibility': 'private'}" },
		{ "bob", "{'name': 'e', 'visibility': 'community'}" },
		{ "bob", "{'name': 'f'}" },
		{ "bob", "{'name': 'g'}" },
		{ "alice", "{'name': 'h', 'os_hidden': true}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(images); i++) {
		FREE *path = make_image(w, images[i].who, images[i].body);
		FREE *members = xasprintf("%s/members", path);
		FREE *alice = xasprintf("%s/members/project-a", path);

		if (i == 5 || i == 6)
			ASK(200, w, "bob", "POST", members, "{'member': 'project-a'}");
		if (i == 5)
			ASK(200, w, "alice", "PUT", alice, "{'status': 'accepted'}");
	}
	sql(w, "UPDATE image SET visibility = 'public' WHERE name = 'c'");
	sql(w, "UPDATE image SET status = 'active' WHERE name IN ('a', 'c')");
	/* a is of 2026-01-01T00:00:00Z, b a second later, and so on */
	sql(w, "UPDATE image SET size = (unicode(name) - 96) * 10, "
	       "created_us = (1767225600 + unicode(name) - 97) * 1000000");
}

static const char *names_of(struct cloud *w)
{
	static char names[64];
	json_t *item;
	size_t i;

	names[0] = '\0';
	json_array_foreach(json_object_get(w->last.body, "images"), i, item)
	{
		strncat(names, json_string_value(json_object_get(item, "name")), 8);
	}
	return names;
}

static void test_filters(void **state)
{
	static const struct {
		const char *who, *query, *names; /* NULL: 400 */
	} cases[] = {
		{ "alice", "", "fcba" },
		{ "bob", "", "gfedc" },
		{ "carol", "", "c" },
		{ "admin", "", "gfedcba" },
		{ "alice", "name=a", "a" },
		{ "alice", "name=d", "" },
		{ "alice", "name=in:a,c,d", "ca" },
		{ "alice", "name=in:\"a\",\"b\"", "ba" },
		{ "alice", "name=a&name=b", "ba" },
		{ "alice", "status=active", "ca" },
		{ "alice", "status=in:active,queued", "fcba" },
		{ "alice", "visibility=public", "c" },
		{ "alice", "visibility=private", "" },
		{ "bob", "visibility=private", "d" },
		{ "alice", "visibility=community", "e" },
		{ "alice", "visibility=shared", "fba" },
		{ "alice", "visibility=all", "fecba" },
		{ "alice", "visibility=secret", NULL },
		{ "alice", "visibility=shared&member_status=pending", "gba" },
		{ "alice", "member_status=all", "gfcba" },
		{ "alice", "member_status=rejected", "cba" },
		{ "alice", "member_status=maybe", NULL },
		{ "alice", "owner=project-b", "fc" },
		{ "alice", "disk_format=raw", "a" },
		{ "alice", "protected=True", "c" },
		{ "alice", "protected=false", "fba" },
		{ "alice", "protected=maybe", NULL },
		{ "alice", "os_hidden=true", "h" },
		{ "alice", "os_hidden=false", "fcba" },
		{ "alice", "min_ram=5", "b" },
		{ "alice", "min_ram=x", NULL },
		{ "alice", "size_min=20", "fcb" },
		{ "alice", "size_min=20&size_max=30", "cb" },
		{ "alice", "size_max=-1", NULL },
		{ "alice", "tag=t1", "ba" },
		{ "alice", "tag=t1&tag=t2", "a" },
		{ "alice", "tag=t3", "" },
		{ "alice", "p=x", "a" },
		{ "alice", "p=x&p=y", "ba" },
		{ "alice", "p=x&tag=t1&disk_format=qcow2", "" },
		{ "alice", "no_such_property=1", "" },
		{ "alice", "created_at=2026-01-01T00:00:01Z", "b" },
		{ "alice", "created_at=gt:2026-01-01T00:00:01Z", "fc" },
		{ "alice", "created_at=gte:2026-01-01T00:00:01Z", "fcb" },
		{ "alice", "created_at=lt:2026-01-01T00:00:01Z", "a" },
		{ "alice", "created_at=lte:2026-01-01T00:00:01Z", "ba" },
		{ "alice", "created_at=neq:2026-01-01T00:00:01Z", "fca" },
		{ "alice", "created_at=gt:yesterday", NULL },
		{ "alice", "sort_key=name&sort_dir=asc", "abcf" },
		{ "alice", "sort=name:desc", "fcba" },
		{ "alice", "sort=status:asc,name:desc", "cafb" },
		{ "alice", "sort_key=status&sort_dir=asc&sort_key=name&sort_dir=desc", "cafb" },
		{ "alice", "sort_key=size", "fcba" },
		{ "alice", "sort_key=colour", NULL },
		{ "alice", "sort=name:up", NULL },
		{ "alice", "sort_dir=sideways", NULL },
		{ "alice", "limit=2", "fc" },
		{ "alice", "limit=0", "" },
		{ "alice", "limit=-1", NULL },
		{ "alice", "limit=x", NULL },
		{ "alice", "marker=11111111-2222-4333-8444-aaaaaaaaaaaa", NULL },
	};
	struct cloud *w = *state;

	fill(w);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		FREE *path = xasprintf("/images?%s", cases[i].query);
		int status = ask(w, cases[i].who, "GET", path, NULL);

		if (status != (cases[i].names ? 200 : 400))
			fail_msg("%s: %d %s", cases[i].query, status, buf_text(&w->last.text));
		if (cases[i].names && strcmp(names_of(w), cases[i].names) != 0)
			fail_msg("%s %s: %s instead of %s", cases[i].who, cases[i].query, names_of(w),
				cases[i].names);
	}
}

/* Following `next` gives each image once, whatever the order. */
static void test_pages(void **state)
{
	static const char *const orders[][2] = {
		{ "/images?limit=1", "fcba" },
		{ "/images?limit=2&sort_key=name&sort_dir=asc", "abcf" },
		{ "/images?limit=3&sort_key=status&sort_dir=asc", "acbf" },
		{ "/images?limit=1&sort_key=disk_format&sort_dir=desc&visibility=all", "abecf" },
	};
	struct cloud *w = *state;

	fill(w);
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		char all[64] = "", path[256];

		str_copy(path, sizeof path, orders[i][0]);
		for (int pages = 0; path[0]; pages++) {
			const char *next;

			assert_in_range(pages, 0, 6);
			ASK(200, w, "alice", "GET", path, NULL);
			assert_string_equal(value_of(w, "schema"), "\"/v2/schemas/images\"");
			assert_non_null(strstr(value_of(w, "first"), "/v2/images?limit="));
			strncat(all, names_of(w), 16);
			next = json_string_value(json_object_get(w->last.body, "next"));
			str_copy(path, sizeof path, next ? next + strlen("/v2") : "");
		}
		if (strlen(all) != strlen(orders[i][1]))
			fail_msg("%s: %s", orders[i][0], all);
		if (i < 2)
			assert_string_equal(all, orders[i][1]);
	}
	/* after the last one there is an empty page */
	{
		FREE *path = NULL;

		ASK(200, w, "alice", "GET", "/images?name=a", NULL);
		path = xasprintf("/images?limit=5&marker=%s",
			json_string_value(json_object_get(
				json_array_get(json_object_get(w->last.body, "images"), 0), "id")));
		ASK(200, w, "alice", "GET", path, NULL);
		assert_string_equal(names_of(w), "");
		assert_string_equal(value_of(w, "next"), "");
	}
}

/* --- documents --------------------------------------------------------------------------------------------
 */

static void test_documents(void **state)
{
	static const struct {
		int status;
		const char *path;
	} cases[] = {
		{ 200, "/schemas/image" },
		{ 200, "/schemas/images" },
		{ 200, "/schemas/member" },
		{ 200, "/schemas/members" },
		{ 404, "/schemas/task" },
		{ 200, "/info/import" },
		{ 404, "/info/stores" },
		{ 200, "/metadefs/namespaces" },
		{ 404, "/images/no-such-image" },
		{ 404, "/nothing" },
	};
	struct cloud *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ASK(cases[i].status, w, "alice", "GET", cases[i].path, NULL);
		assert_non_null(w->last.body);
	}
	assert_string_equal(value_of(w, "code"), "\"404 Not Found\"");
	assert_string_equal(value_of(w, "title"), "\"Not Found\"");
	ASK(401, w, "mallory", "GET", "/images", NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cloud_up, cloud_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_create_defaults),
		TEST(test_create_bodies),
		TEST(test_property_limits),
		TEST(test_patch),
		TEST(test_patch_types),
		TEST(test_matrix),
		TEST(test_delete),
		TEST(test_tags_and_actions),
		TEST(test_members),
		TEST(test_filters),
		TEST(test_pages),
		TEST(test_documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
