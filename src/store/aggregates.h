/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `aggregate` with their hosts and metadata. Strings are in the caller's arena. */
#ifndef STORE_AGGREGATES_H
#define STORE_AGGREGATES_H

#include "store/servers.h"

struct aggregate {
	int64_t id;
	const char *uid, *name;
	int64_t created_us, updated_us;
	const char *zone; /* its metadata's availability_zone; NULL: none */
	/* read with it */
	const char **hosts; /* names, by name */
	int64_t *host_ids;  /* in the same order */
	size_t hosts_n;
	struct server_pair *metadata; /* by key */
	size_t metadata_n;
};

/* The key of metadata that is the zone of the hosts. */
#define AGGREGATE_ZONE "availability_zone"

/* A name that is taken: ERR_CONFLICT. Hosts and metadata are not written. */
int store_aggregate_insert(struct db *db, const struct aggregate *a, struct error *err);
/* ERR_NOT_FOUND "Aggregate 7 could not be found." */
int store_aggregate_get(
	struct db *db, struct arena *arena, int64_t id, struct aggregate *out, struct error *err);
/* All, by id. */
int store_aggregate_list(
	struct db *db, struct arena *arena, struct aggregate **out, size_t *out_n, struct error *err);
/* name NULL: as it is. */
int store_aggregate_update(struct db *db, int64_t id, const char *name, int64_t now_us, struct error *err);
/* With its metadata. It must have no hosts. */
int store_aggregate_delete(struct db *db, int64_t id, struct error *err);

/* There already: ERR_CONFLICT; not there: ERR_NOT_FOUND. */
int store_aggregate_host_add(struct db *db, int64_t id, int64_t host_id, struct error *err);
int store_aggregate_host_remove(struct db *db, int64_t id, int64_t host_id, struct error *err);
/* value NULL: the key goes. */
int store_aggregate_metadata_set(
	struct db *db, int64_t id, const char *key, const char *value, struct error *err);

/* A host whose aggregates name two zones: 1 and its name, 0 there is none, -1. */
int store_aggregate_torn_host(struct db *db, struct arena *arena, const char **out, struct error *err);
/* Hosts in an aggregate with that metadata. */
int store_aggregate_hosts_with(struct db *db, struct arena *arena, const char *key, const char *value,
	int64_t **out, size_t *out_n, struct error *err);

/* Aggregates whose metadata trait:NAME is "required" are for flavors that require the trait. */
struct aggregate_demand {
	const char *trait;
	int64_t host_id;
};
int store_aggregate_demands(
	struct db *db, struct arena *arena, struct aggregate_demand **out, size_t *out_n, struct error *err);

#endif
