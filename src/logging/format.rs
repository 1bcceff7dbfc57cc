//! The shape of a log line: `2026-11-21 09:00:00 - servo - INFO - text`.

use std::io::Write;

use flexi_logger::DeferredNow;
use jiff::Zoned;
use log::{Level, Record};

use crate::crash::recent;

/// Lines are cut at this many bytes, so that a file's limit can be kept to the byte.
pub(super) const LONGEST_LINE: usize = 8192;

/// Writes one line, for flexi_logger. It adds the line end itself.
pub(super) fn line(w: &mut dyn Write, _: &mut DeferredNow, record: &Record) -> std::io::Result<()> {
    let line = text(&Zoned::now(), record);
    recent::note(&line);
    w.write_all(line.as_bytes())
}

pub(super) fn text(now: &Zoned, record: &Record) -> String {
    let target = record.target();
    let critical = target == super::CRITICAL;
    let level = match record.level() {
        _ if critical => "CRITICAL",
        Level::Error => "ERROR",
        Level::Warn => "WARNING",
        Level::Info => "INFO",
        Level::Debug | Level::Trace => "DEBUG",
    };
    let module = if critical {
        record.module_path().unwrap_or("facetap")
    } else {
        target
    };
    let mut line = format!(
        "{} - {} - {level} - {}",
        now.strftime("%Y-%m-%d %H:%M:%S"),
        short(module),
        clean(&record.args().to_string())
    );
    if line.len() > LONGEST_LINE {
        let end = line.floor_char_boundary(LONGEST_LINE - 3);
        line.truncate(end);
        line.push_str("...");
    }
    line
}

/// `facetap::servo::bus` is `servo`: the folder that a newcomer looks into.
fn short(target: &str) -> &str {
    let mut parts = target.split("::");
    match (parts.next(), parts.next()) {
        (Some("facetap"), Some(module)) => module,
        (Some(first), _) => first,
        (None, _) => target,
    }
}

/// What comes from outside (names of readers, answers of servers) cannot forge a line of its own.
fn clean(text: &str) -> String {
    let text = text.trim_end();
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\n    "),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(target: &str, level: Level, message: &str) -> String {
        let now: Zoned = "2026-11-21T09:08:07+09:00[Asia/Tokyo]".parse().unwrap();
        text(
            &now,
            &Record::builder()
                .target(target)
                .module_path(Some("facetap::crash"))
                .level(level)
                .args(format_args!("{message}"))
                .build(),
        )
    }

    #[test]
    fn lines_have_the_old_format() {
        assert_eq!(
            of("facetap::servo::bus", Level::Warn, "x"),
            "2026-11-21 09:08:07 - servo - WARNING - x"
        );
        assert_eq!(
            of("critical", Level::Error, "x"),
            "2026-11-21 09:08:07 - crash - CRITICAL - x"
        );
        assert_eq!(
            of("facetap", Level::Info, "x"),
            "2026-11-21 09:08:07 - facetap - INFO - x"
        );
    }

    #[test]
    fn nobody_outside_can_forge_a_line() {
        let forged = of(
            "facetap",
            Level::Info,
            "a\n2026-11-21 09:08:07 - x - ERROR - b\r\u{7}",
        );
        assert_eq!(forged.lines().filter(|l| l.starts_with("2026")).count(), 1);
        assert!(!forged.contains('\r') && !forged.contains('\u{7}'));
    }

    #[test]
    fn a_line_is_cut_between_characters() {
        let line = of("facetap", Level::Info, &"顔".repeat(9000));
        assert!(line.len() <= LONGEST_LINE && line.ends_with("..."));
    }
}
