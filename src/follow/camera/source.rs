//! From the configuration to a source: what is asked for is decided and checked once, at the start; the
//! opening, which may fail and be tried again, comes later.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use super::avi::{self, AviSource};
use super::http::{self, HttpSource, HttpUrl, url::redacted};
use super::other::{self, OtherSource};
use super::rpicam::RpicamSource;
use super::simulated::SimulatedSource;
use super::v4l2::{self, V4l2Source};
use super::{CameraSource, Env, NAME, opencv_runtime, plain};
use crate::base::clock::SystemClock;
use crate::base::limited::{in_time, under_way};
use crate::config::{self, Source};
use crate::say;

/// A source that the configuration may ask for and this machine could open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// The first V4L2 camera by stable name, chosen again at every opening.
    Auto,
    /// A V4L2 camera; it may be absent.
    V4l2(PathBuf),
    /// An MJPEG AVI file, read by ourselves.
    MjpegAvi(PathBuf),
    /// An `http://` MJPEG stream, read by ourselves.
    HttpMjpeg(HttpUrl),
    /// A drawn face.
    Simulated,
    /// The Raspberry Pi's camera connector, through its program; that may be absent, like a camera.
    Rpicam,
    /// A file that OpenCV reads with FFmpeg.
    OtherFile(PathBuf),
    /// An address that OpenCV reads with FFmpeg.
    OtherUrl(String),
    /// A file on a disk that did not answer at the start: what it is gets decided when it is opened.
    Undecided(PathBuf),
}

impl SourceKind {
    /// Whether the pictures were taken at another time, so that the mount's movement does not show.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        matches!(
            self,
            Self::MjpegAvi(_) | Self::OtherFile(_) | Self::Undecided(_)
        )
    }
}

/// Time for looking at a file before the service starts. A disk that takes longer is looked at again when the camera
/// is opened, and nobody waits for it.
const LOOK: Duration = Duration::from_secs(5);
/// The thread for that check. While a check hangs, no other is started.
const LOOKER: &str = "camera-file";

/// Addresses that FFmpeg takes and cameras have.
const FFMPEG_SCHEMES: [&str; 7] = ["https", "rtsp", "rtsps", "rtmp", "rtp", "udp", "tcp"];

/// What `camera.source` may be, for people.
fn allowed() -> String {
    say!(
        "allowed: \"auto\", a number, a device such as /dev/video0, an MJPEG AVI file, an http:// MJPEG stream, \"rpicam\", \"simulated\"; where OpenCV has FFmpeg also other clips, https:// and rtsp://",
        "指定できるもの: \"auto\"、番号、/dev/video0 などのデバイス、MJPEG の AVI ファイル、http:// の MJPEG ストリーム、\"rpicam\"、\"simulated\"。OpenCV に FFmpeg があれば他の動画、https://、rtsp:// も可"
    )
}

fn usage(source: &str, why: &str) -> String {
    let allowed = allowed();
    say!(
        "camera.source \"{source}\": {why}; {allowed}",
        "カメラ: camera.source \"{source}\": {why}。{allowed}"
    )
}

/// Decides which source the configuration means. Cameras and servers may be absent, files may not.
///
/// # Errors
/// A message for people, ending the run with status 2: what was named cannot be a source on this machine.
pub fn classify(camera: &config::Camera) -> Result<SourceKind, String> {
    let name = match &camera.source {
        Source::Number(n) => return Ok(SourceKind::V4l2(format!("/dev/video{n}").into())),
        Source::Name(name) => name.as_str(),
    };
    match name {
        "auto" => return Ok(SourceKind::Auto),
        "simulated" => return Ok(SourceKind::Simulated),
        "rpicam" => return Ok(SourceKind::Rpicam),
        _ => {}
    }
    if name.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(SourceKind::V4l2(format!("/dev/video{name}").into()));
    }
    if let Some((scheme, _)) = name.split_once("://") {
        let shown = redacted(name);
        if scheme.eq_ignore_ascii_case("http") {
            return HttpUrl::parse(name)
                .map(SourceKind::HttpMjpeg)
                .map_err(|why| usage(&shown, &why));
        }
        if !FFMPEG_SCHEMES
            .iter()
            .any(|s| scheme.eq_ignore_ascii_case(s))
        {
            return Err(usage(
                &shown,
                &say!(
                    "{scheme}:// is not known",
                    "{scheme}:// には対応していません"
                ),
            ));
        }
        if opencv_runtime::has_ffmpeg() {
            return Ok(SourceKind::OtherUrl(name.to_owned()));
        }
        return Err(usage(
            &shown,
            &say!(
                "OpenCV was built without FFmpeg here, which {scheme}:// needs; give the camera's http:// MJPEG address",
                "この OpenCV は FFmpeg なしで作られているため {scheme}:// を開けません。カメラの http:// MJPEG アドレスを指定してください"
            ),
        ));
    }
    let path = PathBuf::from(name);
    let look = {
        let path = path.clone();
        move || classify_path(&path)
    };
    match in_time(LOOKER, LOOK, look) {
        Ok(kind) => kind.map_err(|why| usage(name, &why)),
        Err(_) => Ok(SourceKind::Undecided(path)),
    }
}

