#include "member/health.h"

struct health health_new(uint64_t now)
{
    return (struct health){.state = HEALTH_DOWN,
                           .cause = CKR_TOKEN_NOT_PRESENT,
                           .since = now,
                           .next_probe = now,
                           .backoff = HEALTH_BACKOFF_MIN,
                           .good = HEALTH_RISE - 1};
}

static struct health enter(struct health health, enum health_state state, CK_RV cause, uint64_t now)
{
    if (health.state != state)
        health.since = now;
    health.state = state;
    health.cause = cause;
    return health;
}

/* Between 75 and 100 % of the back-off, then doubled for the next time. */
static struct health back_off(struct health health, uint64_t now, uint32_t random)
{
    uint64_t jitter = health.backoff / 4 * (random % 1024) / 1024;
    health.next_probe = now + health.backoff - jitter;
    health.backoff = health.backoff * 2 > HEALTH_BACKOFF_MAX ? HEALTH_BACKOFF_MAX : health.backoff * 2;
    return health;
}

static struct health fail(struct health health, CK_RV cause, uint64_t now, uint32_t random)
{
    bool was_alive = health_alive(health.state);
    health = enter(health, HEALTH_DOWN, cause, now);
    health.failed_at = now;
    health.slow_from = 0;
    health.good = 0;
    health.blames = 0;
    if (was_alive)
        health.backoff = HEALTH_BACKOFF_MIN;
    return back_off(health, now, random);
}

static struct health probe_good(struct health health, uint64_t now)
{
    switch (health.state) {
    case HEALTH_UP:
        health.next_probe = now + HEALTH_IDLE_PROBE;
        return health;
    case HEALTH_SUSPECT:
        /* Alive: but blames stay, so that one that keeps failing alone goes down at the third. */
        health = enter(health, HEALTH_UP, CKR_OK, now);
        health.next_probe = now + HEALTH_IDLE_PROBE;
        return health;
    case HEALTH_DOWN:
    case HEALTH_MISFIT:
        if (++health.good < HEALTH_RISE) {
            health.next_probe = now + HEALTH_RISE_PROBE;
            return health;
        }
        health = enter(health, HEALTH_CATCHING_UP, CKR_OK, now);
        health.next_probe = now;
        return health;
    default:
        return health;
    }
}

struct health health_step(struct health health, enum health_event event, CK_RV cause, uint64_t now,
                          uint32_t random)
{
    if (health.state == HEALTH_DRAINED && event != HEALTH_RESUME)
        return health;
    switch (event) {
    case HEALTH_TRANSPORT:
        return health.state == HEALTH_DOWN ? health : fail(health, cause, now, random);
    case HEALTH_BLAMED:
        if (!health_usable(health.state))
            return health;
        health.failed_at = now;
        if (++health.blames >= HEALTH_BLAMES_MAX)
            return fail(health, cause, now, random);
        health = enter(health, HEALTH_SUSPECT, cause, now);
        health.next_probe = now;
        return health;
    case HEALTH_WORKED:
        health.blames = 0;
        return health;
    case HEALTH_PROBE_GOOD:
        return probe_good(health, now);
    case HEALTH_PROBE_BAD:
        return fail(health, cause, now, random);
    case HEALTH_CAUGHT_UP:
        if (health.state != HEALTH_CATCHING_UP)
            return health;
        health = enter(health, HEALTH_UP, CKR_OK, now);
        health.slow_from = health.failed_at ? now : 0;
        health.backoff = HEALTH_BACKOFF_MIN;
        health.next_probe = now + HEALTH_IDLE_PROBE;
        return health;
    case HEALTH_SIGN_ON:
        if (!health_usable(health.state))
            return health;
        health = enter(health, HEALTH_CATCHING_UP, CKR_OK, now);
        health.next_probe = now;
        return health;
    case HEALTH_PIN_REFUSED:
        health = enter(health, HEALTH_PIN_MISMATCH, cause, now);
        health.next_probe = UINT64_MAX;
        return health;
    case HEALTH_NEW_PIN:
        if (health.state != HEALTH_PIN_MISMATCH)
            return health;
        health = enter(health, HEALTH_CATCHING_UP, CKR_OK, now);
        health.next_probe = now;
        return health;
    case HEALTH_UNFIT:
        health = enter(health, HEALTH_MISFIT, cause, now);
        health.good = 0;
        health.failed_at = now;
        return back_off(health, now, random);
    case HEALTH_DRAIN:
        health = enter(health, HEALTH_DRAINED, CKR_OK, now);
        health.next_probe = UINT64_MAX;
        return health;
    case HEALTH_RESUME:
        if (health.state != HEALTH_DRAINED)
            return health;
        health = enter(health, HEALTH_DOWN, CKR_OK, now);
        health.good = HEALTH_RISE - 1;
        health.next_probe = now;
        return health;
    }
    return health;
}

double health_ramp(uint64_t slow_from, uint64_t now)
{
    if (slow_from == 0 || now >= slow_from + HEALTH_SLOW_START)
        return 1.0;
    double part = now <= slow_from ? 0.0 : (double)(now - slow_from) / (double)HEALTH_SLOW_START;
    return part < 0.1 ? 0.1 : part;
}

static const char *const names[HEALTH_STATES] = {
    [HEALTH_UP] = "up",           [HEALTH_SUSPECT] = "suspect",
    [HEALTH_DOWN] = "down",       [HEALTH_CATCHING_UP] = "catching-up",
    [HEALTH_DRAINED] = "drained", [HEALTH_PIN_MISMATCH] = "pin-mismatch",
    [HEALTH_MISFIT] = "misfit",
};

const char *health_name(enum health_state state)
{
    return names[state];
}
