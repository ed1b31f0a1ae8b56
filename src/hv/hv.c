/* SPDX-License-Identifier: Apache-2.0 */
/* Which driver speaks for which URI, how things are named in the outside world, and the room's start and end.
 */
#include "hv/hv.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "hv/internal.h"

static char cloud[80];

const char *hv_cloud_id(void)
{
	return cloud;
}

static const struct {
	const char *prefix;
	const struct hv_driver *driver;
	bool host; /* something must follow the prefix before a slash */
} schemes[] = {
	{ "qemu+tls://", &hv_libvirt_driver, true },
	{ "test+tls://", &hv_libvirt_driver, true },
	{ "qemu:///", &hv_libvirt_driver, false },
	{ "test:///", &hv_libvirt_driver, false },
	{ "sim://", &hv_sim_driver, true },
};

enum { URI_MAX = 1024 };

static bool uri_clean(const char *uri)
{
	size_t n = strlen(uri);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)uri[i] <= ' ' || (unsigned char)uri[i] >= 0x7f)
			return false;
	return n < URI_MAX;
}

const struct hv_driver *hv_driver_for(const char *uri, struct error *err)
{
	if (!uri || !uri_clean(uri)) {
		error_set(err, ERR_BAD_REQUEST, "the host's URI is empty, too long or has blanks in it");
		return NULL;
	}
	/* a host that need not prove its name could be anybody */
	if (strstr(uri, "no_verify")) {
		error_set(err, ERR_BAD_REQUEST, "the host's URI must not contain no_verify");
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		const char *rest = uri + strlen(schemes[i].prefix);

		if (!str_starts(uri, schemes[i].prefix))
			continue;
		if (*rest && !(schemes[i].host && strchr("/?:", *rest)))
			return schemes[i].driver;
	}
	error_set(err, ERR_BAD_REQUEST,
		"the host's URI must be qemu+tls://HOST[:PORT]/system, test+tls://HOST[:PORT]/default, "
		"qemu:///system, test:///default or sim://NAME");
	return NULL;
}

int hv_init(void *uv_loop, const char *cloud_id, struct error *err)
{
	if (!str_copy(cloud, sizeof cloud, cloud_id))
		return error_set(err, ERR_BAD_REQUEST, "the cloud's id is too long");
	if (hv_events_init(uv_loop, err) < 0)
		return -1;
	return hv_libvirt_init(err);
}

void hv_finish(void)
{
	hv_libvirt_finish();
	hv_events_finish();
}

static const char *name_make(char out[HV_VOLUME_NAME], const char *a, const char *b, const char *c)
{
	snprintf(out, HV_VOLUME_NAME, "%s%s%s", a, b, c);
	return out;
}

const char *hv_image_volume(const char *image_id, const char *format, char out[HV_VOLUME_NAME])
{
	char prefix[HV_VOLUME_NAME];

	snprintf(prefix, sizeof prefix, "image-%s.", image_id);
	return name_make(out, prefix, format, "");
}

const char *hv_server_volume(const char *server_id, enum hv_part part, char out[HV_VOLUME_NAME])
{
	static const char *const endings[HV_PARTS] = {
		[HV_ROOT] = "-root.qcow2",
		[HV_EPHEMERAL] = "-ephemeral.qcow2",
		[HV_SWAP] = "-swap.qcow2",
		[HV_CONFIG] = "-config.iso",
		[HV_RESCUE] = "-rescue.qcow2",
		[HV_SNAPSHOT] = "-snapshot.qcow2",
	};

	return name_make(out, server_id, endings[part], "");
}

bool hv_volume_ours(const char *name)
{
	char uuid[UUID_TEXT];
	const char *dot = strrchr(name, '.');

	if (!dot || strcmp(dot, ".ok") == 0 || strstr(name, "-console.log"))
		return false;
	snprintf(uuid, sizeof uuid, "%.36s", name);
	return str_starts(name, "image-") || (uuid_valid(uuid) && name[UUID_TEXT - 1] == '-');
}
