/* SPDX-License-Identifier: Apache-2.0 */
/* What the calls about prices, invoices and budgets share: months, projects, and how an invoice is shown. */
#ifndef API_OPERATOR_BILLING_H
#define API_OPERATOR_BILLING_H

#include "api/operator/operator.h"
#include "flow/billing.h"

/* "2027-01" of a path or a query; NULL: the month under way. */
int billing_month_arg(struct api_call *c, const char *text, int *out, struct error *err);
/* The row of the project that the caller asks for: a tenant's own alone; name NULL: its own, for who may see
 * all 0. */
int billing_project_arg(struct api_call *c, const char *uid, int64_t *out, struct error *err);

/* Does the caller want comma-separated values? */
bool billing_wants_csv(const struct api_call *c);
void billing_reply_csv(struct api_call *c);

/* An object: with_lines when lines_n or when it has none. */
void billing_write_invoice(struct api_call *c, const struct invoice *v, const struct rating_line *lines,
	size_t n, bool with_lines);
void billing_write_lines(
	struct api_call *c, const struct currency *currency, const struct rating_line *lines, size_t n);
/* A project's rated month as an invoice that was not issued. */
struct invoice billing_provisional(const struct billing_rated *r, const struct billing_project *p, int month);
/* Ends the call: what was written into c->out is the answer. */
void billing_reply(struct api_call *c);

#endif
