#!/bin/bash
# Each header compiles alone, twice in a row, with both compilers; what outsiders include also as C++.
. "$(dirname "$0")/../lib/tap.sh"
cd "$P11HA_SOURCE" || exit 1
tap_need gcc clang g++ clang++ pkg-config

read -ra flags < <(pkg-config --cflags p11-kit-1 libcrypto inih sqlite3 jansson smartcols cmocka)
flags+=(-D_GNU_SOURCE -I. -Isrc -fsyntax-only -Wall -Wextra -Wshadow -Werror)
# Test helpers are static functions in a header, and no program uses all.
c_flags=(-std=gnu11 -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wno-unused-function)

# alone COMPILER LANGUAGE HEADER FLAGS...
alone() {
    local compiler=$1 language=$2 header=${3#src/}
    shift 3
    printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
        "$compiler" -x "$language" "${flags[@]}" "$@" - 2>&1 | head -n 20
}

for folder in src/*/ test/*/ include/; do
    folder=${folder%/}
    mapfile -t headers < <(find "$folder" -name '*.h')
    [ ${#headers[@]} -gt 0 ] || continue
    for compiler in gcc clang; do
        wrong=
        for header in "${headers[@]}"; do
            wrong+=$(alone "$compiler" c "$header" "${c_flags[@]}")
        done
        tap_none "headers of $folder alone, $compiler" "$wrong"
    done
done

public=(pkcs11-headers/pkcs11.h)
[ ! -f include/p11ha.h ] || public+=(include/p11ha.h)
for header in "${public[@]}"; do
    for compiler in gcc clang; do
        tap_none "$header alone, $compiler" "$(alone $compiler c "$header" -std=c99 -pedantic)"
    done
    for compiler in g++ clang++; do
        tap_none "$header alone, $compiler" "$(alone $compiler c++ "$header" -std=c++11 -pedantic)"
    done
done
tap_end
