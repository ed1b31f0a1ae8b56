/* SPDX-License-Identifier: Apache-2.0 */
/* cloudd: puts the rooms together, starts them in order and stops them in reverse.
 *
 *	configuration → loop → store, tick, lanes → boot unit (cloud id, networks) → hypervisors, flows → API
 *	SIGTERM: no new requests → no new steps → last commit → clean stop. Guests run on. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "api/api.h"
#include "api/image/image.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/util.h"
#include "cloudd/config.h"
#include "cloudd/offline.h"
#include "cloudd/recover.h"
#include "cloudd/store_member.h"
#include "cloudd/version.h"
#include "flow/audit_keeper.h"
#include "flow/flow.h"
#include "http/http.h"
#include "hv/hv.h"
#include "store/history.h"
#include "store/meta.h"
#include "store/samples.h"

/* LINGER_MS: what flows write waits that long for company while no request writes; a commit costs as much as
 * many rows */
/* BUSY_MS: what is to be written waits that long for a lock that another program has on the database */
enum {
	STOP_GRACE_MS = 10000,
	LANES_GRACE_MS = 1000,
	LINGER_MS = 5,
	BUSY_MS = 2000,
	MEMORY_RESERVE = 64 << 20,
	DESCRIPTORS_OTHERS = 8192,
	TOKEN_MIN = 32,
	TOKEN_MAX = 256
};

struct daemon {
	const char *config_path;
	struct config config;
	struct loop loop;
	struct store *store;
	struct history *history;
	struct samples *samples; /* NULL: none are kept */
	struct tick *tick;
	struct lane_pool *lanes;
	struct flow_engine *flows;
	struct audit_keeper *audit;
	struct api api;
	struct http_server *http;
	struct http_tls tls;
	char cloud_id[UUID_TEXT];
	char *metrics_token; /* NULL: none */
	struct tick_unit boot;
	struct loop_timer booted, watchdog, stop_limit;
	uint64_t watchdog_ms;
	uv_signal_t signals[3];
	uv_prepare_t turn; /* armed while the turn's reads share a snapshot */
	bool hv_up, stopping;
	int exit_code;
};

/* --- stopping
 * ------------------------------------------------------------------------------------------------------------
 */

static void on_idle(void *ctx)
{
	struct daemon *d = ctx;

	loop_stop(&d->loop);
}

static void on_flows_stopped(void *ctx)
{
	struct daemon *d = ctx;

	audit_keeper_stop(d->audit); /* a last head, of all that was done */
	tick_drain(d->tick, on_idle, d);
}

static void on_http_drained(void *ctx)
{
	struct daemon *d = ctx;

	if (d->flows)
		flow_engine_stop(d->flows, STOP_GRACE_MS, on_flows_stopped, d);
	else
		on_flows_stopped(d);
}

static void on_stop_limit(struct loop_timer *t)
{
	struct daemon *d = CONTAINER_OF(t, struct daemon, stop_limit);

	log_msg(LOG_WARNING, "stopping takes too long: leaving what is under way to the next start");
	/* requests and units that still wait hold on to all of this: nothing can be taken apart in order */
	_exit(d->exit_code);
}

static void stop(struct daemon *d)
{
	if (d->stopping)
		return;
	d->stopping = true;
	log_msg(LOG_NOTICE, "stopping: no new work; guests run on");
	sd_notify(0, "STOPPING=1");
	loop_timer_set(&d->loop, &d->stop_limit, STOP_GRACE_MS + 5000, on_stop_limit);
	api_stop(&d->api);
	if (d->http)
		http_server_drain(d->http, on_http_drained, d);
	else
		on_http_drained(d);
}

static void fail(struct daemon *d, const struct error *err)
{
	log_event(LOG_ERR, err->msg, "detail", err->detail[0] ? err->detail : NULL, NULL);
	d->exit_code = 1;
	stop(d);
}

