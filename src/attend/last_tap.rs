//! The last tap and what came of it, for those who show it.

use std::sync::Mutex;

use crate::attend::notice::Event;
use crate::base::clock::Monotime;
use crate::base::stop::lock;

/// What is shown of a tap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapShown {
    /// When the card answered.
    pub at: Monotime,
    /// The card's id; empty where it could not be read.
    pub card: String,
    /// Whose it is; none where the roster does not know it, or there is none.
    pub name: Option<String>,
    /// What came of it.
    pub outcome: Event,
}

/// The newest tap, shared between the loop that records and those who look.
#[derive(Debug, Default)]
pub struct LastTap(Mutex<Option<TapShown>>);

impl LastTap {
    /// None before the first.
    #[must_use]
    pub fn get(&self) -> Option<TapShown> {
        lock(&self.0).clone()
    }

    /// A tap has been concluded.
    pub fn set(&self, tap: TapShown) {
        *lock(&self.0) = Some(tap);
    }
}
