//! The figures of one resource, over one run and over all of them.

use super::resource::{Kind, Resource};
use super::shape::{self, Form, Jump, Shape};
use super::thin::Thinned;

/// Collects the values of one resource.
#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    first: f64,
    last: f64,
    /// What is judged and drawn.
    pub thinned: Thinned,
}

impl Series {
    /// Adds a value at its place on the time axis (seconds).
    pub fn add(&mut self, place: f64, value: f64, run: u64) {
        if self.count == 0 {
            (self.min, self.max, self.first) = (value, value, value);
        }
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.last = value;
        self.thinned.add(place, value, run);
    }

    /// The last value that was added.
    pub fn last(&self) -> Option<f64> {
        (self.count > 0).then_some(self.last)
    }

    /// The figures without any judgement of their shape.
    fn figures(&self, shape: Shape, increase: f64) -> Figures {
        Figures {
            count: self.count,
            min: self.min,
            // A count of samples is exact.
            mean: self.sum / self.count as f64,
            max: self.max,
            first: self.first,
            last: self.last,
            increase,
            shape,
        }
    }

    /// The figures of one run; none without a value.
    pub fn of_run(&self, resource: &Resource) -> Option<Figures> {
        let judged = shape::judge(&self.thinned.points(), least(resource));
        let increase = self.last - self.first;
        (self.count > 0).then(|| self.figures(judged, increase))
    }

    /// The figures over all runs, of which the judgements are given and the sum of all increases.
    pub fn of_all(&self, runs: &[&Figures], increase: f64) -> Option<Figures> {
        (self.count > 0).then(|| self.figures(overall(runs), increase))
    }
}

/// What a resource was like.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Readings.
    pub count: u64,
    /// Smallest.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Largest.
    pub max: f64,
    /// First.
    pub first: f64,
    /// Last.
    pub last: f64,
    /// From the first to the last; over several runs the sum of each.
    pub increase: f64,
    /// Slope and form.
    pub shape: Shape,
}

impl Figures {
    /// Whether this is a leak: a line upwards of something that has to be given back.
    pub fn leaks(&self, resource: &Resource) -> bool {
        resource.kind == Kind::Held
            && matches!(self.shape.form, Form::Line(_))
            && self.shape.growth > 0.0
    }
}

/// Changes below this are never told: readings of memory have a granularity, and a thread or two come and go.
fn least(resource: &Resource) -> f64 {
    match resource.unit.as_str() {
        "MB" => 1.0,
        "%" | "°C" => 2.0,
        "" if resource.kind == Kind::Held => 2.0,
        _ => 0.0,
    }
}

/// The shape over several runs. Each begins anew, so what happened within them is what counts: the form
/// that a third of the time that could be judged agrees on, lines before jumps.
fn overall(runs: &[&Figures]) -> Shape {
    let judged: Vec<_> = runs
        .iter()
        .map(|r| &r.shape)
        .filter(|s| s.form != Form::Short)
        .collect();
    let longest = |shapes: &[&Shape]| {
        shapes
            .iter()
            .max_by(|a, b| a.hours.total_cmp(&b.hours))
            .map(|s| (*s).clone())
    };
    if judged.len() <= 1 {
        let all: Vec<_> = runs.iter().map(|r| &r.shape).collect();
        let one = judged
            .first()
            .map(|s| (*s).clone())
            .or_else(|| longest(&all));
        return one.unwrap_or_else(|| shape::judge(&[], 0.0));
    }
    let hours = |shapes: &[&Shape]| shapes.iter().map(|s| s.hours).sum::<f64>();
    let lines: Vec<_> = with(&judged, |f| matches!(f, Form::Line(_)));
    let jumps: Vec<_> = with(&judged, |f| matches!(f, Form::Jumps(_)));
    let share = hours(&judged) / 3.0;
    let (form, chosen) = if hours(&lines) >= share {
        (Form::Line(Vec::new()), lines)
    } else if hours(&jumps) >= share {
        let largest = jumps.iter().flat_map(|s| sizes(s));
        let largest = largest.max_by(|a, b| a.by.abs().total_cmp(&b.by.abs()));
        (Form::Jumps(largest.into_iter().collect()), jumps)
    } else {
        (Form::Flat, judged.clone())
    };
    let sum = |what: fn(&Shape) -> f64| chosen.iter().map(|s| what(s)).sum::<f64>();
    let growth = sum(|s| s.growth);
    Shape {
        form,
        slope: weighted(&chosen),
        scatter: sum(|s| s.scatter * s.hours) / sum(|s| s.hours),
        hours: sum(|s| s.hours),
        growth,
    }
}

