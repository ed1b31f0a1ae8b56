/* SPDX-License-Identifier: Apache-2.0 */
/* Single values of the whole cloud. */
#ifndef STORE_META_H
#define STORE_META_H

#include "store/db.h"

/* Reads a value into out, writing `fresh` first when there is none. Inside a unit. */
int store_meta_ensure(
	struct db *db, const char *key, const char *fresh, char *out, size_t size, struct error *err);
/* 1, 0 there is none, -1. */
int store_meta_get(struct db *db, const char *key, char *out, size_t size, struct error *err);

#endif
