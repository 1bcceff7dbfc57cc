//! Checking the text of a configuration, and turning it into its types.

use serde_json::{Map, Value};

use super::schema::{self, Key, KeyKind};
use super::{Config, Lens, address, json, nearest};

/// Most pixels of a camera's picture: of a damaged or hostile one that claims more nothing is decoded.
pub const MAX_PIXELS: u64 = 9_000_000;

/// Checks the text of a configuration file. Returns the configuration and the given keys whose feature
/// does not exist yet.
///
/// # Errors
/// A list of everything that is wrong.
pub fn parse(text: &str) -> Result<(Config, Vec<&'static str>), Vec<String>> {
    // Editors on Windows put a byte order mark before the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(vec![
            "is empty; a configuration without any choice is {}".to_owned(),
        ]);
    }
    let given = json::read(text)?;
    let Value::Object(mut given) = given else {
        return Err(vec![format!(
            "must be an object {{ ... }}, not {}",
            shown(&given)
        )]);
    };

    if given.get(schema::SCHEMA_KEY).is_some_and(Value::is_string) {
        given.shift_remove(schema::SCHEMA_KEY);
    }
    let mut checked = Checked::default();
    check_group("", &given, &mut checked);
    if !checked.problems.is_empty() {
        return Err(checked.problems);
    }

    if given
        .get("mqtt")
        .is_some_and(|m| m.is_object() && m.get("url").is_none())
    {
        return Err(vec![
            "\"mqtt.url\" is missing; give the broker, such as \"mqtt://host:1883\"".to_owned(),
        ]);
    }

    let mut merged = serde_json::to_value(Config::default()).unwrap_or_default();
    // Axes are given as a whole: a mount without roll is one whose "axes" do not name it.
    let gives_axes = given.get("servo").and_then(|s| s.get("axes"));
    let leaves_roll_out = gives_axes.is_some_and(|a| a.get("roll").is_none());
    let gives_baud = given.get("servo").is_some_and(|s| s.get("baud").is_some());
    merge(&mut merged, Value::Object(given));
    if leaves_roll_out {
        merged["servo"]["axes"]["roll"] = Value::Null;
    }
    let mut config: Config = serde_json::from_value(merged).map_err(|e| vec![e.to_string()])?;
    if !gives_baud {
        config.servo.baud = config.servo.protocol.usual_baud();
    }
    let problems = relations(&config);
    if problems.is_empty() {
        Ok((config, checked.not_built))
    } else {
        Err(problems)
    }
}

#[derive(Default)]
struct Checked {
    problems: Vec<String>,
    not_built: Vec<&'static str>,
}

fn check_group(group: &str, given: &Map<String, Value>, checked: &mut Checked) {
    for (name, value) in given {
        let path = if group.is_empty() {
            name.clone()
        } else {
            format!("{group}.{name}")
        };
        let Some(key) = schema::find(&path) else {
            checked.problems.push(unknown(group, name));
            continue;
        };
        if value.is_null() && key.null {
            continue;
        }
        match (key.kind, value) {
            (KeyKind::Group, Value::Object(inner)) => check_group(&path, inner, checked),
            _ if fits(key.kind, value) => {
                if !key.built {
                    checked.not_built.push(key.path);
                }
            }
            _ => checked.problems.push(misfit(key, value)),
        }
    }
}

fn unknown(group: &str, name: &str) -> String {
    let names = || schema::children(group).map(Key::name);
    let place = if group.is_empty() {
        String::new()
    } else {
        format!(" in \"{group}\"")
    };
    let meant = match nearest(name, names()) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        // Perhaps the key is right and only its place is wrong.
        None => match schema::KEYS.iter().find(|k| k.name() == name) {
            Some(elsewhere) => match elsewhere.path.rsplit_once('.') {
                Some((group, _)) => format!("it belongs in \"{group}\"."),
                None => "it belongs at the top level, outside of every group.".to_owned(),
            },
            None => "see `facetap config schema`.".to_owned(),
        },
    };
    let known = names().collect::<Vec<_>>().join(", ");
    format!(
        "unknown key \"{}\"{place}; {meant} Known keys here: {known}",
        clip(name)
    )
}

