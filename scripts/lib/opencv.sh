# shellcheck shell=bash
# The static, minimal OpenCV that releases contain: image reading (JPEG, PNG), V4L2 capture, the two face detectors, and
# nothing else; no FFmpeg, no window, no GPU. To be sourced.
#
# $OPENCV_SOURCE: the source archive, if it is here already; else it is taken from the Debian archive that apt uses. Both
# architectures are built against the sysroot of sysroot.sh, so that the result does not depend on this machine's system.

# shellcheck source=scripts/lib/sysroot.sh
source "$(dirname "${BASH_SOURCE[0]}")/sysroot.sh"

# The source of Debian 13's package: the newest that Debian's archive keeps for years, and new enough for the better of
# the two YuNet models (2023mar needs 4.8).
OPENCV_VERSION=4.10.0
OPENCV_ARCHIVE=opencv_$OPENCV_VERSION+dfsg.orig.tar.xz
OPENCV_SHA256=4ca619efbad524c550771ab110332fc81293fb720bd03980fe58bc15f9ca3be8

# protobuf-compiler translates the model formats' descriptions; its release has to be that of the sysroot's
# libprotobuf, which Debian 12 and 13 share.
OPENCV_PACKAGES=("${TOOLCHAIN_PACKAGES[@]}" cmake ninja-build protobuf-compiler curl xz-utils)

# shellcheck disable=SC2054  # the comma is cmake's own
OPENCV_OPTIONS=(
    -DCMAKE_BUILD_TYPE=Release
    -DBUILD_SHARED_LIBS=OFF
    -DBUILD_LIST=core,imgproc,imgcodecs,videoio,objdetect,dnn
    # Compiled code only: no samples, no bindings, no caches of kernels.
    -DBUILD_TESTS=OFF -DBUILD_PERF_TESTS=OFF -DBUILD_EXAMPLES=OFF -DBUILD_opencv_apps=OFF -DBUILD_DOCS=OFF
    -DBUILD_JAVA=OFF -DBUILD_opencv_python2=OFF -DBUILD_opencv_python3=OFF -DOPENCV_GENERATE_PKGCONFIG=OFF
    -DBUILD_PACKAGE=OFF -DENABLE_CCACHE=OFF -DOPENCV_GENERATE_SETUPVARS=OFF
    # The same input gives the same library.
    -DBUILD_INFO_SKIP_TIMESTAMP=ON -DBUILD_INFO_SKIP_SYSTEM_VERSION=ON -DBUILD_INFO_SKIP_EXTRA_MODULES=ON
    # The system's libraries instead of copies of them.
    -DWITH_JPEG=ON -DBUILD_JPEG=OFF -DWITH_PNG=ON -DBUILD_PNG=OFF -DBUILD_ZLIB=OFF
    -DWITH_PROTOBUF=ON -DBUILD_PROTOBUF=OFF -DPROTOBUF_UPDATE_FILES=ON
    -DWITH_V4L=ON
    # Everything that is on by default and not used.
    -DWITH_1394=OFF -DWITH_ADE=OFF -DWITH_ARAVIS=OFF -DWITH_CAROTENE=OFF -DWITH_CUDA=OFF -DWITH_EIGEN=OFF
    -DWITH_FFMPEG=OFF -DWITH_FLATBUFFERS=OFF -DWITH_GDAL=OFF -DWITH_GPHOTO2=OFF -DWITH_GSTREAMER=OFF -DWITH_GTK=OFF
    -DWITH_HALIDE=OFF -DWITH_HPX=OFF -DWITH_IMGCODEC_HDR=OFF -DWITH_IMGCODEC_PFM=OFF -DWITH_IMGCODEC_PXM=OFF
    -DWITH_IMGCODEC_SUNRASTER=OFF -DWITH_IPP=OFF -DWITH_ITT=OFF -DWITH_JASPER=OFF -DWITH_LAPACK=OFF -DWITH_OBSENSOR=OFF
    -DWITH_OPENCL=OFF -DWITH_OPENEXR=OFF -DWITH_OPENJPEG=OFF -DWITH_OPENMP=OFF -DWITH_OPENVINO=OFF -DWITH_QT=OFF
    -DWITH_QUIRC=OFF -DWITH_TBB=OFF -DWITH_TIFF=OFF -DWITH_VA=OFF -DWITH_VA_INTEL=OFF -DWITH_VTK=OFF -DWITH_VULKAN=OFF
    -DWITH_WEBP=OFF -DVIDEOIO_ENABLE_PLUGINS=OFF -DBUILD_ITT=OFF -DOPENCV_DNN_OPENCL=OFF -DCV_TRACE=OFF
    # Its hot loops are written in vector instructions, which this leaves as they are: 2.7 MB less, and no slower.
    "-DCMAKE_C_FLAGS_RELEASE=-Os -DNDEBUG" "-DCMAKE_CXX_FLAGS_RELEASE=-Os -DNDEBUG"
    # So that a crash can be traced through it.
    -DENABLE_OMIT_FRAME_POINTER=OFF
)

