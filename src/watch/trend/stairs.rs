//! A leak in steps: each of them could be a harmless jump, but they go up and up.

use super::sen::{self, Slope};
use super::series::{Point, Series};

/// Width of a block in hours, and how many of them must rise one after the other: four days.
const BLOCK: f64 = 6.0;
const BLOCKS: usize = 17;
/// Rise over all of them that is no fluctuation, in MiB or pieces: four of the largest jumps.
const RISE: f64 = 40.0;
/// Standard deviations of the bounds.
const Z: f64 = 2.6;

/// Blocks of six hours, four days of them.
#[derive(Debug, Clone)]
pub(super) struct Stairs {
    blocks: Series,
    growth: Option<Slope>,
}

impl Default for Stairs {
    fn default() -> Self {
        Self {
            blocks: Series::new(BLOCK, BLOCKS),
            growth: None,
        }
    }
}

impl Stairs {
    /// Adds a point of two hours.
    pub(super) fn add(&mut self, point: Point) {
        if self.blocks.add(point).is_some() {
            let blocks = self.blocks.newest(BLOCK * (BLOCKS as f64 + 1.0));
            self.growth = climb(&blocks);
        }
    }

    /// The slope, if the level climbs.
    pub(super) const fn growth(&self) -> Option<Slope> {
        self.growth
    }
}

fn climb(blocks: &[Point]) -> Option<Slope> {
    let (first, last) = (blocks.first()?, blocks.last()?);
    let rising = blocks.windows(2).all(|w| w[1].value > w[0].value);
    if blocks.len() < BLOCKS || !rising || last.value - first.value < RISE {
        return None;
    }
    sen::slope([blocks].into_iter(), Z)
}
