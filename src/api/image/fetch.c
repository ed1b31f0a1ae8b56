/* SPDX-License-Identifier: Apache-2.0 */
#include "api/image/fetch.h"

#include <curl/curl.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/util.h"
#include "domain/image_inspect.h"
#include "domain/inet.h"

enum { PIECE_BYTES = 256 * 1024, CONNECT_S = 30, SLOW_S = 60, ADDRESSES_MAX = 16 };
_Static_assert((int)PIECE_BYTES >= (int)INSPECT_BYTES, "the start is looked at before any of it is written");

static atomic_bool stopping;

struct target {
	char *host, *port; /* curl's */
};

static void target_finish(struct target *t)
{
	curl_free(t->host);
	curl_free(t->port);
}

static void url_free(CURLU **u)
{
	curl_url_cleanup(*u);
}

/* --- what may be asked for --- */

/* An entry of the list: "host", "*.domain", either with ":port"; else the port is https's own. */
static bool entry_fits(const char *entry, size_t n, const struct target *t)
{
	const char *colon = memrchr(entry, ':', n);
	size_t host_n = colon ? (size_t)(colon - entry) : n, have = strlen(t->host);
	const char *port = colon ? colon + 1 : "443";
	size_t port_n = colon ? n - host_n - 1 : strlen(port);

	if (strlen(t->port) != port_n || strncmp(t->port, port, port_n) != 0)
		return false;
	if (host_n > 2 && entry[0] == '*' && entry[1] == '.')
		return have > host_n - 1 &&
		       strncasecmp(t->host + have - (host_n - 1), entry + 1, host_n - 1) == 0;
	return have == host_n && strncasecmp(t->host, entry, host_n) == 0;
}

static bool is_listed(const char *hosts, const struct target *t)
{
	for (const char *p = hosts; *p;) {
		size_t n = strcspn(p, ", \t");

		if (n && entry_fits(p, n, t))
			return true;
		p += n + strspn(p + n, ", \t");
	}
	return false;
}

static int refuse_uri(struct error *err, const char *why)
{
	return error_set(err, ERR_BAD_REQUEST, "method.uri: %s", why);
}

static int parse(const char *uri, struct target *out, struct error *err)
{
	CLEANUP(url_free) CURLU *u = curl_url();
	char *scheme = NULL, *user = NULL, *password = NULL;
	bool https, plain;

	if (!u || curl_url_set(u, CURLUPART_URL, uri, 0) || curl_url_get(u, CURLUPART_SCHEME, &scheme, 0))
		return refuse_uri(err, "this is not a URL");
	https = strcmp(scheme, "https") == 0;
	plain = curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_NO_USER &&
		curl_url_get(u, CURLUPART_PASSWORD, &password, 0) == CURLUE_NO_PASSWORD;
	curl_free(scheme);
	curl_free(user);
	curl_free(password);
	if (!https)
		return refuse_uri(err, "only https is offered");
	if (!plain)
		return refuse_uri(err, "a user or password in it is not allowed");
	if (curl_url_get(u, CURLUPART_HOST, &out->host, 0) ||
		curl_url_get(u, CURLUPART_PORT, &out->port, CURLU_DEFAULT_PORT))
		return refuse_uri(err, "it names no host");
	return 0;
}

static int target_of(const char *uri, const char *hosts, struct target *out, struct error *err)
{
	if (parse(uri, out, err) < 0)
		return -1;
	if (!is_listed(hosts, out))
		return refuse_uri(err, "images are not imported from this host");
	return 0;
}

int fetch_uri_check(const char *uri, const char *hosts, struct error *err)
{
	CLEANUP(target_finish) struct target t = { 0 };

	return target_of(uri, hosts, &t, err);
}

/* --- to which addresses --- */

static bool may_reach(const char *networks, const struct sockaddr *a)
{
	struct inet_network net;
	char text[64];

	if (inet_is_public(a))
		return true;
	for (const char *p = networks; *p;) {
		size_t n = strcspn(p, ", \t");

		if (n && n < sizeof text) {
			memcpy(text, p, n);
			text[n] = '\0';
			if (inet_network_parse(text, &net) && inet_network_has(&net, a))
				return true;
		}
		p += n + strspn(p + n, ", \t");
	}
	return false;
}

static void addresses_free(struct addrinfo **all)
{
	if (*all)
		freeaddrinfo(*all);
}

/* One that is not allowed among them is enough to refuse the host: it may be the one that is tried next time.
 */
static int resolve(const struct fetch *f, const struct target *t, struct buf *out, struct error *err)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	CLEANUP(addresses_free) struct addrinfo *all = NULL;
	size_t n = strlen(t->host);
	char host[256], text[64];
	int found = 0;

	if (n >= sizeof host)
		return refuse_uri(err, "its host's name is too long");
	memcpy(host, t->host, n + 1);
	if (host[0] == '[' && host[n - 1] == ']') { /* an IPv6 address */
		memmove(host, host + 1, n - 2);
		host[n - 2] = '\0';
	}
	if (getaddrinfo(host, t->port, &hints, &all) != 0)
		return refuse_uri(err, "its host cannot be found");
	buf_printf(out, "%s:%s:", t->host, t->port);
	for (const struct addrinfo *a = all; a && found < ADDRESSES_MAX; a = a->ai_next) {
		if (!may_reach(f->networks, a->ai_addr))
			return refuse_uri(err, "its host has an address that is private or reserved");
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
			return refuse_uri(err, "its host has an address that cannot be read");
		buf_printf(out, a->ai_family == AF_INET6 ? "%s[%s]" : "%s%s", found++ ? "," : "", text);
	}
	return found ? 0 : refuse_uri(err, "its host has no address");
}

