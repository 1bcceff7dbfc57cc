//! Faults planted on purpose, to prove that they are noticed.

pub mod crash;
