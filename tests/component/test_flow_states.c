/* SPDX-License-Identifier: Apache-2.0 */
/* Servers that are suspended, rescued, rebuilt, shelved or copied to images: the ends that are not the usual
 * ones. */
#include "change_fixture.h"
#include "move_fixture.h"

#include "base/log.h"

#define HOST "vcpus=16&ram_gib=64&disk_gib=500&gpus=4&gpu=10de:2330"
#define GPU_SPECS "{\"pci_passthrough:alias\": \"h100:1\"}"

static const struct want plain = { .drive = true };

static void begin(struct cloud *c, struct want *w)
{
	cloud_make(c);
	cloud_host(c, HOST);
	cloud_ok(c, do_create, w);
	cloud_until_server(c, w->uid[0], VM_ACTIVE);
	cloud_until(c, flows_gone, NULL);
}

static void end(struct cloud *c)
{
	cloud_until(c, flows_gone, NULL);
	cloud_until(c, files_match, NULL);
	cloud_clean(c);
	cloud_close(c);
	cloud_remove(c);
}

static void operate(struct cloud *c, const char *uid, enum server_op op, enum vm_state then)
{
	struct op x = { uid, op };

	cloud_ok(c, do_op, &x);
	cloud_until(c, flows_gone, NULL);
	cloud_until_server(c, uid, then);
}

static struct change change(struct cloud *c, const struct change *want, enum vm_state then)
{
	struct change x = *want;

	cloud_ok(c, do_change, &x);
	cloud_until(c, flows_gone, NULL);
	cloud_until_server(c, x.uid, then);
	return x;
}

static bool has_volume(struct cloud *c, const char *uid, enum hv_part part)
{
	char name[HV_VOLUME_NAME];

	return sim_volume_exists(c->worlds[0], hv_server_volume(uid, part, name));
}

static int64_t failed_actions(struct cloud *c)
{
	return cloud_count(c, "SELECT count(*) FROM server_action WHERE message IS NOT NULL");
}

static int64_t live_images(struct cloud *c)
{
	return cloud_count(c, "SELECT count(*) FROM image WHERE deleted_us = 0 AND name = 'made'");
}

/* ---- suspend ---- */

static void test_hard_reboot_forgets(void **state)
{
	struct cloud c = { 0 };
	struct want w = plain;
	struct sim_domain d;
	unsigned starts;

	(void)state;
	begin(&c, &w);
	operate(&c, w.uid[0], SERVER_SUSPEND, VM_SUSPENDED);
	assert_true(sim_domain_get(c.worlds[0], w.uid[0], &d));
	assert_int_equal(d.power, HV_POWER_SUSPENDED);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM usage WHERE kind = 'server' AND state = "
					 "'suspended' AND ended_us IS NULL"),
		1);
	starts = d.starts;
	operate(&c, w.uid[0], SERVER_RESUME, VM_ACTIVE);
	assert_true(sim_domain_get(c.worlds[0], w.uid[0], &d));
	assert_int_equal(d.starts, starts); /* it went on */
	operate(&c, w.uid[0], SERVER_SUSPEND, VM_SUSPENDED);
	operate(&c, w.uid[0], SERVER_REBOOT_HARD, VM_ACTIVE);
	assert_true(sim_domain_get(c.worlds[0], w.uid[0], &d));
	assert_int_equal(d.starts, starts + 1); /* it began anew */
	end(&c);
}

/* What is saved, started or thrown away by hand on the host is seen. */
static void test_saved_by_hand(void **state)
{
	struct cloud c = { 0 };
	struct want w = plain;
	struct hv_target target = { .connect_timeout_ms = 1000 };
	const struct hv_driver *drv;
	struct hv_conn *conn;
	struct error err;
	char uri[64];

	(void)state;
	begin(&c, &w);
	snprintf(uri, sizeof uri, "sim://%s", c.worlds[0]);
	target.uri = uri;
	drv = hv_driver_for(uri, &err);
	assert_int_equal(drv->connect(&target, NULL, NULL, &conn, &err), 0);
	assert_int_equal(drv->domain_save(conn, w.uid[0], &err), 0);
	cloud_until_server(&c, w.uid[0], VM_SUSPENDED);
	cloud_clean(&c);
	assert_int_equal(drv->domain_start(conn, w.uid[0], &err), 0);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	operate(&c, w.uid[0], SERVER_SUSPEND, VM_SUSPENDED);
	assert_int_equal(drv->domain_forget(conn, w.uid[0], &err), 0);
	flow_host_refresh(c.e, c.hosts[0]);
	cloud_until_server(&c, w.uid[0], VM_STOPPED);
	drv->close(conn);
	end(&c);
}

