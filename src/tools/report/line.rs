//! What one line of a log says.

use super::event::EventKind;
use super::stamp::{self, Time};
use super::value::{self, Value};

/// Which program's figures a line holds. Those of one family follow each other in one series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `[RESOURCE_MONITOR]`: our log in English, and the translation server's.
    Server,
    /// `[リソース監視]`: our log in Japanese, and the face tracker's.
    Tracker,
    /// The card client's `memory_usage.log`.
    MemoryUsage,
}

/// A line that was understood.
#[derive(Debug, PartialEq)]
pub struct Line<'a> {
    /// When, if the line tells.
    pub time: Option<Time>,
    /// Figures, at least one.
    pub sample: Option<(Family, Vec<Value<'a>>)>,
    /// Its mark.
    pub event: Option<EventKind>,
    /// That it is of level WARNING, ERROR or CRITICAL.
    pub level: Option<EventKind>,
    /// Whether it has the shape of a log's line, with a level.
    pub levelled: bool,
}

/// Reads a line; none if it tells neither a time nor anything else.
pub fn read(line: &str) -> Option<Line<'_>> {
    let (time, text) = match stamp::split(line) {
        Some((time, text)) => (Some(time), text),
        None => (None, line),
    };
    let (level, message) = head(text);
    let sample = sample(time, message);
    let event = match &sample {
        None => EventKind::of(message),
        Some(_) => None,
    };
    if time.is_none() && sample.is_none() && event.is_none() {
        return None;
    }
    Some(Line {
        time,
        sample,
        event,
        levelled: level.is_some(),
        level: level.flatten(),
    })
}

/// ` - name - LEVEL - text`, or ` - text`: the level and the text.
fn head(text: &str) -> (Option<Option<EventKind>>, &str) {
    let Some(rest) = text.strip_prefix(" - ") else {
        return decorated(text).unwrap_or((None, text.trim_start()));
    };
    let mut parts = rest.splitn(3, " - ");
    if let (Some(_), Some(level), Some(message)) = (parts.next(), parts.next(), parts.next())
        && let Some(kind) = level_of(level.trim())
    {
        return (Some(kind), message);
    }
    decorated(rest).unwrap_or((None, rest))
}

/// What a level's name counts as; none if it is no level.
fn level_of(word: &str) -> Option<Option<EventKind>> {
    Some(match word {
        "CRITICAL" => Some(EventKind::CriticalLine),
        "ERROR" => Some(EventKind::ErrorLine),
        "WARNING" => Some(EventKind::WarningLine),
        "INFO" | "DEBUG" => None,
        _ => return None,
    })
}

/// What other settings of Python's logger put in front of a mark: a level, and a name or two, in any order and with any
/// signs between them (`[INFO] [RESOURCE_MONITOR]`, `INFO:server:[RESOURCE_MONITOR]`).
fn decorated(text: &str) -> Option<(Option<Option<EventKind>>, &str)> {
    const LONGEST_HEAD: usize = 80;
    let at = text.match_indices('[').map(|(at, _)| at).find(|at| {
        let message = &text[*at..];
        MONITOR_MARKS
            .iter()
            .any(|(mark, _)| message.starts_with(mark))
            || EventKind::of(message).is_some()
    })?;
    let before = text
        .get(..at)
        .filter(|before| before.len() <= LONGEST_HEAD)?;
    let is_sign = |c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.');
    let words: Vec<&str> = before.split(is_sign).filter(|w| !w.is_empty()).collect();
    let mut levels = words.iter().filter_map(|word| level_of(word));
    let level = levels.next()?;
    (levels.next().is_none() && words.len() <= 3).then_some((Some(level), &text[at..]))
}

const MONITOR_MARKS: [(&str, Family); 2] = [
    ("[RESOURCE_MONITOR]", Family::Server),
    ("[リソース監視]", Family::Tracker),
];

fn sample(time: Option<Time>, message: &str) -> Option<(Family, Vec<Value<'_>>)> {
    let monitor = MONITOR_MARKS
        .iter()
        .find_map(|(mark, family)| Some((*family, message.strip_prefix(mark)?)));
    let (family, values) = if let Some((family, figures)) = monitor {
        (family, value::values(figures))
    } else if message.starts_with("経過") && message.contains('|') {
        (Family::MemoryUsage, memory_usage(message))
    } else if matches!(time, Some(Time::OfDay(_))) {
        (Family::Server, value::values(message))
    } else {
        return None;
    };
    (!values.is_empty()).then_some((family, values))
}

