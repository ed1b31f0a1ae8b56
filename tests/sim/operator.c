/* SPDX-License-Identifier: Apache-2.0 */
/* The operator: hosts come, go, are drained and declared dead; quotas, reservations, windows, aggregates,
 * backups. */
#include <stdio.h>
#include <string.h>

#include "aim.h"
#include "base/util.h"
#include "driver.h"
#include "hv/sim_world.h"
#include "sched.h"
#include "setup.h"
#include "status.h"

static void host_action(struct client *c, int host, const char *action, const char *args)
{
	char path[64], body[100];

	snprintf(path, sizeof path, "/cloud/v1/hosts/host%d/action", host + 1);
	snprintf(body, sizeof body, "{\"%s\": %s}", action, args);
	quick(c, "POST", path, body, NULL);
}

static void operator_moves(struct client *c)
{
	struct promise *p = pick(-1);
	bool live = aim_is("server_migrate_live") || (!aim_is("leftover_remove") && dice(3));

	if (!p)
		return;
	if (live)
		act_on(c, p, "{\"os-migrateLive\": {\"host\": null, \"block_migration\": \"auto\"}}", 0,
			"2.25");
	else
		act_on(c, p, "{\"migrate\": null}",
			BIT_VERIFY | (run->profile.confirms ? BIT_ACTIVE | BIT_SHUTOFF : 0), NULL);
}

static void operator_drains(struct client *c)
{
	int host = (int)dice(HOSTS);

	if (run->profile.strict || chance(500))
		host_action(c, host, "drain", "{\"reason\": \"sim\"}");
	else
		host_action(
			c, host, "drain", dice(3) ? "{\"parallel\": 2, \"cold\": true}" : "{\"stop\": true}");
}

static void operator_enables(struct client *c)
{
	int host = (int)dice(HOSTS);

	if (chance(700))
		host_action(c, host, "enable", "null");
	else
		host_action(c, host, chance(500) ? "disable" : "refresh", "{\"reason\": \"sim\"}");
}

static void operator_quota(struct client *c)
{
	char path[80], body[100];

	snprintf(path, sizeof path, "/cloud/v1/quotas/%s", run->projects[dice(TENANTS)]);
	snprintf(body, sizeof body, "{\"quotas\": {\"instances\": %u, \"gpus\": %u}}", 2 + dice(20),
		1 + dice(12));
	quick(c, "PUT", path, body, NULL);
}

/* --- what there is a list of ---------------------------------------------------------------------------- */

static const char *soon(unsigned from_s, unsigned range_s, char out[40])
{
	time_iso(
		(run->wall_base_ns + run->mono_ns) / 1000 + (int64_t)(from_s + dice(range_s)) * 1000000, out);
	return out;
}

/* The id of any of the list; "" none. */
static void any_id(struct client *c, const char *path, const char *noun, char out[64])
{
	struct reply r;
	json_t *list, *id;

	ask(c, "GET", path, NULL, NULL, &r);
	list = json_object_get(r.json, noun);
	id = json_object_get(json_array_get(list, dice((uint32_t)json_array_size(list))), "id");
	if (json_is_integer(id))
		snprintf(out, 64, "%lld", (long long)json_integer_value(id));
	else
		str_copy(out, 64, json_is_string(id) ? json_string_value(id) : "");
	json_decref(r.json);
}

static void cancel_any(struct client *c, const char *path, const char *noun)
{
	char id[64], one[160];

	any_id(c, path, noun, id);
	snprintf(one, sizeof one, "%s/%s", path, id);
	if (id[0])
		quick(c, "DELETE", one, NULL, NULL);
}

/* Of now, or a block of the calendar. */
static void operator_reserve(struct client *c)
{
	char body[300], begin[64] = "", start[40], end[40];

	if (chance(500))
		snprintf(begin, sizeof begin, "\"start\": \"%s\", ", soon(60, 500, start));
	snprintf(body, sizeof body,
		"{\"reservation\": {\"name\": \"r\", \"project_id\": \"%s\", \"model\": \"a100\", \"gpus\": "
		"%u, %s\"end\": \"%s\"}}",
		run->projects[dice(TENANTS)], 1 + dice(3), begin, soon(600, 6000, end));
	quick(c, "POST", "/cloud/v1/reservations", body, NULL);
}

static void operator_window(struct client *c)
{
	char body[300], begin[64] = "", start[40], end[40];

	if (chance(500))
		snprintf(begin, sizeof begin, "\"start\": \"%s\", ", soon(5, 300, start));
	snprintf(body, sizeof body,
		"{\"maintenance\": {\"hosts\": [\"host%u\"], \"name\": \"m\", %s\"end\": \"%s\"}}",
		1 + dice(HOSTS), begin, soon(320, 1000, end));
	quick(c, "POST", "/cloud/v1/maintenance", body, NULL);
}

static void operator_aggregate(struct client *c)
{
	char id[64], path[120], body[100];

	any_id(c, "/compute/v2.1/os-aggregates", "aggregates", id);
	if (!id[0]) {
		quick(c, "POST", "/compute/v2.1/os-aggregates", "{\"aggregate\": {\"name\": \"a\"}}", NULL);
		return;
	}
	snprintf(path, sizeof path, "/compute/v2.1/os-aggregates/%s%s", id, chance(800) ? "/action" : "");
	snprintf(body, sizeof body, "{\"%s_host\": {\"host\": \"host%u\"}}", dice(2) ? "add" : "remove",
		1 + dice(HOSTS));
	if (strstr(path, "/action"))
		quick(c, "POST", path, body, NULL);
	else
		quick(c, "DELETE", path, NULL, NULL);
}