static void test_suspend_refused(void **state)
{
	struct cloud c = { 0 };
	struct want gpu = { .drive = true, .extra_specs = GPU_SPECS }, w = plain;
	struct op op;

	(void)state;
	begin(&c, &gpu);
	op = (struct op) { gpu.uid[0], SERVER_SUSPEND };
	assert_int_equal(cloud_do(&c, do_op, &op), -1);
	assert_int_equal(c.err.code, ERR_CONFLICT);
	assert_non_null(strstr(c.err.msg, "GPU"));
	/* a host that says no leaves it running */
	cloud_ok(&c, do_create, &w);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until(&c, flows_gone, NULL);
	sim_fault(c.worlds[0], SIM_DOMAIN_SAVE, 1, 3, SIM_FAIL);
	operate(&c, w.uid[0], SERVER_SUSPEND, VM_ACTIVE);
	assert_int_equal(failed_actions(&c), 1);
	end(&c);
}

/* ---- images ---- */

static void test_backups_rotate(void **state)
{
	struct cloud c = { 0 };
	struct want w = plain;
	struct change x = { .what = CHANGE_BACKUP, .rotation = "2" };
	int64_t ids[4];

	(void)state;
	begin(&c, &w);
	x.uid = w.uid[0];
	for (size_t i = 0; i < 4; i++)
		ids[i] = change(&c, &x, VM_ACTIVE).image;
	assert_int_equal(live_images(&c), 2);
	assert_int_equal(
		cloud_count(&c, "SELECT min(id) FROM image WHERE deleted_us = 0 AND name = 'made'"), ids[2]);
	/* a snapshot is no backup, and zero keeps none */
	x.what = CHANGE_CREATE_IMAGE;
	change(&c, &x, VM_ACTIVE);
	assert_int_equal(live_images(&c), 3);
	x.what = CHANGE_BACKUP;
	x.rotation = "0";
	change(&c, &x, VM_ACTIVE);
	assert_int_equal(live_images(&c), 1);
	/* what is no number keeps all */
	x.rotation = "-1";
	change(&c, &x, VM_ACTIVE);
	change(&c, &x, VM_ACTIVE);
	assert_int_equal(live_images(&c), 3);
	end(&c);
}

static void test_image_fails(void **state)
{
	static const enum sim_op ops[] = { SIM_VOLUME_FLATTEN, SIM_VOLUME_DOWNLOAD, SIM_VOLUME_REMOVE };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		struct cloud c = { 0 };
		struct want w = plain;
		struct change x = { .what = CHANGE_CREATE_IMAGE };

		begin(&c, &w);
		x.uid = w.uid[0];
		sim_fault(c.worlds[0], ops[i], 1, -1, SIM_FAIL);
		change(&c, &x, VM_ACTIVE);
		assert_int_equal(live_images(&c), 0);
		assert_int_equal(failed_actions(&c), 1);
		sim_faults_clear(c.worlds[0]);
		/* the next one is none the worse for it */
		change(&c, &x, VM_ACTIVE);
		assert_int_equal(live_images(&c), 1);
		assert_false(has_volume(&c, w.uid[0], HV_SNAPSHOT));
		end(&c);
	}
}

static void test_image_too_large(void **state)
{
	struct cloud c = { .flow = { .image_size_max = 4096 } };
	struct want w = plain;
	struct change x = { .what = CHANGE_CREATE_IMAGE };

	(void)state;
	begin(&c, &w);
	x.uid = w.uid[0];
	change(&c, &x, VM_ACTIVE);
	assert_int_equal(live_images(&c), 0);
	assert_int_equal(failed_actions(&c), 1);
	assert_false(has_volume(&c, w.uid[0], HV_SNAPSHOT));
	end(&c);
}

static int lower_limit(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	return db_run(db, err,
		       "INSERT INTO quota (project_id, resource, hard_limit) VALUES (?, 'image_mib', ?)",
		       "ii", c->project, *(int64_t *)arg) < 0
		       ? -1
		       : 0;
}

