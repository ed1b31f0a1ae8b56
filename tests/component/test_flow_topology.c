/* SPDX-License-Identifier: Apache-2.0 */
/* What a host is made of, from the hypervisor to placement: cells, CPUs, pages, GPUs, how they are tied
 * together and cut; and what the operator says of them. */
#include "flow_fixture.h"

#include "domain/gpu_products.h"
#include "flow/topology.h"
#include "placement/placement.h"

/* Two cells of four cores with two threads: CPUs 0 to 7 are the first threads, 8 to 15 the second ones. */
#define HOST                                                                                                 \
	"vcpus=16&cells=2&threads=2&ram_gib=64&gpus=4&gpu=10de:2330&pages_1g=8&pages_2m=1024&features=avx2." \
	"svm"
#define CUT "vcpus=8&ram_gib=64&gpus=1&gpu=10de:2330&mdev=nv-1:4:A-1-10C,nv-2:2:A-3-40C"

static struct cloud cloud;

static int setup(void **state)
{
	memset(&cloud, 0, sizeof cloud);
	cloud_make(&cloud);
	*state = &cloud;
	return 0;
}

static int teardown(void **state)
{
	cloud_clean(&cloud);
	cloud_close(*state);
	cloud_remove(*state);
	return 0;
}

/* ---- what tests do ---- */

struct change { /* NULL: as it is */
	const char *rack, *dedicated_cpus, *gpu_links, *traits;
	int64_t disk_reserved_gib;
};

static int do_change(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct change *to = arg;
	struct host_row h;

	if (store_host_load(db, &a, c->hosts[0], &h, err))
		return -1;
	h.rack = to->rack ? to->rack : h.rack;
	h.dedicated_cpus = to->dedicated_cpus ? to->dedicated_cpus : h.dedicated_cpus;
	h.gpu_links = to->gpu_links ? to->gpu_links : h.gpu_links;
	h.traits = to->traits ? to->traits : h.traits;
	h.disk_reserved_gib = to->disk_reserved_gib;
	return flow_host_change(c->e, db, &a, &h, err);
}

struct gpu_op {
	int index;
	enum gpu_change what;
	const char *text;
};

static int do_gpu(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct gpu_op *op = arg;
	struct device_row *devices;
	size_t n;

	if (store_device_list(db, &a, c->hosts[0], &devices, &n, err))
		return -1;
	assert_true((size_t)op->index < n);
	return flow_gpu_change(c->e, db, &devices[op->index], op->what, op->text, err);
}

static void change(struct cloud *c, struct change to)
{
	cloud_ok(c, do_change, &to);
}

static void refused(struct cloud *c, struct change to, enum err code, const char *why)
{
	assert_int_equal(cloud_do(c, do_change, &to), -1);
	assert_int_equal(c->err.code, code);
	if (!strstr(c->err.msg, why))
		fail_msg("'%s' does not say '%s'", c->err.msg, why);
}

static struct placement_usage usage(struct cloud *c)
{
	struct placement_usage u = { 0 };

	assert_true(placement_host_usage(flow_placement(c->e), c->hosts[0], &u));
	return u;
}

/* How many such servers there is room for now. */
static size_t room(struct cloud *c, const struct placement_request *r)
{
	return placement_room(flow_placement(c->e), r, 64);
}

static struct placement_request gpus(int n, enum placement_wish link)
{
	return (struct placement_request) { .vcpus = 1,
		.ram_mib = 256,
		.gpus = { { .model = "h100", .count = n } },
		.gpus_n = 1,
		.link = link };
}

static struct placement_request pinned(int vcpus)
{
	return (struct placement_request) { .vcpus = vcpus, .ram_mib = 512, .dedicated = true };
}

static bool looked(struct cloud *c, void *arg)
{
	/* host_call after host_call: two more looks began, so one that began after the change is done */
	return sim_calls(c->worlds[0], SIM_INVENTORY) > *(uint64_t *)arg && tick_pending(c->tick) == 0;
}

