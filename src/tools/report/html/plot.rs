//! A plot of one resource over time, as SVG.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::Result;

use super::frame::{self, BOTTOM, Frame, HEIGHT, TOP};
use super::{axis, escape};
use crate::tools::report::event::Weight;
use crate::tools::report::figures::Series;
use crate::tools::report::follow::Source;
use crate::tools::report::resource::Resource;
use crate::tools::report::stamp;
use crate::tools::report::thin::Bucket;

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
    let parts = [
        gaps(source, &frame),
        frame.grid(&ticks, &axis::times(frame.from, frame.to)),
        curves(buckets, source.origin, &frame),
        lines(marks, &frame),
    ];
    frame::figure(&caption, &parts.concat(), out)
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
        let points = run.iter().map(|b| (origin + b.middle(), b.mean()));
        svg.push_str(&frame.curve("mean", points));
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
