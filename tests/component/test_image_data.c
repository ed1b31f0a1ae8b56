/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of images: uploads in pieces with back-pressure, what becomes of them when anything goes wrong at
 * any point, downloads, and what a start makes of left-overs. */
#include "fault_vfs.h"
#include "image_fixture.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/crypto.h"

#define FREE CLEANUP(free_ptr) char
#define OCTETS "application/octet-stream"
#define UID "11111111-2222-4333-8444-aaaaaaaaaaaa"
#define RAW "{'id': '" UID "', 'disk_format': 'raw', 'container_format': 'bare'}"
#define QCOW2 "{'id': '" UID "', 'disk_format': 'qcow2', 'container_format': 'bare'}"
#define AT "/images/" UID

enum { PIECE = 65536 };

/* Bytes that are told apart by where they are, and look like no format. */
static void fill_bytes(unsigned char *p, size_t n, size_t at)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)((at + i) * 2654435761u >> 13 | 1);
}

static const char *status_of(struct cloud *w)
{
	ASK(200, w, "alice", "GET", AT, NULL);
	return value_of(w, "status");
}

/* Files in the image directory. */
static size_t files(struct cloud *w)
{
	DIR *d = opendir(w->image_dir);
	size_t n = 0;

	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* --- an upload, step by step ------------------------------------------------------------------------------
 */

static void turn(struct cloud *w)
{
	uv_run(&w->store.loop.uv, UV_RUN_ONCE);
}

static enum http_body begin(struct cloud *w, struct reply *r, const char *who, int64_t length)
{
	memset(r, 0, sizeof *r);
	return start(w, r, who, "PUT", AT "/file", OCTETS, length);
}

/* One piece, when the service takes one. False: it has answered. */
static bool feed(struct cloud *w, struct reply *r, const void *p, size_t n)
{
	while (r->paused && !r->done)
		turn(w);
	if (r->done)
		return false;
	r->paused = !w->handler.data(w->handler.ctx, &r->http, p, n);
	return true;
}

static bool feed_bytes(struct cloud *w, struct reply *r, size_t total)
{
	static unsigned char piece[PIECE];

	for (size_t at = 0; at < total;) {
		size_t n = total - at < PIECE ? total - at : PIECE;

		fill_bytes(piece, n, at);
		if (!feed(w, r, piece, n))
			return false;
		at += n;
	}
	return true;
}

static int end(struct cloud *w, struct reply *r)
{
	while (r->paused && !r->done)
		turn(w);
	if (!r->done)
		w->handler.end(w->handler.ctx, &r->http);
	run_until_done(w, r);
	return r->status;
}

/* The whole of it; the status. */
static int upload(struct cloud *w, size_t total)
{
	struct reply r;
	int status;

	assert_int_equal(begin(w, &r, "alice", (int64_t)total), HTTP_BODY_STREAM);
	feed_bytes(w, &r, total);
	status = end(w, &r);
	reply_finish(&r);
	return status;
}

static void digests_of(size_t total, char md5[33], char sha512[129])
{
	unsigned char *all = xmalloc(total + 1), md[EVP_MAX_MD_SIZE];
	unsigned n;

	fill_bytes(all, total, 0);
	EVP_Digest(all, total, md, &n, EVP_md5(), NULL);
	hex_encode(md, n, md5);
	EVP_Digest(all, total, md, &n, EVP_sha512(), NULL);
	hex_encode(md, n, sha512);
	free(all);
}

static void test_upload_sizes(void **state)
{
	static const size_t sizes[] = { 1, 17, PIECE - 1, PIECE, PIECE + 1, 4 * PIECE, 4 * PIECE + 1,
		3000001 };
	struct cloud *w = *state;
	char md5[33], sha512[129], text[160];

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		FREE *path = make_image(w, "alice", "{'disk_format': 'raw', 'container_format': 'bare'}");
		FREE *file = xasprintf("%s/file", path);
		struct reply r = { 0 };

		assert_int_equal(start(w, &r, "alice", "PUT", file, OCTETS, -1), HTTP_BODY_STREAM);
		assert_true(feed_bytes(w, &r, sizes[i]));
		assert_int_equal(end(w, &r), 204);
		assert_int_equal(r.text.len, 0);
		reply_finish(&r);
		digests_of(sizes[i], md5, sha512);
		ASK(200, w, "alice", "GET", path, NULL);
		assert_string_equal(value_of(w, "status"), "\"active\"");
		snprintf(text, sizeof text, "%zu", sizes[i]);
		assert_string_equal(value_of(w, "size"), text);
		assert_string_equal(value_of(w, "virtual_size"), text);
		snprintf(text, sizeof text, "\"%s\"", md5);
		assert_string_equal(value_of(w, "checksum"), text);
		snprintf(text, sizeof text, "\"%s\"", sha512);
		assert_string_equal(value_of(w, "os_hash_value"), text);
		assert_string_equal(value_of(w, "os_hash_algo"), "\"sha512\"");
	}
	assert_int_equal(files(w), ARRAY_LEN(sizes));
	assert_int_equal(
		sql_int(w, "SELECT count(*) FROM audit WHERE action = 'image.upload' AND status = 204"),
		ARRAY_LEN(sizes));
}

