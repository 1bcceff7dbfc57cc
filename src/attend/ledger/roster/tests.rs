use super::*;
use std::fs::File;

use crate::base::clock::{Clock as _, ManualClock};

struct RosterScene {
    dir: tempfile::TempDir,
    clock: ManualClock,
    roster: Roster,
}

fn scene() -> RosterScene {
    let dir = tempfile::tempdir().unwrap();
    let roster = Roster::new(dir.path().join("roster.csv"), &Stop::new());
    let clock = ManualClock::new(Duration::from_secs(9), jiff::Timestamp::UNIX_EPOCH);
    RosterScene { dir, clock, roster }
}

impl RosterScene {
    fn path(&self) -> PathBuf {
        self.dir.path().join("roster.csv")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
    }

    /// The name of the card 04040404 after the next look.
    fn next(&self) -> Name {
        self.clock.advance(LOOK);
        self.now()
    }

    fn now(&self) -> Name {
        self.roster.refresh(self.clock.now());
        self.roster.name(&Uid::new(&[4; 4]).unwrap())
    }
}

fn known(name: &str) -> Name {
    Name::Known(name.to_owned())
}

#[test]
fn a_change_is_noticed_at_the_next_look() {
    let scene = scene();
    scene.write("04040404,Ann\n");
    assert_eq!(scene.now(), known("Ann"));
    scene.write("04040404,Bobby\n");
    assert_eq!(scene.now(), known("Ann"), "no look before its time");
    assert_eq!(scene.next(), known("Bobby"));
    scene.write("05050505,Bobby\n");
    assert_eq!(scene.next(), Name::Unknown);
}

#[test]
fn a_replacement_by_another_file_of_the_same_size_and_time_is_noticed() {
    let scene = scene();
    scene.write("04040404,Ann\n");
    assert_eq!(scene.now(), known("Ann"));
    let (time, other) = (
        std::fs::metadata(scene.path()).unwrap().modified().unwrap(),
        scene.dir.path().join("new"),
    );
    std::fs::write(&other, "04040404,Bob\n").unwrap();
    File::options()
        .write(true)
        .open(&other)
        .unwrap()
        .set_modified(time)
        .unwrap();
    std::fs::rename(&other, scene.path()).unwrap();
    assert_eq!(scene.next(), known("Bob"));
}

#[test]
fn whatever_happens_to_the_file_the_names_stay() {
    let scene = scene();
    assert_eq!(scene.now(), Name::NoRoster);
    scene.write("04040404,Ann\n");
    assert_eq!(scene.next(), known("Ann"));
    // Half written, nothing of use in it.
    scene.write("04040");
    assert_eq!(scene.next(), known("Ann"));
    std::fs::remove_file(scene.path()).unwrap();
    assert_eq!(scene.next(), known("Ann"));
    std::fs::create_dir(scene.path()).unwrap();
    assert_eq!(scene.next(), known("Ann"));
    std::fs::remove_dir(scene.path()).unwrap();
    nix::unistd::mkfifo(&scene.path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(scene.next(), known("Ann"), "a pipe holds nobody up");
    std::fs::remove_file(scene.path()).unwrap();
    File::create(scene.path())
        .unwrap()
        .set_len(LARGEST_BYTES + 1)
        .unwrap();
    assert_eq!(scene.next(), known("Ann"));
    scene.write("04040404,Bob\n");
    assert_eq!(scene.next(), known("Bob"));
}

#[test]
fn what_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    let why = |file: &Path| format!("{:#}", read(file).unwrap_err());
    assert!(why(&file).contains("r.csv"), "{}", why(&file));
    std::fs::write(&file, "uid,name\n4.01E+13,Ann\n").unwrap();
    let said = why(&file);
    assert!(
        said.contains("r.csv") && said.contains("4.01E+13"),
        "{said}"
    );
}
