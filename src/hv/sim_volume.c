/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of simulated hosts. Most have a size and no bytes; what is read out of one without is an image of
 * nothing, in the format that its name tells. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/sim_world.h"

int sim_image_ensure(struct hv_conn *c, const char *name, const char *format, int fd, int64_t size,
	int64_t virtual_size, struct error *err)
{
	struct sim_vol *v;
	struct stat st;
	struct sim_call k;
	int rc = 0;

	(void)format;
	(void)virtual_size;
	if (sim_begin(c, SIM_IMAGE_ENSURE, &k, err) < 0)
		return -1;
	if (!sim_world_vol(k.w, name)) {
		if (fstat(fd, &st) < 0 || (S_ISREG(st.st_mode) && st.st_size < size))
			rc = error_internal(err, "upload: shorter than it should be");
		else
			rc = sim_world_vol_make(k.w, name, size, &v, err);
	}
	return sim_end(&k, rc, err);
}

/* A capacity is all that most of these have: the bytes of a disk image are the image of nothing. */
int sim_volume_upload(struct hv_conn *c, const char *name, int fd, int64_t size, struct error *err)
{
	struct sim_vol *v;
	struct stat st;
	struct sim_call k;
	int rc = 0;

	if (sim_begin(c, SIM_VOLUME_UPLOAD, &k, err) < 0)
		return -1;
	if (fstat(fd, &st) < 0 || (S_ISREG(st.st_mode) && st.st_size < size)) {
		rc = error_internal(err, "upload: shorter than it should be");
	} else {
		if ((v = sim_world_vol(k.w, name)))
			sim_world_vol_remove(k.w, v);
		rc = sim_world_vol_make(k.w, name, size, &v, err);
	}
	return sim_end(&k, rc, err);
}

int sim_volume_ensure(struct hv_conn *c, const char *name, int64_t capacity, const char *backing,
	const char *backing_format, struct error *err)
{
	struct sim_vol *v;
	struct sim_call k;
	int rc = 0;

	(void)backing_format;
	if (sim_begin(c, SIM_VOLUME_ENSURE, &k, err) < 0)
		return -1;
	if (backing && !sim_world_vol(k.w, backing))
		rc = error_set(err, ERR_NOT_FOUND, "the image is not on the host");
	else if (!sim_world_vol(k.w, name))
		rc = sim_world_vol_make(k.w, name, capacity, &v, err);
	return sim_end(&k, rc, err);
}

int sim_volume_write(struct hv_conn *c, const char *name, const void *data, size_t n, struct error *err)
{
	struct sim_vol *v;
	struct sim_call k;
	int rc = 0;

	if (sim_begin(c, SIM_VOLUME_WRITE, &k, err) < 0)
		return -1;
	if ((v = sim_world_vol(k.w, name)) && v->capacity != (int64_t)n) {
		sim_world_vol_remove(k.w, v);
		v = NULL;
	}
	if (!v)
		rc = sim_world_vol_make(k.w, name, (int64_t)n, &v, err);
	if (rc == 0)
		sim_world_vol_write(v, data, n);
	return sim_end(&k, rc, err);
}

int sim_volume_remove(struct hv_conn *c, const char *name, struct error *err)
{
	struct sim_vol *v;
	struct sim_call k;

	if (sim_begin(c, SIM_VOLUME_REMOVE, &k, err) < 0)
		return -1;
	if ((v = sim_world_vol(k.w, name)))
		sim_world_vol_remove(k.w, v);
	return sim_end(&k, 0, err);
}

/* Is it a disk of a domain that is on? */
static bool in_use(struct sim_world *w, const char *name)
{
	for (struct sim_node *n = sim_table_next(&w->doms, NULL); n; n = sim_table_next(&w->doms, n)) {
		const struct sim_dom *d = (struct sim_dom *)(void *)n;

		for (size_t i = 0; sim_power_on(d->power) && i < d->disks_n; i++)
			if (strcmp(d->disks[i], name) == 0)
				return true;
	}
	return false;
}

