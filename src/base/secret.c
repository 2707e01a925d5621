#include "base/secret.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define WITH_ASAN 1
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, len)     ((void)(p), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(p, len)   ((void)(p), (void)(len))
#define __lsan_register_root_region(p, len)   ((void)(p), (void)(len))
#define __lsan_unregister_root_region(p, len) ((void)(p), (void)(len))
#endif

/*
 * A chunk is aligned to its size, holds blocks of one class and starts with its head, so a block finds its
 * class by masking its address. A large block is alone behind such a head. Each CPU keeps two stacks of free
 * blocks a class: when both are empty it takes a stack from the centre, when both are full it gives one
 * there. Every byte of a free block is zero but the link in front.
 */
#define CHUNK_SIZE  (256u * 1024)
#define CLASS_FIRST 6
#define CLASS_LAST  16
#define CLASSES     (CLASS_LAST - CLASS_FIRST + 1)
#define STACK_BYTES (32u * 1024)
#define STACK_MAX   64u

struct head {
    size_t size;   /* of each block; 0 in a forked child: the parent's */
    size_t mapped; /* of a large block; 0: a chunk of a class */
    uint8_t pad[48];
};
_Static_assert(sizeof(struct head) == 64, "blocks are 64-byte aligned behind it");

struct block {
    struct block *next;
    /* Of the first block of a stack in the centre: */
    struct block *next_stack;
    uint64_t count;
};

struct stack {
    struct block *top;
    unsigned count;
};

struct shard {
    struct lock lock;
    struct stack hot[CLASSES], spare[CLASSES];
    int64_t in_use; /* negative where blocks of other CPUs are released */
} __attribute__((aligned(64)));

struct centre {
    struct lock lock;
    struct block *stacks[CLASSES];
    uint8_t *fresh[CLASSES], *fresh_end[CLASSES]; /* never yet handed out */
};

#define SHARD_1                        \
    {                                  \
        .lock = LOCK_INIT(LOCK_SECRET) \
    }
#define SHARD_4  SHARD_1, SHARD_1, SHARD_1, SHARD_1
#define SHARD_16 SHARD_4, SHARD_4, SHARD_4, SHARD_4
static struct shard shards[] = {SHARD_16, SHARD_16, SHARD_16, SHARD_16};
_Static_assert(ARRAY_LEN(shards) == THREAD_CPUS, "one shard a CPU");
static struct centre centre = {.lock = LOCK_INIT(LOCK_SECRET)};
static _Atomic bool lock_refused;

static size_t class_size(unsigned class)
{
    return (size_t)1 << (class + CLASS_FIRST);
}

static unsigned class_of(size_t size)
{
    if (size <= (size_t)1 << CLASS_FIRST)
        return 0;
    return 64u - (unsigned)__builtin_clzl(size - 1) - CLASS_FIRST;
}

static unsigned stack_depth(unsigned class)
{
    size_t depth = STACK_BYTES / class_size(class);
    return depth < 2 ? 2 : depth > STACK_MAX ? STACK_MAX : (unsigned)depth;
}

static struct head *head_of(const void *block)
{
    return (struct head *)((uintptr_t)block & ~(uintptr_t)(CHUNK_SIZE - 1));
}

static void protect(void *at, size_t len)
{
    if (mlock2(at, len, MLOCK_ONFAULT) != 0 && mlock(at, len) != 0 && !atomic_exchange(&lock_refused, true))
        log_event_later(LOG_WARN, "memory-not-locked",
                        "effect=\"secrets may be swapped\" remedy=\"raise RLIMIT_MEMLOCK\"");
    madvise(at, len, MADV_DONTDUMP);
    madvise(at, len, MADV_WIPEONFORK);
}

/* Fresh pages aligned to CHUNK_SIZE, len a multiple of the page size. */
static struct head *map_aligned(size_t len)
{
    size_t room = len + CHUNK_SIZE;
    uint8_t *at = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    size_t before = (CHUNK_SIZE - ((uintptr_t)at & (CHUNK_SIZE - 1))) & (CHUNK_SIZE - 1);
    if (before > 0)
        munmap(at, before);
    if (room - before > len)
        munmap(at + before + len, room - before - len);
    protect(at + before, len);
    __lsan_register_root_region(at + before, len);
    return (struct head *)(void *)(at + before);
}

static struct shard *shard_take(void)
{
    struct shard *shard = &shards[thread_cpu()];
    lock_take(&shard->lock);
    return shard;
}

static void shard_count(int64_t bytes)
{
    struct shard *shard = shard_take();
    shard->in_use += bytes;
    lock_drop(&shard->lock);
}

static void *large_alloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (size > PTRDIFF_MAX - 2 * (size_t)CHUNK_SIZE)
        return NULL;
    size_t len = (size + sizeof(struct head) + page - 1) & ~(page - 1);
    struct head *head = map_aligned(len);
    if (!head)
        return NULL;
    head->size = len - sizeof(*head);
    head->mapped = len;
    shard_count((int64_t)head->size);
    return head + 1;
}

static void large_release(struct head *head, size_t used)
{
    shard_count(-(int64_t)head->size);
    secret_wipe(head + 1, size_min(used, head->size));
    __lsan_unregister_root_region(head, head->mapped);
    munmap(head, head->mapped);
}

static void stack_push(struct stack *stack, struct block *block)
{
    block->next = stack->top;
    stack->top = block;
    stack->count++;
}