static void test_upload_refused_at_once(void **state)
{
	static const struct {
		int status;
		const char *who, *type, *row; /* row: an UPDATE's SET */
		int64_t length;
	} cases[] = {
		{ 415, "alice", "application/json", "status = 'queued'", 5 },
		{ 415, "alice", NULL, "status = 'queued'", 5 },
		{ 415, "alice", OCTETS "x", "status = 'queued'", 5 },
		{ 409, "alice", OCTETS, "status = 'active'", 5 },
		{ 409, "alice", OCTETS, "status = 'saving'", 5 },
		{ 409, "alice", OCTETS, "status = 'deactivated'", 5 },
		{ 400, "alice", OCTETS, "status = 'queued', disk_format = NULL", 5 },
		{ 400, "alice", OCTETS, "status = 'queued', disk_format = 'raw', container_format = NULL",
			5 },
		{ 413, "alice", OCTETS, "container_format = 'bare'", (8 << 20) + 1 },
		{ 404, "bob", OCTETS, "status = 'queued'", 5 },
		{ 403, "bob", OCTETS, "visibility = 'public'", 5 },
		{ 401, "mallory", OCTETS, "status = 'queued'", 5 },
	};
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		FREE *row = xasprintf("UPDATE image SET %s", cases[i].row);
		struct reply r = { 0 };

		sql(w, row);
		assert_int_equal(
			start(w, &r, cases[i].who, "PUT", AT "/file", cases[i].type, cases[i].length),
			HTTP_BODY_REFUSED);
		if (!r.done || r.status != cases[i].status)
			fail_msg("case %zu: %d: %s", i, r.status, buf_text(&r.text));
		reply_finish(&r);
		fixture_drain(&w->store);
	}
	assert_string_equal(path, AT);
	assert_int_equal(files(w), 0);
}

/* However fast the peer sends, only so much is taken before something is written. */
static void test_back_pressure(void **state)
{
	static unsigned char piece[PIECE];
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);
	struct reply r;
	int taken = 0;

	fill_bytes(piece, PIECE, 0);
	assert_int_equal(begin(w, &r, "alice", -1), HTTP_BODY_STREAM);
	/* the row is not ours yet: one piece, then wait */
	assert_false(w->handler.data(w->handler.ctx, &r.http, piece, PIECE));
	assert_int_equal(r.resumed, 0);
	while (!r.resumed)
		turn(w);
	assert_string_equal(status_of(w), "\"saving\"");
	/* without a turn of the loop nothing can be written: two buffers fill up */
	while (w->handler.data(w->handler.ctx, &r.http, piece, PIECE))
		assert_in_range(++taken, 1, 16);
	assert_in_range(taken, 4, 10);
	r.resumed = 0;
	while (!r.resumed)
		turn(w);
	assert_int_equal(end(w, &r), 204);
	assert_int_equal(sql_int(w, "SELECT size FROM image"), (taken + 2) * PIECE);
	reply_finish(&r);
	assert_string_equal(path, AT);
}

