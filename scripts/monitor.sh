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
# It is facetap supervise under its old name. That stops the service with TERM, and with KILL if that has no effect for
# five seconds. A run that lasted less than a minute counts as short. TERM and INT end watchman and service, HUP is handed
# on to the service (reload). As a line of crontab:
#   */5 * * * * /opt/facetap/scripts/monitor.sh once --folder /var/lib/facetap -- facetap run --no-display

# Started by sh, which on Debian is not bash; and from a file system or an archive that knows no execute bit.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"

set -euo pipefail

die() {
    printf 'monitor: %s\n' "$*" >&2
    exit 2
}

# The facetap that the command behind -- starts, if it starts one by its path; else that on PATH, or the one that lies
# beside the script or above its folder.
program() {
    local word is_command=no
    for word in "$@"; do
        if [[ $is_command == yes ]]; then
            [[ ${word##*/} == facetap ]] && command -v -- "$word" && return
            break
        fi
        [[ $word != -- ]] || is_command=yes
    done
    command -v facetap || command -v /usr/bin/facetap && return
    local here
    here=$(cd -- "$(dirname -- "$0")" && pwd -P)
    for word in "$here" "$here/.." "$here/../bin" "$here/../target/release"; do
        command -v -- "$word/facetap" && return
    done
    return 1
}

case ${1:-} in
    run) action=() ;;
    start | once | status | stop) action=("--$1") ;;
    -h | --help)
        sed -n '2,/^$/s/^# \{0,1\}//p' -- "$0"
        exit 0
        ;;
    *) die "what to do? run, start, once, status or stop; see $0 --help" ;;
esac
shift
facetap=$(program "$@") || die 'there is no program facetap; put its folder on PATH'
# Of an option that is given twice the last counts.
exec "$facetap" supervise "${action[@]}" --folder . "$@"
