//! A virtual card: a TCP client of vpcd.
//!
//! Every message is a length (two bytes, big-endian) and a payload. A payload of one byte is an order
//! (0 power off, 1 power on, 2 reset, 4 send the ATR); anything else is an APDU.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread::JoinHandle;

use crate::daemon::{wait_empty, wait_until};

/// FeliCa, as an ACR122U shows it.
pub const FELICA: &[u8] = &[
    0x3B, 0x8F, 0x80, 0x01, 0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06, 0x03, 0xF0, 0x11, 0x00,
    0x00, 0x00, 0x00, 0x8A,
];
/// A card on a virtual reader. Dropping it takes it away, as far as the daemon knows.
pub struct Card {
    port: u16,
    link: TcpStream,
    thread: Option<JoinHandle<()>>,
    snatched: bool,
}

impl Card {
    /// Holds a card to the reader behind `port`; it gives `answer` to every APDU.
    pub fn hold(port: u16, atr: &'static [u8], answer: Vec<u8>) -> Self {
        Self::answering(port, atr, move |_| Some(answer.clone()))
    }

    /// Holds a card to the reader behind `port` that answers each APDU as `answer` says; at none it is
    /// pulled away in the middle.
    pub fn answering(
        port: u16,
        atr: &'static [u8],
        mut answer: impl FnMut(&[u8]) -> Option<Vec<u8>> + Send + 'static,
    ) -> Self {
        let link = wait_until("a virtual reader", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        let mut reader = link.try_clone().unwrap();
        let thread = std::thread::spawn(move || {
            let mut length = [0; 2];
            while reader.read_exact(&mut length).is_ok() {
                let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
                if reader.read_exact(&mut message).is_err() {
                    return;
                }
                let reply = match message[..] {
                    [4] => atr.to_vec(),
                    [_] => continue,
                    _ => match answer(&message) {
                        Some(reply) => reply,
                        None => {
                            let _ = reader.shutdown(Shutdown::Both);
                            return;
                        }
                    },
                };
                let length = u16::try_from(reply.len()).unwrap().to_be_bytes();
                if reader.write_all(&[&length, &reply[..]].concat()).is_err() {
                    return;
                }
            }
        });
        Self {
            port,
            link,
            thread: Some(thread),
            snatched: false,
        }
    }

    /// Takes it away without waiting until the daemon has noticed.
    #[allow(dead_code)] // What only some of the tests need.
    pub fn snatch(mut self) {
        let _ = self.link.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.snatched = true;
    }

    /// Holds a FeliCa card with this identifier to the reader behind `port`.
    pub fn felica(port: u16, idm: [u8; 8]) -> Self {
        Self::hold(port, FELICA, [&idm[..], &[0x90, 0x00]].concat())
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        let _ = self.link.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if !self.snatched {
            wait_empty(self.port);
        }
    }
}
