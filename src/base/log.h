/* SPDX-License-Identifier: Apache-2.0 */
/* Structured log: one line on stderr (key=value), or fields in the journal when stderr is connected to it.
 * Library folders return errors instead of logging (debug excepted); whoever ends an error logs it, once. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <syslog.h> /* LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG */

/* Messages above this level are dropped. Default LOG_INFO. */
void log_set_level(int level);
bool log_enabled(int level);

/* A message with fields: pairs of name (lower case, a-z and _) and text, ended by NULL. A NULL text leaves
 * its field out.	log_event(LOG_INFO, "server active", "request_id", rid, "server", id, NULL); */
void log_event(int level, const char *message, ...) __attribute__((sentinel));
void log_msg(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
