/* Random numbers. */
#include <string.h>

#include "world.h"

static void generate(const void *arg)
{
    (void)arg;
    CK_BYTE one[64] = {0}, two[64] = {0};
    DO(GenerateRandom, world.session, one, sizeof(one));
    DO(GenerateRandom, world.session, two, sizeof(two));
    record_say("differ:%d", memcmp(one, two, sizeof(one)) != 0);
}

static void generate_none(const void *arg)
{
    (void)arg;
    CK_BYTE one[4] = {7, 7, 7, 7};
    DO(GenerateRandom, world.session, one, 0);
    record_say("untouched:%d", one[0] == 7);
}

static void generate_much(const void *arg)
{
    (void)arg;
    static CK_BYTE much[200000];
    size_t zero = 0;
    DO(GenerateRandom, world.session, much, sizeof(much));
    for (size_t i = 0; i < sizeof(much); i++)
        zero += much[i] == 0;
    record_say("even:%d", zero > 500 && zero < 1100);
}

static void generate_null(const void *arg)
{
    (void)arg;
    DO(GenerateRandom, world.session, NULL, 8);
    DO(GenerateRandom, world.session, NULL, 0);
}

static void seed(const void *arg)
{
    (void)arg;
    CK_BYTE bytes[32] = "as random as can be expected";
    DO(SeedRandom, world.session, bytes, sizeof(bytes));
}

static void seed_none(const void *arg)
{
    (void)arg;
    CK_BYTE bytes[1] = {0};
    DO(SeedRandom, world.session, bytes, 0);
    DO(SeedRandom, world.session, NULL, 8);
}

static void while_running(const void *arg)
{
    (void)arg;
    CK_BYTE bytes[8];
    CK_MECHANISM mech = {CKM_SHA256, NULL, 0};
    DO(DigestInit, world.session, &mech);
    DO(GenerateRandom, world.session, bytes, sizeof(bytes));
    DO(SeedRandom, world.session, bytes, sizeof(bytes));
    DO(DigestUpdate, world.session, bytes, sizeof(bytes));
}

void chapter_random(void)
{
    static const struct test tests[] = {
        {"C_GenerateRandom", "success", SETUP_USER, generate},
        {"C_GenerateRandom", "without-login", SETUP_RO, generate},
        {"C_GenerateRandom", "none", SETUP_USER, generate_none},
        {"C_GenerateRandom", "much", SETUP_USER, generate_much},
        {"C_GenerateRandom", "null", SETUP_USER, generate_null},
        {"C_GenerateRandom", "while-running", SETUP_USER, while_running},
        {"C_SeedRandom", "success", SETUP_USER, seed},
        {"C_SeedRandom", "without-login", SETUP_RO, seed},
        {"C_SeedRandom", "none", SETUP_USER, seed_none},
    };
    world_run_all("random", tests, ARRAY_LEN(tests));
}
