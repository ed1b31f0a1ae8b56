/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudd/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "domain/inet.h"
#include "domain/ipam.h"
#include "domain/password.h"

/* --- what texts must be -------------------------------------------------------------------------------- */

bool config_address(const char *text, char *host, size_t size, int *port)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	int64_t value;

	if (!n || !str_int64(colon + 1, 0, 65535, &value))
		return false;
	if (text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (n >= size)
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	*port = (int)value;
	return true;
}

static bool valid_listen(const char *value)
{
	struct in6_addr ignored;
	char host[INET6_ADDRSTRLEN];
	int port;

	return config_address(value, host, sizeof host, &port) &&
	       inet_pton(*value == '[' ? AF_INET6 : AF_INET, host, &ignored) == 1;
}

int config_log_level(const char *name)
{
	static const struct {
		const char *name;
		int level;
	} levels[] = {
		{ "error", LOG_ERR },
		{ "warning", LOG_WARNING },
		{ "notice", LOG_NOTICE },
		{ "info", LOG_INFO },
		{ "debug", LOG_DEBUG },
	};

	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (strcmp(levels[i].name, name) == 0)
			return levels[i].level;
	return -1;
}

static bool valid_level(const char *value)
{
	return config_log_level(value) >= 0;
}

int config_gpu_reset(const char *name)
{
	static const struct {
		const char *name;
		enum flow_gpu_reset how;
	} ways[] = {
		{ "auto", GPU_RESET_AUTO },
		{ "operator", GPU_RESET_OPERATOR },
		{ "true", GPU_RESET_OPERATOR },
		{ "off", GPU_RESET_OFF },
		{ "false", GPU_RESET_OFF },
	};

	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		if (strcmp(ways[i].name, name) == 0)
			return (int)ways[i].how;
	return -1;
}

static bool valid_gpu_reset(const char *value)
{
	return config_gpu_reset(value) >= 0;
}

static bool valid_command(const char *value)
{
	return !*value || *value == '/';
}

static bool valid_keypair_type(const char *value)
{
	return strcmp(value, "rsa") == 0 || strcmp(value, "ed25519") == 0;
}

static bool valid_name(const char *value)
{
	return *value && strlen(value) <= 255;
}

static bool valid_url(const char *value)
{
	const char *rest = str_starts(value, "https://")  ? value + strlen("https://")
			   : str_starts(value, "http://") ? value + strlen("http://")
							  : NULL;

	return !*value || (rest && *rest && *rest != '/' && rest[strlen(rest) - 1] != '/');
}

static bool valid_networks(const char *value)
{
	CLEANUP(free_ptr) char *copy = xstrdup(value);
	struct inet_network ignored;
	char *save = NULL;

	for (char *p = strtok_r(copy, ", \t", &save); p; p = strtok_r(NULL, ", \t", &save))
		if (!inet_network_parse(p, &ignored))
			return false;
	return true;
}

/* --- the keys ------------------------------------------------------------------------------------------- */

#define TEXT_OF(section, member, fallback, reload, help, valid, should)                                 \
	{                                                                                               \
		section, #member, CONFIG_TEXT, offsetof(struct config, member), fallback, 0, 0, reload, \
			help, valid, should                                                             \
	}
#define TEXT(section, member, fallback, reload, help) \
	TEXT_OF(section, member, fallback, reload, help, NULL, NULL)
#define INT(section, member, fallback, min, max, reload, help)                                             \
	{                                                                                                  \
		section, #member, CONFIG_INT, offsetof(struct config, member), fallback, min, max, reload, \
			help, NULL, NULL                                                                   \
	}
#define BOOL(section, member, fallback, reload, help)                                                   \
	{                                                                                               \
		section, #member, CONFIG_BOOL, offsetof(struct config, member), fallback, 0, 0, reload, \
			help, NULL, NULL                                                                \
	}

