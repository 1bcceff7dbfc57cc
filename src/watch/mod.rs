//! Watch: what keeps the service alive, and what does it leave behind?
//!
//! It knows neither of the two loops: they tell it how they are through [`crate::base`] (beats, counters, snapshots).

pub mod allocations;
pub mod crash;
pub mod fault;
pub mod health;
pub mod logging;
pub mod monitor;
pub mod supervise;
pub mod symbols;
pub mod trend;
