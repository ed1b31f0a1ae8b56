/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudd/offline.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/util.h"
#include "cloudd/config.h"
#include "store/backup.h"

static void say(void *ctx, const char *line)
{
	(void)ctx;
	puts(line);
}

static int failed(const struct error *err)
{
	fflush(stdout);
	fprintf(stderr, "cloudd: %s%s%s\n", err->msg, err->detail[0] ? ": " : "", err->detail);
	return 1;
}

static int choose(const struct config *c, const struct offline_restore *what, struct arena *a,
	const char **out, struct error *err)
{
	int64_t at_us;

	*out = what->file;
	if (what->file)
		return 0;
	if (time_parse(what->at, &at_us) < 0)
		return error_set(err, ERR_BAD_REQUEST, "--at wants a time as 2026-01-31T12:00:00Z");
	return backup_at(c->backup_dir, at_us, a, out, err);
}

int offline_restore(const struct config *c, const struct offline_restore *what)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct restore_want want = { .database = c->database,
		.image_dir = c->image_dir,
		.at_us = clock_wall(&clock_system),
		.say = say };
	struct error err = { 0 };

	umask(0077);
	if (choose(c, what, &a, &want.backup, &err) || backup_restore(&want, &err))
		return failed(&err);
	return 0;
}
