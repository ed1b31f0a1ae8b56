/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

static struct {
	_Atomic(void *) held;
	atomic_bool low;
	size_t n;
} reserve;

void memory_reserve(size_t n)
{
	reserve.n = n;
	free(atomic_exchange(&reserve.held, malloc(n)));
}

bool memory_low(void)
{
	return atomic_load_explicit(&reserve.low, memory_order_relaxed);
}

void memory_regain(void)
{
	void *p, *q;

	if (!memory_low() ||
		!(p = malloc(2 * reserve.n))) /* with as much beside it, or it would soon go again */
		return;
	if (!(q = realloc(p, reserve.n)))
		q = p;
	atomic_store(&reserve.low, false);
	free(atomic_exchange(&reserve.held, q));
}

/* True: the reserve was there and is given back, so that it may go now. */
static bool spend(void)
{
	void *p = atomic_exchange(&reserve.held, NULL);

	if (!p)
		return false;
	atomic_store(&reserve.low, true);
	free(p);
	return true;
}

static _Noreturn void die(void)
{
	static const char text[] = "cloudd: out of memory\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);

	(void)ignored;
	abort();
}

void *xmalloc(size_t n)
{
	return xrealloc(NULL, n);
}

void *xcalloc(size_t n, size_t size)
{
	void *p;

	while (!(p = calloc(n ? n : 1, size ? size : 1)))
		if (!spend())
			die();
	return p;
}

void *xrealloc(void *p, size_t n)
{
	void *q;

	while (!(q = realloc(p, n ? n : 1)))
		if (!spend())
			die();
	return q;
}

char *xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xmalloc(n), s, n);
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap, again;
	char *s;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	s = xmalloc((size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	return s;
}
