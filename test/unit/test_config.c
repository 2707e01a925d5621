#include "config_rig.h"

#include <ini.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/secret.h"

static void defaults_test(void **state)
{
    struct config *config = conf_read(GROUP TWO, NULL);
    const struct config_group *group = config_group_named(config, "a");

    (void)state;
    assert_string_equal(config->path, file);
    assert_string_equal(config->log, "syslog");
    assert_int_equal(config->log_level, LOG_INFO);
    assert_string_equal(config->region, "");
    assert_string_equal(config->zone, "");
    assert_int_equal(config->group_count, 1);
    assert_ptr_equal(group, &config->group[0]);
    assert_null(config_group_named(config, "b"));
    assert_string_equal(group->name, "a");
    assert_string_equal(group->label, "a");
    assert_int_equal(group->slot, 1);
    assert_int_equal(group->sync, SYNC_MANAGED);
    assert_int_equal(strncmp(group->vault, folder, strlen(folder)), 0);
    assert_string_equal(group->vault + strlen(folder), "/v.db");
    assert_int_equal(group->min_copies, 2);
    assert_int_equal(group->call_timeout, UINT64_C(10000000000));
    assert_int_equal(group->keygen_timeout, UINT64_C(120000000000));
    assert_int_equal(group->replay_limit, 1048576);
    assert_true(group->local_digest);
    assert_int_equal(group->session_keys, SESSION_KEYS_RECOVERABLE);
    assert_int_equal(group->mechanisms, MECHANISMS_COMMON);
    assert_int_equal(group->unreplicable, UNREPLICABLE_REFUSE);
    assert_int_equal(group->soft_delete, UINT64_C(30) * 86400 * 1000000000);
    assert_false(group->purge_protection);
    assert_int_equal(group->line, 1);
    assert_int_equal(group->member_count, 2);

    const struct config_member *member = &group->member[1];
    assert_string_equal(group->member[0].name, "m1");
    assert_string_equal(member->name, "m2");
    assert_string_equal(member->module + strlen(folder), "/m.so");
    assert_string_equal(member->token, "pkcs11:token=m2");
    assert_null(member->init_args);
    assert_int_equal(member->env_count, 0);
    assert_int_equal(member->runner, RUNNER_THREAD);
    assert_int_equal(member->instance, INSTANCE_SHARED);
    assert_int_equal(member->role, ROLE_ACTIVE);
    assert_string_equal(member->region, "");
    assert_string_equal(member->zone, "");
    assert_int_equal(member->tier, 0);
    assert_int_equal(member->weight, 100);
    assert_int_equal(member->max_sessions, 32);
    assert_null(member->pin_file);
    assert_int_equal(member->line, 7);
    config_free(config);
}

static const char full[] =
    "\xef\xbb\xbf; a byte order mark, comments, indented and CRLF lines\r\n"
    "[p11ha]\r\n"
    "\tlog = file:/var/log/p11ha.log ; behind a value\r\n"
    "  log-level: trace\n"
    "run-dir = /run/x\n"
    "region = uksouth\n"
    "zone = uksouth-1\n"
    "# " X50 X50 X50 X50 X50 "\n"
    "[ group  b ]\n"
    "slot=0\n"
    "label = Schl\xc3\xbcssel;1\n"
    "sync = external\n"
    "call-timeout = 250ms\n"
    "keygen-timeout = 5m\n"
    "hedge-after = off\n"
    "replay-limit = 0\n"
    "local-digest = no\n"
    "session-keys = pinned\n"
    "mechanisms = any\n"
    "[group a]   ; the second\n"
    "slot=2147483647\n"
    "vault = sqlite:@/v.db\n"
    "min-copies = 2\n"
    "unreplicable-keys = pin\n"
    "soft-delete = 0\n" MEMBER("m1") "zone = uksouth-1\n" MEMBER(
        "m2") "env.B = 1; 2\nenv.A_9=\nzone=uksouth-2\nregion=uksouth\npin-source = "
              "file:/etc/pin\n" MEMBER("m3") "init-args = configdir='sql:/x'\n"
                                             "init-args = flags=\n"
                                             "runner=inline\nrole=standby\nweight=1000\nmax-sessions="
                                             "1\n" MEMBER(
                                                 "m4") "env.X=1\ninstance=shared\nregion=ukwest\nrole="
                                                       "standby\n"
                                                       "[member m5]\ngroup = b\nmodule=@/m.so\ntoken = "
                                                       "pkcs11:serial=1;model=2\ninstance=private";

