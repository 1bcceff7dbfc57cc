#!/usr/bin/env bash
# The release binary in a root that has nothing but the libraries that it asks for.
#
#   start.sh SUITE BASE DEB        started by scripts/test-package.sh

# shellcheck source=tests/package/chroot.sh
source "$(dirname "${BASH_SOURCE[0]}")/chroot.sh"
suite=$1 base=$2 deb=$3
arch=$(dpkg-deb -f "$deb" Architecture)
enter_root "$base"
dpkg-deb --extract "$deb" "$top"
case $arch in
    "$(dpkg --print-architecture)") emulator=() ;;
    amd64) emulator=(/qemu-x86_64-static) ;;
    arm64) emulator=(/qemu-aarch64-static) ;;
esac
[[ ${#emulator[@]} -eq 0 ]] || cp "/usr/bin${emulator[0]}" "$top/"

# There is no program in this root to be called by chroot but ours.
program() {
    env -i PATH=/usr/sbin:/usr/bin HOME=/ LANG=C.UTF-8 chroot "$top" "${emulator[@]}" /usr/bin/facetap "$@" </dev/null
}

demonstration() {
    program run --demo --no-display --duration 3 --log-file /demo.log || return
    grep -F '[SERVER_START]' "$top/demo.log"
}

check "$suite $arch: the binary starts" is "$(program --version)" "facetap $(dpkg-deb -f "$deb" Version)"
check "$suite $arch: the demonstration runs" demonstration
check "$suite $arch: the packed configuration is valid" program config check /etc/facetap/config.json
verdict
