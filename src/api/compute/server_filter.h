/* SPDX-License-Identifier: Apache-2.0 */
/* Which servers a list wants, and in which order: from query parameters to a test on rows. */
#ifndef API_COMPUTE_SERVER_FILTER_H
#define API_COMPUTE_SERVER_FILTER_H

#include "api/compute/compute.h"

enum { FILTERS_MAX = 24, SORTS_MAX = 4 };

struct server_filter_def;

struct server_filter_term {
	const struct server_filter_def *def;
	const char *value;
	void *regex;    /* regex_t, when the value is a pattern with more than plain text */
	int64_t number; /* the value as time or number */
};

struct server_sort {
	const char *key;
	bool descending;
};

struct server_filter {
	struct api_call *c;
	int64_t project_id; /* 0: all projects */
	bool deleted;       /* deleted ones are looked at too */
	bool nothing;       /* no server can match */
	struct server_filter_term terms[FILTERS_MAX];
	size_t terms_n;
	struct server_sort sorts[SORTS_MAX]; /* none: newest first */
	size_t sorts_n;
};

/* Fails with ERR_BAD_REQUEST or ERR_FORBIDDEN. The filter is finished by server_filter_finish in any case. */
int server_filter_read(struct api_call *c, struct server_filter *out, struct error *err);
void server_filter_finish(struct server_filter *f);
/* 1: the row is wanted, 0: not, -1. */
int server_filter_match(const struct server_filter *f, const struct server_row *r, struct error *err);

/* The value of a row under a sort key: text, or a number with *out_text NULL. */
int64_t server_sort_value(const char *key, const struct server_row *r, const char **out_text);

#endif
