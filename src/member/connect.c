#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "call/rv.h"
#include "member/keeper.h"
#include "member/sessions.h"

#define MECHANISMS_MAX 512

static int by_type(const void *a, const void *b)
{
    const struct frame_mechanism *x = a, *y = b;
    return (x->type > y->type) - (x->type < y->type);
}

static CK_RV read_mechanisms(struct member *member, CK_SLOT_ID slot, uint64_t deadline)
{
    AUTO(frame_unref)
    struct frame *frame = frame_new(VERB_MECHANISMS, 0, MECHANISMS_MAX * sizeof(struct frame_mechanism));
    if (!frame)
        return CKR_HOST_MEMORY;
    frame->slot = slot;
    CK_RV rv = member_run(member, frame, NULL, deadline);
    if (rv != CKR_OK)
        return rv;
    size_t count = frame->out_len / sizeof(struct frame_mechanism);
    struct member_mechanisms *known = mem_new(1, sizeof(*known) + count * sizeof(struct frame_mechanism));
    if (!known)
        return CKR_HOST_MEMORY;
    known->count = count;
    if (count)
        memcpy(known->item, frame->out, count * sizeof(struct frame_mechanism));
    qsort(known->item, count, sizeof(known->item[0]), by_type);
    struct member_mechanisms *old = atomic_load(&member->mechanisms);
    bool same =
        old && old->count == count && memcmp(old->item, known->item, count * sizeof(known->item[0])) == 0;
    if (same) {
        mem_free(known);
        return CKR_OK;
    }
    known->replaced = old;
    atomic_store(&member->mechanisms, known);
    return CKR_OK;
}

const CK_MECHANISM_INFO *member_mechanism(const struct member *member, CK_MECHANISM_TYPE type)
{
    const struct member_mechanisms *known = atomic_load_explicit(&member->mechanisms, memory_order_acquire);
    struct frame_mechanism wanted = {.type = type};
    struct frame_mechanism *found =
        known ? bsearch(&wanted, known->item, known->count, sizeof(wanted), by_type) : NULL;
    return found ? &found->info : NULL;
}

/* SoftHSM looks for its tokens when it starts, and never again: then it is started once more, if nobody works
 * in it. */
static void missed_token(struct member *member, uint32_t instance_epoch)
{
    lock_take(&member->lock);
    member->connected = false;
    member->instance_epoch = instance_epoch;
    member->needs_init = instance_up(member->instance) == 0;
    lock_drop(&member->lock);
}

CK_RV connect_member(struct member *member, uint64_t deadline)
{
    lock_take(&member->lock);
    /* While other members work in the instance it is initialised, whatever this one says. */
    bool anew = member->needs_init && instance_up(member->instance) == 0;
    uint32_t seen = anew ? member->instance_epoch : 0;
    lock_drop(&member->lock);
    AUTO(frame_unref) struct frame *frame = frame_new(VERB_CONNECT, 0, sizeof(CK_TOKEN_INFO));
    if (!frame)
        return CKR_HOST_MEMORY;
    frame->number_in = seen;
    CK_RV rv = member_run(member, frame, NULL, deadline);
    if (rv == CKR_TOKEN_NOT_PRESENT && frame->number != 0)
        missed_token(member, (uint32_t)frame->number);
    if (rv != CKR_OK)
        return rv;
    CK_TOKEN_INFO info;
    memcpy(&info, frame->out, sizeof(info));
    rv = read_mechanisms(member, frame->slot, deadline);
    if (rv != CKR_OK)
        return rv;
    lock_take(&member->lock);
    member->slot = frame->slot;
    member->token = info;
    member->instance_epoch = (uint32_t)frame->number;
    member->needs_init = false;
    member->connected = true;
    member->signed_on = 0;
    atomic_store(&member->signed_in, false);
    atomic_fetch_add(&member->epoch, 1);
    lock_drop(&member->lock);
    return CKR_OK;
}

