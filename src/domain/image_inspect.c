/* SPDX-License-Identifier: Apache-2.0 */
/* qcow2 as its specification (docs/interop/qcow2 of QEMU) lays it out; other formats are only known by their
 * magic. */
#include "domain/image_inspect.h"

#include <stdbool.h>
#include <string.h>

#include "base/util.h"

static const int64_t VIRTUAL_SIZE_MAX = INT64_C(64) << 40;

/* Signatures of formats that QEMU would probe: an image declared raw must begin as none of them. */
static const struct {
	const char *format;
	size_t offset, n;
	const char *bytes;
} signatures[] = {
	{ "qcow2", 0, 4, "QFI\xfb" },
	{ "vmdk", 0, 4, "KDMV" },
	{ "vmdk", 0, 4, "COWD" },
	{ "vmdk", 0, 21, "# Disk DescriptorFile" },
	{ "vdi", 64, 4, "\x7f\x10\xda\xbe" },
	{ "vhdx", 0, 8, "vhdxfile" },
	{ "vhd", 0, 8, "conectix" },
	{ "qed", 0, 4, "QED\0" },
	{ "luks", 0, 6, "LUKS\xba\xbe" },
	{ "parallels", 0, 16, "WithoutFreeSpace" },
	{ "parallels", 0, 16, "WithouFreSpacExt" },
	{ "bochs", 0, 30, "Bochs Virtual HD Image\0\0\0\0\0\0\0\0" },
	{ "cloop", 0, 11, "#!/bin/sh\n#" },
};

static const char *format_of(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(signatures); i++)
		if (n >= signatures[i].offset + signatures[i].n &&
			memcmp(p + signatures[i].offset, signatures[i].bytes, signatures[i].n) == 0)
			return signatures[i].format;
	return "raw";
}

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t be64(const unsigned char *p)
{
	return (uint64_t)be32(p) << 32 | be32(p + 4);
}

enum {
	QCOW2_V2_HEADER = 72,
	QCOW2_V3_HEADER = 104,
	/* byte offsets in the header */
	AT_VERSION = 4,
	AT_BACKING_OFFSET = 8,
	AT_BACKING_SIZE = 16,
	AT_CLUSTER_BITS = 20,
	AT_SIZE = 24,
	AT_CRYPT = 32,
	AT_INCOMPATIBLE = 72,
	AT_HEADER_LENGTH = 100,
	/* header extensions */
	EXT_END = 0,
	EXT_BACKING_FORMAT = (int)0xe2792aca,
	EXT_DATA_FILE = 0x44415441
};

enum {
	INCOMPATIBLE_DIRTY = 1 << 0,
	INCOMPATIBLE_CORRUPT = 1 << 1,
	INCOMPATIBLE_DATA_FILE = 1 << 2,
	INCOMPATIBLE_COMPRESSION = 1 << 3,
	INCOMPATIBLE_EXTENDED_L2 = 1 << 4
};

static int refuse(struct error *err, const char *why)
{
	return error_set(err, ERR_BAD_REQUEST, "the image is refused: %s", why);
}

static int check_features(uint64_t bits, struct error *err)
{
	if (bits & INCOMPATIBLE_DATA_FILE)
		return refuse(err,
			"its data is in another file (external data file); convert it with qemu-img convert");
	if (bits & INCOMPATIBLE_CORRUPT)
		return refuse(err, "it is marked corrupt; repair it with qemu-img check -r all");
	if (bits & INCOMPATIBLE_DIRTY)
		return refuse(err, "it is marked dirty (not closed in good order); repair it with qemu-img "
				   "check -r all");
	if (bits & ~(uint64_t)(INCOMPATIBLE_COMPRESSION | INCOMPATIBLE_EXTENDED_L2))
		return refuse(err, "it needs qcow2 features that are not known here");
	return 0;
}

/* Walks the header extensions; a backing format or a data file named there is refused as well. */
static int check_extensions(const unsigned char *p, size_t n, size_t at, struct error *err)
{
	while (at + 8 <= n) {
		uint32_t type = be32(p + at), len = be32(p + at + 4);

		if (type == EXT_END)
			return 0;
		if (type == (uint32_t)EXT_DATA_FILE)
			return refuse(
				err, "it names an external data file; convert it with qemu-img convert");
		if (type == (uint32_t)EXT_BACKING_FORMAT)
			return refuse(err,
				"it names the format of a backing file; convert it with qemu-img convert");
		if (len > n)
			return refuse(err, "a qcow2 header extension is longer than a header can be");
		at += 8 + ((size_t)len + 7) / 8 * 8;
	}
	return 0;
}

static int inspect_qcow2(const unsigned char *p, size_t n, int64_t *out_virtual_size, struct error *err)
{
	uint32_t version, cluster_bits, header_length = QCOW2_V2_HEADER;
	uint64_t size;

	if (n < QCOW2_V2_HEADER)
		return refuse(err, "it ends within its qcow2 header");
	version = be32(p + AT_VERSION);
	if (version != 2 && version != 3)
		return refuse(err, "its qcow2 version is neither 2 nor 3");
	if (be64(p + AT_BACKING_OFFSET) || be32(p + AT_BACKING_SIZE))
		return refuse(err, "it has a backing file; make it stand alone with qemu-img convert");
	if (be32(p + AT_CRYPT))
		return refuse(err, "it is encrypted within qcow2, which hosts cannot open");
	cluster_bits = be32(p + AT_CLUSTER_BITS);
	if (cluster_bits < 9 || cluster_bits > 21)
		return refuse(err, "its qcow2 cluster size is not from 512 bytes to 2 MiB");
	size = be64(p + AT_SIZE);
	if (!size || size > (uint64_t)VIRTUAL_SIZE_MAX)
		return refuse(err, "its virtual size is not from 1 byte to 64 TiB");
	if (version == 3) {
		if (n < QCOW2_V3_HEADER)
			return refuse(err, "it ends within its qcow2 header");
		header_length = be32(p + AT_HEADER_LENGTH);
		if (header_length < QCOW2_V3_HEADER || header_length > (UINT32_C(1) << cluster_bits) ||
			header_length > n || header_length % 8)
			return refuse(err, "the length of its qcow2 header is not valid");
		if (check_features(be64(p + AT_INCOMPATIBLE), err) < 0)
			return -1;
	}
	if (check_extensions(p, n, header_length, err) < 0)
		return -1;
	*out_virtual_size = (int64_t)size;
	return 0;
}

int image_inspect(
	const void *start, size_t n, const char *declared, int64_t *out_virtual_size, struct error *err)
{
	const char *found = format_of(start, n);

	if (!n)
		return refuse(err, "it is empty");
	if (!str_eq(declared, "raw") && !str_eq(declared, "qcow2"))
		return error_set(err, ERR_BAD_REQUEST,
			"disk_format '%.32s' is not served by this cloud: convert the image to qcow2 or raw "
			"(qemu-img convert)",
			declared ? declared : "");
	if (!str_eq(found, declared))
		return error_set(err, ERR_BAD_REQUEST,
			"the image is refused: it was declared %s, but its bytes are %s", declared, found);
	if (str_eq(found, "raw")) {
		*out_virtual_size = 0;
		return 0;
	}
	return inspect_qcow2(start, n, out_virtual_size, err);
}
