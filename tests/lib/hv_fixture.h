/* SPDX-License-Identifier: Apache-2.0 */
/* A uv loop with hv on it, and the events that came, for tests of host drivers. Calls block, as on a lane;
 * turn() lets the loop deliver what is ready. */
#ifndef TESTS_HV_FIXTURE_H
#define TESTS_HV_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include "base/util.h"
#include "hv/hv.h"

enum { SEEN_MAX = 256 };

struct seen {
	struct hv_event list[SEEN_MAX];
	size_t n;
	uv_thread_t thread;
	size_t wrong_thread;
};

static uv_loop_t fixture_loop;

static inline void fixture_start(const char *cloud_id)
{
	struct error err;

	assert_int_equal(uv_loop_init(&fixture_loop), 0);
	assert_int_equal(hv_init(&fixture_loop, cloud_id, &err), 0);
}

/* Asserts that no handle was leaked. */
static inline void fixture_stop(void)
{
	hv_finish();
	uv_run(&fixture_loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&fixture_loop), 0);
}

static inline void turn(void)
{
	for (int i = 0; i < 4; i++)
		uv_run(&fixture_loop, UV_RUN_NOWAIT);
}

static inline void seen_init(struct seen *s)
{
	memset(s, 0, sizeof *s);
	s->thread = uv_thread_self();
}

static inline void on_event(void *ctx, const struct hv_event *ev)
{
	struct seen *s = ctx;
	uv_thread_t self = uv_thread_self();

	if (!uv_thread_equal(&s->thread, &self))
		s->wrong_thread++;
	if (s->n < SEEN_MAX)
		s->list[s->n++] = *ev;
}

/* How many events of this kind came; for POWER those of this domain and power. */
static inline size_t seen_count(
	const struct seen *s, enum hv_event_kind kind, const char *uuid, enum hv_power power)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->list[i].kind == kind &&
		     (kind == HV_EVENT_CLOSED ||
			     (strcmp(s->list[i].seen.uuid, uuid) == 0 && s->list[i].seen.power == power));
	return n;
}

static inline struct hv_domain small_domain(const char *uuid, const char *cloud_id)
{
	return (struct hv_domain) { .uuid = uuid,
		.name = "instance-00000001",
		.title = "M\xc3\xa1y <1> & \"2\"",
		.vcpus = 1,
		.ram_mib = 64,
		.project_id = "0123456789abcdef0123456789abcdef",
		.flavor_name = "m1.tiny",
		.cloud_id = cloud_id,
		.epoch = 3 };
}

#endif
