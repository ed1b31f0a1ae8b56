/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about backups share: plain connections to files that no store has open, and files that are
 * on disk when it is said so. */
#ifndef STORE_BACKUP_FILE_H
#define STORE_BACKUP_FILE_H

#include <sqlite3.h>

#include "store/backup.h"

void file_close(sqlite3 **h); /* for CLEANUP */
int file_open(const char *path, int flags, sqlite3 **out, struct error *err);
int file_exec(sqlite3 *h, const char *sql, struct error *err);
/* The first column of the first row. 1, 0 there is none, -1. */
int file_text(sqlite3 *h, const char *sql, char *out, size_t size, struct error *err);
int file_int(sqlite3 *h, const char *sql, int64_t *out, struct error *err);
/* Every page, every index and every reference. */
int file_whole(sqlite3 *h, struct error *err);
/* What the manifest says of the rows: counts, seq, schema, cloud, audit. */
int file_facts(sqlite3 *h, struct backup_info *out, struct error *err);

int file_hash(const char *path, char out[SHA256_TEXT], int64_t *bytes, struct error *err);
int file_sync(const char *path, struct error *err);        /* a file, or a directory's entries */
int file_sync_dir_of(const char *path, struct error *err); /* the directory that it is in */
/* Another name, and on disk. */
int file_rename(const char *from, const char *to, struct error *err);
/* The bytes of text as a new file under path, on disk before it has that name. */
struct buf;
int file_put(const char *path, const struct buf *text, struct error *err);

/* Path of the manifest of a backup's file; owned by the caller. */
char *manifest_path(const char *backup);
int manifest_write(const char *backup, sqlite3 *h, const struct backup_info *b, struct error *err);

#endif
