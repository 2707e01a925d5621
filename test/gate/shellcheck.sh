#!/bin/bash
# Every file in shell is clean.
. "$(dirname "$0")/../lib/tap.sh"
cd "$P11HA_SOURCE" || exit 1
tap_need shellcheck

mapfile -t files < <({
    find . -path './build*' -prune -o -path ./.git -prune -o -path ./demo -prune -o -name '*.sh' -type f -print
    find . -path './build*' -prune -o -path ./.git -prune -o -path ./demo -prune -o -type f -print0 |
        xargs -0 awk 'FNR == 1 && /^#!.*\/(ba|da)?sh( |$)/ { print FILENAME } { nextfile }'
} | sort -u)
for file in "${files[@]}"; do
    # What a sourced file sets or uses cannot be seen from here.
    tap_none "$file" "$(shellcheck -e SC1091,SC2034,SC2153,SC2154 "$file")"
done
tap_end