/* The fate of a commit is unknown: only a fresh start from the file knows. */
static void on_fatal(void *ctx, const struct error *err)
{
	(void)ctx;
	log_event(LOG_CRIT, "the outcome of a commit is unknown; leaving to start again from the file",
		"error", err->msg, "detail", err->detail, NULL);
	_exit(70);
}

/* --- signals, watchdog
 * ------------------------------------------------------------------------------------------------------ */

static void reload(struct daemon *d)
{
	struct error err = { 0 };
	struct config fresh;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono(&clock_system));
	if (config_load(d->config_path, &fresh, &err) == 0) {
		log_set_level(config_log_level(fresh.log_level));
		config_finish(&fresh);
	}
	if (!err.code && d->http)
		http_server_reload_tls(d->http, &err);
	if (err.code)
		log_event(LOG_ERR, "reload failed, what was in force stays", "error", err.msg, "detail",
			err.detail, NULL);
	else
		log_msg(LOG_NOTICE, "reloaded: log level and certificates");
	sd_notify(0, "READY=1");
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct daemon *d = handle->data;

	if (signum == SIGHUP)
		reload(d);
	else
		stop(d);
}

static void watch_signals(struct daemon *d)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		uv_signal_init(&d->loop.uv, &d->signals[i]);
		d->signals[i].data = d;
		uv_signal_start(&d->signals[i], on_signal, numbers[i]);
	}
	signal(SIGPIPE, SIG_IGN);
	uv_prepare_init(&d->loop.uv, &d->turn);
}

static void on_watchdog(struct loop_timer *t)
{
	struct daemon *d = CONTAINER_OF(t, struct daemon, watchdog);

	sd_notify(0, "WATCHDOG=1");
	loop_timer_set(&d->loop, &d->watchdog, d->watchdog_ms, on_watchdog);
}

static void start_watchdog(struct daemon *d)
{
	uint64_t us;

	if (sd_watchdog_enabled(0, &us) <= 0)
		return;
	d->watchdog_ms = us / 2000;
	loop_timer_set(&d->loop, &d->watchdog, d->watchdog_ms, on_watchdog);
}

/* --- starting
 * ---------------------------------------------------------------------------------------------------------------
 */

/* Hosts, the database and files need descriptors as well: a quarter of them, or as many as are enough. */
static unsigned connections_most(unsigned wanted)
{
	char text[24];
	struct rlimit rl;
	rlim_t others;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return wanted;
	others = rl.rlim_cur / 4 < DESCRIPTORS_OTHERS ? rl.rlim_cur / 4 : DESCRIPTORS_OTHERS;
	if (wanted <= rl.rlim_cur - others)
		return wanted;
	snprintf(text, sizeof text, "%llu", (unsigned long long)(rl.rlim_cur - others));
	log_event(LOG_WARNING,
		"the limit of descriptors (LimitNOFILE) allows fewer connections than connections_max",
		"connections", text, NULL);
	return (unsigned)(rl.rlim_cur - others);
}

static struct http_limits limits_of(const struct config *c)
{
	struct http_limits l = http_limits_default;

	l.body = (size_t)c->body_max_kib * 1024;
	l.connections = connections_most((unsigned)c->connections_max);
	l.header_ms = (unsigned)c->header_timeout_ms;
	l.idle_ms = (unsigned)c->idle_timeout_ms;
	l.body_ms = (unsigned)c->body_timeout_ms;
	l.min_rate = (unsigned)c->min_rate;
	l.wait_ms = (unsigned)c->queue_wait_max_ms;
	l.waiting = (unsigned)c->requests_per_project_max;
	l.bodies = (size_t)c->bodies_max_mib << 20;
	return l;
}

