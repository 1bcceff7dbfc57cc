//! One look through the camera, for `facetap check`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use super::held::Holder;
use super::{Env, source};
use super::{Grab, Picture, jpeg};
use crate::base::beat::Beat;
use crate::base::clock::Clock;
use crate::base::stop::Stop;
use crate::config;
use crate::follow::pose::Pose;
use crate::say;

/// Time that a camera may take for its first picture on top of the stall time: exposure and format are
/// set up at the first read.
const START: Duration = Duration::from_secs(2);

/// Opens the configured camera, takes one picture, and describes it.
///
/// # Errors
/// The camera is not usable as configured, cannot be opened, or gives no picture in time.
pub fn probe(camera: &config::Camera, clock: &Arc<dyn Clock>) -> Result<String> {
    let stop = Stop::new();
    let env = Env::new(Arc::clone(clock), Arc::new(|| Pose::HOME), &stop);
    let kind = source::classify(camera).map_err(|why| anyhow!(why))?;
    let config = camera.clone();
    let holder = Holder::new(camera, &stop, &Beat::default());
    let mut opened = holder.open(move || source::open(&kind, &config, &env))?;
    let limit = Duration::from_secs_f64(camera.stall_seconds) + START;
    let deadline = clock.now() + limit;
    let mut last = None;
    while clock.now() < deadline {
        match opened.grab(&stop) {
            Ok(Grab::Frame(mut frame)) => {
                let (size, format) = match &mut frame.picture {
                    Picture::Jpeg(data) => {
                        jpeg::extent::mend(data);
                        (Some(jpeg::limits::affordable(data)?.size), "MJPG")
                    }
                    Picture::Raw(raw) => {
                        let layout = raw.layout();
                        (Some((layout.width, layout.height)), layout.packing.name())
                    }
                    Picture::Bgr { width, height, .. } => (Some((*width, *height)), "BGR"),
                };
                let size = size.map_or_else(|| "?".to_owned(), |(w, h)| format!("{w}x{h}"));
                let what = opened.describe();
                return Ok(say!(
                    "{what}; picture: {size} {format}",
                    "{what}、画像: {size} {format}"
                ));
            }
            Ok(Grab::Nothing) => {}
            Ok(Grab::End) => break,
            Err(e) => {
                last = Some(e);
                clock.wait(&stop, Duration::from_millis(20));
            }
        }
    }
    let what = opened.describe();
    match last {
        Some(e) => Err(e),
        None => bail!(say!(
            "{what}: no picture within {limit:.1?}",
            "{what}: {limit:.1?} 以内に画像が来ません"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;
    use crate::config::{Config, Source};

    fn look(source: &str) -> Result<String> {
        let camera = config::Camera {
            source: Source::Name(source.to_owned()),
            ..Config::default().camera
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        probe(&camera, &clock)
    }

    #[test]
    fn the_simulated_camera_is_seen() {
        assert!(look("simulated").unwrap().contains("640x480 BGR"));
    }

    #[test]
    fn an_absent_camera_is_told() {
        let why = look("/dev/video-none").unwrap_err().to_string();
        assert!(why.contains("/dev/video-none"), "{why}");
    }
}