fn with<'a>(shapes: &[&'a Shape], is: impl Fn(&Form) -> bool) -> Vec<&'a Shape> {
    shapes.iter().copied().filter(|s| is(&s.form)).collect()
}

fn sizes(shape: &Shape) -> Vec<Jump> {
    match &shape.form {
        Form::Jumps(jumps) | Form::Line(jumps) => jumps.clone(),
        Form::Short | Form::Flat => Vec::new(),
    }
}

/// The median of the slopes, each with the weight of its hours.
fn weighted(shapes: &[&Shape]) -> Option<f64> {
    let mut slopes: Vec<_> = shapes
        .iter()
        .filter_map(|s| Some((s.slope?, s.hours)))
        .collect();
    slopes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = slopes.iter().map(|s| s.1).sum::<f64>() / 2.0;
    let mut below = 0.0;
    slopes
        .iter()
        .find(|s| {
            below += s.1;
            below >= half
        })
        .map(|s| s.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::report::resource::Resources;
    use crate::tools::report::value::values;

    fn memory() -> Resource {
        let mut resources = Resources::default();
        resources.take(&values("RSS: 1MB")[0]).unwrap();
        resources.list()[0].clone()
    }

    /// A day of readings every five minutes, growing by so much an hour.
    fn run(slope: f64, hours: f64) -> Series {
        let mut series = Series::default();
        let mut random = fastrand::Rng::with_seed(7);
        for i in 0..(hours * 12.0) as u32 {
            let noise = random.f64() - 0.5;
            series.add(
                f64::from(i) * 300.0,
                150.0 + slope * f64::from(i) / 12.0 + noise,
                1,
            );
        }
        series
    }

    #[test]
    fn the_plain_figures_are_exact() {
        let mut series = Series::default();
        for (i, value) in [3.0, 1.0, 5.0].into_iter().enumerate() {
            series.add(i as f64, value, 1);
        }
        let figures = series.of_run(&memory()).unwrap();
        assert_eq!((figures.min, figures.mean, figures.max), (1.0, 3.0, 5.0));
        assert_eq!((figures.count, figures.increase), (3, 2.0));
        assert_eq!(Series::default().of_run(&memory()), None);
    }

    #[test]
    fn a_saw_tooth_of_restarts_is_a_leak() {
        let memory = memory();
        let run = run(2.0, 12.0).of_run(&memory).unwrap();
        assert!(run.leaks(&memory), "{run:?}");
        let all = run_of_runs(&[&run, &run, &run]);
        assert!(all.leaks(&memory), "{all:?}");
        assert!((all.shape.slope.unwrap() - 2.0).abs() < 0.1, "{all:?}");
    }

    fn run_of_runs(runs: &[&Figures]) -> Figures {
        run(0.0, 1.0).of_all(runs, 0.0).unwrap()
    }

    #[test]
    fn one_odd_run_does_not_make_a_leak_of_many_quiet_ones() {
        let memory = memory();
        let leak = run(2.0, 6.0).of_run(&memory).unwrap();
        let quiet = run(0.0, 24.0).of_run(&memory).unwrap();
        let all = run_of_runs(&[&quiet, &leak, &quiet]);
        assert_eq!(all.shape.form, Form::Flat);
        assert!(all.shape.slope.unwrap().abs() < 0.05);
    }
}