static struct block *stack_pop(struct stack *stack)
{
    struct block *block = stack->top;
    stack->top = block->next;
    stack->count--;
    block->next = NULL;
    return block;
}

static struct stack carve_locked(unsigned class)
{
    size_t size = class_size(class);
    struct stack got = {0};
    if (centre.fresh[class] == centre.fresh_end[class]) {
        struct head *head = map_aligned(CHUNK_SIZE);
        if (!head)
            return got;
        head->size = size;
        centre.fresh[class] = (uint8_t *)(head + 1);
        centre.fresh_end[class] = centre.fresh[class] + (CHUNK_SIZE - sizeof(*head)) / size * size;
    }
    while (got.count < stack_depth(class) && centre.fresh[class] < centre.fresh_end[class]) {
        struct block *block = (struct block *)(void *)centre.fresh[class];
        stack_push(&got, block);
        ASAN_POISON_MEMORY_REGION(block + 1, size - sizeof(*block));
        centre.fresh[class] += size;
    }
    return got;
}

static struct stack centre_take(unsigned class)
{
    struct stack got = {0};
    lock_take(&centre.lock);
    struct block *top = centre.stacks[class];
    if (top) {
        centre.stacks[class] = top->next_stack;
        got = (struct stack){.top = top, .count = (unsigned)top->count};
        top->next_stack = NULL;
        top->count = 0;
    } else {
        got = carve_locked(class);
    }
    lock_drop(&centre.lock);
    return got;
}

static void centre_give(unsigned class, struct stack stack)
{
    lock_take(&centre.lock);
    stack.top->next_stack = centre.stacks[class];
    stack.top->count = stack.count;
    centre.stacks[class] = stack.top;
    lock_drop(&centre.lock);
}

void *secret_alloc(size_t size)
{
    if (mem_fails_now())
        return NULL;
    if (size > (size_t)1 << CLASS_LAST)
        return large_alloc(size);
    unsigned class = class_of(size);
    size = class_size(class);
    struct shard *shard = shard_take();
    struct stack *hot = &shard->hot[class], *spare = &shard->spare[class];
    if (!hot->top && spare->top) {
        *hot = *spare;
        *spare = (struct stack){0};
    }
    struct block *block = hot->top ? stack_pop(hot) : NULL;
    if (block)
        shard->in_use += (int64_t)size;
    lock_drop(&shard->lock);
    if (!block) {
        struct stack got = centre_take(class);
        if (!got.top)
            return NULL;
        block = stack_pop(&got);
        shard = shard_take();
        shard->in_use += (int64_t)size;
        bool room = !shard->hot[class].top;
        if (room)
            shard->hot[class] = got;
        lock_drop(&shard->lock);
        if (!room && got.top)
            centre_give(class, got);
    }
    ASAN_UNPOISON_MEMORY_REGION(block, size);
    return block;
}

void *secret_copy(const void *data, size_t len)
{
    void *copy = secret_alloc(len);
    if (copy && len)
        memcpy(copy, data, len);
    return copy;
}

size_t secret_size(const void *block)
{
    return head_of(block)->size;
}

#ifndef NDEBUG
static void assert_wiped(const uint8_t *block, size_t size)
{
    if (block[0] != 0 || memcmp(block, block + 1, size - 1) != 0)
        abort();
}
#else
static void assert_wiped(const uint8_t *block, size_t size)
{
    (void)block;
    (void)size;
}
#endif

void secret_release(void *p, size_t used)
{
    if (!p)
        return;
    struct head *head = head_of(p);
    if (head->size == 0)
        return;
    if (head->mapped != 0) {
        large_release(head, used);
        return;
    }
    size_t size = head->size;
    unsigned class = class_of(size);
    secret_wipe(p, size_min(used, size));
    assert_wiped(p, size);
    struct block *block = p;
    ASAN_POISON_MEMORY_REGION(block + 1, size - sizeof(*block));

    struct stack full = {0};
    struct shard *shard = shard_take();
    struct stack *hot = &shard->hot[class], *spare = &shard->spare[class];
    if (hot->count >= stack_depth(class)) {
        full = *spare;
        *spare = *hot;
        *hot = (struct stack){0};
    }
    stack_push(hot, block);
    shard->in_use -= (int64_t)size;
    lock_drop(&shard->lock);
    if (full.top)
        centre_give(class, full);
}

void secret_free(void *block)
{
    secret_release(block, SIZE_MAX);
}

void secret_wipe(void *data, size_t len)
{
    if (len > 0)
        explicit_bzero(data, len);
}

bool secret_equal(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t diff = 0;
    for (size_t i = 0; i < len; i++)
        diff = (uint8_t)(diff | (x[i] ^ y[i]));
    return diff == 0;
}

void secret_after_fork(void)
{
    for (size_t i = 0; i < ARRAY_LEN(shards); i++) {
        shards[i] = (struct shard){0};
        lock_init(&shards[i].lock, LOCK_SECRET);
    }
    centre = (struct centre){0};
    lock_init(&centre.lock, LOCK_SECRET);
}

size_t secret_in_use(void)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < ARRAY_LEN(shards); i++) {
        lock_take(&shards[i].lock);
        bytes += shards[i].in_use;
        lock_drop(&shards[i].lock);
    }
    return bytes < 0 ? 0 : (size_t)bytes;
}
