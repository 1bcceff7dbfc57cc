use super::*;

const HOLD: Duration = Duration::from_secs(600);
/// 2026-11-21T00:00:00Z.
const TRUE: i64 = 1_795_219_200;

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn utc(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Nobody vouches for the clock, and nobody is about to.
const ALONE: Sync = Sync {
    daemon: None,
    kernel: false,
    expected: false,
};
/// A time daemon runs and has not reached anybody yet.
const COMING: Sync = Sync {
    expected: true,
    ..ALONE
};

/// The daemon has synchronised at this second of the wall clock.
fn daemon(at: i64) -> Sync {
    Sync {
        daemon: Some(utc(at)),
        ..COMING
    }
}

fn look(keeper: &mut Timekeeper, boottime: u64, wall: i64, sync: Sync) -> Seen {
    keeper.look(&Look {
        boottime: seconds(boottime),
        wall: utc(wall),
        sync,
    })
}

fn judge(keeper: &Timekeeper, boottime: u64, wall: i64) -> (i64, Trust) {
    let (utc, trust) = keeper.judge(seconds(boottime), utc(wall));
    (utc.as_second(), trust)
}

#[test]
fn a_boot_in_1970_waits_for_the_clock_and_is_told_afterwards() {
    let mut keeper = Timekeeper::new(None, HOLD);
    assert_eq!(look(&mut keeper, 20, 20, COMING), Seen::Nothing);
    assert_eq!(judge(&keeper, 20, 20), (20, Trust::Held));
    let Seen::Anchored(anchor) = look(&mut keeper, 60, TRUE + 60, daemon(TRUE + 60)) else {
        panic!("the synchronisation was not noticed");
    };
    assert_eq!(anchor.utc_at(seconds(20)), utc(TRUE + 20));
    assert_eq!(
        judge(&keeper, 70, TRUE + 70),
        (TRUE + 70, Trust::Synchronised)
    );
    // Read before the synchronisation, judged after it.
    assert_eq!(judge(&keeper, 59, 59), (TRUE + 59, Trust::Corrected));
}

/// What the kernel says means nothing while the clock claims 1970.
#[test]
fn a_clock_that_was_never_set_is_not_believed() {
    let mut keeper = Timekeeper::new(None, HOLD);
    let kernel = Sync {
        kernel: true,
        ..ALONE
    };
    assert_eq!(look(&mut keeper, 20, 20, kernel), Seen::Nothing);
    assert_eq!(judge(&keeper, 20, 20), (20, Trust::Held));
    // Still so an hour later: each tap waits for its own time.
    assert_eq!(judge(&keeper, 3600, 3600), (3600, Trust::Held));
    assert!(matches!(
        look(&mut keeper, 4000, TRUE, kernel),
        Seen::Anchored(_)
    ));
}

#[test]
fn where_nobody_synchronises_nobody_waits() {
    let mut keeper = Timekeeper::new(None, HOLD);
    look(&mut keeper, 20, TRUE, ALONE);
    assert_eq!(judge(&keeper, 20, TRUE), (TRUE, Trust::Uncertain));
}

#[test]
fn a_daemon_that_reaches_nobody_is_waited_for_once() {
    let mut keeper = Timekeeper::new(None, HOLD);
    look(&mut keeper, 20, TRUE, COMING);
    assert_eq!(judge(&keeper, 30, TRUE), (TRUE, Trust::Held));
    look(&mut keeper, 700, TRUE + 680, COMING);
    assert_eq!(judge(&keeper, 700, TRUE + 680).1, Trust::Uncertain);
}

#[test]
fn a_clock_set_by_hand_is_told_from_the_anchor() {
    let mut keeper = Timekeeper::new(None, HOLD);
    let synced = daemon(TRUE);
    look(&mut keeper, 10, TRUE, synced);
    assert_eq!(look(&mut keeper, 100, TRUE + 90, synced), Seen::Nothing);
    // An hour back.
    let step = Seen::Stepped(SignedDuration::from_secs(-3600));
    assert_eq!(look(&mut keeper, 110, TRUE + 100 - 3600, synced), step);
    assert_eq!(
        look(&mut keeper, 120, TRUE + 110 - 3600, synced),
        Seen::Nothing,
        "said once"
    );
    assert_eq!(
        judge(&keeper, 120, TRUE + 110 - 3600),
        (TRUE + 110, Trust::Corrected)
    );
    // Nobody has vouched for seven hours: the crystal may be off by more than a second.
    let late = 120 + 7 * 3600;
    assert_eq!(
        judge(&keeper, late, TRUE + 110),
        (TRUE - 10 + i64::try_from(late).unwrap(), Trust::Uncertain)
    );
    // The daemon comes round again.
    let again = daemon(TRUE + 200);
    assert!(matches!(
        look(&mut keeper, 210, TRUE + 200, again),
        Seen::Nothing
    ));
    assert_eq!(
        judge(&keeper, 211, TRUE + 201),
        (TRUE + 201, Trust::Synchronised)
    );
}

#[test]
fn a_step_by_the_daemon_is_believed() {
    let mut keeper = Timekeeper::new(None, HOLD);
    look(&mut keeper, 10, TRUE, daemon(TRUE));
    // The first time server was an hour slow.
    assert!(matches!(
        look(&mut keeper, 110, TRUE + 3700, daemon(TRUE + 3700)),
        Seen::Anchored(_)
    ));
    // The kernel's word counts when it is given anew.
    let kernel = |kernel| Sync { kernel, ..ALONE };
    let mut keeper = Timekeeper::new(None, HOLD);
    look(&mut keeper, 10, TRUE, kernel(true));
    assert!(matches!(
        look(&mut keeper, 20, TRUE + 500, kernel(false)),
        Seen::Stepped(_)
    ));
    assert!(matches!(
        look(&mut keeper, 30, TRUE + 510, kernel(true)),
        Seen::Anchored(_)
    ));
}

#[test]
fn the_daemon_slows_and_hurries_the_clock_unnoticed() {
    let mut keeper = Timekeeper::new(None, HOLD);
    look(&mut keeper, 0, TRUE, daemon(TRUE));
    for hour in 1..48 {
        // 300 ppm fast: more than a second in an hour.
        let boot = hour * 3600;
        let wall = TRUE + i64::try_from(boot).unwrap() + i64::try_from(hour).unwrap();
        assert_eq!(look(&mut keeper, boot, wall, daemon(TRUE)), Seen::Nothing);
        assert_eq!(judge(&keeper, boot, wall), (wall, Trust::Synchronised));
    }
}

/// The program was not running when somebody set the clock back.
#[test]
fn an_anchor_survives_a_restart_of_the_program() {
    let anchor = Anchor {
        boottime: seconds(100),
        utc: utc(TRUE),
    };
    let mut keeper = Timekeeper::new(Some(anchor), HOLD);
    // The daemon's mark is older than the anchor.
    assert!(matches!(
        look(&mut keeper, 200, TRUE + 100 - 3600, daemon(TRUE - 50)),
        Seen::Stepped(_)
    ));
    assert_eq!(judge(&keeper, 200, TRUE + 100 - 3600).0, TRUE + 100);
    // The daemon's mark is newer: it was the daemon that set it.
    let mut keeper = Timekeeper::new(Some(anchor), HOLD);
    assert!(matches!(
        look(&mut keeper, 200, TRUE + 5000, daemon(TRUE + 4990)),
        Seen::Anchored(_)
    ));
}
