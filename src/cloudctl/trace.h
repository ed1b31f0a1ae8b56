/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts and tasks of a trace in CSV, as placement knows them. Of the hosts the columns sn, cpu_milli,
 * memory_mib, gpu and model are read, of the tasks cpu_milli, memory_mib, num_gpu, gpu_milli and, where they
 * are there, gpu_spec (models, "|" between them), creation_time and deletion_time in seconds. vCPUs are
 * counted in thousandths. */
#ifndef CLOUDCTL_TRACE_H
#define CLOUDCTL_TRACE_H

#include "base/arena.h"
#include "placement/placement.h"

enum { TRACE_HOSTS_MAX = 100000, TRACE_TASKS_MAX = 1000000 };

struct trace_host {
	const char *name, *model;
	int64_t cpu, ram_mib;
	int gpus;
};

struct trace_task {
	int64_t cpu, ram_mib;
	const char *models;  /* "": any */
	int gpus, share;     /* share of each in thousandths; 0 without GPUs */
	int64_t comes, goes; /* seconds; -1: not known, never */
};

struct trace {
	struct arena arena;
	struct trace_host *hosts;
	struct trace_task *tasks;
	size_t hosts_n, tasks_n;
	bool timed; /* all tasks say when they come */
};

void trace_finish(struct trace *t);
/* -1 with the file and the line in the message. */
int trace_read_hosts(struct trace *t, const char *path, struct error *err);
int trace_read_tasks(struct trace *t, const char *path, struct error *err);

/* Thousandths of GPUs. */
int64_t trace_demand(const struct trace_task *task);
int64_t trace_capacity(const struct trace *t);
/* The host of that number as number `id` of the engine. */
void trace_host_set(const struct trace *t, struct placement *p, size_t host, int64_t id);
struct placement_request trace_request(const struct trace_task *task);
/* Tells the engine to expect what the tasks ask. */
void trace_expect(const struct trace *t, struct placement *p, bool churning);

#endif
