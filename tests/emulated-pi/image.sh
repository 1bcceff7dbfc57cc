# shellcheck shell=bash
# The SD card of the emulated Raspberry Pi. To be sourced by scripts/emulated-pi.sh, after scripts/lib/cache.sh; needs root.
#
# What takes minutes and depends on Debian alone is kept: kernel with its initial RAM disk, and root file system.
# What is new at every run takes seconds: our package, the steps, the image.

EMULATED_PI=$FACETAP_TOP/tests/emulated-pi

# What an image of Raspberry Pi OS Lite has of that which matters here, a virtual card reader, and what the steps use (Pillow
# draws what a camera sees).
BOARD_PACKAGES=(systemd systemd-sysv systemd-timesyncd udev dbus polkitd kmod procps iproute2 libnss-systemd
    init-system-helpers adduser cron logrotate pcscd libccid vsmartcard-vpcd v4l-utils python3 python3-pil opencv-data
    libstdc++6 libpcsclite1)

# What it takes to mount the SD card. The rest comes from there.
BOOT_MODULES=(crc32c_generic ext4 bcm2835 sdhci-iproc)

# Kernel modules that no emulated board can have a use for: half of the size.
UNUSED_MODULES=(drivers/gpu drivers/net drivers/infiniband drivers/scsi drivers/ata drivers/iio drivers/md
    drivers/media/pci drivers/media/dvb-frontends drivers/media/tuners sound fs/btrfs fs/ocfs2 fs/xfs fs/nfs fs/smb)

# Leaves in BOARD_KERNEL and BOARD_ROOT what is kept.
prepare_board() {
    install_packages qemu-system-arm e2fsprogs cpio kmod
    enable_emulation
    # The text of the functions is part of the recipe.
    cached board-kernel "$(declare -f make_board_kernel make_initrd)" "${UNUSED_MODULES[*]}" "${BOOT_MODULES[*]}" -- \
        make_board_kernel
    BOARD_KERNEL=$CACHED
    # It has this kernel's modules.
    cached board-root "$(declare -f make_board_root)" "${BOARD_PACKAGES[*]}" "$(<"$BOARD_KERNEL/release")" -- \
        make_board_root "$BOARD_KERNEL"
    BOARD_ROOT=$CACHED
}

