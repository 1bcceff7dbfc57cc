//! The disks that log and ledger lie on.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::attend::ledger::FILE;
use crate::config::Level;
use crate::tools::doctor::account::{ENTER, READ, WRITE};
use crate::tools::doctor::drives::mount_of;
use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;
use crate::tools::doctor::root::is_absent;
use crate::{finding, say};

/// With less than this, in MiB, a disk is as good as full.
const FULL_MB: f64 = 20.0;
/// With less than this, in MiB, it soon will be.
const TIGHT_MB: f64 = 200.0;
/// Files that may still be made.
const FEW_FILES: u64 = 1000;
/// eMMC: tenths of the life that is used up, from which on a replacement is due (JEDEC eMMC 5.0, `life_time`).
const WORN: u32 = 9;

/// A folder that the service writes to.
#[derive(Debug, Clone, Default)]
pub struct Folder {
    /// What lies there: `log` or `data`.
    pub holds: &'static str,
    /// Its path on the machine.
    pub path: String,
    /// Whether it is there.
    pub exists: bool,
    /// Kind of its file system, as the mount table tells.
    pub kind: Option<String>,
    /// Whether that is mounted read-only.
    pub read_only: bool,
    /// Room for this program's user, in MiB.
    pub free_mb: Option<f64>,
    /// Files that may still be made; none where the file system has no such limit.
    pub free_files: Option<u64>,
    /// Whether the service's user may write there.
    pub permitted: bool,
    /// Files of the service in it that its user may not read and write, whoever has left them so.
    pub forbidden: Vec<String>,
}

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Data, then log.
    pub folders: Vec<Folder>,
    /// The service's user.
    pub user: String,
    /// Whether a ledger is there.
    pub ledger: bool,
    /// Whether room was put by for the last taps.
    pub reserve: bool,
    /// Whether the service runs.
    pub running: bool,
    /// Whether `log.level` is DEBUG.
    pub debug: bool,
    /// Tenths of its life that the eMMC has used up.
    pub worn: Option<u32>,
}

impl Facts {
    /// Looks.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let root = &machine.root;
        let log = machine.log_file.parent().unwrap_or(Path::new("."));
        let log = if log.as_os_str().is_empty() {
            Path::new(".")
        } else {
            log
        };
        let data = root.own(&machine.data_dir);
        // "0x01 0x02": two kinds of cells.
        let worn = root.names("/sys/block").iter().find_map(|block| {
            let text = root.text(format!("/sys/block/{block}/device/life_time"))?;
            let tenths = text.split_whitespace();
            tenths
                .filter_map(|t| u32::from_str_radix(t.trim_start_matches("0x"), 16).ok())
                .max()
        });
        Self {
            folders: vec![
                folder(machine, "data", &machine.data_dir),
                folder(machine, "log", log),
            ],
            user: machine.user.name.clone(),
            ledger: root.exists(data.join(FILE)),
            reserve: root.exists(data.join("attendance.reserve")),
            running: machine.pid().is_some(),
            debug: machine.config.log.level == Level::Debug,
            worn,
        }
    }
}

fn folder(machine: &Machine, holds: &'static str, real: &Path) -> Folder {
    let root = &machine.root;
    let real = real.canonicalize().unwrap_or_else(|_| real.to_owned());
    let own = root.own(&real);
    let mount = mount_of(root, &own);
    let about = real.metadata().ok();
    // What whoever calls the doctor may not look at is neither absent nor forbidden to the service.
    let unseen = about.is_none() && !is_absent(&real);
    let space = statvfs(&real).ok();
    #[allow(clippy::cast_precision_loss)] // to a MiB
    let free_mb =
        space.map(|s| s.blocks_available() as f64 * s.fragment_size() as f64 / 1_048_576.0);
    Folder {
        holds,
        path: own.display().to_string(),
        exists: unseen || about.as_ref().is_some_and(std::fs::Metadata::is_dir),
        read_only: mount.as_ref().is_some_and(|mount| mount.read_only),
        kind: mount.map(|mount| mount.kind),
        free_mb,
        free_files: space.filter(|s| s.files() > 0).map(|s| s.files_available()),
        permitted: unseen || about.is_some_and(|a| machine.user.may(&a, WRITE | ENTER)),
        forbidden: forbidden(machine, holds, &real),
    }
}

