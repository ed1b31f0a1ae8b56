/* SPDX-License-Identifier: Apache-2.0 */
/* How invoices are shown: their lines with amounts grouped for people, and their sums. */
#ifndef CLOUDCTL_INVOICE_VIEW_H
#define CLOUDCTL_INVOICE_VIEW_H

#include "cloudctl/ctl.h"

/* An invoice with its lines, in the form that -o asks for. `answer` is what -o json shows. Exit code. */
int invoice_view(struct ctl *ctl, const json_t *answer, const json_t *invoice);

#endif
