//! The unit, and whether its limits really hold.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::tools::doctor::command;
use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;
use crate::tools::doctor::unit_file::seconds;
use crate::{finding, say};

const ASK: Duration = Duration::from_millis(900);
/// What systemd is asked for.
const PROPERTIES: &str = "LoadState,ActiveState,SubState,Result,NRestarts,UnitFileState,Type,Restart,WatchdogUSec,\
                          MemoryMax,MemoryHigh,StartLimitIntervalUSec,LimitCORE,TasksMax";

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The unit's file; none if it is not installed.
    pub file: Option<String>,
    /// What systemd itself says; empty where it was not asked.
    pub systemd: BTreeMap<String, String>,
    /// Whether it starts at boot.
    pub enabled: bool,
    /// `Restart=`.
    pub restart: Option<String>,
    /// `Type=`.
    pub kind: Option<String>,
    /// `WatchdogSec=` in seconds, 0 for none.
    pub watchdog_s: f64,
    /// `MemoryMax=`, unless it is without limit.
    pub memory_max: Option<String>,
    /// Whether there is a limit on how often it starts: `StartLimitIntervalSec=` is not 0.
    pub start_limit: bool,
    /// `LimitCORE=`.
    pub core_limit: Option<String>,
    /// Where cores go.
    pub core_pattern: Option<String>,
    /// Controllers of the control groups; none without them.
    pub controllers: Option<String>,
    /// The kernel's parameters that concern them.
    pub memory_disabled: bool,
    /// The service's user, and whether the machine knows it.
    pub user: String,
    /// Whether the machine knows it.
    pub user_known: bool,
    /// Groups that the unit gives it and the machine does not know.
    pub unknown_groups: Vec<String>,
}

impl Facts {
    /// Looks, and asks systemd where it runs.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let root = &machine.root;
        let Some(unit) = &machine.unit else {
            return Self::default();
        };
        let ask = root.is_live() && root.exists("/run/systemd/system");
        let answer = ask.then(|| {
            let property = format!("--property={PROPERTIES}");
            let args = ["show", "--no-pager", &property, "facetap.service"];
            command::output(&*machine.clock, machine.patience(ASK), "systemctl", &args)
        });
        let systemd: BTreeMap<String, String> = answer
            .flatten()
            .unwrap_or_default()
            .lines()
            .filter_map(|l| l.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        // Where systemd was asked, its word counts; it calls some settings by other names than the file.
        let value = |asked: &str, section: &str, key: &str| {
            let by_file = || unit.last(section, key).map(str::to_owned);
            systemd.get(asked).cloned().or_else(by_file)
        };
        let limit = value("StartLimitIntervalUSec", "Unit", "StartLimitIntervalSec");
        let watchdog = value("WatchdogUSec", "Service", "WatchdogSec");
        let flags = root.text("/proc/cmdline").unwrap_or_default();
        Self {
            file: Some(unit.file.display().to_string()),
            enabled: systemd
                .get("UnitFileState")
                .map_or(unit.enabled, |s| s.starts_with("enabled")),
            restart: value("Restart", "Service", "Restart"),
            kind: value("Type", "Service", "Type"),
            watchdog_s: watchdog
                .and_then(|w| seconds(&w))
                .filter(|s| s.is_finite())
                .unwrap_or(0.0),
            memory_max: value("MemoryMax", "Service", "MemoryMax").filter(|m| m != "infinity"),
            start_limit: limit.and_then(|l| seconds(&l)).is_none_or(|s| s > 0.0),
            core_limit: value("LimitCORE", "Service", "LimitCORE"),
            core_pattern: root.text("/proc/sys/kernel/core_pattern"),
            controllers: root.text("/sys/fs/cgroup/cgroup.controllers"),
            memory_disabled: flags
                .split_whitespace()
                .rfind(|f| f.starts_with("cgroup_disable=") || f.starts_with("cgroup_enable="))
                .is_some_and(|f| f == "cgroup_disable=memory"),
            user: machine.user.name.clone(),
            user_known: machine.user.uid.is_some(),
            unknown_groups: machine.user.unknown_groups.clone(),
            systemd,
        }
    }

    fn memory_is_inert(&self) -> bool {
        let controlled = |c: &String| c.split_whitespace().any(|c| c == "memory");
        match &self.controllers {
            Some(controllers) => !controlled(controllers),
            None => self.memory_disabled,
        }
    }
}

