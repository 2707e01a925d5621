#include "replica/ceremony.h"

#include <errno.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "call/names.h"
#include "call/rv.h"
#include "replica/create.h"
#include "replica/keyring.h"
#include "replica/store.h"
#include "router/route.h"

#define TRANSPORT_LABEL "p11ha transport key"
#define TRANSPORT_BITS  2048

struct run {
    const struct ceremony *plan;
    struct group *group;
    struct vault_meta meta;
    uint8_t *master, *kek, *seal;
    uint64_t placed; /* members (bits) that have the keys of this run */
    bool shares, vault;
    char **why;
};

static void step(const struct run *run, const char *what)
{
    if (run->plan->progress)
        run->plan->progress(run->plan->ctx, what);
}

static CK_RV fail(struct run *run, CK_RV rv, const char *format, const char *where, const char *detail)
{
    if (!*run->why)
        *run->why = mem_printf(format, where, detail);
    return rv;
}

static CK_RV fail_member(struct run *run, CK_RV rv, const struct member *member, const char *what)
{
    struct name_buf buf;
    const char *trouble = instance_trouble(member->instance);
    if (!*run->why)
        *run->why = mem_printf("member %s: %s: %s%s%s", member->config->name, what, route_rv_name(rv, &buf),
                               *trouble ? ": " : "", trouble);
    return rv;
}

/* Every member must be there: a member that is missing now could only be added later, with shares. */
static CK_RV connect_all(struct run *run)
{
    const struct ceremony *plan = run->plan;
    uint64_t deadline = clock_after(plan->group->call_timeout);
    group_wait_first(run->group, deadline);
    for (unsigned i = 0; i < run->group->count; i++)
        if (!health_usable(member_state(run->group->member[i])))
            return fail_member(run, run->group->member[i]->health.cause, run->group->member[i],
                               "it cannot be reached");
    CK_RV rv = group_login(run->group, CKU_USER, plan->pin, plan->pin_len);
    if (rv != CKR_OK)
        return fail_member(run, rv, run->group->member[0], "the PIN was not accepted");
    for (unsigned i = 0; i < run->group->count && rv == CKR_OK; i++) {
        struct member *member = run->group->member[i];
        rv = member_sign_on(member, deadline);
        if (rv != CKR_OK)
            return fail_member(run, rv, member, "the PIN was not accepted");
    }
    return CKR_OK;
}

static struct remote remote_of(const struct run *run, unsigned i)
{
    return remote_to(run->group->member[i], clock_after(run->plan->group->call_timeout));
}

static CK_RV refuse_old_keys(struct run *run)
{
    static const char *const labels[] = {KEYRING_LABEL_KEK, KEYRING_LABEL_SEAL};
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    for (unsigned i = 0; i < run->group->count; i++)
        for (size_t k = 0; k < ARRAY_LEN(labels); k++) {
            CK_ATTRIBUTE templ[] = {{CKA_CLASS, &class, sizeof(class)},
                                    {CKA_LABEL, (void *)(uintptr_t)labels[k], strlen(labels[k])}};
            CK_OBJECT_HANDLE found[1];
            size_t count = 0;
            CK_RV rv = remote_find(remote_of(run, i), templ, ARRAY_LEN(templ), found, 1, &count);
            if (rv != CKR_OK && rv != CKR_BUFFER_TOO_SMALL)
                return fail_member(run, rv, run->group->member[i], "its objects cannot be listed");
            if (rv == CKR_BUFFER_TOO_SMALL || count > 0)
                return fail(run, CKR_FUNCTION_REJECTED,
                            "member %s: it has a \"%s\" already, so it belongs to a group; use an empty "
                            "token, or delete that "
                            "key if the group is no more",
                            run->group->member[i]->config->name, labels[k]);
        }
    return CKR_OK;
}

static CK_RV make_secrets(struct run *run)
{
    struct vault_meta *meta = &run->meta;
    const struct config_group *config = run->plan->group;
    bool good = RAND_bytes(meta->group, UUID_LEN) == 1 &&
                RAND_bytes(meta->kek_id, sizeof(meta->kek_id)) == 1 &&
                RAND_bytes(meta->seal_id, sizeof(meta->seal_id)) == 1;
    strncpy(meta->label, config->label, sizeof(meta->label) - 1);
    meta->kek = 1;
    meta->threshold = run->plan->threshold;
    meta->shares = (unsigned)run->plan->custodians;
    meta->created = clock_wall();
    run->master = good ? master_new() : NULL;
    if (!run->master || master_derive(run->master, meta->group, "group key", meta->kek, &run->kek) != 0 ||
        master_derive(run->master, meta->group, "seal key", meta->kek, &run->seal) != 0 ||
        keyring_checks(run->kek, run->seal, meta) != CKR_OK)
        return fail(run, CKR_FUNCTION_FAILED, "%s: %s", "OpenSSL", "the master secret could not be made");
    return CKR_OK;
}

