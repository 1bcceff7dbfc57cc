//! One run of a program: from its start to its end, as far as the log tells.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::EventKind;
use super::figures::{Figures, Series};
use super::resource::{self, Resources};
use crate::watch::trend::{Watch, median};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was told to.
    Clean,
    /// It broke, and a trace says so.
    Crash,
    /// Another run began, and nothing says why.
    Silent,
    /// The log ends with it.
    Open,
}

/// A run that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// From 1.
    pub number: u64,
    /// Wall clock of its first line.
    pub begin: f64,
    /// Wall clock of its last line.
    pub finish: f64,
    /// Its first line on the time axis (seconds).
    pub place: f64,
    /// How long it was.
    pub hours: f64,
    /// Readings.
    pub samples: u64,
    /// How it ended.
    pub end: End,
    /// By column.
    pub figures: Vec<Option<Figures>>,
}

/// What a run that wrote its last word this long ago ended for (seconds).
const LAST_WORD: f64 = 60.0;

/// Most intervals that are kept to tell the usual one.
const MOST_INTERVALS: usize = 512;

/// The run that is being read.
#[derive(Debug)]
pub(super) struct Running {
    pub number: u64,
    begin: f64,
    begin_place: f64,
    finish: f64,
    place: f64,
    pub samples: u64,
    /// Whether its `[SERVER_START]` was met.
    pub marked: bool,
    last_word: Option<(EventKind, f64)>,
    series: Vec<Series>,
    /// What has to be given back, by column.
    watches: BTreeMap<usize, Watch>,
    intervals: Vec<f64>,
    every: u64,
    last_sample: Option<f64>,
}

impl Running {
    pub fn new(number: u64, wall: f64, place: f64) -> Self {
        Self {
            number,
            begin: wall,
            begin_place: place,
            finish: wall,
            place,
            samples: 0,
            marked: false,
            last_word: None,
            series: Vec::new(),
            watches: BTreeMap::new(),
            intervals: Vec::new(),
            every: 1,
            last_sample: None,
        }
    }

    /// A line of this run.
    pub fn line(&mut self, wall: f64, place: f64) {
        (self.finish, self.place) = (wall, place);
    }

    /// What may turn out to have been its last word.
    pub fn word(&mut self, kind: EventKind) {
        // What a fault has brought to its end may still say farewell.
        let broke = self
            .last_word
            .is_some_and(|(k, place)| k.breaks() && self.place - place <= LAST_WORD);
        if kind.breaks() || (kind.ends_cleanly() && !broke) {
            self.last_word = Some((kind, self.place));
        }
    }

    /// How long it has been running, on the axis (seconds).
    pub fn age(&self) -> f64 {
        self.place - self.begin_place
    }

    /// The last value of a column.
    pub fn last(&self, column: usize) -> Option<f64> {
        self.series.get(column)?.last()
    }

    /// A reading at the present place.
    pub fn sample(&mut self, values: &[(usize, f64)], resources: &Resources) {
        if let Some(last) = self.last_sample.replace(self.place)
            && self.samples.is_multiple_of(self.every)
        {
            self.intervals.push(self.place - last);
        }
        if self.intervals.len() >= MOST_INTERVALS {
            let mut keep = false;
            self.intervals.retain(|_| {
                keep = !keep;
                keep
            });
            self.every *= 2;
        }
        self.samples += 1;
        let age = Duration::try_from_secs_f64(self.age()).unwrap_or_default();
        for (column, value) in values {
            if self.series.len() <= *column {
                self.series.resize_with(column + 1, Series::default);
            }
            self.series[*column].add(self.place, *value, self.number);
            if resources.list()[*column].kind == resource::ResourceKind::Held {
                self.watches
                    .entry(*column)
                    .or_default()
                    .add(age, Some(*value));
            }
        }
    }

    /// The usual time between two readings (seconds); none before the third one.
    pub fn interval(&self) -> Option<f64> {
        if self.intervals.len() < 2 {
            return None;
        }
        let median = median(&mut self.intervals.clone())?;
        if median > 0.0 {
            return Some(median);
        }
        // Several readings a second, by stamps to the second.
        Some(self.intervals.iter().sum::<f64>() / self.intervals.len() as f64)
    }

    /// Whether these readings can only be those of a program that was started again.
    pub fn restarted(&self, values: &[(usize, f64)], resources: &Resources) -> bool {
        let fell = |column: usize, now: f64, share: f64| {
            self.last(column).is_some_and(|before| now < before * share)
        };
        let kind = |column: usize| resources.list()[column].kind;
        let counts = values.iter().filter(|(c, _)| {
            matches!(
                kind(*c),
                resource::ResourceKind::Uptime | resource::ResourceKind::Counter
            )
        });
        let mut counted = false;
        for (column, now) in counts {
            if fell(*column, *now, 1.0) {
                return true;
            }
            counted |= kind(*column) == resource::ResourceKind::Uptime;
        }
        if counted {
            return false;
        }
        // Nothing counts the time: much less memory, and nothing else held much more than before.
        let Some(rss) = resources.find("rss_mb") else {
            return false;
        };
        let mut others = values
            .iter()
            .filter(|(c, _)| *c != rss && kind(*c) == resource::ResourceKind::Held)
            .filter(|(c, _)| self.last(*c).is_some())
            .peekable();
        let given_back = others.peek().is_none() || others.any(|(c, now)| fell(*c, *now, 0.95));
        given_back
            && values
                .iter()
                .any(|(c, now)| *c == rss && fell(rss, *now, 0.7))
    }

    /// The run is over.
    pub fn end(self, resources: &Resources, open: bool) -> Run {
        let end = match self.last_word {
            Some((kind, place)) if self.place - place <= LAST_WORD => match kind.breaks() {
                true => End::Crash,
                false => End::Clean,
            },
            _ if open => End::Open,
            _ => End::Silent,
        };
        let figures = self
            .series
            .iter()
            .zip(resources.list())
            .enumerate()
            .map(|(column, (series, resource))| {
                let leak = self.watches.get(&column).and_then(Watch::leak);
                series.of_run(resource, leak)
            })
            .collect();
        Run {
            number: self.number,
            begin: self.begin,
            finish: self.finish,
            place: self.begin_place,
            hours: self.age() / 3600.0,
            samples: self.samples,
            end,
            figures,
        }
    }
}
