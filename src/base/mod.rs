//! What every part stands on: time, the order to stop, threads, pauses that grow.
//!
//! Nothing here knows about cameras, servos or cards.

pub mod backoff;
pub mod beat;
pub mod card_status;
pub mod child;
pub mod clock;
pub mod files;
pub mod holders;
pub mod limited;
pub mod names;
pub mod outside;
pub mod parabola;
pub mod planted;
pub mod presence;
pub mod proc;
pub mod residency;
pub mod restarts;
pub mod signals;
pub mod slot;
pub mod stats;
pub mod stop;
pub mod text;
pub mod threads;
pub mod trace;
pub mod width;
