//! The PC/SC daemon, asked as whoever has called the doctor.

use std::path::Path;
use std::time::Duration;

use super::readers::in_the_way;
use crate::attend::reader::selection::{self, Selection};
use crate::attend::reader::usb::{self, Obstacle};
use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;
use crate::{finding, say};

/// `SCARD_W_SECURITY_VIOLATION`, with which polkit's refusal arrives.
const FORBIDDEN: &str = "8010006A";

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The readers' names, or why there are none to be had. None where the daemon is not asked.
    pub names: Option<Result<Vec<String>, String>>,
    /// Those of them that the configuration takes.
    pub used: Vec<String>,
    /// Readers on the USB that the daemon does not list.
    pub missing: Vec<Obstacle>,
}

impl Facts {
    /// Asks. It waits for a daemon that hangs for as long as `facetap devices` does, so it needs a limit.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let (root, cards) = (&machine.root, &machine.config.cards);
        if !root.is_live() || !cards.enabled || selection::is_simulated(&cards.readers) {
            return Self::default();
        }
        let names = crate::attend::reader::pcsc::names().map_err(|e| format!("{e:#}"));
        let selection = Selection::new(&cards.readers);
        let listed: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
        let devices = usb::devices(Path::new(usb::SYSFS));
        let obstacles = usb::obstacles(&devices, &listed);
        Self {
            used: names
                .iter()
                .flatten()
                .filter(|n| selection.includes(n))
                .cloned()
                .collect(),
            missing: obstacles
                .into_iter()
                .filter(|o| names.is_ok() && matches!(o, Obstacle::NotListed { .. }))
                .collect(),
            names: Some(names),
        }
    }
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let deaf = || say!("no card can be read", "カードを読み取れません");
    let mut found: Vec<Finding> = facts.missing.iter().map(in_the_way).collect();
    match &facts.names {
        None => {}
        Some(Err(e)) if e.contains(FORBIDDEN) => found.push(finding!(
            Problem, "pcscd-forbidden",
            what: "pcscd refuses this user: {e}",
                  "pcscd がこのユーザーを拒否しました: {e}",
            why: "a service of this user could read no card; ask as the service's user to be sure",
                 "このユーザーのサービスはカードを読み取れません（サービスのユーザーでも確認してください）",
            mend: "sudo -u facetap facetap doctor --no-file",
        )),
        Some(Err(e)) => found.push(finding!(
            Problem, "pcscd-unusable",
            what: "pcscd cannot be asked: {e}",
                  "pcscd に接続できません: {e}",
            why: deaf(),
            mend: "sudo systemctl restart pcscd.socket pcscd; sudo systemctl enable pcscd.socket",
        )),
        Some(Ok(names)) if names.is_empty() && found.is_empty() => found.push(finding!(
            Problem, "reader-absent",
            what: "no card reader is connected",
                  "カードリーダーが接続されていません",
            why: deaf(),
            mend: "plug one in, then: facetap devices    # lsusb tells whether the system has noticed it",
                  "接続後に: facetap devices    # lsusb でシステムが認識したか確認できます",
        )),
        Some(Ok(names)) if !names.is_empty() && facts.used.is_empty() => {
            let names = names.join(", ");
            found.push(finding!(
                Problem, "reader-not-named",
                what: "\"cards.readers\" names none of the readers that are connected: {names}",
                      "\"cards.readers\" に該当するカードリーダーがありません（接続中: {names}）",
                why: deaf(),
                mend: "set \"cards.readers\" to \"all\", or to one of these names",
                      "\"cards.readers\" を \"all\" か、上の名前のどれかにしてください",
            ));
        }
        Some(Ok(_)) => {}
    }
    found
}

/// What it means when it does not answer.
pub fn hung(_: &Machine, limit: Duration) -> Finding {
    let seconds = limit.as_secs_f64();
    finding!(
        Problem, "pcscd-hangs",
        what: "pcscd takes calls and answers none within {seconds} s",
              "pcscd が {seconds} 秒以内に応答しません",
        why: "no card can be read until it is started again",
             "再起動するまでカードを読み取れません",
        mend: "sudo systemctl restart pcscd",
    )
}