static void test_two_at_once(void **state)
{
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);
	struct reply a, b, c;

	/* both are let in, as the row is queued still; the second loses the row */
	assert_int_equal(begin(w, &a, "alice", 100), HTTP_BODY_STREAM);
	assert_int_equal(begin(w, &b, "alice", 100), HTTP_BODY_STREAM);
	assert_true(feed_bytes(w, &b, 50));
	run_until_done(w, &b);
	assert_int_equal(b.status, 409);
	assert_int_equal(begin(w, &c, "alice", 100), HTTP_BODY_REFUSED);
	assert_int_equal(c.status, 409);
	assert_true(feed_bytes(w, &a, 100));
	assert_int_equal(end(w, &a), 204);
	assert_string_equal(status_of(w), "\"active\"");
	assert_int_equal(sql_int(w, "SELECT size FROM image"), 100);
	reply_finish(&a);
	reply_finish(&b);
	reply_finish(&c);
	assert_string_equal(path, AT);
}

/* --- what goes wrong --------------------------------------------------------------------------------------
 */

/* After a failure the image is queued, nothing is left, and a second try works. */
static void expect_fresh(struct cloud *w)
{
	assert_string_equal(status_of(w), "\"queued\"");
	assert_int_equal(files(w), 0);
	assert_int_equal(upload(w, 300000), 204);
	assert_string_equal(status_of(w), "\"active\"");
	assert_int_equal(files(w), 1);
}

static void test_bad_start(void **state)
{
	static unsigned char piece[PIECE];
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);
	struct reply r;

	memcpy(piece, "QFI\xfb", 4);
	assert_int_equal(begin(w, &r, "alice", 8 << 20), HTTP_BODY_STREAM);
	/* refused by its first 64 KiB: the rest is not waited for */
	feed(w, &r, piece, PIECE);
	run_until_done(w, &r);
	assert_int_equal(r.status, 400);
	assert_non_null(strstr(buf_text(&r.text), "qcow2"));
	reply_finish(&r);
	expect_fresh(w);
	assert_string_equal(path, AT);
}

static void test_bad_short(void **state)
{
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", QCOW2);
	struct reply r;

	for (size_t n = 0; n < 2; n++) {
		assert_int_equal(begin(w, &r, "alice", -1), HTTP_BODY_STREAM);
		if (n)
			feed(w, &r, "QFI\xfb\0\0\0\3", 8);
		assert_int_equal(end(w, &r), 400);
		reply_finish(&r);
	}
	assert_int_equal(ask_typed(w, "alice", "PATCH", path, "application/openstack-images-v2.1-json-patch",
				 "[{'op': 'replace', 'path': '/disk_format', 'value': 'raw'}]"),
		200);
	expect_fresh(w);
}

/* The format is part of the claim: it cannot change under an upload that was judged by the old one. */
static void test_format_changes(void **state)
{
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);
	struct reply r;

	assert_int_equal(begin(w, &r, "alice", 10), HTTP_BODY_STREAM);
	sql(w, "UPDATE image SET disk_format = 'qcow2'");
	feed_bytes(w, &r, 10);
	assert_int_equal(end(w, &r), 409);
	reply_finish(&r);
	assert_string_equal(status_of(w), "\"queued\"");
	assert_string_equal(path, AT);
}

static void test_too_large(void **state)
{
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);
	struct reply r;

	assert_int_equal(begin(w, &r, "alice", -1), HTTP_BODY_STREAM);
	feed_bytes(w, &r, (8 << 20) + 1);
	run_until_done(w, &r);
	assert_int_equal(r.status, 413);
	reply_finish(&r);
	expect_fresh(w);
	assert_string_equal(path, AT);
}

