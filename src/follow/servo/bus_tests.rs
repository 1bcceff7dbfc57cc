//! The bus and the mount on a line that answers as scripted, byte by byte.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::base::clock::{Clock, ManualClock};
use crate::base::stats::Stats;
use crate::base::stop::{Stop, lock};
use crate::config::{self, Config};
use crate::follow::pose::Pose;

use super::bus::{Bus, Presence};
use super::fault::Fault;
use super::model::Model;
use super::mount::Mount;
use super::protocol::Write;
use super::protocol::sts::{self, Sts, instruction};
use super::script::{Script, Sent};
use super::steps::Steps;

struct Rig {
    clock: Arc<ManualClock>,
    sent: Sent,
    script: Script,
}

fn rig(answer: impl FnMut(&[u8]) -> io::Result<Vec<Vec<u8>>> + Send + 'static) -> Rig {
    let clock = ManualClock::shared(Duration::from_secs(100));
    let script = Script::new(&clock, answer);
    Rig {
        clock,
        sent: Arc::clone(&script.sent),
        script,
    }
}

fn bus(answer: impl FnMut(&[u8]) -> io::Result<Vec<Vec<u8>>> + Send + 'static) -> Bus<Script> {
    let rig = rig(answer);
    let clock: Arc<dyn Clock> = rig.clock;
    Bus::new(rig.script, &Sts, clock)
}

/// What was sent since the last look, but for questions.
fn told(sent: &Sent) -> Vec<Vec<u8>> {
    let questions = [instruction::PING, instruction::READ, instruction::SYNC_READ];
    let frames = std::mem::take(&mut *lock(sent));
    let frames = frames.into_iter().map(|(_, frame)| frame);
    frames.filter(|f| !questions.contains(&f[4])).collect()
}

/// Position 1304, speed 0, load -85 %, 7.4 V, 30 degrees, as many bytes as were asked for.
fn reading(sent: &[u8]) -> Vec<u8> {
    answer_of(sent, 1, [0x18, 0x05])
}

/// The answer of a servo that stands there.
fn answer_of(sent: &[u8], id: u8, position: [u8; 2]) -> Vec<u8> {
    let mut data = vec![position[0], position[1], 0, 0, 0x52, 0x07, 74, 30];
    data.resize(sent[6].into(), 0);
    sts::frame(id, 0, &data)
}

#[test]
fn reads_an_axis_from_bytes_that_come_in_pieces() {
    let mut bus = bus(|sent| Ok(reading(sent).into_iter().map(|b| vec![b]).collect()));
    let axis = bus.read_axis(1).unwrap();
    assert_eq!(axis.position, Steps(1304));
    assert_eq!(axis.load, -850);
    assert_eq!(axis.status, 0);
}

#[test]
fn skips_echo_noise_and_answers_of_others() {
    let mut bus = bus(|sent| {
        Ok(vec![
            sent.to_vec(),
            vec![0x00, 0xFF],
            sts::frame(2, 0, &[0; 10]),
            reading(sent),
        ])
    });
    assert_eq!(bus.read_axis(1).unwrap().position, Steps(1304));
}

#[test]
fn a_short_broken_foreign_late_or_missing_answer_is_a_fault_within_its_time() {
    type Spoil = fn(Vec<u8>) -> Vec<u8>;
    let spoils: [(&str, Spoil); 6] = [
        ("Silent", |_| Vec::new()),
        ("Garbled", |a| a[..9].to_vec()),
        ("Garbled", |mut a| {
            a[6] ^= 0x10;
            a
        }),
        ("Garbled", |a| sts::frame(2, 0, &a[5..a.len() - 1])),
        ("Late", |a| sts::frame(1, 0, &a[5..a.len() - 2])),
        ("Garbled", |a| sts::frame(1, 0, &vec![0xFF; a.len() - 6])),
    ];
    for (want, spoil) in spoils {
        let rig = rig(move |sent| Ok(vec![spoil(reading(sent))]));
        let clock: Arc<dyn Clock> = Arc::clone(&rig.clock) as _;
        let mut bus = Bus::new(rig.script, &Sts, Arc::clone(&clock));
        let start = clock.now();
        let fault = bus.read_axis(1).unwrap_err();
        assert!(format!("{fault:?}").starts_with(want), "{want}: {fault:?}");
        assert!(!fault.is_line());
        assert!(clock.now().since(start) <= Duration::from_millis(60));
    }
}

