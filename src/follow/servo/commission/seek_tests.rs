use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use super::super::model::Model;
use super::super::port::{CannotOpen, Trouble};
use super::super::protocol::dynamixel::Dynamixel;
use super::super::protocol::feetech::frame;
use super::super::protocol::maestro::Maestro;
use super::super::protocol::sts::Sts;
use super::super::script::Script;
use super::look::Sight;
use super::seek::*;
use crate::base::clock::{Clock, ManualClock};
use crate::base::stop::Stop;
use crate::follow::servo::protocol::Protocol as _;

#[test]
fn as_configured_comes_first_and_a_controller_is_asked_nothing_else() {
    let of = |protocol, rate| -> Vec<(&str, u32)> {
        tries(protocol, rate)
            .iter()
            .map(|t| (t.protocol.name(), t.rate))
            .collect()
    };
    let all = of(&Dynamixel, 1_000_000);
    assert_eq!(
        all[..3],
        [
            ("Dynamixel 2.0", 1_000_000),
            ("Feetech STS", 1_000_000),
            ("Dynamixel 2.0", 57_600)
        ]
    );
    assert_eq!(all.len(), 8 + 5);
    assert_eq!(of(&Maestro::PLAIN, 115_200), [("Pololu Maestro", 115_200)]);
}

#[test]
fn an_answer_belongs_to_who_is_named_in_it_however_late_it_is() {
    let ids = [1, 2, 3, 4];
    let sent: Vec<Vec<u8>> = ids.iter().map(|id| Sts.who(*id).bytes).collect();
    let answer = |id| frame(id, 0, &[3, 10, 0, 9, 3, id]);
    let late = [answer(2), vec![0x55], answer(1)].concat();
    let heard = judge(&Sts, &sent, &late, &ids);
    assert_eq!((heard.whole, heard.echo), (vec![1, 2], false));
    // Two with one id: what both say is broken, but for its beginning.
    let mut both = answer(3);
    both[6] = 0;
    let heard = judge(&Sts, &sent, &[sent.concat(), both].concat(), &ids);
    assert_eq!(
        (heard.whole, heard.broken, heard.echo),
        (vec![], vec![3], true)
    );
    let heard = judge(&Sts, &sent, &sent.concat(), &ids);
    assert_eq!(
        heard,
        Heard {
            echo: true,
            ..Heard::default()
        }
    );
    // A servo that complains of its voltage answers a ping with the very bytes of it.
    let complains = [sent[0].clone(), frame(1, 1, &[3, 10, 0, 9, 3, 1])].concat();
    assert_eq!(judge(&Sts, &sent, &complains, &ids).whole, [1]);
}

/// What is found by an adapter that refuses some rates, of servos with these ids that are set to 500,000 baud.
fn found(ids: &'static [u8], spoil: fn(&[u8], Vec<u8>) -> Vec<u8>) -> Scan {
    let clock = ManualClock::shared(Duration::from_secs(100));
    let opened = RefCell::new(Vec::new());
    let mut open = |rate: u32| {
        opened.borrow_mut().push(rate);
        if rate == 250_000 {
            return Err(CannotOpen::new(Trouble::Rate, "no such rate").into());
        }
        let at = Arc::clone(&clock);
        let mut models: Vec<Model> = ids
            .iter()
            .map(|id| {
                let mut model = Model::new(*id, 2048.0, clock.now());
                model.set_register(6, 1);
                model
            })
            .collect();
        Ok(Script::new(&clock, move |sent| {
            if rate != 500_000 || sent.len() < 6 || sent[2] == 0xFD {
                return Ok(Vec::new());
            }
            let (id, kind, parameters) = (sent[2], sent[4], &sent[5..sent.len() - 1]);
            let answers = models
                .iter_mut()
                .filter_map(|m| m.answer(at.now(), id, kind, parameters));
            Ok(answers.map(|answer| spoil(sent, answer)).collect())
        }))
    };
    let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let mut seeker = Seeker {
        open: &mut open,
        clock: &shared,
        stop: &Stop::new(),
        progress: &mut |_, _, _| (),
    };
    seeker.scan(&tries(&Sts, 1_000_000), None).unwrap()
}

#[test]
fn servos_at_another_rate_are_found_and_a_refused_rate_is_passed_over() {
    let scan = found(&[1, 3], |_, answer| answer);
    let seen: Vec<(u8, u32)> = scan.seen.iter().map(|one| (one.id, one.rate)).collect();
    assert_eq!(
        (seen, scan.refused),
        (vec![(1, 500_000), (3, 500_000)], vec![250_000])
    );
    assert!(
        scan.seen
            .iter()
            .all(|one| one.servo().is_some_and(|s| s.set_rate() == Some(500_000)))
    );
}

#[test]
fn answers_that_are_broken_at_one_id_are_of_several_servos() {
    let scan = found(&[1, 3], |sent, mut answer| {
        // What two say at once is broken behind what they have in common.
        if sent[2] == 3 {
            let last = answer.len() - 1;
            answer[last] ^= 0x40;
        }
        answer
    });
    let several: Vec<(u8, bool)> = scan
        .seen
        .iter()
        .map(|one| (one.id, matches!(one.sight, Sight::Several)))
        .collect();
    assert_eq!(several, [(1, false), (3, true)]);
}
