/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that starts threads: small stacks, all signals blocked, since those belong to the loop. */
#ifndef LOOP_THREAD_H
#define LOOP_THREAD_H

#include <pthread.h>

/* 0, or an errno. With out NULL the thread is detached. */
int thread_start(void *(*fn)(void *), void *arg, pthread_t *out);

#endif
