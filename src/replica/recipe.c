#include "replica/recipe.h"

#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "call/rv.h"
#include "replica/replica.h"
#include "replica/template.h"
#include "router/verdict.h"

struct recipe *recipe_new(void)
{
    struct recipe *recipe = mem_new(1, sizeof(*recipe));
    if (recipe)
        lock_init(&recipe->lock, LOCK_OBJECT);
    return recipe;
}

static struct object *keep_base(struct object *object)
{
    if (!object)
        return NULL;
    struct object *base = object_ref(object_base(object));
    atomic_fetch_add(&base->descendants, 1);
    return base;
}

static void drop_base(struct object *base)
{
    if (base)
        atomic_fetch_sub(&base->descendants, 1);
    object_unref(base);
}

unsigned recipe_depth(struct object *const key[FRAME_KEYS])
{
    unsigned depth = 0;
    for (unsigned k = 0; key && k < FRAME_KEYS; k++) {
        const struct recipe *recipe = key[k] ? recipe_of(object_base(key[k])) : NULL;
        if (recipe && recipe->depth > depth)
            depth = recipe->depth;
    }
    return depth + 1;
}

struct recipe *recipe_of_call(struct frame *call, unsigned which, struct object *const *key)
{
    struct recipe *recipe = recipe_new();
    if (!recipe)
        return NULL;
    recipe->call = frame_ref(call);
    recipe->which = which;
    recipe->depth = recipe_depth(key);
    for (unsigned k = 0; key && k < FRAME_KEYS; k++)
        recipe->key[k] = keep_base(key[k]);
    atomic_store(&recipe->sort, RECIPE_CALL);
    return recipe;
}

struct recipe *recipe_of_attrs(const struct attrs *attrs)
{
    struct template t;
    template_session(attrs, false, false, &t);
    const struct attrs chosen = {.item = t.item, .count = t.count};
    AUTO(frame_unref) struct frame *call = frame_new(VERB_CREATE, frame_room_attrs(&chosen), 0);
    if (!call)
        return NULL;
    frame_set_attrs(call, 0, &chosen);
    return recipe_of_call(call, 0, NULL);
}

static void free_recipe(void *recipe)
{
    recipe_free(recipe);
}

void recipe_give(struct object *object, struct recipe *recipe)
{
    object->recipe = recipe;
    object->recipe_free = recipe ? free_recipe : NULL;
}

void recipe_free(struct recipe *recipe)
{
    if (!recipe)
        return;
    frame_unref(recipe->call);
    for (unsigned k = 0; k < FRAME_KEYS; k++)
        drop_base(recipe->key[k]);
    record_end(&recipe->record);
    attrs_free(&recipe->public_part);
    attrs_free(&recipe->changes);
    lock_end(&recipe->lock);
    mem_free(recipe);
}

/* Real handles of a call that is made again; those of destroyed base objects are only for the time of it. */
struct bases {
    CK_OBJECT_HANDLE real[FRAME_KEYS];
    bool hidden[FRAME_KEYS];
};

static CK_RV get_base(struct group *group, struct managed *managed, struct object *base, struct remote remote,
                      CK_OBJECT_HANDLE *ret, bool *ret_hidden)
{
    *ret_hidden = false;
    if (object_replica(base, remote.member->index, remote.epoch, ret))
        return CKR_OK;
    if (!atomic_load(&base->gone))
        return group->hooks.resolve(group->hooks.ctx, base, remote.member, remote.deadline, ret);
    *ret_hidden = true;
    return recipe_make(group, managed, base, remote, ret);
}

static void drop_hidden(const struct bases *bases, struct remote remote)
{
    for (unsigned k = 0; k < FRAME_KEYS; k++)
        if (bases->hidden[k])
            (void)!remote_destroy(remote, bases->real[k]);
}

static CK_RV get_bases(struct group *group, struct managed *managed, const struct recipe *recipe,
                       struct remote remote, struct bases *ret)
{
    *ret = (struct bases){0};
    for (unsigned k = 0; k < FRAME_KEYS; k++) {
        struct object *base = recipe->key[k];
        bool hidden = false;
        CK_RV rv = base ? get_base(group, managed, base, remote, &ret->real[k], &hidden) : CKR_OK;
        if (rv != CKR_OK) {
            drop_hidden(ret, remote);
            return rv == RV_GONE ? RV_NOT_HERE : rv;
        }
        ret->hidden[k] = hidden;
    }
    return CKR_OK;
}

/* All that the call has made but the one: they are other objects, which have recipes of their own. */
static CK_OBJECT_HANDLE pick_made(const struct frame *frame, unsigned which, struct remote remote)
{
    CK_OBJECT_HANDLE picked = CK_INVALID_HANDLE;
    for (unsigned i = 0; i <= frame->mades && i <= FRAME_MADE; i++) {
        CK_OBJECT_HANDLE made = i == 0 ? frame->made[0] : frame_made_inside(frame, i - 1);
        if (i == which)
            picked = made;
        else if (made != CK_INVALID_HANDLE)
            (void)!remote_destroy(remote, made);
    }
    return picked;
}

