/* SPDX-License-Identifier: Apache-2.0 */
/* Guests' definitions against golden files (UPDATE_GOLDEN=1 writes them). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "golden.h"
#include "hv/libvirt/domxml.h"
#include "hv/libvirt/guestxml.h"
#include "hv/libvirt/xmlr.h"
#include "hv/libvirt/xmlw.h"

#define UUID "11111111-2222-4333-8444-555555555555"

static const struct hv_disk disks[] = {
	{ .volume = UUID "-root.qcow2", .format = "qcow2", .serial = "11111111-2222-4333-8" },
	{ .volume = UUID "-config.iso", .format = "raw", .readonly = true },
};
static const struct hv_nic nics[] = {
	{ .mac = "fa:16:3e:00:00:01", .source = "cloudd", .mtu = 1450 },
	{ .mac = "fa:16:3e:00:00:02", .source = "br-ext", .is_bridge = true },
};
static const struct hv_hostdev hostdevs[] = { { "0000:65:00.0", -1 }, { "0001:e3:1f.7", -1 } };

static struct hv_domain plain(void)
{
	return (struct hv_domain) { .uuid = UUID,
		.name = "instance-0000002a",
		.title = "web-1",
		.vcpus = 2,
		.ram_mib = 2048,
		.disks = disks,
		.disks_n = ARRAY_LEN(disks),
		.nics = nics,
		.nics_n = ARRAY_LEN(nics),
		.project_id = "0123456789abcdef0123456789abcdef",
		.flavor_name = "m1.small",
		.cloud_id = "cloud-a",
		.epoch = 7 };
}

static void test_golden_tcg(void **state)
{
	struct hv_domain d = plain();

	(void)state;
	same_as_golden("tcg", &d,
		&(struct domxml_host) { .type = "qemu",
			.arch = "x86_64",
			.emulator = "/usr/bin/qemu-system-x86_64",
			.pool = "cloudd",
			.log_path = "/pool/" UUID "-console.log" });
}

static void test_golden_kvm_gpus(void **state)
{
	struct hv_domain d = plain();

	(void)state;
	d.hostdevs = hostdevs;
	d.hostdevs_n = ARRAY_LEN(hostdevs);
	d.vcpus = 32;
	d.ram_mib = 262144;
	same_as_golden(
		"kvm_gpus", &d, &(struct domxml_host) { .type = "kvm", .arch = "x86_64", .pool = "cloudd" });
}

static void test_golden_test_driver(void **state)
{
	struct hv_domain d = plain();

	(void)state;
	d.hostdevs = hostdevs;
	d.hostdevs_n = 1;
	same_as_golden("test_driver", &d,
		&(struct domxml_host) { .type = "test", .arch = "i686", .pool = "default" });
}

/* Text of tenants must stay text: what looks like markup, other scripts, what XML cannot hold. */
static void test_golden_hostile(void **state)
{
	struct hv_domain d = plain();

	(void)state;
	d.title = "</title><devices>'\"&amp; & ]]> <!-- m\xc3\xa1y ch\xe1\xbb\xa7 Vi\xe1\xbb\x87t Nam\nline "
		  "2\x01\xff";
	d.flavor_name = "a'b\"c<d>&e\tf";
	d.machine = "pc";
	same_as_golden("hostile", &d,
		&(struct domxml_host) {
			.type = "qemu", .arch = "x86_64", .pool = "p<o>o'l", .log_path = "/a&b" });
}

static xmlNodePtr child_of_root(xmlDocPtr doc, const char *name)
{
	return xr_child(xmlDocGetRootElement(doc), name);
}

static void test_hostile_text_survives(void **state)
{
	const char *title = "<b>\"Tr\xe1\xba\xa7n & C\xc3\xb4ng\" 'x'</b>";
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(buf_finish) struct buf xml = { 0 };
	CLEANUP(xr_free) xmlDocPtr doc = NULL;
	struct hv_domain d = plain();
	struct error err;
	xmlNodePtr mark;

	(void)state;
	d.title = d.flavor_name = title;
	domxml_write(&xml, &d, &(struct domxml_host) { .type = "kvm", .arch = "x86_64", .pool = "p" });
	assert_non_null(doc = xr_parse(xml.data, xml.len, &err));
	assert_string_equal(xr_text(&a, child_of_root(doc, "title")), title);
	mark = xr_path(xmlDocGetRootElement(doc), "metadata", "server", NULL);
	assert_string_equal(xr_attr(&a, mark, "flavor"), title);
	assert_string_equal((const char *)mark->ns->href, DOMXML_NS);
	/* one title, no element that a tenant wrote */
	assert_null(xr_next(child_of_root(doc, "title"), "title"));
	assert_null(xr_child(child_of_root(doc, "title"), NULL));
}

static void test_writer_replaces_what_xml_cannot_hold(void **state)
{
	CLEANUP(buf_finish) struct buf out = { 0 };
	struct xmlw w = { .out = &out };

	(void)state;
	xw_leaf(&w, "t",
		"a\x02"
		"b\xc3(\xed\xa0\x80|\xef\xbf\xbf|\xf0\x9f\x98\x80\x7f");
#define R "\xef\xbf\xbd"
	assert_string_equal(
		buf_text(&out), "<t>a" R "b" R "(" R R R "|" R R R "|\xf0\x9f\x98\x80" R "</t>\n");
#undef R
}

