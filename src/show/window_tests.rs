use std::collections::VecDeque;

use super::*;
use crate::base::clock::ManualClock;
use crate::config::Config;
use crate::follow::control::Follower;
use crate::follow::optics::Optics;

/// Tells what happens, turn by turn, and counts what is shown.
#[derive(Default)]
struct Script {
    turns: VecDeque<Vec<Happening>>,
    shown: Vec<(u32, u32)>,
    /// How much had been shown when each turn began.
    counts: Vec<usize>,
    fails: bool,
    /// Nothing further happens until it has been drawn once for each turn.
    waits: bool,
}

impl Screen for Script {
    fn happenings(&mut self) -> Result<Vec<Happening>> {
        if self.waits && self.shown.len() < self.counts.len() {
            return Ok(Vec::new());
        }
        self.counts.push(self.shown.len());
        match self.turns.pop_front() {
            Some(turn) => Ok(turn),
            None if self.fails => anyhow::bail!("gone"),
            None => Ok(vec![Happening::Quit]),
        }
    }

    fn show(&mut self, size: (u32, u32), bytes: &[u8]) -> Result<()> {
        assert_eq!(bytes.len(), (size.0 * size.1 * 3) as usize);
        self.shown.push(size);
        Ok(())
    }
}

fn window() -> Window {
    let config = Config::default();
    let follower = Follower::new(&config.tracking, &config.camera, &config.servo.axes);
    Window {
        display: None,
        wayland: false,
        sources: Sources {
            follower: Arc::new(follower.into()),
            last_tap: Arc::default(),
            latest: Arc::default(),
            card_status: Arc::default(),
            optics: Optics::new(&config.camera),
            dead_zone_degrees: config.tracking.dead_zone_degrees,
            camera: true,
            servos: true,
        },
        preview: Arc::default(),
        clock: ManualClock::shared(Duration::from_secs(100)),
        stop: Stop::new(),
    }
}

fn script(turns: impl IntoIterator<Item = Vec<Happening>>) -> Script {
    Script {
        turns: turns.into_iter().collect(),
        ..Script::default()
    }
}

#[test]
fn nothing_is_drawn_and_no_picture_asked_for_while_nobody_can_see_it() {
    let window = window();
    let mut screen = script((0..50).map(|_| Vec::new()));
    screen.turns.push_back(vec![Happening::Seen(true)]);
    screen.turns.push_back(vec![Happening::Seen(false)]);
    screen
        .turns
        .extend((0..50).map(|_| vec![Happening::Exposed]));
    window.serve(&mut screen).unwrap();
    assert_eq!(screen.counts[50], 0, "before it is on the screen");
    assert_eq!(screen.shown.len(), 1, "once, while it was seen");
    window.preview.offer(|| panic!("nobody looks"));
}

#[test]
fn closing_it_is_an_order_to_stop_and_losing_it_is_none() {
    let quits = window();
    quits.serve(&mut script([])).unwrap();
    assert_eq!(quits.stop.reason(), Some(Reason::Window));

    let loses = window();
    let mut screen = script([vec![Happening::Seen(true)]]);
    screen.fails = true;
    assert_eq!(loses.serve(&mut screen).unwrap_err().to_string(), "gone");
    assert!(!loses.stop.requested());
}

#[test]
fn what_is_drawn_has_the_size_of_the_window_up_to_a_limit() {
    let window = window();
    let seen = Happening::Seen(true);
    let turns = [(200, 100), (5000, 5000)].map(|(w, h)| vec![seen, Happening::Resized(w, h)]);
    let mut screen = script(turns);
    screen.waits = true;
    window.serve(&mut screen).unwrap();
    assert_eq!(screen.shown, [(200, 100), LARGEST]);
}
