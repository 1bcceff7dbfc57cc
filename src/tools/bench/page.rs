//! The page: each scenario at each delay as a plot, with the laws as curves and the truth behind them.

use std::io::Write;

use anyhow::Result;

use super::law::Law;
use super::listing;
use super::scenario::Scenario;
use super::simulation::{Recording, Sample};
use super::{Outcome, Outcomes};
use crate::follow::control::{Axis, Each};
use crate::say;
use crate::tools::report::html::frame::{self, Frame};
use crate::tools::report::html::{self, axis};

/// One sample in so many is drawn: 20 a second.
const EVERY: usize = 5;

/// The curve of one law.
struct Curve {
    law: &'static str,
    points: Vec<(f64, f64)>,
}

/// One plot.
struct Plot {
    scenario: &'static Scenario,
    delay_ms: u32,
    /// The true angle of the face; nothing where nobody is there.
    face: Vec<(f64, Option<f64>)>,
    curves: Vec<Curve>,
}

/// The plots, collected while the runs are made.
#[derive(Default)]
pub struct Plots(Vec<Plot>);

/// What is drawn of a scenario: the axis on which it happens.
const fn drawn(scenario: &Scenario) -> Axis {
    if scenario.roll { Axis::Roll } else { Axis::Pan }
}

impl Plots {
    /// Takes what is needed of a run.
    pub fn add(&mut self, scenario: &'static Scenario, outcome: &Outcome, recording: &Recording) {
        let axis = drawn(scenario);
        let thinned: Vec<&Sample> = recording.samples.iter().step_by(EVERY).collect();
        let same =
            |p: &&mut Plot| p.scenario.name == outcome.scenario && p.delay_ms == outcome.delay_ms;
        let curve = Curve {
            law: outcome.law,
            points: thinned
                .iter()
                .map(|s| (s.seconds, Each::from(s.camera)[axis]))
                .collect(),
        };
        match self.0.last_mut().filter(same) {
            Some(plot) => plot.curves.push(curve),
            None => self.0.push(Plot {
                scenario,
                delay_ms: outcome.delay_ms,
                face: thinned
                    .iter()
                    .map(|s| (s.seconds, s.face.map(|f| Each::from(f)[axis])))
                    .collect(),
                curves: vec![curve],
            }),
        }
    }

    /// Writes the page.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn write(&self, outcomes: &Outcomes, out: &mut dyn Write) -> Result<()> {
        let title = say!("FaceTap: how well it follows", "FaceTap 追従性能");
        html::begin(&title, out)?;
        let seed = outcomes.seed;
        let seed = say!("seed {seed}", "シード {seed}");
        writeln!(out, "<p>{seed}</p>")?;
        self.legend(out)?;
        for table in listing::tables(outcomes) {
            html::table(&table, out)?;
            let plots = self.0.iter().filter(|p| p.scenario.name == table.title);
            plots.into_iter().try_for_each(|plot| plot.write(out))?;
        }
        html::end(out)
    }

    fn legend(&self, out: &mut dyn Write) -> Result<()> {
        let face = say!("the face, truly", "顔の実際の角度");
        let mut entries = vec![("plain", face)];
        if let Some(plot) = self.0.first() {
            entries.extend(plot.curves.iter().map(|c| (class(c.law), c.law.to_owned())));
        }
        write!(out, "<p class=\"legend\">")?;
        for (class, label) in entries {
            write!(
                out,
                "<span><svg viewBox=\"0 0 28 12\" aria-hidden=\"true\"><polyline class=\"{class}\" \
                 points=\"1,6 27,6\"/></svg> {label}</span>"
            )?;
        }
        writeln!(out, "</p>")?;
        Ok(())
    }
}

/// The style of a law's curve.
fn class(law: &str) -> &'static str {
    match Law::parse(law) {
        Ok(Law::Ours) => "mean",
        Ok(Law::Old) => "bad",
        Ok(Law::Uncompensated) => "warn",
        Ok(Law::Told) => "second",
        _ => "grid",
    }
}

impl Plot {
    fn write(&self, out: &mut dyn Write) -> Result<()> {
        let faces = self.face.iter().filter_map(|(_, angle)| *angle);
        let curves = self.curves.iter().flat_map(|c| &c.points).map(|p| p.1);
        let (min, max) = faces
            .chain(curves)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), angle| {
                (low.min(angle), high.max(angle))
            });
        let (low, high, ticks) = axis::values(min, max);
        let seconds = f64::from(self.scenario.seconds);
        let frame = Frame {
            from: 0.0,
            to: seconds,
            low,
            high,
        };
        let times = axis::values(0.0, seconds).2;
        let labels: Vec<(f64, String)> = times
            .into_iter()
            .filter(|t| *t <= seconds)
            .map(|t| (t, format!("{t} s")))
            .collect();
        let mut svg = frame.grid(&ticks, &labels);
        for there in self.face.chunk_by(|a, b| a.1.is_some() == b.1.is_some()) {
            let points = there
                .iter()
                .filter_map(|(at, angle)| Some((*at, (*angle)?)));
            if there[0].1.is_some() {
                svg.push_str(&frame.curve("plain", points));
            }
        }
        for curve in &self.curves {
            svg.push_str(&frame.curve(class(curve.law), curve.points.iter().copied()));
        }
        let (name, axis) = (self.scenario.name, drawn(self.scenario).name());
        let delay = self.delay_ms;
        let caption = say!(
            "{name}, {delay} ms late: {axis} in degrees",
            "{name}、遅延 {delay} ms: {axis} (度)"
        );
        frame::figure(&caption, &svg, out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::*;

    #[test]
    fn every_law_and_the_truth_are_drawn() {
        let mut plan = Plan::whole(1);
        plan.delays = vec![0, 300];
        plan.scenarios.retain(|s| s.name == "walk-past");
        let mut plots = Plots::default();
        let outcomes = plan.run(|scenario, outcome, recording| {
            plots.add(scenario, outcome, recording);
        });
        let mut page = Vec::new();
        plots.write(&outcomes, &mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert_eq!(page.matches("<figure>").count(), 2);
        let count = |class: &str| {
            page.matches(&format!("<polyline class=\"{class}\""))
                .count()
        };
        // One of each is in the legend; four times somebody walks past.
        assert_eq!(["mean", "bad", "warn", "plain"].map(count), [3, 3, 3, 9]);
        assert!(!page.contains("NaN") && page.trim_end().ends_with("</html>"));
    }
}