static int remove_image(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	return store_image_delete(db, *(int64_t *)arg, 5, err) || images_counted(c, db, err) ? -1 : 0;
}

static bool call_hangs(struct cloud *c, void *arg)
{
	(void)arg;
	return sim_hanging(c->worlds[0]) == 1;
}

/* What was true when the copy began is looked at again when it is there. */
static void image_meets(bool deleted, enum sim_op at)
{
	struct cloud c = { 0 };
	struct want w = plain;
	struct change x = { .what = CHANGE_CREATE_IMAGE };
	int64_t none = 0;

	begin(&c, &w);
	x.uid = w.uid[0];
	sim_fault(c.worlds[0], at, 1, 1, SIM_HANG);
	cloud_ok(&c, do_change, &x);
	cloud_until(&c, call_hangs, NULL);
	/* one at a time */
	assert_int_equal(cloud_do(&c, do_change, &(struct change) { .uid = x.uid, .what = x.what }), -1);
	assert_int_equal(c.err.code, ERR_CONFLICT);
	if (deleted)
		cloud_ok(&c, remove_image, &x.image);
	else
		cloud_ok(&c, lower_limit, &none);
	sim_release(c.worlds[0]);
	cloud_until(&c, flows_gone, NULL);
	cloud_until_server(&c, x.uid, VM_ACTIVE);
	assert_int_equal(live_images(&c), 0);
	assert_int_equal(failed_actions(&c), deleted ? 0 : 1);
	assert_false(has_volume(&c, x.uid, HV_SNAPSHOT));
	end(&c);
}

static void test_image_deleted_meanwhile(void **state)
{
	(void)state;
	image_meets(true, SIM_VOLUME_FLATTEN);
	image_meets(true, SIM_VOLUME_DOWNLOAD);
}

static void test_limit_used_up_meanwhile(void **state)
{
	(void)state;
	image_meets(false, SIM_VOLUME_FLATTEN);
	image_meets(false, SIM_VOLUME_DOWNLOAD);
}

/* ---- a deletion comes first ---- */

static void delete_during(const struct change *want, enum sim_op at)
{
	struct cloud c = { 0 };
	struct want w = plain;
	struct change x = *want;

	begin(&c, &w);
	x.uid = w.uid[0];
	sim_fault(c.worlds[0], at, 1, 1, SIM_HANG);
	cloud_ok(&c, do_change, &x);
	cloud_until(&c, call_hangs, NULL);
	cloud_ok(&c, do_delete, w.uid[0]);
	sim_release(c.worlds[0]);
	cloud_until(&c, flows_gone, NULL);
	cloud_until_server(&c, w.uid[0], VM_DELETED);
	assert_int_equal(live_images(&c), 0);
	for (enum hv_part part = 0; part < HV_PARTS; part++)
		assert_false(has_volume(&c, w.uid[0], part));
	assert_int_equal(sim_domain_count(c.worlds[0]), 0);
	end(&c);
}

static void test_delete_comes_first(void **state)
{
	static const struct {
		enum change_kind what;
		enum sim_op at;
	} cuts[] = {
		{ CHANGE_CREATE_IMAGE, SIM_VOLUME_FLATTEN },
		{ CHANGE_CREATE_IMAGE, SIM_VOLUME_DOWNLOAD },
		{ CHANGE_SHELVE, SIM_VOLUME_FLATTEN },
		{ CHANGE_SHELVE, SIM_VOLUME_DOWNLOAD },
		{ CHANGE_SHELVE, SIM_DOMAIN_REMOVE },
		{ CHANGE_RESCUE, SIM_VOLUME_ENSURE },
		{ CHANGE_RESCUE, SIM_DOMAIN_DEFINE },
		{ CHANGE_REBUILD, SIM_VOLUME_REMOVE },
		{ CHANGE_REBUILD, SIM_DOMAIN_START },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++)
		delete_during(&(struct change) { .what = cuts[i].what }, cuts[i].at);
}

/* ---- rescue and rebuild ---- */

