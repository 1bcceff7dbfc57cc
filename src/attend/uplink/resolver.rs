//! Looks up the server's name. `ureq` would begin a thread for every attempt, and leave one behind for each that no name
//! server answers.

use std::time::Duration;

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::uri::Scheme;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::base::beat::Beat;
use crate::base::names::{Names, NoAddress};
use crate::base::stop::Stop;

/// Addresses that are tried at most; as many as the answer has room for.
const ADDRESSES: usize = 16;

/// One thread for all look-ups.
#[derive(Debug)]
pub(super) struct OneThread(Names);

impl OneThread {
    /// Waiting ends early at the order to stop.
    pub fn new(stop: &Stop) -> Self {
        // Several threads wait for it; each has a limit of its own.
        Self(Names::new("uplink-names", stop, &Beat::default()))
    }
}

impl Resolver for OneThread {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or(Error::HostNotFound)?;
        let usual = if uri.scheme() == Some(&Scheme::HTTPS) {
            443
        } else {
            80
        };
        let limit: Duration = *timeout.after;
        let found = self
            .0
            .look_up(host, uri.port_u16().unwrap_or(usual), limit)
            .map_err(|why| Error::Other(Box::new(why)))?;
        let mut addresses = self.empty();
        for address in found.into_iter().take(ADDRESSES) {
            addresses.push(address);
        }
        Ok(addresses)
    }
}

/// Whether a request failed because its server's name has no address; why, for people.
pub(super) fn no_address(e: &Error) -> Option<String> {
    match e {
        Error::Other(e) => e.downcast_ref::<NoAddress>().map(ToString::to_string),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_this_machine_has_the_port_of_its_address() {
        let agent = ureq::Agent::config_builder().build();
        let resolver = OneThread::new(&Stop::new());
        let timeout = || NextTimeout {
            after: Duration::from_secs(60).into(),
            reason: ureq::Timeout::Resolve,
            ..NextTimeout::default()
        };
        for (uri, port) in [
            ("http://localhost/x", 80),
            ("https://localhost", 443),
            ("https://[::1]:5000/", 5000),
        ] {
            let found = resolver.resolve(&uri.parse().unwrap(), &agent, timeout());
            let found = found.unwrap();
            assert!(
                found
                    .iter()
                    .all(|a| a.port() == port && a.ip().is_loopback())
            );
            assert!(!found.is_empty(), "{uri}");
        }
        let nonsense = "http://a..b/".parse().unwrap();
        let e = resolver.resolve(&nonsense, &agent, timeout()).unwrap_err();
        assert!(no_address(&e).unwrap().contains("\"a..b\""));
    }
}