fn classify_path(path: &Path) -> Result<SourceKind, String> {
    let about = match path.metadata() {
        Ok(about) => about,
        // A camera that is not plugged in yet has no node.
        Err(_) if path.starts_with("/dev") => return Ok(SourceKind::V4l2(path.to_owned())),
        Err(e) => {
            let why = plain(&e);
            return Err(say!(
                "no such file can be read ({why})",
                "ファイルを読めません ({why})"
            ));
        }
    };
    if about.is_dir() {
        return Err(say!(
            "it is a folder, not a clip or a device",
            "フォルダーです。動画ファイルでもデバイスでもありません"
        ));
    }
    if about.file_type().is_char_device() || path.starts_with("/dev") {
        return Ok(SourceKind::V4l2(path.to_owned()));
    }
    if !about.is_file() {
        return Err(say!(
            "it is neither a file nor a device (a pipe or a socket)",
            "ファイルでもデバイスでもありません (パイプやソケット)"
        ));
    }
    classify_file(path)
}

fn classify_file(path: &Path) -> Result<SourceKind, String> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(4096).read_to_end(&mut start))
        .map_err(|e| {
            let why = plain(&e);
            say!("it cannot be read ({why})", "読めません ({why})")
        })?;
    if start.is_empty() {
        return Err(say!("the file is empty", "ファイルが空です"));
    }
    // FFmpeg would play a text file as text art.
    if is_text(&start) {
        return Err(say!(
            "it is a text file, not a clip",
            "テキストファイルです。動画ではありません"
        ));
    }
    let own = match avi::check(path) {
        Ok(()) => return Ok(SourceKind::MjpegAvi(path.to_owned())),
        Err(e) => e,
    };
    if opencv_runtime::has_ffmpeg() {
        other::check(path, Arc::new(SystemClock))
            .map(|()| SourceKind::OtherFile(path.to_owned()))
            .map_err(|_| {
                say!(
                    "{own}, and FFmpeg finds no pictures in it either",
                    "{own}。FFmpeg でも映像が見つかりません"
                )
            })
    } else {
        Err(needs_ffmpeg(&own.to_string(), path))
    }
}

/// What is said of a clip that FFmpeg could read, where there is none.
fn needs_ffmpeg(own: &str, path: &Path) -> String {
    let clip = path.display();
    say!(
        "{own}, and OpenCV was built without FFmpeg here, which other clips need; make an MJPEG AVI file of it: \
         ffmpeg -i '{clip}' -an -c:v mjpeg -q:v 3 clip.avi",
        "{own}。この OpenCV は FFmpeg なしで作られているため、他の形式は開けません。MJPEG の AVI ファイルに変換してください: \
         ffmpeg -i '{clip}' -an -c:v mjpeg -q:v 3 clip.avi"
    )
}

