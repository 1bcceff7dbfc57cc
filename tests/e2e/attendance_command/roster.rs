//! Rosters as offices send them: what `check` and the log say, whom taps belong to, and what a correction changes.

use super::*;

/// A scene with this roster, and taps of these cards at these local times, with the names that they got then.
fn told(roster: impl AsRef<[u8]>, taps: &[(&str, &str, Option<&str>)]) -> (Scene, Connection) {
    let (scene, db) = scene();
    let file = scene.path("roster.csv");
    std::fs::write(&file, roster).unwrap();
    let scene = scene
        .set("attendance", json!({"roster": file}))
        .set("cards", json!({"readers": "simulated"}));
    save(&scene);
    for (card, time, name) in taps {
        db.execute(
            "INSERT INTO tap (uid, card, reader, local_time, utc_offset_s, utc_time, boottime_ms, boot_id, \
             clock_synchronised, idempotency_key, state, name, clock) \
             VALUES (?1, 'felica', 'R', ?2, 32400, ?2 || '.000000Z', 1, 'b', 1, 'k', 'delivered', ?3, 'synchronised')",
            (card, time, name),
        )
        .unwrap();
    }
    (scene, db)
}

/// The names of the taps in their order; empty for those that have none.
fn names(scene: &Scene) -> Vec<String> {
    let taps: Vec<Value> =
        serde_json::from_str(&said(scene, &["export", "--format", "json"])).unwrap();
    let name = |tap: &Value| tap["name"].as_str().unwrap_or_default().to_owned();
    taps.iter().map(name).collect()
}

