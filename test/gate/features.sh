#!/bin/bash
# FEATURES.md says of each function of the standard what the table of calls says.
#
#   test/gate/features.sh            passes if FEATURES.md is what the table makes
#   test/gate/features.sh --write    makes it
. "$(dirname "$0")/../lib/tap.sh"
cd "$P11HA_SOURCE" || exit 1
tap_need awk

readonly TABLE=src/call/calls.def PAPER=FEATURES.md DIFFERENCES=test/conform/differences.tsv

make_paper() {
    cat <<'END'
# What is there

Made from `src/call/calls.def` and `test/conform/differences.tsv` by `test/gate/features.sh --write`; do not edit it by hand, the gate compares.

END
    awk -F'[(), ]+' '
        function row(kind, repeat, words) { how[kind " " repeat] = words }
        BEGIN {
            here = "here, whatever members do"
            all = "all members or none: none may be away; one that fails in the middle is undone or named in the log"
            any = "on any member that can; on the next one if it fails"
            made = "session objects on a member, the next one if it fails; token objects by protocol"
            row("GENERAL", "NONE", here)
            row("SLOT", "NONE", here)
            row("SESSION", "NONE", here)
            row("LOGIN", "NEVER", "one attempt on one member; the others follow after it was accepted")
            row("LOGIN", "FREE", "here; every member that can be used is told")
            row("SLOT", "NEVER", all)
            row("SESSION", "FREE", here ": no validation is claimed")
            row("ASYNC", "NEVER", here ": no session is asynchronous, `CKR_SESSION_ASYNC_NOT_SUPPORTED`")
            own["C_SetPIN"] = own["C_InitPIN"] = all
            own["C_InitToken"] = all "; only in an external group"
            own["C_LoginUser"] = "as `C_Login`; with a user name only members with a 3.0 list follow"
            dual = "the two running operations one after the other, whatever members have"
            own["C_DigestEncryptUpdate"] = own["C_DecryptDigestUpdate"] = dual
            own["C_SignEncryptUpdate"] = own["C_DecryptVerifyUpdate"] = dual
            own["C_VerifySignatureInit"] = own["C_VerifySignature"] = any ", as `C_Verify`"
            own["C_VerifySignatureUpdate"] = own["C_VerifySignatureFinal"] = any ", as `C_Verify`"
            newer = ", of those with a 3.2 list: without one `CKR_FUNCTION_NOT_SUPPORTED`"
            own["C_EncapsulateKey"] = own["C_DecapsulateKey"] = own["C_UnwrapKeyAuthenticated"] = made newer
            own["C_WrapKeyAuthenticated"] = any newer
            own["C_GetOperationState"] = own["C_SetOperationState"] = "digests, up to `replay-limit`: the state is what was fed"
            own["C_DigestKey"] = "here if the value may be read; else the digest moves to a member that can"
            row("MESSAGE", "FREE", any ", of those with a 3.0 list; in parts, or with a nonce that is counted, on one")
            row("OBJECT", "FREE", "here where known; else on any member, the next if it fails")
            row("FIND", "FREE", "here; in an external group on any member, the next if it fails")
            row("OBJECT", "PROTOCOL", made)
            row("KEY", "PROTOCOL", made)
            row("KEY", "FREE", any)
            row("CRYPT", "FREE", any)
            row("RANDOM", "FREE", any)
        }
        /^CALL\(/ {
            name = "C_" $2; since = $3; kind = $4; repeat = $5
            sub(/_/, ".", since)
            total++
            if (!((kind " " repeat) in how)) {
                print "features.sh has no words for " name ": " kind ", " repeat > "/dev/stderr"
                wrong = 1
            }
            rows = rows "| `" name "` | " since " | " (name in own ? own[name] : how[kind " " repeat]) " |\n"
        }
        END {
            printf "All %d functions of PKCS#11 3.2 are served.\n", total
            print ""
            print "- *A session object* is made on one member, and made again on another when that one is lost: by the same call,"
            print "  or, if the key was generated, out of a wrapped copy (`session-keys = recoverable`)."
            print "- *By protocol*: tried out on one member, recorded in the vault, then brought to all members. Token objects of"
            print "  an external group are made by one member, once. See [ARCHITECTURE.md](ARCHITECTURE.md)."
            print "- With `local-digest = yes` digests are computed here, and of `CKM_SHA256_RSA_PKCS` and the like only the"
            print "  signature is made on a member."
            print ""
            print "| function | since | how |"
            print "|---|---|---|"
            printf "%s", rows
            if (!total)
                print "features.sh finds no function" > "/dev/stderr"
            exit wrong || !total
        }' "$TABLE" || return
    cat <<'END'

## What differs from a bare token

`test/conform` runs the same cases on a bare token and on a group of three, and compares what both answer. These
differences are meant; every other one fails the suite, and so does one of these that is not there any more. An
asterisk stands for anything.

| token | case | bare token | p11ha | why |
|---|---|---|---|---|
END
    awk -F'\t' '
        NR == 1 || /^#/ { next }
        NF != 5 { print FILENAME ":" NR ": five columns" > "/dev/stderr"; wrong = 1 }
        {
            for (i = 1; i <= NF; i++)
                gsub(/\|/, "\\|", $i)
            sub(/^~ ?/, "", $3)
            sub(/^~ ?/, "", $4)
            printf "| %s | `%s` | `%s` | `%s` | %s |\n", $1, $2, $3, $4, $5
        }
        END { exit wrong || NR < 2 }' "$DIFFERENCES"
}

# The dot keeps the last newline.
made=$(make_paper 2>/dev/null && echo .) || {
    tap_not_ok "$TABLE can be told" "$(make_paper 2>&1 >/dev/null)"
    tap_end
}
made=${made%.}

case ${1:-} in
--write)
    printf '%s' "$made" >"$PAPER"
    ;;
'')
    tap_ok "$TABLE can be told"
    tap_none "$PAPER is what $TABLE makes" "$(diff <(printf '%s' "$made") "$PAPER" 2>&1 |
        sed '1i test/gate/features.sh --write makes it anew')"
    tap_end
    ;;
*)
    echo "usage: features.sh [--write]" >&2
    exit 2
    ;;
esac