/* The token is there and is still the one that we know. */
static CK_RV probe_token(struct member *member, uint64_t deadline)
{
    AUTO(frame_unref) struct frame *frame = frame_new(VERB_TOKEN_INFO, 0, sizeof(CK_TOKEN_INFO));
    if (!frame)
        return CKR_HOST_MEMORY;
    CK_RV rv = member_run(member, frame, NULL, deadline);
    if (rv != CKR_OK)
        return rv;
    CK_TOKEN_INFO info;
    memcpy(&info, frame->out, sizeof(info));
    lock_take(&member->lock);
    bool same = memcmp(info.serialNumber, member->token.serialNumber, sizeof(info.serialNumber)) == 0 &&
                memcmp(info.label, member->token.label, sizeof(info.label)) == 0;
    member->token = info;
    member->connected = same;
    lock_drop(&member->lock);
    return same ? CKR_OK : RV_MISFIT;
}

/* Looked for again, after a new start of its module if `init` or if nobody else works in it. */
static CK_RV probe_anew(struct member *member, bool init, uint64_t deadline)
{
    lock_take(&member->lock);
    member->needs_init = init || instance_up(member->instance) == 0;
    lock_drop(&member->lock);
    CK_RV rv = connect_member(member, deadline);
    return rv == CKR_OK ? probe_token(member, deadline) : rv;
}

CK_RV connect_prove(struct member *member, uint64_t deadline)
{
    for (bool again = false;; again = true) {
        CK_RV rv = member_sign_on(member, deadline);
        if (rv == CKR_OK && member->hooks.prove)
            rv = member->hooks.prove(member->hooks.ctx, member, deadline);
        if (rv != RV_MISFIT || again)
            return rv;
        /* A token that has lost our login shows no private object, and no error: it is logged in once more
         * before it is believed. */
        lock_take(&member->lock);
        member->signed_on = 0;
        atomic_store(&member->signed_in, false);
        lock_drop(&member->lock);
    }
}

static CK_RV probe_keys(struct member *member, uint64_t deadline)
{
    /* Now that it answers, and first: with them it may have no session left for us. */
    pool_close(member);
    CK_RV rv = connect_prove(member, deadline);
    return rv == CKR_USER_NOT_LOGGED_IN && signon_generation(member->signon) == 0 ? CKR_OK : rv;
}

CK_RV connect_probe(struct member *member, uint64_t deadline)
{
    CK_RV rv = probe_token(member, deadline);
    /* Its slot may have moved, its module may want a new start: looked for again before it is believed
     * missing. */
    if (rv == CKR_CRYPTOKI_NOT_INITIALIZED || rv == CKR_SLOT_ID_INVALID || rv == CKR_TOKEN_NOT_PRESENT ||
        rv == CKR_TOKEN_NOT_RECOGNIZED || rv == CKR_DEVICE_ERROR || rv == CKR_GENERAL_ERROR)
        rv = probe_anew(member, rv == CKR_CRYPTOKI_NOT_INITIALIZED, deadline);
    if (rv != CKR_OK)
        return rv;
    rv = probe_keys(member, deadline);
    /* SoftHSM does not see again what it once found missing, until a new start. */
    if (rv == RV_MISFIT && instance_up(member->instance) == 0) {
        rv = probe_anew(member, true, deadline);
        if (rv == CKR_OK)
            rv = probe_keys(member, deadline);
    }
    return rv;
}

static CK_RV login_in(struct member *member, struct real_session *session, CK_USER_TYPE user,
                      const uint8_t *pin, size_t len, uint64_t deadline)
{
    AUTO(secret_free) uint8_t *name = NULL;
    size_t name_len = 0;
    CK_RV rv = signon_get_name(member->signon, &name, &name_len);
    AUTO(frame_unref) struct frame *frame = NULL;
    if (rv == CKR_OK)
        frame = frame_new(VERB_LOGIN, frame_room(len) + frame_room(name_len), 0);
    if (!frame)
        return CKR_HOST_MEMORY;
    if (pin)
        frame_set_in(frame, 0, pin, len);
    if (name)
        frame_set_in(frame, 1, name, name_len);
    frame->number_in = user;
    return member_run(member, frame, session, deadline);
}

