//! The bus and the mount on a line that answers as scripted, byte by byte.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::base::clock::{Clock, ManualClock};
use crate::base::stats::Stats;
use crate::base::stop::{Stop, lock};
use crate::config::{self, Config};
use crate::follow::pose::Pose;

use super::bus::{Bus, Fault};
use super::model::Model;
use super::mount::Mount;
use super::steps::Steps;
use super::sts;
use super::wire::Wire;

/// The frames that were sent.
type Sent = Arc<Mutex<Vec<Vec<u8>>>>;

/// What a line does with a frame: the chunks in which bytes come back.
type Answer = Box<dyn FnMut(&[u8]) -> io::Result<Vec<Vec<u8>>> + Send>;

/// A line without hardware; waiting for nothing lets the clock run.
struct Script {
    clock: Arc<ManualClock>,
    answer: Answer,
    incoming: VecDeque<Vec<u8>>,
    sent: Sent,
}

impl Wire for Script {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        lock(&self.sent).push(bytes.to_vec());
        self.incoming.extend((self.answer)(bytes)?);
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        self.clock.advance(Duration::from_micros(500));
        let Some(chunk) = self.incoming.pop_front() else {
            self.clock.advance(timeout);
            return Ok(0);
        };
        let n = chunk.len().min(buffer.len());
        buffer[..n].copy_from_slice(&chunk[..n]);
        if n < chunk.len() {
            self.incoming.push_front(chunk[n..].to_vec());
        }
        Ok(n)
    }

    fn discard_input(&mut self) -> io::Result<()> {
        self.incoming.clear();
        Ok(())
    }

    fn name(&self) -> &str {
        "a script"
    }
}

struct Rig {
    clock: Arc<ManualClock>,
    sent: Sent,
    script: Script,
}

fn rig(answer: impl FnMut(&[u8]) -> io::Result<Vec<Vec<u8>>> + Send + 'static) -> Rig {
    let clock = ManualClock::shared(Duration::from_secs(100));
    let sent = Arc::new(Mutex::new(Vec::new()));
    let script = Script {
        clock: Arc::clone(&clock),
        answer: Box::new(answer),
        incoming: VecDeque::new(),
        sent: Arc::clone(&sent),
    };
    Rig {
        clock,
        sent,
        script,
    }
}

fn bus(answer: impl FnMut(&[u8]) -> io::Result<Vec<Vec<u8>>> + Send + 'static) -> Bus<Script> {
    let rig = rig(answer);
    let clock: Arc<dyn Clock> = rig.clock;
    Bus::new(rig.script, clock)
}

/// Position 1304, speed 0, load -85 %, as the chunks say.
fn reading() -> Vec<u8> {
    sts::frame(1, 0, &[0x18, 0x05, 0, 0, 0x52, 0x07])
}

#[test]
fn reads_an_axis_from_bytes_that_come_in_pieces() {
    let mut bus = bus(|_| Ok(reading().into_iter().map(|b| vec![b]).collect()));
    let axis = bus.read_axis(1).unwrap();
    assert_eq!(axis.position, Steps(1304));
    assert_eq!(super::steps::load(axis.load), -0.85);
    assert_eq!(axis.status, 0);
}

#[test]
fn skips_echo_noise_and_answers_of_others() {
    let mut bus = bus(|sent| {
        Ok(vec![
            sent.to_vec(),
            vec![0x00, 0xFF],
            sts::frame(2, 0, &[0; 6]),
            reading(),
        ])
    });
    assert_eq!(bus.read_axis(1).unwrap().position, Steps(1304));
}

