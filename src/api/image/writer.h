/* SPDX-License-Identifier: Apache-2.0 */
/* The file that an upload fills: written, hashed and made durable on a thread. */
#ifndef API_IMAGE_WRITER_H
#define API_IMAGE_WRITER_H

#include <openssl/evp.h>

#include "api/image/disk.h"
#include "base/buf.h"

enum writer_act {
	WRITER_WRITE, /* append data */
	WRITER_SEAL,  /* append data, make it durable under its last name */
	WRITER_DROP   /* nothing of it shall be left */
};

struct writer {
	struct disk_job job;
	/* to the thread */
	enum writer_act act;
	struct buf data;
	int64_t announced; /* bytes that will come; -1 unknown */
	int64_t reserve;   /* that the disk is to have left */
	/* from the thread */
	struct error err;
	int64_t size;
	char md5[33], sha512[129];
	/* the thread's own */
	char *dir, *path, *part;
	int fd;
	bool touched; /* there may be something to drop */
	int64_t flushed;
	EVP_MD_CTX *md5_ctx, *sha512_ctx;
};

/* job.settled, lost and owner are the caller's to set. */
struct writer *writer_create(const struct api *api, const char *uid, int64_t announced);
void writer_destroy(struct writer *w); /* NULL is fine */

#endif
