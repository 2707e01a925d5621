#include "config_rig.h"

/* One wrong line in a file that is good otherwise. */
struct wrong {
    const char *line, *error;
};

static void wrong_check(const char *before, const char *after, const char *place, const struct wrong *wrong,
                        size_t count)
{
    char text[2048], error[1024];

    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "%s%s\n%s", before, wrong[i].line, after);
        snprintf(error, sizeof(error), "%s%s", place, wrong[i].error);
        conf_refused(text, error);
    }
}

static void p11ha_values_test(void **state)
{
    static const struct wrong wrong[] = {
        {"log=file:x", "log: found \"file:x\", expected syslog, stderr or file:/PATH"},
        {"log=", "log: found \"\", expected syslog, stderr or file:/PATH"},
        {"log-level=inf",
         "log-level: found \"inf\", expected error, warn, info, debug or trace; did you mean \"info\"?"},
        {"log-level=3", "log-level: found \"3\", expected error, warn, info, debug or trace"},
        {"run-dir=run", "run-dir: found \"run\" (not absolute), expected an absolute path"},
        {"run-dir=", "run-dir: found \"\", expected an absolute path"},
        {"loglevel=info",
         "loglevel: found \"loglevel\", expected a key of [p11ha]; did you mean \"log-level\"?"},
        {"slot=1", "slot: found \"slot\", expected a key of [p11ha]; this one belongs to [group]"},
        {"env.X=1", "env.X: found \"env.X\", expected a key of [p11ha]; this one belongs to [member]"},
        {"pin=1234", "pin: found \"pin\", expected a key of [p11ha]"},
    };

    (void)state;
    wrong_check("[p11ha]\n", GROUP TWO, "F:2: [p11ha] ", wrong, ARRAY_LEN(wrong));
}

static void group_values_test(void **state)
{
#define SLOT   "expected a slot id that no other group has, 0 to 2147483647"
#define CALL   "expected a duration from 1ms to 1h, such as 10s"
#define SIZE   "expected a size from 0 to 1GiB, such as 64KiB or 1MiB"
#define LABEL  "expected a label of 1 to 32 bytes that no other group has"
#define COPIES "expected a number from 1 to that of the group's members"
#define SOFT   "expected 0 or a duration up to 36500d, such as 30d"
    static const struct wrong wrong[] = {
        {"slot=x", "slot: found \"x\", " SLOT},
        {"slot=-1", "slot: found \"-1\", " SLOT},
        {"slot=2147483648", "slot: found \"2147483648\" (too large), " SLOT},
        {"label=", "label: found \"\", " LABEL},
        {"label=abcdefghijklmnopqrstuvwxyz0123456",
         "label: found \"abcdefghijklmnopqrstuvwxyz0123456\" (too long), " LABEL},
        {"sync=manged", "sync: found \"manged\", expected managed or external; did you mean \"managed\"?"},
        {"min-copies=0", "min-copies: found \"0\" (too small), " COPIES},
        {"min-copies=33", "min-copies: found \"33\" (too large), " COPIES},
        {"min-copies=two", "min-copies: found \"two\", " COPIES},
        {"min-copies=3", "min-copies: found \"3\", expected at most 2, the number of members"},
        {"call-timeout=10", "call-timeout: found \"10\" (without a unit), " CALL},
        {"call-timeout=0", "call-timeout: found \"0\" (too small), " CALL},
        {"call-timeout=61m", "call-timeout: found \"61m\" (too large), " CALL},
        {"call-timeout=soon", "call-timeout: found \"soon\", " CALL},
        {"keygen-timeout=2d",
         "keygen-timeout: found \"2d\" (too large), expected a duration from 1ms to 1d, such as 120s"},
        {"hedge-after=p95", "hedge-after: found \"p95\", which is not supported yet, expected off"},
        {"hedge-after=5ms", "hedge-after: found \"5ms\", which is not supported yet, expected off"},
        {"hedge-after=on", "hedge-after: found \"on\", expected off"},
        {"replay-limit=2GiB", "replay-limit: found \"2GiB\" (too large), " SIZE},
        {"replay-limit=1024", "replay-limit: found \"1024\" (without a unit), " SIZE},
        {"replay-limit=1MB", "replay-limit: found \"1MB\", " SIZE},
        {"local-digest=true", "local-digest: found \"true\", expected yes or no"},
        {"session-keys=pined",
         "session-keys: found \"pined\", expected recoverable or pinned; did you mean \"pinned\"?"},
        {"mechanisms=all", "mechanisms: found \"all\", expected common or any"},
        {"unreplicable-keys=import",
         "unreplicable-keys: found \"import\", which is not supported yet, expected refuse or pin"},
        {"unreplicable-keys=pim",
         "unreplicable-keys: found \"pim\", expected refuse or pin; did you mean \"pin\"?"},
        {"soft-delete=30", "soft-delete: found \"30\" (without a unit), " SOFT},
        {"soft-delete=36501d", "soft-delete: found \"36501d\" (too large), " SOFT},
        {"purge-protection=1", "purge-protection: found \"1\", expected yes or no"},
        {"min-copy=2",
         "min-copy: found \"min-copy\", expected a key of [group]; did you mean \"min-copies\"?"},
        {"weight=2", "weight: found \"weight\", expected a key of [group]; this one belongs to [member]"},
        {"log=stderr", "log: found \"log\", expected a key of [group]; this one belongs to [p11ha]"},
    };

    (void)state;
    wrong_check(GROUP, TWO, "F:3: [group a] ", wrong, ARRAY_LEN(wrong));
}

