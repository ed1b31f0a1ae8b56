/* SPDX-License-Identifier: Apache-2.0 */
/* The file: its lock, its opening and closing, and what is known about it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "store/audit.h"
#include "store/internal.h"
#include "store/migrate.h"

enum { START_BUSY_MS = 5000 };

/* Values of `meta`'s key 'clean': whether the last owner closed the file in order. */
#define MARK_OPEN "UPDATE meta SET value = '0' WHERE key = 'clean'"
#define MARK_CLEAN "INSERT INTO meta VALUES ('clean', '1') ON CONFLICT (key) DO UPDATE SET value = '1'"

/* An advisory lock beside the file that the kernel drops with the process. */
int store_lock_take(const char *database, int *fd, struct error *err)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s.lock", database);

	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0)
		return error_set(err, ERR_UNAVAILABLE, "cannot open %s: %s", path, strerror(errno));
	if (!flock(*fd, LOCK_EX | LOCK_NB))
		return 0;
	if (errno == EWOULDBLOCK)
		return error_set(err, ERR_CONFLICT, "another cloudd runs on %s", database);
	return error_set(err, ERR_UNAVAILABLE, "cannot lock %s: %s", path, strerror(errno));
}

/* Between putting the old file aside and the restored one in its place there is none: a start then must not
 * begin an empty cloud. */
static int refuse_half_restored(const struct store *s, struct error *err)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s.restoring", s->path);

	return access(path, F_OK) < 0
		       ? 0
		       : error_set(err, ERR_CONFLICT,
				 "a restore was interrupted: run 'cloudd --restore' again (%s is there)",
				 path);
}

/* Secrets' hashes are in it: nobody else reads it. SQLite gives its log the same mode. */
static int make_file(const struct store *s, struct error *err)
{
	CLEANUP(close_fd) int fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? error_set(err, ERR_UNAVAILABLE, "cannot open %s: %s", s->path, strerror(errno)) : 0;
}

static int text_query(struct db *db, const char *sql, char *out, size_t size, struct error *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db->h, sql, -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		db_copy(st, 0, out, size);
	else if (rc == SQLITE_DONE)
		*out = '\0';
	else
		db_error(db->h, rc, err);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

static const char settings[] = "PRAGMA wal_autocheckpoint = 0;" /* done between ticks: member.c */
			       "PRAGMA journal_size_limit = 67108864;"
			       "PRAGMA cache_size = -65536;" /* 64 MiB, taken as needed */
			       "PRAGMA cache_spill = OFF;"   /* the log is written by commits alone */
			       "PRAGMA mmap_size = 0;"
			       "PRAGMA temp_store = MEMORY;"
			       "PRAGMA trusted_schema = OFF";

static int configure(struct store *s, const struct store_config *config, struct error *err)
{
	const char *sync = config->no_sync ? "PRAGMA synchronous = OFF" : "PRAGMA synchronous = FULL";
	char mode[16] = "";

	sqlite3_busy_timeout(
		s->rw.h, START_BUSY_MS); /* an operator's shell that writes, against the advice */
	if (text_query(&s->rw, "PRAGMA journal_mode = WAL", mode, sizeof mode, err))
		return -1;
	if (!str_eq(mode, "wal"))
		return error_set(err, ERR_UNAVAILABLE, "the file system allows no write-ahead log");
	return db_exec(&s->rw, sync, err) || db_exec(&s->rw, settings, err) ? -1 : 0;
}

static int check_integrity(struct store *s, struct error *err)
{
	char text[200] = "";

	if (text_query(&s->rw, "PRAGMA integrity_check(1)", text, sizeof text, err))
		return error_wrap(err, "integrity check of %s", s->path);
	if (!str_eq(text, "ok"))
		return error_set(err, ERR_INTERNAL, "%s is damaged (%s): restore a backup", s->path, text);
	if (text_query(&s->rw,
		    "SELECT 'a row of ' || \"table\" || ' names a row of ' || parent || ' that is not there' "
		    "FROM pragma_foreign_key_check LIMIT 1",
		    text, sizeof text, err))
		return error_wrap(err, "integrity check of %s", s->path);
	if (*text)
		return error_set(err, ERR_INTERNAL, "%s is damaged (%s): restore a backup", s->path, text);
	return 0;
}

/* After a crash, or when asked; a file that was just made has nothing to check. */
static int check_if_due(struct store *s, const struct store_config *config, struct error *err)
{
	char text[16] = "";

	if (text_query(&s->rw, "SELECT 1 FROM sqlite_schema WHERE name = 'meta'", text, sizeof text, err))
		return -1;
	if (!*text)
		return 0;
	if (text_query(&s->rw, "SELECT value FROM meta WHERE key = 'clean'", text, sizeof text, err))
		return -1;
	return config->check || !str_eq(text, "1") ? check_integrity(s, err) : 0;
}

/* Each start is a new epoch that goes on from the tick it found. */
static int begin_epoch(struct store *s, struct error *err)
{
	char text[160];

	snprintf(text, sizeof text,
		"BEGIN IMMEDIATE; " MARK_OPEN
		"; UPDATE applied SET epoch = epoch + 1, schema = %d, prev = seq; COMMIT",
		s->schema);
	return db_exec(&s->rw, text, err);
}

static int load(struct store *s, struct error *err)
{
	int64_t seq;

	if (db_int_query(&s->ro, err, &seq, "SELECT seq FROM applied WHERE one = 1", NULL) != 1 ||
		db_int_query(&s->ro, err, &s->next_id, "SELECT value FROM counter WHERE name = 'id'", NULL) !=
			1)
		return error_wrap(err, "%s", s->path);
	s->seq = (uint64_t)seq;
	s->tick_id = s->saved_id = s->next_id;
	return 0;
}

static int open_all(struct store *s, const struct store_config *config, struct error *err)
{
	if (store_lock_take(s->path, &s->lock_fd, err) || refuse_half_restored(s, err) || make_file(s, err))
		return -1;
	if (db_open(&s->rw, s, s->path, true, err))
		return error_wrap(err, "%s", s->path);
	if (configure(s, config, err))
		return error_wrap(err, "%s", s->path);
	if (migrate_refuse_newer(s->rw.h, migrations, migrations_count, err) ||
		check_if_due(s, config, err) ||
		migrate_run(s->rw.h, migrations, migrations_count, &s->schema, err) ||
		store_audit_adopt(&s->rw, err) || begin_epoch(s, err) || books_open(s, config, err))
		return -1;
	if (db_open(&s->ro, s, s->path, false, err) ||
		db_exec(&s->ro, "PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY", err))
		return -1;
	member_init(s);
	return load(s, err);
}

static void release(struct store *s)
{
	db_close(&s->ro);
	db_close(&s->rw);
	books_close(s);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s->path);
	free(s);
}

