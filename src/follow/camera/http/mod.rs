//! An `http://` MJPEG stream as a camera.

mod auth;
pub mod body;
pub mod boundary;
pub mod parts;
#[cfg(test)]
mod parts_tests;
#[cfg(test)]
mod tests;
pub mod url;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::NAME;
use super::received::Arrived;
use super::{CameraSource, Grab, jpeg, plain};
use crate::base::clock::{Clock, Monotime};
use crate::base::names::Names;
use crate::base::stop::Stop;
use body::{Answer, Refusal};
pub use url::HttpUrl;

/// Time in which a server must take a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// Time in which it must send the head of its answer; where it asks for name and password, of both answers.
const HEAD: Duration = Duration::from_secs(5);
/// Longest wait in one read, so that a stop is heard.
const READ: Duration = Duration::from_millis(100);
/// Most reads in one go: a server that sends faster than we read must not hide a stop.
const READS: usize = 16;
/// One read.
const BUFFER: usize = 64 << 10;

/// A connection to a server that sends pictures for ever.
pub struct HttpSource {
    url: HttpUrl,
    socket: TcpStream,
    answer: Answer,
    buffer: Vec<u8>,
    clock: Arc<dyn Clock>,
    /// When nothing lay ready to be read the last time. What lies ready later may have arrived just after.
    empty: Monotime,
    /// What was found out while there was still a picture to hand out.
    failed: Option<anyhow::Error>,
    number: u64,
    /// Size of the first picture, for people.
    size: Option<(u32, u32)>,
}

impl HttpSource {
    /// Connects, asks, and reads the head of the answer. Name and password are told when the server asks for them.
    ///
    /// # Errors
    /// No connection, or the answer is not a stream of pictures; the message names the address.
    pub fn open(url: &HttpUrl, clock: Arc<dyn Clock>, stop: &Stop, names: &Names) -> Result<Self> {
        let deadline = clock.now() + HEAD;
        let mut source = Self::asked(url, &clock, names, None)?;
        source.await_head(deadline, stop)?;
        let (Answer::Refused(refusal), Some(user)) = (&source.answer, &url.user) else {
            return source.accepted();
        };
        if !refusal.locked {
            return source.accepted();
        }
        let refused = refusal.clone();
        let told = auth::answer(refusal, url, user).map_err(|why| source.failure(&why))?;
        // Some cameras have one connection only.
        drop(source);
        let mut source = Self::asked(url, &clock, names, Some(&told))?;
        source.await_head(deadline.max(clock.now() + HEAD / 2), stop)?;
        if let Answer::Refused(again) = &mut source.answer {
            *again = after_password(&refused, again);
        }
        source.accepted()
    }

    /// Connects and sends the request.
    fn asked(
        url: &HttpUrl,
        clock: &Arc<dyn Clock>,
        names: &Names,
        authorisation: Option<&str>,
    ) -> Result<Self> {
        let mut source = Self {
            url: url.clone(),
            socket: connect(url, names)?,
            answer: Answer::new(),
            buffer: vec![0; BUFFER],
            empty: clock.now(),
            clock: Arc::clone(clock),
            failed: None,
            number: 0,
            size: None,
        };
        let sent = source.ask(authorisation);
        sent.map_err(|e| source.failure(&plain(&e)))?;
        Ok(source)
    }

