/* SPDX-License-Identifier: Apache-2.0 */
#include "api/webhook_post.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/util.h"

enum { ANSWER_MAX = 64 * 1024 };

static void headers_free(struct curl_slist **h)
{
	curl_slist_free_all(*h);
}

static void add(struct curl_slist **headers, const char *text)
{
	struct curl_slist *more = curl_slist_append(*headers, text);

	if (!more)
		abort(); /* no memory */
	*headers = more;
}

/* Over "<seconds>.<body>", so that an old one cannot be sent again as new. */
static void add_signature(const struct webhook_post *p, struct curl_slist **headers)
{
	CLEANUP(buf_finish) struct buf text = { 0 };
	unsigned char mac[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1], line[160];

	buf_printf(&text, "%lld.", (long long)p->at_s);
	buf_append(&text, p->body.data, p->body.len);
	hmac_sha256(p->secret, text.data, text.len, mac);
	hex_encode(mac, sizeof mac, hex);
	snprintf(line, sizeof line, "Cloudd-Signature: t=%lld,v1=%s", (long long)p->at_s, hex);
	add(headers, line);
}

static void add_headers(const struct webhook_post *p, struct curl_slist **headers)
{
	char line[160];

	add(headers, "Content-Type: application/json");
	add(headers, "Expect:");
	snprintf(line, sizeof line, "Cloudd-Webhook-Id: %s", p->webhook);
	add(headers, line);
	snprintf(line, sizeof line, "Cloudd-Event-Id: %lld", (long long)p->event_id);
	add(headers, line);
	snprintf(line, sizeof line, "Cloudd-Timestamp: %lld", (long long)p->at_s);
	add(headers, line);
	add_signature(p, headers);
}

/* The answer's body is nobody's business, and there may be no end of it. */
static size_t on_answer(char *data, size_t size, size_t n, void *ctx)
{
	size_t *taken = ctx;

	(void)data;
	*taken += size * n;
	return *taken <= ANSWER_MAX ? size * n : 0;
}

static int post(struct webhook_post *p, CURL *curl)
{
	CLEANUP(headers_free) struct curl_slist *headers = NULL;
	size_t taken = 0;
	long status = 0;
	CURLcode rc;

	add_headers(p, &headers);
	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, p->body.data);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)p->body.len);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &taken);
	rc = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 && status < 300 && (rc == CURLE_OK || rc == CURLE_WRITE_ERROR))
		return 0;
	if (rc == CURLE_OK)
		return error_set(&p->err, ERR_UNAVAILABLE, "the host answered with status %ld", status);
	return error_set(&p->err, ERR_UNAVAILABLE, "%s", curl_easy_strerror(rc));
}

void webhook_post_run(struct webhook_post *p)
{
	CLEANUP(outbound_end) struct outbound_call call = { 0 };

	if (outbound_begin(&call, &p->to, p->url, &p->err) == 0)
		post(p, call.curl);
}

void webhook_post_finish(struct webhook_post *p)
{
	buf_finish(&p->body);
	free(p->url);
	free(p->webhook);
	if (p->secret)
		explicit_bzero(p->secret, strlen(p->secret));
	free(p->secret);
}
