//! `facetap doctor`: every finding provoked once, on boards of files and on this machine.

mod board;
mod facts;
mod findings;
mod live;
mod masked;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use facetap::base::clock::Clock;
use facetap::tools::doctor::Examination;
use facetap::tools::doctor::finding::Finding;
use facetap::tools::doctor::machine::{Asked, Machine};
use regex::Regex;

use board::Board;

/// For whatever a loaded machine may take; no test waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

fn examine_at(board: &Board, clock: Option<Arc<dyn Clock>>) -> Vec<Finding> {
    let asked = Asked {
        root: Some(board.root().to_owned()),
        clock,
        limit: Some(PATIENCE),
        ..Asked::default()
    };
    let examination = Examination::of(&Arc::new(Machine::find(&asked)));
    let findings = examination.sections.into_iter();
    findings.flat_map(|s| s.looked.findings).collect()
}

fn examine(board: &Board) -> Vec<Finding> {
    examine_at(board, None)
}

/// It has to tell what it saw, why it matters and what mends it.
fn has_all_parts(finding: &Finding) {
    for part in [&finding.what, &finding.why, &finding.mend] {
        assert!(part.len() > 3, "{finding:?}");
    }
}

#[test]
fn on_a_healthy_board_nothing_is_wrong() {
    let findings = examine(&Board::new());
    let bad: Vec<_> = findings.iter().filter(|f| f.severity.is_bad()).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn every_finding_is_provoked_here_and_explained_in_the_manual() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let written = {
        let mut keys = BTreeSet::new();
        let pattern =
            Regex::new(r#"finding!\(\s*(?:Problem|Warning|Note), "([a-z0-9-]+)""#).unwrap();
        for folder in ["src/tools/doctor", "src/tools/doctor/sections"] {
            for file in std::fs::read_dir(here.join(folder)).unwrap().flatten() {
                let text = std::fs::read_to_string(file.path()).unwrap_or_default();
                // What stands in the tests of a file is no finding.
                let text = text.split("#[cfg(test)]").next().unwrap_or_default();
                keys.extend(pattern.captures_iter(text).map(|c| c[1].to_owned()));
            }
        }
        keys
    };
    let manual = std::fs::read_to_string(here.join("docs/doctor.md")).unwrap();
    let explained: BTreeSet<String> = manual
        .lines()
        .filter_map(|l| l.strip_prefix("### ").map(str::to_owned))
        .collect();
    let provoked: BTreeSet<String> = findings::cases()
        .iter()
        .map(|c| c.key)
        .chain(facts::cases().iter().map(|(key, _)| *key))
        .chain(live::KEYS)
        .map(str::to_owned)
        .collect();
    assert_eq!(written, explained, "src/tools/doctor and docs/doctor.md");
    assert_eq!(written, provoked, "src/tools/doctor and these tests");
}