static void look_again(struct cloud *c)
{
	uint64_t before = sim_calls(c->worlds[0], SIM_INVENTORY);

	flow_host_refresh(c->e, c->hosts[0]);
	cloud_until(c, looked, &before);
}

static char *dump(struct cloud *c)
{
	struct buf b = { 0 };

	placement_dump(flow_placement(c->e), &b);
	buf_text(&b);
	return b.data;
}

/* ---- tests ---- */

static void test_inventory(void **state)
{
	static const char rows[] = "SELECT count(*) FROM host_cell WHERE ram_mib = 32768 AND cpus = 8 AND "
				   "pages_1g = 8 AND pages_2m = 1024 AND cpu_list = CASE cell WHEN 0 THEN "
				   "'0,8;1,9;2,10;3,11' ELSE '4,12;5,13;6,14;7,15' END";
	struct cloud *c = *state;
	struct placement_usage u;

	cloud_host(c, HOST);
	assert_int_equal(cloud_count(c, rows), 2);
	assert_int_equal(
		cloud_count(c, "SELECT count(*) FROM device WHERE memory_mib = 81920 AND model = 'h100'"), 4);
	u = usage(c);
	assert_int_equal(u.vcpus_total, 64); /* four each */
	assert_int_equal(u.dedicated_total, 0);
	assert_int_equal(u.huge_total_mib, 20480);
	assert_int_equal(u.ram_total_mib, 65536 - 20480);
	assert_int_equal(u.gpus_total, 4);
}

static void test_dedicated_cpus(void **state)
{
	struct cloud *c = *state;
	struct placement_request two = pinned(2), cores = pinned(2), cells = pinned(4);
	struct placement_usage u;

	cloud_host(c, HOST);
	assert_int_equal(room(c, &two), 0);
	change(c, (struct change) { .dedicated_cpus = "10-15,2-7" });
	u = usage(c);
	assert_int_equal(u.dedicated_total, 12);
	assert_int_equal(u.vcpus_total, 16); /* the other four, four each */
	assert_int_equal(cloud_count(c, "SELECT dedicated_cpus = '2-7,10-15' FROM host"), 1);
	/* cell 0 has cores 2 and 3, cell 1 has 4 to 7 */
	assert_int_equal(room(c, &two), 6);
	cores.threads = PLACEMENT_THREADS_ISOLATE;
	assert_int_equal(room(c, &cores), 3);
	cells.cells_n = 2;
	cells.cells[0] = cells.cells[1] = (struct placement_guest_cell) { 2, 256 };
	assert_int_equal(room(c, &cells), 2);
	/* huge pages of both sizes: 8 of 1 GiB in each of the cells */
	two.page_kib = PAGE_1G;
	two.ram_mib = 3072;
	assert_int_equal(room(c, &two), 4);
	two.page_kib = PAGE_2M;
	two.ram_mib = 2048;
	assert_int_equal(room(c, &two), 2);
}

static void test_changes_refused(void **state)
{
	struct cloud *c = *state;

	cloud_host(c, HOST);
	refused(c, (struct change) { .dedicated_cpus = "2-17" }, ERR_BAD_REQUEST, "has no CPUs 16-17");
	refused(c, (struct change) { .dedicated_cpus = "two" }, ERR_BAD_REQUEST, "dedicated_cpus must be");
	refused(c, (struct change) { .gpu_links = "0-4" }, ERR_BAD_REQUEST, "has 4 GPUs");
	refused(c, (struct change) { .gpu_links = "" }, ERR_BAD_REQUEST, "gpu_links must be");
	refused(c, (struct change) { .traits = "HW_CPU_X86_AVX" }, ERR_BAD_REQUEST, "CUSTOM_");
	refused(c, (struct change) { .rack = "a\tb" }, ERR_BAD_REQUEST, "rack");
	refused(c, (struct change) { .disk_reserved_gib = -1 }, ERR_BAD_REQUEST, "reserved");
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM host WHERE dedicated_cpus = '' AND gpu_links = "
					"'auto' AND rack = '' AND disk_reserved_gib = 0"),
		1);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM host_trait"), 0);
}