static void test_mark(void **state)
{
	struct domxml_mark m;

	(void)state;
	assert_int_equal(domxml_mark_read("<cloudd:server xmlns:cloudd='" DOMXML_NS
					  "' cloud='cloud-a' project='p' flavor='f' epoch='12'/>",
				 &m),
		0);
	assert_string_equal(m.cloud_id, "cloud-a");
	assert_int_equal(m.epoch, 12);
	assert_int_equal(domxml_mark_read("<server cloud='x'/>", &m), 0);
	assert_int_equal(m.epoch, 0);
	assert_int_equal(domxml_mark_read("<server epoch='1'/>", &m), -1);
	assert_int_equal(domxml_mark_read("<other cloud='x'/>", &m), -1);
	assert_int_equal(domxml_mark_read("<server cloud='x'", &m), -1);
	assert_int_equal(domxml_mark_read("", &m), -1);
}

static void test_reader_refuses_doctypes(void **state)
{
	static const char bomb[] = "<!DOCTYPE a [<!ENTITY x 'xxxx'><!ENTITY y '&x;&x;'>]><a>&y;</a>";
	static const char outside[] = "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>";
	struct error err;

	(void)state;
	assert_null(xr_parse(bomb, strlen(bomb), &err));
	assert_int_equal(err.code, ERR_HYPERVISOR);
	assert_null(xr_parse(outside, strlen(outside), &err));
	assert_null(xr_parse("", 0, &err));
	assert_null(xr_parse("<a>", 3, &err));
}

/* --- running guests --------------------------------------------------------------------------------------
 */

static bool says(const struct buf *b, const char *text)
{
	return memmem(b->data, b->len, text, strlen(text)) != NULL;
}

/* A running guest's own XML, as libvirt 9.0 gives it. */
static void test_guest(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(buf_finish)
	struct buf xml = { 0 }, placed = { 0 }, same = { 0 }, pinned = { 0 }, moved = { 0 }, epoch = { 0 };
	const struct hv_guest_cell cell = { 3, 1, 64, 2048 };
	struct cpuset pin = { .bits = { 1 << 7 } };
	struct hv_domain there = { .vcpus = 1, .cells = &cell, .cells_n = 1, .pins = &pin, .pins_n = 1 };
	struct guest g;
	struct error err;

	(void)state;
	read_whole(SOURCE_DIR "/tests/fuzz/corpus/hostxml/guest.xml", &xml);
	assert_int_equal(guestxml_read(&a, buf_text(&xml), &g, &err), 0);
	assert_int_equal(g.disks_n, 2);
	assert_string_equal(g.disks[0].dev, "vda");
	assert_string_equal(g.disks[0].volume, UUID "-root.qcow2");
	assert_string_equal(g.disks[1].volume, UUID "-config.iso");
	assert_int_equal(g.macs_n, 1);
	assert_string_equal(g.macs[0], "fa:16:3e:00:00:01");
	assert_false(g.hostdevs);
	assert_true(says(&xml, "image-g"));
	assert_int_equal(
		guestxml_place(buf_text(&xml),
			&(struct guest_place) {
				.pool = "fast&far", .emulator = "/opt/qemu", .log_path = "/logs/<x>.log" },
			&placed, &err),
		0);
	assert_true(says(&placed, "pool=\"fast&amp;far\""));
	assert_false(says(&placed, "pool=\"cloudd\""));
	assert_false(says(&placed, "backingStore"));
	assert_true(says(&placed, "<emulator>/opt/qemu</emulator>"));
	assert_true(says(&placed, "file=\"/logs/&lt;x&gt;.log\""));
	assert_false(says(&placed, "console.log"));
	assert_true(says(&placed, DOMXML_NS)); /* our mark goes with it */
	assert_int_equal(guestxml_place(buf_text(&xml), &(struct guest_place) { 0 }, &same, &err), 0);
	assert_true(
		says(&same, "pool=\"cloudd\"") && says(&same, "console.log") && says(&same, "epoch=\"3\""));
	assert_int_equal(
		guestxml_place(buf_text(&xml), &(struct guest_place) { .epoch = 42 }, &epoch, &err), 0);
	assert_true(says(&epoch, "epoch=\"42\"") && !says(&epoch, "epoch=\"3\""));
	assert_int_equal(
		guestxml_place(buf_text(&xml), &(struct guest_place) { .promise = &there }, &pinned, &err),
		0);
	assert_true(says(&pinned, "<vcpupin vcpu=\"0\" cpuset=\"7\"/>") && says(&pinned, "nodeset=\"3\""));
	assert_true(says(&pinned, "<page size=\"2048\" unit=\"KiB\" nodeset=\"0\"/>"));
	/* again: those of the first place are gone */
	cpuset_parse("9", &pin);
	there.cells_n = 0;
	assert_int_equal(
		guestxml_place(buf_text(&pinned), &(struct guest_place) { .promise = &there }, &moved, &err),
		0);
	assert_true(says(&moved, "<vcpupin vcpu=\"0\" cpuset=\"9\"/>"));
	assert_false(says(&moved, "cpuset=\"7\"") || says(&moved, "memnode") || says(&moved, "hugepages"));
	assert_int_equal(guestxml_read(&a, "<domain><devices><hostdev/></devices></domain>", &g, &err), 0);
	assert_true(g.hostdevs);
	assert_int_equal(guestxml_read(&a, "<domain", &g, &err), -1);
	assert_int_equal(guestxml_place("no XML", &(struct guest_place) { 0 }, &same, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_tcg),
		cmocka_unit_test(test_golden_kvm_gpus),
		cmocka_unit_test(test_golden_test_driver),
		cmocka_unit_test(test_golden_hostile),
		cmocka_unit_test(test_hostile_text_survives),
		cmocka_unit_test(test_writer_replaces_what_xml_cannot_hold),
		cmocka_unit_test(test_mark),
		cmocka_unit_test(test_reader_refuses_doctypes),
		cmocka_unit_test(test_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
