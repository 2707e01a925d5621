#!/bin/bash
# A file includes headers of its own folder and of those below it that its row lists, by their folder.
. "$(dirname "$0")/../lib/tap.sh"
cd "$P11HA_SOURCE" || exit 1

# folder: what it may look down to (design: the house)
readonly HOUSE='
base:
call:    base
config:  call base
vault:   config call base
catalog: config call base
member:  config call base
router:  member catalog vault config call base
replica: router member catalog vault config call base
session: replica router member catalog vault config call base
entry:   session replica router member catalog vault config call base
tool:    session replica router member catalog vault config call base
'

# Prints "file:line: what" for each quoted include that its folder's row does not allow.
look_up() {
    local folder=$1 below=$2 line path
    grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "src/$folder" --include='*.[ch]' --include='*.def' |
        while IFS= read -r line; do
            path=${line#*\"}
            path=${path%%\"*}
            case $path in
            pkcs11-headers/pkcs11.h) [ "$folder" != base ] && continue ;;
            include/p11ha.h) [[ $folder =~ ^(entry|tool)$ ]] && continue ;;
            *.c) ;;
            */*) [[ " $folder $below " == *" ${path%/*} "* ]] && continue ;;
            esac
            echo "${line%%:[[:space:]]*#*}: includes $path"
        done
}

while IFS=: read -r folder below; do
    [ -n "$folder" ] || continue
    read -ra words <<<"$below"
    if [ -d "src/$folder" ]; then
        tap_none "src/$folder looks down only" "$(look_up "$folder" "${words[*]}")"
    else
        tap_not_ok "src/$folder looks down only" "no such folder"
    fi
done <<<"$HOUSE"

strangers=
for folder in src/*/; do
    folder=$(basename "$folder")
    grep -q "^$folder:" <<<"$HOUSE" || strangers+="src/$folder has no row in layers.sh"$'\n'
done
tap_none "every folder of src has its place" "$strangers"
tap_none "pkcs11.h is our own, not another project's" \
    "$(grep -rnE '#[[:space:]]*include[[:space:]]*<(p11-kit/|nss/)?(pkcs11|pkcs11x|pkcs11t)\.h>' src include)"
tap_end
