/* SPDX-License-Identifier: Apache-2.0 */
#include "store/hosts.h"

#include <string.h>

#include "base/util.h"
#include "domain/flavor.h"
#include "store/books.h"
#include "store/event_rows.h"

#define EXCLUSIVE                                                                    \
	"EXISTS (SELECT 1 FROM aggregate_host xh JOIN aggregate_metadata xm"         \
	" ON xm.aggregate_id = xh.aggregate_id AND xm.key = '" FLAVOR_EXCLUSIVE_HOST \
	"' AND xm.value = 'true' WHERE xh.host_id = host.id)"
#define TRAITS                                                                            \
	"coalesce((SELECT group_concat(trait, ' ') FROM (SELECT trait FROM host_trait t " \
	"WHERE t.host_id = host.id ORDER BY trait)), '')"
#define COLUMNS                                                                                             \
	"id, uid, name, uri, " STORE_HOST_ZONE ", pool, accel, state, state_reason, vcpu_ratio_milli, "     \
	"ram_ratio_milli, disk_ratio_milli, ram_reserved_mib, created_us, inventory_us, hv_uuid, "          \
	"hv_hostname, hv_type, arch, cpu_model, hv_version, vcpus, cpu_sockets, cpu_cores, cpu_threads, "   \
	"ram_mib, disk_gib, disk_free_gib, kvm, forced_down, " EXCLUSIVE ", rack, fabric, dedicated_cpus, " \
	"gpu_links, disk_reserved_gib, cpu_features, " TRAITS ", evidence, evidence_source, evidence_us, "  \
	"link_epoch, down_proof, down_by, down_reason, down_us, comes_back"

static void host_read(sqlite3_stmt *st, struct arena *a, struct host_row *out)
{
	*out = (struct host_row) {
		.id = db_int(st, 0),
		.uid = db_dup(st, 1, a),
		.name = db_dup(st, 2, a),
		.uri = db_dup(st, 3, a),
		.zone = db_dup(st, 4, a),
		.pool = db_dup(st, 5, a),
		.accel = db_dup(st, 6, a),
		.state = db_dup(st, 7, a),
		.state_reason = db_dup(st, 8, a),
		.vcpu_ratio_milli = (int32_t)db_int(st, 9),
		.ram_ratio_milli = (int32_t)db_int(st, 10),
		.disk_ratio_milli = (int32_t)db_int(st, 11),
		.ram_reserved_mib = db_int(st, 12),
		.created_us = db_int(st, 13),
		.inventory_us = db_int(st, 14),
		.hv_uuid = db_dup(st, 15, a),
		.hv_hostname = db_dup(st, 16, a),
		.hv_type = db_dup(st, 17, a),
		.arch = db_dup(st, 18, a),
		.cpu_model = db_dup(st, 19, a),
		.hv_version = db_int(st, 20),
		.vcpus = db_int(st, 21),
		.cpu_sockets = db_int(st, 22),
		.cpu_cores = db_int(st, 23),
		.cpu_threads = db_int(st, 24),
		.ram_mib = db_int(st, 25),
		.disk_gib = db_int(st, 26),
		.disk_free_gib = db_int(st, 27),
		.kvm = db_int(st, 28) != 0,
		.forced_down = db_int(st, 29) != 0,
		.exclusive = db_int(st, 30) != 0,
		.rack = db_dup(st, 31, a),
		.fabric = db_dup(st, 32, a),
		.dedicated_cpus = db_dup(st, 33, a),
		.gpu_links = db_dup(st, 34, a),
		.disk_reserved_gib = db_int(st, 35),
		.cpu_features = db_dup(st, 36, a),
		.traits = db_dup(st, 37, a),
		.evidence = db_dup(st, 38, a),
		.evidence_source = db_dup(st, 39, a),
		.evidence_us = db_int(st, 40),
		.link_epoch = db_int(st, 41),
		.down_proof = db_dup(st, 42, a),
		.down_by = db_dup(st, 43, a),
		.down_reason = db_dup(st, 44, a),
		.down_us = db_int(st, 45),
		.comes_back = db_int(st, 46) != 0,
	};
}

