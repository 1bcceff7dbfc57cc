//! What the binary says to configuration files, right and wrong.

use std::path::Path;
use std::process::Output;

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
