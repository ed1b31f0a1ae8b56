/* SPDX-License-Identifier: Apache-2.0 */
/* A deterministic scheduler under a real program: of its threads exactly one runs, and at each point where it
 * meets time or another thread a seeded generator says who goes on. When nobody can, time leaps to the next
 * deadline. */
#ifndef TESTS_SIM_SCHED_H
#define TESTS_SIM_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "run.h"

/* From here on this process is under the scheduler; the caller is its first thread. */
void sched_begin(void);
bool sched_on(void);
/* A thread of the test's own. */
void sched_spawn(const char *name, void (*fn)(void *), void *arg);
void sched_sleep_ms(unsigned ms);
/* Until the descriptor can be read (or has ended). False: the time is up. */
bool sched_readable(int fd, int64_t timeout_ms);
bool sched_writable(int fd, int64_t timeout_ms);
/* Somebody else's turn? Here the daemon may also die. */
void sched_point(enum death_at kind);
/* The daemon dies: now, or at the nth point from now (0: not after all). */
void sched_die(void) __attribute__((noreturn));
void sched_die_soon(unsigned points);
/* The daemon is to be told to stop, as SIGTERM would. */
void sched_stop_daemon(void);
void sched_leave(int code) __attribute__((noreturn));
int64_t sched_now_ms(void);
/* Something was read, written, opened or closed: descriptors may be ready now that were not. */
void sched_io(void);
/* No switching between these two: what is looked at stands still. */
void sched_hold(void);
void sched_unhold(void);

/* io.c: it is scarce now; errno says so. */
bool io_scarce(enum scarce what, int error);
/* disk.c: this write finds no room (at < 0: at the end); errno says so. */
bool disk_is_full(int fd, int64_t at, size_t n);
/* disk.c: the files as of their last sync, with some of what was written since. */
void disk_lose_power(void);

#endif