static void vault_values_test(void **state)
{
    static const struct wrong wrong[] = {
        {"vault=sqlite:v.db", "vault: found \"sqlite:v.db\", expected sqlite:/PATH"},
        {"vault=postgresql://u:secret@h/db",
         "vault: found \"postgresql:...\", which is not supported yet, expected sqlite:/PATH"},
        {"vault=mysql://u:secret@h/db", "vault: found \"mysql:...\", expected sqlite:/PATH"},
        {"vault=", "vault: found \"\", expected sqlite:/PATH"},
    };

    (void)state;
    wrong_check("[group a]\n", TWO, "F:2: [group a] ", wrong, ARRAY_LEN(wrong));
    conf_refused("[group a]\n" TWO,
                 "F:1: [group a] vault: found nothing, expected sqlite:/PATH, because sync is managed");
    conf_refused(
        "[group a]\nsync=external\nvault=sqlite:@/v.db\n" TWO,
        "F:3: [group a] vault: found a vault, expected none, because sync is external and the vendor keeps "
        "the keys alike");
}

static void member_values_test(void **state)
{
    static const struct wrong wrong[] = {
        {"runner=process",
         "runner: found \"process\", which is not supported yet, expected thread or inline"},
        {"runner=threads", "runner: found \"threads\", expected thread or inline; did you mean \"thread\"?"},
        {"instance=own", "instance: found \"own\", expected shared or private"},
        {"role=stand-by", "role: found \"stand-by\", expected active or standby; did you mean \"standby\"?"},
        {"weight=0", "weight: found \"0\" (too small), expected a number from 1 to 1000"},
        {"weight=1001", "weight: found \"1001\" (too large), expected a number from 1 to 1000"},
        {"max-sessions=4097", "max-sessions: found \"4097\" (too large), expected a number from 1 to 4096"},
        {"pin-source=1234", "pin-source: found a value not shown here, expected file:/PATH"},
        {"pin-source=file:pin", "pin-source: found a value not shown here, expected file:/PATH"},
        {"init-args=",
         "init-args: found a value not shown here, expected the text that the module wants at C_Initialize"},
        {"env.9=secret", "env.9: found a value not shown here (no variable can have such a name), expected "
                         "env.NAME with letters, digits and underscores, no digit first"},
        {"env.=secret", "env.: found a value not shown here (no variable can have such a name), expected "
                        "env.NAME with letters, digits and underscores, no digit first"},
        {"pin_source=file:/x",
         "pin_source: found \"pin_source\", expected a key of [member]; did you mean \"pin-source\"?"},
        {"weight=1\nweight=2",
         "weight: found this key a second time, expected it once; the first is in line 7"},
        {"env.A=1\nenv.A=2", "env.A: found this key a second time, expected it once; the first is in line 7"},
    };
    const size_t twice = 2, once = ARRAY_LEN(wrong) - twice;

    (void)state;
    wrong_check(GROUP MEMBER("m1"), MEMBER("m2"), "F:7: [member m1] ", wrong, once);
    wrong_check(GROUP MEMBER("m1"), MEMBER("m2"), "F:8: [member m1] ", wrong + once, twice);
}

