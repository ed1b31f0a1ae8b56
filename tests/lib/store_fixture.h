/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a directory of its own, with or without a tick on a loop. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "loop/tick.h"
#include "store/db.h"

struct store_fixture {
	char dir[64], path[96];
	struct store *store;
	struct loop loop;
	struct tick *tick;
	int fatals;
};

static inline struct store *fixture_try_open(struct store_fixture *f, struct error *err)
{
	struct store_config config = { .path = f->path, .clock = &clock_system };
	struct store *s = NULL;

	return store_open(&config, &s, err) ? NULL : s;
}

static inline void fixture_open(struct store_fixture *f)
{
	struct error err = { 0 };

	f->store = fixture_try_open(f, &err);
	if (!f->store)
		fail_msg("store_open: %s (%s)", err.msg, err.detail);
}

static inline void fixture_close(struct store_fixture *f)
{
	store_close(f->store);
	f->store = NULL;
}

static inline void fixture_dir(struct store_fixture *f)
{
	memset(f, 0, sizeof *f);
	snprintf(f->dir, sizeof f->dir, "%.40s/store-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof f->path, "%s/cloud.db", f->dir);
}

static inline int fixture_unlink(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline void fixture_remove(struct store_fixture *f)
{
	nftw(f->dir, fixture_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void fixture_fatal(void *ctx, const struct error *err)
{
	(void)err;
	((struct store_fixture *)ctx)->fatals++;
}

static inline struct tick_member fixture_member(struct store *s)
{
	return (struct tick_member) { .begin = store_tick_begin,
		.savepoint = store_tick_savepoint,
		.seal = store_tick_seal,
		.release = store_tick_release,
		.rollback = store_tick_rollback,
		.dirty = store_tick_dirty,
		.full = store_tick_full,
		.commit = store_tick_commit,
		.tired = store_tick_tired,
		.rest = store_tick_rest,
		.settle = store_tick_settle,
		.ctx = s };
}

static inline void fixture_start(struct store_fixture *f)
{
	struct tick_config config = { .loop = &f->loop, .fatal = fixture_fatal, .fatal_ctx = f };
	struct tick_member m = fixture_member(f->store);
	struct error err;

	assert_int_equal(loop_init(&f->loop, &clock_system, &rng_system, &err), 0);
	f->tick = tick_create(&config);
	tick_add_member(f->tick, &m);
}

static inline void fixture_drained(void *ctx)
{
	loop_stop(&((struct store_fixture *)ctx)->loop);
}

static inline void fixture_drain(struct store_fixture *f)
{
	tick_drain(f->tick, fixture_drained, f);
	loop_run(&f->loop);
}

static inline void fixture_stop(struct store_fixture *f)
{
	tick_destroy(f->tick);
	loop_finish(&f->loop);
}

/* One transaction around plain statements. */
static inline void fixture_begin(struct store_fixture *f)
{
	struct error err;

	assert_int_equal(store_tick_begin(f->store, &err), 0);
	store_tick_savepoint(f->store);
}

static inline void fixture_commit(struct store_fixture *f)
{
	struct error err;

	assert_int_equal(store_tick_seal(f->store, &err), 0);
	store_tick_release(f->store);
	assert_int_equal(store_tick_commit(f->store, &err), 0);
	store_tick_settle(f->store, true);
}

#endif
