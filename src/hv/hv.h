/* SPDX-License-Identifier: Apache-2.0 */
/* The hypervisor seam: a host as cloudd sees it. Two drivers: libvirt (qemu+tls://, test+tls:// and local
 * test:///) and sim. All calls of a driver block and are made on a host's lanes, never on the loop; all are
 * idempotent ("make it so": already there, or already gone, is success); all take structs, never XML.
 *
 * Errors: ERR_HYPERVISOR the host answered no; ERR_UNREACHABLE / ERR_TIMEOUT the connection or the deadline
 * was lost, so what happened there is unknown; ERR_NOT_FOUND what was asked about is proved absent. */
#ifndef HV_HV_H
#define HV_HV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/cpuset.h"
#include "base/crypto.h"
#include "base/error.h"
#include "domain/samples.h"

enum hv_accel { HV_ACCEL_AUTO, HV_ACCEL_KVM, HV_ACCEL_QEMU };

struct hv_target {
	/* qemu+tls://host[:port]/system, test+tls://host:port/default, sim://name?vcpus=.. */
	const char *uri;
	const char *pki_dir; /* cacert.pem, clientcert.pem, clientkey.pem */
	const char *pool;    /* storage pool for images and disks */
	enum hv_accel accel;
	unsigned connect_timeout_ms;
	unsigned keepalive_interval_s, keepalive_count;
};

/* --- what a host has ------------------------------------------------------------------------------------ */

struct hv_cpu { /* a logical CPU; core: the lowest number among the threads of its core */
	int16_t id, core;
};

enum { HV_RAM_MIB_MAX = 1 << 30 }; /* what a host says beyond it, a pebibyte, is not believed */

struct hv_cell {
	int id;
	int64_t ram_mib; /* all of it, that in huge pages too */
	int cpus;
	const struct hv_cpu *cpu; /* by core, then number; none: the host does not number them */
	size_t cpu_n;
	int64_t pages_2m, pages_1g; /* huge pages: their number */
};

struct hv_device {        /* a PCI device of class 03xx (display) or 12xx (processing accelerator) */
	char address[16]; /* "0000:65:00.0" */
	uint16_t vendor_id, product_id;
	char vendor[64], product[128];
	int numa_cell;   /* -1 unknown */
	int iommu_group; /* -1 none */
	char driver[32]; /* "" none */
	/* Other functions of its IOMMU group, which go with it to a guest, without bridges and without other
	 * devices of this list: "0000:65:00.1,0000:65:00.2"; "" none. */
	const char *companions;
	/* Types of mediated devices that it, or a virtual function of it, offers, with how many more of each
	 * can be made now: "nvidia-474=7:NVIDIA A100-1-5C;nvidia-475=3:..."; "" none. */
	const char *mdev_types;
};

struct hv_device_seen {          /* one look at a device */
	struct hv_device device; /* without companions and types of mediated devices */
	char user[UUID_TEXT];    /* the running domain that has it; "" none */
};

struct hv_inventory { /* strings and arrays in the caller's arena */
	char uuid[UUID_TEXT];
	const char *hostname;
	const char *type; /* "QEMU", "TEST", "SIM" */
	int64_t version;  /* hypervisor: major * 1000000 + minor * 1000 + release */
	const char *arch, *cpu_model;
	const char *cpu_features; /* of the host's CPU, by name, blanks between; "" not known */
	int cpus, sockets, cores, threads;
	int64_t ram_mib;
	const struct hv_cell *cells;
	size_t cells_n;
	const struct hv_device *devices;
	size_t devices_n;
	bool kvm; /* guests get hardware acceleration: accel, capabilities and the CPU's vmx/svm agree */
	char pool[64];
	int64_t pool_capacity_gib, pool_free_gib;
};

/* --- domains -------------------------------------------------------------------------------------------- */

enum hv_power {
	HV_POWER_ABSENT,
	HV_POWER_RUNNING,
	HV_POWER_PAUSED,
	HV_POWER_SHUTOFF,
	HV_POWER_CRASHED,
	HV_POWER_SUSPENDED
};

struct hv_disk {
	const char *volume; /* in the pool */
	const char *format; /* "qcow2" or "raw" */
	const char *serial; /* shown to the guest; at most 20 characters are visible there */
	bool readonly;      /* config drive: a read-only virtio disk, as Debian's cloud kernel has no AHCI */
};

