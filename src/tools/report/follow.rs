//! Follows one log from line to line: its time, its runs, what happened, its figures.

use std::collections::{BTreeMap, VecDeque};

use super::clock::{Axis, Step};
use super::event::{EventKind, Tally};
use super::figures::{Figures, Series};
use super::gap::{Gap, Gaps};
use super::line::{self, Line};
use super::resource::{self, Resources};
use super::run::{End, Run, Running};
use super::stamp::Time;

/// A log and what it told.
#[derive(Debug)]
pub struct Source {
    /// Its files.
    pub name: String,
    /// Wall clock of its first and last line.
    pub first: f64,
    /// The last one.
    pub last: f64,
    /// What a place on the time axis needs to become the wall clock.
    pub origin: f64,
    /// Lines with a time or a mark.
    pub lines: u64,
    /// Those that only this kind of log has: with figures, a mark or a level.
    pub telling: u64,
    /// Readings.
    pub samples: u64,
    /// The usual time between two of them (seconds).
    pub interval: Option<f64>,
    /// The last runs, at most [`MOST_RUNS`].
    pub runs: Vec<Run>,
    /// All runs.
    pub run_count: u64,
    /// By column, over all runs.
    pub figures: Vec<Option<Figures>>,
    /// By column, for the plots.
    pub(super) series: Vec<Series>,
    /// What happened.
    pub events: BTreeMap<EventKind, Tally>,
    /// The longest gaps, in order of time.
    pub gaps: Vec<Gap>,
    /// All gaps.
    pub gap_count: u64,
}

/// So many runs are told one by one.
pub const MOST_RUNS: usize = 200;

/// A start that a mark tells within this time of a start that the figures told is the same (seconds).
const SAME_START: f64 = 120.0;

/// What a program writes before it is ready (`[SERVER_START]`) takes it no longer than this (seconds).
const STARTING: f64 = 60.0;

/// Silences that are looked at for that.
const MOST_PAUSES: usize = 64;

/// Marks that wait for a line that tells the time, at most.
const MOST_EARLY: usize = 100;

/// Gets every reading with the time of its line.
pub(super) type OnSample<'a> = &'a mut dyn FnMut(f64, &[(usize, f64)]) -> anyhow::Result<()>;

/// The log being read.
#[derive(Debug, Default)]
pub(super) struct Follow {
    axis: Axis,
    wall: Option<f64>,
    first: f64,
    lines: u64,
    telling: u64,
    samples: u64,
    interval: Option<f64>,
    run: Option<Running>,
    /// The run before, of which this line was the end.
    over: Option<Running>,
    runs: VecDeque<Run>,
    run_count: u64,
    series: Vec<Series>,
    increases: Vec<f64>,
    events: BTreeMap<EventKind, Tally>,
    /// The re-initialisations of a camera that a counter tells, for logs without marks.
    counted_reinits: Option<Tally>,
    /// Marks that wait for a line that tells the time.
    early: Vec<EventKind>,
    gaps: Gaps,
    /// Silences of the last minute: the program may have been started after one of them.
    pauses: Vec<Gap>,
}

impl Follow {
    /// Takes the next line of the log.
    pub fn line(
        &mut self,
        text: &str,
        resources: &mut Resources,
        on: OnSample,
    ) -> anyhow::Result<()> {
        let Some(line) = line::read(text) else {
            return Ok(());
        };
        self.lines += 1;
        self.telling += u64::from(line.levelled || line.event.is_some() || line.sample.is_some());
        let wall = match (line.time, self.wall) {
            (Some(Time::Dated(wall)), _) => wall,
            (Some(Time::OfDay(seconds)), before) => of_day(before, seconds),
            // A program that starts may say so before it tells the time; everything else belongs to what
            // came before.
            (None, Some(wall)) if line.event != Some(EventKind::Start) => wall,
            (None, _) => {
                self.early.extend(line.event);
                self.early.truncate(MOST_EARLY);
                return Ok(());
            }
        };
        self.place(wall);
        for kind in std::mem::take(&mut self.early) {
            self.event(kind, wall);
        }
        self.tell(&line, wall);
        if let Some((_, values)) = &line.sample {
            let values: Vec<_> = values.iter().filter_map(|v| resources.take(v)).collect();
            self.sample(wall, &values, resources);
            on(wall, &values)?;
        }
        if let Some(over) = self.over.take() {
            self.end(over, resources, false);
        }
        Ok(())
    }

    /// Puts the line on the time axis.
    fn place(&mut self, wall: f64) {
        let before = self.wall.replace(wall);
        let Step {
            place,
            since,
            jumped,
        } = self.axis.at(wall);
        let Some(before) = before else {
            self.first = wall;
            self.run_count = 1;
            self.run = Some(Running::new(1, wall, place));
            return;
        };
        let silence = Gap {
            from: before,
            to: wall,
            place,
            seconds: since,
            restart: false,
        };
        self.gaps.silence(silence);
        self.pauses.retain(|p| place - p.place <= STARTING);
        if since >= 1.0 && self.pauses.len() < MOST_PAUSES {
            self.pauses.push(silence);
        }
        if jumped.is_some() {
            self.tally(EventKind::ClockJump, wall, 1);
        }
        if let Some(run) = &mut self.run {
            run.line(wall, place);
        }
    }

    /// What the line says beside figures.
    fn tell(&mut self, line: &Line, wall: f64) {
        for kind in [line.event, line.level].into_iter().flatten() {
            self.event(kind, wall);
        }
    }