# What the processors of an architecture are taken to have, and what is chosen at run time. Every Pi that runs 64 bits
# has NEON; of a PC more than SSE3 is not taken for granted, but AVX2 is worth having.
cpu_options() { # ARCHITECTURE
    case $1 in
        amd64) echo -DCPU_BASELINE=SSE3 -DCPU_DISPATCH=AVX2 ;;
        arm64) echo -DCPU_DISPATCH= ;;
    esac
}

fetch_opencv() { # OUT
    local uri label
    if [[ -n ${OPENCV_SOURCE:-} ]]; then
        cp "$OPENCV_SOURCE" "$1"
    else
        uri=$(debian_archives | sed -n 's/ Debian$//p' | head -n 1)
        [[ -n $uri ]] || die "apt knows no Debian archive here: set OPENCV_SOURCE to a copy of $OPENCV_ARCHIVE"
        curl -sSf --retry 3 --connect-timeout 20 --max-time 600 -o "$1" "${uri%/}/pool/main/o/opencv/$OPENCV_ARCHIVE" ||
            die "cannot fetch $OPENCV_ARCHIVE from $uri: set OPENCV_SOURCE to a copy of it"
    fi
    echo "$OPENCV_SHA256  $1" | sha256sum --check --status ||
        die "$1 is not OpenCV's source as it is known here (SHA-256 should be $OPENCV_SHA256)"
}

# The detector of faces asks for "a network", which names the importers of all kinds of files: 0.6 MB for files that
# nobody has.
only_onnx() { # SOURCE
    local file changed=0
    for file in "$1"/modules/objdetect/src/face_{detect,recognize}.cpp; do
        sed -i 's/dnn::readNet(framework, bufferModel, bufferConfig)/dnn::readNetFromONNX(bufferModel)/
            s/dnn::readNet(model, config)/dnn::readNetFromONNX(model)/' "$file"
        changed=$((changed + $(grep -c 'readNetFromONNX' "$file")))
        ! grep -q 'dnn::readNet(' "$file" || die "$file still reads networks of all kinds: is it another version?"
    done
    [[ $changed -ge 3 ]] || die "the detectors of OpenCV do not read networks as they are known to here"
}

make_opencv() { # ARCHITECTURE OUT
    local work log=$2.log cpu flags
    work=$(mktemp -d "${TMPDIR:-/tmp}/facetap-opencv.XXXXXX")
    # shellcheck disable=SC2064  # the folder of now
    trap "rm -rf '$work'" EXIT
    tar -C "$work" -xJf "$OPENCV_FILE" --strip-components=1
    only_onnx "$work"
    read -ra cpu < <(cpu_options "$1")
    # Messages name source files, and OpenCV describes its build: no folder of this machine in either.
    flags="-ffile-prefix-map=$work=opencv -ffile-prefix-map=$SYSROOT="
    cat >"$work/toolchain.cmake" <<END
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${TRIPLET%%-*})
set(CMAKE_SYSROOT $SYSROOT)
set(CMAKE_LIBRARY_ARCHITECTURE $TRIPLET)
set(CMAKE_C_COMPILER clang)
set(CMAKE_CXX_COMPILER clang++)
set(CMAKE_C_COMPILER_TARGET $TRIPLET)
set(CMAKE_CXX_COMPILER_TARGET $TRIPLET)
set(CMAKE_AR llvm-ar)
set(CMAKE_RANLIB llvm-ranlib)
set(CMAKE_EXE_LINKER_FLAGS_INIT -fuse-ld=lld)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
END
    if ! {
        cmake -G Ninja -S "$work" -B "$work/build" -DCMAKE_TOOLCHAIN_FILE="$work/toolchain.cmake" \
            -DCMAKE_INSTALL_PREFIX="$2" -DCMAKE_C_FLAGS="$flags" -DCMAKE_CXX_FLAGS="$flags" \
            "${OPENCV_OPTIONS[@]}" "${cpu[@]}" &&
            sed -i "s|$SYSROOT||g; s|$work|opencv|g; /Install to:/d; /Python (for build):/d" \
                "$work/build/modules/core/version_string.inc" &&
            ninja -C "$work/build" install/strip
    } >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        die "OpenCV could not be built; the whole output is in $log"
    fi
    rm -rf "$work" "$log"
    trap - EXIT
}

# Leaves the folder in OPENCV; use_sysroot first.
use_opencv() { # ARCHITECTURE
    install_packages "${OPENCV_PACKAGES[@]}"
    cached opencv-source "$OPENCV_SHA256" -- fetch_opencv
    OPENCV_FILE=$CACHED
    cached "opencv-$1" "$OPENCV_SHA256" "$SYSROOT" "${OPENCV_OPTIONS[@]}" \
        "$(declare -f make_opencv only_onnx cpu_options)" -- make_opencv "$1"
    export OPENCV=$CACHED
}
