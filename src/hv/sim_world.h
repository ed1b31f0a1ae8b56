/* SPDX-License-Identifier: Apache-2.0 */
/* What a simulated host is and holds; shared by sim.c (the driver), sim_world.c (state) and sim_knobs.c
 * (tests). */
#ifndef HV_SIM_WORLD_H
#define HV_SIM_WORLD_H

#include <pthread.h>

#include "hv/sim.h"

/* A hash table of things with a name: the node is their first member. */
enum { SIM_KEY = 96 };
struct sim_node {
	struct sim_node *next;
	uint32_t hash;
	char key[SIM_KEY];
};

struct sim_table {
	struct sim_node **slots;
	size_t cap, n;
};

struct sim_node *sim_table_find(const struct sim_table *t, const char *key);
/* key is shorter than SIM_KEY and not in the table. */
void sim_table_add(struct sim_table *t, struct sim_node *node, const char *key);
void sim_table_remove(struct sim_table *t, struct sim_node *node);
/* All nodes: for (n = sim_table_next(t, NULL); n; n = sim_table_next(t, n)) */
struct sim_node *sim_table_next(const struct sim_table *t, const struct sim_node *node);

struct sim_vol {
	struct sim_node node;
	int64_t capacity;
	bool kept; /* data are the bytes written last */
	struct buf data;
};

struct sim_has { /* what a domain has of its host, beside amounts */
	struct hv_guest_cell *cells;
	struct cpuset *pins, emulator;
	struct hv_hostdev *hostdevs;
	struct hv_mdev *mdevs;
	size_t cells_n, pins_n, hostdevs_n, mdevs_n;
};

struct sim_mdev {
	struct sim_node node; /* uuid */
	char parent[16], type[64];
};

struct sim_use { /* since its start; not in the file of changes */
	int64_t start, at_us;
	int64_t counter[SAMPLE_COUNTERS];
	bool busy;
};

struct sim_dom {
	struct sim_node node; /* uuid */
	char name[64], cloud[80];
	enum hv_power power;
	int64_t epoch, ram_mib;
	int vcpus;
	unsigned starts;
	char *told; /* what its mark says beside cloud and epoch: sim_describe.c; NULL: nothing */
	size_t disks_n, nics_n;
	char (*disks)[HV_VOLUME_NAME];
	char (*macs)[18];
	struct sim_has has;
	struct sim_use use;
	unsigned nmis;
	bool no_agent;
	char password[256];      /* "user:password", set last */
	struct sim_move *move;   /* on its way to another world */
	bool incoming;           /* on its way here: not in the file of changes */
	bool halted;             /* by a move that was cut off */
	struct buf log, old_log; /* of its console; not in the file of changes */
	unsigned logged;         /* starts that are in it */
	bool rotated;            /* there is an old one */
};

struct sim_gpu {
	char address[16];
	struct sim_dom *holder;          /* the domain that is on and has it */
	uint16_t product_id, turns_into; /* turns_into: at its next reset; 0: it stays */
	unsigned resets;
	bool lost;
	char had[64]; /* the project that had it since it was reset last; "" none, or not known */
};

struct sim_params {
	int64_t vcpus, cells, threads, gpus; /* threads: of a core */
	int64_t ram_gib, disk_gib;
	int64_t pages_2m, pages_1g; /* of each cell */
	int64_t iommu;              /* GPUs in one IOMMU group */
	int64_t audio;              /* 1: each GPU has a second function */
	int64_t delay_ms, move_ms;
	uint16_t gpu_vendor, gpu_product;
	char state[256], off[256], hang[256], lost[256], features[256];
	char mdev[512]; /* as in struct hv_device */
};

struct sim_fault_row {
	struct sim_fault_row *next;
	enum sim_op op;
	unsigned after; /* calls to let pass first */
	int times;
	enum sim_fault_kind kind;
};

