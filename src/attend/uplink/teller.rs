//! What the uplink tells: log, counters, display.

use std::sync::Arc;

use log::debug;

use super::judgement::Judgement;
use crate::attend::indicator::{Event, Panel};
use crate::attend::ledger::outbox::{Outgoing, Settled};
use crate::base::card_status::{self, CardStatus};
use crate::base::stats::Stats;
use crate::{say_error, say_info, say_warn};

/// Number of failed attempts at which a held-up tap is logged: by then the trouble is not transient.
const HELD_UP_AT: u32 = 4;
/// The same where the answer will not become clear by itself.
const UNCLEAR_AT: u32 = 2;
/// Of the server, among the alarms.
const ALARM: &str = "server";

/// What was last said about the server, so that a fault is logged once and not at every attempt.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Fine,
    Trouble(String),
}

/// Tells people.
pub(super) struct Teller {
    stats: Arc<Stats>,
    panel: Panel,
    card_status: Arc<CardStatus>,
    server: Told,
    /// The answer that could not be understood.
    unclear: Told,
    ledger: Told,
    /// Taps that were settled, and those of them that the server has, since that was last logged.
    settled: u64,
    delivered: u64,
}

impl Teller {
    pub fn new(stats: &Arc<Stats>, panel: &Panel, card_status: &Arc<CardStatus>) -> Self {
        Self {
            stats: Arc::clone(stats),
            panel: panel.clone(),
            card_status: Arc::clone(card_status),
            server: Told::Nothing,
            unclear: Told::Nothing,
            ledger: Told::Nothing,
            settled: 0,
            delivered: 0,
        }
    }

    /// Counts and logs how an attempt has ended.
    pub fn ended(&mut self, tap: &Outgoing, how: Settled, answer: &str) {
        let Outgoing { id, uid, .. } = tap;
        match how {
            Settled::Delivered => {
                self.stats.delivered.increment();
                debug!("tap {id} delivered: {answer}");
                return;
            }
            Settled::Rejected => say_error!(
                "the server rejected tap {id} ({uid}); it stays in the ledger (facetap attendance list \
                     --rejected): {answer}",
                "サーバーが {id} 件目 ({uid}) を拒否しました。記録は保持します \
                     (facetap attendance list --rejected): {answer}"
            ),
            Settled::UnexpectedDuplicate => say_error!(
                "the server takes tap {id} ({uid}) for one that it has, though it was never sent; please look \
                     (facetap attendance list --review): {answer}",
                "サーバーは未送信の {id} 件目 ({uid}) を重複と判定しました。確認してください \
                     (facetap attendance list --review): {answer}"
            ),
            Settled::NotYet => debug!("tap {id} not delivered: {answer}"),
        }
        self.stats.delivery_faults.increment();
    }

    /// A tap was refused so often in a row.
    pub fn held_up(&mut self, tap: &Outgoing, times: u32, judged: &Judgement) {
        let (Outgoing { id, uid, .. }, answer) = (tap, &judged.answer);
        if judged.unclear {
            let trouble = trouble(answer);
            if times >= UNCLEAR_AT && self.unclear != trouble {
                say_warn!(
                    "the answer to tap {id} ({uid}) does not say that it was taken; such taps stay in the ledger and \
                         are sent again, ever more seldom, until this is mended: {answer}",
                    "{id} 件目 ({uid}) が受け付けられたか応答から判断できません。記録は保持し、間隔を空けて再送します。\
                         原因を取り除いてください: {answer}"
                );
                self.card_status.raise(ALARM, answer);
                self.unclear = trouble;
            }
        } else if times == HELD_UP_AT {
            say_warn!(
                "tap {id} ({uid}) is held up and is sent again by itself; other cards go on: {answer}",
                "{id} 件目 ({uid}) は送信できず、自動で再送します。他のカードには影響しません: {answer}"
            );
        }
    }

    /// The ledger knows how an attempt has ended.
    pub fn noted(&mut self, how: Settled) {
        match how {
            Settled::NotYet => return,
            Settled::Delivered => self.delivered += 1,
            Settled::Rejected | Settled::UnexpectedDuplicate => {
                self.card_status.one_more_rejected()
            }
        }
        self.settled += 1;
        self.card_status.fewer_wait(1);
    }

    /// Whether something was settled that was not yet summed up.
    pub fn has_news(&self) -> bool {
        self.settled > 0
    }

    /// Nothing is under way any more, and so many taps wait.
    pub fn sum_up(&mut self, waiting: u64) {
        let delivered = self.delivered;
        self.card_status.set_waiting(waiting);
        say_info!(
            "sent to the server: {delivered}, still waiting: {waiting}",
            "サーバーへ送信済み: {delivered} 件、未送信: {waiting} 件"
        );
        (self.settled, self.delivered) = (0, 0);
    }

    pub fn server_is_fine(&mut self) {
        self.card_status.lower(ALARM);
        self.unclear = Told::Nothing;
        if self.server != Told::Fine {
            say_info!("server connected", "サーバーに接続しました");
            self.server = Told::Fine;
            self.card_status.set_server(card_status::Server::Up);
            self.panel.show(Event::ServerConnected);
        }
    }

    pub fn server_is_out(&mut self, why: &str) {
        let trouble = trouble(why);
        if self.server != trouble {
            say_warn!(
                "the server takes no taps now, they stay in the ledger: {why}",
                "サーバーへ送信できません。記録は保持し、後で再送します: {why}"
            );
            self.server = trouble;
            self.card_status.raise(ALARM, why);
            self.card_status.set_server(card_status::Server::Down);
        }
    }

    pub fn ledger_is_fine(&mut self) {
        if let Told::Trouble(_) = self.ledger {
            say_info!(
                "the ledger can be written again, taps go to the server",
                "記録ファイルに書き込めるようになりました。送信を再開します"
            );
        }
        self.ledger = Told::Fine;
    }

    pub fn ledger_is_in_trouble(&mut self, why: &str) {
        let trouble = trouble(why);
        if self.ledger != trouble {
            say_warn!(
                "nothing new is sent to the server until the ledger can be used again: {why}",
                "記録ファイルが使えるまで、新しい送信を行いません: {why}"
            );
            self.ledger = trouble;
        }
    }
}

/// Some reasons name the second.
fn trouble(why: &str) -> Told {
    Told::Trouble(why.replace(|c: char| c.is_ascii_digit(), ""))
}

/// An alarm: deliveries have stalled.
pub(super) fn stalled(minutes: u64) {
    say_error!(
        "DELIVERY HAS STALLED: no tap was sent and no answer came for {minutes} minutes though one was due; the \
             loop begins anew",
        "送信が停止しています: {minutes} 分間、送信も応答もありません。ループを再起動します"
    );
}
