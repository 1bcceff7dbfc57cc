#!/usr/bin/env bash
# Collects what a maintainer needs to find out why FaceTap does not do what it should, in one file that can be sent:
# card ids, names and secrets are masked.
#
#   scripts/diagnose.sh [--folder DIR] [--log FILE] [--config FILE]
#
#   --folder DIR    where diagnosis_YYYYMMDD_HHMMSS.log is written (default: the current folder)
#   --log FILE      FaceTap's log (default: that of the running service, else /var/log/facetap, else facetap.log here)
#   --config FILE   its configuration, for facetap doctor and for the names of the roster (default: as facetap run)
#
# Works without the program and without any tool that happens to be missing; as root it sees more. Takes some seconds.

set -uo pipefail

LINES_OF_A_LOG=200

folder=. log='' config=${FACETAP_CONFIG:-}
while [[ $# -gt 0 ]]; do
    case $1 in
        -h | --help)
            sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        --folder | --log | --config)
            if [[ $# -lt 2 ]]; then
                printf 'diagnose: %s needs a value\n' "$1" >&2
                exit 2
            fi
            declare "${1#--}=$2"
            shift 2
            ;;
        *)
            printf 'diagnose: unknown argument "%s"; see %s --help\n' "$1" "$0" >&2
            exit 2
            ;;
    esac
done

section() {
    printf '\n==== %s\n' "$*"
}

# Shows a command and what it says; at most ten seconds of it, and no more than fits a message.
show() {
    printf '\n$ %s\n' "$*"
    if ! command -v -- "$1" >/dev/null; then
        printf '(%s is not installed)\n' "$1"
        return
    fi
    timeout 10 "$@" 2>&1 </dev/null | head -n 400
    local status=${PIPESTATUS[0]}
    [[ $status -eq 0 || $status -eq 141 ]] || printf '(status %s)\n' "$status"
}

# The contents of files, those that there are.
show_files() {
    local file
    for file in "$@"; do
        if [[ -r $file && ! -d $file ]]; then
            printf '\n-- %s\n' "$file"
            timeout 5 head -c 20000 -- "$file" 2>&1 | tr -d '\000'
            printf '\n'
        fi
    done
}

# What is nobody's business: in logs the id of a card, with the name behind it, becomes 04… (…). A hexadecimal number of
# 8 to 20 digits counts as an id; elsewhere such numbers are kilobytes and addresses.
mask_ids() {
    local id='([0-9A-Fa-f]{2})[0-9A-Fa-f]{6,18}' edge='(^|[^0-9A-Za-z_])' end='($|[^0-9A-Za-z_])'
    # The plain ones twice, because two ids may share the character between them.
    sed -E \
        -e "s/$edge$id( ?[(（]).*([)）])( counted| repeated| was| refused|:|を|は)/\\1\\2…\\3…\\4\\5/g" \
        -e "s/$edge$id( ?[(（])[^)）]*([)）])/\\1\\2…\\3…\\4/g" \
        -e "s/$edge$id$end/\\1\\2…\\3/g" -e "s/$edge$id$end/\\1\\2…\\3/g"
}

# Passwords in addresses, tokens and the like, and every name of the roster.
mask() {
    sed -E \
        -e 's#(://)[^/@[:space:]]*@#\1…@#g' \
        -e 's/((auth_?token|token|password|passwd|secret|api_?key)"?[[:space:]]*[:=][[:space:]]*"?)[^",[:space:]]+/\1…/Ig' \
        -e 's/(bearer[[:space:]]+)[^",[:space:]]+/\1…/Ig' |
        mask_names
}

# Names of the roster, wherever they stand, as long as it can be read.
mask_names() {
    if [[ -z $roster || ! -r $roster ]]; then
        cat
        return
    fi
    awk -v roster="$roster" '
        BEGIN {
            while ((getline line < roster) > 0) {
                sub(/\r$/, "", line)
                # UID, name and perhaps more columns; the first line may be a heading.
                n = split(line, part, /[,;\t]/)
                name = part[2]
                gsub(/^[ "]+|[ "]+$/, "", name)
                if (n >= 2 && length(name) >= 2 && tolower(name) != "name") names[++count] = name
            }
        }
        {
            for (i = 1; i <= count; i++) {
                while ((at = index($0, names[i])) > 0)
                    $0 = substr($0, 1, at - 1) "…" substr($0, at + length(names[i]))
            }
            print
        }'
}

# The value of a key that stands on a line of its own or in a row, without a JSON reader.
json_text() {
    sed -n -E "s/.*\"$1\"[[:space:]]*:[[:space:]]*\"([^\"]*)\".*/\\1/p" "$2" 2>/dev/null | head -n 1
}

# The first file that there is.
first() {
    local file
    for file in "$@"; do
        if [[ -n $file && -r $file ]]; then
            printf '%s' "$file"
            return
        fi
    done
}

pid=$(pgrep -o -x facetap 2>/dev/null)
health=$(first "${RUNTIME_DIRECTORY:-/run/facetap}/health.json" "${XDG_RUNTIME_DIR:-/run}/facetap/health.json")
config=$(first "$config" /etc/facetap/config.json)
[[ -n $log ]] || log=$(first "$(json_text log_file "$health")" /var/log/facetap/facetap.log "$folder/facetap.log" facetap.log)
roster=$(json_text roster "$config")

system() {
    section 'System'
    show date '+%Y-%m-%d %H:%M:%S %z'
    show uname -a
    show uptime
    show_files /etc/os-release /proc/device-tree/model /proc/cmdline
    show timedatectl status
    section 'Memory'
    show free -m
    show_files /proc/meminfo /proc/pressure/memory
    section 'Disk'
    show df -h
    show df -i
    show mount
    section 'CPU'
    show top -b -n 1 -w 200
    show_files /proc/loadavg /sys/class/thermal/thermal_zone0/temp
    show vcgencmd get_throttled
}

processes() {
    local process
    section 'Process'
    show ps -eo pid,ppid,stat,etimes,rss,vsz,pcpu,nlwp,comm --sort=-rss
    for process in $(pgrep -x facetap 2>/dev/null); do
        show_files "/proc/$process/status" "/proc/$process/limits" "/proc/$process/cgroup"
        printf '\n-- threads of %s\n' "$process"
        cat "/proc/$process/task"/*/comm 2>/dev/null | sort | uniq -c
        printf '\n-- open descriptors of %s: %s\n' "$process" "$(find "/proc/$process/fd" -mindepth 1 2>/dev/null | wc -l)"
        find "/proc/$process/fd" -mindepth 1 -printf '%l\n' 2>/dev/null | sed -E 's/[0-9]+\]/N]/' | sort | uniq -c |
            sort -rn | head -n 60
    done
    [[ -n $pid ]] || echo 'no process "facetap" is running'
    show systemctl status facetap --no-pager --lines=0
    show_files "$health"
}

devices() {
    section 'Cameras'
    show v4l2-ctl --list-devices
    find /dev -maxdepth 1 -name 'video*' -printf '%M %u %g %p\n' 2>/dev/null
    find /dev/v4l -type l -printf '%p -> %l\n' 2>/dev/null
    section 'Serial ports'
    find /dev -maxdepth 1 \( -name 'ttyACM*' -o -name 'ttyUSB*' -o -name 'ttyAMA*' -o -name 'ttyS*' \) \
        -printf '%M %u %g %p\n' 2>/dev/null
    find /dev/serial -type l -printf '%p -> %l\n' 2>/dev/null
    section 'USB and card readers'
    show lsusb
    show lsusb -t
    show systemctl status pcscd.socket pcscd.service --no-pager --lines=5
    show id
}

logs() {
    local file
    section 'Log tails'
    for file in "$log" "$(dirname "${log:-.}")/crash.log" "$(dirname "${log:-.}")/memory_usage.log" \
        "$folder/monitor.log" "$(dirname "${health:-/run/facetap/.}")/service.out"; do
        if [[ -n $file && -r $file && -f $file ]]; then
            printf '\n-- the end of %s (%s bytes)\n' "$file" "$(stat -L -c %s "$file")"
            tail -n "$LINES_OF_A_LOG" -- "$file"
        fi
    done
    [[ -n $log ]] || echo 'no log was found; name it with --log'
    show journalctl --unit facetap --lines 100 --no-pager
}

kernel() {
    section 'Kernel messages'
    if ! timeout 10 dmesg --ctime 2>/dev/null | tail -n 200; then
        show journalctl --dmesg --lines 200 --no-pager
    fi
}

# What the program itself finds, where it is there.
doctor() {
    local options=()
    section 'facetap doctor'
    if ! command -v facetap >/dev/null; then
        echo '(facetap is not on PATH)'
        return
    fi
    [[ -z $config ]] || options=(--config "$config")
    # It writes a file of its own as well, which is not wanted twice.
    (cd "$scratch" && show facetap --version && show facetap doctor "${options[@]}")
}

if ! mkdir -p "$folder" || ! [[ -w $folder ]]; then
    printf 'diagnose: cannot write in %s; give another folder with --folder\n' "$folder" >&2
    exit 1
fi
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
written=$folder/diagnosis_$(date +%Y%m%d_%H%M%S).log
export LC_ALL=C.UTF-8 SYSTEMD_COLORS=0
# Only the owner may read it before somebody has looked at it.
umask 077
{
    printf 'FaceTap diagnosis, %s\n' "$(date '+%Y-%m-%d %H:%M:%S')"
    doctor
    system
    processes
    devices
    logs 2>&1 | mask_ids
    kernel
} 2>&1 | mask >"$written"
printf 'written: %s\n' "$written"
