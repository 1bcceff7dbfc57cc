#!/usr/bin/env bash
# Installs what FaceTap needs on Debian 12, Debian 13 or Raspberry Pi OS: packages, and Rust if it is missing.
#
#   scripts/setup.sh [build|demo|test] [--ahead COMMAND]
#
# For which purpose: build if nothing is said. As root or with sudo, without questions. Run again, it finds everything
# there and changes nothing. A script that sources it gets its functions; after a set-up, `find_rust` puts the right cargo
# on PATH.
#
# --ahead: while OpenCV's hundreds of packages are installed, which keeps one processor busy, the crates that do not need
# it are compiled already, as by `cargo COMMAND`.

set -euo pipefail
# shellcheck source=scripts/lib/rust.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/rust.sh"

# Compiles whatever can be compiled without OpenCV, in the background; its crate must not find one that is half installed.
# What goes wrong is of no interest: the build proper tells it.
build_ahead() { # CARGO-ARGUMENT...
    say "compiling meanwhile what does not need OpenCV"
    OPENCV_DISABLE_PROBES=environment,pkg_config,cmake,vcpkg_cmake,vcpkg \
        setpriv --pdeathsig TERM cargo --quiet "$@" --keep-going >/dev/null 2>&1 &
}

# The whole set-up for one purpose: build, demo or test. What to compile ahead may be empty.
setup() { # PURPOSE AHEAD
    local packages commands=() command=()
    case $1 in
        build) packages=("${BUILD_PACKAGES[@]}") ;;
        demo) packages=("${DEMO_PACKAGES[@]}") ;;
        test)
            packages=("${TEST_PACKAGES[@]}")
            commands=(fmt clippy)
            ;;
        *) wrong_usage "unknown purpose \"$1\"; it is build, demo or test" ;;
    esac
    if ! command -v apt-get >/dev/null; then
        die "this system has no apt-get: install what ${packages[*]} are called here and Rust $RUST_MINIMUM," \
            "then use cargo directly"
    fi
    read -ra command <<<"$2"
    install_packages "${TOOL_PACKAGES[@]}"
    setup_rust "${commands[@]}"
    if [[ -n $2 ]] && ! are_installed "${BUILD_PACKAGES[@]}"; then
        cd "$FACETAP_TOP"
        build_ahead "${command[@]}"
    fi
    install_packages "${packages[@]}"
    wait
    say "everything is there: $(cargo --version), OpenCV $(pkg-config --modversion opencv4)"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    purpose=build ahead=''
    while [[ $# -gt 0 ]]; do
        case $1 in
            -h | --help)
                usage
                exit 0
                ;;
            --ahead)
                [[ -n ${2:-} ]] || wrong_usage "--ahead needs a command of cargo"
                ahead=$2
                shift
                ;;
            *) purpose=$1 ;;
        esac
        shift
    done
    setup "$purpose" "$ahead"
fi
