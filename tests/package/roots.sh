#!/usr/bin/env bash
# System roots of Debian for the tests of the package, kept in the cache. To be sourced, after scripts/lib/cache.sh.

# What the package depends on, so that it installs without an archive in reach, and what checks it.
ROOT_PACKAGES=systemd,udev,pcscd,opencv-data,libstdc++6,libgcc-s1

# Leaves in CACHED the path of a root that can run: the release's packages for this machine. Not to be written to.
running_root() { # SUITE
    local arch
    arch=$(dpkg --print-architecture)
    cached "root-$1-$arch" "$1" "$arch" -- debian_root "$1" "$arch" minbase "$ROOT_PACKAGES"
}

# Leaves in CACHED the path of a root with the libraries that the binary needs, and the cascades that a package without
# models depends on, for any architecture. Nothing in it needs to run.
library_root() { # SUITE ARCHITECTURE
    # base-files: on Debian 13 the link /lib belongs to it.
    cached "libraries-$1-$2" "$1" "$2" -- debian_root "$1" "$2" extract \
        base-files,libc6,libstdc++6,libgcc-s1,libpcsclite1,opencv-data
}
