//! A model of the old server, and a courier that delivers to it with time turned by hand.

use std::sync::Mutex;

use jiff::civil::DateTime;
use serde_json::Value;

use std::collections::VecDeque;

use super::super::super::api::Api;
use super::super::super::client::Reply;
use super::super::super::lines::Sent;
use super::super::super::meaning::Head;
use super::super::*;
use crate::attend::ledger::tests::Book;
use crate::base::stats::Stats;
use crate::base::stop::lock;
use crate::config::{Config, Live};

pub(super) const TERMINAL: &str = "AA:BB:CC:DD:EE:FF";

/// How the model behaves.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mode {
    Fine,
    Gone,
    /// 500 to everything, health included or not.
    Broken {
        health: bool,
    },
    Html,
    /// It stores the row and hangs up before it answers.
    DropsAnswer,
    /// 500 to this card alone.
    Poison(u8),
    /// The API's own 400 to this card alone.
    Rejects(u8),
    /// A firewall's 403 to these first cards.
    Firewall(u8),
    /// The API's own 401 to everybody.
    DeniesAll,
    /// Something on the way answers with a page to so many of a hundred requests, the health included.
    Proxy(u64),
    /// 429 with so many seconds to everybody.
    TooMany(u64),
    /// Says that it has everything already.
    KnowsAll,
    /// It is too slow to answer, and stores the row later.
    StoresLate,
}

/// The old server: a tap is a duplicate if the row last received from the same card and terminal lies
/// within ten seconds of it. It knows nothing of idempotency keys.
pub(super) struct Model {
    pub(super) mode: Mode,
    pub(super) rows: Vec<(String, DateTime)>,
    pub(super) posts: u32,
    pub(super) healths: u32,
    /// What it has not come to yet.
    pub(super) late: Vec<String>,
    pub(super) chance: fastrand::Rng,
}

const ERROR: &str = r#"{"status":"error","message":"missing idm"}"#;
/// What a proxy, a firewall or a portal may say.
const PAGES: &[u16] = &[400, 403, 404, 409, 410, 429, 502, 200];

impl Model {
    pub(super) fn come_to_the_late_ones(&mut self) {
        for body in std::mem::take(&mut self.late) {
            self.receive(&body);
        }
    }