int store_host_insert(struct db *db, const struct host_row *h, struct error *err)
{
	static const char sql[] =
		"INSERT INTO host (id, uid, name, uri, zone, pool, accel, state, vcpu_ratio_milli, "
		"ram_ratio_milli, disk_ratio_milli, ram_reserved_mib, created_us, evidence, evidence_us) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?13, 'doubtful', ?13)";
	int rc = db_run(db, err, sql, "isssssssiiiii", h->id, h->uid, h->name, h->uri, h->zone, h->pool,
		h->accel, h->state, (int64_t)h->vcpu_ratio_milli, (int64_t)h->ram_ratio_milli,
		(int64_t)h->disk_ratio_milli, h->ram_reserved_mib, h->created_us);

	if (rc < 0 && err->code == ERR_CONFLICT) {
		char detail[sizeof err->detail];

		str_copy(detail, sizeof detail, err->detail);
		error_set(err, ERR_CONFLICT, "a host with that %s exists",
			strstr(detail, "host.uri") ? "URI" : "name");
		return error_detail(err, "%s", detail);
	}
	return rc < 0 ? -1 : event_host_added(db, h->id, err);
}

static int host_one(
	sqlite3_stmt *st, struct arena *a, const char *what, struct host_row *out, struct error *err)
{
	int rc = db_row(st, err);

	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Host %.64s could not be found.", what);
	if (rc < 0)
		return -1;
	host_read(st, a, out);
	return 0;
}

int store_host_load(struct db *db, struct arena *a, int64_t id, struct host_row *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, "SELECT " COLUMNS " FROM host WHERE id = ?", "i", id))
		return -1;
	return host_one(st, a, "row", out, err);
}

int store_host_get(
	struct db *db, struct arena *a, const char *uid_or_name, struct host_row *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, "SELECT " COLUMNS " FROM host WHERE uid = ?1 OR name = ?1", "s",
		    uid_or_name))
		return -1;
	return host_one(st, a, uid_or_name, out, err);
}

int store_host_list(struct db *db, struct arena *a, struct host_row **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct host_row *rows;
	int64_t count = 0;
	size_t n = 0;
	int rc;

	if (db_int_query(db, err, &count, "SELECT count(*) FROM host", NULL) < 0 ||
		db_query(db, err, &st, "SELECT " COLUMNS " FROM host ORDER BY name", NULL))
		return -1;
	rows = ARENA_ARRAY(a, struct host_row, (size_t)count + 1);
	while (n < (size_t)count && (rc = db_row(st, err)) != 0) {
		if (rc < 0)
			return -1;
		host_read(st, a, &rows[n++]);
	}
	*out = rows;
	*out_n = n;
	return 0;
}

int store_host_set_state(struct db *db, int64_t id, const char *state, const char *reason, struct error *err)
{
	int rc;

	if (event_host_state(db, id, state, reason, err) < 0)
		return -1;
	books_touch(db, BOOKS_HOST, id);
	rc = db_run(db, err, "UPDATE host SET state = ?, state_reason = ? WHERE id = ?", "ssi", state,
		reason ? reason : "", id);

	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Host could not be found.");
	return rc < 0 ? -1 : 0;
}

int store_host_set_down(struct db *db, const struct host_row *h, struct error *err)
{
	int rc;

	if (event_host_forced_down(db, h->id, h->forced_down, err) < 0)
		return -1;
	books_touch(db, BOOKS_HOST, h->id);
	rc = db_run(db, err,
		"UPDATE host SET forced_down = ?, down_proof = ?, down_by = ?, down_reason = ?, down_us = ? "
		"WHERE id = ?",
		"isssii", (int64_t)h->forced_down, h->down_proof, h->down_by, h->down_reason, h->down_us,
		h->id);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Host could not be found.");
	return rc < 0 ? -1 : 0;
}