static void token_values_test(void **state)
{
#define TOKEN      "expected a token's URI such as pkcs11:token=hsm-a"
#define ATTRIBUTES "it has attributes that do not belong to a token, or are too long for one"
    static const struct wrong wrong[] = {
        {"token=hsm-a", "\"hsm-a\" (URI scheme must be 'pkcs11:'), " TOKEN},
        {"token=pkcs11:token", "\"pkcs11:token\" (URI syntax is invalid), " TOKEN},
        {"token=pkcs11:token=%zz", "\"pkcs11:token=%zz\" (URI encoding invalid or corrupted), " TOKEN},
        {"token=pkcs11:", "\"pkcs11:\" (it would match any token), " TOKEN},
        {"token=pkcs11:token=a;object=b", "\"pkcs11:token=a;object=b\" (" ATTRIBUTES "), " TOKEN},
        {"token=pkcs11:token=" X50, "\"pkcs11:token=" X50 "\" (" ATTRIBUTES "), " TOKEN},
        {"token=pkcs11:token=a?module-path=/x", "\"pkcs11:token=a...\" (" ATTRIBUTES "), " TOKEN},
        {"token=pkcs11:token=a?pin-value=1234",
         "\"pkcs11:token=a...\" (a PIN is given by pin-source), " TOKEN},
        {"token=pkcs11:token=a;pin-value=1234",
         "\"pkcs11:token=a;...\" (a PIN is given by pin-source), " TOKEN},
        {"token=pkcs11:token=a?pin-source=/x",
         "\"pkcs11:token=a...\" (a PIN is given by pin-source), " TOKEN},
    };

    (void)state;
    wrong_check(GROUP MEMBER("m2") "[member m1]\ngroup=a\nmodule=@/m.so\n", "",
                "F:10: [member m1] token: found ", wrong, ARRAY_LEN(wrong));
}

static void lines_test(void **state)
{
    static const struct wrong wrong[] = {
        {"slot", "found a line that is neither, expected KEY = VALUE or [SECTION]"},
        {"= 1", "found a line that is neither, expected KEY = VALUE or [SECTION]"},
        {"label = " X50 X50 X50 X50,
         "found a line of 208 bytes, expected at most 198 (comments and blanks around do "
         "not count)"},
        {"label = a\001", "found a byte that is neither text in UTF-8 nor a tab, expected text"},
        {"label = a\x7f", "found a byte that is neither text in UTF-8 nor a tab, expected text"},
        {"label = a\xff", "found a byte that is neither text in UTF-8 nor a tab, expected text"},
        {"label = a\xc3", "found a byte that is neither text in UTF-8 nor a tab, expected text"},
        {"label = a\xc0\x80", "found a byte that is neither text in UTF-8 nor a tab, expected text"},
        {"label = a\xc2\x85", "found a byte that is neither text in UTF-8 nor a tab, expected text"},
        {"label = a\xe2\x28\xa1", "found a byte that is neither text in UTF-8 nor a tab, expected text"},
        {"label = a\xed\xa0\x80", "found a byte that is neither text in UTF-8 nor a tab, expected text"},
        {"label = a\xf4\x90\x80\x80", "found a byte that is neither text in UTF-8 nor a tab, expected text"},
    };
    static const char nul[] = "[group a]\nvault=sqlite:/nowhere/v.db\nlabel=x\0y\nslot=\n";
    struct config *config = NULL;
    char *errors = NULL;

    (void)state;
    wrong_check(GROUP, TWO, "F:3: [group a]: ", wrong, ARRAY_LEN(wrong));
    conf_refused("slot=1\n" GROUP TWO,
                 "F:1: slot: found a key before the first section, expected [p11ha], [group "
                 "NAME] or [member NAME]");
    conf_refused("slot\n" GROUP TWO, "F:1: found a line that is neither, expected KEY = VALUE or [SECTION]");
    bytes_write(file, nul, sizeof(nul) - 1);
    assert_int_equal(config_read(file, &config, &errors, NULL), -EINVAL);
    same_check(
        "errors", errors,
        "F:1: [group a]: found no member, expected at least one [member NAME] with group = a\n"
        "F:3: [group a]: found a byte that is neither text in UTF-8 nor a tab, expected text\n"
        "F:4: [group a] slot: found \"\", expected a slot id that no other group has, 0 to 2147483647");
    /* The longest line, the longest comments, and four-byte letters are fine. */
    config_free(conf_read(GROUP "   label = a\xf0\x9f\x94\x91 ; " X50 X50 X50 X50 X50 "\n" TWO
                                "env.A_LONG_VARIABLE = " X50 X50 X50 "01234567890123456789012345\n",
                          NULL));
}

