/*
 * conform MODULE TOKEN [PART]: the record of all cases, or of the chapters whose name begins with PART, on
 * standard output. CONFORM_PIN, CONFORM_SO_PIN and CONFORM_INIT (pReserved) are in the environment, and
 * CONFORM_CRASHES if the module may crash: the case behind which to begin, or nothing. The same
 * program runs on a bare token and on p11ha over several; test/conform/compare.sh compares.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

static const struct {
    const char *name;
    void (*run)(void);
} chapters[] = {
    {"general", chapter_general},
    {"every", chapter_every},
    {"slot", chapter_slot},
    {"session", chapter_session},
    {"login", chapter_login},
    {"object", chapter_object},
    {"attribute", chapter_attribute},
    {"class", chapter_class},
    {"find", chapter_find},
    {"order", chapter_order},
    {"mechanism", chapter_mechanism},
    {"recover", chapter_recover},
    {"dual", chapter_dual},
    {"state", chapter_state},
    {"generate", chapter_generate},
    {"wrap", chapter_wrap},
    {"derive", chapter_derive},
    {"random", chapter_random},
    {"v30", chapter_v30},
    {"message", chapter_message},
    {"v32", chapter_v32},
    {"pin", chapter_pin},
};

int main(int argc, char **argv)
{
    char *pin = getenv("CONFORM_PIN"), *so_pin = getenv("CONFORM_SO_PIN");
    const char *part = argc == 4 ? argv[3] : "";
    if (argc < 3 || argc > 4 || !pin || !so_pin) {
        fprintf(stderr, "usage: CONFORM_PIN=... CONFORM_SO_PIN=... conform MODULE TOKEN [PART]\n");
        return 2;
    }
    if (getenv("CONFORM_CRASHES"))
        world_expect_crashes(getenv("CONFORM_CRASHES"));
    world_load(argv[1], argv[2], pin, so_pin, getenv("CONFORM_INIT"));
    for (size_t i = 0; i < ARRAY_LEN(chapters); i++)
        if (strncmp(chapters[i].name, part, strlen(part)) == 0)
            chapters[i].run();
    world_unload();
    fprintf(stderr, "%u cases\n", record_count());
    return 0;
}
