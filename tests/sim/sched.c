/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler, and the functions of the C library that it takes over: defined in the executable, they come
 * before those of the library for every caller, libuv, SQLite and OpenSSL included. */
#include "sched.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { TASKS_MAX = 256, CONDS_MAX = 512, STACK = 8 << 20 };
#define NEVER INT64_MAX

enum state { FREE, READY, ON_MUTEX, ON_COND, ON_FD, ASLEEP, ON_JOIN };

struct task {
	int id;
	enum state state;
	const void *on; /* mutex, condition, task */
	struct pollfd fd;
	uint64_t asked;   /* its descriptor was not ready when so much had been read and written */
	int64_t deadline; /* ns, NEVER */
	bool timed_out, detached, ended, exists;
	void *(*fn)(void *);
	void *arg, *result;
	pthread_t real;
	_Atomic int go;
};

static struct task tasks[TASKS_MAX];
static int tasks_n;
static bool on;
static int held; /* depth: no switches */
static uint64_t until_switch;
static unsigned soon; /* the daemon dies after so many points; 0: no */
static bool stop_wanted;
static uint64_t io_done; /* what may make a descriptor ready happened so often */
static int on_mutex;     /* who waits for one, at most */
static _Thread_local struct task *self;
static struct task *main_task;
static struct {
	const void *cond;
	bool mono;
} conds[CONDS_MAX];

/* --- the real ones -------------------------------------------------------------------------------------- */

