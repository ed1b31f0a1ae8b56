/* SPDX-License-Identifier: Apache-2.0 */
#include "store/networks.h"

#include "base/util.h"

/* --- the provider's networks, from the configuration --- */

static int insert_network(struct db *db, const struct provider_network *n, const char *uid, int64_t now_us,
	int64_t *id, struct error *err)
{
	*id = store_next_id(db_store(db));
	return db_run(db, err,
		       "INSERT INTO network (id, uid, name, shared, mtu, source_kind, source, created_us, "
		       "updated_us) "
		       "VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7, ?7)",
		       "ississi", *id, uid, n->name, (int64_t)n->mtu, n->is_bridge ? "bridge" : "network",
		       n->source, now_us) < 0
		       ? -1
		       : 0;
}

static int update_network(
	struct db *db, const struct provider_network *n, int64_t id, int64_t now_us, struct error *err)
{
	return db_run(db, err,
		       "UPDATE network SET mtu = ?2, source_kind = ?3, source = ?4, updated_us = ?5 WHERE id "
		       "= ?1 AND "
		       "(mtu, source_kind, source) IS NOT (?2, ?3, ?4)",
		       "iissi", id, (int64_t)n->mtu, n->is_bridge ? "bridge" : "network", n->source,
		       now_us) < 0
		       ? -1
		       : 0;
}

static int insert_subnet(struct db *db, const struct provider_network *n, int64_t network_id, const char *uid,
	int64_t now_us, struct error *err)
{
	return db_run(db, err,
		       "INSERT INTO subnet (id, uid, network_id, name, cidr_base, cidr_bits, gateway, "
		       "pool_first, pool_last, "
		       "cursor, dns, created_us, updated_us) "
		       "VALUES (?1, ?2, ?3, ?4, ?5, ?6, nullif(?7, 0), ?8, ?9, 0, ?10, ?11, ?11)",
		       "isisiiiiisi", store_next_id(db_store(db)), uid, network_id, n->name,
		       (int64_t)n->cidr.net, (int64_t)n->cidr.prefix, (int64_t)n->gateway,
		       (int64_t)n->pool.first, (int64_t)n->pool.last, n->dns, now_us) < 0
		       ? -1
		       : 0;
}

static int update_subnet(
	struct db *db, const struct provider_network *n, int64_t id, int64_t now_us, struct error *err)
{
	int64_t outside = 0;

	if (db_int_query(db, err, &outside,
		    "SELECT count(*) FROM port_address WHERE subnet_id = ? AND address NOT BETWEEN ? AND ?",
		    "iii", id, (int64_t)n->pool.first, (int64_t)n->pool.last) < 0)
		return -1;
	if (outside)
		return error_set(err, ERR_CONFLICT,
			"[network %s] pool: %lld addresses in use would be outside it; widen the pool or "
			"free them first",
			n->name, (long long)outside);
	return db_run(db, err,
		       "UPDATE subnet SET cidr_base = ?2, cidr_bits = ?3, gateway = nullif(?4, 0), "
		       "pool_first = ?5, "
		       "pool_last = ?6, dns = ?7, updated_us = ?8 WHERE id = ?1 AND "
		       "(cidr_base, cidr_bits, gateway, pool_first, pool_last, dns) IS NOT (?2, ?3, "
		       "nullif(?4, 0), ?5, ?6, ?7)",
		       "iiiiiisi", id, (int64_t)n->cidr.net, (int64_t)n->cidr.prefix, (int64_t)n->gateway,
		       (int64_t)n->pool.first, (int64_t)n->pool.last, n->dns, now_us) < 0
		       ? -1
		       : 0;
}

int store_network_ensure(struct db *db, const struct provider_network *n, const char *network_uid,
	const char *subnet_uid, int64_t now_us, struct error *err)
{
	int64_t network_id, subnet_id;
	int found = db_int_query(db, err, &network_id,
		"SELECT id FROM network WHERE name = ? AND project_id IS NULL", "s", n->name);

	if (found < 0)
		return -1;
	if (found ? update_network(db, n, network_id, now_us, err) < 0
		  : insert_network(db, n, network_uid, now_us, &network_id, err) < 0)
		return -1;
	found = db_int_query(
		db, err, &subnet_id, "SELECT id FROM subnet WHERE network_id = ?", "i", network_id);
	if (found < 0)
		return -1;
	return found ? update_subnet(db, n, subnet_id, now_us, err)
		     : insert_subnet(db, n, network_id, subnet_uid, now_us, err);
}