struct hv_nic {
	const char *mac;
	bool is_bridge; /* source is a bridge's name, else a libvirt network's */
	const char *source;
	int mtu;             /* 0: the default */
	const char *address; /* that the guest was given: kept in the mark; NULL: none */
};

struct hv_guest_cell { /* a NUMA cell that the guest sees */
	int cell;      /* the host's, in which its memory lies */
	int vcpus;     /* those of the cells follow each other */
	int64_t ram_mib;
	int page_kib; /* of the memory behind it: 4, 2048, 1048576 */
};

struct hv_hostdev {       /* a PCI device of the host, passed through managed */
	char address[16]; /* "0000:65:00.0" */
	int guest_cell;   /* the cell under which the guest finds it; -1: none */
};

struct hv_mdev { /* a mediated device */
	char uuid[UUID_TEXT];
	char parent[16]; /* the device that it is a part of, or whose virtual function is its parent */
	char type[64];   /* by its id or its name: "nvidia-474", "NVIDIA A100-1-5C" */
	int guest_cell;
};

struct hv_domain {
	const char *uuid;  /* = the server's id */
	const char *name;  /* "instance-0000002a" */
	const char *title; /* the tenant's name for it */
	int vcpus;
	int64_t ram_mib;
	const struct hv_disk *disks;
	size_t disks_n;
	const struct hv_nic *nics;
	size_t nics_n;
	const struct hv_guest_cell *cells;
	size_t cells_n;            /* 0: it sees no NUMA, and lies anywhere */
	const struct cpuset *pins; /* the host's CPUs that each vCPU may run on */
	size_t pins_n;             /* vcpus, or 0: all of them */
	struct cpuset emulator;    /* those that its other threads may run on; empty: all */
	const struct hv_hostdev *hostdevs;
	size_t hostdevs_n;
	const struct hv_mdev *mdevs;
	size_t mdevs_n;
	const char *machine; /* NULL: "q35" */
	/* our mark: <cloudd:server xmlns:cloudd="https://cloudd.dev/ns/1"> */
	const char *project_id, *flavor_name, *cloud_id;
	int64_t epoch;
};

struct hv_seen { /* one look at a domain */
	char uuid[UUID_TEXT];
	enum hv_power power;
	int reason; /* the driver's, for the log */
	/* It is PAUSED by a move and by nobody's wish: on its way hither, or sent away and not heard of
	 * again. Not told by events. */
	bool halted;
	bool ours;     /* carries our mark with this cloud's id */
	int64_t epoch; /* of the mark; 0 when not ours */
};

struct hv_nic_stats {
	char mac[18];
	int64_t rx_bytes, rx_packets, rx_errors, rx_drop, tx_bytes, tx_packets, tx_errors, tx_drop;
};

struct hv_disk_stats {
	int64_t read_bytes, read_requests, write_bytes, write_requests;
};

struct hv_stats {
	enum hv_power power;
	int64_t cpu_ns;         /* of all vcpus */
	const int64_t *vcpu_ns; /* each one's */
	size_t vcpus_n;
	int64_t ram_max_mib, ram_used_mib; /* used: 0 unknown */
	const struct hv_nic_stats *nics;
	size_t nics_n;
	const struct hv_disk_stats *disks;
	size_t disks_n;
};

struct hv_use { /* what a guest of ours that runs has used since its start, all its devices together */
	char uuid[UUID_TEXT];
	enum hv_power power;
	int64_t start;                    /* another number for each start of it on its host */
	int64_t counter[SAMPLE_COUNTERS]; /* SAMPLE_UNKNOWN: the host did not tell now */
	int64_t ram_mib; /* in use, as the guest sees it, else as the host does; or SAMPLE_UNKNOWN */
};

struct hv_volume {
	const char *name;
	int64_t capacity, allocation; /* bytes */
};

struct hv_migrate {
	const struct hv_target *to;
	const struct hv_disk *disks; /* those that move with it: their volumes are made there first */
	size_t disks_n;
	const struct hv_domain *as; /* what the other host owes it: cells, pins, emulator; NULL: as here */
	int64_t epoch;              /* of the mark there; 0: as here */
	int64_t bandwidth_mib;      /* a second; 0: no limit */
	int64_t downtime_ms;        /* that the end may take; 0: the hypervisor's default */
};

struct hv_progress { /* bytes */
	int64_t ram_total, ram_done, ram_left, disk_total, disk_done, disk_left;
};

/* --- consoles ------------------------------------------------------------------------------------------- */

enum { HV_LOG_TAIL = 32 };

