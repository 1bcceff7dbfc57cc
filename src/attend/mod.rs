//! Attend: how does a card become a row at the server?
//!
//! ```text
//!   reader -> keeper -> ledger -> uplink
//!               |
//!           indicator
//! ```
//!
//! Knows nothing of pictures. What several of these need ([`uid`], [`notice`], the tap's line in the [`trace`]) lies
//! beside them, and whether the board's time [`zone`] can be found; [`keeper`] is the thread that makes a tap durable and
//! tells what came of it, [`last_tap`] the newest one.

pub mod indicator;
pub mod keeper;
pub mod last_tap;
pub mod ledger;
pub mod notice;
pub mod reader;
pub mod trace;
pub mod uid;
pub mod uplink;
pub mod zone;
