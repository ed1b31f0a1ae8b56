/* SPDX-License-Identifier: Apache-2.0 */
#include "store/checks.h"

#include "base/util.h"
#include "store/check_rules.h"

static const struct check_rule checks[] = {
	{ "allocation-server", "SELECT s.uid, 'holds room on a host though it is deleted' FROM allocation a "
			       "JOIN server s ON s.id = a.id WHERE s.deleted_us != 0" },
	{ "allocation-host",
		"SELECT s.uid, 'its allocation and its row name different hosts' FROM allocation a "
		"JOIN server s ON s.id = a.id WHERE a.host_id IS NOT s.host_id AND s.deleted_us = 0" },
	{ "allocation-other",
		"SELECT s.uid, 'holds room at another place without a reason' FROM allocation a "
		"JOIN server s ON s.id = a.server_id WHERE a.id != a.server_id "
		"AND NOT EXISTS (SELECT 1 FROM migration m WHERE m.id = a.id AND m.ended_us IS NULL) "
		"AND NOT EXISTS (SELECT 1 FROM flow f WHERE f.subject_kind = 'allocation' AND "
		"f.subject_id = a.id)" },
	{ "migration-open",
		"SELECT s.uid, 'its move is ' || m.status || ' and nobody is at work on it' FROM migration m "
		"JOIN server s ON s.id = m.server_id WHERE m.ended_us IS NULL AND (s.deleted_us != 0 OR "
		"NOT ((m.status = 'finished' AND s.vm_state = 'resized') OR EXISTS (SELECT 1 FROM flow f "
		"WHERE f.subject_kind = 'server' AND f.subject_id = s.id)))" },
	{ "migration-resized",
		"SELECT s.uid, 'is resized and has no move to confirm' FROM server s "
		"WHERE s.deleted_us = 0 AND s.vm_state = 'resized' AND NOT EXISTS "
		"(SELECT 1 FROM migration m WHERE m.server_id = s.id AND m.ended_us IS NULL)" },
	{ "server-allocation",
		"SELECT s.uid, 'is on a host and holds nothing there' FROM server s WHERE s.deleted_us = 0 "
		"AND s.host_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM allocation a WHERE a.id = "
		"s.id)" },
	{ "server-host", "SELECT s.uid, 'is ' || s.vm_state || ' and on no host' FROM server s "
			 "WHERE s.deleted_us = 0 AND s.host_id IS NULL AND s.vm_state NOT IN "
			 "('error', 'shelved_offloaded') AND NOT EXISTS (SELECT 1 FROM waiter w WHERE "
			 "w.server_id = s.id)" },
	{ "server-shelved", "SELECT s.uid, 'is shelved and has no image to come back from' FROM server s "
			    "WHERE s.deleted_us = 0 AND s.vm_state IN ('shelved', 'shelved_offloaded') "
			    "AND s.shelved_image_id IS NULL" },
	{ "server-task", "SELECT s.uid, 'has the task ' || coalesce(s.task_state, s.vm_state) || ' and no "
			 "flow' FROM server s "
			 "WHERE s.deleted_us = 0 AND (s.task_state IS NOT NULL OR s.vm_state = 'building' OR "
			 "s.want_delete = 1) "
			 "AND NOT EXISTS (SELECT 1 FROM flow f WHERE f.subject_kind = 'server' AND "
			 "f.subject_id = s.id) AND NOT EXISTS (SELECT 1 FROM waiter w WHERE w.server_id = "
			 "s.id)" },
	{ "server-deleted",
		"SELECT s.uid, 'is deleted and still ' || s.vm_state FROM server s "
		"WHERE s.deleted_us != 0 AND (s.vm_state != 'deleted' OR s.terminated_us IS NULL)" },
	{ "port-server", "SELECT p.uid, 'held by a server that is gone' FROM port p LEFT JOIN server s ON "
			 "s.id = p.server_id "
			 "WHERE p.server_id IS NOT NULL AND (s.id IS NULL OR s.deleted_us != 0)" },
	{ "port-address",
		"SELECT p.uid, 'its address is outside of the subnet' FROM port_address x "
		"JOIN port p ON p.id = x.port_id JOIN subnet s ON s.id = x.subnet_id "
		"WHERE x.address < s.cidr_base OR x.address >= s.cidr_base + (1 << (32 - s.cidr_bits))" },
	{ "port-network", "SELECT p.uid, 'its address is of another network' FROM port_address x "
			  "JOIN port p ON p.id = x.port_id JOIN subnet s ON s.id = x.subnet_id "
			  "WHERE s.network_id != p.network_id" },
	{ "flow-subject", "SELECT 'flow ' || f.id, f.kind || ' works on something that is gone' FROM flow f "
			  "WHERE (f.subject_kind = 'server' AND NOT EXISTS "
			  "(SELECT 1 FROM server s WHERE s.id = f.subject_id AND s.deleted_us = 0)) "
			  "OR (f.subject_kind = 'allocation' AND NOT EXISTS "
			  "(SELECT 1 FROM allocation a WHERE a.id = f.subject_id)) "
			  "OR (f.subject_kind = 'device' AND NOT EXISTS "
			  "(SELECT 1 FROM device_custody c WHERE c.device_id = f.subject_id)) "
			  "OR (f.subject_kind = 'host_image' AND NOT EXISTS "
			  "(SELECT 1 FROM host_image h WHERE h.id = f.subject_id))" },
	{ "gpu-reset-held",
		"SELECT d.uid, 'is to be reset and held by a server' FROM device d WHERE d.custody = 'reset' "
		"AND (EXISTS (SELECT 1 FROM allocation_device x WHERE x.device_id = d.id) OR EXISTS (SELECT "
		"1 FROM allocation_part p WHERE p.device_id = d.id))" },
	{ "gpu-reset-way",
		"SELECT d.uid, iif(c.device_id, 'is on its way to the next server and is ' || d.custody, "
		"'is to be reset and it is not known since when') FROM device d LEFT JOIN device_custody c "
		"ON c.device_id = d.id WHERE (d.custody = 'reset') != (c.device_id IS NOT NULL)" },
	{ "gpu-reset-flow",
		"SELECT d.uid, 'is to be reset and nobody is at work on it' FROM device_custody c JOIN "
		"device "
		"d ON d.id = c.device_id WHERE c.by_operator = 0 AND NOT EXISTS (SELECT 1 FROM flow f WHERE "
		"f.subject_kind = 'device' AND f.subject_id = c.device_id)" },
	{ "gpu-record",
		"SELECT r.device_uid, 'its record ' || r.id || ' has its times in another order' FROM "
		"custody_record r WHERE (r.reset_us != 0 AND r.reset_us < r.released_us) OR (r.verified_us "
		"!= 0 AND (r.reset_us = 0 OR r.verified_us < r.reset_us)) OR r.ended_us < "
		"max(r.released_us, r.reset_us, r.verified_us) OR (r.result = 'clean' AND r.verified_us = "
		"0)" },
	{ "image-staging",
		"SELECT i.uid, 'is on its way to a host and no flow brings it' FROM host_image h "
		"JOIN image i ON i.id = h.image_id WHERE h.state = 'staging' AND NOT EXISTS "
		"(SELECT 1 FROM flow f WHERE f.subject_kind = 'host_image' AND f.subject_id = h.id)" },
	{ "action-open", "SELECT s.uid, 'its action ' || x.action || ' never ended' FROM server_action x "
			 "JOIN server s ON s.id = x.server_id WHERE x.finish_us IS NULL AND NOT EXISTS "
			 "(SELECT 1 FROM flow f WHERE f.subject_kind = 'server' AND f.subject_id = s.id) "
			 "AND NOT EXISTS (SELECT 1 FROM eviction e WHERE e.action_id = x.id) AND NOT "
			 "EXISTS (SELECT 1 FROM waiter w WHERE w.action_id = x.id)" },
	{ "block-device",
		"SELECT d.uid, 'is in two reservations at one time' FROM block_device x JOIN block b "
		"ON b.id = x.block_id AND b.state IN ('planned', 'clearing', 'active') JOIN "
		"block_device y ON y.device_id = x.device_id AND y.block_id > x.block_id JOIN block "
		"c ON c.id = y.block_id AND c.state IN ('planned', 'clearing', 'active') AND "
		"c.start_us < b.end_us AND b.start_us < c.end_us JOIN device d ON d.id = "
		"x.device_id" },
	{ "block-gpus",
		"SELECT b.uid, 'has ' || count(x.device_id) || ' GPUs of ' || b.gpus FROM block b LEFT "
		"JOIN block_device x ON x.block_id = b.id WHERE b.state IN ('planned', 'clearing', "
		"'active') AND b.project_id IS NOT NULL GROUP BY b.id HAVING count(x.device_id) != "
		"b.gpus" },
	{ "block-window",
		"SELECT h.name, 'is drained by a maintenance that is over' FROM block_host x JOIN block "
		"b ON b.id = x.block_id JOIN host h ON h.id = x.host_id WHERE x.drained = 1 AND "
		"b.state != 'active'" },
	{ "drain-host",
		"SELECT h.name, 'is being emptied and is up' FROM drain d JOIN host h ON h.id = d.host_id "
		"WHERE h.state = 'up'" },
	{ "drain-over",
		"SELECT h.name, 'is ' || d.state || ', and a server is ' || x.state FROM drain d JOIN host h "
		"ON h.id = d.host_id JOIN drain_server x ON x.host_id = d.host_id WHERE (d.state = 'done' "
		"AND "
		"x.state != 'moved') OR (d.state = 'partial' AND x.state IN ('waiting', 'moving')) OR "
		"(d.ended_us IS NULL) != (d.state IN ('running', 'stopped'))" },
	{ "eviction-host",
		"SELECT s.uid, 'has to leave a host where it is not' FROM eviction e JOIN server s ON "
		"s.id = e.server_id WHERE s.deleted_us != 0 OR s.host_id IS NOT e.host_id" },
	{ "eviction-begun",
		"SELECT s.uid, 'is being made to leave its host and nobody is at work on it' FROM eviction e "
		"JOIN server s ON s.id = e.server_id WHERE e.begun = 1 AND NOT EXISTS (SELECT 1 FROM flow f "
		"WHERE f.subject_kind = 'server' AND f.subject_id = s.id)" },
	{ "host-down",
		"SELECT h.name, 'is ' || h.evidence || ', proved by ' || h.down_proof FROM host h WHERE "
		"(h.forced_down = 1) != (h.evidence = 'down') OR (h.forced_down = 1) != (h.down_proof != '') "
		"OR "
		"(h.forced_down = 1 AND h.comes_back = 1)" },
	{ "fence-attempt",
		"SELECT h.name, 'attempt ' || t.id || ' on its power is ' || t.state || ', and has an end' "
		"FROM fence_attempt t JOIN host h ON h.id = t.host_id WHERE (t.state = 'running') != "
		"(t.ended_us = 0)" },
	{ "evacuation-end",
		"SELECT h.name, 'its evacuation is ' || v.state || ', and has an end' FROM "
		"host_evacuation v JOIN host h ON h.id = v.host_id WHERE (v.state = 'running') != "
		"(v.ended_us = 0)" },
	{ "waiter-host",
		"SELECT s.uid, 'waits for a host and is on one' FROM waiter w JOIN server s ON s.id = "
		"w.server_id WHERE s.deleted_us != 0 OR (s.host_id IS NULL) != (w.resize IS NULL) OR "
		"s.host_id = w.host_id" },
	{ "waiter-alone",
		"SELECT s.uid, 'waits for a host and nobody leaves it' FROM waiter w JOIN server s ON s.id = "
		"w.server_id WHERE NOT EXISTS (SELECT 1 FROM eviction e WHERE e.for_server_id = s.id) AND "
		"NOT "
		"EXISTS (SELECT 1 FROM allocation a WHERE a.host_id = w.host_id AND a.id != a.server_id) AND "
		"NOT EXISTS (SELECT 1 FROM device d WHERE d.host_id = w.host_id AND d.custody = 'reset')" },
	{ "group-member", "SELECT s.uid, 'is deleted and still in a group' FROM server_group_member m "
			  "JOIN server s ON s.id = m.server_id WHERE s.deleted_us != 0" },
	{ "group-project", "SELECT s.uid, 'is in a group of another project' FROM server_group_member m "
			   "JOIN server s ON s.id = m.server_id JOIN server_group g ON g.id = m.group_id "
			   "WHERE g.project_id != s.project_id" },
	{ "group-apart",
		"SELECT g.uid, 'has ' || count(*) || ' servers on one host' FROM server_group g "
		"JOIN server_group_member m ON m.group_id = g.id JOIN server s ON s.id = m.server_id "
		"WHERE g.policy = 'anti-affinity' AND s.host_id IS NOT NULL AND s.deleted_us = 0 "
		"GROUP BY g.id, s.host_id HAVING count(*) > max(g.max_per_host, 1)" },
	{ "group-together",
		"SELECT g.uid, 'has servers on ' || count(DISTINCT s.host_id) || ' hosts' FROM server_group "
		"g "
		"JOIN server_group_member m ON m.group_id = g.id JOIN server s ON s.id = m.server_id "
		"WHERE g.policy = 'affinity' AND s.deleted_us = 0 GROUP BY g.id "
		"HAVING count(DISTINCT s.host_id) > 1" },
	{ "host-exclusive",
		"SELECT h.name, 'has other servers beside one that wants it for itself' FROM host h "
		"JOIN allocation a ON a.host_id = h.id GROUP BY h.id "
		"HAVING max(a.exclusive) = 1 AND count(DISTINCT a.server_id) > 1" },
	{ "aggregate-zone",
		"SELECT h.name, 'is in two availability zones' FROM host h JOIN aggregate_host x "
		"ON x.host_id = h.id JOIN aggregate_metadata m ON m.aggregate_id = x.aggregate_id "
		"AND m.key = 'availability_zone' GROUP BY h.id HAVING count(DISTINCT m.value) > 1" },
	{ "references",
		"SELECT \"table\", 'row ' || coalesce(rowid, '?') || ' refers to a row of ' || parent || "
		"' that is gone' FROM pragma_foreign_key_check" },
};

