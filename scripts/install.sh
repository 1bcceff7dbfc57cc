#!/usr/bin/env bash
# Installs FaceTap as a service on this machine, from this checkout: builds the self-contained release and its Debian
# package, and lets apt install it. A later call upgrades; ledger and configuration are kept.
#
#   scripts/install.sh [--package FILE]       FILE: a package that exists already, instead of building one
#   scripts/install.sh --uninstall            takes the program away; ledger, logs and configuration stay
#   scripts/install.sh --uninstall --purge    these too
#
# On 64-bit Debian 12 or 13 or Raspberry Pi OS, as root or with sudo, without questions. From nothing the build takes
# three quarters of an hour on a Raspberry Pi; a package built on a PC (scripts/package.sh --arch arm64) spares that.

set -euo pipefail
# shellcheck source=scripts/lib/rust.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/rust.sh"

action=install package=''
while [[ $# -gt 0 ]]; do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --package)
            [[ -n ${2:-} ]] || die "--package needs a file; see scripts/install.sh --help"
            package=$2
            shift
            ;;
        --uninstall) [[ $action == purge ]] || action=remove ;;
        --purge) action=purge ;;
        *)
            unknown_argument "$1"
            ;;
    esac
    shift
done

# What dpkg knows of the package: "installed", "config-files" after a removal, or nothing.
status() {
    dpkg-query -W -f '${db:Status-Status}' facetap 2>/dev/null || true
}

systemd_runs() {
    [[ -d /run/systemd/system ]]
}

install_package() {
    if [[ -z $package ]]; then
        local folder
        folder=$(realpath -m "${CARGO_TARGET_DIR:-$FACETAP_TOP/target}")/package
        "$FACETAP_TOP/scripts/package.sh" --output "$folder"
        package=$folder/facetap_$(sed -n 's/^version *= *"\(.*\)".*/\1/p' "$FACETAP_TOP/Cargo.toml" | head -n 1)_$(
            dpkg --print-architecture
        ).deb
    fi
    [[ -f $package ]] || die "there is no package $package; leave out --package to have it built"
    package=$(realpath "$package")
    refresh_lists
    say "installing $(basename "$package") and what it needs"
    # The same version may hold another build. What the administrator wrote is never replaced.
    apt_get install --reinstall --allow-downgrades -o Dpkg::Options::=--force-confold "$package" ||
        die "apt could not install $package; the lines above say why"
    if ! systemd_runs; then
        say "installed; systemd does not run here, so the service starts at the next boot"
    elif systemctl --quiet is-active facetap; then
        say "installed and running: systemctl status facetap, tail -F /var/log/facetap/facetap.log"
    else
        die "installed, but the service does not run: journalctl -u facetap says why"
    fi
}

remove_package() {
    case $action:$(status) in
        remove:installed | purge:installed | purge:config-files) ;;
        *)
            say "nothing to do: FaceTap is not installed as a package"
            return
            ;;
    esac
    apt_get "$action" facetap || die "apt could not $action the package facetap; the lines above say why"
    if [[ $action == purge ]]; then
        say "removed, with ledger, logs and configuration; the user facetap stays, as is Debian's custom"
    else
        say "removed; /var/lib/facetap, /var/log/facetap and /etc/facetap are kept (--uninstall --purge deletes them)"
    fi
}

command -v apt-get >/dev/null || die "this system has no apt-get; the package is for Debian and Raspberry Pi OS"
case $action in
    install) install_package ;;
    *) remove_package ;;
esac