#[test]
fn noise_without_end_is_a_fault_too() {
    let mut bus = bus(|_| Ok(vec![vec![0xFF; 64]; 100]));
    assert!(matches!(
        bus.read_axis(1).unwrap_err(),
        Fault::Garbled { id: 1, .. }
    ));
}

#[test]
fn an_old_answer_is_not_taken_for_a_new_one() {
    let mut count = 0;
    let mut bus = bus(move |sent| {
        count += 1;
        // The first answer comes with the second one's question.
        Ok(match count {
            1 => vec![reading(sent), answer_of(sent, 1, [1, 2])],
            _ => vec![answer_of(sent, 1, [0, 8])],
        })
    });
    assert_eq!(bus.read_axis(1).unwrap().position, Steps(1304));
    assert_eq!(bus.read_axis(1).unwrap().position, Steps(2048));
}

#[test]
fn answers_that_come_after_their_time_are_recognised_as_such() {
    let rig = rig(|sent| Ok(vec![reading(sent)]));
    *lock(&rig.script.late) = Duration::from_millis(70);
    let mut bus = Bus::new(rig.script, &Sts, rig.clock as Arc<dyn Clock>);
    let faults: Vec<Fault> = (0..8).map(|_| bus.read_axis(1).unwrap_err()).collect();
    assert!(matches!(faults[0], Fault::Silent { id: 1 }), "{faults:?}");
    let late = |fault: &Fault| matches!(fault, Fault::Late { id: 1 });
    assert!(faults[1..].iter().all(late), "{faults:?}");
}

#[test]
fn several_axes_are_read_by_one_question() {
    let mut bus = bus(|sent| {
        assert_eq!((sent[2], sent[4]), (sts::BROADCAST, instruction::SYNC_READ));
        assert_eq!(sent[7..sent.len() - 1], [1, 2, 3, 4]);
        let mut broken = answer_of(sent, 3, [0, 8]);
        broken[6] ^= 1;
        Ok(vec![
            sent.to_vec(),
            answer_of(sent, 1, [0x18, 0x05]),
            answer_of(sent, 2, [0x2C, 0x81]),
            broken,
        ])
    });
    let axes = bus.read_axes(&[1, 2, 3, 4]).unwrap().unwrap();
    let positions: Vec<Option<i32>> = axes
        .iter()
        .map(|axis| axis.as_ref().ok().map(|a| a.position.0))
        .collect();
    assert_eq!(positions, [Some(1304), Some(-300), None, None]);
    assert!(matches!(axes[2], Err(Fault::Garbled { id: 3, .. })));
    assert!(matches!(axes[3], Err(Fault::Silent { id: 4 })));
}

#[test]
fn whoever_answers_twice_or_garbled_is_heard_to() {
    let mut turn = 0;
    let mut bus = bus(move |sent| {
        turn += 1;
        Ok(match turn {
            1 => vec![reading(sent)],
            2 => vec![reading(sent), vec![0], reading(sent)],
            3 => vec![reading(sent), reading(sent)[..10].to_vec()],
            _ => vec![reading(sent)[1..].to_vec()],
        })
    });
    let heard: Vec<(usize, bool)> = (0..4)
        .map(|_| bus.listen(1).unwrap())
        .map(|heard| (heard.readings.len(), heard.broken.is_empty()))
        .collect();
    assert_eq!(heard, [(1, true), (2, true), (1, false), (0, false)]);
}

#[test]
fn a_servo_that_acknowledges_nothing_is_read_back() {
    let mut memory = [0u8; 256];
    let mut bus = bus(move |sent| {
        let from = usize::from(sent[5]);
        Ok(match sent[4] {
            3 => {
                let data = &sent[6..sent.len() - 1];
                memory[from..from + data.len()].copy_from_slice(data);
                Vec::new()
            }
            _ => vec![sts::frame(1, 0, &memory[from..from + usize::from(sent[6])])],
        })
    });
    bus.write(1, &Write::new(46u8, &[0, 4])).unwrap();
    bus.write(1, &Write::new(40u8, &[1])).unwrap();
}

