//! The connection to a display server, which may hang: the socket is waited for in short turns, up to a limit, and not
//! beyond the order to stop.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use x11rb::errors::{ConnectError, ConnectionError, ReplyError, ReplyOrIdError};
use x11rb::reexports::x11rb_protocol::parse_display::parse_display;
use x11rb::reexports::x11rb_protocol::xauth::get_auth;
use x11rb::rust_connection::{DefaultStream, PollMode, RustConnection, Stream};
use x11rb::utils::RawFdContainer;

use crate::base::stop::Stop;
use crate::say;

/// So long the server may take nothing, or leave a question unanswered.
const PATIENCE: Duration = Duration::from_secs(10);
/// How soon the order to stop is heard meanwhile.
const TURN: Duration = Duration::from_millis(50);

/// The connection's socket.
pub struct Patient {
    socket: DefaultStream,
    stop: Stop,
}

impl Stream for Patient {
    fn poll(&self, mode: PollMode) -> io::Result<()> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLIN, mode.readable());
        flags.set(PollFlags::POLLOUT, mode.writable());
        let turn = PollTimeout::try_from(TURN).map_err(io::Error::other)?;
        for _ in 0..PATIENCE.as_millis() / TURN.as_millis() {
            if self.stop.requested() {
                break;
            }
            match poll(&mut [PollFd::new(self.socket.as_fd(), flags)], turn) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
        Err(ErrorKind::TimedOut.into())
    }

    fn read(&self, bytes: &mut [u8], files: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.socket.read(bytes, files)
    }

    fn write(&self, bytes: &[u8], files: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.socket.write(bytes, files)
    }

    fn write_vectored(
        &self,
        bytes: &[io::IoSlice<'_>],
        files: &mut Vec<RawFdContainer>,
    ) -> io::Result<usize> {
        self.socket.write_vectored(bytes, files)
    }
}

/// Why there is no connection, without the system's "(os error 111)": to be without a display is no fault.
fn plain(e: &io::Error) -> String {
    match e.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => say!(
            "no display server listens there",
            "ディスプレイサーバーが動作していません"
        ),
        ErrorKind::TimedOut => say!(
            "the display server does not answer",
            "ディスプレイサーバーが応答しません"
        ),
        ErrorKind::UnexpectedEof
        | ErrorKind::BrokenPipe
        | ErrorKind::ConnectionReset
        | ErrorKind::WriteZero => say!(
            "the display server has ended",
            "ディスプレイサーバーが終了しました"
        ),
        ErrorKind::PermissionDenied => say!("permission denied", "アクセス権がありません"),
        kind => kind.to_string(),
    }
}

pub fn refused(e: ConnectError) -> anyhow::Error {
    match e {
        ConnectError::IoError(e) => anyhow!(plain(&e)),
        ConnectError::SetupFailed(why) => {
            let why: String = String::from_utf8_lossy(&why.reason)
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect();
            anyhow!(say!(
                "it refuses ({}); XAUTHORITY names the file of who may: run it as the user of the desktop",
                "拒否されました ({})。XAUTHORITYを確認するか、デスクトップのユーザーで実行してください",
                why.trim()
            ))
        }
        e => anyhow!("{e}"),
    }
}

pub fn lost(e: ConnectionError) -> anyhow::Error {
    match e {
        ConnectionError::IoError(e) => anyhow!(plain(&e)),
        e => anyhow!("{e}"),
    }
}

pub fn unanswered(e: ReplyError) -> anyhow::Error {
    match e {
        ReplyError::ConnectionError(e) => lost(e),
        ReplyError::X11Error(e) => anyhow!("{:?}", e.error_kind),
    }
}

pub fn no_id(e: ReplyOrIdError) -> anyhow::Error {
    match e {
        ReplyOrIdError::ConnectionError(e) => lost(e),
        e => anyhow!("{e}"),
    }
}

pub fn connect(display: &str, stop: &Stop) -> Result<(RustConnection<Patient>, usize)> {
    let parsed = parse_display(Some(display)).map_err(|e| anyhow!("{e}"))?;
    let screen = usize::from(parsed.screen);
    let mut failed = ErrorKind::NotFound.into();
    for address in parsed.connect_instruction() {
        let (socket, (family, peer)) = match DefaultStream::connect(&address) {
            Ok(connected) => connected,
            Err(e) => {
                failed = e;
                continue;
            }
        };
        // Without a key it is tried all the same: some servers want none.
        let key = get_auth(family, &peer, parsed.display).ok().flatten();
        let (name, data) = key.unwrap_or_default();
        let socket = Patient {
            socket,
            stop: stop.clone(),
        };
        let connected =
            RustConnection::connect_to_stream_with_auth_info(socket, screen, name, data);
        return Ok((connected.map_err(refused)?, screen));
    }
    bail!(plain(&failed))
}
