#!/usr/bin/env bash
# Watches over FaceTap where there is no systemd: starts it, looks every five minutes, and starts it again when it is
# gone, a zombie, above 600 MB, or silent for ten minutes.
#
#   scripts/monitor.sh run    [OPTIONS] -- facetap run --no-display    in the foreground, until TERM or Ctrl-C
#   scripts/monitor.sh start  [OPTIONS] -- facetap run --no-display    the same in the background
#   scripts/monitor.sh once   [OPTIONS] -- facetap run --no-display    one look, for cron; no watchman stays
#   scripts/monitor.sh status [OPTIONS]                                0 if the service is well, 1 if not
#   scripts/monitor.sh stop   [OPTIONS]                                ends watchman and service
#
#   --folder DIR      where monitor.log, PID files and lock lie (default: the current folder)
#   --interval S      seconds between two looks (300)
#   --memory MB       resident memory above which the service is started again (600)
#   --silent S        so long may log and health file stay as they are (600)
#   --log FILE        the service's log (default: what --log-file says in the command, else facetap.log)
#   --pause S         pause before a start that follows a short run; doubles up to five minutes (1)
#
# It stops the service with TERM, and with KILL if that has no effect for five seconds. A run that lasted less than a
# minute counts as short. TERM and INT end watchman and service, HUP is handed on to the service (reload). As a line of
# crontab: */5 * * * * /opt/facetap/scripts/monitor.sh once --folder /var/lib/facetap -- facetap run --no-display

set -uo pipefail
# shellcheck source=scripts/lib/process.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/process.sh"

SHORT_RUN=60
LONGEST_PAUSE=300
STOP_PATIENCE=5
MOST_BYTES=1048576

folder=. interval=300 memory=600 silent=600 log='' pause=1
command=() environment=()
# What a look compares with the one before: signs of life, and since when (seconds of uptime) they are the same.
signs='' signs_since=0
# What the watchman waits for as long as he is told nothing, and what he was told.
waking='' leaving=no reloading=no

usage() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
}

die() {
    printf 'monitor: %s\n' "$*" >&2
    exit 2
}

# A line in monitor.log, which is kept below two megabytes.
note() {
    local file=$folder/monitor.log
    if [[ -f $file && $(stat -c %s "$file") -gt $MOST_BYTES ]]; then
        mv -f "$file" "$file.1"
    fi
    printf '%s - monitor - %s - %s\n' "$(date '+%Y-%m-%d %H:%M:%S')" "$1" "$2" | tee -a "$file" >&2
}

number() {
    [[ $2 =~ ^[0-9]+$ && $2 -le ${3:-1000000} && $2 -ge ${4:-1} ]] || die "$1 needs a whole number, not \"$2\""
}

service() {
    process_of "$folder/facetap.pid"
}

# What changes while the service is well: its health file where it writes one, else its log.
signs_of_life() {
    local health=$run/health.json
    if grep -qE "\"pid\": *$1[,}[:space:]]" "$health" 2>/dev/null; then
        stat -L -c 'health %i %y %s' "$health" 2>/dev/null && return
    fi
    stat -L -c 'log %i %y %s' "$log" 2>/dev/null
}

# Since when the signs of life are what they are; remembered in a file for looks of different processes.
watch_signs() {
    local now file=$folder/monitor.state
    now="$1 $(signs_of_life "$1")"
    signs=$(recall signs "$file") signs_since=$(recall since "$file")
    if [[ $now != "$signs" || ! $signs_since =~ ^[0-9]+$ || $signs_since -gt $(uptime_s) ]]; then
        signs=$now signs_since=$(uptime_s)
        printf 'signs=%s\nsince=%s\n' "$signs" "$signs_since" 2>/dev/null >"$file"
    fi
}

# What is wrong with the service; nothing if it is well.
look() {
    local pid megabytes quiet
    if ! pid=$(service); then
        printf 'the process is gone'
        return
    fi
    if [[ $(stat_field "$pid" 3) == Z ]]; then
        printf 'the process %s is a zombie' "$pid"
        return
    fi
    megabytes=$(resident_mb "$pid")
    if [[ -n $megabytes && $megabytes -gt $memory ]]; then
        printf 'memory: %s MB, more than %s MB' "$megabytes" "$memory"
        return
    fi
    watch_signs "$pid"
    quiet=$(($(uptime_s) - signs_since))
    # Without health file and log there is nothing to go by.
    if [[ $quiet -ge $silent && $signs != "$pid " ]]; then
        # After a time asleep the machine may not have come round to it yet.
        sleep 2
        watch_signs "$pid"
        quiet=$(($(uptime_s) - signs_since))
        if [[ $quiet -ge $silent ]]; then
            printf 'no sign of life for %s s (%s)' "$quiet" "${signs#* }"
        fi
    fi
}

