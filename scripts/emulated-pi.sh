#!/usr/bin/env bash
# Boots an emulated Raspberry Pi 3B with our package installed and runs a scenario in it: camera, servos and cards
# through the kernel's own interfaces, faults, a reboot. docs/emulated-pi.md tells more.
#
#   scripts/emulated-pi.sh                       makes the package and runs every step
#   scripts/emulated-pi.sh --package FILE.deb    with this package for arm64
#   scripts/emulated-pi.sh --step NAME           only this step; may be given several times
#   scripts/emulated-pi.sh --list                names the steps
#   scripts/emulated-pi.sh --keep                keeps the image and the console log, whatever the outcome
#   scripts/emulated-pi.sh --shell               no scenario: a console to log in on as root (Ctrl-A X ends it)
#
# As root or with sudo, without questions. Ends with "N passed, N failed, N skipped"; the status is 0 only if every
# step reported and none failed. The console log is kept after a failure. Sample clips and models are looked for in
# ../shared or $FACETAP_SHARED; steps that need absent ones are skipped.

set -euo pipefail
# shellcheck source=scripts/lib/cache.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/cache.sh"
# shellcheck source=tests/emulated-pi/image.sh
source "$FACETAP_TOP/tests/emulated-pi/image.sh"

# No step runs longer than a third of this without a word (guest/run.sh), so silence means that the guest hangs.
QUIET_LIMIT=900
# For everything after the image is made; a run takes less than five minutes on an idle machine.
TOTAL_LIMIT=2400

package='' steps=() keep=no shell=no
work=$(realpath -m "${CARGO_TARGET_DIR:-$FACETAP_TOP/target}")/emulated-pi
console=$work/console.log
given=("$@")

# Prints the steps of both boots as "first/NAME" or "second/NAME".
all_steps() {
    local file
    for file in "$FACETAP_TOP"/tests/emulated-pi/steps/*.sh; do
        printf 'first/%s\n' "$(basename "$file" .sh)"
    done
    for file in "$FACETAP_TOP"/tests/emulated-pi/steps-after-reboot/*.sh; do
        printf 'second/%s\n' "$(basename "$file" .sh)"
    done
}

while [[ $# -gt 0 ]]; do
    case $1 in
        --package | --step)
            [[ -n ${2:-} ]] || die "$1 needs a value; see scripts/emulated-pi.sh --help"
            if [[ $1 == --step ]]; then steps+=("$2"); else package=$(realpath "$2"); fi
            shift
            ;;
        --keep) keep=yes ;;
        --shell) shell=yes ;;
        --list)
            all_steps
            exit 0
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        *)
            unknown_argument "$1"
            ;;
    esac
    shift
done

# Leaves in `plan` the steps that are to run: all, or those whose name, with or without number, was given.
choose_steps() {
    local step wanted found
    mapfile -t plan < <(all_steps)
    [[ ${#steps[@]} -gt 0 ]] || return 0
    local every=("${plan[@]}")
    plan=()
    for wanted in "${steps[@]}"; do
        found=no
        for step in "${every[@]}"; do
            if [[ ${step#*/} == "$wanted" || ${step#*/[0-9][0-9]-} == "$wanted" ]]; then
                plan+=("$step")
                found=yes
            fi
        done
        [[ $found == yes ]] || die "there is no step \"$wanted\"; --list names them"
    done
}

# The package from this checkout, with the models if they are there. Leaves its path in `package`.
make_package() {
    local models=${FACETAP_SHARED:-$FACETAP_TOP/../shared}/models
    if [[ -z ${FACETAP_MODELS:-} && -d $models ]]; then
        export FACETAP_MODELS=$models
    fi
    rm -rf "$work/package"
    mkdir -p "$work/package"
    "$FACETAP_TOP/scripts/package.sh" --arch arm64 --output "$work/package"
    package=$(find "$work/package" -name 'facetap_*_arm64.deb' -print -quit)
    [[ -n $package ]] || die "scripts/package.sh left no facetap_*_arm64.deb in $work/package"
}

qemu='' watching=''
at_exit() {
    [[ -z $qemu ]] || kill -KILL "$qemu" 2>/dev/null || true
    [[ -z $watching ]] || kill "$watching" 2>/dev/null || true
    rm -rf --one-file-system "$work/root"
    [[ $keep == yes ]] || rm -f "$work/board.img"
}

