//! What is named in a servo's memory, and the exact bytes that put it right.

use super::super::protocol::dynamixel::Dynamixel;
use super::super::protocol::scs::Scs;
use super::super::protocol::sts::Sts;
use super::super::protocol::{Protocol, Reading};
use super::super::steps::Steps;
use super::super::survey::{Found, Voice};
use super::left::{Left, left};
use super::look::Servo;

/// Bytes that are not as delivered.
type Spoilt = &'static [(usize, u8)];
/// Registers, and what is written to them.
type Orders = &'static [(u16, &'static [u8])];

fn servo(protocol: &'static dyn Protocol, memory: Vec<u8>) -> Servo {
    let table = protocol.table().unwrap();
    let reading = Reading {
        position: Steps(2048),
        off: false,
        load: 0,
        voltage: Some(74),
        temperature: Some(30),
        status: 0,
        alert: false,
    };
    let count = protocol.settings(1).count;
    let settings = protocol.parse_settings(1, &memory[..count]).unwrap();
    let voice = Voice::Clear;
    Servo {
        protocol,
        table,
        id: 1,
        rate: 1_000_000,
        found: Found {
            reading,
            voice,
            settings,
        },
        memory,
        late: false,
    }
}

/// As delivered: model 777, id 1, 8.0 to 4.0 V, phase 12, locked.
fn sts(change: &[(usize, u8)]) -> Servo {
    let mut memory = vec![0; 56];
    let delivered = [
        (3, 9),
        (4, 3),
        (5, 1),
        (8, 1),
        (11, 0xFF),
        (12, 0x0F),
        (14, 80),
        (15, 40),
        (18, 12),
        (55, 1),
    ];
    for (at, byte) in delivered.iter().chain(change) {
        memory[*at] = *byte;
    }
    servo(&Sts, memory)
}

#[test]
fn a_servo_as_delivered_has_nothing_left_behind() {
    let new = sts(&[]);
    assert_eq!(left(&new), []);
    assert_eq!(
        (new.volts(), new.set_rate(), new.has_torque()),
        (Some((40, 80)), Some(1_000_000), false)
    );
    let mut scs = vec![0; 50];
    for (at, byte) in [
        (2, 1),
        (5, 1),
        (8, 1),
        (10, 20),
        (11, 3),
        (12, 0xEB),
        (48, 1),
    ] {
        scs[at] = byte;
    }
    assert_eq!(left(&servo(&Scs, scs)), []);
    let mut xl430 = vec![0; 128];
    for (at, byte) in [
        (0, 0x24),
        (1, 4),
        (7, 1),
        (8, 1),
        (11, 3),
        (48, 0xFF),
        (49, 0x0F),
        (68, 2),
    ] {
        xl430[at] = byte;
    }
    assert_eq!(left(&servo(&Dynamixel, xl430.clone())), []);
    xl430[10] = 5;
    let reversed = servo(&Dynamixel, xl430);
    assert_eq!(left(&reversed), [Left::Reversed(5)]);
    // Bit 2, the limits that are times, stays.
    assert_eq!(left(&reversed)[0].mend(&reversed)[0].data, [4]);
}

#[test]
fn each_thing_left_behind_is_named_with_the_bytes_that_put_it_right() {
    let spoilt: [(Spoilt, Left, Orders); 8] = [
        (&[(33, 1)], Left::Mode(1), &[(33, &[0])]),
        (
            &[(9, 100), (11, 0xB8), (12, 0x0B)],
            Left::Limits(100, 3000),
            &[(9, &[0, 0]), (11, &[0xFF, 0x0F])],
        ),
        (
            &[(11, 0), (12, 0)],
            Left::Limits(0, 0),
            &[(9, &[0, 0]), (11, &[0xFF, 0x0F])],
        ),
        (&[(31, 0x64), (32, 8)], Left::Offset(-100), &[(31, &[0, 0])]),
        (&[(18, 28)], Left::Turns(28), &[(18, &[12])]),
        (&[(8, 0)], Left::Level(0), &[(8, &[1])]),
        (&[(55, 0)], Left::Unlocked, &[]),
        (&[(40, 1)], Left::Torque, &[]),
    ];
    for (change, what, bytes) in spoilt {
        let servo = sts(change);
        assert_eq!(left(&servo), [what]);
        let orders = what.mend(&servo);
        let orders: Vec<(u16, &[u8])> = orders.iter().map(|o| (o.register, &o.data[..])).collect();
        assert_eq!(orders, bytes, "{what:?}");
        assert!(!what.told(&servo).is_empty());
    }
}
