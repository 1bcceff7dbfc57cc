//! What is written when faults repeat, in virtual time.

use super::*;

fn seconds(s: f64) -> Duration {
    Duration::from_secs_f64(s)
}

/// Everything that is written when these come, as `(second, text)`.
struct Log {
    repeats: Repeats,
    out: Vec<String>,
}

impl Log {
    fn new() -> Self {
        Self {
            repeats: Repeats::default(),
            out: Vec::new(),
        }
    }

    fn counts(&mut self, counts: Vec<Count>) {
        for c in counts {
            let text = format!("{}x in {} s: {}", c.times, c.within.as_secs(), c.message);
            self.out.push(text);
        }
    }

    fn line(&mut self, at: f64, severity: Severity, message: &str) {
        let line = Line::test(seconds(at), severity, message);
        let verdict = self.repeats.line(&line);
        self.counts(verdict.counts);
        if verdict.write {
            self.out.push(message.to_owned());
        }
    }

    fn until(&mut self, at: f64) {
        let end = Monotime::from_zero(seconds(at));
        while let Some(next) = self.repeats.next().filter(|n| *n <= end) {
            let counts = self.repeats.due(next);
            self.counts(counts);
        }
    }
}

#[test]
fn a_fault_is_written_once_and_counted_until_it_is_over() {
    let mut log = Log::new();
    for i in 0..240 {
        log.line(f64::from(i) * 0.1, Severity::Error, "no answer");
    }
    assert_eq!(log.out, ["no answer"]);
    log.until(3600.0);
    assert_eq!(log.out, ["no answer", "239x in 60 s: no answer"]);
    log.line(4000.0, Severity::Error, "no answer");
    assert_eq!(log.out.last().unwrap(), "no answer", "a run of its own");
}

#[test]
fn a_fault_that_stays_is_counted_at_growing_intervals() {
    let mut log = Log::new();
    for second in 0..86_400 {
        log.until(f64::from(second));
        log.line(f64::from(second), Severity::Error, "no answer");
    }
    // 1, 2, 4, ... 32 minutes, then every hour.
    assert_eq!(log.out.len(), 1 + 6 + 22, "{:#?}", log.out);
    assert_eq!(log.out[1], "59x in 60 s: no answer");
    assert_eq!(log.out[8], "3600x in 3600 s: no answer");
}

#[test]
fn two_faults_in_turn_are_collapsed_each() {
    let mut log = Log::new();
    for i in 0..50 {
        log.line(f64::from(i), Severity::Warning, "lost");
        log.line(f64::from(i), Severity::Error, "still lost");
    }
    log.until(600.0);
    let expected = [
        "lost",
        "still lost",
        "49x in 60 s: lost",
        "49x in 60 s: still lost",
    ];
    assert_eq!(log.out, expected);
}

#[test]
fn a_few_of_those_that_differ_in_numbers_are_written() {
    let mut log = Log::new();
    for i in 0..100 {
        log.line(
            0.1 * f64::from(i),
            Severity::Error,
            &format!("try {i} failed"),
        );
    }
    assert_eq!(log.out.len(), WORDINGS);
    log.until(600.0);
    assert_eq!(log.out[WORDINGS], "95x in 60 s: try 99 failed");
    // Another word is another fault.
    log.line(601.0, Severity::Error, "try 1 was lost");
    assert_eq!(log.out.last().unwrap(), "try 1 was lost");
}

#[test]
fn what_people_count_is_never_collapsed() {
    let mut log = Log::new();
    for i in 0..10 {
        log.line(f64::from(i), Severity::Info, "tap counted");
        log.line(f64::from(i), Severity::Warning, "[CAMERA_REINIT] again");
        let mut tap = Line::test(seconds(f64::from(i)), Severity::Error, "NOT counted");
        tap.counted = true;
        assert!(log.repeats.line(&tap).write);
    }
    assert_eq!(log.out.len(), 20);
}

#[test]
fn the_same_words_of_another_level_are_another_fault() {
    let mut log = Log::new();
    log.line(0.0, Severity::Warning, "x");
    log.line(0.0, Severity::Error, "x");
    assert_eq!(log.out, ["x", "x"]);
}

#[test]
fn nothing_is_collapsed_across_the_end() {
    let mut log = Log::new();
    log.line(0.0, Severity::Error, "x");
    log.line(1.0, Severity::Error, "x");
    log.line(2.0, Severity::Critical, "end");
    log.line(3.0, Severity::Error, "x");
    log.line(4.0, Severity::Critical, "end");
    assert_eq!(log.out, ["x", "1x in 2 s: x", "end", "x", "end"]);
}

#[test]
fn memory_is_bounded() {
    let mut log = Log::new();
    for i in 0..10_000_u32 {
        let word: String = i
            .to_string()
            .chars()
            .map(|d| (d as u8 + b'A' - b'0') as char)
            .collect();
        log.line(0.0, Severity::Error, &word);
        log.line(0.0, Severity::Error, &word);
    }
    assert_eq!(log.repeats.runs.len(), RUNS);
    // Each is written once, and counted once when its run is pushed out.
    assert_eq!(log.out.len(), 10_000 + (10_000 - RUNS));
}

#[test]
fn what_is_marked_stands_after_its_cause() {
    let mut log = Log::new();
    let back = "[READER_RECONNECT] connected again";
    for at in [0.0, 10.0, 20.0] {
        log.line(at, Severity::Warning, "the daemon is gone");
        log.line(at + 1.0, Severity::Warning, back);
    }
    log.line(22.0, Severity::Warning, back);
    assert_eq!(
        log.out,
        [
            "the daemon is gone",
            back,
            "1x in 11 s: the daemon is gone",
            back,
            "1x in 10 s: the daemon is gone",
            back,
            back,
        ]
    );
}
