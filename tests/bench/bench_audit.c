/* SPDX-License-Identifier: Apache-2.0 */
/* What the audit's chain costs: records a second with it, and rows a second of the same content without, in
 *the same file and the same transactions; and how fast a chain is verified. bench_audit [RECORDS]      last
 *lines: name value unit */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "store/audit.h"

enum { EACH_TICK = 500 };

static struct audit_record record(int i, char id[48])
{
	snprintf(id, 48, "req-6fa459ea-ee8a-3ca4-894e-%012d", i);
	return (struct audit_record) { .at_us = 1700000000000000 + i,
		.request_id = id,
		.user_uid = "b6907eba00bb0dc1dad9bde53ed22fa7",
		.user_name = "somebody",
		.project_uid = "ee6a531cb15ffa1ee73764a6cbce1583",
		.peer = "192.0.2.7",
		.method = "POST",
		.path = "/compute/v2.1/servers/6fa459ea-ee8a-3ca4-894e-db77e160355e/action",
		.action = "server.reboot",
		.target = "6fa459ea-ee8a-3ca4-894e-db77e160355e",
		.status = 202 };
}

/* The same row and nothing more: what there was before the chain. */
static int insert_plain(struct db *db, const struct audit_record *r, struct error *err)
{
	return db_run(db, err,
		       "INSERT INTO audit (seq, at_us, request_id, user_uid, user_name, project_uid, peer, "
		       "method, "
		       "path, action, target, status, reason, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
		       "?, ?, "
		       "zeroblob(32))",
		       "iisssssssssis", INT64_C(1000000000) + r->at_us, r->at_us, r->request_id, r->user_uid,
		       r->user_name, r->project_uid, r->peer, r->method, r->path, r->action, r->target,
		       r->status, r->reason) < 0
		       ? -1
		       : 0;
}

static void must(int rc, const struct error *err)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "%s (%s)\n", err->msg, err->detail);
	exit(1);
}

/* Of this process alone: a busy machine does not show. */
static int64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

/* Microseconds of all inserts, without begin and commit. */
static int64_t write_all(struct store *s, int n, bool chained)
{
	struct error err = { 0 };
	int64_t spent = 0;
	char id[48];

	for (int i = 0; i < n;) {
		int64_t from;

		must(store_tick_begin(s, &err), &err);
		store_tick_savepoint(s);
		from = cpu_us();
		for (int k = 0; k < EACH_TICK && i < n; k++, i++) {
			const struct audit_record r = record(i, id);

			must(chained ? store_audit_insert(store_rw(s), &r, &err)
				     : insert_plain(store_rw(s), &r, &err),
				&err);
		}
		spent += cpu_us() - from;
		store_tick_release(s);
		must(-store_tick_commit(s, &err), &err);
		store_tick_settle(s, true);
	}
	return spent;
}

static int64_t verify_all(struct store *s, int64_t upto)
{
	int64_t from = cpu_us();
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	unsigned char hash[SHA256_SIZE];
	struct audit_record r;
	struct audit_walk w;
	struct error err = { 0 };

	audit_walk_begin(&w, "", 0, NULL);
	must(store_audit_walk(store_ro(s), 0, &st, &err), &err);
	while (w.seq < upto && store_audit_next(st, &r, hash, &err) > 0)
		audit_walk_record(&w, &r, hash);
	if (w.bad || w.seq != upto)
		exit(1);
	audit_walk_finish(&w);
	return cpu_us() - from;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 200000;
	char dir[] = "/tmp/bench-audit-XXXXXX", path[64], command[96];
	struct store_config config = { .path = path, .clock = &clock_system, .no_sync = true };
	int64_t chained, plain, verified;
	struct store *s;
	struct error err = { 0 };

	if (n < 1 || !mkdtemp(dir))
		return 1;
	snprintf(path, sizeof path, "%s/cloud.db", dir);
	must(store_open(&config, &s, &err), &err);
	chained = write_all(s, n, true);
	plain = write_all(s, n, false);
	verified = verify_all(s, n);
	store_close(s);
	snprintf(command, sizeof command, "rm -r %s", dir);
	printf("audit_chained %.2f us\naudit_plain %.2f us\naudit_verify %.2f us\n", (double)chained / n,
		(double)plain / n, (double)verified / n);
	return system(command) != 0;
}
