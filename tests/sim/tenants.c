/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants: they make servers and images, do with them what their state allows (or does not), and delete them.
 * Where the daemon's death is aimed at a flow, they lead their servers towards it. */
#include <stdio.h>
#include <string.h>

#include "aim.h"
#include "base/util.h"
#include "driver.h"
#include "sched.h"
#include "status.h"

enum {
	BITS_OFF_ON = BIT_ACTIVE | BIT_SHUTOFF,
	BITS_HERE = BITS_OFF_ON | BIT_PAUSED | BIT_SUSPENDED,
	BITS_UNSHELVED = BIT_ACTIVE | BIT_OFFLOADED,
};

struct tenant {
	int number;
	struct client c;
};

/* --- creating ------------------------------------------------------------------------------------------- */

static unsigned draw_flavor(void)
{
	if (aim_is("gpu_reset"))
		return chance(800) ? 2 + dice(2) : 0;
	return dice(10) < 6 ? 0 : 1 + dice(FLAVORS - 1);
}

static const char *draw_image(const struct tenant *t, bool *own)
{
	unsigned often = str_starts(aim_kind(), "image_") ? 700 : 100;

	*own = false;
	for (size_t i = 0; i < IMAGES_MAX; i++)
		if (run->images[i].ready && run->images[i].tenant == t->number && chance(often)) {
			*own = true;
			return run->images[i].id;
		}
	return run->image;
}

static void created(struct promise *p, enum outcome o, const struct reply *r)
{
	const char *id = json_string_value(json_object_get(json_object_get(r->json, "server"), "id"));

	if (o == OUT_DONE && p->count == 1)
		str_copy(p->id, sizeof p->id, id ? id : "");
	if (o == OUT_DONE) {
		p->tried = 3;
	} else if (o == OUT_REFUSED || (o == OUT_BUSY && r->status > 0)) {
		p->refused = true;
		p->tried = 4;
	} else {
		p->tried = 2;
	}
}

static void create(struct tenant *t)
{
	struct promise *p;
	char body[600], more[200] = "", key[40] = "";
	struct reply r;
	bool own, group = chance(100);
	unsigned flavor = draw_flavor(), n = chance(100) ? 2 + dice(2) : 1;
	const char *image = draw_image(t, &own);

	if (run->servers_n == SERVERS_MAX)
		return;
	p = &run->servers[run->servers_n++];
	snprintf(p->name, sizeof p->name, "s%zu", run->servers_n);
	p->tenant = (uint8_t)t->number;
	p->tried = 1;
	p->gpu = flavor >= 2;
	p->spot = flavor == FLAVOR_SPOT;
	p->count = (uint8_t)n;
	p->want = BIT_ACTIVE | (p->gpu || own || n > 1 || group ? BIT_ERROR : 0);
	if (group && run->groups[t->number][0])
		snprintf(more, sizeof more, ", \"os:scheduler_hints\": {\"group\": \"%s\"}",
			run->groups[t->number]);
	if (chance(50))
		str_copy(key, sizeof key, "\"key_name\": \"k\", ");
	snprintf(body, sizeof body,
		"{\"server\": {%s\"name\": \"%s\", \"imageRef\": \"%s\", \"flavorRef\": \"%s\", "
		"\"min_count\": "
		"%u, \"max_count\": %u}%s}",
		key, p->name, image, run->flavors[flavor], n, n, more);
	created(p, ask(&t->c, "POST", "/compute/v2.1/servers", body, NULL, &r), &r);
	json_decref(r.json);
}

/* One whose request was not answered: all of it is there, or nothing. */
static void find_lost(struct tenant *t)
{
	for (size_t i = 0; i < run->servers_n; i++) {
		struct promise *p = &run->servers[i];
		char path[100];
		struct reply r;
		json_t *list;

		if (p->tried != 2 || p->tenant != t->number || p->id[0] || p->count != 1)
			continue;
		snprintf(path, sizeof path, "/compute/v2.1/servers?name=^%s$", p->name);
		if (ask(&t->c, "GET", path, NULL, NULL, &r) == OUT_DONE) {
			list = json_object_get(r.json, "servers");
			if (json_array_size(list) > 1)
				problem("one request made %zu servers %s", json_array_size(list), p->name);
			if (json_array_size(list))
				str_copy(p->id, sizeof p->id,
					json_string_value(json_object_get(json_array_get(list, 0), "id")));
		}
		json_decref(r.json);
		return;
	}
}

static void remove_server(struct tenant *t, struct promise *p)
{
	char path[100];
	struct reply r;
	enum outcome o;

	snprintf(path, sizeof path, "/compute/v2.1/servers/%s", p->id);
	if (!p->gone)
		p->gone = 1;
	o = ask(&t->c, "DELETE", path, NULL, NULL, &r);
	if (o == OUT_DONE || r.status == 404)
		p->gone = 2;
	else if (o == OUT_REFUSED || o == OUT_BUSY)
		p->gone = 0;
	json_decref(r.json);
}

