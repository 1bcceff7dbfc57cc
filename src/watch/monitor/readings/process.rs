//! The process itself: `/proc/self/status`, and the descriptors by their links.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::text;
use crate::base::proc;
use crate::watch::monitor::sample::{Descriptors, Process};

/// Reads `/proc/self/status` below `root`.
pub(super) fn status(root: &Path) -> Result<Process> {
    let text = text(&root.join("proc/self/status"))?;
    parse_status(&text).context("/proc/self/status does not tell the memory of this process")
}

/// Peak resident memory of the process (`VmHWM`), if the kernel tells.
#[must_use]
pub fn peak_rss_bytes() -> Option<u64> {
    status(Path::new("/")).ok().map(|p| p.peak_bytes)
}

/// Resident memory of the process now, if the kernel tells. `/proc/self/statm` costs a tenth of `status`, and this is asked
/// every second for months.
#[must_use]
pub fn rss_bytes() -> Option<u64> {
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten();
    let text = text(Path::new("/proc/self/statm")).ok()?;
    resident(&text, u64::try_from(page?).ok()?)
}

/// The second number of `statm` counts pages of `page` bytes.
fn resident(statm: &str, page: u64) -> Option<u64> {
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(page)
}

fn parse_status(text: &str) -> Option<Process> {
    let field = |name| proc::field(text, name);
    Some(Process {
        anonymous_bytes: field("RssAnon")? * 1024,
        // Shared memory is a file too, of a file system in memory.
        file_bytes: (field("RssFile")? + field("RssShmem").unwrap_or(0)) * 1024,
        peak_bytes: field("VmHWM")? * 1024,
        threads: field("Threads")?,
    })
}

/// Counts the open descriptors below `root` by kind. The one that lists them is not counted.
pub(super) fn descriptors(root: &Path) -> Result<Descriptors> {
    let folder = root.join("proc/self/fd");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut found = Descriptors::default();
    for entry in entries.flatten() {
        // One that was closed in the meantime has no link any more.
        if let Ok(target) = fs::read_link(entry.path()) {
            let target = target.to_string_lossy();
            let listing = target.starts_with("/proc/") && target.ends_with("/fd");
            if !listing {
                *kind(&target, &mut found) += 1;
            }
        }
    }
    Ok(found)
}

/// The count that a descriptor with this link belongs to.
fn kind<'a>(target: &str, counts: &'a mut Descriptors) -> &'a mut u64 {
    if target.starts_with("socket:") {
        &mut counts.sockets
    } else if target.starts_with("pipe:") {
        &mut counts.pipes
    } else if target.starts_with("/dev/") && !target.starts_with("/dev/shm/") {
        &mut counts.devices
    } else if target.starts_with('/') && !target.starts_with("/memfd:") {
        &mut counts.files
    } else {
        &mut counts.anonymous
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tfacetap\nVmPeak:\t  200000 kB\nVmSize:\t  190000 kB\nVmHWM:\t   31000 kB\n\
        VmRSS:\t   30000 kB\nRssAnon:\t   12000 kB\nRssFile:\t   17000 kB\nRssShmem:\t    1000 kB\nThreads:\t14\n";

    #[test]
    fn the_kernels_page_is_understood() {
        let process = parse_status(STATUS).unwrap();
        assert_eq!(
            process,
            Process {
                anonymous_bytes: 12_000 << 10,
                file_bytes: 18_000 << 10,
                peak_bytes: 31_000 << 10,
                threads: 14,
            }
        );
        for bad in ["", "RssAnon: x kB", "RssAnon:\t1 kB\nVmHWM:\t1 kB\n"] {
            assert_eq!(parse_status(bad), None, "{bad:?}");
        }
        assert!(peak_rss_bytes().unwrap() > 500_000);
    }

    #[test]
    fn resident_pages_are_counted_in_bytes() {
        // A Raspberry Pi 5 has pages of 16 KiB.
        assert_eq!(
            resident("60000 1900 1100 20 0 900 0\n", 16 << 10),
            Some(1900 << 14)
        );
        for bad in ["", "60000", "60000 x 1"] {
            assert_eq!(resident(bad, 4096), None, "{bad:?}");
        }
        let whole = status(Path::new("/")).unwrap();
        let (now, then) = (
            rss_bytes().unwrap(),
            whole.anonymous_bytes + whole.file_bytes,
        );
        assert!(now > then / 2 && now < then * 2, "{now} {then}");
    }

    #[test]
    fn links_tell_the_kind() {
        let mut counts = Descriptors::default();
        for target in [
            "/var/log/facetap.log",
            "/data/attendance.db (deleted)",
            "socket:[123]",
            "pipe:[7]",
            "/dev/video0",
            "/dev/null",
            "anon_inode:[eventpoll]",
            "/memfd:x (deleted)",
        ] {
            *kind(target, &mut counts) += 1;
        }
        let want = Descriptors {
            files: 2,
            sockets: 1,
            pipes: 1,
            devices: 2,
            anonymous: 2,
        };
        assert_eq!((counts, counts.total()), (want, 8));
    }

    #[test]
    fn descriptors_more_are_counted_by_their_kind() {
        let before = descriptors(Path::new("/")).unwrap();
        let held: Vec<_> = (0..200)
            .map(|_| fs::File::open("/dev/null").unwrap())
            .collect();
        let with = descriptors(Path::new("/")).unwrap();
        // Other tests of this process open and close files too, but not devices by the hundred.
        assert!(with.devices >= before.devices + 150, "{before:?} {with:?}");
        drop(held);
    }
}
