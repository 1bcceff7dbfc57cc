//! The card side: reader -> ledger -> uplink, and what tells people.

use std::sync::Arc;

use anyhow::Result;

use super::{HUNG, HUNG_ON_DISK, Service, Shared};
use crate::attend::indicator::{self, Panel};
use crate::attend::keeper::{self, Keeper};
use crate::attend::ledger::Ledger;
use crate::attend::ledger::roster::Roster;
use crate::attend::ledger::store::Store;
use crate::attend::ledger::upkeep::Upkeep;
use crate::attend::reader::selection::Selection;
use crate::attend::reader::usb::Bus;
use crate::attend::reader::watch::Watch;
use crate::attend::trace::TapTrace;
use crate::attend::uplink::Uplink;
use crate::base::card_status;
use crate::base::slot::Slot;
use crate::base::threads::Threads;
use crate::{attend::reader, attend::uplink};

impl Service {
    /// Reader, ledger, indicator and uplink, from the end of the line to its beginning. The ledger is
    /// opened first: without it there is nothing to promise at the door, and the start fails.
    pub(super) fn start_cards(&self, threads: &mut Threads, shared: &Shared) -> Result<()> {
        let (stats, card_status) = (&shared.stats, &shared.card_status);
        let store = Arc::new(Store::open(&self.data_dir)?);
        store.look(self.clock.as_ref());
        let ledger = Ledger::of(Arc::clone(&store))?;
        let panel = indicator::start(threads, &self.config, &self.clock, &self.stop, card_status)?;
        let bell = self.start_uplink(threads, shared, &store, &panel)?;

        let roster = self.roster();
        let beat = shared.beats.watch("upkeep", HUNG_ON_DISK, &self.clock);
        let upkeep = Upkeep {
            beat: beat.clone(),
            store,
            roster: roster.clone(),
            live: self.live.clone(),
            bell: bell.clone(),
            card_status: Arc::clone(card_status),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
        };
        self.start_loop(threads, "upkeep", &beat, move || upkeep.run())?;

        let cards = &self.config.cards;
        let (queue, taps) = keeper::queue();
        let beat = shared.beats.watch("ledger", HUNG_ON_DISK, &self.clock);
        let mut keeper = Keeper {
            beat: beat.clone(),
            in_hand: None,
            taps,
            ledger,
            live: self.live.clone(),
            presence: Arc::clone(&shared.presence),
            roster,
            panel: panel.clone(),
            last_tap: Arc::clone(&shared.last_tap),
            card_status: Arc::clone(card_status),
            bell,
            trace: TapTrace::new(Arc::clone(&self.trace)),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
            stats: Arc::clone(stats),
        };
        self.start_loop(threads, "ledger", &beat, move || keeper.run())?;

        let beat = shared.beats.watch("reader", HUNG, &self.clock);
        let mut watch = Watch {
            beat: beat.clone(),
            open: reader::open(cards, &self.clock, &self.stop),
            selection: Selection::new(&cards.readers),
            taps: queue,
            panel,
            card_status: Arc::clone(card_status),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
            stats: Arc::clone(stats),
            usb: Bus::new(reader::usb::root(cards), &self.stop, &beat),
        };
        self.start_loop(threads, "reader", &beat, move || watch.run())
    }

    /// The roster, read once before the first tap.
    fn roster(&self) -> Option<Roster> {
        let attendance = &self.config.attendance;
        let file = attendance.roster.clone()?;
        let columns = attendance.roster_columns.clone().unwrap_or_default();
        let roster = Roster::new(file, columns, self.data_dir.clone(), &self.stop);
        roster.refresh(self.clock.now());
        Some(roster)
    }

    /// The uplink, if there is a server; the bell tells it that a tap was recorded.
    fn start_uplink(
        &self,
        threads: &mut Threads,
        shared: &Shared,
        store: &Arc<Store>,
        panel: &Panel,
    ) -> Result<Option<Arc<Slot<()>>>> {
        let Some((server, terminal_id)) = uplink::server(&self.live, &self.data_dir, &self.stop)?
        else {
            return Ok(None);
        };
        shared.card_status.set_server(card_status::Server::Unknown);
        let bell = Arc::new(Slot::default());
        Uplink {
            server,
            store: Arc::clone(store),
            terminal_id,
            live: self.live.clone(),
            bell: Arc::clone(&bell),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
            stats: Arc::clone(&shared.stats),
            panel: panel.clone(),
            card_status: Arc::clone(&shared.card_status),
            beat: shared.beats.watch("uplink", HUNG_ON_DISK, &self.clock),
        }
        .start(threads)?;
        Ok(Some(bell))
    }
}