#define REAL(type, name, version)                                                  \
	static type(*fn) REAL_ARGS;                                                \
	if (!fn && !(fn = (type(*) REAL_ARGS)dlvsym(RTLD_NEXT, #name, version)) && \
		!(fn = (type(*) REAL_ARGS)dlsym(RTLD_NEXT, #name)))                \
		abort();

static int real_lock(pthread_mutex_t *m)
{
#define REAL_ARGS (pthread_mutex_t *)
	REAL(int, pthread_mutex_lock, "GLIBC_2.2.5")
	return fn(m);
}

static int real_trylock(pthread_mutex_t *m)
{
	REAL(int, pthread_mutex_trylock, "GLIBC_2.34")
	return fn(m);
}

static int real_unlock(pthread_mutex_t *m)
{
	REAL(int, pthread_mutex_unlock, "GLIBC_2.2.5")
	return fn(m);
}
#undef REAL_ARGS

static void fatal(const char *what)
{
	fprintf(stderr, "sim: %s\n", what);
	syscall(SYS_exit_group, LIFE_PROBLEM);
	abort();
}

/* --- the baton ------------------------------------------------------------------------------------------ */

static void futex(_Atomic int *p, int op, int value)
{
	syscall(SYS_futex, p, op, value, NULL, NULL, 0);
}

static void give(struct task *t)
{
	atomic_store(&t->go, 1);
	futex(&t->go, FUTEX_WAKE_PRIVATE, 1);
}

static void await(struct task *t)
{
	while (!atomic_exchange(&t->go, 0))
		futex(&t->go, FUTEX_WAIT_PRIVATE, 0);
}

static void mix(uint64_t v)
{
	run->trace = (run->trace ^ v) * 0x100000001b3u;
}

static bool timed(const struct task *t)
{
	return t->exists && t->state != READY && t->state != FREE && t->deadline != NEVER;
}

/* Those who can go on now; descriptors are asked all at once. */
static int candidates(struct task **out)
{
	struct pollfd fds[TASKS_MAX];
	struct task *of[TASKS_MAX];
	int n = 0, m = 0;

	for (int i = 0; i < tasks_n; i++) {
		struct task *t = &tasks[i];

		if (t->state == READY || (timed(t) && t->deadline <= run->mono_ns))
			out[n++] = t;
		else if (t->state == ON_FD && t->asked != io_done)
			of[m] = t, fds[m++] = t->fd;
	}
	if (!m)
		return n;
	syscall(SYS_poll, fds, (unsigned long)m, 0);
	for (int i = 0; i < m; i++)
		if (fds[i].revents)
			out[n++] = of[i];
		else
			of[i]->asked = io_done;
	return n;
}

static bool leap(void)
{
	int64_t next = NEVER;

	for (int i = 0; i < tasks_n; i++)
		if (timed(&tasks[i]) && tasks[i].deadline < next)
			next = tasks[i].deadline;
	if (next == NEVER)
		return false;
	if (next > run->mono_ns)
		run->mono_ns = next;
	return true;
}

static struct task *choose(void)
{
	struct task *list[TASKS_MAX], *t;
	bool sure = false; /* before time leaps all descriptors are asked */
	int n;

	while (!(n = candidates(list)))
		if (!sure) {
			sure = true;
			io_done++;
		} else if (!leap()) {
			problem("deadlock: no thread can go on, and no deadline is set");
			sched_leave(LIFE_DEADLOCK);
		}
	if (run->mono_ns / 1000000000 > DAYS_MAX_S + run->boot_ns / 1000000000 && !run->setup) {
		problem("the run never comes to an end");
		sched_leave(LIFE_ENDLESS);
	}
	t = list[n > 1 ? rnd_below(&run->sched_rng, (uint32_t)n) : 0];
	if (t->state != READY) {
		t->timed_out = t->state != ON_FD;
		if (t->state == ON_FD)
			t->timed_out = false;
		t->state = READY;
	}
	t->deadline = NEVER;
	mix((uint64_t)t->id);
	return t;
}

/* The caller's state says what it waits for. Returns when it is its turn. */
static void pass(void)
{
	struct task *t = choose();

	if (t == self)
		return;
	give(t);
	await(self);
}

/* Returns whether it was woken by the deadline. */
static bool block(enum state state, const void *what, int64_t deadline)
{
	self->state = state;
	self->on = what;
	self->deadline = deadline;
	self->timed_out = false;
	self->asked = 0;
	on_mutex += state == ON_MUTEX;
	pass();
	return self->timed_out;
}

static void wake_all(enum state state, const void *what)
{
	if (state == ON_MUTEX && !on_mutex)
		return;
	for (int i = 0; i < tasks_n; i++)
		if (tasks[i].state == state && tasks[i].on == what) {
			tasks[i].state = READY;
			tasks[i].timed_out = false;
			tasks[i].deadline = NEVER;
			on_mutex -= state == ON_MUTEX;
		}
}

static void next_switch(void)
{
	until_switch = 1 + rnd_below(&run->sched_rng, 2 * run->profile.switch_mean);
}

void sched_hold(void)
{
	held++;
}

void sched_unhold(void)
{
	held--;
}

void sched_die(void)
{
	bool power = run->death == DEATH_POWER;

	on = false;
	event("--- %s, at %lld ms", power ? "power lost" : "killed", (long long)(run->mono_ns / 1000000));
	fault_count(power ? FAULT_POWER_LOSS : FAULT_KILL);
	wraps_at_death();
	if (power)
		disk_lose_power();
	syscall(SYS_exit_group, power ? LIFE_POWER : LIFE_KILLED);
	abort();
}

void sched_die_soon(unsigned points)
{
	soon = points;
}

void sched_point(enum death_at kind)
{
	if (!on || !self || held)
		return;
	run->totals.points++;
	if (run->death > DEATH_STOP && kind == run->death_at && --run->death_left == 0)
		sched_die();
	if (soon && --soon == 0)
		sched_die();
	if (--until_switch)
		return;
	next_switch();
	if (rnd_chance(&run->sched_rng, 20)) /* the machine was busy with something else */
		run->mono_ns += 1000000 * (int64_t)(1 + rnd_below(&run->sched_rng, 40));
	block(READY, NULL, NEVER);
}

/* --- threads -------------------------------------------------------------------------------------------- */

static void *task_main(void *arg)
{
	self = arg;
	for (;;) { /* kept for the next one: an end of a thread is nothing that the baton could order */
		await(self);
		self->result = self->fn(self->arg);
		self->ended = true;
		wake_all(ON_JOIN, self);
		if (self->detached)
			self->exists = false;
		self->state = FREE;
		give(choose());
	}
	return NULL;
}

static struct task *task_new(void *(*body)(void *), void *arg, bool detached)
{
#define REAL_ARGS (pthread_t *, const pthread_attr_t *, void *(*)(void *), void *)
	REAL(int, pthread_create, "GLIBC_2.34")
#undef REAL_ARGS
	struct task *t = NULL;
	pthread_attr_t attr;
	sigset_t all, old;

	for (int i = 0; i < tasks_n && !t; i++)
		if (!tasks[i].exists)
			t = &tasks[i];
	if (!t) {
		if (tasks_n == TASKS_MAX)
			fatal("too many threads");
		t = &tasks[tasks_n];
		t->id = tasks_n;
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, STACK);
		if (fn(&t->real, &attr, task_main, t))
			fatal("no thread");
		pthread_attr_destroy(&attr);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		tasks_n++;
	}
	t->exists = true;
	t->ended = false;
	t->detached = detached;
	t->deadline = NEVER;
	t->fn = body;
	t->arg = arg;
	t->state = READY;
	return t;
}

static void *spawned(void *arg)
{
	void **both = arg;
	void (*fn)(void *) = (void (*)(void *))(uintptr_t)both[0];
	void *what = both[1];

	free(both);
	fn(what);
	return NULL;
}

void sched_spawn(const char *name, void (*fn)(void *), void *arg)
{
	void **both = malloc(2 * sizeof *both);

	(void)name;
	both[0] = (void *)(uintptr_t)fn;
	both[1] = arg;
	task_new(spawned, both, true);
}

void sched_begin(void)
{
	self = main_task = &tasks[0];
	tasks_n = 1;
	*self = (struct task) { .exists = true, .state = READY, .deadline = NEVER, .real = pthread_self() };
	next_switch();
	io_done = 1;
	on = true;
}

void sched_io(void)
{
	io_done++;
}

bool sched_on(void)
{
	return on && self;
}

void sched_leave(int code)
{
	on = false;
	syscall(SYS_exit_group, code);
	abort();
}

int64_t sched_now_ms(void)
{
	return run->mono_ns / 1000000;
}

void sched_sleep_ms(unsigned ms)
{
	block(ASLEEP, NULL, run->mono_ns + (int64_t)ms * 1000000);
}

static bool on_fd(int fd, short events, int64_t timeout_ms)
{
	self->fd = (struct pollfd) { .fd = fd, .events = events };
	return !block(ON_FD, NULL, timeout_ms < 0 ? NEVER : run->mono_ns + timeout_ms * 1000000);
}

bool sched_readable(int fd, int64_t timeout_ms)
{
	return on_fd(fd, POLLIN, timeout_ms);
}

bool sched_writable(int fd, int64_t timeout_ms)
{
	return on_fd(fd, POLLOUT, timeout_ms);
}

void sched_stop_daemon(void)
{
	stop_wanted = true;
	wake_all(ON_FD, NULL);
}

/* --- taken over: threads -------------------------------------------------------------------------------- */

int pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*body)(void *), void *arg)
{
#define REAL_ARGS (pthread_t *, const pthread_attr_t *, void *(*)(void *), void *)
	REAL(int, pthread_create, "GLIBC_2.34")
#undef REAL_ARGS
	int detach = PTHREAD_CREATE_JOINABLE;
	struct task *t;

	if (!sched_on())
		return fn(out, attr, body, arg);
	if (attr)
		pthread_attr_getdetachstate(attr, &detach);
	t = task_new(body, arg, detach == PTHREAD_CREATE_DETACHED);
	*out = t->real;
	sched_point(AT_POINT);
	return 0;
}

int pthread_join(pthread_t thread, void **result)
{
#define REAL_ARGS (pthread_t, void **)
	REAL(int, pthread_join, "GLIBC_2.34")
#undef REAL_ARGS
	struct task *t = NULL;

	if (!sched_on())
		return fn(thread, result);
	for (int i = 0; i < tasks_n; i++)
		if (tasks[i].exists && pthread_equal(tasks[i].real, thread))
			t = &tasks[i];
	if (!t)
		return ESRCH;
	while (!t->ended)
		block(ON_JOIN, t, NEVER);
	if (result)
		*result = t->result;
	t->exists = false;
	return 0;
}

int sched_yield(void)
{
	if (sched_on() && !held)
		block(READY, NULL, NEVER);
	return 0;
}

int pthread_once(pthread_once_t *once, void (*init)(void))
{
#define REAL_ARGS (pthread_once_t *, void (*)(void))
	REAL(int, pthread_once, "GLIBC_2.34")
#undef REAL_ARGS
	int rc;

	held++; /* who else comes here would wait where the baton cannot be passed on */
	rc = fn(once, init);
	held--;
	return rc;
}

/* --- taken over: locks ---------------------------------------------------------------------------------- */

int pthread_mutex_lock(pthread_mutex_t *m)
{
	int rc;

	if (!sched_on())
		return real_lock(m);
	sched_point(AT_POINT);
	while ((rc = real_trylock(m)) == EBUSY)
		block(ON_MUTEX, m, NEVER);
	return rc;
}

int pthread_mutex_trylock(pthread_mutex_t *m)
{
	if (sched_on())
		sched_point(AT_POINT);
	return real_trylock(m);
}

int pthread_mutex_unlock(pthread_mutex_t *m)
{
	int rc = real_unlock(m);

	if (sched_on()) {
		wake_all(ON_MUTEX, m);
		sched_point(AT_POINT);
	}
	return rc;
}

#define RWLOCK(name, try_name)                      \
	int name(pthread_rwlock_t *l)               \
	{                                           \
		REAL(int, name, "GLIBC_2.34")       \
		int rc;                             \
		if (!sched_on())                    \
			return fn(l);               \
		while ((rc = try_name(l)) == EBUSY) \
			block(READY, NULL, NEVER);  \
		return rc;                          \
	}
#define REAL_ARGS (pthread_rwlock_t *)
RWLOCK(pthread_rwlock_rdlock, pthread_rwlock_tryrdlock)
RWLOCK(pthread_rwlock_wrlock, pthread_rwlock_trywrlock)
#undef REAL_ARGS

/* --- taken over: conditions ----------------------------------------------------------------------------- */

static size_t cond_slot(const void *c)
{
	size_t i = 0, none = CONDS_MAX;

	for (; i < CONDS_MAX; i++) {
		if (conds[i].cond == c)
			return i;
		if (!conds[i].cond && none == CONDS_MAX)
			none = i;
	}
	if (none == CONDS_MAX)
		fatal("too many conditions");
	return none;
}

int pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *attr)
{
#define REAL_ARGS (pthread_cond_t *, const pthread_condattr_t *)
	REAL(int, pthread_cond_init, "GLIBC_2.3.2")
	clockid_t clock = CLOCK_REALTIME;
	size_t slot = cond_slot(c);

	if (attr)
		pthread_condattr_getclock(attr, &clock);
	conds[slot].cond = clock == CLOCK_REALTIME ? NULL : c;
	conds[slot].mono = true;
	return fn(c, attr);
}
#undef REAL_ARGS

int pthread_cond_destroy(pthread_cond_t *c)
{
#define REAL_ARGS (pthread_cond_t *)
	REAL(int, pthread_cond_destroy, "GLIBC_2.3.2")
#undef REAL_ARGS
	size_t slot = cond_slot(c);

	conds[slot].cond = NULL;
	return on ? 0 : fn(c);
}

static int64_t wall_ns(void)
{
	return run->wall_base_ns + run->mono_ns;
}

static int cond_wait(pthread_cond_t *c, pthread_mutex_t *m, int64_t deadline)
{
	bool late;

	if (run->profile.spurious && rnd_chance(&run->sched_rng, 10))
		return 0;
	real_unlock(m);
	wake_all(ON_MUTEX, m);
	late = block(ON_COND, c, deadline);
	while (real_trylock(m) == EBUSY)
		block(ON_MUTEX, m, NEVER);
	return late ? ETIMEDOUT : 0;
}

int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
#define REAL_ARGS (pthread_cond_t *, pthread_mutex_t *)
	REAL(int, pthread_cond_wait, "GLIBC_2.3.2")
#undef REAL_ARGS
	return sched_on() ? cond_wait(c, m, NEVER) : fn(c, m);
}

