use std::io::Write as _;

use super::*;
use crate::attend::reader::insertions::{Change, Insertions};
use crate::base::clock::SystemClock;
use crate::base::stop::Reason;
use nix::sys::stat::Mode;

struct CardScene {
    dir: tempfile::TempDir,
    given: ScriptedReaders,
    insertions: Insertions,
    stop: Stop,
}

impl CardScene {
    fn new(make: impl FnOnce(&std::path::Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cards");
        make(&path);
        let stop = Stop::new();
        let given = ScriptedReaders::new(path, Arc::new(SystemClock), stop.clone());
        Self {
            dir,
            given,
            insertions: Insertions::default(),
            stop,
        }
    }

    fn fifo() -> Self {
        Self::new(|path| nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap())
    }

    /// A writer that comes, writes and goes. The reader has the FIFO open, so nothing blocks.
    fn write(&self, text: &str) {
        let path = self.dir.path().join("cards");
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// The next `count` taps as `reader answer`; panics at a card that was missed.
    fn taps(&mut self, count: usize) -> Vec<String> {
        let mut taps = Vec::new();
        // Far more looks than are needed; a failing test ends.
        for _ in 0..count * 10 + 100 {
            for change in self
                .insertions
                .look(&self.given.wait(Duration::from_millis(50)).unwrap())
            {
                match change {
                    Change::Card { reader, .. } => {
                        let answer = self.given.answer(&reader).unwrap();
                        let hex: String = answer.iter().map(|b| format!("{b:02X}")).collect();
                        taps.push(format!("{reader} {hex}"));
                    }
                    Change::Missed(reader) => panic!("missed on {reader}"),
                    _ => {}
                }
            }
            if taps.len() == count {
                break;
            }
        }
        taps
    }
}

#[test]
fn every_line_of_a_file_is_a_card() {
    let mut scene = CardScene::new(|path| {
        std::fs::write(path, "DEADBEEF\n\n# remark\nrubbish\ndeadbeef\r\n01 x=1\n").unwrap();
    });
    assert_eq!(
        scene.taps(2),
        [
            "simulated reader DEADBEEF9000",
            "simulated reader DEADBEEF9000"
        ]
    );
    assert!(scene.given.garbage_told);
    scene.write("0102030405060708\n");
    assert_eq!(scene.taps(1), ["simulated reader 01020304050607089000"]);
}

#[test]
fn writers_of_a_fifo_come_and_go_and_a_line_may_come_in_pieces() {
    let mut scene = CardScene::fifo();
    scene.given.wait(Duration::ZERO).unwrap();
    scene.write("DEADBEEF\nDEAD");
    assert_eq!(scene.taps(1), ["simulated reader DEADBEEF9000"]);
    scene.write("0001\n");
    assert_eq!(scene.taps(1), ["simulated reader DEAD00019000"]);
}

#[test]
fn what_a_process_has_not_taken_is_left_for_the_next() {
    let mut scene = CardScene::fifo();
    scene.given.wait(Duration::ZERO).unwrap();
    scene.write("DEAD0001\nDEAD0002\n");
    assert_eq!(scene.taps(1).len(), 1);
    // Somebody has to have a FIFO open, or its content is gone.
    let path = scene.dir.path().join("cards");
    let mut next = ScriptedReaders::new(path, Arc::new(SystemClock), Stop::new());
    next.wait(Duration::ZERO).unwrap();
    std::mem::swap(&mut scene.given, &mut next);
    drop(next);
    scene.insertions = Insertions::default();
    assert_eq!(scene.taps(1), ["simulated reader DEAD00029000"]);
}

#[test]
fn several_readers_and_a_thousand_cards() {
    let mut scene = CardScene::new(|path| {
        let lines: String = (0..1000u32)
            .map(|n| {
                let reader = ["", " left", " right"][n as usize % 3];
                format!("{n:08X}{reader}\n")
            })
            .collect();
        std::fs::write(path, lines).unwrap();
    });
    let taps = scene.taps(1000);
    assert_eq!(taps.len(), 1000);
    assert_eq!(taps[0], "simulated reader 000000009000");
    assert_eq!(taps[1], "left 000000019000");
    assert_eq!(taps[999], "simulated reader 000003E79000");
}

#[test]
fn a_held_card_keeps_its_reader_and_no_other() {
    let mut scene = CardScene::new(|path| {
        std::fs::write(path, "DEAD0001 hold=0.05\nDEAD0002 left\nDEAD0003\n").unwrap();
    });
    scene.given.wait(Duration::ZERO).unwrap();
    let held = |slots: &[Slot]| slots.iter().any(|s| s.reader == NAME && s.card.is_some());
    assert!(held(&scene.given.wait(Duration::from_secs(1)).unwrap()));
    scene.insertions.look(&scene.given.slots());
    let all = scene.taps(2);
    assert_eq!(all.len(), 2);
    assert!(all.contains(&"left DEAD00029000".to_owned()));
    assert!(all.contains(&"simulated reader DEAD00039000".to_owned()));
}

#[test]
fn the_order_to_stop_ends_the_wait() {
    for mut scene in [
        CardScene::fifo(),
        CardScene::new(|path| std::fs::write(path, "").unwrap()),
    ] {
        scene.given.wait(Duration::ZERO).unwrap();
        scene.stop.request(Reason::Duration);
        // Hours: the test ends only if the order is heard.
        scene.given.wait(Duration::from_secs(36_000)).unwrap();
    }
}

#[test]
fn a_missing_file_is_named() {
    let mut scene = CardScene::new(|_| {});
    let why = format!("{:#}", scene.given.wait(Duration::ZERO).unwrap_err());
    assert!(why.contains("cards"), "{why}");
}

#[test]
fn lines_are_understood_or_not() {
    let card = |identifier: &[u8], reader: &str, hold| {
        Some(Card {
            identifier: identifier.to_owned(),
            reader: reader.to_owned(),
            hold: Duration::from_millis(hold),
        })
    };
    assert_eq!(parse("01ab"), card(&[1, 0xAB], NAME, 0));
    assert_eq!(parse("01 hold=0.3 door"), card(&[1], "door", 300));
    for garbage in [
        "",
        "1",
        "0g",
        "é1",
        "01 hold=-1",
        "01 hold=NaN",
        "01 hold=1e9",
        "01 colour=red",
    ] {
        assert_eq!(parse(garbage), None, "{garbage}");
    }
    assert_eq!(parse(&"00".repeat(MAX_BYTES + 1)), None);
}
