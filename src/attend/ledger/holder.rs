//! Who holds the ledger locked: another program that has it open, such as a viewer of databases with changes that were not
//! written yet. The kernel's list of locks tells it.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::sys::stat::{major, minor};

use super::journal::beside;
use crate::say;

/// Bytes that SQLite locks to write (its file format, 4.3 and `os.h`): of the journal's index, and of the file itself.
const INDEX: (u64, u64) = (120, 120);
const FILE: (u64, u64) = (0x4000_0000, 0x4000_0001 + 510);

/// The list comes in pieces: where others take and free locks meanwhile, it leaves some out.
const TRIES: u32 = 8;

/// Device and inode of a file, and the bytes of it that count.
type Place = ((u64, u64, u64), (u64, u64));

/// A lock of `/proc/locks`.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    pid: i32,
    /// Major and minor number of the device, and the inode.
    on: (u64, u64, u64),
    /// First and last byte.
    bytes: (u64, u64),
}

/// The programs that hold the ledger locked against writing, for people; none where the kernel names nobody.
pub(super) fn holders(file: &Path) -> Option<String> {
    let places = [(file.to_owned(), FILE), (beside(file, "-shm"), INDEX)];
    let places: Vec<_> = (places.iter())
        .filter_map(|(file, bytes)| {
            let m = std::fs::metadata(file).ok()?;
            Some(((major(m.dev()), minor(m.dev()), m.ino()), *bytes))
        })
        .collect();
    let pids = (0..TRIES)
        .map(|_| pids(&places))
        .find(|pids| !pids.is_empty())?;
    let named: Vec<_> = pids.into_iter().map(name).collect();
    Some(named.join(", "))
}

fn pids(places: &[Place]) -> BTreeSet<i32> {
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    (locks.lines().filter_map(parse))
        .filter(|held| is_on(held, places) && held.pid.unsigned_abs() != std::process::id())
        .map(|held| held.pid)
        .collect()
}

/// A line such as `1: POSIX  ADVISORY  WRITE 4711 08:02:1311 120 120`; none where it is no lock that writing takes.
fn parse(line: &str) -> Option<Held> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, _, _, "WRITE", pid, on, first, last] = words[..] else {
        return None; // One that waits has an arrow.
    };
    let mut on = on.split(':');
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    Some(Held {
        pid: pid.parse().ok()?,
        on: (hex(on.next()?)?, hex(on.next()?)?, on.next()?.parse().ok()?),
        bytes: (first.parse().ok()?, last.parse().unwrap_or(u64::MAX)),
    })
}

fn is_on(held: &Held, places: &[Place]) -> bool {
    places.iter().any(|(on, bytes)| {
        // Some file systems have another device number there than in their files.
        on.2 == held.on.2
            && (on == &held.on || held.on.0 == 0 || on.0 == 0)
            && held.bytes.0 <= bytes.1
            && bytes.0 <= held.bytes.1
    })
}

/// A process as people know it.
fn name(pid: i32) -> String {
    if pid <= 0 {
        return say!("a process of another container", "別のコンテナのプロセス");
    }
    let folder = format!("/proc/{pid}");
    let comm = std::fs::read_to_string(format!("{folder}/comm")).unwrap_or_default();
    let exe = std::fs::read_link(format!("{folder}/exe")).ok();
    let exe = exe.map_or_else(String::new, |exe| format!(", {}", exe.display()));
    let comm = comm.trim();
    let comm = if comm.is_empty() { "?" } else { comm };
    say!(
        "{comm} (process {pid}{exe})",
        "{comm} (プロセス {pid}{exe})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_that_keep_others_from_writing_are_found() {
        let line = "42: POSIX  ADVISORY  WRITE 4711 08:1f:1311 120 120";
        let held = parse(line).unwrap();
        assert_eq!(
            held,
            Held {
                pid: 4711,
                on: (8, 0x1f, 1311),
                bytes: (120, 120)
            }
        );
        let place = |on, bytes| is_on(&held, &[(on, bytes)]);
        assert!(place((8, 0x1f, 1311), INDEX));
        assert!(place((0, 45, 1311), INDEX), "as with btrfs");
        assert!(!place((8, 0x1f, 1312), INDEX) && !place((8, 1, 1311), INDEX));
        assert!(!place((8, 0x1f, 1311), FILE), "other bytes");
        let reserved = parse("1: OFDLCK ADVISORY  WRITE -1 00:1b:7 1073741824 EOF").unwrap();
        assert!(is_on(&reserved, &[((0, 0x1b, 7), FILE)]));
        for other in [
            "1: -> POSIX  ADVISORY  WRITE 4711 08:02:1311 120 120",
            "1: POSIX  ADVISORY  READ 4711 08:02:1311 123 123",
            "1: POSIX  ADVISORY  WRITE 4711 08:02 120 120",
            "",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn this_process_is_named_as_it_is() {
        let me = name(i32::try_from(std::process::id()).unwrap());
        assert!(me.contains(&std::process::id().to_string()), "{me}");
        assert!(me.contains("/facetap-"), "{me}");
        assert_eq!(name(0), "a process of another container");
    }
}
