//! The configuration, and who may read its secrets.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::attend::ledger::roster;
use crate::tools::doctor::account::READ;
use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;
use crate::tools::doctor::root::is_absent;
use crate::{finding, say};

/// Reading by anybody.
const ANYBODY: u32 = 0o004;

/// A file that the configuration names.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// By which key.
    pub key: &'static str,
    /// The file.
    pub path: String,
    /// Whether it is there.
    pub exists: bool,
    /// Whether the service's user may read it.
    pub permitted: bool,
    /// Whether anybody may.
    pub open: bool,
    /// Why its contents are of no use.
    pub failure: Option<String>,
    /// What is wrong within a roster.
    pub roster: RosterFacts,
}

/// What is wrong within a roster that can be used.
#[derive(Debug, Clone, Default)]
pub struct RosterFacts {
    /// Lines that are not used, or not as they stand there; and the first of them.
    pub lines: (usize, String),
    /// Cards of two people, and the first of them.
    pub disputed: (usize, String),
    /// None of the cards that were tapped is in it.
    pub unknown: bool,
}

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The file; none for the built-in defaults.
    pub file: Option<String>,
    /// What is wrong with it.
    pub problems: Vec<String>,
    /// Keys without effect in this version.
    pub not_built: Vec<&'static str>,
    /// Whether it holds a password and anybody may read it.
    pub open_password: bool,
    /// Files that it names.
    pub named: Vec<Named>,
    /// The service's user.
    pub user: String,
}

impl Facts {
    /// Looks.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let (root, config) = (&machine.root, &machine.config);
        let text = machine.config_file.as_deref().map(std::fs::read_to_string);
        let mode = machine
            .config_file
            .as_deref()
            .and_then(|f| f.metadata().ok());
        let open = mode.is_some_and(|m| m.permissions().mode() & ANYBODY != 0);
        let password = text.is_some_and(|t| {
            t.is_ok_and(|t| {
                t.split('"')
                    .any(|word| word.contains("://") && word.contains('@'))
            })
        });
        let files = [
            ("auth_token_file", &config.auth_token_file),
            ("ca_file", &config.ca_file),
            ("attendance.roster", &config.attendance.roster),
            ("detector.model_dir", &config.detector.model_dir),
        ];
        Self {
            file: machine
                .config_file
                .as_ref()
                .map(|f| root.own(f).display().to_string()),
            problems: machine.config_problems.clone(),
            not_built: machine.config_not_built.clone(),
            open_password: open && password,
            named: files
                .into_iter()
                .filter_map(|(key, path)| Some(named(machine, key, path.as_deref()?)))
                .collect(),
            user: machine.user.name.clone(),
        }
    }
}

fn named(machine: &Machine, key: &'static str, path: &Path) -> Named {
    let real = machine.root.path(path);
    let about = real.metadata().ok();
    let (failure, roster) = if key == "attendance.roster" && about.is_some() {
        of_roster(machine, path, &real)
    } else {
        (None, RosterFacts::default())
    };
    // What whoever calls the doctor may not look at is neither absent nor forbidden to the service.
    let unseen = about.is_none() && !is_absent(&real);
    Named {
        key,
        path: path.display().to_string(),
        exists: unseen || about.is_some(),
        permitted: unseen || about.as_ref().is_some_and(|a| machine.user.may(a, READ)),
        open: about.is_some_and(|a| a.permissions().mode() & ANYBODY != 0),
        failure,
        roster,
    }
}

/// Why a roster cannot be used, and what is wrong within it if it can be.
fn of_roster(machine: &Machine, path: &Path, real: &Path) -> (Option<String>, RosterFacts) {
    let columns = machine
        .config
        .attendance
        .roster_columns
        .clone()
        .unwrap_or_default();
    match roster::read(real, &columns, &roster::tapped(&machine.data_dir)) {
        Ok(contents) => {
            let told = |p: &roster::Problems| {
                let first = p.first.first().map(|text| without_contents(text));
                (p.count, first.unwrap_or_default())
            };
            let facts = RosterFacts {
                lines: told(&contents.problems),
                disputed: told(&contents.disputed),
                unknown: contents.unknown,
            };
            (None, facts)
        }
        Err(e) => {
            let own = path.display().to_string();
            let why = format!("{e:#}").replace(&real.display().to_string(), &own);
            (Some(without_contents(&why)), RosterFacts::default())
        }
    }
}