struct sim_world {
	struct sim_node node; /* name */
	pthread_mutex_t lock; /* all below */
	pthread_cond_t changed;
	struct sim_params params;
	bool made; /* params were given by a connection */
	struct sim_table doms, vols, mdevs;
	enum sim_breach breach;
	struct sim_gpu *gpus;
	struct hv_conn *conns;
	struct hv_console *consoles; /* open ones */
	struct sim_fault_row *faults;
	struct sim_move *moves; /* calls that move a guest away */
	enum sim_cut cut;       /* the next of them */
	uint64_t calls[SIM_OP_MAX];
	int64_t used_bytes;
	unsigned hanging, releases, unclean;
	bool down, lose_events, repeat_events, no_resets;
	int journal; /* descriptor, -1 none */
};

/* The world of that name, made empty when there is none. Never freed but by sim_reset. */
struct sim_world *sim_world_get(const char *name);
/* The world of a URI; the first one that names it sets its size. */
struct sim_world *sim_world_open(const char *uri, struct error *err);

/* What stands behind the '?' of a URI. */
int sim_params_read(const char *query, struct sim_params *out, struct error *err);

/* Under the world's lock. */
struct sim_dom *sim_world_dom(struct sim_world *w, const char *uuid);
struct sim_dom *sim_world_dom_add(struct sim_world *w, const char *uuid);
void sim_world_dom_remove(struct sim_world *w, struct sim_dom *d);
/* Keeps the change where the world has a file. */
void sim_world_dom_save(struct sim_world *w, const struct sim_dom *d);
/* Sets the power, with what hangs on it: GPUs held, the file, an event when tell. */
void sim_world_power(struct sim_world *w, struct sim_dom *d, enum hv_power power, bool tell);
/* SUSPENDED is off: its memory is on disk. */
bool sim_power_on(enum hv_power p);
/* sim_use.c: what it used up to now is counted; it counts from 0. */
void sim_use_advance(struct sim_dom *d);
void sim_use_start(struct sim_dom *d);
struct sim_gpu *sim_world_gpu(struct sim_world *w, const char *address);
/* Keeps a line of changes where the world has a file. */
void sim_world_note(struct sim_world *w, const struct buf *line);
struct sim_vol *sim_world_vol(struct sim_world *w, const char *name);
struct sim_vol *sim_world_vol_add(struct sim_world *w, const char *name, int64_t capacity);
void sim_world_vol_remove(struct sim_world *w, struct sim_vol *v);
/* One that the pool has room for; -1: the host says no. */
int sim_world_vol_make(
	struct sim_world *w, const char *name, int64_t capacity, struct sim_vol **out, struct error *err);
void sim_world_vol_grow(struct sim_world *w, struct sim_vol *v, int64_t capacity);
/* Keeps the bytes, while all worlds together keep no more than SIM_KEEP_BYTES; else only that it was written.
 */
enum { SIM_KEEP_BYTES = 64 << 20 };
void sim_world_vol_write(struct sim_vol *v, const void *data, size_t n);

/* --- sim_promise.c ------------------------------------------------------------------------------------- */

/* Of its own from what a domain is to have; and what a domain is given of it, borrowed. */
void sim_has_set(struct sim_has *h, const struct hv_domain *d);
struct hv_domain sim_has_get(const struct sim_has *h);
void sim_has_free(struct sim_has *h);
/* Its line in the world's file, if it has anything; and from the fields behind the uuid. */
void sim_has_line(struct buf *b, const char *uuid, const struct sim_has *h);
void sim_has_load(struct sim_has *h, char *const *fields, size_t n);
/* Under the world's lock: is it there; has the device parts? */
bool sim_world_mdev(struct sim_world *w, const char *uuid);
bool sim_world_cut(const struct sim_world *w, const char *address);
void sim_world_mdev_add(struct sim_world *w, const char *uuid, const char *parent, const char *type);
void sim_world_mdev_remove(struct sim_world *w, const char *uuid);
void sim_world_mdevs_clear(struct sim_world *w);
/* Every guest is off. */
void sim_world_power_off(struct sim_world *w);
void sim_mdev_line(struct buf *b, const struct sim_mdev *m);

