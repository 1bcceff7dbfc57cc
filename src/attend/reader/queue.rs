//! The reader's end of the queue to the ledger. It is bounded: while it is full the reader waits, and shows that it lives.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use super::Tap;
use crate::base::beat::Beat;
use crate::base::clock::Clock;
use crate::base::stop::Stop;
use crate::say_warn;

/// How often a full queue is tried again.
const TRY_EVERY: Duration = Duration::from_millis(20);
/// When a person is told that the ledger is slow.
const TELL_AFTER: Duration = Duration::from_secs(3);
/// So long the wait for room is in order: longer than the ledger's thread may be silent before it counts as hung itself.
/// The tap is kept beyond that, too, but the reader gives no sign of life any more.
const IN_ORDER: Duration = Duration::from_secs(60);
/// How long a full queue is tried after the order to stop. The ledger's thread empties it then; nobody was told yet that
/// the tap counted.
const FAREWELL: Duration = Duration::from_millis(400);

/// Sends a tap when the queue has space. Returns it if the receiver is gone, which happens only while the
/// service ends.
pub(super) fn hand_on(
    taps: &SyncSender<Tap>,
    mut tap: Tap,
    beat: &Beat,
    clock: &dyn Clock,
    stop: &Stop,
) -> Result<(), Tap> {
    let begun = clock.now();
    let mut told = false;
    let mut stopped = None;
    loop {
        tap = match taps.try_send(tap) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Disconnected(tap)) => return Err(tap),
            Err(TrySendError::Full(tap)) => tap,
        };
        let now = clock.now();
        if stop.requested() && now.since(*stopped.get_or_insert(now)) >= FAREWELL {
            return Err(tap);
        }
        let waited = now.since(begun);
        if waited >= TELL_AFTER && !std::mem::replace(&mut told, true) {
            tell_slow(&tap.reader);
        }
        if waited < IN_ORDER {
            // Not a turn of the loop: a fault that is planted for one would take the tap with it.
            beat.extend_deadline(TRY_EVERY);
        }
        // The order to stop does not end this pause, which is short: the queue is tried for a while longer.
        clock.wait(&Stop::new(), TRY_EVERY);
    }
}

fn tell_slow(reader: &str) {
    say_warn!(
        "card reader {reader}: waits, for the ledger is slow to record the taps before; check the disk",
        "カードリーダー {reader}: 記録の書き込みが遅れているため待機しています。ディスクを確認してください"
    );
}

#[cfg(test)]
mod tests;
