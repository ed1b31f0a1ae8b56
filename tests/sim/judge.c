/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold once nothing goes wrong any more: what the API promised and says, what the books say, and
 * what is in truth on the hosts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "client.h"
#include "hv/sim_world.h"
#include "sched.h"
#include "setup.h"
#include "status.h"

enum { SETTLE_S = 3 * 86400 };

static struct client admin = { .fd = -1, .calm = true };

static json_t *get(const char *path)
{
	struct reply r;

	client_ask(&admin, "GET", path, NULL, "2.79", NULL, &r);
	if (r.status != 200)
		problem("GET %s is answered %d", path, r.status);
	return r.json;
}

static void post(const char *path, const char *body)
{
	struct reply r;

	client_ask(&admin, "POST", path, body, NULL, NULL, &r);
	json_decref(r.json);
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* --- peace ---------------------------------------------------------------------------------------------- */

static void make_peace(void)
{
	run->last = true;
	memset(scarce, 0, sizeof scarce);
	for (int i = 0; i < HOSTS; i++) {
		char world[16], path[64], body[400];

		snprintf(world, sizeof world, "host%d", i + 1);
		snprintf(path, sizeof path, "/cloud/v1/hosts/%s/action", world);
		sim_faults_clear(world);
		sim_release(world);
		sim_events(world, false, false);
		sim_set_down(world, false);
		setup_host_body(i, body, sizeof body);
		post("/cloud/v1/hosts", body); /* if it is away */
		if (run->host_dead[i])
			post(path, "{\"revive\": null}");
		run->host_dead[i] = false;
	}
	event("--- peace");
}

/* Flows and tasks that are left; says what they wait for. */
static size_t restless(bool say)
{
	json_t *flows = get("/cloud/v1/flows"), *servers, *f;
	size_t i, n = 0;

	json_array_foreach(json_object_get(flows, "flows"), i, f)
	{
		char *dump = say ? json_dumps(f, JSON_COMPACT) : NULL;

		/* by design until the server's next cold start defines it anew */
		if (strstr(text(f, "last_error"), "still of its other flavor")) {
			free(dump);
			continue;
		}
		n++;
		if (say)
			problem("a flow without end: %s", dump);
		else if (str_eq(text(f, "state"), "stuck")) {
			char path[64];

			snprintf(path, sizeof path, "/cloud/v1/flows/%lld/action",
				(long long)json_integer_value(json_object_get(f, "id")));
			post(path, "{\"retry\": {}}");
		}
		free(dump);
	}
	json_decref(flows);
	if (n && !say)
		return n; /* the long list can wait */
	servers = get("/compute/v2.1/servers/detail?all_tenants=1");
	json_array_foreach(json_object_get(servers, "servers"), i,
		f) if (json_is_string(json_object_get(f, "OS-EXT-STS:task_state")) ||
		       str_eq(text(f, "status"), "BUILD"))
	{
		n++;
		if (say)
			problem("server %s never comes to rest: %s, %s", text(f, "name"), text(f, "status"),
				text(f, "OS-EXT-STS:task_state"));
	}
	json_decref(servers);
	return n;
}

static bool settle(void)
{
	int64_t end = sched_now_ms() + (int64_t)SETTLE_S * 1000;
	unsigned wait_ms = 2000, calm = 0;

	while (calm < 2) { /* twice: the looks at the hosts in between find nothing either */
		if (sched_now_ms() > end) {
			restless(true);
			return false;
		}
		sched_sleep_ms(wait_ms);
		if (restless(false)) {
			calm = 0;
			wait_ms = wait_ms < 600000 ? wait_ms * 3 / 2 : 600000;
		} else {
			calm++;
			wait_ms = 100000; /* more than poll_s */
		}
	}
	return true;
}

/* --- the truth ------------------------------------------------------------------------------------------ */

static struct sim_world *world_at(int i)
{
	char name[16];

	snprintf(name, sizeof name, "host%d", i + 1);
	return sim_world_get(name);
}

static struct sim_dom *domain_at(int host, const char *uuid)
{
	return sim_world_dom(world_at(host), uuid);
}

static const struct {
	const char *status;
	uint32_t bit;
	int power; /* of its domain; -1 absent, -2 any */
} statuses[] = {
	{ "ACTIVE", BIT_ACTIVE, HV_POWER_RUNNING },
	{ "SHUTOFF", BIT_SHUTOFF, HV_POWER_SHUTOFF },
	{ "PAUSED", BIT_PAUSED, HV_POWER_PAUSED },
	{ "SUSPENDED", BIT_SUSPENDED, HV_POWER_SUSPENDED },
	{ "RESCUE", BIT_RESCUE, HV_POWER_RUNNING },
	{ "SHELVED_OFFLOADED", BIT_OFFLOADED, -1 },
	{ "SHELVED", BIT_OFFLOADED, -2 },
	{ "VERIFY_RESIZE", BIT_VERIFY, -2 },
	{ "ERROR", BIT_ERROR, -2 },
};

static bool off(enum hv_power p)
{
	return p == HV_POWER_SHUTOFF || p == HV_POWER_CRASHED;
}

static void judge_domain(const json_t *s, size_t row)
{
	const char *id = text(s, "id"), *home = text(s, "OS-EXT-SRV-ATTR:host");
	int running = 0;

	for (int i = 0; i < HOSTS; i++) {
		const struct sim_dom *d = domain_at(i, id);
		char name[16];
		bool here;

		snprintf(name, sizeof name, "host%d", i + 1);
		here = str_eq(home, name);
		running += d && sim_power_on(d->power);
		if (d && !here && statuses[row].bit != BIT_VERIFY)
			problem("server %s lives on '%s' and has a domain on %s", text(s, "name"), home,
				name);
		if (d && sim_power_on(d->power) && !here)
			problem("server %s lives on %s and runs on %s", text(s, "name"), home, name);
		if (!here || statuses[row].power == -2)
			continue;
		if (statuses[row].bit == BIT_RESCUE && d && off(d->power) && !run->profile.strict)
			continue; /* it shut itself down; it is being rescued all the same */
		if (statuses[row].power == -1                     ? d != NULL
			: !d                                      ? statuses[row].power != HV_POWER_SHUTOFF
			: statuses[row].power == HV_POWER_SHUTOFF ? !off(d->power)
								  : (int)d->power != statuses[row].power)
			problem("server %s is %s, its domain on %s is %d", text(s, "name"), text(s, "status"),
				name, d ? (int)d->power : -1);
	}
	if (running > 1)
		problem("server %s runs %d times", text(s, "name"), running);
	if (running && statuses[row].power == -1)
		problem("server %s is %s and runs", text(s, "name"), text(s, "status"));
}

uint32_t status_bit(const char *status)
{
	if (str_eq(status, "SHELVED"))
		return BIT_SHELVED;
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (str_eq(statuses[i].status, status))
			return statuses[i].bit;
	return 0;
}

static json_t *find(json_t *list, const char *key, const char *value)
{
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o) if (str_eq(text(o, key), value)) return o;
	return NULL;
}

