/* A hash index from 64-bit hashes to chains of items that carry a struct map_node. The caller locks. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/def.h"

struct map_node {
    struct map_node *next;
    uint64_t hash;
};
struct map {
    struct map_node **bucket;
    size_t buckets, count;
};
/* Grows by itself; -ENOMEM only when the first bucket array cannot be made. */
MUST_USE int map_add(struct map *map, struct map_node *node, uint64_t hash);
void map_remove(struct map *map, struct map_node *node);
/* The first node of that hash, then the next one of the same hash; NULL at the end. */
struct map_node *map_first(const struct map *map, uint64_t hash);
struct map_node *map_next(const struct map_node *node);
void map_free(struct map *map);
/* A fast, not cryptographic hash. */
uint64_t map_hash(const void *data, size_t len, uint64_t seed);

#endif
