//! Which files belong together, and in which order.
//!
//! Rotated files of one log are one series, in the order of their times. So are files with other names
//! that follow each other. Logs that were written at the same time are told apart.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::clock::SET;
use super::line::{self, Family};
use super::lines::Lines;
use super::stamp::Time;
use crate::say;

/// So much of a file's beginning and end is looked at to put it in order.
const LOOK: u64 = 256 * 1024;

/// A file, or the standard input.
pub(super) struct Part {
    /// For people.
    pub name: String,
    /// None for what can be read only once.
    path: Option<PathBuf>,
    once: Option<Box<dyn Read>>,
    /// Folder and name without what a rotation adds.
    stem: PathBuf,
    /// The number that a rotation has given; the current file has none.
    number: Option<u32>,
    first: Option<f64>,
    last: Option<f64>,
    family: Option<Family>,
}

impl Part {
    /// Looks at a file; `-` is the standard input.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            let name = say!("standard input", "標準入力");
            return Self::look(name, path, Box::new(io::stdin()), None);
        }
        let name = path.display().to_string();
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() {
            // A pipe of the shell (`<(zcat ...)`); a folder fails at its first byte.
            return Self::look(name, path, Box::new(file), None);
        }
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOOK)))?;
        let last = times(&mut Lines::new(&mut file))?.last;
        file.rewind()?;
        let mut part = Self::look(name, path, Box::new(file), last)?;
        part.path = Some(path.to_owned());
        part.once = None;
        Ok(part)
    }

    fn look(
        name: String,
        path: &Path,
        mut from: Box<dyn Read>,
        last: Option<f64>,
    ) -> io::Result<Self> {
        let mut head = Vec::new();
        from.by_ref().take(LOOK).read_to_end(&mut head)?;
        if head.starts_with(&[0x1f, 0x8b]) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                say!(
                    "it is compressed; try: zcat {name} | facetap report -",
                    "圧縮されています。zcat {name} | facetap report - を試してください"
                ),
            ));
        }
        let times = times(&mut Lines::new(head.as_slice()))?;
        let (stem, number) = stem(path);
        Ok(Self {
            name,
            path: None,
            stem,
            number,
            first: times.set.or(times.first),
            last,
            family: times.family,
            once: Some(Box::new(Cursor::new(head).chain(from))),
        })
    }

    /// Everything in it.
    pub fn read(&mut self) -> io::Result<Box<dyn Read>> {
        match (&self.path, self.once.take()) {
            (Some(path), _) => Ok(Box::new(File::open(path)?)),
            (None, Some(once)) => Ok(once),
            (None, None) => Ok(Box::new(io::empty())),
        }
    }
}

/// What a stretch of a log tells about its place among others.
#[derive(Default)]
struct Times {
    first: Option<f64>,
    /// The first that a board whose clock was set can have written.
    set: Option<f64>,
    last: Option<f64>,
    family: Option<Family>,
}

fn times(lines: &mut Lines<impl Read>) -> io::Result<Times> {
    let mut times = Times::default();
    while let Some(text) = lines.next()? {
        let Some(line) = line::read(&text) else {
            continue;
        };
        times.family = times.family.or(line.sample.map(|s| s.0));
        if let Some(Time::Dated(at)) = line.time {
            times.first = times.first.or(Some(at));
            times.set = times.set.or((at >= SET).then_some(at));
            times.last = Some(at);
        }
    }
    Ok(times)
}

/// `logs/facetap.log.3`, `logs/facetap-2026-11-20.log` and `logs/facetap.log` are one log.
fn stem(path: &Path) -> (PathBuf, Option<u32>) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let rotated = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    let number = name.rsplit('.').next().and_then(|n| n.parse().ok());
    let base = name.trim_end_matches(rotated);
    let base = base.strip_suffix(".log").unwrap_or(base);
    let base = base.trim_end_matches(rotated);
    // A pipe of the shell is named by a number alone and belongs to nothing.
    let base = if base.is_empty() { &name } else { base };
    (path.with_file_name(base), number)
}

