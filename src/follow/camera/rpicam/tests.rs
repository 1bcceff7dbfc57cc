//! The real pipes and signals, against a stand-in program of that command line.

use std::path::{Path, PathBuf};

use jiff::Zoned;

use super::*;
use crate::base::clock::SystemClock;
use crate::base::stop::Reason;
use crate::config::Config;
use crate::follow::camera::{Frame, Picture};

/// A folder with the stand-in and what it does.
struct Stage {
    dir: tempfile::TempDir,
    program: &'static str,
}

impl Stage {
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/rpicam_vid.py");
        let link = dir.path().join("rpicam-vid");
        std::os::unix::fs::symlink(tool, &link).unwrap();
        std::fs::write(dir.path().join("script.json"), script).unwrap();
        std::fs::write(dir.path().join("picture.jpg"), picture()).unwrap();
        // Names of programs are constants everywhere else.
        let program = Box::leak(link.to_str().unwrap().to_owned().into_boxed_str());
        Self { dir, program }
    }

    fn open(&self) -> Result<RpicamSource> {
        self.open_with(Arc::new(SystemClock), &Stop::new())
    }

    fn open_with(&self, clock: Arc<dyn Clock>, stop: &Stop) -> Result<RpicamSource> {
        let camera = Config::default().camera;
        RpicamSource::open_program(&["no-such-program", self.program], &camera, clock, stop)
    }

    /// Process number and arguments of every start.
    fn launches(&self) -> Vec<(u32, String)> {
        let text = std::fs::read_to_string(self.dir.path().join("launches")).unwrap_or_default();
        text.lines()
            .map(|line| {
                let (pid, arguments) = line.split_once(' ').unwrap();
                (pid.parse().unwrap(), arguments.to_owned())
            })
            .collect()
    }
}

/// A picture as large as real ones.
fn picture() -> Vec<u8> {
    let mut jpeg = jpeg::header(640, 480);
    jpeg.truncate(jpeg.len() - 2);
    jpeg.extend([0xFF, 0xDA, 0, 2]);
    jpeg.extend([0x55; 30_000]);
    jpeg.extend([0xFF, 0xD9]);
    jpeg
}

