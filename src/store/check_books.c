/* SPDX-License-Identifier: Apache-2.0 */
/* The books: what is open is what the rows say, and meets what was before. That all of a period adds up is
 * for the ledger to verify (books_verify.c). */
#include "base/util.h"
#include "store/books_rows.h"
#include "store/check_rules.h"

#define USE(alias)                                                                                          \
	alias ".project_id, " alias ".state, " alias ".item, " alias ".zone, " alias ".preemptible, " alias \
	      ".vcpus, " alias ".ram_mib, " alias ".disk_gib, " alias ".gpus, " alias ".amount"
#define OPEN(kind) "u.kind = '" kind "' AND u.subject_id = w.id AND u.ended_us IS NULL"
/* The rules of one kind of interval. use: what has to be open; uid: how a thing of that kind is named. */
#define RULES(kind, uid, use)                                                                               \
	{ "usage-open", "SELECT " uid ", 'is " kind " in use and no usage interval is open' FROM (" use     \
			") w WHERE w.wanted AND NOT EXISTS (SELECT 1 FROM usage u WHERE " OPEN(kind) ")" }, \
		{ "usage-closed",                                                                           \
			"SELECT " uid ", 'holds nothing and a usage interval is open' FROM (SELECT "        \
			"subject_id AS id FROM usage WHERE kind = '" kind "' AND ended_us IS NULL) w "      \
			"WHERE NOT EXISTS (SELECT 1 FROM (" use ") x WHERE x.id = w.id AND x.wanted)" },    \
	{                                                                                                   \
		"usage-state",                                                                              \
			"SELECT " uid ", 'is ' || w.state || ' and counted as ' || u.state || iif(u.state " \
			"= w.state, ', but for another project, place or size', '') FROM (" use ") w JOIN " \
			"usage u ON " OPEN(kind) " WHERE w.wanted AND (" USE("w") ") IS NOT (" USE("u") ")" \
	}

#define OF_SERVER "coalesce((SELECT s.uid FROM server s WHERE s.id = w.id), 'server ' || w.id)"
#define OF_IMAGE "coalesce((SELECT i.uid FROM image i WHERE i.id = w.id), 'image ' || w.id)"
#define OF_PORT "coalesce((SELECT p.uid FROM port p WHERE p.id = w.id), 'port ' || w.id)"
#define OF_GPU \
	"coalesce((SELECT b.uid FROM gpu_book b WHERE b.device_id = w.device_id), 'GPU ' || w.device_id)"

#define GPU_OPEN "SELECT device_id, " BOOKS_GPU " FROM gpu_usage WHERE ended_us IS NULL"
#define GPU_WANTED "SELECT device_id, " BOOKS_GPU " FROM (" BOOKS_GPU_USE("1") ")"

const struct check_rule check_book_rules[] = {
	RULES("server", OF_SERVER, BOOKS_SERVER_USE("")),
	RULES("image", OF_IMAGE, BOOKS_IMAGE_USE("")),
	RULES("address", OF_PORT, BOOKS_PORT_USE("GROUP BY p.id")),
	{ "usage-gapless",
		"SELECT u.kind || ' ' || u.subject_id, 'its usage intervals do not meet' FROM usage u WHERE "
		"u.ended_us IS NULL AND (SELECT max(b.ended_us) FROM usage b WHERE b.kind = u.kind AND "
		"b.subject_id = u.subject_id) != u.started_us" },
	{ "gpu-open", "SELECT " OF_GPU ", 'is not in the ledger as ' || w.owner || ', ' || w.share FROM "
		      "(" GPU_WANTED " EXCEPT " GPU_OPEN ") w" },
	{ "gpu-closed", "SELECT " OF_GPU ", 'is in the ledger as ' || w.owner || ', ' || w.share || ', and "
			"is not' FROM (" GPU_OPEN " EXCEPT " GPU_WANTED ") w" },
	{ "gpu-shares", "SELECT " OF_GPU ", 'its open shares are ' || w.share FROM (SELECT b.device_id AS "
			"device_id, coalesce(sum(u.share), 0) AS share FROM gpu_book b LEFT JOIN gpu_usage u "
			"ON u.device_id = b.device_id AND u.ended_us IS NULL WHERE b.last_us IS NULL GROUP "
			"BY b.device_id) w WHERE w.share != 1000" },
	{ "gpu-book", "SELECT d.uid, 'is not in the ledger' FROM device d LEFT JOIN gpu_book b ON "
		      "b.device_id = d.id WHERE b.device_id IS NULL OR b.last_us IS NOT NULL" },
	{ "gpu-book", "SELECT b.uid, 'is in the ledger and is gone' FROM gpu_book b LEFT JOIN device d ON "
		      "d.id = b.device_id WHERE d.id IS NULL AND b.last_us IS NULL" },
	{ "books-clock",
		"SELECT 'clock', 'its last step is not the offset that it has' FROM books_clock c WHERE "
		"c.offset_us != coalesce((SELECT offset_us FROM clock_step ORDER BY at_us DESC LIMIT 1), "
		"0)" },
};
const size_t check_book_rules_n = ARRAY_LEN(check_book_rules);