static int start_http(struct daemon *d, struct error *err)
{
	const struct config *c = &d->config;
	struct http_limits limits = limits_of(c);
	struct http_handler handler = api_http_handler(&d->api);
	char host[128];
	int port = 0, fds = sd_listen_fds(1);

	d->tls = (struct http_tls) { .cert_file = c->tls_cert, .key_file = c->tls_key };
	if (http_server_create(&d->loop.uv, &limits, &handler, &d->http, err) < 0)
		return -1;
	d->api.http = d->http;
	if (fds > 0) {
		for (int i = 0; i < fds; i++) {
			int fd = SD_LISTEN_FDS_START + i;
			bool is_unix = sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) > 0;

			if (http_server_listen_fd(d->http, fd, is_unix ? NULL : &d->tls, err) < 0)
				return -1;
		}
		return 0;
	}
	config_address(c->listen, host, sizeof host, &port); /* config_load saw to it that it is one */
	if (http_server_listen_tls(d->http, host, port, &d->tls, err) < 0)
		return -1;
	return c->socket[0] ? http_server_listen_unix(d->http, c->socket, 0600, err) : 0;
}

static void show_config(void *ctx, struct buf *out)
{
	config_show(ctx, out);
}

static struct api_config api_config_of(const struct daemon *d)
{
	const struct config *c = &d->config;

	return (struct api_config) {
		.public_url = c->public_url[0] ? c->public_url : NULL,
		.region = c->region,
		.image_dir = c->image_dir,
		.default_zone = c->default_zone,
		.backup_dir = c->backup_dir,
		.backup_every_us = c->backup_every_h * 3600 * 1000000,
		.backup_keep = (size_t)c->backup_keep,
		.image_size_max = c->image_max_gib << 30,
		.disk_reserve = c->disk_min_free_mib << 20,
		.import_hosts = c->import_hosts,
		.import_networks = c->import_networks,
		.import_ca = c->import_ca,
		.import_timeout_s = c->import_timeout_s,
		.import_min_rate = c->min_rate,
		.token_ttl_s = c->token_ttl_s,
		.list_max = (unsigned)c->list_max,
		.queue_wait_max_ms = (unsigned)c->queue_wait_max_ms,
		.force_config_drive = c->force_config_drive,
		.ed25519_keypairs = str_eq(c->keypair_type, "ed25519"),
		.password_threads = (unsigned)c->password_threads,
		.password_queue = (unsigned)c->password_queue,
		.lockout_failures = (unsigned)c->lockout_failures,
		.lockout_s = (unsigned)c->lockout_s,
		.passwords = { .min_length = c->password_min_length,
			.regex = c->password_regex,
			.regex_says = c->password_regex_says,
			.expires_days = c->password_expires_days,
			.unique_last = c->password_unique_last,
			.min_age_days = c->password_min_age_days,
			.change_first = c->password_change_first },
		.credential_max_days = c->app_credential_max_days,
		.audit_denied_max = (unsigned)c->audit_denied_max,
		.budgets_every_s = c->budgets_every_s,
		.decisions_keep_us = c->decisions_keep_days * 86400 * 1000000,
		.custody_keep_us = c->audit_keep_days * 86400 * 1000000,
		.console_token_s = c->console_token_s,
		.console_idle_s = c->console_idle_s,
		.console_life_s = c->console_life_s,
		.consoles_max = (unsigned)c->consoles_max,
		.events_streams_max = (unsigned)c->events_streams_max,
		.events_heartbeat_ms = (unsigned)c->events_heartbeat_s * 1000,
		.events_keep_us = c->events_keep_days * 86400 * 1000000,
		.events_max = c->events_max,
		.webhook_hosts = c->webhook_hosts,
		.webhook_networks = c->webhook_networks,
		.webhook_ca = c->webhook_ca,
		.webhook_key = c->webhook_key,
		.webhook_http = c->webhook_http,
		.webhook_timeout_s = c->webhook_timeout_s,
		.webhook_give_up_us = c->webhook_give_up_h * 3600 * 1000000,
		.webhook_threads = (unsigned)c->webhook_threads,
		.webhooks_max = (unsigned)c->webhooks_max,
		.metrics_token = d->metrics_token,
		.show_config = show_config,
		.show_config_ctx = (void *)&d->config,
	};
}

