/* SPDX-License-Identifier: Apache-2.0 */
/* The pool's volumes against the rows: whose they are by their names, and which of those that should be there
 * are not. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "flow/drift_set.h"
#include "store/drift.h"
#include "store/server_power.h"

#define IMAGE "image-"

static bool uuid_at(const char *text, char out[UUID_TEXT])
{
	if (strlen(text) < UUID_TEXT)
		return false;
	memcpy(out, text, UUID_TEXT - 1);
	out[UUID_TEXT - 1] = '\0';
	return uuid_valid(out);
}

static const struct drift_copy *copy_of(const struct drift_copy *copies, size_t n, const char *uid)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(copies[i].uid, uid) == 0)
			return &copies[i];
	return NULL;
}

/* An image that is not deleted gets its copy back with the next server there. */
static int image_volume(
	struct drift_set *d, struct db *ro, const char *name, const char *uid, struct error *err)
{
	bool deleted;
	int64_t id;
	int rc = store_drift_image(ro, uid, &id, &deleted, err);

	if (rc < 0)
		return -1;
	if (rc == 0)
		drift_add(d, DRIFT_VOLUME_UNKNOWN, name, "image %s is not known", uid);
	else if (deleted)
		drift_add(d, DRIFT_COPY_LEFT, name, "image %s is deleted", uid);
	return 0;
}

static int server_volume(struct drift_set *d, struct db *ro, const struct host_look *look, const char *name,
	const char *uid, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct drift_owner o;
	int rc = store_drift_owner(ro, &a, uid, look->host_id, &o, err);

	if (rc < 0)
		return -1;
	if (rc == 0)
		drift_add(d, DRIFT_VOLUME_UNKNOWN, name, "server %s is not known", uid);
	else if (o.has_flow || o.holds)
		return 0;
	else if (o.deleted_us && look->started_us > o.deleted_us)
		drift_add(d, DRIFT_VOLUME_LEFT, name, "server %s is deleted", uid);
	else if (!o.deleted_us && o.host_id != look->host_id && look->started_us > o.power_seen_us)
		drift_add(d, DRIFT_VOLUME_LEFT, name, "server %s lives on host %s", uid,
			o.host ? o.host : "none");
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct hv_volume *)a)->name, ((const struct hv_volume *)b)->name);
}

void drift_volumes_sort(struct hv_volume *volumes, size_t n)
{
	if (n)
		qsort(volumes, n, sizeof *volumes, compare);
}

static bool there(const struct hv_volume *volumes, size_t n, const char *name)
{
	const struct hv_volume key = { .name = name };

	return n && bsearch(&key, volumes, n, sizeof key, compare);
}

/* What each server that rests here stands on. */
static int roots(struct drift_set *d, struct db *ro, const struct host_look *look,
	const struct hv_volume *volumes, size_t n, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	char name[HV_VOLUME_NAME];
	struct server_power *rows;
	size_t rows_n;

	if (store_server_powers(ro, &a, look->host_id, NULL, &rows, &rows_n, err))
		return -1;
	for (size_t i = 0; i < rows_n; i++)
		if (!rows[i].has_flow && rows[i].power_seen_us < look->started_us &&
			rows[i].vm_state != VM_BUILDING && rows[i].vm_state != VM_ERROR &&
			!there(volumes, n, hv_server_volume(rows[i].uid, HV_ROOT, name)))
			drift_add(d, DRIFT_VOLUME_MISSING, rows[i].uid, "%s is not there", name);
	return 0;
}

int drift_volumes(struct drift_set *d, struct db *ro, const struct host_look *look,
	const struct hv_volume *volumes, size_t n, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	char uid[UUID_TEXT], name[HV_VOLUME_NAME];
	struct drift_copy *copies;
	size_t copies_n;

	if (store_drift_copies(ro, &a, look->host_id, &copies, &copies_n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		const char *v = volumes[i].name;
		bool image = strncmp(v, IMAGE, strlen(IMAGE)) == 0;

		if (!uuid_at(image ? v + strlen(IMAGE) : v, uid))
			continue;
		if (image ? !copy_of(copies, copies_n, uid) && image_volume(d, ro, v, uid, err)
			  : server_volume(d, ro, look, v, uid, err))
			return -1;
	}
	for (size_t i = 0; i < copies_n; i++)
		if (!copies[i].has_flow && str_eq(copies[i].state, "ready") &&
			copies[i].staged_us < look->started_us && copies[i].format &&
			!there(volumes, n, hv_image_volume(copies[i].uid, copies[i].format, name)))
			drift_add(d, DRIFT_COPY_MISSING, copies[i].uid, "%s is not there", name);
	return roots(d, ro, look, volumes, n, err);
}
