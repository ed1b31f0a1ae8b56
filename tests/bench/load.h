/* SPDX-License-Identifier: Apache-2.0 */
/* A load generator for one HTTPS server on this machine: a fixed number of TLS keep-alive connections on one
 * epoll, each with at most one request in flight. It keeps its own cost low and opens no connection while it
 * measures. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct load_conn {
	SSL *ssl;
	int fd;
	struct buf out, in;
	size_t out_at;
	int64_t sent_us;
	bool busy;
};

struct load {
	SSL_CTX *tls;
	struct load_conn *conns;
	unsigned conns_n;
	int epoll;
	/* Writes the next request (head and body); false: there is none left. */
	bool (*next)(void *ctx, struct buf *out);
	void (*reply)(void *ctx, int status, const char *body, size_t n, int64_t us);
	void *ctx;
};

/* Connects and shakes hands; ends the program when that fails. */
void load_open(struct load *l, int port, const char *ca_file, unsigned connections);
/* Until `next` has no more and all is answered, on the first `connections` of them. */
void load_run(struct load *l, unsigned connections);
void load_close(struct load *l);

/* One TLS connection in blocking mode; NULL when nobody listens yet. Other failures end the program. */
SSL *load_connect(SSL_CTX *tls, int port);
SSL_CTX *load_tls(const char *ca_file);

int64_t load_now_us(void);
/* CPU time of a whole process, its ended threads included. */
int64_t load_cpu_us(int pid);
/* Says why on stderr and exits. */
_Noreturn void load_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