static void operator_gpu(struct client *c)
{
	static const char *const bodies[] = { "{\"quarantine\": {\"reason\": \"sim\"}}",
		"{\"fault\": {\"reason\": \"sim\"}}", "{\"clear\": null}", "{\"clear\": null}",
		"{\"clear\": null}", "{\"cut\": {\"as\": \"mdev\"}}", "{\"cut\": {\"as\": \"whole\"}}" };
	char id[64], path[120];

	any_id(c, "/cloud/v1/gpus", "gpus", id);
	snprintf(path, sizeof path, "/cloud/v1/gpus/%s/action", id);
	if (id[0])
		quick(c, "POST", path, bodies[dice(ARRAY_LEN(bodies))], NULL);
}

static void operator_looks(struct client *c)
{
	static const char *const paths[] = { "/cloud/v1/flows", "/cloud/v1/drift", "/cloud/v1/hosts",
		"/cloud/v1/status", "/cloud/v1/calendar", "/cloud/v1/capacity", "/cloud/v1/audit" };
	const struct promise *p = pick(-1);
	char path[100];

	quick(c, "GET", paths[dice(ARRAY_LEN(paths))], NULL, NULL);
	if (!p)
		return;
	snprintf(path, sizeof path, "/cloud/v1/why/%s", p->id);
	quick(c, "GET", path, NULL, NULL);
}

/* --- hosts come, go and die ----------------------------------------------------------------------------- */

/* One that is empty goes, and comes again. */
static void operator_replaces(struct client *c)
{
	int host = (int)dice(HOSTS);
	char path[64], body[400];

	if (run->profile.strict)
		return;
	snprintf(path, sizeof path, "/cloud/v1/hosts/host%d", host + 1);
	if (quick(c, "DELETE", path, NULL, NULL) != OUT_DONE)
		return;
	run->host_replaced[host] = true;
	sched_sleep_ms(dice(20000));
	setup_host_body(host, body, sizeof body);
	quick(c, "POST", "/cloud/v1/hosts", body, NULL);
}

static void evacuate_all(struct client *c)
{
	for (size_t i = 0; i < run->servers_n && !daemon_gone; i++) {
		struct promise *p = &run->servers[i];

		if (p->id[0] && !p->gone && chance(700))
			act_on(c, p, "{\"evacuate\": {}}", 0, "2.29");
	}
}

/* One that is dead in truth: its guests are off before anybody says so. It comes back with all that it had,
 * older than what is true by then. */
static void operator_evacuates(struct client *c)
{
	int host = (int)dice(HOSTS);
	char name[16], foreign[40];

	if (run->profile.strict || !run->profile.chaos || run->host_dead[host])
		return;
	snprintf(name, sizeof name, "host%d", host + 1);
	sim_set_down(name, true);
	sim_crash(name);
	run->host_dead[host] = true;
	fault_count(FAULT_HOST_DEAD);
	event("%s is dead", name);
	sched_sleep_ms(1000 + dice(20000));
	host_action(c, host, "down", "{\"confirm_dead\": true}");
	evacuate_all(c);
	sched_sleep_ms(dice(60000));
	if (chance(300)) {
		snprintf(foreign, sizeof foreign, "f0e1d2c3-0000-4000-8000-%012u", dice(1000000));
		sim_foreign_domain(name, foreign);
		fault_count(FAULT_FOREIGN_DOMAIN);
	}
	sim_set_down(name, false);
	host_action(c, host, "revive", "null");
	run->host_dead[host] = false;
}

/* --- a day's work --------------------------------------------------------------------------------------- */

static void cancel_reservation(struct client *c)
{
	cancel_any(c, "/cloud/v1/reservations", "reservations");
}

static void cancel_window(struct client *c)
{
	cancel_any(c, "/cloud/v1/maintenance", "maintenance");
}

static void operator_backs_up(struct client *c)
{
	quick(c, "POST", "/cloud/v1/backups", NULL, NULL);
}

static const struct {
	void (*fn)(struct client *);
	unsigned often;
	const char *kind; /* of flow that it brings about */
} works[] = {
	{ operator_moves, 30, "server_migrate_live" },
	{ operator_moves, 10, "leftover_remove" },
	{ operator_drains, 8, "server_migrate_live" },
	{ operator_enables, 20, NULL },
	{ operator_quota, 6, NULL },
	{ operator_reserve, 6, NULL },
	{ cancel_reservation, 5, NULL },
	{ operator_window, 4, NULL },
	{ cancel_window, 4, NULL },
	{ operator_aggregate, 5, NULL },
	{ operator_gpu, 8, "gpu_reset" },
	{ operator_looks, 6, NULL },
	{ operator_replaces, 4, "image_stage" },
	{ operator_evacuates, 2, "server_evacuate" },
	{ operator_backs_up, 2, NULL },
};

static void operator_works(struct client *c)
{
	uint32_t sum = 0, at;
	bool aimed = chance(700);

	for (size_t i = 0; i < ARRAY_LEN(works); i++)
		sum += works[i].often + (aimed && works[i].kind && aim_is(works[i].kind) ? 100 : 0);
	at = dice(sum);
	for (size_t i = 0; i < ARRAY_LEN(works); i++) {
		uint32_t often = works[i].often + (aimed && works[i].kind && aim_is(works[i].kind) ? 100 : 0);

		if (at < often) {
			works[i].fn(c);
			return;
		}
		at -= often;
	}
}

void operator_main(void *arg)
{
	struct client c = { .fd = -1, .token = run->admin };

	(void)arg;
	while (take_turn()) {
		pause_some();
		operator_works(&c);
	}
	client_close(&c);
	driver_done();
}
