#!/usr/bin/env bash
# Collects what a maintainer needs to find out why FaceTap does not do what it should, in one file that can be sent: the
# program masks card ids, names and secrets, and without it what may hold some (health file, logs) is left out.
#
#   scripts/diagnose.sh [--folder DIR] [--log FILE] [--config FILE]
#
#   --folder DIR    where diagnosis_YYYYMMDD_HHMMSS.log is written (default: the current folder)
#   --log FILE      FaceTap's log (default: that of the running service, else /var/log/facetap, else facetap.log here)
#   --config FILE   its configuration, for facetap doctor and for what is masked (default: as facetap run)
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

# Takes card ids, names and secrets out of the standard input. Only the program knows how; where it is not there, or may
# not read the names, this fails and tells nothing.
mask() { # all|known
    local options=()
    [[ -z $config ]] || options=(--config "$config")
    command -v facetap >/dev/null && timeout 60 facetap doctor --mask="$1" --limit 20 "${options[@]}" 2>"$scratch/why"
}

# Shows what the service may have said of people.
said() {
    "$@" >"$scratch/said" 2>&1
    if ! mask all <"$scratch/said"; then
        printf '\n(left out: without facetap, which knows them, card ids and names cannot be masked)\n'
        cat "$scratch/why" 2>/dev/null
    fi
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
    said show_files "$health"
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
    section 'Log tails'
    said logs
    kernel
} >"$scratch/all" 2>&1
# The rest tells of the machine, whose numbers are no card ids.
if ! mask known <"$scratch/all" >"$scratch/masked"; then
    cat "$scratch/all" >"$scratch/masked"
    echo 'facetap could not look for names in it: read it before it is sent'
fi
# A new file or none: in the folder of somebody else a link of this name may lead anywhere, and this may be root.
set -o noclobber
if ! cat "$scratch/masked" >"$written"; then
    printf 'diagnose: cannot make %s; give another folder with --folder\n' "$written" >&2
    exit 1
fi
printf 'written: %s\n' "$written"