/* --- reading
 * ------------------------------------------------------------------------------------------------------------
 */

#define NETWORK_COLUMNS                                                                                 \
	"SELECT n.id, n.uid, coalesce(p.uid, ''), n.name, n.description, n.shared, n.external, n.mtu, " \
	"n.source_kind, n.source, "                                                                     \
	"n.created_us, n.updated_us FROM network n LEFT JOIN project p ON p.id = n.project_id "
/* own ones and shared ones; project 0 sees all */
#define NETWORK_VISIBLE "(?1 = 0 OR n.project_id = ?1 OR n.shared = 1)"

static void read_network(sqlite3_stmt *st, struct arena *a, struct network *out)
{
	*out = (struct network) {
		.id = db_int(st, 0),
		.uid = db_dup(st, 1, a),
		.project_uid = db_dup(st, 2, a),
		.name = db_dup(st, 3, a),
		.description = db_dup(st, 4, a),
		.shared = db_int(st, 5) != 0,
		.external = db_int(st, 6) != 0,
		.mtu = (int)db_int(st, 7),
		.source_kind = db_dup(st, 8, a),
		.source = db_dup(st, 9, a),
		.created_us = db_int(st, 10),
		.updated_us = db_int(st, 11),
	};
}

int store_network_list(struct db *db, struct arena *a, int64_t project_id, struct network **out,
	size_t *out_n, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	struct network *all = ARENA_ARRAY(a, struct network, STORE_NETWORKS_MAX);
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st,
		    NETWORK_COLUMNS "WHERE " NETWORK_VISIBLE " ORDER BY n.name, n.id LIMIT 1000", "i",
		    project_id) < 0)
		return -1;
	while (n < STORE_NETWORKS_MAX && (rc = db_row(st, err)) > 0)
		read_network(st, a, &all[n++]);
	if (rc < 0)
		return -1;
	*out = all;
	*out_n = n;
	return 0;
}

int store_network_get(struct db *db, struct arena *a, int64_t project_id, const char *uid,
	struct network *out, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	int rc;

	if (db_query(db, err, &st, NETWORK_COLUMNS "WHERE " NETWORK_VISIBLE " AND n.uid = ?2", "is",
		    project_id, uid) < 0 ||
		(rc = db_row(st, err)) < 0)
		return -1;
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Network %.64s could not be found.", uid);
	read_network(st, a, out);
	return 0;
}

#define SUBNET_COLUMNS                                                                                       \
	"SELECT s.id, s.uid, n.uid, coalesce(p.uid, ''), s.name, s.cidr_base, s.cidr_bits, "                 \
	"coalesce(s.gateway, 0), s.pool_first, "                                                             \
	"s.pool_last, s.dhcp, s.dns, s.created_us, s.updated_us, s.network_id FROM subnet s JOIN network n " \
	"ON n.id = "                                                                                         \
	"s.network_id LEFT JOIN project p ON p.id = n.project_id "

static void read_subnet(sqlite3_stmt *st, struct arena *a, struct subnet *out)
{
	*out = (struct subnet) {
		.id = db_int(st, 0),
		.uid = db_dup(st, 1, a),
		.network_uid = db_dup(st, 2, a),
		.project_uid = db_dup(st, 3, a),
		.name = db_dup(st, 4, a),
		.cidr = { .net = (uint32_t)db_int(st, 5), .prefix = (int)db_int(st, 6) },
		.gateway = (uint32_t)db_int(st, 7),
		.pool = { .first = (uint32_t)db_int(st, 8), .last = (uint32_t)db_int(st, 9) },
		.dhcp = db_int(st, 10) != 0,
		.dns = db_dup(st, 11, a),
		.created_us = db_int(st, 12),
		.updated_us = db_int(st, 13),
		.network_id = db_int(st, 14),
	};
}

int store_subnet_list(struct db *db, struct arena *a, int64_t project_id, struct subnet **out, size_t *out_n,
	struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	struct subnet *all = ARENA_ARRAY(a, struct subnet, STORE_NETWORKS_MAX);
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st,
		    SUBNET_COLUMNS "WHERE " NETWORK_VISIBLE " ORDER BY s.name, s.id LIMIT 1000", "i",
		    project_id) < 0)
		return -1;
	while (n < STORE_NETWORKS_MAX && (rc = db_row(st, err)) > 0)
		read_subnet(st, a, &all[n++]);
	if (rc < 0)
		return -1;
	*out = all;
	*out_n = n;
	return 0;
}