    fn event(&mut self, kind: EventKind, wall: f64) {
        if kind == EventKind::Start {
            self.start(wall);
        }
        // A crash is told at the next start: it was the end of the run before.
        let told_late =
            kind == EventKind::Crash && self.run.as_ref().is_some_and(|r| r.age() <= SAME_START);
        match self.runs.back_mut() {
            Some(before) if told_late && self.run_count > 1 => before.end = End::Crash,
            _ => {
                if let Some(run) = &mut self.run {
                    run.word(kind);
                }
            }
        }
        self.tally(kind, wall, 1);
    }

    fn tally(&mut self, kind: EventKind, wall: f64, times: u64) {
        let tally = self.events.entry(kind).or_insert_with(|| Tally::new(wall));
        tally.add(wall, self.axis.place(), times);
    }

    /// `[SERVER_START]`: a new run, unless it is the one that has just been noticed.
    fn start(&mut self, wall: f64) {
        let Some(run) = &mut self.run else { return };
        let same = !run.marked && run.age() <= SAME_START;
        if !same {
            self.begin_run(wall);
        }
        if let Some(run) = &mut self.run {
            run.marked = true;
        }
    }

    fn begin_run(&mut self, wall: f64) {
        let now = self.axis.place();
        let pause = self
            .pauses
            .drain(..)
            .max_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let (begin, place) = pause.map_or((wall, now), |p| (p.to, p.place));
        self.gaps.restart(now);
        self.run_count += 1;
        let next = Running::new(self.run_count, begin, place);
        if let Some(mut over) = self.run.replace(next) {
            if let Some(pause) = pause {
                over.line(pause.from, pause.place - pause.seconds);
            }
            self.over = Some(over);
        }
        if let Some(run) = &mut self.run {
            run.line(wall, now);
        }
        self.axis.begin_run();
        self.tally(EventKind::Restart, begin, 1);
    }

    fn sample(&mut self, wall: f64, values: &[(usize, f64)], resources: &Resources) {
        self.samples += 1;
        let restarted = |run: &Running| run.samples > 0 && run.restarted(values, resources);
        if self.run.as_ref().is_some_and(restarted) {
            self.begin_run(wall);
        }
        let is_uptime =
            |column: usize| resources.list()[column].kind == resource::ResourceKind::Uptime;
        if let Some((_, hours)) = values.iter().find(|(c, _)| is_uptime(*c)) {
            let before = self.axis.settled();
            if self.axis.uptime(*hours).is_some() {
                self.gaps.forget_since(before);
                self.pauses.clear();
                self.tally(EventKind::ClockJump, wall, 1);
            }
        }
        let place = self.axis.place();
        let Some(run) = &mut self.run else { return };
        let reinits = reinits(run, values, resources);
        run.line(wall, place);
        run.sample(values, resources);
        let number = run.number;
        for (column, value) in values {
            if self.series.len() <= *column {
                self.series.resize_with(column + 1, Series::default);
            }
            self.series[*column].add(place, *value, number);
        }
        if reinits > 0 {
            self.counted_reinits
                .get_or_insert_with(|| Tally::new(wall))
                .add(wall, place, reinits);
        }
    }

    fn end(&mut self, run: Running, resources: &Resources, open: bool) {
        self.interval = run.interval().or(self.interval);
        self.gaps.end_of_run(run.interval());
        let run = run.end(resources, open);
        for (column, figures) in run.figures.iter().enumerate() {
            if self.increases.len() <= column {
                self.increases.resize(column + 1, 0.0);
            }
            self.increases[column] += figures.as_ref().map_or(0.0, |f| f.increase);
        }
        self.runs.push_back(run);
        if self.runs.len() > MOST_RUNS {
            self.runs.pop_front();
        }
    }

    /// The log is over; none if it told nothing.
    pub fn finish(mut self, name: String, resources: &Resources) -> Option<Source> {
        let last = self.wall?;
        if let Some(run) = self.run.take() {
            self.end(run, resources, true);
        }
        if let Some(counted) = self.counted_reinits {
            self.events
                .entry(EventKind::CameraReinit)
                .or_insert(counted);
        }
        let (gaps, gap_count) = self.gaps.all();
        let figures = self.series.iter().enumerate().map(|(column, series)| {
            let of_runs = self
                .runs
                .iter()
                .filter_map(|r| r.figures.get(column)?.as_ref());
            let increase = self.increases.get(column).copied().unwrap_or(0.0);
            series.of_all(&of_runs.collect::<Vec<_>>(), increase)
        });
        Some(Source {
            name,
            first: self.first,
            last,
            origin: self.axis.origin(),
            lines: self.lines,
            telling: self.telling,
            samples: self.samples,
            interval: self.interval,
            figures: figures.collect(),
            runs: self.runs.into(),
            run_count: self.run_count,
            series: self.series,
            events: self.events,
            gaps,
            gap_count,
        })
    }
}

/// By how much the counter of the camera's re-initialisations rose; at the first reading of a run that
/// was seen to start, from nothing.
fn reinits(run: &Running, values: &[(usize, f64)], resources: &Resources) -> u64 {
    let Some(column) = resources.find("camera_reinits") else {
        return 0;
    };
    let before = run.last(column).or((run.number > 1).then_some(0.0));
    let now = values.iter().find(|(c, _)| *c == column);
    match (before, now) {
        // A count that a log can hold; what is absurd is cut off.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        (Some(before), Some((_, now))) => (now - before).max(0.0) as u64,
        _ => 0,
    }
}

/// A time of day after `before`, on the same day or the next.
fn of_day(before: Option<f64>, seconds: f64) -> f64 {
    const DAY: f64 = 86_400.0;
    let before = before.unwrap_or(0.0);
    let same_day = (before / DAY).floor() * DAY + seconds;
    if same_day + 1.0 < before {
        same_day + DAY
    } else {
        same_day
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
