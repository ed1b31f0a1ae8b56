/* SPDX-License-Identifier: Apache-2.0 */
/* What samples.c and samples_read.c share: the file's two connections. No other file includes this. */
#ifndef STORE_SAMPLES_FILE_H
#define STORE_SAMPLES_FILE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "store/samples.h"

enum samples_statement {
	SERVER_GET,
	SERVER_ADD,
	SERVER_COVER,
	LIFE_GET,
	LIFE_SET,
	MINUTE_ADD,
	HOUR_ADD,
	MINUTES_DROP,
	HOURS_DROP,
	LIVES_DROP,
	SERVERS_DROP,
	SAMPLES_WRITES, /* those above are the writer's, those below the reader's */
	READ_MINUTES = SAMPLES_WRITES,
	READ_HOURS,
	READ_SERVERS,
	READ_TOP,
	SAMPLES_STATEMENTS
};

/* Readers do not wait for the writer. */
struct samples {
	atomic_uint refs;
	struct samples_config config;
	char *path;
	pthread_mutex_t write_lock, read_lock;
	sqlite3 *w, *r;
	sqlite3_stmt *st[SAMPLES_STATEMENTS];
};

extern const char *const samples_read_sql[SAMPLES_STATEMENTS - SAMPLES_WRITES];

int samples_fail(sqlite3 *h, int rc, struct error *err);
/* 1 a row, 0 none, -1. */
int samples_step(sqlite3_stmt *st, struct error *err);
/* Ready for the next time; hands rc through. */
int samples_done(sqlite3_stmt *st, int rc);

#endif