static void judge_worlds(json_t *servers)
{
	for (int i = 0; i < HOSTS; i++) {
		struct sim_world *w = world_at(i);

		for (struct sim_node *n = sim_table_next(&w->doms, NULL); n; n = sim_table_next(&w->doms, n))
			if (((struct sim_dom *)(void *)n)->cloud[0] && !find(servers, "id", n->key))
				problem("host%d has domain %s, which is no server", i + 1, n->key);
		for (struct sim_node *n = sim_table_next(&w->vols, NULL); n;
			n = sim_table_next(&w->vols, n)) {
			char id[40];
			json_t *o;
			/* of a dead host that was removed nobody knows what disks it had: drift lists them */
			bool image = str_starts(n->key, "image-") || run->host_replaced[i];

			snprintf(id, sizeof id, "%.36s", n->key + (image ? 6 : 0));
			o = image ? NULL : find(servers, "id", id);
			if (!image && !o)
				problem("host%d has volume %s of nobody", i + 1, n->key);
			else if (!image && !str_eq(text(o, "OS-EXT-SRV-ATTR:host"), w->node.key) &&
				 !str_eq(text(o, "status"), "VERIFY_RESIZE"))
				problem("host%d has volume %s, its server lives on '%s'", i + 1, n->key,
					text(o, "OS-EXT-SRV-ATTR:host"));
		}
		for (struct sim_node *n = sim_table_next(&w->mdevs, NULL); n;
			n = sim_table_next(&w->mdevs, n)) {
			/* a resize on one host keeps what the other flavor had, a broken server what it holds
			 */
			bool used =
				find(servers, "status", "VERIFY_RESIZE") || find(servers, "status", "ERROR");

			for (struct sim_node *k = sim_table_next(&w->doms, NULL); k;
				k = sim_table_next(&w->doms, k)) {
				const struct sim_dom *d = (struct sim_dom *)(void *)k;

				for (size_t m = 0; m < d->has.mdevs_n; m++)
					used |= str_eq(d->has.mdevs[m].uuid, n->key);
			}
			if (!used)
				problem("host%d has mediated device %s of nobody", i + 1, n->key);
		}
		if (sim_devices_shared(w->node.key))
			problem("host%d: a device is in two domains", i + 1);
	}
	run->totals.checked += 4;
}

