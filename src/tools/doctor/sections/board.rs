//! What outlives a crash of the whole board: the hardware's watchdog, and the journal.

use std::time::Duration;

use crate::tools::doctor::command;
use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;
use crate::tools::doctor::unit_file::{UnitFile, seconds};
use crate::{finding, say};

const ASK: Duration = Duration::from_millis(900);

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The watchdog of the hardware; none without one.
    pub watchdog: Option<String>,
    /// Whether it counts down now.
    pub active: bool,
    /// After how many seconds it restarts the board.
    pub timeout_s: Option<i64>,
    /// `RuntimeWatchdogSec=` in seconds, 0 for off.
    pub runtime_s: f64,
    /// Whether systemd is installed at all.
    pub systemd: bool,
    /// `Storage=` of the journal.
    pub storage: String,
    /// Whether the journal has a folder on a disk.
    pub journal_folder: bool,
}

impl Facts {
    /// Looks, and asks systemd where it runs.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let root = &machine.root;
        let class = "/sys/class/watchdog";
        let device = root.names(class).into_iter().next();
        let about = |file: &str| {
            let device = device.as_ref()?;
            root.text(format!("{class}/{device}/{file}"))
        };
        let asked = (root.is_live() && root.exists("/run/systemd/system")).then(|| {
            let args = ["show", "--property=RuntimeWatchdogUSec", "--value"];
            command::output(&*machine.clock, machine.patience(ASK), "systemctl", &args)
        });
        let manager = UnitFile::settings(root, "system.conf");
        let journal = UnitFile::settings(root, "journald.conf");
        let runtime = asked.flatten().or_else(|| {
            let by_file = manager.last("Manager", "RuntimeWatchdogSec");
            by_file.map(str::to_owned)
        });
        Self {
            active: about("state").as_deref() == Some("active"),
            timeout_s: about("timeout").and_then(|t| t.parse().ok()),
            watchdog: about("identity").or_else(|| device.clone()),
            runtime_s: runtime.and_then(|r| seconds(&r)).unwrap_or(0.0),
            systemd: root.exists("/usr/lib/systemd/systemd") || root.exists("/lib/systemd/systemd"),
            storage: journal
                .last("Journal", "Storage")
                .unwrap_or("auto")
                .to_owned(),
            journal_folder: root.exists("/var/log/journal"),
        }
    }
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let hangs = || {
        say!(
            "a kernel that hangs stays so until somebody pulls the plug",
            "カーネルがハングすると、電源を抜くまで復帰しません"
        )
    };
    match &facts.watchdog {
        None => found.push(finding!(
            Note, "watchdog-absent",
            what: "the board has no hardware watchdog, or its driver is not loaded",
                  "ハードウェアウォッチドッグがないか、ドライバーが読み込まれていません",
            why: hangs(),
            mend: "on a Raspberry Pi: dtparam=watchdog=on in /boot/firmware/config.txt, then sudo reboot",
                  "Raspberry Pi では /boot/firmware/config.txt に dtparam=watchdog=on を書き、sudo reboot",
        )),
        Some(name) if !facts.active => {
            let runtime = facts.runtime_s;
            found.push(finding!(
                Warning, "watchdog-off",
                what: "the hardware watchdog ({name}) does not run (RuntimeWatchdogSec={runtime})",
                      "ハードウェアウォッチドッグ ({name}) が動いていません（RuntimeWatchdogSec={runtime}）",
                why: hangs(),
                mend: "sudo mkdir -p /etc/systemd/system.conf.d; printf '[Manager]\\nRuntimeWatchdogSec=1min\\n' | \
                 sudo tee /etc/systemd/system.conf.d/watchdog.conf; sudo systemctl daemon-reexec"
                    .to_owned(),
            ));
        }
        Some(_) => {}
    }
    let volatile = match facts.storage.as_str() {
        "volatile" | "none" => true,
        "persistent" => false,
        _ => !facts.journal_folder,
    };
    if facts.systemd && volatile {
        let storage = &facts.storage;
        found.push(finding!(
            Warning, "journal-volatile",
            what: "the journal is lost at each restart (Storage={storage})",
                  "ジャーナルが再起動で失われます（Storage={storage}）",
            why: "what kernel and systemd said before a crash of the board cannot be read afterwards",
                 "クラッシュ前のカーネルや systemd の記録を後から確認できません",
            mend: "sudo mkdir -p /var/log/journal /etc/systemd/journald.conf.d; \
             printf '[Journal]\\nStorage=persistent\\nSystemMaxUse=50M\\n' | \
             sudo tee /etc/systemd/journald.conf.d/zz-facetap.conf; sudo systemctl restart systemd-journald"
                .to_owned(),
        ));
    }
    found
}
