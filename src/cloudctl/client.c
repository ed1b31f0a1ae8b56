/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudctl/client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"

enum { ANSWER_MAX_BYTES = 256 << 20, CONNECT_TIMEOUT_S = 10, ANSWER_TIMEOUT_S = 120, STALL_S = 60 };

static void slist_free(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

static void json_free(json_t **value)
{
	json_decref(*value);
}

static size_t take(char *data, size_t size, size_t n, void *ctx)
{
	struct client *c = ctx;
	struct buf *out = &c->text;
	long status = 0;

	c->heard_us = clock_mono(&clock_system);
	if (c->piece && curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
		status == 200) {
		c->enough = !c->piece(c->piece_ctx, data, size * n);
		return c->enough ? 0 : size * n;
	}
	if (c->sink && curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
		status == 200)
		return fwrite(data, 1, size * n, c->sink);
	if (out->len + size * n > ANSWER_MAX_BYTES)
		return 0;
	buf_append(out, data, size * n);
	return size * n;
}

/* Keystone hands the token out in a header. */
static size_t take_header(char *line, size_t size, size_t n, void *ctx)
{
	static const char name[] = "x-subject-token:";
	struct client *c = ctx;
	size_t len = size * n;

	if (len > sizeof name && strncasecmp(line, name, sizeof name - 1) == 0) {
		const char *value = line + sizeof name - 1, *end = line + len;

		while (value < end && *value == ' ')
			value++;
		while (end > value && (end[-1] == '\r' || end[-1] == '\n'))
			end--;
		free(c->token);
		c->token = xasprintf("%.*s", (int)(end - value), value);
	}
	return len;
}

int client_init(struct client *c, const struct client_config *config, struct error *err)
{
	*c = (struct client) { 0 };
	if (config->url && !str_starts(config->url, "https://"))
		return error_set(err, ERR_BAD_REQUEST, "the URL must start with https://");
	c->config = *config;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(c->curl = curl_easy_init()))
		return error_set(err, ERR_INTERNAL, "libcurl does not start");
	if (config->token)
		c->token = xstrdup(config->token);
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, (long)ANSWER_TIMEOUT_S);
	curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "cloudctl");
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(c->curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(c->curl, CURLOPT_HEADERDATA, c);
	if (!config->url) {
		curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, config->socket);
		curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http");
		return 0;
	}
	curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "https");
	if (config->cacert)
		curl_easy_setopt(c->curl, CURLOPT_CAINFO, config->cacert);
	return 0;
}

void client_finish(struct client *c)
{
	curl_easy_cleanup(c->curl);
	free(c->token);
	buf_finish(&c->text);
	curl_global_cleanup();
	*c = (struct client) { 0 };
}

void url_escape(struct buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			strchr("-._~", c))
			buf_append(out, text, 1);
		else
			buf_printf(out, "%%%02X", c);
	}
}

static int unreachable(const struct client *c, CURLcode rc, const char *detail, struct error *err)
{
	const char *why = *detail ? detail : curl_easy_strerror(rc);

	if (c->config.url)
		return error_set(err, ERR_UNREACHABLE, "cannot reach cloudd at %s: %s", c->config.url, why);
	if (access(c->config.socket, R_OK | W_OK) == 0)
		return error_set(
			err, ERR_UNREACHABLE, "no answer from cloudd at %s: %s", c->config.socket, why);
	return error_set(err, ERR_UNREACHABLE,
		access(c->config.socket, F_OK)
			? "cannot reach cloudd: there is no socket %s; is the daemon running on this machine?"
			: "cannot reach cloudd: %s is for root alone; run this as root, or use --url",
		c->config.socket);
}

/* The services wrap their errors differently, {"error": {"message"}}, {"badRequest": {"message"}}; all have
 * one object with a message in it. */
static int refused(const struct client *c, struct error *err)
{
	CLEANUP(json_free) json_t *body = json_loadb(c->text.data, c->text.len, 0, NULL);
	const char *key, *message = NULL;
	enum err code = c->status == 401   ? ERR_UNAUTHORIZED
			: c->status == 403 ? ERR_FORBIDDEN
			: c->status == 404 ? ERR_NOT_FOUND
			: c->status == 409 ? ERR_CONFLICT
			: c->status >= 500 ? ERR_UNAVAILABLE
					   : ERR_BAD_REQUEST;
	json_t *value;

	json_object_foreach(body, key, value)
	{
		if (!message)
			message = json_string_value(
				json_is_string(value) ? value : json_object_get(value, "message"));
	}
	if (message)
		return error_set(err, code, "%s", message);
	return error_set(err, code, "cloudd answered with status %ld", c->status);
}

static int transfer(
	struct client *c, const char *method, const char *path, const char *body, struct error *err)
{
	CLEANUP(slist_free) struct curl_slist *headers = NULL;
	CLEANUP(free_ptr)
	char *url = xasprintf("%.*s%s", c->config.url ? (int)strcspn(c->config.url + 8, "/") + 8 : 16,
		c->config.url ? c->config.url : "http://localhost", path);
	CLEANUP(free_ptr) char *token = c->token ? xasprintf("X-Auth-Token: %s", c->token) : NULL;
	CLEANUP(free_ptr) char *last = c->last && *c->last ? xasprintf("Last-Event-ID: %s", c->last) : NULL;
	char detail[CURL_ERROR_SIZE] = "";
	CURLcode rc;