int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until)
{
#define REAL_ARGS (pthread_cond_t *, pthread_mutex_t *, const struct timespec *)
	REAL(int, pthread_cond_timedwait, "GLIBC_2.3.2")
#undef REAL_ARGS
	int64_t at;
	size_t slot;

	if (!sched_on())
		return fn(c, m, until);
	at = (int64_t)until->tv_sec * 1000000000 + until->tv_nsec;
	slot = cond_slot(c);
	if (conds[slot].cond == c)
		at += run->boot_ns;
	else
		at -= run->wall_base_ns;
	if (at <= run->mono_ns) {
		sched_point(AT_POINT);
		return ETIMEDOUT;
	}
	return cond_wait(c, m, at);
}

int pthread_cond_signal(pthread_cond_t *c)
{
#define REAL_ARGS (pthread_cond_t *)
	REAL(int, pthread_cond_signal, "GLIBC_2.3.2")
	int list[TASKS_MAX], n = 0;

	if (!sched_on())
		return on ? 0 : fn(c);
	for (int i = 0; i < tasks_n; i++)
		if (tasks[i].state == ON_COND && tasks[i].on == c)
			list[n++] = i;
	if (n) {
		struct task *t = &tasks[list[n > 1 ? rnd_below(&run->sched_rng, (uint32_t)n) : 0]];

		t->state = READY;
		t->timed_out = false;
		t->deadline = NEVER;
	}
	sched_point(AT_POINT);
	return 0;
}