struct hv_log_mark {
	bool known;                      /* it was looked at before, if only to find it empty */
	int64_t offset;                  /* bytes of a log that were read */
	unsigned char tail[HV_LOG_TAIL]; /* the last of them: prove that it is the same log still */
	size_t tail_n;
};

struct hv_log { /* how far a console's log was read, and what came since */
	char uuid[UUID_TEXT];
	struct hv_log_mark mark;
	struct hv_log_mark before; /* on the host that it came from: what it brought along is read on there;
				    * out: how far that was read */
	struct buf text;           /* out: what is new; the caller's to finish */
	bool lost;                 /* out: some text before it was thrown away on the host */
	bool more;                 /* out: there is more than was asked for */
};

struct hv_console; /* an open one */

/* Called on the loop's thread, possibly before the result of console_open has reached the loop. */
struct hv_console_events {
	void (*output)(void *ctx, const void *p, size_t n);
	void (*room)(void *ctx); /* console_send takes bytes again */
	/* It ended (the guest is off, another viewer took it, the connection is lost): the last call;
	 * console_close is still due. */
	void (*closed)(void *ctx, const struct error *why);
};

/* --- events --------------------------------------------------------------------------------------------- */

enum hv_event_kind {
	HV_EVENT_POWER, /* seen.uuid is now seen.power */
	HV_EVENT_CLOSED /* the connection is gone (keepalive, peer, certificate): reconnect */
};

struct hv_event {
	enum hv_event_kind kind;
	struct hv_seen seen;
	char text[128]; /* CLOSED: why */
};

/* Called on the loop's thread, never after hv_driver.close returned on the loop's side; possibly before
 * connect's result has reached the loop. It may close connections. */
typedef void hv_event_fn(void *ctx, const struct hv_event *ev);

/* --- the driver ----------------------------------------------------------------------------------------- */

struct hv_conn; /* usable by several threads at once (at most five calls in flight) */

struct hv_driver {
	const char *scheme; /* for messages */
	/* Connects with a deadline of target->connect_timeout_ms for the TCP part; the TLS part may hang for
	 * ever on a frozen daemon, and is ended by the lane giving the thread up. events may be NULL. */
	int (*connect)(const struct hv_target *target, hv_event_fn *events, void *ctx, struct hv_conn **out,
		struct error *err);
	/* Ends it: on the loop, returns at once (what must block is done elsewhere). */
	void (*close)(struct hv_conn *c);

	int (*inventory)(struct hv_conn *c, struct arena *a, struct hv_inventory *out, struct error *err);

	/* The image as a volume `name` of the pool, read from fd (size bytes), once: whole or not at all. */
	int (*image_ensure)(struct hv_conn *c, const char *name, const char *format, int fd, int64_t size,
		int64_t virtual_size, struct error *err);
	/* A qcow2 volume of capacity bytes over backing (NULL: empty). There already: fine. */
	int (*volume_ensure)(struct hv_conn *c, const char *name, int64_t capacity, const char *backing,
		const char *backing_format, struct error *err);
	/* A raw volume with exactly these bytes (config drive); rewritten if there. */
	int (*volume_write)(
		struct hv_conn *c, const char *name, const void *data, size_t n, struct error *err);
	int (*volume_remove)(struct hv_conn *c, const char *name, struct error *err);

