//! Readings that fail: said once, again when the reason changes, and when they work again.

use std::collections::BTreeMap;

use super::readings::Failure;
use crate::say;

/// The readings that failed the last time, with the reasons.
#[derive(Debug, Default)]
pub(super) struct Faults {
    known: BTreeMap<&'static str, String>,
}

impl Faults {
    /// Takes the failures of a sample; tells the lines of those that are new, and what works again.
    pub(super) fn news(&mut self, failures: Vec<Failure>) -> (Vec<String>, Vec<String>) {
        let now: BTreeMap<&'static str, String> = failures
            .into_iter()
            .map(|f| (f.what, format!("{:#}", f.why)))
            .collect();
        let fresh = now
            .iter()
            .filter(|(what, why)| self.known.get(*what) != Some(*why))
            .map(|(what, why)| format!("[RESOURCE_MONITOR_ERROR] {what}: {why}"))
            .collect();
        let mended = self
            .known
            .keys()
            .filter(|what| !now.contains_key(*what))
            .map(|what| {
                say!(
                    "the reading of {what} works again",
                    "{what} の取得が復旧しました"
                )
            })
            .collect();
        self.known = now;
        (fresh, mended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_said_once_and_again_when_it_changes() {
        let mut faults = Faults::default();
        let mut at = |why: Option<&'static str>| {
            let failures = why.map(|why| Failure {
                what: "load",
                why: anyhow::anyhow!(why),
            });
            let (fresh, mended) = faults.news(failures.into_iter().collect());
            (fresh.join(";"), mended.len())
        };
        assert_eq!(
            at(Some("a")),
            ("[RESOURCE_MONITOR_ERROR] load: a".into(), 0)
        );
        assert_eq!(at(Some("a")), (String::new(), 0));
        assert_eq!(
            at(Some("b")),
            ("[RESOURCE_MONITOR_ERROR] load: b".into(), 0)
        );
        assert_eq!(at(None), (String::new(), 1));
        assert_eq!(at(None), (String::new(), 0));
    }
}