# A folder with Image, board.dtb, initrd, release (the kernel's version) and lib/modules.
make_board_kernel() { # OUT
    local debian=$1.debian out=$1 release path
    rm -rf --one-file-system "$debian"
    # Only unpacked: installing it would make a large initial RAM disk, a quarter of an hour under emulation.
    debian_root bookworm arm64 extract linux-image-arm64,busybox-static "$debian"
    release=$(basename "$debian"/lib/modules/*)
    mkdir -p "$out/lib/modules"
    mv "$debian/lib/modules/$release" "$out/lib/modules/"
    for path in "${UNUSED_MODULES[@]}"; do
        rm -rf "$out/lib/modules/$release/kernel/$path"
    done
    depmod -b "$out" "$release"
    cp "$debian/boot/vmlinuz-$release" "$out/Image"
    cp "$debian/usr/lib/linux-image-$release/broadcom/bcm2837-rpi-3-b.dtb" "$out/board.dtb"
    printf '%s\n' "$release" >"$out/release"
    make_initrd "$debian/bin/busybox" "$out"
    rm -rf --one-file-system "$debian"
}

# The smallest initial RAM disk that mounts the SD card.
make_initrd() { # BUSYBOX KERNEL-FOLDER
    local tree=$2/initrd.tree release module
    release=$(cat "$2/release")
    mkdir -p "$tree"/{bin,modules,dev,proc,card}
    cp "$1" "$tree/bin/busybox"
    for module in "${BOOT_MODULES[@]}"; do
        modprobe -d "$2" -S "$release" --show-depends "$module"
    done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$2/initrd.list"
    while read -r module; do
        cp "$module" "$tree/modules/"
        basename "$module" >>"$tree/modules/order"
    done <"$2/initrd.list"
    # If it fails the kernel panics, which ends the emulator.
    cat >"$tree/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
while read -r module; do /bin/busybox insmod "/modules/$module"; done </modules/order
tries=0
until [ -b /dev/mmcblk0 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || { echo "no SD card"; exit 1; }
    /bin/busybox sleep 0.1
done
/bin/busybox mount -t ext4 /dev/mmcblk0 /card || { echo "the SD card cannot be mounted"; exit 1; }
/bin/busybox mount -o move /dev /card/dev
exec /bin/busybox switch_root /card /sbin/init
INIT
    chmod +x "$tree/init"
    (cd "$tree" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$2/initrd"
    rm -rf "$tree" "$2/initrd.list"
}

# Debian as it would be on a board, before our package. Nothing in it knows of FaceTap.
make_board_root() { # KERNEL-FOLDER OUT
    local out=$2 packages unit
    packages=$(IFS=, && printf '%s' "${BOARD_PACKAGES[*]}")
    debian_root bookworm arm64 minbase "$packages" "$out"
    cp -a "$1/lib/modules" "$out/usr/lib/"
    printf 'raspberrypi\n' >"$out/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 raspberrypi\n' >"$out/etc/hosts"
    printf '/dev/mmcblk0 / ext4 defaults,noatime 0 1\n' >"$out/etc/fstab"
    # Without it systemd would take the first boot for the first of a new machine and enable every unit, which would
    # hide a package that does not enable its own.
    printf '0123456789abcdef0123456789abcdef\n' >"$out/etc/machine-id"
    # As on Raspberry Pi OS: the journal does not outlive a boot.
    mkdir -p "$out/etc/systemd/journald.conf.d"
    printf '[Journal]\nStorage=volatile\n' >"$out/etc/systemd/journald.conf.d/volatile.conf"
    # Work that begins by itself at some time and costs the emulated processors dearly.
    for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
        fstrim.timer logrotate.timer systemd-pstore.service; do
        ln -sf /dev/null "$out/etc/systemd/system/$unit"
    done
    chroot "$out" passwd --quiet --delete root
}

# The image WORK/board.img with the package and the chosen steps ("first/NAME" and "second/NAME").
assemble_image() { # PACKAGE WORK STEP...
    local root=$2/root image=$2/board.img
    local package=$1
    shift 2
    rm -rf --one-file-system "$root"
    cp -a --reflink=auto "$BOARD_ROOT" "$root"
    install_package "$package" "$root"
    add_scenario "$root" "$@"
    # The card of a Pi: its size has to be a power of two. Made without mounting anything.
    rm -f "$image"
    mke2fs -q -t ext4 -L rootfs -d "$root" "$image" 2G >/dev/null
    rm -rf --one-file-system "$root"
}

# As its user would, with apt from a file, in the board's own system. Mounts and processes end with the call.
install_package() { # PACKAGE ROOT
    local output=$2.install.log name
    name=$(basename "$1")
    cp "$1" "$2/tmp/$name"
    # shellcheck disable=SC2016  # expanded in there
    if ! isolated sh -c '
        mount --make-rprivate / && mount -t proc proc "$1/proc" && mount -t tmpfs dev "$1/dev" &&
            for node in null zero full random urandom; do
                : >"$1/dev/$node" && mount --bind "/dev/$node" "$1/dev/$node" || exit
            done &&
            exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
                apt-get install -y -q -o Dpkg::Use-Pty=0 "/tmp/$2"
        ' install "$2" "$name" </dev/null >"$output" 2>&1; then
        cat "$output" >&2
        die "$name cannot be installed in Debian 12 for arm64; the lines above say why"
    fi
    rm -f "$2/tmp/$name" "$output"
}

# What makes the board a test bench: simulated devices, the steps and the unit that runs them.
add_scenario() { # ROOT STEP...
    local root=$1 home=$1/usr/lib/facetap-scenario step clip
    shift
    mkdir -p "$home"/{first,second,clips}
    cp "$EMULATED_PI"/guest/* "$FACETAP_TOP"/tests/tools/*.py "$home/"
    mv "$home/facetap-scenario.service" "$root/etc/systemd/system/"
    mv "$home/devices.conf" "$root/etc/modules-load.d/"
    mv "$home/options.conf" "$root/etc/modprobe.d/"
    mkdir -p "$root/etc/systemd/system/facetap.service.d"
    mv "$home/slow-board.conf" "$root/etc/systemd/system/facetap.service.d/"
    for step in "$@"; do
        case $step in
            first/*) cp "$EMULATED_PI/steps/${step#*/}.sh" "$home/first/" ;;
            second/*) cp "$EMULATED_PI/steps-after-reboot/${step#*/}.sh" "$home/second/" ;;
        esac
    done
    clip=${FACETAP_SHARED:-$FACETAP_TOP/../shared}/data/videos/pan_easy.avi
    [[ ! -f $clip ]] || cp "$clip" "$home/clips/"
}