static int start_flows(struct daemon *d, struct error *err)
{
	const struct config *c = &d->config;
	struct flow_config fc = {
		.loop = &d->loop,
		.tick = d->tick,
		.store = d->store,
		.lanes = d->lanes,
		.cloud_id = d->cloud_id,
		.pki_dir = c->pki_dir,
		.image_dir = c->image_dir,
		.default_zone = c->default_zone,
		.gpu_models = c->gpus,
		.gpu_models_n = c->gpus_n,
		.connect_timeout_ms = (unsigned)c->connect_timeout_ms,
		.call_timeout_ms = (unsigned)c->call_timeout_ms,
		.stage_timeout_ms = (unsigned)c->stage_timeout_s * 1000,
		.stop_timeout_ms = (unsigned)c->stop_timeout_s * 1000,
		.retry_min_ms = (unsigned)c->retry_min_ms,
		.retry_max_ms = (unsigned)c->retry_max_ms,
		.connects_max = (unsigned)c->connects_max,
		.poll_ms = (unsigned)c->poll_s * 1000,
		.unreachable_s = c->unreachable_s,
		.steady_s = c->steady_s,
		.fence_command_dir = c->command_dir,
		.fence_key = c->fence_key,
		.fence_call_s = c->fence_call_s,
		.fence_deadline_s = c->fence_deadline_s,
		.fence_auto_after_s = c->auto_after_s,
		.fence_auto_max = c->auto_max_hosts,
		.fence_auto_evacuate = c->auto_evacuate,
		.evacuate_parallel = c->evacuate_parallel,
		.history = d->history,
		.samples = d->samples,
		.console_poll_ms = (unsigned)c->console_poll_s * 1000,
		.image_size_max = c->image_max_gib << 30,
		.preempt_notice_s = c->preempt_notice_s,
		.preempt_lead_s = c->preempt_lead_s,
		.preempt_wait_s = c->preempt_wait_s,
		.moves_per_target = c->moves_per_target,
		.moves_at_once = c->moves_at_once,
		.shelved_offload_s = c->shelved_offload_s,
		.resize_elsewhere = !c->resize_to_same_host,
		.gpu_reset = (enum flow_gpu_reset)config_gpu_reset(c->gpu_reset),
		.gpu_verify_command = c->gpu_verify_command,
		.gpu_verify_timeout_ms = (unsigned)c->gpu_verify_timeout_s * 1000,
		.resize_confirm_s = c->resize_confirm_s,
	};

	if (hv_init(&d->loop.uv, d->cloud_id, err) < 0)
		return -1;
	d->hv_up = true;
	return flow_engine_create(&fc, &d->flows, err);
}

static int start_audit(struct daemon *d, struct error *err)
{
	const struct config *c = &d->config;
	const struct audit_keeper_config ac = { .loop = &d->loop,
		.tick = d->tick,
		.store = d->store,
		.lanes = d->lanes,
		.cloud_id = d->cloud_id,
		.key_path = c->audit_key,
		.witness = c->audit_witness,
		.head_s = c->audit_head_s,
		.head_records = c->audit_head_records,
		.keep_us = c->audit_keep_days * 86400 * 1000000 };

	return audit_keeper_create(&ac, &d->audit, err);
}

static int start_rooms(struct daemon *d, struct error *err)
{
	if (start_flows(d, err) < 0 || start_audit(d, err) < 0)
		return -1;
	d->api = (struct api) {
		.loop = &d->loop,
		.tick = d->tick,
		.store = d->store,
		.flows = d->flows,
		.audit = d->audit,
		.lanes = d->lanes,
		.config = api_config_of(d),
		.started_us = clock_wall(d->loop.clock),
	};
	if (api_init(&d->api, err) < 0 || image_recover(&d->api, err) < 0 || start_http(d, err) < 0)
		return -1;
	flow_engine_start(d->flows);
	return 0;
}

