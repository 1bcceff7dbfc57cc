#!/usr/bin/env bash
# scripts/install.sh with a package that is there: installs, upgrades in place, uninstalls, purges, asks nothing.
#
#   script.sh SUITE BASE DEB        started by scripts/test-package.sh

# shellcheck source=tests/package/chroot.sh
source "$(dirname "${BASH_SOURCE[0]}")/chroot.sh"
suite=$1 base=$2 deb=$3
enter_root "$base"
cp "$deb" "$top/facetap.deb"
source_tree=$(dirname "$0")/../..
mkdir -p "$top/src/scripts"
cp -r "$source_tree"/scripts/*.sh "$source_tree/scripts/lib" "$top/src/scripts"
cp "$source_tree/Cargo.toml" "$top/src"
# No archive: its refreshing is not the subject, and may not be in reach.
rm -rf "$top"/etc/apt/sources.list*

install_script() {
    inside /src/scripts/install.sh "$@"
}

is_refused() { # STATUS ARGUMENT...
    local wanted=$1 status=0
    shift
    install_script "$@" || status=$?
    is "$status" "$wanted"
}

state() {
    # shellcheck disable=SC2016  # dpkg's own variable
    inside dpkg-query -W -f '${db:Status-Status}' facetap 2>/dev/null || true
}

check "$suite install.sh: nothing to uninstall is no failure" install_script --uninstall
check "$suite install.sh: an unknown argument is refused" is_refused 2 --instal
check "$suite install.sh: a package that is not there is refused" is_refused 1 --package /nothing.deb
check "$suite install.sh: it installs" install_script --package /facetap.deb
check "$suite install.sh: it is installed" is "$(state)" installed
echo '{"language": "ja"}' >"$top/etc/facetap/config.json"
rm "$top/usr/bin/facetap"
check "$suite install.sh: the same version is installed anew" install_script --package /facetap.deb
check "$suite install.sh: the program is there again" test -x "$top/usr/bin/facetap"
check "$suite install.sh: the configuration is kept" is "$(cat "$top/etc/facetap/config.json")" '{"language": "ja"}'
check "$suite install.sh: it uninstalls" install_script --uninstall
check "$suite install.sh: data and configuration are kept" is "$(state)" config-files
check "$suite install.sh: it purges what was uninstalled" install_script --uninstall --purge
check "$suite install.sh: all of it is gone" is "$(state)" ""
check "$suite install.sh: no folder is left" absent /var/lib/facetap /var/log/facetap /etc/facetap
verdict
