/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of the database: made while it is written, proved, kept with a manifest beside them, and put back.
 * All of it works on paths with connections of its own, on whatever thread; putting back is for when no
 * cloudd runs. */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/crypto.h"
#include "base/error.h"

enum { BACKUP_NAME = 64, SHA256_TEXT = 2 * SHA256_SIZE + 1 };

/* What the manifest of a backup says of it. */
struct backup_info {
	char name[BACKUP_NAME]; /* of the file: cloudd-20260131T120000Z-1234.db */
	char cloud_id[UUID_TEXT];
	int64_t schema, seq, at_us, bytes;
	char sha256[SHA256_TEXT];
	int64_t audit_seq; /* the last record */
	char audit_hash[SHA256_TEXT];
	int64_t projects, hosts, servers, images;
};

struct backup_want {
	const char *database, *dir;
	int64_t at_us;
	/* Between two steps, on the same thread: bytes done and in all. False: give it up. NULL: nobody asks.
	 */
	bool (*step)(void *ctx, int64_t done, int64_t total);
	void *ctx;
};

/* The last commit, whole, into a file of dir: integrity and references are looked over in the copy, its hash
 * is taken, all is on disk; only then it gets its name, and last its manifest. ERR_UNAVAILABLE when it was
 * given up; what failed leaves nothing. */
int backup_make(const struct backup_want *want, struct backup_info *out, struct error *err);

/* What a file's manifest says; ERR_NOT_FOUND without one, ERR_BAD_REQUEST when it is none. */
int backup_manifest_read(const char *path, struct backup_info *out, struct error *err);
/* Those of a directory that have a manifest, newest first. An absent directory has none. */
int backup_list(const char *dir, struct arena *a, struct backup_info **out, size_t *out_n, struct error *err);
/* Takes the oldest away, until `keep` are left. */
int backup_prune(const char *dir, size_t keep, struct error *err);
/* The newest that was made at that time or before. ERR_NOT_FOUND: none was. */
int backup_at(const char *dir, int64_t at_us, struct arena *a, const char **out_path, struct error *err);

/* Is the file what its manifest says, whole, and of a schema that this cloudd knows? ERR_CONFLICT says what
 * is not so. */
int backup_verify(const char *path, struct backup_info *out, struct error *err);

struct restore_want {
	const char *database, *backup;
	const char *image_dir; /* NULL: images are not looked for */
	int64_t at_us;
	void (*say)(void *ctx, const char *line); /* what will differ, what was done */
	void *ctx;
};

/* Proves the backup, brings a copy of it to today's schema, puts the present database aside under a name with
 * the time, and the copy in its place. The restored cloud knows that it is one (store/restored.h), and gives
 * out ids far from those that the lost time may have given. ERR_CONFLICT while a cloudd runs on the database.
 */
int backup_restore(const struct restore_want *want, struct error *err);

#endif
