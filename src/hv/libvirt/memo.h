/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection remembers so as not to ask for it at each call, since a call to the host costs more than
 * most of what the daemon does by itself. Nothing here is a reason to touch a domain: that takes a look at
 * its mark. All functions may be called from any thread. */
#ifndef HV_LIBVIRT_MEMO_H
#define HV_LIBVIRT_MEMO_H

#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdbool.h>

#include "hv/hv.h"

enum { MEMO_FRESH = 4 };

struct memo_start { /* a domain since it was started: what its mark said holds until its next start */
	char uuid[UUID_TEXT];
	int id;
	bool ours;
	int64_t epoch;
};

struct memo {
	pthread_mutex_t lock;
	virStoragePoolPtr pool;
	char image[HV_VOLUME_NAME]; /* the image that was used last, */
	char *image_path;           /* and where it is; NULL: none */
	struct {
		char uuid[UUID_TEXT];
		virDomainPtr dom;
	} fresh[MEMO_FRESH]; /* defined by this connection where there was nothing: off, and ours */
	unsigned fresh_next;
	struct hv_seen *marks; /* of the last list, sorted by uuid: those with our mark */
	size_t marks_n;
	struct memo_start *starts; /* of the last look at what they use, sorted by uuid */
	size_t starts_n;
};

void memo_init(struct memo *m);
void memo_finish(struct memo *m);

/* A reference of the caller's own, or NULL. */
virStoragePoolPtr memo_pool(struct memo *m);
void memo_pool_set(struct memo *m, virStoragePoolPtr pool);
void memo_pool_forget(struct memo *m);

/* The path, to be freed, or NULL. */
char *memo_image(struct memo *m, const char *name);
void memo_image_set(struct memo *m, const char *name, const char *path);
void memo_image_forget(struct memo *m);

void memo_fresh_put(struct memo *m, const char *uuid, virDomainPtr dom);
/* Hands it over, or NULL. */
virDomainPtr memo_fresh_take(struct memo *m, const char *uuid);

/* What this process has defined itself on a host, over any connection to that; it may forget. */
void memo_own_put(const char *host, const char *uuid, int64_t epoch);
bool memo_own_get(const char *host, const char *uuid, int64_t *out_epoch);
void memo_own_drop(const char *host, const char *uuid);

/* Takes the marks of the last list away, to be read and then freed or set; another thread has none meanwhile.
 */
struct hv_seen *memo_marks_take(struct memo *m, size_t *out_n);
const struct hv_seen *memo_mark_find(const struct hv_seen *marks, size_t n, const char *uuid);
/* The same for starts; set takes the list over. */
struct memo_start *memo_starts_take(struct memo *m, size_t *out_n);
const struct memo_start *memo_start_find(const struct memo_start *starts, size_t n, const char *uuid, int id);
void memo_starts_set(struct memo *m, struct memo_start *list, size_t n);
/* Copies those of `list` that are ours. */
void memo_marks_set(struct memo *m, const struct hv_seen *list, size_t n);

#endif
