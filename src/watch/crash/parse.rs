//! The crash file read back. It may be cut anywhere (the report ended early, the disk was full), and what is no report
//! is passed over.

use std::path::PathBuf;

use crate::watch::symbols::Place;

/// What begins and ends a report, and the names found for it.
pub(super) const CRASH: &str = "==== crash ";
pub(super) const NAMES: &str = "==== names ";
pub(super) const END: &str = "==== end ";

/// A report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub key: String,
    pub what: String,
    pub local_time: String,
    pub boot_id: String,
    pub thread: String,
    /// Of the crashed thread.
    pub frames: Vec<Frame>,
    /// Other threads with theirs.
    pub others: Vec<(String, Vec<Frame>)>,
    /// The lines that were found for it at an earlier look.
    pub names: Option<Vec<String>>,
    modules: Vec<(String, Option<String>)>,
}

/// One function that was active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub number: usize,
    /// As it stands in the report, for when nothing better is known.
    pub text: String,
    at: Option<(u64, String)>,
}

impl Record {
    /// What the symbols of a frame are to be looked up by.
    pub fn place(&self, frame: &Frame) -> Option<Place> {
        let (address, file) = frame.at.as_ref()?;
        let (_, build_id) = self.modules.iter().find(|(f, _)| f == file)?;
        Some(Place {
            file: PathBuf::from(file),
            build_id: build_id.clone(),
            // All but the innermost are return addresses, which may belong to the next line already.
            address: address.saturating_sub(u64::from(frame.number > 0)),
        })
    }
}

/// The reports of a crash file, the oldest first.
pub(super) fn parse(text: &str) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let mut part = Part::Outside;
    for line in text.lines() {
        if let Some(key) = line.strip_prefix(CRASH) {
            records.push(Record {
                key: key.to_owned(),
                ..Record::default()
            });
            part = Part::Of(records.len() - 1, "");
        } else if let Some(key) = line.strip_prefix(NAMES) {
            part = records
                .iter()
                .rposition(|r| r.key == key)
                .map_or(Part::Outside, Part::Names);
            if let Part::Names(n) = part {
                records[n].names = Some(Vec::new());
            }
        } else if line.starts_with(END) {
            part = Part::Outside;
        } else {
            match &mut part {
                Part::Outside => (),
                Part::Names(n) => {
                    if let Some(names) = &mut records[*n].names {
                        names.push(line.trim().to_owned());
                    }
                }
                Part::Of(n, section) => of_report(&mut records[*n], section, line),
            }
        }
    }
    records
}

enum Part<'a> {
    Outside,
    Of(usize, &'a str),
    Names(usize),
}

fn of_report<'a>(record: &mut Record, section: &mut &'a str, line: &'a str) {
    let Some(inner) = line.strip_prefix("  ") else {
        match line.split_once(": ") {
            Some(("what", rest)) => rest.clone_into(&mut record.what),
            Some(("local time", rest)) => rest.clone_into(&mut record.local_time),
            Some(("boot id", rest)) => rest.clone_into(&mut record.boot_id),
            Some(("thread", rest)) => rest.clone_into(&mut record.thread),
            _ => *section = line,
        }
        return;
    };
    match *section {
        "backtrace:" => record.frames.extend(frame(inner)),
        "other threads:" => {
            if let Some(name) = inner.strip_prefix("thread ") {
                let name = name.trim_end_matches(':').to_owned();
                record.others.push((name, Vec::new()));
            } else if let Some((_, frames)) = record.others.last_mut() {
                frames.extend(frame(inner));
            }
        }
        "modules:" => {
            let mut words = inner.splitn(3, ' ').skip(1);
            if let (Some(id), Some(file)) = (words.next(), words.next()) {
                let id = (id != "-").then(|| id.to_owned());
                record.modules.push((file.to_owned(), id));
            }
        }
        _ => (),
    }
}