#[test]
fn a_value_that_is_not_taken_is_refused() {
    let mut bus = bus(|sent| {
        Ok(match sent[4] {
            2 => vec![sts::frame(1, 0, &[0])],
            _ => Vec::new(),
        })
    });
    let fault = bus.write(1, &Write::new(40u8, &[1])).unwrap_err();
    assert!(
        matches!(
            fault,
            Fault::Refused {
                id: 1,
                register: 40
            }
        ),
        "{fault}"
    );
}

#[test]
fn a_failed_line_is_told_apart_from_a_silent_servo() {
    let mut bus = bus(|_| Err(io::ErrorKind::BrokenPipe.into()));
    assert!(bus.read_axis(1).unwrap_err().is_line());
    assert!(bus.presence(1).is_err());
}

#[test]
fn presence_is_seen_through_an_echo() {
    // Status 1 makes the answer to a ping equal to its echo.
    let mut there = bus(|sent| {
        Ok(match sent[4] {
            1 => vec![sts::frame(1, 1, &[])],
            _ => vec![sent.to_vec(), reading(sent)],
        })
    });
    assert_eq!(there.presence(1).unwrap(), Presence::Clear);
    let mut alone = bus(|sent| Ok(vec![sent.to_vec()]));
    assert_eq!(alone.presence(1).unwrap(), Presence::Absent);
    // Writes work there, reads do not.
    let fault = alone.read_axis(1).unwrap_err();
    assert!(matches!(fault, Fault::Echo { id: 1 }), "{fault}");
    let mut two = bus(|sent| Ok(vec![vec![0xFF; sent.len()]]));
    assert_eq!(two.presence(1).unwrap(), Presence::Garbled);
}

/// Servos 1, 2 and 3; those in `dumb` do not answer.
fn mount(dumb: Arc<Mutex<Vec<u8>>>) -> (Mount<Script>, Arc<ManualClock>, Sent) {
    let mut models: Option<Vec<Model>> = None;
    let clock = Arc::new(Mutex::new(None::<Arc<ManualClock>>));
    let time = Arc::clone(&clock);
    let rig = rig(move |sent| {
        let now = lock(&time)
            .as_ref()
            .map_or_else(Default::default, |c| c.now());
        let models = models.get_or_insert_with(|| {
            (1..=3)
                .map(|id| Model::new(id, 2048.0 + f64::from(id), now))
                .collect()
        });
        let Some(frame) = sts::find(sent, |_, _| true) else {
            return Ok(Vec::new());
        };
        let dumb = lock(&dumb).clone();
        Ok(models
            .iter_mut()
            .zip(1..)
            .filter(|(_, id)| !dumb.contains(id))
            .filter_map(|(m, _)| m.answer(now, frame.id, frame.kind, frame.parameters))
            .collect())
    });
    *lock(&clock) = Some(Arc::clone(&rig.clock));
    let config = Config::default();
    let mount = Mount::connect(
        Bus::new(rig.script, &Sts, Arc::clone(&rig.clock) as Arc<dyn Clock>),
        &config.servo.axes,
        &config.tracking,
        Arc::clone(&rig.clock) as Arc<dyn Clock>,
        Arc::new(Stats::default()),
    )
    .unwrap();
    (mount, rig.clock, rig.sent)
}

#[test]
fn limits_first_then_the_goal_then_torque_and_no_goal_twice() {
    let (mut mount, clock, sent) = mount(Arc::default());
    // 1000 degrees/s^2 and 180 degrees/s with their margin, for each servo.
    let limits: Vec<Vec<u8>> = (1..=3)
        .flat_map(|id| {
            [
                sts::write(id, 41, &[171]),
                sts::write(id, 46, &[0xb8, 0x0b]),
            ]
        })
        .collect();
    assert_eq!(told(&sent), limits);
    // Where they stand, whatever is said.
    mount.feedback(&Stop::new()).unwrap();
    mount.hold(Pose::HOME).unwrap();
    let expected = [
        sts::sync_write(42, &[(1, 2049), (2, 2050), (3, 2051)]),
        sts::write(1, 40, &[1]),
        sts::write(2, 40, &[1]),
        sts::write(3, 40, &[1]),
    ];
    assert_eq!(told(&sent), expected);
    let pose = Pose {
        pan: 1.0,
        ..Pose::HOME
    };
    clock.advance(Duration::from_millis(20));
    mount.hold(pose).unwrap();
    let goals = sts::sync_write(42, &[(1, 2059), (2, 2048), (3, 2048)]);
    assert_eq!(told(&sent), [goals]);
    for _ in 0..50 {
        clock.advance(Duration::from_millis(20));
        mount.feedback(&Stop::new()).unwrap();
        mount.hold(pose).unwrap();
    }
    assert_eq!(told(&sent), [[0; 0]; 0], "nothing new is nothing to say");
    clock.advance(Duration::from_millis(20));
    mount.hold(Pose::HOME).unwrap();
    assert_eq!(told(&sent), [sts::sync_write(42, &[(1, 2048)])]);
    drop(mount);
    assert_eq!(told(&sent), [1, 2, 3].map(|id| sts::write(id, 40, &[0])));
}

