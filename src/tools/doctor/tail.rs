//! The end of a file that may be large.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::root::open;

/// Most that is read of the end, in bytes.
const MOST: u64 = 512 * 1024;

/// The last lines of a file, at most `count` of them; none if it cannot be read.
#[must_use]
pub fn lines(file: &Path, count: usize) -> Vec<String> {
    let read = || -> std::io::Result<(bool, Vec<u8>)> {
        let mut file = open(file)?;
        let length = file.metadata()?.len();
        let cut = length > MOST;
        if cut {
            file.seek(SeekFrom::Start(length - MOST))?;
        }
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes)?;
        Ok((cut, bytes))
    };
    let (cut, bytes) = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    // The first line of a part is no whole line.
    let lines: Vec<String> = text
        .lines()
        .skip(usize::from(cut))
        .map(str::to_owned)
        .collect();
    lines[lines.len().saturating_sub(count)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_read_in_whole_lines() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log");
        assert!(lines(&file, 5).is_empty());
        std::fs::write(&file, "a\nb\nc\n").unwrap();
        assert_eq!(lines(&file, 2), ["b", "c"]);
        assert_eq!(lines(&file, 9), ["a", "b", "c"]);
        std::fs::write(&file, format!("{}\nlast\n", "x".repeat(600_000))).unwrap();
        assert_eq!(lines(&file, 9), ["last"]);
    }
}