static void sections_test(void **state)
{
#define KINDS "expected [p11ha], [group NAME] or [member NAME]"
#define NAMES "expected a name of 1 to 32 letters, digits, dots, dashes and underscores"
#define CLOSE "expected a section to end in ] and nothing behind it but a comment"
    static const struct wrong wrong[] = {
        {"[gruop b]\nslot=x\nnonsense", "\"[gruop b]\", " KINDS "; did you mean \"group\"?"},
        {"[Group b]", "\"[Group b]\", " KINDS "; did you mean \"group\"?"},
        {"[]", "\"[]\", " KINDS},
        {"[ vault ]", "\"[ vault ]\", " KINDS},
        {"[p11ha x]", "\"[p11ha x]\", expected [p11ha], without a name"},
        {"[group]", "\"[group]\", " NAMES},
        {"[group b c]", "\"[group b c]\", " NAMES},
        {"[member 012345678901234567890123456789012]",
         "\"[member 012345678901234567890123456789012]\", " NAMES},
        {"[member b", "\"[member b\", " CLOSE},
        {"[member b] group=a", "\"[member b] group=a\", " CLOSE},
    };

    (void)state;
    wrong_check(GROUP TWO, "", "F:11: found ", wrong, ARRAY_LEN(wrong));
    conf_refused(
        GROUP TWO "[group a]\nvault=x\n[p11ha]\nlog=stderr\n[p11ha]\n",
        "F:11: [group a]: found this section a second time, expected it once; the first is in line 1\n"
        "F:12: [group a] vault: found \"x\", expected sqlite:/PATH\n"
        "F:15: [p11ha]: found this section a second time, expected it once; the first is in line 13");
    conf_refused(
        GROUP TWO MEMBER("m1"),
        "F:11: [member m1]: found this section a second time, expected it once; the first is in line 3");
    conf_refused("", "F: found no group, expected a [group NAME]");
    conf_refused("[p11ha]\n", "F: found no group, expected a [group NAME]");
    conf_refused(GROUP "[member m1]\n",
                 "F:3: [member m1] group: found nothing, expected the name of a [group NAME] of this file\n"
                 "F:3: [member m1] module: found nothing, expected the absolute path of a PKCS#11 module\n"
                 "F:3: [member m1] token: found nothing, expected a token's URI such as pkcs11:token=hsm-a");
}

static void across_test(void **state)
{
    (void)state;
    conf_refused(GROUP TWO "[group bb]\nvault=sqlite:@/w.db\nslot=2\n",
                 "F:11: [group bb]: found no member, expected at least one [member NAME] with group = bb");
    conf_refused(
        "[group signing]\nvault=sqlite:@/v.db\n"
        "[member m1]\ngroup=sining\nmodule=@/m.so\ntoken=pkcs11:token=x\n",
        "F:4: [member m1] group: found \"sining\", expected the name of a [group NAME] of this file; did you "
        "mean \"signing\"?");
    conf_refused(
        GROUP TWO "[group b]\nlabel=a\nvault=sqlite:@/v.db\n[member m3]\ngroup=b\nmodule=@/m.so\n"
                  "token=pkcs11:token=m1\n",
        "F:11: [group b] slot: found \"1\" (the default), expected one that no other group has; [group a] in "
        "line 1 has it\n"
        "F:12: [group b] label: found \"a\", expected one that no other group has; [group a] in line 1 has "
        "it\n"
        "F:13: [group b] vault: found \"@/v.db\", expected one that no other group has; [group a] in line 1 "
        "has it");
    conf_refused(GROUP "slot=7\nlabel=b\n" TWO "[group b]\nslot=7\nsync=external\n[member m3]\ngroup=b\n"
                       "module=@/m.so\ntoken=pkcs11:token=m1\n",
                 "F:13: [group b] label: found \"b\" (the default), expected one that no other group has; "
                 "[group a] in "
                 "line 1 has it\n"
                 "F:14: [group b] slot: found \"7\", expected one that no other group has; [group a] in line "
                 "1 has it");
    conf_refused(
        GROUP TWO "env.X=1\n[member m3]\ngroup=a\nmodule=@/m.so\ntoken=pkcs11:token=m1\n",
        "F:15: [member m3] token: found \"pkcs11:token=m1\", expected another token than [member m1] in line "
        "3 has, with this module, environment and arguments");
    /* The same URI under another environment is another token. */
    config_free(conf_read(
        GROUP MEMBER("m1") "[member m2]\ngroup=a\nmodule=@/m.so\ntoken=pkcs11:token=m1\nenv.X=1\n"
                           "[member m3]\ngroup=a\nmodule=@/m.so\ntoken=pkcs11:token=m1\nenv.X=2\n"
                           "[member m4]\ngroup=a\nmodule=@/m.so\ntoken=pkcs11:token=m1\ninit-args=x\n",
        NULL));
}

