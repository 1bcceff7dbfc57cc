//! The machine that is looked at: this one, or a tree of files that stands for one (`--root`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::libc;

/// Most that is read of a file, in bytes: what the doctor looks at are lines, not data.
const MOST: u64 = 1 << 20;

/// Where every path begins. Commands are run, and daemons asked, on a live machine only.
#[derive(Debug, Clone)]
pub struct Root {
    base: PathBuf,
    live: bool,
}

impl Root {
    /// This machine.
    #[must_use]
    pub fn system() -> Self {
        Self {
            base: "/".into(),
            live: true,
        }
    }

    /// The machine whose files lie below `base`: the card of another board, or a fixture of the tests.
    #[must_use]
    pub fn below(base: &Path) -> Self {
        Self {
            base: base.canonicalize().unwrap_or_else(|_| base.to_owned()),
            live: false,
        }
    }

    /// Whether it is this machine, with its daemons and processes.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.live
    }

    /// The folder that stands for `/`.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Where a path of the machine really lies. On this machine a relative one is that of the current folder.
    #[must_use]
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        if self.live {
            path.to_owned()
        } else {
            self.base.join(path.strip_prefix("/").unwrap_or(path))
        }
    }

    /// The path as the machine itself knows it.
    #[must_use]
    pub fn own(&self, real: &Path) -> PathBuf {
        match real.strip_prefix(&self.base) {
            Ok(rest) if !self.live => Path::new("/").join(rest),
            _ => real.to_owned(),
        }
    }

    /// A small file without the white space around it; none if it cannot be read.
    #[must_use]
    pub fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let mut bytes = Vec::new();
        open(&self.path(path))
            .ok()?
            .take(MOST)
            .read_to_end(&mut bytes)
            .ok()?;
        let text = String::from_utf8_lossy(&bytes);
        // The device tree ends its texts with a zero.
        Some(text.trim_matches(['\0', '\n', ' ', '\t']).to_owned())
    }

    /// A number in a file of its own, as sysfs has them.
    #[must_use]
    pub fn number(&self, path: impl AsRef<Path>) -> Option<i64> {
        self.text(path)?.parse().ok()
    }

    /// The names in a folder, sorted; none if it cannot be read.
    #[must_use]
    pub fn names(&self, folder: impl AsRef<Path>) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).into_iter().flatten();
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// Whether there is anything of this name.
    #[must_use]
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.path(path).exists()
    }
}

/// Whether there is nothing of this name. What this user may not look at is not absent.
#[must_use]
pub fn is_absent(path: &Path) -> bool {
    let absent = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
    fs::metadata(path).is_err_and(|e| absent.contains(&e.kind()))
}

/// Opens a file for reading; a FIFO without a writer does not keep us waiting.
///
/// # Errors
/// It cannot be opened.
pub fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_stands_for_a_machine() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        fs::write(dir.path().join("etc/model"), "Pi\n\0").unwrap();
        fs::write(dir.path().join("etc/count"), "-7\n").unwrap();
        let root = Root::below(dir.path());
        assert_eq!(root.text("/etc/model").as_deref(), Some("Pi"));
        assert_eq!(root.number("/etc/count"), Some(-7));
        assert_eq!(root.names("/etc"), ["count", "model"]);
        assert_eq!(root.own(&root.path("/etc/model")), Path::new("/etc/model"));
        assert!(!root.exists("/etc/passwd") && !root.is_live());
        assert_eq!(root.text("/etc/passwd"), None);
        assert!(Root::system().exists("/proc"));
    }

    #[test]
    fn a_fifo_without_a_writer_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(Root::below(dir.path()).text("/fifo").as_deref(), Some(""));
    }
}
