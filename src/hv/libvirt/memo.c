/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/libvirt/memo.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

void memo_init(struct memo *m)
{
	*m = (struct memo) { 0 };
	pthread_mutex_init(&m->lock, NULL);
}

void memo_finish(struct memo *m)
{
	if (m->pool)
		virStoragePoolFree(m->pool);
	for (size_t i = 0; i < MEMO_FRESH; i++)
		if (m->fresh[i].dom)
			virDomainFree(m->fresh[i].dom);
	free(m->image_path);
	free(m->marks);
	free(m->starts);
	pthread_mutex_destroy(&m->lock);
}

/* --- the pool --------------------------------------------------------------------------------------------
 */

virStoragePoolPtr memo_pool(struct memo *m)
{
	virStoragePoolPtr pool;

	pthread_mutex_lock(&m->lock);
	pool = m->pool;
	if (pool)
		virStoragePoolRef(pool);
	pthread_mutex_unlock(&m->lock);
	return pool;
}

static void pool_swap(struct memo *m, virStoragePoolPtr pool)
{
	virStoragePoolPtr old;

	pthread_mutex_lock(&m->lock);
	old = m->pool;
	m->pool = pool;
	pthread_mutex_unlock(&m->lock);
	if (old)
		virStoragePoolFree(old);
}

void memo_pool_set(struct memo *m, virStoragePoolPtr pool)
{
	virStoragePoolRef(pool);
	pool_swap(m, pool);
}

void memo_pool_forget(struct memo *m)
{
	pool_swap(m, NULL);
}

/* --- the image -------------------------------------------------------------------------------------------
 */

char *memo_image(struct memo *m, const char *name)
{
	char *path = NULL;

	pthread_mutex_lock(&m->lock);
	if (m->image_path && strcmp(m->image, name) == 0)
		path = xstrdup(m->image_path);
	pthread_mutex_unlock(&m->lock);
	return path;
}

void memo_image_set(struct memo *m, const char *name, const char *path)
{
	pthread_mutex_lock(&m->lock);
	free(m->image_path);
	m->image_path = str_copy(m->image, sizeof m->image, name) ? xstrdup(path) : NULL;
	pthread_mutex_unlock(&m->lock);
}

void memo_image_forget(struct memo *m)
{
	pthread_mutex_lock(&m->lock);
	free(m->image_path);
	m->image_path = NULL;
	pthread_mutex_unlock(&m->lock);
}

/* --- domains ---------------------------------------------------------------------------------------------
 */

void memo_fresh_put(struct memo *m, const char *uuid, virDomainPtr dom)
{
	virDomainPtr old;
	unsigned i;

	virDomainRef(dom);
	pthread_mutex_lock(&m->lock);
	i = m->fresh_next++ % MEMO_FRESH;
	old = m->fresh[i].dom;
	m->fresh[i].dom = dom;
	str_copy(m->fresh[i].uuid, sizeof m->fresh[i].uuid, uuid);
	pthread_mutex_unlock(&m->lock);
	if (old)
		virDomainFree(old);
}

virDomainPtr memo_fresh_take(struct memo *m, const char *uuid)
{
	virDomainPtr dom = NULL;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < MEMO_FRESH && !dom; i++) {
		if (m->fresh[i].dom && strcmp(m->fresh[i].uuid, uuid) == 0) {
			dom = m->fresh[i].dom;
			m->fresh[i].dom = NULL;
		}
	}
	pthread_mutex_unlock(&m->lock);
	return dom;
}

enum { OWN_SLOTS = 4096 };

static struct {
	pthread_mutex_t lock;
	struct own {
		uint64_t host;
		char uuid[UUID_TEXT];
		int64_t epoch;
	} slots[OWN_SLOTS]; /* by hash; a newcomer takes the place */
} own = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint64_t hash(uint64_t h, const char *text) /* FNV-1a */
{
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return h;
}

static struct own own_key(const char *host, const char *uuid)
{
	struct own key = { .host = hash(UINT64_C(14695981039346656037), host) };

