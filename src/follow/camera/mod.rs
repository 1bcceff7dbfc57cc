//! Camera: pictures from a device, a clip, a stream or a drawn room.
//!
//! A capture thread ([`capture`]) always grabs the newest picture into a single-slot mailbox; the
//! detector takes it from there and knows its age. Sources hand out pictures as they come, JPEG
//! undecoded, so that the detector decides how much of a picture it wants to decode.
//!
//! [`source`] decides from the configuration which source it is; `avi`, `http`, `v4l2`, `rpicam`,
//! `other` and `simulated` are the sources, side by side behind [`CameraSource`]. [`held`] keeps whichever it is on a
//! thread of its own, for each of them may hang.

pub mod avi;
pub mod capture;
pub mod devices;
mod featureless;
pub mod held;
pub mod http;
pub mod jpeg;
pub mod opencv_runtime;
mod other;
mod pace;
pub mod probe;
pub mod raw;
pub mod received;
pub mod rpicam;
pub mod simulated;
pub mod source;
mod v4l2;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

pub use capture::{Capture, CaptureFeedback};
pub use devices::{Device, list};
pub use held::Holder;
pub use opencv_runtime::environment;
pub use probe::probe;
pub use raw::{Raw, Refusals};
pub use source::{SourceKind, classify, open};

use crate::base::beat::Beat;
use crate::base::clock::{Clock, Monotime};
use crate::base::names::Names;
use crate::base::stop::Stop;
use crate::follow::pose::Pose;

/// Time for the look-up of a server's name.
const NAME: Duration = Duration::from_secs(5);

/// What a picture consists of. `follow::detect::Decoder` makes pixels of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picture {
    /// A JPEG file, not yet decoded.
    Jpeg(Vec<u8>),
    /// What a camera gives without encoding it, perhaps smaller than the full picture.
    Raw(Raw),
    /// Rows of blue, green, red bytes without padding.
    Bgr {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// `3 * width * height` bytes.
        data: Vec<u8>,
    },
}

/// A captured picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Number of the captured frame; for a file its position in the file, from 0.
    pub number: u64,
    /// When light fell on the sensor, as near as the source can tell.
    pub captured: Monotime,
    /// The picture.
    pub picture: Picture,
}

/// What a source answers to [`CameraSource::grab`].
#[derive(Debug)]
pub enum Grab {
    /// The next picture.
    Frame(Frame),
    /// Nothing yet; ask again. A source answers this instead of blocking for longer than about 0.2 s
    /// where it can, so that a stop is heard.
    Nothing,
    /// A clip has come to its end and is not to be repeated.
    End,
}

/// A camera or what stands in for one. Dropping it closes the device.
///
/// After an error the source may be asked again (a corrupt picture in a stream, say); a source that
/// cannot go on answers every further call with an error, and is then closed and opened anew.
pub trait CameraSource: Send {
    /// The next picture. Blocks for at most the stall time of the configuration; sources that pace
    /// themselves wait on `stop`.
    ///
    /// # Errors
    /// The device or stream failed, or the picture is unusable; the message names the device.
    fn grab(&mut self, stop: &Stop) -> Result<Grab>;

    /// What the source is, for people: device path, file, address, with size and format if known.
    fn describe(&self) -> String;

    /// Whether pictures come from outside in real time, so that closing and opening again can mend a
    /// fault. False for a file.
    fn is_live(&self) -> bool;
}

/// What a source needs beside the configuration.
#[derive(Clone)]
pub struct Env {
    /// The clock that pictures are stamped with and clips play by.
    pub clock: Arc<dyn Clock>,
    /// Where the mount stands; the simulated camera looks from there.
    pub pose: Arc<dyn Fn() -> Pose + Send + Sync>,
    /// Ends an opening that waits for a server.
    pub stop: Stop,
    /// Finds the addresses of servers.
    pub names: Arc<Names>,
    /// What earlier openings have found out about raw pictures.
    pub raw: Arc<Refusals>,
}

impl Env {
    /// With a thread of its own for look-ups, which begins with the first one.
    #[must_use]
    pub fn new(
        clock: Arc<dyn Clock>,
        pose: Arc<dyn Fn() -> Pose + Send + Sync>,
        stop: &Stop,
    ) -> Self {
        Self {
            clock,
            pose,
            stop: stop.clone(),
            // The waiting thread has no heartbeat.
            names: Arc::new(Names::new("camera-names", stop, &Beat::default())),
            raw: Arc::default(),
        }
    }
}

/// What a system call failed with, without Rust's "(os error 2)": a camera that is merely waited for
/// must not look like a fault to `grep -i error`.
fn plain(e: &std::io::Error) -> String {
    let text = e.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
