//! Whether it is the attendance server that speaks: asked for its health, which something on the way does not know.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::client::{Reply, Server};
use super::wire;
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::lock;

/// How long a yes is believed, and a no.
const YES: Duration = Duration::from_secs(30);
const NO: Duration = Duration::from_secs(5);

/// Asks, and remembers the answer for a while.
pub(super) struct Api {
    server: Arc<dyn Server>,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<(Monotime, bool)>>,
}

impl Api {
    pub fn new(server: &Arc<dyn Server>, clock: &Arc<dyn Clock>) -> Self {
        Self {
            server: Arc::clone(server),
            clock: Arc::clone(clock),
            last: Mutex::default(),
        }
    }

    /// Whether a reply that rejects a tap is the attendance server's own. Blocks for as long as the server takes to
    /// tell of its health.
    pub fn rejects(&self, reply: &Reply) -> bool {
        let Reply::Answer { status, body, .. } = reply else {
            return false;
        };
        wire::verdict(*status, body) == wire::ServerVerdict::Rejected && self.is_there()
    }

    fn is_there(&self) -> bool {
        // Held while it is asked: one question is enough for all lines.
        let mut last = lock(&self.last);
        let now = self.clock.now();
        if let Some((at, is_there)) = *last
            && now.since(at) < if is_there { YES } else { NO }
        {
            return is_there;
        }
        let is_there = matches!(
            self.server.health(),
            Reply::Answer { status, body, .. } if wire::is_api(status, &body)
        );
        *last = Some((self.clock.now(), is_there));
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attend::uplink::client::Parcel;
    use crate::attend::uplink::meaning::Head;
    use crate::base::clock::ManualClock;

    /// Answers for its health with what it holds, and counts.
    struct Health(Mutex<(&'static str, u32)>);

    fn answer(status: u16, body: &str) -> Reply {
        Reply::Answer {
            status,
            body: body.to_owned(),
            head: Head::default(),
            retry_after: None,
        }
    }

    impl Server for Health {
        fn post(&self, _: &Parcel) -> Reply {
            unreachable!()
        }

        fn health(&self) -> Reply {
            let mut state = lock(&self.0);
            state.1 += 1;
            answer(200, state.0)
        }
    }

    #[test]
    fn a_rejection_counts_only_from_a_server_whose_health_is_the_api_s() {
        let health = Arc::new(Health(Mutex::new(("<html>portal</html>", 0))));
        let clock = ManualClock::shared(Duration::from_secs(9));
        let server: Arc<dyn Server> = health.clone();
        let time: Arc<dyn Clock> = clock.clone();
        let api = Api::new(&server, &time);
        let asked = || lock(&health.0).1;
        let error = r#"{"status":"error"}"#;
        for reply in [
            answer(400, "<html>"),
            answer(500, error),
            answer(403, error),
            Reply::NoAnswer(String::new()),
        ] {
            assert!(!api.rejects(&reply));
        }
        assert_eq!(asked(), 0, "nobody is asked where it is clear");
        let rejection = answer(400, error);
        assert!(!api.rejects(&rejection) && !api.rejects(&rejection));
        assert_eq!(asked(), 1);
        lock(&health.0).0 = r#"{"status":"ok"}"#;
        clock.advance(NO);
        assert!(api.rejects(&rejection));
        clock.advance(YES - Duration::from_secs(1));
        assert!(api.rejects(&rejection));
        assert_eq!(asked(), 2);
        lock(&health.0).0 = "<html>portal</html>";
        clock.advance(Duration::from_secs(1));
        assert!(!api.rejects(&rejection));
    }
}