# Ends the service, if it is there: TERM, and after five seconds KILL.
end() {
    local pid tries
    pid=$(service) || return 0
    kill -TERM "$pid" 2>/dev/null
    for ((tries = 0; tries < STOP_PATIENCE * 10; tries++)); do
        if ! service >/dev/null || [[ $(stat_field "$pid" 3) == Z ]]; then
            rm -f "$folder/facetap.pid"
            return
        fi
        sleep 0.1
    done
    note WARNING "process $pid did not end within $STOP_PATIENCE s and is killed"
    kill -KILL "$pid" 2>/dev/null
    for ((tries = 0; tries < 50; tries++)); do
        service >/dev/null || break
        [[ $(stat_field "$pid" 3) == Z ]] && break
        sleep 0.1
    done
    rm -f "$folder/facetap.pid"
}

# Ends what is left of the service; $1 says why.
end_because() {
    local said
    note WARNING "starting again: $1"
    said=$(tail -n 1 "$output" 2>/dev/null)
    [[ $1 != 'the process is gone' || -z $said ]] || note WARNING "it said last: $said"
    end
}

# Whether the service, which is gone, had run for less than a minute. Linux counts its start in hundredths of a second;
# what was gone before that could be read has hardly run.
was_short() {
    local start
    start=$(recall start "$folder/facetap.pid")
    [[ ! $start =~ ^[0-9]+$ || $(($(uptime_s) - start / 100)) -lt $SHORT_RUN ]]
}

# Where the service writes its health every second, and what it says on standard error: in memory, to spare the disk.
choose_run_folder() {
    local wanted
    environment=(env '--default-signal=TERM,INT,HUP')
    for wanted in "${RUNTIME_DIRECTORY:-}" /run/facetap "${XDG_RUNTIME_DIR:+$XDG_RUNTIME_DIR/facetap}"; do
        if [[ -n $wanted ]] && mkdir -p "$wanted" 2>/dev/null && [[ -w $wanted ]]; then
            run=$wanted
            environment+=("RUNTIME_DIRECTORY=$run")
            return
        fi
    done
    # Then the service keeps its health elsewhere and less often, and its log is what there is to go by.
    run=$folder
}

# Until the next look, or the end of the service.
doze_while_it_runs() {
    local pid
    pid=$(service) || return
    # tail sees the end of any process within a second; only children could be waited for otherwise.
    exec timeout "$interval" tail --pid="$pid" -f /dev/null 9>&-
}

doze() {
    exec sleep "$1" 9>&-
}

# Carries something out in a process of its own, and waits for its end. While it runs, signals to this one are noted and
# no more: bash may fail if a trap runs where it puts in the output of a command, so this shell does not do that.
carry_out() {
    local job status=1
    (
        ("$@" 8>&-)
        echo $? >&8
    ) &
    job=$!
    # A signal ends the wait. What bash then tells as the status may be anything, so that comes by a pipe.
    while kill -0 "$job" 2>/dev/null; do
        wait "$job"
    done
    ! read -r -t 0 <&8 || read -r status <&8
    return "$status"
}

# Starts the service. It is a child of this shell, which is told of its end: not every init cares for orphans.
begin() {
    : >"$output"
    # Away from the terminal and without the lock. What it says beside its log is kept for the case that it cannot start.
    setsid "${environment[@]}" "${command[@]}" </dev/null >>"$output" 2>&1 8>&- 9>&- &
    carry_out note_start $!
}

note_start() {
    remember "$1" "$folder/facetap.pid"
    note INFO "started as process $1: ${command[*]}"
}

# The same as carry_out for what a signal ends early.
unless_told() {
    local tries
    "$@" 8>&- &
    waking=$!
    [[ $leaving$reloading != nono ]] || wait "$waking"
    # A signal that came before its number was known, or before it was itself, has not ended it.
    for ((tries = 0; tries < 20; tries++)); do
        [[ $leaving$reloading != nono ]] || break
        kill "$waking" 2>/dev/null || break
        sleep 0.05
    done
    waking=''
}

wake() {
    [[ -z $waking ]] || kill "$waking" 2>/dev/null
}

# The output beside the log is bounded as well; it is opened for appending, so it can be emptied.
trim_output() {
    local file=$output
    if [[ -f $file && $(stat -c %s "$file") -gt $MOST_BYTES ]]; then
        tail -n 50 "$file" >"$file.1"
        : >"$file"
    fi
}

# Only one watchman or look at a time: the lock ends with its process, however that ends.
take_turn() {
    mkdir -p "$folder" || die "cannot make the folder $folder"
    exec 9>>"$folder/monitor.lock" || die "cannot write in $folder; give another with --folder"
    # What a killed one was waiting for holds the lock for a moment longer.
    flock -w 3 9
}

# One look; the status says what is to be done.
ENDED=3 GONE_SOON=4
round() {
    local reason status=$ENDED
    trim_output
    reason=$(look)
    case $reason in
        '') exit 0 ;;
        'the process is gone') was_short && status=$GONE_SOON ;;
    esac
    end_because "$reason"
    exit "$status"
}

