//! `docs/migrating.md`, walked by somebody who comes from the two old programs: its configurations are taken, and the lines
//! that people type over SSH find what the page says.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Scene, facetap};

/// A comment behind a line that finds nothing in a run without faults.
const FINDS_NOTHING: &str = "# nothing";

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migrating.md"))
        .unwrap()
}

/// The blocks of the page in this language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    page.split(&format!("```{language}\n"))
        .skip(1)
        .map(|rest| rest.split_once("```").unwrap().0)
        .collect()
}

#[test]
fn the_configurations_of_the_page_are_taken() {
    let page = page();
    let configurations = blocks(&page, "json");
    assert_eq!(configurations.len(), 2, "{configurations:?}");
    let dir = tempfile::tempdir().unwrap();
    for configuration in configurations {
        let file = dir.path().join("config.json");
        std::fs::write(&file, configuration).unwrap();
        let output = facetap()
            .args(["config", "check"])
            .arg(&file)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{configuration}\n{output:?}");
    }
}

#[test]
fn the_lines_of_the_page_find_what_it_says() {
    let page = page();
    let mut scene = Scene::new();
    let data = scene.config["data_dir"].take();
    scene.config = serde_json::from_str(blocks(&page, "json")[0]).unwrap();
    // What this machine lacks is simulated; without a server at that address every tap would be an error.
    let scene = scene
        .set("data_dir", data)
        .set("server_url", Value::Null)
        .set("camera.source", json!("simulated"))
        .set("servo.port", json!("simulated"))
        .set("cards", json!({"readers": "simulated"}))
        .set("monitor", json!({"interval": 0.5}));
    assert_eq!(scene.run(&["--duration", "2.5"]).end().0.code(), Some(0));

    let lines: Vec<&str> = blocks(&page, "sh")
        .iter()
        .flat_map(|block| block.lines())
        .filter(|line| line.starts_with("grep "))
        .collect();
    assert_eq!(lines.len(), 8, "{lines:?}");
    for line in lines {
        let output = Command::new("sh")
            .args(["-c", line])
            .env("LC_ALL", "C.UTF-8")
            .current_dir(scene.dir.path())
            .output()
            .unwrap();
        let found = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.stderr, b"", "{line}");
        assert_eq!(
            found.is_empty(),
            line.contains(FINDS_NOTHING),
            "{line}:\n{found}"
        );
    }
}
