/* SPDX-License-Identifier: Apache-2.0 */
/* The few macros that the whole house shares. */
#ifndef BASE_UTIL_H
#define BASE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof *(a))
/* Runs fn(&variable) when the variable leaves scope. fn accepts NULL and half-built objects. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Memory that must be had: when there is none the reserve goes (memory.h), then we abort (systemd restarts
 * us, flows resume). Owned by the caller: free(). */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* For CLEANUP on a `char *` or `void *` from malloc. */
void free_ptr(void *p);
/* For CLEANUP on an `int` descriptor; -1 is none. */
void close_fd(int *fd);

/* Copies with truncation; dst is always terminated. Returns false when cut. */
bool str_copy(char *dst, size_t size, const char *src);
bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *s, const char *prefix);
/* Decimal text to int64 in [min, max]; nothing before or after. False when it is not one. */
bool str_int64(const char *s, int64_t min, int64_t max, int64_t *out);
/* True/False/1/0/yes/no/on/off without case. False when it is none of these. */
bool str_bool(const char *s, bool *out);
/* Valid UTF-8 (RFC 3629) of n bytes without NUL? */
bool utf8_valid(const char *s, size_t n);
/* Characters (code points) of valid UTF-8. */
size_t utf8_length(const char *s);

#endif
