//! Name resolution with a time-out. The C library has no limit that we control: a name server that does not answer is
//! waited for again and again.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::beat::Beat;
use super::clock::{Clock as _, Monotime, SystemClock};
use super::limited::{Limited, NotDone, Terms};
use super::stop::Stop;
use crate::say;

/// How long an answer that came too late for its caller may be used for the next look-up.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// Environment variable of the C library, read at its first look-up: set it before any thread is started. A name
/// server that is dead is given up after two seconds instead of five, so that the one after it is heard in time, and
/// three dead ones after ten seconds instead of thirty: a look-up that was begun too early keeps nobody waiting for
/// longer once the names can be looked up again.
#[must_use]
pub const fn environment() -> (&'static str, &'static str) {
    ("RES_OPTIONS", "timeout:2 attempts:2")
}

/// Why a name has no address. The message names it and says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAddress {
    /// No name server answers.
    Silent {
        /// The name.
        host: String,
    },
    /// The name servers do not know it.
    Unknown {
        /// The name.
        host: String,
        /// What the system says.
        why: String,
    },
    /// It was not looked up: the order to stop came, or there is no thread.
    NotTried(String),
}

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::Silent { host } => say!(
                "the name \"{host}\" cannot be looked up, no name server answers; check the network and \
                 /etc/resolv.conf, or write the IP address in place of the name",
                "名前「{host}」を検索できません（DNS サーバーの応答なし）。ネットワークと /etc/resolv.conf を確認するか、\
                 名前の代わりに IP アドレスを指定してください"
            ),
            Self::Unknown { host, why } => say!(
                "the name \"{host}\" is not known ({why}); check its spelling and the name server \
                 (/etc/resolv.conf), or write the IP address in place of the name",
                "名前「{host}」が見つかりません ({why})。綴りと DNS サーバー (/etc/resolv.conf) を確認するか、\
                 名前の代わりに IP アドレスを指定してください"
            ),
            Self::NotTried(why) => why.clone(),
        })
    }
}

impl std::error::Error for NoAddress {}

/// Looks names up, one at a time and each for a limited time, on one thread.
#[derive(Debug)]
pub struct Names(Limited<Found>);

/// The last answer.
struct Found {
    host: String,
    addresses: Vec<IpAddr>,
    at: Monotime,
    /// Whether the caller received it.
    heard: Arc<AtomicBool>,
}

impl Names {
    /// Looks up on a thread called `thread`.
    #[must_use]
    pub fn new(thread: &'static str, stop: &Stop, beat: &Beat) -> Self {
        Self(Limited::new(thread, stop, beat))
    }

    /// The addresses of `host`, which may be one itself, with `port`. An answer that came too late for the caller
    /// before is taken.
    ///
    /// # Errors
    /// There is none within `limit`; the message names the host.
    pub fn look_up(
        &self,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<Vec<SocketAddr>, NoAddress> {
        let found = self.find(host, limit, |host| {
            // The port is not part of the look-up.
            Ok((host, 0).to_socket_addrs()?.map(|a| a.ip()).collect())
        })?;
        Ok(found.into_iter().map(|ip| (ip, port).into()).collect())
    }

    fn find(
        &self,
        host: &str,
        limit: Duration,
        look_up: impl FnOnce(&str) -> std::io::Result<Vec<IpAddr>> + Send + 'static,
    ) -> Result<Vec<IpAddr>, NoAddress> {
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = literal.parse::<IpAddr>() {
            return Ok(vec![address]);
        }
        let terms = Terms::within(limit);
        let heard = Arc::new(AtomicBool::new(false));
        let (name, by_us) = (host.to_owned(), Arc::clone(&heard));
        let found = self.0.attempt(terms, move |last: &mut Option<Found>| {
            let now = SystemClock.now();
            if let Some(last) = last.take()
                && last.host == name
                && !last.heard.load(Ordering::Relaxed)
                && now.since(last.at) <= GOOD_FOR
            {
                return Ok(last.addresses);
            }
            let addresses = look_up(&name)?;
            *last = Some(Found {
                host: name,
                addresses: addresses.clone(),
                at: SystemClock.now(),
                heard: by_us,
            });
            Ok(addresses)
        });
        heard.store(true, Ordering::Relaxed);
        let host = host.to_owned();
        match found {
            Ok(Ok(addresses)) if addresses.is_empty() => Err(NoAddress::Unknown {
                host,
                why: "no address".to_owned(),
            }),
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(e)) => Err(refusal(host, &e)),
            Err(NotDone::Hangs) => {
                // The caller did not receive it: keep it for the next look-up.
                heard.store(false, Ordering::Relaxed);
                Err(NoAddress::Silent { host })
            }
            Err(why) => Err(NoAddress::NotTried(format!("{host}: {why}"))),
        }
    }
}