/* The first unit of every start: what the file must have before anything else runs. */
static int run_boot(struct tick_unit *u, struct error *err)
{
	struct daemon *d = CONTAINER_OF(u, struct daemon, boot);
	struct db *db = store_rw(d->store);
	char network_uid[UUID_TEXT], subnet_uid[UUID_TEXT];
	char fresh[UUID_TEXT];

	uuid_make(d->loop.rng, fresh);
	if (store_meta_ensure(db, "cloud_id", fresh, d->cloud_id, sizeof d->cloud_id, err) < 0)
		return -1;
	for (size_t i = 0; i < d->config.networks_n; i++) {
		uuid_make(d->loop.rng, network_uid);
		uuid_make(d->loop.rng, subnet_uid);
		if (store_network_ensure(db, &d->config.networks[i], network_uid, subnet_uid,
			    clock_wall(d->loop.clock), err) < 0)
			return -1;
	}
	return 0;
}

/* In a turn of its own: the tick takes new members only between ticks. */
static void on_booted(struct loop_timer *t)
{
	struct daemon *d = CONTAINER_OF(t, struct daemon, booted);
	struct error err = { 0 };

	if (start_rooms(d, &err) < 0) {
		fail(d, &err);
		return;
	}
	log_msg(LOG_NOTICE, "cloudd " CLOUDD_VERSION " serves %s", d->config.listen);
	start_watchdog(d);
	sd_notify(0, "READY=1");
}

static void finish_boot(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct daemon *d = CONTAINER_OF(u, struct daemon, boot);

	if (outcome == TICK_DONE)
		loop_timer_set(&d->loop, &d->booted, 0, on_booted);
	else
		fail(d, err);
}

static int make_dir(const char *path, mode_t mode, struct error *err)
{
	if (mkdir(path, mode) < 0 && access(path, W_OK | X_OK) < 0)
		return error_set(err, ERR_UNAVAILABLE, "cannot make or write to directory %s: %s", path,
			strerror(errno));
	return 0;
}

static void on_turn_end(uv_prepare_t *h)
{
	struct daemon *d = CONTAINER_OF(h, struct daemon, turn);

	uv_prepare_stop(h);
	store_turn_end(d->store);
}

static void on_reading(void *ctx)
{
	struct daemon *d = ctx;

	uv_prepare_start(&d->turn, on_turn_end);
}

static int open_history(struct daemon *d, struct error *err)
{
	const struct config *c = &d->config;
	CLEANUP(free_ptr) char *path = xasprintf("%s/console.db", c->state_dir);
	struct history_config hc = { .path = path,
		.keep_us = c->console_keep_h * 3600 * 1000000,
		.server_bytes = c->console_keep_mib << 20,
		.total_bytes = c->console_total_mib << 20 };

	return history_open(&hc, &d->history, err);
}

static int open_samples(struct daemon *d, struct error *err)
{
	const struct config *c = &d->config;
	CLEANUP(free_ptr) char *path = xasprintf("%s/samples.db", c->state_dir);
	struct samples_config sc = { .path = path,
		.period_ms = c->sample_s * 1000,
		.minutes_keep_ms = c->sample_raw_hours * 3600 * 1000,
		.hours_keep_ms = c->sample_keep_days * 86400 * 1000 };

	return c->sample_s ? samples_open(&sc, &d->samples, err) : 0;
}

/* Its own file, so that the configuration can be shown to everybody who runs the cloud. */
static int read_metrics_token(struct daemon *d, struct error *err)
{
	const char *path = d->config.metrics_token_file;
	char text[TOKEN_MAX + 2] = "";
	CLEANUP(close_fd) int fd = -1;

	if (!path[0])
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
		return error_set(err, ERR_BAD_REQUEST, "metrics_token_file %s cannot be read: %s", path,
			strerror(errno));
	text[strcspn(text, "\r\n")] = '\0';
	if (strlen(text) < TOKEN_MIN || strlen(text) > TOKEN_MAX)
		return error_set(err, ERR_BAD_REQUEST,
			"metrics_token_file %s must have one line of %d to %d characters", path, TOKEN_MIN,
			TOKEN_MAX);
	d->metrics_token = xstrdup(text);
	return 0;
}

