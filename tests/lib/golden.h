/* SPDX-License-Identifier: Apache-2.0 */
/* Guests' definitions against golden files (UPDATE_GOLDEN=1 writes them) and libvirt's schema. */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "hv/libvirt/domxml.h"
#include "hv/libvirt/xmlr.h"

static inline void read_whole(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return;
	while ((n = fread(buf_reserve(out, 4096), 1, 4096, f)) > 0)
		out->len += n;
	fclose(f);
}

static inline void write_whole(const char *path, const struct buf *b)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(b->data, 1, b->len, f), b->len);
	fclose(f);
}

/* Does libvirt's schema allow it? Where schema or xmllint are missing it is not asked. */
static inline void allowed_by_schema(const char *schema, const struct buf *xml)
{
	CLEANUP(free_ptr) char *rng = xasprintf("/usr/share/libvirt/schemas/%s.rng", schema), *cmd = NULL;
	char path[64];
	int fd, rc;

	if (access(rng, R_OK) != 0 || system("command -v xmllint >/dev/null") != 0) {
		print_message("not compared with %s: it, or xmllint, is missing\n", rng);
		return;
	}
	snprintf(path, sizeof path, "%.40s/golden-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_true((fd = mkstemp(path)) >= 0);
	assert_int_equal(write(fd, xml->data, xml->len), xml->len);
	close(fd);
	cmd = xasprintf(
		"out=$(xmllint --noout --relaxng %s %s 2>&1) || { echo \"$out\"; false; }", rng, path);
	rc = system(cmd);
	unlink(path);
	assert_int_equal(rc, 0);
}

static inline void same_as_golden(const char *name, const struct hv_domain *d, const struct domxml_host *host)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/tests/unit/golden/%s.xml", SOURCE_DIR, name);
	CLEANUP(buf_finish) struct buf got = { 0 }, want = { 0 };
	struct error err;
	xmlDocPtr doc;

	domxml_write(&got, d, host);
	assert_non_null(doc = xr_parse(got.data, got.len, &err));
	xmlFreeDoc(doc);
	allowed_by_schema("domain", &got);
	if (getenv("UPDATE_GOLDEN"))
		write_whole(path, &got);
	read_whole(path, &want);
	assert_string_equal(buf_text(&got), buf_text(&want));
}

#endif
