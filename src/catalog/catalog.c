#include "catalog/catalog.h"

#include <string.h>

#include "base/lock.h"
#include "base/mem.h"
#include "catalog/identity.h"

struct catalog {
    unsigned members;
    struct table *table;

    struct lock lock;
    struct object *first, *last;
    struct map labels, ids, uuids;
    size_t count;
    _Atomic size_t session_objects;

    struct lock making_lock; /* LOCK_OBJECT */
    struct cond made;
};

static const uint8_t no_uuid[16];

struct catalog *catalog_new(unsigned members)
{
    struct catalog *catalog = mem_new(1, sizeof(*catalog));
    if (!catalog)
        return NULL;
    catalog->members = members;
    lock_init(&catalog->lock, LOCK_CATALOG);
    lock_init(&catalog->making_lock, LOCK_OBJECT);
    cond_init(&catalog->made);
    catalog->table = table_new();
    if (!catalog->table) {
        catalog_free(catalog);
        return NULL;
    }
    return catalog;
}

unsigned catalog_members(const struct catalog *catalog)
{
    return catalog->members;
}

void catalog_free(struct catalog *catalog)
{
    if (!catalog)
        return;
    while (catalog->first)
        catalog_remove(catalog, catalog->first);
    table_free(catalog->table);
    map_free(&catalog->labels);
    map_free(&catalog->ids);
    map_free(&catalog->uuids);
    cond_end(&catalog->made);
    lock_end(&catalog->making_lock);
    lock_end(&catalog->lock);
    mem_free(catalog);
}

static uint64_t hash_attr(const struct object *object, CK_ATTRIBUTE_TYPE type)
{
    const CK_ATTRIBUTE *attr = attrs_get(&object->attrs, type);
    return attr ? map_hash(attr->pValue, attr->ulValueLen, type) : map_hash("", 0, type);
}

static bool is_named(const struct object *object, CK_ATTRIBUTE_TYPE type)
{
    const CK_ATTRIBUTE *attr = attrs_get(&object->attrs, type);
    return attr && attr->ulValueLen > 0;
}

/* What has no label (or id) is in no chain: all those together would make one that is walked at each removal.
 * It is put in and taken out all the same, so that the buckets are there when it gets one. */
static int index_locked(struct catalog *catalog, struct object *object)
{
    int r = map_add(&catalog->labels, &object->by_label, hash_attr(object, CKA_LABEL));
    if (r != 0)
        return r;
    if (!is_named(object, CKA_LABEL))
        map_remove(&catalog->labels, &object->by_label);
    r = map_add(&catalog->ids, &object->by_id, hash_attr(object, CKA_ID));
    if (r != 0)
        map_remove(&catalog->labels, &object->by_label);
    else if (!is_named(object, CKA_ID))
        map_remove(&catalog->ids, &object->by_id);
    return r;
}

static void unindex_locked(struct catalog *catalog, struct object *object)
{
    map_remove(&catalog->labels, &object->by_label);
    map_remove(&catalog->ids, &object->by_id);
}

static bool has_uuid(const struct object *object)
{
    return memcmp(object->uuid, no_uuid, sizeof(no_uuid)) != 0;
}

static struct object *by_uuid_locked(struct catalog *catalog, const uint8_t uuid[16])
{
    struct map_node *node = map_first(&catalog->uuids, map_hash(uuid, 16, 0));
    for (; node; node = map_next(node)) {
        struct object *object = container_of(node, struct object, by_uuid);
        if (memcmp(object->uuid, uuid, 16) == 0)
            return object_ref(object);
    }
    return NULL;
}

static int add_locked(struct catalog *catalog, struct object *object)
{
    int r = index_locked(catalog, object);
    if (r == 0 && has_uuid(object)) {
        r = map_add(&catalog->uuids, &object->by_uuid, map_hash(object->uuid, sizeof(object->uuid), 0));
        if (r != 0)
            unindex_locked(catalog, object);
    }
    if (r != 0)
        return r;
    object->prev = catalog->last;
    object->next = NULL;
    *(catalog->last ? &catalog->last->next : &catalog->first) = object;
    catalog->last = object;
    object->listed = true;
    catalog->count++;
    atomic_fetch_add(&catalog->session_objects, !object->token);
    return 0;
}

CK_RV catalog_add(struct catalog *catalog, struct object **object)
{
    struct object *mine = *object, *other = NULL;
    int r = 0;
    if (table_add(catalog->table, &mine->item) != 0)
        return CKR_HOST_MEMORY;
    lock_take(&catalog->lock);
    if (has_uuid(mine))
        other = by_uuid_locked(catalog, mine->uuid);
    if (!other)
        r = add_locked(catalog, mine);
    lock_drop(&catalog->lock);
    if (other || r != 0)
        table_remove(catalog->table, &mine->item);
    if (other) {
        object_unref(mine);
        *object = other;
    }
    return r == 0 ? CKR_OK : CKR_HOST_MEMORY;
}

