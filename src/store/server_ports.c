/* SPDX-License-Identifier: Apache-2.0 */
#include "store/server_ports.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "domain/ipam.h"
#include "store/books.h"

struct subnet_facts {
	int64_t id;
	struct ipam_cidr cidr;
	uint32_t gateway, first, last, cursor;
};

static int subnet_find(struct db *db, int64_t network_id, struct subnet_facts *out, struct error *err)
{
	static const char sql[] =
		"SELECT id, cidr_base, cidr_bits, coalesce(gateway, 0), pool_first, pool_last, cursor "
		"FROM subnet WHERE network_id = ? ORDER BY id LIMIT 1";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "i", network_id))
		return -1;
	rc = db_row(st, err);
	if (rc == 0)
		return error_set(err, ERR_BAD_REQUEST, "The network has no subnet to take an address from.");
	if (rc < 0)
		return -1;
	*out = (struct subnet_facts) {
		.id = db_int(st, 0),
		.cidr = { (uint32_t)db_int(st, 1), (int)db_int(st, 2) },
		.gateway = (uint32_t)db_int(st, 3),
		.first = (uint32_t)db_int(st, 4),
		.last = (uint32_t)db_int(st, 5),
		.cursor = (uint32_t)db_int(st, 6),
	};
	return 0;
}

/* 1 taken now, 0 somebody holds it, -1. */
static int address_take(
	struct db *db, const struct subnet_facts *s, uint32_t address, int64_t port_id, struct error *err)
{
	return db_run(db, err,
		"INSERT OR IGNORE INTO port_address (subnet_id, address, port_id) VALUES (?, ?, ?)", "iii",
		s->id, (int64_t)address, port_id);
}

static int address_fixed(
	struct db *db, const struct subnet_facts *s, const char *text, int64_t port_id, struct error *err)
{
	uint32_t address;
	int rc;

	if (!ipam_parse(text, &address))
		return error_set(err, ERR_BAD_REQUEST, "'%.64s' is not a valid IPv4 address.", text);
	if (!ipam_cidr_has(&s->cidr, address) || address == s->gateway ||
		address < ipam_cidr_hosts(&s->cidr).first || address > ipam_cidr_hosts(&s->cidr).last)
		return error_set(err, ERR_BAD_REQUEST,
			"Fixed IP address %s is not a valid address of the network's subnet.", text);
	rc = address_take(db, s, address, port_id, err);
	if (rc == 0)
		return error_set(err, ERR_CONFLICT, "Fixed IP address %s is already in use.", text);
	return rc < 0 ? -1 : 0;
}

/* All that must not be given, sorted: what ports hold, and the gateway. Owned by the caller. */
static uint32_t *taken_read(struct db *db, const struct subnet_facts *s, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	uint32_t *taken = NULL;
	bool gateway_in = s->gateway == 0;
	size_t n = 0, cap = 0;
	int rc;

	if (db_query(db, err, &st, "SELECT address FROM port_address WHERE subnet_id = ? ORDER BY address",
		    "i", s->id))
		return NULL;
	do {
		uint32_t address = UINT32_MAX;

		if ((rc = db_row(st, err)) > 0)
			address = (uint32_t)db_int(st, 0);
		if (n + 2 > cap)
			taken = xrealloc(taken, (cap = cap ? cap * 2 : 256) * sizeof *taken);
		if (!gateway_in && s->gateway <= address) {
			taken[n++] = s->gateway;
			gateway_in = true;
		}
		if (rc > 0)
			taken[n++] = address;
	} while (rc > 0);
	if (rc < 0) {
		free(taken);
		return NULL;
	}
	*out_n = n;
	return taken;
}

static int address_search(
	struct db *db, const struct subnet_facts *s, int64_t port_id, uint32_t *out, struct error *err)
{
	struct ipam_pool pool = { s->first, s->last };
	struct ipam_sorted sorted = { .n = 0 };
	uint32_t *taken = taken_read(db, s, &sorted.n, err);
	uint32_t address = 0;
	int rc;

	if (!taken)
		return -1;
	sorted.addrs = taken;
	rc = ipam_next(&pool, 1, s->cursor, ipam_taken_sorted, &sorted, &address, err);
	free(taken);
	if (rc)
		return error_set(err, ERR_CONFLICT, "No more IP addresses available on the network.");
	rc = address_take(db, s, address, port_id, err);
	if (rc == 0)
		return error_internal(err, "address %u of subnet %lld is held by a row not seen", address,
			(long long)s->id);
	if (rc > 0)
		*out = address;
	return rc < 0 ? -1 : 0;
}

