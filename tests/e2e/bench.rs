//! `facetap bench follow` as it is typed.

use std::process::Output;

use serde_json::Value;

use crate::harness::facetap;

fn follow(options: &[&str]) -> Output {
    let mut command = facetap();
    command.args(["bench", "follow"]).args(options);
    command.output().unwrap()
}

fn printed(options: &[&str]) -> String {
    let output = follow(options);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_same_command_prints_the_same_bytes() {
    let options = [
        "--scenario",
        "still",
        "--delay",
        "0",
        "--delay",
        "300",
        "--json",
    ];
    let first = printed(&options);
    assert_eq!(first, printed(&options));
    let json: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(json["seed"], 1);
    let runs = json["runs"].as_array().unwrap();
    let name = |run: &Value| {
        (
            run["delay_ms"].as_u64().unwrap(),
            run["law"].as_str().unwrap().to_owned(),
        )
    };
    let names: Vec<_> = runs.iter().map(name).collect();
    let laws = ["ours", "old", "uncompensated"];
    let expected: Vec<_> = [0, 300]
        .into_iter()
        .flat_map(|delay| laws.map(|law| (delay, law.to_owned())))
        .collect();
    assert_eq!(names, expected);
    for run in runs {
        for figure in [
            "overshoot_degrees",
            "rms_degrees",
            "on_target",
            "swing_degrees",
        ] {
            assert!(run[figure].is_f64(), "{figure} in {run}");
        }
    }
    assert_ne!(first, printed(&[&options[..], &["--seed", "2"]].concat()));
}

#[test]
fn a_table_for_people_and_a_page_with_plots() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("follow.html");
    for option in ["--html", "--plot"] {
        let table = printed(&[
            "--scenario",
            "step",
            "--scenario",
            "sine",
            "--delay",
            "80",
            "--law",
            "told",
            "--law",
            "bound",
            option,
            page.to_str().unwrap(),
        ]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!((lines[0], lines[5]), ("step", "sine"), "{table}");
        assert!(
            lines[1].starts_with("delay ms  law    settling s"),
            "{table}"
        );
        assert!(lines[2].starts_with("80        told "), "{table}");
        let written = std::fs::read_to_string(&page).unwrap();
        assert_eq!(written.matches("<svg viewBox=\"0 0 900 200\"").count(), 2);
        std::fs::remove_file(&page).unwrap();
    }
}

#[test]
fn what_there_is_not_is_refused_with_what_there_is() {
    for (options, hint) in [
        (["--scenario", "dance"], "walk-past"),
        (["--law", "pid"], "uncompensated"),
        (["--delay", "2001"], "0..=2000"),
    ] {
        let output = follow(&options);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(hint), "{told}");
    }
    let output = follow(&[
        "--scenario",
        "still",
        "--delay",
        "0",
        "--html",
        "/no/such/folder/f.html",
    ]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("--html"),
        "{output:?}"
    );
}
