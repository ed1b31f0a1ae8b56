/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated host: sim://NAME?vcpus=64&ram_gib=256&disk_gib=10000&delay_ms=0&move_ms=0 (move_ms: how long
 * a live move away takes). What it is made of: &cells=1&threads=1 (of a core) &pages_2m=0&pages_1g=0 (of each
 * cell) &features=avx2.avx512f; GPUs: &gpus=0&gpu=10de:20b0&iommu=1 (GPUs in one IOMMU group) &audio=0 (1: a
 * second function each) &mdev=nvidia-474:7:A100-1-5C,nvidia-475:3 (types of mediated devices).
 * &state=/path/file: what the host holds survives this process; &off=/path/file: while that is there nothing
 * reaches the host, and when it is not empty its guests are off; &lost=/path/file: GPUs whose addresses are
 * in it, each on a line, are not there. A world is known by its NAME and outlives the connections to it, as a
 * real host does. This header is for tests and benches: it makes a host fail, hang, lie by omission or die,
 * and looks at what it holds. All functions may be called from any thread. */
#ifndef HV_SIM_H
#define HV_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/hv.h"

enum sim_op {
	SIM_CONNECT,
	SIM_INVENTORY,
	SIM_IMAGE_ENSURE,
	SIM_VOLUME_ENSURE,
	SIM_VOLUME_WRITE,
	SIM_VOLUME_REMOVE,
	SIM_DOMAIN_DEFINE,
	SIM_DOMAIN_START,
	SIM_DOMAIN_SHUTDOWN,
	SIM_DOMAIN_STOP,
	SIM_DOMAIN_REBOOT,
	SIM_DOMAIN_RESET,
	SIM_DOMAIN_PAUSE,
	SIM_DOMAIN_UNPAUSE,
	SIM_DOMAIN_READ,
	SIM_DOMAIN_DESCRIBE,
	SIM_DOMAIN_REMOVE,
	SIM_MDEV_ENSURE,
	SIM_MDEV_REMOVE,
	SIM_DEVICE_RESET,
	SIM_DEVICE_LOOK,
	SIM_DOMAIN_LOOK,
	SIM_DOMAIN_LIST,
	SIM_CONSOLE_READ,
	SIM_CONSOLE_FOLLOW,
	SIM_CONSOLE_OPEN,
	SIM_DOMAIN_SAVE,
	SIM_DOMAIN_FORGET,
	SIM_DOMAIN_SET_PASSWORD,
	SIM_DOMAIN_NMI,
	SIM_DOMAIN_STATS,
	SIM_DOMAINS_USE,
	SIM_VOLUME_GROW,
	SIM_VOLUME_FLATTEN,
	SIM_VOLUME_DOWNLOAD,
	SIM_VOLUME_UPLOAD,
	SIM_VOLUME_LIST,
	SIM_DOMAIN_MIGRATE, /* on the source; the target meets SIM_CONNECT and SIM_VOLUME_ENSURE */
	SIM_MIGRATE_LOOK,
	SIM_MIGRATE_CANCEL,
	SIM_MIGRATE_FORCE,
	SIM_OP_MAX,
	SIM_ANY = SIM_OP_MAX /* for sim_fault: whichever comes */
};
const char *sim_op_name(enum sim_op op);

enum sim_fault_kind {
	SIM_FAIL,       /* refused before any effect: ERR_HYPERVISOR */
	SIM_FAIL_AFTER, /* done, and then ERR_HYPERVISOR all the same */
	SIM_LOSE_REPLY, /* done, but the answer is lost: the connection drops, ERR_UNREACHABLE */
	SIM_DROP,       /* the connection drops before the call arrives: ERR_UNREACHABLE */
	SIM_HANG,       /* waits until sim_release, then goes on */
	SIM_DELAY       /* waits (sim_delay's time, or 10 ms), then goes on */
};

/* The nth call from now (1: the next one) of op on this world meets the fault, once. times > 1: that many
 * calls in a row; times < 0: for ever, until sim_faults_clear. */
void sim_fault(const char *world, enum sim_op op, unsigned nth, int times, enum sim_fault_kind kind);
void sim_faults_clear(const char *world);
/* Lets every call that hangs in this world go on. */
void sim_release(const char *world);
/* Every call waits this long. */
void sim_delay(const char *world, unsigned delay_ms);
/* A live move away from this world takes so long, unless it is cancelled, forced or released. */
void sim_move_time(const char *world, unsigned move_ms);
/* The next live move away from this world ends between two of its phases, as when its controller dies: nobody
 * is told, and the guest is paused here. */