/* The project's quota: by what is announced, by what comes, and when all is there. */
static void test_quota(void **state)
{
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);
	FREE *other = make_image(w, "alice", "{'disk_format': 'raw', 'container_format': 'bare'}");
	FREE *other_file = xasprintf("%s/file", other);
	struct reply r, o = { 0 };

	sql(w, "INSERT INTO quota (project_id, resource, hard_limit) VALUES (101, 'image_mib', 2)");
	assert_int_equal(begin(w, &r, "alice", (2 << 20) + 1), HTTP_BODY_REFUSED);
	assert_int_equal(r.status, 413);
	reply_finish(&r);
	assert_int_equal(begin(w, &r, "alice", -1), HTTP_BODY_STREAM);
	feed_bytes(w, &r, (2 << 20) + 1);
	run_until_done(w, &r);
	assert_int_equal(r.status, 413);
	assert_non_null(strstr(buf_text(&r.text), "image_mib"));
	reply_finish(&r);
	assert_string_equal(status_of(w), "\"queued\"");
	/* two that would fit one by one */
	assert_int_equal(begin(w, &r, "alice", -1), HTTP_BODY_STREAM);
	assert_int_equal(start(w, &o, "alice", "PUT", other_file, OCTETS, -1), HTTP_BODY_STREAM);
	assert_true(feed_bytes(w, &r, 1500000));
	feed_bytes(w, &o, 1500000);
	run_until_done(w, &o);
	assert_int_equal(o.status, 413);
	reply_finish(&o);
	/* and a limit that was lowered under way */
	sql(w, "UPDATE quota SET hard_limit = 1");
	assert_int_equal(end(w, &r), 413);
	reply_finish(&r);
	assert_string_equal(status_of(w), "\"queued\"");
	assert_int_equal(files(w), 0);
	assert_int_equal(upload(w, 1 << 20), 204);
	assert_int_equal(begin(w, &r, "alice", 1), HTTP_BODY_REFUSED);
	reply_finish(&r);
	/* how many images there are is limited, too */
	sql(w, "INSERT INTO quota (project_id, resource, hard_limit) VALUES (101, 'images', 2)");
	ASK(413, w, "alice", "POST", "/images", "{}");
	ASK(204, w, "alice", "DELETE", other, NULL);
	ASK(201, w, "alice", "POST", "/images", "{}");
	assert_string_equal(path, AT);
}

/* The peer leaves: before the row is ours, with some gathered, with much written. */
static void test_peer_leaves(void **state)
{
	static const size_t after[] = { 0, 1000, 3000000 };
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);

	for (size_t i = 0; i < ARRAY_LEN(after); i++) {
		struct reply r;

		assert_int_equal(begin(w, &r, "alice", 8 << 20), HTTP_BODY_STREAM);
		assert_true(feed_bytes(w, &r, after[i]));
		w->handler.abort(w->handler.ctx, &r.http);
		run_until_done(w, &r);
		reply_finish(&r);
		assert_string_equal(status_of(w), "\"queued\"");
		assert_int_equal(files(w), 0);
	}
	expect_fresh(w);
	assert_string_equal(path, AT);
}

static void test_deleted_meanwhile(void **state)
{
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);
	struct reply r;

	assert_int_equal(begin(w, &r, "alice", -1), HTTP_BODY_STREAM);
	assert_true(feed_bytes(w, &r, 1000000));
	ASK(204, w, "alice", "DELETE", path, NULL);
	assert_int_equal(end(w, &r), 404);
	reply_finish(&r);
	assert_int_equal(files(w), 0);
	ASK(404, w, "alice", "GET", path, NULL);
}

/* Where files cannot be made; also when the rename is what fails. */
static void test_disk_fails(void **state)
{
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);
	FREE *away = xasprintf("%s-away", w->image_dir);
	FREE *blocker = xasprintf("%s/" UID, w->image_dir);
	struct reply r;

	assert_int_equal(rename(w->image_dir, away), 0);
	assert_int_equal(upload(w, 300000), 503);
	assert_int_equal(rename(away, w->image_dir), 0);
	assert_string_equal(status_of(w), "\"queued\"");

	assert_int_equal(mkdir(blocker, 0700), 0);
	assert_int_equal(begin(w, &r, "alice", -1), HTTP_BODY_STREAM);
	feed_bytes(w, &r, 300000);
	assert_int_equal(end(w, &r), 503);
	/* what the disk said is for the log, not for the tenant */
	assert_null(strstr(buf_text(&r.text), w->image_dir));
	reply_finish(&r);
	assert_int_equal(rmdir(blocker), 0);
	expect_fresh(w);
	assert_string_equal(path, AT);
}

