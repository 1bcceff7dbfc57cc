//! The attendance server over HTTP.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use jiff::fmt::rfc2822;
use ureq::http::{HeaderMap, Response};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, Error, Timeout};

use super::LINES;
use super::resolver::{OneThread, no_address};
use super::wire::{ATTENDANCE, CLOCK_HEADER, HEALTH, address};
use crate::base::beat::Beat;
use crate::base::files;
use crate::base::limited::{Limited, NotDone, in_time};
use crate::base::stop::Stop;
use crate::config::Config;
use crate::say;

/// Time-outs of the old client, for which the server was sized.
const TAP_TIMEOUT: Duration = Duration::from_secs(5);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);
/// A machine of the LAN that is there answers a connection well within this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Largest answer that is read, in bytes; those of the API are much smaller.
const ANSWER_MAX: u64 = 64 * 1024;
/// Time for reading a small file. A disk that takes longer hangs; the tap is tried again later.
const FILE: Duration = Duration::from_secs(2);
/// No token or list of authorities comes near this, in bytes.
const FILE_MAX: u64 = 4 << 20;
/// A connection that was idle for longer may have been closed by the server meanwhile.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// Result of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An HTTP answer, whatever it says.
    Answer {
        /// Status.
        status: u16,
        /// Body; bytes that are not UTF-8 are replaced.
        body: String,
        /// When to come again, where it says so (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// No connection could be made. The reason, for people.
    Unreachable(String),
    /// The connection ended without a whole answer. The server may or may not have the tap, but is done with it.
    NoAnswer(String),
    /// No whole answer came in time. The server may or may not have the tap, or may store it yet.
    TooSlow(String),
}

/// What is sent for a tap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// The body, as the old client wrote it.
    pub body: String,
    /// The same at every attempt (header `Idempotency-Key`).
    pub idempotency_key: String,
    /// How far the time can be trusted (header `FaceTap-Clock`): `synchronised`, `corrected` or `uncertain`.
    pub clock: String,
}

/// The attendance server, or what stands in for it. Calls block for a few seconds at most.
pub trait Server: Send + Sync {
    /// Sends a tap.
    fn post(&self, parcel: &Parcel) -> Reply;

    /// Asks whether it is there.
    fn health(&self) -> Reply;
}

/// The real one.
#[derive(Debug)]
pub struct HttpServer {
    agent: Agent,
    attendance: String,
    health: String,
    token_file: Option<PathBuf>,
    /// Reads the token; its disk may hang.
    disk: Limited<()>,
}