/// `... | システム: 35.2% (512MB空き)`: the free memory has no name in front.
fn memory_usage(message: &str) -> Vec<Value<'_>> {
    let mut values = value::values(message);
    let free = message
        .rsplit_once("MB空き")
        .and_then(|(before, _)| before.rsplit_once('(')?.1.trim().parse::<f64>().ok())
        .filter(|free| free.is_finite());
    values.extend(free.map(|number| Value {
        name: "空き",
        number,
        unit: "MB",
    }));
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn figures(line: &str) -> (Family, Vec<(&str, f64)>) {
        let (family, values) = read(line).unwrap().sample.unwrap();
        (family, values.iter().map(|v| (v.name, v.number)).collect())
    }

    #[test]
    fn the_lines_of_all_programs() {
        let (family, values) = figures(
            "2026-11-21 09:00:00 - monitor - INFO - [リソース監視] 稼働時間: 1.2h, メモリ: 150.5MB, FD: 23",
        );
        assert_eq!(family, Family::Tracker);
        assert_eq!(values, [("稼働時間", 1.2), ("メモリ", 150.5), ("FD", 23.0)]);

        let (family, values) = figures(
            "2025-10-10 23:35:00,123 - [RESOURCE_MONITOR] CPU_RAM: 512.34 MB (VMS: 1024.56 MB), Handles: 234",
        );
        assert_eq!(family, Family::Server);
        assert_eq!(
            values,
            [("CPU_RAM", 512.34), ("VMS", 1024.56), ("Handles", 234.0)]
        );

        let (family, values) = figures(
            "[2025-11-21 14:30:00] 経過: 00:05:00 | RSS: 45.23MB (初期比: +2.15MB) | VMS: 123.45MB | \
             ピーク: 47.12MB | システム: 35.2% (512MB空き)",
        );
        assert_eq!(family, Family::MemoryUsage);
        assert_eq!(values.last(), Some(&("空き", 512.0)));
        assert_eq!(values.len(), 7);

        let (_, values) = figures("[06:00] VRAM: 2048.00 MB (25.0%)  # 急激な増加");
        assert_eq!(values, [("VRAM", 2048.0)]);
    }

    #[test]
    fn a_mark_is_found_behind_what_other_loggers_put_in_front() {
        let figures = "[RESOURCE_MONITOR] CPU_RAM: 512.34 MB";
        for front in [
            " - INFO - ",
            " - INFO - server - ",
            " [INFO] ",
            " INFO server: ",
        ] {
            let line = format!("2025-11-20 09:00:00,123{front}{figures}");
            assert!(read(&line).unwrap().sample.is_some(), "{line}");
        }
        assert!(
            read(&format!("INFO:server:{figures}"))
                .unwrap()
                .sample
                .is_some()
        );
        let crash = read("2025-11-20 09:00:00,123 [CRITICAL] [UNCAUGHT_EXCEPTION] x").unwrap();
        assert_eq!(crash.event, Some(EventKind::Uncaught));
        // A sentence about a mark is none.
        let told = read("2025-11-20 09:00:00 - x - INFO - he saw [UNCAUGHT_EXCEPTION] in it");
        assert_eq!(told.unwrap().event, None);
    }

    #[test]
    fn marks_and_levels() {
        let line =
            read("2026-11-21 09:00:00 - monitor - CRITICAL - [VRAM_ALERT] VRAM usage: 7372.80 MB")
                .unwrap();
        assert_eq!(
            (line.event, line.level),
            (Some(EventKind::VramAlert), Some(EventKind::CriticalLine))
        );
        let line = read("⚠️ [警告] メモリが初期値から 52.34MB 増加しています").unwrap();
        assert_eq!((line.time, line.event), (None, Some(EventKind::Warning)));
        let line = read("2026-11-21 09:00:00 [UNCAUGHT_EXCEPTION] type: panic").unwrap();
        assert_eq!(
            (line.event, line.levelled),
            (Some(EventKind::Uncaught), false)
        );
        let line = read("2026-11-21 09:00:00 - a - INFO - the word [CRASH] within").unwrap();
        assert_eq!((line.event, line.level, line.levelled), (None, None, true));
        let stopped = read("[RESOURCE_MONITOR] Monitoring task cancelled gracefully");
        assert_eq!(stopped, None);
    }

    #[test]
    fn what_says_nothing_is_nothing() {
        for line in [
            "",
            "    at src/x.rs:12:3",
            "  [Top 10 メモリ消費箇所]",
            "====",
            "[PHASE1.1] x",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "(\\[?2026-11-21 09:0[0-9]:00\\]?)?( - |経過: |\\[RESOURCE_MONITOR\\]|RSS: |\\||.){0,30}") {
            let _ = read(&line);
        }
    }
}