static void full_test(void **state)
{
    struct config *config =
        conf_read(full, "F:9: [group b]: has one member only, so nothing can take over from it");
    const struct config_group *a = config_group_named(config, "a"), *b = config_group_named(config, "b");

    (void)state;
    assert_string_equal(config->log, "file:/var/log/p11ha.log");
    assert_int_equal(config->log_level, LOG_TRACE);
    assert_string_equal(config->run_dir, "/run/x");
    assert_string_equal(config->region, "uksouth");
    assert_string_equal(config->zone, "uksouth-1");
    assert_int_equal(b->slot, 0);
    assert_string_equal(b->label, "Schl\xc3\xbcssel;1");
    assert_int_equal(b->sync, SYNC_EXTERNAL);
    assert_null(b->vault);
    assert_int_equal(b->call_timeout, 250000000);
    assert_int_equal(b->keygen_timeout, UINT64_C(300000000000));
    assert_int_equal(b->replay_limit, 0);
    assert_false(b->local_digest);
    assert_int_equal(b->session_keys, SESSION_KEYS_PINNED);
    assert_int_equal(b->mechanisms, MECHANISMS_ANY);
    assert_int_equal(b->line, 9);
    assert_int_equal(b->min_copies, 1);
    assert_int_equal(b->member_count, 1);
    assert_string_equal(b->member[0].name, "m5");
    assert_int_equal(b->member[0].instance, INSTANCE_PRIVATE);
    assert_int_equal(a->slot, 2147483647);
    assert_int_equal(a->min_copies, 2);
    assert_int_equal(a->unreplicable, UNREPLICABLE_PIN);
    assert_int_equal(a->soft_delete, 0);
    assert_int_equal(a->member_count, 4);

    const struct config_member *m = a->member;
    assert_string_equal(m[0].region, "uksouth");
    assert_string_equal(m[1].zone, "uksouth-2");
    assert_int_equal(m[0].tier, 0);
    assert_int_equal(m[1].tier, 0);
    assert_int_equal(m[1].env_count, 2);
    assert_string_equal(m[1].env[0].name, "B");
    assert_string_equal(m[1].env[0].value, "1; 2");
    assert_string_equal(m[1].env[1].name, "A_9");
    assert_string_equal(m[1].env[1].value, "");
    assert_int_equal(m[1].instance, INSTANCE_PRIVATE);
    assert_string_equal(m[1].pin_file, "/etc/pin");
    assert_string_equal(m[2].init_args, "configdir='sql:/x' flags=");
    assert_int_equal(m[2].instance, INSTANCE_PRIVATE);
    assert_int_equal(m[2].runner, RUNNER_INLINE);
    assert_int_equal(m[2].role, ROLE_STANDBY);
    assert_int_equal(m[2].tier, 1);
    assert_int_equal(m[2].weight, 1000);
    assert_int_equal(m[2].max_sessions, 1);
    assert_int_equal(m[3].instance, INSTANCE_SHARED);
    assert_string_equal(m[3].region, "ukwest");
    assert_int_equal(m[3].tier, 2);
    config_free(config);
}

/* inih's settings belong to the whole process: what another user of it chose must not go unnoticed, or not
 * matter. */
static void inih_settings_test(void **state)
{
#define STOPPED                                                                                           \
    "found the INI parser stopped here, expected it to go on (somebody set ini_stop_on_first_error or a " \
    "tiny "                                                                                               \
    "ini_max_line)"
    (void)state;
    ini_stop_on_first_error = true;
    conf_refused(
        GROUP TWO "nonsense\nweight=x\n",
        "F:11: [member m2]: found a line that is neither, expected KEY = VALUE or [SECTION]\nF:12: " STOPPED);
    ini_stop_on_first_error = false;

    ini_max_line = 1;
    conf_refused(GROUP TWO, "F: found no group, expected a [group NAME]\nF:1: " STOPPED);
    ini_max_line = 200;

    ini_allow_no_value = true;
    conf_refused(GROUP "label\n" TWO,
                 "F:3: [group a]: found a line that is neither, expected KEY = VALUE or [SECTION]");
    ini_allow_no_value = false;

    ini_use_stack = false;
    ini_allow_realloc = true;
    config_free(conf_read(full, "F:9: [group b]: has one member only, so nothing can take over from it"));
    ini_use_stack = true;
    ini_allow_realloc = false;
}

static void copies_default_test(void **state)
{
    static const struct {
        const char *text;
        unsigned copies;
    } cases[] = {
        {GROUP TWO MEMBER("m3"), 2},
        {GROUP TWO "role=standby\n", 2},
        {GROUP MEMBER("m1"), 1},
        {"[p11ha]\nregion=r\n" GROUP TWO "region=other\n", 1},
        {"[p11ha]\nregion=r\n" GROUP MEMBER("m1") "region=other\n", 1},
        {GROUP TWO "region=other\n", 2},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config *config = NULL;
        char *errors = NULL;

        conf_write(cases[i].text);
        assert_int_equal(config_read(file, &config, &errors, NULL), 0);
        assert_null(errors);
        assert_int_equal(config->group[0].min_copies, cases[i].copies);
        config_free(config);
    }
}

