//! What the binary says to configuration files, right and wrong.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use crate::harness::facetap;

fn check(text: &[u8]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    std::fs::write(&file, text).unwrap();
    // `run` rather than `config check`: a mistake has to stop the service itself.
    facetap()
        .args(["run", "--no-display", "--duration", "0.1", "--config"])
        .arg(&file)
        .current_dir(dir.path())
        .output()
        .unwrap()
}

fn complaint(text: &[u8]) -> String {
    let output = check(text);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("config.json"),
        "the file is not named: {said}"
    );
    said
}

#[test]
fn mistakes_stop_the_start_with_status_2_each_with_its_own_message() {
    let enormous = vec![b' '; 8 << 20];
    let deep = "[".repeat(100_000);
    let cases: [(&[u8], &str); 9] = [
        (br#"{"camrea": {}}"#, "\"camera\""),
        (b"", "is empty"),
        (br#"{"camera": {"width": 6"#, "ends too early"),
        (&enormous, "larger than"),
        (
            br#"{"camera": {"width": "wide"}}"#,
            "a whole number from 160 to 4096",
        ),
        (
            br#"{"cards": {"repeat_seconds": 5}}"#,
            "a number from 10 to 3600",
        ),
        (b"\xff\xfe{}", "is not UTF-8"),
        (b"{} trailing", "is not valid JSON"),
        (deep.as_bytes(), "is not valid JSON"),
    ];
    let mut said: Vec<String> = Vec::new();
    for (text, expected) in cases {
        let message = complaint(text);
        assert!(message.contains(expected), "{expected}: {message}");
        assert!(!message.contains("panicked"), "{message}");
        said.push(message);
    }
    said.sort();
    said.dedup();
    assert_eq!(said.len(), 9);
}

#[test]
fn a_missing_file_and_unknown_options_are_mistakes_too() {
    for args in [
        &["run", "--config", "/nonexistent/config.json"][..],
        &["run", "--duration", "-1"],
        &["run", "--log-level", "LOUD"],
        &["runn"],
        &[],
    ] {
        let output = facetap().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!output.stderr.is_empty());
    }
}

fn assert_valid(file: &Path) {
    let checked = facetap()
        .args(["config", "check"])
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
}

#[test]
fn the_default_configuration_is_valid_and_the_schema_lists_its_keys() {
    let default = facetap().args(["config", "default"]).output().unwrap();
    assert!(default.status.success());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    std::fs::write(&file, &default.stdout).unwrap();
    assert_valid(&file);

    let schema = facetap().args(["config", "schema"]).output().unwrap();
    let schema = String::from_utf8(schema.stdout).unwrap();
    for key in [
        "server_url",
        "camera.errors_before_reinit",
        "servo.axes.roll.id",
        "gpio.green",
    ] {
        assert!(schema.contains(key), "{key}");
    }
}

#[test]
fn the_example_in_the_repository_is_valid() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/facetap.json");
    assert_valid(Path::new(example));
}

/// `facetap config set` on a file; its status, and everything it says.
fn set(file: &Path, key: &str, value: &str) -> (Option<i32>, String) {
    let output = facetap()
        .args(["config", "set", key, value, "--config"])
        .arg(file)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn a_value_is_changed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (file, link) = (dir.path().join("real.json"), dir.path().join("config.json"));
    let text = "{\n    \"camera\": {\"fps\": 15},\n    \"language\": \"ja\"\n}\n";
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&file, &link).unwrap();

    let (status, said) = set(&link, "camera.fps", "30");
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("camera.fps: 15 -> 30"), "{said}");
    assert!(said.contains("systemctl restart facetap"), "{said}");
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        text.replace("15", "30")
    );
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert!(link.is_symlink());

    let (status, said) = set(&link, "tracking.gain", "0.5");
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("facetap reload"), "{said}");
    assert_valid(&file);
    // Below zero is no option.
    let (status, said) = set(&link, "servo.axes.pan.min", "-30");
    assert_eq!(status, Some(0), "{said}");
    assert_valid(&file);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_change_that_would_be_a_mistake_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    let text = "{\"language\": \"en\"}";
    std::fs::write(&file, text).unwrap();
    for (key, value, expected) in [
        ("camera.fpz", "30", "camera.fps"),
        ("camera.fps", "fast", "1 to 240"),
        ("camera", "null", "an object"),
        ("servo.axes.tilt.id", "1", "both 1"),
        ("server_url", "attendance", "http://"),
    ] {
        let (status, said) = set(&file, key, value);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(said.contains("config.json"), "{said}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
    std::fs::write(&file, "{\"camrea\": 1}").unwrap();
    let (status, said) = set(&file, "camera.fps", "30");
    assert!(status == Some(2) && said.contains("camrea"), "{said}");
}

#[test]
fn a_missing_file_is_made_and_a_folder_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    let (status, said) = set(&file, "log.level", "DEBUG");
    assert_eq!(status, Some(0), "{said}");
    assert_valid(&file);
    let (status, said) = set(Path::new("/proc/config.json"), "log.level", "DEBUG");
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("/proc/config.json") && said.contains("sudo"),
        "{said}"
    );
}