/// The parts of each log, the logs and their parts in order of time.
pub(super) fn group(mut parts: Vec<Part>) -> Vec<Vec<Part>> {
    parts.sort_by(|a, b| {
        let first = |p: &Part| p.first.unwrap_or(f64::INFINITY);
        first(a)
            .total_cmp(&first(b))
            .then(b.number.unwrap_or(0).cmp(&a.number.unwrap_or(0)))
    });
    let mut logs: Vec<Vec<Part>> = Vec::new();
    for part in parts {
        match logs.iter_mut().find(|log| belongs(&part, log)) {
            Some(log) => log.push(part),
            None => logs.push(vec![part]),
        }
    }
    for log in &mut logs {
        // Where the clock was never set, the numbers of the rotation are the only order.
        let unset = log.iter().any(|p| p.first.is_none_or(|t| t < SET));
        if unset && log.iter().filter(|p| p.number.is_none()).count() <= 1 {
            log.sort_by_key(|p| std::cmp::Reverse(p.number.unwrap_or(0)));
        }
    }
    logs
}

fn belongs(part: &Part, log: &[Part]) -> bool {
    let same_stem = log.iter().any(|p| p.stem == part.stem && p.path.is_some());
    if same_stem && part.path.is_some() {
        return true;
    }
    let family = log.iter().find_map(|p| p.family);
    let follows = match (log.last().and_then(|p| p.last), part.first) {
        (Some(last), Some(first)) => first >= last,
        _ => false,
    };
    follows && family == part.family
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parts: Vec<Part>) -> Vec<Vec<String>> {
        group(parts)
            .iter()
            .map(|log| log.iter().map(|p| p.name.clone()).collect())
            .collect()
    }

    fn part(path: &str, first: f64, last: f64, family: Family) -> Part {
        let (stem, number) = stem(Path::new(path));
        Part {
            name: path.to_owned(),
            path: Some(path.into()),
            once: None,
            stem,
            number,
            first: Some(SET + first),
            last: Some(SET + last),
            family: Some(family),
        }
    }

    #[test]
    fn rotated_files_in_any_order() {
        use Family::{MemoryUsage, Server as Monitor, Tracker};
        let parts = vec![
            part("a/facetap.log", 200.0, 300.0, Monitor),
            part("a/facetap.log.2", 0.0, 100.0, Monitor),
            part("a/memory_usage.log", 0.0, 300.0, MemoryUsage),
            part("a/facetap.log.1", 100.0, 200.0, Monitor),
            part("b/other.log", 50.0, 250.0, Monitor),
            part("b/later.log", 250.0, 350.0, Monitor),
            part("c/tracker.log", 400.0, 500.0, Tracker),
        ];
        assert_eq!(
            names(parts),
            [
                vec!["a/facetap.log.2", "a/facetap.log.1", "a/facetap.log"],
                vec!["a/memory_usage.log"],
                vec!["b/other.log", "b/later.log"],
                vec!["c/tracker.log"],
            ]
        );
    }

    #[test]
    fn without_a_clock_the_numbers_are_the_order() {
        let parts = vec![
            part("f.log", -SET, 0.0, Family::Server),
            part("f.log.1", -SET, 0.0, Family::Server),
            part("f.log.10", -SET, 0.0, Family::Server),
        ];
        assert_eq!(names(parts), [vec!["f.log.10", "f.log.1", "f.log"]]);
    }

    #[test]
    fn names_of_rotated_files() {
        let of = |name: &str| {
            let (stem, number) = stem(Path::new(name));
            (stem.display().to_string(), number)
        };
        assert_eq!(
            of("/var/log/facetap.log"),
            ("/var/log/facetap".into(), None)
        );
        assert_eq!(of("facetap.log.12"), ("facetap".into(), Some(12)));
        assert_eq!(of("facetap-2026-11-20.log"), ("facetap".into(), None));
        assert_eq!(of("/dev/fd/63").0, "/dev/fd/63");
    }
}
