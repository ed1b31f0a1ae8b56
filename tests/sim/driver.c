/* SPDX-License-Identifier: Apache-2.0 */
/* Those who use the cloud and what befalls it: tenants, an operator, and fate, each a thread with dice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "client.h"
#include "hv/sim_world.h"
#include "sched.h"
#include "setup.h"
#include "status.h"

static unsigned busy; /* threads that have not come to their end */
static bool daemon_gone;

/* --- asking --------------------------------------------------------------------------------------------- */

static enum outcome outcome_of(const struct reply *r)
{
	if (r->status <= 0)
		return OUT_LOST;
	if (r->status < 300)
		return OUT_DONE;
	return r->status == 429 || r->status == 503 ? OUT_BUSY : OUT_REFUSED;
}

/* Sends it, now and then twice, as a client that got no answer would. */
static enum outcome ask(struct client *c, const char *method, const char *path, const char *body,
	const char *version, struct reply *r)
{
	char key[40];
	bool post = !strcmp(method, "POST"), again = post && chance(run->profile.request_twice);
	enum outcome o;

	snprintf(key, sizeof key, "key-%llu-%u", (unsigned long long)run->totals.requests, dice(1000000));
	client_ask(c, method, path, body, version, again ? key : NULL, r);
	if (again) {
		struct reply second;

		fault_count(FAULT_REPEATED_REQUEST);
		client_ask(c, method, path, body, version, key, &second);
		/* what was refused keeps nothing, and may be done the second time */
		if (outcome_of(r) == OUT_DONE && second.status > 0 && second.status != r->status &&
			second.status != 503)
			problem("%s %s was answered %d, and %d when it was repeated", method, path, r->status,
				second.status);
		if (second.status > 0 && (r->status <= 0 || second.status < 300)) {
			json_decref(r->json);
			*r = second;
		} else {
			json_decref(second.json);
		}
	}
	o = outcome_of(r);
	run->totals.outcomes[o]++;
	if (r->status >= 500 && r->status != 503)
		problem("%s %s %s was answered %d", method, path, body ? body : "", r->status);
	if (r->status == -1)
		daemon_gone = true;
	return o;
}

static void pause_some(void)
{
	static const unsigned ms[] = { 5, 50, 500, 2000, 10000, 120000 };

	sched_sleep_ms(1 + dice(ms[dice(chance(100) ? 6 : 4)]));
}

static bool take_turn(void)
{
	if (daemon_gone || !run->requests_left)
		return false;
	run->requests_left--;
	return true;
}

/* --- promises ------------------------------------------------------------------------------------------- */

static struct promise *pick(int tenant)
{
	struct promise *list[SERVERS_MAX];
	uint32_t n = 0;

	for (size_t i = 0; i < run->servers_n; i++) {
		struct promise *p = &run->servers[i];

		if (p->id[0] && !p->gone && (tenant < 0 || p->tenant == tenant))
			list[n++] = p;
	}
	return n ? list[dice(n)] : NULL;
}

/* What a request that is being sent may make of it; what came of it. */
static void promise_try(struct promise *p, uint32_t after)
{
	if (p->flying++)
		p->overlap = true;
	p->maybe |= after;
}

static void promise_end(struct promise *p, uint32_t after, enum outcome o)
{
	if (p->flying)
		p->flying--;
	if (o == OUT_DONE)
		p->want = p->overlap ? p->want | after : after ? after : p->want;
	else if (o == OUT_LOST)
		p->want |= after;
	if (!p->flying) {
		p->overlap = false;
		p->maybe = 0;
	}
}

void promises_wake(void)
{
	for (size_t i = 0; i < run->servers_n; i++) {
		struct promise *p = &run->servers[i];

		p->want |= p->maybe;
		p->maybe = 0;
		p->flying = 0;
		p->overlap = false;
		if (p->tried == 1 && !p->id[0])
			p->tried = 2; /* nobody knows */
	}
}

/* --- tenants -------------------------------------------------------------------------------------------- */

struct tenant {
	int number;
	struct client c;
};

