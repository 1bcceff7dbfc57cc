//! The operating system and the board.

use crate::finding;
use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Version of this program.
    pub facetap: &'static str,
    /// Architecture that this program was built for.
    pub architecture: &'static str,
    /// The distribution.
    pub os: Option<String>,
    /// Its release, such as "12".
    pub release: Option<String>,
    /// Debian or what is made of it, such as "debian" or "raspbian".
    pub family: Option<String>,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// Bytes of a page; 16384 on a Pi 5.
    pub page_bytes: Option<i64>,
    /// The board.
    pub board: Option<String>,
    /// Parameters of the kernel that begin with `cgroup`.
    pub cgroup_flags: Vec<String>,
    /// Hours since boot.
    pub uptime_hours: Option<f64>,
    /// Mean number of programs that wanted to run in the last fifteen minutes.
    pub load15: Option<f64>,
    /// Processors.
    pub processors: usize,
}

impl Facts {
    /// Looks.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let root = &machine.root;
        let release = root
            .text("/etc/os-release")
            .or_else(|| root.text("/usr/lib/os-release"))
            .unwrap_or_default();
        let field = |key: &str| {
            release.lines().find_map(|line| {
                let value = line.strip_prefix(key)?.strip_prefix('=')?;
                Some(value.trim_matches('"').to_owned())
            })
        };
        let word = |file: &str, at: usize| -> Option<f64> {
            root.text(file)?.split_whitespace().nth(at)?.parse().ok()
        };
        let flags = root.text("/proc/cmdline").unwrap_or_default();
        let page = || nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
        let stat = root.text("/proc/stat").unwrap_or_default();
        Self {
            facetap: env!("CARGO_PKG_VERSION"),
            architecture: std::env::consts::ARCH,
            os: field("PRETTY_NAME"),
            release: field("VERSION_ID"),
            family: field("ID"),
            kernel: root.text("/proc/sys/kernel/osrelease"),
            page_bytes: root.is_live().then(page).and_then(|p| p.ok().flatten()),
            board: root.text("/proc/device-tree/model"),
            cgroup_flags: flags
                .split_whitespace()
                .filter(|f| f.starts_with("cgroup") || f.starts_with("systemd.unified"))
                .map(str::to_owned)
                .collect(),
            uptime_hours: word("/proc/uptime", 0).map(|s| s / 3600.0),
            load15: word("/proc/loadavg", 2),
            processors: stat
                .lines()
                .filter(|l| l.starts_with("cpu") && !l.starts_with("cpu "))
                .count(),
        }
    }
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    if let (Some(family), Some(release)) = (&facts.family, &facts.release)
        && !(matches!(family.as_str(), "debian" | "raspbian")
            && matches!(release.as_str(), "12" | "13"))
    {
        let os = facts.os.as_deref().unwrap_or(family);
        found.push(finding!(
            Note, "os-untested",
            what: "the system is {os}",
                  "OS は {os} です",
            why: "FaceTap is tested on Debian 12, Debian 13 and the Raspberry Pi OS of both",
                 "動作確認は Debian 12/13 と対応する Raspberry Pi OS で行っています",
            mend: "nothing, as long as it works; name the system in a report",
                  "動作していれば不要です。報告時に OS 名を書いてください",
        ));
    }
    #[allow(clippy::cast_precision_loss)] // a handful of processors
    let processors = facts.processors.max(1) as f64;
    if let Some(load) = facts.load15.filter(|l| *l > 2.0 * processors) {
        let count = facts.processors;
        found.push(finding!(
            Warning, "load-high",
            what: "{load:.1} programs wanted to run in the last 15 minutes, on {count} processors",
                  "直近 15 分間の負荷が {load:.1} です（CPU {count} 個）",
            why: "the servos jerk and answers to cards come late; or a disk does not answer",
                 "サーボの動きやカードの応答が遅れます。ディスクが応答していない可能性もあります",
            mend: "top -b -n 1 | head -20    # names the program; state D means waiting for a disk",
                  "top -b -n 1 | head -20    # 原因のプログラムを表示（状態 D はディスク待ち）",
        ));
    }
    found
}
