//! The attendance server of a run, on the loopback: what the old one does, with a note of every tap.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::civil::DateTime;
use serde_json::{Value, json};

use super::http::{self, Request};
use super::trace::Seen;
use crate::attend::uplink::wire::{ATTENDANCE, HEALTH};
use crate::base::clock::Clock;
use crate::base::stop::{Stop, lock};
use crate::base::threads::Threads;

/// A tap is a duplicate of the row last received of the same card and terminal within this time.
const NEAR_S: f64 = 10.0;
/// How soon the order to stop is heard.
const STEP: Duration = Duration::from_millis(100);
/// Connections at a time; the service has four lines and asks for the health.
const CONNECTIONS: usize = 16;

/// The rows.
struct Store {
    seen: Arc<Seen>,
    /// Cards that were not made up, if the readers are real ones.
    others: Mutex<HashMap<String, DateTime>>,
    rows: Mutex<u64>,
}

/// Starts the server. Returns its address.
///
/// # Errors
/// No port, or no thread, is to be had.
pub(super) fn start(
    threads: &mut Threads,
    seen: &Arc<Seen>,
    clock: &Arc<dyn Clock>,
    stop: &Stop,
) -> Result<String> {
    let listen = || -> std::io::Result<(TcpListener, u16)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    };
    let (listener, port) = listen().context("cannot open a port for the attendance server")?;
    let store = Arc::new(Store {
        seen: Arc::clone(seen),
        others: Mutex::default(),
        rows: Mutex::default(),
    });
    let (clock, order) = (Arc::clone(clock), stop.clone());
    threads.start("server", stop, move || {
        let mut connections: Vec<JoinHandle<()>> = Vec::new();
        while !order.requested() {
            connections.retain(|c| !c.is_finished());
            let link = match listener.accept() {
                Ok((link, _)) if connections.len() < CONNECTIONS => link,
                Ok(_) => continue,
                Err(_) => {
                    clock.wait(&order, Duration::from_millis(2));
                    continue;
                }
            };
            let (store, order) = (Arc::clone(&store), order.clone());
            let begun = std::thread::Builder::new()
                .name("connection".to_owned())
                .spawn(move || serve(link, &store, &order));
            connections.extend(begun);
        }
        for connection in connections {
            let _ = connection.join();
        }
    })?;
    Ok(format!("http://{}:{port}", Ipv4Addr::LOCALHOST))
}

/// Answers one client until it goes away.
fn serve(mut link: TcpStream, store: &Store, stop: &Stop) {
    let ready = link.set_nonblocking(false).is_ok()
        && link.set_nodelay(true).is_ok()
        && link.set_read_timeout(Some(STEP)).is_ok();
    let (mut buffer, mut bytes) = (Vec::new(), [0; 4096]);
    while ready && !stop.requested() {
        match http::take(&mut buffer) {
            Ok(Some(request)) => {
                let (status, value) = store.answer(&request);
                if link.write_all(&http::answer(status, &value)).is_err() {
                    return;
                }
            }
            Ok(None) => match link.read(&mut bytes) {
                Ok(0) => return,
                Ok(n) => buffer.extend(&bytes[..n]),
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(_) => return,
            },
            Err(http::Broken) => return,
        }
    }
}

