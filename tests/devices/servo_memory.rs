//! Permanent memory: what each family wants to be told so that a value outlives a loss of power, tried at simulated servos that
//! share no code with the program.

use std::sync::Arc;
use std::time::{Duration, Instant};

use facetap::base::clock::SystemClock;
use facetap::follow::servo::bus::Bus;
use facetap::follow::servo::fault::Fault;
use facetap::follow::servo::port::{self, SerialWire};
use facetap::follow::servo::protocol::dynamixel::Dynamixel;
use facetap::follow::servo::protocol::scs::Scs;
use facetap::follow::servo::protocol::sts::Sts;
use facetap::follow::servo::protocol::{Protocol, Write};

use crate::servos::Servos;

const LONG: Duration = Duration::from_secs(60);

/// A servo with id 1 whose power fails for a moment three seconds after its start.
fn servo(
    family: &str,
    protocol: &'static dyn Protocol,
) -> Option<(tempfile::TempDir, Servos, Bus<SerialWire>)> {
    let folder = tempfile::tempdir().unwrap();
    let (link, record) = (
        folder.path().join("port"),
        folder.path().join("frames.jsonl"),
    );
    let servos = Servos::start_family(family, &link, &record, &["--ids", "1", "--cut-power", "3"])?;
    let begun = Instant::now();
    while !link.exists() {
        assert!(begun.elapsed() < LONG, "no port");
        std::thread::sleep(Duration::from_millis(10));
    }
    let wire = port::open(&link, 1_000_000).unwrap();
    let bus = Bus::new(wire, protocol, Arc::new(SystemClock));
    Some((folder, servos, bus))
}

/// Waits until the power has failed.
fn lose_power(servos: &Servos, bus: &mut Bus<SerialWire>) {
    let begun = Instant::now();
    while !servos.frames().iter().any(|f| f["power"] == "cut") {
        assert!(begun.elapsed() < LONG, "the power does not fail");
        let _ = bus.ping(9);
    }
}

fn answers(bus: &mut Bus<SerialWire>) -> Vec<u8> {
    let there = |bus: &mut Bus<SerialWire>, id: u8| {
        // On a busy machine an answer may come too late.
        (0..5).any(|_| bus.ping(id).is_ok())
    };
    (1..=2).filter(|id| there(bus, *id)).collect()
}

#[test]
fn an_id_outlives_a_loss_of_power_only_where_memory_was_opened() {
    let families: [(&str, &dyn Protocol); 2] = [("sts", &Sts), ("scs", &Scs)];
    for (family, protocol) in families {
        for opened in [false, true] {
            let Some((_folder, servos, mut bus)) = servo(family, protocol) else {
                return;
            };
            let memory = protocol.permanent().unwrap();
            if opened {
                bus.write(1, &memory.unlock.unwrap()).unwrap();
            }
            // The answer may come under either id.
            bus.write_hastily(1, &protocol.set_id(2).unwrap()).unwrap();
            if opened {
                bus.write(2, &memory.lock.unwrap()).unwrap();
            }
            // It takes effect at once, which proves nothing.
            assert_eq!(answers(&mut bus), [2], "{family}");
            lose_power(&servos, &mut bus);
            let kept = if opened { 2 } else { 1 };
            assert_eq!(answers(&mut bus), [kept], "{family}, opened: {opened}");
        }
    }
}

#[test]
fn a_dynamixel_takes_permanent_values_only_without_torque() {
    let Some((_folder, servos, mut bus)) = servo("dynamixel", &Dynamixel) else {
        return;
    };
    bus.torque(1, true).unwrap();
    let refused = bus
        .write(1, &Dynamixel.set_offset(-100).unwrap())
        .unwrap_err();
    assert!(
        matches!(
            refused,
            Fault::Refused {
                id: 1,
                register: 20
            }
        ),
        "{refused}"
    );
    bus.torque(1, false).unwrap();
    bus.write(1, &Dynamixel.set_offset(-100).unwrap()).unwrap();
    // A register of the moment.
    bus.write(1, &Write::new(65u8, &[1])).unwrap();
    lose_power(&servos, &mut bus);
    assert_eq!(bus.settings(1).unwrap().offset, -100);
    assert_eq!(bus.settings(1).unwrap().model, 1060);
}
