//! A camera on a thread of its own, so that a driver may hang for ever: opened, read and closed there, each with a
//! time-out. The thread lives as long as the service, so that a program started from it (`rpicam-vid`) does, too.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::http::url::redacted;
use super::{CameraSource, Grab};
use crate::base::beat::Beat;
use crate::base::limited::{Limited, NotDone};
use crate::base::stop::Stop;
use crate::config::{self, Source};
use crate::say;

/// Time for opening, on top of the stall time. A server on the network may take 16 s with everything that has a limit
/// of its own: name, two addresses, request, head of the answer.
const OPEN: Duration = Duration::from_secs(20);
/// Time for one read. Every source answers within three seconds by itself, if only that nothing has come.
const READ: Duration = Duration::from_secs(10);
/// Time for closing. Less than the second in which the service has to stop; a program takes half a second to end.
const CLOSE: Duration = Duration::from_millis(700);

type Boxed = Box<dyn CameraSource>;

/// Opens the camera again and again, on its thread.
pub struct Holder {
    thread: Arc<Limited<Boxed>>,
    name: String,
    open: Duration,
    read: Duration,
}

impl Holder {
    /// For the configured camera. `beat` is that of who waits.
    #[must_use]
    pub fn new(camera: &config::Camera, stop: &Stop, beat: &Beat) -> Self {
        Self {
            thread: Arc::new(Limited::new("camera-device", stop, beat)),
            name: match &camera.source {
                Source::Number(number) => format!("/dev/video{number}"),
                Source::Name(name) => redacted(name),
            },
            open: OPEN + Duration::from_secs_f64(camera.stall_seconds),
            read: READ,
        }
    }

    /// The camera that `open` opens, or that a call before this one has opened too late.
    ///
    /// # Errors
    /// It cannot be opened, or not in time; the message names it.
    pub fn open(&self, open: impl FnOnce() -> Result<Boxed> + Send + 'static) -> Result<Boxed> {
        self.thread
            .open(self.open, open)
            .map_err(|why| self.stuck(&why))??;
        let (what, live) = self
            .thread
            .with(self.read, |source| (source.describe(), source.is_live()))
            .map_err(|why| self.stuck(&why))?;
        Ok(Box::new(Held {
            thread: Arc::clone(&self.thread),
            name: self.name.clone(),
            read: self.read,
            what,
            live,
            pictures: false,
            hangs: false,
        }))
    }

    fn stuck(&self, why: &NotDone) -> anyhow::Error {
        stuck(&self.name, why)
    }
}

fn stuck(name: &str, why: &NotDone) -> anyhow::Error {
    match why {
        NotDone::Hangs => anyhow!(say!(
            "{name} does not answer: its driver, or the disk or network behind it, hangs; unplug it and plug it in \
             again, look at the network, or restart the machine (dmesg | tail names what is stuck)",
            "{name} が応答しません（ドライバー、ディスクまたはネットワークの停止）。接続し直すか、ネットワークを確認するか、\
             再起動してください（dmesg | tail で停止箇所を確認できます）"
        )),
        why => anyhow!("{name}: {why}"),
    }
}

/// The camera, seen from the thread that wants its pictures.
struct Held {
    thread: Arc<Limited<Boxed>>,
    name: String,
    read: Duration,
    what: String,
    live: bool,
    /// Whether a picture has arrived: only then do some sources know their size.
    pictures: bool,
    /// A read has timed out: the camera counts as lost.
    hangs: bool,
}

impl CameraSource for Held {
    fn grab(&mut self, stop: &Stop) -> Result<Grab> {
        if self.hangs {
            return Err(stuck(&self.name, &NotDone::Hangs));
        }
        let (stop, first) = (stop.clone(), !self.pictures);
        let grabbed = self.thread.with(self.read, move |source| {
            let grab = source.grab(&stop);
            let new = first && matches!(grab, Ok(Grab::Frame(_)));
            (grab, new.then(|| source.describe()))
        });
        match grabbed {
            Ok((grab, what)) => {
                if let Some(what) = what {
                    (self.what, self.pictures) = (what, true);
                }
                grab
            }
            // The caller checks the order to stop itself.
            Err(NotDone::Stopped) => Ok(Grab::Nothing),
            Err(why) => {
                self.hangs = matches!(why, NotDone::Hangs);
                Err(stuck(&self.name, &why))
            }
        }
    }