static void test_rescue_disks(void **state)
{
	struct cloud c = { 0 };
	struct want w = plain;
	struct change x = { .what = CHANGE_RESCUE };
	struct sim_domain d;

	(void)state;
	begin(&c, &w);
	x.uid = w.uid[0];
	change(&c, &x, VM_RESCUED);
	assert_true(sim_domain_get(c.worlds[0], x.uid, &d));
	assert_int_equal(d.disks_n, 3);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM server WHERE rescue_image_id IS NOT NULL AND "
					 "admin_pass IS NULL"),
		1);
	cloud_clean(&c);
	x.what = CHANGE_UNRESCUE;
	change(&c, &x, VM_ACTIVE);
	assert_true(sim_domain_get(c.worlds[0], x.uid, &d));
	assert_int_equal(d.disks_n, 2);
	assert_false(has_volume(&c, x.uid, HV_RESCUE));
	end(&c);
}

/* A rescue that failed leaves a server in ERROR, which a hard reboot brings back to its own disk. */
static void test_rescue_fails(void **state)
{
	struct cloud c = { 0 };
	struct want w = plain;
	struct change x = { .what = CHANGE_RESCUE };
	struct sim_domain d;

	(void)state;
	begin(&c, &w);
	x.uid = w.uid[0];
	sim_fault(c.worlds[0], SIM_DOMAIN_START, 1, 3, SIM_FAIL);
	change(&c, &x, VM_ERROR);
	operate(&c, x.uid, SERVER_REBOOT_HARD, VM_ACTIVE);
	assert_true(sim_domain_get(c.worlds[0], x.uid, &d));
	assert_int_equal(d.disks_n, 2);
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_until(&c, flows_gone, NULL);
	assert_false(has_volume(&c, x.uid, HV_RESCUE));
	end(&c);
}

static int second_image(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	char path[160];
	int fd;

	*(int64_t *)arg = store_next_id(c->store);
	snprintf(path, sizeof path, "%s/1a9e0000-0000-4000-8000-000000000002", c->image_dir);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	if (fd < 0 || ftruncate(fd, 4096) < 0 || close(fd) < 0)
		fail_msg("%s cannot be made", path);
	books_touch(db, BOOKS_IMAGE, *(int64_t *)arg);
	return db_run(db, err,
		       "INSERT INTO image (id, uid, project_id, name, status, visibility, disk_format, "
		       "container_format, size, virtual_size, created_us, updated_us) VALUES (?, "
		       "'1a9e0000-0000-4000-8000-000000000002', ?, 'made', 'active', 'public', 'qcow2', "
		       "'bare', "
		       "4096, 1073741824, 1, 1)",
		       "ii", *(int64_t *)arg, c->project) < 0
		       ? -1
		       : images_counted(c, db, err);
}

/* As a request does it. */
static int remove_image_and_copies(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	const int64_t *id = arg;

	return store_image_delete(db, *id, 5, err) || images_counted(c, db, err) ||
	       flow_image_deleted(c->e, db, *id, err);
}

static int drop_first_image(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	return remove_image_and_copies(c, db, &c->image, err);
}

static void test_rebuild_stopped(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .drive = true, .extra_specs = GPU_SPECS };
	struct change x = { .what = CHANGE_REBUILD };
	struct sim_domain d;
	char name[HV_VOLUME_NAME];

	(void)state;
	begin(&c, &w);
	x.uid = w.uid[0];
	operate(&c, x.uid, SERVER_STOP, VM_STOPPED);
	cloud_ok(&c, second_image, &x.with);
	cloud_ok(&c, drop_first_image, NULL);
	assert_true(sim_volume_exists(c.worlds[0], hv_image_volume(IMAGE_UID, "qcow2", name)));
	change(&c, &x, VM_STOPPED);
	cloud_until(&c, flows_gone, NULL);
	/* nothing stands on the first image any more */
	assert_false(sim_volume_exists(c.worlds[0], hv_image_volume(IMAGE_UID, "qcow2", name)));
	assert_true(sim_domain_get(c.worlds[0], x.uid, &d));
	assert_int_equal(d.power, HV_POWER_SHUTOFF);
	assert_int_equal(d.hostdevs_n, 1);
	assert_int_equal(
		cloud_count(&c, "SELECT count(*) FROM server WHERE name = 'anew' AND admin_pass IS NULL"), 1);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM port_address"), 1);
	end(&c);
}

/* ---- copies of images on hosts ---- */

/* A server over an image that is nobody's any more: it waited there, shelved. */
static void unshelved(struct cloud *c, struct want *w, struct change *x)
{
	begin(c, w);
	*x = (struct change) { .uid = w->uid[0], .what = CHANGE_SHELVE };
	change(c, x, VM_SHELVED_OFFLOADED);
	x->what = CHANGE_UNSHELVE;
	change(c, x, VM_ACTIVE);
	x->what = CHANGE_REBUILD;
	assert_int_equal(sim_volume_count(c->worlds[0]), 4); /* two images, root, config drive */
}