/// Tells the two resolver errors apart: no name server answers, or the name does not exist.
fn refusal(host: String, e: &std::io::Error) -> NoAddress {
    let text = e.to_string();
    let why = text.rsplit(": ").next().unwrap_or(&text).to_owned();
    // EAI_AGAIN, whose number is not handed through.
    if why.starts_with("Temporary failure") {
        NoAddress::Silent { host }
    } else {
        NoAddress::Unknown { host, why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);

    fn names(thread: &'static str) -> Names {
        Names::new(thread, &Stop::new(), &Beat::default())
    }

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn an_address_is_its_own() {
        let names = names("names-literal");
        for (host, want) in [
            ("192.0.2.7", "192.0.2.7:80"),
            ("[2001:db8::1]", "[2001:db8::1]:80"),
            ("::1", "[::1]:80"),
        ] {
            let found = names.look_up(host, 80, Duration::ZERO).unwrap();
            assert_eq!(found, [want.parse().unwrap()], "{host}");
        }
    }

    #[test]
    fn a_name_of_this_machine_is_found_and_nonsense_is_named_with_a_remedy() {
        let names = names("names-real");
        let found = names.look_up("localhost", 5, LONG).unwrap();
        assert!(found.iter().all(|a| a.ip().is_loopback() && a.port() == 5));
        // No look-up leaves the machine for a name with an empty label.
        let why = names.look_up("a..b", 5, LONG).unwrap_err();
        assert!(
            why.to_string().contains("\"a..b\"") && why.to_string().contains("IP address"),
            "{why}"
        );
    }

    #[test]
    fn an_answer_that_comes_too_late_is_taken_once_by_the_next_who_asks() {
        let names = names("names-late");
        let (release, wait) = channel::<()>();
        let slow = names.find("cam", SHORT, move |_| {
            let _ = wait.recv();
            Ok(vec![ip(1)])
        });
        assert_eq!(slow, Err(NoAddress::Silent { host: "cam".into() }));
        let hangs = names.find("cam", LONG, |_| Ok(vec![ip(9)]));
        assert_eq!(hangs, Err(NoAddress::Silent { host: "cam".into() }));
        drop(release);
        // The thread is free at some moment soon.
        let first = loop {
            match names.find("cam", LONG, |_| Ok(vec![ip(2)])) {
                Ok(found) => break found,
                Err(_) => std::thread::yield_now(),
            }
        };
        assert_eq!(first, [ip(1)]);
        assert_eq!(
            names.find("cam", LONG, |_| Ok(vec![ip(3)])),
            Ok(vec![ip(3)])
        );
        // What was heard in time is no answer for later.
        assert_eq!(
            names.find("cam", LONG, |_| Ok(vec![ip(4)])),
            Ok(vec![ip(4)])
        );
    }

    #[test]
    fn silence_and_ignorance_are_told_apart() {
        let said = |text: &str| refusal("cam".into(), &std::io::Error::other(text.to_owned()));
        let prefix = "failed to lookup address information";
        assert_eq!(
            said(&format!("{prefix}: Temporary failure in name resolution")),
            NoAddress::Silent { host: "cam".into() }
        );
        assert_eq!(
            said(&format!("{prefix}: Name or service not known")),
            NoAddress::Unknown {
                host: "cam".into(),
                why: "Name or service not known".into()
            }
        );
    }
}
