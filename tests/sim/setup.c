/* SPDX-License-Identifier: Apache-2.0 */
/* The first life of all: a cloud with people, flavors, an image and hosts. Every seed begins with a copy of
 * it. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "client.h"
#include "sched.h"
#include "setup.h"

static struct client root = { .fd = -1, .calm = true };

static json_t *want(const char *method, const char *path, const char *body, const char *version, int status)
{
	struct reply r;

	client_ask(&root, method, path, body, version, NULL, &r);
	if (r.status != status) {
		char *dump = json_dumps(r.json, JSON_COMPACT | JSON_ENCODE_ANY);

		problem("setup: %s %s %s: %d %s", method, path, body ? body : "", r.status, dump ? dump : "");
		sched_leave(LIFE_PROBLEM);
	}
	return r.json;
}

static void take(char *out, size_t size, json_t *all, const char *noun, const char *key)
{
	const char *s = json_string_value(json_object_get(json_object_get(all, noun), key));

	str_copy(out, size, s ? s : "");
	json_decref(all);
}

static void sign_in(const char *user, const char *project, char out[512])
{
	char body[500];
	struct reply r;

	snprintf(body, sizeof body,
		"{\"auth\": {\"identity\": {\"methods\": [\"password\"], \"password\": {\"user\": {\"name\": "
		"\"%s\", "
		"\"domain\": {\"id\": \"default\"}, \"password\": \"pw\"}}}, \"scope\": {\"project\": "
		"{\"name\": \"%s\", "
		"\"domain\": {\"id\": \"default\"}}}}}",
		user, project);
	client_ask(&root, "POST", "/identity/v3/auth/tokens", body, NULL, NULL, &r);
	if (r.status != 201)
		problem("setup: no token: %d", r.status);
	str_copy(out, 512, r.token);
	json_decref(r.json);
}

static void make_people(void)
{
	char role[40], user[40], path[200], body[300];
	json_t *roles = want("GET", "/identity/v3/roles?name=member", NULL, NULL, 200);

	str_copy(role, sizeof role,
		json_string_value(json_object_get(json_array_get(json_object_get(roles, "roles"), 0), "id")));
	json_decref(roles);
	for (int i = 0; i < TENANTS; i++) {
		char name[16];

		snprintf(name, sizeof name, "tenant%d", i);
		snprintf(body, sizeof body, "{\"project\": {\"name\": \"%s\"}}", name);
		take(run->projects[i], sizeof run->projects[i],
			want("POST", "/identity/v3/projects", body, NULL, 201), "project", "id");
		snprintf(body, sizeof body, "{\"user\": {\"name\": \"%s\", \"password\": \"pw\"}}", name);
		take(user, sizeof user, want("POST", "/identity/v3/users", body, NULL, 201), "user", "id");
		snprintf(path, sizeof path, "/identity/v3/projects/%s/users/%s/roles/%s", run->projects[i],
			user, role);
		json_decref(want("PUT", path, NULL, NULL, 204));
		snprintf(path, sizeof path, "/cloud/v1/quotas/%s", run->projects[i]);
		json_decref(want("PUT", path,
			"{\"quotas\": {\"instances\": 20, \"cores\": -1, \"ram\": -1, \"gpus\": 12}}", NULL,
			200));
		sign_in(name, name, run->tokens[i]);
	}
}

static void make_flavors(void)
{
	static const struct {
		const char *size, *specs;
	} flavors[FLAVORS] = {
		{ "\"vcpus\": 1, \"ram\": 1024, \"disk\": 5", NULL },
		{ "\"vcpus\": 2, \"ram\": 2048, \"disk\": 10", NULL },
		{ "\"vcpus\": 2, \"ram\": 2048, \"disk\": 10", "\"pci_passthrough:alias\": \"a100:1\"" },
		{ "\"vcpus\": 4, \"ram\": 4096, \"disk\": 10", "\"pci_passthrough:alias\": \"a100:2\"" },
		{ "\"vcpus\": 1, \"ram\": 1024, \"disk\": 5",
			"\"resources:VGPU\": \"1\", \"cloudd:gpu_profile\": \"nvidia-474\"" },
		{ "\"vcpus\": 2, \"ram\": 2048, \"disk\": 10",
			"\"pci_passthrough:alias\": \"a100:1\", \"cloudd:preemptible\": \"true\"" },
		{ "\"vcpus\": 2, \"ram\": 2048, \"disk\": 5", "\"hw:numa_nodes\": \"2\"" },
	};
	char body[300], path[100];

	for (int i = 0; i < FLAVORS; i++) {
		snprintf(body, sizeof body, "{\"flavor\": {\"name\": \"f%d\", \"id\": \"%d\", %s}}", i, i + 1,
			flavors[i].size);
		json_decref(want("POST", "/compute/v2.1/flavors", body, NULL, 200));
		snprintf(run->flavors[i], sizeof run->flavors[i], "%d", i + 1);
		if (!flavors[i].specs)
			continue;
		snprintf(path, sizeof path, "/compute/v2.1/flavors/%d/os-extra_specs", i + 1);
		snprintf(body, sizeof body, "{\"extra_specs\": {%s}}", flavors[i].specs);
		json_decref(want("POST", path, body, NULL, 200));
	}
}

static void make_image(void)
{
	static char bytes[4096];
	struct reply r;
	char path[100];
	json_t *all = want("POST", "/image/v2/images",
		"{\"name\": \"guest\", \"disk_format\": \"raw\", \"container_format\": \"bare\", "
		"\"visibility\": "
		"\"public\"}",
		NULL, 201);

	str_copy(run->image, sizeof run->image, json_string_value(json_object_get(all, "id")));
	json_decref(all);
	snprintf(path, sizeof path, "/image/v2/images/%s/file", run->image);
	client_put(&root, path, bytes, sizeof bytes, &r);
	if (r.status != 204)
		problem("setup: upload: %d", r.status);
	json_decref(r.json);
}

void setup_uri(int host, char out[200])
{
	snprintf(out, 200,
		"sim://"
		"host%d?vcpus=64&ram_gib=256&disk_gib=100000&cells=2&gpus=4&gpu=10de:20b0&move_ms=3000&"
		"mdev=nvidia-474:4:A100-1-5C&state=host%d.state",
		host + 1, host + 1);
}

void setup_host_body(int host, char *out, size_t size)
{
	char uri[200];

	setup_uri(host, uri);
	snprintf(out, size, "{\"host\": {\"name\": \"host%d\", \"uri\": \"%s\", \"vcpu_ratio\": 16}}",
		host + 1, uri);
}

/* One of each host's GPUs is to be had in parts. */
static void cut_gpus(void)
{
	json_t *all = want("GET", "/cloud/v1/gpus", NULL, NULL, 200), *list = json_object_get(all, "gpus"),
	       *g;
	char path[120];
	size_t i;

	json_array_foreach(list, i, g)
	{
		if (i % 4)
			continue;
		snprintf(path, sizeof path, "/cloud/v1/gpus/%s/action",
			json_string_value(json_object_get(g, "id")));
		json_decref(want("POST", path, "{\"cut\": {\"as\": \"mdev\"}}", NULL, 200));
	}
	json_decref(all);
}