    pub(super) fn receive(&mut self, body: &str) -> Reply {
        let v: Value = serde_json::from_str(body).unwrap();
        assert_eq!(v["terminal_id"], TERMINAL);
        let idm = v["idm"].as_str().unwrap().to_owned();
        let time: DateTime = v["timestamp"].as_str().unwrap().parse().unwrap();
        let last = self.rows.iter().rev().find(|(uid, _)| *uid == idm);
        let near = last.is_some_and(|(_, last)| {
            time.duration_since(*last).unsigned_abs() <= Duration::from_secs(10)
        });
        if near {
            return answer(200, r#"{"status":"duplicate","message":"重複データ"}"#);
        }
        self.rows.push((idm, time));
        answer(200, r#"{"status":"success","attendance_id":1}"#)
    }
}

pub(super) fn answer(status: u16, body: &str) -> Reply {
    Reply::Answer {
        status,
        body: body.to_owned(),
        head: Head::default(),
        retry_after: None,
    }
}

fn too_many(seconds: u64) -> Reply {
    Reply::Answer {
        status: 429,
        body: "<html>".to_owned(),
        head: Head::default(),
        retry_after: Some(Duration::from_secs(seconds)),
    }
}

#[derive(Clone)]
pub(super) struct Shared(pub(super) Arc<Mutex<Model>>);

impl Server for Shared {
    fn post(&self, parcel: &Parcel) -> Reply {
        let body = parcel.body.as_str();
        assert_eq!(parcel.idempotency_key.len(), 32);
        let mut model = lock(&self.0);
        model.posts += 1;
        let mode = model.mode;
        match mode {
            Mode::Gone => Reply::Unreachable("connection refused".into()),
            Mode::Broken { .. } => answer(500, ""),
            Mode::Html => answer(200, "<html>"),
            Mode::DropsAnswer => {
                model.receive(body);
                Reply::NoAnswer("reset".into())
            }
            Mode::Poison(n) if body.contains(&hex(n)) => answer(500, ""),
            Mode::Rejects(n) if body.contains(&hex(n)) => answer(400, ERROR),
            Mode::Firewall(n) if (1..=n).any(|n| body.contains(&hex(n))) => {
                answer(403, "<html>Forbidden by firewall</html>")
            }
            Mode::DeniesAll => answer(401, ERROR),
            Mode::TooMany(seconds) => too_many(seconds),
            Mode::Proxy(share) if model.chance.u64(..100) < share => {
                match PAGES[model.chance.usize(..PAGES.len())] {
                    429 => too_many(1),
                    status => answer(status, "<html>something on the way</html>"),
                }
            }
            Mode::StoresLate => {
                model.late.push(body.to_owned());
                Reply::TooSlow("no answer in time".into())
            }
            Mode::KnowsAll => answer(200, r#"{"status":"duplicate"}"#),
            Mode::Fine
            | Mode::Poison(_)
            | Mode::Rejects(_)
            | Mode::Firewall(_)
            | Mode::Proxy(_) => model.receive(body),
        }
    }

    fn health(&self) -> Reply {
        let mut model = lock(&self.0);
        model.healths += 1;
        let mode = model.mode;
        match mode {
            Mode::Gone => Reply::Unreachable("connection refused".into()),
            Mode::Broken { health: false } => answer(502, ""),
            Mode::Proxy(share) if model.chance.u64(..100) < share => answer(200, "<html>"),
            _ => answer(200, "{}"),
        }
    }
}

pub(super) fn hex(card: u8) -> String {
    format!("{card:02X}").repeat(4)
}

/// Sends at once, on the caller's own thread.
pub(super) struct Inline {
    pub(super) server: Shared,
    api: Api,
    sent: VecDeque<Sent>,
}

impl Lines for Inline {
    fn hand_over(&mut self, tap: Outgoing, parcel: Parcel) -> bool {
        assert!(self.sent.len() < LINES, "more at once than there are lines");
        let same = |other: &Sent| other.tap.uid == tap.uid;
        assert!(!self.sent.iter().any(same), "a card twice at once");
        let reply = self.server.post(&parcel);
        let from_api = self.api.rejects(&reply);
        self.sent.push_back(Sent {
            tap,
            reply,
            from_api,
        });
        true
    }

    fn take_back(&mut self, _timeout: Duration) -> Option<Sent> {
        self.sent.pop_front()
    }
}

pub(super) struct Scene {
    pub(super) book: Book,
    pub(super) courier: Courier<'static>,
    pub(super) server: Shared,
    pub(super) stats: Arc<Stats>,
    pub(super) card_status: Arc<CardStatus>,
}

/// The parts of a scene, for a test that has lines of its own.
pub(super) fn parts(mode: Mode) -> (Book, Shared, Uplink) {
    let book = Book::new();
    let server = Shared(Arc::new(Mutex::new(Model {
        mode,
        rows: Vec::new(),
        posts: 0,
        healths: 0,
        late: Vec::new(),
        chance: fastrand::Rng::with_seed(7),
    })));
    let uplink = Uplink {
        server: Arc::new(server.clone()),
        store: book.store(),
        terminal_id: TERMINAL.to_owned(),
        live: Live::new(Config::default()),
        bell: Arc::default(),
        clock: Arc::clone(&book.clock) as Arc<dyn Clock>,
        stop: Stop::new(),
        stats: Arc::default(),
        panel: crate::attend::indicator::panel().0,
        card_status: Arc::default(),
        beat: Beat::default(),
    };
    (book, server, uplink)
}

pub(super) fn inline(server: &Shared, uplink: &Uplink) -> Inline {
    Inline {
        server: server.clone(),
        api: Api::new(&uplink.server, &uplink.clock),
        sent: VecDeque::new(),
    }
}

pub(super) fn scene(mode: Mode) -> Scene {
    let (book, server, uplink) = parts(mode);
    let lines = Box::new(inline(&server, &uplink));
    // For as long as the test lasts.
    let under_way = Box::leak(Box::default());
    Scene {
        courier: Courier::new(&uplink, lines, under_way),
        stats: Arc::clone(&uplink.stats),
        card_status: Arc::clone(&uplink.card_status),
        book,
        server,
    }
}

impl Scene {
    pub(super) fn mode(&self, mode: Mode) {
        lock(&self.server.0).mode = mode;
    }

    pub(super) fn posts(&self) -> u32 {
        lock(&self.server.0).posts
    }

    pub(super) fn pending(&self) -> u64 {
        self.book.outbox().pending().unwrap()
    }

    /// Lets `d` pass as the thread does, waiting whenever there is nothing to do.
    pub(super) fn pass(&mut self, d: Duration) {
        let end = self.book.clock.now() + d;
        loop {
            let pause = self.courier.step(false);
            let left = end.since(self.book.clock.now());
            if left.is_zero() {
                return;
            }
            self.book.advance(pause.min(left));
        }
    }

    pub(super) fn ring(&mut self) {
        self.courier.step(true);
    }

    /// The rows of a card, which must have come in order.
    pub(super) fn rows(&self, card: u8) -> usize {
        let model = lock(&self.server.0);
        let times: Vec<_> = model
            .rows
            .iter()
            .filter(|(uid, _)| *uid == hex(card))
            .map(|(_, t)| *t)
            .collect();
        assert!(times.is_sorted(), "{times:?}");
        times.len()
    }
}
