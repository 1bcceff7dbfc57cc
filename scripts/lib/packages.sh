# shellcheck shell=bash
# Debian packages: which ones are needed for what, and their installation. To be sourced.

# shellcheck source=scripts/lib/base.sh
source "$(dirname "${BASH_SOURCE[0]}")/base.sh"

# What compiles and links. clang: the opencv crate generates its bindings from OpenCV's headers at build time.
TOOL_PACKAGES=(build-essential pkg-config clang libclang-dev libpcsclite-dev ca-certificates)
BUILD_PACKAGES=("${TOOL_PACKAGES[@]}" libopencv-dev)
# opencv-data: the face cascades, the detector that needs no download.
DEMO_PACKAGES=("${BUILD_PACKAGES[@]}" opencv-data)
# pcscd and vsmartcard-vpcd: the real card service, with a reader that a test can lay cards on.
# systemd and shellcheck check the unit file and these scripts, python3-jsonschema the schema of the configuration. e2fsprogs makes
# small disks that a test fills up. xvfb, weston and xwayland: displays without a screen, for the window; a font for the names
# in it.
# shellcheck disable=SC2034  # for scripts/setup.sh
TEST_PACKAGES=("${DEMO_PACKAGES[@]}" pcscd vsmartcard-vpcd python3 python3-jsonschema systemd shellcheck e2fsprogs
    xvfb weston xwayland fonts-motoya-l-cedar)

# What apt-get is started with, for a script that may be ended by a signal to all of it: packages that are half installed
# would stand in everybody's way.
APT_SHIELD=()

# apt-get that asks nothing and waits for another one (boards update themselves after the start). Its many lines
# are shown only if it fails.
apt_get() {
    local output status=0
    output=$(mktemp)
    as_root "${APT_SHIELD[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
        apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@" \
        >"$output" 2>&1 || status=$?
    if [[ $status -ne 0 ]]; then
        tail -n 40 "$output" >&2
    fi
    rm -f "$output"
    return "$status"
}

# The package lists, once a run at most.
lists_are_fresh=no
refresh_lists() {
    if [[ $lists_are_fresh == no ]]; then
        say "refreshing the package lists"
        # One unreachable extra archive is no reason to stop: the installation tells whether something is missing.
        apt_get update || say "apt-get update failed; going on with the lists that are there"
        lists_are_fresh=yes
    fi
}

is_installed() {
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# Whether all of the given packages are there.
are_installed() {
    local package
    for package in "$@"; do
        is_installed "$package" || return 1
    done
}

# Installs those of the given packages that are missing.
install_packages() {
    local missing=() package
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    if [[ ${#missing[@]} -gt 0 ]]; then
        refresh_lists
        say "installing ${missing[*]} and what they need; this can take minutes"
        forbid_services
        apt_get install --no-install-recommends "${missing[@]}" || die "apt-get could not install ${missing[*]}"
        allow_services
    fi
}

# In a container, without systemd, Debian's pcscd would be started at its installation and stay, in the way of the
# one that the tests start, stop and kill. A policy-rc.d that answers 101 is Debian's way to say "start nothing".
SERVICE_POLICY=/usr/sbin/policy-rc.d
service_policy_is_ours=no
forbid_services() {
    if [[ ! -d /run/systemd/system && ! -e $SERVICE_POLICY ]]; then
        service_policy_is_ours=yes
        trap allow_services EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin "$SERVICE_POLICY"
    fi
}

allow_services() {
    if [[ $service_policy_is_ours == yes ]]; then
        as_root rm -f "$SERVICE_POLICY"
        service_policy_is_ours=no
        trap - EXIT
    fi
}