int store_subnet_get(struct db *db, struct arena *a, int64_t project_id, const char *uid, struct subnet *out,
	struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	int rc;

	if (db_query(db, err, &st, SUBNET_COLUMNS "WHERE " NETWORK_VISIBLE " AND s.uid = ?2", "is",
		    project_id, uid) < 0 ||
		(rc = db_row(st, err)) < 0)
		return -1;
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Subnet %.64s could not be found.", uid);
	read_subnet(st, a, out);
	return 0;
}

#define PORT_COLUMNS                                                                                        \
	"SELECT t.id, t.uid, n.uid, p.uid, t.name, t.mac, t.admin_up, coalesce(v.uid, ''), "                \
	"coalesce(v.zone, ''), "                                                                            \
	"coalesce(h.name, ''), coalesce(v.vm_state = 'active', 0), t.created_us, t.updated_us FROM port t " \
	"JOIN network n ON n.id = t.network_id JOIN project p ON p.id = t.project_id "                      \
	"LEFT JOIN server v ON v.id = t.server_id LEFT JOIN host h ON h.id = v.host_id "

static int read_port(struct db *db, sqlite3_stmt *st, struct arena *a, struct port *out, struct error *err)
{
	sqlite3_stmt *addresses CLEANUP(db_done) = NULL;
	int rc;

	*out = (struct port) {
		.id = db_int(st, 0),
		.uid = db_dup(st, 1, a),
		.network_uid = db_dup(st, 2, a),
		.project_uid = db_dup(st, 3, a),
		.name = db_dup(st, 4, a),
		.mac = db_dup(st, 5, a),
		.admin_up = db_int(st, 6) != 0,
		.server_uid = db_dup(st, 7, a),
		.zone = db_dup(st, 8, a),
		.host = db_dup(st, 9, a),
		.active = db_int(st, 10) != 0,
		.created_us = db_int(st, 11),
		.updated_us = db_int(st, 12),
	};
	if (db_query(db, err, &addresses,
		    "SELECT s.uid, a.address FROM port_address a JOIN subnet s ON s.id = a.subnet_id WHERE "
		    "a.port_id = ?",
		    "i", out->id) < 0)
		return -1;
	while (out->addresses_n < PORT_ADDRESSES_MAX && (rc = db_row(addresses, err)) != 0) {
		if (rc < 0)
			return -1;
		out->addresses[out->addresses_n++] =
			(struct port_address) { .subnet_uid = db_dup(addresses, 0, a),
				.address = (uint32_t)db_int(addresses, 1) };
	}
	return 0;
}

int store_port_list(struct db *db, struct arena *a, const struct port_filter *f, struct port **out,
	size_t *out_n, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	struct port *all = ARENA_ARRAY(a, struct port, f->limit);
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st,
		    PORT_COLUMNS "WHERE (?1 = 0 OR t.project_id = ?1) AND (?2 IS NULL OR v.uid = ?2) AND (?3 "
				 "IS NULL OR n.uid = ?3) AND "
				 "(?4 IS NULL OR t.name = ?4) AND (?5 IS NULL OR t.mac = ?5) "
				 "ORDER BY t.uid LIMIT ?6",
		    "issssi", f->project_id, f->server_uid, f->network_uid, f->name, f->mac,
		    (int64_t)f->limit) < 0)
		return -1;
	while (n < f->limit && (rc = db_row(st, err)) > 0)
		if (read_port(db, st, a, &all[n++], err) < 0)
			return -1;
	if (rc < 0)
		return -1;
	*out = all;
	*out_n = n;
	return 0;
}

int store_port_get(struct db *db, struct arena *a, int64_t project_id, const char *uid, struct port *out,
	struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	int rc;

	if (db_query(db, err, &st, PORT_COLUMNS "WHERE (?1 = 0 OR t.project_id = ?1) AND t.uid = ?2", "is",
		    project_id, uid) < 0 ||
		(rc = db_row(st, err)) < 0)
		return -1;
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Port %.64s could not be found.", uid);
	return read_port(db, st, a, out, err);
}
