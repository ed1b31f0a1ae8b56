/* SPDX-License-Identifier: Apache-2.0 */
/* How the cloud is asked, what was promised, and a life from its beginning to its end. */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/sim_world.h"
#include "sched.h"
#include "setup.h"
#include "status.h"

static unsigned busy; /* threads that have not come to their end */
bool daemon_gone;

/* --- asking --------------------------------------------------------------------------------------------- */

static enum outcome outcome_of(const struct reply *r)
{
	if (r->status <= 0)
		return OUT_LOST;
	if (r->status < 300)
		return OUT_DONE;
	return r->status == 429 || r->status == 503 || r->status == 507 ? OUT_BUSY : OUT_REFUSED;
}

enum outcome ask(struct client *c, const char *method, const char *path, const char *body,
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
	if (r->status >= 500 && r->status != 503 && r->status != 507)
		problem("%s %s %s was answered %d", method, path, body ? body : "", r->status);
	if (r->status == -1)
		daemon_gone = true;
	return o;
}

void pause_some(void)
{
	static const unsigned ms[] = { 5, 50, 500, 2000, 10000, 120000 };

	sched_sleep_ms(1 + dice(ms[dice(chance(100) ? 6 : 4)]));
}

bool take_turn(void)
{
	if (daemon_gone || !run->requests_left)
		return false;
	run->requests_left--;
	return true;
}

/* --- promises ------------------------------------------------------------------------------------------- */

struct promise *pick(int tenant)
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

static void promises_wake(void)
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

void act_on(struct client *c, struct promise *p, const char *body, uint32_t after, const char *version)
{
	char path[100];
	struct reply r;

	snprintf(path, sizeof path, "/compute/v2.1/servers/%s/action", p->id);
	promise_try(p, after);
	promise_end(p, after, ask(c, "POST", path, body, version, &r));
	if (r.status == 404 && !p->gone && !p->spot)
		problem("server %s (%s) is gone, and nobody deleted it", p->name, p->id);
	json_decref(r.json);
}

enum outcome quick(
	struct client *c, const char *method, const char *path, const char *body, const char *version)
{
	struct reply r;
	enum outcome o = ask(c, method, path, body, version, &r);

	json_decref(r.json);
	return o;
}

uint32_t status_of(struct client *c, const struct promise *p, bool *resting)
{
	char path[100];
	struct reply r;
	uint32_t bit = 0;

	snprintf(path, sizeof path, "/compute/v2.1/servers/%s", p->id);
	ask(c, "GET", path, NULL, NULL, &r);
	if (r.status == 404 && !p->gone && !p->spot)
		problem("server %s (%s) is gone, and nobody deleted it", p->name, p->id);
	if (r.status == 200) {
		const json_t *s = json_object_get(r.json, "server");
		const char *status = json_string_value(json_object_get(s, "status"));
		const char *task = json_string_value(json_object_get(s, "OS-EXT-STS:task_state"));

		if (p->gone == 2 && !str_eq(task ? task : "", "deleting"))
			problem("server %s was deleted and is shown without saying so", p->name);
		*resting = !task;
		bit = status_bit(status ? status : "");
	}
	json_decref(r.json);
	return bit;
}

void driver_done(void)
{
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
	static int numbers[TENANTS];

	promises_wake();
	worlds_wake();
	for (int i = 0; i < TENANTS; i++) {
		numbers[i] = i;
		sched_spawn("tenant", tenant_main, &numbers[i]);
		busy++;
	}
	sched_spawn("operator", operator_main, NULL);
	sched_spawn("fate", fate_main, NULL);
	sched_spawn("shepherd", shepherd_main, NULL);
	busy += 2;
}
