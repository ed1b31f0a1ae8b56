/* SPDX-License-Identifier: Apache-2.0 */
/* A program of the operator's: PROGRAM off|on|status HOST. Only from a directory that is configured, without
 * a shell, with an environment of its own, for a bounded time; `status` prints the word on or off. */
#include "hv/fence.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"

enum { OUTPUT_MAX = 4096, PATH_SIZE = 1024, BEAT_MS = 200 };

struct run {
	char path[PATH_SIZE];
	char out[OUTPUT_MAX + 1];
	size_t n;
	pid_t pid;
	int64_t end_ms;
};

static bool is_safe(const struct stat *st)
{
	return (st->st_uid == 0 || st->st_uid == geteuid()) && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static int path_of(const struct fence_agent *a, char out[PATH_SIZE], struct error *err)
{
	struct stat st;

	if (!a->command_dir[0])
		return error_set(err, ERR_BAD_REQUEST,
			"command: no directory of programs is configured (command_dir)");
	for (const char *p = a->target; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			return error_set(err, ERR_BAD_REQUEST,
				"command: the name of a program in command_dir, of letters, digits, ., _ and "
				"-");
	if (!a->target[0] || a->target[0] == '.' || a->target[0] == '-' ||
		(size_t)snprintf(out, PATH_SIZE, "%s/%s", a->command_dir, a->target) >= PATH_SIZE)
		return error_set(err, ERR_BAD_REQUEST, "command: not the name of a program in command_dir");
	if (stat(a->command_dir, &st) || !S_ISDIR(st.st_mode) || !is_safe(&st))
		return error_set(err, ERR_BAD_REQUEST,
			"command: command_dir has to be a directory that only its owner, root, may write to");
	if (lstat(out, &st) || !S_ISREG(st.st_mode) || !is_safe(&st) || access(out, X_OK))
		return error_set(err, ERR_BAD_REQUEST,
			"command: there is no program %.64s in command_dir that only its owner may write to",
			a->target);
	return 0;
}

static int command_check(const struct fence_agent *a, struct error *err)
{
	char path[PATH_SIZE];

	return path_of(a, path, err);
}

static int64_t mono_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* Its standard output is the pipe; it leads a group of its own, so that what it starts ends with it. */
static int start(struct run *r, const struct fence_agent *a, const char *verb, int pipe_fd, struct error *err)
{
	char *const argv[] = { r->path, (char *)(uintptr_t)verb, (char *)(uintptr_t)a->host, NULL };
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C";
	char *const env[] = { path, locale, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, defaults;
	int rc;

	sigemptyset(&none);
	sigfillset(&defaults);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	posix_spawnattr_setflags(
		&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, pipe_fd, 1);
	posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	rc = posix_spawn(&r->pid, r->path, &files, &attr, argv, env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return rc ? error_set(err, ERR_UNAVAILABLE, "the fence agent cannot be started: %s", strerror(rc))
		  : 0;
}

/* Until it closes its output, or its time is over. */
static int read_all(struct run *r, const struct fence_agent *a, int fd, struct error *err)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = r->end_ms - mono_ms();
		ssize_t n;

		if (left <= 0)
			return error_set(err, ERR_TIMEOUT, "the fence agent did not end in time");
		if (a->stop && atomic_load(a->stop))
			return error_set(err, ERR_UNAVAILABLE, "cloudd is stopping");
		if (poll(&p, 1, left < BEAT_MS ? (int)left : BEAT_MS) <= 0)
			continue;
		n = read(fd, r->out + r->n, OUTPUT_MAX + 1 - r->n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		r->n += (size_t)n;
		if (r->n > OUTPUT_MAX)
			return error_set(err, ERR_UNAVAILABLE, "the fence agent prints too much");
	}
	r->out[r->n] = '\0';
	return 0;
}

/* It has closed its output, and may still run. */
static int wait_end(struct run *r, const struct fence_agent *a, int *status, struct error *err)
{
	const struct timespec beat = { .tv_nsec = 10 * 1000000 };
	pid_t pid;

	while ((pid = waitpid(r->pid, status, WNOHANG)) == 0 && mono_ms() < r->end_ms &&
		!(a->stop && atomic_load(a->stop)))
		nanosleep(&beat, NULL);
	if (pid == r->pid)
		r->pid = 0;
	return r->pid ? error_set(err, ERR_TIMEOUT, "the fence agent did not end in time") : 0;
}

static void kill_it(struct run *r)
{
	if (!r->pid)
		return;
	kill(-r->pid, SIGKILL);
	while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int run(const struct fence_agent *a, const char *verb, struct run *r, struct error *err)
{
	CLEANUP(close_fd) int in = -1;
	int fds[2], status = 0, rc;

	r->end_ms = mono_ms() + a->timeout_s * INT64_C(1000);
	if (path_of(a, r->path, err))
		return -1;
	if (pipe2(fds, O_CLOEXEC))
		return error_set(
			err, ERR_UNAVAILABLE, "the fence agent cannot be started: %s", strerror(errno));
	in = fds[0];
	rc = start(r, a, verb, fds[1], err);
	close(fds[1]);
	if (rc)
		return -1;
	rc = read_all(r, a, in, err) || wait_end(r, a, &status, err) ? -1 : 0;
	kill_it(r);
	if (rc == 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return error_set(err, ERR_UNAVAILABLE, "the fence agent ended with %s %d",
			WIFEXITED(status) ? "status" : "signal",
			WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return rc;
}

static int command_read(const struct fence_agent *a, enum fence_power *out, struct error *err)
{
	struct run r = { .pid = 0 };
	size_t n;

	if (run(a, "status", &r, err))
		return -1;
	n = strcspn(r.out, " \t\r\n");
	if (r.out[n + strspn(r.out + n, " \t\r\n")] || strlen(r.out) != r.n)
		return error_set(
			err, ERR_UNAVAILABLE, "the fence agent printed more than the word on or off");
	r.out[n] = '\0';
	*out = strcmp(r.out, "off") == 0 ? FENCE_OFF : strcmp(r.out, "on") == 0 ? FENCE_ON : FENCE_UNKNOWN;
	return *out == FENCE_UNKNOWN
		       ? error_set(err, ERR_UNAVAILABLE, "the fence agent did not print the word on or off")
		       : 0;
}

static int command_set(const struct fence_agent *a, bool on, struct error *err)
{
	struct run r = { .pid = 0 };

	return run(a, on ? "on" : "off", &r, err);
}

const struct fence_driver fence_command = {
	.name = "command", .check = command_check, .read = command_read, .set = command_set
};