/* --- sim_device.c: the GPUs as they are now. Under the world's lock. */

/* It fell off the bus. */
bool sim_gpu_lost(const struct sim_world *w, const struct sim_gpu *g);
/* A domain begins to use it. */
void sim_gpu_taken(struct sim_world *w, struct sim_gpu *g, const struct sim_dom *d);
/* All of it but companions and types. */
void sim_gpu_describe(const struct sim_world *w, const struct sim_gpu *g, struct hv_device *out);

/* What it has of its host, in the arena. */
struct hv_domain sim_dom_read(struct arena *a, const struct sim_dom *s);

/* --- sim_describe.c: project, flavor, title and where each network card leads, with tabs between. Owned by
 * the caller. */
char *sim_told_make(const struct hv_domain *d);

/* --- sim_call.c ---------------------------------------------------------------------------------------- */

struct hv_conn {
	struct sim_world *world;
	struct hv_conn *next;
	hv_event_fn *events;
	void *ctx;
	unsigned users; /* calls that run, events on their way; under the world's lock */
	bool dead, closed;
};

enum { SIM_NO_FAULT = -1 };

struct sim_call {
	struct sim_world *w;
	struct hv_conn *c; /* NULL while connecting */
	int fault;         /* to come at the end, or SIM_NO_FAULT */
};

/* On success the world is locked until sim_end. */
int sim_begin(struct hv_conn *c, enum sim_op op, struct sim_call *k, struct error *err);
int sim_end(struct sim_call *k, int rc, struct error *err);
/* Under the lock: meets what comes before the effect. -1: the call is over, the lock is not held. */
int sim_meet(struct sim_call *k, enum sim_op op, struct error *err);
/* The host says no. Always -1. */
static inline int sim_no(struct error *err, const char *why)
{
	error_set(err, ERR_HYPERVISOR, "the host refused");
	return error_detail(err, "sim: %s", why);
}

/* Under the lock: drops all connections; tells them of a domain's power; frees a closed connection that is
 * not used. */
void sim_world_drop(struct sim_world *w, const char *why);
void sim_world_tell(struct sim_world *w, const struct sim_dom *d);
void sim_conn_release(struct hv_conn *c);
/* Under the locks: one's log becomes what was put aside last of the other's. */
void sim_console_carry(struct sim_dom *from, struct sim_dom *to);
/* Under the lock: ends the open consoles of a domain (NULL: of all). */
void sim_consoles_end(struct sim_world *w, const char *uuid, const char *why);

/* Under the lock. The domain, which must be ours: *out is NULL when there is none; the second wants one. */
int sim_find_ours(struct sim_world *w, const char *uuid, struct sim_dom **out, struct error *err);
int sim_find_present(struct sim_world *w, const char *uuid, struct sim_dom **out, struct error *err);
int sim_find_running(struct sim_world *w, const char *uuid, struct sim_dom **out, struct error *err);

/* --- the driver's functions: sim_volume.c, sim_domain.c, sim_guest.c, sim_console.c, sim_migrate.c
 * ------------------- */

int sim_inventory(struct hv_conn *c, struct arena *a, struct hv_inventory *out, struct error *err);
int sim_image_ensure(struct hv_conn *c, const char *name, const char *format, int fd, int64_t size,
	int64_t virtual_size, struct error *err);
int sim_volume_ensure(struct hv_conn *c, const char *name, int64_t capacity, const char *backing,
	const char *backing_format, struct error *err);