int pthread_cond_broadcast(pthread_cond_t *c)
{
	REAL(int, pthread_cond_broadcast, "GLIBC_2.3.2")
#undef REAL_ARGS
	if (!sched_on())
		return on ? 0 : fn(c);
	wake_all(ON_COND, c);
	sched_point(AT_POINT);
	return 0;
}

/* --- taken over: time ----------------------------------------------------------------------------------- */

int clock_gettime(clockid_t id, struct timespec *out)
{
	int64_t ns;

	if (!sched_on() || id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID)
		return (int)syscall(SYS_clock_gettime, id, out);
	run->mono_ns += 200; /* who looks at the clock without end sees it move */
	ns = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE ? wall_ns() : run->mono_ns - run->boot_ns;
	*out = (struct timespec) { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	return 0;
}

int gettimeofday(struct timeval *out, void *zone)
{
	struct timespec t;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &t);
	*out = (struct timeval) { .tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000 };
	return 0;
}

time_t time(time_t *out)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (out)
		*out = t.tv_sec;
	return t.tv_sec;
}

int nanosleep(const struct timespec *want, struct timespec *left)
{
	if (!sched_on())
		return (int)syscall(SYS_nanosleep, want, left);
	block(ASLEEP, NULL, run->mono_ns + (int64_t)want->tv_sec * 1000000000 + want->tv_nsec);
	return 0;
}

