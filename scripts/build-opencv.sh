#!/usr/bin/env bash
# Builds the static, minimal OpenCV that releases contain (lib/opencv.sh), if it is not kept yet, and prints its folder.
#
#   scripts/build-opencv.sh amd64|arm64
#
# $OPENCV_SOURCE: the source archive, if it is here already. Ten minutes on two cores; the result is kept (cache.sh).

set -euo pipefail
# shellcheck source=scripts/lib/opencv.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/opencv.sh"

case ${1:-} in
    amd64 | arm64)
        {
            use_sysroot "$1"
            use_opencv "$1"
        } >&2
        echo "$OPENCV"
        ;;
    -h | --help) usage ;;
    *) wrong_usage "wants an architecture, amd64 or arm64" ;;
esac
