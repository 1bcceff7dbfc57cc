//! An `http://` MJPEG stream as a camera.

mod body;
mod parts;
#[cfg(test)]
mod tests;
pub mod url;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use super::NAME;
use super::{CameraSource, Frame, Grab, Picture, jpeg, plain};
use crate::base::clock::{Clock, Monotime};
use crate::base::names::Names;
use crate::base::stop::Stop;
use body::Answer;
pub use url::HttpUrl;

/// Time in which a server must take a connection and, after that, send the head of its answer.
const CONNECT: Duration = Duration::from_secs(2);
const HEAD: Duration = Duration::from_secs(5);
/// Longest wait in one read, so that a stop is heard.
const READ: Duration = Duration::from_millis(100);

/// A connection to a server that sends pictures for ever.
pub struct HttpSource {
    url: HttpUrl,
    socket: TcpStream,
    answer: Answer,
    buffer: Vec<u8>,
    clock: Arc<dyn Clock>,
    number: u64,
    /// Size of the first picture, for people.
    size: Option<(u32, u32)>,
}

impl HttpSource {
    /// Connects, asks, and reads the head of the answer.
    ///
    /// # Errors
    /// No connection, or the answer is not a stream of pictures; the message names the address.
    pub fn open(url: &HttpUrl, clock: Arc<dyn Clock>, stop: &Stop, names: &Names) -> Result<Self> {
        let socket = connect(url, names)?;
        let mut source = Self {
            url: url.clone(),
            socket,
            answer: Answer::new(),
            buffer: vec![0; 64 << 10],
            clock,
            number: 0,
            size: None,
        };
        source.ask().map_err(|e| source.failure(&plain(&e)))?;
        let deadline = source.clock.now() + HEAD;
        while matches!(source.answer, Answer::Head(_)) {
            if stop.requested() {
                bail!(source.failure("stopped"));
            }
            if source.clock.now() >= deadline {
                let seconds = HEAD.as_secs();
                bail!(source.failure(&format!("no answer within {seconds} s")));
            }
            source.receive()?;
        }
        Ok(source)
    }

    fn ask(&mut self) -> std::io::Result<()> {
        self.socket.set_read_timeout(Some(READ))?;
        self.socket.set_write_timeout(Some(CONNECT))?;
        let (target, host) = (&self.url.target, self.url.authority());
        let version = env!("CARGO_PKG_VERSION");
        let mut request = format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: facetap/{version}\r\n\
             Accept: multipart/x-mixed-replace, */*;q=0.1\r\nConnection: close\r\n"
        );
        if let Some((name, password)) = &self.url.user {
            request.push_str("Authorization: ");
            request.push_str(&url::basic(name, password));
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        self.socket.write_all(request.as_bytes())
    }

    /// Reads once. True if something came.
    fn receive(&mut self) -> Result<bool> {
        match self.socket.read(&mut self.buffer) {
            Ok(0) => bail!(self.failure("the server has closed the connection")),
            Ok(n) => {
                self.answer
                    .push(&self.buffer[..n])
                    .map_err(|e| self.failure(&e.to_string()))?;
                Ok(true)
            }
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) =>
            {
                Ok(false)
            }
            Err(e) => bail!(self.failure(&plain(&e))),
        }
    }

    fn picture(&mut self) -> Result<Option<Vec<u8>>> {
        self.answer.next().map_err(|e| self.failure(&e.to_string()))
    }

    fn frame(&mut self, data: Vec<u8>, captured: Monotime) -> Result<Grab> {
        if !jpeg::begins(&data) {
            bail!(self.failure("a part of the stream is not a JPEG picture"));
        }
        self.size = self.size.or_else(|| jpeg::size(&data));
        let number = self.number;
        self.number += 1;
        Ok(Grab::Frame(Frame {
            number,
            captured,
            picture: Picture::Jpeg(data),
        }))
    }

    fn failure(&self, what: &str) -> anyhow::Error {
        anyhow!("{}: {what}", self.url)
    }
}

impl CameraSource for HttpSource {
    fn grab(&mut self, _stop: &Stop) -> Result<Grab> {
        // One read at most: a server that sends for ever, but never a whole picture, must not hide a stop.
        if let Some(data) = self.picture()? {
            return self.frame(data, self.clock.now());
        }
        if self.receive()?
            && let Some(data) = self.picture()?
        {
            return self.frame(data, self.clock.now());
        }
        Ok(Grab::Nothing)
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