int usleep(useconds_t us)
{
	return nanosleep(
		&(struct timespec) { .tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000 }, NULL);
}

unsigned sleep(unsigned s)
{
	nanosleep(&(struct timespec) { .tv_sec = s }, NULL);
	return 0;
}

/* --- taken over: what libuv blocks in ------------------------------------------------------------------- */

static int poll_now(int fd, struct epoll_event *events, int max)
{
	return (int)syscall(SYS_epoll_pwait, fd, events, max, 0, NULL, 8);
}

int epoll_pwait(int fd, struct epoll_event *events, int max, int timeout, const sigset_t *mask)
{
	int64_t end = timeout < 0 ? NEVER : run ? run->mono_ns + (int64_t)timeout * 1000000 : 0;
	int n;

	if (!sched_on())
		return (int)syscall(SYS_epoll_pwait, fd, events, max, timeout, mask, 8);
	sched_point(AT_POINT);
	for (;;) {
		if (stop_wanted && self == main_task) {
			struct sigaction now;

			stop_wanted = false;
			sigaction(SIGTERM, NULL, &now);
			if (now.sa_handler != SIG_DFL) /* it is not on its way out already */
				raise(SIGTERM);
		}
		n = poll_now(fd, events, max);
		if (n || timeout == 0 || run->mono_ns >= end)
			return n;
		self->fd = (struct pollfd) { .fd = fd, .events = POLLIN };
		block(ON_FD, NULL, end);
	}
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	return epoll_pwait(fd, events, max, timeout, NULL);
}

/* --- taken over: the end -------------------------------------------------------------------------------- */

void _exit(int code)
{
	if (on && code) {
		problem("the daemon left with status %d", code);
		code = LIFE_PROBLEM;
	}
	on = false;
	syscall(SYS_exit_group, code);
	for (;;)
		;
}
