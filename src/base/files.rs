//! Files that this program makes, and small ones that it is given.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use nix::libc;

use crate::say;

/// Opens a file as `options` say. A folder that is missing is made first: it may never have been there, and somebody may
/// have removed it since.
///
/// # Errors
/// The folder cannot be made, or the file cannot be opened.
pub fn open_in_folder(options: &OpenOptions, path: &Path) -> io::Result<File> {
    match (options.open(path), path.parent()) {
        (Err(e), Some(folder)) if e.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(folder)?;
            options.open(path)
        }
        (opened, _) => opened,
    }
}

/// Puts `bytes` in place of the file in one step. It is not waited for the disk: what is lost at a power cut is not
/// missed.
///
/// # Errors
/// The folder cannot be made or written; the file is as before.
pub fn replace(file: &Path, bytes: &[u8]) -> Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let new = file.with_extension("new");
    let done = File::create(&new)
        .and_then(|mut f| f.write_all(bytes))
        .and_then(|()| std::fs::rename(&new, file));
    done.inspect_err(|_| {
        let _ = std::fs::remove_file(&new);
    })
    .with_context(|| format!("cannot write {}", file.display()))
}

/// The end of a file, at most `most` bytes of it. What is no UTF-8 is replaced.
///
/// # Errors
/// It cannot be read.
pub fn tail(path: &Path, most: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// All of a file of at most `most` bytes. A pipe that was named by mistake does not hold anybody up.
///
/// # Errors
/// It cannot be read, is larger, or is no file but a folder, a pipe or a device.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(say!(
            "it is no file",
            "通常のファイルではありません"
        )));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(say!(
            "it is larger than {most} bytes",
            "{most} バイトを超えています"
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_read_and_only_small_ones() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
        assert!(read(&path, 3).unwrap_err().to_string().contains("larger"));
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [pipe.as_path(), dir.path(), Path::new("/dev/null")] {
            let why = read(path, 4).unwrap_err().to_string();
            assert!(why.contains("no file"), "{}: {why}", path.display());
        }
    }

    #[test]
    fn only_a_folder_that_is_missing_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        let path = dir.path().join("a/b/file");
        open_in_folder(&options, &path).unwrap();
        open_in_folder(&options, &path).unwrap();
        assert!(path.is_file());
        // A file in the way is left alone.
        assert!(open_in_folder(&options, &path.join("c")).is_err());
        assert!(path.is_file());
        // Without the option no file is created.
        assert!(open_in_folder(OpenOptions::new().read(true), &dir.path().join("d")).is_err());
        assert!(!dir.path().join("d").exists());
    }
}
