//! The log: whether it is written, and what it warns of.

use jiff::Timestamp;

use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;
use crate::tools::doctor::root::is_absent;
use crate::tools::doctor::tail;
use crate::{finding, say};

/// Lines that are looked at.
const LINES: usize = 2000;
/// Without any line for so many seconds a running service is silent: the monitor's line comes every five minutes.
const SILENT_S: i64 = 600;
/// Marks that a person should know of.
const ALARMS: [&str; 4] = [
    "[MEMORY_LEAK_ALERT]",
    "[HANDLE_LEAK_ALERT]",
    "[VRAM_ALERT]",
    "[RESOURCE_MONITOR_ERROR]",
];
/// How the service tells that the clock was set, in both languages.
const JUMPS: [&str; 2] = ["the clock was set by", "時計が"];

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The log.
    pub file: String,
    /// Seconds since its last line; none if there is none.
    pub silent_s: Option<i64>,
    /// Whether the service runs.
    pub running: bool,
    /// Whether a line comes at least every ten minutes, by the configuration.
    pub regular: bool,
    /// Lines of level ERROR or CRITICAL among the last ones.
    pub failures: usize,
    /// The last of them.
    pub failure: Option<String>,
    /// The last alarm of the monitor.
    pub alarm: Option<String>,
    /// The last time that somebody set the clock.
    pub jump: Option<String>,
}

impl Facts {
    /// Looks.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let lines = tail::lines(&machine.log_file, LINES);
        let about = machine.log_file.metadata().ok();
        let written = about
            .filter(|m| !m.is_dir())
            .and_then(|m| m.modified().ok())
            .and_then(|at| Timestamp::try_from(at).ok());
        let now = machine.clock.wall().timestamp();
        // Longer than the board is up: the clock was set meanwhile, and a running service has logged its start since.
        let up = if machine.root.is_live() {
            i64::try_from(machine.clock.boottime().as_secs()).unwrap_or(i64::MAX)
        } else {
            i64::MAX
        };
        let fails = |l: &&String| l.contains(" - ERROR - ") || l.contains(" - CRITICAL - ");
        let last = |marks: &[&str]| {
            let marked = |l: &&String| marks.iter().any(|m| l.contains(m));
            lines.iter().rev().find(marked).cloned()
        };
        let jump = last(&JUMPS).filter(|l| l.contains("set by") || l.contains("変更されました"));
        // What whoever calls the doctor may not look at is not absent.
        let unseen = written.is_none() && !is_absent(&machine.log_file);
        Self {
            file: machine.root.own(&machine.log_file).display().to_string(),
            silent_s: written
                .map(|w| now.as_second() - w.as_second())
                .map(|silent| if silent > up { 0 } else { silent })
                .or(unseen.then_some(0)),
            running: machine.pid().is_some(),
            #[allow(clippy::cast_precision_loss)] // ten minutes
            regular: machine.config.monitor.interval <= SILENT_S as f64 / 2.0,
            failures: lines.iter().filter(fails).count(),
            failure: lines.iter().rev().find(fails).cloned(),
            alarm: last(&ALARMS),
            jump,
        }
    }
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let file = &facts.file;
    let mut found = Vec::new();
    if facts.running && facts.regular {
        let silence = match facts.silent_s {
            None => Some(say!("there is no log {file}", "ログ {file} がありません")),
            Some(s) if s > SILENT_S => Some(say!(
                "the service runs, and {file} was last written {s} s ago",
                "サービスは動作中ですが、{file} が {s} 秒間更新されていません"
            )),
            Some(_) => None,
        };
        found.extend(silence.map(|what| {
            finding!(
                Warning, "log-silent",
                what: what,
                why: "it hangs, or its log goes elsewhere or nowhere",
                     "ハングしているか、ログが別の場所に出力されています",
                mend: "df -h {file}; facetap status; sudo systemctl restart facetap",
                      "df -h {file}; facetap status; sudo systemctl restart facetap",
            )
        }));
    }
    if let Some(line) = &facts.failure {
        let count = facts.failures;
        found.push(finding!(
            Note, "log-failures",
            what: "{count} of the last lines of the log tell failures; the newest: {line}",
                  "ログの直近の行に {count} 件の異常があります（最新: {line}）",
            why: "past ones may have mended themselves; docs/troubleshooting.md has the messages as headings",
                 "すでに復旧している場合もあります（docs/troubleshooting.md 参照）",
            mend: format!("grep -E ' - (ERROR|CRITICAL) - ' {file} | tail -20"),
        ));
    }
    if let Some(line) = &facts.alarm {
        found.push(finding!(
            Warning, "log-alarm",
            what: "the monitor gave an alarm: {line}",
                  "監視の警告: {line}",
            why: "something grows, and will reach its limit",
                 "増加が続くと上限に達します",
            mend: format!("facetap report {file}"),
        ));
    }
    if let Some(line) = &facts.jump {
        found.push(finding!(
            Warning, "clock-jumped",
            what: "somebody set the clock: {line}",
                  "時計が変更されました: {line}",
            why: "taps go on with the time from before; people reading the log see two times",
                 "記録は変更前の時刻を基準に続きます（ログの時刻とずれます）",
            mend: "timedatectl timesync-status    # let a time server set it",
                  "timedatectl timesync-status    # 時刻サーバーによる同期に任せてください",
        ));
    }
    found
}
