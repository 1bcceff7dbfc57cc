//! The configuration of a service that runs: what can be applied without a restart is replaced when it is read again.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::schema::{self, Key, Reload};
use super::{Config, values};
use crate::base::stop::lock;

/// A shared handle; a copy costs a reference count. Loops ask it at their turns.
#[derive(Debug, Clone)]
pub struct Live(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Mutex<Arc<Config>>,
    generation: AtomicU64,
    told: Mutex<Vec<Told>>,
}

/// Called at each change.
struct Told(Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

/// What came of a changed configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Keys whose new value counts from now on.
    pub now: Vec<&'static str>,
    /// Keys whose new value waits for the next start.
    pub later: Vec<&'static str>,
}

impl Live {
    /// The configuration at the start.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Arc::new(Inner {
            config: Mutex::new(Arc::new(config)),
            generation: AtomicU64::new(0),
            told: Mutex::default(),
        }))
    }

    /// Has `told` called at each change: for loops that sleep long.
    pub fn on_change(&self, told: impl Fn() + Send + Sync + 'static) {
        lock(&self.0.told).push(Told(Box::new(told)));
    }

    /// The configuration as it is now.
    #[must_use]
    pub fn now(&self) -> Arc<Config> {
        Arc::clone(&lock(&self.0.config))
    }

    /// Another number after each change.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Takes over of `new` what can be applied while the service runs.
    pub fn apply(&self, new: &Config) -> Applied {
        let mut current = lock(&self.0.config);
        let changed = values::changed(&current, new);
        let (mut mixed, wanted) = (values::of(&current), values::of(new));
        let mut applied = Applied::default();
        // Groups that may come and go are taken over as they are.
        for group in schema::KEYS.iter().filter(|key| key.is_group() && key.null) {
            let (place, is_live) = (group.pointer(), group.reload == Reload::AtOnce);
            if is_live && let Some(old) = mixed.pointer_mut(&place) {
                *old = wanted.pointer(&place).cloned().unwrap_or_default();
            }
        }
        for path in changed {
            let key = schema::find(path);
            let place = key
                .filter(|key| key.reload != Reload::AtStart)
                .map(Key::pointer);
            // Both are none where a group that holds it is null: then the group itself is what has changed.
            let both = place.and_then(|place| {
                Some((mixed.pointer_mut(&place)?, wanted.pointer(&place)?.clone()))
            });
            let between = key.is_some_and(|key| key.reload == Reload::BetweenValues);
            match both {
                None if in_live_group(path) => applied.now.push(path),
                Some((old, new)) if !between || !(old.is_null() || new.is_null()) => {
                    *old = new;
                    applied.now.push(path);
                }
                _ => applied.later.push(path),
            }
        }
        if !applied.now.is_empty() {
            match serde_json::from_value(mixed) {
                Ok(config) => *current = Arc::new(config),
                // Impossible: each value comes from a configuration that was checked.
                Err(_) => applied.later.append(&mut applied.now),
            }
            self.0.generation.fetch_add(1, Ordering::Release);
            drop(current);
            lock(&self.0.told).iter().for_each(|told| (told.0)());
        }
        applied
    }
}

/// Whether the key belongs to a group that may come and go while the service runs.
fn in_live_group(path: &str) -> bool {
    let group = path
        .rsplit_once('.')
        .and_then(|(group, _)| schema::find(group));
    group.is_some_and(|group| group.null && group.reload == Reload::AtOnce)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn config(text: &str) -> Config {
        parse(text).unwrap().0
    }

    #[test]
    fn what_can_be_applied_counts_at_once_and_the_rest_is_named() {
        let live = Live::new(Config::default());
        let before = live.generation();
        let new = config(
            r#"{"tracking": {"gain": 0.5}, "log": {"level": "DEBUG"}, "camera": {"fps": 15}, "web": null}"#,
        );
        let applied = live.apply(&new);
        assert_eq!(applied.now, ["log.level", "tracking.gain"]);
        assert_eq!(applied.later, ["camera.fps", "web.listen"]);
        let now = live.now();
        assert_eq!((now.tracking.gain, now.camera.fps), (0.5, 30.0));
        assert!(now.web.is_some() && live.generation() != before);
        // What waits is named again, what counts is not.
        let again = live.apply(&new);
        assert_eq!((again.now.len(), again.later.len()), (0, 2));
    }

    #[test]
    fn what_null_turns_on_and_off_waits_and_another_value_does_not() {
        let live = Live::new(Config::default());
        let first = config(r#"{"server_url": "http://one", "monitor": {"rss_limit_mb": 300}}"#);
        let applied = live.apply(&first);
        assert_eq!(applied.now, ["monitor.rss_limit_mb"]);
        assert_eq!(applied.later, ["server_url"]);
        let live = Live::new(first);
        let counted = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&counted);
        live.on_change(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let applied = live.apply(&config(r#"{"server_url": "http://two"}"#));
        assert_eq!(applied.now, ["server_url", "monitor.rss_limit_mb"]);
        assert_eq!(counted.load(Ordering::Relaxed), 1);
        assert_eq!(live.now().server_url.as_deref(), Some("http://two"));
    }

    #[test]
    fn the_columns_of_the_roster_come_and_go() {
        let live = Live::new(Config::default());
        let with = config(r#"{"attendance": {"roster_columns": {"card": "No", "name": 2}}}"#);
        let applied = live.apply(&with);
        let keys = [
            "attendance.roster_columns.card",
            "attendance.roster_columns.name",
        ];
        assert_eq!((applied.now, applied.later.len()), (keys.to_vec(), 0));
        assert_eq!(*live.now(), with);
        assert!(live.apply(&Config::default()).later.is_empty());
        assert!(live.now().attendance.roster_columns.is_none());
    }

    #[test]
    fn an_axis_that_comes_or_goes_waits_for_the_next_start() {
        let live = Live::new(Config::default());
        let applied = live.apply(&config(r#"{"servo": {"axes": {"pan": {"max": 20}}}}"#));
        assert_eq!(applied.now, ["servo.axes.pan.max"]);
        assert!(
            applied
                .later
                .iter()
                .all(|path| path.starts_with("servo.axes.roll"))
        );
        let now = live.now();
        assert!(now.servo.axes.roll.is_some());
        assert_eq!(now.servo.axes.pan.max, 20.0);
    }
}
