# shellcheck shell=bash
# Knows a process again, for scripts that source this: a PID alone is soon somebody else's, so a process is remembered by
# its PID, the boot, and its start time in that boot. Not by its program, which a script may replace (exec).

# Seconds since the boot: a clock that nobody sets.
uptime_s() {
    local up
    read -r up _ </proc/uptime
    printf '%s' "${up%%.*}"
}

boot_id() {
    cat /proc/sys/kernel/random/boot_id
}

# Field $2 of /proc/$1/stat; fields are counted behind the name, which may hold anything.
stat_field() {
    local line fields
    line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    read -ra fields <<<"${line##*) }"
    printf '%s' "${fields[$2 - 3]}"
}

# Writes down who the process $1 is, in the file $2.
remember() {
    printf 'pid=%s\nstart=%s\nboot=%s\n' "$1" "$(stat_field "$1" 22)" "$(boot_id)" >"$2.new"
    mv -f "$2.new" "$2"
}

# The value of $1 in the file $2.
recall() {
    sed -n "s/^$1=//p" "$2" 2>/dev/null | head -n 1
}

# The PID in the file $1, if that very process is still there; a zombie still is.
process_of() {
    local pid start
    pid=$(recall pid "$1")
    [[ $pid =~ ^[0-9]+$ && $(recall boot "$1") == "$(boot_id)" ]] || return 1
    start=$(stat_field "$pid" 22) || return 1
    [[ $start == "$(recall start "$1")" ]] || return 1
    printf '%s' "$pid"
}

# Resident memory of the process $1 in MB.
resident_mb() {
    awk '/^VmRSS:/ { print int($2 / 1024) }' "/proc/$1/status" 2>/dev/null
}
