//! No indicator: for boards without pins, and for the demonstration.

use anyhow::Result;

use super::{Indicator, Notice};
use crate::base::clock::Monotime;

/// Shows nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Nothing;

impl Indicator for Nothing {
    fn show(&mut self, _notice: &Notice, _now: Monotime) -> Result<()> {
        Ok(())
    }

    fn advance(&mut self, _now: Monotime) -> Result<Option<Monotime>> {
        Ok(None)
    }
}
