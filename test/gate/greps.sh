#!/bin/bash
# Laws that a search can hold. Comments and texts of the code are left out before the search.
. "$(dirname "$0")/../lib/tap.sh"
cd "$P11HA_SOURCE" || exit 1
tap_need awk

readonly MAX_LINES=600
# Functions of their arguments alone.
readonly PURE='
src/router/pick src/router/verdict src/router/budget src/member/health src/member/latency src/catalog/identity
src/vault/record src/config/units src/config/suggest
'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The same tree without comments, and with empty strings; line numbers stay.
bare() {
    local file
    while IFS= read -r file; do
        mkdir -p "$work/$(dirname "$file")"
        awk '
            { code = ""
              for (i = 1; i <= length($0); i++) {
                  two = substr($0, i, 2); one = substr($0, i, 1)
                  if (comment) { if (two == "*/") { comment = 0; i++ } continue }
                  if (quote != "") {
                      if (one == "\\") i++
                      else if (one == quote) { quote = ""; code = code one }
                      continue
                  }
                  if (two == "/*") { comment = 1; i++; continue }
                  if (two == "//") break
                  if ((one == "\"" || one == "\047") && code !~ /^[ \t]*#[ \t]*include/) quote = one
                  code = code one
              }
              quote = ""
              print code }' "$file" >"$work/$file"
    done < <(find src -name '*.[ch]' -o -name '*.def')
}

# found REGEX [FIND-OPTIONS for the files]: lines with it. What goes wrong in the search counts as found.
found() {
    local regex=$1
    shift
    (cd "$work" && find src -type f "$@" -exec grep -nHP -e "$regex" {} + 2>&1)
}

bare
tap_none '->C_ only in src/member and in bench' \
    "$(found '->\s*C_' -not -path 'src/member/*' -not -path 'src/tool/bench*')"
tap_none 'pthread_ only in src/base' "$(found '\bpthread_\w' -not -path 'src/base/*')"
tap_none 'clock_gettime only in src/base' "$(found '\bclock_gettime\b' -not -path 'src/base/*')"
tap_none 'malloc, calloc, realloc and free only in src/base' \
    "$(found '(?<![\w.>])(malloc|calloc|realloc|reallocarray|free)\s*\(' -not -path 'src/base/*')"
tap_none 'no goto' "$(found '\bgoto\b')"

# Of src/call all but trace, which takes the time.
call=$(find src/call -name '*.c' -not -name 'trace.c' | sed 's/\.c$//' | sort)
for stem in $PURE $call; do
    if [ -f "$stem.c" ]; then
        tap_none "$stem is pure" "$(found '#\s*include\s*("base/(lock|clock|thread|file)\.h"|<(pthread|threads|time|sys/time)\.h>)' \
            -path "$stem.[ch]")"
    else
        tap_not_ok "$stem is pure" "no such file"
    fi
done

all() {
    find src test include man packaging .ci check.sh meson.build meson_options.txt -type f "$@" 2>/dev/null
}
marks="\\b(TO""DO|FIX""ME|XX""X)\\b"
tap_none 'nothing is left for later' "$(all -not -name '*.pyc' -exec grep -nHP -e "$marks" {} +)"
tap_none "no file is longer than $MAX_LINES lines" \
    "$(all -exec wc -l {} + | awk -v max=$MAX_LINES '$2 != "total" && $1 > max { print $2 ": " $1 " lines" }')"
tap_end