const struct config_key config_keys[] = {
	TEXT_OF("cloudd", region, "RegionOne", false, "name of the region in the catalog", valid_name,
		"a name"),
	TEXT_OF("cloudd", public_url, "", false,
		"how tenants reach the API, as https://name:port; empty: taken from each request's Host or "
		"X-Forwarded headers",
		valid_url, "https://NAME:PORT without a slash at the end, or empty"),
	TEXT_OF("cloudd", default_zone, "nova", false,
		"availability zone of hosts that are added without one", valid_name, "a name"),
	TEXT_OF("cloudd", state_dir, "/var/lib/cloudd", false, "where the database and the images live",
		valid_name, "a directory"),
	TEXT("cloudd", database, "", false, "the SQLite file; empty: cloudd.db in state_dir"),
	TEXT("cloudd", image_dir, "", false, "uploaded images; empty: images in state_dir"),
	TEXT_OF("cloudd", log_level, "info", true, "error, warning, notice, info or debug", valid_level,
		"error, warning, notice, info or debug"),
	INT("cloudd", disk_min_free_mib, "256", 0, 1048576, false,
		"what disks are to have left: below it servers, images and what else takes room are refused"),
	TEXT("backup", backup_dir, "", false,
		"where backups of the database are made; better another disk; empty: backups in state_dir"),
	INT("backup", backup_every_h, "0", 0, 8760, false,
		"how often one is made, in hours; 0: only when 'cloudctl backup' asks for it"),
	INT("backup", backup_keep, "7", 0, 10000, false, "how many are kept; the oldest goes; 0: all"),
	TEXT_OF("api", listen, "0.0.0.0:8774", false,
		"address and port of the TLS listener; [::]:8774 for IPv6", valid_listen,
		"ADDRESS:PORT, the address as 0.0.0.0 or [::]"),
	TEXT("api", tls_cert, "/etc/cloudd/pki/servercert.pem", false,
		"certificate chain (PEM); the file is read again on SIGHUP"),
	TEXT("api", tls_key, "/etc/cloudd/pki/serverkey.pem", false,
		"its private key (PEM); the file is read again on SIGHUP"),
	TEXT("api", socket, "/run/cloudd/cloudd.sock", false,
		"root-only unix socket for cloudctl; empty: none"),
	TEXT("api", metrics_token_file, "", false,
		"a file with the bearer token (32 characters or more) that may read /metrics, beside "
		"administrators; empty: none"),
	INT("api", body_max_kib, "1024", 16, 65536, false, "largest request body other than image data"),
	INT("api", connections_max, "4096", 8, 100000, false, "connections served at once; more wait"),
	INT("api", header_timeout_ms, "10000", 10, 600000, false,
		"from a request's first byte to the end of its headers"),
	INT("api", idle_timeout_ms, "75000", 10, 3600000, false, "a kept-alive connection without a request"),
	INT("api", body_timeout_ms, "30000", 10, 3600000, false,
		"window over which a body must move at least min_rate"),
	INT("api", min_rate, "1024", 1, 1000000000, false,
		"bytes a second below which a sender or reader is cut off"),
	INT("api", list_max, "1000", 1, 10000, false, "entries on a page of a list"),
	INT("api", audit_denied_max, "30", 0, 100000, false,
		"audit rows a minute and peer for requests without a valid token; more are counted in one "
		"row"),
	INT("api", requests_per_project_max, "1000", 16, 100000, false,
		"requests of a project that may wait for their turn; more are answered 429"),
	INT("api", queue_wait_max_ms, "5000", 100, 600000, false,
		"who would wait for longer is answered at once: 429 behind its own project's requests, 503 "
		"behind those of all"),
	INT("api", bodies_max_mib, "64", 4, 65536, false,
		"room for the bodies of requests under way; those of a project may take a quarter"),
	INT("api", image_max_gib, "100", 1, 100000, false, "largest image"),
	TEXT("images", import_hosts, "", false,
		"web servers that images may be imported from by https (web-download): host, host:port or "
		"*.domain, blanks between; empty: none"),
	TEXT_OF("images", import_networks, "", false,
		"networks that they may be in although private; without, only public addresses",
		valid_networks, "networks as 10.1.0.0/16 fd00::/8, with blanks between"),
	TEXT("images", import_ca, "", false,
		"certificates that vouch for them (PEM); empty: those of the system"),
	INT("images", import_timeout_s, "3600", 10, 86400, false, "for a whole download"),
	INT("identity", token_ttl_s, "14400", 60, 2592000, false, "life of a token"),
	INT("identity", password_threads, "1", 1, 64, false,
		"password checks at once; each takes 32 MiB and 0.2 s of a core"),
	INT("identity", password_queue, "32", 1, 10000, false,
		"password checks that may wait; more are answered 429"),
	INT("identity", lockout_failures, "5", 1, 1000, false,
		"wrong passwords in a row until the user has to wait"),
	INT("identity", lockout_s, "30", 1, 86400, false,
		"first wait; doubles with each further failure, up to an hour"),
	INT("identity", password_min_length, "1", 1, 128, false, "characters that a new password needs"),
	TEXT_OF("identity", password_regex, "", false,
		"extended regular expression that new passwords must match; empty: none",
		password_regex_valid, "an extended regular expression"),
	TEXT("identity", password_regex_says, "", false, "the same in words, for those who are refused"),
	INT("identity", password_expires_days, "0", 0, 3650, false,
		"life of a new password; then its user has to change it; 0: for ever"),
	INT("identity", password_unique_last, "0", 0, 24, false,
		"passwords of a user that are remembered and not taken again; each costs 0.2 s at a change"),
	INT("identity", password_min_age_days, "0", 0, 365, false,
		"before users may change their password again"),
	BOOL("identity", password_change_first, "false", false,
		"a password that an administrator has set must be changed at its first use"),
	INT("identity", app_credential_max_days, "0", 0, 3650, false,
		"longest life of an application credential, which then needs expires_at; 0: any"),
	BOOL("compute", force_config_drive, "true", false,
		"give every server a config drive, asked for or not: without it a guest learns neither its "
		"key nor its address"),
	TEXT_OF("compute", keypair_type, "rsa", false,
		"of the key pairs that are made here, for clients that bring no public key: rsa (2048 bits) "
		"or "
		"ed25519, in OpenSSH's own form",
		valid_keypair_type, "rsa or ed25519"),
	BOOL("compute", resize_to_same_host, "true", false,
		"a resized server may stay on its host; false: it always goes to another one"),
	TEXT_OF("compute", gpu_reset, "auto", false,
		"a GPU that a server had is given to nobody before it was reset and verified (auto), before "
		"'cloudctl gpu clear' says so (operator); off: it is given again at once",
		valid_gpu_reset, "auto, operator or off"),
	TEXT_OF("compute", gpu_verify_command, "", false,
		"a command, by its absolute path, that has the last word on a GPU that was reset; empty: "
		"none",
		valid_command, "an absolute path, or empty"),
	INT("compute", gpu_verify_timeout_s, "120", 1, 3600, false, "that it has for it"),
	INT("compute", resize_confirm_s, "0", 0, 31536000, false,
		"after how long a resize that nobody confirmed or reverted is confirmed; 0: never"),
	INT("compute", preempt_notice_s, "120", 0, 86400, false,
		"how long before it has to leave a preemptible server is told"),
	INT("compute", preempt_lead_s, "600", 0, 86400, false,
		"how long before a capacity block begins preemptible servers on its GPUs have to leave"),
	INT("compute", preempt_wait_s, "1800", 10, 86400, false,
		"how long a server waits for those that have to leave for it; then it goes elsewhere or "
		"fails"),
	INT("compute", moves_per_target, "2", 1, 1000, false,
		"how many servers drains of hosts move to one host at once"),
	INT("compute", moves_at_once, "16", 1, 10000, false,
		"how many moves may be under way in the cloud for a drain to begin another"),
	INT("compute", decisions_keep_days, "30", 1, 36500, false,
		"how long it is kept what placement was asked and answered"),
	INT("compute", shelved_offload_s, "0", -1, 31536000, false,
		"how long a shelved server stays on its host before its room is given back; -1: for ever"),
	TEXT("hosts", pki_dir, "/etc/cloudd/pki/client", false,
		"cacert.pem, clientcert.pem and clientkey.pem for the hosts"),
	INT("hosts", connect_timeout_ms, "10000", 100, 600000, false, "to open a connection to a host"),
	INT("hosts", call_timeout_ms, "60000", 100, 3600000, false, "for a host call"),
	INT("hosts", stage_timeout_s, "3600", 10, 86400, false, "to copy an image to a host"),
	INT("hosts", stop_timeout_s, "60", 1, 3600, false,
		"that a guest has to shut down before its plug is pulled"),
	INT("hosts", retry_min_ms, "500", 1, 60000, false, "first wait after a failure"),
	INT("hosts", retry_max_ms, "30000", 10, 3600000, false, "longest wait between tries"),
	INT("hosts", connects_max, "16", 1, 1000, false, "connections being opened at once"),
	INT("hosts", poll_s, "30", 1, 3600, false, "how often a connected host is looked over"),
	INT("hosts", unreachable_s, "30", 1, 86400, false,
		"after how long a host that is not heard is called unreachable, not doubtful"),
	INT("hosts", steady_s, "30", 0, 3600, false,
		"how long the connection of a host that was lost four times within a minute has to stand "
		"until it "
		"gets servers again; 0: no time"),
	TEXT("fencing", command_dir, "/etc/cloudd/fence.d", false,
		"where the programs of fence agents are, which only root may write to; empty: there are "
		"none"),
	TEXT("fencing", fence_key, "", false,
		"what passwords of fence agents are sealed with in the database, made when the first is set; "
		"empty: "
		"fencing.key in state_dir"),
	INT("fencing", fence_call_s, "15", 1, 600, false, "for a call to a fence agent"),
	INT("fencing", fence_deadline_s, "300", 1, 86400, false,
		"until a host's power has to be read as it was asked for"),
	INT("fencing", auto_after_s, "0", 0, 604800, false,
		"after how long a silent host is fenced without being asked; 0: never"),
	BOOL("fencing", auto_evacuate, "false", false, "and its servers are then made anew elsewhere"),
	INT("fencing", auto_max_hosts, "2", 1, 1000, false,
		"when more hosts than this, or a fifth of all, are silent, none is fenced: that is a "
		"network"),
	INT("fencing", evacuate_parallel, "4", 1, 256, false,
		"servers of a dead host that are made anew at once"),
	INT("consoles", console_keep_h, "24", 1, 744, false, "how long what servers print is kept, in hours"),
	INT("consoles", console_keep_mib, "4", 1, 1024, false,
		"and how much of one server's; the oldest goes"),
	INT("consoles", console_total_mib, "4096", 1, 1048576, false, "and of all together"),
	INT("consoles", console_poll_s, "10", 1, 3600, false,
		"how often it is read from the hosts; of quiet servers up to six times as seldom"),
	INT("consoles", console_token_s, "600", 1, 86400, false,
		"life of a remote console's one-time address"),
	INT("consoles", console_idle_s, "1800", 0, 86400, false,
		"after which a remote console without input or output is closed; 0: never"),
	INT("consoles", console_life_s, "14400", 0, 604800, false, "after which it is closed; 0: never"),
	INT("consoles", consoles_max, "256", 0, 10000, false, "remote consoles open at once"),
	INT("billing", budgets_every_s, "3600", 1, 86400, false, "how often budgets are looked at"),
	INT("samples", sample_s, "60", 0, 3600, false,
		"how often hosts are asked what their servers use; 0: never"),
	INT("samples", sample_raw_hours, "48", 1, 8760, false,
		"how long that is kept by the minute, in hours"),
	INT("samples", sample_keep_days, "400", 1, 36500, false, "and by the hour, in days"),
	INT("events", events_keep_days, "30", 1, 36500, false, "how long events are kept"),
	INT("events", events_max, "1000000", 1000, 100000000, false, "and how many; the oldest go"),
	INT("events", events_streams_max, "256", 0, 10000, false,
		"streams of events open at once; a project may have a quarter of them"),
	INT("events", events_heartbeat_s, "15", 1, 300, false,
		"how often a quiet stream says that it is there"),
	TEXT("events", webhook_hosts, "", false,
		"where webhooks may lead: host, host:port, *.domain or *, blanks between; empty: there are "
		"none"),
	TEXT_OF("events", webhook_networks, "", false,
		"networks that they may be in although private; without, only public addresses",
		valid_networks, "networks as 10.1.0.0/16 fd00::/8, with blanks between"),
	BOOL("events", webhook_http, "false", false,
		"they may be http: what is sent can be read and changed on its way"),
	TEXT("events", webhook_ca, "", false,
		"certificates that vouch for them (PEM); empty: those of the system"),
	TEXT("events", webhook_key, "", false,
		"what their secrets are sealed with in the database, made at the first start; empty: "
		"webhooks.key in "
		"state_dir"),
	INT("events", webhook_timeout_s, "10", 1, 300, false, "for a delivery"),
	INT("events", webhook_threads, "8", 2, 256, false,
		"deliveries at once; those to webhooks that failed last take half of them"),
	INT("events", webhook_give_up_h, "24", 1, 744, false,
		"how old an event may become that cannot be delivered"),
	INT("events", webhooks_max, "10", 0, 1000, false, "of a project"),
	TEXT("audit", audit_key, "", false,
		"the key that signs the audit, made at the first start; empty: audit.key in state_dir. "
		"Better "
		"where backups of the database do not go"),
	TEXT("audit", audit_witness, "", false,
		"file to which signed heads are added, best on another machine's disk; empty: none"),
	INT("audit", audit_head_s, "60", 1, 86400, false,
		"how long a record waits until a head that covers it is signed"),
	INT("audit", audit_head_records, "1000", 1, 10000, false, "a head is also signed after so many"),
	INT("audit", audit_keep_days, "400", 0, 36500, false, "how long records are kept; 0: for ever"),
};
const size_t config_keys_n = ARRAY_LEN(config_keys);

