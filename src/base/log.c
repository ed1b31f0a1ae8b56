/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/util.h"

enum { FIELDS_MAX = 16 };

static int max_level = LOG_INFO;

void log_set_level(int level)
{
	max_level = level;
}

bool log_enabled(int level)
{
	return level <= max_level;
}

/* JOURNAL_STREAM names the device and inode of the stream that systemd gave us as stderr (systemd.exec(5)).
 */
static bool stderr_is_journal(void)
{
	static int known = -1;
	unsigned long dev, ino;
	const char *env;
	struct stat st;

	if (known >= 0)
		return known;
	env = getenv("JOURNAL_STREAM");
	known = env && sscanf(env, "%lu:%lu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
		st.st_dev == dev && st.st_ino == ino;
	return known;
}

static void put_value(struct buf *b, const char *s)
{
	struct buf quoted = { 0 };
	bool bare = *s != '\0';

	for (const char *p = s; *p && bare; p++)
		bare = isgraph((unsigned char)*p) && *p != '"' && *p != '=';
	if (bare) {
		buf_puts(b, s);
		return;
	}
	jw_str(&quoted, s);
	buf_append(b, quoted.data, quoted.len);
	buf_finish(&quoted);
}

static void to_stderr(int level, const char *message, const char *const *fields)
{
	static const char *const levels[] = { "emerg", "alert", "crit", "error", "warning", "notice", "info",
		"debug" };
	struct buf b = { 0 };
	char when[TIME_TEXT];
	ssize_t ignored;

	buf_printf(&b, "%s %-7s ", time_iso_usz(clock_wall(&clock_system), when), levels[level & 7]);
	for (const char *p = message; *p; p++)
		buf_append(&b, isprint((unsigned char)*p) || (unsigned char)*p >= 0x80 ? p : "?", 1);
	for (; fields[0]; fields += 2) {
		buf_printf(&b, " %s=", fields[0]);
		put_value(&b, fields[1]);
	}
	buf_puts(&b, "\n");
	ignored = write(STDERR_FILENO, b.data, b.len);
	(void)ignored;
	buf_finish(&b);
}

static void to_journal(int level, const char *message, const char *const *fields)
{
	struct iovec iov[FIELDS_MAX + 2];
	int n = 0;

	iov[n++].iov_base = xasprintf("PRIORITY=%d", level);
	iov[n++].iov_base = xasprintf("MESSAGE=%s", message);
	for (; fields[0]; fields += 2) {
		char *text = xasprintf("CLOUDD_%s=%s", fields[0], fields[1]);

		for (char *p = text; *p != '='; p++)
			*p = (char)toupper((unsigned char)*p);
		iov[n++].iov_base = text;
	}
	for (int i = 0; i < n; i++)
		iov[i].iov_len = strlen(iov[i].iov_base);
	sd_journal_sendv(iov, n);
	for (int i = 0; i < n; i++)
		free(iov[i].iov_base);
}

static void emit(int level, const char *message, const char *const *fields)
{
	if (stderr_is_journal())
		to_journal(level, message, fields);
	else
		to_stderr(level, message, fields);
}

void log_event(int level, const char *message, ...)
{
	const char *fields[2 * FIELDS_MAX + 1] = { 0 };
	const char *name, *text;
	size_t n = 0;
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, message);
	while ((name = va_arg(ap, const char *)) && n < 2 * FIELDS_MAX) {
		text = va_arg(ap, const char *);
		if (text) {
			fields[n++] = name;
			fields[n++] = text;
		}
	}
	va_end(ap);
	emit(level, message, fields);
}

void log_msg(int level, const char *fmt, ...)
{
	static const char *const none[] = { NULL };
	char text[1024];
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	emit(level, text, none);
}
