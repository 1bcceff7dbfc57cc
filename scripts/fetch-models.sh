#!/bin/sh
# Fetches the YuNet face detector, both versions, and checks them.
#
#   scripts/fetch-models.sh [DIR]
#
# DIR: where they go; by default /usr/share/facetap/models for root, ./data for anybody else. FaceTap
# looks in detector.model_dir, else in /usr/share/facetap/models, else in data_dir.
# $FACETAP_MODELS: a folder that already has the files; nothing is downloaded then.
#
# Both versions are fetched because OpenCV before 4.8 runs only the older one and later OpenCV only the
# newer one. They are from github.com/opencv/opencv_zoo, MIT licence. Running it again changes nothing.
#
# Exit status: 0 both files are in place; 1 a file could not be fetched or is not the right one;
# 2 wrong usage.
set -eu

# The files lie in Git LFS; "raw" leads to their content rather than to the pointer.
base=https://github.com/opencv/opencv_zoo/raw
folder=models/face_detection_yunet

say() { printf 'fetch-models: %s\n' "$*"; }
fail() {
    printf 'fetch-models: %s\n' "$*" >&2
    exit 1
}

case "${1:-}" in
-h | --help)
    sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
-*)
    printf 'usage: %s [DIR]\n' "$0" >&2
    exit 2
    ;;
esac
if [ $# -gt 1 ]; then
    printf 'usage: %s [DIR]\n' "$0" >&2
    exit 2
fi

if [ -n "${1:-}" ]; then
    dir=$1
elif [ "$(id -u)" -eq 0 ]; then
    dir=/usr/share/facetap/models
else
    dir=./data
fi
say "the models go to $dir"
mkdir -p "$dir" || fail "cannot make the folder $dir; name another one, or use sudo"
[ -w "$dir" ] || fail "the folder $dir cannot be written; name another one, or use sudo"

part=
trap '[ -z "$part" ] || rm -f "$part"' EXIT
trap 'exit 1' HUP INT TERM

is_right() { # FILE SHA256
    printf '%s  %s\n' "$2" "$1" | sha256sum --check --status 2>/dev/null
}

download() { # URL FILE
    if command -v curl >/dev/null; then
        curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 --max-time 300 \
            --output "$2" "$1"
    elif command -v wget >/dev/null; then
        wget --quiet --tries=3 --timeout=20 --output-document="$2" "$1"
    else
        fail "neither curl nor wget is installed; install one, or set FACETAP_MODELS to a folder with the files"
    fi
}

fetch() { # NAME COMMIT SHA256
    if is_right "$dir/$1" "$3"; then
        say "$1 is already there"
        return
    fi
    part=$(mktemp "$dir/.$1.XXXXXX")
    if [ -n "${FACETAP_MODELS:-}" ]; then
        source=$FACETAP_MODELS/$1
        cp "$source" "$part" || fail "cannot copy $source (from \$FACETAP_MODELS)"
    else
        source=$base/$2/$folder/$1
        download "$source" "$part" ||
            fail "cannot download $source; copy the file here by hand, or set FACETAP_MODELS to a folder with it"
    fi
    is_right "$part" "$3" ||
        fail "$source is not the file that is expected (SHA-256 should be $3); nothing was changed"
    chmod 644 "$part"
    # Renamed in the same folder: a running service never sees half a file.
    mv -f "$part" "$dir/$1"
    part=
    say "$1 fetched and checked"
}

# Commits that have the file: the older one is no longer in the newest.
fetch face_detection_yunet_2022mar.onnx 7e062e54cf5410c09b795ff71b4a255e58498c79 \
    50ef07f702a31741ca46a4c0d947773b64143b9362780237bf0d427d6c79bab7
fetch face_detection_yunet_2023mar.onnx 82b38c8f98e7b52aa171400f3e4c722352d0669f \
    8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4
say "done; FaceTap takes the one that fits the installed OpenCV"
