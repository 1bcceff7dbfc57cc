//! After a crash: its functions get their names, the log tells of it, and the commands can show it.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use log::error;
use serde::Serialize;

use super::file;
use super::key::Run;
use super::parse::{self, END, Frame, NAMES, Record};
use super::state::STATE;
use crate::base::files;
use crate::base::stop::lock;
use crate::watch::symbols::{self, Place, Symbol};
use crate::{say, say_warn};

/// Reading the symbols of a crash may take so long; nobody waits for it.
const LIMIT: Duration = Duration::from_secs(240);
/// With somebody waiting for it at a terminal.
const LIMIT_FOR_PEOPLE: Duration = Duration::from_secs(120);
/// Of a crash file the end is enough, whatever somebody has put into it.
const LARGEST: u64 = 4 * 1024 * 1024;
/// Of a row of crashes that were never looked at, the newest.
const AT_ONCE: usize = 5;
/// Lines of the trace in the log.
const LINES_IN_LOG: usize = 40;
/// Frames that are named: the whole of the crashed thread, and the innermost of the others.
const FRAMES_OF_OTHERS: usize = 24;

/// A crash, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastCrash {
    /// Local time with its distance from UTC.
    pub at: String,
    /// The signal, its cause and its address, or where and why a panic was.
    pub what: String,
    /// Its name, and its number in brackets.
    pub thread: String,
    /// The function of this program where it happened, if its name is known.
    pub place: Option<String>,
    /// The trace, the innermost first: with names once they were found, else addresses.
    pub frames: Vec<String>,
    /// The run of the system in which it was.
    pub boot_id: String,
}

impl LastCrash {
    /// The innermost frames, a line each, as many as a log line can take.
    pub(super) fn trace(&self) -> String {
        let lines = self.frames.iter().take(LINES_IN_LOG);
        lines.map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

impl std::fmt::Display for LastCrash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}, thread {}", self.at, self.what, self.thread)?;
        match &self.place {
            Some(place) => write!(f, ", in {place}"),
            None => Ok(()),
        }
    }
}

/// Looks for crashes that nobody has looked at yet: finds the names of their functions (in a child process, four
/// minutes at most for each), appends these to the crash file, logs `[CRASH]`, and gives the newest one. To be called
/// once the service is ready, from a thread of its own.
#[must_use]
pub fn review(crash_file: &Path) -> Option<LastCrash> {
    // A panic of this very run has been told of when it happened.
    let own = STATE.get().map(Run::of);
    let of_others = |key: &str| own.as_ref().is_none_or(|own| !own.owns(key));
    // A file that was too large has just been put aside, with the newest report in it.
    let mut new = name_all(&file::before(crash_file), of_others);
    new.extend(name_all(crash_file, of_others));
    for crash in &new {
        let trace = crash.trace();
        error!(
            "[CRASH] {}",
            say!(
                "the program crashed at {crash}\n{trace}",
                "プログラムが異常終了しました: {crash}\n{trace}"
            )
        );
    }
    new.into_iter().next_back()
}

/// The newest crash that the crash file (or the one put aside before) tells of.
#[must_use]
pub fn last(crash_file: &Path) -> Option<LastCrash> {
    file::files(crash_file)
        .iter()
        .find_map(|f| parse::parse(&text_of(f)?).pop())
        .map(|record| told(&record, record.names.clone()))
}

