//! The real pipes and signals, against a stand-in program of that command line.

use std::path::{Path, PathBuf};

use jiff::Zoned;

use super::*;
use crate::base::clock::SystemClock;
use crate::base::stop::Reason;
use crate::config::Config;
use crate::follow::camera::jpeg;
use crate::follow::camera::raw::{Layout, Packing, Range, Refusals, Standing};

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

    /// Opens it for JPEGs.
    fn open(&self) -> Result<RpicamSource> {
        self.open_with(Arc::new(SystemClock), &Stop::new())
    }

    fn open_with(&self, clock: Arc<dyn Clock>, stop: &Stop) -> Result<RpicamSource> {
        let known = Refusals::default();
        known.set(Standing::Refused);
        self.open_knowing(&known, clock, stop)
    }

    /// Opens it for raw pictures, if it has them.
    fn open_raw(&self, known: &Refusals) -> Result<RpicamSource> {
        self.open_knowing(known, Arc::new(SystemClock), &Stop::new())
    }

    fn open_knowing(
        &self,
        known: &Refusals,
        clock: Arc<dyn Clock>,
        stop: &Stop,
    ) -> Result<RpicamSource> {
        let camera = Config::default().camera;
        let names = ["no-such-program", self.program];
        RpicamSource::open_program(&names, &camera, clock, stop, known)
    }

    /// The codec of every start.
    fn codecs(&self) -> Vec<String> {
        self.launches()
            .iter()
            .map(|(_, told)| told.split(' ').nth(1).unwrap().to_owned())
            .collect()
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
        &Refusals::default(),
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

/// The raw pictures that the default configuration gives, with rows filled up to this many bytes.
fn layout(stride: u32) -> Layout {
    Layout {
        packing: Packing::I420(Range::Full),
        width: 320,
        height: 240,
        stride,
        shrunk: 2,
    }
}

/// A number for every place of a raw picture, without what fills the rows up.
fn packed() -> Vec<u8> {
    (0..320 * 240 * 3 / 2).map(|n| (n % 251) as u8).collect()
}

/// The next raw picture.
fn next_raw(source: &mut RpicamSource) -> Frame {
    loop {
        match next(source) {
            Ok(frame) if matches!(frame.picture, Picture::Raw(_)) => return frame,
            Ok(frame) => panic!("not raw: {frame:?}"),
            Err(e) => assert!(e.to_string().contains("cut short"), "{e}"),
        }
    }
}

/// The rows of a picture's planes, without what fills them up.
fn unfilled(frame: &Frame) -> Vec<u8> {
    let Picture::Raw(raw) = &frame.picture else {
        panic!("{frame:?}")
    };
    let (stride, bright) = (
        raw.layout().stride as usize,
        raw.layout().stride as usize * 240,
    );
    let rows = raw.data()[..bright].chunks(stride).map(|row| &row[..320]);
    let half = raw.data()[bright..].chunks(stride / 2).take(240);
    rows.chain(half.map(|row| &row[..160]))
        .flatten()
        .copied()
        .collect()
}

#[test]
fn raw_pictures_arrive_whole_however_their_rows_are_filled_up() {
    for (script, stride) in [
        ("[{}]", 320),
        (r#"[{"multiple": 256, "chunk": 7777}]"#, 512),
        (r#"[{"multiple": 128, "says": "", "complain": 300}]"#, 384),
        // A whole number of pages.
        (r#"[{"more": 3584}]"#, 320),
    ] {
        let stage = Stage::new(script);
        std::fs::write(stage.dir.path().join("picture.yuv"), packed()).unwrap();
        let known = Refusals::default();
        let mut source = stage.open_raw(&known).unwrap();
        let what = source.describe();
        assert!(what.contains("640x480 as 320x240 YUV420 at 30/s"), "{what}");
        let mut last = Monotime::default();
        for _ in 0..4 {
            let frame = next_raw(&mut source);
            assert!(frame.captured >= last);
            last = frame.captured;
            let Picture::Raw(raw) = &frame.picture else {
                panic!("{frame:?}")
            };
            assert_eq!(*raw.layout(), layout(stride), "{script}");
            let (got, want) = (unfilled(&frame), packed());
            let differs = got.iter().zip(&want).position(|(a, b)| a != b);
            assert_eq!((got.len(), differs), (want.len(), None), "{script}");
        }
        drop(source);
        let launches = stage.launches();
        assert_eq!(launches.len(), 1);
        assert!(!exists(launches[0].0));
        assert!(
            launches[0].1.contains("--mode 640:480"),
            "{}",
            launches[0].1
        );
        assert_eq!(known.get(), Standing::Wanted);
    }
}

#[test]
fn another_size_than_was_asked_for_is_taken_as_it_is() {
    let stage = Stage::new(r#"[{"size": [400, 300]}]"#);
    let mut source = stage.open_raw(&Refusals::default()).unwrap();
    let Picture::Raw(raw) = next_raw(&mut source).picture else {
        panic!("no raw picture")
    };
    let layout = raw.layout();
    assert_eq!(
        (layout.width, layout.height, layout.stride),
        (400, 300, 448)
    );
    assert_eq!(layout.full(), (800, 600));
}

#[test]
fn a_version_that_knows_no_raw_pictures_is_asked_for_jpegs_from_then_on() {
    for script in [
        r#"[{"refuses": ["yuv420"]}]"#,
        r#"[{"refuses": ["--mode"]}]"#,
        // Pictures of another size, without a word; in another format.
        r#"[{"size": [352, 288], "says": ""}]"#,
        r#"[{"says": "320x240-XBGR8888/sRGB"}]"#,
    ] {
        let stage = Stage::new(script);
        let known = Refusals::default();
        for _ in 0..2 {
            let mut source = stage.open_raw(&known).unwrap();
            assert!(
                source.describe().contains("640x480 MJPEG at 30/s"),
                "{script}"
            );
            assert_eq!(next(&mut source).unwrap().picture, Picture::Jpeg(picture()));
        }
        assert_eq!(stage.codecs(), ["yuv420", "mjpeg", "mjpeg"], "{script}");
        assert_eq!(known.get(), Standing::Refused);
    }
}

#[test]
fn one_that_ends_for_a_reason_of_its_own_is_asked_for_raw_pictures_again() {
    // No camera, twice; then there is one.
    let stage = Stage::new(
        r#"[{"frames": 0, "status": 255}, {"frames": 0, "status": 255}, {"frames": 0, "status": 255}, {}]"#,
    );
    let known = Refusals::default();
    let why = stage.open_raw(&known).err().unwrap().to_string();
    assert!(why.contains("status 255"), "{why}");
    assert_eq!(stage.open_raw(&known).err().unwrap().to_string(), why);
    assert_eq!(stage.open_raw(&known).err().unwrap().to_string(), why);
    let mut source = stage.open_raw(&known).unwrap();
    next_raw(&mut source);
    let codecs = ["yuv420", "mjpeg", "yuv420", "mjpeg", "yuv420"];
    assert_eq!(stage.codecs(), codecs);
    assert_eq!(known.get(), Standing::Wanted);
}

#[test]
fn one_that_ends_only_with_raw_pictures_is_asked_for_them_no_more() {
    let ends = r#"{"frames": 0, "status": 134}"#;
    let stage = Stage::new(&format!("[{ends}, {{}}, {ends}, {{}}]"));
    let known = Refusals::default();
    assert!(stage.open_raw(&known).is_err());
    let source = stage.open_raw(&known).unwrap();
    assert!(source.describe().contains("MJPEG"));
    assert_eq!(stage.codecs(), ["yuv420", "mjpeg", "yuv420", "mjpeg"]);
    assert_eq!(known.get(), Standing::Refused);
}

#[test]
fn bytes_that_belong_to_no_raw_picture_cost_a_few() {
    for script in [
        r#"[{"stray": "Preview window unavailable\n"}]"#,
        r#"[{"cut": 9}]"#,
    ] {
        let stage = Stage::new(script);
        std::fs::write(stage.dir.path().join("picture.yuv"), packed()).unwrap();
        let mut source = stage.open_raw(&Refusals::default()).unwrap();
        let whole: Vec<bool> = (0..30)
            .map(|_| unfilled(&next_raw(&mut source)) == packed())
            .collect();
        // Each time one that is mixed at most, and the same again where this machine was too busy to see a pause.
        let mixed = whole.iter().filter(|whole| !**whole).count();
        assert!(mixed <= 12, "{script}: {whole:?}");
    }
}

#[test]
fn an_end_within_a_raw_picture_is_an_end() {
    let stage = Stage::new(r#"[{"frames": 12, "cut": 12, "status": 255}]"#);
    let mut source = stage.open_raw(&Refusals::default()).unwrap();
    let why = loop {
        match next(&mut source) {
            Ok(frame) => assert!(matches!(frame.picture, Picture::Raw(_))),
            Err(e) => break e.to_string(),
        }
    };
    assert!(why.contains("has ended with status 255"), "{why}");
    assert_eq!(next(&mut source).unwrap_err().to_string(), why);
}

#[test]
fn after_a_delay_of_ours_the_newest_raw_picture_is_taken_and_not_called_fresh() {
    let stage = Stage::new(r#"[{"frames": 4, "then": "hang"}]"#);
    let mut source = stage.open_raw(&Refusals::default()).unwrap();
    let before = source.clock.now();
    wait_until(|| stage.dir.path().join("idle").exists());
    next_raw(&mut source);
    if let Ok(Grab::Frame(newest)) = source.grab(&Stop::new()) {
        assert!(newest.captured <= before, "{:?}", newest.captured);
    }
    assert!(matches!(source.grab(&Stop::new()), Ok(Grab::Nothing)));
}
