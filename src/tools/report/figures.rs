//! The figures of one resource, over one run and over all of them.

use super::resource::{Resource, ResourceKind};
use super::thin::Thinned;
use crate::watch::trend::{Form, Jump, Leak, Shape, describe};

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

    /// The figures with what they look like and whether the alarm was given.
    fn figures(&self, (shape, leak): (Shape, bool), increase: f64) -> Figures {
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
            leak,
        }
    }

    /// The figures of one run, of which the monitor's alarm said so much; none without a value.
    pub fn of_run(&self, resource: &Resource, leak: Option<Leak>) -> Option<Figures> {
        let mut shape = describe(&self.thinned.points(), least(resource));
        let line = matches!(shape.form, Form::Line(_)) && shape.growth > 0.0;
        let throughout = |leak: &Leak| line && leak.hours > shape.hours / 2.0;
        if let Some(leak) = leak.filter(|leak| !throughout(leak)) {
            // In a part of the run, whose hours are told; the alarm stands for a while after the growth is over.
            let growth = leak.growth.min(self.max - self.min);
            shape.form = Form::Line(Vec::new());
            (shape.slope, shape.growth) = (Some(leak.slope()), growth);
            shape.hours = growth / leak.slope();
        }
        let increase = self.last - self.first;
        (self.count > 0).then(|| self.figures((shape, leak.is_some()), increase))
    }

    /// The figures over all runs, of which the figures are given and the sum of all increases.
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
    /// Whether the monitor calls it a leak; of several runs, whether it does so of one of them.
    pub leak: bool,
}

/// Changes below this are never told: readings of memory have a granularity, and a thread or two come and go.
fn least(resource: &Resource) -> f64 {
    match resource.unit.as_str() {
        "MB" => 1.0,
        "%" | "°C" => 2.0,
        "" if resource.kind == ResourceKind::Held => 2.0,
        _ => 0.0,
    }
}

/// The shape over several runs, and whether there is a leak. Each begins anew, so what happened within them is what
/// counts: the leaks if there are any, else the form that a third of the time that could be judged agrees on, lines
/// before jumps.
fn overall(runs: &[&Figures]) -> (Shape, bool) {
    let all = runs.iter().map(|r| &r.shape);
    let leaks: Vec<_> = runs.iter().filter(|r| r.leak).map(|r| &r.shape).collect();
    let judged: Vec<_> = all.clone().filter(|s| s.form != Form::Short).collect();
    let leak = !leaks.is_empty();
    if let ([one], _) | ([], [one]) = (leaks.as_slice(), judged.as_slice()) {
        return ((*one).clone(), leak);
    }
    if judged.is_empty() {
        let longest = all.max_by(|a, b| a.hours.total_cmp(&b.hours));
        return (longest.cloned().unwrap_or_else(|| describe(&[], 0.0)), leak);
    }
    let hours = |shapes: &[&Shape]| shapes.iter().map(|s| s.hours).sum::<f64>();
    let lines: Vec<_> = with(&judged, |f| matches!(f, Form::Line(_)));
    let jumping: Vec<_> = with(&judged, |f| matches!(f, Form::Jumps(_)));
    let share = hours(&judged) / 3.0;
    let (form, chosen) = if leak {
        (Form::Line(Vec::new()), leaks)
    } else if hours(&lines) >= share {
        (Form::Line(Vec::new()), lines)
    } else if hours(&jumping) >= share {
        let all = jumping.iter().flat_map(|s| jumps(s));
        let largest = all.max_by(|a, b| a.by.abs().total_cmp(&b.by.abs()));
        (Form::Jumps(largest.copied().into_iter().collect()), jumping)
    } else {
        (Form::Flat, judged.clone())
    };
    let sum = |what: fn(&Shape) -> f64| chosen.iter().map(|s| what(s)).sum::<f64>();
    let shape = Shape {
        form,
        slope: weighted(&chosen),
        scatter: sum(|s| s.scatter * s.hours) / sum(|s| s.hours),
        hours: sum(|s| s.hours),
        growth: sum(|s| s.growth),
    };
    (shape, leak)
}