static void make_hosts(void)
{
	char body[400], path[64];

	for (int i = 0; i < HOSTS; i++) {
		json_t *all;
		bool there = false;

		setup_host_body(i, body, sizeof body);
		json_decref(want("POST", "/cloud/v1/hosts", body, NULL, 201));
		snprintf(path, sizeof path, "/cloud/v1/hosts/host%d", i + 1);
		for (int k = 0; k < 100 && !there; k++) {
			sched_sleep_ms(100);
			all = want("GET", path, NULL, NULL, 200);
			there = str_eq("connected", json_string_value(json_object_get(
							    json_object_get(all, "host"), "connection")));
			json_decref(all);
		}
		if (!there)
			problem("setup: a host does not connect");
	}
}

static void setup_main(void *arg)
{
	(void)arg;
	json_decref(
		want("POST", "/cloud/v1/bootstrap", "{\"bootstrap\": {\"password\": \"pw\"}}", NULL, 201));
	sign_in("admin", "admin", run->admin);
	root.token = run->admin;
	make_people();
	make_flavors();
	make_image();
	make_hosts();
	cut_gpus();
	for (int i = 0; i < TENANTS; i++) {
		struct client c = { .fd = -1, .calm = true, .token = run->tokens[i] };
		struct reply r;

		client_ask(&c, "POST", "/compute/v2.1/os-server-groups",
			"{\"server_group\": {\"name\": \"g\", \"policies\": [\"anti-affinity\"]}}", NULL,
			NULL, &r);
		take(run->groups[i], sizeof run->groups[i], r.json, "server_group", "id");
		client_close(&c);
	}
	client_close(&root);
	sched_stop_daemon();
}

void setup_start(void)
{
	sched_spawn("setup", setup_main, NULL);
}
