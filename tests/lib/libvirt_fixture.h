/* SPDX-License-Identifier: Apache-2.0 */
/* Real libvirtds over TLS for tests of the libvirt driver: one (`a`) for all of a program's tests, others as
 * they want. The loop runs on a thread of its own, calls are made on the test's, as lanes do. */
#ifndef TESTS_LIBVIRT_FIXTURE_H
#define TESTS_LIBVIRT_FIXTURE_H

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "base/util.h"
#include "hv/hv.h"

#define A "aaaaaaaa-0000-4000-8000-000000000001"
#define B "bbbbbbbb-0000-4000-8000-000000000002"

enum { SKIPPED = 77, DEADLINE_S = 120 };

/* --- a libvirtd of our own --- */

static char dir[128]; /* everything of this run lies below */
static char port[16];

/* Runs the starter; its output is in *out (NULL: not wanted). */
static inline int starter(struct buf *out, const char *sub, const char *what, const char *args)
{
	CLEANUP(free_ptr)
	char *cmd =
		xasprintf("%s/scripts/lib/private-libvirtd.sh %s %s/%s %s", SOURCE_DIR, sub, dir, what, args);
	FILE *p = popen(cmd, "re");
	char chunk[512];
	size_t n;

	if (!p)
		return -1;
	while ((n = fread(chunk, 1, sizeof chunk, p)) > 0)
		if (out)
			buf_append(out, chunk, n);
	return pclose(p);
}

static inline int start_again(const char *what, char out_port[16])
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/%s/port", dir, what);
	CLEANUP(buf_finish) struct buf out = { 0 };
	FILE *f;

	if (starter(&out, "start", what, *out_port ? out_port : "0") != 0 || !(f = fopen(path, "re")))
		return -1;
	if (!fgets(out_port, 16, f))
		*out_port = '\0';
	out_port[strcspn(out_port, "\n")] = '\0';
	fclose(f);
	return 0;
}

static inline int start_libvirtd(const char *what, char out_port[16])
{
	*out_port = '\0';
	return starter(NULL, "testpki", what, "") == 0 ? start_again(what, out_port) : -1;
}

/* One whose certificates are of the same authority as those of `like`. */
static inline int start_libvirtd_like(const char *like, const char *what, char out_port[16])
{
	CLEANUP(free_ptr)
	char *cmd = xasprintf(
		"cd %s && mkdir -p %s/etc && cp -r %s/pki %s/client %s/ && cp -r %s/etc/pki %s/etc/", dir,
		what, like, like, what, like, what);

	*out_port = '\0';
	return system(cmd) == 0 ? start_again(what, out_port) : -1;
}

static inline const char *missing(void)
{
	static const char *const programs[] = { "libvirtd", "virsh", "qemu-system-x86_64", "qemu-img",
		"openssl", "unshare", "nsenter" };
	static char text[128];

	if (geteuid() != 0)
		return "not root";
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		snprintf(text, sizeof text, "PATH=$PATH:/usr/sbin:/sbin command -v %s >/dev/null",
			programs[i]);
		if (system(text) != 0) {
			snprintf(text, sizeof text, "%s is missing", programs[i]);
			return text;
		}
	}
	return NULL;
}

/* --- the loop on its thread --- */

enum { SEEN_MAX = 512 };

static struct {
	uv_loop_t uv;
	uv_thread_t thread;
	uv_async_t wake;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	void (*fn)(void *arg); /* to run on the loop */
	void *arg;
	bool ready;
	struct hv_event seen[SEEN_MAX];
	size_t seen_n, off_thread;
} loop = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static inline void on_wake(uv_async_t *async)
{
	(void)async;
	pthread_mutex_lock(&loop.lock);
	if (loop.fn) {
		loop.fn(loop.arg);
		loop.fn = NULL;
		pthread_cond_broadcast(&loop.changed);
	}
	pthread_mutex_unlock(&loop.lock);
}

static inline void on_loop(void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&loop.lock);
	loop.fn = fn;
	loop.arg = arg;
	uv_async_send(&loop.wake);
	while (loop.fn)
		pthread_cond_wait(&loop.changed, &loop.lock);
	pthread_mutex_unlock(&loop.lock);
}