	str_copy(key.uuid, sizeof key.uuid, uuid);
	return key;
}

static struct own *own_slot(const struct own *key)
{
	return &own.slots[hash(key->host, key->uuid) % OWN_SLOTS];
}

static bool own_is(const struct own *slot, const struct own *key)
{
	return slot->host == key->host && strcmp(slot->uuid, key->uuid) == 0;
}

void memo_own_put(const char *host, const char *uuid, int64_t epoch)
{
	struct own key = own_key(host, uuid);

	key.epoch = epoch;
	pthread_mutex_lock(&own.lock);
	*own_slot(&key) = key;
	pthread_mutex_unlock(&own.lock);
}

bool memo_own_get(const char *host, const char *uuid, int64_t *out_epoch)
{
	struct own key = own_key(host, uuid);
	const struct own *slot = own_slot(&key);
	bool found;

	pthread_mutex_lock(&own.lock);
	found = own_is(slot, &key);
	if (found)
		*out_epoch = slot->epoch;
	pthread_mutex_unlock(&own.lock);
	return found;
}

void memo_own_drop(const char *host, const char *uuid)
{
	struct own key = own_key(host, uuid), *slot = own_slot(&key);

	pthread_mutex_lock(&own.lock);
	if (own_is(slot, &key))
		slot->uuid[0] = '\0';
	pthread_mutex_unlock(&own.lock);
}

struct hv_seen *memo_marks_take(struct memo *m, size_t *out_n)
{
	struct hv_seen *marks;

	pthread_mutex_lock(&m->lock);
	marks = m->marks;
	*out_n = m->marks_n;
	m->marks = NULL;
	m->marks_n = 0;
	pthread_mutex_unlock(&m->lock);
	return marks;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct hv_seen *)a)->uuid, ((const struct hv_seen *)b)->uuid);
}

const struct hv_seen *memo_mark_find(const struct hv_seen *marks, size_t n, const char *uuid)
{
	struct hv_seen key;

	if (!n)
		return NULL;
	str_copy(key.uuid, sizeof key.uuid, uuid);
	return bsearch(&key, marks, n, sizeof *marks, compare);
}

void memo_marks_set(struct memo *m, const struct hv_seen *list, size_t n)
{
	struct hv_seen *marks = xcalloc(n + 1, sizeof *marks), *old;
	size_t ours = 0;

	for (size_t i = 0; i < n; i++)
		if (list[i].ours)
			marks[ours++] = list[i];
	qsort(marks, ours, sizeof *marks, compare);
	pthread_mutex_lock(&m->lock);
	old = m->marks;
	m->marks = marks;
	m->marks_n = ours;
	pthread_mutex_unlock(&m->lock);
	free(old);
}

struct memo_start *memo_starts_take(struct memo *m, size_t *out_n)
{
	struct memo_start *starts;

	pthread_mutex_lock(&m->lock);
	starts = m->starts;
	*out_n = m->starts_n;
	m->starts = NULL;
	m->starts_n = 0;
	pthread_mutex_unlock(&m->lock);
	return starts;
}

static int compare_starts(const void *a, const void *b)
{
	return strcmp(((const struct memo_start *)a)->uuid, ((const struct memo_start *)b)->uuid);
}

const struct memo_start *memo_start_find(const struct memo_start *starts, size_t n, const char *uuid, int id)
{
	const struct memo_start *found;
	struct memo_start key;

	if (!n)
		return NULL;
	str_copy(key.uuid, sizeof key.uuid, uuid);
	found = bsearch(&key, starts, n, sizeof *starts, compare_starts);
	return found && found->id == id ? found : NULL;
}

void memo_starts_set(struct memo *m, struct memo_start *list, size_t n)
{
	struct memo_start *old;

	if (n)
		qsort(list, n, sizeof *list, compare_starts);
	pthread_mutex_lock(&m->lock);
	old = m->starts;
	m->starts = list;
	m->starts_n = n;
	pthread_mutex_unlock(&m->lock);
	free(old);
}
