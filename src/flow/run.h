/* SPDX-License-Identifier: Apache-2.0 */
/* What engine.c and run.c say to each other. */
#ifndef FLOW_RUN_H
#define FLOW_RUN_H

struct flow;
struct flow_engine;

/* Loads the step and sends its act on its way, or parks the flow. */
void run_dispatch(struct flow *f);
/* Sets the timer for the first of the heap. */
void run_timer(struct flow_engine *e);
/* Frees a flow that is in no table any more. */
void flow_release(struct flow *f);
/* Sets the timer of the look for shelved servers that shall leave their hosts (shelf.c). */
void shelf_start(struct flow_engine *e);
/* Tells who stops the engine when nothing runs any more. */
void engine_check_stopped(struct flow_engine *e);

#endif