impl Store {
    fn answer(&self, request: &Request) -> (u16, Value) {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", HEALTH) => (200, json!({"status": "ok"})),
            ("POST", ATTENDANCE) => self.receive(&request.body),
            _ => (404, json!({"status": "error"})),
        }
    }

    fn receive(&self, body: &[u8]) -> (u16, Value) {
        let failed =
            |status, message: &str| (status, json!({"status": "error", "message": message}));
        let Ok(tap) = serde_json::from_slice::<Value>(body) else {
            return failed(500, "no JSON");
        };
        let field = |name| tap[name].as_str().filter(|v| !v.is_empty());
        let (Some(idm), Some(time), Some(_)) =
            (field("idm"), field("timestamp"), field("terminal_id"))
        else {
            return failed(400, "idm, timestamp and terminal_id are needed");
        };
        let Some(at) = naive(time) else {
            return failed(500, "can't compare offset-naive and offset-aware datetimes");
        };
        let mut taps = lock(&self.seen.taps);
        let last = match taps.received(idm, at) {
            Some(last) => last,
            None => lock(&self.others).insert(idm.to_owned(), at),
        };
        let difference = last.map(|last| at.duration_since(last).as_secs_f64().abs());
        if let Some(difference) = difference.filter(|d| *d <= NEAR_S) {
            let message =
                json!({"status": "duplicate", "message": "重複データ", "time_diff": difference});
            return (200, message);
        }
        taps.stored(idm);
        drop(taps);
        let mut rows = lock(&self.rows);
        *rows += 1;
        (200, json!({"status": "success", "attendance_id": *rows}))
    }
}

/// A time without an offset; with one the original fails.
fn naive(time: &str) -> Option<DateTime> {
    let (_, clock) = time.split_once('T')?;
    let bare = clock
        .bytes()
        .all(|b| b.is_ascii_digit() || b == b':' || b == b'.');
    bare.then(|| time.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::taps::uid;
    use super::*;
    use crate::attend::uplink::client::{HttpServer, Parcel, Reply, Server as _};
    use crate::attend::uplink::wire::{ServerVerdict, body, verdict};
    use crate::base::clock::SystemClock;
    use crate::base::stop::Reason;
    use crate::config::Config;

    #[test]
    fn the_real_client_is_served_as_by_the_old_server() {
        let (mut threads, stop) = (Threads::default(), Stop::new());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let seen = Arc::<Seen>::default();
        let first = lock(&seen.taps).add();
        let url = start(&mut threads, &seen, &clock, &stop).unwrap();
        let config = Config {
            server_url: Some(url),
            ..Config::default()
        };
        let client = HttpServer::new(&config, &Stop::new()).unwrap().unwrap();
        let post = |uid: &str, time: &str| {
            let parcel = Parcel {
                body: body(uid, time, "AA:BB:CC:DD:EE:FF"),
                idempotency_key: "k".to_owned(),
                clock: "synchronised".to_owned(),
            };
            match client.post(&parcel) {
                Reply::Answer { status, body, .. } => (status, verdict(status, &body)),
                other => panic!("{other:?}"),
            }
        };
        assert!(matches!(client.health(), Reply::Answer { status: 200, .. }));
        let ours = uid(first);
        for (uid, time, want) in [
            (
                ours.as_str(),
                "2026-11-21T09:00:00.5",
                (200, ServerVerdict::Stored),
            ),
            (
                ours.as_str(),
                "2026-11-21T09:00:10.5",
                (200, ServerVerdict::Duplicate),
            ),
            (
                "DEAD1003",
                "2026-11-21T09:00:00",
                (200, ServerVerdict::Stored),
            ),
            (
                "DEAD1003",
                "2026-11-21T09:00:09",
                (200, ServerVerdict::Duplicate),
            ),
            (
                "DEAD1003",
                "2026-11-21T09:00:19.1",
                (200, ServerVerdict::Stored),
            ),
            (
                "DEAD1003",
                "2026-11-21T09:00:00+09:00",
                (500, ServerVerdict::Trouble),
            ),
            ("", "2026-11-21T09:00:00", (400, ServerVerdict::Rejected)),
        ] {
            assert_eq!(post(uid, time), want, "{uid} {time}");
        }
        lock(&seen.taps).told(&ours, crate::attend::trace::Outcome::Counted);
        lock(&seen.taps).requests_are_over();
        assert!(lock(&seen.taps).is_delivered());
        stop.request(Reason::Duration);
        assert!(threads.join(&clock, Duration::from_secs(60)).is_empty());
    }
}