/// Whether the beginning of a file is text: UTF-8 (it may end within a character), no control characters
/// but those of text.
fn is_text(start: &[u8]) -> bool {
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => {
            std::str::from_utf8(&start[..e.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty()
        && text
            .chars()
            .all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\x0C' | '\x1B'))
}

/// Opens a source. Called again at every re-opening.
///
/// # Errors
/// The device, file or server cannot be opened now; the message names it.
pub fn open(
    kind: &SourceKind,
    camera: &config::Camera,
    env: &Env,
) -> Result<Box<dyn CameraSource>> {
    let clock = Arc::clone(&env.clock);
    Ok(match kind {
        SourceKind::Undecided(path) => {
            if under_way().contains(&LOOKER) {
                bail!(say!(
                    "{} cannot be looked at: its disk or the network behind it hangs; dmesg | tail names it",
                    "{} を確認できません（ディスクまたはネットワークの停止。dmesg | tail で確認できます）",
                    path.display()
                ));
            }
            let kind = classify_path(path)
                .map_err(|why| anyhow!(usage(&path.display().to_string(), &why)))?;
            return open(&kind, camera, env);
        }
        SourceKind::Auto => Box::new(v4l2::open_automatic(camera, clock, &env.raw)?),
        SourceKind::V4l2(path) => Box::new(V4l2Source::open(path, camera, clock, &env.raw)?),
        SourceKind::MjpegAvi(path) => Box::new(AviSource::open(path, camera, clock)?),
        SourceKind::HttpMjpeg(url) => {
            Box::new(HttpSource::open(url, clock, &env.stop, &env.names)?)
        }
        SourceKind::Simulated => Box::new(SimulatedSource::new(camera, env)?),
        SourceKind::Rpicam => Box::new(RpicamSource::open(camera, clock, &env.stop, &env.raw)?),
        SourceKind::OtherFile(path) => Box::new(OtherSource::file(path, camera.repeat, clock)?),
        SourceKind::OtherUrl(url) => {
            // FFmpeg would look it up without a limit.
            if let Some(host) = http::url::server(url) {
                let name = redacted(url);
                env.names
                    .look_up(&host, 0, NAME)
                    .map_err(|why| anyhow::Error::new(why).context(name))?;
            }
            Box::new(OtherSource::stream(url, clock)?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn of(source: &str) -> Result<SourceKind, String> {
        classify(&config::Camera {
            source: Source::Name(source.to_owned()),
            ..Config::default().camera
        })
    }

    fn file(content: &[u8]) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.txt");
        std::fs::write(&path, content).unwrap();
        let name = path.to_str().unwrap().to_owned();
        (dir, name)
    }

    #[test]
    fn names_numbers_and_devices() {
        assert_eq!(of("auto"), Ok(SourceKind::Auto));
        assert_eq!(of("simulated"), Ok(SourceKind::Simulated));
        assert_eq!(of("rpicam"), Ok(SourceKind::Rpicam));
        let device = |path: &str| Ok(SourceKind::V4l2(path.into()));
        assert_eq!(of("3"), device("/dev/video3"));
        assert_eq!(of("/dev/video7"), device("/dev/video7"));
        assert_eq!(of("/dev/null"), device("/dev/null"));
        let number = config::Camera {
            source: Source::Number(2),
            ..Config::default().camera
        };
        assert_eq!(classify(&number), device("/dev/video2"));
        assert!(matches!(
            of("http://cam:8080/x"),
            Ok(SourceKind::HttpMjpeg(_))
        ));
    }

    #[test]
    fn what_cannot_be_a_source_is_named() {
        let (_dir, text) = file(b"Dear diary,\n\ttoday I was no clip.\n");
        let (_dir, japanese) = file(&"日記".repeat(700).into_bytes()[..4099]);
        let (_dir, empty) = file(b"");
        let (_dir, garbage) = file(&[0x80, 0, 1, 2, 3, 0xFF].repeat(100));
        let (_dir, header) = file(b"RIFF\x10\x10\0\0AVI LIST\xff\x11\0\0hdrl");
        for (source, part) in [
            (text.as_str(), "text file"),
            (&japanese, "text file"),
            (&empty, "empty"),
            (&garbage, "not an AVI file"),
            (&header, "within its header"),
            ("/no/such/clip.avi", "no such file"),
            ("/", "folder"),
            ("http://:1/", "server"),
            ("gopher://cam/", "gopher:// is not known"),
        ] {
            let why = of(source).unwrap_err();
            assert!(why.contains(part), "{source}: {why}");
            assert!(
                why.contains("camera.source") && why.contains("allowed"),
                "{why}"
            );
        }
    }

    #[test]
    fn a_password_is_not_repeated() {
        assert!(
            !of("http://me:secret@cam:0/")
                .unwrap_err()
                .contains("secret")
        );
    }

    #[test]
    fn without_ffmpeg_other_clips_and_addresses_are_refused_with_what_helps() {
        let why = needs_ffmpeg("it is not an AVI file", Path::new("/my clips/a.mp4"));
        assert!(
            why.contains("ffmpeg -i '/my clips/a.mp4' -an -c:v mjpeg"),
            "{why}"
        );
        if opencv_runtime::has_ffmpeg() {
            eprintln!("SKIPPED: this OpenCV has FFmpeg, and opens other clips and addresses");
            return;
        }
        // The beginning of an MP4 file.
        let (_dir, clip) = file(b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41\0\0\0\x08free");
        let why = of(&clip).unwrap_err();
        assert!(why.contains("ffmpeg -i") && why.contains(&clip), "{why}");
        let why = of("rtsp://me:secret@cam/1").unwrap_err();
        assert!(
            why.contains("http:// MJPEG address") && !why.contains("secret"),
            "{why}"
        );
    }
}