/* The message ends in what file_trusted says, which is its own business; the start and that it names the file
 * is ours. */
static void refused_like(const char *start, int rc_expected)
{
    struct config *config = NULL;
    char *errors = NULL;
    int rc = config_read(file, &config, &errors, NULL);
    char *text = shown(errors);

    assert_int_equal(rc, rc_expected);
    assert_null(config);
    assert_non_null(text);
    if (strncmp(text, start, strlen(start)) != 0 || strlen(text) == strlen(start) || strchr(text, '\n'))
        fail_msg("%s\ndoes not start with\n%s", text, start);
    free(text);
}

static void files_test(void **state)
{
#define NOBODY "expected a file that nobody but root and this user can write: "
    char module[160], vault[160];

    (void)state;
    snprintf(module, sizeof(module), "%s/m.so", folder);
    snprintf(vault, sizeof(vault), "%s/v.db", folder);
    conf_write(GROUP MEMBER("m1"));

    assert_int_equal(chmod(file, 0666), 0);
    refused_like("F: " NOBODY, -EACCES);
    assert_int_equal(chmod(file, 0644), 0);

    assert_int_equal(chmod(module, 0664), 0);
    refused_like("F:5: [member m1] module: found \"@/m.so\", " NOBODY, -EINVAL);
    assert_int_equal(unlink(module), 0);
    refused_like("F:5: [member m1] module: found \"@/m.so\", " NOBODY, -EINVAL);
    name_write("m.so");

    name_write("v.db");
    assert_int_equal(chmod(vault, 0602), 0);
    refused_like("F:2: [group a] vault: found \"@/v.db\", " NOBODY, -EINVAL);
    assert_int_equal(chmod(vault, 0600), 0);
    config_free(conf_read(GROUP TWO, NULL));
    assert_int_equal(unlink(vault), 0);

    assert_int_equal(unlink(file), 0);
    refused_like("F: " NOBODY, -ENOENT);
    assert_int_equal(mkdir(file, 0755), 0);
    refused_like("F: " NOBODY, -EINVAL);
    assert_int_equal(rmdir(file), 0);

    char *big = malloc(300000);
    assert_non_null(big);
    memset(big, '\n', 300000);
    bytes_write(file, big, 300000);
    free(big);
    refused_like("F: found a larger file, expected at most 256 Ki", -EINVAL);
}

static void environment_test(void **state)
{
    struct config *config;

    (void)state;
    assert_int_equal(setenv("P11HA_LOG", "stderr", 1), 0);
    assert_int_equal(setenv("P11HA_DEBUG", "1", 1), 0);
    config = conf_read("[p11ha]\nlog=syslog\nlog-level=error\n" GROUP TWO, NULL);
    assert_string_equal(config->log, "stderr");
    assert_int_equal(config->log_level, LOG_DEBUG);
    config_free(config);

    assert_int_equal(setenv("P11HA_LOG", "somewhere", 1), 0);
    assert_int_equal(setenv("P11HA_DEBUG", "trace", 1), 0);
    config = conf_read(
        "[p11ha]\nlog=syslog\nlog-level=error\n" GROUP TWO,
        "F: P11HA_LOG: found \"somewhere\" in the environment, expected syslog, stderr or file:/PATH; "
        "ignored");
    assert_string_equal(config->log, "syslog");
    assert_int_equal(config->log_level, LOG_TRACE);
    config_free(config);

    assert_int_equal(setenv("P11HA_LOG", "", 1), 0);
    assert_int_equal(setenv("P11HA_DEBUG", "2", 1), 0);
    config = conf_read(GROUP TWO,
                       "F: P11HA_DEBUG: found \"2\" in the environment, expected error, warn, info, debug "
                       "or trace; ignored");
    assert_int_equal(config->log_level, LOG_INFO);
    config_free(config);
    assert_int_equal(unsetenv("P11HA_LOG"), 0);
    assert_int_equal(unsetenv("P11HA_DEBUG"), 0);

    assert_int_equal(setenv("XDG_RUNTIME_DIR", "/run/user/7", 1), 0);
    config = conf_read(GROUP TWO, NULL);
    assert_string_equal(config->run_dir, geteuid() == 0 ? "/run/p11ha" : "/run/user/7/p11ha");
    config_free(config);
    if (geteuid() == 0) {
        assert_int_equal(unlink(file), 0);
        assert_int_equal(chown(folder, 65534, 65534), 0);
        assert_int_equal(seteuid(65534), 0);
        config = conf_read(GROUP TWO, NULL);
        assert_string_equal(config->run_dir, "/run/user/7/p11ha");
        config_free(config);
        assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
        config = conf_read(GROUP TWO, NULL);
        assert_string_equal(config->run_dir, "/run/p11ha");
        config_free(config);
        assert_int_equal(seteuid(0), 0);
        /* Changing the user forbids tracing, which the leak check at the end needs. */
        assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0);
        assert_int_equal(unlink(file), 0);
        assert_int_equal(chown(folder, 0, 0), 0);
    }
}

