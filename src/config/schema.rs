//! The keys of the configuration by their paths.

pub use super::key::{Key, KeyKind, Reload};
pub use super::keys::KEYS;

/// By this key a file names its schema to editors. It means nothing else.
pub const SCHEMA_KEY: &str = "$schema";

/// The key with this path.
#[must_use]
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.path == path)
}

/// The keys directly below `group` (`""` for the top).
pub fn children(group: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |k| match k.path.rsplit_once('.') {
        Some((parent, _)) => parent == group,
        None => group.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use serde_json::Value;

    fn leaves(prefix: &str, value: &Value, into: &mut Vec<String>) {
        if let Value::Object(map) = value {
            for (name, inner) in map {
                let path = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                into.push(path.clone());
                leaves(&path, inner, into);
            }
        }
    }

    #[test]
    fn table_and_types_name_the_same_keys() {
        let mut config = Config::default();
        config.mqtt = Some(crate::config::Mqtt {
            url: "mqtt://x".into(),
            topic: "t".into(),
        });
        config.attendance.roster_columns = Some(crate::config::RosterColumns::default());
        let mut paths = Vec::new();
        leaves("", &serde_json::to_value(config).unwrap(), &mut paths);
        let mut table: Vec<_> = KEYS.iter().map(|k| k.path.to_owned()).collect();
        paths.sort();
        table.sort();
        assert_eq!(paths, table);
    }
}
