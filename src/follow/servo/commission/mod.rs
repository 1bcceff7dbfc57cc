//! Commissioning: servos are found, looked at, and their permanent memory is set.
//!
//! [`seek`] finds who is on a line, [`look`] says what a servo is, [`left`] what somebody else left behind in it. [`keep`] writes
//! permanent memory, [`turn`] reckons around a turn, [`exercise`] moves a servo a little. What is asked of a person and told is
//! the commands' (`cli::servo`).

pub mod exercise;
pub mod keep;
pub mod left;
pub mod look;
pub mod seek;
pub mod turn;

#[cfg(test)]
mod left_tests;
#[cfg(test)]
mod seek_tests;