enum { LINE_BYTES = 8192 };

struct reader {
	struct config *config;
	char wrong[200]; /* the first complaint; "" none */
};

/* Keeps the first complaint; returns 0, which is inih's sign to stop there. */
static int fail(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int fail(struct reader *r, const char *fmt, ...)
{
	va_list ap;

	if (r->wrong[0])
		return 0;
	va_start(ap, fmt);
	vsnprintf(r->wrong, sizeof r->wrong, fmt, ap);
	va_end(ap);
	return 0;
}

/* 1 done, 0 with *should naming what would be right */
static int assign(struct config *c, const struct config_key *k, const char *value, char *should, size_t size)
{
	void *to = (char *)c + k->offset;

	if (k->valid && !k->valid(value)) {
		str_copy(should, size, k->should);
		return 0;
	}
	if (k->type == CONFIG_TEXT) {
		*(const char **)to = arena_strdup(&c->arena, value);
		return 1;
	}
	if (k->type == CONFIG_BOOL) {
		str_copy(should, size, "true or false");
		return str_bool(value, to);
	}
	if (str_int64(value, k->min, k->max, to))
		return 1;
	snprintf(should, size, "an integer from %lld to %lld", (long long)k->min, (long long)k->max);
	return 0;
}

static int set_gpu(struct reader *r, const char *gpu, const char *name, const char *value)
{
	struct config *c = r->config;
	struct flow_gpu_model *m = NULL;
	unsigned v;
	char *end;

	for (size_t i = 0; i < c->gpus_n; i++)
		if (strcmp(c->gpus[i].name, gpu) == 0)
			m = &c->gpus[i];
	if (!m) {
		if (c->gpus_n == CONFIG_GPUS_MAX)
			return fail(r, "more than %d gpu sections", CONFIG_GPUS_MAX);
		m = &c->gpus[c->gpus_n++];
		m->name = arena_strdup(&c->arena, gpu);
	}
	v = (unsigned)strtoul(value, &end, 16);
	if (end == value || *end || v > 0xffff)
		return fail(r, "[gpu %s] %s must be a PCI id of four hex digits", gpu, name);
	if (strcmp(name, "vendor") == 0)
		m->vendor_id = v;
	else if (strcmp(name, "product") == 0)
		m->product_id = v;
	else
		return fail(r, "[gpu %s] has no key '%s'; it has vendor and product", gpu, name);
	return 1;
}

static bool set_source(struct config *c, struct provider_network *n, const char *value)
{
	n->is_bridge = str_starts(value, "bridge:");
	if (!n->is_bridge && !str_starts(value, "network:"))
		return false;
	n->source = arena_strdup(&c->arena, strchr(value, ':') + 1);
	return n->source[0] != '\0';
}

static bool set_cidr(struct provider_network *n, const char *value)
{
	struct error ignored;

	return ipam_cidr_parse(value, &n->cidr, &ignored) == 0 && n->cidr.prefix >= 8 && n->cidr.prefix <= 30;
}

static bool set_pool(struct provider_network *n, const char *value)
{
	char first[16];
	const char *dash = strchr(value, '-');

	if (!dash || (size_t)(dash - value) >= sizeof first)
		return false;
	memcpy(first, value, (size_t)(dash - value));
	first[dash - value] = '\0';
	return ipam_parse(first, &n->pool.first) && ipam_parse(dash + 1, &n->pool.last) &&
	       n->pool.first <= n->pool.last;
}

static bool set_mtu(struct provider_network *n, const char *value)
{
	int64_t mtu;

	if (!str_int64(value, 576, 65535, &mtu))
		return false;
	n->mtu = (int)mtu;
	return true;
}

/* Written into the config drive as they are, so without blanks. */
static bool set_dns(struct config *c, struct provider_network *n, const char *value)
{
	CLEANUP(free_ptr) char *copy = xstrdup(value);
	char *all = arena_alloc(&c->arena, strlen(value) + 1), *end = all, *save = NULL;
	uint32_t ignored;

	for (char *p = strtok_r(copy, ", \t", &save); p; p = strtok_r(NULL, ", \t", &save)) {
		if (!ipam_parse(p, &ignored))
			return false;
		if (end != all)
			*end++ = ',';
		end = stpcpy(end, p);
	}
	*end = '\0';
	n->dns = all;
	return true;
}

static int set_network(struct reader *r, const char *net, const char *name, const char *value)
{
	struct config *c = r->config;
	struct provider_network *n = NULL;
	const char *should = NULL;

	for (size_t i = 0; i < c->networks_n; i++)
		if (strcmp(c->networks[i].name, net) == 0)
			n = &c->networks[i];
	if (!n) {
		if (c->networks_n == CONFIG_NETWORKS_MAX)
			return fail(r, "more than %d network sections", CONFIG_NETWORKS_MAX);
		n = &c->networks[c->networks_n++];
		*n = (struct provider_network) {
			.name = arena_strdup(&c->arena, net), .dns = "", .mtu = 1500
		};
	}
	if (strcmp(name, "source") == 0)
		should = set_source(c, n, value) ? NULL : "network:NAME (a libvirt network) or bridge:NAME";
	else if (strcmp(name, "cidr") == 0)
		should = set_cidr(n, value) ? NULL : "an IPv4 range as 10.0.0.0/24, of /8 to /30";
	else if (strcmp(name, "gateway") == 0)
		should = !*value || ipam_parse(value, &n->gateway) ? NULL : "an IPv4 address";
	else if (strcmp(name, "pool") == 0)
		should = set_pool(n, value) ? NULL : "FIRST-LAST";
	else if (strcmp(name, "mtu") == 0)
		should = set_mtu(n, value) ? NULL : "an integer from 576 to 65535";
	else if (strcmp(name, "dns") == 0)
		should = set_dns(c, n, value) ? NULL : "IPv4 addresses with commas between";
	else
		return fail(r,
			"[network %s] has no key '%s'; it has source, cidr, gateway, pool, dns and mtu", net,
			name);
	return should ? fail(r, "[network %s] %s must be %s", net, name, should) : 1;
}

static int on_value(void *user, const char *section, const char *name, const char *value)
{
	struct reader *r = user;
	char should[80];

	if (r->wrong[0] || !name)
		return !r->wrong[0];
	if (str_starts(section, "gpu "))
		return set_gpu(r, section + 4, name, value);
	if (str_starts(section, "network "))
		return set_network(r, section + 8, name, value);
	for (size_t i = 0; i < config_keys_n; i++) {
		const struct config_key *k = &config_keys[i];

		if (strcmp(k->section, section) != 0 || strcmp(k->name, name) != 0)
			continue;
		if (!assign(r->config, k, value, should, sizeof should))
			return fail(r, "[%s] %s must be %s", section, name, should);
		return 1;
	}
	return fail(r, "there is no key '%s' in section [%s]", name, section);
}

/* Settles the pool: as given, or all hosts of the range above the gateway. */
static int check_network(struct provider_network *n, const char *path, struct error *err)
{
	struct ipam_pool defaults[2];
	size_t defaults_n;

	if (!n->source || !n->cidr.prefix)
		return error_set(
			err, ERR_BAD_REQUEST, "%s: [network %s] needs source and cidr", path, n->name);
	if (n->gateway && !ipam_cidr_has(&n->cidr, n->gateway))
		return error_set(err, ERR_BAD_REQUEST, "%s: [network %s] gateway must be an address of cidr",
			path, n->name);
	if (!n->pool.last) {
		defaults_n = ipam_pools_default(&n->cidr, n->gateway, defaults);
		n->pool = defaults[defaults_n - 1];
	}
	if (ipam_pools_check(&n->cidr, n->gateway, &n->pool, 1, err) < 0) {
		error_wrap(err, "%s: [network %s] pool", path, n->name);
		return -1;
	}
	return 0;
}

static int check_sections(struct config *c, const char *path, struct error *err)
{
	for (size_t i = 0; i < c->gpus_n; i++)
		if (!c->gpus[i].vendor_id || !c->gpus[i].product_id)
			return error_set(err, ERR_BAD_REQUEST, "%s: [gpu %s] needs vendor and product", path,
				c->gpus[i].name);
	for (size_t i = 0; i < c->networks_n; i++)
		if (check_network(&c->networks[i], path, err) < 0)
			return -1;
	return 0;
}

int config_load(const char *path, struct config *out, struct error *err)
{
	struct config c = { 0 };
	struct reader r = { .config = &c };
	char ignored[80];
	int rc;

	for (size_t i = 0; i < config_keys_n; i++)
		assign(&c, &config_keys[i], config_keys[i].fallback, ignored, sizeof ignored);
	ini_allow_multiline = false; /* an indented line is a line like any other */
	ini_use_stack = false;
	ini_allow_realloc = true;
	ini_max_line = LINE_BYTES;
	rc = ini_parse(path, on_value, &r);
	if (rc < 0)
		error_set(err, ERR_BAD_REQUEST, "%s: cannot be read: %s", path, strerror(errno));
	else if (rc > 0)
		error_set(err, ERR_BAD_REQUEST, "%s:%d: %s", path, rc,
			r.wrong[0] ? r.wrong : "not a [section], a key = value line or a comment");
	if (rc != 0 || check_sections(&c, path, err) < 0) {
		config_finish(&c);
		return -1;
	}
	if (!c.database[0])
		c.database = arena_printf(&c.arena, "%s/cloudd.db", c.state_dir);
	if (!c.backup_dir[0])
		c.backup_dir = arena_printf(&c.arena, "%s/backups", c.state_dir);
	if (!c.image_dir[0])
		c.image_dir = arena_printf(&c.arena, "%s/images", c.state_dir);
	if (!c.audit_key[0])
		c.audit_key = arena_printf(&c.arena, "%s/audit.key", c.state_dir);
	if (!c.fence_key[0])
		c.fence_key = arena_printf(&c.arena, "%s/fencing.key", c.state_dir);
	if (!c.webhook_key[0])
		c.webhook_key = arena_printf(&c.arena, "%s/webhooks.key", c.state_dir);
	*out = c;
	return 0;
}

void config_finish(struct config *c)
{
	arena_finish(&c->arena);
}

void config_show(const struct config *c, struct buf *out)
{
	jw_object(out);
	jw_key(out, "config");
	jw_array(out);
	for (size_t i = 0; i < config_keys_n; i++) {
		const struct config_key *k = &config_keys[i];
		const void *at = (const char *)c + k->offset;

		jw_object(out);
		jw_key(out, "name");
		jw_strf(out, "%s.%s", k->section, k->name);
		jw_key(out, "value");
		if (k->type == CONFIG_TEXT)
			jw_str(out, *(const char *const *)at);
		else if (k->type == CONFIG_BOOL)
			jw_bool(out, *(const bool *)at);
		else
			jw_int(out, *(const int64_t *)at);
		jw_kv_str(out, "default", k->fallback);
		jw_kv_bool(out, "reloadable", k->reloadable);
		jw_kv_str(out, "help", k->help);
		jw_end_object(out);
	}
	jw_end_array(out);
	jw_end_object(out);
}

void config_example(struct buf *out)
{
	const char *section = "";

	buf_puts(out, "# cloudd's configuration: every key with its default. See cloudd.conf(5).\n"
		      "# Keys marked (reload) are taken over on SIGHUP; the others need a restart.\n");
	for (size_t i = 0; i < config_keys_n; i++) {
		const struct config_key *k = &config_keys[i];

		if (strcmp(section, k->section) != 0)
			buf_printf(out, "\n[%s]\n", section = k->section);
		buf_printf(out, "# %s%s\n%s =%s%s\n", k->help, k->reloadable ? " (reload)" : "", k->name,
			k->fallback[0] ? " " : "", k->fallback);
	}
	buf_puts(out,
		"\n# What a PCI id is called in flavors (pci_passthrough:alias = NAME:COUNT); as many "
		"sections as models.\n"
		"# GPUs for data centres have names without one (docs/gpu.md), such as h100-sxm5.\n"
		"#[gpu h100]\n#vendor = 10de\n#product = 2330\n"
		"\n# A network of the provider's that guests are plugged into; as many sections as "
		"networks.\n"
		"# source: network:NAME is a libvirt network, bridge:NAME a bridge, both on every host.\n"
		"#[network public]\n#source = bridge:br0\n#cidr = 192.0.2.0/24\n#gateway = 192.0.2.1\n"
		"#pool = 192.0.2.10-192.0.2.250\n#dns = 192.0.2.1\n#mtu = 1500\n");
}
