/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of simulated hosts. Most have a size and no bytes; what is read out of one without is an image of
 * nothing, in the format that its name tells. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static void put_be(unsigned char *p, uint64_t value, size_t n)
{
	while (n--) {
		p[n] = (unsigned char)value;
		value >>= 8;
	}
}

/* An empty qcow2 image (version 2): header, one table and one block of reference counts, the first table of
 * addresses, each in clusters of 64 KiB. */
static void empty_qcow2(struct buf *out, int64_t capacity)
{
	enum { CLUSTER = 65536, L2_COVERS_BITS = 29 };
	uint64_t l1 = ((uint64_t)capacity + (1u << L2_COVERS_BITS) - 1) >> L2_COVERS_BITS;
	size_t clusters = 3 + (l1 * 8 + CLUSTER - 1) / CLUSTER;
	unsigned char *p = xcalloc(clusters, CLUSTER);

	put_be(p, 0x514649fb, 4);
	put_be(p + 4, 2, 4);
	put_be(p + 20, 16, 4); /* bits of a cluster */
	put_be(p + 24, (uint64_t)capacity, 8);
	put_be(p + 36, l1, 4);
	put_be(p + 40, 3 * CLUSTER, 8); /* first table of addresses */
	put_be(p + 48, CLUSTER, 8);     /* table of reference counts */
	put_be(p + 56, 1, 4);
	put_be(p + CLUSTER, 2 * CLUSTER, 8);
	for (size_t i = 0; i < clusters; i++)
		put_be(p + 2 * CLUSTER + 2 * i, 1, 2);
	buf_append(out, p, clusters * CLUSTER);
	free(p);
}

static int write_out(int fd, const struct buf *data, int64_t size, struct error *err)
{
	size_t done = 0;

	if (ftruncate(fd, 0) < 0 || ftruncate(fd, size) < 0)
		return error_internal(err, "download: %s", strerror(errno));
	while (done < data->len) {
		ssize_t n = pwrite(fd, data->data + done, data->len - done, (off_t)done);

		if (n < 0 && errno != EINTR)
			return error_internal(err, "download: %s", strerror(errno));
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int read_out(const struct sim_vol *v, int fd, int64_t max, int64_t *out_size, struct error *err)
{
	size_t n = strlen(v->node.key), suffix = strlen(".qcow2");
	CLEANUP(buf_finish) struct buf data = { 0 };
	int64_t size = v->capacity;

	if (v->kept)
		buf_append(&data, v->data.data, v->data.len);
	else if (n > suffix && strcmp(v->node.key + n - suffix, ".qcow2") == 0)
		empty_qcow2(&data, v->capacity);
	if (data.len)
		size = (int64_t)data.len;
	if (size > max)
		return error_set(err, ERR_TOO_LARGE, "the disk has more than %lld bytes", (long long)max);
	*out_size = size;
	return write_out(fd, &data, size, err);
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
