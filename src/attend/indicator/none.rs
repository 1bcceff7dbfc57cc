//! No buzzer and no LED: for boards without pins, and where the configuration names none.

use anyhow::Result;

use super::Outputs;
use super::player::Output;

/// Shows nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Nothing;

impl Outputs for Nothing {
    fn set(&mut self, _output: Output) -> Result<()> {
        Ok(())
    }

    fn has_buzzer(&self) -> bool {
        false
    }
}