static CK_RV place_keys(struct run *run)
{
    struct keyring keyring;
    CK_RV rv = keyring_init(&keyring, &run->meta, run->group->count);
    if (rv != CKR_OK)
        return rv;
    for (unsigned i = 0; i < run->group->count && rv == CKR_OK; i++) {
        run->placed |= UINT64_C(1) << i;
        rv = keyring_place(remote_of(run, i), &run->meta, run->kek, run->seal);
        if (rv == CKR_OK)
            rv = keyring_prove(&keyring, remote_of(run, i));
        if (rv != CKR_OK)
            (void)fail_member(run, rv, run->group->member[i],
                              rv == RV_MISFIT
                                  ? "it has no AES key wrap by RFC 5649, so keys cannot travel to it"
                                  : "the group's keys could not be put there");
    }
    keyring_end(&keyring);
    return rv;
}

static void remove_keys(struct run *run)
{
    const uint8_t *const ids[] = {run->meta.kek_id, run->meta.seal_id};
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    for (unsigned i = 0; i < run->group->count; i++)
        for (size_t k = 0; k < ARRAY_LEN(ids) && run->placed & UINT64_C(1) << i; k++) {
            CK_ATTRIBUTE templ[] = {{CKA_CLASS, &class, sizeof(class)},
                                    {CKA_ID, (void *)(uintptr_t)ids[k], 16}};
            CK_OBJECT_HANDLE found[1];
            size_t count = 0;
            if (remote_find(remote_of(run, i), templ, ARRAY_LEN(templ), found, 1, &count) == CKR_OK &&
                count == 1)
                (void)!remote_destroy(remote_of(run, i), found[0]);
        }
}

/* The first record: an RSA pair whose private half unwraps, on every member, what AES key wrap would pad. */
static CK_RV make_transport_key(struct managed *managed)
{
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ULONG bits = TRANSPORT_BITS;
    CK_BYTE exponent[] = {1, 0, 1};
    CK_ATTRIBUTE public[] = {{CKA_TOKEN, &no, sizeof(no)},
                             {CKA_WRAP, &yes, sizeof(yes)},
                             {CKA_MODULUS_BITS, &bits, sizeof(bits)},
                             {CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent)}};
    CK_ATTRIBUTE private[] = {{CKA_TOKEN, &yes, sizeof(yes)},
                              {CKA_PRIVATE, &yes, sizeof(yes)},
                              {CKA_SENSITIVE, &yes, sizeof(yes)},
                              {CKA_EXTRACTABLE, &no, sizeof(no)},
                              {CKA_UNWRAP, &yes, sizeof(yes)},
                              {CKA_SIGN, &no, sizeof(no)},
                              {CKA_DECRYPT, &no, sizeof(no)},
                              {CKA_SIGN_RECOVER, &no, sizeof(no)},
                              {CKA_ID, (void *)(uintptr_t)vault_meta(managed->vault)->group, UUID_LEN},
                              {CKA_LABEL, (void *)(uintptr_t)TRANSPORT_LABEL, sizeof(TRANSPORT_LABEL) - 1}};
    CK_ATTRIBUTE tryout[ARRAY_LEN(private)];
    memcpy(tryout, private, sizeof(private));
    tryout[0].pValue = &no;
    tryout[3].pValue = &yes;
    CK_MECHANISM mech = {.mechanism = CKM_RSA_PKCS_KEY_PAIR_GEN};
    struct making making[2] = {{.asked = public, .count = ARRAY_LEN(public)},
                               {.asked = private, .count = ARRAY_LEN(private), .token = true}};
    struct frame *frame = frame_new(VERB_GENERATE_PAIR,
                                    frame_room_templ(public, ARRAY_LEN(public)) +
                                        frame_room_templ(tryout, ARRAY_LEN(tryout)) + frame_room_mech(&mech),
                                    0);
    if (!frame)
        return CKR_HOST_MEMORY;
    frame_set_mech(frame, &mech);
    frame_set_templ(frame, 0, public, ARRAY_LEN(public));
    frame_set_templ(frame, 1, tryout, ARRAY_LEN(tryout));
    struct creation creation = {.frame = frame,
                                .work = WORK_KEYGEN,
                                .mech = mech.mechanism,
                                .making = {&making[0], &making[1]},
                                .makings = 2,
                                .flags = RECORD_INTERNAL,
                                .timeout = managed->group->config->keygen_timeout};
    CK_OBJECT_HANDLE made[2];
    CK_RV rv = create_objects(managed, &creation, made);
    making_end(&making[0]);
    making_end(&making[1]);
    return rv;
}

