/* SPDX-License-Identifier: Apache-2.0 */
/* Connections and their kept statements. A statement is found by its text and kept prepared; one that is in
 * use is not shared: a nested query of the same text gets a statement of its own that goes when it is done.
 */
#include "store/db.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "store/internal.h"

enum { STMTS_MAX = 1024, SLOTS = 4096 }; /* kept per connection; hash slots */

struct stmt {
	sqlite3_stmt *st;
	uint64_t hash;
	bool busy;
};

/* ---- errors ---- */

/* What the machine is short of, and nobody's mistake: it passes. The extended codes come first. */
static const struct {
	int rc;
	enum err code;
	const char *says;
} shortages[] = {
	{ SQLITE_IOERR_NOMEM, ERR_UNAVAILABLE, "The cloud's controller is short of memory: try again." },
	{ SQLITE_NOMEM, ERR_UNAVAILABLE, "The cloud's controller is short of memory: try again." },
	{ SQLITE_FULL, ERR_NO_SPACE, "The cloud's controller has no disk space left." },
	{ SQLITE_IOERR_SHMSIZE, ERR_NO_SPACE, "The cloud's controller has no disk space left." },
	{ SQLITE_BUSY, ERR_UNAVAILABLE, "The cloud's database is busy: another program holds it." },
	{ SQLITE_IOERR, ERR_UNAVAILABLE, "The disk of the cloud's controller has failed." },
	{ SQLITE_CANTOPEN, ERR_UNAVAILABLE, "The cloud's database cannot be opened now." },
};

int db_error(sqlite3 *h, int rc, struct error *err)
{
	const char *text = h ? sqlite3_errmsg(h) : sqlite3_errstr(rc);

	switch (rc) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_ROWID:
	case SQLITE_CONSTRAINT_CHECK:
	case SQLITE_CONSTRAINT_FOREIGNKEY:
		error_set(err, ERR_CONFLICT, "The request conflicts with what is there.");
		return error_detail(err, "%s", text);
	}
	for (size_t i = 0; i < ARRAY_LEN(shortages); i++) {
		if (shortages[i].rc != rc && shortages[i].rc != (rc & 0xff))
			continue;
		error_set(err, shortages[i].code, "%s", shortages[i].says);
		return error_detail(err, "sqlite %d: %s (%s)%s%s", rc, text, sqlite3_errstr(rc),
			h && sqlite3_system_errno(h) ? ": " : "",
			h && sqlite3_system_errno(h) ? strerror(sqlite3_system_errno(h)) : "");
	}
	return error_internal(err, "sqlite %d: %s (%s)", rc, text, sqlite3_errstr(rc));
}

/* ---- open connections ---- */

/* Found by their handle when a statement comes back. The lock is for the commit thread, which runs statements
 * while the loop reads. */
static struct db *open_list;

static sqlite3_mutex *list_lock(void)
{
	sqlite3_mutex *m = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1);

	sqlite3_mutex_enter(m);
	return m;
}

static struct db *db_of(sqlite3_stmt *st)
{
	sqlite3 *h = sqlite3_db_handle(st);
	sqlite3_mutex *m = list_lock();
	struct db *db = open_list;

	while (db && db->h != h)
		db = db->next;
	sqlite3_mutex_leave(m);
	assert(db);
	return db;
}

