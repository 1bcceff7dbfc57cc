//! A ledger in a folder of its own, for the tests of its neighbours too.

use std::sync::{Arc, Mutex};

use jiff::{Timestamp, Zoned};

use super::super::outbox::{Ended, Outbox, Settled};
use super::super::stamp::Sync;
use super::super::*;
use crate::base::clock::{Clock as _, ManualClock};
use crate::base::stop::lock;

/// Longer than the time in which a tap counts as a repeat.
pub(crate) const CLOCK_STEP: Duration = Duration::from_secs(61);
pub(super) const REPEAT: Duration = Duration::from_secs(60);

/// A ledger in a folder of its own, and a clock.
pub(crate) struct Book {
    pub clock: Arc<ManualClock>,
    /// What vouches for its wall clock; at first nobody does, and nobody is about to.
    pub sync: Arc<Mutex<Sync>>,
    pub(super) ledger: Ledger,
    pub(super) dir: tempfile::TempDir,
}

impl Book {
    pub fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap())
    }

    /// In a folder that may hold a ledger.
    pub fn in_folder(dir: tempfile::TempDir) -> Self {
        let sync = Arc::new(Mutex::new(Sync {
            daemon: None,
            kernel: false,
            expected: false,
        }));
        let clock = Arc::new(ManualClock::new(
            Duration::from_secs(1000),
            Timestamp::from_second(1_763_703_000).unwrap(),
        ));
        Self {
            ledger: ledger(dir.path(), &sync, &clock),
            clock,
            sync,
            dir,
        }
    }

    pub fn record(&mut self, card: u8) -> Result<Recorded> {
        let at = Moment::now(self.clock.as_ref());
        let entry = Entry {
            uid: Uid::new(&[card; 4]).unwrap(),
            card: CardType::Felica,
            name: None,
            reader: "R",
            at: &at,
            in_view: None,
            review: None,
        };
        self.ledger.record(&entry, REPEAT)
    }

    /// Records a tap that must be counted; its number.
    pub fn count(&mut self, card: u8) -> i64 {
        match self.record(card).unwrap() {
            Recorded::Counted { id, .. } => id,
            Recorded::Repeat => panic!("card {card} was taken for a repeat"),
        }
    }

    pub fn advance(&self, d: Duration) {
        self.clock.advance(d);
    }

    pub fn now(&self) -> Moment {
        Moment::now(self.clock.as_ref())
    }

    pub fn wall(&self) -> Zoned {
        self.clock.wall()
    }

    pub fn store(&self) -> Arc<Store> {
        Arc::clone(self.ledger.store())
    }

    pub fn outbox(&self) -> Outbox {
        Outbox::open(self.ledger.store()).unwrap()
    }

    /// Settles a tap, as delivered or as rejected.
    pub fn settle(&self, id: i64, delivered: bool) {
        let how = if delivered {
            Settled::Delivered
        } else {
            Settled::Rejected
        };
        let ended = Ended {
            id,
            uid: self.uid_of(id),
            idempotency_key: self.text(id, "idempotency_key").unwrap(),
            how,
            answer: "200".into(),
            over: true,
            maybe_stored: false,
        };
        self.outbox()
            .exchange(&[ended], &[], 0, &self.now())
            .unwrap();
    }

    /// A column of a tap.
    pub fn text(&self, id: i64, column: &str) -> Option<String> {
        let sql = format!("SELECT CAST({column} AS TEXT) FROM tap WHERE id = ?1");
        self.ledger
            .writer
            .db()
            .query_row(&sql, [id], |r| r.get(0))
            .unwrap()
    }

    pub fn uid_of(&self, id: i64) -> String {
        self.text(id, "uid").unwrap()
    }

    pub fn ids(&self) -> Vec<i64> {
        // The file as it is now, which may be another one than the ledger has open.
        let mut writer = Writer::open(self.ledger.store()).unwrap();
        let ids = writer.read(self.ledger.store(), |db| {
            let mut rows = db.prepare("SELECT id FROM tap ORDER BY id")?;
            rows.query_map([], |r| r.get(0))?.collect()
        });
        ids.unwrap()
    }

    /// Looks at every page, as the upkeep does.
    pub fn examine(&self) {
        let store = self.ledger.store();
        let mut writer = Writer::open(store).unwrap();
        writer
            .examine(
                store,
                &crate::base::stop::Stop::new(),
                &crate::base::beat::Beat::default(),
            )
            .unwrap();
    }

    /// What the upkeep does for cards of which the server may store a tap late.
    pub fn keep_up(&self) {
        let (store, boottime) = (self.store(), self.clock.boottime());
        self.transact(|tx| times::end_quiet(tx, store.boot_id(), boottime));
    }

    pub fn shorten_journal(&self) {
        journal::empty(self.ledger.writer.db()).unwrap();
    }

    /// Writes as the upkeep does.
    pub fn transact<T>(&self, act: impl Fn(&Transaction) -> rusqlite::Result<T>) -> T {
        Writer::open(self.ledger.store())
            .unwrap()
            .write(self.ledger.store(), Urgency::Background, act)
            .unwrap()
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Ends the process, so to speak.
    pub fn close(self) -> tempfile::TempDir {
        self.dir
    }

    pub fn restart(self) -> Self {
        let Self {
            clock,
            sync,
            ledger: old,
            dir,
        } = self;
        drop(old);
        Self {
            ledger: ledger(dir.path(), &sync, &clock),
            clock,
            sync,
            dir,
        }
    }
}

fn ledger(dir: &Path, sync: &Arc<Mutex<Sync>>, clock: &Arc<ManualClock>) -> Ledger {
    let sync = Arc::clone(sync);
    let store = Store::asking(dir, Box::new(move || *lock(&sync))).unwrap();
    store.look(clock.as_ref());
    Ledger::of(Arc::new(store)).unwrap()
}