static void create(struct tenant *t)
{
	struct promise *p;
	char body[600], more[200] = "";
	struct reply r;
	enum outcome o;
	unsigned flavor = dice(10) < 6 ? 0 : 1 + dice(3), n = chance(100) ? 2 + dice(2) : 1;
	bool group = chance(100);

	if (run->servers_n == SERVERS_MAX)
		return;
	p = &run->servers[run->servers_n++];
	snprintf(p->name, sizeof p->name, "s%zu", run->servers_n);
	p->tenant = (uint8_t)t->number;
	p->tried = 1;
	p->gpu = flavor >= 2;
	p->count = (uint8_t)n;
	p->want = BIT_ACTIVE | (p->gpu || n > 1 || group ? BIT_ERROR : 0);
	if (group && run->groups[t->number][0])
		snprintf(more, sizeof more, ", \"os:scheduler_hints\": {\"group\": \"%s\"}",
			run->groups[t->number]);
	snprintf(body, sizeof body,
		"{\"server\": {\"name\": \"%s\", \"imageRef\": \"%s\", \"flavorRef\": \"%s\", \"min_count\": "
		"%u, "
		"\"max_count\": %u}%s}",
		p->name, run->image, run->flavors[flavor], n, n, more);
	o = ask(&t->c, "POST", "/compute/v2.1/servers", body, NULL, &r);
	if (o == OUT_DONE && n == 1) {
		const char *id = json_string_value(json_object_get(json_object_get(r.json, "server"), "id"));

		str_copy(p->id, sizeof p->id, id ? id : "");
		p->tried = 3;
	} else if (o == OUT_REFUSED || (o == OUT_BUSY && r.status > 0)) {
		p->refused = true;
		p->tried = 4;
	} else if (o == OUT_DONE) {
		p->tried = 3;
	} else {
		p->tried = 2;
	}
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

static const struct {
	const char *body;
	uint32_t after; /* 0: as before */
	const char *version;
} actions[] = {
	{ "{\"os-stop\": null}", BIT_SHUTOFF },
	{ "{\"os-start\": null}", BIT_ACTIVE },
	{ "{\"os-stop\": null}", BIT_SHUTOFF },
	{ "{\"os-start\": null}", BIT_ACTIVE },
	{ "{\"reboot\": {\"type\": \"HARD\"}}", BIT_ACTIVE },
	{ "{\"reboot\": {\"type\": \"SOFT\"}}", BIT_ACTIVE },
	{ "{\"pause\": null}", BIT_PAUSED },
	{ "{\"unpause\": null}", BIT_ACTIVE },
	{ "{\"suspend\": null}", BIT_SUSPENDED },
	{ "{\"resume\": null}", BIT_ACTIVE },
	{ "{\"rescue\": null}", BIT_RESCUE },
	{ "{\"unrescue\": null}", BIT_ACTIVE },
	{ "{\"shelve\": null}", BIT_OFFLOADED },
	{ "{\"unshelve\": null}", BIT_ACTIVE | BIT_OFFLOADED },
	{ "{\"unshelve\": null}", BIT_ACTIVE | BIT_OFFLOADED },
	{ "{\"confirmResize\": null}", BIT_ACTIVE | BIT_SHUTOFF },
	{ "{\"confirmResize\": null}", BIT_ACTIVE | BIT_SHUTOFF },
	{ "{\"revertResize\": null}", BIT_ACTIVE | BIT_SHUTOFF },
	{ "{\"createImage\": {\"name\": \"snap\"}}", 0 },
	{ "{\"createBackup\": {\"name\": \"b\", \"backup_type\": \"daily\", \"rotation\": 1}}", 0 },
	{ "resize", BIT_VERIFY },
	{ "resize", BIT_VERIFY },
	{ "rebuild", BIT_ACTIVE | BIT_SHUTOFF },
};

static void act_on(struct client *c, struct promise *p, const char *body, uint32_t after, const char *version)
{
	char path[100];
	struct reply r;

	snprintf(path, sizeof path, "/compute/v2.1/servers/%s/action", p->id);
	promise_try(p, after);
	promise_end(p, after, ask(c, "POST", path, body, version, &r));
	if (r.status == 404 && !p->gone)
		problem("server %s (%s) is gone, and nobody deleted it", p->name, p->id);
	json_decref(r.json);
}

static void server_action(struct tenant *t, struct promise *p)
{
	uint32_t i = dice(ARRAY_LEN(actions));
	const char *body = actions[i].body;
	char text[200];

	if (str_eq(body, "resize")) {
		snprintf(text, sizeof text, "{\"resize\": {\"flavorRef\": \"%s\"}}",
			run->flavors[p->gpu ? 2 + dice(2) : dice(2)]);
		body = text;
	} else if (str_eq(body, "rebuild")) {
		snprintf(text, sizeof text, "{\"rebuild\": {\"imageRef\": \"%s\"}}", run->image);
		body = text;
	}
	act_on(&t->c, p, body, actions[i].after, actions[i].version);
}

static void look_at_one(struct tenant *t, struct promise *p)
{
	char path[100];
	struct reply r;

	snprintf(path, sizeof path, "/compute/v2.1/servers/%s", p->id);
	ask(&t->c, "GET", path, NULL, NULL, &r);
	if (r.status == 404 && !p->gone)
		problem("server %s (%s) is gone, and nobody deleted it", p->name, p->id);
	if (r.status == 200 && p->gone == 2) {
		const char *task = json_string_value(
			json_object_get(json_object_get(r.json, "server"), "OS-EXT-STS:task_state"));

		if (!str_eq(task ? task : "", "deleting"))
			problem("server %s was deleted and is shown without saying so", p->name);
	}
	json_decref(r.json);
}

static void tenant_main(void *arg)
{
	struct tenant *t = arg;

	while (take_turn()) {
		struct promise *p = pick(t->number);

		pause_some();
		if (chance(150))
			find_lost(t);
		if (!p || chance(250))
			create(t);
		else if (p->gone)
			continue;
		else if (chance(150))
			remove_server(t, p);
		else if (chance(150))
			look_at_one(t, p);
		else
			server_action(t, p);
	}
	client_close(&t->c);
	free(t);
	busy--;
}

/* --- the operator --------------------------------------------------------------------------------------- */

static void quick(
	struct client *c, const char *method, const char *path, const char *body, const char *version)
{
	struct reply r;

	ask(c, method, path, body, version, &r);
	json_decref(r.json);
}

static void host_action(struct client *c, int host, const char *action)
{
	char path[64], body[64];

	snprintf(path, sizeof path, "/cloud/v1/hosts/host%d/action", host + 1);
	snprintf(body, sizeof body, "{\"%s\": %s}", action,
		str_eq(action, "down") ? "{\"confirm_dead\": true}" : "{\"reason\": \"sim\"}");
	quick(c, "POST", path, body, NULL);
}

static void operator_moves(struct client *c)
{
	struct promise *p = pick(-1);

	if (!p)
		return;
	switch (dice(3)) {
	case 0:
		act_on(c, p, "{\"migrate\": null}", BIT_VERIFY, NULL);
		break;
	default:
		act_on(c, p, "{\"os-migrateLive\": {\"host\": null, \"block_migration\": \"auto\"}}", 0,
			"2.25");
	}
}

static void operator_quota(struct client *c)
{
	char path[80], body[100];

	snprintf(path, sizeof path, "/cloud/v1/quotas/%s", run->projects[dice(TENANTS)]);
	snprintf(body, sizeof body, "{\"quotas\": {\"instances\": %u, \"gpus\": %u}}", 2 + dice(20),
		1 + dice(12));
	quick(c, "PUT", path, body, NULL);
}

static void operator_reserve(struct client *c)
{
	char body[300], end[40];

	time_iso((run->wall_base_ns + run->mono_ns) / 1000 + (int64_t)(600 + dice(6000)) * 1000000, end);
	snprintf(body, sizeof body,
		"{\"reservation\": {\"name\": \"r\", \"project_id\": \"%s\", \"model\": \"a100\", \"gpus\": "
		"%u, "
		"\"end\": \"%s\"}}",
		run->projects[dice(TENANTS)], 1 + dice(3), end);
	quick(c, "POST", "/cloud/v1/reservations", body, NULL);
}

static void operator_gpu(struct client *c)
{
	struct reply r;
	char path[80], body[64];
	json_t *list;

	ask(c, "GET", "/cloud/v1/gpus", NULL, NULL, &r);
	list = json_object_get(r.json, "gpus");
	if (json_array_size(list)) {
		const json_t *g = json_array_get(list, dice((uint32_t)json_array_size(list)));
		const char *id = json_string_value(json_object_get(g, "id"));

		snprintf(path, sizeof path, "/cloud/v1/gpus/%s/action", id ? id : "");
		snprintf(body, sizeof body, "{\"%s\": {\"reason\": \"sim\"}}",
			chance(300)   ? "quarantine"
			: chance(300) ? "fault"
				      : "clear");
		quick(c, "POST", path, body, NULL);
	}
	json_decref(r.json);
}

static void operator_unreserve(struct client *c)
{
	struct reply r;
	char path[80];
	json_t *list;

	ask(c, "GET", "/cloud/v1/reservations", NULL, NULL, &r);
	list = json_object_get(r.json, "reservations");
	if (json_array_size(list)) {
		const char *id = json_string_value(
			json_object_get(json_array_get(list, dice((uint32_t)json_array_size(list))), "id"));

		snprintf(path, sizeof path, "/cloud/v1/reservations/%s", id ? id : "");
		quick(c, "DELETE", path, NULL, NULL);
	}
	json_decref(r.json);
}

/* One that is dead in truth: its guests are off before anybody says so. */
static void operator_evacuates(struct client *c)
{
	int host = (int)dice(HOSTS);
	char name[16];

	if (run->profile.strict || !run->profile.chaos)
		return;
	snprintf(name, sizeof name, "host%d", host + 1);
	sim_set_down(name, true);
	sim_crash(name);
	run->host_dead[host] = true;
	fault_count(FAULT_HOST_DEAD);
	event("%s is dead", name);
	sched_sleep_ms(1000 + dice(20000));
	host_action(c, host, "down");
	for (size_t i = 0; i < run->servers_n && !daemon_gone; i++) {
		struct promise *p = &run->servers[i];

		if (p->id[0] && !p->gone && chance(700))
			act_on(c, p, "{\"evacuate\": {}}", 0, "2.29");
	}
	sched_sleep_ms(dice(60000));
	sim_set_down(name, false);
	host_action(c, host, "revive");
	run->host_dead[host] = false;
}

static void operator_main(void *arg)
{
	struct client c = { .fd = -1, .token = run->admin };

	(void)arg;
	while (take_turn()) {
		pause_some();
		switch (dice(15)) {
		case 0:
			host_action(&c, (int)dice(HOSTS), chance(700) ? "drain" : "disable");
			break;
		case 1:
		case 2:
			host_action(&c, (int)dice(HOSTS), "enable");
			break;
		case 3:
			operator_quota(&c);
			break;
		case 4:
			operator_reserve(&c);
			break;
		case 5:
			if (chance(300))
				operator_evacuates(&c);
			break;
		case 6:
			host_action(&c, (int)dice(HOSTS), "refresh");
			break;
		case 8:
			operator_gpu(&c);
			break;
		case 9:
			operator_unreserve(&c);
			break;
		case 7:
			quick(&c, "GET", "/cloud/v1/flows", NULL, NULL);
			break;
		default:
			operator_moves(&c);
		}
	}
	client_close(&c);
	busy--;
}

/* --- fate ----------------------------------------------------------------------------------------------- */

static void random_guest(const char *world, char out[40])
{
	struct sim_world *w = sim_world_get(world);
	struct sim_node *list[64];
	uint32_t n = 0;

	*out = '\0';
	for (struct sim_node *d = sim_table_next(&w->doms, NULL); d && n < 64;
		d = sim_table_next(&w->doms, d))
		if (((struct sim_dom *)(void *)d)->cloud[0])
			list[n++] = d;
	if (n)
		str_copy(out, 40, list[dice(n)]->key);
}

static void strike_guest(const char *world)
{
	char uuid[40];

	random_guest(world, uuid);
	if (!uuid[0])
		return;
	switch (dice(4)) {
	case 0:
		sim_undefine(world, uuid);
		fault_count(FAULT_UNDEFINED);
		event("%s: somebody undefined %s", world, uuid);
		break;
	case 1:
		sim_guest_crash(world, uuid);
		fault_count(FAULT_GUEST_OFF);
		event("%s: guest %s crashed", world, uuid);
		break;
	default:
		sim_guest_shutdown(world, uuid);
		fault_count(FAULT_GUEST_OFF);
		event("%s: guest %s shut itself down", world, uuid);
	}
}

static void strike_host(const char *world, int host)
{
	char uuid[40];

	switch (dice(5)) {
	case 0:
		sim_set_down(world, true);
		fault_count(FAULT_HOST_CUT);
		event("%s is cut off", world);
		sched_sleep_ms(dice(chance(100) ? 4000000 : 60000));
		if (!run->host_dead[host])
			sim_set_down(world, false);
		event("%s is back", world);
		break;
	case 1:
		sim_drop(world, "cut");
		fault_count(FAULT_HOST_CUT);
		break;
	case 2:
		if (run->profile.strict)
			break;
		sim_crash(world);
		fault_count(FAULT_HOST_REBOOT);
		event("%s rebooted", world);
		break;
	case 3:
		snprintf(uuid, sizeof uuid, "f0e1d2c3-0000-4000-8000-%012u", dice(1000000));
		sim_foreign_domain(world, uuid);
		fault_count(FAULT_FOREIGN_DOMAIN);
		break;
	default: {
		bool lose = chance(500);

		sim_events(world, lose, !lose);
		fault_count(lose ? FAULT_EVENTS_LOST : FAULT_EVENTS_REPEATED);
		sched_sleep_ms(dice(60000));
		sim_events(world, false, false);
	}
	}
}

static void strike_pool(const char *world)
{
	struct sim_world *w = sim_world_get(world);
	int64_t taken = w->params.disk_gib << 30;

	if (run->profile.strict)
		return;
	w->used_bytes += taken;
	fault_count(FAULT_POOL_FULL);
	event("%s: its pool is full", world);
	sched_sleep_ms(dice(60000));
	w->used_bytes -= taken;
}

static void late_effects(void)
{
	for (size_t i = 0; i < LATE_MAX; i++)
		if (run->late[i].op) {
			struct late l = run->late[i];

			run->late[i].op = LATE_NONE;
			sched_sleep_ms((unsigned)(l.at_us / 1000));
			wraps_late(&l);
		}
}

static void fate_main(void *arg)
{
	(void)arg;
	sched_sleep_ms(1000 + dice(1000));
	late_effects();
	while (take_turn()) {
		int host = (int)dice(HOSTS);
		char world[16];

		run->requests_left++; /* fate asks nobody */
		sched_sleep_ms(1 + dice(chance(100) ? 60000 : 1500));
		snprintf(world, sizeof world, "host%d", host + 1);
		if (chance(500))
			sim_release(world);
		if (!chance(run->profile.chaos))
			continue;
		if (chance(run->profile.clock)) {
			run->wall_base_ns += ((int64_t)dice(7200) - 3600) * 1000000000;
			fault_count(FAULT_CLOCK_STEP);
			event("the wall clock steps");
		} else if (!run->profile.strict && chance(400)) {
			strike_guest(world);
		} else if (chance(100)) {
			strike_pool(world);
		} else {
			strike_host(world, host);
		}
	}
	busy--;
}

/* --- a life --------------------------------------------------------------------------------------------- */

static void shepherd_main(void *arg)
{
	(void)arg;
	while (busy && !daemon_gone)
		sched_sleep_ms(200);
	if (!daemon_gone && run->judged)
		judge();
	event("--- told to stop");
	sched_stop_daemon();
}

/* The hosts were there before the daemon. */
static void worlds_wake(void)
{
	for (int i = 0; i < HOSTS; i++) {
		struct error err;
		char uri[200];

		setup_uri(i, uri);
		if (!sim_world_open(uri, &err))
			problem("host%d: %s %s", i + 1, err.msg, err.detail);
		snprintf(uri, sizeof uri, "host%d", i + 1);
		sim_set_down(uri, run->host_dead[i]);
	}
	wraps_worlds();
}

void driver_start(void)
{
	promises_wake();
	worlds_wake();
	for (int i = 0; i < TENANTS; i++) {
		struct tenant *t = xcalloc(1, sizeof *t);

		*t = (struct tenant) { .number = i, .c = { .fd = -1, .token = run->tokens[i] } };
		sched_spawn("tenant", tenant_main, t);
		busy++;
	}
	sched_spawn("operator", operator_main, NULL);
	sched_spawn("fate", fate_main, NULL);
	sched_spawn("shepherd", shepherd_main, NULL);
	busy += 2;
}