static void test_disk_full(void **state)
{
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);
	FREE *part = xasprintf("%s/" UID ".part", w->image_dir);
	struct rlimit was, tight;
	struct reply r;

	/* what is announced cannot fit: said before it is sent */
	w->api.config.image_size_max = INT64_MAX;
	sql(w, "INSERT INTO quota (project_id, resource, hard_limit) VALUES (101, 'image_mib', -1)");
	assert_int_equal(begin(w, &r, "alice", INT64_C(1) << 60), HTTP_BODY_STREAM);
	feed_bytes(w, &r, 1000000);
	run_until_done(w, &r);
	assert_int_equal(r.status, 507);
	assert_non_null(strstr(buf_text(&r.text), "no space left"));
	reply_finish(&r);
	assert_string_equal(status_of(w), "\"queued\"");
	/* a name that leads elsewhere is not followed */
	assert_int_equal(symlink("/dev/null", part), 0);
	assert_int_equal(upload(w, 300000), 503);
	assert_int_equal(files(w), 0);
	/* and in the midst of writing */
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	tight = (struct rlimit) { 2000000, was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	assert_int_equal(upload(w, 3000000), 503);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	expect_fresh(w);
	assert_string_equal(path, AT);
}

/* The daemon ends in the midst of it: answered, and put right at the next start. */
static void test_daemon_ends(void **state)
{
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);
	struct reply r;

	assert_int_equal(begin(w, &r, "alice", -1), HTTP_BODY_STREAM);
	assert_true(feed_bytes(w, &r, 2000000));
	image_finish();
	while (!r.done) {
		r.paused = false;
		w->handler.abort(w->handler.ctx, &r.http);
		uv_run(&w->store.loop.uv, UV_RUN_NOWAIT); /* a piece may be on its way back */
	}
	assert_int_equal(r.status, 503);
	reply_finish(&r);
	/* what was given up is freed by whoever comes back with it */
	while (lane_pool_given_up(w->api.lanes))
		turn(w);
	cloud_stop(w);
	cloud_start(w);
	expect_fresh(w);
	assert_string_equal(path, AT);
}

/* A commit whose sync failed may be on disk: nobody is told that nothing was changed, and the file stays for
 * the row that may be active. */
static void test_unknown_commit(void **state)
{
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);
	struct reply r;

	assert_int_equal(begin(w, &r, "alice", 2), HTTP_BODY_STREAM);
	assert_true(feed(w, &r, "ab", 1));
	assert_true(feed(w, &r, "cd", 1)); /* taken when the row is ours */
	fault.fail_sync = 1;
	assert_int_equal(end(w, &r), 500);
	assert_null(strstr(buf_text(&r.text), "nothing was"));
	reply_finish(&r);
	assert_int_equal(w->store.fatals, 1);
	cloud_stop(w); /* what was on its way to the disk is done */
	assert_int_equal(files(w), 1);
	cloud_start(w);
	assert_int_equal(files(w), strcmp(status_of(w), "\"active\"") == 0); /* whichever it was */
	fault.fail_sync = 1;
	ASK(500, w, "alice", "PUT", AT "/tags/blue", NULL);
	assert_null(strstr(buf_text(&w->last.text), "nothing was"));
	assert_string_equal(path, AT);
}

/* --- downloads --------------------------------------------------------------------------------------------
 */

static void get(struct cloud *w, struct reply *r, const char *who, const char *method, const char *range)
{
	memset(r, 0, sizeof *r);
	add_header(r, "Range", range);
	assert_int_equal(start(w, r, who, method, AT "/file", NULL, 0), HTTP_BODY_COLLECT);
	w->handler.end(w->handler.ctx, &r->http);
}

static void expect_bytes(const struct reply *r, size_t first, size_t n)
{
	unsigned char *want = xmalloc(n + 1);

	fill_bytes(want, n, first);
	assert_int_equal(r->text.len, n);
	assert_int_equal(r->announced, n);
	assert_memory_equal(r->text.data, want, n);
	free(want);
}