/// A drop-in with one setting or two. (`systemctl edit --stdin` is newer than Debian 12's systemd.)
fn edit(section: &str, machine: &str) -> String {
    let name = machine.split('=').next().unwrap_or_default().to_owned();
    // printf takes a % for the beginning of something.
    let machine = machine.replace('%', "%%");
    let folder = "/etc/systemd/system/facetap.service.d";
    format!(
        "sudo mkdir -p {folder}; printf '[{section}]\\n{machine}\\n' | sudo tee {folder}/zz-{name}.conf; \
         sudo systemctl daemon-reload; sudo systemctl restart facetap"
    )
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    if facts.file.is_none() {
        return vec![finding!(
            Note, "unit-absent",
            what: "facetap.service is not installed",
                  "facetap.service がインストールされていません",
            why: "nothing starts the program at boot, and nothing starts it again",
                 "起動時の自動開始も異常終了後の再起動も行われません",
            mend: "install the package (docs/installation.md), or run facetap supervise where there is no systemd",
                  "パッケージをインストール（docs/installation.md）。systemd がない場合は facetap supervise",
        )];
    }
    let mut found = state(facts);
    found.extend(account(facts));
    if !matches!(facts.restart.as_deref(), Some("always")) {
        let restart = facts.restart.as_deref().unwrap_or("no");
        found.push(finding!(
            Warning, "unit-restart",
            what: "the unit has Restart={restart}",
                  "ユニットの設定が Restart={restart} です",
            why: "after some ends of the program nobody starts it again",
                 "終了のしかたによっては再起動されません",
            mend: edit("Service", "Restart=always"),
        ));
    }
    if facts.start_limit {
        found.push(finding!(
            Warning, "unit-start-limit",
            what: "the unit limits how often it may start (StartLimitIntervalSec is not 0)",
                  "ユニットの起動回数が制限されています（StartLimitIntervalSec が 0 ではありません）",
            why: "after five quick failures systemd gives up for good",
                 "短時間に 5 回失敗すると systemd が再起動を諦めます",
            mend: edit("Unit", "StartLimitIntervalSec=0"),
        ));
    }
    if facts.watchdog_s <= 0.0 || facts.kind.as_deref() != Some("notify") {
        let (seconds, kind) = (facts.watchdog_s, facts.kind.as_deref().unwrap_or("simple"));
        found.push(finding!(
            Warning, "unit-watchdog-off",
            what: "the unit has no effective watchdog (WatchdogSec={seconds}, Type={kind})",
                  "ユニットのウォッチドッグが無効です（WatchdogSec={seconds}, Type={kind}）",
            why: "a hung program is never started again",
                 "ハングしても再起動されません",
            mend: edit("Service", "Type=notify\\nWatchdogSec=20"),
        ));
    }
    match &facts.memory_max {
        Some(max) if facts.memory_is_inert() => {
            let seen = facts.controllers.as_deref().unwrap_or("?");
            found.push(finding!(
                Warning, "memory-limit-inert",
                what: "MemoryMax={max} has no effect: the kernel's memory controller is off (controllers: {seen})",
                      "MemoryMax={max} が機能していません（メモリコントローラーが無効。有効なもの: {seen}）",
                why: "only the program's own limit (monitor.rss_limit_mb) stands between a leak and the board",
                     "メモリリーク時はプログラム自身の上限 (monitor.rss_limit_mb) だけが頼りです",
                mend: "sudo sed -i 's/$/ cgroup_enable=memory/' /boot/firmware/cmdline.txt && sudo reboot"
                    .to_owned(),
            ));
        }
        Some(_) => {}
        None => found.push(finding!(
            Note, "unit-memory-unlimited",
            what: "the unit has no MemoryMax",
                  "ユニットに MemoryMax がありません",
            why: "only the program's own limit (monitor.rss_limit_mb) protects the board",
                 "プログラム自身の上限 (monitor.rss_limit_mb) だけが頼りです",
            mend: edit("Service", "MemoryMax=70%"),
        )),
    }
    found.push(cores(facts));
    found
}

fn state(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let told = |key: &str| facts.systemd.get(key).map_or("", String::as_str);
    if !facts.systemd.is_empty() && !matches!(told("ActiveState"), "active" | "reloading") {
        let (state, result) = (told("ActiveState"), told("Result"));
        found.push(finding!(
            Problem, "unit-not-running",
            what: "the service is {state} (result: {result})",
                  "サービスの状態は {state} です（結果: {result}）",
            why: "nothing is followed or recorded",
                 "追跡も記録も行われていません",
            mend: "sudo systemctl restart facetap; systemctl status facetap; tail -50 /var/log/facetap/facetap.log"
                .to_owned(),
        ));
    }
    if !facts.enabled {
        found.push(finding!(
            Warning, "unit-disabled",
            what: "the service does not start at boot",
                  "サービスの自動起動が無効です",
            why: "after a power cut nothing is recorded until somebody starts it",
                 "停電後、手動で起動するまで記録されません",
            mend: "sudo systemctl enable --now facetap",
        ));
    }
    found
}

fn account(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let refuses = || {
        say!(
            "systemd refuses to start the service",
            "systemd がサービスの起動を拒否します"
        )
    };
    if !facts.user_known {
        let user = &facts.user;
        found.push(finding!(
            Problem, "user-unknown",
            what: "the unit's user {user} does not exist",
                  "ユニットのユーザー {user} が存在しません",
            why: refuses(),
            mend: "sudo systemd-sysusers facetap.conf; sudo systemctl restart facetap",
        ));
    }
    if !facts.unknown_groups.is_empty() {
        let groups = facts.unknown_groups.join(", ");
        found.push(finding!(
            Problem, "group-unknown",
            what: "the unit's groups {groups} do not exist",
                  "ユニットのグループ {groups} が存在しません",
            why: refuses(),
            mend: "sudo systemd-sysusers facetap.conf; sudo systemctl restart facetap",
        ));
    }
    found
}

fn cores(facts: &Facts) -> Finding {
    let limit = facts.core_limit.as_deref().unwrap_or("?");
    let pattern = facts.core_pattern.as_deref().unwrap_or("?");
    finding!(
        Note, "cores",
        what: "a crash leaves crash.log; core dumps: LimitCORE={limit}, they would go to \"{pattern}\"",
              "クラッシュ時は crash.log が残ります。コアダンプ: LimitCORE={limit}、出力先「{pattern}」",
        why: "a core tells more, but holds card numbers and may fill the disk",
             "コアダンプは詳しい反面、カード番号を含みディスクを圧迫します",
        mend: say!(
            "to get one: sudo apt install systemd-coredump; {}",
            "取得する場合: sudo apt install systemd-coredump; {}",
            edit("Service", "LimitCORE=infinity")
        ),
    )
}
