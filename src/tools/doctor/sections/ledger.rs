//! The ledger: whether it is sound, and what waits in it.

use std::time::Duration;

use jiff::Timestamp;

use crate::attend::ledger::FILE;
use crate::attend::ledger::query::{Integrity, Overview, View};
use crate::finding;
use crate::tools::doctor::account::{READ, WRITE};
use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;
use crate::tools::doctor::root::is_absent;

/// For counting and for the look at every page together.
const LIMIT: Duration = Duration::from_millis(800);
/// A tap that waits for longer than this, in hours, waits for something that does not mend itself.
const LONG_HOURS: i64 = 24;

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// `cards.enabled`.
    pub enabled: bool,
    /// The file.
    pub file: String,
    /// Whether it is there.
    pub exists: bool,
    /// Whether whoever has called the doctor may read it.
    pub readable: bool,
    /// Whether the service's user may change it.
    pub permitted: bool,
    /// The service's user.
    pub user: String,
    /// Why it cannot be opened.
    pub failure: Option<String>,
    /// Whether its pages are sound.
    pub integrity: Option<Integrity>,
    /// What is in it; none where there was no time to count.
    pub overview: Option<Overview>,
    /// Hours that the oldest tap has waited; none if none waits, or the clock cannot tell.
    pub oldest_hours: Option<i64>,
    /// Damaged ledgers that were set aside.
    pub aside: Vec<String>,
    /// Whether there is a server that taps could go to.
    pub server: bool,
}

impl Facts {
    /// Looks.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let root = &machine.root;
        let file = machine.data_dir.join(FILE);
        let own = root.own(&file);
        let about = file.metadata().ok();
        let mut facts = Self {
            enabled: machine.config.cards.enabled,
            file: own.display().to_string(),
            exists: !is_absent(&file),
            readable: crate::tools::doctor::root::open(&file).is_ok(),
            permitted: about.is_none_or(|a| machine.user.may(&a, READ | WRITE)),
            user: machine.user.name.clone(),
            aside: root
                .names(root.own(&machine.data_dir))
                .into_iter()
                .filter(|n| n.starts_with("attendance.db.damaged"))
                .collect(),
            server: machine.config.server_url.is_some(),
            ..Self::default()
        };
        if facts.exists && facts.readable {
            match look(machine) {
                Ok((overview, integrity)) => {
                    facts.overview = overview;
                    facts.integrity = Some(integrity);
                }
                Err(e) => facts.failure = Some(format!("{e:#}")),
            }
        }
        let oldest = facts
            .overview
            .as_ref()
            .and_then(|o| o.oldest_pending.as_ref());
        let since = oldest.and_then(|w| w.utc_time.parse::<Timestamp>().ok());
        facts.oldest_hours = since
            .map(|then| (machine.clock.wall().timestamp().as_second() - then.as_second()) / 3600);
        facts
    }
}