/// What Debian's validator says of texts by the schema that is printed; none without it.
fn by_schema(dir: &Path, texts: &[&str]) -> Option<Vec<String>> {
    let schema = facetap()
        .args(["config", "schema", "--json"])
        .output()
        .unwrap();
    std::fs::write(dir.join("schema.json"), schema.stdout).unwrap();
    let mut judge = Command::new("/usr/bin/python3");
    judge
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/tools/schema_check.py"
        ))
        .arg(dir.join("schema.json"));
    for (i, text) in texts.iter().enumerate() {
        let file = dir.join(format!("{i}.json"));
        std::fs::write(&file, text).unwrap();
        judge.arg(file);
    }
    let output = judge.output().ok()?;
    if !output.status.success() {
        println!(
            "SKIPPED: /usr/bin/python3 with jsonschema is needed (scripts/setup.sh test): {}",
            String::from_utf8_lossy(&output.stderr)
        );
        return None;
    }
    let said = String::from_utf8(output.stdout).unwrap();
    Some(said.lines().map(str::to_owned).collect())
}

#[test]
fn editors_judge_by_the_schema_as_the_program_does() {
    let dir = tempfile::tempdir().unwrap();
    let example =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/facetap.json"))
            .unwrap();
    let right = [
        example.as_str(),
        "{}",
        r#"{"$schema": "./facetap.schema.json"}"#,
        r#"{"web": null, "mqtt": {"url": "mqtt://host"}, "gpio": {"red": null}}"#,
        r#"{"camera": {"source": 1, "latency_ms": "auto"}, "cards": {"readers": ["a", "b"]}}"#,
        r#"{"camera": {"source": "/dev/video0", "latency_ms": 80.5}, "servo": {"axes": {"roll": null}}}"#,
    ];
    let wrong = [
        r#"{"camrea": {}}"#,
        r#"{"camera": {"fps": 0}}"#,
        r#"{"camera": {"fps": "15"}}"#,
        r#"{"camera": null}"#,
        r#"{"gpio": {"red": 1.5}}"#,
        r#"{"log": {"level": "LOUD"}}"#,
        r#"{"servo": {"baud": 12345}}"#,
        r#"{"server_url": "host:80"}"#,
        r#"{"data_dir": " "}"#,
        r#"{"cards": {"readers": []}}"#,
        r#"{"web": {"listen": "127.0.0.1"}}"#,
        "[]",
    ];
    let texts = [&right[..], &wrong[..]].concat();
    let Some(judged) = by_schema(dir.path(), &texts) else {
        return;
    };
    assert_eq!(judged.len(), texts.len());
    for (i, said) in judged.iter().enumerate() {
        let is_right = i < right.len();
        assert_eq!(said == "valid", is_right, "{}: {said}", texts[i]);
        let checked = facetap()
            .args(["config", "check"])
            .arg(dir.path().join(format!("{i}.json")))
            .output()
            .unwrap();
        assert_eq!(checked.status.success(), is_right, "{}", texts[i]);
    }
}