int store_host_set_evidence(struct db *db, const struct host_row *h, struct error *err)
{
	enum host_evidence to = EVIDENCE_DOUBTFUL;

	evidence_parse(h->evidence, &to);
	if (event_host_evidence(db, h->id, to, h->evidence_source, err) < 0)
		return -1;
	return db_run(db, err,
		       "UPDATE host SET evidence = ?, evidence_source = ?, evidence_us = ?, link_epoch = "
		       "max(link_epoch, ?) WHERE id = ?",
		       "ssiii", h->evidence, h->evidence_source, h->evidence_us, h->link_epoch, h->id) < 0
		       ? -1
		       : 0;
}

int store_host_set_comes_back(struct db *db, int64_t id, bool comes_back, struct error *err)
{
	return db_run(db, err, "UPDATE host SET comes_back = ? WHERE id = ?", "ii", (int64_t)comes_back, id) <
			       0
		       ? -1
		       : 0;
}

static int traits_set(struct db *db, const struct host_row *h, struct error *err)
{
	CLEANUP(free_ptr) char *traits = xstrdup(h->traits);
	char *rest = NULL;

	if (db_run(db, err, "DELETE FROM host_trait WHERE host_id = ?", "i", h->id) < 0)
		return -1;
	for (char *t = strtok_r(traits, " ", &rest); t; t = strtok_r(NULL, " ", &rest))
		if (db_run(db, err, "INSERT INTO host_trait (host_id, trait) VALUES (?, ?)", "is", h->id, t) <
			0)
			return -1;
	return 0;
}

int store_host_set_options(struct db *db, const struct host_row *h, struct error *err)
{
	static const char sql[] =
		"UPDATE host SET rack = ?, fabric = ?, dedicated_cpus = ?, gpu_links = ?, "
		"disk_reserved_gib = ?, ram_reserved_mib = ?, vcpu_ratio_milli = ?, ram_ratio_milli = ?, "
		"disk_ratio_milli = ?, hv_uuid = ? WHERE id = ?";
	int rc = db_run(db, err, sql, "ssssiiiiisi", h->rack, h->fabric, h->dedicated_cpus, h->gpu_links,
		h->disk_reserved_gib, h->ram_reserved_mib, (int64_t)h->vcpu_ratio_milli,
		(int64_t)h->ram_ratio_milli, (int64_t)h->disk_ratio_milli, h->hv_uuid, h->id);

	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Host could not be found.");
	return rc < 0 ? -1 : traits_set(db, h, err);
}

int store_host_set_inventory(struct db *db, const struct host_row *h, struct error *err)
{
	static const char sql[] =
		"UPDATE host SET inventory_us = ?, hv_uuid = ?, hv_hostname = ?, hv_type = ?, hv_version = "
		"?, "
		"arch = ?, cpu_model = ?, vcpus = ?, cpu_sockets = ?, cpu_cores = ?, cpu_threads = ?, "
		"ram_mib = ?, disk_gib = ?, disk_free_gib = ?, kvm = ?, cpu_features = ? WHERE id = ?";

	return db_run(db, err, sql, "isssissiiiiiiiisi", h->inventory_us, h->hv_uuid, h->hv_hostname,
		       h->hv_type, h->hv_version, h->arch, h->cpu_model, h->vcpus, h->cpu_sockets,
		       h->cpu_cores, h->cpu_threads, h->ram_mib, h->disk_gib, h->disk_free_gib,
		       (int64_t)h->kvm, h->cpu_features, h->id) < 0
		       ? -1
		       : 0;
}

int store_host_servers(struct db *db, int64_t id, int64_t *out_n, struct error *err)
{
	static const char sql[] = "SELECT count(*) FROM (SELECT id FROM server WHERE host_id = ?1 AND "
				  "deleted_us = 0 UNION SELECT server_id FROM allocation WHERE host_id = ?1)";

	return db_int_query(db, err, out_n, sql, "i", id) < 0 ? -1 : 0;
}

int store_host_flows(struct db *db, int64_t id, int64_t *out_n, struct error *err)
{
	static const char sql[] = "SELECT count(*) FROM flow f JOIN host_image h ON h.id = f.subject_id "
				  "WHERE f.subject_kind = 'host_image' AND h.host_id = ?";

	return db_int_query(db, err, out_n, sql, "i", id) < 0 ? -1 : 0;
}

