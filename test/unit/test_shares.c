#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <libgfshare.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "vault/share.h"
#include "vault/shares.h"

static const uint8_t group[UUID_LEN] = "group-group-grou";
static char dir[] = "/tmp/p11ha-shares-XXXXXX";

static void run(const char *format, ...)
{
    char command[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

static void text_write(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Of the byte at `from_end` (negative). */
static void bit_flip(const char *name, long from_end)
{
    FILE *f = fopen(name, "r+");
    int byte;

    assert_non_null(f);
    assert_int_equal(fseek(f, from_end, SEEK_END), 0);
    byte = fgetc(f);
    assert_int_not_equal(byte, EOF);
    assert_int_equal(fseek(f, from_end, SEEK_END), 0);
    assert_int_equal(fputc(byte ^ 1, f), byte ^ 1);
    assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    run("openssl req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -out rsa.crt -subj /CN=rsa 2>/dev/null");
    run("openssl req -x509 -newkey rsa:1024 -nodes -keyout small.key -out small.crt -subj /CN=small "
        "2>/dev/null");
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ec.key -out ec.crt "
        "-subj /CN=ec"
        " 2>/dev/null");
    run("openssl req -x509 -newkey ed25519 -nodes -keyout ed.key -out ed.crt -subj /CN=ed 2>/dev/null");
    run("openssl req -x509 -key rsa.key -out sign.crt -subj /CN=sign -addext keyUsage=digitalSignature "
        "2>/dev/null");
    run("openssl pkey -in ec.key -aes256 -passout pass:keypass -out ec-enc.key");
    text_write("pass", "correct horse battery\nsecond line\n");
    text_write("pass2", "other words\r\n");
    text_write("keypass", "keypass\n");
    text_write("empty", "\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    run("rm -rf %s", dir);
    return 0;
}

static const struct custodian three[] = {
    {.name = "anna", .certificate = "rsa.crt"},
    {.name = "ben_2", .certificate = "ec.crt"},
    {.name = "carla.c", .passphrase_file = "pass"},
};

static void shares_make(const char *into, const uint8_t *master)
{
    char *why = NULL;

    assert_int_equal(mkdir(into, 0700), 0);
    assert_int_equal(shares_write(master, group, three, 3, 2, into, &why), 0);
    assert_null(why);
}

static void three_open(const char *from, struct share *share[3])
{
    char path[3][80], *why = NULL;

    for (int i = 0; i < 3; i++)
        snprintf(path[i], sizeof path[i], "%s/%s.share.p7m", from, three[i].name);
    assert_int_equal(share_open(path[0], "rsa.crt", "rsa.key", NULL, &share[0], &why), 0);
    assert_int_equal(share_open(path[1], NULL, "ec-enc.key", "keypass", &share[1], &why), 0);
    assert_int_equal(share_open(path[2], NULL, NULL, "pass", &share[2], &why), 0);
    assert_null(why);
}

static void any_two_of_three_give_it_back(void **state)
{
    static const int pair[][3] = {{0, 1, 2}, {1, 2, 2}, {2, 0, 2}, {0, 1, 3}};
    uint8_t *master = master_new();
    struct share *share[3];

    (void)state;
    assert_non_null(master);
    shares_make("two", master);
    three_open("two", share);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(share_number(share[i]), i + 1);
        assert_int_equal(share_threshold(share[i]), 2);
        assert_memory_equal(share_group(share[i]), group, UUID_LEN);
        assert_memory_not_equal(share[i]->value, master, MASTER_LEN);
    }
    for (size_t i = 0; i < ARRAY_LEN(pair); i++) {
        struct share *some[] = {share[pair[i][0]], share[pair[i][1]], share[2]};
        uint8_t *again = NULL;
        char *why = NULL;
        assert_int_equal(shares_combine(some, (size_t)pair[i][2], &again, &why), 0);
        assert_memory_equal(again, master, MASTER_LEN);
        secret_free(again);
    }
    for (int i = 0; i < 3; i++)
        share_free(share[i]);
    secret_free(master);
}

/* What a custodian without p11ha would type. */
static void openssl_command_opens_them(void **state)
{
    static const char *const how[] = {"-recip rsa.crt -inkey rsa.key", "-recip ec.crt -inkey ec.key",
                                      "-pwri_password 'correct horse battery'"};
    uint8_t *master = master_new();
    struct share *share[3];
    struct stat st;

    (void)state;
    umask(0);
    shares_make("cli", master);
    umask(022);
    three_open("cli", share);
    for (int i = 0; i < 3; i++) {
        char path[80], text[SHARE_TEXT_MAX], *seen = NULL;
        size_t seen_len = 0, len = share_print(share[i], text);
        snprintf(path, sizeof path, "cli/%s.share.p7m", three[i].name);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        run("openssl cms -decrypt -inform PEM -in %s %s -out seen", path, how[i]);
        assert_int_equal(file_read_secret("seen", 4096, &seen, &seen_len), 0);
        assert_int_equal(seen_len, len);
        assert_memory_equal(seen, text, len);
        secret_free(seen);
        share_free(share[i]);
    }
    run("openssl cms -cmsout -print -noout -inform PEM -in cli/anna.share.p7m | grep -q aes-256-cbc");
    run("openssl cms -cmsout -print -noout -inform PEM -in cli/anna.share.p7m | grep -q rsaesOaep");
    run("openssl cms -cmsout -print -noout -inform PEM -in cli/carla.c.share.p7m | grep -q PBKDF2");
    secret_free(master);
}

static void splits_of_all_shapes_come_back(void **state)
{
    static const unsigned shape[][2] = {{1, 1}, {1, 3}, {2, 2}, {5, 5}, {3, 7}, {10, 10}};

    (void)state;
    for (size_t s = 0; s < ARRAY_LEN(shape); s++) {
        unsigned m = shape[s][0], n = shape[s][1];
        uint8_t *master = master_new(), *again = NULL;
        struct custodian custodian[10];
        struct share *share[10];
        char name[10][16], into[16], *why = NULL;
        snprintf(into, sizeof into, "s%zu", s);
        assert_int_equal(mkdir(into, 0700), 0);
        for (unsigned i = 0; i < n; i++) {
            snprintf(name[i], sizeof name[i], "c%u", i);
            custodian[i] = (struct custodian){.name = name[i], .certificate = "rsa.crt"};
        }
        assert_int_equal(shares_write(master, group, custodian, n, m, into, &why), 0);
        for (unsigned i = 0; i < n; i++) {
            char path[64];
            snprintf(path, sizeof path, "%s/c%u.share.p7m", into, i);
            assert_int_equal(share_open(path, NULL, "rsa.key", NULL, &share[i], &why), 0);
        }
        /* The last m of them. */
        assert_int_equal(shares_combine(share + n - m, m, &again, &why), 0);
        assert_memory_equal(again, master, MASTER_LEN);
        secret_free(again);
        if (m > 1) {
            assert_int_equal(shares_combine(share, m - 1, &again, &why), -EINVAL);
            assert_non_null(strstr(why, "1 more"));
            mem_free(why);
        }
        for (unsigned i = 0; i < n; i++)
            share_free(share[i]);
        secret_free(master);
    }
}

static void combine_says(struct share *const *share, size_t count, const char *what)
{
    uint8_t *master = NULL;
    char *why = NULL;

    assert_int_equal(shares_combine(share, count, &master, &why), -EINVAL);
    assert_null(master);
    assert_non_null(why);
    if (!strstr(why, what))
        fail_msg("\"%s\" does not say \"%s\"", why, what);
    mem_free(why);
}

static void foreign_and_altered_shares_are_named(void **state)
{
    uint8_t *master = master_new(), *second = master_new();
    struct share *share[3], *later[3];

    (void)state;
    shares_make("one", master);
    shares_make("later", second);
    three_open("one", share);
    three_open("later", later);
    combine_says((struct share *[]){share[0], later[1]}, 2, "share 2 and share 1 were not made together");
    combine_says((struct share *[]){share[0], share[0]}, 2, "share 1 was given twice");
    combine_says(share, 1, "1 of the 2 shares needed");
    combine_says(share, 0, "0 shares");
    later[1]->group[0] ^= 1;
    combine_says((struct share *[]){share[0], later[1]}, 2, "share 2 belongs to group");
    share[1]->value[31] ^= 1;
    combine_says(share, 3, "share 2 was altered");
    combine_says(share, 2, "at least one was altered");
    for (int i = 0; i < 3; i++) {
        share_free(share[i]);
        share_free(later[i]);
    }
    secret_free(master);
    secret_free(second);
}

static void share_text_takes_no_change(void **state)
{
    struct share share = {.threshold = 2, .count = 3, .number = 3}, out;
    char text[SHARE_TEXT_MAX];
    size_t len;

    (void)state;
    memcpy(share.group, group, UUID_LEN);
    memset(share.value, 0x5a, sizeof share.value);
    len = share_print(&share, text);
    assert_true(len > 0);
    assert_true(share_parse(&out, text, len));
    assert_memory_equal(&out, &share, sizeof out);
    for (size_t i = 0; i < len; i++) {
        text[i] ^= 1;
        assert_false(share_parse(&out, text, len));
        text[i] ^= 1;
    }
    for (size_t i = 0; i < len; i++) {
        char cut[SHARE_TEXT_MAX] = "";
        memcpy(cut, text, i);
        assert_false(share_parse(&out, cut, i));
    }
    share.number = 4;
    len = share_print(&share, text);
    assert_false(share_parse(&out, text, len));
}

static void write_says(const struct custodian *custodian, size_t count, unsigned threshold, const char *into,
                       int rc, const char *what)
{
    uint8_t *master = master_new();
    char *why = NULL;

    assert_int_equal(shares_write(master, group, custodian, count, threshold, into, &why), rc);
    assert_non_null(why);
    if (!strstr(why, what))
        fail_msg("\"%s\" does not say \"%s\"", why, what);
    mem_free(why);
    secret_free(master);
}

static void a_share_that_could_not_be_used_is_not_made(void **state)
{
    static const struct {
        struct custodian custodian;
        int rc;
        const char *what;
    } bad[] = {
        {{.name = "x", .certificate = "ed.crt"}, -EINVAL, "neither RSA nor EC"},
        {{.name = "x", .certificate = "small.crt"}, -EINVAL, "less than 2048"},
        {{.name = "x", .certificate = "sign.crt"}, -EINVAL, "key encipherment"},
        {{.name = "x", .certificate = "rsa.key"}, -EINVAL, "not a certificate"},
        {{.name = "x", .certificate = "none.crt"}, -ENOENT, "none.crt"},
        {{.name = "x", .passphrase_file = "empty"}, -EINVAL, "empty"},
        {{.name = "x", .passphrase_file = "none"}, -ENOENT, "none"},
        {{.name = "x"}, -EINVAL, "either"},
        {{.name = "x", .certificate = "rsa.crt", .passphrase_file = "pass"}, -EINVAL, "either"},
        {{.name = "../x", .certificate = "rsa.crt"}, -EINVAL, "name"},
        {{.name = "a b", .certificate = "rsa.crt"}, -EINVAL, "name"},
        {{.name = "", .certificate = "rsa.crt"}, -EINVAL, "name"},
        {{.name = "good", .certificate = "rsa.crt"}, -EINVAL, "twice"},
    };
    struct custodian two[2] = {{.name = "good", .certificate = "rsa.crt"}};

    (void)state;
    assert_int_equal(mkdir("none-made", 0700), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        two[1] = bad[i].custodian;
        write_says(two, 2, 2, "none-made", bad[i].rc, bad[i].what);
    }
    two[1] = (struct custodian){.name = "other", .certificate = "rsa.crt"};
    write_says(two, 2, 0, "none-made", -EINVAL, "not possible");
    write_says(two, 2, 3, "none-made", -EINVAL, "not possible");
    assert_int_equal(rmdir("none-made"), 0);
    write_says(two, 2, 2, "none-made", -ENOENT, "none-made");
}

static void all_files_or_none(void **state)
{
    static const struct custodian two[] = {{.name = "first", .certificate = "rsa.crt"},
                                           {.name = "second", .certificate = "ec.crt"}};
    struct stat st;

    (void)state;
    assert_int_equal(mkdir("half", 0700), 0);
    text_write("half/second.share.p7m", "an older one");
    write_says(two, 2, 2, "half", -EEXIST, "second.share.p7m");
    assert_int_equal(stat("half/first.share.p7m", &st), -1);
    assert_int_equal(stat("half/second.share.p7m", &st), 0);
    assert_int_equal(st.st_size, 12);
}

static void open_says(const char *file, const char *certificate, const char *key, const char *pass, int rc,
                      const char *what)
{
    struct share *share = NULL;
    char *why = NULL;
    int got = share_open(file, certificate, key, pass, &share, &why);

    assert_null(share);
    assert_non_null(why);
    if (got != rc || !strstr(why, what))
        fail_msg("%d \"%s\" is not %d \"%s\"", got, why, rc, what);
    mem_free(why);
}

static void wrong_keys_and_damaged_files_are_named(void **state)
{
    uint8_t *master = master_new();

    (void)state;
    shares_make("open", master);
    secret_free(master);
    open_says("open/none.share.p7m", NULL, NULL, "pass", -ENOENT, "none.share");
    open_says("pass", NULL, NULL, "pass", -EBADMSG, "not an encrypted CMS");
    open_says("open/anna.share.p7m", NULL, NULL, NULL, -EINVAL, "neither");
    open_says("open/anna.share.p7m", "rsa.crt", "ec.key", NULL, -EINVAL, "not the private key of that");
    open_says("open/anna.share.p7m", "ec.crt", "ec.key", NULL, -EACCES, "does not open it");
    open_says("open/ben_2.share.p7m", "rsa.crt", "rsa.key", NULL, -EACCES, "does not open it");
    open_says("open/ben_2.share.p7m", NULL, "ec-enc.key", NULL, -EINVAL, "its passphrase is another");
    open_says("open/ben_2.share.p7m", NULL, "ec-enc.key", "pass", -EINVAL, "its passphrase is another");
    open_says("open/carla.c.share.p7m", NULL, NULL, "pass2", -EACCES, "does not open it");
    open_says("open/anna.share.p7m", NULL, NULL, "pass", -EACCES, "does not open it");
    run("head -3 open/carla.c.share.p7m > cut.p7m");
    open_says("cut.p7m", NULL, NULL, "pass", -EBADMSG, "damaged");
    run("echo hello | openssl cms -encrypt -binary -outform PEM -pwri_password 'other words' -out other.p7m");
    open_says("other.p7m", NULL, NULL, "pass2", -EBADMSG, "not a share of p11ha");
    run("openssl cms -cmsout -inform PEM -in open/ben_2.share.p7m -outform DER -out ben.der");
    bit_flip("ben.der", -100);
    run("openssl cms -cmsout -inform DER -in ben.der -outform PEM -out bent.p7m");
    open_says("bent.p7m", "ec.crt", "ec.key", NULL, -EBADMSG, "damaged");
}

static void bad_random(unsigned char *data, unsigned int len)
{
    memset(data, 0, len);
}

static void another_user_of_the_library_changes_nothing(void **state)
{
    uint8_t *master = master_new();
    struct share *share[3];

    (void)state;
    gfshare_fill_rand = bad_random;
    shares_make("zero", master);
    three_open("zero", share);
    /* With zeros for coefficients every share would be the secret itself. */
    for (int i = 0; i < 3; i++) {
        assert_memory_not_equal(share[i]->value, master, MASTER_LEN);
        share_free(share[i]);
    }
    secret_free(master);
}

static void derived_keys_differ_and_are_fixed(void **state)
{
    /* openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:(0x11 * 32) -kdfopt hexsalt:(uuid) -kdfopt
     * info:"p11ha group key 1" HKDF */
    uint8_t master[MASTER_LEN], other[UUID_LEN] = "group-group-groX", *key[5] = {0};
    char hex[2 * GROUP_KEY_LEN + 1], want[2 * GROUP_KEY_LEN + 1] = "";
    FILE *f;
    int read;

    (void)state;
    memset(master, 0x11, sizeof master);
    assert_int_equal(master_derive(master, group, "group key", 1, &key[0]), 0);
    assert_int_equal(master_derive(master, group, "group key", 2, &key[1]), 0);
    assert_int_equal(master_derive(master, group, "seal key", 1, &key[2]), 0);
    assert_int_equal(master_derive(master, other, "group key", 1, &key[3]), 0);
    master[0] ^= 1;
    assert_int_equal(master_derive(master, group, "group key", 1, &key[4]), 0);
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(key[i], key[j], GROUP_KEY_LEN);
    hex_encode(hex, key[0], GROUP_KEY_LEN);
    f = popen("openssl kdf -keylen 32 -kdfopt digest:SHA256"
              " -kdfopt hexkey:1111111111111111111111111111111111111111111111111111111111111111"
              " -kdfopt hexsalt:67726f75702d67726f75702d67726f75 -kdfopt info:'p11ha group key 1' HKDF"
              " | tr -d ':\\n' | tr A-F a-f",
              "r");
    assert_non_null(f);
    read = fscanf(f, "%64s", want);
    pclose(f);
    assert_int_equal(read, 1);
    assert_string_equal(hex, want);
    for (int i = 0; i < 5; i++)
        secret_free(key[i]);
}

static void secrets_are_given_back(void **state)
{
    (void)state;
    assert_int_equal(secret_in_use(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_two_of_three_give_it_back),
        cmocka_unit_test(openssl_command_opens_them),
        cmocka_unit_test(splits_of_all_shapes_come_back),
        cmocka_unit_test(foreign_and_altered_shares_are_named),
        cmocka_unit_test(share_text_takes_no_change),
        cmocka_unit_test(a_share_that_could_not_be_used_is_not_made),
        cmocka_unit_test(all_files_or_none),
        cmocka_unit_test(wrong_keys_and_damaged_files_are_named),
        cmocka_unit_test(another_user_of_the_library_changes_nothing),
        cmocka_unit_test(derived_keys_differ_and_are_fixed),
        cmocka_unit_test(secrets_are_given_back),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
