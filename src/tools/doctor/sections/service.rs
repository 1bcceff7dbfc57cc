//! The running service, by what it tells of itself.

use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::{Machine, RUN};
use crate::watch::health::exit::{self, LastExit};
use crate::watch::health::state::{Phase, State};
use crate::{finding, say};

/// After so many seconds somebody hangs, unless the file says that it is written more seldom.
const STALE_S: f64 = 30.0;
/// Re-initialisations of devices that are no longer normal.
const MANY: u64 = 20;

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The process; none if the service does not run.
    pub pid: Option<u32>,
    /// The health file.
    pub file: Option<String>,
    /// What is in it.
    pub health: Option<State>,
    /// Seconds since it was written; none if it does not tell.
    pub age_s: Option<f64>,
    /// Its process is there, and `/proc` does not show it to whoever has called the doctor.
    pub hidden: bool,
    /// Whether it is of this boot.
    pub this_boot: bool,
    /// Whether the folder for it is there.
    pub folder: bool,
    /// Whether the unit is installed, which makes that folder.
    pub unit: bool,
    /// How the last run ended: by the note beside the ledger, or, while the service runs, by its health file.
    pub last_exit: Option<LastExit>,
    /// The kernel's number of this boot.
    pub boot: String,
}

impl Facts {
    /// Looks.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let root = &machine.root;
        let health = machine.health.clone();
        let boot = root
            .text("/proc/sys/kernel/random/boot_id")
            .unwrap_or_default();
        let noted = || {
            let run = exit::read(&exit::file(&machine.data_dir))?;
            // That of a run that goes on tells nothing about an end.
            let over = machine.pid().is_none();
            over.then(|| exit::judge(&run, &boot))
        };
        let last_exit = noted().or_else(|| health.as_ref()?.last_exit.clone());
        Self {
            pid: machine.pid(),
            file: machine
                .health_file
                .as_ref()
                .map(|f| root.own(f).display().to_string()),
            age_s: health
                .as_ref()
                .and_then(|h| h.age_s(&boot, machine.clock.as_ref())),
            hidden: machine.hidden(),
            this_boot: health.as_ref().is_some_and(|h| h.boot_id == boot),
            folder: root.exists(RUN),
            unit: machine.unit.is_some(),
            last_exit,
            boot,
            health,
        }
    }
}

const RESTART: &str = "sudo systemctl restart facetap";

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = match (&facts.health, facts.pid) {
        (Some(health), Some(pid)) if pid == health.pid => alive(facts, health),
        (Some(health), None) if facts.hidden => {
            let pid = health.pid;
            let mut found = vec![finding!(
                Note, "service-hidden",
                what: "there is a process {pid}, and /proc does not show it to this user",
                      "プロセス {pid} は存在しますが、このユーザーには /proc で表示されません",
                why: "whether it is the service, and what it has open, cannot be seen (/proc is mounted with hidepid=)",
                     "サービスかどうか、何を使用しているかを確認できません（/proc が hidepid= でマウントされています）",
                mend: "sudo facetap doctor",
            )];
            found.extend(alive(facts, health));
            found
        }
        (Some(health), None) if health.state != Phase::Stopping && facts.this_boot => {
            vec![finding!(
                Problem, "service-gone",
                what: "the service has left a health file and is not there any more",
                      "状態ファイルだけが残り、サービスのプロセスがありません",
                why: "it was killed or has crashed, and nothing has started it again",
                     "強制終了かクラッシュ後、再起動されていません",
                mend: format!("{RESTART}; tail -50 /var/log/facetap/facetap.log"),
            )]
        }
        (_, Some(pid)) => vec![finding!(
            Warning, "health-absent",
            what: "the service runs (process {pid}) and writes no health file",
                  "サービス（プロセス {pid}）は動作中ですが、状態ファイルがありません",
            why: "facetap status cannot tell what it does, and whether it hangs",
                 "facetap status で状態やハングを確認できません",
            mend: "start it by its unit, or give it a folder: RUNTIME_DIRECTORY=/run/facetap",
                  "ユニットから起動するか、RUNTIME_DIRECTORY=/run/facetap を指定してください",
        )],
        _ => Vec::new(),
    };
    if facts.pid.is_some() && facts.unit && !facts.folder {
        found.push(finding!(
            Warning, "run-folder-missing",
            what: "the folder {RUN} is missing",
                  "フォルダー {RUN} がありません",
            why: "the service cannot write its health there",
                 "サービスが状態ファイルを書き込めません",
            mend: RESTART.to_owned(),
        ));
    }
    found.extend(facts.last_exit.as_ref().and_then(|exit| ended(facts, exit)));
    found
}

