/* A vault in a folder of its own, for the tests of src/vault. */
#ifndef TEST_VAULT_RIG_H
#define TEST_VAULT_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "vault/sqlite.h"

static const struct vault_meta meta = {.group = "group-group-grou",
                                       .label = "signing",
                                       .kek = 3,
                                       .kek_id = "kek-kek-kek-kek-",
                                       .seal_id = "seal-seal-seal-s",
                                       .kek_check = "kek-check",
                                       .seal_check = "seal-check",
                                       .threshold = 2,
                                       .shares = 3,
                                       .created = 1700000000};
static char dir[32], path[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/p11ha-vault-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/v.db", dir);
    return vault_create(path, &meta);
}

static int tear_down(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static struct vault *opened(void)
{
    struct vault *vault = NULL;
    char *why = NULL;

    if (vault_open(path, &vault, &why) != 0)
        fail_msg("%s", why);
    assert_null(why);
    return vault;
}

/* Object number n; not sealed in truth: nothing here looks at seals. */
static void record_make(struct record *r, uint32_t n, uint64_t version)
{
    *r = (struct record){.version = version, .state = RECORD_LIVE, .wrap = WRAP_KWP};
    memcpy(r->uuid, &n, sizeof n);
    assert_int_equal(attrs_set_ulong(&r->attrs, CKA_CLASS, CKO_SECRET_KEY), CKR_OK);
    assert_int_equal(attrs_set(&r->attrs, CKA_LABEL, &n, sizeof n), CKR_OK);
    r->wrapped = mem_dup("WRAPPED-MATERIAL", 16);
    assert_non_null(r->wrapped);
    r->wrapped_len = 16;
    memset(r->seal, 0x77, SEAL_LEN);
}

/* As any writer does: again with the new head when another was first. */
static int put(struct vault *vault, uint32_t n, uint64_t version, uint64_t *ret_seq)
{
    AUTO(record_end) struct record r;
    uint64_t head = 0;
    int rc;

    record_make(&r, n, version);
    do {
        rc = vault_head(vault, &head);
        r.seq = head + 1;
        if (rc == 0)
            rc = vault_write(vault, &r, NULL);
    } while (rc == -EAGAIN);
    if (ret_seq)
        *ret_seq = r.seq;
    return rc;
}

static uint64_t head_of(struct vault *vault)
{
    uint64_t head = UINT64_MAX;

    assert_int_equal(vault_head(vault, &head), 0);
    return head;
}

struct walk {
    uint64_t last;
    size_t count, stop_at, undecodable;
    struct vault *vault;
};

static bool walk_on(const struct record *r, void *ctx)
{
    struct walk *walk = ctx;

    assert_true(r->seq > walk->last);
    walk->last = r->seq;
    if (!r->state)
        walk->undecodable++;
    /* No lock is held: another call on the vault is fine. */
    if (walk->vault)
        assert_true(head_of(walk->vault) >= r->seq);
    return ++walk->count != walk->stop_at;
}

#endif