static CK_RV run_call(struct frame *frame, const struct recipe *recipe, const struct bases *bases,
                      struct remote remote, CK_OBJECT_HANDLE *ret)
{
    for (unsigned k = 0; k < 2; k++)
        frame->key[k] = bases->real[k];
    for (unsigned k = 0; k < frame->inners && k < FRAME_INNER; k++)
        frame_set_inner(frame, k, bases->real[2 + k]);
    CK_RV rv = remote_run(remote, frame, true);
    if (rv != CKR_OK)
        return rv;
    CK_OBJECT_HANDLE made = pick_made(frame, recipe->which, remote);
    if (made == CK_INVALID_HANDLE)
        return RV_NOT_HERE;
    *ret = made;
    return CKR_OK;
}

/* The call with another template: CKA_EXTRACTABLE is true. */
static struct frame *extractable_call(const struct frame *call)
{
    CK_BBOOL yes = CK_TRUE;
    struct template t = {.count = 0};
    for (CK_ULONG i = 0; i < call->templ_count[0] && t.count < TEMPLATE_MAX - 1; i++)
        if (call->templ[0][i].type != CKA_EXTRACTABLE)
            t.item[t.count++] = call->templ[0][i];
    t.item[t.count++] = (CK_ATTRIBUTE){CKA_EXTRACTABLE, &yes, sizeof(yes)};
    size_t room = frame_room_mech(&call->mech) + frame_room(call->in[0].len) + frame_room(call->in[1].len) +
                  frame_room_templ(t.item, t.count);
    struct frame *frame = frame_new(call->verb, room, 0);
    if (!frame)
        return NULL;
    frame_set_mech(frame, &call->mech);
    for (unsigned i = 0; i < 2; i++)
        if (call->in[i].data)
            frame_set_in(frame, i, call->in[i].data, call->in[i].len);
    frame_set_templ(frame, 0, t.item, t.count);
    return frame;
}

static CK_RV call_again(struct group *group, struct managed *managed, const struct recipe *recipe,
                        struct remote remote, bool extractable, CK_OBJECT_HANDLE *ret)
{
    const struct verdict_facts facts = {.logged_in = true, .needs_handles = true};
    for (bool again = false;; again = true) {
        struct bases bases;
        CK_RV rv = get_bases(group, managed, recipe, remote, &bases);
        if (rv != CKR_OK)
            return rv;
        AUTO(frame_unref)
        struct frame *frame = extractable ? extractable_call(recipe->call) : frame_clone(recipe->call, 0);
        rv = frame ? run_call(frame, recipe, &bases, remote, ret) : CKR_HOST_MEMORY;
        drop_hidden(&bases, remote);
        if (again || verdict_class(rv, &facts) != ERROR_STALE_HANDLE)
            return rv;
        /* A base object's replica is not there any more: it is looked for, or made, anew. */
        for (unsigned k = 0; k < FRAME_KEYS; k++)
            if (recipe->key[k])
                object_drop_replica(recipe->key[k], remote.member->index);
        remote.epoch = member_epoch(remote.member);
    }
}

static CK_RV apply_changes(struct recipe *recipe, struct remote remote, CK_OBJECT_HANDLE made)
{
    struct attrs changes = {0};
    lock_take(&recipe->lock);
    CK_RV rv = attrs_copy(&changes, &recipe->changes);
    lock_drop(&recipe->lock);
    if (rv == CKR_OK && changes.count > 0)
        rv = remote_set(remote, made, changes.item, changes.count);
    attrs_free(&changes);
    return rv;
}

CK_RV recipe_make(struct group *group, struct managed *managed, struct object *object, struct remote remote,
                  CK_OBJECT_HANDLE *ret)
{
    struct recipe *recipe = recipe_of(object);
    CK_OBJECT_HANDLE made;
    CK_RV rv = RV_NOT_HERE;
    int sort = recipe ? atomic_load(&recipe->sort) : RECIPE_NONE;
    if (sort == RECIPE_CALL)
        rv = call_again(group, managed, recipe, remote, false, &made);
    else if (sort == RECIPE_RECORD)
        rv = replica_rehearse(managed, remote, &recipe->record, &made);
    if (rv != CKR_OK)
        return rv;
    rv = apply_changes(recipe, remote, made);
    if (rv == CKR_OK)
        *ret = made;
    else
        (void)!remote_destroy(remote, made);
    return rv;
}

CK_RV recipe_make_extractable(struct managed *managed, struct object *object, struct remote remote,
                              CK_OBJECT_HANDLE *ret)
{
    struct recipe *recipe = recipe_of(object);
    if (!recipe || atomic_load(&recipe->sort) != RECIPE_CALL || recipe->which != 0 ||
        recipe->call->verb == VERB_CREATE || recipe->call->verb == VERB_COPY)
        return RV_NOT_HERE;
    return call_again(managed->group, managed, recipe, remote, true, ret);
}

CK_RV recipe_note_change(struct recipe *recipe, const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    if (!recipe)
        return CKR_OK;
    lock_take(&recipe->lock);
    CK_RV rv = attrs_merge(&recipe->changes, templ, count);
    lock_drop(&recipe->lock);
    return rv;
}
