#include "base/table.h"

#include <errno.h>

#include "base/lock.h"
#include "base/mem.h"

/*
 * A slot's word is generation (12 bits), live (1 bit) and how many references were ever taken through it (51
 * bits). Those are not counted in the item while it is in the table: table_ref is one compare-and-swap on the
 * word, which fails if the slot changed, so it touches no item that could be gone. An item in the table
 * carries TABLE_SHARE on top of its own count, so table_unref cannot reach 0; table_remove moves the word's
 * count over and takes the share. Segments of slots live as long as the table.
 */
#define INDEX_BITS    20
#define SEGMENT_BITS  10
#define SEGMENT_SLOTS (1u << SEGMENT_BITS)
#define SEGMENTS      (TABLE_MAX / SEGMENT_SLOTS)
#define GEN_MASK      0xfffu
#define GEN_SHIFT     52
#define LIVE          (UINT64_C(1) << 51)
#define COUNT_MASK    (LIVE - 1)
#define TABLE_SHARE   (INT64_C(1) << 62)
#define NO_SLOT       UINT32_MAX
/* Slots rest in a queue this long before they are used again, so that an old handle stays invalid long. */
#define REST_MIN SEGMENT_SLOTS

_Static_assert(TABLE_MAX == 1u << INDEX_BITS, "handles have that many index bits");

struct slot {
    _Atomic uint64_t word;
    _Atomic(struct table_item *) item;
};

struct segment {
    struct slot slot[SEGMENT_SLOTS];
    uint32_t next[SEGMENT_SLOTS]; /* of the free queue; the table's lock */
};

struct table {
    struct lock lock;
    uint32_t first_free, last_free, free_count, segments;

    _Atomic(struct segment *) segment[SEGMENTS];
    _Atomic size_t count;
};

static struct segment *segment_of(struct table *table, uint32_t index)
{
    return atomic_load_explicit(&table->segment[index >> SEGMENT_BITS], memory_order_acquire);
}

static struct slot *slot_of(struct table *table, uint32_t index)
{
    struct segment *segment = segment_of(table, index);
    return segment ? &segment->slot[index & (SEGMENT_SLOTS - 1)] : NULL;
}

static uint32_t word_gen(uint64_t word)
{
    return (uint32_t)(word >> GEN_SHIFT);
}

static uint64_t dead_word(uint32_t gen)
{
    /* Never 0, so that no handle is. */
    return (uint64_t)(gen == 0 ? 1 : gen) << GEN_SHIFT;
}

struct table *table_new(void)
{
    struct table *table = mem_new(1, sizeof(*table));
    if (!table)
        return NULL;
    lock_init(&table->lock, LOCK_TABLE);
    table->first_free = table->last_free = NO_SLOT;
    return table;
}

static void queue_push_locked(struct table *table, uint32_t index)
{
    segment_of(table, index)->next[index & (SEGMENT_SLOTS - 1)] = NO_SLOT;
    if (table->last_free == NO_SLOT)
        table->first_free = index;
    else
        segment_of(table, table->last_free)->next[table->last_free & (SEGMENT_SLOTS - 1)] = index;
    table->last_free = index;
    table->free_count++;
}

static uint32_t queue_pop_locked(struct table *table)
{
    uint32_t index = table->first_free;
    table->first_free = segment_of(table, index)->next[index & (SEGMENT_SLOTS - 1)];
    if (table->first_free == NO_SLOT)
        table->last_free = NO_SLOT;
    table->free_count--;
    return index;
}

static void grow_locked(struct table *table)
{
    struct segment *segment = mem_new(1, sizeof(*segment));
    if (!segment)
        return;
    for (uint32_t i = 0; i < SEGMENT_SLOTS; i++)
        atomic_init(&segment->slot[i].word, dead_word(1));
    uint32_t number = table->segments++;
    atomic_store_explicit(&table->segment[number], segment, memory_order_release);
    /* Neighbours in time are not neighbours in memory: handles that are busy together share no cache line. */
    enum { STRIDE = 64 / sizeof(struct slot) };
    for (uint32_t start = 0; start < STRIDE; start++)
        for (uint32_t i = start; i < SEGMENT_SLOTS; i += STRIDE)
            queue_push_locked(table, number << SEGMENT_BITS | i);
}

