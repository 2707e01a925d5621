# Compares two records line by line: awk -v where=softhsm -f compare.awk differences.tsv BARE OURS
#
# A difference is good if a row of differences.tsv explains it.
# A row that explains nothing is a failure too, unless its story ends with a question mark: seen at times.
#
# Columns of a row: where it is seen ("any" for every story), the case, the bare token's answer, ours, why. Asterisks
# stand for anything; answers that begin with a tilde are pieces of the line of which one stands for the other, and
# all else must be equal, but for the pieces of other rows of that kind. Of a case that the bare token dies of, what it
# said before is compared.
BEGIN { FS = "\t" }

function pattern(glob) {
    gsub(/[^A-Za-z0-9* _=]/, "[&]", glob)
    gsub(/\[\^\]/, "\\^", glob)
    gsub(/\*/, ".*", glob)
    return "^" glob "$"
}

# Plain text, not a regular expression, in place of plain text.
function replace(text, from, into,   out, at) {
    out = ""
    while ((at = index(text, from)) > 0) {
        out = out substr(text, 1, at - 1) into
        text = substr(text, at + length(from))
    }
    return out text
}

function explains(row, name, bare, ours) {
    if (name !~ pattern(row_case[row]))
        return 0
    if (row_bare[row] ~ /^~/)
        return index(bare, substr(row_bare[row], 2)) > 0 &&
               replace(bare, substr(row_bare[row], 2), substr(row_ours[row], 2)) == ours
    return bare ~ pattern(row_bare[row]) && ours ~ pattern(row_ours[row])
}

# All rows with pieces together: one for each of the things that differ in the line.
function explains_jointly(name, bare, ours,   row, text, seen, i, count) {
    text = bare
    for (row = 1; row <= rows; row++)
        if (row_bare[row] ~ /^~/ && name ~ pattern(row_case[row]) && index(text, substr(row_bare[row], 2)) > 0 &&
            index(ours, substr(row_bare[row], 2)) == 0 && index(ours, substr(row_ours[row], 2)) > 0) {
            text = replace(text, substr(row_bare[row], 2), substr(row_ours[row], 2))
            seen[++count] = row
        }
    for (i = 1; text == ours && i <= count; i++)
        used[seen[i]]++
    return text == ours
}

# Are the answers before the crash the same?
function dies(bare, ours) {
    if (bare !~ /CRASHED$/ || ours == "(no such line)")
        return 0
    sub(/ ?CRASHED$/, "", bare)
    return bare == "" || index(ours " ", bare " ") == 1
}

FNR == 1 { file++ }

file == 1 {
    if ($0 ~ /^(#|where\t|$)/)
        next
    if (NF != 5) {
        print "not ok - differences.tsv:" FNR " has five columns"
        failed++
        next
    }
    if ($1 == where || $1 == where "?" || ($1 == "any" && where != "chaos")) {
        rows++
        seen_at_times[rows] = $1 ~ /[?]$/
        row_case[rows] = $2
        row_bare[rows] = $3
        row_ours[rows] = $4
    }
    next
}
{
    at = index($0, ":")
    name = substr($0, 1, at - 1)
    rest = substr($0, at + 2)
    if (!(name in seen)) {
        seen[name] = 1
        names[++count] = name
    }
    if (file == 2) {
        bare_says[name] = rest
        bares++
    } else {
        ours_say[name] = rest
        ourss++
    }
}

END {
    for (i = 1; i <= count; i++) {
        name = names[i]
        bare = name in bare_says ? bare_says[name] : "(no such line)"
        ours = name in ours_say ? ours_say[name] : "(no such line)"
        if (bare == ours) {
            print "ok - " name
            equal++
            continue
        }
        if (dies(bare, ours)) {
            print "ok - " name " (the bare token dies of it)"
            deaths++
            continue
        }
        for (row = 1; row <= rows && !explains(row, name, bare, ours); row++)
            ;
        if (row <= rows) {
            used[row]++
            listed++
            print "ok - " name " (differs as listed)"
        } else if (explains_jointly(name, bare, ours)) {
            listed++
            print "ok - " name " (differs as listed)"
        } else {
            failed++
            print "not ok - " name
            print "# bare: " bare
            print "# ours: " ours
        }
    }
    for (row = 1; row <= rows; row++)
        if (!used[row] && !seen_at_times[row]) {
            failed++
            print "not ok - a listed difference is still there: " row_case[row] " " row_bare[row]
        }
    printf "# %d cases: %d equal, %d differ as listed, %d that the bare token dies of, %d wrong\n",
           count, equal, listed, deaths, failed
    if (!bares || !ourss)
        print "not ok - both have a record"
}
