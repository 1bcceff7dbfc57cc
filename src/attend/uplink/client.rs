//! The attendance server over HTTP.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use percent_encoding::percent_decode_str;
use ureq::http::Response;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, Error};

use super::answer;
use super::failure::failure;
use super::meaning::{Head, target};
pub use super::reply::Reply;
use super::resolver::OneThread;
use super::retry_after;
use super::wire::{ATTENDANCE, CLOCK_HEADER, HEALTH, address, word};
use crate::base::beat::Beat;
use crate::base::clock::{Clock as _, SystemClock};
use crate::base::files;
use crate::base::limited::{Limited, NotDone, in_time};
use crate::base::stop::Stop;
use crate::config::{Config, address::split_user};
use crate::say;

/// Time-outs of the old client, for which the server was sized.
const TAP_TIMEOUT: Duration = Duration::from_secs(5);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);
/// A machine of the LAN that is there answers a connection well within this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// So much of an answer is read, in bytes; those of the API are much smaller, and of a page the beginning is enough.
const ANSWER_MAX: u64 = answer::TEXT_MAX;
/// Time for reading a small file. A disk that takes longer hangs; the tap is tried again later.
const FILE: Duration = Duration::from_secs(2);
/// No token or list of authorities comes near this, in bytes.
const FILE_MAX: u64 = 4 << 20;

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
    /// The header that is made of name and password in the address.
    basic: Option<String>,
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
            // One request a connection, as with the old client: a server that does one thing at a time waits for the next
            // request on an idle connection, and nobody else is served meanwhile.
            .max_idle_connections(0)
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
        // Whatever is told of the address, by us or by a library, is told without name and password.
        let (url, user) = split_user(url);
        let server = Self {
            agent,
            attendance: address(&url, ATTENDANCE),
            health: address(&url, HEALTH),
            basic: user.as_deref().map(basic),
            token_file: config.auth_token_file.clone(),
            disk: Limited::new("uplink-token", stop, &Beat::default()),
        };
        server.authorization()?;
        Ok(Some(server))
    }

    /// The header with the bearer token, else with name and password. The token is read for each request, so that a
    /// renewed one is used at once.
    fn authorization(&self) -> Result<Option<String>> {
        let Some(file) = self.token_file.clone() else {
            return Ok(self.basic.clone());
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
            .header("Connection", "close")
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", &parcel.idempotency_key)
            .header(CLOCK_HEADER, &parcel.clock);
        match self.authorization() {
            Ok(None) => {}
            Ok(Some(header)) => request = request.header("Authorization", header),
            Err(e) => return Reply::NoAnswer(format!("{e:#}")),
        }
        reply(request.send(parcel.body.as_str()), &self.attendance)
    }

    fn health(&self) -> Reply {
        let mut request = self.agent.get(&self.health).header("Connection", "close");
        if let Ok(Some(header)) = self.authorization() {
            request = request.header("Authorization", header);
        }
        let limited = request
            .config()
            .timeout_global(Some(HEALTH_TIMEOUT))
            .build();
        reply(limited.call(), &self.health)
    }
}

/// The header for `name:password` of an address.
fn basic(user: &str) -> String {
    let user: Vec<u8> = percent_decode_str(user).collect();
    format!("Basic {}", BASE64_STANDARD.encode(user))
}

/// What a request to `own` has come to.
fn reply(result: Result<Response<Body>, Error>, own: &str) -> Reply {
    let mut response = match result {
        Ok(response) => response,
        Err(e) => return failure(&e),
    };
    let status = response.status().as_u16();
    let header = |name| {
        let value = response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let wanted = header("retry-after");
    let date = header("date");
    let retry_after = wanted
        .and_then(|w| retry_after::pause(&w, date.as_deref(), SystemClock.wall().timestamp()));
    let location = header("location").map(|location| target(&location, own));
    let (encoding, content_type) = (header("content-encoding"), header("content-type"));
    let mut bytes = Vec::new();
    let read = (response.body_mut().as_reader().take(ANSWER_MAX)).read_to_end(&mut bytes);
    let (body, packing) = match answer::text(encoding.as_deref(), content_type.as_deref(), bytes) {
        Ok(text) => (text, None),
        Err(packing) => (String::new(), Some(packing)),
    };
    match read {
        // The end is missing, or is not as it was announced; but the server has said all that it has to say.
        Err(e) if word(&body).is_none() => failure(&e.into()),
        _ => Reply::Answer {
            status,
            body,
            head: Head {
                target: location,
                packing,
            },
            retry_after,
        },
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