static void found_check(const char *given, const char *expected)
{
    char *path = config_find(given);

    assert_non_null(path);
    assert_string_equal(path, expected);
    mem_free(path);
}

static void find_test(void **state)
{
    char xdg[160], own[192], home[160], in_home[192];

    (void)state;
    snprintf(xdg, sizeof(xdg), "%s/xdg", folder);
    snprintf(own, sizeof(own), "%s/p11ha", xdg);
    snprintf(home, sizeof(home), "%s/.config", folder);
    snprintf(in_home, sizeof(in_home), "%s/.config/p11ha", folder);
    assert_int_equal(mkdir(xdg, 0755) | mkdir(own, 0755) | mkdir(home, 0755) | mkdir(in_home, 0755), 0);
    assert_int_equal(unsetenv("P11HA_CONF") | unsetenv("XDG_CONFIG_HOME") | unsetenv("HOME"), 0);
    found_check(NULL, "/etc/p11ha/p11ha.conf");
    assert_int_equal(setenv("HOME", folder, 1), 0);
    found_check(NULL, "/etc/p11ha/p11ha.conf");
    name_write(".config/p11ha/p11ha.conf");
    strcat(in_home, "/p11ha.conf");
    found_check(NULL, in_home);
    assert_int_equal(setenv("XDG_CONFIG_HOME", xdg, 1), 0);
    found_check(NULL, "/etc/p11ha/p11ha.conf");
    name_write("xdg/p11ha/p11ha.conf");
    strcat(own, "/p11ha.conf");
    found_check(NULL, own);
    assert_int_equal(setenv("P11HA_CONF", "/some/where", 1), 0);
    found_check(NULL, "/some/where");
    found_check("/given", "/given");
    assert_int_equal(setenv("P11HA_CONF", "", 1), 0);
    found_check(NULL, own);
    assert_int_equal(unsetenv("P11HA_CONF") | unsetenv("XDG_CONFIG_HOME") | unsetenv("HOME"), 0);
}

/* Every allocation fails once, then all from there on: -ENOMEM and nothing leaked (by the address sanitizer),
 * or all good. */
static void memory_test(void **state, const char *text, int rc_expected)
{
    (void)state;
    conf_write(text);
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        int rc = -ENOMEM;

        for (unsigned long n = 1; rc == -ENOMEM; n++) {
            struct config *config = NULL;
            char *errors = NULL, *warnings = NULL;

            assert_true(n < 5000);
            mem_fail_after(n, for_ever);
            rc = config_read(file, &config, &errors, &warnings);
            mem_fail_after(0, false);
            if (rc == -ENOMEM) {
                assert_null(config);
                assert_null(errors);
                assert_null(warnings);
            }
            mem_free(errors);
            mem_free(warnings);
            config_free(config);
        }
        assert_int_equal(rc, rc_expected);
    }
    assert_int_equal(secret_in_use(), 0);
}

static void memory_good_test(void **state)
{
    memory_test(state, full, 0);
}

static void memory_bad_test(void **state)
{
    memory_test(state,
                "x=1\n[p11ha]\nlog=x\n[gruop c]\n" GROUP "slot=x\n" TWO
                "[member m3]\ngroup=b\nenv.A=1\nenv.1=2\n"
                "module=/nowhere/m.so\ninit-args=a\ninit-args=b\n[group a]\n",
                -EINVAL);
}

static void find_memory_test(void **state)
{
    (void)state;
    assert_int_equal(setenv("HOME", folder, 1), 0);
    mem_fail_after(1, true);
    assert_null(config_find(NULL));
    assert_null(config_find("/given"));
    mem_fail_after(0, false);
    assert_int_equal(unsetenv("HOME"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_test),      cmocka_unit_test(full_test),
        cmocka_unit_test(inih_settings_test), cmocka_unit_test(copies_default_test),
        cmocka_unit_test(files_test),         cmocka_unit_test(environment_test),
        cmocka_unit_test(find_test),          cmocka_unit_test(memory_good_test),
        cmocka_unit_test(memory_bad_test),    cmocka_unit_test(find_memory_test),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
