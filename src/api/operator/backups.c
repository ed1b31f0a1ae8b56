/* SPDX-License-Identifier: Apache-2.0 */
/* /backups: made and listed by administrators; their bytes, which have everybody's hashes and sealed secrets
 * in them, are given to root on the socket alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/backups.h"
#include "api/operator/operator.h"
#include "base/log.h"
#include "base/util.h"
#include "loop/lane.h"

/* --- list and begin ------------------------------------------------------------------------------------- */

static void write_one(struct api_call *c, const struct backup_info *b)
{
	jw_object(&c->out);
	jw_kv_str(&c->out, "name", b->name);
	operator_kv_time(c, "at", b->at_us);
	jw_kv_int(&c->out, "bytes", b->bytes);
	jw_kv_int(&c->out, "schema", b->schema);
	jw_kv_int(&c->out, "seq", b->seq);
	jw_kv_int(&c->out, "servers", b->servers);
	jw_kv_int(&c->out, "images", b->images);
	jw_kv_str(&c->out, "sha256", b->sha256);
	jw_end_object(&c->out);
}

void backup_state_write(struct api_call *c)
{
	struct buf *b = &c->out;
	struct backups_state s;

	backups_look(c->api->backups, &s);
	jw_key(b, "backup");
	jw_object(b);
	jw_kv_str(b, "state", s.running ? "running" : s.error[0] ? "failed" : "idle");
	jw_kv_int(b, "done_bytes", s.done);
	jw_kv_int(b, "total_bytes", s.total);
	operator_kv_time(c, "ended_at", s.ended_us);
	jw_kv_str(b, "error", s.error);
	jw_kv_str(b, "last", s.kept_n ? s.kept[0].name : NULL);
	operator_kv_time(c, "last_at", s.kept_n ? s.kept[0].at_us : 0);
	jw_kv_int(b, "kept", (int64_t)s.kept_n);
	jw_kv_str(b, "directory", c->api->config.backup_dir);
	jw_end_object(b);
}

int backup_list_show(struct api_call *c, struct error *err)
{
	struct backups_state s;

	(void)err;
	backups_look(c->api->backups, &s);
	jw_object(&c->out);
	backup_state_write(c);
	jw_key(&c->out, "backups");
	jw_array(&c->out);
	for (size_t i = 0; i < s.kept_n; i++)
		write_one(c, &s.kept[i]);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* In the unit of its audit record; the copying begins here, and sees that commit or a later one. */
int backup_begin(struct api_call *c, struct error *err)
{
	if (backups_begin(c->api->backups,
		    c->who && c->who->user.name ? c->who->user.name : "an administrator", err))
		return -1;
	c->status = 202;
	jw_object(&c->out);
	backup_state_write(c);
	jw_end_object(&c->out);
	return 0;
}

/* --- bytes ---------------------------------------------------------------------------------------------- */

enum { PIECE_BYTES = 256 * 1024 };

struct piece { /* the thread's while it reads */
	struct work work;
	struct sending *owner;
	int fd, failed; /* failed: an errno */
	size_t n;
	char data[PIECE_BYTES];
};

struct sending {
	struct api_call *call;
	int fd;
	int64_t left;
	bool reading;
};

static void finish(struct sending *s, bool ok)
{
	struct api_call *c = s->call;

	close(s->fd);
	free(s);
	api_stream_end(c, ok);
}

static void piece_run(struct work *w)
{
	struct piece *p = CONTAINER_OF(w, struct piece, work);
	ssize_t n = read(p->fd, p->data, sizeof p->data);

	p->failed = n < 0 ? errno : 0;
	p->n = n > 0 ? (size_t)n : 0;
}

static void read_on(struct sending *s);

static void piece_done(struct work *w, enum work_result res)
{
	struct piece *p = CONTAINER_OF(w, struct piece, work);
	struct sending *s = p->owner;
	bool more;

	s->reading = false;
	if (res != WORK_DONE || p->failed || !p->n || (int64_t)p->n > s->left) {
		log_event(LOG_ERR, "a backup could not be sent in full", "request_id", s->call->request_id,
			NULL);
		finish(s, false);
		return;
	}
	s->left -= (int64_t)p->n;
	more = http_respond_write(s->call->http, p->data, p->n);
	if (!s->left)
		finish(s, true);
	else if (more)
		read_on(s);
}

static void piece_destroy(struct work *w)
{
	struct piece *p = CONTAINER_OF(w, struct piece, work);

	close(p->fd);
	free(p);
}

static void read_on(struct sending *s)
{
	struct piece *p = xmalloc(sizeof *p);

	memset(p, 0, offsetof(struct piece, data));
	p->work = (struct work) { .run = piece_run, .done = piece_done, .destroy = piece_destroy };
	p->owner = s;
	p->fd = dup(s->fd); /* shares the place in the file */
	s->reading = true;
	if (p->fd >= 0 && backups_read(s->call->api->backups, &p->work))
		return;
	if (p->fd >= 0)
		close(p->fd);
	free(p);
	finish(s, false);
}

static void on_drain(struct api_call *c)
{
	struct sending *s = c->stream.data_ctx;

	if (!s->reading)
		read_on(s);
}

static const struct backup_info *kept_one(struct api_call *c, const char *name, struct error *err)
{
	struct backups_state s;

	backups_look(c->api->backups, &s);
	for (size_t i = 0; i < s.kept_n; i++)
		if (str_eq(s.kept[i].name, name))
			return &s.kept[i];
	error_set(err, ERR_NOT_FOUND, "there is no backup %s", name);
	return NULL;
}

static int send_file(struct api_call *c, const char *tail, const char *type, struct error *err)
{
	const struct backup_info *b = kept_one(c, api_param(c, "backup"), err);
	struct sending *s;
	struct stat st;

	if (!b)
		return -1;
	if (!c->who->is_local_root)
		return error_set(err, ERR_FORBIDDEN,
			"a backup has everybody's secrets in it: it is given to root on the controller's "
			"socket alone");
	s = xcalloc(1, sizeof *s);
	s->call = c;
	s->fd = open(arena_printf(c->arena, "%s/%s%s", c->api->config.backup_dir, b->name, tail),
		O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (s->fd < 0 || fstat(s->fd, &st) < 0 || !st.st_size) {
		close_fd(&s->fd);
		free(s);
		return error_set(err, ERR_NOT_FOUND, "backup %s is gone", b->name);
	}
	c->status = 200;
	c->content_type = type;
	c->stream = (struct api_stream) { .drain = on_drain, .data_ctx = s };
	s->left = st.st_size;
	api_stream_start(c, s->left);
	read_on(s);
	return 0;
}

int backup_data(struct api_call *c, struct error *err)
{
	return send_file(c, "", "application/octet-stream", err);
}

int backup_manifest(struct api_call *c, struct error *err)
{
	return send_file(c, ".json", "application/json", err);
}