	int (*domain_define)(struct hv_conn *c, const struct hv_domain *d, struct error *err);
	int (*domain_start)(
		struct hv_conn *c, const char *uuid, struct error *err); /* running already: fine */
	int (*domain_shutdown)(
		struct hv_conn *c, const char *uuid, struct error *err); /* asks the guest; returns at once */
	int (*domain_stop)(struct hv_conn *c, const char *uuid,
		struct error *err); /* pulls the plug; off or absent: fine */
	int (*domain_reboot)(struct hv_conn *c, const char *uuid, struct error *err); /* asks the guest */
	int (*domain_reset)(struct hv_conn *c, const char *uuid, struct error *err);  /* presses reset */
	int (*domain_pause)(struct hv_conn *c, const char *uuid, struct error *err);
	int (*domain_unpause)(struct hv_conn *c, const char *uuid, struct error *err);
	/* What a running domain has of what it was promised: vcpus, ram_mib, cells, pins, emulator, hostdevs,
	 * mdevs (without parent and type), in the arena; all else is empty. ERR_NOT_FOUND: it does not run.
	 */
	int (*domain_read)(struct hv_conn *c, struct arena *a, const char *uuid, struct hv_domain *out,
		struct error *err);
	/* What its host knows of a domain, on or off, whosever it is, in the arena: all but title's line
	 * breaks, disks' serials, mtu, parents and types of mediated devices. cloud_id NULL: it carries no
	 * mark. ERR_NOT_FOUND: there is none. */
	int (*domain_describe)(struct hv_conn *c, struct arena *a, const char *uuid, struct hv_domain *out,
		struct error *err);
	/* Stops it, removes its mediated devices, and undefines it; only a domain with our mark (or none by
	 * that uuid: fine), else ERR_CONFLICT.
	 */
	int (*domain_remove)(struct hv_conn *c, const char *uuid, struct error *err);
	/* The mediated device is there; until the host reboots, or it is removed. Made on the device itself,
	 * or on the first of its virtual functions that offers the type. There already: fine. */
	int (*mdev_ensure)(struct hv_conn *c, const struct hv_mdev *m, struct error *err);
	/* Not one that a running guest has. None by that uuid: fine. */
	int (*mdev_remove)(struct hv_conn *c, const char *uuid, struct error *err);
	/* A PCI device, which no running domain has (ERR_BUSY names it), is reset as its host can, and is
	 * with the driver then that it was with. ERR_NOT_FOUND: it is not on the host. ERR_NOT_IMPLEMENTED:
	 * hosts of this kind reset none. */
	int (*device_reset)(struct hv_conn *c, const char *address, struct error *err);
	/* ERR_NOT_FOUND: it is not on the host. */
	int (*device_look)(
		struct hv_conn *c, const char *address, struct hv_device_seen *out, struct error *err);
	/* Absence is an answer (power ABSENT), not an error. */
	int (*domain_look)(struct hv_conn *c, const char *uuid, struct hv_seen *out, struct error *err);
	/* All domains of the host, ours or not; the array is in the arena. */
	int (*domain_list)(
		struct hv_conn *c, struct arena *a, struct hv_seen **out, size_t *out_n, struct error *err);
	/* The last `max` bytes of the serial console's log; an absent log is empty. */
	int (*console_read)(
		struct hv_conn *c, const char *uuid, size_t max, struct buf *out, struct error *err);

	/* What the console has printed since, at most max bytes. A log that began anew (rotated, or made
	 * again) is read on from what is left of the old one; one that is not there has nothing new. */
	int (*console_follow)(struct hv_conn *c, struct hv_log *log, size_t max, struct error *err);
	/* The running guest's serial console, both ways. The newest one wins: another that is open is closed.
	 * ERR_CONFLICT: the guest does not run, or has no console. */
	int (*console_open)(struct hv_conn *c, const char *uuid, const struct hv_console_events *events,
		void *ctx, struct hv_console **out, struct error *err);
	/* On the loop, never waits: how many bytes were taken. Less than n: call again after `room`. */
	size_t (*console_send)(struct hv_console *k, const void *p, size_t n);
	/* On the loop, never waits: no event follows. */
	void (*console_close)(struct hv_console *k);

	/* Keeps the guest's memory on the host and ends it (power SUSPENDED: off, not running); domain_start
	 * goes on from there, with the definition that it was saved with: one that is defined meanwhile holds
	 * from the next cold start. Saved or off already: fine. ERR_CONFLICT: devices are passed through to
	 * it, whose state cannot be kept. */
	int (*domain_save)(struct hv_conn *c, const char *uuid, struct error *err);
	/* Forgets such memory: the next start is a cold one. None or no domain: fine. */
	int (*domain_forget)(struct hv_conn *c, const char *uuid, struct error *err);
	/* By the guest's agent. ERR_CONFLICT: it has none, or the agent does not answer. */
	int (*domain_set_password)(struct hv_conn *c, const char *uuid, const char *user,
		const char *password, struct error *err);
	int (*domain_nmi)(struct hv_conn *c, const char *uuid, struct error *err);
	/* What a running guest uses; arrays in the arena. ERR_NOT_FOUND: it does not run. */
	int (*domain_stats)(struct hv_conn *c, struct arena *a, const char *uuid, struct hv_stats *out,
		struct error *err);

	/* All guests of ours that run, in one call to the host, which does not wait for one that is busy:
	 * what it does not tell then is unknown. only: that guest alone; NULL: all. The array is in the
	 * arena. */
	int (*domains_use)(struct hv_conn *c, struct arena *a, const char *only, struct hv_use **out,
		size_t *out_n, struct error *err);

