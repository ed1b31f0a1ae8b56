/* SPDX-License-Identifier: Apache-2.0 */
/* Image data from another web server, as a tenant asked for; where it may come from: api/outbound.h. */
#ifndef API_IMAGE_FETCH_H
#define API_IMAGE_FETCH_H

#include "api/image/writer.h"
#include "api/outbound.h"

struct fetch {
	/* to the thread, which sees nothing else: copies */
	char *uri, *hosts, *networks, *ca_file;
	char format[16];
	int64_t max_bytes;
	long timeout_s, min_rate;
	struct writer *writer;
	/* the thread's own */
	struct buf piece;
	bool inspected;
	void *curl;
	/* from the thread */
	struct error err; /* when set, nothing is left of the file */
	int64_t virtual_size;
};

/* https, a host of the list, no user or password in it. ERR_BAD_REQUEST. */
int fetch_uri_check(const char *uri, const char *hosts, struct error *err);
/* On a thread, for as long as it takes. */
void fetch_run(struct fetch *f);
void fetch_finish(struct fetch *f);

#endif
