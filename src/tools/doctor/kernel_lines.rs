//! What a line of the kernel says, as its drivers write it (`drivers/mmc`, `drivers/nvme`, `block/blk-core.c`, `fs/ext4`,
//! `fs/jbd2`, `mm/oom_kill.c`). A word alone says little: a chip for Wi-Fi hangs on an SD controller, too, and an empty drive for
//! floppy disks has I/O errors.

/// What drivers say of a disk that fails, in small letters.
const FAILS: [&str; 12] = [
    "error",
    "timed out",
    "timeout",
    "timing out",
    "recovery failed",
    "stuck in programming state",
    "never left busy state",
    "controller is down",
    "removing after probe failure",
    "unrecovered",
    "failed result",
    "remounting filesystem read-only",
];

/// A program that was ended because memory had run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Killed {
    /// The memory of the machine had.
    Board,
    /// The limit of a group of processes was reached: that of a unit or a container.
    Group,
}

/// The device that a line reports as failing: a disk, a partition, or the controller of one (`mmcblk0p2`, `sda`, `nvme0`,
/// `mmc0`).
#[must_use]
pub fn failing_device(line: &str) -> Option<&str> {
    let small = line.to_ascii_lowercase();
    if !FAILS.iter().any(|word| small.contains(word)) && !small.contains("aborting journal") {
        return None;
    }
    // As the block layer, file systems and journals name it.
    for before in [
        "error, dev ",
        "error on dev ",
        "error on device ",
        "error (device ",
        "journal on device ",
        "flushing file data on ",
        "journal superblock for ",
        "fs (",
        "-fs (",
    ] {
        if let Some(at) = small.find(before) {
            let name = name_at(line, at + before.len());
            return (!name.is_empty()).then_some(name);
        }
    }
    // As a driver does, in front of what it says: "mmcblk0: error -110", "sd 0:0:0:0: [sda] ...".
    line.split([' ', '[']).find_map(|word| {
        let name = word.strip_suffix([':', ']'])?;
        is_disk(name).then_some(name)
    })
}

/// Whether this is the name of a disk, a partition or a controller of disks.
fn is_disk(name: &str) -> bool {
    let numbered = |begin: &str| {
        name.strip_prefix(begin)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let lettered = name
        .strip_prefix("sd")
        .or_else(|| name.strip_prefix("vd"))
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()) && rest.len() <= 4);
    numbered("mmcblk") || numbered("mmc") || numbered("nvme") || lettered
}

/// The name that begins at this byte. A journal is named with the number of its inode: "mmcblk0p2-8".
fn name_at(line: &str, at: usize) -> &str {
    let rest = &line[at..];
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
    match name.rsplit_once('-') {
        Some((disk, inode)) if disk != "dm" && inode.bytes().all(|b| b.is_ascii_digit()) => disk,
        _ => name,
    }
}

/// The disk of a partition: `mmcblk0` of `mmcblk0p2`, `sda` of `sda1`, `nvme0n1` of `nvme0n1p3`; a disk's own name is left.
#[must_use]
pub fn disk_of(name: &str) -> &str {
    let without_number = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if without_number.len() == name.len() {
        return name;
    }
    match without_number.strip_suffix('p') {
        // "mmcblk0p2": the number is of a partition, where another stands before the letter.
        Some(disk) if disk.ends_with(|c: char| c.is_ascii_digit()) => disk,
        _ if name.starts_with("sd") || name.starts_with("vd") => without_number,
        _ => name,
    }
}

/// Whether a fault of this device is one of the disk: of itself, of a partition, of its controller.
#[must_use]
pub fn is_of(device: &str, disk: &str) -> bool {
    let device = disk_of(device);
    let controller = match disk.strip_prefix("mmcblk") {
        Some(number) => device.strip_prefix("mmc") == Some(number),
        None => {
            disk.starts_with("nvme")
                && disk
                    .strip_prefix(device)
                    .is_some_and(|rest| rest.starts_with('n'))
        }
    };
    device == disk || controller
}