/* --- doing something with one --------------------------------------------------------------------------- */

static const struct action {
	const char *body;
	uint32_t from;  /* in these statuses it can be done */
	uint32_t after; /* 0: as before */
	const char *kind;
} actions[] = {
	{ "{\"os-stop\": null}", BIT_ACTIVE, BIT_SHUTOFF, "server_stop" },
	{ "{\"os-start\": null}", BIT_SHUTOFF, BIT_ACTIVE, "server_start" },
	{ "{\"reboot\": {\"type\": \"HARD\"}}", BITS_HERE, BIT_ACTIVE, "server_reboot_hard" },
	{ "{\"reboot\": {\"type\": \"SOFT\"}}", BIT_ACTIVE, BIT_ACTIVE, "server_reboot_soft" },
	{ "{\"pause\": null}", BIT_ACTIVE, BIT_PAUSED, "server_pause" },
	{ "{\"unpause\": null}", BIT_PAUSED, BIT_ACTIVE, "server_unpause" },
	{ "{\"suspend\": null}", BIT_ACTIVE, BIT_SUSPENDED, "server_suspend" },
	{ "{\"resume\": null}", BIT_SUSPENDED, BIT_ACTIVE, "server_resume" },
	{ "{\"rescue\": null}", BITS_OFF_ON, BIT_RESCUE, "server_rescue" },
	{ "{\"unrescue\": null}", BIT_RESCUE, BIT_ACTIVE, "server_unrescue" },
	{ "{\"shelve\": null}", BITS_HERE, BIT_OFFLOADED, "server_shelve" },
	{ "{\"shelveOffload\": null}", BIT_SHELVED, BIT_OFFLOADED, "server_offload" },
	{ "{\"unshelve\": null}", BIT_OFFLOADED, BITS_UNSHELVED, "server_unshelve" },
	{ "{\"unshelve\": null}", BIT_SHELVED, BITS_UNSHELVED, "server_unshelve_here" },
	{ "{\"confirmResize\": null}", BIT_VERIFY, BITS_OFF_ON, "leftover_remove" },
	{ "{\"revertResize\": null}", BIT_VERIFY, BITS_OFF_ON, "server_resize_revert" },
	{ "{\"createImage\": {\"name\": \"snap\"}}", BITS_HERE, 0, "server_create_image" },
	{ "{\"createBackup\": {\"name\": \"b\", \"backup_type\": \"daily\", \"rotation\": 1}}", BITS_HERE, 0,
		"server_create_backup" },
	{ "resize", BITS_OFF_ON, BIT_VERIFY, "server_resize" },
	{ "rebuild", BITS_OFF_ON | BIT_ERROR, BITS_OFF_ON, "server_rebuild" },
};

static void do_action(struct tenant *t, struct promise *p, const struct action *a)
{
	const char *body = a->body;
	char text[200];

	if (str_eq(body, "resize")) {
		snprintf(text, sizeof text, "{\"resize\": {\"flavorRef\": \"%s\"}}",
			run->flavors[p->gpu ? 2 + dice(2) : dice(2)]);
		body = text;
	} else if (str_eq(body, "rebuild")) {
		snprintf(text, sizeof text, "{\"rebuild\": {\"imageRef\": \"%s\"}}", run->image);
		body = text;
	}
	act_on(&t->c, p, body, a->after | (a->after == BIT_VERIFY && run->profile.confirms ? BITS_OFF_ON : 0),
		NULL);
}

/* Any that is allowed in this status and leads to one of these. */
static const struct action *some_action(uint32_t status, uint32_t to)
{
	const struct action *list[ARRAY_LEN(actions)];
	uint32_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (actions[i].from & status &&
			(actions[i].after & to || (!actions[i].after && to == UINT32_MAX)))
			list[n++] = &actions[i];
	return n ? list[dice(n)] : NULL;
}

/* What brings a flow of the kind about, or a server nearer to where it can be. */
static const struct action *towards(const char *kind, uint32_t status)
{
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		const struct action *a = &actions[i], *way;
		uint32_t from = a->from | (a->from & BIT_SHELVED ? BIT_OFFLOADED : 0);

		if (!str_eq(a->kind, kind))
			continue;
		if (a->from & status)
			return a;
		way = some_action(status, from);
		return way ? way : some_action(status, BIT_ACTIVE);
	}
	return NULL;
}

