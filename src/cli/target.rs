//! Where what a command makes goes: standard output, or a file that appears when it is complete.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::NamedTempFile;

use crate::say;

/// Standard output, or a file.
pub(super) enum Target {
    Stdout,
    /// Written beside, and put in its place when it is complete: nobody opens half an export.
    File(NamedTempFile, Named),
    /// A device or a pipe, which cannot be replaced.
    Device(File, Named),
}

/// A file, and the option that names it.
pub(super) struct Named {
    file: PathBuf,
    option: &'static str,
}

impl Target {
    pub fn open(file: Option<&Path>, option: &'static str) -> Result<Self> {
        let Some(file) = file else {
            return Ok(Self::Stdout);
        };
        let open = || -> std::io::Result<Self> {
            if std::fs::metadata(file).is_ok_and(|m| !m.is_file()) {
                let device = File::options().write(true).open(file)?;
                return Ok(Self::Device(device, Named::new(file, option)));
            }
            // Behind a link lies the file that is meant.
            let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
            let dir = match file.parent() {
                Some(dir) if !dir.as_os_str().is_empty() => dir,
                _ => Path::new("."),
            };
            let beside = tempfile::Builder::new()
                .prefix(".facetap-export-")
                // What a newly made file gets; the umask takes its part.
                .permissions(Permissions::from_mode(0o666))
                .tempfile_in(dir)?;
            Ok(Self::File(beside, Named::new(&file, option)))
        };
        open().with_context(|| Named::new(file, option).failure())
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            // As it is, so that a reader who has gone away is recognised.
            Self::Stdout => Ok(std::io::stdout().lock().write_all(bytes)?),
            Self::File(beside, file) => beside.write_all(bytes).with_context(|| file.failure()),
            Self::Device(device, file) => device.write_all(bytes).with_context(|| file.failure()),
        }
    }

    pub fn finish(self) -> Result<()> {
        match self {
            Self::Stdout => Ok(std::io::stdout().lock().flush()?),
            Self::File(beside, file) => {
                beside
                    .as_file()
                    .sync_all()
                    .with_context(|| file.failure())?;
                beside
                    .persist(&file.file)
                    .map(drop)
                    .with_context(|| file.failure())
            }
            Self::Device(..) => Ok(()),
        }
    }
}

impl Named {
    fn new(file: &Path, option: &'static str) -> Self {
        Self {
            file: file.to_owned(),
            option,
        }
    }

    fn failure(&self) -> String {
        let (file, option) = (self.file.display(), self.option);
        say!(
            "cannot write {file}; name another file with {option}",
            "{file} に書き込めません。{option} で別のファイルを指定してください"
        )
    }
}
