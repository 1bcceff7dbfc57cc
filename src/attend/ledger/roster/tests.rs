mod cases;

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
    let roster = Roster::new(
        dir.path().join("roster.csv"),
        RosterColumns::default(),
        dir.path().into(),
        &Stop::new(),
    );
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
        self.roster.name(&Uid::new(&[4; 4]).unwrap(), None)
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
fn another_file_and_other_columns_count_from_the_next_look_on() {
    let scene = scene();
    scene.write("04040404,Ann\n");
    assert_eq!(scene.now(), known("Ann"));
    let other = scene.dir.path().join("other.csv");
    std::fs::write(&other, "card,nickname,name\n04040404,Bee,Bobby\n").unwrap();
    scene.roster.change(&other, &RosterColumns::default());
    assert_eq!(scene.now(), known("Bobby"), "at once");
    let columns = RosterColumns {
        name: Some(crate::config::ColumnName::Heading("nickname".into())),
        ..RosterColumns::default()
    };
    scene.roster.change(&other, &columns);
    assert_eq!(scene.now(), known("Bee"));
    // The same again is no reason to read anything.
    scene.roster.change(&other, &columns);
    std::fs::write(&other, "card,nickname,name\n04040404,Cee,Bobby\n").unwrap();
    assert_eq!(scene.now(), known("Bee"), "no look before its time");
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
    let why = |file: &Path| {
        format!(
            "{:#}",
            read(file, &RosterColumns::default(), &Tapped::default()).unwrap_err()
        )
    };
    assert!(why(&file).contains("r.csv"), "{}", why(&file));
    std::fs::write(&file, "uid,name\n4.01E+13,Ann\n").unwrap();
    let said = why(&file);
    assert!(
        said.contains("r.csv") && said.contains("4.01E+13"),
        "{said}"
    );
}

fn parsed(text: &str) -> Result<Contents> {
    understand(
        text.as_bytes(),
        &RosterColumns::default(),
        &Tapped::default(),
    )
}

#[test]
fn there_are_limits() {
    let line = |i: usize| format!("04{i:06X},A\n");
    let most: String = (0..parse::MOST_LINES).map(line).collect();
    assert_eq!(parsed(&most).unwrap().people.len(), parse::MOST_LINES);
    let why = format!(
        "{:#}",
        parsed(&(most.clone() + "04A1B2C3,A\n")).unwrap_err()
    );
    assert!(why.contains("200000"), "{why}");
    // Rows of a sheet with nothing in them are no lines.
    assert!(parsed(&(most + &",\n".repeat(1000))).is_ok());
    assert!(parsed("").unwrap().people.is_empty());
    // More columns than are looked at, longer names than are shown.
    assert_eq!(
        parsed(&format!("04A1B2C3,Ann{}\n", ",x".repeat(1000)))
            .unwrap()
            .people
            .len(),
        1
    );
    let long = parsed(&format!("04A1B2C3,{}\n04A1B2C4,Bob\n", "x".repeat(201))).unwrap();
    assert_eq!((long.people.len(), long.problems.count), (1, 1));
}

#[test]
fn employees_and_the_begin_of_their_day_are_kept() {
    let contents = parsed("社員番号,氏名,UID,日の始まり\n1001,Ann,DEAD1003,12:00\n1001,Ann,DEAD1004,\n1002,Bob,DEAD1005,noon\n").unwrap();
    let of = |card: &str| match contents.people.whose_tap(card, None) {
        Whose::Known(person) => person.clone(),
        other => panic!("{other:?}"),
    };
    let ann = of("DEAD1003");
    assert_eq!((&*ann.name, ann.employee.as_deref()), ("Ann", Some("1001")));
    assert_eq!(ann.day_begins, jiff::civil::Time::new(12, 0, 0, 0).ok());
    assert_eq!(
        of("DEAD1004"),
        ann,
        "two cards of one employee are one person's"
    );
    assert_eq!(of("DEAD1005").day_begins, None);
    assert!(
        contents.problems.first[0].contains("line 4: \"noon\""),
        "{:?}",
        contents.problems
    );
    assert_eq!(contents.employees, 2);
}

#[test]
fn a_card_is_whose_it_was_then() {
    let contents = parsed(
        "UID,name,valid from\nDEAD1003,Ann,\nDEAD1003,Bob,2026-12-01\nDEAD1004,Carl,2026-12-01 12:00\nDEAD1005,Dora,1/2/2026\n",
    )
    .unwrap();
    let who = |card: &str, when: &str| match contents
        .people
        .whose_tap(card, Some(when).filter(|w| !w.is_empty()))
    {
        Whose::Known(person) => person.name.to_string(),
        other => format!("{other:?}"),
    };
    for (card, when, want) in [
        ("DEAD1003", "2026-11-30T23:59:59.999999", "Ann"),
        ("DEAD1003", "2026-12-01T00:00:00", "Bob"),
        ("DEAD1003", "", "Disputed"),
        ("DEAD1004", "2026-12-01T11:59:59", "Earlier"),
        ("DEAD1004", "2026-12-01T12:00:00", "Carl"),
        ("DEAD1005", "2026-12-01T12:00:00", "Disputed"),
        ("DEAD1006", "2026-12-01T12:00:00", "Unknown"),
    ] {
        assert_eq!(who(card, when), want, "{card} {when}");
    }
    assert!(
        contents.problems.first[0].contains("line 5: \"1/2/2026\" is no day"),
        "{:?}",
        contents.problems
    );
}

#[test]
fn the_next_tap_may_tell_what_the_file_alone_does_not() {
    let scene = scene();
    // Which of the two is the card?
    scene.write("氏名,記号,管理\nAnn,04040404,DEAD1004\nBob,DEAD1005,DEAD1006\n");
    let _ = scene.now();
    let said = format!("{:?}", scene.roster.people().map(|p| p.len()));
    assert_eq!(said, "Some(4)");
    let ledger = crate::attend::ledger::Ledger::open(scene.dir.path()).unwrap();
    let db = rusqlite::Connection::open(ledger.store().file()).unwrap();
    db.execute(
        "INSERT INTO tap (uid, card, reader, local_time, utc_offset_s, utc_time, boottime_ms, boot_id, clock_synchronised, \
         idempotency_key) VALUES ('DEAD1006', 'felica', 'R', '', 0, '', 0, 'b', 0, 'k')",
        [],
    )
    .unwrap();
    let before = scene.roster.edition();
    assert_eq!(
        scene.roster.name(&Uid::new(&[9; 4]).unwrap(), None),
        Name::Unknown
    );
    let _ = scene.next();
    assert!(scene.roster.edition() > before);
    assert_eq!(scene.roster.people().map(|p| p.len()), Some(2));
}
