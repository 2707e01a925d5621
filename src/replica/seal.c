#include "replica/seal.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "call/rv.h"
#include "router/route.h"

#define WRITE_TRIES 50 /* other writers that were first */

CK_RV seal_compute(struct managed *managed, const struct remote *on, const uint8_t digest[32],
                   uint64_t deadline, uint8_t ret[SEAL_LEN])
{
    if (!group_logged_in(managed->group))
        return CKR_USER_NOT_LOGGED_IN;
    if (on)
        return keyring_mac(&managed->keyring, *on, digest, ret);
    CK_MECHANISM mech = {.mechanism = CKM_SHA256_HMAC};
    struct frame *frame = frame_new(VERB_CRYPT, frame_room(32), SEAL_LEN);
    if (!frame)
        return CKR_HOST_MEMORY;
    frame->kind = OP_SIGN;
    frame->steps = STEP_INIT | STEP_SINGLE;
    frame_set_mech(frame, &mech);
    frame_set_in(frame, 0, digest, 32);
    struct route route;
    route_init(&route, frame, WORK_SYMMETRIC, deadline);
    route.key[0] = managed->keyring.seal;
    CK_RV rv = route_run(managed->group, &route);
    if (rv == CKR_OK && route.frame->out_len == SEAL_LEN)
        memcpy(ret, route.frame->out, SEAL_LEN);
    else if (rv == CKR_OK)
        rv = CKR_DEVICE_ERROR;
    frame_unref(route.frame);
    return rv;
}

void seal_refuse(struct managed *managed, const uint8_t uuid[UUID_LEN], uint64_t seq)
{
    char text[37];
    uuid_text(uuid, text);
    log_event(LOG_ERROR, "record-refused", "group=%s record=%s seq=%llu why=%s", managed->group->config->name,
              text, (unsigned long long)seq, "its seal is wrong: the vault file was changed by someone else");
    (void)!vault_note_refused(managed->vault, uuid, seq);
}

CK_RV seal_check(struct managed *managed, const struct remote *on, const struct record *record,
                 uint64_t deadline)
{
    uint8_t digest[32], seal[SEAL_LEN];
    if (record->state != 0) {
        if (record_digest(record, vault_meta(managed->vault)->group, digest) != 0)
            return CKR_HOST_MEMORY;
        CK_RV rv = seal_compute(managed, on, digest, deadline, seal);
        if (rv != CKR_OK)
            return rv;
        if (secret_equal(seal, record->seal, SEAL_LEN))
            return CKR_OK;
    }
    seal_refuse(managed, record->uuid, record->seq);
    return RV_GONE;
}

static CK_RV trouble(struct managed *managed, const char *what, int error)
{
    log_event(LOG_ERROR, "vault-write-failed", "group=%s vault=%s step=%s error=%s said=%s",
              managed->group->config->name, vault_path(managed->vault), what, strerror(-error),
              vault_error());
    return CKR_DEVICE_ERROR;
}

static CK_RV write_once(struct managed *managed, struct record *record, uint64_t deadline, bool *ret_again)
{
    uint64_t head = 0;
    uint8_t digest[32];
    int r = vault_head(managed->vault, &head);
    if (r != 0)
        return trouble(managed, "head", r);
    record->seq = head + 1;
    if (record_digest(record, vault_meta(managed->vault)->group, digest) != 0)
        return CKR_HOST_MEMORY;
    CK_RV rv = seal_compute(managed, NULL, digest, deadline, record->seal);
    if (rv != CKR_OK)
        return rv;
    r = vault_write(managed->vault, record, managed->owner);
    *ret_again = r == -EAGAIN;
    if (r == -ESTALE)
        return RV_GONE;
    return r == 0 || r == -EAGAIN ? CKR_OK : trouble(managed, "write", r);
}

CK_RV seal_write(struct managed *managed, struct record *record, uint64_t deadline)
{
    record->changed = clock_wall();
    for (unsigned i = 0; i < WRITE_TRIES; i++) {
        bool again = false;
        CK_RV rv = write_once(managed, record, deadline, &again);
        if (rv != CKR_OK || !again)
            return rv;
    }
    return trouble(managed, "write", -EBUSY);
}

void seal_written(struct managed *managed, const struct record *record, uint64_t members)
{
    const char *name[CONFIG_MEMBERS_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < managed->group->count; i++)
        if (members & UINT64_C(1) << i)
            name[count++] = managed->group->member[i]->config->name;
    int r = count ? vault_applied(managed->vault, record->seq, name, count) : 0;
    if (r == 0)
        r = vault_placed(managed->vault, record->seq, managed->owner);
    /* Nothing is lost: catch-up looks at the record again and finds it applied. */
    if (r != 0)
        (void)trouble(managed, "applied", r);
}
