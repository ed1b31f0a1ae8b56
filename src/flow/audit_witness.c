/* SPDX-License-Identifier: Apache-2.0 */
/* The witness: a file outside of the database, to which each signed head is added as a line. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "domain/audit_json.h"
#include "flow/audit_keeper.h"

enum { LINE_MAX_BYTES = 4096, WAITING_MAX = 64 };

struct audit_witness {
	struct lane *lane;
	const char *path, *cloud_id;
};

struct line {
	struct work work;
	char *path;
	struct buf text;
};

struct audit_witness *audit_witness_open(struct lane_pool *lanes, const char *path, const char *cloud_id)
{
	struct audit_witness *w = xcalloc(1, sizeof *w);

	w->lane = lane_create(lanes, "audit witness", 1, WAITING_MAX);
	w->path = path;
	w->cloud_id = cloud_id;
	return w;
}

void audit_witness_close(struct audit_witness *w)
{
	if (!w)
		return;
	lane_destroy(w->lane);
	free(w);
}

/* A line in one write, so that no two are mixed. */
static void line_run(struct work *work)
{
	struct line *l = CONTAINER_OF(work, struct line, work);
	CLEANUP(close_fd) int fd = open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	ssize_t n = fd < 0 ? -1 : write(fd, l->text.data, l->text.len);

	if (n != (ssize_t)l->text.len || fsync(fd))
		log_event(LOG_ERR, "a head of the audit could not be given to its witness", "path", l->path,
			"error", strerror(n < 0 || n == (ssize_t)l->text.len ? errno : ENOSPC), NULL);
}

static void line_done(struct work *work, enum work_result res)
{
	(void)work;
	(void)res;
}

static void line_destroy(struct work *work)
{
	struct line *l = CONTAINER_OF(work, struct line, work);

	buf_finish(&l->text);
	free(l->path);
	free(l);
}

void audit_witness_add(struct audit_witness *w, const struct audit_head *h, bool here)
{
	struct line *l = xcalloc(1, sizeof *l);

	l->path = xstrdup(w->path);
	jw_object(&l->text);
	jw_kv_str(&l->text, "type", "head");
	jw_kv_str(&l->text, "cloud", w->cloud_id);
	audit_head_write(&l->text, h);
	jw_end_object(&l->text);
	buf_puts(&l->text, "\n");
	l->work = (struct work) { .run = line_run, .done = line_done, .destroy = line_destroy };
	if (!here && lane_submit(w->lane, &l->work))
		return;
	if (here)
		line_run(&l->work);
	else
		log_event(LOG_ERR, "a head of the audit could not be given to its witness", "path", l->path,
			"error", "it does not take any more", NULL);
	line_destroy(&l->work);
}

/* The file's last bytes, and in them the last line that is whole. */
static char *last_line(char *text, size_t n)
{
	char *start;

	while (n && text[n - 1] != '\n')
		n--; /* a line that was broken off */
	if (!n)
		return NULL;
	text[n - 1] = '\0';
	start = strrchr(text, '\n');
	return start ? start + 1 : text;
}

int audit_witness_last(const char *path, struct audit_head *out, struct error *err)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[LINE_MAX_BYTES + 1], *line;
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	ssize_t n;
	json_t *j;
	int rc;

	if (fd < 0 && errno == ENOENT)
		return 0;
	n = size < 0 ? -1
		     : pread(fd, text, LINE_MAX_BYTES, size > LINE_MAX_BYTES ? size - LINE_MAX_BYTES : 0);
	if (n < 0)
		return error_set(err, ERR_UNAVAILABLE, "cannot read %s: %s", path, strerror(errno));
	line = last_line(text, (size_t)n);
	if (!line)
		return 0;
	j = json_loads(line, 0, NULL);
	rc = audit_head_read(j, out, err);
	json_decref(j);
	return rc ? error_wrap(err, "the last line of %s", path) : 1;
}
