//! Memory of the board and of the service.

use crate::base::proc;
use crate::finding;
use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;

/// Less than this share of the memory is little.
const LOW_PART: f64 = 0.1;
/// The service is close to its limit from this share on.
const NEAR: f64 = 0.85;
/// The limit where none is configured: the smaller of this and half of the memory, in MiB.
const LIMIT_MB: f64 = 600.0;

/// What is seen, in MiB.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The board's memory.
    pub total_mb: Option<f64>,
    /// What programs may still have.
    pub available_mb: Option<f64>,
    /// Memory for cameras and graphics.
    pub cma_free_mb: Option<f64>,
    /// What is swapped to, and how much it takes, as `/proc/swaps` tells.
    pub swaps: Vec<String>,
    /// Resident memory of the service.
    pub service_mb: Option<f64>,
    /// At which it ends itself.
    pub limit_mb: Option<f64>,
}

impl Facts {
    /// Looks.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let root = &machine.root;
        let table = root.text("/proc/meminfo").unwrap_or_default();
        let total_mb = megabytes(&table, "MemTotal");
        let status = machine
            .pid()
            .and_then(|pid| root.text(format!("/proc/{pid}/status")));
        let told = machine.health.as_ref().map(|h| h.memory.limit_mb);
        let told = told.filter(|limit| *limit > 0.0);
        let configured = machine.config.monitor.rss_limit_mb;
        Self {
            total_mb,
            available_mb: megabytes(&table, "MemAvailable"),
            cma_free_mb: megabytes(&table, "CmaFree"),
            swaps: root
                .text("/proc/swaps")
                .unwrap_or_default()
                .lines()
                .skip(1)
                .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect(),
            service_mb: status.and_then(|s| megabytes(&s, "VmRSS")),
            limit_mb: told
                .or(configured)
                .or_else(|| total_mb.map(|t| LIMIT_MB.min(t / 2.0))),
        }
    }
}

/// A line such as `MemTotal:  3884360 kB`.
fn megabytes(table: &str, key: &str) -> Option<f64> {
    #[allow(clippy::cast_precision_loss)] // KiB of memory
    proc::field(table, key).map(|kilobytes| kilobytes as f64 / 1024.0)
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    if let (Some(total), Some(available)) = (facts.total_mb, facts.available_mb)
        && available < total * LOW_PART
    {
        found.push(finding!(
            Warning, "memory-low",
            what: "{available:.0} of {total:.0} MB of memory are left",
                  "空きメモリ {available:.0} MB / {total:.0} MB",
            why: "when it runs out, the kernel ends programs, and everything is slow before",
                 "不足するとカーネルがプログラムを強制終了し、その前から動作が遅くなります",
            mend: "ps -eo rss,comm --sort=-rss | head    # names the largest; end what is not needed",
                  "ps -eo rss,comm --sort=-rss | head    # 使用量の多いプログラムを表示",
        ));
    }
    if let (Some(service), Some(limit)) = (facts.service_mb, facts.limit_mb)
        && service > limit * NEAR
    {
        found.push(finding!(
            Warning, "service-large",
            what: "the service takes {service:.0} MB; at {limit:.0} MB it ends itself and starts again",
                  "サービスのメモリ使用量 {service:.0} MB（上限 {limit:.0} MB で再起動）",
            why: "it normally stays far below: this is a leak, or a very large picture",
                 "通常ははるかに少ないため、メモリリークか巨大な画像が疑われます",
            mend: "facetap report /var/log/facetap/facetap.log    # shows when it grew; then: sudo systemctl restart facetap",
                  "facetap report /var/log/facetap/facetap.log    # 増加の経過を確認後: sudo systemctl restart facetap",
        ));
    }
    let on_card = |swap: &&String| {
        let name = swap.split(' ').next().unwrap_or_default();
        name.starts_with('/') && !name.contains("zram")
    };
    if let Some(swap) = facts.swaps.iter().find(on_card) {
        found.push(finding!(
            Note, "swap-on-card",
            what: "memory is swapped out to {swap}",
                  "スワップ先: {swap}",
            why: "an SD card wears with each write, and what comes back from it comes late; zram does neither",
                 "SD カードの寿命を縮め、動作も遅くなります（zram なら問題ありません）",
            mend: "sudo systemctl disable --now dphys-swapfile; sudo apt install zram-tools",
        ));
    }
    found
}