fn misfit(key: &Key, value: &Value) -> String {
    let hint = match (key.kind, value) {
        (KeyKind::OneOf(choices), Value::String(s)) => {
            nearest(s, choices.iter().copied()).map(|c| format!("; did you mean \"{c}\"?"))
        }
        (KeyKind::Url(schemes), Value::String(s)) => address::check(s, schemes)
            .err()
            .map(|why| format!("; {why}")),
        _ => None,
    };
    let given = match (key.kind, value) {
        // It may hold a password, whatever the key takes.
        (_, Value::String(s)) if s.contains("://") || matches!(key.kind, KeyKind::Url(_)) => {
            shown(&Value::String(address::shown(s)))
        }
        _ => shown(value),
    };
    format!(
        "\"{}\" is {given}, allowed is {}{}",
        key.path,
        key.allowed(),
        hint.unwrap_or_default()
    )
}

fn clip(text: &str) -> String {
    const LONGEST_VALUE: usize = 60;
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        other => clip(&other.to_string()),
    }
}

fn usable(text: &str) -> bool {
    !text.trim().is_empty() && !text.chars().any(char::is_control)
}

fn fits(kind: KeyKind, value: &Value) -> bool {
    let text = value.as_str();
    match kind {
        KeyKind::Bool => value.is_boolean(),
        KeyKind::Whole(min, max) => value.as_i64().is_some_and(|n| (min..=max).contains(&n)),
        KeyKind::Number(min, max) => value.as_f64().is_some_and(|n| (min..=max).contains(&n)),
        KeyKind::Text | KeyKind::Path => text.is_some_and(usable),
        KeyKind::OneOf(choices) => text.is_some_and(|t| choices.contains(&t)),
        KeyKind::OneOfNumbers(choices) => value.as_i64().is_some_and(|n| choices.contains(&n)),
        KeyKind::Url(schemes) => text.is_some_and(|t| address::check(t, schemes).is_ok()),
        KeyKind::Socket => text.is_some_and(|t| {
            t.rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        }),
        KeyKind::NumberOrText(min, max) => {
            text.is_some_and(usable) || value.as_i64().is_some_and(|n| (min..=max).contains(&n))
        }
        KeyKind::NumberOrWord(min, max, word) => {
            text == Some(word) || value.as_f64().is_some_and(|n| (min..=max).contains(&n))
        }
        KeyKind::TextOrTexts => match value {
            Value::Array(list) => {
                !list.is_empty() && list.iter().all(|v| v.as_str().is_some_and(usable))
            }
            _ => text.is_some_and(usable),
        },
        KeyKind::Group => false,
    }
}

fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (name, value) in over {
                merge(base.entry(name).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

/// What the single keys cannot tell.
fn relations(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    let camera = &config.camera;
    if camera.lens == Lens::Rectilinear && camera.fov_degrees > 160.0 {
        problems.push(format!(
            "\"camera.fov_degrees\" is {}, a rectilinear lens has at most 160; set \"camera.lens\" to \"fisheye\"",
            camera.fov_degrees
        ));
    }
    let pixels = u64::from(camera.width) * u64::from(camera.height);
    if pixels > MAX_PIXELS {
        problems.push(format!(
            "\"camera.width\" x \"camera.height\" are {pixels} pixels; pictures of more than {MAX_PIXELS} are not decoded"
        ));
    }
    let axes = &config.servo.axes;
    let mut named = vec![("pan", &axes.pan), ("tilt", &axes.tilt)];
    named.extend(axes.roll.as_ref().map(|roll| ("roll", roll)));
    let (most, what) = config.servo.protocol.highest_id();
    for (i, (name, axis)) in named.iter().enumerate() {
        if axis.id > most {
            problems.push(format!(
                "\"servo.axes.{name}.id\" is {}; with this \"servo.protocol\" it is {what}, 0 to {most}",
                axis.id
            ));
        }
        if axis.min >= axis.max {
            problems.push(format!(
                "\"servo.axes.{name}\" has min {} and max {}; the minimum must be the smaller one",
                axis.min, axis.max
            ));
        }
        for (other, same) in &named[..i] {
            if same.id == axis.id {
                problems.push(format!(
                    "\"servo.axes.{name}.id\" and \"servo.axes.{other}.id\" are both {}; every servo needs its own",
                    axis.id
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        parse(text).expect_err(text).join("\n")
    }

    #[test]
    fn the_old_clients_file_is_valid() {
        let (config, not_built) = parse(
            r#"{ "server_url": "http://192.168.1.31:5000", "retry_interval": 600,
                 "lcd_settings": {"i2c_addr": 39, "i2c_bus": 1, "backlight": true},
                 "beep_settings": {"enabled": true, "card_read": false, "success": true, "fail": true},
                 "memory_monitor": {"enabled": true, "interval": 300, "tracemalloc": false} }"#,
        )
        .unwrap();
        assert_eq!(
            config.server_url.as_deref(),
            Some("http://192.168.1.31:5000")
        );
        assert!(config.memory_monitor.enabled);
        assert_eq!(not_built, Vec::<&str>::new());
    }

    #[test]
    fn an_address_that_is_none_is_named_with_the_reason_and_without_its_password() {
        for (url, why) in [
            ("http://host:99999", "a number from 1 to 65535"),
            ("http://host?x=1", "a query"),
            ("http://host#f", "a fragment"),
            ("http://hôst", "the letter \"ô\""),
            ("http://ann:geheim7@host:99999", "[...]@host"),
        ] {
            let text = problem(&format!(r#"{{"server_url": "{url}"}}"#));
            assert!(text.contains("server_url") && text.contains(why), "{text}");
            assert!(!text.contains("geheim7"), "{text}");
        }
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let text = problem(r#"{"camrea": {}}"#);
        assert!(
            text.contains("\"camrea\"") && text.contains("\"camera\""),
            "{text}"
        );
        let text = problem(r#"{"camera": {"with": 640}}"#);
        assert!(
            text.contains("in \"camera\"") && text.contains("\"width\""),
            "{text}"
        );
        let text = problem(r#"{"repeat_seconds": 60}"#);
        assert!(text.contains("it belongs in \"cards\""), "{text}");
        let text = problem(r#"{"attendance": {"server_url": null}}"#);
        assert!(text.contains("at the top level"), "{text}");
    }

    #[test]
    fn every_kind_of_broken_file_has_its_own_message() {
        let messages = [
            problem(""),
            problem("{\"camera\": {\"width\": 640"),
            problem("not json"),
            problem("[]"),
            problem(r#"{"retry_interval": "soon"}"#),
            problem(r#"{"retry_interval": 0}"#),
        ];
        for (i, a) in messages.iter().enumerate() {
            assert!(messages[..i].iter().all(|b| a != b), "{a}");
        }
        assert!(messages[4].contains("retry_interval") && messages[4].contains("1 to 86400"));
    }

    #[test]
    fn all_problems_are_reported_together() {
        let problems =
            parse(r#"{"camera": {"fps": 0, "lens": "fish"}, "gpio": {"red": 99}}"#).unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[1].contains("fisheye"), "{problems:?}");
    }

    #[test]
    fn axes_without_roll_have_none() {
        let (config, _) = parse(r#"{"servo": {"axes": {"pan": {"id": 7}, "tilt": {}}}}"#).unwrap();
        assert!(config.servo.axes.roll.is_none());
        assert_eq!(
            (config.servo.axes.pan.id, config.servo.axes.tilt.id),
            (7, 3)
        );
        let (config, _) = parse(r#"{"servo": {"axes": {"roll": {"invert": true}}}}"#).unwrap();
        assert_eq!(
            config.servo.axes.roll.map(|r| (r.id, r.invert)),
            Some((2, true))
        );
    }

    #[test]
    fn the_bit_rate_is_that_of_the_protocol_unless_it_is_given() {
        let baud = |text: &str| parse(text).unwrap().0.servo.baud;
        for (protocol, want) in [
            ("sts", 1_000_000),
            ("scs", 1_000_000),
            ("maestro", 115_200),
            ("mini-ssc", 9_600),
            ("dynamixel", 57_600),
        ] {
            let text = format!(r#"{{"servo": {{"protocol": "{protocol}"}}}}"#);
            assert_eq!(baud(&text), want, "{protocol}");
        }
        let given = r#"{"servo": {"protocol": "dynamixel", "baud": 1000000}}"#;
        assert_eq!(baud(given), 1_000_000);
        assert_eq!(baud("{}"), 1_000_000);
    }

    #[test]
    fn ids_are_those_that_the_protocol_has() {
        let text = problem(
            r#"{"servo": {"protocol": "maestro", "axes": {"pan": {"id": 24}, "tilt": {"id": 23}}}}"#,
        );
        assert!(
            text.contains("servo.axes.pan.id") && text.contains("0 to 23"),
            "{text}"
        );
        assert!(!text.contains("tilt"), "{text}");
        problem(r#"{"servo": {"protocol": "dynamixel", "axes": {"pan": {"id": 253}}}}"#);
        parse(r#"{"servo": {"axes": {"pan": {"id": 253}}}}"#).unwrap();
    }

    #[test]
    fn servos_need_their_own_numbers() {
        let text = problem(r#"{"servo": {"axes": {"pan": {"id": 3}}}}"#);
        assert!(text.contains("both 3"), "{text}");
    }

    #[test]
    fn the_delay_of_a_camera_is_a_number_or_auto() {
        let latency = |text: &str| parse(text).map(|(config, _)| config.camera.latency_ms);
        let ms = |text: &str| latency(text).unwrap().milliseconds();
        assert_eq!(latency("{}").unwrap(), crate::config::Latency::AUTO);
        assert_eq!(ms(r#"{"camera": {"latency_ms": "auto"}}"#), None);
        assert_eq!(ms(r#"{"camera": {"latency_ms": 80}}"#), Some(80.0));
        assert_eq!(ms(r#"{"camera": {"latency_ms": 12.5}}"#), Some(12.5));
        for wrong in ["\"80\"", "\"Auto\"", "-1", "1001", "null", "[]"] {
            let text = problem(&format!(r#"{{"camera": {{"latency_ms": {wrong}}}}}"#));
            assert!(
                text.contains("camera.latency_ms")
                    && text.contains("\"auto\" or a number from 0 to 1000"),
                "{text}"
            );
        }
    }

    #[test]
    fn nulls_turn_things_off_only_where_allowed() {
        let (config, _) = parse(r#"{"web": null, "gpio": {"green": null}, "mqtt": null}"#).unwrap();
        assert!(config.web.is_none() && config.gpio.green.is_none());
        assert!(problem(r#"{"camera": null}"#).contains("an object"));
    }

    #[test]
    fn a_byte_order_mark_is_no_fault() {
        assert!(parse("\u{feff}{}").is_ok());
    }

    #[test]
    fn mqtt_has_a_default_topic_but_no_default_broker() {
        assert!(problem(r#"{"mqtt": {}}"#).contains("mqtt.url"));
        let (config, _) = parse(r#"{"mqtt": {"url": "mqtt://host:1883"}}"#).unwrap();
        assert_eq!(config.mqtt.map(|m| m.topic).as_deref(), Some("facetap"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = parse(&text);
        }
    }
}