static int add_locked(struct table *table, struct table_item *item)
{
    if (table->free_count <= REST_MIN && table->segments < SEGMENTS)
        grow_locked(table);
    if (table->free_count == 0)
        return -ENOMEM;
    uint32_t index = queue_pop_locked(table);
    struct slot *slot = slot_of(table, index);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    item->handle = word_gen(word) << INDEX_BITS | index;
    atomic_fetch_add_explicit(&item->refs, TABLE_SHARE, memory_order_relaxed);
    atomic_store_explicit(&slot->item, item, memory_order_release);
    atomic_store_explicit(&slot->word, word | LIVE, memory_order_release);
    atomic_fetch_add_explicit(&table->count, 1, memory_order_relaxed);
    return 0;
}

int table_add(struct table *table, struct table_item *item)
{
    lock_take(&table->lock);
    int r = add_locked(table, item);
    lock_drop(&table->lock);
    return r;
}

/* gen 0: whatever lives there. */
static struct table_item *slot_ref(struct slot *slot, uint32_t gen)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    for (;;) {
        if (!(word & LIVE) || (gen != 0 && word_gen(word) != gen))
            return NULL;
        /* If this is already the next item of that slot, the swap below sees that slot's newer word and
         * fails. */
        struct table_item *item = atomic_load_explicit(&slot->item, memory_order_acquire);
        if (atomic_compare_exchange_weak_explicit(&slot->word, &word, word + 1, memory_order_acq_rel,
                                                  memory_order_acquire))
            return item;
    }
}

struct table_item *table_ref(struct table *table, unsigned long handle)
{
    uint32_t gen = (uint32_t)(handle >> INDEX_BITS) & GEN_MASK;
    if (handle > UINT32_MAX || gen == 0)
        return NULL;
    struct slot *slot = slot_of(table, (uint32_t)handle & (TABLE_MAX - 1));
    return slot ? slot_ref(slot, gen) : NULL;
}

struct table_item *table_reref(struct table_item *item)
{
    atomic_fetch_add_explicit(&item->refs, 1, memory_order_relaxed);
    return item;
}

static void item_add(struct table_item *item, int64_t refs)
{
    if (atomic_fetch_add_explicit(&item->refs, refs, memory_order_acq_rel) + refs == 0)
        item->free(item);
}

void table_unref(struct table_item *item)
{
    item_add(item, -1);
}

/* The references that were taken through the word, or -1 if the item is not in it. */
static int64_t remove_locked(struct table *table, struct table_item *item)
{
    uint32_t index = item->handle & (TABLE_MAX - 1);
    struct slot *slot = item->handle == 0 ? NULL : slot_of(table, index);
    if (!slot || atomic_load_explicit(&slot->item, memory_order_relaxed) != item)
        return -1;
    uint32_t gen = word_gen(atomic_load_explicit(&slot->word, memory_order_relaxed));
    uint64_t word =
        atomic_exchange_explicit(&slot->word, dead_word((gen + 1) & GEN_MASK), memory_order_acq_rel);
    atomic_store_explicit(&slot->item, NULL, memory_order_release);
    queue_push_locked(table, index);
    atomic_fetch_sub_explicit(&table->count, 1, memory_order_relaxed);
    return (int64_t)(word & COUNT_MASK);
}

bool table_remove(struct table *table, struct table_item *item)
{
    lock_take(&table->lock);
    int64_t taken = remove_locked(table, item);
    lock_drop(&table->lock);
    if (taken < 0)
        return false;
    item_add(item, taken - TABLE_SHARE);
    return true;
}

size_t table_count(struct table *table)
{
    return atomic_load_explicit(&table->count, memory_order_relaxed);
}

void table_each(struct table *table, bool (*visit)(struct table_item *item, void *ctx), void *ctx)
{
    for (uint32_t index = 0; index < TABLE_MAX; index++) {
        struct slot *slot = slot_of(table, index);
        if (!slot)
            return;
        struct table_item *item = slot_ref(slot, 0);
        if (!item)
            continue;
        bool more = visit(item, ctx);
        table_unref(item);
        if (!more)
            return;
    }
}

static bool remove_one(struct table_item *item, void *ctx)
{
    bool removed = table_remove(ctx, item);
    (void)removed;
    return true;
}

void table_free(struct table *table)
{
    if (!table)
        return;
    table_each(table, remove_one, table);
    for (uint32_t i = 0; i < table->segments; i++)
        mem_free(atomic_load_explicit(&table->segment[i], memory_order_relaxed));
    lock_end(&table->lock);
    mem_free(table);
}