static void copies_gone(struct cloud *c)
{
	cloud_ok(c, drop_first_image, NULL);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM host_image"), 0);
	assert_int_equal(sim_volume_count(c->worlds[0]), 0);
}

/* A deletion cuts a rebuild off: what the old disk stood on goes, and what the new one would have. */
static void test_rebuild_cut_off(void **state)
{
	static const enum sim_op ops[] = { SIM_VOLUME_REMOVE, SIM_VOLUME_ENSURE, SIM_DOMAIN_START };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		struct cloud c = { 0 };
		struct want w = plain;
		struct change x;

		unshelved(&c, &w, &x);
		sim_fault(c.worlds[0], ops[i], 1, 1, SIM_HANG);
		cloud_ok(&c, do_change, &x);
		cloud_until(&c, call_hangs, NULL);
		cloud_ok(&c, do_delete, w.uid[0]);
		sim_release(c.worlds[0]);
		cloud_until(&c, flows_gone, NULL);
		copies_gone(&c);
		cloud_close(&c);
		cloud_remove(&c);
	}
}

/* A rebuild that fails before it began leaves the old disk, and all that this stands on. */
static void test_rebuild_fails(void **state)
{
	struct cloud c = { 0 };
	struct want w = plain;
	struct change x;

	(void)state;
	unshelved(&c, &w, &x);
	cloud_ok(&c, second_image, &x.with);
	sim_fault(c.worlds[0], SIM_IMAGE_ENSURE, 1, -1, SIM_FAIL);
	change(&c, &x, VM_ERROR);
	sim_faults_clear(c.worlds[0]);
	assert_int_equal(sim_volume_count(c.worlds[0]), 4);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM server s JOIN image i ON i.id = "
					 "s.root_image_id WHERE i.deleted_us != 0"),
		1);
	cloud_clean(&c);
	operate(&c, x.uid, SERVER_REBOOT_HARD, VM_ACTIVE);
	change(&c, &x, VM_ACTIVE);
	assert_int_equal(sim_volume_count(c.worlds[0]), 4);
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_ok(&c, remove_image_and_copies, &x.with);
	copies_gone(&c);
	cloud_close(&c);
	cloud_remove(&c);
}

/* The image that a rebuild waits for is deleted meanwhile: its copy stays for the rebuild, and goes after. */
static void test_rebuild_image_goes(void **state)
{
	struct cloud c = { 0 };
	struct want w = plain;
	struct change x = { .what = CHANGE_REBUILD };

	(void)state;
	begin(&c, &w);
	x.uid = w.uid[0];
	cloud_ok(&c, second_image, &x.with);
	sim_fault(c.worlds[0], SIM_IMAGE_ENSURE, 1, 1, SIM_HANG);
	cloud_ok(&c, do_change, &x);
	cloud_until(&c, call_hangs, NULL);
	cloud_ok(&c, remove_image_and_copies, &x.with);
	sim_release(c.worlds[0]);
	cloud_until(&c, flows_gone, NULL);
	cloud_until_server(&c, x.uid, VM_ACTIVE);
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_until(&c, flows_gone, NULL);
	copies_gone(&c);
	cloud_close(&c);
	cloud_remove(&c);
}

static int unstages; /* tries to take a copy away */

static bool late_pass(void *ctx, const char *step, const char *point)
{
	(void)ctx;
	unstages += strcmp(step, "image_unstage/remove") == 0 && strcmp(point, "before-act") == 0;
	return false;
}

static bool copy_given_up(struct cloud *c, void *arg)
{
	(void)arg;
	return lane_pool_given_up(c->lanes) == 1;
}

static bool unstage_waits(struct cloud *c, void *arg)
{
	return unstages > 1 || flows_gone(c, arg);
}

