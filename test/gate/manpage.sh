#!/bin/bash
# The manual pages are well formed and name every key of the configuration and every verb of the command.
. "$(dirname "$0")/../lib/tap.sh"
cd "$P11HA_SOURCE" || exit 1
tap_need mandoc

for page in man/*; do
    case $page in *.[1-8])
        tap_none "$page is well formed" "$(mandoc -Tlint -W warning "$page" 2>&1)"
        ;;
    *) continue ;;
    esac
done

# named PAGE WORD...: those that it does not explain in an item of a list or a heading of their own
named() {
    local page=$1 word
    shift
    [ $# -gt 0 ] || echo "found nothing that $page should name"
    for word; do
        grep -qE -e "^\.(It|Ss|Sh)( [A-Z][a-z])? ${word//./\\.}( |$)" "$page" || echo "$page does not explain $word"
    done
}

# A key's row begins with its name and its parser.
mapfile -t keys < <(grep -oP '^\s*\{"\K[a-z-]+\.?(?=",\s*value_parse_)' src/config/keys.c | sort -u)
tap_none 'p11ha.conf(5) explains every key' "$(named man/p11ha.conf.5 "${keys[@]}")"

for page in man/p11ha.1 man/p11ha.8; do
    [ -f "$page" ] || continue
    mapfile -t verbs < <("$P11HA_BUILD/p11ha" --help | sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p')
    tap_none "$page explains every verb" "$(named "$page" "${verbs[@]}")"
done
tap_end