void catalog_remove(struct catalog *catalog, struct object *object)
{
    atomic_store(&object->gone, true);
    lock_take(&catalog->lock);
    bool listed = object->listed;
    if (listed) {
        unindex_locked(catalog, object);
        if (has_uuid(object))
            map_remove(&catalog->uuids, &object->by_uuid);
        *(object->prev ? &object->prev->next : &catalog->first) = object->next;
        *(object->next ? &object->next->prev : &catalog->last) = object->prev;
        object->listed = false;
        catalog->count--;
        atomic_fetch_sub(&catalog->session_objects, !object->token);
    }
    lock_drop(&catalog->lock);
    if (listed)
        table_remove(catalog->table, &object->item);
}

struct object *catalog_ref(struct catalog *catalog, CK_OBJECT_HANDLE handle)
{
    return object_of(table_ref(catalog->table, handle));
}

struct object *catalog_by_uuid(struct catalog *catalog, const uint8_t uuid[16])
{
    lock_take(&catalog->lock);
    struct object *found = by_uuid_locked(catalog, uuid);
    lock_drop(&catalog->lock);
    return found;
}

bool object_visible(const struct object *object, bool logged_in)
{
    return !object->internal && !atomic_load_explicit(&object->refused, memory_order_relaxed) &&
           (logged_in || !object->private);
}

struct hits {
    CK_OBJECT_HANDLE *handle;
    size_t count, cap;
    bool failed;
};

static void hit(struct hits *hits, const struct object *object)
{
    if (hits->count == hits->cap) {
        size_t cap = hits->cap ? hits->cap * 2 : 16;
        CK_OBJECT_HANDLE *more = mem_resize(hits->handle, cap, sizeof(*more));
        if (!more) {
            hits->failed = true;
            return;
        }
        hits->handle = more;
        hits->cap = cap;
    }
    hits->handle[hits->count++] = object->item.handle;
}

/* Handles rise with arrival as long as slots are not used again: sorting keeps an index's hits in a stable
 * order. */
static void sort_hits(struct hits *hits)
{
    for (size_t i = 1; i < hits->count; i++) {
        CK_OBJECT_HANDLE h = hits->handle[i];
        size_t k = i;
        for (; k > 0 && hits->handle[k - 1] > h; k--)
            hits->handle[k] = hits->handle[k - 1];
        hits->handle[k] = h;
    }
}

static void find_locked(struct catalog *catalog, const CK_ATTRIBUTE *templ, CK_ULONG count, bool logged_in,
                        struct hits *hits)
{
    const CK_ATTRIBUTE *label = template_get(templ, count, CKA_LABEL),
                       *id = template_get(templ, count, CKA_ID);
    const CK_ATTRIBUTE *key = id ? id : label;
    if (!key || !key->pValue || key->ulValueLen == 0 || key->ulValueLen == CK_UNAVAILABLE_INFORMATION) {
        for (struct object *object = catalog->first; object; object = object->next)
            if (object_visible(object, logged_in) && attrs_match(&object->attrs, templ, count))
                hit(hits, object);
        return;
    }
    const struct map *map = id ? &catalog->ids : &catalog->labels;
    struct map_node *node = map_first(map, map_hash(key->pValue, key->ulValueLen, key->type));
    for (; node; node = map_next(node)) {
        struct object *object =
            id ? container_of(node, struct object, by_id) : container_of(node, struct object, by_label);
        if (object_visible(object, logged_in) && attrs_match(&object->attrs, templ, count))
            hit(hits, object);
    }
    if (hits->count <= 64)
        sort_hits(hits);
}

CK_RV catalog_find(struct catalog *catalog, const CK_ATTRIBUTE *templ, CK_ULONG count, bool logged_in,
                   CK_OBJECT_HANDLE **ret, size_t *ret_count)
{
    struct hits hits = {0};
    lock_take(&catalog->lock);
    find_locked(catalog, templ, count, logged_in, &hits);
    lock_drop(&catalog->lock);
    if (hits.failed) {
        mem_free(hits.handle);
        return CKR_HOST_MEMORY;
    }
    *ret = hits.handle;
    *ret_count = hits.count;
    return CKR_OK;
}

static bool is_twin(const struct object *other, const struct object *object, uint64_t hash, bool own)
{
    return other->token && !other->original && other->class == object->class &&
           (own || !atomic_load(&other->own_id)) && identity_hash(&other->attrs) == hash;
}

