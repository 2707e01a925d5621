#!/bin/bash
# The whole tree is as .clang-format says, the standard's header apart.
. "$(dirname "$0")/../lib/tap.sh"
cd "$P11HA_SOURCE" || exit 1
tap_need clang-format

for folder in src/*/ test/*/ include/; do
    mapfile -t files < <(find "$folder" -name '*.[ch]')
    [ ${#files[@]} -gt 0 ] || continue
    tap_none "${folder%/} is formatted" \
        "$(clang-format --dry-run -Werror "${files[@]}" 2>&1 | grep -oP '^\S+?(?=:.*error:)|^(clang-format|Error).*' | sort | uniq -c)"
done
tap_end
