//! The limit, whatever happens to folder, disk and file.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// 0.01 MiB.
const SMALL: u64 = 10_485;

fn small(path: &Path, keep: usize) -> RotatingFile {
    RotatingFile::new(path, 0.01, keep)
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

#[test]
fn never_larger_and_never_more_than_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = small(&dir.path().join("x.log"), 3);
    for i in 0..2000 {
        log.put(format!("{i:0100}\n").as_bytes()).unwrap();
        for name in names(dir.path()) {
            let size = size(&dir.path().join(&name));
            assert!(size <= SMALL, "{name} has {size} bytes");
        }
    }
    assert_eq!(
        names(dir.path()),
        ["x.log", "x.log.1", "x.log.2", "x.log.3"]
    );
    // Nothing is lost between the files: the lines of .1 end where the current file begins.
    let first = |name: &str, last: bool| -> u64 {
        let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
        let line = if last {
            text.lines().last()
        } else {
            text.lines().next()
        };
        line.unwrap().parse().unwrap()
    };
    assert_eq!(first("x.log.1", true) + 1, first("x.log", false));
    assert_eq!(first("x.log", true), 1999);
}

#[test]
fn a_restart_goes_on_in_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.log");
    for _ in 0..2 {
        RotatingFile::new(&path, 1.0, 5).put(b"line\n").unwrap();
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"line\nline\n");
    // The umask may take rights away, but the group and others never may write.
    assert_eq!(size_of_rights(&path) & !0o644, 0);
}

fn size_of_rights(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn without_kept_files_the_limit_holds_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.log");
    let mut log = small(&path, 0);
    for i in 0..500 {
        log.put(format!("{i:0100}\n").as_bytes()).unwrap();
        assert!(size(&path) <= SMALL);
    }
    assert_eq!(names(dir.path()), ["x.log"]);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.ends_with("499\n") && text.len() as u64 > SMALL / 3);
}

#[test]
fn where_the_file_cannot_be_moved_it_keeps_its_newest_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.log");
    // A folder that is not empty cannot be replaced by a file, even by root.
    std::fs::create_dir_all(dir.path().join("x.log.1/in the way")).unwrap();
    let mut log = small(&path, 3);
    for i in 0..1000 {
        log.put(format!("{i:0100}\n").as_bytes()).unwrap();
        assert!(size(&path) <= SMALL);
        let text = std::fs::read_to_string(&path).unwrap();
        let numbers: Vec<u64> = text.lines().map(|l| l.parse().unwrap()).collect();
        assert!(numbers.windows(2).all(|w| w[0] + 1 == w[1]));
        assert_eq!(*numbers.last().unwrap(), i);
        assert!(i < 40 || numbers.len() > 40, "too much was thrown away");
    }
    assert!(dir.path().join("x.log.1/in the way").exists());
}

#[test]
fn the_longest_lines_keep_to_the_limit_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.log");
    std::fs::create_dir_all(dir.path().join("x.log.1/in the way")).unwrap();
    let mut log = small(&path, 3);
    for bytes in [8193, 100, 8193, 5000, 8193, 8193] {
        let mut line = vec![b'x'; bytes];
        line[bytes - 1] = b'\n';
        log.put(&line).unwrap();
        assert!(size(&path) <= SMALL, "{}", size(&path));
    }
}

#[test]
fn a_file_that_was_moved_away_is_not_written_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.log");
    let mut log = RotatingFile::new(&path, 1.0, 5);
    log.put(b"one\n").unwrap();
    std::fs::rename(&path, dir.path().join("away")).unwrap();
    log.put(b"two\n").unwrap();
    log.open().unwrap();
    log.put(b"three\n").unwrap();
    // Another file has the name now.
    std::fs::rename(dir.path().join("away"), &path).unwrap();
    log.put(b"four\n").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"one\nfour\n");
}

#[test]
fn zeros_of_a_power_cut_are_cut_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.log");
    for (zeros, kept) in [(1, "one\ntwo"), (200_000, "one\n"), (70_000, "")] {
        let text = [kept.as_bytes(), &vec![0; zeros]].concat();
        std::fs::write(&path, text).unwrap();
        RotatingFile::new(&path, 1.0, 5).put(b"next\n").unwrap();
        let end = if kept.is_empty() || kept.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            format!("{kept}{end}next\n")
        );
    }
}

#[test]
fn a_file_that_was_deleted_or_emptied_is_no_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.log");
    let mut log = small(&path, 1);
    log.put(&[b'x'; 9000]).unwrap();
    std::fs::remove_file(&path).unwrap();
    log.put(b"one\n").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"one\n");
    std::fs::write(&path, "").unwrap();
    log.put(b"two\n").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"two\n");
    assert_eq!(names(dir.path()), ["x.log"], "no reason to rotate");
}

#[test]
fn limits_that_were_larger_before_are_enforced_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let old = "an old line\n".repeat(4000);
    for name in [
        "x.log", "x.log.1", "x.log.2", "x.log.4", "x.log.12", "x.log.gz", "y.log.9",
    ] {
        std::fs::write(dir.path().join(name), &old).unwrap();
    }
    small(&dir.path().join("x.log"), 2).open().unwrap();
    let left = ["x.log", "x.log.1", "x.log.2", "x.log.gz", "y.log.9"];
    assert_eq!(names(dir.path()), left);
    for ours in &left[..3] {
        let text = std::fs::read_to_string(dir.path().join(ours)).unwrap();
        assert!(text.len() as u64 <= SMALL && text.len() > 10_000);
        assert!(text.lines().all(|l| l == "an old line"), "whole lines");
    }
    assert_eq!(size(&dir.path().join("y.log.9")), old.len() as u64);
}

#[test]
fn a_line_that_was_cut_by_a_power_cut_does_not_swallow_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.log");
    std::fs::write(&path, "half a li").unwrap();
    let mut log = small(&path, 1);
    log.put(b"one\n").unwrap();
    log.put(b"two\n").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"half a li\none\ntwo\n");
}

#[test]
fn behind_a_link_the_file_itself_is_rotated() {
    let dir = tempfile::tempdir().unwrap();
    let (link, real) = (dir.path().join("x.log"), dir.path().join("disk"));
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(real.join("real.log"), &link).unwrap();
    let mut log = small(&link, 1);
    for _ in 0..300 {
        log.put(&[b'x'; 100]).unwrap();
    }
    assert_eq!(names(&real), ["real.log", "real.log.1"]);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn a_device_is_written_and_left_alone() {
    let mut log = small(Path::new("/dev/null"), 1);
    log.open().unwrap();
    for _ in 0..300 {
        log.put(&[b'x'; 100]).unwrap();
    }
    let full = small(Path::new("/dev/full"), 1).put(b"x\n").unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    assert_eq!(base(Path::new("/dev/stdout")), None);
}

#[test]
fn a_named_pipe_is_written_and_its_absent_reader_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut log = small(&path, 1);
    log.open().unwrap_err();
    log.put(b"x\n").unwrap_err();

    let reader = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(&path)
        .unwrap();
    for _ in 0..150 {
        log.put(&[b'x'; 100]).unwrap();
    }
    assert_eq!(names(dir.path()), ["pipe"], "nothing to rotate");
    drop(reader);
    log.put(b"x\n").unwrap_err();
}

#[test]
fn a_file_that_takes_nothing_never_grows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("folder");
    std::fs::create_dir(&path).unwrap();
    let mut log = small(&path, 1);
    log.open().unwrap_err();
    log.put(b"x\n").unwrap_err();
    std::fs::remove_dir(&path).unwrap();
    log.put(b"x\n").unwrap();
}
