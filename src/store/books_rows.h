/* SPDX-License-Identifier: Apache-2.0 */
/* What the open intervals have to be, as queries over the rows of the things themselves: by these the books
 * are written, and checked. Private to the store. */
#ifndef STORE_BOOKS_ROWS_H
#define STORE_BOOKS_ROWS_H

#include "store/db.h"
#include "store/hosts.h"

/* The columns of `usage` that follow rows. */
#define BOOKS_USE "project_id, state, item, zone, preemptible, vcpus, ram_mib, disk_gib, gpus, amount"

/* A row of id, wanted (0: no interval is to be open) and the columns above. */
#define BOOKS_SERVER_USE(where)                                                                              \
	"SELECT s.id AS id, s.deleted_us = 0 AND (a.id IS NOT NULL OR s.vm_state = 'shelved_offloaded') AS " \
	"wanted, s.project_id AS project_id, s.vm_state AS state, "                                          \
	"s.flavor_uid AS item, s.zone AS zone, coalesce(a.preemptible, 0) AS preemptible, iif(a.id IS "      \
	"NULL, 0, s.vcpus) AS vcpus, iif(a.id IS NULL, 0, s.ram_mib) AS ram_mib, iif(a.id IS NULL, 0, "      \
	"s.disk_gib + s.ephemeral_gib) AS disk_gib, iif(a.id IS NULL OR s.extra_specs = '{}', 0, (SELECT "   \
	"count(*) FROM allocation_device x WHERE x.allocation_id = a.id) + (SELECT count(*) FROM "           \
	"allocation_also x WHERE x.allocation_id = a.id) + (SELECT count(*) FROM allocation_part x WHERE "   \
	"x.allocation_id = a.id)) AS gpus, 0 AS amount FROM server s LEFT JOIN allocation a ON a.id = "      \
	"s.id " where
#define BOOKS_IMAGE_USE(where)                                                                               \
	"SELECT i.id AS id, i.deleted_us = 0 AND i.size IS NOT NULL AS wanted, i.project_id AS project_id, " \
	"i.status AS state, "                                                                                \
	"'' AS item, '' AS zone, 0 AS preemptible, 0 AS vcpus, 0 AS ram_mib, 0 AS disk_gib, 0 AS gpus, "     \
	"coalesce(i.size, 0) AS amount FROM image i " where
/* end: what follows the where; without a GROUP BY there is a row for a port that is gone, too */
#define BOOKS_PORT_USE(end)                                                                                 \
	"SELECT p.id AS id, count(*) > 0 AS wanted, p.project_id AS project_id, 'held' AS state, n.uid AS " \
	"item, '' AS zone, 0 AS preemptible, 0 AS vcpus, 0 AS ram_mib, 0 AS disk_gib, 0 AS gpus, count(*) " \
	"AS amount FROM port_address x JOIN port p ON p.id = x.port_id JOIN network n ON n.id = "           \
	"p.network_id " end

/* The columns of `gpu_usage` that follow rows. */
#define BOOKS_GPU \
	"part_id, owner, share, project_id, server_id, block_id, state, model, profile, zone, preemptible"

/* The rows that a GPU's open intervals have to be: device_id and the columns above. What no tenant holds is,
 * in this order, faulty, in maintenance, reserved, or idle. which: a condition on d.id. */
#define BOOKS_GPU_USE(which)                                                                                 \
	"WITH gpu AS MATERIALIZED (SELECT d.id AS id, d.model AS model, " STORE_HOST_ZONE " AS zone, CASE "  \
	"WHEN d.health = 'faulty' OR d.custody = 'quarantined' OR d.present = 0 OR host.forced_down = 1 "    \
	"THEN 'faulty' WHEN host.state != 'up' OR d.custody = 'reset' OR EXISTS (SELECT 1 FROM block_host "  \
	"w JOIN block o ON o.id = w.block_id WHERE w.host_id = host.id AND o.state = 'active') THEN "        \
	"'maintenance' WHEN b.id IS NOT NULL THEN 'reserved' ELSE 'idle' END AS owner, b.id AS block_id, "   \
	"b.project_id AS project_id FROM device d JOIN host ON host.id = d.host_id LEFT JOIN block b ON "    \
	"b.id = (SELECT min(k.block_id) FROM block_device k JOIN block o ON o.id = k.block_id WHERE "        \
	"k.device_id = d.id AND o.state = 'active') WHERE " which "), "                                      \
	"held AS MATERIALIZED (SELECT x.device_id AS device_id, 0 AS part_id, 1000 AS share, "               \
	"x.allocation_id AS allocation_id, '' AS profile FROM gpu g CROSS JOIN allocation_device x ON "      \
	"x.device_id = g.id UNION ALL SELECT p.device_id, p.id, p.share, p.allocation_id, p.profile FROM "   \
	"gpu g CROSS JOIN allocation_part p ON p.device_id = g.id) "                                         \
	"SELECT g.id AS device_id, h.part_id AS part_id, 'tenant' AS owner, h.share AS share, s.project_id " \
	"AS project_id, s.id AS server_id, iif(a.block_id = g.block_id, a.block_id, NULL) AS block_id, "     \
	"iif(a.id = s.id, s.vm_state, 'held') AS state, g.model AS model, h.profile AS profile, g.zone AS "  \
	"zone, a.preemptible AS preemptible FROM held h CROSS JOIN gpu g ON g.id = h.device_id CROSS JOIN "  \
	"allocation a ON a.id = h.allocation_id CROSS JOIN server s ON s.id = a.server_id "                  \
	"UNION ALL SELECT g.id, 0, g.owner, 1000 - coalesce(h.share, 0), iif(g.owner = 'reserved', "         \
	"g.project_id, NULL), NULL, iif(g.owner = 'reserved', g.block_id, NULL), '', g.model, '', g.zone, "  \
	"0 FROM gpu g LEFT JOIN (SELECT device_id, sum(share) AS share FROM held GROUP BY device_id) h ON "  \
	"h.device_id = g.id WHERE coalesce(h.share, 0) < 1000"

/* books_usage.c, books_gpus.c: the open intervals of one thing, in line with its rows. */
int books_follow_server(struct db *db, int64_t id, struct error *err);
int books_follow_image(struct db *db, int64_t id, struct error *err);
int books_follow_port(struct db *db, int64_t id, struct error *err);
int books_follow_gpu(struct db *db, int64_t id, struct error *err);

#endif
