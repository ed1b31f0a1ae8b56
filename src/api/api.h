/* SPDX-License-Identifier: Apache-2.0 */
/* The dispatcher: from a request to a row of a route table, with token, role, microversion and body checked
 * on the way, and back with the service's own shape of errors. Handlers are three moves: parse into a plain
 * struct, call domain / store / flow, render a view. */
#ifndef API_API_H
#define API_API_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/principal.h"
#include "base/arena.h"
#include "base/bind.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "domain/password.h"
#include "http/http.h"
#include "http/router.h"
#include "http/websocket.h"
#include "loop/loop.h"
#include "loop/tick.h"
#include "store/db.h"

struct admission;
struct api_call;
struct backups;
struct billing;
struct audit_keeper;
struct flow_engine;
struct identity;
struct lane_pool;
struct long_reads;
struct consoles;
struct event_streams;
struct webhooks;
struct housekeeping;
struct metrics;
struct request_key;
struct resources;

/* 0 with c->status and c->out set, or -1 with err: the dispatcher makes the service's error body of it. */
typedef int api_handler(struct api_call *c, struct error *err);

enum api_role {
	ROLE_NONE,   /* no token needed (discovery, authentication) */
	ROLE_ANY,    /* a valid token, also an unscoped one */
	ROLE_READER, /* reader, member or admin, scoped to a project */
	ROLE_MEMBER, /* member or admin, scoped to a project */
	ROLE_ADMIN   /* admin in any scope */
};

enum api_route_flags {
	/* GET and HEAD run at once on the read-only connection; all others run inside the tick on the
	 * read-write one, and the reply leaves after the commit. A route with ROUTE_OWN runs at once on the
	 * read-only connection and answers itself, now or later: api_reply, api_fail, or api_submit to go on
	 * inside the tick. */
	ROUTE_OWN = 1,
	ROUTE_STREAM = 2,    /* with ROUTE_OWN: called before the body; c->stream gets its pieces */
	ROUTE_RAW_BODY = 4,  /* the body is not parsed as JSON */
	ROUTE_NO_BODY = 8,   /* a body is ignored */
	ROUTE_ANY_JSON = 16, /* the body may be any JSON (JSON patch), with any content type */
	ROUTE_SECRET = 32,   /* the path names a secret: log and audit rows show the table's instead */
	ROUTE_ANEW = 64,     /* each request has its own effect: an Idempotency-Key is passed over */
	ROUTE_BEARER = 128,  /* also for who has the token of the metrics */
	/* makes what takes room, and stays: refused when the database's disk is nearly full; and image data,
	 * also when that of the images is */
	ROUTE_GROWS = 256,
	ROUTE_IMAGES = 512,
	ROUTE_LONG = 1024 /* a list that may take long: api/long_reads.h says what its handler may use */
};

struct api_route {
	const char *method, *path; /* path below the service's prefix */
	api_handler *handler;
	enum api_role role;
	int since, until; /* microversion minors; 0: open */
	unsigned flags;
	const char *name; /* for audit and metrics: "server.create" */
	/* What the body must be: checked before the handler, which finds the values in c->in. */
	const struct bind_table *body;
};

struct api_service {
	const char *name;   /* "compute" */
	const char *prefix; /* "/compute/v2.1" */
	const struct api_route *routes;
	size_t routes_n;
	/* Microversions: 0 where the service has none. */
	int version_major, version_min, version_max;
	const char *version_name;   /* in OpenStack-API-Version: "compute" */
	const char *version_legacy; /* "X-OpenStack-Nova-API-Version" or NULL */
	bool project_prefix;        /* a leading segment equal to the token's project id is dropped */
	/* Writes the error's body into c->out and may add headers; c->status is set. */
	void (*error_body)(struct api_call *c, const struct error *err);
};

extern const struct api_service service_identity, service_compute, service_image, service_network,
	service_placement, service_operator, service_root;