static inline void loop_main(void *arg)
{
	struct error err;

	(void)arg;
	uv_loop_init(&loop.uv);
	uv_async_init(&loop.uv, &loop.wake, on_wake);
	if (hv_init(&loop.uv, "cloud-a", &err) < 0)
		abort();
	pthread_mutex_lock(&loop.lock);
	loop.ready = true;
	pthread_cond_broadcast(&loop.changed);
	pthread_mutex_unlock(&loop.lock);
	uv_run(&loop.uv, UV_RUN_DEFAULT);
	if (uv_loop_close(&loop.uv) != 0)
		abort();
}

static inline void loop_start(void)
{
	uv_thread_create(&loop.thread, loop_main, NULL);
	pthread_mutex_lock(&loop.lock);
	while (!loop.ready)
		pthread_cond_wait(&loop.changed, &loop.lock);
	pthread_mutex_unlock(&loop.lock);
}

static inline void end_on_loop(void *arg)
{
	(void)arg;
	hv_finish();
	uv_close((uv_handle_t *)&loop.wake, NULL);
}

static inline void loop_end(void)
{
	on_loop(end_on_loop, NULL);
	uv_thread_join(&loop.thread);
}

static inline void on_event(void *ctx, const struct hv_event *ev)
{
	uv_thread_t self = uv_thread_self();

	(void)ctx;
	pthread_mutex_lock(&loop.lock);
	if (!uv_thread_equal(&self, &loop.thread))
		loop.off_thread++;
	if (loop.seen_n < SEEN_MAX)
		loop.seen[loop.seen_n++] = *ev;
	pthread_cond_broadcast(&loop.changed);
	pthread_mutex_unlock(&loop.lock);
}

static inline bool event_matches(
	const struct hv_event *ev, enum hv_event_kind kind, const char *uuid, enum hv_power power)
{
	if (ev->kind != kind)
		return false;
	return kind == HV_EVENT_CLOSED || (strcmp(ev->seen.uuid, uuid) == 0 && ev->seen.power == power);
}

static inline void forget_events(void)
{
	pthread_mutex_lock(&loop.lock);
	loop.seen_n = 0;
	pthread_mutex_unlock(&loop.lock);
}

/* Waits for such an event among those since forget_events. */
static inline bool wait_event(enum hv_event_kind kind, const char *uuid, enum hv_power power)
{
	struct timespec until;
	bool found = false;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DEADLINE_S;
	pthread_mutex_lock(&loop.lock);
	for (;;) {
		for (size_t i = 0; i < loop.seen_n; i++)
			found |= event_matches(&loop.seen[i], kind, uuid, power);
		if (found || rc)
			break;
		rc = pthread_cond_timedwait(&loop.changed, &loop.lock, &until);
	}
	pthread_mutex_unlock(&loop.lock);
	return found;
}

/* --- connections --- */

static const struct hv_driver *drv;

static inline int try_connect(const char *scheme, const char *host, const char *at_port, const char *path,
	const char *pki, const char *pool, struct hv_conn **out, struct error *err)
{
	CLEANUP(free_ptr) char *uri = xasprintf("%s://%s:%s/%s", scheme, host, at_port, path);
	CLEANUP(free_ptr) char *pki_dir = xasprintf("%s/%s", dir, pki);
	struct hv_target t = { .uri = uri,
		.pki_dir = pki_dir,
		.pool = pool,
		.connect_timeout_ms = 5000,
		.keepalive_interval_s = 1,
		.keepalive_count = 2 };

	drv = hv_driver_for(uri, err);
	return drv ? drv->connect(&t, on_event, NULL, out, err) : -1;
}

static inline void show(const struct error *err)
{
	print_error("%s: %s (%s)\n", error_code_name(err->code), err->msg, err->detail);
}

#define OK(call)                          \
	do {                              \
		struct error err = { 0 }; \
		int rc = (call);          \
		if (rc < 0)               \
			show(&err);       \
		assert_int_equal(rc, 0);  \
	} while (0)
