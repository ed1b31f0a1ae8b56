/* SPDX-License-Identifier: Apache-2.0 */
/* A secret of the daemon's own that must not be in the database: a file with one line of random text. */
#ifndef BASE_SECRET_FILE_H
#define BASE_SECRET_FILE_H

#include "base/clock.h"
#include "base/error.h"

/* The secret in the file, owned by the caller. Without a file one is made, readable by its owner alone, and
 * on disk when this returns. ERR_FORBIDDEN when others may read it. */
int secret_file_get(const char *path, const struct rng *rng, char **out, struct error *err);

#endif