static CK_RV first_record(struct run *run)
{
    struct instances instances = {.count = 0};
    struct store *store = NULL;
    char *why = NULL;
    CK_RV rv = store_new(run->plan->group, &instances, &store, &why);
    if (rv != CKR_OK) {
        (void)fail(run, rv, "%s: %s", run->plan->group->vault, why ? why : "the group cannot be started");
        mem_free(why);
        return rv;
    }
    struct group *group = store_group(store);
    group_wait_first(group, clock_after(group->config->call_timeout));
    rv = group_login(group, CKU_USER, run->plan->pin, run->plan->pin_len);
    if (rv == CKR_OK)
        rv = make_transport_key(store_managed(store));
    struct name_buf buf;
    if (rv != CKR_OK)
        (void)fail(run, rv, "group %s: its transport key could not be made: %s", group->config->name,
                   route_rv_name(rv, &buf));
    if (store_stop(store, clock_after(group->config->call_timeout))) {
        store_free(store);
        instances_free(&instances, true);
    }
    return rv;
}

static CK_RV run_steps(struct run *run)
{
    const struct ceremony *plan = run->plan;
    step(run, "reaching every member");
    CK_RV rv = connect_all(run);
    if (rv == CKR_OK)
        rv = refuse_old_keys(run);
    if (rv == CKR_OK)
        rv = make_secrets(run);
    if (rv != CKR_OK)
        return rv;
    step(run, "putting the group's keys on every member");
    rv = place_keys(run);
    if (rv != CKR_OK)
        return rv;
    step(run, "writing the custodians' shares");
    if (shares_write(run->master, run->meta.group, plan->custodian, plan->custodians, plan->threshold,
                     plan->shares_dir, run->why) != 0)
        return CKR_FUNCTION_FAILED;
    run->shares = true;
    step(run, "making the vault");
    int r = vault_create(plan->group->vault, &run->meta);
    if (r != 0)
        return fail(run, CKR_FUNCTION_FAILED, "vault %s: %s", plan->group->vault,
                    r == -EEXIST ? "it exists already" : vault_error());
    run->vault = true;
    return CKR_OK;
}

static void wipe(struct run *run)
{
    secret_free(run->master);
    secret_free(run->kek);
    secret_free(run->seal);
    run->master = run->kek = run->seal = NULL;
}

static void undo(struct run *run)
{
    remove_keys(run);
    if (run->vault)
        unlink(run->plan->group->vault);
    for (size_t i = 0; run->shares && i < run->plan->custodians; i++) {
        char *file = mem_printf("%s/%s.share.p7m", run->plan->shares_dir, run->plan->custodian[i].name);
        if (file)
            unlink(file);
        mem_free(file);
    }
}

CK_RV ceremony_run(const struct ceremony *ceremony, char **ret_why)
{
    struct run run = {.plan = ceremony, .why = ret_why};
    struct instances instances = {.count = 0};
    *ret_why = NULL;
    CK_RV rv = group_new(ceremony->group, &instances, &run.group);
    if (rv != CKR_OK)
        return rv;
    struct group_hooks hooks = {.ctx = NULL};
    rv = group_start(run.group, &hooks);
    if (rv == CKR_OK)
        rv = run_steps(&run);
    wipe(&run);
    if (rv == CKR_OK) {
        step(&run, "making the transport key");
        rv = first_record(&run);
    }
    if (rv != CKR_OK)
        undo(&run);
    group_logout(run.group, clock_after(ceremony->group->call_timeout));
    if (group_stop(run.group, clock_after(ceremony->group->call_timeout))) {
        group_free(run.group);
        instances_free(&instances, true);
    }
    return rv;
}