run() {
    local pause_now=0
    take_turn || die "another watchman is at work in $folder (see: $0 status --folder $folder)"
    remember $$ "$folder/monitor.pid"
    trap 'leaving=yes; wake' TERM INT
    trap 'reloading=yes; wake' HUP
    carry_out note INFO "watching: every $interval s, memory $memory MB, silence $silent s"
    carry_out is_running || begin
    while [[ $leaving == no ]]; do
        if [[ $reloading == yes ]]; then
            reloading=no
            carry_out hand_on
        fi
        unless_told doze_while_it_runs
        [[ $leaving$reloading == nono ]] || continue
        carry_out round
        case $? in
            "$ENDED") pause_now=0 ;;
            "$GONE_SOON")
                pause_now=$((pause_now == 0 ? pause : pause_now * 2))
                [[ $pause_now -le $LONGEST_PAUSE ]] || pause_now=$LONGEST_PAUSE
                carry_out note INFO "the run was short, waiting $pause_now s"
                unless_told doze "$pause_now"
                ;;
            *) continue ;;
        esac
        [[ $leaving == yes ]] || begin
    done
    trap '' TERM INT HUP
    end
    note INFO 'watchman and service have ended'
    rm -f "$folder/monitor.pid"
}

# What runs already is watched from now on.
is_running() {
    local pid
    pid=$(service) && note INFO "the service runs already, as process $pid"
}

hand_on() {
    local pid
    if pid=$(service); then
        kill -HUP "$pid"
    fi
}

start() {
    local tries
    if ! (take_turn); then
        die "another watchman is at work in $folder"
    fi
    rm -f "$folder/monitor.pid"
    setsid "$0" run --folder "$folder" --interval "$interval" --memory "$memory" --silent "$silent" --log "$log" \
        --pause "$pause" -- "${command[@]}" </dev/null >/dev/null 2>&1 &
    for ((tries = 0; tries < 100; tries++)); do
        if process_of "$folder/monitor.pid" >/dev/null && service >/dev/null; then
            printf 'watching process %s; see %s\n' "$(service)" "$folder/monitor.log"
            return
        fi
        sleep 0.1
    done
    die "it did not start; see $folder/monitor.log and $output"
}

once() {
    local reason
    # Where a watchman is at work there is nothing to do.
    take_turn || exit 0
    trim_output
    reason=$(look)
    if [[ -n $reason ]]; then
        end_because "$reason"
        begin
    fi
}

status() {
    local pid watchman reason
    watchman=$(process_of "$folder/monitor.pid") && printf 'watchman: process %s\n' "$watchman" || echo 'watchman: none'
    if pid=$(service); then
        printf 'service: process %s, %s MB\n' "$pid" "$(resident_mb "$pid")"
    else
        echo 'service: none'
    fi
    reason=$(look)
    [[ -z $reason ]] && exit 0
    printf 'not well: %s\n' "$reason"
    exit 1
}

stop() {
    local watchman tries
    if watchman=$(process_of "$folder/monitor.pid"); then
        kill -TERM "$watchman"
        for ((tries = 0; tries < (STOP_PATIENCE + 8) * 10; tries++)); do
            process_of "$folder/monitor.pid" >/dev/null || break
            sleep 0.1
        done
    fi
    # That of a watchman who was killed, or of a look from cron.
    end
    if service >/dev/null; then
        die "the service cannot be ended: process $(service)"
    fi
}

case ${1:-} in
    run | start | once | status | stop) action=$1 ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) die "what to do? run, start, once, status or stop; see $0 --help" ;;
esac
shift
while [[ $# -gt 0 ]]; do
    case $1 in
        --)
            shift
            command=("$@")
            break
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        --folder | --interval | --memory | --silent | --log | --pause)
            [[ $# -ge 2 ]] || die "$1 needs a value"
            declare "${1#--}=$2"
            shift 2
            ;;
        *) die "unknown option \"$1\"; the command of the service comes behind --" ;;
    esac
done
number --interval "$interval"
number --memory "$memory"
number --silent "$silent"
number --pause "$pause" "$LONGEST_PAUSE"
folder=$(realpath -m -- "$folder")
if [[ -z $log ]]; then
    log=facetap.log
    for ((i = 0; i + 1 < ${#command[@]}; i++)); do
        [[ ${command[i]} != --log-file ]] || log=${command[i + 1]}
    done
fi
log=$(realpath -m -- "$log")
choose_run_folder
output=$run/service.out
# Both ends of a pipe, for carry_out.
exec 8<> <(:)
if [[ $action =~ ^(run|start|once)$ ]]; then
    [[ ${#command[@]} -gt 0 ]] || die "how is the service started? $0 $action -- facetap run --no-display"
    command -v -- "${command[0]}" >/dev/null || die "there is no program ${command[0]}"
fi
"$action"
