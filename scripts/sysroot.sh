#!/usr/bin/env bash
# Makes the system that releases are built against (lib/sysroot.sh), if it is not kept yet, and prints its path.
#
#   scripts/sysroot.sh amd64|arm64

set -euo pipefail
# shellcheck source=scripts/lib/sysroot.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/sysroot.sh"

case ${1:-} in
    amd64 | arm64)
        use_sysroot "$1" >&2
        echo "$SYSROOT"
        ;;
    -h | --help) usage ;;
    *) wrong_usage "wants an architecture, amd64 or arm64" ;;
esac
