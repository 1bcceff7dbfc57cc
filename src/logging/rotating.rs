//! A log file that keeps its name and its limit.
//!
//! `facetap.log` is always the current file, for `tail -F`; when the next line would not fit any more it
//! becomes `facetap.log.1`, that `.2`, and so on up to the number that is kept, as the old programs'
//! rotation did. The order is in the names, not in times, so a wrong clock deletes nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::base::stop::lock;
use anyhow::{Context as _, Result};

/// Writes to the file, and sees to its size.
#[derive(Debug)]
pub(crate) struct RotatingFile {
    path: PathBuf,
    max_bytes: u64,
    keep: usize,
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
}

impl RotatingFile {
    pub(crate) fn new(path: &Path, max_mb: f64, keep: usize) -> Self {
        // The configuration bounds max_mb to 0.01..=1024, so the product is a small positive number.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let max_bytes = (max_mb * 1024.0 * 1024.0) as u64;
        Self {
            path: path.to_owned(),
            max_bytes,
            keep,
            open: Mutex::new(None),
        }
    }

    /// Opens (or opens again) the file under its name.
    pub(super) fn open(&self) -> Result<()> {
        let opened = Open::at(&self.path).with_context(|| {
            format!(
                "cannot write the log file {}; give a writable one with --log-file",
                self.path.display()
            )
        });
        let mut open = lock(&self.open);
        match opened {
            Ok(file) => {
                *open = Some(file);
                drop(open);
                self.tidy();
                Ok(())
            }
            Err(e) => {
                *open = None;
                Err(e)
            }
        }
    }

    fn rotated(&self, number: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    /// Deletes rotated files beyond the number that is kept (it may have been larger once).
    fn tidy(&self) {
        let mut number = self.keep + 1;
        while std::fs::remove_file(self.rotated(number)).is_ok() {
            number += 1;
        }
    }

    fn rotate(&self, open: &mut Option<Open>) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            // A gap in the row is no fault.
            let _ = std::fs::rename(self.rotated(number), self.rotated(number + 1));
        }
        let moved = self.keep > 0 && std::fs::rename(&self.path, self.rotated(1)).is_ok();
        if !moved && let Some(open) = open {
            // Better to lose old lines than to fill the disk.
            open.file.set_len(0)?;
        }
        *open = Some(Open::at(&self.path)?);
        self.tidy();
        Ok(())
    }

    /// Appends a line. A full or failing disk must not fail the one who logs: the line is lost here (it
    /// is on standard error all the same), and the next one tries again.
    pub(crate) fn put(&self, line: &[u8]) {
        if self.write_line(line).is_err() {
            *lock(&self.open) = None;
        }
    }

    fn write_line(&self, line: &[u8]) -> io::Result<()> {
        let mut open = lock(&self.open);
        if open.is_none() {
            *open = Some(Open::at(&self.path)?);
        }
        let full = open
            .as_ref()
            .is_some_and(|o| o.size + line.len() as u64 > self.max_bytes && o.size > 0);
        if full {
            self.rotate(&mut open)?;
        }
        let Some(open) = open.as_mut() else {
            return Ok(());
        };
        open.file.write_all(line)?;
        open.size += line.len() as u64;
        Ok(())
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file, size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn never_larger_and_never_more_than_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let log = RotatingFile::new(&dir.path().join("x.log"), 0.01, 3);
        for i in 0..2000 {
            log.write_line(format!("{i:0100}\n").as_bytes()).unwrap();
            for name in names(dir.path()) {
                let size = std::fs::metadata(dir.path().join(&name)).unwrap().len();
                assert!(size <= 10_485, "{name} has {size} bytes");
            }
        }
        assert_eq!(
            names(dir.path()),
            ["x.log", "x.log.1", "x.log.2", "x.log.3"]
        );
        // Nothing is lost between the files: the lines of .1 end where the current file begins.
        let first = |name: &str, last: bool| -> u64 {
            let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
            let line = if last {
                text.lines().last()
            } else {
                text.lines().next()
            };
            line.unwrap().parse().unwrap()
        };
        assert_eq!(first("x.log.1", true) + 1, first("x.log", false));
        assert_eq!(first("x.log", true), 1999);
    }

    #[test]
    fn a_restart_goes_on_in_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        for _ in 0..2 {
            RotatingFile::new(&path, 1.0, 5)
                .write_line(b"line\n")
                .unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"line\nline\n");
    }

    #[test]
    fn without_kept_files_the_limit_holds_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let log = RotatingFile::new(&dir.path().join("x.log"), 0.01, 0);
        for _ in 0..500 {
            log.write_line(&[b'x'; 100]).unwrap();
        }
        assert_eq!(names(dir.path()), ["x.log"]);
        assert!(std::fs::metadata(dir.path().join("x.log")).unwrap().len() <= 10_485);
    }

    #[test]
    fn reopening_finds_the_file_that_was_moved_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        let log = RotatingFile::new(&path, 1.0, 5);
        log.write_line(b"one\n").unwrap();
        std::fs::rename(&path, dir.path().join("away")).unwrap();
        log.open().unwrap();
        log.write_line(b"two\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two\n");
    }

    #[test]
    fn fewer_kept_files_than_before_are_tidied_up() {
        let dir = tempfile::tempdir().unwrap();
        for n in 1..=5 {
            std::fs::write(dir.path().join(format!("x.log.{n}")), "old").unwrap();
        }
        RotatingFile::new(&dir.path().join("x.log"), 1.0, 2)
            .open()
            .unwrap();
        assert_eq!(names(dir.path()), ["x.log", "x.log.1", "x.log.2"]);
    }
}
