//! A damaged ledger. The first byte says what is damaged: 0: the rest is the file; 1: the rest is the journal of a sound
//! file; 2: triples of position (two bytes) and value overwrite a sound file; 3: a sound file ends early.
//!
//! Opening it may fail. What was said to be counted must still be there after another opening.

#![no_main]

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use facetap::attend::ledger::{Entry, Ledger, Recorded, probe};
use facetap::attend::reader::Moment;
use facetap::attend::reader::atr::CardType;
use facetap::attend::uid::Uid;
use facetap::base::clock::Monotime;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;

const FILE: &str = "attendance.db";
const REPEAT: Duration = Duration::from_secs(3600);

/// In memory where that is possible: the disk is not what is tested.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

/// Always at the same moment, so that a sound file is the same in every run and a finding can be repeated.
fn record(ledger: &mut Ledger, card: [u8; 4]) -> Option<Recorded> {
    let since_boot = Duration::from_secs(1000);
    let at = Moment {
        monotonic: Monotime::from_zero(since_boot),
        boottime: since_boot,
        wall: Timestamp::from_second(1_800_000_000)
            .unwrap()
            .to_zoned(TimeZone::UTC),
    };
    let entry = Entry {
        uid: Uid::new(&card).unwrap(),
        card: CardType::Felica,
        name: None,
        reader: "R",
        at: &at,
        in_view: None,
        review: None,
    };
    ledger.record(&entry, REPEAT).ok()
}

static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let dir = folder();
    fastrand::seed(1);
    let mut ledger = Ledger::open(dir.path()).unwrap();
    for n in 0..100 {
        record(&mut ledger, [1, 2, 3, n]).unwrap();
    }
    drop(ledger);
    std::fs::read(dir.path().join(FILE)).unwrap()
});

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let dir = folder();
    let file = dir.path().join(FILE);
    let mut bytes = SOUND.clone();
    match kind {
        0 => bytes = rest.to_owned(),
        1 => std::fs::write(dir.path().join("attendance.db-wal"), rest).unwrap(),
        2 => {
            for patch in rest.chunks_exact(3) {
                let at = usize::from(u16::from_be_bytes([patch[0], patch[1]])) % bytes.len();
                bytes[at] = patch[2];
            }
        }
        _ => {
            let length = rest
                .iter()
                .fold(0, |n, b| (n * 256 + usize::from(*b)) % (bytes.len() + 1));
            bytes.truncate(length);
        }
    }
    std::fs::write(&file, bytes).unwrap();

    // May find fault, must not fall over it.
    let _ = probe::probe(dir.path());
    let Ok(mut ledger) = Ledger::open(dir.path()) else {
        return;
    };
    let counted = matches!(
        record(&mut ledger, [9, 9, 9, 9]),
        Some(Recorded::Counted { .. })
    );
    drop(ledger);
    if counted {
        let mut again = Ledger::open(dir.path()).expect("a ledger that took a tap opens again");
        assert_eq!(
            record(&mut again, [9, 9, 9, 9]),
            Some(Recorded::Repeat),
            "a counted tap is gone"
        );
    }
});