	headers = curl_slist_append(
		headers, c->piece ? "Accept: text/event-stream" : "Accept: application/json");
	headers = curl_slist_append(headers, "Content-Type: application/json");
	headers = curl_slist_append(headers, "Expect:");
	if (str_eq(method, "GET")) /* flavors with their extra specs; bodies are those of 2.1 */
		headers = curl_slist_append(headers, "OpenStack-API-Version: compute 2.61");
	if (token)
		headers = curl_slist_append(headers, token);
	if (last)
		headers = curl_slist_append(headers, last);
	c->text.len = 0;
	c->status = 0;
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, detail);
	if (body) {
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
		curl_easy_setopt(c->curl, CURLOPT_COPYPOSTFIELDS, body);
	} else {
		curl_easy_setopt(c->curl, CURLOPT_HTTPGET, 1L);
	}
	curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
	rc = curl_easy_perform(c->curl);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, NULL);
	if (rc != CURLE_OK && !c->enough)
		return unreachable(c, rc, detail, err);
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &c->status);
	return c->status >= 200 && c->status < 300 ? 0 : refused(c, err);
}

static void domain_put(struct buf *b, const char *name)
{
	jw_key(b, "domain");
	jw_object(b);
	jw_kv_str(b, "name", name ? name : "Default");
	jw_end_object(b);
}

static void secret_finish(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_finish(b);
}

/* A token for the user and project of the environment. */
static int sign_in(struct client *c, struct error *err)
{
	const struct client_config *config = &c->config;
	CLEANUP(secret_finish) struct buf b = { 0 };

	if (!config->username || !config->password || !config->project) {
		c->status = 0;
		return error_set(err, ERR_UNAUTHORIZED,
			"to use --url set OS_TOKEN, or OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME");
	}
	jw_object(&b);
	jw_key(&b, "auth");
	jw_object(&b);
	jw_key(&b, "identity");
	jw_object(&b);
	jw_key(&b, "methods");
	jw_array(&b);
	jw_str(&b, "password");
	jw_end_array(&b);
	jw_key(&b, "password");
	jw_object(&b);
	jw_key(&b, "user");
	jw_object(&b);
	jw_kv_str(&b, "name", config->username);
	jw_kv_str(&b, "password", config->password);
	domain_put(&b, config->user_domain);
	jw_end_object(&b);
	jw_end_object(&b);
	jw_end_object(&b);
	jw_key(&b, "scope");
	jw_object(&b);
	jw_key(&b, "project");
	jw_object(&b);
	jw_kv_str(&b, "name", config->project);
	domain_put(&b, config->project_domain);
	jw_end_object(&b);
	jw_end_object(&b);
	jw_end_object(&b);
	jw_end_object(&b);
	if (transfer(c, "POST", "/identity/v3/auth/tokens", buf_text(&b), err))
		return -1;
	return c->token ? 0 : error_set(err, ERR_UNAUTHORIZED, "the answer to the sign-in has no token");
}

int client_download(struct client *c, const char *path, FILE *to, struct error *err)
{
	int rc;

	if (c->config.url && !c->token && sign_in(c, err))
		return -1;
	c->sink = to;
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, 0L);
	curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
	rc = transfer(c, "GET", path, NULL, err);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, (long)ANSWER_TIMEOUT_S);
	curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_TIME, 0L);
	c->sink = NULL;
	return rc;
}

/* Heartbeats come more often than that, each only a few bytes. */
static int on_quiet(void *ctx, curl_off_t total, curl_off_t now, curl_off_t up, curl_off_t up_now)
{
	const struct client *c = ctx;

	(void)total;
	(void)now;
	(void)up;
	(void)up_now;
	return clock_mono(&clock_system) - c->heard_us > INT64_C(1000000) * STALL_S;
}

int client_follow(struct client *c, const char *path, const char *last, client_piece_fn *take, void *ctx,
	struct error *err)
{
	int rc;

	if (c->config.url && !c->config.token) { /* the last one may have run out */
		free(c->token);
		c->token = NULL;
	}
	if (c->config.url && !c->token && sign_in(c, err))
		return -1;
	c->piece = take;
	c->piece_ctx = ctx;
	c->last = last;
	c->enough = false;
	c->heard_us = clock_mono(&clock_system);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, 0L);
	curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, on_quiet);
	curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, c);
	rc = transfer(c, "GET", path, NULL, err);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, (long)ANSWER_TIMEOUT_S);
	curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 1L);
	c->piece = NULL;
	c->last = NULL;
	return rc;
}

int client_call(struct client *c, const char *method, const char *path, const char *body, json_t **out,
	struct error *err)
{
	json_error_t where;

	if (c->config.url && !c->token && sign_in(c, err))
		return -1;
	if (transfer(c, method, path, body, err))
		return -1;
	if (!out)
		return 0;
	*out = NULL;
	if (c->text.len == 0)
		return 0;
	*out = json_loadb(c->text.data, c->text.len, JSON_ALLOW_NUL, &where);
	if (!*out)
		return error_set(err, ERR_UNAVAILABLE, "cloudd's answer is not JSON: %s", where.text);
	return 0;
}