/* The last word, whatever led here. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
	const struct fetch *f = ctx;

	(void)purpose;
	if (!may_reach(f->networks, &a->addr))
		return CURL_SOCKET_BAD;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* --- the data --- */

static int act(struct fetch *f, enum writer_act what)
{
	struct writer *w = f->writer;

	w->act = what;
	if (what != WRITER_DROP) {
		struct buf empty = w->data;

		w->data = f->piece;
		f->piece = empty;
		f->piece.len = 0;
	}
	w->job.run(&w->job);
	if (w->err.code && !f->err.code)
		f->err = w->err;
	w->err = (struct error) { 0 };
	return f->err.code ? -1 : 0;
}

static int inspect(struct fetch *f)
{
	size_t n = f->piece.len < INSPECT_BYTES ? f->piece.len : INSPECT_BYTES;

	f->inspected = true;
	return image_inspect(f->piece.data ? f->piece.data : "", n, f->format, &f->virtual_size, &f->err);
}

static int take(struct fetch *f, const char *p, size_t n)
{
	long status = 0;

	curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return error_set(&f->err, ERR_BAD_REQUEST, "the host answered with status %ld", status);
	if (f->writer->size + (int64_t)f->piece.len + (int64_t)n > f->max_bytes)
		return error_set(&f->err, ERR_TOO_LARGE,
			"the image is larger than the %lld bytes that it may have", (long long)f->max_bytes);
	buf_append(&f->piece, p, n);
	if (!f->inspected && f->piece.len >= INSPECT_BYTES && inspect(f) < 0)
		return -1;
	return f->piece.len < PIECE_BYTES ? 0 : act(f, WRITER_WRITE);
}

static size_t on_data(char *p, size_t size, size_t n, void *ctx)
{
	return take(ctx, p, size * n) < 0 ? 0 : size * n;
}

static int on_progress(void *ctx, curl_off_t total, curl_off_t now, curl_off_t up, curl_off_t up_now)
{
	(void)ctx;
	(void)total;
	(void)now;
	(void)up;
	(void)up_now;
	return atomic_load(&stopping);
}

/* --- the transfer --- */

static void set_bounds(struct fetch *f, CURL *curl)
{
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L); /* it could lead anywhere */
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, f->timeout_s);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, f->min_rate);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)SLOW_S);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, f);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	if (f->ca_file[0])
		curl_easy_setopt(curl, CURLOPT_CAINFO, f->ca_file);
}

static int perform(struct fetch *f, const char *resolved)
{
	struct curl_slist *to = curl_slist_append(NULL, resolved);
	CURL *curl = curl_easy_init();
	long status = 0;
	CURLcode rc;

	if (!curl || !to)
		abort(); /* no memory */
	f->curl = curl;
	set_bounds(f, curl);
	curl_easy_setopt(curl, CURLOPT_URL, f->uri);
	curl_easy_setopt(curl, CURLOPT_RESOLVE, to);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "cloudd");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, f);
	rc = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	curl_slist_free_all(to);
	f->curl = NULL;
	if (f->err.code)
		return -1;
	if (rc != CURLE_OK)
		return error_set(&f->err, ERR_BAD_REQUEST, "the download failed: %s", curl_easy_strerror(rc));
	if (status != 200)
		return error_set(&f->err, ERR_BAD_REQUEST, "the host answered with status %ld", status);
	return 0;
}

static int fetch(struct fetch *f)
{
	CLEANUP(target_finish) struct target t = { 0 };
	CLEANUP(buf_finish) struct buf resolved = { 0 };

	if (atomic_load(&stopping))
		return error_set(&f->err, ERR_UNAVAILABLE, "cloudd is stopping");
	if (target_of(f->uri, f->hosts, &t, &f->err) < 0 || resolve(f, &t, &resolved, &f->err) < 0 ||
		perform(f, buf_text(&resolved)) < 0 || (!f->inspected && inspect(f) < 0))
		return -1;
	return act(f, WRITER_SEAL);
}

void fetch_run(struct fetch *f)
{
	f->virtual_size = 0;
	if (fetch(f) < 0)
		act(f, WRITER_DROP);
}

void fetch_finish(struct fetch *f)
{
	writer_destroy(f->writer);
	buf_finish(&f->piece);
	free(f->uri);
	free(f->hosts);
	free(f->networks);
	free(f->ca_file);
}

void fetch_start_all(void)
{
	static bool ready;

	atomic_store(&stopping, false);
	if (!ready && curl_global_init(CURL_GLOBAL_DEFAULT))
		abort();
	ready = true;
}

void fetch_stop_all(void)
{
	atomic_store(&stopping, true);
}
