/* SPDX-License-Identifier: Apache-2.0 */
/* Redfish (DMTF DSP0266): a system's PowerState is read with GET, and changed by its action Reset. TLS is
 * verified, no redirect is followed, answers are bounded: who answers may be anything. */
#include "hv/fence.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"

enum { ANSWER_MAX = 256 * 1024, CONNECT_S = 5, URL_MAX = 512 };

struct answer {
	struct buf body;
	bool too_much;
};

static void answer_finish(struct answer *a)
{
	buf_finish(&a->body);
}

static void url_free(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void curl_free_ptr(CURL **c)
{
	curl_easy_cleanup(*c);
}

static void headers_free(struct curl_slist **h)
{
	curl_slist_free_all(*h);
}

static void json_free(json_t **j)
{
	json_decref(*j);
}

static int redfish_check(const struct fence_agent *a, struct error *err)
{
	CLEANUP(url_free) CURLU *u = curl_url();
	char *path = NULL, *user = NULL;
	bool fine, plain;

	if (!str_starts(a->target, "https://") || strlen(a->target) > URL_MAX || !u ||
		curl_url_set(u, CURLUPART_URL, a->target, 0) || curl_url_get(u, CURLUPART_PATH, &path, 0))
		return error_set(err, ERR_BAD_REQUEST,
			"url: a system's address as https://bmc.example/redfish/v1/Systems/1");
	plain = curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_NO_USER;
	fine = str_starts(path, "/redfish/") && !strpbrk(a->target, "?#");
	curl_free(path);
	curl_free(user);
	if (!plain)
		return error_set(err, ERR_BAD_REQUEST, "url: the user is named by --user, not in it");
	if (!fine)
		return error_set(err, ERR_BAD_REQUEST,
			"url: its path has to begin with /redfish/, as that of a system");
	return 0;
}

/* ---- one request ---- */

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct answer *a = ctx;

	if (a->body.len + size * n > ANSWER_MAX) {
		a->too_much = true;
		return 0;
	}
	buf_append(&a->body, data, size * n);
	return size * n;
}

static int on_progress(void *ctx, curl_off_t total, curl_off_t now, curl_off_t up, curl_off_t up_now)
{
	const struct fence_agent *a = ctx;

	(void)total;
	(void)now;
	(void)up;
	(void)up_now;
	return a->stop && atomic_load(a->stop);
}

static void set_bounds(CURL *curl, const struct fence_agent *a)
{
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, a->timeout_s);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, a);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "cloudd");
	if (a->user[0]) {
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(curl, CURLOPT_USERNAME, a->user);
		curl_easy_setopt(curl, CURLOPT_PASSWORD, a->password);
	}
	if (a->ca[0]) {
		struct curl_blob ca = { (void *)(uintptr_t)a->ca, strlen(a->ca), CURL_BLOB_COPY };

		curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &ca);
	}
}

static int judge(CURLcode rc, long status, const struct answer *answer, struct error *err)
{
	if (answer->too_much)
		return error_set(err, ERR_UNAVAILABLE, "the fence agent's answer is too long");
	if (rc != CURLE_OK)
		return error_set(
			err, ERR_UNAVAILABLE, "the fence agent cannot be asked: %s", curl_easy_strerror(rc));
	if (status == 401 || status == 403)
		return error_set(err, ERR_UNAVAILABLE, "the fence agent refuses its user or password");
	if (status >= 300 && status < 400)
		return error_set(err, ERR_UNAVAILABLE,
			"the fence agent answered with status %ld: redirects are not followed", status);
	if (status < 200 || status >= 300)
		return error_set(err, ERR_UNAVAILABLE, "the fence agent answered with status %ld", status);
	return 0;
}

/* post NULL: GET. */
static int ask(
	const struct fence_agent *a, const char *url, const char *post, struct answer *out, struct error *err)
{
	CLEANUP(curl_free_ptr) CURL *curl = curl_easy_init();
	CLEANUP(headers_free)
	struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
	long status = 0;
	CURLcode rc;

	if (!curl || !headers || !curl_slist_append(headers, "OData-Version: 4.0") ||
		!curl_slist_append(headers, "Expect:") ||
		(post && !curl_slist_append(headers, "Content-Type: application/json")))
		abort(); /* no memory */
	set_bounds(curl, a);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
	if (post)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, post);
	rc = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	return judge(rc, status, out, err);
}

/* ---- what is asked ---- */

static json_t *system_get(const struct fence_agent *a, struct error *err)
{
	CLEANUP(answer_finish) struct answer answer = { .too_much = false };
	json_t *system;

	if (ask(a, a->target, NULL, &answer, err))
		return NULL;
	system = json_loadb(answer.body.data ? answer.body.data : "", answer.body.len, 0, NULL);
	if (json_is_object(system))
		return system;
	json_decref(system);
	error_set(err, ERR_UNAVAILABLE, "the fence agent's answer is no system's");
	return NULL;
}

static int redfish_read(const struct fence_agent *a, enum fence_power *out, struct error *err)
{
	CLEANUP(json_free) json_t *system = system_get(a, err);
	const char *state;

	if (!system)
		return -1;
	state = json_string_value(json_object_get(system, "PowerState"));
	if (!state)
		return error_set(err, ERR_UNAVAILABLE, "the fence agent's answer has no PowerState");
	*out = strcmp(state, "Off") == 0 ? FENCE_OFF : strcmp(state, "On") == 0 ? FENCE_ON : FENCE_UNKNOWN;
	return 0;
}

/* Where the system says that it is reset, on the same machine; else where the standard has it. */
static void reset_url(const struct fence_agent *a, const json_t *system, struct buf *out)
{
	const json_t *reset = json_object_get(json_object_get(system, "Actions"), "#ComputerSystem.Reset");
	const char *path = json_string_value(json_object_get(reset, "target"));
	const char *authority = a->target + strlen("https://");
	size_t n = strlen(a->target);

	if (path && str_starts(path, "/redfish/") && strlen(path) <= URL_MAX) {
		buf_append(out, a->target, (size_t)(authority - a->target) + strcspn(authority, "/"));
		buf_puts(out, path);
		return;
	}
	while (n && a->target[n - 1] == '/')
		n--;
	buf_append(out, a->target, n);
	buf_puts(out, "/Actions/ComputerSystem.Reset");
}

static int redfish_set(const struct fence_agent *a, bool on, struct error *err)
{
	CLEANUP(answer_finish) struct answer answer = { .too_much = false };
	CLEANUP(json_free) json_t *system = system_get(a, err);
	CLEANUP(buf_finish) struct buf url = { 0 };

	if (!system)
		return -1;
	reset_url(a, system, &url);
	return ask(a, buf_text(&url), on ? "{\"ResetType\": \"On\"}" : "{\"ResetType\": \"ForceOff\"}",
		&answer, err);
}

const struct fence_driver fence_redfish = {
	.name = "redfish", .check = redfish_check, .read = redfish_read, .set = redfish_set
};