static void test_pinned_keep_their_cpus(void **state)
{
	struct cloud *c = *state;
	struct want w = { .vcpus = 4, .extra_specs = "{\"hw:cpu_policy\": \"dedicated\"}" };

	cloud_host(c, HOST);
	change(c, (struct change) { .dedicated_cpus = "0-15" });
	cloud_ok(c, do_create, &w);
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	assert_int_equal(usage(c).dedicated_used, 4);
	refused(c, (struct change) { .dedicated_cpus = "" }, ERR_CONFLICT, w.uid[0]);
	refused(c, (struct change) { .dedicated_cpus = "1-3,9-11,5-7,13-15" }, ERR_CONFLICT, "vm (");
	assert_int_equal(usage(c).dedicated_total, 16);
	/* the rest may go: the server keeps the CPUs that it has */
	cloud_ok(c, do_delete, w.uid[0]);
	cloud_until_server(c, w.uid[0], VM_DELETED);
	cloud_until(c, flows_gone, NULL);
	change(c, (struct change) { .dedicated_cpus = "" });
	assert_int_equal(usage(c).dedicated_total, 0);
	assert_int_equal(usage(c).vcpus_total, 64);
}

static void test_traits_and_labels(void **state)
{
	static const char *const avx2[] = { "HW_CPU_X86_AVX2" }, *const nvme[] = { "CUSTOM_NVME" },
				 *const avx512[] = { "HW_CPU_X86_AVX512F" };
	struct placement_request r = { .vcpus = 1, .ram_mib = 256, .traits_required_n = 1 };
	struct cloud *c = *state;
	CLEANUP(free_ptr) char *text = NULL;

	cloud_host(c, HOST);
	change(c, (struct change) { .rack = "r7",
			  .traits = "CUSTOM_NVME CUSTOM_A CUSTOM_NVME",
			  .disk_reserved_gib = 99 });
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM host_trait"), 2);
	r.traits_required = avx2;
	assert_true(room(c, &r) > 0);
	r.traits_required = nvme;
	assert_true(room(c, &r) > 0);
	r.traits_required = avx512;
	assert_int_equal(room(c, &r), 0);
	assert_int_equal(usage(c).disk_total_gib, 10000 - 99);
	assert_non_null(strstr(text = dump(c), "rack 'r7'"));
	change(c, (struct change) { .traits = "CUSTOM_A" });
	r.traits_required = nvme;
	assert_int_equal(room(c, &r), 0);
}

static void test_links(void **state)
{
	struct placement_request two = gpus(2, PLACEMENT_REQUIRED), four = gpus(4, PLACEMENT_REQUIRED);
	struct cloud *c = *state;

	cloud_host(c, HOST);
	/* a board of four: pairs and the whole */
	assert_int_equal(room(c, &two), 2);
	assert_int_equal(room(c, &four), 1);
	change(c, (struct change) { .gpu_links = "none" });
	assert_int_equal(room(c, &two), 0);
	two.link = PLACEMENT_PREFERRED;
	assert_int_equal(room(c, &two), 2);
	two.link = PLACEMENT_REQUIRED;
	change(c, (struct change) { .gpu_links = "1,2" });
	assert_int_equal(room(c, &two), 1);
	assert_int_equal(room(c, &four), 0);
	change(c, (struct change) { .gpu_links = "auto" });
	assert_int_equal(room(c, &four), 1);
}

static void test_custody(void **state)
{
	struct placement_request one = gpus(1, PLACEMENT_WHATEVER);
	struct cloud *c = *state;

	cloud_host(c, HOST);
	assert_int_equal(room(c, &one), 4);
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 1, GPU_QUARANTINE, "Xid 79" }));
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 2, GPU_FAULT, NULL }));
	assert_int_equal(room(c, &one), 2);
	/* a look over the host changes nothing of it, nor does a restart */
	look_again(c);
	assert_int_equal(room(c, &one), 2);
	cloud_shut(c);
	cloud_open(c);
	assert_int_equal(room(c, &one), 2);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM device WHERE custody = 'quarantined' AND "
					"custody_reason = 'Xid 79'"),
		1);
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 1, GPU_CLEAR, NULL }));
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 2, GPU_CLEAR, NULL }));
	assert_int_equal(room(c, &one), 4);
}