/// What the service makes in its data folder begins with one of these. The ledger itself has a finding of its own.
const STATE: [&str; 6] = [
    "attendance.",
    "last-exit.",
    "health.",
    "camera_delay.",
    "terminal_id",
    "crash.log",
];

fn forbidden(machine: &Machine, holds: &str, folder: &Path) -> Vec<String> {
    let log = machine.log_file.file_name().unwrap_or_default();
    let log = log.to_string_lossy();
    let ours = |name: &str| match holds {
        "data" => name != FILE && STATE.iter().any(|begin| name.starts_with(begin)),
        // Older logs are renamed and removed only, which is a right of the folder.
        _ => name == log || ["crash.log", "memory_usage.log"].contains(&name),
    };
    let names = machine.root.names(machine.root.own(folder));
    let files = names.iter().filter(|name| ours(name)).filter_map(|name| {
        let path = folder.join(name);
        let about = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let own = machine.root.own(&path).display().to_string();
        (!machine.user.may(&about, READ | WRITE)).then_some(own)
    });
    files.collect()
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = facts
        .folders
        .iter()
        .filter_map(|folder| worst(folder, &facts.user))
        .collect();
    let files: Vec<_> = facts
        .folders
        .iter()
        .flat_map(|f| f.forbidden.clone())
        .collect();
    if !files.is_empty() {
        let (user, count, named) = (&facts.user, files.len(), files.join(", "));
        let files = files.join(" ");
        found.push(finding!(
            Problem, "files-forbidden",
            what: "the service's user {user} may not write {count} files that the service opens: {named}",
                  "サービスのユーザー {user} は、サービスが使用するファイル {count} 個に書き込めません: {named}",
            why: "it does not start, or loses what belongs there; a run as root has left them",
                 "起動できないか、記録が失われます（root で実行した際に作られたものです）",
            mend: format!("sudo chown {user}: {files}; sudo chmod u+rw {files}"),
        ));
    }
    if facts.ledger && facts.running && !facts.reserve {
        found.push(finding!(
            Warning, "reserve-missing",
            what: "the room that is put by for the last taps is used up, or there never was enough",
                  "最後の記録用の予備領域がありません",
            why: "when the disk is full, no further tap can be counted",
                 "ディスクが満杯になると、それ以上タップを記録できません",
            mend: "sudo du -xh / | sort -h | tail -20    # names the largest folders; the service puts room by again itself",
                  "sudo du -xh / | sort -h | tail -20    # 大きなフォルダーを表示（空きができれば予備領域は自動で確保されます）",
        ));
    }
    if let Some(worn) = facts.worn.filter(|w| *w >= WORN) {
        found.push(finding!(
            Warning, "card-worn",
            what: "the flash memory has used up {worn} tenths of its life",
                  "フラッシュメモリの寿命の {worn} 割を使用しました",
            why: "at its end it turns read-only, or loses what was written",
                 "寿命が尽きると書き込めなくなるか、データが失われます",
            mend: "facetap attendance export --format csv > taps.csv    # then replace the card",
                  "facetap attendance export --format csv > taps.csv    # 保存してからカードを交換",
        ));
    }
    if facts.debug {
        found.push(finding!(
            Note, "log-debug",
            what: "\"log.level\" is DEBUG",
                  "\"log.level\" が DEBUG です",
            why: "many more lines are written, which wears an SD card",
                 "ログが大幅に増え、SD カードの寿命を縮めます",
            mend: "set \"log.level\" to \"INFO\", then: facetap reload",
                  "\"log.level\" を \"INFO\" に戻し、facetap reload を実行",
        ));
    }
    found
}

