/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to a libvirt host, as the driver's files share it. */
#ifndef HV_LIBVIRT_CONN_H
#define HV_LIBVIRT_CONN_H

#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdbool.h>

#include "hv/hv.h"
#include "hv/libvirt/memo.h"

/* What a host says of itself that guests' definitions depend on; read once a connection. */
struct host_facts {
	char type[16];   /* libvirt's driver: "QEMU", "TEST" */
	char arch[16];   /* of the guests */
	char domain[8];  /* <domain type=...>: kvm, qemu, test */
	char *emulator;  /* NULL: libvirt's default */
	char *pool_path; /* NULL: not a directory */
	bool kvm;
};

/* One virConnectPtr. Connections of libvirt's test driver to the same URI share one, as its state is private
 * to it. */
struct lv_link {
	struct lv_link *next;
	char *uri; /* as opened */
	virConnectPtr conn;
	unsigned refs;  /* members, and the list of shared links; under conn.c's lock */
	unsigned holds; /* who needs the memory: the owner, libvirt's callbacks; under conn.c's lock */
	bool test, shared, opening;
	bool dead; /* closed by the peer or by keepalive: under conn.c's lock */
	int lifecycle_id;
	int watch; /* of its socket; 0: it has none */
	struct hv_conn *members;
	/* Short calls take turns: libvirt hands a connection from waiting thread to waiting thread at three
	 * times the cost of the call itself. */
	pthread_mutex_t turn;
	pthread_mutex_t facts_lock;
	struct host_facts *facts;
};

struct hv_conn {
	struct lv_link *link;
	struct hv_conn *next; /* of the link's members */
	hv_event_fn *events;
	void *ctx;
	char *pool;
	enum hv_accel accel;
	struct memo memo;
	unsigned users; /* calls that run, events on their way; under conn.c's lock */
	bool closed;
};

/* A call's first and last act: between them the connection stays, even when it is closed meanwhile. */
int conn_enter(struct hv_conn *c, struct error *err);
void conn_leave(struct hv_conn *c);
/* Around a call that the host answers at once (with the test driver: any). */
bool conn_turn_begin(struct hv_conn *c, bool is_short);
void conn_turn_end(struct hv_conn *c);

/* Turns libvirt's last error on this thread into ours. `what` is for the tenant ("start the server"),
 * libvirt's words go into the detail. Always -1. */
int conn_fail(struct hv_conn *c, const char *what, struct error *err);
/* Every call over it ends soon, wherever it stands: its socket is shut. Any thread. */
void conn_cut(struct hv_conn *c);
/* The peer or keepalive has ended the connection. */
bool conn_dead(const struct hv_conn *c);
/* The code of libvirt's last error on this thread. */
int conn_last(void);

/* The host's facts, read at the first call. */
int conn_facts(struct hv_conn *c, const struct host_facts **out, struct error *err);
void host_facts_free(struct host_facts *f);
int host_facts_read(struct hv_conn *c, struct host_facts *out, struct error *err);

/* The driver's functions, by file; connect and close take care of themselves. */
int lv_connect(const struct hv_target *target, hv_event_fn *events, void *ctx, struct hv_conn **out,
	struct error *err);
void lv_close(struct hv_conn *c);
/* Each of these runs between conn_enter and conn_leave. */
int lv_inventory(struct hv_conn *c, struct arena *a, struct hv_inventory *out, struct error *err);
int lv_image_ensure(struct hv_conn *c, const char *name, const char *format, int fd, int64_t size,
	int64_t virtual_size, struct error *err);
int lv_volume_ensure(struct hv_conn *c, const char *name, int64_t capacity, const char *backing,
	const char *backing_format, struct error *err);
int lv_volume_write(struct hv_conn *c, const char *name, const void *data, size_t n, struct error *err);
int lv_volume_remove(struct hv_conn *c, const char *name, struct error *err);
int lv_domain_define(struct hv_conn *c, const struct hv_domain *d, struct error *err);
int lv_domain_start(struct hv_conn *c, const char *uuid, struct error *err);
int lv_domain_shutdown(struct hv_conn *c, const char *uuid, struct error *err);
int lv_domain_stop(struct hv_conn *c, const char *uuid, struct error *err);
int lv_domain_reboot(struct hv_conn *c, const char *uuid, struct error *err);
int lv_domain_reset(struct hv_conn *c, const char *uuid, struct error *err);
int lv_domain_pause(struct hv_conn *c, const char *uuid, struct error *err);
int lv_domain_unpause(struct hv_conn *c, const char *uuid, struct error *err);
int lv_domain_read(
	struct hv_conn *c, struct arena *a, const char *uuid, struct hv_domain *out, struct error *err);
int lv_domain_describe(
	struct hv_conn *c, struct arena *a, const char *uuid, struct hv_domain *out, struct error *err);