/* In the keeper session, which stays: with the last session of an application a token may log it out. */
static CK_RV login(struct member *member, CK_USER_TYPE user, const uint8_t *pin, size_t len,
                   uint64_t deadline)
{
    struct real_session *session = NULL;
    CK_RV rv = member_session_keeper(member, deadline, &session);
    if (rv != CKR_OK)
        return rv;
    rv = login_in(member, session, user, pin, len, deadline);
    member_session_keeper_done(member, session, rv);
    return rv;
}

static CK_RV logout(struct member *member, uint64_t deadline)
{
    struct real_session *session = NULL;
    CK_RV rv = member_session_take(member, deadline, &session);
    if (rv != CKR_OK)
        return rv;
    uint32_t epoch = session->epoch;
    AUTO(frame_unref) struct frame *frame = frame_new(VERB_LOGOUT, 0, 0);
    gate_close(&member->gate, deadline);
    rv = frame ? member_run(member, frame, session, deadline) : CKR_HOST_MEMORY;
    if (rv == CKR_OK || rv == CKR_USER_NOT_LOGGED_IN)
        member_session_give(member, session);
    else
        member_session_end(member, session, rv);
    /* Private handles end at logout. */
    member_lost_handles(member, epoch);
    gate_open(&member->gate);
    return rv == CKR_USER_NOT_LOGGED_IN ? CKR_OK : rv;
}

/* Whoever is still logged in there would make any PIN look right. */
static CK_RV login_anew(struct member *member, CK_USER_TYPE user, const uint8_t *pin, size_t len,
                        uint64_t deadline)
{
    CK_RV rv = login(member, user, pin, len, deadline);
    if ((rv == CKR_USER_ALREADY_LOGGED_IN || rv == CKR_USER_ANOTHER_ALREADY_LOGGED_IN) &&
        logout(member, deadline) == CKR_OK)
        rv = login(member, user, pin, len, deadline);
    return rv;
}

/* The PIN itself was judged, and not accepted. */
static bool pin_refused(CK_RV rv)
{
    return rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LOCKED || rv == CKR_PIN_LEN_RANGE ||
           rv == CKR_PIN_INVALID || rv == CKR_PIN_EXPIRED || rv == CKR_USER_PIN_NOT_INITIALIZED;
}

/* The member's own PIN if it has one, else the application's. */
static CK_RV own_pin(struct member *member, uint8_t **pin, size_t *len)
{
    if (!member->config->pin_file)
        return CKR_OK;
    char *own = NULL;
    size_t own_len = 0;
    int r = file_read_secret(member->config->pin_file, 256, &own, &own_len);
    if (r != 0) {
        log_event(LOG_ERROR, "pin-source-unreadable", "member=%s file=%s error=%s", member->config->name,
                  member->config->pin_file, strerror(-r));
        return CKR_DEVICE_ERROR;
    }
    while (own_len > 0 && (own[own_len - 1] == '\n' || own[own_len - 1] == '\r'))
        own_len--;
    secret_free(*pin);
    *pin = (uint8_t *)own;
    *len = own_len;
    return CKR_OK;
}

static bool refused_before(struct member *member, const uint8_t *pin, size_t len)
{
    uint8_t mark[32];
    signon_mark(member->signon, pin, len, mark);
    lock_take(&member->lock);
    bool before = member->has_refused && memcmp(mark, member->refused, sizeof(mark)) == 0;
    lock_drop(&member->lock);
    return before;
}

