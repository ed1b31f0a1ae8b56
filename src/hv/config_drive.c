/* SPDX-License-Identifier: Apache-2.0 */
/* cloud-init looks for a file system labelled config-2; Linux reads it by Rock Ridge, Windows
 * (cloudbase-init) by Joliet, so the image has both. */
#include "hv/config_drive.h"

#include <fcntl.h> /* libisofs.h needs off_t and mode_t */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LIBISOFS_WITHOUT_LIBBURN 1
#include <libisofs/libisofs.h>

#include "base/util.h"

enum { SECTOR = 2048, USER_DATA_MAX = 1 << 20 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
/* libisofs keeps state of its own outside the images (its message queue) */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void start(void)
{
	iso_init();
	iso_set_msgs_severities("NEVER", "NEVER", "");
}

static int fail(struct error *err, const char *what, int rc)
{
	return error_internal(err, "config drive: %s: %s", what, iso_error_to_msg(rc));
}

static int add_dir(IsoImage *image, IsoDir *parent, const char *name, IsoDir **out, struct error *err)
{
	int rc = iso_image_add_new_dir(image, parent, name, out);

	if (rc < 0)
		return fail(err, name, rc);
	iso_node_set_permissions((IsoNode *)*out, 0755);
	return 0;
}

/* libisofs frees what it is given, so it gets a copy. */
static int add_file(
	IsoImage *image, IsoDir *dir, const char *name, const void *data, size_t n, struct error *err)
{
	unsigned char *copy = xmalloc(n);
	IsoStream *stream;
	IsoFile *file;
	int rc;

	memcpy(copy, n ? data : "", n);
	if ((rc = iso_memory_stream_new(copy, n, &stream)) < 0) {
		free(copy);
		return fail(err, name, rc);
	}
	if ((rc = iso_image_add_new_file(image, dir, name, stream, &file)) < 0) {
		iso_stream_unref(stream);
		return fail(err, name, rc);
	}
	iso_node_set_permissions((IsoNode *)file, 0444);
	return 0;
}

static int fill(IsoImage *image, const struct config_drive *cd, struct error *err)
{
	IsoDir *openstack, *latest;
	const struct {
		const char *name;
		const void *data;
		size_t n;
	} files[] = {
		{ "meta_data.json", cd->meta_data.data, cd->meta_data.len },
		{ "network_data.json", cd->network_data.data, cd->network_data.len },
		{ "vendor_data.json", "{}", 2 },
		{ "vendor_data2.json", "{}", 2 },
		{ "user_data", cd->user_data, cd->user_data_n },
	};

	if (add_dir(image, iso_image_get_root(image), "openstack", &openstack, err) < 0 ||
		add_dir(image, openstack, "latest", &latest, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (files[i].data &&
			add_file(image, latest, files[i].name, files[i].data, files[i].n, err) < 0)
			return -1;
	return 0;
}

static int drain(struct burn_source *source, struct buf *out, struct error *err)
{
	int (*read)(struct burn_source *, unsigned char *, int) =
		source->read ? source->read : source->read_xt;
	int n;

	while ((n = read(source, (unsigned char *)buf_reserve(out, SECTOR), SECTOR)) > 0)
		out->len += (size_t)n;
	return n < 0 ? error_internal(err, "config drive: reading the image failed") : 0;
}

static int burn(IsoImage *image, struct buf *out, struct error *err)
{
	struct burn_source *source = NULL;
	IsoWriteOpts *opts = NULL;
	int rc;

	if ((rc = iso_write_opts_new(&opts, 0)) < 0)
		return fail(err, "options", rc);
	iso_write_opts_set_iso_level(opts, 3);
	iso_write_opts_set_rockridge(opts, 1);
	/* the label is lower case and has a dash, which ISO 9660 proper does not know */
	iso_write_opts_set_relaxed_vol_atts(opts, 1);
	iso_write_opts_set_joliet(opts, 1);
	iso_write_opts_set_joliet_long_names(opts, 1);
	iso_write_opts_set_fifo_size(opts, 64);
	rc = iso_image_create_burn_source(image, opts, &source);
	iso_write_opts_free(opts);
	if (rc < 0)
		return fail(err, "layout", rc);
	rc = drain(source, out, err);
	source->free_data(source);
	free(source);
	return rc;
}

int config_drive_make(const struct config_drive *cd, struct buf *out, struct error *err)
{
	struct buf image_bytes = { 0 };
	IsoImage *image = NULL;
	int rc;

	if (cd->user_data_n > USER_DATA_MAX)
		return error_set(err, ERR_TOO_LARGE, "user_data is larger than 1 MiB");
	pthread_once(&once, start);
	pthread_mutex_lock(&lock);
	if ((rc = iso_image_new("config-2", &image)) < 0) {
		rc = fail(err, "image", rc);
	} else {
		iso_image_set_publisher_id(image, "cloudd");
		rc = fill(image, cd, err) < 0 ? -1 : burn(image, &image_bytes, err);
		iso_image_unref(image);
	}
	pthread_mutex_unlock(&lock);
	if (rc == 0)
		buf_append(out, image_bytes.data, image_bytes.len);
	buf_finish(&image_bytes);
	return rc;
}
