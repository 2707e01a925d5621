#include "router/next.h"

#include "base/clock.h"
#include "router/pick.h"

/* A member that has just failed has its first probes in that time: when all have, a call waits for them. */
#define RECOVERY (3 * NS_PER_S)
/* An attempt may take that many times the usual latency, beyond its share, but not more than half of what is
 * left: the others may be the ones that work. */
#define SHARE_PATIENCE 8

static uint32_t random_cheap(void)
{
    static _Thread_local uint32_t state;
    if (state == 0)
        state = (uint32_t)clock_now() | 1;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

/* May it be asked at all, health aside? */
static bool eligible(const struct route *route, const struct tried *tried, const struct member *member)
{
    unsigned i = member->index;
    if ((tried->members | route->avoid) & route_bit(i) || (route->only >= 0 && (unsigned)route->only != i))
        return false;
    for (unsigned k = 0; k < route_keys(route); k++) {
        const struct object *key = route->key[k];
        int pinned = key ? atomic_load_explicit(&key->pinned, memory_order_relaxed) : -1;
        if (pinned >= 0 && (unsigned)pinned != i)
            return false;
    }
    if (route->mech == CK_UNAVAILABLE_INFORMATION)
        return true;
    const CK_MECHANISM_INFO *info = member_mechanism(member, route->mech);
    return info && (info->flags & route->flags) == route->flags;
}

static struct candidate candidate_of(const struct route *route, const struct tried *tried,
                                     struct member *member, uint64_t now)
{
    const struct latency *latency = &member->latency;
    return (struct candidate){
        .usable = health_usable(member_state(member)) && eligible(route, tried, member),
        .tier = member->config->tier,
        .weight = member->config->weight *
                  health_ramp(atomic_load_explicit(&member->slow_from, memory_order_relaxed), now),
        .ewma = (double)latency_now(latency, route->work, now),
        .outstanding = atomic_load_explicit(&latency->outstanding, memory_order_relaxed),
        .probing = atomic_load_explicit(&latency->work[route->work].probing, memory_order_relaxed) > 0,
        .full = atomic_load_explicit(&latency->full_until, memory_order_relaxed) > now,
    };
}

/* A session object among the keys that is used too seldom to be brought elsewhere. */
static bool stays_at_home(const struct route *route)
{
    for (unsigned k = 0; k < route_keys(route); k++) {
        struct object *key = route->key[k];
        if (key && !object_base(key)->token &&
            atomic_load_explicit(&object_base(key)->uses, memory_order_relaxed) < ROUTE_USES_AT_HOME)
            return true;
    }
    return false;
}

static bool is_at_home(const struct route *route, const struct member *member)
{
    CK_OBJECT_HANDLE real;
    for (unsigned k = 0; k < route_keys(route); k++) {
        struct object *key = route->key[k];
        if (key && !object_base(key)->token &&
            !object_replica(object_base(key), member->index, member_epoch(member), &real))
            return false;
    }
    return true;
}

/* Of those that could be used only those count where the session objects are, if there is one. */
static void prefer_home(struct group *group, const struct route *route, struct candidate *candidate)
{
    bool home[CONFIG_MEMBERS_MAX], any = false;
    for (unsigned i = 0; i < group->count; i++) {
        home[i] = candidate[i].usable && is_at_home(route, group->member[i]);
        any = any || home[i];
    }
    for (unsigned i = 0; any && i < group->count; i++)
        candidate[i].usable = home[i];
}

static int choose(struct group *group, const struct route *route, const struct tried *tried, uint64_t now,
                  unsigned *ret_usable)
{
    struct candidate candidate[CONFIG_MEMBERS_MAX];
    *ret_usable = 0;
    for (unsigned i = 0; i < group->count; i++) {
        candidate[i] = candidate_of(route, tried, group->member[i], now);
        *ret_usable += candidate[i].usable;
    }
    if (stays_at_home(route))
        prefer_home(group, route, candidate);
    return pick_member(candidate, group->count, random_cheap());
}

/* Somebody is on the way up who could do it. */
static bool somebody_comes(struct group *group, const struct route *route, const struct tried *tried)
{
    for (unsigned i = 0; i < group->count; i++)
        if (member_state(group->member[i]) == HEALTH_CATCHING_UP && eligible(route, tried, group->member[i]))
            return true;
    return false;
}

/* Nobody is up: the least recently failed one is tried anyway, if it was ever there. */
static int choose_in_panic(struct group *group, const struct route *route, const struct tried *tried)
{
    int best = PICK_NONE;
    uint64_t best_at = 0;
    for (unsigned i = 0; i < group->count; i++) {
        struct member *member = group->member[i];
        if (member_state(member) != HEALTH_DOWN || member_epoch(member) == 0 ||
            !eligible(route, tried, member))
            continue;
        member_probe_soon(member);
        uint64_t at = atomic_load(&member->failed_at);
        if (best == PICK_NONE || at < best_at) {
            best = (int)i;
            best_at = at;
        }
    }
    return best;
}

/* How long this attempt may take, so that the others still have their turn inside the call's deadline. */
static uint64_t share_of(const struct route *route, const struct member *member, unsigned usable,
                         uint64_t now)
{
    if (route->deadline == CLOCK_NEVER || now >= route->deadline || usable <= 1)
        return route->deadline;
    uint64_t left = route->deadline - now;
    uint64_t share = left / usable;
    uint64_t patience = SHARE_PATIENCE * latency_now(&member->latency, route->work, now);
    if (patience > share)
        share = patience < left / 2 ? patience : left / 2;
    return now + share;
}

/* Among whom the time is shared when nobody is up: all who are left. */
static unsigned count_eligible(struct group *group, const struct route *route, const struct tried *tried)
{
    unsigned count = 0;
    for (unsigned i = 0; i < group->count; i++)
        count += eligible(route, tried, group->member[i]);
    return count;
}

/* Those of the failed that may be back any moment; until when that can be hoped. */
static uint64_t recovering(struct group *group, const struct route *route, const struct tried *tried,
                           uint64_t *ret_until)
{
    struct tried anew = {.members = tried->members & tried->forgiven};
    uint64_t who = 0, now = clock_now();
    *ret_until = 0;
    for (unsigned i = 0; i < group->count; i++) {
        struct member *member = group->member[i];
        uint64_t until = atomic_load(&member->since) + RECOVERY;
        if (member_state(member) != HEALTH_DOWN || member_epoch(member) == 0 || until <= now ||
            !eligible(route, &anew, member))
            continue;
        who |= route_bit(i);
        if (until > *ret_until)
            *ret_until = until;
    }
    return who;
}

/* They failed in this call, but have come back since. Once: it may be the request that they fail of. */
static void forgive(struct group *group, struct tried *tried, uint64_t who)
{
    for (unsigned i = 0; i < group->count; i++)
        if (who & ~tried->forgiven & route_bit(i) && member_state(group->member[i]) != HEALTH_DOWN) {
            tried->members &= ~route_bit(i);
            tried->forgiven |= route_bit(i);
        }
}

/* Who is next: a usable one; else one that comes up in time; else whoever failed longest ago; and when all
 * have failed just now, who recovers first. */
static int await_one(struct group *group, const struct route *route, struct tried *tried,
                     unsigned *ret_usable)
{
    for (;;) {
        uint32_t seen = atomic_load(&group->changes);
        uint64_t until = route->deadline, who = 0;
        int i = choose(group, route, tried, clock_now(), ret_usable);
        if (i != PICK_NONE)
            return i;
        if (!somebody_comes(group, route, tried)) {
            i = choose_in_panic(group, route, tried);
            who = i == PICK_NONE ? recovering(group, route, tried, &until) : 0;
            if (i != PICK_NONE || who == 0)
                return i;
        }
        if (!group_wait(group, seen, until < route->deadline ? until : route->deadline))
            return PICK_NONE;
        forgive(group, tried, who);
    }
}

struct member *next_member(struct group *group, const struct route *route, struct tried *tried,
                           uint64_t *ret_deadline)
{
    unsigned usable = 0;
    int i = await_one(group, route, tried, &usable);
    if (i == PICK_NONE)
        return NULL;
    if (usable == 0)
        usable = count_eligible(group, route, tried);
    *ret_deadline = share_of(route, group->member[i], usable, clock_now());
    return group->member[i];
}