static CK_RV sign_on_once(struct member *member, uint64_t deadline)
{
    CK_USER_TYPE user = CKU_USER;
    AUTO(secret_free) uint8_t *pin = NULL;
    size_t len = 0;
    uint64_t generation = 0;
    uint32_t epoch = member_epoch(member);
    CK_RV rv = signon_get(member->signon, &user, &pin, &len, &generation);
    if (rv != CKR_OK)
        return rv;
    rv = own_pin(member, &pin, &len);
    if (rv == CKR_OK && refused_before(member, pin, len)) {
        member_event(member, HEALTH_PIN_REFUSED, CKR_PIN_INCORRECT);
        return RV_PIN_REFUSED;
    }
    if (rv == CKR_OK)
        rv = login(member, user, pin, len, deadline);
    if (rv == CKR_USER_ALREADY_LOGGED_IN)
        rv = CKR_OK;
    if (rv == CKR_USER_ANOTHER_ALREADY_LOGGED_IN) {
        rv = login_anew(member, user, pin, len, deadline);
        epoch = member_epoch(member);
    }
    if (pin_refused(rv)) {
        uint8_t mark[32];
        signon_mark(member->signon, pin ? pin : (const uint8_t *)"", len, mark);
        lock_take(&member->lock);
        memcpy(member->refused, mark, sizeof(mark));
        member->has_refused = true;
        lock_drop(&member->lock);
        member_event(member, HEALTH_PIN_REFUSED, rv);
        return RV_PIN_REFUSED;
    }
    if (rv == CKR_OK) {
        lock_take(&member->lock);
        if (epoch == member_epoch(member)) {
            member->signed_on = generation;
            atomic_store(&member->proved, 0);
            atomic_store(&member->signed_in, generation == signon_generation(member->signon));
        }
        lock_drop(&member->lock);
        /* The application has logged out while this was under way, and passed this member by. */
        if (signon_generation(member->signon) == 0)
            member_sign_off(member, deadline);
    }
    return rv;
}

static bool await_turn_locked(struct member *member, uint64_t deadline)
{
    bool in_time = true;
    while (member->signing_on && in_time)
        in_time = cond_wait(&member->changed, &member->lock, deadline);
    return in_time;
}

static void give_turn(struct member *member)
{
    lock_take(&member->lock);
    member->signing_on = false;
    cond_wake_all(&member->changed);
    lock_drop(&member->lock);
}

CK_RV member_sign_on(struct member *member, uint64_t deadline)
{
    uint64_t generation = signon_generation(member->signon);
    if (generation == 0) {
        atomic_store(&member->signed_in, true);
        return CKR_OK;
    }
    lock_take(&member->lock);
    bool in_time = await_turn_locked(member, deadline);
    bool done = member->signed_on == generation;
    if (done)
        atomic_store(&member->signed_in, generation == signon_generation(member->signon));
    if (in_time && !done)
        member->signing_on = true;
    lock_drop(&member->lock);
    if (!in_time)
        return RV_NO_TIME;
    if (done)
        return CKR_OK;
    CK_RV rv = sign_on_once(member, deadline);
    give_turn(member);
    return rv;
}

static CK_RV try_pin(struct member *member, CK_USER_TYPE user, const uint8_t *pin, size_t len,
                     uint64_t deadline)
{
    if (member_state(member) == HEALTH_PIN_MISMATCH && refused_before(member, pin, len))
        return RV_PIN_REFUSED;
    if (member->config->pin_file) {
        /* Its PIN is its own: the application's is compared with it, which costs no attempt. */
        uint8_t *own = NULL;
        size_t own_len = 0;
        CK_RV rv = own_pin(member, &own, &own_len);
        bool same = rv == CKR_OK && own_len == len && secret_equal(own, pin, len);
        if (rv == CKR_OK)
            rv = same ? login_anew(member, user, own, own_len, deadline) : CKR_PIN_INCORRECT;
        secret_free(own);
        return rv;
    }
    return login_anew(member, user, pin, len, deadline);
}

/* One at a time with the keeper's sign-on: after a logout that passed it by, its late login would come
 * between our logout and login, and ours would be refused as the second one. */
CK_RV member_try_pin(struct member *member, CK_USER_TYPE user, const uint8_t *pin, size_t len,
                     uint64_t deadline)
{
    lock_take(&member->lock);
    bool in_time = await_turn_locked(member, deadline);
    if (in_time)
        member->signing_on = true;
    lock_drop(&member->lock);
    if (!in_time)
        return RV_NO_TIME;
    CK_RV rv = try_pin(member, user, pin, len, deadline);
    give_turn(member);
    return rv;
}

void member_sign_off(struct member *member, uint64_t deadline)
{
    lock_take(&member->lock);
    bool was = member->signed_on != 0;
    member->signed_on = 0;
    atomic_store(&member->proved, 0);
    lock_drop(&member->lock);
    if (was && health_alive(member_state(member)))
        (void)!logout(member, deadline);
}
