//! A full disk, a read-only one, and one that forgets everything at a power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::cards::{self, Cards, ledger, those};
use crate::harness::{Scene, wait_until};
use crate::mounts::{self, isolated};
use crate::server::Server;

/// How soon taps must count again when the disk takes them again: within five seconds of tries, however long
/// a busy machine takes for one.
const TRY_EVERY: Duration = Duration::from_millis(100);
const TRIES: u32 = 50;
/// Far more taps than fit into the room that may have been put by.
const ENDLESS: u32 = 20_000;

/// A service whose data folder is a file system of its own; the server is not there yet.
struct DiskScene {
    scene: Scene,
    cards: Cards,
    server: Server,
    /// What became of every tap so far.
    taps: BTreeMap<String, String>,
}

impl DiskScene {
    fn new() -> Self {
        let (scene, cards) = cards::scene();
        let server = Server::new(&scene);
        let url = format!("http://127.0.0.1:{}", server.port);
        let scene = scene.set("server_url", json!(url));
        std::fs::create_dir(scene.path("data")).unwrap();
        Self {
            scene,
            cards,
            server,
            taps: BTreeMap::new(),
        }
    }

    /// Taps new cards; returns whether all were counted. A tap is counted or failed, nothing else.
    fn tap(&mut self, count: u32) -> bool {
        let taps = self.cards.tap(&self.scene, count);
        let counted = those(&taps, "counted").len();
        assert_eq!(counted + those(&taps, "failed").len(), taps.len());
        let all = counted == taps.len();
        self.taps.extend(taps);
        all
    }

    /// Taps until the disk takes no more.
    fn tap_until_it_fails(&mut self, filler: &Path) {
        let mut tapped = 0;
        while self.tap(25) {
            tapped += 25;
            assert!(tapped < ENDLESS, "the disk never was full");
            fill(filler);
        }
        assert!(!self.tap(25), "it stays full");
    }

    /// Taps now and then until one counts, which must be soon.
    fn tap_until_it_counts(&mut self) {
        let mut tries = 1;
        while !self.tap(1) {
            assert!(tries < TRIES, "taps do not count again");
            tries += 1;
            std::thread::sleep(TRY_EVERY);
        }
    }

    /// What was said to be counted is in the ledger, and nothing that failed.
    fn compare(&self) {
        let counted: BTreeSet<_> = those(&self.taps, "counted").into_iter().collect();
        let kept: BTreeSet<_> = ledger(&self.scene).into_iter().collect();
        assert_eq!(kept, counted);
    }

    /// With a server, each tap that was counted gets there, once, and nothing else.
    fn deliver(&mut self) {
        self.server.start("ok");
        let running = self.cards.run(&self.scene);
        let counted = those(&self.taps, "counted");
        let all: BTreeMap<_, _> = counted.into_iter().map(|uid| (uid, 1)).collect();
        let there = || self.server.stored().len() >= all.len();
        wait_until("the server to have all", there, || self.scene.log());
        assert_eq!(running.stop().0.code(), Some(0));
        assert_eq!(self.server.stored(), all);
        self.server.stop();
    }
}

/// Writes into a file until the disk is full.
fn fill(file: &Path) {
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .unwrap();
    for size in [1 << 20, 4096, 512] {
        while file.write_all(&vec![0xA5; size]).is_ok() {}
    }
    let _ = file.sync_all();
}

fn alarms(scene: &Scene, text: &str) -> usize {
    let log = scene.log().to_lowercase();
    let alarms = log.lines().filter(|l| l.contains(" - error - "));
    alarms.filter(|l| l.contains(text)).count()
}

/// A service whose data folder is a small disk of its own; with the disk's image and the folder.
fn on_a_disk(test: impl FnOnce(DiskScene, PathBuf, PathBuf) + Send + 'static) {
    isolated(move || {
        let disk = DiskScene::new();
        let (image, data) = (disk.scene.path("image"), disk.scene.path("data"));
        if mounts::ext4(&image, &data, 24) {
            test(disk, image, data);
        }
    });
}

/// Full, room again, full again, killed.
fn fills_up(mut disk: DiskScene) {
    let filler = disk.scene.path("data/filler");
    let running = disk.cards.run(&disk.scene);
    assert!(disk.tap(25));

    fill(&filler);
    disk.tap_until_it_fails(&filler);
    assert!(
        alarms(&disk.scene, "not counted") > 0,
        "{}",
        disk.scene.log()
    );

    std::fs::remove_file(&filler).unwrap();
    disk.tap_until_it_counts();
    assert!(disk.tap(25));

    fill(&filler);
    disk.tap_until_it_fails(&filler);
    // SIGKILL.
    drop(running);
    std::fs::remove_file(&filler).unwrap();
    disk.compare();
    disk.deliver();
}

#[test]
fn a_full_disk_fails_taps_and_loses_none() {
    on_a_disk(|disk, _, _| fills_up(disk));
}

#[test]
fn a_full_disk_in_memory_fails_taps_and_loses_none() {
    isolated(|| {
        let disk = DiskScene::new();
        mounts::tmpfs(&disk.scene.path("data"), "12m");
        fills_up(disk);
    });
}

/// ext4 turns itself read-only at a fault of its medium; this is its own way to rehearse that.
#[test]
fn a_disk_that_turns_read_only_fails_taps_and_loses_none() {
    on_a_disk(|mut disk, image, data| {
        let running = disk.cards.run(&disk.scene);
        assert!(disk.tap(25));
        if let Err(why) = mounts::remount(&data, "abort") {
            eprintln!("SKIPPED: this kernel does not let ext4 fail on request: {why}");
            return;
        }
        assert!(!disk.tap(25));
        assert!(
            alarms(&disk.scene, "not counted") > 0,
            "{}",
            disk.scene.log()
        );
        drop(running);
        mounts::unmount(&data);
        mounts::remount_image(&image, &data).unwrap();
        disk.compare();

        let running = disk.cards.run(&disk.scene);
        assert!(disk.tap(25));
        assert_eq!(running.stop().0.code(), Some(0));
        disk.deliver();
    });
}

