/* SPDX-License-Identifier: Apache-2.0 */
#include "api/image/fetch.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "base/util.h"
#include "domain/image_inspect.h"

enum { PIECE_BYTES = 256 * 1024, CONNECT_S = 30, SLOW_S = 60 };
_Static_assert((int)PIECE_BYTES >= (int)INSPECT_BYTES, "the start is looked at before any of it is written");

static struct outbound outbound_of(const struct fetch *f)
{
	return (struct outbound) {
		.field = "method.uri",
		.unlisted = "images are not imported from this host",
		.hosts = f->hosts,
		.networks = f->networks,
		.ca_file = f->ca_file,
		.timeout_s = f->timeout_s,
		.connect_s = CONNECT_S,
	};
}

int fetch_uri_check(const char *uri, const char *hosts, struct error *err)
{
	const struct fetch f = { .hosts = (char *)hosts };
	const struct outbound o = outbound_of(&f);

	return outbound_check(&o, uri, err);
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

/* --- the transfer --- */

static int transfer(struct fetch *f, CURL *curl)
{
	long status = 0;
	CURLcode rc;

	f->curl = curl;
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, f->min_rate);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)SLOW_S);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, f);
	rc = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
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
	CLEANUP(outbound_end) struct outbound_call call = { 0 };
	const struct outbound o = outbound_of(f);

	if (outbound_begin(&call, &o, f->uri, &f->err) < 0 || transfer(f, call.curl) < 0 ||
		(!f->inspected && inspect(f) < 0))
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
