/* SPDX-License-Identifier: Apache-2.0 */
/* Consoles of servers: what was printed, by time, and the live one. All calls are made on the loop unless
 * said otherwise. */
#ifndef FLOW_CONSOLE_H
#define FLOW_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "store/history.h"

struct act;
struct flow_engine;
struct hv_conn;
struct hv_driver;

/* --- history: kept in a file beside the database by a collector that reads on in the hosts' logs --- */

/* For the act of a step, on its lane, before it takes a server's domain or console log away from the host:
 * keeps what was printed since the last look. It cannot fail: what cannot be read now is lost with the log.
 */
void console_last_read(
	const struct act *act, const struct hv_driver *drv, struct hv_conn *conn, const char *uid);

/* done is called once; the list is valid during the call. more: there is more after the last one. */
typedef void flow_history_fn(
	void *ctx, const struct history_chunk *list, size_t n, bool more, const struct error *err);
void flow_console_history(struct flow_engine *e, const char *uid, int64_t since_us, int64_t until_us,
	size_t chunks, flow_history_fn *done, void *ctx);

/* --- the live console --- */

struct flow_console;
struct flow_console_events {
	/* err NULL: it is open, output follows. Else that is all. */
	void (*opened)(void *ctx, struct flow_console *k, const struct error *err);
	void (*output)(void *ctx, const void *p, size_t n);
	void (*room)(void *ctx);                            /* flow_console_send takes bytes again */
	void (*closed)(void *ctx, const struct error *why); /* it ended by itself: the last call */
};
/* Over the connection to the server's host. A newer one closes an older one. */
void flow_console_open(struct flow_engine *e, int64_t host_id, const char *uid,
	const struct flow_console_events *events, void *ctx);
/* Of an open one: how many bytes were taken. */
size_t flow_console_send(struct flow_console *k, const void *p, size_t n);
/* Of an open one: no event follows. Not after `closed`. */
void flow_console_close(struct flow_console *k);

#endif
