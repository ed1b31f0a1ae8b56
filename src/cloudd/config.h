/* SPDX-License-Identifier: Apache-2.0 */
/* The one configuration file (INI): a const table of keys that also prints `cloudctl config show`, and that a
 * test holds against conf/cloudd.conf. */
#ifndef CLOUDD_CONFIG_H
#define CLOUDD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "flow/flow.h"
#include "store/networks.h"

enum { CONFIG_GPUS_MAX = 64, CONFIG_NETWORKS_MAX = 8 };

struct config {
	struct arena arena;
	/* [cloudd] */
	const char *region, *public_url, *default_zone, *state_dir, *database, *image_dir, *log_level;
	int64_t disk_min_free_mib;
	/* [backup] */
	const char *backup_dir;
	int64_t backup_every_h, backup_keep;
	/* [api] */
	const char *listen, *tls_cert, *tls_key, *socket, *metrics_token_file;
	int64_t body_max_kib, connections_max, header_timeout_ms, idle_timeout_ms, body_timeout_ms, min_rate,
		list_max, audit_denied_max, requests_per_project_max, queue_wait_max_ms, bodies_max_mib;
	int64_t image_max_gib;
	/* [images] */
	const char *import_hosts, *import_networks, *import_ca;
	int64_t import_timeout_s;
	/* [identity] */
	int64_t token_ttl_s, password_threads, password_queue, lockout_failures, lockout_s,
		password_min_length, password_expires_days, password_unique_last, password_min_age_days,
		app_credential_max_days;
	const char *password_regex, *password_regex_says;
	bool password_change_first;
	/* [compute] */
	bool force_config_drive;
	const char *keypair_type;
	int64_t shelved_offload_s, resize_confirm_s, preempt_notice_s, preempt_lead_s, preempt_wait_s,
		moves_per_target, moves_at_once, decisions_keep_days;
	bool resize_to_same_host;
	const char *gpu_reset, *gpu_verify_command;
	int64_t gpu_verify_timeout_s;
	/* [hosts] */
	const char *pki_dir;
	int64_t connect_timeout_ms, call_timeout_ms, stage_timeout_s, stop_timeout_s, retry_min_ms,
		retry_max_ms, connects_max, poll_s, unreachable_s, steady_s;
	const char *command_dir, *fence_key;
	int64_t fence_call_s, fence_deadline_s, auto_after_s, auto_max_hosts, evacuate_parallel;
	bool auto_evacuate;
	/* [consoles] */
	int64_t console_keep_h, console_keep_mib, console_total_mib, console_poll_s, console_token_s,
		console_idle_s, console_life_s, consoles_max;
	/* [audit] */
	const char *audit_key, *audit_witness;
	int64_t audit_head_s, audit_head_records, audit_keep_days;
	/* [events] */
	int64_t events_keep_days, events_max, events_streams_max, events_heartbeat_s;
	const char *webhook_hosts, *webhook_networks, *webhook_ca, *webhook_key;
	bool webhook_http;
	int64_t webhook_timeout_s, webhook_threads, webhook_give_up_h, webhooks_max;
	/* [billing] */
	int64_t budgets_every_s;
	/* [samples] */
	int64_t sample_s, sample_raw_hours, sample_keep_days;
	/* [gpu NAME] */
	struct flow_gpu_model gpus[CONFIG_GPUS_MAX];
	size_t gpus_n;
	/* [network NAME] */
	struct provider_network networks[CONFIG_NETWORKS_MAX];
	size_t networks_n;
};

enum config_type { CONFIG_TEXT, CONFIG_INT, CONFIG_BOOL };

struct config_key {
	const char *section, *name;
	enum config_type type;
	size_t offset;
	const char *fallback; /* the default's text */
	int64_t min, max;     /* CONFIG_INT */
	bool reloadable;      /* SIGHUP takes it over */
	const char *help;
	bool (*valid)(const char *value); /* CONFIG_TEXT; NULL: anything is */
	const char *should;               /* what it must be */
};

extern const struct config_key config_keys[];
extern const size_t config_keys_n;

/* Reads the file over the defaults. The error names file, line, section and key, and what would be right. */
int config_load(const char *path, struct config *out, struct error *err);
void config_finish(struct config *c);
/* Parts of "address:port" or "[v6]:port"; a port of 0 takes a free one. */
bool config_address(const char *text, char *host, size_t size, int *port);
/* The syslog level of that name, or -1. */
int config_log_level(const char *name);
/* The enum flow_gpu_reset of that name, or -1. */
int config_gpu_reset(const char *name);
/* {"config": [{name, value, default, reloadable, help}]} */
void config_show(const struct config *c, struct buf *out);
/* The example file: every key with its default and help as comments. */
void config_example(struct buf *out);

#endif
