#include "replica/rescue.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "call/rv.h"
#include "replica/proof.h"
#include "replica/transient.h"
#include "replica/wrap.h"
#include "router/route.h"

/* Whoever makes keys faster than members wrap them does it himself: his keys are recoverable all the same. */
#define BACKLOG 256

struct rescue_job {
    struct member_job job;
    struct managed *managed;
    struct object *object;
    uint32_t epoch;
};

void rescue_expect(struct recipe *recipe)
{
    atomic_store(&recipe->rescuing, true);
}

static CK_RV wrap_it(struct managed *managed, struct object *object, struct remote remote,
                     struct record *record)
{
    CK_OBJECT_HANDLE real;
    if (!object_replica(object, remote.member->index, remote.epoch, &real))
        return RV_NOT_HERE;
    CK_RV rv = catalog_attrs(managed->group->catalog, object, &record->attrs);
    if (rv == CKR_OK)
        rv = attrs_copy(&record->public_part, &recipe_of(object)->public_part);
    if (rv == CKR_OK)
        rv = proof_choose(&record->attrs, &record->proof_kind, &record->proof_mech);
    if (rv == CKR_OK)
        rv = wrap_key(managed, remote, real, record);
    return rv == CKR_OK ? proof_make(remote, real, record) : rv;
}

/* Where it was made it need not be extractable any longer than that. */
static void lock_up(struct object *object, struct remote remote, const struct record *record)
{
    CK_BBOOL no = CK_FALSE;
    CK_ATTRIBUTE templ = {CKA_EXTRACTABLE, &no, sizeof(no)};
    CK_OBJECT_HANDLE real;
    if (!attrs_bool(&record->attrs, CKA_EXTRACTABLE, true) && !atomic_load(&object->gone) &&
        object_replica(object, remote.member->index, remote.epoch, &real))
        (void)!remote_set(remote, real, &templ, 1);
}

static void rescue(struct managed *managed, struct object *object, struct remote remote)
{
    struct recipe *recipe = recipe_of(object);
    struct record record = {.state = RECORD_LIVE, .version = 1};
    CK_RV rv = wrap_it(managed, object, remote, &record);
    if (rv == CKR_OK) {
        recipe->record = record;
        atomic_store(&recipe->sort, RECIPE_RECORD);
        atomic_store(&object->pinned, -1);
        lock_up(object, remote, &record);
        return;
    }
    struct name_buf buf;
    record_end(&record);
    log_event(LOG_DEBUG, "session-key-pinned", "group=%s member=%s answer=%s", managed->group->config->name,
              remote.member->config->name, route_rv_name(rv, &buf));
}

static void run_job(struct member_job *job, struct member *member)
{
    struct rescue_job *own = container_of(job, struct rescue_job, job);
    struct object *object = own->object;
    atomic_fetch_sub(&own->managed->rescues, 1);
    uint64_t deadline = clock_after(member->group->call_timeout);
    struct remote remote = {member, deadline, own->epoch};
    bool wanted = !atomic_load(&object->gone) || atomic_load(&object->descendants) > 0;
    if (wanted && own->epoch == member_epoch(member))
        rescue(own->managed, object, remote);
    atomic_store(&recipe_of(object)->rescuing, false);
    if (atomic_load(&object->gone))
        transient_remove(object, member, deadline);
    object_unref(object);
    mem_free(own);
}

void rescue_begin(struct managed *managed, struct object *object, struct member *home, uint32_t epoch)
{
    struct rescue_job *own = mem_new(1, sizeof(*own));
    if (!own) {
        atomic_store(&recipe_of(object)->rescuing, false);
        return;
    }
    own->managed = managed;
    own->object = object_ref(object);
    own->epoch = epoch;
    own->job.run = run_job;
    if (atomic_fetch_add(&managed->rescues, 1) >= BACKLOG)
        run_job(&own->job, home);
    else
        member_post(home, &own->job);
}