/* A copy that was given up comes through after all, when the image is deleted: it is waited for. */
static void test_late_copy(void **state)
{
	struct cloud c = { .hooks = { .crash = late_pass }, .flow = { .stage_timeout_ms = 100 } };
	struct want w = plain;

	(void)state;
	unstages = 0;
	cloud_make(&c);
	cloud_host(&c, HOST);
	sim_fault(c.worlds[0], SIM_IMAGE_ENSURE, 1, 1, SIM_HANG);
	cloud_ok(&c, do_create, &w);
	cloud_until(&c, copy_given_up, NULL);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_until_server(&c, w.uid[0], VM_DELETED);
	cloud_ok(&c, drop_first_image, NULL);
	cloud_until(&c, unstage_waits, NULL);
	sim_release(c.worlds[0]);
	cloud_until(&c, lanes_idle, NULL);
	copies_gone(&c);
	cloud_close(&c);
	cloud_remove(&c);
}

/* ---- shelve ---- */

static void test_shelve_fails(void **state)
{
	struct cloud c = { 0 };
	struct want w = plain;
	struct change x = { .what = CHANGE_SHELVE };

	(void)state;
	begin(&c, &w);
	x.uid = w.uid[0];
	sim_fault(c.worlds[0], SIM_VOLUME_DOWNLOAD, 1, -1, SIM_FAIL);
	change(&c, &x, VM_STOPPED);
	assert_int_equal(live_images(&c), 0);
	assert_int_equal(failed_actions(&c), 1);
	cloud_clean(&c);
	sim_faults_clear(c.worlds[0]);
	operate(&c, x.uid, SERVER_START, VM_ACTIVE);
	end(&c);
}

static void test_shelved_stays(void **state)
{
	struct cloud c = { .flow = { .shelved_offload_s = -1 } };
	struct want w = { .drive = true, .extra_specs = GPU_SPECS };
	struct change x = { .what = CHANGE_SHELVE };

	(void)state;
	begin(&c, &w);
	x.uid = w.uid[0];
	change(&c, &x, VM_SHELVED);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 1);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM usage WHERE kind = 'server' AND state = "
					 "'shelved' AND ended_us IS NULL"),
		1);
	cloud_clean(&c);
	x.what = CHANGE_UNSHELVE;
	x.zone = "elsewhere";
	assert_int_equal(cloud_do(&c, do_change, &x), -1); /* it is still on its host */
	assert_int_equal(c.err.code, ERR_CONFLICT);
	x.zone = NULL;
	change(&c, &x, VM_ACTIVE);
	assert_int_equal(live_images(&c), 0);
	/* and by hand */
	x.what = CHANGE_SHELVE;
	change(&c, &x, VM_SHELVED);
	x.what = CHANGE_OFFLOAD;
	change(&c, &x, VM_SHELVED_OFFLOADED);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 0);
	end(&c);
}

static void test_shelf_time(void **state)
{
	struct cloud c = { .flow = { .shelved_offload_s = 1 } };
	struct want w = plain;
	struct change x = { .what = CHANGE_SHELVE };

	(void)state;
	begin(&c, &w);
	x.uid = w.uid[0];
	cloud_ok(&c, do_change, &x);
	cloud_until_server(&c, x.uid, VM_SHELVED);
	cloud_until_server(&c, x.uid, VM_SHELVED_OFFLOADED);
	assert_int_equal(sim_domain_count(c.worlds[0]), 0);
	assert_int_equal(
		cloud_count(&c, "SELECT count(*) FROM audit a JOIN server s ON s.uid = a.target WHERE "
				"a.action = 'server.auto_offload' AND a.user_uid IS NULL"),
		1);
	end(&c);
}

/* No room: refused, and it waits on. A host that cannot make its disks: it waits on, too. */
static void test_unshelve_fails(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .drive = true, .extra_specs = "{\"pci_passthrough:alias\": \"h100:3\"}" },
		    other = w;
	struct change x = { .what = CHANGE_SHELVE };

	(void)state;
	begin(&c, &w);
	x.uid = w.uid[0];
	change(&c, &x, VM_SHELVED_OFFLOADED);
	cloud_ok(&c, do_create, &other); /* takes the GPUs */
	cloud_until_server(&c, other.uid[0], VM_ACTIVE);
	cloud_until(&c, flows_gone, NULL);
	x.what = CHANGE_UNSHELVE;
	assert_int_equal(cloud_do(&c, do_change, &x), -1);
	assert_int_equal(c.err.code, ERR_NO_HOST);
	cloud_until_server(&c, x.uid, VM_SHELVED_OFFLOADED);
	cloud_clean(&c);
	cloud_ok(&c, do_delete, other.uid[0]);
	cloud_until(&c, flows_gone, NULL);
	sim_fault(c.worlds[0], SIM_DOMAIN_START, 1, 3, SIM_FAIL);
	change(&c, &x, VM_SHELVED_OFFLOADED);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 0);
	assert_int_equal(sim_domain_count(c.worlds[0]), 0);
	assert_false(has_volume(&c, x.uid, HV_ROOT));
	assert_int_equal(failed_actions(&c), 1);
	cloud_clean(&c);
	change(&c, &x, VM_ACTIVE);
	assert_int_equal(sim_devices_shared(c.worlds[0]), 0);
	end(&c);
}

