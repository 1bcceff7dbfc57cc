#!/usr/bin/env bash
# What the tests of the package have in common: a copy of a system root that is gone with the test, and checks that
# print a line each. To be sourced by a test that scripts/test-package.sh has started in a mount and process namespace
# of its own, so that nothing stays mounted or running, however the test ends.

set -euo pipefail

failures=0
root=$(mktemp -d)
# The mount keeps everything in memory; the empty folder below it is all that lies on the disk.
trap 'cd /; umount --recursive --lazy "$root" 2>/dev/null || true; rmdir "$root"' EXIT

# Shows a system root below $root; what is written there goes to memory. A kernel without overlays gets a copy.
enter_root() { # BASE
    mount -t tmpfs -o mode=755 facetap-test "$root"
    mkdir "$root"/{changes,work,root}
    mount -t overlay -o "lowerdir=$1,upperdir=$root/changes,workdir=$root/work" overlay "$root/root" 2>/dev/null ||
        cp -a "$1/." "$root/root"
    top=$root/root
    # A root that was only unpacked may lack them.
    mkdir -p "$top"/{dev,proc,tmp}
    mount -t proc proc "$top/proc"
    # The simulated servos stand behind a pseudo terminal; no device of this machine is to be seen.
    mount -t tmpfs -o mode=755 dev "$top/dev"
    local node
    for node in null zero full random urandom tty; do
        : >"$top/dev/$node"
        mount --bind "/dev/$node" "$top/dev/$node"
    done
    mkdir "$top/dev/pts" "$top/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$top/dev/pts"
    ln -s pts/ptmx "$top/dev/ptmx"
    ln -s /proc/self/fd "$top/dev/fd"
    ln -s /proc/self/fd/0 "$top/dev/stdin"
    ln -s /proc/self/fd/1 "$top/dev/stdout"
    ln -s /proc/self/fd/2 "$top/dev/stderr"
    mount -t tmpfs -o mode=1777 shm "$top/dev/shm"
}

# Runs a command in the root as root, with nothing of this machine's environment.
inside() {
    chroot "$top" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

# The same as the service's user, in the folders that systemd would give it.
as_service() {
    inside setpriv --reuid facetap --regid facetap --init-groups --no-new-privs \
        env STATE_DIRECTORY=/var/lib/facetap LOGS_DIRECTORY=/var/log/facetap "$@"
}

# apt as scripts/install.sh calls it: no question, and what the administrator wrote is kept. The roots know of no archive:
# what the package needs is there.
apt() {
    inside apt-get -q -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@"
}

# check TEXT COMMAND...: one line, and what the command said if it failed.
check() {
    local text=$1 output status=0
    shift
    output=$("$@" 2>&1) || status=$?
    if [[ $status -eq 0 ]]; then
        printf 'ok      %s\n' "$text"
    else
        failures=$((failures + 1))
        printf 'FAILED  %s\n' "$text"
        printf '        %s: status %s\n' "$*" "$status"
        printf '%s\n' "$output" | sed 's/^/        /'
    fi
}

# Ends the test if a check has failed: at its end, and where the rest would only say so again.
verdict() {
    [[ $failures -eq 0 ]]
}

# Small questions for `check`; a wrong answer is printed.
is() { # GOT WANTED
    [[ $1 == "$2" ]] || {
        printf 'got "%s", wanted "%s"\n' "$1" "$2"
        return 1
    }
}

absent() { # PATH...
    local path
    for path in "$@"; do
        [[ ! -e $top$path && ! -L $top$path ]] || {
            printf '%s is there\n' "$path"
            return 1
        }
    done
}

has_mode() { # PATH MODE-OWNER-GROUP
    is "$(inside stat -c '%a %U %G' "$1")" "$2"
}

# What the ledger in the root answers to a question.
ledger() { # SQL
    python3 - "$top/var/lib/facetap/attendance.db" "$1" <<'END'
import sqlite3
import sys

for row in sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute(sys.argv[2]):
    print("|".join(str(value) for value in row))
END
}