int check_run(struct db *db, const struct check_rule *rules, size_t n, store_finding_fn *found, void *ctx,
	struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP(db_done) sqlite3_stmt *st = NULL;
		int rc;

		if (db_query(db, err, &st, rules[i].sql, NULL))
			return -1;
		while ((rc = db_row(st, err)) > 0)
			found(ctx, rules[i].rule, db_text(st, 0), db_text(st, 1));
		if (rc < 0)
			return -1;
	}
	return 0;
}

int store_check(struct db *db, store_finding_fn *found, void *ctx, int *out_rules, struct error *err)
{
	if (check_run(db, checks, ARRAY_LEN(checks), found, ctx, err) ||
		check_run(db, check_claim_rules, check_claim_rules_n, found, ctx, err) ||
		check_run(db, check_book_rules, check_book_rules_n, found, ctx, err) ||
		check_run(db, check_quota_rules, check_quota_rules_n, found, ctx, err) ||
		check_run(db, check_event_rules, check_event_rules_n, found, ctx, err) ||
		check_run(db, check_price_rules, check_price_rules_n, found, ctx, err) ||
		check_seals(db, found, ctx, err) || check_quota_tree(db, found, ctx, err) ||
		check_rooms(db, found, ctx, err) || check_audit(db, found, ctx, err))
		return -1;
	*out_rules = (int)(ARRAY_LEN(checks) + check_claim_rules_n + check_book_rules_n +
			   check_quota_rules_n + check_event_rules_n + check_price_rules_n + 6);
	return 0;
}
