//! The judge of following: the same controller that the service runs, in a world of numbers and virtual time.
//!
//! A [`scenario`] says where people are, a `camera` makes pictures of them that come late, a [`law`] turns these into
//! set points, a `mount` moves by them, and [`figures`] tells from the true angles how well that went. Nothing here
//! asks for the time or draws without the seed: the same call gives the same bytes.

mod camera;
mod controller;
pub mod figures;
pub mod law;
pub mod listing;
mod mount;
mod old_law;
pub mod page;
mod random;
pub mod scenario;
pub mod simulation;

#[cfg(test)]
mod figures_tests;
#[cfg(test)]
mod loop_tests;

use std::time::Duration;

use serde::Serialize;

use crate::base::clock::Monotime;
use figures::Figures;
use law::Law;
use scenario::Scenario;
use simulation::Recording;

/// The delays of the camera that are tried unless others are asked for, in ms.
pub const DELAYS: [u32; 6] = [0, 50, 100, 200, 300, 500];
/// The longest delay that can be asked for, in ms.
pub const LONGEST_DELAY: u32 = 2000;

/// What is to be tried: each law in each scenario at each delay.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where chance begins.
    pub seed: u64,
    /// Who does what before the camera.
    pub scenarios: Vec<&'static Scenario>,
    /// Delays of the camera in ms.
    pub delays: Vec<u32>,
    /// Who decides.
    pub laws: Vec<Law>,
}

/// What came of one law in one scenario at one delay.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Name of the scenario.
    pub scenario: &'static str,
    /// Mean delay of the camera in ms.
    pub delay_ms: u32,
    /// Name of the law.
    pub law: &'static str,
    /// How well it went.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The outcomes with the seed that they need to be had again; what `--json` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Outcomes {
    /// Where chance began.
    pub seed: u64,
    /// In the order of the plan: scenarios, then delays, then laws.
    pub runs: Vec<Outcome>,
}

impl Plan {
    /// Everything that is tried without options.
    #[must_use]
    pub fn whole(seed: u64) -> Self {
        Self {
            seed,
            scenarios: scenario::ALL.iter().collect(),
            delays: DELAYS.to_vec(),
            laws: Law::COMPARED.to_vec(),
        }
    }

    /// Makes every run, and hands out each recording with its outcome as it is made.
    pub fn run(&self, mut each: impl FnMut(&'static Scenario, &Outcome, &Recording)) -> Outcomes {
        let mut runs = Vec::new();
        for scenario in &self.scenarios {
            for delay in &self.delays {
                for law in &self.laws {
                    let recording = simulation::run(scenario, *delay, *law, self.seed);
                    let outcome = Outcome {
                        scenario: scenario.name,
                        delay_ms: *delay,
                        law: law.name(),
                        figures: Figures::of(scenario, &recording),
                    };
                    each(scenario, &outcome, &recording);
                    runs.push(outcome);
                }
            }
        }
        Outcomes {
            seed: self.seed,
            runs,
        }
    }
}

/// The moment `ms` of a run, for the controller. Not from the clock's zero, so that there are times before it.
fn at(ms: u64) -> Monotime {
    Monotime::from_zero(Duration::from_millis(10_000 + ms))
}