static bool refused_once(struct cloud *c, void *arg)
{
	(void)arg;
	return cloud_count(c, "SELECT count(*) FROM flow WHERE tries > 0") > 0;
}

/* The host dies while the server is unshelved there: it waits on in its image, and goes elsewhere. */
static void test_unshelve_dead_host(void **state)
{
	static const enum sim_op ops[] = { SIM_IMAGE_ENSURE, SIM_DOMAIN_DEFINE };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		struct cloud c = { 0 };
		struct want w = plain;
		struct change x = { .what = CHANGE_SHELVE };
		int dead = 0, up = -1;

		begin(&c, &w);
		x.uid = w.uid[0];
		change(&c, &x, VM_SHELVED_OFFLOADED);
		sim_fault(c.worlds[0], ops[i], 1, -1, SIM_DROP);
		x.what = CHANGE_UNSHELVE;
		cloud_ok(&c, do_change, &x);
		cloud_until(&c, refused_once, NULL);
		sim_set_down(c.worlds[0], true);
		sim_drop(c.worlds[0], "fire");
		cloud_ok(&c, do_force_down, &dead);
		cloud_until_server(&c, x.uid, VM_SHELVED_OFFLOADED);
		assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 1);
		cloud_clean(&c);
		cloud_host(&c, HOST);
		cloud_ok(&c, do_change, &x);
		cloud_until_server(&c, x.uid, VM_ACTIVE);
		assert_int_equal(host_of(&c, x.uid), 1);
		cloud_clean(&c);
		sim_faults_clear(c.worlds[0]);
		sim_set_down(c.worlds[0], false);
		cloud_ok(&c, do_force_down, &up);
		cloud_until(&c, flows_gone, NULL);
		assert_int_equal(sim_domain_count(c.worlds[0]), 0);
		assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 1);
		end(&c);
	}
}

/* A server that waits on no host is gone at once, and what it waited in with it. */
static void test_delete_shelved(void **state)
{
	struct cloud c = { 0 };
	struct want w = plain;
	struct change x = { .what = CHANGE_SHELVE };

	(void)state;
	begin(&c, &w);
	x.uid = w.uid[0];
	change(&c, &x, VM_SHELVED_OFFLOADED);
	assert_int_equal(
		cloud_count(&c, "SELECT vcpus + gpus FROM usage WHERE kind = 'server' AND ended_us IS NULL"),
		0);
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_until_server(&c, x.uid, VM_DELETED);
	assert_int_equal(live_images(&c), 0);
	end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hard_reboot_forgets),
		cmocka_unit_test(test_saved_by_hand),
		cmocka_unit_test(test_suspend_refused),
		cmocka_unit_test(test_backups_rotate),
		cmocka_unit_test(test_image_fails),
		cmocka_unit_test(test_image_too_large),
		cmocka_unit_test(test_image_deleted_meanwhile),
		cmocka_unit_test(test_limit_used_up_meanwhile),
		cmocka_unit_test(test_delete_comes_first),
		cmocka_unit_test(test_rescue_disks),
		cmocka_unit_test(test_rescue_fails),
		cmocka_unit_test(test_rebuild_stopped),
		cmocka_unit_test(test_rebuild_cut_off),
		cmocka_unit_test(test_rebuild_fails),
		cmocka_unit_test(test_rebuild_image_goes),
		cmocka_unit_test(test_late_copy),
		cmocka_unit_test(test_shelve_fails),
		cmocka_unit_test(test_shelved_stays),
		cmocka_unit_test(test_shelf_time),
		cmocka_unit_test(test_unshelve_fails),
		cmocka_unit_test(test_unshelve_dead_host),
		cmocka_unit_test(test_delete_shelved),
	};

	log_set_level(LOG_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