struct api_config {
	const char *public_url; /* "https://cloud.example:8774"; NULL: from X-Forwarded-* or Host */
	const char *region;
	const char *image_dir; /* uploaded images, one file each, named by id */
	const char *default_zone;
	const char *backup_dir;
	int64_t backup_every_us; /* 0: only when asked for */
	size_t backup_keep;      /* 0: all */
	int64_t image_size_max;  /* bytes */
	int64_t disk_reserve;    /* bytes that disks are to have left, or nothing new is taken; 0: none */
	/* web-download: off without hosts; "host[:port] *.domain", networks that are allowed though private
	 */
	const char *import_hosts, *import_networks, *import_ca;
	int64_t import_timeout_s, import_min_rate;
	int64_t token_ttl_s;
	unsigned list_max;          /* page size limit: 1000 */
	unsigned queue_wait_max_ms; /* who would wait longer is turned away */
	bool force_config_drive;
	bool ed25519_keypairs; /* of key pairs that are made here; else RSA */
	unsigned password_threads, password_queue;
	unsigned lockout_failures, lockout_s;
	struct password_rules passwords;
	int64_t credential_max_days; /* of application credentials; 0: for ever */
	unsigned audit_denied_max;   /* audit rows a minute and peer of requests without a valid token */
	int64_t budgets_every_s;
	int64_t decisions_keep_us;                               /* of placement; 0: for ever */
	int64_t custody_keep_us;                                 /* who had GPUs; 0: for ever */
	int64_t console_token_s, console_idle_s, console_life_s; /* 0: no such limit */
	unsigned consoles_max;
	unsigned events_streams_max, events_heartbeat_ms;
	int64_t events_keep_us, events_max; /* of what happened */
	/* as those of the import; without hosts there are no webhooks */
	const char *webhook_hosts, *webhook_networks, *webhook_ca, *webhook_key;
	bool webhook_http;
	int64_t webhook_timeout_s, webhook_give_up_us;
	unsigned webhook_threads, webhooks_max; /* max: of a project */
	const char *metrics_token; /* of who may read /metrics without being an administrator; NULL: nobody */
	/* For GET /cloud/v1/config: the daemon's table of keys, rendered. */
	void (*show_config)(void *ctx, struct buf *out);
	void *show_config_ctx;
};

struct api {
	struct loop *loop;
	struct tick *tick;
	struct store *store;
	struct flow_engine *flows;
	struct audit_keeper *audit; /* NULL: nothing is signed */
	struct lane_pool *lanes;
	struct backups *backups; /* of the database: api/backups.h */
	struct billing *billing;
	struct identity *identity; /* token cache and password pool; api/identity owns it */
	struct http_server *http;
	struct admission *admission;
	struct long_reads *long_reads; /* NULL: all is read on the loop */
	struct housekeeping *housekeeping;
	struct metrics *metrics;
	struct resources *resources; /* that may run short: api/resources.h */
	struct consoles *consoles;   /* remote ones: api/consoles.h */
	struct event_streams *event_streams;
	struct webhooks *webhooks;
	struct api_config config;
	struct router *router;
	char **patterns; /* prefix and path of each row, for the router */
	size_t patterns_n;
	int64_t started_us; /* wall clock */
	unsigned calls;     /* in flight */
	uint64_t requests, denied;
};

/* Fills in the router from the services' tables and prepares identity. config's strings are borrowed. */
int api_init(struct api *api, struct error *err);
void api_finish(struct api *api);
/* No more work on time's account: the tick can be drained. Harmless before api_init. */
void api_stop(struct api *api);
/* What http_server_create wants. */
struct http_handler api_http_handler(struct api *api);
/* All tables, for tests and docs; ends at n. */
const struct api_service *const *api_services(size_t *n);

struct api_stream {
	bool (*data)(struct api_call *c, const void *p, size_t n); /* as http_handler.data */
	void (*end)(struct api_call *c);
	void (*abort)(struct api_call *c); /* must end with api_fail or api_reply */
	void (*drain)(struct api_call *c); /* for a streamed reply */
	void (*left)(struct api_call *c);  /* as http_handler.left; must end the reply */
	void *data_ctx;
};

struct api_call {
	struct api *api;
	struct http_request *http;
	struct arena *arena; /* the request's */
	const struct api_service *service;
	const struct api_route *route; /* NULL when none was found */
	struct route_match match;
	const char *path;      /* the request's, without a leading project id */
	struct principal *who; /* held by the call; NULL with ROLE_NONE and no token */
	char request_id[44];   /* "req-<uuid>" */
	int version;           /* microversion's minor; 0 where the service has none */
	json_t *body;          /* parsed; NULL when there was none */
	void *in;              /* the struct of the route's body table, filled in; what is absent is zero */
	struct bind_seen seen; /* which of the table's fields came */
	struct db *db;         /* read-only, or read-write inside the tick */
	int64_t now_us;        /* wall clock at the start of the handler */
	struct api_stream stream;
	/* the reply */
	int status;
	const char *content_type; /* NULL: application/json */
	struct buf out;
	struct http_pair headers[16];
	size_t headers_n;
	/* for the audit row */
	const char *action; /* NULL: the route's name */
	const char *target; /* id of what was acted on */
	bool audited;       /* it has been written, or needs none */
	/* called once, on the loop, after the commit and before the reply: hand things over, start what
	 * waited */
	void (*committed)(struct api_call *c);
	/* private to the dispatcher */
	api_handler *in_tick;
	struct request_key *key; /* a POST with an Idempotency-Key: idempotency.c */
	struct tick_unit unit;
	struct error error;
	int64_t begun_us;
	bool away;                  /* the handler is on a thread: api/long_reads.h */
	const int64_t *hosts_heard; /* with it, for administrators */
	size_t hosts_heard_n;
	uint64_t owner;   /* in whose line it stands: api/admission.h */
	unsigned retry_s; /* Retry-After of a refusal that passes; 0: a second */
};

