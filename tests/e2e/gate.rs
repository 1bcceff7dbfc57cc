//! Something on the way to the attendance server: it is slow, or refuses some cards with a page.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

/// What it does, and has seen.
#[derive(Default)]
pub struct Seen {
    /// How often each card's tap was sent.
    pub posts: BTreeMap<String, usize>,
    /// Taps whose answer has not been sent back yet.
    pub under_way: usize,
    /// Cards that it refuses.
    pub refused: BTreeSet<String>,
}

/// A proxy that ends with the test's process.
#[derive(Clone)]
pub struct Gate {
    pub port: u16,
    pub seen: Arc<Mutex<Seen>>,
    server: u16,
    delay: Duration,
}

impl Gate {
    /// In front of the server at a port; every tap takes `delay` longer.
    pub fn new(server: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = Self {
            port: listener.local_addr().unwrap().port(),
            seen: Arc::default(),
            server,
            delay,
        };
        let this = gate.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let gate = this.clone();
                // Ends when either side hangs up.
                std::thread::spawn(move || gate.serve(client));
            }
        });
        gate
    }

    fn serve(&self, client: TcpStream) -> Option<()> {
        client.set_nodelay(true).ok()?;
        let mut client = BufReader::new(client);
        loop {
            let (head, body) = message(&mut client)?;
            let tap: Option<Value> = serde_json::from_slice(&body).ok();
            let card = tap.and_then(|tap| Some(tap["idm"].as_str()?.to_owned()));
            let request = [head.as_bytes(), &body].concat();
            let answer = match card {
                Some(card) => self.tap(&card, &request),
                None => self.pass(&request),
            };
            client.get_mut().write_all(&answer?).ok()?;
        }
    }

    fn tap(&self, card: &str, request: &[u8]) -> Option<Vec<u8>> {
        let refused = {
            let mut seen = self.seen.lock().unwrap();
            *seen.posts.entry(card.to_owned()).or_default() += 1;
            seen.under_way += 1;
            seen.refused.contains(card)
        };
        let answer = if refused {
            let page = "<html>Forbidden by firewall</html>";
            let head = format!(
                "HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n",
                page.len()
            );
            Some([head.as_bytes(), page.as_bytes()].concat())
        } else {
            std::thread::sleep(self.delay);
            self.pass(request)
        };
        self.seen.lock().unwrap().under_way -= 1;
        answer
    }

    fn pass(&self, request: &[u8]) -> Option<Vec<u8>> {
        let mut server = TcpStream::connect(("127.0.0.1", self.server)).ok()?;
        server.write_all(request).ok()?;
        let (head, body) = message(&mut BufReader::new(server))?;
        Some([head.as_bytes(), &body].concat())
    }
}

/// Head and body of a message; none where the other side hangs up.
fn message(from: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let before = head.len();
        if from.read_line(&mut head).ok()? == 0 {
            return None;
        }
        let line = head[before..].to_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    Some((head, body))
}
