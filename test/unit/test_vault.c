#include "test/unit/vault_rig.h"

static void sql(const char *text)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void open_says(int rc, const char *what)
{
    struct vault *vault = NULL;
    char *why = NULL;
    int got = vault_open(path, &vault, &why);

    assert_null(vault);
    assert_non_null(why);
    if (got != rc || !strstr(why, what) || !strstr(why, path))
        fail_msg("%d \"%s\" is not %d \"%s\"", got, why, rc, what);
    mem_free(why);
}

static void a_new_one_is_private_whole_and_never_over_an_old_one(void **state)
{
    AUTO(vault_close) struct vault *vault = opened();
    struct stat st;
    char name[80];

    (void)state;
    assert_memory_equal(vault_meta(vault), &meta, sizeof meta);
    assert_string_equal(vault_path(vault), path);
    assert_int_equal(head_of(vault), 0);
    assert_int_equal(vault_create(path, &meta), -EEXIST);
    snprintf(name, sizeof name, "ls -A %s | grep -q new-", dir);
    assert_int_not_equal(system(name), 0);
    umask(0);
    snprintf(path, sizeof path, "%s/open.db", dir);
    assert_int_equal(vault_create(path, &meta), 0);
    umask(0777);
    snprintf(path, sizeof path, "%s/shut.db", dir);
    assert_int_equal(vault_create(path, &meta), 0);
    umask(022);
    for (const char **file = (const char *[]){"open.db", "shut.db", "v.db", "v.db-wal", "v.db-shm", NULL};
         *file; file++) {
        snprintf(name, sizeof name, "%s/%s", dir, *file);
        assert_int_equal(stat(name, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    snprintf(path, sizeof path, "%s/none/v.db", dir);
    assert_int_equal(vault_create(path, &meta), -ENOENT);
}

static void settings_hold(void **state)
{
    AUTO(vault_close) struct vault *vault = opened();
    static const struct {
        const char *pragma;
        int64_t value;
    } want[] = {{"PRAGMA synchronous", 2},    {"PRAGMA secure_delete", 1},
                {"PRAGMA foreign_keys", 0},   {"PRAGMA busy_timeout", 5000},
                {"PRAGMA trusted_schema", 0}, {"PRAGMA application_id", 0x70313168}};
    char mode[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        int64_t value = -1;
        assert_int_equal(sqlite_ask_number(vault->db, want[i].pragma, &value), 0);
        assert_int_equal(value, want[i].value);
    }
    assert_int_equal(sqlite_ask_text(vault->db, "PRAGMA journal_mode", mode, sizeof mode), 0);
    assert_string_equal(mode, "wal");
}

static void what_is_not_our_vault_is_named(void **state)
{
    int fd;

    (void)state;
    sql("PRAGMA user_version = 2");
    open_says(-EINVAL, "newer p11ha");
    sql("PRAGMA user_version = 1; PRAGMA application_id = 1");
    open_says(-EINVAL, "not a vault of p11ha");
    sql("PRAGMA application_id = 1882272104; DELETE FROM meta");
    open_says(-EIO, "description of the group");
    assert_int_equal(chmod(path, 0666), 0);
    open_says(-EPERM, "written by others");
    assert_int_equal(chmod(path, 0600), 0);
    fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "this is a letter, not a database, and longer than any header", 60), 60);
    close(fd);
    open_says(-EIO, "not a vault of p11ha");
    unlink(path);
    open_says(-ENOENT, "p11ha init");
}

static void damage_is_found_at_open(void **state)
{
    struct vault *vault = opened();
    int fd;

    (void)state;
    for (uint32_t n = 0; n < 200; n++)
        assert_int_equal(put(vault, n, 1, NULL), 0);
    vault_close(vault);
    fd = open(path, O_WRONLY);
    for (off_t page = 12; page < 16; page++)
        assert_int_equal(pwrite(fd, "\x99\x99\x99\x99\x99\x99\x99\x99", 8, page * 4096), 8);
    close(fd);
    open_says(-EIO, "damaged");
}

static void a_record_comes_back(void **state)
{
    struct vault *vault = opened();
    AUTO(record_end) struct record in, out = {0}, none = {0};

    (void)state;
    record_make(&in, 5, 1);
    in.seq = 1;
    assert_int_equal(vault_write(vault, &in, NULL), 0);
    vault_close(vault);
    vault = opened();
    assert_int_equal(vault_read(vault, in.uuid, &out), 0);
    assert_int_equal(out.seq, 1);
    assert_true(attrs_equal(&in.attrs, &out.attrs));
    assert_memory_equal(out.wrapped, in.wrapped, 16);
    assert_memory_equal(out.seal, in.seal, SEAL_LEN);
    in.uuid[15] = 1;
    assert_int_equal(vault_read(vault, in.uuid, &none), -ENOENT);
    vault_close(vault);
}

static void a_writer_that_is_late_is_told(void **state)
{
    AUTO(vault_close) struct vault *vault = opened();
    AUTO(record_end) struct record r;

    (void)state;
    record_make(&r, 1, 1);
    r.seq = 2;
    assert_int_equal(vault_write(vault, &r, NULL), -EAGAIN);
    r.seq = 1;
    r.version = 2;
    assert_int_equal(vault_write(vault, &r, NULL), -ESTALE);
    r.version = 1;
    assert_int_equal(vault_write(vault, &r, NULL), 0);
    assert_int_equal(vault_write(vault, &r, NULL), -EAGAIN);
    assert_non_null(strstr(vault_error(), "head is 1"));
    r.seq = 2;
    assert_int_equal(vault_write(vault, &r, NULL), -ESTALE);
    r.version = 3;
    assert_int_equal(vault_write(vault, &r, NULL), -ESTALE);
    r.version = 2;
    assert_int_equal(vault_write(vault, &r, NULL), 0);
    assert_int_equal(head_of(vault), 2);
}

static void what_must_not_be_stored_is_refused(void **state)
{
    AUTO(vault_close) struct vault *vault = opened();
    AUTO(record_end) struct record r;

    (void)state;
    record_make(&r, 1, 1);
    assert_int_equal(vault_write(vault, &r, NULL), -EINVAL);
    r.seq = UINT64_MAX;
    assert_int_equal(vault_write(vault, &r, NULL), -EINVAL);
    r.seq = 1;
    r.state = 0;
    assert_int_equal(vault_write(vault, &r, NULL), -EINVAL);
    r.state = RECORD_LIVE;
    assert_int_equal(attrs_set(&r.attrs, CKA_VALUE, "the key itself!!", 16), CKR_OK);
    assert_int_equal(vault_write(vault, &r, NULL), -EINVAL);
    assert_int_equal(attrs_set_ulong(&r.attrs, CKA_CLASS, CKO_CERTIFICATE), CKR_OK);
    assert_int_equal(vault_write(vault, &r, NULL), 0);
}

static void ten_thousand_records_are_walked_in_order(void **state)
{
    AUTO(vault_close) struct vault *vault = opened();
    struct walk all = {.vault = vault}, some = {.last = 9000}, few = {.stop_at = 70};

    (void)state;
    /* Not what is measured here. */
    assert_int_equal(sqlite_exec(vault->db, "PRAGMA synchronous = OFF"), 0);
    for (uint32_t n = 0; n < 10000; n++)
        assert_int_equal(put(vault, n, 1, NULL), 0);
    for (uint32_t n = 0; n < 100; n++)
        assert_int_equal(put(vault, n * 7, 2, NULL), 0);
    assert_int_equal(vault_each(vault, 0, walk_on, &all), 0);
    assert_int_equal(all.count, 10000);
    assert_int_equal(all.last, 10100);
    assert_int_equal(all.undecodable, 0);
    assert_int_equal(vault_each(vault, 9000, walk_on, &some), 0);
    assert_int_equal(some.count, 1100);
    assert_int_equal(vault_each(vault, 0, walk_on, &few), 0);
    assert_int_equal(few.count, 70);
}

static void a_malformed_record_is_shown_as_such(void **state)
{
    AUTO(vault_close) struct vault *vault = opened();
    AUTO(record_end) struct record r = {0};
    struct walk walk = {0};
    uint8_t uuid[UUID_LEN] = {0};

    (void)state;
    for (uint32_t n = 1; n <= 4; n++)
        assert_int_equal(put(vault, n, 1, NULL), 0);
    sql("UPDATE record SET body = x'01ff' WHERE seq = 1;"
        "UPDATE record SET uuid = x'ee000000000000000000000000000000' WHERE seq = 2;"
        "UPDATE record SET seal = x'' WHERE seq = 3");
    assert_int_equal(vault_each(vault, 0, walk_on, &walk), 0);
    assert_int_equal(walk.count, 4);
    assert_int_equal(walk.undecodable, 3);
    uuid[0] = 1;
    assert_int_equal(vault_read(vault, uuid, &r), -EBADMSG);
    uuid[0] = 0xee;
    assert_int_equal(vault_read(vault, uuid, &r), -EBADMSG);
    uuid[0] = 4;
    assert_int_equal(vault_read(vault, uuid, &r), 0);
}

static bool disk_holds(const char *file, const char *what)
{
    char command[160];

    snprintf(command, sizeof command, "grep -q -a -e %s %s%s 2>/dev/null", what, path, file);
    return system(command) == 0;
}

static void purged_key_material_is_gone_from_disk(void **state)
{
    AUTO(vault_close) struct vault *vault = opened();
    AUTO(record_end) struct record r;

    (void)state;
    assert_int_equal(put(vault, 1, 1, NULL), 0);
    assert_true(disk_holds("-wal", "WRAPPED-MATERIAL"));
    record_make(&r, 1, 2);
    mem_free(TAKE(r.wrapped));
    r.wrapped_len = 0;
    r.seq = 2;
    r.state = RECORD_PURGED;
    assert_int_equal(vault_write(vault, &r, NULL), 0);
    assert_false(disk_holds("", "WRAPPED-MATERIAL"));
    assert_false(disk_holds("-wal", "WRAPPED-MATERIAL"));
}

static void only_others_changes_count_as_changes(void **state)
{
    AUTO(vault_close) struct vault *vault = opened(), *other = opened();

    (void)state;
    assert_false(vault_changed(vault));
    assert_int_equal(put(vault, 1, 1, NULL), 0);
    assert_false(vault_changed(vault));
    assert_true(vault_changed(other));
    assert_false(vault_changed(other));
    assert_int_equal(put(other, 2, 1, NULL), 0);
    assert_true(vault_changed(vault));
    assert_false(vault_changed(vault));
}

static uint64_t synced(struct vault *vault, const char *name)
{
    struct vault_member m;

    assert_int_equal(vault_member_get(vault, name, &m), 0);
    return m.synced_seq;
}

static int64_t ahead_count(struct vault *vault)
{
    int64_t n = -1;

    assert_int_equal(sqlite_ask_number(vault->db, "SELECT count(*) FROM ahead", &n), 0);
    return n;
}

static bool applied(struct vault *vault, const char *name, uint64_t seq)
{
    bool yes = false;

    assert_int_equal(vault_is_applied(vault, name, seq, &yes), 0);
    return yes;
}

static bool member_print(const struct vault_member *m, void *ctx)
{
    char *out = ctx;

    snprintf(out + strlen(out), 256 - strlen(out), "%s/%s/%u ", m->name, m->serial, m->admin);
    return strcmp(m->name, "stop") != 0;
}

static void members_are_kept(void **state)
{
    AUTO(vault_close) struct vault *vault = opened();
    const char *a[] = {"hsm-a"};
    struct vault_member m;
    char seen[256] = "", long_name[80] = "";

    (void)state;
    assert_int_equal(vault_member_get(vault, "hsm-a", &m), -ENOENT);
    assert_non_null(strstr(vault_error(), "hsm-a"));
    assert_int_equal(vault_member_set(vault, "hsm-b", "22"), 0);
    assert_int_equal(vault_member_set(vault, "hsm-a", "11"), 0);
    assert_int_equal(vault_member_set(vault, "stop", ""), 0);
    assert_int_equal(vault_member_set(vault, "unseen", ""), 0);
    assert_int_equal(vault_member_admin(vault, "hsm-b", 1), 0);
    assert_int_equal(vault_member_each(vault, member_print, seen), 0);
    assert_string_equal(seen, "hsm-a/11/0 hsm-b/22/1 stop//0 ");
    assert_int_equal(put(vault, 1, 1, NULL), 0);
    assert_int_equal(put(vault, 2, 1, NULL), 0);
    assert_int_equal(put(vault, 3, 1, NULL), 0);
    assert_int_equal(vault_applied(vault, 1, a, 1), 0);
    assert_int_equal(vault_applied(vault, 3, a, 1), 0);
    assert_int_equal(vault_member_set(vault, "hsm-a", "11"), 0);
    assert_int_equal(synced(vault, "hsm-a"), 1);
    assert_true(applied(vault, "hsm-a", 3));
    /* Another token under the old name has nothing. */
    assert_int_equal(vault_member_set(vault, "hsm-a", "12"), 0);
    assert_int_equal(synced(vault, "hsm-a"), 0);
    assert_false(applied(vault, "hsm-a", 3));
    assert_int_equal(vault_applied(vault, 3, a, 1), 0);
    assert_int_equal(vault_member_remove(vault, "hsm-a"), 0);
    assert_int_equal(ahead_count(vault), 0);
    assert_int_equal(vault_member_remove(vault, "hsm-a"), -ENOENT);
    assert_int_equal(vault_member_admin(vault, "hsm-a", 1), -ENOENT);
    memset(long_name, 'x', 64);
    assert_int_equal(vault_member_set(vault, long_name, "1"), -EINVAL);
    assert_int_equal(vault_member_set(vault, "", "1"), -EINVAL);
    assert_int_equal(vault_member_set(vault, "hsm-a", "12345678901234567"), -EINVAL);
}

static void synced_moves_over_holes_and_notes(void **state)
{
    AUTO(vault_close) struct vault *vault = opened();
    const char *both[] = {"a", "b"}, *unknown[] = {"a", "nobody"};

    (void)state;
    assert_int_equal(vault_member_set(vault, "a", "1"), 0);
    assert_int_equal(vault_member_set(vault, "b", "2"), 0);
    for (uint32_t n = 1; n <= 5; n++)
        assert_int_equal(put(vault, n, 1, NULL), 0);
    assert_int_equal(vault_applied(vault, 3, both, 2), 0);
    assert_int_equal(vault_applied(vault, 2, both, 1), 0);
    assert_int_equal(synced(vault, "a"), 0);
    assert_true(applied(vault, "a", 2) && applied(vault, "a", 3));
    assert_false(applied(vault, "a", 1) || applied(vault, "b", 2));
    assert_int_equal(vault_applied(vault, 1, both, 1), 0);
    assert_int_equal(synced(vault, "a"), 3);
    assert_int_equal(synced(vault, "b"), 0);
    assert_int_equal(ahead_count(vault), 1);
    /* Records 4 and 2 move to 6 and 7: 4 is a hole now, over which b's and a's way leads. */
    assert_int_equal(put(vault, 4, 2, NULL), 0);
    assert_int_equal(put(vault, 2, 2, NULL), 0);
    assert_int_equal(vault_applied(vault, 5, both, 1), 0);
    assert_int_equal(synced(vault, "a"), 5);
    assert_int_equal(vault_applied(vault, 1, both + 1, 1), 0);
    assert_int_equal(synced(vault, "b"), 4);
    assert_int_equal(vault_applied(vault, 7, both, 2), 0);
    assert_int_equal(synced(vault, "a"), 5);
    assert_int_equal(vault_applied(vault, 6, both, 2), 0);
    assert_int_equal(synced(vault, "a"), 7);
    assert_int_equal(synced(vault, "b"), 4);
    assert_int_equal(vault_caught_up(vault, "b", 5), 0);
    assert_int_equal(synced(vault, "b"), 7);
    assert_int_equal(ahead_count(vault), 0);
    assert_int_equal(vault_caught_up(vault, "b", 2), 0);
    assert_int_equal(vault_applied(vault, 1, both, 2), 0);
    assert_int_equal(synced(vault, "b"), 7);
    /* What is yet to come cannot be done already. */
    assert_int_equal(vault_applied(vault, 8, both, 2), -EINVAL);
    assert_int_equal(vault_caught_up(vault, "a", 8), -EINVAL);
    assert_int_equal(put(vault, 9, 1, NULL), 0);
    assert_false(applied(vault, "a", 8));
    /* All or nothing. */
    assert_int_equal(vault_applied(vault, 8, unknown, 2), -ENOENT);
    assert_false(applied(vault, "a", 8));
    assert_int_equal(vault_caught_up(vault, "nobody", 1), -ENOENT);
}

static void a_lease_has_one_holder(void **state)
{
    AUTO(vault_close) struct vault *vault = opened();
    uint64_t start = 1000 * NS_PER_S;
    bool got = false;

    (void)state;
    clock_test_set(start);
    assert_int_equal(vault_lease(vault, "catch-up a", "one", 30, &got), 0);
    assert_true(got);
    assert_int_equal(vault_lease(vault, "catch-up a", "two", 30, &got), 0);
    assert_false(got);
    assert_int_equal(vault_lease(vault, "catch-up b", "two", 30, &got), 0);
    assert_true(got);
    assert_int_equal(vault_lease(vault, "catch-up a", "one", 30, &got), 0);
    assert_true(got);
    assert_int_equal(vault_lease_drop(vault, "catch-up a", "two"), 0);
    assert_int_equal(vault_lease(vault, "catch-up a", "two", 30, &got), 0);
    assert_false(got);
    assert_int_equal(vault_lease_drop(vault, "catch-up a", "one"), 0);
    assert_int_equal(vault_lease(vault, "catch-up a", "two", 30, &got), 0);
    assert_true(got);
    clock_test_set(0);
    /* Run out, and from a clock that was far ahead. */
    sql("UPDATE lease SET until = 5");
    assert_int_equal(vault_lease(vault, "catch-up a", "one", 30, &got), 0);
    assert_true(got);
    sql("UPDATE lease SET until = 99999999999");
    assert_int_equal(vault_lease(vault, "catch-up a", "two", 30, &got), 0);
    assert_true(got);
}

static void a_record_is_being_placed_until_its_writer_says(void **state)
{
    AUTO(vault_close) struct vault *vault = opened();
    AUTO(record_end) struct record r = {0};
    bool placing = true;

    (void)state;
    record_make(&r, 1, 1);
    r.seq = head_of(vault) + 1;
    assert_int_equal(vault_is_placing(vault, r.seq, "", &placing), 0);
    assert_false(placing);
    assert_int_equal(vault_write(vault, &r, "one"), 0);
    assert_int_equal(vault_is_placing(vault, r.seq, "", &placing), 0);
    assert_true(placing);
    assert_int_equal(vault_is_placing(vault, r.seq, "one", &placing), 0);
    assert_false(placing);
    assert_int_equal(vault_placed(vault, r.seq, "two"), 0);
    assert_int_equal(vault_is_placing(vault, r.seq, "", &placing), 0);
    assert_true(placing);
    assert_int_equal(vault_placed(vault, r.seq, "one"), 0);
    assert_int_equal(vault_is_placing(vault, r.seq, "", &placing), 0);
    assert_false(placing);
    /* A write that fails tells nobody that it is at it; a writer that died counts no more. */
    assert_int_equal(vault_write(vault, &r, "one"), -EAGAIN);
    assert_int_equal(vault_is_placing(vault, r.seq, "", &placing), 0);
    assert_false(placing);
    r.version = 2;
    r.seq++;
    assert_int_equal(vault_write(vault, &r, "one"), 0);
    sql("UPDATE lease SET until = 5");
    assert_int_equal(vault_is_placing(vault, r.seq, "", &placing), 0);
    assert_false(placing);
}

static bool refused_add(const uint8_t uuid[UUID_LEN], uint64_t seq, int64_t when, void *ctx)
{
    uint64_t *sum = ctx;

    assert_true(when > 0);
    *sum = *sum * 1000 + uuid[0] * 100 + seq;
    return true;
}

static void refused_records_are_remembered(void **state)
{
    AUTO(vault_close) struct vault *vault = opened();
    uint8_t one[UUID_LEN] = {1}, two[UUID_LEN] = {2};
    uint64_t sum = 0;

    (void)state;
    assert_int_equal(vault_note_refused(vault, two, 9), 0);
    assert_int_equal(vault_note_refused(vault, one, 4), 0);
    assert_int_equal(vault_note_refused(vault, one, 4), 0);
    assert_int_equal(vault_refused_each(vault, refused_add, &sum), 0);
    assert_int_equal(sum, 104209);
    assert_int_equal(vault_note_refused(vault, one, 5), 0);
    assert_int_equal(vault_refused_clear(vault, two), 0);
    sum = 0;
    assert_int_equal(vault_refused_each(vault, refused_add, &sum), 0);
    assert_int_equal(sum, 105);
}

/* The n-th allocation of ours fails, n = 1, 2, ... until all goes well. */
static void without_memory_it_fails_cleanly(void **state)
{
    bool done = false;

    (void)state;
    for (unsigned long n = 1; !done; n++) {
        AUTO(vault_close) struct vault *vault = NULL;
        AUTO(record_end) struct record in, out = {0};
        struct walk walk = {0};
        char *why = NULL;
        uint64_t head = 0;
        int rc;
        record_make(&in, (uint32_t)n, 1);
        mem_fail_after(n, false);
        rc = vault_open(path, &vault, &why);
        if (rc == 0)
            rc = vault_head(vault, &head);
        in.seq = head + 1;
        if (rc == 0)
            rc = vault_write(vault, &in, NULL);
        if (rc == 0 && (rc = vault_read(vault, in.uuid, &out)) == -EBADMSG)
            rc = -ENOMEM;
        if (rc == 0)
            rc = vault_each(vault, head, walk_on, &walk);
        mem_fail_after(0, false);
        mem_free(why);
        if (rc != 0 && rc != -ENOMEM)
            fail_msg("allocation %lu: %d %s", n, rc, vault_error());
        done = rc == 0 && walk.count == 1 && walk.undecodable == 0;
        assert_true(n < 1000);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_new_one_is_private_whole_and_never_over_an_old_one),
        T(settings_hold),
        T(what_is_not_our_vault_is_named),
        T(damage_is_found_at_open),
        T(a_record_comes_back),
        T(a_writer_that_is_late_is_told),
        T(what_must_not_be_stored_is_refused),
        T(ten_thousand_records_are_walked_in_order),
        T(a_malformed_record_is_shown_as_such),
        T(purged_key_material_is_gone_from_disk),
        T(only_others_changes_count_as_changes),
        T(members_are_kept),
        T(synced_moves_over_holes_and_notes),
        T(a_lease_has_one_holder),
        T(a_record_is_being_placed_until_its_writer_says),
        T(refused_records_are_remembered),
        T(without_memory_it_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