int store_open(const struct store_config *config, struct store **out, struct error *err)
{
	struct store *s = xcalloc(1, sizeof *s);

	s->lock_fd = -1;
	s->clock = config->clock ? config->clock : &clock_system;
	s->path = xstrdup(config->path);
	/* its counters cost a lock at each allocation; refused, and as good, when SQLite runs already */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	if (open_all(s, config, err)) {
		release(s);
		return -1;
	}
	s->reading = config->reading;
	s->reading_ctx = config->reading_ctx;
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	struct error err;

	if (!s)
		return;
	store_turn_end(s);
	db_close(&s->ro); /* a reader less, so that the checkpoint can be a whole one */
	if (!sqlite3_get_autocommit(s->rw.h))
		db_exec(&s->rw, "ROLLBACK", &err);
	/* without the mark the next start checks: no more is lost when this fails */
	if (!s->unknown && !db_exec(&s->rw, MARK_CLEAN, &err))
		sqlite3_wal_checkpoint_v2(s->rw.h, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	release(s);
}

struct db *store_rw(struct store *s)
{
	return &s->rw;
}

struct db *store_ro(struct store *s)
{
	return &s->ro;
}

int store_reader_open(struct store *s, struct db **out, struct error *err)
{
	struct db *db = xcalloc(1, sizeof *db);

	if (!db_open(db, s, s->path, false, err) && !db_exec(db, "PRAGMA cache_size = -16384", err) &&
		!db_control(db, "BEGIN", err)) {
		*out = db;
		return 0;
	}
	db_close(db);
	free(db);
	return -1;
}

int store_reader_again(struct db *db, struct error *err)
{
	return db_control(db, "COMMIT", err) || db_control(db, "BEGIN", err) ? -1 : 0;
}

void store_reader_close(struct db *db)
{
	struct error ignored;

	if (!db)
		return;
	db_control(db, "COMMIT", &ignored);
	db_close(db);
	free(db);
}

int store_snapshot_begin(struct store *s, struct error *err)
{
	store_turn_end(s);
	return db_control(&s->ro, "BEGIN", err);
}

void store_snapshot_end(struct store *s)
{
	struct error err;

	if (!sqlite3_get_autocommit(s->ro.h))
		db_control(&s->ro, "COMMIT", &err);
}

int store_turn_begin(struct store *s, struct error *err)
{
	if (!s->reading || s->turn || !sqlite3_get_autocommit(s->ro.h))
		return 0;
	if (db_control(&s->ro, "BEGIN", err))
		return -1;
	s->turn = true;
	s->reading(s->reading_ctx);
	return 0;
}

void store_turn_end(struct store *s)
{
	if (!s->turn)
		return;
	s->turn = false;
	store_snapshot_end(s);
}

int64_t store_next_id(struct store *s)
{
	return ++s->next_id;
}

void store_ids_beyond(struct store *s, int64_t id)
{
	if (s->next_id < id)
		s->next_id = id;
}

uint64_t store_seq(const struct store *s)
{
	return s->seq;
}

const char *store_path(const struct store *s)
{
	return s->path;
}

int store_schema_version(const struct store *s)
{
	return s->schema;
}

int64_t store_bytes(const struct store *s)
{
	CLEANUP(free_ptr) char *wal = xasprintf("%s-wal", s->path);
	struct stat file = { 0 }, log = { 0 };

	/* a log that is not there has no bytes */
	(void)!stat(s->path, &file);
	(void)!stat(wal, &log);
	return (int64_t)file.st_size + (int64_t)log.st_size;
}
