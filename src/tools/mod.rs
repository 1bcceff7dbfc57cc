//! Tools: what can be held against the service from outside?

pub mod bench;
pub mod doctor;
pub mod report;
pub mod soak;
pub mod spreadsheet;

#[cfg(test)]
mod agreement_tests;