/* --- the promises --------------------------------------------------------------------------------------- */

static void judge_promise(const struct promise *p, json_t *servers)
{
	json_t *s = p->id[0] ? find(servers, "id", p->id) : NULL, *o;
	size_t i, n = 0;

	json_array_foreach(servers, i, o)
	{
		const char *name = text(o, "name");
		size_t len = strlen(p->name);

		n += !strncmp(name, p->name, len) && (!name[len] || name[len] == '-');
	}
	if (p->refused && n)
		problem("the create of %s was refused, and there are %zu", p->name, n);
	if (n > p->count)
		problem("one request for %u servers %s made %zu", p->count, p->name, n);
	if (p->tried == 3 && !p->gone && !p->spot && n != p->count)
		problem("%u servers %s were acknowledged, there are %zu", p->count, p->name, n);
	if (p->gone == 2 && s)
		problem("server %s was deleted and is there: %s", p->name, text(s, "status"));
	if (p->id[0] && !p->gone && !p->spot && !s)
		problem("server %s is gone, and nobody deleted it", p->name);
	if (!s || !run->profile.strict || p->gpu || !p->want)
		return;
	for (i = 0; i < ARRAY_LEN(statuses); i++)
		if (str_eq(statuses[i].status, text(s, "status")) && !(p->want & statuses[i].bit)) {
			char *fault = json_dumps(json_object_get(s, "fault"), JSON_COMPACT | JSON_ENCODE_ANY);

			if (fault && strstr(fault, "No valid host")) {
				free(fault);
				continue;
			}

			problem("server %s is %s, promised was %x; %s", p->name, text(s, "status"), p->want,
				fault ? fault : "");
			free(fault);
		}
}

static void judge_status(const json_t *s)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (str_eq(statuses[i].status, text(s, "status"))) {
			judge_domain(s, i);
			return;
		}
	problem("server %s is %s at the end", text(s, "name"), text(s, "status"));
}

/* --- the books ------------------------------------------------------------------------------------------ */

static void judge_check(const char *path, const char *noun)
{
	json_t *all = get(path), *o = json_object_get(all, noun), *f;
	size_t i;

	json_array_foreach(json_object_get(o, "findings"), i, f)
	{
		char *dump = json_dumps(f, JSON_COMPACT);

		problem("%s: %s", path, dump);
		free(dump);
	}
	if (json_is_boolean(json_object_get(o, "ok")) && !json_is_true(json_object_get(o, "ok")) && !i)
		problem("%s is not ok", path);
	run->totals.checked += (uint64_t)json_integer_value(json_object_get(o, "rules"));
	json_decref(all);
}

void judge(void)
{
	json_t *all, *servers, *s;
	size_t i;

	admin.token = run->admin;
	make_peace();
	if (settle()) {
		all = get("/compute/v2.1/servers/detail?all_tenants=1");
		servers = json_object_get(all, "servers");
		json_array_foreach(servers, i, s) judge_status(s);
		for (i = 0; i < run->servers_n; i++)
			judge_promise(&run->servers[i], servers);
		judge_worlds(servers);
		run->totals.checked += 3 * json_array_size(servers) + 5 * run->servers_n;
		json_decref(all);
	}
	judge_check("/cloud/v1/check", "check");
	judge_check("/cloud/v1/ledger/verify", "ledger");
	client_close(&admin);
}
