//! Outcome of the last SIGHUP reload.

use std::sync::Mutex;

use crate::base::stop::lock;

/// How often, and the last result in one line.
#[derive(Debug, Default)]
pub struct Reloads(Mutex<(u64, Option<String>)>);

impl Reloads {
    /// It was read again, with this result.
    pub fn done(&self, result: String) {
        let mut state = lock(&self.0);
        state.0 += 1;
        state.1 = Some(result);
    }

    /// How often, and the last result.
    #[must_use]
    pub fn get(&self) -> (u64, Option<String>) {
        lock(&self.0).clone()
    }
}
