#!/usr/bin/env bash
# Tests packages in system roots of Debian 12 and Debian 13: lintian, installation, upgrade from an older version with an
# older ledger, removal, purge; and that the release binary starts on both.
#
#   scripts/test-package.sh DEB...
#
# A package for another architecture than this machine's is only looked at and started (through qemu-user). One line a
# check; returns 1 if one fails. As root or with sudo, without questions. Nothing is installed here but the tools, and
# nothing stays mounted. The roots are kept in the cache; the first run takes some minutes to make them.

set -euo pipefail
# shellcheck source=scripts/lib/cache.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/cache.sh"
# shellcheck source=tests/package/roots.sh
source "$FACETAP_TOP/tests/package/roots.sh"

case ${1:-} in
    -h | --help)
        usage
        exit 0
        ;;
    '')
        say "name the packages to test; see scripts/test-package.sh --help" >&2
        exit 2
        ;;
esac
tests=$FACETAP_TOP/tests/package
scratch=$(mktemp -d)
trap 'rm -rf --one-file-system "$scratch"' EXIT
failed=0

run_test() { # SCRIPT ARGUMENT...
    local script=$1
    shift
    isolated bash "$tests/$script" "$@" || failed=1
}

lint() { # DEB
    local said
    # On standard error it complains of root.
    if said=$(lintian --fail-on error,warning "$1" 2>/dev/null); then
        say "ok      lintian: no error, no warning"
    else
        failed=1
        say "FAILED  lintian"
        printf '%s\n' "$said"
    fi
}

# The package as an older version with another default configuration, as an upgrade meets it.
older_version() { # DEB OUT
    local tree=$scratch/older
    dpkg-deb --raw-extract "$1" "$tree"
    sed -i 's/^Version:.*/Version: 0.1.0/' "$tree/DEBIAN/control"
    echo '{"cards": {"readers": "all", "repeat_seconds": 30}}' >"$tree/etc/facetap/config.json"
    dpkg-deb --root-owner-group --build "$tree" "$2" >/dev/null
    rm -rf "$tree"
}

install_packages lintian mount python3 util-linux
for deb in "$@"; do
    [[ -f $deb ]] || die "there is no package $deb; scripts/package.sh builds it"
    deb=$(realpath "$deb")
    arch=$(dpkg-deb -f "$deb" Architecture)
    say "testing $(basename "$deb")"
    lint "$deb"
    for suite in bookworm trixie; do
        library_root "$suite" "$arch"
        run_test start.sh "$suite" "$CACHED" "$deb"
    done
    [[ $arch == "$(dpkg --print-architecture)" ]] || continue
    older_version "$deb" "$scratch/older.deb"
    for suite in bookworm trixie; do
        running_root "$suite"
        run_test install.sh "$suite" "$CACHED" "$deb"
        run_test script.sh "$suite" "$CACHED" "$deb"
        run_test upgrade.sh "$suite" "$CACHED" "$deb" "$scratch/older.deb"
    done
done
[[ $failed -eq 0 ]] || die "a check of the package failed; the lines above say which"
say "every check of the package passed"