static int open_state(struct daemon *d, struct error *err)
{
	const struct config *c = &d->config;
	struct store_config sc = {
		.path = c->database, .clock = &clock_system, .reading = on_reading, .reading_ctx = d
	};
	struct tick_config tc = { .loop = &d->loop,
		.units_max = 512,
		.linger_ms = LINGER_MS,
		.busy_ms = BUSY_MS,
		.fatal = on_fatal,
		.fatal_ctx = d };
	struct tick_member member = store_member();

	if (make_dir(c->state_dir, 0700, err) < 0 || make_dir(c->image_dir, 0700, err) < 0)
		return -1;
	if (store_open(&sc, &d->store, err) < 0 || open_history(d, err) < 0 || open_samples(d, err) < 0 ||
		read_metrics_token(d, err) < 0)
		return -1;
	d->tick = tick_create(&tc);
	member.ctx = d->store;
	tick_add_member(d->tick, &member);
	d->lanes = lane_pool_create(&d->loop);
	return 0;
}

/* Returns how many threads are left in calls to hosts that do not answer. */
static unsigned close_all(struct daemon *d)
{
	unsigned lost = 0;

	for (size_t i = 0; i < ARRAY_LEN(d->signals); i++)
		uv_close((uv_handle_t *)&d->signals[i], NULL);
	uv_close((uv_handle_t *)&d->turn, NULL);
	loop_timer_close(&d->booted, NULL);
	loop_timer_close(&d->watchdog, NULL);
	loop_timer_close(&d->stop_limit, NULL);
	if (d->http)
		http_server_destroy(d->http);
	image_finish();
	if (d->api.router)
		api_finish(&d->api);
	audit_keeper_destroy(d->audit);
	if (d->flows)
		flow_engine_destroy(d->flows);
	if (d->lanes)
		lost = lane_pool_destroy(d->lanes, LANES_GRACE_MS);
	if (d->tick)
		tick_destroy(d->tick);
	if (d->hv_up)
		hv_finish();
	loop_finish(&d->loop);
	if (d->store)
		store_close(d->store);
	history_unref(d->history);
	samples_unref(d->samples);
	free(d->metrics_token);
	config_finish(&d->config);
	return lost;
}

