/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {
	[ERR_NONE] = "NONE",
	[ERR_BAD_REQUEST] = "BAD_REQUEST",
	[ERR_UNAUTHORIZED] = "UNAUTHORIZED",
	[ERR_FORBIDDEN] = "FORBIDDEN",
	[ERR_NOT_FOUND] = "NOT_FOUND",
	[ERR_METHOD] = "METHOD",
	[ERR_NOT_ACCEPTABLE] = "NOT_ACCEPTABLE",
	[ERR_CONFLICT] = "CONFLICT",
	[ERR_GONE] = "GONE",
	[ERR_TOO_LARGE] = "TOO_LARGE",
	[ERR_MEDIA_TYPE] = "MEDIA_TYPE",
	[ERR_OVER_QUOTA] = "OVER_QUOTA",
	[ERR_BUSY] = "BUSY",
	[ERR_NO_HOST] = "NO_HOST",
	[ERR_HYPERVISOR] = "HYPERVISOR",
	[ERR_UNREACHABLE] = "UNREACHABLE",
	[ERR_TIMEOUT] = "TIMEOUT",
	[ERR_UNAVAILABLE] = "UNAVAILABLE",
	[ERR_NO_SPACE] = "NO_SPACE",
	[ERR_NOT_IMPLEMENTED] = "NOT_IMPLEMENTED",
	[ERR_INTERNAL] = "INTERNAL",
};
_Static_assert(sizeof names / sizeof *names == ERR_MAX, "every code has a name");

int error_set(struct error *err, enum err code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err->code = code;
	vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	err->detail[0] = '\0';
	va_end(ap);
	return -1;
}

int error_internal(struct error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err->code = ERR_INTERNAL;
	snprintf(err->msg, sizeof err->msg, "internal error; the operator finds the cause by the request id");
	vsnprintf(err->detail, sizeof err->detail, fmt, ap);
	va_end(ap);
	return -1;
}

int error_detail(struct error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->detail, sizeof err->detail, fmt, ap);
	va_end(ap);
	return -1;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
	char old[sizeof err->msg];
	va_list ap;
	size_t n;

	memcpy(old, err->msg, sizeof old);
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	snprintf(err->msg + n, sizeof err->msg - n, ": %s", old);
	return -1;
}

const char *error_code_name(enum err code)
{
	return (unsigned)code < ERR_MAX ? names[code] : "UNKNOWN";
}