enum sim_cut {
	SIM_CUT_NOT,
	SIM_CUT_PERFORMED, /* all of it was sent; the other host gave up what had come */
	SIM_CUT_WAITING,   /* the other host waits for the word to let it go on */
	SIM_CUT_FINISHED   /* it got that, and runs there */
};
void sim_move_cut(const char *world, enum sim_cut where);
/* How many calls of op began, how many hang now. */
uint64_t sim_calls(const char *world, enum sim_op op);
unsigned sim_hanging(const char *world);

/* The host's connections are gone (CLOSED is sent). While down, none can be made. */
void sim_drop(const char *world, const char *why);
void sim_set_down(const char *world, bool down);
/* Power failure: connections drop, every guest is off when the host comes back. */
void sim_crash(const char *world);
/* Events are lost, or each comes twice. */
void sim_events(const char *world, bool lose, bool repeat);

/* How the host breaks its word: what a guest that runs has is not what it was defined with. */
enum sim_breach {
	SIM_KEEPS,
	SIM_LESS_MEMORY,
	SIM_OTHER_PIN,   /* of the last vCPU */
	SIM_OTHER_CELL,  /* of the last guest cell */
	SIM_SMALL_PAGES, /* of the first guest cell */
	SIM_LESS_DEVICES /* the last of its mediated devices, or of its PCI devices */
};
void sim_breach(const char *world, enum sim_breach how);
/* What it has in truth, on or off, in the arena. False: there is none. */
bool sim_domain_has(const char *world, const char *uuid, struct arena *a, struct hv_domain *out);
/* Mediated devices that there are. */
size_t sim_mdev_count(const char *world);
bool sim_mdev_exists(const char *world, const char *uuid);

/* The nth GPU (0: the first) falls off the bus, or is there again; a guest that has it goes on. */
void sim_gpu_lose(const char *world, unsigned nth, bool lost);
/* Each of its resets from now on turns it into another product (0: it stays what it is). */
void sim_gpu_turns_into(const char *world, unsigned nth, uint16_t product_id);
unsigned sim_gpu_resets(const char *world, unsigned nth);
/* How often one went from a project's domain to another's without a reset between them. */
unsigned sim_gpus_unclean(const char *world);
/* The host cannot reset devices at all. */
void sim_no_resets(const char *world, bool none);

/* What guests and administrators do behind our back. -1 when there is no such domain. */
int sim_guest_shutdown(const char *world, const char *uuid);
int sim_guest_crash(const char *world, const char *uuid);
int sim_undefine(const char *world, const char *uuid);
/* Prints on the guest's console. */
int sim_guest_print(const char *world, const char *uuid, const void *p, size_t n);
/* The host puts the console's log aside and begins a new one; one that was put aside before is gone. */
int sim_console_rotate(const char *world, const char *uuid);
/* Guests have an agent until told otherwise. What it set last, "user:password"; false: nothing. */
int sim_guest_agent(const char *world, const char *uuid, bool there);
bool sim_guest_password(const char *world, const char *uuid, struct buf *out);
/* A domain that is not ours, running. */
void sim_foreign_domain(const char *world, const char *uuid);

/* Running guests use processors, disks and nets by this clock, the system's until told otherwise; NULL: only
 * what sim_guest_use adds. */
void sim_use_clock(const struct clock *clock);
/* It used that much more (SAMPLE_COUNTERS of them). -1: it does not run. */
int sim_guest_use(const char *world, const char *uuid, const int64_t *more);
/* Its disks and memory cannot be told without waiting. */
int sim_guest_busy(const char *world, const char *uuid, bool busy);

struct sim_domain {
	char uuid[UUID_TEXT];
	char name[64];
	enum hv_power power;
	bool ours;
	int64_t epoch;
	int vcpus;
	int64_t ram_mib;
	size_t disks_n, nics_n, hostdevs_n, cells_n, pins_n, mdevs_n;
	unsigned starts; /* times that it was started; going on from saved memory does not count */
	unsigned nmis;
	bool moving; /* away from here, or hither */
};

/* False when there is none. */
bool sim_domain_get(const char *world, const char *uuid, struct sim_domain *out);
size_t sim_domain_count(const char *world);
bool sim_volume_exists(const char *world, const char *name);
size_t sim_volume_count(const char *world);
int64_t sim_volume_capacity(const char *world, const char *name); /* -1: none */
/* The bytes of a volume written by volume_write, copied; false when there is none, or when they were not kept
 * (all worlds together keep 64 MiB). */
bool sim_volume_read(const char *world, const char *name, struct buf *out);
/* How many PCI devices are named by more than one defined domain: 0, or an allocator is wrong. */
size_t sim_devices_shared(const char *world);

/* Forgets all worlds that no connection uses. */
void sim_reset(void);

#endif
