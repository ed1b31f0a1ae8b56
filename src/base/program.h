/* SPDX-License-Identifier: Apache-2.0 */
/* A program of the operator's: run without a shell, with an environment of its own, in a process group of its
 * own, for a bounded time; of what it says the last line is kept. */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <stdatomic.h>

#include "base/error.h"

struct program {
	const char *const *args; /* its path first; ended by NULL */
	unsigned timeout_ms;
	const atomic_bool *abandoned; /* nobody waits for it any more; NULL: somebody does */
};

enum { PROGRAM_LINE = 200 };

struct program_end {
	int status, signal;      /* signal 0: it ended by itself, with that status */
	char last[PROGRAM_LINE]; /* the last line that is not empty, of output and errors; "" none */
};

/* Blocks until it and what it started have ended. ERR_TIMEOUT: it took too long, and was killed;
 * ERR_UNAVAILABLE: it could not be run. */
int program_run(const struct program *p, struct program_end *out, struct error *err);

#endif
