//! The delays of cameras that were learned: told in the log, and kept for the next run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::base::clock::Clock;
use crate::base::files;
use crate::base::stop::{Stop, lock};
use crate::config::{self, Source};
use crate::follow::camera::http::url::redacted;
use crate::follow::control::Follower;
use crate::follow::control::latency::News;
use crate::{say_info, say_warn};

/// The file in the data folder: an object of cameras and their delays in ms.
const NAME: &str = "camera_delay.json";
/// A larger file is none of ours.
const MOST: u64 = 64 * 1024;
/// Between two looks at what has become known.
const EVERY: Duration = Duration::from_secs(1);
/// What is kept is replaced when it is off by more than this.
const OFF: Duration = Duration::from_millis(5);
/// And no more often than this, as long as nothing new was learned: SD cards wear out.
const SPARING: Duration = Duration::from_secs(600);

/// What was learned of one camera.
#[derive(Debug, Clone)]
pub struct Kept {
    file: PathBuf,
    camera: String,
}

impl Kept {
    /// Of the camera of this configuration.
    #[must_use]
    pub fn new(data_dir: &Path, camera: &config::Camera) -> Self {
        Self {
            file: data_dir.join(NAME),
            camera: match &camera.source {
                Source::Number(number) => format!("/dev/video{number}"),
                Source::Name(name) => redacted(name),
            },
        }
    }

    /// The file that it is kept in.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    fn all(&self) -> BTreeMap<String, f64> {
        // A file that is damaged is learned anew.
        let text = files::read(&self.file, MOST).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// The delay that another run has learned; none where there is none, or where it makes no sense.
    #[must_use]
    pub fn load(&self) -> Option<Duration> {
        let ms = self.all().get(&self.camera).copied()?;
        (0.0..=1000.0)
            .contains(&ms)
            .then(|| Duration::from_secs_f64(ms / 1e3))
    }

    /// Keeps a delay. What is known of other cameras stays.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save(&self, delay: Duration) -> Result<()> {
        let mut all = self.all();
        all.insert(self.camera.clone(), milliseconds(delay));
        let text = serde_json::to_vec_pretty(&all)?;
        files::replace(&self.file, &text)
            .with_context(|| format!("{} cannot be written", self.file.display()))
    }
}

/// To a tenth.
fn milliseconds(delay: Duration) -> f64 {
    (delay.as_secs_f64() * 1e4).round() / 10.0
}

/// Tells and keeps what the follower learns. On a thread of its own, for the disk may hang.
pub struct Keeper {
    /// Where.
    pub kept: Kept,
    /// Who learns.
    pub follower: Arc<Mutex<Follower>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
}

impl Keeper {
    /// Hands the follower what was learned before, and keeps what it learns until the order to stop.
    pub fn run(&self) {
        let mut written = self.kept.load();
        if let Some(delay) = written
            && lock(&self.follower).recall(delay)
        {
            let ms = milliseconds(delay);
            say_info!(
                "camera: pictures come {ms:.0} ms late, as learned before",
                "カメラ: 画像の遅延は {ms:.0} ms です（学習済み）"
            );
        }
        let mut at = self.clock.now();
        let mut told = false;
        while !self.clock.wait(&self.stop, EVERY) {
            let (news, delay) = {
                let mut follower = lock(&self.follower);
                (follower.take_news(), follower.learned_delay())
            };
            if let Some(news) = news {
                tell(news);
            }
            let Some(delay) = delay else {
                continue;
            };
            let fresh = matches!(news, Some(News::Learned { .. }));
            let off = written.is_none_or(|was| was.abs_diff(delay) > OFF);
            let now = self.clock.now();
            if !off || !(fresh || now.since(at) >= SPARING) {
                continue;
            }
            at = now;
            written = Some(delay);
            match self.kept.save(delay) {
                Ok(()) => told = false,
                Err(why) if !told => {
                    told = true;
                    say_warn!(
                        "the learned delay of the camera is not kept: {why:#}",
                        "学習したカメラの遅延を保存できません: {why:#}"
                    );
                }
                Err(_) => {}
            }
        }
    }
}

fn tell(news: News) {
    match news {
        News::Learned {
            delay,
            before: None,
        } => {
            let ms = milliseconds(delay);
            say_info!(
                "camera: learned that pictures come {ms:.0} ms late",
                "カメラ: 画像の遅延を学習しました: {ms:.0} ms"
            );
        }
        News::Learned {
            delay,
            before: Some(before),
        } => {
            let (ms, was) = (milliseconds(delay), milliseconds(before));
            say_info!(
                "camera: learned that pictures come {ms:.0} ms late, not {was:.0} ms",
                "カメラ: 画像の遅延を学習し直しました: {was:.0} ms から {ms:.0} ms"
            );
        }
        News::Doubted { delay } => {
            let ms = milliseconds(delay);
            say_warn!(
                "camera: the mount swings, so its pictures are not {ms:.0} ms late as was believed; learning anew",
                "カメラ: 首振りが振動しています。遅延 {ms:.0} ms は正しくないため、学習し直します"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::ManualClock;
    use crate::config::Config;

    fn kept(dir: &Path, source: &str) -> Kept {
        let mut camera = Config::default().camera;
        camera.source = Source::Name(source.to_owned());
        Kept::new(dir, &camera)
    }

    #[test]
    fn each_camera_keeps_its_own_delay_without_its_password() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (
            kept(dir.path(), "http://me:secret@cam/a"),
            kept(dir.path(), "rpicam"),
        );
        assert_eq!((a.load(), b.load()), (None, None));
        a.save(Duration::from_micros(83_240)).unwrap();
        b.save(Duration::from_millis(40)).unwrap();
        assert_eq!(a.load(), Some(Duration::from_micros(83_200)));
        assert_eq!(b.load(), Some(Duration::from_millis(40)));
        let text = std::fs::read_to_string(dir.path().join(NAME)).unwrap();
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn a_file_that_makes_no_sense_is_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let kept = kept(dir.path(), "rpicam");
        for text in [
            "",
            "[]",
            "{\"rpicam\": -3}",
            "{\"rpicam\": 1e9}",
            "{\"rpicam\": \"x\"}",
        ] {
            std::fs::write(dir.path().join(NAME), text).unwrap();
            assert_eq!(kept.load(), None, "{text}");
        }
        kept.save(Duration::from_millis(70)).unwrap();
        assert_eq!(kept.load(), Some(Duration::from_millis(70)));
    }

    #[test]
    fn what_was_kept_is_handed_to_the_follower_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let kept = kept(dir.path(), "rpicam");
        kept.save(Duration::from_millis(120)).unwrap();
        let config = Config::default();
        let follower = Follower::new(&config.tracking, &config.camera, &config.servo.axes);
        let follower = Arc::new(Mutex::new(follower));
        let stop = Stop::new();
        stop.request(crate::base::stop::Reason::EndOfClip);
        let keeper = Keeper {
            kept,
            follower: Arc::clone(&follower),
            clock: ManualClock::shared(Duration::ZERO),
            stop,
        };
        keeper.run();
        assert_eq!(lock(&follower).delay(), Some(Duration::from_millis(120)));
    }
}