size_t catalog_twins(struct catalog *catalog, const struct object *object, bool own)
{
    size_t twins = 0;
    lock_take(&catalog->lock);
    uint64_t hash = identity_hash(&object->attrs);
    bool label = is_named(object, CKA_LABEL);
    bool id = !label && object->class != CKO_DATA && is_named(object, CKA_ID); /* data is not known by it */
    struct map_node *node = label ? map_first(&catalog->labels, hash_attr(object, CKA_LABEL))
                            : id  ? map_first(&catalog->ids, hash_attr(object, CKA_ID))
                                  : NULL;
    for (; node; node = map_next(node))
        twins += is_twin(label ? container_of(node, struct object, by_label)
                               : container_of(node, struct object, by_id),
                         object, hash, own);
    for (struct object *other = label || id ? NULL : catalog->first; other; other = other->next)
        twins += is_twin(other, object, hash, own);
    lock_drop(&catalog->lock);
    return twins;
}

bool catalog_id_is_taken(struct catalog *catalog, const struct attrs *attrs, const struct object *by)
{
    const CK_ATTRIBUTE *id = attrs_get(attrs, CKA_ID);
    CK_OBJECT_CLASS class = attrs_ulong(attrs, CKA_CLASS, CKO_DATA);
    bool key = class == CKO_SECRET_KEY || class == CKO_PRIVATE_KEY || class == CKO_PUBLIC_KEY, taken = false;
    if (!key || !id || id->ulValueLen == 0)
        return false;
    lock_take(&catalog->lock);
    struct map_node *node = map_first(&catalog->ids, map_hash(id->pValue, id->ulValueLen, CKA_ID));
    for (; node && !taken; node = map_next(node)) {
        const struct object *other = container_of(node, struct object, by_id);
        taken = other != by && other->token && other->class == class && attrs_match(&other->attrs, id, 1);
    }
    lock_drop(&catalog->lock);
    return taken;
}

CK_RV catalog_attrs(struct catalog *catalog, const struct object *object, struct attrs *ret)
{
    lock_take(&catalog->lock);
    CK_RV rv = attrs_copy(ret, &object->attrs);
    lock_drop(&catalog->lock);
    return rv;
}

void catalog_set_attrs(struct catalog *catalog, struct object *object, struct attrs *attrs, uint64_t seq,
                       uint64_t version)
{
    lock_take(&catalog->lock);
    if (object->listed)
        unindex_locked(catalog, object);
    object_set_attrs(object, attrs);
    object->seq = seq;
    object->version = version;
    if (object->listed)
        (void)!index_locked(catalog, object); /* cannot fail: the buckets are there */
    lock_drop(&catalog->lock);
}

void catalog_learn(struct catalog *catalog, struct object *object, struct attrs *attrs)
{
    lock_take(&catalog->lock);
    if (object->listed)
        unindex_locked(catalog, object);
    attrs_free(&object->attrs);
    object->attrs = *attrs;
    *attrs = (struct attrs){0};
    if (object->listed)
        (void)!index_locked(catalog, object); /* cannot fail: the buckets are there */
    lock_drop(&catalog->lock);
}

struct each {
    bool (*visit)(struct object *object, void *ctx);
    void *ctx;
};

static bool visit_item(struct table_item *item, void *ctx)
{
    struct each *each = ctx;
    return each->visit(object_of(item), each->ctx);
}

void catalog_each(struct catalog *catalog, bool (*visit)(struct object *object, void *ctx), void *ctx)
{
    struct each each = {visit, ctx};
    table_each(catalog->table, visit_item, &each);
}

size_t catalog_count(struct catalog *catalog)
{
    lock_take(&catalog->lock);
    size_t count = catalog->count;
    lock_drop(&catalog->lock);
    return count;
}

size_t catalog_session_objects(const struct catalog *catalog)
{
    return atomic_load_explicit(&catalog->session_objects, memory_order_relaxed);
}

struct object *catalog_by_replica(struct catalog *catalog, unsigned member, uint32_t epoch,
                                  CK_OBJECT_HANDLE handle)
{
    struct object *found = NULL;
    lock_take(&catalog->lock);
    for (struct object *object = catalog->first; object && !found; object = object->next) {
        CK_OBJECT_HANDLE own;
        if (!object->original && object_replica(object, member, epoch, &own) && own == handle)
            found = object_ref(object);
    }
    lock_drop(&catalog->lock);
    return found;
}

bool catalog_make_begin(struct catalog *catalog, struct object *object, unsigned member, uint64_t deadline)
{
    uint64_t bit = UINT64_C(1) << member;
    lock_take(&catalog->making_lock);
    bool waited = false, in_time = true;
    while ((object->making & bit) && in_time) {
        waited = true;
        in_time = cond_wait(&catalog->made, &catalog->making_lock, deadline);
    }
    bool mine = !waited && in_time;
    if (mine)
        object->making |= bit;
    lock_drop(&catalog->making_lock);
    return mine;
}

void catalog_make_end(struct catalog *catalog, struct object *object, unsigned member)
{
    lock_take(&catalog->making_lock);
    object->making &= ~(UINT64_C(1) << member);
    cond_wake_all(&catalog->made);
    lock_drop(&catalog->making_lock);
}
