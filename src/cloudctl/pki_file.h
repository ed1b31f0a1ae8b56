/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the certificate authority: written whole or not at all, private ones readable by their owner
 * alone. */
#ifndef CLOUDCTL_PKI_FILE_H
#define CLOUDCTL_PKI_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

/* Makes the directory and its parents, the last with this mode; an existing one is left as it is. */
int pki_dir_make(const char *path, mode_t mode, struct error *err);
/* Writes through a temporary file, fsync and rename. ERR_CONFLICT when the file exists and replace is false.
 */
int pki_file_write(
	const char *path, const void *data, size_t n, mode_t mode, bool replace, struct error *err);
/* Adds one line at the end and syncs. */
int pki_file_append(const char *path, const char *line, struct error *err);
/* The whole file, at most 16 MiB. */
int pki_file_read(const char *path, struct buf *out, struct error *err);

#endif
