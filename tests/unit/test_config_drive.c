/* SPDX-License-Identifier: Apache-2.0 */
/* The config drive, read back through libisofs as a file system is: label, names, bytes, Joliet. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LIBISOFS_WITHOUT_LIBBURN 1
#include <libisofs/libisofs.h>

#include "base/util.h"
#include "hv/config_drive.h"

static void put(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}

static int make(const char *meta, const char *network, const void *user, size_t user_n, struct buf *out)
{
	struct config_drive cd = { .user_data = user, .user_data_n = user_n };
	struct error err;
	int rc;

	put(&cd.meta_data, meta);
	put(&cd.network_data, network);
	rc = config_drive_make(&cd, out, &err);
	buf_finish(&cd.meta_data);
	buf_finish(&cd.network_data);
	return rc;
}

static void write_temp(const struct buf *b, char path[32])
{
	int fd;

	strcpy(path, "/tmp/cloudd-iso-XXXXXX");
	assert_true((fd = mkstemp(path)) >= 0);
	assert_int_equal(write(fd, b->data, b->len), (ssize_t)b->len);
	close(fd);
}

/* What a reader with (or without) Rock Ridge and Joliet finds at path; NULL when nothing. */
static IsoImage *open_image(const char *file, bool rockridge, bool joliet, IsoImageFilesystem **fs)
{
	IsoReadOpts *opts;
	IsoImage *image = NULL;
	IsoDataSource *src;

	assert_true(iso_data_source_new_from_file(file, &src) >= 0);
	assert_true(iso_read_opts_new(&opts, 0) >= 0);
	iso_read_opts_set_no_rockridge(opts, !rockridge);
	iso_read_opts_set_no_joliet(opts, !joliet);
	iso_read_opts_set_preferjoliet(opts, joliet);
	assert_true(iso_image_new("", &image) >= 0);
	assert_true(iso_image_import(image, src, opts, NULL) >= 0);
	iso_read_opts_free(opts);
	iso_data_source_unref(src);
	*fs = NULL;
	return image;
}

static bool content_is(IsoImage *image, const char *path, const void *want, size_t n)
{
	unsigned char *got = xmalloc(n + 1);
	IsoNode *node = NULL;
	IsoStream *stream;
	size_t len = 0;
	bool same = false;
	int k;

	if (iso_image_path_to_node(image, path, &node) == 1 && iso_node_get_type(node) == LIBISO_FILE) {
		stream = iso_file_get_stream((IsoFile *)node);
		assert_true(iso_stream_open(stream) >= 0);
		while (len <= n && (k = iso_stream_read(stream, got + len, n + 1 - len)) > 0)
			len += (size_t)k;
		iso_stream_close(stream);
		same = len == n && memcmp(got, want, n) == 0;
	}
	free(got);
	return same;
}

static bool text_is(IsoImage *image, const char *path, const char *want)
{
	return content_is(image, path, want, strlen(want));
}

static void test_reads_back(void **state)
{
	static const char meta[] = "{\"uuid\": \"u\", \"name\": \"m\xc3\xa1y\"}", net[] = "{\"links\": []}";
	static const char user[] = "#!/bin/sh\necho \0 \xff\n";
	CLEANUP(buf_finish) struct buf iso = { 0 };
	IsoImageFilesystem *fs;
	char path[32];

	(void)state;
	assert_int_equal(make(meta, net, user, sizeof user - 1, &iso), 0);
	assert_int_equal(iso.len % 2048, 0);
	assert_true(iso.len < 1 << 20);
	/* where blkid and the guest look for it: the primary volume descriptor's volume id */
	assert_memory_equal(iso.data + 32768 + 1, "CD001", 5);
	assert_memory_equal(iso.data + 32768 + 40, "config-2                        ", 32);
	write_temp(&iso, path);
	for (int joliet = 0; joliet < 2; joliet++) {
		IsoImage *image = open_image(path, !joliet, joliet, &fs);

		assert_true(text_is(image, "/openstack/latest/meta_data.json", meta));
		assert_true(text_is(image, "/openstack/latest/network_data.json", net));
		assert_true(text_is(image, "/openstack/latest/vendor_data.json", "{}"));
		assert_true(text_is(image, "/openstack/latest/vendor_data2.json", "{}"));
		assert_true(content_is(image, "/openstack/latest/user_data", user, sizeof user - 1));
		iso_image_unref(image);
	}
	unlink(path);
}

static void test_no_user_data(void **state)
{
	CLEANUP(buf_finish) struct buf iso = { 0 };
	IsoImageFilesystem *fs;
	IsoNode *node = NULL;
	IsoImage *image;
	char path[32];

	(void)state;
	assert_int_equal(make("{}", "{}", NULL, 0, &iso), 0);
	write_temp(&iso, path);
	image = open_image(path, true, false, &fs);
	assert_true(text_is(image, "/openstack/latest/meta_data.json", "{}"));
	assert_int_equal(iso_image_path_to_node(image, "/openstack/latest/user_data", &node), 0);
	iso_image_unref(image);
	unlink(path);
}

static void test_limits(void **state)
{
	CLEANUP(free_ptr) char *big = xcalloc(1, (1 << 20) + 1);
	CLEANUP(buf_finish) struct buf iso = { 0 };
	struct config_drive cd = { .user_data = big, .user_data_n = (1 << 20) + 1 };
	struct error err;

	(void)state;
	assert_int_equal(config_drive_make(&cd, &iso, &err), -1);
	assert_int_equal(err.code, ERR_TOO_LARGE);
	assert_int_equal(iso.len, 0);
	assert_int_equal(make("{}", "{}", big, 65536, &iso), 0);
	assert_true(iso.len > 65536);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_back),
		cmocka_unit_test(test_no_user_data),
		cmocka_unit_test(test_limits),
	};
	int rc;

	if (iso_init() < 0)
		return 1;
	iso_set_msgs_severities("NEVER", "NEVER", "");
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	iso_finish();
	return rc;
}