/// `#1 0x000055d0c0ffee00 +0x1234 /usr/bin/facetap`; the last two may be missing.
fn frame(line: &str) -> Option<Frame> {
    let (number, text) = line.strip_prefix('#')?.split_once(' ')?;
    let mut words = text.splitn(3, ' ').skip(1);
    let at = words
        .next()
        .and_then(|w| u64::from_str_radix(w.strip_prefix("+0x")?, 16).ok())
        .zip(words.next().map(ToOwned::to_owned));
    Some(Frame {
        number: number.parse().ok()?,
        text: text.to_owned(),
        at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REPORT: &str = "\
==== crash 2026-11-21T03:00:00Z 1234.1
what: SIGSEGV (11), nothing is mapped at the address (code 1), address 0x8
local time: 2026-11-21T12:00:00+09:00
program: facetap 0.2.0 x86_64, build id abcd
boot id: 0123
uptime: 1.000 s
thread: vision (1240)
registers:
  r8 0x1
backtrace:
  #0 0x000055d0c0ffee00 +0x1234 /usr/bin/facetap
  #1 0x00007fd0c0ffee01 +0x100 /usr/lib/lib with space.so
  ... 3 more ...
  #5 0x0000000000000000 ?
modules:
  1000-2000 abcd /usr/bin/facetap
  3000-4000 - /usr/lib/lib with space.so
last lines of the log:
  #7 0x1 +0x1 /usr/bin/facetap
other threads:
  thread camera (1239):
  #0 0x000055d0c0ffee10 +0x1244 /usr/bin/facetap
==== end 2026-11-21T03:00:00Z 1234.1
";

    #[test]
    fn a_report_is_read_back() {
        let text = format!(
            "junk\n{REPORT}{NAMES}2026-11-21T03:00:00Z 1234.1\n  #0 facetap::follow::vision::run\n{END}x\n"
        );
        let records = parse(&text);
        let [record] = &records[..] else {
            panic!("one report: {records:?}");
        };
        assert_eq!(record.key, "2026-11-21T03:00:00Z 1234.1");
        assert!(record.what.starts_with("SIGSEGV (11), nothing"));
        assert_eq!(record.local_time, "2026-11-21T12:00:00+09:00");
        assert_eq!(
            (record.thread.as_str(), record.boot_id.as_str()),
            ("vision (1240)", "0123")
        );
        assert_eq!(record.frames.len(), 3);
        assert_eq!(
            record.place(&record.frames[0]),
            Some(Place {
                file: "/usr/bin/facetap".into(),
                build_id: Some("abcd".to_owned()),
                address: 0x1234
            })
        );
        let second = record.place(&record.frames[1]).unwrap();
        assert_eq!((second.address, second.build_id), (0xff, None));
        assert_eq!(record.place(&record.frames[2]), None);
        assert_eq!(record.others.len(), 1);
        assert_eq!(record.others[0].0, "camera (1239)");
        assert_eq!(record.others[0].1.len(), 1);
        assert_eq!(
            record.names,
            Some(vec!["#0 facetap::follow::vision::run".to_owned()])
        );
    }

    #[test]
    fn a_report_may_end_anywhere() {
        for cut in 0..REPORT.len() {
            let records = parse(&REPORT[..cut]);
            assert!(records.len() <= 1);
            for r in &records {
                r.frames.iter().for_each(|f| drop(r.place(f)));
            }
        }
    }

    proptest! {
        #[test]
        fn garbage_is_passed_over(lines in proptest::collection::vec(
            "(==== (crash|names|end) [a-c]|  #[0-9 ]{0,20}[0x+]{0,4}.{0,9}|  thread .{0,5}|(backtrace|modules|other threads):|.{0,30})", 0..30
        )) {
            for record in parse(&lines.join("\n")) {
                let frames = record.others.iter().flat_map(|o| &o.1).chain(&record.frames);
                frames.for_each(|f| drop(record.place(f)));
            }
        }
    }
}