static struct placement_request part(const char *profile)
{
	struct placement_request r = { .vcpus = 1, .ram_mib = 256, .gpus = { { .count = 1 } }, .gpus_n = 1 };

	str_copy(r.gpus[0].profile, sizeof r.gpus[0].profile, profile);
	return r;
}

static void test_cuts(void **state)
{
	struct placement_request one = gpus(1, PLACEMENT_WHATEVER), small = part("1g.10gb"),
				 half = part("3g.40gb"), whole = part("7g.80gb"), quarter = part("nv-1");
	struct cloud *c = *state;

	cloud_host(c, CUT);
	assert_int_equal(cloud_do(c, do_gpu, (&(struct gpu_op) { 0, GPU_CUT, "mig-40" })), -1);
	assert_non_null(strstr(c->err.msg, "mig-80"));
	assert_int_equal(cloud_do(c, do_gpu, (&(struct gpu_op) { 0, GPU_CUT, "finely" })), -1);
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 0, GPU_CUT, "mig-80" }));
	assert_int_equal(room(c, &one), 0);
	assert_int_equal(room(c, &small), 7);
	assert_int_equal(room(c, &half), 2);
	assert_int_equal(room(c, &whole), 0); /* the host cannot make one */
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 0, GPU_CUT, "mdev" }));
	assert_int_equal(room(c, &small), 0);
	assert_int_equal(room(c, &quarter), 4);
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 0, GPU_CUT, "whole" }));
	assert_int_equal(room(c, &one), 1);
}

/* A driver that offers none of them. */
static void test_cut_without_driver(void **state)
{
	struct cloud *c = *state;

	cloud_host(c, HOST);
	for (int i = 0; i < 2; i++) {
		struct gpu_op op = { 0, GPU_CUT, i ? "mdev" : "mig-80" };

		assert_int_equal(cloud_do(c, do_gpu, &op), -1);
		assert_int_equal(c->err.code, ERR_BAD_REQUEST);
		assert_non_null(strstr(c->err.msg, "offers no mediated devices"));
	}
}

static void test_cut_while_held(void **state)
{
	struct cloud *c = *state;
	struct want w = { .extra_specs = "{\"pci_passthrough:alias\": \"h100:1\"}" };

	cloud_host(c, CUT);
	cloud_ok(c, do_create, &w);
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	assert_int_equal(cloud_do(c, do_gpu, (&(struct gpu_op) { 0, GPU_CUT, "mig-80" })), -1);
	assert_int_equal(c->err.code, ERR_CONFLICT);
	/* quarantine is for later: the server keeps it */
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 0, GPU_QUARANTINE, NULL }));
	cloud_clean(c);
	assert_int_equal(usage(c).gpus_used, 1);
	cloud_ok(c, do_delete, w.uid[0]);
	cloud_until_server(c, w.uid[0], VM_DELETED);
	cloud_until(c, flows_gone, NULL);
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 0, GPU_CUT, "mig-80" }));
}

/* A partition is a mediated device of the type that belongs to its profile. */
static void test_partition(void **state)
{
	struct cloud *c = *state;
	struct want w = { .extra_specs = "{\"resources:VGPU\": \"1\", \"cloudd:gpu_profile\": \"3g.40gb\"}" };
	struct placement_request small = part("1g.10gb"), half = part("3g.40gb");

	cloud_host(c, CUT);
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 0, GPU_CUT, "mig-80" }));
	cloud_ok(c, do_create, &w);
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	assert_int_equal(sim_mdev_count(c->worlds[0]), 1);
	assert_int_equal(room(c, &half), 1);
	assert_in_range(room(c, &small), 3, 4); /* by which half it has */
	assert_int_equal(cloud_do(c, do_gpu, (&(struct gpu_op) { 0, GPU_CUT, "whole" })), -1);
	assert_int_equal(c->err.code, ERR_CONFLICT);
	look_again(c);
	cloud_clean(c);
	cloud_ok(c, do_delete, w.uid[0]);
	cloud_until_server(c, w.uid[0], VM_DELETED);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(sim_mdev_count(c->worlds[0]), 0);
	assert_int_equal(room(c, &half), 2);
	cloud_ok(c, do_gpu, (&(struct gpu_op) { 0, GPU_CUT, "whole" }));
}

