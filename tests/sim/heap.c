/* SPDX-License-Identifier: Apache-2.0 */
/* The heap of a simulated run: its threads run one at a time and its lives are short, so free lists by size
 * are all that it takes, and the same run finds the same addresses. */
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SMALL = 1024, STEP = 16, SMALL_N = SMALL / STEP, CLASSES = SMALL_N + 4 * 22 + 1 };
#define HEAP_SIZE ((size_t)16 << 30) /* of addresses: memory is what is touched */

struct head {                    /* before each block */
	uint32_t class, skipped; /* bytes between the block's start and this, for alignment */
	size_t room;
};
_Static_assert(sizeof(struct head) == 16, "blocks are aligned to 16 bytes");

static char *at, *end;
static struct hole {
	struct hole *next;
} * holes[CLASSES];
static atomic_flag busy =
	ATOMIC_FLAG_INIT; /* a thread that begins or ends may allocate beside the one that runs */

static void lock(void)
{
	while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
		syscall(SYS_sched_yield);
}

static void unlock(void)
{
	atomic_flag_clear_explicit(&busy, memory_order_release);
}

/* Above SMALL there are four sizes to each power of two. */
static uint32_t class_of(size_t n, size_t *room)
{
	int power;
	size_t quarter;

	if (n <= SMALL) {
		*room = n ? (n + STEP - 1) / STEP * STEP : STEP;
		return (uint32_t)(*room / STEP - 1);
	}
	power = 63 - __builtin_clzl(n - 1);
	quarter = (size_t)1 << (power - 2);
	*room = (n + quarter - 1) / quarter * quarter;
	return SMALL_N + (uint32_t)(power - 10) * 4 + (uint32_t)((*room >> (power - 2)) - 5);
}

static bool begin(void)
{
	at = mmap(
		NULL, HEAP_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED) {
		at = NULL;
		return false;
	}
	madvise(at, HEAP_SIZE, MADV_HUGEPAGE);
	end = at + HEAP_SIZE;
	return true;
}

/* *fresh: it was never used, and is zero. */
static void *take(size_t n, bool *fresh)
{
	size_t room;
	struct head *h;
	uint32_t class;

	if (n > HEAP_SIZE / 4)
		return NULL;
	class = class_of(n, &room);
	*fresh = !holes[class];
	if (!*fresh) {
		h = (struct head *)(void *)holes[class] - 1;
		holes[class] = holes[class]->next;
	} else {
		if ((!at && !begin()) || (size_t)(end - at) < room + sizeof *h)
			return NULL;
		h = (struct head *)(void *)at;
		at += room + sizeof *h;
	}
	*h = (struct head) { .class = class, .room = room };
	return h + 1;
}

static void *allocate(size_t n, bool *fresh)
{
	void *p;

	lock();
	p = take(n, fresh);
	unlock();
	if (!p)
		errno = ENOMEM;
	return p;
}

void *malloc(size_t n)
{
	bool fresh;

	return allocate(n, &fresh);
}

void *calloc(size_t k, size_t n)
{
	bool fresh;
	size_t all;
	void *p;

	if (__builtin_mul_overflow(k, n, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	p = allocate(all, &fresh);
	return p && !fresh ? memset(p, 0, all) : p;
}

void free(void *p)
{
	struct head *h = (struct head *)p - 1;
	struct hole *hole;

	if (!p)
		return;
	hole = (struct hole *)(void *)((char *)p - h->skipped);
	lock();
	hole->next = holes[h->class];
	holes[h->class] = hole;
	unlock();
}

void *realloc(void *p, size_t n)
{
	struct head *h = (struct head *)p - 1;
	void *q;

	if (!p)
		return malloc(n);
	if (n <= h->room && (n > h->room / 4 || h->room <= SMALL))
		return p;
	if (!(q = malloc(n)))
		return NULL;
	memcpy(q, p, h->room < n ? h->room : n);
	free(p);
	return q;
}

void *memalign(size_t align, size_t n)
{
	char *p = malloc(n + align), *q;
	struct head *h;

	if (!p || align <= sizeof *h)
		return p;
	q = (char *)(((uintptr_t)p + align - 1) / align * align);
	if (q == p)
		return p;
	h = (struct head *)(void *)p - 1;
	((struct head *)(void *)q)[-1] = (struct head) {
		.class = h->class, .skipped = (uint32_t)(q - p), .room = h->room - (size_t)(q - p)
	};
	return q;
}

void *aligned_alloc(size_t align, size_t n)
{
	return memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
	*out = memalign(align, n);
	return *out ? 0 : ENOMEM;
}

void *valloc(size_t n)
{
	return memalign(4096, n);
}

size_t malloc_usable_size(void *p)
{
	return p ? ((struct head *)p - 1)->room : 0;
}