impl HttpServer {
    /// The server of the configuration; none if it names none. Requests in flight end at the order to
    /// stop.
    ///
    /// # Errors
    /// `ca_file` or `auth_token_file` cannot be used; the message names key and file.
    pub fn new(config: &Config, stop: &Stop) -> Result<Option<Self>> {
        let Some(url) = &config.server_url else {
            return Ok(None);
        };
        let mut builder = Agent::config_builder()
            .timeout_global(Some(TAP_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            // The answer is wanted, whatever its status, and from this server only: a tap is not sent
            // elsewhere because a captive portal says so.
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A proxy variable left in the environment must not divert taps from a server on the LAN.
            .proxy(None)
            .max_idle_connections_per_host(LINES)
            .max_idle_age(IDLE_MAX)
            .user_agent(concat!("facetap/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = &config.ca_file {
            let tls = TlsConfig::builder()
                .root_certs(RootCerts::from(
                    in_time("ca-file", FILE, {
                        let file = file.clone();
                        move || authorities(&file)
                    })
                    .map_err(|why| unread("ca_file", file, &why))??,
                ))
                .build();
            builder = builder.tls_config(tls);
        }
        let agent = Agent::with_parts(
            builder.build(),
            DefaultConnector::default(),
            OneThread::new(stop),
        );
        let stopped = agent.clone();
        stop.on_request(move || stopped.clone().shutdown());
        let server = Self {
            agent,
            attendance: address(url, ATTENDANCE),
            health: address(url, HEALTH),
            token_file: config.auth_token_file.clone(),
            disk: Limited::new("uplink-token", stop, &Beat::default()),
        };
        server.bearer()?;
        Ok(Some(server))
    }

    /// The header with the bearer token. Read for each request, so that a renewed token is used at once.
    fn bearer(&self) -> Result<Option<String>> {
        let Some(file) = self.token_file.clone() else {
            return Ok(None);
        };
        let read = file.clone();
        let token = self
            .disk
            .run(FILE, move || token(&read))
            .map_err(|why| unread("auth_token_file", &file, &why))??;
        Ok(Some(format!("Bearer {token}")))
    }
}

impl Server for HttpServer {
    fn post(&self, parcel: &Parcel) -> Reply {
        let mut request = self
            .agent
            .post(&self.attendance)
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", &parcel.idempotency_key)
            .header(CLOCK_HEADER, &parcel.clock);
        match self.bearer() {
            Ok(None) => {}
            Ok(Some(bearer)) => request = request.header("Authorization", bearer),
            Err(e) => return Reply::NoAnswer(format!("{e:#}")),
        }
        reply(request.send(parcel.body.as_str()))
    }

    fn health(&self) -> Reply {
        let mut request = self.agent.get(&self.health);
        if let Ok(Some(bearer)) = self.bearer() {
            request = request.header("Authorization", bearer);
        }
        let limited = request
            .config()
            .timeout_global(Some(HEALTH_TIMEOUT))
            .build();
        reply(limited.call())
    }
}

fn reply(result: Result<Response<Body>, Error>) -> Reply {
    let mut response = match result {
        Ok(response) => response,
        Err(e) => return failure(&e),
    };
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let body = response.body_mut().with_config().limit(ANSWER_MAX);
    match body.read_to_vec() {
        Ok(bytes) => Reply::Answer {
            status,
            body: String::from_utf8_lossy(&bytes).into_owned(),
            retry_after,
        },
        Err(e) => failure(&e),
    }
}

/// `Retry-After`: seconds, or a time, which is told from the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let wanted = text("retry-after")?.trim();
    if let Ok(seconds) = wanted.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = |text: &str| rfc2822::parse(text).ok();
    let (then, now) = (time(wanted)?, time(text("date")?)?);
    Duration::try_from(then.duration_since(&now)).ok()
}

fn failure(e: &Error) -> Reply {
    use std::io::ErrorKind;
    if let Some(why) = no_address(e) {
        return Reply::Unreachable(why);
    }
    let unreachable = match e {
        Error::HostNotFound
        | Error::ConnectionFailed
        | Error::Timeout(Timeout::Connect | Timeout::Resolve) => true,
        Error::Io(e) => matches!(
            e.kind(),
            ErrorKind::ConnectionRefused
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
                | ErrorKind::NetworkDown
                | ErrorKind::AddrNotAvailable
        ),
        _ => false,
    };
    if unreachable {
        Reply::Unreachable(said(e))
    } else if matches!(e, Error::Timeout(_)) {
        Reply::TooSlow(said(e))
    } else {
        Reply::NoAnswer(said(e))
    }
}

/// What people call it.
fn said(e: &Error) -> String {
    match e {
        Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
            say!("no connection in time", "時間内に接続できません")
        }
        Error::Timeout(_) => say!("no answer in time", "時間内に応答がありません"),
        Error::HostNotFound => say!("its name is not known", "ホスト名を解決できません"),
        Error::BodyExceedsLimit(n) => say!(
            "its answer is longer than {n} bytes",
            "応答が {n} バイトを超えています"
        ),
        e => e.to_string(),
    }
}

/// What is said of a file whose disk does not answer.
fn unread(key: &str, file: &Path, why: &NotDone) -> anyhow::Error {
    let name = file.display();
    anyhow!(say!(
        "{key}: cannot read {name}: {why}; its disk or the network behind it hangs",
        "{key}: {name} を読めません: {why}（ディスクまたはネットワークの停止）"
    ))
}

fn authorities(file: &Path) -> Result<Vec<Certificate<'static>>> {
    let name = file.display();
    let pem =
        files::read(file, FILE_MAX).with_context(|| format!("ca_file: cannot read {name}"))?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(c) =
            item.with_context(|| format!("ca_file: {name} is not a PEM file"))?
        {
            found.push(c);
        }
    }
    ensure!(
        !found.is_empty(),
        "ca_file: {name} holds no certificate (-----BEGIN CERTIFICATE-----)"
    );
    Ok(found)
}

fn token(file: &Path) -> Result<String> {
    let name = file.display();
    let text = files::read(file, FILE_MAX)
        .with_context(|| format!("auth_token_file: cannot read {name}"))?;
    let text = String::from_utf8_lossy(&text);
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        bail!("auth_token_file: {name} must hold one token and nothing else");
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests;
