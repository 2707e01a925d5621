#!/bin/bash
# What p11ha.so shows to others: three names, and the flags that keep it in place.
. "$(dirname "$0")/../lib/tap.sh"
tap_need nm readelf
module=$P11HA_BUILD/p11ha.so
map=$P11HA_SOURCE/src/entry/p11ha.map

if [ ! -f "$module" ]; then
    tap_not_ok 'p11ha.so is there' "no $module"
    tap_end
fi

promised=$(sed -n '/global:/,/local:/p' "$map" | grep -oE '[A-Za-z_0-9]+;' | tr -d ';' | sort)
shown=$(nm -D --defined-only "$module" | awk '{ print $3 }' | sort)
tap_none 'exports what its map lists' "$(diff <(echo "$promised") <(echo "$shown"))"
tap_none 'its map lists the three of the standard' \
    "$(diff <(printf '%s\n' C_GetFunctionList C_GetInterface C_GetInterfaceList) <(echo "$promised"))"
tap_none 'binds to no C_ function of others' "$(nm -D --undefined-only "$module" | grep -w 'C_[A-Za-z]*')"

flags=$(readelf -dW "$module")
for flag in NODELETE NOW; do
    if grep -qE "\(FLAGS(_1)?\).*\b$flag\b" <<<"$flags"; then
        tap_ok "linked with $flag"
    else
        tap_not_ok "linked with $flag" "$flags"
    fi
done
if readelf -lW "$module" | grep -q GNU_RELRO; then
    tap_ok 'linked with RELRO'
else
    tap_not_ok 'linked with RELRO'
fi
tap_none 'has no search path of its own' "$(grep -E 'R(UN)?PATH' <<<"$flags")"
tap_end