int sim_volume_write(struct hv_conn *c, const char *name, const void *data, size_t n, struct error *err);
int sim_volume_remove(struct hv_conn *c, const char *name, struct error *err);
int sim_volume_grow(struct hv_conn *c, const char *name, int64_t capacity, struct error *err);
int sim_volume_flatten(
	struct hv_conn *c, const char *uuid, const char *from, const char *to, struct error *err);
int sim_volume_download(
	struct hv_conn *c, const char *name, int fd, int64_t max, int64_t *out_size, struct error *err);
int sim_volume_upload(struct hv_conn *c, const char *name, int fd, int64_t size, struct error *err);
int sim_volume_list(
	struct hv_conn *c, struct arena *a, struct hv_volume **out, size_t *out_n, struct error *err);

int sim_domain_define(struct hv_conn *c, const struct hv_domain *d, struct error *err);
int sim_domain_start(struct hv_conn *c, const char *uuid, struct error *err);
int sim_domain_shutdown(struct hv_conn *c, const char *uuid, struct error *err);
int sim_domain_stop(struct hv_conn *c, const char *uuid, struct error *err);
int sim_domain_reboot(struct hv_conn *c, const char *uuid, struct error *err);
int sim_domain_reset(struct hv_conn *c, const char *uuid, struct error *err);
int sim_domain_pause(struct hv_conn *c, const char *uuid, struct error *err);
int sim_domain_unpause(struct hv_conn *c, const char *uuid, struct error *err);
int sim_domain_read(
	struct hv_conn *c, struct arena *a, const char *uuid, struct hv_domain *out, struct error *err);
int sim_domain_describe(
	struct hv_conn *c, struct arena *a, const char *uuid, struct hv_domain *out, struct error *err);
int sim_domain_remove(struct hv_conn *c, const char *uuid, struct error *err);
int sim_mdev_ensure(struct hv_conn *c, const struct hv_mdev *m, struct error *err);
int sim_mdev_remove(struct hv_conn *c, const char *uuid, struct error *err);
int sim_device_reset(struct hv_conn *c, const char *address, struct error *err);
int sim_device_look(struct hv_conn *c, const char *address, struct hv_device_seen *out, struct error *err);
int sim_domain_look(struct hv_conn *c, const char *uuid, struct hv_seen *out, struct error *err);
int sim_domain_list(
	struct hv_conn *c, struct arena *a, struct hv_seen **out, size_t *out_n, struct error *err);
int sim_console_read(struct hv_conn *c, const char *uuid, size_t max, struct buf *out, struct error *err);
int sim_console_follow(struct hv_conn *c, struct hv_log *log, size_t max, struct error *err);
int sim_console_open(struct hv_conn *c, const char *uuid, const struct hv_console_events *events, void *ctx,
	struct hv_console **out, struct error *err);
size_t sim_console_send(struct hv_console *k, const void *p, size_t n);
void sim_console_close(struct hv_console *k);
int sim_domain_save(struct hv_conn *c, const char *uuid, struct error *err);
int sim_domain_forget(struct hv_conn *c, const char *uuid, struct error *err);
int sim_domain_set_password(
	struct hv_conn *c, const char *uuid, const char *user, const char *password, struct error *err);
int sim_domain_nmi(struct hv_conn *c, const char *uuid, struct error *err);
int sim_domain_stats(
	struct hv_conn *c, struct arena *a, const char *uuid, struct hv_stats *out, struct error *err);
int sim_domains_use(struct hv_conn *c, struct arena *a, const char *only, struct hv_use **out, size_t *out_n,
	struct error *err);
int sim_domain_migrate(struct hv_conn *c, const char *uuid, const struct hv_migrate *how, struct error *err);
int sim_migrate_look(struct hv_conn *c, const char *uuid, struct hv_progress *out, struct error *err);
int sim_migrate_cancel(struct hv_conn *c, const char *uuid, struct error *err);
int sim_migrate_force(struct hv_conn *c, const char *uuid, struct error *err);
int sim_migrate_undo(struct hv_conn *c, const char *uuid, struct error *err);

#endif