fn check(scene: &Scene) -> String {
    let output = facetap()
        .args(["check", "--config"])
        .arg(scene.path("config.json"))
        .current_dir(scene.dir.path())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The service taps these cards, and goes on until the log has this.
fn tap(scene: &Scene, cards: &str, until: &str) {
    let file = scene.path("cards");
    std::fs::write(&file, cards).unwrap();
    let running = scene.run_with(&[], &[("FACETAP_SIMULATED_CARDS", file.to_str().unwrap())]);
    running.wait_for_log(until);
    assert_eq!(running.stop().0.code(), Some(0));
}

#[test]
fn the_column_of_cards_is_found_told_and_can_be_named() {
    let text = "社員番号,氏名,部署,ICカードNo\n20180012,山田 太郎,営業部,04A1B2C3D4E5F6\n";
    let (mut scene, _db) = told(text, &[]);
    let row = "roster.csv: 1 cards of 1 employees; cards in column 4 \"ICカードNo\", names in column 2 \"氏名\", \
               employee numbers in column 1 \"社員番号\"; UTF-8";
    assert!(check(&scene).contains(row), "{}", check(&scene));
    tap(&scene, "04A1B2C3D4E5F6\n20180012\n", "counted (tap 2)");
    let log = scene.log();
    assert!(
        log.contains(row) && log.contains("20180012 (unknown card)"),
        "{log}"
    );
    assert_eq!(names(&scene), ["山田 太郎", ""]);

    scene = scene.set(
        "attendance.roster_columns",
        json!({"card": "カード", "name": 3}),
    );
    save(&scene);
    let said = check(&scene);
    let fault = "\"attendance.roster_columns.card\": there is no column \"カード\"; there are 1 \"社員番号\", 2 \"氏名\", \
                 3 \"部署\", 4 \"ICカードNo\"";
    assert!(
        said.contains("roster   FAILED") && said.contains(fault),
        "{said}"
    );
    scene = scene.set(
        "attendance.roster_columns",
        json!({"card": "ＩＣカードＮｏ", "name": 3}),
    );
    save(&scene);
    assert_eq!(names(&scene), ["営業部", ""]);
    scene = scene.set("attendance.roster_columns", json!({"card": 5}));
    save(&scene);
    assert!(
        check(&scene).contains("there is no column 5"),
        "{}",
        check(&scene)
    );
}

#[test]
fn a_name_is_corrected_for_earlier_taps_and_for_good() {
    let (mut scene, db) = told(
        "UID,氏名\n04A1B2C3D4E5F6,山田 太郎\n",
        &[
            ("04A1B2C3D4E5F6", "2026-11-20T09:00:00", Some("20180012")),
            ("DEAD1003", "2026-11-20T09:01:00", Some("Somebody who left")),
            ("04A1B2C3D4E5F6", "2026-11-20T18:00:00", None),
        ],
    );
    let right = ["山田 太郎", "Somebody who left", "山田 太郎"];
    assert_eq!(names(&scene), right);
    tap(
        &scene,
        "",
        "2 earlier taps have the name that the roster has now",
    );
    let stored: Vec<Option<String>> = db
        .prepare("SELECT name FROM tap ORDER BY id")
        .unwrap()
        .query_map([], |r| r.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(stored, right.map(|n| Some(n.to_owned())));
    // The card is taken back later: its taps remain the person's.
    scene = scene.set("attendance", json!({}));
    save(&scene);
    assert_eq!(names(&scene), right);
}

#[test]
fn a_card_that_is_handed_on_keeps_its_earlier_taps() {
    let taps = [
        ("DEAD1003", "2026-11-20T09:00:00", Some("山田 太郎")),
        ("DEAD1003", "2026-12-01T08:59:00", None),
        ("DEAD1003", "2026-12-02T09:00:00", None),
    ];
    let both = "UID,氏名,利用開始日\nDEAD1003,山田 太郎,\nDEAD1003,佐藤 蓮,2026/12/2\n";
    let (scene, _db) = told(both, &taps);
    assert_eq!(names(&scene), ["山田 太郎", "山田 太郎", "佐藤 蓮"]);
    // The earlier line is gone: what the ledger has is left.
    let later = "UID,氏名,利用開始日\nDEAD1003,佐藤 蓮,2026/12/2\n";
    let (scene, db) = told(later, &taps);
    assert_eq!(names(&scene), ["山田 太郎", "", "佐藤 蓮"]);
    tap(&scene, "", "1 earlier taps have the name");
    let first: String = db
        .query_row("SELECT name FROM tap WHERE id = 1", [], |r| r.get(0))
        .unwrap();
    assert_eq!(first, "山田 太郎");
    // By a column that the configuration names.
    let plain = "UID,氏名,いつから\nDEAD1003,山田 太郎,\nDEAD1003,佐藤 蓮,2026-12-02\n";
    let (scene, _db) = told(plain, &taps);
    assert_eq!(names(&scene), ["", "", ""]);
    let said = check(&scene);
    assert!(
        said.contains("lines 2 and 3: one card for 山田 太郎 and for 佐藤 蓮"),
        "{said}"
    );
    let list = super::said(&scene, &["list"]);
    assert_eq!(list.matches("(two people)").count(), 3, "{list}");
    let scene = scene.set("attendance.roster_columns", json!({"from": "いつから"}));
    save(&scene);
    assert_eq!(names(&scene), ["山田 太郎", "山田 太郎", "佐藤 蓮"]);
}

#[test]
fn numbers_that_no_card_has_are_told_until_a_tap_proves_them() {
    let (scene, _db) = told(
        "UID,氏名\n3735883779,山田 太郎\nF6E5D4C3B2A104,佐藤 蓮\n",
        &[],
    );
    let said = check(&scene);
    assert!(
        said.contains("line 2: the card number 3735883779 is probably decimal"),
        "{said}"
    );
    tap(
        &scene,
        "DEAD1003\n04A1B2C3D4E5F6\n",
        "04A1B2C3D4E5F6 (佐藤 蓮) counted (tap 2)",
    );
    assert_eq!(names(&scene), ["山田 太郎", "佐藤 蓮"]);
    let said = check(&scene);
    assert!(
        said.contains("line 2 is the tapped card DEAD1003, whose number stands there in decimal"),
        "{said}"
    );
    assert!(
        said.contains("line 3 is the tapped card 04A1B2C3D4E5F6") && !said.contains("probably"),
        "{said}"
    );
}

#[test]
fn a_roster_that_is_refused_says_why_and_gives_no_name() {
    let (scene, _db) = told(
        b"UID,name\nDEAD1003,Ku\xe8era\n",
        &[("DEAD1003", "2026-11-20T09:00:00", None)],
    );
    let said = check(&scene);
    assert!(
        said.contains("roster   FAILED") && said.contains("line 2 (\"DEAD1003,Ku"),
        "{said}"
    );
    assert_eq!(names(&scene), [""]);
    let list = run(&scene, &["list"]);
    assert!(complaint(&list, 0).contains("save it as CSV UTF-8"));
    tap(&scene, "DEAD1003\n", "DEAD1003 counted (tap 2)");
    assert!(
        scene.log().contains("taps are counted without names"),
        "{}",
        scene.log()
    );
}