int db_exec(struct db *db, const char *sql, struct error *err)
{
	int rc = sqlite3_exec(db->h, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_error(db->h, rc, err);
}

static void db_link(struct db *db)
{
	sqlite3_mutex *m = list_lock();

	db->next = open_list;
	open_list = db;
	sqlite3_mutex_leave(m);
}

static void db_unlink(struct db *db)
{
	sqlite3_mutex *m = list_lock();

	for (struct db **p = &open_list; *p; p = &(*p)->next) {
		if (*p == db) {
			*p = db->next;
			break;
		}
	}
	sqlite3_mutex_leave(m);
}

int db_open(struct db *db, struct store *s, const char *path, bool writable, struct error *err)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE |
		    (writable ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
	int rc = sqlite3_open_v2(path, &db->h, flags, NULL);

	if (rc != SQLITE_OK) {
		db_error(db->h, rc, err);
		sqlite3_close(db->h);
		db->h = NULL;
		return -1;
	}
	db->store = s;
	db->writable = writable;
	db->stmts = xcalloc(STMTS_MAX, sizeof *db->stmts);
	db->by_text = xcalloc(SLOTS, sizeof *db->by_text);
	db->by_handle = xcalloc(SLOTS, sizeof *db->by_handle);
	sqlite3_db_config(db->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->h, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	db_link(db);
	return 0;
}

void db_close(struct db *db)
{
	int rc;

	if (!db->h)
		return;
	for (size_t i = 0; i < db->n_stmts; i++) {
		assert(!db->stmts[i].busy);
		sqlite3_finalize(db->stmts[i].st);
	}
	db_unlink(db);
	rc = sqlite3_close(db->h);
	assert(rc == SQLITE_OK); /* a statement was not given back */
	(void)rc;
	free(db->stmts);
	free(db->by_text);
	free(db->by_handle);
	memset(db, 0, sizeof *db);
}

struct store *db_store(struct db *db)
{
	return db->store;
}

/* ---- kept statements ---- */

static uint64_t mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

static uint64_t text_hash(const char *sql, size_t n)
{
	uint64_t h = n;

	for (; n >= 8; sql += 8, n -= 8) {
		uint64_t word;

		memcpy(&word, sql, 8);
		h = mix(h ^ word);
	}
	for (; n; n--)
		h = mix(h ^ (unsigned char)*sql++);
	return mix(h);
}

static size_t handle_slot(sqlite3_stmt *st)
{
	return mix((uintptr_t)st) % SLOTS;
}

static struct stmt *find_text(struct db *db, const char *sql, uint64_t hash)
{
	for (size_t i = hash % SLOTS; db->by_text[i]; i = (i + 1) % SLOTS) {
		struct stmt *s = &db->stmts[db->by_text[i] - 1];

		if (s->hash == hash && !strcmp(sqlite3_sql(s->st), sql))
			return s;
	}
	return NULL;
}

static struct stmt *find_handle(struct db *db, sqlite3_stmt *st)
{
	for (size_t i = handle_slot(st); db->by_handle[i]; i = (i + 1) % SLOTS) {
		struct stmt *s = &db->stmts[db->by_handle[i] - 1];

		if (s->st == st)
			return s;
	}
	return NULL;
}

static void keep(struct db *db, sqlite3_stmt *st, uint64_t hash)
{
	size_t i = hash % SLOTS, j = handle_slot(st);

	db->stmts[db->n_stmts++] = (struct stmt) { .st = st, .hash = hash, .busy = true };
	while (db->by_text[i])
		i = (i + 1) % SLOTS;
	while (db->by_handle[j])
		j = (j + 1) % SLOTS;
	db->by_text[i] = db->by_handle[j] = (uint16_t)db->n_stmts;
}

static int prepare(struct db *db, const char *sql, sqlite3_stmt **out, struct error *err)
{
	size_t n = strlen(sql);
	uint64_t hash = text_hash(sql, n);
	struct stmt *s = find_text(db, sql, hash);
	bool kept = !s && db->n_stmts < STMTS_MAX;
	int rc;

	if (s && !s->busy) {
		s->busy = true;
		*out = s->st;
		return 0;
	}
	rc = sqlite3_prepare_v3(db->h, sql, (int)n + 1, kept ? SQLITE_PREPARE_PERSISTENT : 0, out, NULL);
	if (rc != SQLITE_OK) {
		db_error(db->h, rc, err);
		return error_detail(err, "%s; in: %.120s", sqlite3_errmsg(db->h), sql);
	}
	if (kept)
		keep(db, *out, hash);
	return 0;
}

void db_done(sqlite3_stmt **st)
{
	struct stmt *s;

	if (!*st)
		return;
	s = find_handle(db_of(*st), *st);
	if (s) {
		sqlite3_reset(*st);
		sqlite3_clear_bindings(*st);
		s->busy = false;
	} else {
		sqlite3_finalize(*st);
	}
	*st = NULL;
}

/* ---- values ---- */

static int bind_blob(sqlite3_stmt *st, int i, const void *p, size_t n, sqlite3_destructor_type own)
{
	if (!p)
		return sqlite3_bind_null(st, i);
	return n ? sqlite3_bind_blob64(st, i, p, n, own) : sqlite3_bind_zeroblob(st, i, 0);
}

static int bind_one(sqlite3_stmt *st, int i, char type, va_list *ap, sqlite3_destructor_type own)
{
	const void *p;

	switch (type) {
	case 'i':
		return sqlite3_bind_int64(st, i, va_arg(*ap, int64_t));
	case 's':
		return sqlite3_bind_text(st, i, va_arg(*ap, const char *), -1, own);
	case 'b':
		p = va_arg(*ap, const void *);
		return bind_blob(st, i, p, va_arg(*ap, size_t), own);
	case 'd':
		return sqlite3_bind_double(st, i, va_arg(*ap, double));
	case 'n':
		return sqlite3_bind_null(st, i);
	default:
		return SQLITE_MISUSE;
	}
}

static int bind_all(struct db *db, sqlite3_stmt *st, const char *fmt, va_list *ap,
	sqlite3_destructor_type own, struct error *err)
{
	int n = fmt ? (int)strlen(fmt) : 0;

	if (n != sqlite3_bind_parameter_count(st))
		return error_internal(err, "%d values for %d parameters in: %.120s", n,
			sqlite3_bind_parameter_count(st), sqlite3_sql(st));
	for (int i = 0; i < n; i++) {
		int rc = bind_one(st, i + 1, fmt[i], ap, own);

		if (rc != SQLITE_OK) {
			db_error(db->h, rc, err);
			return error_detail(err, "value %d ('%c'): %s; in: %.120s", i + 1, fmt[i],
				sqlite3_errstr(rc), sqlite3_sql(st));
		}
	}
	return 0;
}

/* A statement ready to step. `own`: whether values must outlive the caller's. */
static int ready(struct db *db, struct error *err, sqlite3_stmt **out, const char *sql, const char *fmt,
	va_list *ap, sqlite3_destructor_type own)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	/* outside of a transaction each statement would be one of its own, past the tick; SQLite may also
	 * have ended the transaction itself (no space, no memory) */
	if (db->writable && sqlite3_get_autocommit(db->h))
		return db->store->broken ? (*err = db->store->broken_err, -1)
					 : error_internal(err, "outside of a tick: %.120s", sql);
	if (db == &db->store->ro && store_turn_begin(db->store, err))
		return -1;
	if (prepare(db, sql, &st, err) || bind_all(db, st, fmt, ap, own, err))
		return -1;
	*out = st;
	st = NULL;
	return 0;
}

/* ---- the interface ---- */

int db_row(sqlite3_stmt *st, struct error *err)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	db_error(sqlite3_db_handle(st), rc, err);
	return error_detail(err, "%s; in: %.120s", sqlite3_errmsg(sqlite3_db_handle(st)), sqlite3_sql(st));
}

