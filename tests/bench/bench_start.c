/* SPDX-License-Identifier: Apache-2.0 */
/* How long a daemon takes from exec to its first answer over TLS: bench_start PORT CA_FILE PROGRAM
 * ARGUMENT... Prints "start_ms" and "start_cpu_ms" (what it used by then), and ends what it started. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "load.h"

enum { PAUSE_US = 200, PATIENCE_S = 30 };

static void ask(SSL *ssl)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	char answer[16];

	if (SSL_write(ssl, request, sizeof request - 1) <= 0 || SSL_read(ssl, answer, sizeof answer) < 12 ||
		memcmp(answer, "HTTP/1.1 ", 9) != 0)
		load_die("no answer");
}

int main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = PAUSE_US * 1000 };
	SSL *ssl = NULL;
	SSL_CTX *tls;
	int64_t start, us, cpu;
	pid_t pid;

	if (argc < 4)
		load_die("usage: %s PORT CA_FILE PROGRAM ARGUMENT...", argv[0]);
	tls = load_tls(argv[2]);
	start = load_now_us();
	pid = fork();
	if (pid == 0) {
		execv(argv[3], argv + 3);
		_exit(127);
	}
	while (!(ssl = load_connect(tls, atoi(argv[1])))) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			load_die("%s ended before it answered", argv[3]);
		if (load_now_us() - start > PATIENCE_S * INT64_C(1000000)) {
			kill(pid, SIGKILL);
			load_die("no answer within %d s", PATIENCE_S);
		}
		nanosleep(&pause, NULL);
	}
	ask(ssl);
	us = load_now_us() - start;
	cpu = load_cpu_us(pid);
	printf("start_ms %.2f\nstart_cpu_ms %.2f\n", (double)us / 1e3, (double)cpu / 1e3);
	close(SSL_get_fd(ssl));
	SSL_free(ssl);
	SSL_CTX_free(tls);
	kill(pid, SIGKILL); /* its files are a copy */
	waitpid(pid, NULL, 0);
	return 0;
}
