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
    let others: Vec<_> = findings.iter().filter(|f| f.key != "cores").collect();
    // A finding of a healthy board has no case that provokes it: give board.rs what it looks at.
    assert!(others.is_empty(), "{others:#?}");
}

/// The doctor's files, without their tests: what stands there is no finding.
fn sources() -> Vec<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["src/tools/doctor", "src/tools/doctor/sections"];
    let files = folders.map(|folder| std::fs::read_dir(here.join(folder)).unwrap().flatten());
    let texts = files.into_iter().flatten().map(|file| {
        let text = std::fs::read_to_string(file.path()).unwrap_or_default();
        text.split("#[cfg(test)]")
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    texts.collect()
}

#[test]
fn every_finding_is_provoked_here_and_explained_in_the_manual() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let written = {
        let mut keys = BTreeSet::new();
        let pattern =
            Regex::new(r#"finding!\(\s*(?:Problem|Warning|Note), "([a-z0-9-]+)""#).unwrap();
        for text in sources() {
            keys.extend(pattern.captures_iter(&text).map(|c| c[1].to_owned()));
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
    let mut wrong = Vec::new();
    let mut compare = |has: &BTreeSet<String>, lacks: &BTreeSet<String>, what: &str| {
        wrong.extend(has.difference(lacks).map(|key| format!("{key}: {what}")));
    };
    compare(&written, &explained, "no heading ### in docs/doctor.md");
    compare(
        &explained,
        &written,
        "a heading in docs/doctor.md, but no finding!",
    );
    compare(
        &written,
        &provoked,
        "no case in findings.rs, facts.rs or KEYS of live.rs",
    );
    compare(&provoked, &written, "a case, but no finding!");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What `{}` of a text names must be the same in both languages.
#[test]
fn both_languages_tell_the_same_values() {
    let pair =
        Regex::new(r#"(?s)(?:what|why|mend): "((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)""#).unwrap();
    let name = Regex::new(r"\{([a-z_]*)[:}]").unwrap();
    let names = |text: &str| -> BTreeSet<String> {
        let text = text.replace("{{", "");
        name.captures_iter(&text).map(|c| c[1].to_owned()).collect()
    };
    let mut pairs = 0;
    for text in sources() {
        for found in pair.captures_iter(&text) {
            pairs += 1;
            assert_eq!(names(&found[1]), names(&found[2]), "{}", &found[0]);
        }
    }
    assert!(pairs > 200, "{pairs}");
}
