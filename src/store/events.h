/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `event`: what happened, in the order of the commits, written in the savepoint of the change.
 * Strings are in the caller's arena. */
#ifndef STORE_EVENTS_H
#define STORE_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct event_row {
	int64_t id, at_us;       /* set when it is added: ids grow, across commits too */
	const char *type;        /* a name of domain/event_types.h */
	const char *project_uid; /* NULL or "": the operator's alone */
	const char *subject;     /* id of what it is about */
	const char *data;        /* a JSON object that tenants may see; NULL: {} */
	const char *inside;      /* another one, for operators alone (hosts); NULL: {} */
};

/* Inside the unit that changes what it tells of. */
int store_event_add(struct db *db, const struct event_row *r, struct error *err);

struct event_filter {
	int64_t after;           /* ids above it; 0: from the first that is kept */
	const char *project_uid; /* NULL: all projects' and the operator's */
	const char *types;       /* as event_wanted has it; NULL: all */
	const char *subject;     /* NULL: any */
	const char *webhook_uid; /* NULL: a test is shown to all; else only this one's own, and that always */
	bool newest;             /* the last `limit`, not the first; still in order */
	int64_t limit;
};

struct event_page {
	struct event_row *rows;
	size_t n;
	int64_t upto;      /* all up to this id was looked at: what `after` is to be next */
	bool more;         /* there may be more behind it: ask again */
	bool lost;         /* behind `after` something is not kept any more, or `after` was never given out */
	int64_t lost_upto; /* where that ends */
};

/* Does an event of any project fit the filter's types, subject and webhook? */
bool event_fits(const struct event_filter *f, const char *type, const char *subject);
/* At most limit rows, and only so many looked at, whatever the filter. By id. */
int store_event_list(struct db *db, struct arena *a, const struct event_filter *f, struct event_page *out,
	struct error *err);
/* The id of the newest, 0 when there was none; and of the newest that was purged. */
int store_event_last(struct db *db, int64_t *out, struct error *err);
int store_event_floor(struct db *db, int64_t *out, struct error *err);
/* Was any added since the last call (perhaps in a unit that was undone)? No query. */
bool store_event_news(struct store *s);
/* Removes at most limit rows that are older than before_us or more than max. Returns how many, or -1. */
int store_event_purge(struct db *db, int64_t before_us, int64_t max, int64_t limit, struct error *err);

#endif