/* Each host connection and client takes descriptors: ask for all that we may have. */
static void raise_limits(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static int serve(struct daemon *d)
{
	struct error err = { 0 };
	unsigned lost;

	raise_limits();
	memory_reserve(MEMORY_RESERVE);
	mallopt(M_ARENA_MAX, 2); /* else each lane's thread adds an arena of its own */
	umask(0077);
	log_set_level(config_log_level(d->config.log_level));
	if (loop_init(&d->loop, &clock_system, &rng_system, &err) < 0) {
		log_event(LOG_ERR, err.msg, "detail", err.detail, NULL);
		return 1;
	}
	watch_signals(d);
	if (open_state(d, &err) < 0) {
		log_event(LOG_ERR, err.msg, "detail", err.detail[0] ? err.detail : NULL, NULL);
		close_all(d);
		return 1;
	}
	d->boot = (struct tick_unit) { .run = run_boot, .finish = finish_boot };
	tick_submit(d->tick, &d->boot);
	loop_run(&d->loop);
	lost = close_all(d);
	log_msg(LOG_NOTICE, "stopped");
	if (lost)
		_exit(d->exit_code); /* no destructors of libraries under threads that are in them */
	return d->exit_code;
}

static void usage(FILE *out)
{
	fputs("usage: cloudd [--config FILE] [--check-config | --example-config | --restore FILE | --restore "
	      "--at "
	      "TIME]\n"
	      "\n"
	      "  --config FILE      read this configuration (default /etc/cloudd/cloudd.conf)\n"
	      "  --check-config     read the configuration, say what is wrong with it, and exit\n"
	      "  --example-config   print a configuration with every key and its default, and exit\n"
	      "  --restore FILE     put a backup back in the place of the database, which is kept aside, and "
	      "exit\n"
	      "  --restore --at T   the newest backup of backup_dir that was made at that time or before\n"
	      "  --recover-from-hosts NAME=URI... | FILE\n"
	      "                     show what the hosts have, of which a new database can be made; FILE has "
	      "lines\n"
	      "                     NAME URI [POOL]; with --apply make it; --cloud ID: of marks of several "
	      "clouds\n"
	      "  --version          print the version, and exit\n"
	      "  --help             print this, and exit\n"
	      "\n"
	      "Signals: TERM stops in good order (guests run on), HUP reads certificates and log level "
	      "again.\n"
	      "See cloudd(8), cloudd.conf(5); operators use cloudctl(1).\n",
		out);
}

static int print_example(void)
{
	struct buf b = { 0 };

	config_example(&b);
	fwrite(b.data, 1, b.len, stdout);
	buf_finish(&b);
	return 0;
}

/* What the command line asks for. */
struct line {
	const char *config_path;
	bool check, restoring, recovering;
	struct offline_restore restore;
	struct offline_recover recover;
};

/* What stands behind the options. False: the line is wrong. */
static bool line_rest(struct line *l, int argc, char **argv)
{
	int at = optind;

	if (l->restoring && !l->restore.file && !l->restore.at && at + 1 == argc)
		l->restore.file = argv[at++];
	if (l->recovering) {
		l->recover.hosts = argv + at;
		l->recover.hosts_n = argc - at;
		at = argc;
	}
	return at == argc && l->check + l->restoring + l->recovering <= 1 &&
	       (l->restoring ? !l->restore.file != !l->restore.at : !l->restore.at);
}

/* The exit code, or -1 to go on. */
static int line_option(struct line *l, int opt)
{
	switch (opt) {
	case 'c':
		l->config_path = optarg;
		return -1;
	case 'k':
		l->check = true;
		return -1;
	case 'e':
		return print_example();
	case 'r':
		l->restoring = true;
		l->restore.file = optarg;
		return -1;
	case 'a':
		l->restore.at = optarg;
		return -1;
	case 'R':
		l->recovering = true;
		return -1;
	case 'A':
		l->recover.apply = true;
		return -1;
	case 'C':
		l->recover.cloud = optarg;
		return -1;
	case 'v':
		puts("cloudd " CLOUDD_VERSION);
		return 0;
	case 'h':
		usage(stdout);
		return 0;
	default:
		usage(stderr);
		return 2;
	}
}

static int line_read(struct line *l, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check-config", no_argument, NULL, 'k' },
		{ "example-config", no_argument, NULL, 'e' },
		{ "restore", optional_argument, NULL, 'r' },
		{ "at", required_argument, NULL, 'a' },
		{ "recover-from-hosts", no_argument, NULL, 'R' },
		{ "apply", no_argument, NULL, 'A' },
		{ "cloud", required_argument, NULL, 'C' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int opt, rc = -1;

	while (rc < 0 && (opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		rc = line_option(l, opt);
	if (rc >= 0 || line_rest(l, argc, argv))
		return rc;
	usage(stderr);
	return 2;
}

/* What is done without serving: the exit code. */
static int work_offline(struct line *l, struct config *c)
{
	int rc = 0;

	if (l->restoring)
		rc = offline_restore(c, &l->restore);
	else if (l->recovering)
		rc = offline_recover(c, &l->recover);
	else
		printf("%s is good\n", l->config_path);
	config_finish(c);
	return rc;
}

int main(int argc, char **argv)
{
	static struct daemon d;
	struct line l = { .config_path = "/etc/cloudd/cloudd.conf" };
	struct error err = { 0 };
	int rc = line_read(&l, argc, argv);

	if (rc >= 0)
		return rc;
	d.config_path = l.config_path;
	if (config_load(d.config_path, &d.config, &err) < 0) {
		fprintf(stderr, "cloudd: %s\n", err.msg);
		return 1;
	}
	return l.check || l.restoring || l.recovering ? work_offline(&l, &d.config) : serve(&d);
}