static void test_download(void **state)
{
	enum { SIZE = 1000000 };
	static const struct {
		const char *range;
		int status;
		size_t first, n;
		const char *content_range;
	} cases[] = {
		{ NULL, 200, 0, SIZE, NULL },
		{ "bytes=0-", 206, 0, SIZE, "bytes 0-999999/1000000" },
		{ "bytes=0-0", 206, 0, 1, "bytes 0-0/1000000" },
		{ "bytes=5-300000", 206, 5, 299996, "bytes 5-300000/1000000" },
		{ "bytes=999999-", 206, 999999, 1, "bytes 999999-999999/1000000" },
		{ "bytes=-3", 206, 999997, 3, "bytes 999997-999999/1000000" },
		{ "bytes=0-1,5-6", 200, 0, SIZE, NULL },
		{ "bytes=1000000-", 416, 0, 0, "bytes */1000000" },
	};
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);
	struct reply r;

	ASK(204, w, "alice", "GET", AT "/file", NULL);
	assert_int_equal(upload(w, SIZE), 204);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *content_range;

		get(w, &r, "alice", "GET", cases[i].range);
		run_until_done(w, &r);
		assert_int_equal(r.status, cases[i].status);
		assert_false(r.cut);
		content_range = header_out(&r, "Content-Range");
		assert_true(str_eq(content_range, cases[i].content_range));
		if (cases[i].n)
			expect_bytes(&r, cases[i].first, cases[i].n);
		if (r.status == 200)
			assert_int_equal(strlen(header_out(&r, "Content-MD5")), 32);
		reply_finish(&r);
	}
	get(w, &r, "alice", "HEAD", NULL);
	run_until_done(w, &r);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.announced, SIZE);
	assert_int_equal(r.text.len, 0);
	reply_finish(&r);
	get(w, &r, "bob", "GET", NULL);
	run_until_done(w, &r);
	assert_int_equal(r.status, 404);
	reply_finish(&r);
	ASK(204, w, "alice", "POST", AT "/actions/deactivate", NULL);
	ASK(403, w, "alice", "GET", AT "/file", NULL);
	assert_string_equal(path, AT);
}

/* A peer that does not read is not read for. */
static void test_slow_reader(void **state)
{
	enum { SIZE = 3000000 };
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);
	struct reply r;

	assert_int_equal(upload(w, SIZE), 204);
	get(w, &r, "alice", "GET", NULL);
	r.full = true;
	while (!r.done) {
		size_t before = r.text.len;

		while (r.text.len == before && !r.done)
			turn(w);
		if (r.done)
			break;
		/* nothing more comes until the queue is drained */
		before = r.text.len;
		status_of(w);
		assert_int_equal(r.text.len, before);
		w->handler.drain(w->handler.ctx, &r.http);
	}
	expect_bytes(&r, 0, SIZE);
	reply_finish(&r);
	assert_string_equal(path, AT);
}

/* A file that is not what its row says is never sent as if it were. */
static void test_broken_file(void **state)
{
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);
	FREE *file = xasprintf("%s/" UID, w->image_dir);
	struct reply r;

	assert_int_equal(upload(w, 1000000), 204);
	assert_int_equal(truncate(file, 999999), 0);
	ASK(500, w, "alice", "GET", AT "/file", NULL);
	assert_int_equal(truncate(file, 1000000), 0);
	/* and when it shrinks under way, the reply is cut */
	get(w, &r, "alice", "GET", NULL);
	r.full = true;
	while (!r.text.len)
		turn(w);
	assert_int_equal(truncate(file, 300000), 0);
	r.full = false;
	w->handler.drain(w->handler.ctx, &r.http);
	run_until_done(w, &r);
	assert_true(r.cut);
	reply_finish(&r);
	assert_int_equal(unlink(file), 0);
	ASK(503, w, "alice", "GET", AT "/file", NULL);
	assert_string_equal(path, AT);
}

/* --- the start --------------------------------------------------------------------------------------------
 */

static void put_file(struct cloud *w, const char *name)
{
	FREE *path = xasprintf("%s/%s", w->image_dir, name);
	FILE *f = fopen(path, "w");

	fputs("x", f);
	fclose(f);
}

static bool has_file(struct cloud *w, const char *name)
{
	FREE *path = xasprintf("%s/%s", w->image_dir, name);

	return access(path, F_OK) == 0;
}

