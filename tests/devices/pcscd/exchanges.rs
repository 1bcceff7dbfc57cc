//! Cards that take each other's place faster than the daemon looks.

use std::time::Duration;

use facetap::attend::reader::Sighting;
use facetap::attend::reader::atr::CardType;
use facetap::attend::reader::refusal::Refusal;

use super::{TYPE_B, Watching, a_moment, hex, idm};
use crate::card::{self, Card};
use crate::daemon::{Daemon, PORTS, Turn};

/// DESFire.
const DESFIRE: &[u8] = &[0x3B, 0x81, 0x80, 0x01, 0x80, 0x80];

#[test]
fn thirty_cards_exchanged_within_a_third_of_a_second_are_each_one_tap() {
    let Some(turn) = Turn::take() else { return };
    let _daemon = Daemon::start(&turn);
    let watching = Watching::start("all");
    for n in 0..30 {
        let card = Card::felica(PORTS[0], idm(n));
        assert_eq!(watching.card().0, hex(n));
        // Not a wait for anything: so long nobody holds a card to the reader.
        std::thread::sleep(Duration::from_millis(u64::from(n) * 10));
        card.snatch();
    }
    a_moment();
    watching.end();
}

#[test]
fn a_card_in_the_place_of_another_is_judged_by_its_own_atr() {
    let Some(turn) = Turn::take() else { return };
    let _daemon = Daemon::start(&turn);
    let watching = Watching::start("all");
    let first = Card::felica(PORTS[0], idm(1));
    assert_eq!(watching.card().0, hex(1));
    first.snatch();
    let second = Card::hold(PORTS[0], DESFIRE, vec![4, 1, 2, 3, 4, 5, 6, 0x90, 0]);
    match watching.next().sighting {
        Sighting::Card(uid, card) => {
            assert_eq!(
                (uid.to_string().as_str(), card),
                ("04010203040506", CardType::TypeA)
            );
        }
        other => panic!("{other:?}"),
    }
    second.snatch();
    let third = Card::hold(PORTS[0], TYPE_B, vec![1, 2, 3, 4, 0x90, 0]);
    match watching.next().sighting {
        Sighting::Refused(_, card, why) => {
            assert_eq!((card, why), (CardType::TypeB, Refusal::TypeB));
        }
        other => panic!("{other:?}"),
    }
    drop(third);
    let _phone = Card::hold(
        PORTS[0],
        card::FELICA,
        vec![1, 0xFE, 1, 2, 3, 4, 5, 6, 0x90, 0],
    );
    assert!(matches!(
        watching.next().sighting,
        Sighting::Refused(_, CardType::Felica, Refusal::Phone)
    ));
    watching.end();
}
