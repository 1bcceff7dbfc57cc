//! Core dumps: where the kernel would put one, so that somebody who needs one finds it or learns how to get one.

use std::path::{Path, PathBuf};

use crate::say;

/// Where a core dump would go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The limit (`ulimit -c`, `LimitCORE=`) forbids it, or there is no pattern.
    Nowhere,
    /// To a file of this name; a relative one lies in the folder that the process runs in.
    File(PathBuf),
    /// To systemd-coredump: `coredumpctl` shows it.
    Journal,
    /// To another program.
    Program(String),
}

/// What becomes of the memory of a crashed process here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cores {
    /// Where it goes.
    pub destination: Destination,
    /// What the kernel was told (`kernel.core_pattern`), `%` and all.
    pub pattern: String,
}

/// What becomes of a core dump on the system whose files lie below `root` (`/` for this one), of a process whose limit
/// for core dumps is `limit` bytes.
#[must_use]
pub fn cores(root: &Path, limit: u64) -> Cores {
    let pattern = std::fs::read_to_string(root.join("proc/sys/kernel/core_pattern"));
    let pattern = pattern.unwrap_or_default().trim().to_owned();
    Cores {
        destination: destination(&pattern, limit),
        pattern,
    }
}

fn destination(pattern: &str, limit: u64) -> Destination {
    // Programs get the memory whatever the limit says, but systemd's keeps to it.
    match pattern.strip_prefix('|') {
        Some(program) if program.contains("systemd-coredump") => {
            if limit == 0 {
                Destination::Nowhere
            } else {
                Destination::Journal
            }
        }
        Some(program) => {
            let name = program.split_whitespace().next().unwrap_or("?");
            Destination::Program(name.to_owned())
        }
        // The kernel takes 1 for "only to programs".
        None if pattern.is_empty() || limit <= 1 => Destination::Nowhere,
        None => Destination::File(PathBuf::from(pattern)),
    }
}

impl std::fmt::Display for Cores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&match &self.destination {
            Destination::Nowhere => say!(
                "a crash leaves no core dump (LimitCORE); docs/crashes.md tells how to get one",
                "クラッシュ時にコアダンプは残りません (LimitCORE)。取得方法はdocs/crashes.mdを参照"
            ),
            Destination::File(file) => {
                let file = file.display();
                say!("core dumps go to {file}", "コアダンプの保存先: {file}")
            }
            Destination::Journal => say!(
                "core dumps go to systemd-coredump: coredumpctl info facetap",
                "コアダンプはsystemd-coredumpへ: coredumpctl info facetap"
            ),
            Destination::Program(name) => say!(
                "core dumps go to the program {name}",
                "コアダンプはプログラム{name}へ渡されます"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_and_limit_decide() {
        let systemd = "|/lib/systemd/systemd-coredump %P %u %g %s %t 9223372036854775808 %h";
        for (pattern, limit, want) in [
            ("core", 0, Destination::Nowhere),
            ("", u64::MAX, Destination::Nowhere),
            ("core", u64::MAX, Destination::File("core".into())),
            (
                "/var/core/%e",
                4096,
                Destination::File("/var/core/%e".into()),
            ),
            (systemd, 0, Destination::Nowhere),
            (systemd, u64::MAX, Destination::Journal),
            (
                "|/usr/share/apport/apport %p",
                0,
                Destination::Program("/usr/share/apport/apport".into()),
            ),
        ] {
            assert_eq!(destination(pattern, limit), want, "{pattern} {limit}");
        }
    }

    #[test]
    fn a_system_without_the_file_is_told_apart_from_a_fault() {
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(
            cores(empty.path(), 1 << 30).destination,
            Destination::Nowhere
        );
        std::fs::create_dir_all(empty.path().join("proc/sys/kernel")).unwrap();
        std::fs::write(
            empty.path().join("proc/sys/kernel/core_pattern"),
            "core.%p\n",
        )
        .unwrap();
        let cores = cores(empty.path(), 1 << 30);
        assert_eq!(cores.destination, Destination::File("core.%p".into()));
        assert!(cores.to_string().contains("core.%p"));
    }
}
