//! The step with a test tap. Nothing is recorded.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;

use super::{Outcome, Work, ask, done};
use crate::attend::indicator;
use crate::attend::keeper;
use crate::attend::reader::selection::{Selection, is_simulated};
use crate::attend::reader::usb::{Bus, SYSFS};
use crate::attend::reader::watch::Watch;
use crate::attend::reader::{self, Sighting, Tap};
use crate::base::beat::Beat;
use crate::base::card_status::CardStatus;
use crate::base::stats::Stats;
use crate::base::stop::{Reason, Stop};
use crate::base::threads::Threads;
use crate::cli::print;
use crate::config::Cards;
use crate::say;

/// How long a card is waited for.
const WAIT: Duration = Duration::from_secs(60);
/// How soon Ctrl-C is heard.
const LOOK: Duration = Duration::from_millis(200);
/// The reader's thread ends within this.
const JOIN: Duration = Duration::from_secs(4);

pub(super) fn cards(work: &mut Work, answer: &Value) -> Result<Outcome> {
    work.draft.set("cards.enabled", "true")?;
    let cards = work.config()?.cards;
    let names = if is_simulated(&cards.readers) {
        vec![say!("simulated", "シミュレーション")]
    } else {
        reader::pcsc::names()?
    };
    if names.is_empty() {
        let hints = reader::usb::missing(&names);
        bail!(if hints.is_empty() {
            say!(
                "no card reader is connected; plug one in",
                "カードリーダーが接続されていません"
            )
        } else {
            hints.join("; ")
        });
    }
    print(names.join(", "));
    let wait = answer.as_f64().map_or(WAIT, Duration::from_secs_f64);
    if wait.is_zero()
        || !work.is_alone() && !ask::yes(&say!("Try it with a card?", "カードで試しますか?"), true)?
    {
        return Ok(done(say!(
            "a reader is there; no card was tried",
            "カードリーダーを確認しました（カードは未確認）"
        )));
    }
    let seconds = wait.as_secs();
    print(say!(
        "Hold a card to the reader now (within {seconds} s)",
        "カードをリーダーにかざしてください（{seconds} 秒以内）"
    ));
    match first_tap(work, &cards, wait)? {
        None => Ok(Outcome::Failed(say!(
            "no card was read; does the reader's lamp change when a card is held to it?",
            "カードを読み取れませんでした。かざしたときにリーダーのランプが変わるか確認してください"
        ))),
        Some(tap) => Ok(told(&tap)),
    }
}

/// The first card that is held to a reader.
fn first_tap(work: &Work, cards: &Cards, wait: Duration) -> Result<Option<Tap>> {
    let stop = Stop::new();
    let both = stop.clone();
    work.stop.on_request(move || both.request(Reason::Duration));
    let (sender, taps) = keeper::queue();
    let mut watch = Watch {
        beat: Beat::default(),
        open: reader::open(cards, &work.clock, &stop),
        selection: Selection::new(&cards.readers),
        taps: sender,
        panel: indicator::panel().0,
        card_status: Arc::new(CardStatus::default()),
        clock: Arc::clone(&work.clock),
        stop: stop.clone(),
        stats: Arc::new(Stats::default()),
        usb: Bus::new(SYSFS.into(), &stop, &Beat::default()),
    };
    let mut threads = Threads::default();
    threads.start("reader", &stop, move || watch.run())?;
    let begun = work.clock.now();
    let mut tap = None;
    while tap.is_none() && !work.stop.requested() && work.clock.now().since(begun) < wait {
        tap = taps.recv_timeout(LOOK).ok();
    }
    stop.request(Reason::Duration);
    threads.join(&work.clock, JOIN);
    if work.stop.requested() {
        bail!(say!("stopped", "中断しました"));
    }
    Ok(tap)
}

fn told(tap: &Tap) -> Outcome {
    match &tap.sighting {
        Sighting::Card(uid, card) => {
            let kind = card.word();
            done(say!(
                "read: {uid} ({kind}). It was not recorded",
                "読み取りました: {uid} ({kind})。記録はしていません"
            ))
        }
        Sighting::Refused(uid, _, why) => Outcome::Failed(say!(
            "{uid} cannot be used: {why}; try another card",
            "{uid} は使用できません: {why}。別のカードで試してください"
        )),
        Sighting::Unread(why) => Outcome::Failed(say!(
            "not read: {why}; hold it there longer",
            "読み取れませんでした: {why}。もう少し長くかざしてください"
        )),
    }
}