/// What is said of a roster without what it quotes from there: that may be the name of somebody whom the masks do not know.
fn without_contents(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some(at) = rest.find(['"', '「']) {
        let close = if rest[at..].starts_with('"') {
            '"'
        } else {
            '」'
        };
        let (before, quoted) = rest.split_at(at);
        let mut parts = quoted.char_indices().skip(1);
        let Some((end, _)) = parts.find(|(_, c)| *c == close) else {
            break;
        };
        let end = end + close.len_utf8();
        kept += before;
        // Keys of the configuration are nobody's secret.
        kept += if quoted.starts_with("\"attendance.") {
            &quoted[..end]
        } else {
            "…"
        };
        rest = &quoted[end..];
    }
    kept + rest
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let file = facts.file.as_deref().unwrap_or_default();
    for problem in &facts.problems {
        found.push(finding!(
            Problem, "config-invalid",
            what: format!("{file}: {problem}"),
            why: "the service does not start with it; here the defaults are looked at instead",
                 "この設定ではサービスが起動しません（以下の診断は既定値に基づきます）",
            mend: format!("facetap config check {file}"),
        ));
    }
    if facts.file.is_none() {
        found.push(finding!(
            Note, "config-absent",
            what: "there is no configuration file",
                  "設定ファイルがありません",
            why: "the built-in defaults count",
                 "内蔵の既定値で動作します",
            mend: "facetap config default | sudo tee /etc/facetap/config.json    # to begin with",
                  "facetap config default | sudo tee /etc/facetap/config.json    # ひな形の作成",
        ));
    }
    if !facts.not_built.is_empty() {
        let keys = facts.not_built.join(", ");
        found.push(finding!(
            Note, "config-no-effect",
            what: "without effect in this version: {keys}",
                  "このバージョンでは効果のない設定: {keys}",
            why: "they are accepted all the same",
                 "指定しても問題はありません",
            mend: "facetap config schema    # tells which keys those are",
                  "facetap config schema    # 対象のキーを確認",
        ));
    }
    if facts.open_password {
        found.push(secret_open(file));
    }
    for named in &facts.named {
        found.extend(of_file(named, &facts.user));
    }
    found
}

fn secret_open(file: &str) -> Finding {
    finding!(
        Warning, "secret-open",
        what: "{file} holds a secret, and anybody may read it",
              "{file} は秘密情報を含みますが、誰でも読める状態です",
        why: "whoever is on this board can use it",
             "この機器の全ユーザーに悪用される可能性があります",
        mend: format!("sudo chown root:facetap {file}; sudo chmod 640 {file}"),
    )
}

fn of_file(named: &Named, user: &str) -> Vec<Finding> {
    let Named { key, path, .. } = named;
    let why = match *key {
        "attendance.roster" => say!("taps have no names", "記録に名前が付きません"),
        "detector.model_dir" => say!(
            "the simpler detector is used, or none",
            "簡易な検出器が使われるか、検出できません"
        ),
        _ => say!(
            "nothing can be delivered to the server",
            "サーバーへ送信できません"
        ),
    };
    if !named.exists || !named.permitted {
        let what = if named.exists {
            say!(
                "\"{key}\": the service's user {user} may not read {path}",
                "\"{key}\": サービスのユーザー {user} は {path} を読めません"
            )
        } else {
            say!(
                "\"{key}\": {path} is missing",
                "\"{key}\": {path} がありません"
            )
        };
        return vec![finding!(
            Problem, "named-file-unusable",
            what: what,
            why: why,
            mend: "sudo chown root:{user} {path}; sudo chmod 640 {path}    # or correct \"{key}\"",
                  "sudo chown root:{user} {path}; sudo chmod 640 {path}    # または \"{key}\" を修正",
        )];
    }
    if *key == "auth_token_file" && named.open {
        return vec![secret_open(path)];
    }
    if let Some(failure) = &named.failure {
        let mend = say!(
            "correct it (CSV UTF-8 is best), or name its columns with \"attendance.roster_columns\"",
            "ファイルを直すか（CSV UTF-8 を推奨）、\"attendance.roster_columns\" で列を指定してください"
        );
        return vec![finding!(
            Warning, "roster-unusable",
            what: failure.clone(),
            why: why,
            mend: mend,
        )];
    }
    within_roster(path, &named.roster)
}

fn within_roster(path: &str, roster: &RosterFacts) -> Vec<Finding> {
    let mut found = Vec::new();
    if roster.unknown {
        found.push(finding!(
            Warning, "roster-no-card",
            what: "none of the cards that were tapped is in the roster {path}",
                  "タッチされたカードが名簿 {path} に 1 枚も載っていません",
            why: "the column of cards may be another one, or its numbers are not those that readers see: taps have no names",
                 "カードの列または番号の形式が誤っている可能性があり、記録に名前が付きません",
            mend: "sudo facetap attendance list --unknown; facetap check    # the numbers that were tapped; the columns",
                  "sudo facetap attendance list --unknown; facetap check    # 実際の番号と、使われている列",
        ));
    }
    let (count, first) = &roster.disputed;
    if *count > 0 {
        found.push(finding!(
            Warning, "roster-disputed",
            what: "{count} cards stand in the roster {path} for two people: {first}",
                  "名簿 {path} で {count} 枚のカードが二人に割り当てられています: {first}",
            why: "their taps have no name",
                 "該当カードの記録に名前が付きません",
            mend: "remove one of the lines, or give the day from which it holds",
                  "一方の行を消すか、有効になる日（開始日）を書いてください",
        ));
    }
    let (count, first) = &roster.lines;
    if *count > 0 {
        found.push(finding!(
            Warning, "roster-lines",
            what: "{count} lines of the roster {path} need a look: {first}",
                  "名簿 {path} の {count} 行に問題があります: {first}",
            why: "those that are not used give no name to their cards",
                 "使われない行のカードには名前が付きません",
            mend: "grep -i roster /var/log/facetap/facetap.log    # names the lines",
                  "grep 名簿 /var/log/facetap/facetap.log    # 該当行を表示",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_roster_holds_is_not_told() {
        for (text, want) in [
            (
                "line 2 is \"山田\" in GBK and \"x\" here",
                "line 2 is … in GBK and … here",
            ),
            ("2 行目「山田」は", "2 行目…は"),
            (
                "set \"attendance.roster_columns\"",
                "set \"attendance.roster_columns\"",
            ),
            ("half \"open", "half \"open"),
        ] {
            assert_eq!(without_contents(text), want);
        }
    }
}
