/* SPDX-License-Identifier: Apache-2.0 */
#include "api/outbound.h"

#include <curl/curl.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/util.h"
#include "domain/inet.h"

enum { ADDRESSES_MAX = 16 };

static atomic_bool stopping;

struct target {
	char *host, *port; /* curl's */
	bool https;
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

/* An entry of the list: "host", "*.domain" or "*", each with ":port"; else the port is the scheme's own. */
static bool entry_fits(const char *entry, size_t n, const struct target *t)
{
	const char *bracket = memrchr(entry, ']', n); /* of an IPv6 address */
	const char *colon =
		memrchr(bracket ? bracket : entry, ':', n - (bracket ? (size_t)(bracket - entry) : 0));
	size_t host_n = colon ? (size_t)(colon - entry) : n, have = strlen(t->host);
	const char *port = colon ? colon + 1 : t->https ? "443" : "80";
	size_t port_n = colon ? n - host_n - 1 : strlen(port);

	if (strlen(t->port) != port_n || strncmp(t->port, port, port_n) != 0)
		return false;
	if (host_n == 1 && entry[0] == '*')
		return true;
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

static int refuse(const struct outbound *o, struct error *err, const char *why)
{
	return error_set(err, ERR_BAD_REQUEST, "%s: %s", o->field, why);
}

static int parse(const struct outbound *o, const char *url, struct target *out, struct error *err)
{
	CLEANUP(url_free) CURLU *u = curl_url();
	char *scheme = NULL, *user = NULL, *password = NULL;
	bool known, plain;

	if (!u || curl_url_set(u, CURLUPART_URL, url, 0) || curl_url_get(u, CURLUPART_SCHEME, &scheme, 0))
		return refuse(o, err, "this is not a URL");
	out->https = strcmp(scheme, "https") == 0;
	known = out->https || (o->plain && strcmp(scheme, "http") == 0);
	plain = curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_NO_USER &&
		curl_url_get(u, CURLUPART_PASSWORD, &password, 0) == CURLUE_NO_PASSWORD;
	curl_free(scheme);
	curl_free(user);
	curl_free(password);
	if (!known)
		return refuse(o, err, "only https is offered");
	if (!plain)
		return refuse(o, err, "a user or password in it is not allowed");
	if (curl_url_get(u, CURLUPART_HOST, &out->host, 0) ||
		curl_url_get(u, CURLUPART_PORT, &out->port, CURLU_DEFAULT_PORT))
		return refuse(o, err, "it names no host");
	return 0;
}

static int target_of(const struct outbound *o, const char *url, struct target *out, struct error *err)
{
	if (parse(o, url, out, err) < 0)
		return -1;
	return is_listed(o->hosts, out) ? 0 : refuse(o, err, o->unlisted);
}

int outbound_check(const struct outbound *o, const char *url, struct error *err)
{
	CLEANUP(target_finish) struct target t = { 0 };

	return target_of(o, url, &t, err);
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
static int resolve(const struct outbound *o, const struct target *t, struct buf *out, struct error *err)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	CLEANUP(addresses_free) struct addrinfo *all = NULL;
	size_t n = strlen(t->host);
	char host[256], text[64];
	int found = 0;

	if (n >= sizeof host)
		return refuse(o, err, "its host's name is too long");
	memcpy(host, t->host, n + 1);
	if (host[0] == '[' && host[n - 1] == ']') { /* an IPv6 address */
		memmove(host, host + 1, n - 2);
		host[n - 2] = '\0';
	}
	if (getaddrinfo(host, t->port, &hints, &all) != 0)
		return refuse(o, err, "its host cannot be found");
	buf_printf(out, "%s:%s:", t->host, t->port);
	for (const struct addrinfo *a = all; a && found < ADDRESSES_MAX; a = a->ai_next) {
		if (!may_reach(o->networks, a->ai_addr))
			return refuse(o, err, "its host has an address that is private or reserved");
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
			return refuse(o, err, "its host has an address that cannot be read");
		buf_printf(out, a->ai_family == AF_INET6 ? "%s[%s]" : "%s%s", found++ ? "," : "", text);
	}
	return found ? 0 : refuse(o, err, "its host has no address");
}

/* The last word, whatever led here. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
	const struct outbound *o = ctx;

	(void)purpose;
	if (!may_reach(o->networks, &a->addr))
		return CURL_SOCKET_BAD;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
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

/* --- the call --- */

static void set_bounds(const struct outbound *o, CURL *curl)
{
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, o->plain ? "https,http" : "https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L); /* it could lead anywhere */
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, o->connect_s);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, o->timeout_s);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, o);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "cloudd");
	if (o->ca_file[0])
		curl_easy_setopt(curl, CURLOPT_CAINFO, o->ca_file);
}

int outbound_begin(struct outbound_call *call, const struct outbound *o, const char *url, struct error *err)
{
	CLEANUP(target_finish) struct target t = { 0 };
	CLEANUP(buf_finish) struct buf resolved = { 0 };

	*call = (struct outbound_call) { 0 };
	if (atomic_load(&stopping))
		return error_set(err, ERR_UNAVAILABLE, "cloudd is stopping");
	if (target_of(o, url, &t, err) < 0 || resolve(o, &t, &resolved, err) < 0)
		return -1;
	call->resolved = curl_slist_append(NULL, buf_text(&resolved));
	call->curl = curl_easy_init();
	if (!call->curl || !call->resolved)
		abort(); /* no memory */
	set_bounds(o, call->curl);
	curl_easy_setopt(call->curl, CURLOPT_URL, url);
	curl_easy_setopt(call->curl, CURLOPT_RESOLVE, call->resolved);
	return 0;
}

void outbound_end(struct outbound_call *call)
{
	curl_easy_cleanup(call->curl);
	curl_slist_free_all(call->resolved);
	*call = (struct outbound_call) { 0 };
}

void outbound_start_all(void)
{
	static bool ready;

	atomic_store(&stopping, false);
	if (!ready && curl_global_init(CURL_GLOBAL_DEFAULT))
		abort();
	ready = true;
}

void outbound_stop_all(void)
{
	atomic_store(&stopping, true);
}
