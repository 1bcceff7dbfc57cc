//! The configuration, and who may read its secrets.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::attend::ledger::roster;
use crate::tools::doctor::account::READ;
use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;
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
    /// Lines of a roster that are not used.
    pub bad_lines: usize,
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
    let contents = (key == "attendance.roster" && about.is_some()).then(|| roster::read(&real));
    let (failure, bad_lines) = match contents {
        Some(Ok(contents)) => (None, contents.problems.len()),
        Some(Err(e)) => {
            let own = path.display().to_string();
            let why = format!("{e:#}").replace(&real.display().to_string(), &own);
            (Some(why), 0)
        }
        None => (None, 0),
    };
    Named {
        key,
        path: path.display().to_string(),
        exists: about.is_some(),
        permitted: about.as_ref().is_some_and(|a| machine.user.may(a, READ)),
        open: about.is_some_and(|a| a.permissions().mode() & ANYBODY != 0),
        failure,
        bad_lines,
    }
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

fn of_file(named: &Named, user: &str) -> Option<Finding> {
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
        return Some(finding!(
            Problem, "named-file-unusable",
            what: what,
            why: why,
            mend: "sudo chown root:{user} {path}; sudo chmod 640 {path}    # or correct \"{key}\"",
                  "sudo chown root:{user} {path}; sudo chmod 640 {path}    # または \"{key}\" を修正",
        ));
    }
    if *key == "auth_token_file" && named.open {
        return Some(secret_open(path));
    }
    if let Some(failure) = &named.failure {
        let mend = say!(
            "save it as CSV of card number and name, in UTF-8",
            "カード番号と名前の CSV（UTF-8）として保存してください"
        );
        return Some(finding!(
            Warning, "roster-unusable",
            what: failure.clone(),
            why: why,
            mend: mend,
        ));
    }
    if named.bad_lines > 0 {
        let count = named.bad_lines;
        return Some(finding!(
            Warning, "roster-lines",
            what: "{count} lines of the roster {path} are not used",
                  "名簿 {path} の {count} 行が使われていません",
            why: "those cards have no names, or another one's",
                 "該当カードの名前が付かないか、誤る可能性があります",
            mend: "grep -i roster /var/log/facetap/facetap.log    # names the lines",
                  "grep 名簿 /var/log/facetap/facetap.log    # 該当行を表示",
        ));
    }
    None
}