/// A file system cannot be remounted read-only while a file on it is open for writing. Files that must not
/// be changed are as read-only for the service, and can be given back to it. The index of the journal is
/// left out: it is mapped into memory, where the kernel answers a forbidden write with SIGBUS.
#[test]
fn files_that_turn_read_only_fail_taps_until_they_can_be_written_again() {
    on_a_disk(|mut disk, _, data| {
        let running = disk.cards.run(&disk.scene);
        assert!(disk.tap(25));
        let immutable = |sign: &str| {
            let mut chattr = Command::new("chattr");
            chattr.arg(format!("{sign}i")).arg(&data);
            chattr.args(["attendance.db", "attendance.db-wal"].map(|name| data.join(name)));
            assert!(chattr.status().unwrap().success(), "chattr {sign}i");
        };
        immutable("+");
        assert!(!disk.tap(25));
        immutable("-");
        disk.tap_until_it_counts();
        drop(running);
        disk.compare();
        disk.deliver();
    });
}

/// With blocks of 1 KiB, as small disks have, SQLite's index of the journal would have holes.
#[test]
fn a_start_on_a_full_disk_is_refused_in_words_and_goes_well_later() {
    on_a_disk(|mut disk, _, data| {
        let filler = data.join("filler");
        let running = disk.cards.run(&disk.scene);
        assert!(disk.tap(25));
        fill(&filler);
        disk.tap_until_it_fails(&filler);
        // SIGKILL, and whatever that has freed.
        drop(running);
        fill(&filler);
        let (status, _) = disk.scene.run(&[]).end();
        assert_eq!(status.code(), Some(1), "{}", disk.scene.log());
        let said = std::fs::read_to_string(disk.scene.path("stderr")).unwrap();
        assert!(said.contains("full"), "{said}");
        std::fs::remove_file(&filler).unwrap();
        disk.compare();
        disk.deliver();
    });
}

/// The journal must not take the room that it needs to be copied.
#[test]
fn many_taps_on_a_small_disk_are_all_counted() {
    isolated(|| {
        let mut disk = DiskScene::new();
        let (image, data) = (disk.scene.path("image"), disk.scene.path("data"));
        if !mounts::ext4(&image, &data, 6) {
            return;
        }
        let running = disk.cards.run(&disk.scene);
        for _ in 0..8 {
            assert!(disk.tap(50), "{}", disk.scene.log());
        }
        assert_eq!(running.stop().0.code(), Some(0));
        disk.compare();
        disk.deliver();
    });
}

#[test]
fn a_read_only_disk_at_the_start_is_named_and_later_used() {
    on_a_disk(|mut disk, _, data| {
        mounts::remount(&data, "ro").unwrap();
        let (status, _) = disk.scene.run(&[]).end();
        assert_eq!(status.code(), Some(1));
        let said = std::fs::read_to_string(disk.scene.path("stderr")).unwrap();
        assert!(said.contains("read-only"), "{said}");
        mounts::remount(&data, "rw").unwrap();
        let running = disk.cards.run(&disk.scene);
        assert!(disk.tap(25));
        drop(running);
        disk.deliver();
    });
}

#[test]
fn a_data_folder_in_memory_gives_an_alarm_at_the_start_and_at_every_tap() {
    isolated(|| {
        let mut disk = DiskScene::new();
        mounts::tmpfs(&disk.scene.path("data"), "32m");
        let running = disk.cards.run(&disk.scene);
        let at_start = alarms(&disk.scene, "power cut");
        assert_eq!(at_start, 1, "{}", disk.scene.log());
        for taps in 1..=3 {
            assert!(disk.tap(1));
            let told = || alarms(&disk.scene, "power cut") == at_start + taps;
            wait_until("an alarm for the tap", told, || disk.scene.log());
        }
        assert_eq!(running.stop().0.code(), Some(0));
    });
}

#[test]
fn a_disk_that_stands_still_does_not_stop_what_feeds_the_watchdog() {
    on_a_disk(|disk, _, data| {
        let scene = &disk.scene;
        let socket = scene.path("notify");
        let manager = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
        // What the unit allows (WatchdogSec=20).
        let allowed = Duration::from_secs(20);
        manager.set_read_timeout(Some(allowed)).unwrap();
        let fed = || loop {
            let mut buffer = [0; 256];
            let n = manager.recv(&mut buffer).expect("the watchdog is fed");
            if buffer[..n].starts_with(b"WATCHDOG=1") {
                return;
            }
        };
        let cards = scene.path("cards");
        // The health file lies on the disk that stands still, as where there is no /run.
        let env = [
            ("FACETAP_SIMULATED_CARDS", cards.to_str().unwrap()),
            ("NOTIFY_SOCKET", socket.to_str().unwrap()),
            ("RUNTIME_DIRECTORY", data.to_str().unwrap()),
        ];
        let running = scene.run_with(&[], &env);
        running.wait_for_log("[SERVER_START]");
        fed();
        let frozen = mounts::Freeze::of(&data);
        // A reload is news, which is written at once.
        running.signal(nix::sys::signal::Signal::SIGHUP);
        for _ in 0..12 {
            fed();
        }
        assert!(data.join("health.json").exists());
        drop(frozen);
        assert_eq!(running.stop().0.code(), Some(0), "{}", scene.log());
    });
}
