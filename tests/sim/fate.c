/* SPDX-License-Identifier: Apache-2.0 */
/* What befalls the cloud: hosts, guests, and the controller itself. */
#include <stdio.h>

#include "base/util.h"
#include "driver.h"
#include "hv/sim_world.h"
#include "sched.h"

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

/* Of the controller's. */
static void strike_controller(void)
{
	static const struct {
		enum fault fault;
		const char *what;
		unsigned ms;
	} kinds[SCARCE] = {
		[SCARCE_DISK] = { FAULT_DISK_FULL, "the controller's disk is full", 40000 },
		[SCARCE_DESCRIPTORS] = { FAULT_NO_DESCRIPTORS, "no descriptors are left", 2000 },
		[SCARCE_MEMORY] = { FAULT_NO_MEMORY, "memory is short", 10000 },
	};
	unsigned which = dice(SCARCE);

	scarce[which] = true;
	fault_count(kinds[which].fault);
	event("%s", kinds[which].what);
	sched_sleep_ms(1 + dice(kinds[which].ms));
	scarce[which] = false;
	event("... no more");
}

/* Mostly of minutes, also of a day. */
static void step_clock(void)
{
	int64_t range = chance(200) ? 86400 : 3600;

	run->wall_base_ns += ((int64_t)dice((uint32_t)(2 * range)) - range) * 1000000000;
	fault_count(FAULT_CLOCK_STEP);
	event("the wall clock steps");
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

void fate_main(void *arg)
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
		if (chance(run->profile.scarce))
			strike_controller();
		if (!chance(run->profile.chaos))
			continue;
		if (chance(run->profile.clock)) {
			step_clock();
		} else if (!run->profile.strict && chance(400)) {
			strike_guest(world);
		} else if (chance(100)) {
			strike_pool(world);
		} else {
			strike_host(world, host);
		}
	}
	driver_done();
}