/* Where a GPU is to be reset after use, nobody gets it before it is cleared. */
static void test_reset_after_use(void **state)
{
	struct placement_request one = gpus(1, PLACEMENT_WHATEVER);
	struct cloud *c = *state;
	struct want w = { .extra_specs = "{\"pci_passthrough:alias\": \"h100:2\"}" };

	c->flow.gpu_reset = true;
	cloud_shut(c);
	cloud_open(c);
	cloud_host(c, HOST);
	cloud_ok(c, do_create, &w);
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	assert_int_equal(room(c, &one), 2);
	cloud_ok(c, do_delete, w.uid[0]);
	cloud_until_server(c, w.uid[0], VM_DELETED);
	cloud_until(c, flows_gone, NULL);
	cloud_clean(c);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM device WHERE custody = 'reset'"), 2);
	assert_int_equal(room(c, &one), 2);
	for (int i = 0; i < 4; i++)
		cloud_ok(c, do_gpu, (&(struct gpu_op) { i, GPU_CLEAR, NULL }));
	assert_int_equal(room(c, &one), 4);
}

/* Memory built from the rows is what followed them. */
static void test_restart(void **state)
{
	struct cloud *c = *state;
	CLEANUP(free_ptr) char *before = NULL;
	CLEANUP(free_ptr) char *after = NULL;
	unsigned host;

	host = cloud_host(c, HOST);
	change(c, (struct change) { .rack = "r1", .dedicated_cpus = "4-7,12-15", .gpu_links = "0,1;2,3" });
	before = dump(c);
	cloud_shut(c);
	cloud_open(c);
	cloud_until(c, host_connected, &host);
	after = dump(c);
	assert_string_equal(before, after);
}

static struct placement_geometry of_types(const char *types)
{
	return *topology_geometry(&(struct device_row) { .cut = GPU_CUT_MDEV, .mdev_types = types });
}

static void test_mdev_geometry(void **state)
{
	struct placement_geometry g = of_types("a=1;b=24;c=0;d=99");

	(void)state;
	assert_true(g.alike);
	assert_int_equal(g.slots, 32);
	assert_int_equal(g.profiles_n, 3); /* of c there can be none */
	assert_int_equal(g.profiles[0].slots, 32);
	assert_int_equal(g.profiles[0].starts, 1);
	assert_int_equal(g.profiles[0].share, 1000);
	assert_int_equal(g.profiles[1].slots, 1);
	assert_int_equal(g.profiles[1].starts, 0xffffff);
	assert_int_equal(g.profiles[2].starts, 0xffffffff);
	/* one for all that are alike */
	assert_ptr_equal(of_types("a=1;b=24;c=0;d=99").profiles, g.profiles);
	/* a geometry of another version: nothing can be given */
	assert_int_equal(
		topology_geometry(&(struct device_row) { .cut = "mig-9000", .mdev_types = "" })->profiles_n,
		0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_inventory),
		TEST(test_dedicated_cpus),
		TEST(test_changes_refused),
		TEST(test_pinned_keep_their_cpus),
		TEST(test_traits_and_labels),
		TEST(test_links),
		TEST(test_custody),
		TEST(test_cuts),
		TEST(test_cut_without_driver),
		TEST(test_cut_while_held),
		TEST(test_partition),
		TEST(test_reset_after_use),
		TEST(test_restart),
		cmocka_unit_test(test_mdev_geometry),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
