# shellcheck shell=bash
# Things that take minutes to make and depend on nothing but their recipe: system roots of Debian, the static OpenCV,
# the image of the emulated Pi, cargo-deny, the peers of the bench. They are kept in ${XDG_CACHE_HOME:-$HOME/.cache}/facetap under a checksum of
# what makes them, so that no clone of the project on the same machine pays twice. To be sourced.

# shellcheck source=scripts/lib/rust.sh
source "$(dirname "${BASH_SOURCE[0]}")/rust.sh"

FACETAP_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/facetap

# The first 16 digits of the checksum over the arguments: names of files (their content counts) or plain words.
recipe_checksum() {
    local input
    for input in "$@"; do
        if [[ -f $input ]]; then
            sha256sum <"$input"
        else
            printf '%s\n' "$input"
        fi
    done | sha256sum | cut -c 1-16
}

# cached NAME INPUT... -- COMMAND...
#
# Leaves the path of NAME, made from the INPUTs (see recipe_checksum), in CACHED. If it is not kept yet, COMMAND is
# called with one more argument, the path that it has to make (a file or a folder); what it makes appears under its
# name only when it is whole. Two runs at a time make it once.
cached() {
    local name=$1 inputs=() making lock
    shift
    while [[ $1 != -- ]]; do
        inputs+=("$1")
        shift
    done
    shift
    CACHED=$FACETAP_CACHE/$name-$(recipe_checksum "$@" "${inputs[@]}")
    mkdir -p "$FACETAP_CACHE"
    exec {lock}>"$CACHED.lock"
    flock "$lock"
    if [[ -e $CACHED ]]; then
        touch "$CACHED"
    else
        making=$CACHED.part
        rm -rf --one-file-system "$making"
        say "making $name; it is kept in $FACETAP_CACHE"
        # Not in a condition, so that the first command that fails in it ends the run.
        "$@" "$making"
        mv "$making" "$CACHED"
    fi
    exec {lock}>&-
}

# The archives that this machine's apt already uses, as "URI LABEL" (Debian, Debian-Security), so that a local mirror
# is honoured. Empty where apt knows no Debian archive.
debian_archives() {
    # shellcheck disable=SC2016  # apt's own variables
    apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' 'Origin: Debian' | sort -u
}

# The lines of sources.list for a release of Debian.
debian_sources() { # SUITE
    local uri label
    while read -r uri label; do
        case $label in
            Debian)
                printf 'deb %s %s main\n' "$uri" "$1"
                printf 'deb %s %s-updates main\n' "$uri" "$1"
                ;;
            Debian-Security) printf 'deb %s %s-security main\n' "$uri" "$1" ;;
        esac
    done < <(debian_archives)
}

# Makes a root of Debian, as a folder unless the options say --format=tar. VARIANT as mmdebstrap has it: "extract" only
# unpacks the packages, which needs no emulation for another architecture; "apt" and "minbase" can run.
debian_root() { # SUITE ARCHITECTURE VARIANT PACKAGES(comma) OUT [MMDEBSTRAP-OPTION...]
    local suite=$1 architecture=$2 variant=$3 include=$4 out=$5 sources=() keyring=() output status=0
    shift 5
    install_packages mmdebstrap debian-archive-keyring
    mapfile -t sources < <(debian_sources "$suite")
    # The keys of later releases come with updates of this package, and lie where apt looks.
    [[ ! -d /etc/apt/trusted.gpg.d ]] || keyring=(--keyring=/etc/apt/trusted.gpg.d)
    output=$(mktemp)
    # The dates are not checked because boards and containers may not know the time; the signatures are.
    mmdebstrap --quiet --mode=root --variant="$variant" --architectures="$architecture" ${include:+--include="$include"} \
        --aptopt='Acquire::Retries "3"' --aptopt='Acquire::Check-Date "false"' \
        --aptopt='Acquire::Check-Valid-Until "false"' "${keyring[@]}" \
        --format=directory "$@" "$suite" "$out" "${sources[@]}" >"$output" 2>&1 || status=$?
    [[ $status -eq 0 ]] || tail -n 40 "$output" >&2
    rm -f "$output"
    return "$status"
}

# Runs a command as root in a mount and process namespace of its own: whatever it mounts or starts ends with it.
isolated() { # COMMAND...
    local propagation=private
    # The root of a chroot is no mount and cannot be made private; its mounts seldom are shared.
    mountpoint --quiet / || propagation=unchanged
    as_root unshare --mount --propagation "$propagation" --pid --fork --kill-child "$@"
}

# Programs of the other architecture run as if they were this machine's (binfmt_misc and qemu-user-static).
enable_emulation() {
    local rules=/proc/sys/fs/binfmt_misc
    [[ $(uname -m) != aarch64 ]] || return 0
    install_packages qemu-user-static arch-test
    [[ -e $rules/register ]] || as_root mount -t binfmt_misc binfmt_misc "$rules"
    if [[ ! -e $rules/qemu-aarch64 ]]; then
        # The line that the package ships for systemd-binfmt, which does not run in a container.
        grep -v '^#' /usr/lib/binfmt.d/qemu-aarch64.conf | as_root tee "$rules/register" >/dev/null
    fi
}