static void all_errors_test(void **state)
{
    (void)state;
    conf_refused(
        "log = x\n[p11ha]\nlog = y\n[member m1]\ngroup = a\nmodule = m.so\ntoken=pkcs11:token=x\nwieght=1\n"
        "[group a]\nslot=x\nvault = sqlite:@/v.db\nmin-copies = 2\n",
        "F:1: log: found a key before the first section, expected [p11ha], [group NAME] or [member NAME]\n"
        "F:3: [p11ha] log: found \"y\", expected syslog, stderr or file:/PATH\n"
        "F:6: [member m1] module: found \"m.so\" (not absolute), expected the absolute path of a PKCS#11 "
        "module\n"
        "F:8: [member m1] wieght: found \"wieght\", expected a key of [member]; did you mean \"weight\"?\n"
        "F:10: [group a] slot: found \"x\", expected a slot id that no other group has, 0 to 2147483647\n"
        "F:12: [group a] min-copies: found \"2\", expected at most 1, the number of members");
}

static void too_many_members_test(void **state)
{
    char text[8192] = GROUP;

    (void)state;
    for (int i = 0; i <= CONFIG_MEMBERS_MAX; i++)
        snprintf(strchr(text, '\0'), 128, "[member m%d]\ngroup=a\nmodule=@/m.so\ntoken=pkcs11:token=t%d\n", i,
                 i);
    conf_refused(text, "F:1: [group a]: found 33 members, expected at most 32");
    *strstr(text, "[member m32]") = '\0';
    config_free(conf_read(text, NULL));
}

static void warnings_test(void **state)
{
#define ZONES(one, two) GROUP MEMBER("m1") one MEMBER("m2") two
#define TAKES           "; what takes the zone out takes the group out"
    static const struct wrong cases[] = {
        {ZONES("zone=z1\n", "zone=z1\n"), "F:1: [group a]: all active members sit in zone z1" TAKES},
        {ZONES("zone=z1\n", "zone=z2\n"), NULL},
        {ZONES("zone=z1\n", ""), NULL},
        {ZONES("zone=z1\n", "zone=z1\nregion=r2\n"), NULL},
        {ZONES("zone=z1\n", "zone=z1\nrole=standby\n"), NULL},
        {ZONES("", "[p11ha]\nzone=z1\n"),
         "F:1: [group a]: no active member has a zone, so all may sit in one" TAKES},
        {GROUP MEMBER("m1"), "F:1: [group a]: has one member only, so nothing can take over from it"},
        {GROUP "min-copies=1\n" TWO,
         "F:3: [group a] min-copies: 1 copy means that a key can be lost with the member "
         "that made it, until the others have it"},
        {ZONES("region=r1\n", "") "[p11ha]\nregion=r2\n", NULL},
        {ZONES("region=r1\n", "region=r1\n") "[p11ha]\nregion=r2\n",
         "F:1: [group a]: no member sits in this host's region"},
        {GROUP "min-copies=2\n" MEMBER("m1") "region=r1\n" MEMBER("m2") "[p11ha]\nregion=r2\n",
         "F:3: [group a] min-copies: 2 copies need members of other regions, because this one has 1; making "
         "a key "
         "waits for them"},
        {GROUP "soft-delete=0\npurge-protection=yes\n" TWO,
         "F:4: [group a] purge-protection: protects nothing, because soft-delete is 0"},
        {"[group a]\nsync=external\nsoft-delete=1d\nmin-copies=9\n" TWO,
         "F:3: [group a] soft-delete: has no effect, because sync is external\n"
         "F:4: [group a] min-copies: has no effect, because sync is external"},
        {ZONES("", "pin-source=file:@/pin\n"),
         "F:11: [member m2] pin-source: @/pin can be read or written by others "
         "than its owner; chmod 600 it"},
    };

    (void)state;
    name_write("pin");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        config_free(conf_read(cases[i].line, cases[i].error));
    char path[160];
    snprintf(path, sizeof(path), "%s/pin", folder);
    assert_int_equal(chmod(path, 0600), 0);
    config_free(conf_read(ZONES("", "pin-source=file:@/pin\n"), NULL));
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(p11ha_values_test), cmocka_unit_test(group_values_test),
        cmocka_unit_test(vault_values_test), cmocka_unit_test(member_values_test),
        cmocka_unit_test(token_values_test), cmocka_unit_test(lines_test),
        cmocka_unit_test(sections_test),     cmocka_unit_test(across_test),
        cmocka_unit_test(all_errors_test),   cmocka_unit_test(too_many_members_test),
        cmocka_unit_test(warnings_test),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