#[test]
fn a_short_broken_or_missing_answer_is_a_fault_within_its_time() {
    let broken = {
        let mut bytes = reading();
        bytes[6] ^= 0x10;
        bytes
    };
    for (answer, silent) in [
        (Vec::new(), true),
        (vec![reading()[..9].to_vec()], false),
        (vec![broken], false),
        (vec![sts::frame(2, 0, &[0; 6])], false),
        (vec![sts::frame(1, 0, &[0; 5])], false),
        (vec![sts::frame(1, 0, &[0xFF; 6])], false),
    ] {
        let rig = rig(move |_| Ok(answer.clone()));
        let clock: Arc<dyn Clock> = Arc::clone(&rig.clock) as _;
        let mut bus = Bus::new(rig.script, Arc::clone(&clock));
        let start = clock.now();
        let fault = bus.read_axis(1).unwrap_err();
        assert_eq!(matches!(fault, Fault::Silent { id: 1 }), silent, "{fault}");
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
    let mut bus = bus(move |_| {
        count += 1;
        // The first answer comes with the second one's question.
        Ok(match count {
            1 => vec![reading(), sts::frame(1, 0, &[1, 2, 3, 4, 5, 6])],
            _ => vec![sts::frame(1, 0, &[0, 8, 0, 0, 0, 0])],
        })
    });
    assert_eq!(bus.read_axis(1).unwrap().position, Steps(1304));
    assert_eq!(bus.read_axis(1).unwrap().position, Steps(2048));
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
    bus.write(1, 46, &[0, 4]).unwrap();
    bus.write(1, 40, &[1]).unwrap();
}

#[test]
fn a_value_that_is_not_taken_is_refused() {
    let mut bus = bus(|sent| {
        Ok(match sent[4] {
            2 => vec![sts::frame(1, 0, &[0])],
            _ => Vec::new(),
        })
    });
    let fault = bus.write(1, 40, &[1]).unwrap_err();
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
    assert!(bus.is_there(1).is_err());
}

#[test]
fn presence_is_seen_through_an_echo() {
    // Status 1 makes the answer to a ping equal to its echo.
    let mut there = bus(|sent| {
        Ok(match sent[4] {
            1 => vec![sts::frame(1, 1, &[])],
            _ => vec![sent.to_vec(), reading()],
        })
    });
    assert!(there.is_there(1).unwrap());
    let mut alone = bus(|sent| Ok(vec![sent.to_vec()]));
    assert!(!alone.is_there(1).unwrap());
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
        Bus::new(rig.script, Arc::clone(&rig.clock) as Arc<dyn Clock>),
        &config.servo.axes,
        &config.tracking,
        Arc::clone(&rig.clock) as Arc<dyn Clock>,
        Arc::new(Stats::default()),
    )
    .unwrap();
    (mount, rig.clock, rig.sent)
}

#[test]
fn limits_first_then_the_goal_then_torque() {
    let (mut mount, _, sent) = mount(Arc::default());
    lock(&sent).retain(|f| f[4] != sts::instruction::READ);
    // 500 degrees/s^2 and 120 degrees/s with their margin, for each servo.
    let limits: Vec<Vec<u8>> = (1..=3)
        .flat_map(|id| {
            [
                sts::write(id, 41, &[171]),
                sts::write(id, 46, &[0xb8, 0x0b]),
            ]
        })
        .collect();
    assert_eq!(*lock(&sent), limits);
    lock(&sent).clear();
    mount.hold(Pose::HOME).unwrap();
    let expected = [
        sts::sync_write(42, &[(1, 2048), (2, 2048), (3, 2048)]),
        sts::write(1, 40, &[1]),
        sts::write(2, 40, &[1]),
        sts::write(3, 40, &[1]),
    ];
    assert_eq!(*lock(&sent), expected);
    lock(&sent).clear();
    mount
        .hold(Pose {
            pan: 1.0,
            ..Pose::HOME
        })
        .unwrap();
    assert_eq!(
        *lock(&sent),
        [sts::sync_write(42, &[(1, 2059), (2, 2048), (3, 2048)])]
    );
    lock(&sent).clear();
    drop(mount);
    assert_eq!(*lock(&sent), [1, 2, 3].map(|id| sts::write(id, 40, &[0])));
}

#[test]
fn an_axis_that_is_lost_is_left_out_and_taken_back_at_its_own_position() {
    let dumb = Arc::new(Mutex::new(Vec::new()));
    let (mut mount, clock, sent) = mount(Arc::clone(&dumb));
    let stop = Stop::new();
    mount.hold(Pose::HOME).unwrap();
    *lock(&dumb) = vec![2];
    for _ in 0..6 {
        let feedback = mount.feedback(&stop).unwrap();
        assert!(feedback.axes.roll.is_none() && feedback.axes.tilt.is_some());
    }
    lock(&sent).clear();
    mount.hold(Pose::HOME).unwrap();
    assert_eq!(*lock(&sent), [sts::sync_write(42, &[(1, 2048), (3, 2048)])]);
    lock(&dumb).clear();
    clock.advance(Duration::from_secs(3));
    lock(&sent).clear();
    let feedback = mount.feedback(&stop).unwrap();
    assert!(feedback.axes.roll.is_some());
    let about_2: Vec<Vec<u8>> = lock(&sent)
        .iter()
        .filter(|f| f[2] == 2 && f[4] == 3 || f[2] == 0xFE)
        .cloned()
        .collect();
    // Its limits again, its goal where it stands, and only then its torque.
    let stands = about_2[2][7 + 1..10].to_vec();
    assert_eq!(
        about_2[2],
        sts::sync_write(42, &[(2, sts::word(stands[0], stands[1]))])
    );
    assert_eq!(about_2[3], sts::write(2, 40, &[1]));
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
        Bus::new(rig.script, Arc::clone(&rig.clock) as Arc<dyn Clock>),
        &config.servo.axes,
        &config.tracking,
        rig.clock,
        Arc::new(Stats::default()),
    )
    .err()
    .unwrap();
    assert!(e.to_string().contains("ids 1, 2, 3"), "{e}");
}