#define FAILS(call, wanted)                         \
	do {                                        \
		struct error err = { 0 };           \
		int rc = (call);                    \
		assert_int_equal(rc, -1);           \
		if (err.code != (wanted))           \
			show(&err);                 \
		assert_int_equal(err.code, wanted); \
	} while (0)

static inline struct hv_conn *connect_test(void)
{
	struct hv_conn *c = NULL;

	OK(try_connect("test+tls", "localhost", port, "default", "a/client", "default-pool", &c, &err));
	return c;
}

static inline struct hv_conn *connect_qemu(void)
{
	struct hv_conn *c = NULL;

	OK(try_connect("qemu+tls", "127.0.0.1", port, "system", "a/client", "cloudd", &c, &err));
	return c;
}

static inline void close_on_loop(void *c)
{
	drv->close(c);
}

static inline void finish(struct hv_conn *c)
{
	on_loop(close_on_loop, c);
}

static inline struct hv_domain domain(const char *uuid)
{
	return (struct hv_domain) { .uuid = uuid,
		.name = "instance-00000001",
		.title = "M\xc3\xa1y <1> & \"2\"",
		.vcpus = 1,
		.ram_mib = 64,
		.project_id = "0123456789abcdef0123456789abcdef",
		.flavor_name = "m1.tiny",
		.cloud_id = "cloud-a",
		.epoch = 3 };
}

static inline enum hv_power power(struct hv_conn *c, const char *uuid)
{
	struct hv_seen s = { 0 };

	OK(drv->domain_look(c, uuid, &s, &err));
	assert_string_equal(s.uuid, uuid);
	assert_int_equal(s.ours, s.power != HV_POWER_ABSENT);
	return s.power;
}

/* --- what a host holds --- */

static inline void read_volume(const char *name, struct buf *out)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/a/images/%s", dir, name);
	FILE *f = fopen(path, "re");
	size_t n;

	out->len = 0;
	if (!f)
		return;
	while ((n = fread(buf_reserve(out, 65536), 1, 65536, f)) > 0)
		out->len += n;
	fclose(f);
}

static inline int images_left(void)
{
	CLEANUP(free_ptr) char *cmd = xasprintf("exit $(ls %s/a/images | wc -l)", dir);
	int rc = system(cmd);

	return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

/* Waits until the guest's console says it; woken by changes of the log's file. */
static inline bool console_says(struct hv_conn *c, const char *uuid, const char *text)
{
	CLEANUP(free_ptr) char *images = xasprintf("%s/a/images", dir);
	CLEANUP(close_fd) int fd = inotify_init1(IN_CLOEXEC);
	CLEANUP(buf_finish) struct buf out = { 0 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char ignored[4096];

	assert_true(inotify_add_watch(fd, images, IN_MODIFY | IN_CREATE) >= 0);
	for (;;) {
		out.len = 0;
		OK(drv->console_read(c, uuid, 4096, &out, &err));
		if (strstr(buf_text(&out), text))
			return true;
		if (poll(&p, 1, DEADLINE_S * 1000) <= 0 || read(fd, ignored, sizeof ignored) < 0)
			return false;
	}
}

/* --- begin and end --- */

/* A pipe whose end tells the libvirtds that this process has ended, however it did. */
static inline void lifeline(void)
{
	char text[16];
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	snprintf(text, sizeof text, "%d", ends[0]);
	setenv("LIFELINE", text, 1);
}

static inline int group_setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "%s/cloudd-hv-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	lifeline();
	if (!mkdtemp(dir) || start_libvirtd("a", port) < 0)
		return -1;
	loop_start();
	return 0;
}

static inline int group_teardown(void **state)
{
	CLEANUP(free_ptr) char *rm = xasprintf("rm -rf '%s'", dir);
	int rc;

	(void)state;
	loop_end();
	rc = starter(NULL, "stop", "a", "");
	/* KEEP=1 leaves libvirtd's logs to look at */
	return (getenv("KEEP") ? 0 : system(rm)) | rc;
}

/* Runs them, or says why not. */
#define LIBVIRT_TESTS(tests)                                         \
	(missing() ? (printf("1 skipped: %s\n", missing()), SKIPPED) \
		   : cmocka_run_group_tests(tests, group_setup, group_teardown))

#endif
