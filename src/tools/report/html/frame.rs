//! The frame of a plot: from values to places, the grid, a curve.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::Result;

use super::escape;
use crate::tools::report::words;

const WIDTH: f64 = 900.0;
pub(super) const HEIGHT: f64 = 200.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 12.0;
pub(super) const TOP: f64 = 8.0;
pub(super) const BOTTOM: f64 = 22.0;

/// From the figures to the picture.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// What stands at the left edge.
    pub from: f64,
    /// What stands at the right edge.
    pub to: f64,
    /// What stands at the lower edge.
    pub low: f64,
    /// What stands at the upper edge.
    pub high: f64,
}

impl Frame {
    pub(super) fn x(&self, at: f64) -> f64 {
        LEFT + (at - self.from) / (self.to - self.from) * (WIDTH - LEFT - RIGHT)
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        TOP + (self.high - value) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)
    }

    /// Lines with the values beside them, and marks with the labels below them.
    #[must_use]
    pub fn grid(&self, values: &[f64], labels: &[(f64, String)]) -> String {
        let mut svg = String::new();
        let right = WIDTH - RIGHT;
        for value in values {
            let y = self.y(*value);
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
        for (at, label) in labels {
            let x = self.x(*at);
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

    /// A line through points of place and value, in the style of a class.
    #[must_use]
    pub fn curve(&self, class: &str, points: impl Iterator<Item = (f64, f64)>) -> String {
        let points: String = points
            .map(|(at, value)| format!("{:.1},{:.1} ", self.x(at), self.y(value)))
            .collect();
        format!(
            "<polyline class=\"{class}\" points=\"{}\"/>\n",
            points.trim_end()
        )
    }
}

/// Writes a plot with what is above it and what is in it.
///
/// # Errors
/// `out` cannot be written.
pub fn figure(caption: &str, svg: &str, out: &mut dyn Write) -> Result<()> {
    let caption = escape(caption);
    write!(
        out,
        "<figure><figcaption>{caption}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"{caption}\">\n{svg}</svg></figure>\n"
    )?;
    Ok(())
}