/// Whether a line says that a program was ended for its memory, and whose memory had run out.
#[must_use]
pub fn killed(line: &str) -> Option<Killed> {
    let small = line.to_ascii_lowercase();
    let at = small.find("out of memory")?;
    if !small[at..].contains("kill") {
        return None;
    }
    Some(if small[..at].trim_end().ends_with("memory cgroup") {
        Killed::Group
    } else {
        Killed::Board
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_that_fails_is_named_in_every_form() {
        for (line, want) in [
            (
                "I/O error, dev mmcblk0, sector 8 op 0x1:(WRITE) flags 0x800",
                "mmcblk0",
            ),
            ("blk_update_request: I/O error, dev sda, sector 2048", "sda"),
            (
                "print_req_error: critical medium error, dev sdb, sector 5",
                "sdb",
            ),
            (
                "critical target error, dev nvme0n1, sector 5 op 0x1",
                "nvme0n1",
            ),
            (
                "Buffer I/O error on dev mmcblk0p2, logical block 5, lost async page write",
                "mmcblk0p2",
            ),
            ("Buffer I/O error on device sda1, logical block 0", "sda1"),
            ("Buffer I/O error on dev dm-0, logical block 0", "dm-0"),
            (
                "device offline error, dev sdc, sector 0 op 0x0:(READ)",
                "sdc",
            ),
            (
                "EXT4-fs error (device mmcblk0p2): ext4_find_entry:1455: inode #2: comm ls",
                "mmcblk0p2",
            ),
            (
                "EXT4-fs (mmcblk0p2): Remounting filesystem read-only",
                "mmcblk0p2",
            ),
            ("EXT4-fs (sda1): I/O error while writing superblock", "sda1"),
            (
                "F2FS-fs (mmcblk0p2): access invalid blkaddr, run fsck: error",
                "mmcblk0p2",
            ),
            (
                "BTRFS error (device sda1): bdev /dev/sda1 errs: wr 1, rd 0",
                "sda1",
            ),
            ("Aborting journal on device mmcblk0p2-8.", "mmcblk0p2"),
            (
                "JBD2: Detected IO errors while flushing file data on mmcblk0p2-8",
                "mmcblk0p2",
            ),
            (
                "JBD2: I/O error when updating journal superblock for mmcblk0p2-8.",
                "mmcblk0p2",
            ),
            (
                "mmcblk0: error -110 transferring data, sector 1234, nr 8",
                "mmcblk0",
            ),
            (
                "mmcblk0: timed out sending r/w cmd command, card status 0x900",
                "mmcblk0",
            ),
            ("mmcblk0: recovery failed!", "mmcblk0"),
            ("mmc0: Timeout waiting for hardware interrupt.", "mmc0"),
            ("mmc1: Timeout waiting for hardware interrupt.", "mmc1"),
            (
                "mmc0: Card stuck in programming state! mmcblk0 card_busy_detect",
                "mmc0",
            ),
            ("mmc0: cache flush error -110", "mmc0"),
            ("nvme nvme0: I/O 12 QID 4 timeout, aborting", "nvme0"),
            (
                "nvme nvme0: controller is down; will reset: CSTS=0xffffffff",
                "nvme0",
            ),
            (
                "nvme0n1: I/O Cmd(0x2) @ LBA 0, 8 blocks, I/O Error (sct 0x2 / sc 0x81)",
                "nvme0n1",
            ),
            (
                "sd 0:0:0:0: [sda] tag#0 FAILED Result: hostbyte=DID_ERROR",
                "sda",
            ),
            (
                "sd 0:0:0:0: [sda] Unrecovered read error - auto reallocate failed: error",
                "sda",
            ),
            ("I/O error, dev fd0, sector 0 op 0x0:(READ)", "fd0"),
            ("Buffer I/O error on dev sr0, logical block 0", "sr0"),
            ("EXT4-fs (loop0): Remounting filesystem read-only", "loop0"),
        ] {
            assert_eq!(failing_device(line), Some(want), "{line}");
            // As the system log has it.
            let logged = format!("Dec  1 12:00:00 pi kernel: [  123.456] {line}");
            assert_eq!(failing_device(&logged), Some(want), "{logged}");
        }
    }

    #[test]
    fn what_names_a_disk_without_a_fault_is_none() {
        for line in [
            "mmc0: new high speed SDHC card at address 0001",
            "mmcblk0: mmc0:0001 SD16G 14.4 GiB",
            " mmcblk0: p1 p2",
            "EXT4-fs (mmcblk0p2): mounted filesystem with ordered data mode",
            "EXT4-fs (mmcblk0p2): recovery complete",
            "sd 0:0:0:0: [sda] Attached SCSI removable disk",
            "sd 0:0:0:0: [sda] No Caching mode page found",
            "usb 1-1: device descriptor read/64, error -71",
            "brcmfmac: brcmf_sdio_htclk: HT Avail timeout (1000000): clkctl 0x50",
            "systemd[1]: Timed out waiting for device dev-ttyS0.device",
            "uvcvideo: Failed to query (GET_CUR) UVC control 11: error -110",
            "",
        ] {
            assert_eq!(failing_device(line), None, "{line}");
        }
    }

    #[test]
    fn a_partition_and_a_controller_belong_to_their_disk() {
        for (device, disk, want) in [
            ("mmcblk0p2", "mmcblk0", true),
            ("mmcblk0p1", "mmcblk0", true),
            ("mmc0", "mmcblk0", true),
            ("mmc1", "mmcblk0", false),
            ("mmcblk1", "mmcblk0", false),
            ("mmc1", "mmcblk10", false),
            ("sda1", "sda", true),
            ("sdaa1", "sda", false),
            ("sdb", "sda", false),
            ("nvme0", "nvme0n1", true),
            ("nvme0n1p2", "nvme0n1", true),
            ("nvme1", "nvme0n1", false),
            ("dm-0", "dm-0", true),
            ("fd0", "mmcblk0", false),
        ] {
            assert_eq!(is_of(device, disk), want, "{device} {disk}");
        }
        assert_eq!(disk_of("loop0"), "loop0");
    }

    #[test]
    fn the_memory_of_a_group_is_not_that_of_the_board() {
        for (line, want) in [
            (
                "Out of memory: Killed process 77 (chromium) total-vm:1kB",
                Some(Killed::Board),
            ),
            (
                "Out of memory: Kill process 77 (chromium) score 900 or sacrifice child",
                Some(Killed::Board),
            ),
            (
                "Memory cgroup out of memory: Killed process 5 (facetap)",
                Some(Killed::Group),
            ),
            (
                "Memory cgroup out of memory: Kill process 5 (facetap) score 1",
                Some(Killed::Group),
            ),
            (
                "systemd[1]: facetap.service: A process of this unit has been killed by the OOM killer.",
                None,
            ),
            ("drm: out of memory for the frame buffer", None),
        ] {
            assert_eq!(killed(line), want, "{line}");
        }
    }
}