	/* Grows the volume to capacity bytes; that size or more already: fine. Not below a running guest
	 * (ERR_CONFLICT). */
	int (*volume_grow)(struct hv_conn *c, const char *name, int64_t capacity, struct error *err);
	/* A qcow2 volume `to` of its own (no backing) with what is in volume `from` now. uuid: the domain
	 * that uses it, running or not: a running one goes on, and the copy is its disk as after a power cut
	 * at that moment. `to` there already: replaced. */
	int (*volume_flatten)(
		struct hv_conn *c, const char *uuid, const char *from, const char *to, struct error *err);
	/* The volume's bytes as they are, into fd from its start; what fd had before is gone. ERR_TOO_LARGE
	 * above max. Not of a disk that a running guest writes: flatten it first. */
	int (*volume_download)(struct hv_conn *c, const char *name, int fd, int64_t max, int64_t *out_size,
		struct error *err);
	/* A server's disk of exactly the `size` bytes that fd has from its start, in the format that they are
	 * in; one that is there is replaced. Not below a running guest. */
	int (*volume_upload)(struct hv_conn *c, const char *name, int fd, int64_t size, struct error *err);
	/* Our volumes of the pool, by name: image-*, <uuid>-*; consoles' logs are not among them. */
	int (*volume_list)(
		struct hv_conn *c, struct arena *a, struct hv_volume **out, size_t *out_n, struct error *err);

	/* Moves a running (or paused) guest with its disks to another host, live; blocks until it is over.
	 * The disks' volumes (without a backing image) and the console's log are made there; after it domain
	 * and volumes are there, and not here. There already and not here: fine. On its way the other host
	 * shows it as PAUSED. ERR_CONFLICT: it cannot be moved (off, devices passed through, moving already),
	 * or the move was cancelled. An error leaves it where it was, or (ERR_TIMEOUT, ERR_UNREACHABLE)
	 * unknown: look at both. */
	int (*domain_migrate)(
		struct hv_conn *c, const char *uuid, const struct hv_migrate *how, struct error *err);
	/* Of the move under way. ERR_NOT_FOUND: none. */
	int (*migrate_look)(struct hv_conn *c, const char *uuid, struct hv_progress *out, struct error *err);
	/* It may arrive all the same: the move's own result tells. Asked again while the guest runs here, it
	 * lets go of the other host, too, where that does not answer. */
	int (*migrate_cancel)(struct hv_conn *c, const char *uuid, struct error *err);
	/* Pauses the guest until the move is done, so that it ends for sure. */
	int (*migrate_force)(struct hv_conn *c, const char *uuid, struct error *err);
	/* It is proved that the other host has nothing of the guest: what is left of its move here ends, and
	 * a guest that the move paused goes on. It runs, or is not here: fine. */
	int (*migrate_undo)(struct hv_conn *c, const char *uuid, struct error *err);
};

/* Has the domain what it was promised? What was left open may be anyhow. If not, *err says the first
 * difference in its detail ("vCPU 3 may run on 0-31, not on 5"). */
bool hv_domain_kept(const struct hv_domain *promised, const struct hv_domain *has, struct error *err);
/* Was it this that the error says? */
bool hv_domain_broken(const struct error *why);

/* By the URI's scheme: "sim" or libvirt. NULL with ERR_BAD_REQUEST when unknown or malformed. */
const struct hv_driver *hv_driver_for(const char *uri, struct error *err);
/* Before any connect; on the loop's thread. `cloud_id` marks our domains. */
int hv_init(void *uv_loop, const char *cloud_id, struct error *err);
void hv_finish(void);

/* Names in the outside world derive from our ids; nothing has to be remembered in order to be cleaned up. */
enum { HV_VOLUME_NAME = 64 };
const char *hv_image_volume(
	const char *image_id, const char *format, char out[HV_VOLUME_NAME]); /* image-<id>.<format> */
enum hv_part {        /* the volumes that a server can have on a host */
	HV_ROOT,      /* <id>-root.qcow2 */
	HV_EPHEMERAL, /* <id>-ephemeral.qcow2 */
	HV_SWAP,      /* <id>-swap.qcow2 */
	HV_CONFIG,    /* <id>-config.iso */
	HV_RESCUE,    /* <id>-rescue.qcow2: the disk that a rescued server boots from */
	HV_SNAPSHOT,  /* <id>-snapshot.qcow2: a disk on its way into an image or to another host */
	HV_PARTS
};
const char *hv_server_volume(const char *server_id, enum hv_part part, char out[HV_VOLUME_NAME]);

#endif
