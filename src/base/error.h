/* SPDX-License-Identifier: Apache-2.0 */
/* The one error type: fixed size, on the caller's stack, no allocation. A fallible function returns 0, or -1
 * with the error filled; outputs are untouched on failure. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>

enum err {
	ERR_NONE = 0,
	ERR_BAD_REQUEST,  /* the caller's input is wrong; the message names the field and what would be right
			   */
	ERR_UNAUTHORIZED, /* no or no valid credentials */
	ERR_FORBIDDEN,    /* known caller, not allowed */
	ERR_NOT_FOUND,    /* absent, or another project's */
	ERR_METHOD,       /* the path exists, this method on it does not */
	ERR_NOT_ACCEPTABLE, /* microversion outside the range */
	ERR_CONFLICT,       /* taken, or in a state that does not allow it */
	ERR_GONE,           /* was removed from the API */
	ERR_TOO_LARGE,      /* body over its limit */
	ERR_MEDIA_TYPE,     /* content type not accepted here */
	ERR_OVER_QUOTA,     /* a project limit would be passed */
	ERR_BUSY,           /* too much work queued: try again later */
	ERR_NO_HOST,        /* placement found no host */
	ERR_HYPERVISOR,     /* a host refused or failed the call; trying again may help */
	ERR_UNREACHABLE,    /* no connection to the host, or it was lost: what happened there is unknown */
	ERR_TIMEOUT,        /* a deadline passed: what happened is unknown */
	ERR_UNAVAILABLE,    /* cloudd cannot serve this now (stopping, a database that is busy) */
	ERR_NO_SPACE,       /* a disk of the controller's is full, or nearly: nothing was stored */
	ERR_NOT_IMPLEMENTED,
	ERR_INTERNAL,
	ERR_MAX
};

struct error {
	enum err code;
	char msg[256];    /* the tenant may read it */
	char detail[256]; /* log only */
};

/* Sets code and message (truncated to fit), clears detail. Always returns -1. */
int error_set(struct error *err, enum err code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Sets code and a general message for tenants, and what really happened in detail. Always returns -1. */
int error_internal(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Adds detail for the log, keeping code and message. Always returns -1. */
int error_detail(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "context: " before the message. Always returns -1. */
int error_wrap(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "NOT_FOUND" and so on: a stable name for logs and the operator's API. */
const char *error_code_name(enum err code);

#endif
