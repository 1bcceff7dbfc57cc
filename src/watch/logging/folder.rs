//! What lies beside the log file, and how it is kept within its limits.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Copied at a time while a file is shortened.
const PIECE: usize = 64 * 1024;

/// `facetap.log.3`.
pub(super) fn rotated(base: &Path, number: usize) -> PathBuf {
    let mut name = base.to_owned().into_os_string();
    name.push(format!(".{number}"));
    name.into()
}

/// Makes room for a new file at `base`: it becomes `.1`, that `.2` and so on. False if the file could not be
/// moved (the folder is read-only, `.1` is a folder); it then is where it was.
pub(super) fn shift(base: &Path, keep: usize) -> bool {
    for number in (1..keep).rev() {
        let old = rotated(base, number);
        // A gap in the row is no fault. A folder of that name is somebody else's.
        if std::fs::symlink_metadata(&old).is_ok_and(|m| m.is_file()) {
            let _ = std::fs::rename(&old, rotated(base, number + 1));
        }
    }
    keep > 0 && std::fs::rename(base, rotated(base, 1)).is_ok()
}

/// Deletes rotated files beyond the number that is kept, and shortens those beyond the size: both may have been
/// larger once.
pub(super) fn tidy(base: &Path, keep: usize, max_bytes: u64) {
    let (Some(folder), Some(name)) = (base.parent(), base.file_name()) else {
        return;
    };
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    // A folder that cannot be listed is not ours to tidy up.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Some(number) = number(&entry.file_name(), name) else {
            continue;
        };
        if !entry.file_type().is_ok_and(|t| t.is_file()) {
            continue;
        }
        if number > keep as u64 {
            let _ = std::fs::remove_file(entry.path());
        } else {
            let _ = keep_newest(&entry.path(), max_bytes);
        }
    }
}

/// The 3 of `facetap.log.3`; nothing else in the folder is touched.
fn number(name: &std::ffi::OsStr, base: &std::ffi::OsStr) -> Option<u64> {
    let rest = name.to_str()?.strip_prefix(base.to_str()?)?;
    let digits = rest.strip_prefix('.')?;
    let plain = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// Shortens the file at `path` to its newest lines, at most `max_bytes` of them, in its place: that needs no room
/// on a full disk and no right to the folder, and the file stays the same for whoever has it open for appending.
///
/// # Errors
/// The file cannot be read or written.
pub fn keep_newest(path: &Path, max_bytes: u64) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let size = file.metadata()?.len();
    if size <= max_bytes {
        return Ok(());
    }
    let mut from = first_line_from(&file, size - max_bytes)?;
    let mut to = 0;
    let mut piece = vec![0; PIECE];
    loop {
        let n = file.read_at(&mut piece, from)?;
        if n == 0 {
            return file.set_len(to);
        }
        file.write_all_at(&piece[..n], to)?;
        from += n as u64;
        to += n as u64;
    }
}

/// Where the first line begins that lies wholly behind `offset`.
fn first_line_from(file: &File, offset: u64) -> io::Result<u64> {
    // The byte before belongs to it: a line may begin exactly at the offset.
    let before = offset.saturating_sub(1);
    let mut piece = vec![0; PIECE];
    let n = file.read_at(&mut piece, before)?;
    let end = memchr::memchr(b'\n', &piece[..n]);
    Ok(end.map_or(offset, |end| before + end as u64 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let text: String = (0..50_000).map(|i| format!("{i:09}\n")).collect();
        for (max, first) in [
            (100_000, 40_000),
            (99_999, 40_001),
            (100_001, 40_000),
            (10, 49_999),
        ] {
            std::fs::write(&path, &text).unwrap();
            keep_newest(&path, max).unwrap();
            let left = std::fs::read_to_string(&path).unwrap();
            assert!(left.len() as u64 <= max);
            assert!(text.ends_with(&left));
            assert!(
                left.starts_with(&format!("{first:09}\n")),
                "{}",
                &left[..10]
            );
        }
        keep_newest(&path, 10).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 10, "short enough");
    }

    #[test]
    fn only_numbers_behind_the_name_are_ours() {
        let of = |name: &str| number(name.as_ref(), "x.log".as_ref());
        assert_eq!(of("x.log.12"), Some(12));
        for other in [
            "x.log",
            "x.log.gz",
            "x.log.1.gz",
            "x.log.01",
            "x.log.+1",
            "y.log.1",
            "x.log.",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
