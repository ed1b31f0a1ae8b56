/* SPDX-License-Identifier: Apache-2.0 */
/* Calendar months in UTC, as 202701: what is billed at once. */
#ifndef DOMAIN_MONTH_H
#define DOMAIN_MONTH_H

#include <stdbool.h>
#include <stdint.h>

enum { MONTH_TEXT = 8 };
/* "2027-01", from 2000-01 to 2999-11. */
bool month_parse(const char *text, int *out);
const char *month_text(int month, char out[MONTH_TEXT]);
int month_next(int month);
/* The month of a time, and when one begins, in wall time. */
int month_of(int64_t wall_us);
int64_t month_start(int month);

#endif