int db_control(struct db *db, const char *sql, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	return prepare(db, sql, &st, err) || db_row(st, err) < 0 ? -1 : 0;
}

int db_run(struct db *db, struct error *err, const char *sql, const char *fmt, ...)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = ready(db, err, &st, sql, fmt, &ap, SQLITE_STATIC);
	va_end(ap);
	if (rc)
		return -1;
	while ((rc = db_row(st, err)) > 0)
		;
	return rc < 0 ? -1 : sqlite3_stmt_readonly(st) ? 0 : sqlite3_changes(db->h);
}

int db_query(struct db *db, struct error *err, sqlite3_stmt **out, const char *sql, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = ready(db, err, out, sql, fmt, &ap, SQLITE_TRANSIENT);
	va_end(ap);
	return rc;
}

int db_int_query(struct db *db, struct error *err, int64_t *out, const char *sql, const char *fmt, ...)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = ready(db, err, &st, sql, fmt, &ap, SQLITE_STATIC);
	va_end(ap);
	if (rc)
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc;
	if (db_is_null(st, 0))
		return 0;
	*out = db_int(st, 0);
	return 1;
}

char *db_dup(sqlite3_stmt *st, int col, struct arena *a)
{
	const char *text = db_text(st, col);

	return text ? arena_strndup(a, text, (size_t)sqlite3_column_bytes(st, col)) : NULL;
}

bool db_copy(sqlite3_stmt *st, int col, char *out, size_t size)
{
	const char *text = db_text(st, col);

	return str_copy(out, size, text ? text : "");
}
