//! Which program has a device open, found out without opening it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Where pseudo-terminals lie.
const PSEUDO: &str = "/dev/pts";

/// The program that has `node` open, with its number. None if none has, or none that this user may see:
/// of other people's programs only a lock shows.
pub fn holder(node: &Path) -> Option<String> {
    holder_below(Path::new("/"), node)
}

/// The same on the machine whose files lie below `root`.
pub fn holder_below(root: &Path, node: &Path) -> Option<String> {
    let about = fs::metadata(root.join(node.strip_prefix("/").unwrap_or(node))).ok()?;
    let processes = root.join("proc");
    by_descriptor(&processes, node).or_else(|| {
        let locks = fs::read_to_string(processes.join("locks")).ok()?;
        let locker = locked_by(&locks, about.dev(), about.ino());
        let other = locker.filter(|pid| *pid != std::process::id().to_string());
        other.map(|pid| named(&processes, &pid))
    })
}

fn by_descriptor(processes: &Path, node: &Path) -> Option<String> {
    let us = std::process::id().to_string();
    fs::read_dir(processes).ok()?.flatten().find_map(|process| {
        let pid = process.file_name().into_string().ok()?;
        if pid == us || !pid.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let open = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let open: Vec<(OsString, PathBuf)> = open
            .filter_map(|fd| Some((fd.file_name(), fs::read_link(fd.path()).ok()?)))
            .collect();
        let holds = open.iter().any(|(_, to)| to == node);
        (holds && !is_far_end(&process.path(), &open, node)).then(|| named(processes, &pid))
    })
}

/// Whether a process has the far end of this pseudo-terminal: it keeps the near one open, lest it be hung up. Which one is
/// whose tells `fdinfo` (proc(5)), by the number.
fn is_far_end(process: &Path, open: &[(OsString, PathBuf)], node: &Path) -> bool {
    let Some(number) = node.strip_prefix(PSEUDO).ok().and_then(Path::to_str) else {
        return false;
    };
    let index = |fd: &OsString| {
        let about = fs::read_to_string(process.join("fdinfo").join(fd)).ok()?;
        let line = about
            .lines()
            .find_map(|line| line.strip_prefix("tty-index:"))?;
        Some(line.trim().to_owned())
    };
    open.iter()
        .filter(|(_, to)| to.ends_with("ptmx"))
        .any(|(fd, _)| index(fd).as_deref() == Some(number))
}

/// The process that has locked a file, by `/proc/locks` (proc(5)):
/// `2: FLOCK ADVISORY WRITE 18653 fe:00:10117135 0 EOF`.
fn locked_by(locks: &str, device: u64, inode: u64) -> Option<String> {
    let (major, minor) = (nix::libc::major(device), nix::libc::minor(device));
    let file = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(4);
        let pid = fields.next()?;
        (fields.next()? == file).then(|| pid.to_owned())
    })
}

fn named(processes: &Path, pid: &str) -> String {
    match fs::read_to_string(processes.join(pid).join("comm")) {
        Ok(name) => format!("{} ({pid})", name.trim()),
        Err(_) => pid.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_lock_is_found() {
        let locks = "1: OFDLCK ADVISORY  READ -1 fe:00:10403875 100 101\n\
            2: FLOCK  ADVISORY  WRITE 18653 00:05:117 0 EOF\nodd line\n";
        assert_eq!(locked_by(locks, 5, 117).as_deref(), Some("18653"));
        assert_eq!(locked_by(locks, 5, 118), None);
    }

    #[test]
    fn an_open_device_has_a_holder_and_another_has_none() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .stdin(fs::File::open("/dev/full").unwrap())
            .spawn()
            .unwrap();
        let held = holder(Path::new("/dev/full")).unwrap();
        assert!(held.ends_with(')'), "{held}");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(holder(Path::new("/no/such/device")), None);
    }
}