#[test]
fn a_goal_that_was_lost_on_the_way_is_sent_again() {
    let (mut mount, clock, sent) = mount(Arc::default());
    let stop = Stop::new();
    mount.feedback(&stop).unwrap();
    mount.hold(Pose::HOME).unwrap();
    clock.advance(Duration::from_millis(20));
    mount.hold(Pose::HOME).unwrap();
    // Somebody else's.
    mount
        .line
        .bus
        .write(2, &Write::new(42u8, &[0x10, 0x08]))
        .unwrap();
    told(&sent);
    for _ in 0..200 {
        clock.advance(Duration::from_millis(20));
        mount.feedback(&stop).unwrap();
        mount.hold(Pose::HOME).unwrap();
    }
    assert_eq!(told(&sent), [sts::sync_write(42, &[(2, 2048)])]);
}

#[test]
fn an_axis_that_is_lost_is_left_out_and_taken_back_at_its_own_position() {
    let dumb = Arc::new(Mutex::new(Vec::new()));
    let (mut mount, clock, sent) = mount(Arc::clone(&dumb));
    let stop = Stop::new();
    mount.feedback(&stop).unwrap();
    mount.hold(Pose::HOME).unwrap();
    *lock(&dumb) = vec![2];
    for _ in 0..6 {
        let feedback = mount.feedback(&stop).unwrap();
        assert!(feedback.axes.roll.is_none() && feedback.axes.tilt.is_some());
    }
    told(&sent);
    mount.hold(Pose::HOME).unwrap();
    assert_eq!(told(&sent), [sts::sync_write(42, &[(1, 2048), (3, 2048)])]);
    lock(&dumb).clear();
    clock.advance(Duration::from_secs(3));
    let feedback = mount.feedback(&stop).unwrap();
    // Looked at again, and asked with the others from the next time on.
    assert!(feedback.axes.roll.is_none());
    let feedback = mount.feedback(&stop).unwrap();
    assert!(feedback.axes.roll.is_some());
    mount.hold(Pose::HOME).unwrap();
    // Its limits again, its goal where it stands, and only then its torque.
    let expected = [
        sts::write(2, 41, &[171]),
        sts::write(2, 46, &[0xb8, 0x0b]),
        sts::sync_write(42, &[(2, 2050)]),
        sts::write(2, 40, &[1]),
    ];
    assert_eq!(told(&sent), expected);
}

#[test]
fn without_any_answer_the_connection_has_failed() {
    let dumb = Arc::new(Mutex::new(Vec::new()));
    let (mut mount, _, _) = mount(Arc::clone(&dumb));
    *lock(&dumb) = vec![1, 2, 3];
    let e = (0..6).find_map(|_| mount.feedback(&Stop::new()).err());
    assert!(
        e.unwrap()
            .to_string()
            .contains("no servo answers on a script")
    );
    let rig = rig(|_| Ok(Vec::new()));
    let config = config::Config::default();
    let e = Mount::connect(
        Bus::new(rig.script, &Sts, Arc::clone(&rig.clock) as Arc<dyn Clock>),
        &config.servo.axes,
        &config.tracking,
        rig.clock,
        Arc::new(Stats::default()),
    )
    .err()
    .unwrap();
    assert!(e.to_string().contains("ids 1, 2, 3"), "{e}");
}
