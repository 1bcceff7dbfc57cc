use std::collections::HashMap;

use super::*;

fn recorded(size: usize) -> Recorded {
    let mut frames = [0; DEPTH];
    frames[0] = size;
    Recorded { size, frames }
}

#[test]
fn it_holds_what_a_map_would_hold() {
    static LIVE: Live = Live::new();
    let mut truth = HashMap::new();
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..200_000 {
        // Few addresses, so that many share a chain and come back.
        let address = 16 * random.usize(1..6000);
        if let Some(size) = truth.remove(&address) {
            assert!(LIVE.may_have(address));
            assert_eq!(LIVE.remove(address), Some(recorded(size)));
        } else {
            assert_eq!(LIVE.remove(address), None);
            let size = random.usize(1..5000);
            truth.insert(address, size);
            LIVE.insert(address, &recorded(size), || true);
        }
    }
    let mut sizes: Vec<usize> = LIVE.all().iter().map(|r| r.size).collect();
    let mut expected: Vec<usize> = truth.values().copied().collect();
    sizes.sort_unstable();
    expected.sort_unstable();
    assert_eq!(sizes, expected);
    let bytes: f64 = expected.iter().map(|s| weight(*s).0).sum();
    let sums = LIVE.sums();
    assert_eq!(sums.live, expected.len());
    assert!((sums.current / bytes - 1.0).abs() < 1e-6);
    assert!(sums.peak >= sums.current && sums.lost == 0);

    for address in truth.into_keys() {
        LIVE.remove(address).unwrap();
    }
    assert_eq!(LIVE.sums().live, 0);
    assert_eq!(LIVE.sums().current, 0.0);
    assert!(LIVE.heads.iter().all(|h| h.load(Ordering::Relaxed) == NONE));
}

#[test]
fn a_full_table_loses_the_new_ones_and_counts_them() {
    static LIVE: Live = Live::new();
    for n in 1..=CAPACITY + 5 {
        LIVE.insert(16 * n, &recorded(n), || true);
    }
    assert_eq!(LIVE.sums().live, CAPACITY);
    assert_eq!(LIVE.sums().lost, 5);
    assert_eq!(LIVE.remove(16 * (CAPACITY + 1)), None);
    assert_eq!(LIVE.remove(16), Some(recorded(1)));
    LIVE.insert(16 * (CAPACITY + 1), &recorded(9), || true);
    assert_eq!(LIVE.all().len(), CAPACITY);
}

#[test]
fn nothing_is_noted_once_it_is_over_and_clearing_forgets_all() {
    static LIVE: Live = Live::new();
    LIVE.insert(16, &recorded(1), || false);
    assert_eq!(LIVE.all(), []);
    LIVE.insert(16, &recorded(1), || true);
    let mut done = false;
    LIVE.clear(|| done = true);
    assert!(done && LIVE.all().is_empty() && !LIVE.may_have(16));
    LIVE.insert(32, &recorded(2), || true);
    assert_eq!(LIVE.all(), [recorded(2)]);
}

#[test]
fn threads_at_the_same_time_lose_nothing() {
    static LIVE: Live = Live::new();
    std::thread::scope(|scope| {
        for thread in 1..=4usize {
            scope.spawn(move || {
                for n in 0..20_000usize {
                    let address = (thread << 32) + 16 * (n % 1000);
                    LIVE.insert(address, &recorded(thread), || true);
                    assert!(LIVE.may_have(address));
                    assert_eq!(LIVE.remove(address), Some(recorded(thread)));
                }
            });
        }
    });
    assert_eq!(LIVE.sums().live, 0);
}