static void test_recover(void **state)
{
	static const struct {
		const char *name;
		bool kept;
	} cases[] = {
		{ UID, false },         /* sealed, but the row never became active */
		{ UID ".part", false }, /* cut off */
		{ UID ".part.a1B2c3", false },
		{ "22222222-2222-4333-8444-aaaaaaaaaaaa", true },     /* active */
		{ "33333333-2222-4333-8444-aaaaaaaaaaaa", true },     /* deactivated */
		{ "44444444-2222-4333-8444-aaaaaaaaaaaa", false },    /* deleted */
		{ "55555555-2222-4333-8444-aaaaaaaaaaaa", false },    /* without a row */
		{ "22222222-2222-4333-8444-aaaaaaaaaaaa.bak", true }, /* not ours */
		{ "66666666-2222-4333-8444-aaaaaaaaaaaa", true },     /* a disk of a move that is under way */
		{ "66666666-2222-4333-8444-aaaaaaaaaaaa.ephemeral", true },
		{ "66666666-2222-4333-8444-aaaaaaaaaaaa.ephemeral.part.a1B2c3", false },
		{ "77777777-2222-4333-8444-aaaaaaaaaaaa", false }, /* of one that is over */
		{ "77777777-2222-4333-8444-aaaaaaaaaaaa.ephemeral", false },
		{ "README", true },
		{ "lost+found", true },
	};
	struct cloud *w = *state;
	FREE *path = make_image(w, "alice", RAW);

	sql(w, "UPDATE image SET status = 'saving'");
	sql(w, "INSERT INTO image (id, uid, project_id, status, visibility, size, created_us, updated_us, "
	       "deleted_us) VALUES (901, '22222222-2222-4333-8444-aaaaaaaaaaaa', 101, 'active', 'private', "
	       "1, "
	       "1, 1, 0), (902, '33333333-2222-4333-8444-aaaaaaaaaaaa', 101, 'deactivated', 'private', 1, 1, "
	       "1, 0), (903, '44444444-2222-4333-8444-aaaaaaaaaaaa', 101, 'active', 'private', 1, 1, 1, 5)");
	sql(w, "INSERT INTO server (id, uid, project_id, user_uid, name, hostname, vm_state, flavor_uid, "
	       "flavor_name, vcpus, ram_mib, disk_gib, reservation_id, created_us, updated_us) VALUES (910, "
	       "'s', 101, 'u', 's', 's', 'error', 'f', 'f', 1, 1, 1, 'r', 1, 1)");
	sql(w, "INSERT INTO migration (id, uid, server_id, kind, status, source_host, dest_host, flavor_uid, "
	       "flavor_name, vcpus, ram_mib, disk_gib, ephemeral_gib, swap_mib, extra_specs, old_flavor_id, "
	       "new_flavor_id, was_off, user_uid, project_uid, created_us, updated_us, ended_us) VALUES "
	       "(911, "
	       "'66666666-2222-4333-8444-aaaaaaaaaaaa', 910, 'migration', 'migrating', 'a', 'b', 'f', 'f', "
	       "1, "
	       "1, 1, 0, 0, '{}', 0, 0, 0, 'u', 'p', 1, 1, NULL), (912, "
	       "'77777777-2222-4333-8444-aaaaaaaaaaaa', 910, 'migration', 'reverted', 'a', 'b', 'f', 'f', 1, "
	       "1, "
	       "1, 0, 0, '{}', 0, 0, 0, 'u', 'p', 1, 1, 2)");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		put_file(w, cases[i].name);
	cloud_stop(w);
	cloud_start(w);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (has_file(w, cases[i].name) != cases[i].kept)
			fail_msg("%s", cases[i].name);
	assert_string_equal(status_of(w), "\"queued\"");
	assert_int_equal(upload(w, 1000), 204);
	assert_string_equal(path, AT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cloud_up, cloud_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_upload_sizes),
		TEST(test_upload_refused_at_once),
		TEST(test_back_pressure),
		TEST(test_two_at_once),
		TEST(test_bad_start),
		TEST(test_bad_short),
		TEST(test_format_changes),
		TEST(test_too_large),
		TEST(test_quota),
		TEST(test_peer_leaves),
		TEST(test_deleted_meanwhile),
		TEST(test_disk_fails),
		TEST(test_disk_full),
		TEST(test_daemon_ends),
		TEST(test_unknown_commit),
		TEST(test_download),
		TEST(test_slow_reader),
		TEST(test_broken_file),
		TEST(test_recover),
	};

	fault_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
