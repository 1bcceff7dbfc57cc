//! The attendance server, asked for its health.

use std::time::Duration;

use crate::attend::uplink;
use crate::config::address::{shown, split_user};
use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;
use crate::{finding, say};

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// `server_url`.
    pub url: Option<String>,
    /// Whether it is well, or why not. None where it is not asked.
    pub answer: Option<Result<(), String>>,
}

impl Facts {
    /// Asks. It waits for three seconds at most, so it needs a limit.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let url = machine.config.server_url.clone();
        let asked = url.is_some() && machine.root.is_live();
        Self {
            answer: asked.then(|| {
                let answer = uplink::probe(&machine.config);
                answer.map(|_| ()).map_err(|e| format!("{e:#}"))
            }),
            url,
        }
    }
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    if facts.url.is_none() {
        found.push(finding!(
            Note, "server-none",
            what: "no \"server_url\" is configured",
                  "\"server_url\" が設定されていません",
            why: "taps stay in the ledger",
                 "タップは台帳にのみ記録されます",
            mend: "set \"server_url\" in the configuration, then: sudo systemctl restart facetap; or use facetap attendance export",
                  "設定に \"server_url\" を書いて sudo systemctl restart facetap を実行するか、facetap attendance export を使ってください",
        ));
    }
    if let Some(Err(why)) = &facts.answer {
        found.push(finding!(
            Problem, "server-down",
            what: why.clone(),
            why: kept(),
            mend: by_hand(facts.url.as_deref()),
        ));
    }
    found
}

fn kept() -> String {
    say!(
        "taps are kept in the ledger and delivered once it answers",
        "タップは台帳に保存され、応答があれば送信されます"
    )
}

fn by_hand(url: Option<&str>) -> String {
    let (url, _) = split_user(url.unwrap_or_default());
    let url = url.trim_end_matches('/');
    format!("curl -v -m 3 {url}/api/health")
}

/// What it means when it does not answer.
pub fn hung(machine: &Machine, limit: Duration) -> Finding {
    let url = machine.config.server_url.as_deref();
    let (seconds, shown) = (limit.as_secs_f64(), shown(url.unwrap_or_default()));
    finding!(
        Problem, "server-silent",
        what: "the server {shown} does not answer within {seconds} s",
              "サーバー {shown} が {seconds} 秒以内に応答しません",
        why: kept(),
        mend: by_hand(url),
    )
}