    fn ask(&mut self, authorisation: Option<&str>) -> std::io::Result<()> {
        self.socket.set_write_timeout(Some(CONNECT))?;
        let (target, host) = (&self.url.target, self.url.authority());
        let version = env!("CARGO_PKG_VERSION");
        let mut request = format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: facetap/{version}\r\n\
             Accept: multipart/x-mixed-replace, */*;q=0.1\r\nConnection: close\r\n"
        );
        if let Some(authorisation) = authorisation {
            request.push_str("Authorization: ");
            request.push_str(authorisation);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        self.socket.write_all(request.as_bytes())
    }

    fn await_head(&mut self, deadline: Monotime, stop: &Stop) -> Result<()> {
        while matches!(self.answer, Answer::Head(_)) {
            if stop.requested() {
                bail!(self.failure("stopped"));
            }
            if self.clock.now() >= deadline {
                let seconds = HEAD.as_secs();
                bail!(self.failure(&format!("no answer within {seconds} s")));
            }
            self.receive(READ)?;
        }
        Ok(())
    }

    /// Itself, unless the server has refused.
    fn accepted(self) -> Result<Self> {
        match &self.answer {
            Answer::Refused(refusal) => Err(self.failure(&refusal.why)),
            Answer::Head(_) | Answer::Body(_) => Ok(self),
        }
    }

    /// Reads once, waiting up to `timeout`. True if something came.
    fn receive(&mut self, timeout: Duration) -> Result<bool> {
        let broken = |e: std::io::Error| anyhow!("{}: {}", self.url, plain(&e));
        let waited = match ready(&self.socket, Duration::ZERO).map_err(broken)? {
            true => false,
            false if !timeout.is_zero() && ready(&self.socket, timeout).map_err(broken)? => true,
            false => {
                self.empty = self.clock.now();
                return Ok(false);
            }
        };
        match self.socket.read(&mut self.buffer) {
            Ok(0) => {
                let early = if self.size.is_none() {
                    " before the first picture"
                } else {
                    ""
                };
                bail!(self.failure(&format!("the server has closed the connection{early}")))
            }
            Ok(n) => {
                let now = self.clock.now();
                let arrived = if waited { now } else { self.empty };
                if waited || n < self.buffer.len() {
                    self.empty = now;
                }
                self.answer
                    .push(&self.buffer[..n], arrived)
                    .map_err(|e| self.failure(&e.to_string()))?;
                Ok(true)
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Ok(false)
            }
            Err(e) => bail!(self.failure(&plain(&e))),
        }
    }

    /// The newest picture that is complete: after a delay of ours the old ones are skipped.
    fn newest(&mut self) -> Result<Option<Arrived>> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        let mut newest = None;
        let mut timeout = READ;
        for _ in 0..READS {
            let came = self.take_pictures(&mut newest);
            if newest.is_some() {
                timeout = Duration::ZERO;
            }
            let came = came.and_then(|()| self.receive(timeout));
            match came {
                Ok(true) => timeout = Duration::ZERO,
                Ok(false) => break,
                Err(e) if newest.is_some() => {
                    self.failed = Some(e);
                    break;
                }
                Err(e) => return Err(e),
            }
        }
        if self.failed.is_none()
            && let Err(e) = self.take_pictures(&mut newest)
        {
            if newest.is_none() {
                return Err(e);
            }
            self.failed = Some(e);
        }
        Ok(newest)
    }

    fn take_pictures(&mut self, newest: &mut Option<Arrived>) -> Result<()> {
        while let Some(picture) = self
            .answer
            .next_picture()
            .map_err(|e| self.failure(&e.to_string()))?
        {
            *newest = Some(picture);
        }
        Ok(())
    }

    fn failure(&self, what: &str) -> anyhow::Error {
        anyhow!("{}: {what}", self.url)
    }
}

impl CameraSource for HttpSource {
    fn grab(&mut self, _stop: &Stop) -> Result<Grab> {
        let Some(picture) = self.newest()? else {
            return Ok(Grab::Nothing);
        };
        self.size = self.size.or_else(|| jpeg::size(&picture.jpeg));
        let number = self.number;
        self.number += 1;
        Ok(Grab::Frame(picture.frame(number)))
    }

    fn describe(&self) -> String {
        match self.size {
            Some((width, height)) => format!("{}: {width}x{height} MJPEG stream", self.url),
            None => format!("{}: MJPEG stream", self.url),
        }
    }

    fn is_live(&self) -> bool {
        true
    }
}

/// What is said where name and password did not help.
fn after_password(before: &Refusal, after: &Refusal) -> Refusal {
    let why = if after.locked && !before.challenges.is_empty() {
        "the server does not take the name and the password of camera.source".to_owned()
    } else {
        after.why.clone()
    };
    Refusal {
        why,
        ..after.clone()
    }
}

/// Whether there is something to read, or the end of it, within `timeout`.
fn ready(socket: &TcpStream, timeout: Duration) -> std::io::Result<bool> {
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
    match poll(
        &mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)],
        timeout,
    ) {
        Ok(count) => Ok(count > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

fn connect(url: &HttpUrl, names: &Names) -> Result<TcpStream> {
    let addresses = names
        .look_up(&url.host, url.port, NAME)
        .map_err(|why| anyhow::Error::new(why).context(url.to_string()))?;
    let mut why = String::new();
    // Two are enough: IPv6 and IPv4 of the same server.
    for address in addresses.into_iter().take(2) {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(socket) => return Ok(socket),
            Err(e) => why = plain(&e),
        }
    }
    bail!("{url}: no connection to the server: {why}");
}