/// The first thing that is wrong with a folder: what comes after it is its consequence.
fn worst(folder: &Folder, user: &str) -> Option<Finding> {
    let Folder { path, holds, .. } = folder;
    let data = *holds == "data";
    let what_lies_there = if data {
        say!("the ledger", "記録ファイル")
    } else {
        say!("the log", "ログ")
    };
    let lost = say!(
        "{what_lies_there} cannot be written there",
        "{what_lies_there}を書き込めません"
    );
    if !folder.exists {
        return Some(finding!(
            Warning, "folder-missing",
            what: "the folder {path} is missing",
                  "フォルダー {path} がありません",
            why: lost,
            mend: "sudo systemd-tmpfiles --create facetap.conf    # or start the service, which makes it",
                  "sudo systemd-tmpfiles --create facetap.conf    # またはサービスを起動すると作成されます",
        ));
    }
    if folder.read_only {
        return Some(finding!(
            Problem, "disk-read-only",
            what: "the disk of {path} is read-only",
                  "{path} のディスクが読み取り専用です",
            why: lost,
            mend: "dmesg | grep -i -E 'ext4|mmc'    # tells why; then: sudo mount -o remount,rw /  or replace the card",
                  "dmesg | grep -i -E 'ext4|mmc'    # 原因を確認後: sudo mount -o remount,rw / またはカードを交換",
        ));
    }
    let kind = folder.kind.as_deref().unwrap_or("?");
    if matches!(kind, "tmpfs" | "ramfs" | "overlay" | "overlayfs") {
        let (what, why) = (
            say!(
                "{path} lies on {kind}, which is memory",
                "{path} は {kind}（メモリ上）です"
            ),
            say!(
                "a power cut loses {what_lies_there}",
                "停電で{what_lies_there}が失われます"
            ),
        );
        let mend = say!(
            "set data_dir and log.file to a folder on a disk; docs/installation.md sets up a data partition",
            "data_dir と log.file をディスク上に設定してください（docs/installation.md 参照）"
        );
        return Some(if data {
            finding!(
                Problem, "disk-in-memory",
                what: what,
                why: why,
                mend: mend,
            )
        } else {
            finding!(
                Warning, "log-in-memory",
                what: what,
                why: why,
                mend: mend,
            )
        });
    }
    let clear = || {
        say!(
            "sudo apt clean; sudo du -xh / | sort -h | tail -20    # names the largest folders",
            "sudo apt clean; sudo du -xh / | sort -h | tail -20    # 大きなフォルダーを表示"
        )
    };
    if let Some(free) = folder.free_mb.filter(|f| *f < TIGHT_MB) {
        let what = say!(
            "{free:.0} MB are free on the disk of {path}",
            "{path} のディスクの空きは {free:.0} MB です"
        );
        if free < FULL_MB {
            let why = say!(
                "the last taps go into the room put by for them; then taps are refused",
                "予備領域を使い切るとタップを記録できなくなります"
            );
            return Some(finding!(
                Problem, "disk-full",
                what: what,
                why: why,
                mend: clear(),
            ));
        }
        let why = say!(
            "a full disk refuses taps",
            "ディスクが満杯になるとタップを記録できません"
        );
        return Some(finding!(
            Warning, "disk-nearly-full",
            what: what,
            why: why,
            mend: clear(),
        ));
    }
    if let Some(files) = folder.free_files.filter(|f| *f < FEW_FILES) {
        let what = say!(
            "only {files} more files can be made on the disk of {path}",
            "{path} のディスクに作成できるファイルは残り {files} 個です"
        );
        return Some(finding!(
            Warning, "files-exhausted",
            what: what,
            why: lost,
            mend: clear(),
        ));
    }
    if !folder.permitted {
        return Some(finding!(
            Problem, "folder-forbidden",
            what: "the service's user {user} may not write to {path}",
                  "サービスのユーザー {user} は {path} に書き込めません",
            why: lost,
            mend: format!("sudo chown -R {user}: {path}; sudo chmod u+rwx {path}"),
        ));
    }
    None
}
