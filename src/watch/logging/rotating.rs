//! A log file that keeps its name and its limit.
//!
//! `facetap.log` is always the current file, for `tail -F`; when the next line would not fit any more it
//! becomes `facetap.log.1`, that `.2`, and so on up to the number that is kept, as the old programs'
//! rotation did. The order is in the names, not in times, so a wrong clock deletes nothing. Where the file
//! cannot be moved it is shortened in its place instead, so the limit holds all the same.
//!
//! What is no regular file (`/dev/stdout`, a named pipe) is written and nothing else.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::folder;
use crate::base::files::open_in_folder;

/// Writes to the file, and sees to its size.
#[derive(Debug)]
pub(crate) struct RotatingFile {
    path: PathBuf,
    max_bytes: u64,
    keep: usize,
    /// None after a failure: the next line tries to open it again.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// The file that is moved and shortened (behind a symbolic link); none if that must not be.
    base: Option<PathBuf>,
    /// The last line in it has no end.
    torn: bool,
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
            open: None,
        }
    }

    /// The name of the current file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether standard error is this file, by `2>>facetap.log` or a unit's `StandardError=append:`.
    pub(super) fn is_standard_error(&self) -> bool {
        let Some(open) = &self.open else {
            return false;
        };
        let own = open.file.metadata();
        let shown = nix::sys::stat::fstat(io::stderr());
        matches!((own, shown), (Ok(own), Ok(shown)) if own.is_file() && (shown.st_dev, shown.st_ino) == identity(&own))
    }

    /// Opens (or opens again) the file under its name, and brings what lies there within the limits.
    pub(super) fn open(&mut self) -> Result<()> {
        self.open = None;
        let open = Open::at(&self.path).with_context(|| {
            format!(
                "cannot write the log file {}; give a writable one with --log-file",
                self.path.display()
            )
        })?;
        if let Some(base) = &open.base {
            // Before this run the limits may have been others. What fails here is tried again at a rotation.
            let _ = folder::keep_newest(base, self.max_bytes);
            folder::tidy(base, self.keep, self.max_bytes);
        }
        self.open = Some(open);
        Ok(())
    }

    /// Appends a line with its end.
    ///
    /// # Errors
    /// It could not be written and is lost; nothing of it is in the file. The next call tries from the beginning.
    pub(crate) fn put(&mut self, line: &[u8]) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) if !open.is_elsewhere(&self.path) => open,
            _ => Open::at(&self.path)?,
        };
        let size = open.size()?;
        let bytes = line.len() as u64 + u64::from(open.torn);
        if size > 0 && size + bytes > self.max_bytes {
            open = self.rotate(open, bytes)?;
        }
        open.append(line)?;
        self.open = Some(open);
        Ok(())
    }

    /// Makes room for so many bytes.
    fn rotate(&self, open: Open, bytes: u64) -> io::Result<Open> {
        let Some(base) = &open.base else {
            return Ok(open);
        };
        if folder::shift(base, self.keep) {
            let new = Open::at(&self.path)?;
            folder::tidy(base, self.keep, self.max_bytes);
            return Ok(new);
        }
        // Better to lose the older half than to fill the disk.
        let half = (self.max_bytes / 2).min(self.max_bytes.saturating_sub(bytes));
        if folder::keep_newest(base, half).is_err() {
            open.file.set_len(0)?;
        }
        Ok(open)
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o644);
        // A named pipe without a reader must not hold up the start.
        options.custom_flags(OFlag::O_NONBLOCK.bits());
        let file = open_in_folder(&options, path)?;
        fcntl(&file, FcntlArg::F_SETFL(OFlag::O_APPEND))?;
        let regular = file.metadata()?.is_file();
        if regular {
            // Where this fails the zeros stay, which is no worse than before.
            let _ = cut_zeros(path);
        }
        Ok(Self {
            torn: regular && torn(path).unwrap_or(false),
            base: regular.then(|| base(path)).flatten(),
            file,
        })
    }

    /// Another file has the name, or none: somebody has moved it away without a word, deleted it, or mounted something
    /// over its folder. What is written now nobody would read.
    fn is_elsewhere(&self, path: &Path) -> bool {
        let Some(_) = &self.base else {
            return false;
        };
        match (self.file.metadata(), std::fs::metadata(path)) {
            (Ok(own), Ok(named)) => identity(&own) != identity(&named),
            (Ok(_), Err(e)) => e.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Asked each time, because people empty log files, too. 0 where there is no limit.
    fn size(&self) -> io::Result<u64> {
        match self.base {
            Some(_) => Ok(self.file.metadata()?.len()),
            None => Ok(0),
        }
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let before = self.size()?;
        let end = if self.torn { &b"\n"[..] } else { b"" };
        let written = self
            .file
            .write_all(end)
            .and_then(|()| self.file.write_all(line));
        if written.is_err() && self.base.is_some() {
            // Half a line would be read as one, together with the next. Where even this fails, the next one that
            // opens the file finds it torn.
            let _ = self.file.set_len(before);
        }
        self.torn &= written.is_err();
        written
    }
}

/// The file behind a symbolic link, unless it is one of the system's own (`/dev/stdout`).
fn base(path: &Path) -> Option<PathBuf> {
    let of_the_system = ["/dev", "/proc"].iter().any(|p| path.starts_with(p));
    if of_the_system {
        return None;
    }
    std::fs::canonicalize(path).ok()
}

fn identity(about: &Metadata) -> (u64, u64) {
    (about.dev(), about.ino())
}

/// After a power cut a file may be as long as it was about to be, with zeros where the lines had not come to the disk:
/// `grep` takes all of it for binary then. They are cut away.
fn cut_zeros(path: &Path) -> io::Result<()> {
    const BLOCK: u64 = 64 << 10;
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let size = file.metadata()?.len();
    let mut end = size;
    let mut block = vec![0; BLOCK as usize];
    while end > 0 {
        let length = end.min(BLOCK);
        let part = &mut block[..length as usize];
        file.read_exact_at(part, end - length)?;
        if let Some(last) = part.iter().rposition(|b| *b != 0) {
            end = end - length + last as u64 + 1;
            break;
        }
        end -= length;
    }
    if end < size {
        file.set_len(end)?;
    }
    Ok(())
}

fn torn(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut last = [0];
    Ok(size > 0 && file.read_at(&mut last, size - 1)? == 1 && last != *b"\n")
}

#[cfg(test)]
mod tests;
