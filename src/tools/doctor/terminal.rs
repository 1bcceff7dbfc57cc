//! What the doctor shows on a terminal: what is well in one line, then the findings, the worst last, where they are seen.

use std::fmt::Write as _;

use super::finding::{Finding, Severity};
use super::probe::Section;
use super::sections::title;
use crate::base::outside::is_obeyed;
use crate::say;

/// Escape sequences, or nothing where the output is no terminal.
fn colour(severity: Severity, coloured: bool) -> (&'static str, &'static str) {
    if !coloured {
        return ("", "");
    }
    let begin = match severity {
        Severity::Ok => "\x1b[32m",
        Severity::Note => "\x1b[36m",
        Severity::Warning => "\x1b[33m",
        Severity::Problem => "\x1b[1;31m",
    };
    (begin, "\x1b[0m")
}

/// The table. With `verbose` it begins with how long each look took.
#[must_use]
pub fn table(sections: &[Section], coloured: bool, verbose: bool) -> String {
    let mut text = String::new();
    if verbose {
        text.push_str(&times(sections));
        text.push('\n');
    }
    let well: Vec<String> = sections
        .iter()
        .filter(|s| s.severity() == Severity::Ok)
        .map(|s| title(s.name))
        .collect();
    if !well.is_empty() {
        let (on, off) = colour(Severity::Ok, coloured);
        let _ = writeln!(text, "{on}{}{off}: {}", Severity::Ok, well.join(", "));
    }
    let mut findings: Vec<(&Section, &Finding)> = sections
        .iter()
        .flat_map(|s| s.looked.findings.iter().map(move |f| (s, f)))
        .collect();
    // Stable: among equals the order of the sections stays.
    findings.sort_by_key(|(_, f)| f.severity);
    for (section, finding) in &findings {
        let (on, off) = colour(finding.severity, coloured);
        let _ = writeln!(
            text,
            "\n{on}{}{off} {}: {} [{}]\n{}",
            finding.severity,
            title(section.name),
            plain(&finding.what),
            finding.key,
            reasons(finding),
        );
    }
    let _ = writeln!(text, "\n{}", summary(&findings));
    text
}

/// Why it matters, and what mends it, below what was seen.
#[must_use]
pub fn reasons(finding: &Finding) -> String {
    let (why, mend) = (plain(&finding.why), plain(&finding.mend));
    say!(
        "    why:  {why}\n    mend: {mend}",
        "    理由: {why}\n    対処: {mend}"
    )
}

/// How long each look took.
#[must_use]
pub fn times(sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections {
        let took = section.took.map_or_else(
            || say!("given up", "打ち切り"),
            |took| format!("{:.1} ms", took.as_secs_f64() * 1000.0),
        );
        let _ = writeln!(text, "{:<24} {took}", section.name);
    }
    text
}

fn summary(findings: &[(&Section, &Finding)]) -> String {
    let count = |s| findings.iter().filter(|(_, f)| f.severity == s).count();
    let (problems, warnings, notes) = (
        count(Severity::Problem),
        count(Severity::Warning),
        count(Severity::Note),
    );
    if problems + warnings == 0 {
        return say!(
            "nothing is wrong ({notes} notes)",
            "問題は見つかりませんでした（情報 {notes} 件）"
        );
    }
    say!(
        "{problems} problems, {warnings} warnings, {notes} notes; docs/doctor.md explains the words in brackets",
        "問題 {problems} 件、警告 {warnings} 件、情報 {notes} 件（角括弧内の語は docs/doctor.md 参照）"
    )
}

/// Without what a terminal would obey, and in one line: log lines and names of devices come from elsewhere.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => ' ',
            c if is_obeyed(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding;
    use crate::tools::doctor::probe::Looked;
    use std::time::Duration;

    fn section(name: &'static str, findings: Vec<Finding>) -> Section {
        Section {
            name,
            took: findings.is_empty().then_some(Duration::from_millis(7)),
            looked: Looked {
                facts: String::new(),
                findings,
            },
        }
    }

    fn sections() -> Vec<Section> {
        let text = |t: &str| t.to_owned();
        vec![
            section(
                "disk",
                vec![finding!(
                    Problem, "disk-full",
                    what: text("full\x1b[2J"),
                    why: text("bad"),
                    mend: text("rm"),
                )],
            ),
            section("memory", vec![]),
            section(
                "clock",
                vec![finding!(
                    Note, "n",
                    what: text("a\nb"),
                    why: text("c"),
                    mend: text("d"),
                )],
            ),
        ]
    }

    #[test]
    fn the_worst_comes_last_with_its_three_parts_and_nothing_is_obeyed() {
        let text = table(&sections(), false, false);
        assert_eq!(
            text,
            "ok: memory\n\nnote clock: a b [n]\n    why:  c\n    mend: d\n\nPROBLEM disk: full\u{fffd}[2J \
             [disk-full]\n    why:  bad\n    mend: rm\n\n1 problems, 0 warnings, 1 notes; docs/doctor.md explains \
             the words in brackets\n"
        );
        assert!(table(&sections(), true, false).contains("\x1b[1;31mPROBLEM\x1b[0m disk"));
        let well = table(&sections()[1..2], false, false);
        assert!(well.contains("nothing is wrong"), "{well}");
    }

    #[test]
    fn times_are_told_on_demand() {
        let text = table(&sections(), false, true);
        assert!(text.contains("memory                   7.0 ms\n"), "{text}");
        assert!(
            text.contains("disk                     given up\n"),
            "{text}"
        );
    }
}
