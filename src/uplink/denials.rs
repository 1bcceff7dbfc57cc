//! Answers that deny a tap for a reason that may be everybody's: the token, the address. Pure.

use std::collections::HashMap;

/// Attempts that were denied, while the server took other taps, after which it is this tap that it does not want.
const DENIALS: u32 = 3;
/// Denied taps that are remembered; more are more than one tap's fault.
const MOST: usize = 1000;

/// The taps that were denied.
#[derive(Debug, Default)]
pub(super) struct Denials {
    denied: HashMap<i64, Denied>,
    /// Taps that the server has taken.
    accepted: u64,
}

#[derive(Debug)]
struct Denied {
    times: u32,
    /// How many taps the server had taken when it was first denied.
    accepted_before: u64,
}

impl Denials {
    /// The server has taken tap `id`.
    pub fn accepted(&mut self, id: i64) {
        self.accepted += 1;
        self.denied.remove(&id);
    }

    /// Whether a tap that was denied once more is to blame itself: the server has taken others meanwhile.
    pub fn is_this_taps_fault(&mut self, id: i64) -> bool {
        if self.denied.len() > MOST {
            self.denied.clear();
        }
        let denied = self.denied.entry(id).or_insert(Denied {
            times: 0,
            accepted_before: self.accepted,
        });
        denied.times += 1;
        let fault = denied.times >= DENIALS && self.accepted > denied.accepted_before;
        if fault {
            self.denied.remove(&id);
        }
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tap_is_to_blame_when_others_pass() {
        let mut denials = Denials::default();
        for _ in 0..10 {
            assert!(!denials.is_this_taps_fault(1), "nobody passes");
        }
        denials.accepted(2);
        assert!(denials.is_this_taps_fault(1));
        assert!(!denials.is_this_taps_fault(1), "it begins anew");
        denials.accepted(1);
        assert!(denials.denied.is_empty());
    }
}