static void server_action(struct tenant *t, struct promise *p)
{
	const struct action *a = &actions[dice(ARRAY_LEN(actions))];
	bool resting = true;

	if (!chance(200)) {
		uint32_t status = status_of(&t->c, p, &resting);
		const struct action *to = status ? towards(aim_kind(), status) : NULL;

		if (!resting && chance(800))
			return; /* it has something else to do */
		if (status == BIT_ERROR && chance(500)) {
			remove_server(t, p);
			return;
		}
		if (!(a = to && chance(850) ? to : some_action(status, UINT32_MAX)))
			return;
	}
	do_action(t, p, a);
}

/* --- images, keys, groups ------------------------------------------------------------------------------- */

static void image_bytes(struct tenant *t, struct image *image)
{
	static const char bytes[4096];
	bool import = chance(300);
	char path[100];
	struct reply r;

	snprintf(path, sizeof path, "/image/v2/images/%s/%s", image->id, import ? "stage" : "file");
	client_put(&t->c, path, bytes, sizeof bytes, &r);
	json_decref(r.json);
	if (r.status == 204 && import) {
		snprintf(path, sizeof path, "/image/v2/images/%s/import", image->id);
		quick(&t->c, "POST", path, "{\"method\": {\"name\": \"glance-direct\"}}", NULL);
	}
	image->ready = r.status == 204;
}

static void new_image(struct tenant *t, struct image *image)
{
	struct reply r;
	const char *id;

	image->tenant = (uint8_t)t->number;
	ask(&t->c, "POST", "/image/v2/images",
		"{\"name\": \"own\", \"disk_format\": \"raw\", \"container_format\": \"bare\"}", NULL, &r);
	id = json_string_value(json_object_get(r.json, "id"));
	if (r.status == 201 && id) {
		str_copy(image->id, sizeof image->id, id);
		image_bytes(t, image);
	}
	json_decref(r.json);
}

static void some_image(struct tenant *t)
{
	struct image *image = &run->images[dice(IMAGES_MAX)];
	char path[100];

	if (!image->id[0]) {
		new_image(t, image);
	} else if (image->tenant == t->number && !run->profile.strict) {
		snprintf(path, sizeof path, "/image/v2/images/%s", image->id);
		if (quick(&t->c, "DELETE", path, NULL, NULL) == OUT_DONE)
			memset(image, 0, sizeof *image);
	}
}

static void some_key_or_group(struct tenant *t)
{
	char path[100];
	struct reply r;
	const char *id;

	switch (dice(4)) {
	case 0:
		quick(&t->c, "POST", "/compute/v2.1/os-keypairs", "{\"keypair\": {\"name\": \"k\"}}", NULL);
		break;
	case 1:
		quick(&t->c, "DELETE", "/compute/v2.1/os-keypairs/k", NULL, NULL);
		break;
	case 2:
		if (!run->groups[t->number][0])
			break;
		snprintf(path, sizeof path, "/compute/v2.1/os-server-groups/%s", run->groups[t->number]);
		if (quick(&t->c, "DELETE", path, NULL, NULL) == OUT_DONE)
			run->groups[t->number][0] = '\0';
		break;
	default:
		snprintf(path, sizeof path, "{\"server_group\": {\"name\": \"g\", \"policies\": [\"%s\"]}}",
			dice(2) ? "soft-anti-affinity" : "affinity");
		ask(&t->c, "POST", "/compute/v2.1/os-server-groups", path, NULL, &r);
		id = json_string_value(json_object_get(json_object_get(r.json, "server_group"), "id"));
		if (r.status == 200 && id)
			str_copy(run->groups[t->number], sizeof run->groups[0], id);
		json_decref(r.json);
	}
}

/* --- a tenant's life ------------------------------------------------------------------------------------ */

static unsigned deletes_often(void)
{
	if (aim_is("server_delete") || aim_is("gpu_reset") || aim_is("image_unstage"))
		return 400;
	return aim_kind()[0] ? 60 : 150;
}

static void turn(struct tenant *t)
{
	struct promise *p = pick(t->number);
	bool resting;

	if (chance(150))
		find_lost(t);
	if (chance(str_starts(aim_kind(), "image_") ? 400 : 40))
		some_image(t);
	else if (chance(40))
		some_key_or_group(t);
	else if (!p || chance(aim_is("server_create") ? 600 : 200))
		create(t);
	else if (p->gone)
		return;
	else if (chance(deletes_often()))
		remove_server(t, p);
	else if (chance(50))
		status_of(&t->c, p, &resting);
	else
		server_action(t, p);
}

void tenant_main(void *number)
{
	struct tenant t = { .number = *(int *)number, .c = { .fd = -1 } };

	t.c.token = run->tokens[t.number];
	while (take_turn()) {
		pause_some();
		turn(&t);
	}
	client_close(&t.c);
	driver_done();
}