fn exists(pid: u32) -> bool {
    PathBuf::from(format!("/proc/{pid}")).exists()
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let deadline = SystemClock.now() + Duration::from_secs(60);
    while !done() {
        assert!(SystemClock.now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Asks until a picture or a failure comes.
fn next(source: &mut RpicamSource) -> Result<Frame> {
    loop {
        match source.grab(&Stop::new())? {
            Grab::Frame(frame) => return Ok(frame),
            Grab::Nothing => {}
            Grab::End => bail!("a camera has no end"),
        }
    }
}

#[test]
fn it_is_told_what_every_version_understands() {
    let told = arguments(&Config::default().camera).join(" ");
    assert_eq!(
        told,
        "--codec mjpeg --width 640 --height 480 --framerate 30 --timeout 0 --nopreview --flush --output -"
    );
}

#[test]
fn pictures_arrive_whole_and_closing_ends_the_program() {
    for script in [
        "[{}]",
        r#"[{"chunk": 1111, "garbage": "Preview window unavailable\n"}]"#,
        r#"[{"complain": 300}]"#,
    ] {
        let stage = Stage::new(script);
        let mut source = stage.open().unwrap();
        assert!(source.describe().contains("640x480 MJPEG at 30/s"));
        let mut last = Monotime::default();
        for number in 0..5 {
            let frame = next(&mut source).unwrap();
            assert_eq!(frame.number, number);
            assert!(frame.captured >= last, "{script}");
            last = frame.captured;
            assert_eq!(frame.picture, Picture::Jpeg(picture()), "{script}");
        }
        let (pid, _) = stage.launches()[0];
        assert!(exists(pid));
        drop(source);
        assert!(!exists(pid), "neither alive nor a zombie");
        assert_eq!(stage.launches().len(), 1);
    }
}

#[test]
fn a_program_that_does_not_listen_is_killed() {
    let stage = Stage::new(r#"[{"deaf": true}]"#);
    let source = stage.open().unwrap();
    drop(source);
    assert!(!exists(stage.launches()[0].0));
}

#[test]
fn the_end_is_told_with_status_and_last_words_at_every_call() {
    let stage = Stage::new(r#"[{"frames": 3, "status": 255}]"#);
    let mut source = stage.open().unwrap();
    let why = loop {
        if let Err(e) = next(&mut source) {
            break e.to_string();
        }
    };
    assert!(why.contains("has ended with status 255"), "{why}");
    assert!(why.contains(": the stand-in was told to end"), "{why}");
    assert!(!why.contains("INFO"), "{why}");
    assert_eq!(next(&mut source).unwrap_err().to_string(), why);
    drop(source);
    assert!(!exists(stage.launches()[0].0));
}

#[test]
fn a_program_that_is_killed_or_closes_its_output_is_told() {
    let stage = Stage::new("[{}]");
    let mut source = stage.open().unwrap();
    let pid = i32::try_from(stage.launches()[0].0).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGSEGV).unwrap();
    let why = loop {
        if let Err(e) = next(&mut source) {
            break e.to_string();
        }
    };
    assert!(why.contains("was ended by SIGSEGV"), "{why}");

    let stage = Stage::new(r#"[{"frames": 2, "then": "close"}]"#);
    let mut source = stage.open().unwrap();
    let why = loop {
        if let Err(e) = next(&mut source) {
            break e.to_string();
        }
    };
    assert!(why.contains("has closed its output"), "{why}");
    drop(source);
    assert!(!exists(stage.launches()[0].0));
}

#[test]
fn no_camera_is_told_when_opening() {
    let stage = Stage::new(r#"[{"frames": 0, "status": 255}]"#);
    let why = stage.open().err().unwrap().to_string();
    assert!(
        why.contains("status 255") && why.contains("told to end"),
        "{why}"
    );
    assert!(!exists(stage.launches()[0].0));
    // The same words each time, so that they are logged once.
    assert_eq!(stage.open().err().unwrap().to_string(), why);
}

#[test]
fn damaged_pictures_are_passed_over() {
    let stage = Stage::new(r#"[{"cut": 2}]"#);
    let mut source = stage.open().unwrap();
    let (mut whole, mut damaged) = (0, 0);
    while whole < 4 {
        match next(&mut source) {
            Ok(frame) => {
                assert_eq!(frame.picture, Picture::Jpeg(picture()));
                whole += 1;
            }
            Err(e) => {
                assert!(e.to_string().contains("cut short"), "{e}");
                damaged += 1;
            }
        }
    }
    assert!(damaged <= whole + 1, "{damaged}");
}

#[test]
fn a_silent_program_lets_a_stop_be_heard_and_is_not_waited_for_for_ever() {
    let stage = Stage::new(r#"[{"frames": 1, "then": "hang"}, {"frames": 0, "then": "hang"}]"#);
    let mut source = stage.open().unwrap();
    next(&mut source).unwrap();
    assert!(matches!(source.grab(&Stop::new()), Ok(Grab::Nothing)));
    drop(source);
    let stop = Stop::new();
    stop.request(Reason::Duration);
    let why = stage.open_with(Arc::new(SystemClock), &stop);
    assert!(why.err().unwrap().to_string().contains("stopped"));
    let why = stage.open_with(Arc::new(Hasty), &Stop::new());
    let why = why.err().unwrap().to_string();
    assert!(why.contains("sends no picture within 8 s"), "{why}");
    assert!(stage.launches().iter().all(|(pid, _)| !exists(*pid)));
}

/// A clock on which ten times as much passes.
struct Hasty;

impl Clock for Hasty {
    fn now(&self) -> Monotime {
        Monotime::from_zero(SystemClock.now().since_zero() * 10)
    }

    fn boottime(&self) -> Duration {
        SystemClock.boottime()
    }

    fn wall(&self) -> Zoned {
        SystemClock.wall()
    }

    fn wait(&self, stop: &Stop, timeout: Duration) -> bool {
        SystemClock.wait(stop, timeout)
    }
}

#[test]
fn after_a_delay_of_ours_the_newest_picture_is_taken_and_not_called_fresh() {
    let stage = Stage::new(r#"[{"frames": 3, "then": "hang"}]"#);
    let mut source = stage.open().unwrap();
    let before = source.clock.now();
    // The other two lie in the pipe.
    wait_until(|| stage.dir.path().join("idle").exists());
    assert_eq!(next(&mut source).unwrap().number, 0);
    let newest = next(&mut source).unwrap();
    assert!(newest.captured <= before, "{:?}", newest.captured);
    assert!(matches!(source.grab(&Stop::new()), Ok(Grab::Nothing)));
}

#[test]
fn the_program_ends_with_the_thread_that_reads_it() {
    let stage = Stage::new("[{}]");
    let pid = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let source = stage.open().unwrap();
            // As when the whole process is killed: nothing is dropped.
            std::mem::forget(source);
            stage.launches()[0].0
        });
        thread.join().unwrap()
    });
    // A zombie until this process ends, for it was forgotten.
    wait_until(|| {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    });
}

#[test]
fn a_program_that_is_not_installed_is_named_with_its_package() {
    let camera = Config::default().camera;
    let opened = RpicamSource::open_program(
        &["no-such-program", "nor-this-one"],
        &camera,
        Arc::new(SystemClock),
        &Stop::new(),
    );
    let why = opened.err().unwrap().to_string();
    assert!(why.contains("sudo apt install rpicam-apps"), "{why}");
    assert!(!why.contains("error"), "{why}");
}

#[test]
fn no_descriptor_of_ours_reaches_the_program() {
    use std::os::fd::AsRawFd as _;
    let file = std::fs::File::open("/dev/full").unwrap();
    // Not closed at exec, as some libraries leave theirs.
    nix::fcntl::fcntl(
        &file,
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()),
    )
    .unwrap();
    let stage = Stage::new("[{}]");
    let source = stage.open().unwrap();
    let pid = stage.launches()[0].0;
    let inherited = format!("/proc/{pid}/fd/{}", file.as_raw_fd());
    let reached = std::fs::read_link(inherited).is_ok_and(|to| to == Path::new("/dev/full"));
    assert!(!reached);
    drop(source);
}

#[test]
fn the_cameras_at_the_connectors_are_listed() {
    let stage = Stage::new("[{}]");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let found = list::cameras_of(&[stage.program], &clock).unwrap();
    assert_eq!(found, Some(vec!["imx708 4608x2592".to_owned()]));
    assert_eq!(
        list::cameras_of(&["no-such-program"], &clock).unwrap(),
        None
    );
}