/* The next address of the pool is nearly always free: try it before reading all that are taken. */
static int address_next(struct db *db, const struct subnet_facts *s, int64_t port_id, struct error *err)
{
	uint32_t next = s->cursor >= s->first && s->cursor < s->last ? s->cursor + 1 : s->first;
	int rc = 0;

	if (next != s->gateway)
		rc = address_take(db, s, next, port_id, err);
	if (rc < 0 || (rc == 0 && address_search(db, s, port_id, &next, err)))
		return -1;
	return db_run(db, err, "UPDATE subnet SET cursor = ? WHERE id = ?", "ii", (int64_t)next, s->id) < 0
		       ? -1
		       : 0;
}

int store_server_port_make(
	struct db *db, const struct server_port_want *want, int64_t *out_id, struct error *err)
{
	static const char sql[] =
		"INSERT INTO port (id, uid, network_id, project_id, server_id, mac, created_us, "
		"updated_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)";
	struct subnet_facts subnet;
	int64_t id;

	if (subnet_find(db, want->network_id, &subnet, err))
		return -1;
	id = store_next_id(db_store(db));
	if (db_run(db, err, sql, "isiiisi", id, want->uid, want->network_id, want->project_id,
		    want->server_id, want->mac, want->now_us) < 0)
		return -1;
	if (!want->fixed_ip ? address_next(db, &subnet, id, err)
			    : *want->fixed_ip && address_fixed(db, &subnet, want->fixed_ip, id, err))
		return -1;
	books_touch(db, BOOKS_PORT, id);
	*out_id = id;
	return 0;
}

int store_server_port_join(struct db *db, int64_t port_id, int64_t project_id, int64_t server_id,
	int64_t now_us, struct error *err)
{
	static const char sql[] = "UPDATE port SET server_id = ?, own = 0, updated_us = ? "
				  "WHERE id = ? AND project_id = ? AND server_id IS NULL";
	int64_t there = 0;
	int rc = db_run(db, err, sql, "iiii", server_id, now_us, port_id, project_id);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	rc = db_int_query(db, err, &there, "SELECT 1 FROM port WHERE id = ? AND project_id = ?", "ii",
		port_id, project_id);
	if (rc < 0)
		return -1;
	return rc ? error_set(err, ERR_CONFLICT, "The port is still in use.")
		  : error_set(err, ERR_NOT_FOUND, "The port could not be found.");
}

static struct server_port port_read(sqlite3_stmt *st, struct arena *a)
{
	return (struct server_port) {
		.id = db_int(st, 0),
		.network_id = db_int(st, 1),
		.uid = db_dup(st, 2, a),
		.mac = db_dup(st, 3, a),
		.network_uid = db_dup(st, 4, a),
		.own = db_int(st, 5) != 0,
		.is_bridge = strcmp(db_text(st, 6), "bridge") == 0,
		.source = db_dup(st, 7, a),
		.mtu = (int)db_int(st, 8),
		.has_address = !db_is_null(st, 9),
		.address = (uint32_t)db_int(st, 9),
		.cidr_base = (uint32_t)db_int(st, 10),
		.gateway = (uint32_t)db_int(st, 11),
		.cidr_bits = (int)db_int(st, 12),
		.dns = db_dup(st, 13, a),
	};
}

int store_server_port_list(struct db *db, struct arena *a, int64_t server_id, struct server_port **out,
	size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT p.id, p.network_id, p.uid, p.mac, n.uid, p.own, n.source_kind, n.source, n.mtu, "
		"x.address, s.cidr_base, s.gateway, s.cidr_bits, s.dns FROM port p "
		"JOIN network n ON n.id = p.network_id LEFT JOIN port_address x ON x.port_id = p.id "
		"LEFT JOIN subnet s ON s.id = x.subnet_id WHERE p.server_id = ? ORDER BY p.id";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct server_port *rows = NULL;
	size_t n = 0, cap = 0;
	int rc;

	if (db_query(db, err, &st, sql, "i", server_id))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		if (n == cap) {
			struct server_port *more = ARENA_ARRAY(a, struct server_port, cap ? cap * 2 : 4);

			if (n)
				memcpy(more, rows, n * sizeof *rows);
			rows = more;
			cap = cap ? cap * 2 : 4;
		}
		rows[n++] = port_read(st, a);
	}
	*out = rows;
	*out_n = n;
	return rc;
}

int store_server_port_release(struct db *db, int64_t server_id, int64_t now_us, int64_t *out_removed,
	int64_t *out_addresses, struct error *err)
{
	static const char addresses[] = "DELETE FROM port_address WHERE port_id IN (SELECT id FROM port "
					"WHERE server_id = ? AND own = 1) RETURNING port_id";
	int rc = books_touch_each(db, BOOKS_PORT, addresses, server_id, err);

	if (rc < 0)
		return -1;
	*out_addresses = rc;
	rc = db_run(db, err, "DELETE FROM port WHERE server_id = ? AND own = 1", "i", server_id);
	if (rc < 0)
		return -1;
	*out_removed = rc;
	rc = db_run(db, err, "UPDATE port SET server_id = NULL, updated_us = ? WHERE server_id = ?", "ii",
		now_us, server_id);
	return rc < 0 ? -1 : 0;
}