/// The reports of a crash file with the names of their functions, for people. `debug` is a file with the symbols of the
/// program that crashed, where that is not this machine's own.
///
/// # Errors
/// The names cannot be looked up.
pub fn explain(crash_file: &Path, debug: Option<&Path>) -> anyhow::Result<String> {
    let mut out = String::new();
    for record in parse::parse(&text_of(crash_file).unwrap_or_default()) {
        let crash = told(&record, Some(named(&record, debug, LIMIT_FOR_PEOPLE)?));
        writeln!(out, "{crash}")?;
        for line in &crash.frames {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(out)
}

/// Names the functions of every report that has none yet and whose key is `wanted`; gives these crashes, the oldest first.
pub(super) fn name_all(crash_file: &Path, mut wanted: impl FnMut(&str) -> bool) -> Vec<LastCrash> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = lock(&ONE_AT_A_TIME);
    let Some(text) = text_of(crash_file) else {
        return Vec::new();
    };
    let mut new: Vec<Record> = parse::parse(&text)
        .into_iter()
        .filter(|r| r.names.is_none() && wanted(&r.key))
        .collect();
    new.drain(..new.len().saturating_sub(AT_ONCE));
    new.iter()
        .map(|record| {
            let names = named(record, None, LIMIT).unwrap_or_else(|e| {
                let why = format!("{e:#}");
                say_warn!(
                    "the functions of the crash cannot be named: {why}",
                    "クラッシュ箇所の関数名を取得できません: {why}"
                );
                lines(record, &[])
            });
            append(crash_file, record, &names);
            told(record, Some(names))
        })
        .collect()
}

fn text_of(file: &Path) -> Option<String> {
    files::tail(file, LARGEST).ok()
}

/// The frames that are to be named: those of the crashed thread, then those of the others.
fn frames(record: &Record) -> impl Iterator<Item = &Frame> {
    let others = record
        .others
        .iter()
        .flat_map(|(_, frames)| frames.iter().take(FRAMES_OF_OTHERS));
    record.frames.iter().chain(others)
}

fn named(record: &Record, debug: Option<&Path>, limit: Duration) -> anyhow::Result<Vec<String>> {
    let places: Vec<Option<Place>> = frames(record).map(|f| record.place(f)).collect();
    let mut known: Vec<Place> = places.iter().flatten().cloned().collect();
    if let Some(debug) = debug {
        let id = symbols::build_id(debug);
        for place in known.iter_mut().filter(|p| p.build_id == id) {
            debug.clone_into(&mut place.file);
        }
    }
    let mut found = symbols::resolve_places(&known, limit)?.into_iter();
    let found: Vec<Vec<Symbol>> = places
        .iter()
        .map(|p| p.as_ref().and_then(|_| found.next()).unwrap_or_default())
        .collect();
    Ok(lines(record, &found))
}

/// The trace in lines, with what was found of each frame.
fn lines(record: &Record, found: &[Vec<Symbol>]) -> Vec<String> {
    let mut found = found.iter();
    let mut out = Vec::new();
    of_thread(&record.frames, &mut found, &mut out);
    for (name, frames) in &record.others {
        out.push(format!("thread {name}:"));
        of_thread(
            &frames[..frames.len().min(FRAMES_OF_OTHERS)],
            &mut found,
            &mut out,
        );
    }
    out
}

fn of_thread<'a>(
    frames: &[Frame],
    found: &mut impl Iterator<Item = &'a Vec<Symbol>>,
    out: &mut Vec<String>,
) {
    for frame in frames {
        match found.next() {
            Some(symbols) if !symbols.is_empty() => {
                out.extend(symbols.iter().map(|s| format!("#{} {s}", frame.number)));
            }
            _ => out.push(format!("#{} {}", frame.number, frame.text)),
        }
    }
}

fn append(crash_file: &Path, record: &Record, names: &[String]) {
    let mut text = format!("{NAMES}{}\n", record.key);
    for name in names {
        // Names of functions have no line ends; whoever writes such a file by hand may.
        text.push_str("  ");
        text.push_str(&name.replace(char::is_control, " "));
        text.push('\n');
    }
    text.push_str(END);
    text.push_str(&record.key);
    text.push('\n');
    let written = OpenOptions::new()
        .append(true)
        .open(crash_file)
        .and_then(|mut f| f.write_all(text.as_bytes()));
    if let Err(e) = written {
        let file = crash_file.display();
        say_warn!(
            "cannot write the names of the functions to {file}: {e}",
            "関数名を{file}に書き込めません: {e}"
        );
    }
}

fn told(record: &Record, names: Option<Vec<String>>) -> LastCrash {
    let mut frames = names.unwrap_or_else(|| lines(record, &[]));
    if record.what.starts_with("[UNCAUGHT_EXCEPTION]") {
        frames.drain(..machinery(&frames));
    }
    LastCrash {
        at: record.local_time.clone(),
        what: record.what.clone(),
        thread: record.thread.clone(),
        place: place(&frames),
        frames,
        boot_id: record.boot_id.clone(),
    }
}

/// What the standard library does between a panic and its hook.
const PANICKING: [&str; 4] = [
    "core::panicking::",
    "std::panicking::panic_with_hook",
    "std::panicking::rust_panic",
    "rust_begin_unwind",
];

/// Lines at the beginning of a panic's trace that are about panicking itself.
fn machinery(frames: &[String]) -> usize {
    frames
        .iter()
        .take(40)
        .take_while(|l| l.starts_with('#'))
        .enumerate()
        .filter(|(_, line)| PANICKING.iter().any(|p| line.contains(p)))
        .last()
        .map_or(0, |(n, _)| n + 1)
}

/// The innermost function of this program, since what lies above it is the libraries' way of doing what it asked for;
/// in a thread of a library its innermost function.
fn place(frames: &[String]) -> Option<String> {
    let mut names = frames
        .iter()
        .take_while(|l| l.starts_with('#'))
        .filter_map(|l| Some(l.split_once(' ')?.1));
    let innermost = names.clone().next();
    names
        .find(|name| {
            // Inlined functions of a release have short names, but their files have full ones.
            let own = name.trim_start_matches('<').starts_with("facetap::")
                || name.contains("(facetap/src/");
            // Every thread begins there.
            own && !name.contains("src/watch/crash/stacks.rs")
                && !name.contains("crash::stacks::begin")
        })
        .or(innermost)
        .map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests;
