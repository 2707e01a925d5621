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
    tap_none "$file" "$(shellcheck -e SC1091 "$file")"
done
tap_end
