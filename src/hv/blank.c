/* SPDX-License-Identifier: Apache-2.0 */
/* What is read out of a volume that has a size and no bytes (simulated hosts, libvirt's test driver): an
 * image of nothing, in the format that its name tells. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "hv/internal.h"

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

int hv_file_failed(struct error *err)
{
	int number = errno;

	if (number == ENOSPC || number == EDQUOT)
		error_set(err, ERR_NO_SPACE, "The cloud's controller has no disk space left.");
	else
		error_internal(err, "download");
	return error_detail(err, "download: %s", strerror(number));
}

int hv_file_write(int fd, const struct buf *data, int64_t size, struct error *err)
{
	size_t done = 0;

	if (ftruncate(fd, 0) < 0 || ftruncate(fd, size) < 0)
		return hv_file_failed(err);
	while (done < data->len) {
		ssize_t n = pwrite(fd, data->data + done, data->len - done, (off_t)done);

		if (n < 0 && errno != EINTR)
			return hv_file_failed(err);
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int hv_too_large(int64_t max, struct error *err)
{
	return error_set(err, ERR_TOO_LARGE, "the disk has more than %lld bytes", (long long)max);
}

int hv_blank_read(
	const char *name, int64_t capacity, int fd, int64_t max, int64_t *out_size, struct error *err)
{
	size_t n = strlen(name), suffix = strlen(".qcow2");
	CLEANUP(buf_finish) struct buf data = { 0 };
	int64_t size = capacity;

	if (n > suffix && strcmp(name + n - suffix, ".qcow2") == 0) {
		empty_qcow2(&data, capacity);
		size = (int64_t)data.len;
	}
	if (size > max)
		return hv_too_large(max, err);
	*out_size = size;
	return hv_file_write(fd, &data, size, err);
}
