//! The shape of a log line: `2026-11-21 09:00:00 - servo - INFO - text`.

use std::fmt::Write as _;

use jiff::Zoned;
use log::{Level, Record};

use super::line::{Line, Severity};
use crate::base::clock::Monotime;
use crate::base::outside::is_obeyed;

/// Lines are cut at this many bytes, so that a file's limit can be kept to the byte.
pub(super) const LONGEST_LINE: usize = 8192;

/// The modules that speak once for each tap: such lines are counted by people, however alike they are.
const OF_TAPS: [&str; 3] = [
    "facetap::attend::keeper",
    "facetap::attend::ledger",
    "facetap::attend::uplink",
];

/// The line of a record that was logged at `now`.
pub(super) fn line(now: &Zoned, at: Monotime, record: &Record) -> Line {
    let target = record.target();
    let critical = target == super::CRITICAL;
    let severity = match record.level() {
        _ if critical => Severity::Critical,
        Level::Error => Severity::Error,
        Level::Warn => Severity::Warning,
        Level::Info => Severity::Info,
        Level::Debug | Level::Trace => Severity::Debug,
    };
    let module = if critical {
        record.module_path().unwrap_or("facetap")
    } else {
        target
    };
    let mut line = begin(now, at, short(module), severity);
    line.counted = OF_TAPS.iter().any(|m| target.starts_with(m));
    append_clean(&mut line.text, &record.args().to_string());
    cut(&mut line.text);
    line
}

/// A line of the log about itself.
pub(super) fn own(now: &Zoned, at: Monotime, severity: Severity, message: &str) -> Line {
    let mut line = begin(now, at, "logging", severity);
    line.text.push_str(message);
    line
}

/// A line in the name of others, whose ` - module - LEVEL - ` is `head`.
pub(super) fn in_the_name_of(now: &Zoned, head: &str, message: &str) -> String {
    let mut text = time(now);
    text.push_str(head);
    text.push_str(message);
    cut(&mut text);
    text
}

fn time(now: &Zoned) -> String {
    let mut text = String::with_capacity(160);
    // Writing into a String does not fail.
    let _ = write!(text, "{}", now.strftime("%Y-%m-%d %H:%M:%S"));
    text
}

fn begin(now: &Zoned, at: Monotime, module: &str, severity: Severity) -> Line {
    let mut text = time(now);
    let head = text.len();
    let _ = write!(text, " - {module} - {} - ", severity.name());
    Line {
        head,
        message: text.len(),
        text,
        severity,
        counted: false,
        at,
        lost_before: 0,
    }
}

fn cut(text: &mut String) {
    if text.len() > LONGEST_LINE {
        let end = text.floor_char_boundary(LONGEST_LINE - 3);
        text.truncate(end);
        text.push_str("...");
    }
}

/// Rooms of several modules, each of which has its own name in the log.
const ROOMS: [&str; 4] = ["attend", "follow", "tools", "watch"];

/// The name in the log, which people grep for: it has outlived two layouts of the sources. `facetap::follow::servo::bus`
/// is `servo`.
fn short(target: &str) -> &str {
    let mut parts = target.split("::");
    match (parts.next(), parts.next(), parts.next()) {
        (Some("facetap"), Some("attend"), Some("keeper")) => "ledger",
        (Some("facetap"), Some("base"), Some(module @ ("signals" | "trace"))) => module,
        (Some("facetap"), Some(room), Some(module)) if ROOMS.contains(&room) => module,
        (Some("facetap"), Some(module), _) => module,
        (Some(first), ..) => first,
        (None, ..) => target,
    }
}

/// What comes from outside (names of readers, answers of servers) cannot forge a line of its own.
fn append_clean(out: &mut String, text: &str) {
    let text = text.trim_end();
    if !text.contains(is_obeyed) {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\n    "),
            c if c.is_control() => out.push(' '),
            c if is_obeyed(c) => {}
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(target: &str, level: Level, message: &str) -> Line {
        let now: Zoned = "2026-11-21T09:08:07+09:00[Asia/Tokyo]".parse().unwrap();
        line(
            &now,
            Monotime::default(),
            &Record::builder()
                .target(target)
                .module_path(Some("facetap::watch::crash"))
                .level(level)
                .args(format_args!("{message}"))
                .build(),
        )
    }

    #[test]
    fn the_names_that_people_grep_for_are_frozen() {
        for (target, name) in [
            ("facetap::follow::camera::capture", "camera"),
            ("facetap::follow::servo::drive", "servo"),
            ("facetap::follow::vision", "vision"),
            ("facetap::attend::reader::watch", "reader"),
            ("facetap::attend::ledger::store", "ledger"),
            ("facetap::attend::keeper", "ledger"),
            ("facetap::attend::uplink::courier", "uplink"),
            ("facetap::attend::indicator::lcd", "indicator"),
            ("facetap::watch::monitor", "monitor"),
            ("facetap::watch::health::exit", "health"),
            ("facetap::watch::logging", "logging"),
            ("facetap::watch::crash::review", "crash"),
            ("facetap::watch::fault", "fault"),
            ("facetap::tools::soak::run", "soak"),
            ("facetap::service", "service"),
            ("facetap::base::signals", "signals"),
            ("facetap::base::trace", "trace"),
            ("facetap::base::threads", "base"),
            ("facetap::cli::run", "cli"),
            ("facetap", "facetap"),
            ("rustls::client", "rustls"),
        ] {
            assert_eq!(short(target), name, "{target}");
        }
    }

    #[test]
    fn lines_have_the_old_format() {
        assert_eq!(
            of("facetap::follow::servo::bus", Level::Warn, "x").text,
            "2026-11-21 09:08:07 - servo - WARNING - x"
        );
        assert_eq!(
            of("critical", Level::Error, "x").text,
            "2026-11-21 09:08:07 - crash - CRITICAL - x"
        );
        assert_eq!(
            of("facetap", Level::Info, "x").text,
            "2026-11-21 09:08:07 - facetap - INFO - x"
        );
    }

    #[test]
    fn a_line_knows_its_parts() {
        let line = of("facetap::follow::servo::bus", Level::Warn, "x y");
        assert_eq!(
            (line.head(), line.message()),
            (" - servo - WARNING - ", "x y")
        );
        assert!(!line.counted && !line.marked());
        assert!(of("facetap::attend::keeper", Level::Warn, "x").counted);
        assert!(of("facetap", Level::Info, "[STATISTICS] 1").marked());
    }

    #[test]
    fn a_line_in_the_name_of_others_has_the_same_format() {
        let now: Zoned = "2026-11-21T09:08:07+09:00[Asia/Tokyo]".parse().unwrap();
        let text = in_the_name_of(&now, " - servo - ERROR - ", "x");
        assert_eq!(text, "2026-11-21 09:08:07 - servo - ERROR - x");
    }

    #[test]
    fn nobody_outside_can_forge_a_line() {
        let forged = of(
            "facetap",
            Level::Info,
            "a\n2026-11-21 09:08:07 - x - ERROR - b\r\u{7}",
        );
        let lines = forged.text.lines();
        assert_eq!(lines.filter(|l| l.starts_with("2026")).count(), 1);
        assert!(!forged.text.contains('\r') && !forged.text.contains('\u{7}'));
    }

    #[test]
    fn a_line_is_cut_between_characters() {
        let line = of("facetap", Level::Info, &"顔".repeat(9000));
        assert!(line.text.len() <= LONGEST_LINE && line.text.ends_with("..."));
    }
}