# Starts the board. What the firmware of a real one puts on the command line is there too: no memory cgroup.
start_board() { # SERIAL-OPTIONS...
    local kernel=$BOARD_KERNEL
    local line='console=ttyS1,115200 root=/dev/mmcblk0 rw cgroup_disable=memory panic=-1 oops=panic quiet loglevel=3'
    [[ $shell == yes ]] || line+=' systemd.getty_auto=no systemd.show_status=no systemd.wants=facetap-scenario.service'
    # The emulator dies with this script, however that ends. cache=unsafe: what the guest has on its disk is in this
    # machine's memory, which outlives the guest.
    setpriv --pdeathsig KILL qemu-system-aarch64 -M raspi3b -m 1G -smp 4 \
        -kernel "$kernel/Image" -initrd "$kernel/initrd" -dtb "$kernel/board.dtb" -append "$line" \
        -drive file="$work/board.img",format=raw,if=sd,cache=unsafe -display none -no-reboot -serial null "$@" &
    qemu=$!
}

# Shows what the guest reports, line by line, while the board runs.
show_reports() {
    # Under a board that is starting, the file may not be there yet.
    tail -n +1 -F --pid="$qemu" "$1" 2>/dev/null | LC_ALL=C sed -u -n 's/\r$//; s/^.*\[scenario\] \(.*\)$/  \1/p' &
    watching=$!
}

# Runs the board until it ends by itself. Leaves in `trouble` what went wrong, if anything.
boot() { # NUMBER
    local log=$work/console-$1.log size before=-1 heard=$SECONDS
    trouble=''
    rm -f "$log"
    start_board -serial "file:$log"
    show_reports "$log"
    while kill -0 "$qemu" 2>/dev/null; do
        sleep 0.5
        size=$(stat -c %s "$log" 2>/dev/null || printf 0)
        [[ $size == "$before" ]] || heard=$SECONDS
        before=$size
        if ((SECONDS - heard > QUIET_LIMIT)); then
            trouble="boot $1: nothing on the console for $QUIET_LIMIT s, the guest hangs"
        elif ((SECONDS - started > TOTAL_LIMIT)); then
            trouble="boot $1: not done after $TOTAL_LIMIT s"
        fi
        [[ -z $trouble ]] || kill -KILL "$qemu" 2>/dev/null || true
    done
    wait "$qemu" 2>/dev/null || trouble=${trouble:-"boot $1: the emulator failed"}
    wait "$watching" 2>/dev/null || true
    qemu='' watching=''
    tr -d '\r' <"$log" >>"$console"
    rm -f "$log"
    if grep -aq 'Kernel panic' "$console"; then
        trouble="boot $1: the kernel panicked"
    elif [[ -z $trouble ]] && ! grep -aq "\[scenario\] END $1\$" "$console"; then
        trouble="boot $1: the board ended before its last report"
    fi
}

# Counts the reports of the planned steps; one that is missing has failed.
verdict() {
    local step line passed=0 failed=0 skipped=0 silent=no
    for step in "${plan[@]}"; do
        line=$(grep -ao "\[scenario\] \(PASS\|FAIL\|SKIP\) $step\b.*" "$console" | head -n 1 || true)
        case $line in
            '[scenario] PASS'*) passed=$((passed + 1)) ;;
            '[scenario] SKIP'*) skipped=$((skipped + 1)) ;;
            '[scenario] FAIL'*) failed=$((failed + 1)) ;;
            *)
                failed=$((failed + 1)) silent=yes
                printf '  FAIL %s: no report\n' "$step"
                ;;
        esac
    done
    if [[ -n $trouble || $silent == yes ]]; then
        printf '  %s\n  the end of the console log:\n' "${trouble:-not every step reported}"
        tail -n 30 "$console" | sed 's/^/    /'
    fi
    if [[ -n $trouble || $failed -gt 0 || $keep == yes ]]; then
        printf '  the console log is kept: %s\n' "$console"
    else
        rm -f "$console"
    fi
    say "$passed passed, $failed failed, $skipped skipped, in $((SECONDS / 60)) min $((SECONDS % 60)) s"
    [[ -z $trouble && $failed -eq 0 ]]
}

choose_steps
[[ -n $package ]] || make_package
[[ -f $package ]] || die "there is no file $package"
if [[ $EUID -ne 0 ]]; then
    # Everything below needs root: foreign programs in a chroot, and files of every owner.
    as_root env HOME="$HOME" XDG_CACHE_HOME="${XDG_CACHE_HOME:-}" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-}" \
        FACETAP_SHARED="${FACETAP_SHARED:-}" "$0" "${given[@]}" --package "$package"
    exit
fi

mkdir -p "$work"
exec {lock}>"$work/lock"
flock --nonblock "$lock" || die "another run works in $work; wait for it, or set CARGO_TARGET_DIR"
trap at_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
prepare_board
assemble_image "$package" "$work" "${plan[@]}"
say "the image is made after $SECONDS s; the board starts"

if [[ $shell == yes ]]; then
    start_board -serial mon:stdio
    wait "$qemu"
    exit
fi

rm -f "$console"
started=$SECONDS
boot 1
if [[ -z $trouble && "${plan[*]}" == *second/* ]]; then
    boot 2
fi
verdict
