//! A plot of one resource over time, as SVG.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::Result;

use super::{axis, escape};
use crate::tools::report::event::Weight;
use crate::tools::report::figures::Series;
use crate::tools::report::follow::Source;
use crate::tools::report::resource::Resource;
use crate::tools::report::thin::Bucket;
use crate::tools::report::{stamp, words};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 22.0;

/// An event to be drawn.
pub(super) struct Mark {
    /// Wall clock.
    at: f64,
    class: &'static str,
    label: String,
}

/// The events of all logs: what one log tells may explain what another shows.
pub(super) fn marks(sources: &[Source]) -> Vec<Mark> {
    let mut marks = Vec::new();
    for source in sources {
        for (kind, tally) in &source.events {
            let class = match kind.weight() {
                Weight::Bad => "bad",
                Weight::Warn => "warn",
                Weight::Plain => "plain",
                Weight::Silent => continue,
            };
            let label = kind.label();
            marks.extend(tally.places.iter().map(|place| Mark {
                at: source.origin + place,
                class,
                label: label.clone(),
            }));
        }
    }
    marks
}

/// From the figures to the picture.
struct Frame {
    from: f64,
    to: f64,
    low: f64,
    high: f64,
}

impl Frame {
    fn x(&self, at: f64) -> f64 {
        LEFT + (at - self.from) / (self.to - self.from) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        TOP + (self.high - value) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)
    }
}

/// Writes the plot.
pub(super) fn figure(
    source: &Source,
    series: &Series,
    resource: &Resource,
    marks: &[Mark],
    out: &mut dyn Write,
) -> Result<()> {
    let buckets = series.thinned.buckets();
    let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else {
        return Ok(());
    };
    let min = buckets.iter().map(|b| b.min).fold(f64::INFINITY, f64::min);
    let max = buckets
        .iter()
        .map(|b| b.max)
        .fold(f64::NEG_INFINITY, f64::max);
    let (low, high, ticks) = axis::values(min, max);
    let from = source.origin + first.begin;
    let frame = Frame {
        from,
        // A single reading has a second to itself.
        to: (source.origin + last.end).max(from + 1.0),
        low,
        high,
    };
    let caption = match resource.unit.as_str() {
        "" => resource.name().to_owned(),
        unit => format!("{} ({unit})", resource.name()),
    };
    let caption = escape(&caption);
    write!(
        out,
        "<figure><figcaption>{caption}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"{caption}\">\n{}{}{}{}</svg></figure>\n",
        gaps(source, &frame),
        grid(&frame, &ticks),
        curves(buckets, source.origin, &frame),
        lines(marks, &frame),
    )?;
    Ok(())
}

fn grid(frame: &Frame, ticks: &[f64]) -> String {
    let mut svg = String::new();
    let right = WIDTH - RIGHT;
    for value in ticks {
        let y = frame.y(*value);
        let label = words::number(*value);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 6.0,
            y + 4.0
        );
    }
    let bottom = HEIGHT - BOTTOM;
    for (at, label) in axis::times(frame.from, frame.to) {
        let x = frame.x(at);
        let anchor = if x > right - 40.0 { "end" } else { "middle" };
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{bottom}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{label}</text>",
            bottom + 4.0,
            HEIGHT - 4.0
        );
    }
    svg
}

/// A curve for each run, with the band from the smallest to the largest around it.
fn curves(buckets: &[Bucket], origin: f64, frame: &Frame) -> String {
    let mut svg = String::new();
    for run in buckets.chunk_by(|a, b| a.run == b.run) {
        let x = |b: &Bucket| frame.x(origin + b.middle());
        if let [one] = run {
            let (x, y) = (x(one), frame.y(one.mean()));
            let _ = writeln!(
                svg,
                "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>"
            );
        }
        let point = |b: &Bucket, value: f64| format!("{:.1},{:.1} ", x(b), frame.y(value));
        if run.iter().any(|b| b.max > b.min) {
            let there = run.iter().map(|b| point(b, b.max));
            let back = run.iter().rev().map(|b| point(b, b.min));
            let points: String = there.chain(back).collect();
            let _ = writeln!(
                svg,
                "<polygon class=\"band\" points=\"{}\"/>",
                points.trim_end()
            );
        }
        let points: String = run.iter().map(|b| point(b, b.mean())).collect();
        let _ = writeln!(
            svg,
            "<polyline class=\"mean\" points=\"{}\"/>",
            points.trim_end()
        );
    }
    svg
}

fn lines(marks: &[Mark], frame: &Frame) -> String {
    let mut svg = String::new();
    let bottom = HEIGHT - BOTTOM;
    let seen = |m: &&Mark| (frame.from..=frame.to).contains(&m.at);
    for Mark { at, class, label } in marks.iter().filter(seen) {
        let x = frame.x(*at);
        let title = escape(&format!("{} {label}", stamp::show(*at)));
        let _ = writeln!(
            svg,
            "<line class=\"{class}\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\"><title>{title}</title></line>"
        );
    }
    svg
}

fn gaps(source: &Source, frame: &Frame) -> String {
    let mut svg = String::new();
    for gap in &source.gaps {
        let to = source.origin + gap.place;
        let begin = (to - gap.seconds).max(frame.from);
        if to <= frame.from || begin >= frame.to {
            continue;
        }
        let x = frame.x(begin);
        let width = frame.x(to.min(frame.to)) - x;
        let _ = writeln!(
            svg,
            "<rect class=\"gap\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{:.1}\"/>",
            HEIGHT - BOTTOM - TOP
        );
    }
    svg
}
