/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/thread.h"

#include <signal.h>

#ifdef __SANITIZE_ADDRESS__
enum { STACK_SIZE = 4 << 20 }; /* instrumented frames are several times larger */
#else
enum { STACK_SIZE = 512 << 10 };
#endif

int thread_start(void *(*fn)(void *), void *arg, pthread_t *out)
{
	pthread_attr_t attr;
	pthread_t tid;
	sigset_t all, old;
	int rc = pthread_attr_init(&attr);

	if (rc)
		return rc;
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (!out)
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* a new thread inherits the mask, so it never runs with a signal open */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&tid, &attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (!rc && out)
		*out = tid;
	return rc;
}