fn with<'a>(shapes: &[&'a Shape], is: impl Fn(&Form) -> bool) -> Vec<&'a Shape> {
    shapes.iter().copied().filter(|s| is(&s.form)).collect()
}

fn jumps(shape: &Shape) -> &[Jump] {
    match &shape.form {
        Form::Jumps(jumps) | Form::Line(jumps) => jumps,
        Form::Short | Form::Flat => &[],
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
    use crate::tools::report::run::Running;
    use crate::tools::report::value::values;

    /// A run of readings of the memory, (hours, MiB).
    fn run(readings: impl Iterator<Item = (f64, f64)>) -> Option<Figures> {
        let mut resources = Resources::default();
        resources.take(&values("RSS: 1MB")[0]).unwrap();
        let mut run = Running::new(1, 0.0, 0.0);
        for (hours, value) in readings {
            run.line(hours * 3600.0, hours * 3600.0);
            run.sample(&[(0, value)], &resources);
        }
        run.end(&resources, true).figures.pop().flatten()
    }

    /// Readings every five minutes, growing by so much an hour.
    fn growing(slope: f64, hours: f64) -> Figures {
        let mut random = fastrand::Rng::with_seed(7);
        let readings = (0..(hours * 12.0) as u32).map(|i| {
            let at = f64::from(i) / 12.0;
            (at, 150.0 + slope * at + random.f64() - 0.5)
        });
        run(readings).unwrap()
    }

    fn over_all(runs: &[&Figures]) -> Figures {
        let mut series = Series::default();
        series.add(0.0, 150.0, 1);
        series.of_all(runs, 0.0).unwrap()
    }

    #[test]
    fn the_plain_figures_are_exact() {
        let figures = run([(0.0, 3.0), (1.0, 1.0), (2.0, 5.0)].into_iter()).unwrap();
        assert_eq!((figures.min, figures.mean, figures.max), (1.0, 3.0, 5.0));
        assert_eq!((figures.count, figures.increase), (3, 2.0));
        assert_eq!(run(std::iter::empty()), None);
    }

    #[test]
    fn a_saw_tooth_of_restarts_is_a_leak() {
        let run = growing(2.0, 12.0);
        assert!(run.leak, "{run:?}");
        let all = over_all(&[&run, &run, &run]);
        assert!(all.leak, "{all:?}");
        assert!((all.shape.slope.unwrap() - 2.0).abs() < 0.1, "{all:?}");
    }

    #[test]
    fn the_leak_of_one_run_is_told_of_all_with_what_it_lost() {
        let (leak, quiet) = (growing(2.0, 6.0), growing(0.0, 24.0));
        assert!(leak.leak && !quiet.leak, "{leak:?} {quiet:?}");
        let all = over_all(&[&quiet, &leak, &quiet]);
        assert!(
            all.leak && matches!(all.shape.form, Form::Line(_)),
            "{all:?}"
        );
        assert!((all.shape.growth - 11.0).abs() < 1.5, "{all:?}");
        assert_eq!(over_all(&[&quiet, &quiet]).shape.form, Form::Flat);
    }

    #[test]
    fn a_leak_that_came_to_an_end_is_told_with_its_own_hours() {
        let mut random = fastrand::Rng::with_seed(3);
        let readings = (0..48 * 12).map(|i| {
            let at = f64::from(i) / 12.0;
            (
                at,
                150.0 + 3.0 * (at - 12.0).clamp(0.0, 10.0) + random.f64(),
            )
        });
        let run = run(readings).unwrap();
        assert!(
            run.leak && matches!(run.shape.form, Form::Line(_)),
            "{run:?}"
        );
        assert!((20.0..40.0).contains(&run.shape.growth), "{run:?}");
        assert!((6.0..20.0).contains(&run.shape.hours), "{run:?}");
    }
}