fn look(machine: &Machine) -> anyhow::Result<(Option<Overview>, Integrity)> {
    let mut view = View::open(&machine.data_dir)?;
    view.within(&machine.clock, machine.patience(LIMIT))?;
    // What lies in damaged pages cannot be counted, nor can more than there is time for.
    let overview = view.overview().ok();
    let integrity = view.integrity()?;
    Ok((overview, integrity))
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let file = &facts.file;
    let mut found = Vec::new();
    if !facts.enabled {
        return found;
    }
    if !facts.exists {
        found.push(finding!(
            Note, "ledger-absent",
            what: "there is no ledger {file} yet",
                  "記録ファイル {file} はまだありません",
            why: "it is made when the service starts; if it was there before, its taps are missing",
                 "サービスの起動時に作成されます。以前存在した場合、その記録は失われています",
            mend: "sudo systemctl start facetap",
        ));
        return found;
    }
    if !facts.readable {
        found.push(finding!(
            Note, "ledger-unreadable",
            what: "this user may not read the ledger {file}",
                  "このユーザーは記録ファイル {file} を読めません",
            why: "whether it is sound, and what waits in it, is not known",
                 "破損の有無や未送信の件数を確認できません",
            mend: "sudo facetap doctor",
        ));
        return found;
    }
    if !facts.permitted {
        let user = &facts.user;
        found.push(finding!(
            Problem, "ledger-forbidden",
            what: "the service's user {user} may not write the ledger {file}",
                  "サービスのユーザー {user} は記録ファイル {file} に書き込めません",
            why: "no tap can be counted",
                 "タップを記録できません",
            mend: format!("sudo chown {user}: {file}*; sudo chmod u+rw {file}*"),
        ));
    }
    let damage = match (&facts.failure, &facts.integrity) {
        (Some(why), _) | (None, Some(Integrity::Damaged(why))) => Some(why),
        _ => None,
    };
    if let Some(why) = damage {
        found.push(finding!(
            Problem, "ledger-damaged",
            what: "the ledger {file} is damaged or cannot be used: {why}",
                  "記録ファイル {file} が破損しているか使用できません: {why}",
            why: "at its next start the service sets it aside and carries over what can be read",
                 "次の起動時に退避され、読み取れる記録が引き継がれます",
            mend: format!(
                "sudo cp -a {file}* /var/backups/; sudo systemctl restart facetap; dmesg | grep -i mmc"
            ),
        ));
        return found;
    }
    if facts.integrity == Some(Integrity::TooLarge) {
        found.push(finding!(
            Note, "ledger-not-finished",
            what: "the ledger {file} is too large to look at every page in time",
                  "記録ファイル {file} が大きく、時間内に全体を検査できません",
            why: "the service looks at every page itself when it starts",
                 "サービスの起動時に全体が検査されます",
            mend: format!("sqlite3 -readonly {file} 'PRAGMA quick_check'"),
        ));
    }
    if let Some(aside) = facts.aside.last() {
        let folder = std::path::Path::new(file).with_file_name(aside);
        let folder = folder.display();
        found.push(finding!(
            Warning, "ledger-was-damaged",
            what: "a damaged ledger was set aside: {folder}",
                  "破損した記録ファイルが退避されています: {folder}",
            why: "taps that could not be read are in it only, and the disk may be failing",
                 "読み取れなかった記録が残っている可能性があり、ディスクの故障も疑われます",
            mend: format!("dmesg | grep -i -E 'mmc|ext4'; sqlite3 {folder} .recover > taps.sql; sudo rm {folder}"),
        ));
    }
    if let Some(overview) = &facts.overview {
        found.extend(queue(facts, overview));
    }
    found
}

fn queue(facts: &Facts, overview: &Overview) -> Vec<Finding> {
    let mut found = Vec::new();
    let pending = overview.pending;
    // A refusal that is about the moment or the amount is none of these.
    let denied = (overview.last_in_vain.as_ref())
        .map(|a| a.text.as_str())
        .filter(|a| a.starts_with('4') && !["408", "425", "429"].iter().any(|s| a.starts_with(s)));
    if let Some(answer) = denied.filter(|_| facts.server) {
        let in_vain = overview.in_vain;
        found.push(finding!(
            Problem, "taps-denied",
            what: "{in_vain} waiting taps were refused, by the server or by something on the way to it; the last answer: \
                 {answer}",
                  "未送信の {in_vain} 件が、サーバーまたは途中の機器に拒否されました（最後の応答: {answer}）",
            why: "they are sent again by themselves until they are taken; other cards are not held up",
                 "自動で再送されます。他のカードには影響しません",
            mend: "look for a proxy or firewall on the way; correct \"server_url\" and \"auth_token_file\", then: facetap \
                 reload",
                  "途中のプロキシやファイアウォールと \"server_url\"、\"auth_token_file\" を確認し、facetap reload を実行",
        ));
    } else if let Some(hours) = facts
        .oldest_hours
        .filter(|h| *h >= LONG_HOURS && facts.server)
    {
        found.push(finding!(
            Warning, "taps-waiting",
            what: "{pending} taps wait for the server, the oldest for {hours} hours",
                  "{pending} 件が未送信です（最古は {hours} 時間前）",
            why: "the server does not know of them; here they are safe",
                 "サーバーには未反映です（記録自体は安全です）",
            mend: "facetap attendance status; tail -50 /var/log/facetap/facetap.log",
        ));
    }
    if overview.rejected > 0 {
        let rejected = overview.rejected;
        found.push(finding!(
            Warning, "taps-rejected",
            what: "the server has rejected {rejected} taps",
                  "サーバーが {rejected} 件を拒否しました",
            why: "they are not sent again by themselves",
                 "自動では再送されません",
            mend: "sudo facetap attendance list --rejected; sudo facetap attendance retry --all"
                .to_owned(),
        ));
    }
    if overview.review > 0 {
        let review = overview.review;
        found.push(finding!(
            Note, "taps-to-review",
            what: "{review} taps are marked for review",
                  "要確認の記録が {review} 件あります",
            why: "no face was in view, or the server took them for other taps",
                 "顔が写っていないか、サーバーが重複とみなした記録です",
            mend: "facetap attendance list --review",
        ));
    }
    found
}
