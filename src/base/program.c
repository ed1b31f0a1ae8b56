/* SPDX-License-Identifier: Apache-2.0 */
#include "base/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"

enum { LOOK_MS = 200 };

struct run {
	pid_t pid;
	int out; /* what it writes */
	bool closed;
	char line[PROGRAM_LINE], last[PROGRAM_LINE]; /* being read; the last that was not empty */
	size_t n;
};

/* ---- its beginning ---- */

/* In a process group of its own, so that what it started goes with it. */
static int spawn(const struct program *p, int out, pid_t *pid)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		    words[] = "LC_ALL=C.UTF-8", home[] = "HOME=/";
	static char *const environment[] = { path, words, home, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(
		&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDERR_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	rc = posix_spawn(pid, p->args[0], &files, &attr, (char *const *)p->args, environment);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

static int begin(const struct program *p, struct run *r, struct error *err)
{
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(
			err, ERR_UNAVAILABLE, "%.100s cannot be run: %s", p->args[0], strerror(errno));
	rc = spawn(p, ends[1], &r->pid);
	close(ends[1]);
	r->out = ends[0];
	if (!rc)
		return 0;
	close(r->out);
	return error_set(err, ERR_UNAVAILABLE, "%.100s cannot be run: %s", p->args[0], strerror(rc));
}

/* ---- what it says ---- */

static void line_end(struct run *r)
{
	r->line[r->n] = '\0';
	if (r->n)
		str_copy(r->last, sizeof r->last, r->line);
	r->n = 0;
}

static void take(struct run *r, const char *text, size_t n)
{
	for (; n; n--, text++) {
		if (*text == '\n')
			line_end(r);
		else if (r->n < PROGRAM_LINE - 1)
			r->line[r->n++] = (char)(*text >= ' ' && *text < 0x7f ? *text : '?');
	}
}

/* What is there now, or comes within the time. */
static void listen_for(struct run *r, int ms)
{
	struct pollfd fd = { .fd = r->closed ? -1 : r->out, .events = POLLIN };
	char buf[4096];
	ssize_t n;

	if (poll(&fd, 1, ms) <= 0)
		return;
	n = read(r->out, buf, sizeof buf);
	if (n > 0)
		take(r, buf, (size_t)n);
	else if (n == 0 || errno != EINTR)
		r->closed = true;
}

/* ---- its end ---- */

static bool has_ended(const struct run *r)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == r->pid;
}

/* Waited for last: until then its number is its own, and that of its group. */
static int reap(const struct run *r)
{
	int status = 0;

	kill(-r->pid, SIGKILL);
	while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static bool given_up(const struct program *p)
{
	return p->abandoned && atomic_load(p->abandoned);
}

int program_run(const struct program *p, struct program_end *out, struct error *err)
{
	int64_t until = clock_mono(&clock_system) + (int64_t)p->timeout_ms * 1000;
	struct run r = { .n = 0 };
	bool ended = false;
	int status;

	if (begin(p, &r, err))
		return -1;
	while (!(ended = has_ended(&r)) && !given_up(p) && clock_mono(&clock_system) < until)
		listen_for(&r, LOOK_MS);
	status = reap(&r);
	for (int i = 0; ended && i < 16 && !r.closed; i++) /* what it left in the pipe */
		listen_for(&r, 0);
	close(r.out);
	if (!ended)
		return error_set(
			err, ERR_TIMEOUT, "%.100s took longer than %u s", p->args[0], p->timeout_ms / 1000);
	line_end(&r);
	*out = (struct program_end) {
		.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
		.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	};
	str_copy(out->last, sizeof out->last, r.last);
	return 0;
}
