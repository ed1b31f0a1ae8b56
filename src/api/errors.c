/* SPDX-License-Identifier: Apache-2.0 */
/* Where an error meets HTTP: one table for status and log level, and the shapes of error bodies. */
#include "api/internal.h"

#include "base/log.h"
#include "base/util.h"

static const struct {
	int http, log;
} error_map[] = {
	[ERR_NONE] = { 500, LOG_ERR },
	[ERR_BAD_REQUEST] = { 400, LOG_DEBUG },
	[ERR_UNAUTHORIZED] = { 401, LOG_INFO },
	[ERR_FORBIDDEN] = { 403, LOG_INFO },
	[ERR_NOT_FOUND] = { 404, LOG_DEBUG },
	[ERR_METHOD] = { 405, LOG_DEBUG },
	[ERR_NOT_ACCEPTABLE] = { 406, LOG_DEBUG },
	[ERR_CONFLICT] = { 409, LOG_DEBUG },
	[ERR_GONE] = { 410, LOG_DEBUG },
	[ERR_TOO_LARGE] = { 413, LOG_INFO },
	[ERR_MEDIA_TYPE] = { 415, LOG_DEBUG },
	[ERR_OVER_QUOTA] = { 403, LOG_INFO },
	[ERR_BUSY] = { 429, LOG_INFO },
	[ERR_NO_HOST] = { 400, LOG_INFO },
	[ERR_HYPERVISOR] = { 503, LOG_WARNING },
	[ERR_UNREACHABLE] = { 503, LOG_WARNING },
	[ERR_TIMEOUT] = { 503, LOG_WARNING },
	[ERR_UNAVAILABLE] = { 503, LOG_ERR },
	[ERR_NO_SPACE] = { 507, LOG_INFO }, /* the disk is told of once, by api/resources.c */
	[ERR_NOT_IMPLEMENTED] = { 501, LOG_DEBUG },
	[ERR_INTERNAL] = { 500, LOG_ERR },
};
_Static_assert(sizeof error_map / sizeof *error_map == ERR_MAX, "every code has a status");

int api_error_status(enum err code)
{
	return (unsigned)code < ERR_MAX ? error_map[code].http : 500;
}

int api_error_level(enum err code)
{
	return (unsigned)code < ERR_MAX ? error_map[code].log : LOG_ERR;
}

static const struct {
	int status;
	const char *name;
} compute_names[] = {
	{ 400, "badRequest" },
	{ 401, "unauthorized" },
	{ 403, "forbidden" },
	{ 404, "itemNotFound" },
	{ 405, "badMethod" },
	{ 409, "conflictingRequest" },
	{ 413, "overLimit" },
	{ 415, "badMediaType" },
	{ 429, "overLimit" },
	{ 501, "notImplemented" },
	{ 503, "serviceUnavailable" },
};

const char *api_retry_after(const struct api_call *c)
{
	return arena_printf(c->arena, "%u", c->retry_s ? c->retry_s : 1);
}

void api_error_body_compute(struct api_call *c, const struct error *err)
{
	const char *name = "computeFault";

	for (size_t i = 0; i < ARRAY_LEN(compute_names); i++)
		if (compute_names[i].status == c->status)
			name = compute_names[i].name;
	jw_object(&c->out);
	jw_key(&c->out, name);
	jw_object(&c->out);
	jw_kv_int(&c->out, "code", c->status);
	jw_kv_str(&c->out, "message", err->msg);
	if (c->status == 413 || c->status == 429)
		jw_kv_str(&c->out, "retryAfter", api_retry_after(c));
	jw_end_object(&c->out);
	jw_end_object(&c->out);
}

void api_error_body_identity(struct api_call *c, const struct error *err)
{
	jw_object(&c->out);
	jw_key(&c->out, "error");
	jw_object(&c->out);
	jw_kv_int(&c->out, "code", c->status);
	jw_kv_str(&c->out, "message", err->msg);
	jw_kv_str(&c->out, "title", http_status_text(c->status));
	jw_end_object(&c->out);
	jw_end_object(&c->out);
}
