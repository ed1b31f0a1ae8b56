/* SPDX-License-Identifier: Apache-2.0 */
/* The calls on sockets and pipes that may make another thread's descriptor ready: the scheduler has to know
 * of each; and locks of files, which are for other processes, of which there is none. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sched.h"

#define IO(type, name, number, params, ...)                \
	type name params                                   \
	{                                                  \
		sched_io();                                \
		return (type)syscall(number, __VA_ARGS__); \
	}

IO(ssize_t, read, SYS_read, (int fd, void *p, size_t n), fd, p, n)
IO(ssize_t, readv, SYS_readv, (int fd, const struct iovec *v, int n), fd, v, n)

ssize_t write(int fd, const void *p, size_t n)
{
	sched_io();
	if (disk_is_full(fd, -1, n))
		return -1;
	return syscall(SYS_write, fd, p, n);
}

IO(ssize_t, writev, SYS_writev, (int fd, const struct iovec *v, int n), fd, v, n)
IO(ssize_t, send, SYS_sendto, (int fd, const void *p, size_t n, int flags), fd, p, n, flags, NULL, 0)
IO(ssize_t, sendmsg, SYS_sendmsg, (int fd, const struct msghdr *m, int flags), fd, m, flags)
IO(ssize_t, recv, SYS_recvfrom, (int fd, void *p, size_t n, int flags), fd, p, n, flags, NULL, NULL)
IO(ssize_t, recvmsg, SYS_recvmsg, (int fd, struct msghdr *m, int flags), fd, m, flags)
IO(int, connect, SYS_connect, (int fd, __CONST_SOCKADDR_ARG a, socklen_t n), fd, a.__sockaddr__, n)

bool scarce[SCARCE];

bool io_scarce(enum scarce what, int error)
{
	if (!scarce[what] || !sched_on())
		return false;
	errno = error;
	return true;
}

int accept4(int fd, __SOCKADDR_ARG a, socklen_t *n, int flags)
{
	sched_io();
	if (io_scarce(SCARCE_DESCRIPTORS, EMFILE))
		return -1;
	return (int)syscall(SYS_accept4, fd, a.__sockaddr__, n, flags);
}

int socket(int domain, int type, int protocol)
{
	if (io_scarce(SCARCE_DESCRIPTORS, EMFILE))
		return -1;
	return (int)syscall(SYS_socket, domain, type, protocol);
}

IO(int, shutdown, SYS_shutdown, (int fd, int how), fd, how)
IO(int, epoll_ctl, SYS_epoll_ctl, (int e, int op, int fd, struct epoll_event *v), e, op, fd, v)

#define FCNTL(name)                                                   \
	int name(int fd, int op, ...)                                 \
	{                                                             \
		va_list ap;                                           \
		void *arg;                                            \
		va_start(ap, op);                                     \
		arg = va_arg(ap, void *);                             \
		va_end(ap);                                           \
		if (op == F_GETLK)                                    \
			((struct flock *)arg)->l_type = F_UNLCK;      \
		if (op == F_GETLK || op == F_SETLK || op == F_SETLKW) \
			return 0;                                     \
		return (int)syscall(SYS_fcntl, fd, op, arg);          \
	}
FCNTL(fcntl)
FCNTL(fcntl64)