int store_host_remove(struct db *db, int64_t id, struct error *err)
{
	/* an evacuation needs nothing of its source any more */
	static const char forget_source[] =
		"UPDATE migration SET source_host_id = NULL WHERE source_host_id = ? "
		"AND (ended_us > 0 OR kind = 'evacuation')";
	static const char *const parts[] = {
		"DELETE FROM drain_server WHERE host_id = ?",
		"DELETE FROM drain WHERE host_id = ?",
		"DELETE FROM host_cell WHERE host_id = ?",
		"DELETE FROM host_trait WHERE host_id = ?",
		"DELETE FROM host_image WHERE host_id = ?",
		"DELETE FROM block_device WHERE device_id IN (SELECT id FROM device WHERE host_id = ?)",
		"DELETE FROM block_host WHERE host_id = ?",
		"DELETE FROM device_custody WHERE device_id IN (SELECT id FROM device WHERE host_id = ?)",
		"DELETE FROM device WHERE host_id = ?",
		"DELETE FROM aggregate_host WHERE host_id = ?",
		"DELETE FROM fence_agent WHERE host_id = ?",
		"DELETE FROM fence_attempt WHERE host_id = ?",
		"DELETE FROM host_evacuation_left WHERE host_id = ?",
		"DELETE FROM host_evacuation WHERE host_id = ?",
		"UPDATE server SET host_id = NULL WHERE host_id = ? AND deleted_us != 0",
		forget_source,
		"UPDATE migration SET dest_host_id = NULL WHERE dest_host_id = ? AND ended_us > 0",
		"DELETE FROM host WHERE id = ?",
	};

	if (event_host_removed(db, id, err) < 0 ||
		books_touch_each(db, BOOKS_DEVICE, "SELECT id FROM device WHERE host_id = ?", id, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (db_run(db, err, parts[i], "i", id) < 0)
			return -1;
	return 0;
}

/* ---- cells ---- */

int store_host_cells_set(
	struct db *db, int64_t id, const struct host_cell_row *cells, size_t n, struct error *err)
{
	static const char insert[] = "INSERT INTO host_cell (host_id, cell, ram_mib, cpus, cpu_list, "
				     "pages_2m, pages_1g) VALUES (?, ?, ?, ?, ?, ?, ?)";

	if (db_run(db, err, "DELETE FROM host_cell WHERE host_id = ?", "i", id) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (db_run(db, err, insert, "iiiisii", id, cells[i].cell, cells[i].ram_mib, cells[i].cpus,
			    cells[i].cpu_list, cells[i].pages_2m, cells[i].pages_1g) < 0)
			return -1;
	return 0;
}

int store_host_cells(struct db *db, struct arena *a, int64_t id, struct host_cell_row **out, size_t *out_n,
	struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct host_cell_row *rows;
	int64_t count = 0;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &count, "SELECT count(*) FROM host_cell WHERE host_id = ?", "i", id) < 0 ||
		db_query(db, err, &st,
			"SELECT cell, ram_mib, cpus, pages_2m, pages_1g, cpu_list FROM host_cell "
			"WHERE host_id = ? ORDER BY cell",
			"i", id))
		return -1;
	rows = ARENA_ARRAY(a, struct host_cell_row, (size_t)count + 1);
	while (n < (size_t)count && (rc = db_row(st, err)) > 0)
		rows[n++] = (struct host_cell_row) { .cell = db_int(st, 0),
			.ram_mib = db_int(st, 1),
			.cpus = db_int(st, 2),
			.pages_2m = db_int(st, 3),
			.pages_1g = db_int(st, 4),
			.cpu_list = db_dup(st, 5, a) };
	*out = rows;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int store_host_of_machine(struct db *db, struct arena *a, const char *hv_uuid, int64_t before_id,
	const char **out_name, struct error *err)
{
	static const char sql[] = "SELECT name FROM host WHERE hv_uuid = ? AND id < ? ORDER BY id LIMIT 1";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "si", hv_uuid, before_id))
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		*out_name = db_dup(st, 0, a);
	return rc;
}