fn alive(facts: &Facts, health: &State) -> Vec<Finding> {
    let mut found = Vec::new();
    let late = |age: &f64| *age > STALE_S && health.is_late(*age);
    if let Some(age) = facts.age_s.filter(late) {
        let file = facts.file.as_deref().unwrap_or("health.json");
        found.push(finding!(
            Problem, "health-stale",
            what: "{file} is {age:.0} s old",
                  "{file} が {age:.0} 秒間更新されていません",
            why: "the service hangs, or cannot write it any more",
                 "サービスがハングしているか、ファイルに書き込めません",
            mend: RESTART.to_owned(),
        ));
    }
    for (name, thread) in &health.loops {
        let (silent, limit) = (thread.silent_s, thread.limit_s);
        if !thread.alive {
            found.push(finding!(
                Problem, "loop-ended",
                what: "the loop \"{name}\" does not run",
                      "ループ「{name}」が動いていません",
                why: "its part of the service stands still",
                     "この部分の機能が停止しています",
                mend: RESTART.to_owned(),
            ));
        } else if limit > 0.0 && silent > limit {
            found.push(finding!(
                Problem, "loop-silent",
                what: "the loop \"{name}\" has made no progress for {silent:.0} s ({limit:.0} s are allowed)",
                      "ループ「{name}」が {silent:.0} 秒間進んでいません（上限 {limit:.0} 秒）",
                why: "it hangs; the watchdog starts the service again, where there is one",
                     "ハングしています（ウォッチドッグがあれば再起動されます）",
                mend: RESTART.to_owned(),
            ));
        }
        if thread.restarts > 0 {
            let restarts = thread.restarts;
            found.push(finding!(
                Warning, "loop-restarted",
                what: "the loop \"{name}\" has panicked {restarts} times and was started again",
                      "ループ「{name}」が {restarts} 回パニックし、再起動されました",
                why: "a fault in the program; repeated ones end the whole service",
                     "プログラムの不具合です。繰り返すとサービス全体が終了します",
                mend: "grep UNCAUGHT_EXCEPTION /var/log/facetap/facetap.log    # and send the diagnosis file",
                      "grep UNCAUGHT_EXCEPTION /var/log/facetap/facetap.log    # 診断ファイルも送ってください",
            ));
        }
    }
    let counters = &health.counters;
    for (key, count) in [
        ("camera_reinits", counters.camera_reinits),
        ("servo_reconnects", counters.servo_reconnects),
        ("reader_reconnects", counters.reader_reconnects),
    ] {
        if count >= MANY {
            found.push(finding!(
                Warning, "reconnects",
                what: "{count} times since the start a device was lost and found again ({key})",
                      "起動後 {count} 回、機器が切断・再接続されました（{key}）",
                why: "often a worn cable, a weak supply, or a hub without its own",
                     "ケーブルの劣化、電源不足、セルフパワーでないハブが多い原因です",
                mend: "dmesg | grep -i usb | tail -30",
            ));
        }
    }
    found
}

/// What the end of a run means, unless it was as it should be.
fn ended(facts: &Facts, exit: &LastExit) -> Option<Finding> {
    let (at, reason) = (&exit.at, &exit.reason);
    let what = say!(
        "the run before ended at {at}: {reason}",
        "前回の実行は {at} に終了しました: {reason}"
    );
    if exit.memory {
        return Some(finding!(
            Warning, "exit-memory",
            what: what,
            why: "its memory had grown to its limit, or was about to: a leak",
                 "メモリが上限に達したか、達する見込みでした（メモリリーク）",
            mend: "facetap report /var/log/facetap/facetap.log    # shows when it grew; send it to the maintainers",
                  "facetap report /var/log/facetap/facetap.log    # 増加の経過を確認し、開発者へ送ってください",
        ));
    }
    if exit.clean {
        return None;
    }
    if exit.boot_id != facts.boot {
        return Some(finding!(
            Note, "exit-power",
            what: what,
            why: "nobody stopped it: the power went, or the kernel had crashed",
                 "正常に停止されていません（停電またはカーネルの異常）",
            mend: "journalctl --boot=-1 -n 50; last -x | head",
        ));
    }
    Some(finding!(
        Warning, "exit-unclean",
        what: what,
        why: "it was killed or has crashed, and may do so again",
             "強制終了かクラッシュです。再発する可能性があります",
        mend: "sudo dmesg | grep -i -E 'killed|facetap'    # and send the diagnosis file to the maintainers",
              "sudo dmesg | grep -i -E 'killed|facetap'    # 診断ファイルを開発者へ送ってください",
    ))
}