    fn describe(&self) -> String {
        self.what.clone()
    }

    fn is_live(&self) -> bool {
        self.live
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.hangs {
            // One that hangs now is closed once it returns.
            let _ = self.thread.close(CLOSE, drop);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limited::under_way;
    use crate::base::stop::Reason;
    use crate::config::Config;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const LONG: Duration = Duration::from_secs(60);

    /// Hangs in reading and closing until the other ends of its channels are gone.
    struct Hanging {
        read: Receiver<()>,
        closed: Sender<()>,
    }

    impl CameraSource for Hanging {
        fn grab(&mut self, _: &Stop) -> Result<Grab> {
            let _ = self.read.recv();
            Ok(Grab::Nothing)
        }

        fn describe(&self) -> String {
            "hanging camera".to_owned()
        }

        fn is_live(&self) -> bool {
            true
        }
    }

    impl Drop for Hanging {
        fn drop(&mut self) {
            let _ = self.closed.send(());
        }
    }

    fn holder(limit: Duration, stop: &Stop) -> Holder {
        let camera = config::Camera {
            source: Source::Name("http://me:secret@cam/".to_owned()),
            ..Config::default().camera
        };
        Holder {
            open: limit,
            read: limit,
            ..Holder::new(&camera, stop, &Beat::default())
        }
    }

    #[test]
    fn a_camera_that_hangs_in_opening_is_named_and_taken_when_it_opens() {
        let holder = holder(Duration::from_millis(20), &Stop::new());
        let (release, wait) = channel::<()>();
        let (closed, _closes) = channel();
        let (_keep, read) = channel();
        let slow = holder.open(move || {
            let _ = wait.recv();
            Ok(Box::new(Hanging { read, closed }))
        });
        let why = slow.err().unwrap().to_string();
        assert!(
            why.contains("http://cam/ does not answer") && !why.contains("secret"),
            "{why}"
        );
        for _ in 0..20 {
            let again = holder.open(|| panic!("opened a second time"));
            assert_eq!(again.err().unwrap().to_string(), why, "told once");
        }
        drop(release);
        let opened = loop {
            match holder.open(|| panic!("opened a second time")) {
                Ok(opened) => break opened,
                Err(_) => std::thread::yield_now(),
            }
        };
        assert_eq!(opened.describe(), "hanging camera");
    }

    #[test]
    fn a_camera_that_hangs_in_reading_is_an_error_and_closed_when_it_returns() {
        let stop = Stop::new();
        let holder = holder(Duration::from_millis(20), &stop);
        let (release, read) = channel();
        let (closed, closes) = channel();
        let mut camera = holder
            .open(move || Ok(Box::new(Hanging { read, closed })))
            .unwrap();
        for _ in 0..20 {
            let why = camera.grab(&stop).unwrap_err().to_string();
            assert!(why.contains("does not answer"), "{why}");
        }
        drop(camera);
        assert!(closes.try_recv().is_err() && under_way().contains(&"camera-device"));
        drop(release);
        closes.recv_timeout(LONG).unwrap();
    }

    #[test]
    fn the_order_to_stop_is_heard_while_the_camera_hangs() {
        let stop = Stop::new();
        let holder = holder(LONG, &stop);
        let (release, read) = channel();
        let (closed, closes) = channel();
        let mut camera = holder
            .open(move || Ok(Box::new(Hanging { read, closed })))
            .unwrap();
        let order = stop.clone();
        let orders = std::thread::spawn(move || order.request(Reason::Duration));
        assert!(matches!(camera.grab(&stop), Ok(Grab::Nothing)));
        orders.join().unwrap();
        drop(release);
        drop(camera);
        closes.recv_timeout(LONG).unwrap();
    }
}