/* --- for handlers --- */

/* A {name} of the path. Never NULL: asserts that the route has it. */
const char *api_param(const struct api_call *c, const char *name);
/* First value of a query parameter or NULL. */
const char *api_query(const struct api_call *c, const char *name);
/* Query value as a boolean by str_bool; absent: fallback; nonsense: fallback. */
bool api_query_bool(const struct api_call *c, const char *name, bool fallback);
/* Adds a header to the reply; both borrowed until the reply (arena or constant). */
void api_header(struct api_call *c, const char *name, const char *value);
/* Absolute URL of a path: "https://host:port" + path. In the arena. */
const char *api_url(struct api_call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "links": [...] helpers are the services' own. */
bool api_is_admin(const struct api_call *c);
/* The name of who asks; root on the unix socket has none of its own. */
const char *api_who(const struct api_call *c);

/* ROUTE_OWN handlers end in exactly one of these. */
void api_reply(struct api_call *c); /* sends c->status and c->out */
void api_fail(
	struct api_call *c, const struct error *err); /* sends the error's body; audits a refused write */
void api_submit(struct api_call *c, api_handler *in_tick); /* runs it in the tick, then replies */
/* or answers in pieces: start with c->status and c->content_type, http_respond_write, end. c->stream.drain
 * tells when to write on. length -1: chunked. */
void api_stream_start(struct api_call *c, int64_t length);
void api_stream_end(struct api_call *c, bool ok); /* ok=false: cut off, so that the peer notices */
/* or becomes a WebSocket, when http_websocket_asked says FINE. NULL: the peer has left; the call is over in
 * either case. */
struct http_websocket *api_websocket(struct api_call *c, const char *protocol,
	const struct http_websocket_limits *limits, const struct http_websocket_events *events, void *ctx);

/* --- lists: paging and sorting, the same for all services --- */

struct api_page {
	int64_t limit; /* 1..config.list_max */
	bool limit_given;
	const char *marker; /* id of the last item seen, or NULL */
	const char *sort_key;
	bool descending;
};

/* The query's limit, at most config.list_max, which is also what holds without one; out_given may be NULL. */
int api_limit(struct api_call *c, int64_t *out, bool *out_given, struct error *err);
/* The one answer to a marker that is not in the list. Always -1. */
int api_marker_missing(const char *marker, struct error *err);
/* Where a page begins in a sorted array of n structs of `size`, whose id (const char *) is at `offset`:
 * behind the marker's, or 0 without one. */
int api_page_start(const struct api_page *page, const void *list, size_t n, size_t size, size_t offset,
	size_t *out, struct error *err);
/* Reads limit, marker, sort_key, sort_dir. limit that is no integer or negative: ERR_BAD_REQUEST. sort_key
 * must be among `keys` (NULL-ended; the first is the default), else ERR_BAD_REQUEST. */
int api_page(struct api_call *c, const char *const *keys, bool default_descending, struct api_page *out,
	struct error *err);
/* This request's URL with marker replaced: for next links. */
const char *api_next_url(struct api_call *c, const char *marker);
/* {"rel": …, "href": …} */
void api_link(struct api_call *c, const char *rel, const char *href);
/* "<name>": [{"rel": "next", "href": …}], as compute and network have it */
void api_next_link(struct api_call *c, const char *name, const char *marker);

/* --- errors
 * -------------------------------------------------------------------------------------------------------------
 */

int api_error_status(enum err code); /* the one place where a code meets HTTP */
/* {"<name>": {"code", "message"}} by status: compute's shape (and volume's). */
void api_error_body_compute(struct api_call *c, const struct error *err);
/* {"error": {"code", "message", "title"}}: identity's, operator's, and 401 everywhere. */
void api_error_body_identity(struct api_call *c, const struct error *err);

#endif
