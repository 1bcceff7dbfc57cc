//! Frames held against those of the makers' own packages (`tests/tools/servo_oracles.py`), byte for byte. A Maestro has no
//! package of its maker; its bytes are those of the user's guide.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use facetap::follow::servo::protocol::dynamixel::Dynamixel;
use facetap::follow::servo::protocol::scs::{self, Scs};
use facetap::follow::servo::protocol::sts::Sts;
use facetap::follow::servo::protocol::{Protocol, Write};
use facetap::follow::servo::steps::Steps;

fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tools")
        .join(name)
}

/// A Python with the makers' packages, in a folder of its own that is kept from one run to the next. None, and loudly, where
/// they cannot be fetched.
fn python() -> Option<PathBuf> {
    let list = tool("servo_oracles.txt");
    let wanted = std::fs::read_to_string(&list).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("servo-oracles");
    let (python, mark) = (folder.join("bin/python"), folder.join("installed.txt"));
    if std::fs::read_to_string(&mark).is_ok_and(|have| have == wanted) {
        return Some(python);
    }
    let made = Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&folder)
        .status();
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
    ];
    let installed = made.is_ok_and(|made| made.success())
        && Command::new(&python)
            .args(install)
            .args(["--require-hashes", "--retries", "2", "--requirement"])
            .arg(&list)
            .status()
            .is_ok_and(|done| done.success());
    if !installed {
        eprintln!("SKIPPED: the makers' packages cannot be installed (the lines above say why)");
        return None;
    }
    std::fs::write(&mark, wanted).unwrap();
    Some(python)
}

fn theirs(python: &Path, maker: &str) -> BTreeMap<String, String> {
    let output = Command::new(python)
        .arg(tool("servo_oracles.py"))
        .arg(maker)
        .output()
        .unwrap();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{problem}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Each frame of theirs has one of ours, and it is the same.
fn compare(theirs: BTreeMap<String, String>, ours: &[(&str, Vec<u8>)]) {
    let hex = |bytes: &[u8]| {
        let digits: Vec<String> = bytes.iter().map(|b| format!("{b:02X}")).collect();
        digits.join(" ")
    };
    let ours: BTreeMap<String, String> = ours
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), hex(bytes)))
        .collect();
    assert_eq!(ours, theirs);
}

#[test]
fn frames_of_the_dynamixels_are_the_makers() {
    let Some(python) = python() else { return };
    let of = Dynamixel;
    let write = |id: u8, order: Option<Write>| of.write(id, &order.unwrap()).bytes;
    let ids = [1, 2, 3];
    let goals = [(1, Steps(2048)), (2, Steps(0)), (3, Steps(4095))];
    compare(
        theirs(&python, "dynamixel"),
        &[
            ("ping 1", of.ping(1).bytes),
            ("reboot 1", of.reboot(1).unwrap().bytes),
            ("read 1 70 1", of.alerts(1).unwrap().bytes),
            ("read 1 0 56", of.settings(1).bytes),
            ("read 252 126 10", of.movement(&[252], 0).unwrap().bytes),
            ("torque 1 on", write(1, of.torque(true))),
            ("goal 1 2048", write(1, Some(of.goal(Steps(2048))))),
            ("goal 1 4095", write(1, Some(of.goal(Steps(4095))))),
            ("id 1 2", write(1, of.set_id(2))),
            ("offset 1 -100", write(1, of.set_offset(-100))),
            (
                "stuffed",
                write(1, Some(Write::new(116u8, &[0xFF, 0xFF, 0xFD, 0x05]))),
            ),
            ("sync read 126 10", of.movement(&ids, 0).unwrap().bytes),
            ("goals", of.goals(&goals)),
        ],
    );
}

#[test]
fn frames_of_both_feetech_families_are_the_makers() {
    let Some(python) = python() else { return };
    let write =
        |of: &dyn Protocol, id: u8, order: Option<Write>| of.write(id, &order.unwrap()).bytes;
    let goals = |middle: i32| [(1, Steps(middle)), (2, Steps(0)), (3, Steps(1000))];
    let (sts, scs) = (Sts.permanent().unwrap(), Scs.permanent().unwrap());
    compare(
        theirs(&python, "feetech"),
        &[
            ("sts ping 1", Sts.ping(1).bytes),
            ("sts read 1 56 10", Sts.movement(&[1], 0).unwrap().bytes),
            ("sts torque 1 off", write(&Sts, 1, Sts.torque(false))),
            ("sts unlock 1", write(&Sts, 1, sts.unlock)),
            ("sts id 1 2", write(&Sts, 1, Sts.set_id(2))),
            ("sts lock 2", write(&Sts, 2, sts.lock)),
            ("sts goal 1", write(&Sts, 1, Some(Sts.goal(Steps(2048))))),
            ("sts goals", Sts.goals(&goals(2048))),
            (
                "sts sync read 56 10",
                Sts.movement(&[1, 2, 3], 0).unwrap().bytes,
            ),
            ("sts offset 1 -100", write(&Sts, 1, Sts.set_offset(-100))),
            ("scs ping 1", Scs.ping(1).bytes),
            ("scs read 1 56 10", Scs.movement(&[1], 0).unwrap().bytes),
            ("scs torque 1 off", write(&Scs, 1, Scs.torque(false))),
            ("scs unlock 1", write(&Scs, 1, scs.unlock)),
            ("scs id 1 2", write(&Scs, 1, Scs.set_id(2))),
            ("scs lock 2", write(&Scs, 2, scs.lock)),
            ("scs goal 1", write(&Scs, 1, Some(Scs.goal(Steps(512))))),
            ("scs goals", Scs.goals(&goals(512))),
            (
                "scs speed mode 1",
                write(&Scs, 1, Some(scs::set_limits(0, 0))),
            ),
        ],
    );
}
