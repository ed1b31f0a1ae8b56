/* SPDX-License-Identifier: Apache-2.0 */
/* os-instance_usage_audit_log. Nova's hosts report usage once a period, and this tells which of them did;
 * here metering never pauses, so that every host is always done, with the servers that were metered on it. */
#include <string.h>
#include <time.h>

#include "api/compute/compute.h"
#include "base/util.h"
#include "store/host_use.h"

struct period {
	int64_t from_us, to_us;
};

static int64_t month_start(int year, int month)
{
	struct tm tm = { .tm_year = year, .tm_mon = month, .tm_mday = 1 };

	return (int64_t)timegm(&tm) * 1000000;
}

/* The last whole month before that time. */
static struct period last_month(int64_t before_us)
{
	time_t t = (time_t)(before_us / 1000000);
	struct tm tm;

	gmtime_r(&t, &tm);
	return (struct period) { month_start(tm.tm_year, tm.tm_mon - 1), month_start(tm.tm_year, tm.tm_mon) };
}

/* "2026-01-01 00:00:00" */
static void put_time(struct buf *b, const char *key, int64_t us)
{
	char text[TIME_TEXT];

	time_iso(us, text);
	jw_key(b, key);
	jw_strf(b, "%.10s %.8s", text, text + 11);
}

static void host_log(struct buf *b, const char *host, int64_t servers)
{
	jw_key(b, host);
	jw_object(b);
	jw_kv_int(b, "instances", servers);
	jw_kv_int(b, "errors", 0);
	jw_kv_str(b, "message", "metered without pause");
	jw_kv_str(b, "state", "DONE");
	jw_end_object(b);
}

static int view(struct api_call *c, const char *top, int64_t before_us, struct error *err)
{
	struct period p = last_month(before_us);
	struct buf *b = &c->out;
	const char **hosts;
	int64_t *servers, total = 0;
	size_t n;

	if (store_host_use_metered(c->db, c->arena, p.from_us, p.to_us, &hosts, &servers, &n, err) < 0)
		return -1;
	c->status = 200;
	jw_object(b);
	jw_key(b, top);
	jw_object(b);
	jw_key(b, "log");
	jw_object(b);
	for (size_t i = 0; i < n; i++) {
		host_log(b, hosts[i], servers[i]);
		total += servers[i];
	}
	jw_end_object(b);
	jw_key(b, "hosts_not_run");
	jw_array(b);
	jw_end_array(b);
	jw_kv_int(b, "num_hosts", (int64_t)n);
	jw_kv_int(b, "num_hosts_done", (int64_t)n);
	jw_kv_int(b, "num_hosts_not_run", 0);
	jw_kv_int(b, "num_hosts_running", 0);
	jw_kv_str(b, "overall_status", "ALL hosts done. 0 errors.");
	put_time(b, "period_beginning", p.from_us);
	put_time(b, "period_ending", p.to_us);
	jw_kv_int(b, "total_errors", 0);
	jw_kv_int(b, "total_instances", total);
	jw_end_object(b);
	jw_end_object(b);
	return 0;
}

int compute_audit_log(struct api_call *c, struct error *err)
{
	return view(c, "instance_usage_audit_logs", c->now_us, err);
}

int compute_audit_log_before(struct api_call *c, struct error *err)
{
	const char *text = api_param(c, "before");
	int64_t before_us;

	if (time_parse(text, &before_us) < 0 || before_us < 0)
		return error_set(err, ERR_BAD_REQUEST,
			"Invalid timestamp for date %.40s: it must be as 2026-01-31 12:00:00", text);
	return view(c, "instance_usage_audit_log", before_us, err);
}
