#!/bin/bash
# No source and no test stays out of the build unnoticed: its folder's meson.build lists it.
. "$(dirname "$0")/../lib/tap.sh"
cd "$P11HA_SOURCE" || exit 1

unlisted() {
    local file name
    for file; do
        [ -f "$file" ] || continue
        name=$(basename "$file")
        case $file in test/unit/test_*) name=${name#test_} name=${name%.c} ;; esac
        grep -qF "'$name'" "$(dirname "$file")/meson.build" || echo "$file is not in its meson.build"
    done
}

for folder in src/*/ test/chaos/ test/lib/ test/rig/ test/gate/; do
    tap_none "the build has all of ${folder%/}" "$(unlisted "$folder"*.c)"
done
tap_none 'the build has all of test/unit' "$(unlisted test/unit/*.c)"
for folder in flow race conform anomaly clients bench; do
    tap_none "the build has all of test/$folder" "$(unlisted test/$folder/*.c test/$folder/*.sh)"
done
tap_none 'the build installs all of man' "$(
    for page in man/*.[1-8]; do
        grep -qF "'$page'" meson.build || echo "$page is not in meson.build"
    done
)"
tap_end