int lv_domain_remove(struct hv_conn *c, const char *uuid, struct error *err);
int lv_mdev_ensure(struct hv_conn *c, const struct hv_mdev *m, struct error *err);
int lv_mdev_remove(struct hv_conn *c, const char *uuid, struct error *err);
int lv_device_reset(struct hv_conn *c, const char *address, struct error *err);
int lv_device_look(struct hv_conn *c, const char *address, struct hv_device_seen *out, struct error *err);
int lv_domain_look(struct hv_conn *c, const char *uuid, struct hv_seen *out, struct error *err);
int lv_domain_list(
	struct hv_conn *c, struct arena *a, struct hv_seen **out, size_t *out_n, struct error *err);
int lv_console_read(struct hv_conn *c, const char *uuid, size_t max, struct buf *out, struct error *err);

int lv_domain_save(struct hv_conn *c, const char *uuid, struct error *err);
int lv_domain_forget(struct hv_conn *c, const char *uuid, struct error *err);
int lv_domain_set_password(
	struct hv_conn *c, const char *uuid, const char *user, const char *password, struct error *err);
int lv_domain_nmi(struct hv_conn *c, const char *uuid, struct error *err);
int lv_domain_stats(
	struct hv_conn *c, struct arena *a, const char *uuid, struct hv_stats *out, struct error *err);
int lv_domains_use(struct hv_conn *c, struct arena *a, const char *only, struct hv_use **out, size_t *out_n,
	struct error *err);
int lv_volume_grow(struct hv_conn *c, const char *name, int64_t capacity, struct error *err);
int lv_volume_flatten(
	struct hv_conn *c, const char *uuid, const char *from, const char *to, struct error *err);
int lv_volume_download(
	struct hv_conn *c, const char *name, int fd, int64_t max, int64_t *out_size, struct error *err);
int lv_volume_upload(struct hv_conn *c, const char *name, int fd, int64_t size, struct error *err);
int lv_volume_list(
	struct hv_conn *c, struct arena *a, struct hv_volume **out, size_t *out_n, struct error *err);
int lv_domain_migrate(struct hv_conn *c, const char *uuid, const struct hv_migrate *how, struct error *err);
int lv_migrate_look(struct hv_conn *c, const char *uuid, struct hv_progress *out, struct error *err);
int lv_migrate_cancel(struct hv_conn *c, const char *uuid, struct error *err);
int lv_migrate_force(struct hv_conn *c, const char *uuid, struct error *err);
int lv_migrate_undo(struct hv_conn *c, const char *uuid, struct error *err);

/* domain.c. Fills seen->ours and ->epoch. A domain that is gone meanwhile gives ERR_NOT_FOUND. */
int lv_read_mark(struct hv_conn *c, virDomainPtr dom, struct hv_seen *seen, struct error *err);
enum hv_power lv_power(int state);
/* The domain with its state; it must be ours. *out is NULL and seen->power ABSENT when there is
 * none; the second wants one. SHUTOFF may be SUSPENDED. */
int lv_find_ours(
	struct hv_conn *c, const char *uuid, virDomainPtr *out, struct hv_seen *seen, struct error *err);
int lv_find_present(
	struct hv_conn *c, const char *uuid, virDomainPtr *out, struct hv_seen *seen, struct error *err);
/* Something of it runs, or is in memory. */
bool lv_is_active(enum hv_power p);
int lv_console_follow(struct hv_conn *c, struct hv_log *log, size_t max, struct error *err);
int lv_console_open(struct hv_conn *c, const char *uuid, const struct hv_console_events *events, void *ctx,
	struct hv_console **out, struct error *err);
/* These two on the loop; they take care of themselves. */
size_t lv_console_send(struct hv_console *k, const void *p, size_t n);
void lv_console_close(struct hv_console *k);
/* On the loop: the link is gone, and its open consoles with it. */
void lv_consoles_lost(const struct lv_link *l, const char *why);
/* Waits for those that were closed to have said goodbye, at most until then. */
void lv_consoles_finish(const struct timespec *until);

/* console.c: the log's volume, made before the domain and removed after it. */
int lv_console_prepare(struct hv_conn *c, const char *uuid, struct error *err);
/* The log's volume, and the piece that was put aside last. */
void lv_console_names(const char *uuid, char name[HV_VOLUME_NAME], char piece[HV_VOLUME_NAME]);
char *lv_console_path(const struct host_facts *facts, const char *uuid);
int lv_console_remove(struct hv_conn *c, const char *uuid, struct error *err);
/* What a live move that was cut off has left of its proof that two pools are two. */
int lv_move_forget(struct hv_conn *c, const char *uuid, struct error *err);

/* A lifecycle event's meaning. False: it says nothing of the power. */
bool lv_event_power(int event, int detail, enum hv_power *out);

/* For CLEANUP; NULL is fine. */
void dom_free(virDomainPtr *d);
void vol_free(virStorageVolPtr *v);
void pool_free(virStoragePoolPtr *p);
void stream_free(virStreamPtr *s);

#endif