static int find_volume(struct sim_world *w, const char *name, struct sim_vol **out, struct error *err)
{
	*out = sim_world_vol(w, name);
	return *out ? 0 : error_set(err, ERR_NOT_FOUND, "the disk is not on the host");
}

int sim_volume_grow(struct hv_conn *c, const char *name, int64_t capacity, struct error *err)
{
	struct sim_vol *v;
	struct sim_call k;
	int rc;

	if (sim_begin(c, SIM_VOLUME_GROW, &k, err) < 0)
		return -1;
	if ((rc = find_volume(k.w, name, &v, err)) == 0 && capacity > v->capacity) {
		if (in_use(k.w, name))
			rc = error_set(err, ERR_CONFLICT, "the disk is in use by a running server");
		else if (k.w->used_bytes + capacity - v->capacity > k.w->params.disk_gib << 30)
			rc = sim_no(err, "the pool is full");
		else
			sim_world_vol_grow(k.w, v, capacity);
	}
	return sim_end(&k, rc, err);
}

int sim_volume_flatten(
	struct hv_conn *c, const char *uuid, const char *from, const char *to, struct error *err)
{
	struct sim_vol *v, *flat;
	struct sim_call k;
	int rc;

	(void)uuid;
	if (sim_begin(c, SIM_VOLUME_FLATTEN, &k, err) < 0)
		return -1;
	if (strcmp(from, to) == 0)
		rc = error_set(err, ERR_BAD_REQUEST, "a disk cannot be copied onto itself");
	else
		rc = find_volume(k.w, from, &v, err);
	if (rc == 0 && (flat = sim_world_vol(k.w, to)))
		sim_world_vol_remove(k.w, flat);
	if (rc == 0 && (rc = sim_world_vol_make(k.w, to, v->capacity, &flat, err)) == 0 && v->kept)
		sim_world_vol_write(flat, v->data.data, v->data.len);
	return sim_end(&k, rc, err);
}

/* --- what is read out of it ------------------------------------------------------------------------------
 */

static int read_out(const struct sim_vol *v, int fd, int64_t max, int64_t *out_size, struct error *err)
{
	int64_t size = (int64_t)v->data.len;

	if (!v->kept)
		return hv_blank_read(v->node.key, v->capacity, fd, max, out_size, err);
	if (size > max)
		return hv_too_large(max, err);
	*out_size = size;
	return hv_file_write(fd, &v->data, size, err);
}

int sim_volume_download(
	struct hv_conn *c, const char *name, int fd, int64_t max, int64_t *out_size, struct error *err)
{
	struct sim_vol *v;
	struct sim_call k;
	int64_t size = 0;
	int rc;

	if (sim_begin(c, SIM_VOLUME_DOWNLOAD, &k, err) < 0)
		return -1;
	if ((rc = find_volume(k.w, name, &v, err)) == 0)
		rc = read_out(v, fd, max, &size, err);
	if (sim_end(&k, rc, err) < 0)
		return -1;
	*out_size = size;
	return 0;
}

int sim_volume_list(
	struct hv_conn *c, struct arena *a, struct hv_volume **out, size_t *out_n, struct error *err)
{
	struct hv_volume *list;
	struct sim_call k;
	size_t n = 0;

	if (sim_begin(c, SIM_VOLUME_LIST, &k, err) < 0)
		return -1;
	list = ARENA_ARRAY(a, struct hv_volume, k.w->vols.n);
	for (struct sim_node *v = sim_table_next(&k.w->vols, NULL); v; v = sim_table_next(&k.w->vols, v))
		if (hv_volume_ours(v->key)) {
			int64_t capacity = ((struct sim_vol *)(void *)v)->capacity;

			list[n++] = (struct hv_volume) { arena_strdup(a, v->key), capacity, capacity };
		}
	if (sim_end(&k, 0, err) < 0)
		return -1;
	*out = list;
	*out_n = n;
	return 0;
}
