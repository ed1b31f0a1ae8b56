/* SPDX-License-Identifier: Apache-2.0 */
/* Moves of this process, which can be looked at, cancelled and forced before libvirt has a job for them. */
#ifndef HV_LIBVIRT_MIGRATE_JOB_H
#define HV_LIBVIRT_MIGRATE_JOB_H

#include "hv/libvirt/conn.h"

struct lv_move {
	struct lv_move *next;
	const char *uuid;
	struct hv_conn *to; /* the other host's; NULL: not yet, or not any more */
	bool handed;        /* to libvirt, which from then on does the cancelling */
	bool cancelled, forced;
};

/* -1: another one of that guest is under way. */
int lv_move_begin(struct lv_move *m, struct error *err);
void lv_move_end(struct lv_move *m);
void lv_move_to(struct lv_move *m, struct hv_conn *to);
/* -1: cancelled before libvirt has heard of it. */
int lv_move_hand_over(struct lv_move *m, struct error *err);

struct lv_params {
	virTypedParameterPtr list;
	int n, max;
};

/* For CLEANUP. */
void lv_params_free(struct lv_params *p);

#endif
