#include "base/map.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define BUCKETS_FIRST 16

static struct map_node **bucket_at(const struct map *map, uint64_t hash)
{
    return &map->bucket[hash & (map->buckets - 1)];
}

static int resize(struct map *map, size_t buckets)
{
    struct map old = *map;
    struct map_node **fresh = mem_new(buckets, sizeof(struct map_node *));
    if (!fresh)
        return -ENOMEM;
    map->bucket = fresh;
    map->buckets = buckets;
    for (size_t i = 0; i < old.buckets; i++) {
        struct map_node *node = old.bucket[i];
        while (node) {
            struct map_node *next = node->next;
            struct map_node **at = bucket_at(map, node->hash);
            node->next = *at;
            *at = node;
            node = next;
        }
    }
    mem_free(old.bucket);
    return 0;
}

int map_add(struct map *map, struct map_node *node, uint64_t hash)
{
    if (map->count >= map->buckets) {
        int r = resize(map, map->buckets == 0 ? BUCKETS_FIRST : map->buckets * 2);
        /* Longer chains are slower, not wrong. */
        if (r != 0 && map->buckets == 0)
            return r;
    }
    struct map_node **at = bucket_at(map, hash);
    node->hash = hash;
    node->next = *at;
    *at = node;
    map->count++;
    return 0;
}

void map_remove(struct map *map, struct map_node *node)
{
    if (map->buckets == 0)
        return;
    for (struct map_node **at = bucket_at(map, node->hash); *at; at = &(*at)->next) {
        if (*at != node)
            continue;
        *at = node->next;
        node->next = NULL;
        map->count--;
        return;
    }
}

static struct map_node *same_hash(struct map_node *node, uint64_t hash)
{
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

struct map_node *map_first(const struct map *map, uint64_t hash)
{
    return map->buckets == 0 ? NULL : same_hash(*bucket_at(map, hash), hash);
}

struct map_node *map_next(const struct map_node *node)
{
    return same_hash(node->next, node->hash);
}

void map_free(struct map *map)
{
    mem_free(map->bucket);
    *map = (struct map){0};
}

/* Multiplies and folds both halves: every input bit reaches every output bit. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product =
        (unsigned __int128)(a ^ UINT64_C(0x9e3779b97f4a7c15)) * (b ^ UINT64_C(0xd1b54a32d192ed03));
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t map_hash(const void *data, size_t len, uint64_t seed)
{
    const uint8_t *at = data;
    size_t left = len;
    uint64_t hash = mix(seed, len);
    while (left > 0) {
        uint64_t word = 0;
        size_t n = size_min(left, sizeof(word));
        memcpy(&word, at, n);
        hash = mix(hash ^ word, hash + left);
        at += n;
        left -= n;
    }
    return mix(hash, seed);
}
