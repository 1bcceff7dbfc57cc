//! Servers as the world has them, and what stands in their place: Python's own HTTP server, one thing at a time.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::cards::{self, Cards};
use crate::harness::{Running, Scene, Tool, facetap, free_port, wait_until};
use crate::mounts::isolated;

/// A service, and the server of `tests/tools/odd_server.py`.
struct Odd {
    scene: Scene,
    cards: Cards,
    port: u16,
    _server: Tool,
}

impl Odd {
    fn new(mode: &str, more: &[&str]) -> Self {
        let (scene, cards) = cards::scene();
        let port = free_port();
        let (text, log) = (port.to_string(), scene.path("posts.jsonl"));
        let mut args = vec![
            "--port",
            &text,
            "--log",
            log.to_str().unwrap(),
            "--mode",
            mode,
        ];
        args.extend(more);
        let server = Tool::start("odd_server.py", &args);
        let listens = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        wait_until("the server", listens, String::new);
        let url = format!("http://127.0.0.1:{port}");
        Self {
            scene: scene.set("server_url", json!(url)),
            cards,
            port,
            _server: server,
        }
    }

    fn set(mut self, path: &str, value: Value) -> Self {
        self.scene = self.scene.set(path, value);
        self
    }

    fn run(&self) -> Running {
        self.cards.run(&self.scene)
    }

    fn tap(&mut self, count: u32) {
        self.cards.tap(&self.scene, count);
    }

    fn mode(&self, mode: &Value) {
        let body = mode.to_string();
        let mut link = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "POST /_mode HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        link.write_all([head, body].concat().as_bytes()).unwrap();
        let mut answer = [0; 12];
        link.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }

    /// What came to the server: taps, and how long connections were idle.
    fn seen(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.scene.path("posts.jsonl")).unwrap_or_default();
        text.lines()
            .filter_map(|l| serde_json::from_str(l).ok())
            .collect()
    }

    fn posts(&self) -> Vec<Value> {
        let seen = self.seen().into_iter();
        seen.filter(|line| line["idm"].is_string()).collect()
    }

    /// How often each tap was stored.
    fn stored(&self) -> BTreeMap<String, usize> {
        let mut stored = BTreeMap::new();
        for post in self.posts() {
            if post["stored"] == true && post["again"] == false {
                *stored.entry(post["idm"].to_string()).or_default() += 1;
            }
        }
        stored
    }

    fn wait_until_delivered(&self) {
        let ledger = self.scene.path("data/attendance.db");
        let waiting = || -> i64 {
            let db = rusqlite::Connection::open(&ledger).unwrap();
            let count = "SELECT count(*) FROM tap WHERE state <> 'delivered'";
            db.query_row(count, [], |row| row.get(0)).unwrap_or(-1)
        };
        wait_until("no tap to wait", || waiting() == 0, || self.scene.log());
    }

    fn command(&self, args: &[&str]) -> Output {
        let mut command = facetap();
        command.args(args).arg("--config");
        command.arg(self.scene.path("config.json"));
        command.current_dir(self.scene.dir.path());
        command.env("RUNTIME_DIRECTORY", self.scene.path("run"));
        command.output().unwrap()
    }

    fn said(&self, args: &[&str]) -> String {
        let output = self.command(args);
        let [out, err] = [output.stdout, output.stderr].map(|o| String::from_utf8(o).unwrap());
        out + &err
    }
}

/// Seen before: 13.6 s for six taps, three of them processed twice, and the server held for 90 s.
#[test]
fn a_server_that_does_one_thing_at_a_time_gets_six_taps_once_and_is_let_go() {
    isolated(|| {
        let mut odd = Odd::new("ok", &["--delay", "0.1"]);
        let running = odd.run();
        odd.tap(6);
        odd.wait_until_delivered();
        assert_eq!(odd.posts().len(), 6, "each was sent once");
        assert_eq!(odd.stored().len(), 6);
        let idle = || -> Vec<f64> {
            odd.seen()
                .iter()
                .filter_map(|l| l["idle"].as_f64())
                .collect()
        };
        wait_until(
            "connections to end",
            || idle().len() >= 7,
            || odd.scene.log(),
        );
        assert!(idle().iter().all(|s| *s < 2.0), "{:?}", idle());
        assert_eq!(running.stop().0.code(), Some(0));
    });
}

#[test]
fn answers_in_odd_forms_are_understood_at_the_first_attempt() {
    isolated(|| {
        let mut odd = Odd::new("ok", &[]);
        let running = odd.run();
        let forms = [
            "gzip",
            "deflate",
            "bom",
            "utf16",
            "sjis",
            "html-type",
            "http10",
            "chunked",
            "twice-length",
            "too-long",
        ];
        for (n, form) in forms.iter().enumerate() {
            odd.mode(&json!({"mode": form, "health": true}));
            odd.tap(1);
            odd.wait_until_delivered();
            // It may have been sent before the answer to the one before was in the ledger, but never twice.
            assert_eq!(odd.posts().len(), n + 1, "{form}: {}", odd.scene.log());
            let check = odd.said(&["check"]);
            assert!(check.contains("server   ok"), "{form}: {check}");
        }
        assert!(!odd.scene.log().contains("does not say that it was taken"));
        assert_eq!(running.stop().0.code(), Some(0));
    });
}

#[test]
fn what_never_becomes_clear_is_named_once_and_loses_no_tap() {
    isolated(|| {
        let mut odd = Odd::new("ok", &[]).set("retry_interval", json!(2));
        let running = odd.run();
        let answer = |status: u16, page: &str, headers: Value| json!({"mode": "answer", "status": status, "page": page, "headers": headers});
        let mut stored = 0;
        for (mode, named) in [
            (json!({"mode": "204"}), "204 (an empty answer"),
            (json!({"mode": "empty"}), "200 (an empty answer"),
            (json!({"mode": "br"}), "200 (packed as \"br\""),
            (
                answer(200, "<html>Welcome to the hotel</html>", json!([])),
                "200 <html>Welcome to the hotel</html> (a page for people",
            ),
            (
                answer(200, "{\"login\": \"required\"}", json!([])),
                "(not the attendance server's answer",
            ),
            (
                answer(
                    301,
                    "",
                    json!([["Location", "https://new.example/api/attendance"]]),
                ),
                "set \"server_url\" to https://new.example",
            ),
            (
                answer(
                    302,
                    "",
                    json!([["Location", "http://u:geheim@portal.example/login?x=geheim"]]),
                ),
                "a redirect to http://[...]@portal.example/login,",
            ),
            (
                answer(307, "", json!([["Location", "/elsewhere"]])),
                "/elsewhere,",
            ),
        ] {
            odd.mode(&mode);
            odd.tap(1);
            stored += 1;
            let told = || {
                let log = odd.scene.log();
                let lines = log
                    .lines()
                    .filter(|l| l.contains(named) && l.contains("WARNING"));
                lines.count()
            };
            wait_until(named, || told() > 0, || odd.scene.log());
            let status = || odd.said(&["status"]);
            wait_until("the alarm", || status().contains("ALARM"), status);
            assert!(status().contains(named), "{named}: {}", status());
            // It is asked again, and that is no news.
            let before = odd.posts().len();
            wait_until(
                "another attempt",
                || odd.posts().len() > before,
                || odd.scene.log(),
            );
            assert_eq!(told(), 1, "{}", odd.scene.log());
            odd.mode(&json!({"mode": "ok"}));
            odd.wait_until_delivered();
            assert_eq!(odd.stored().len(), stored, "{named}");
            wait_until("no alarm", || !status().contains("ALARM"), status);
        }
        assert!(odd.stored().values().all(|times| *times == 1));
        assert!(!odd.scene.log().contains("geheim"));
        assert_eq!(running.stop().0.code(), Some(0));
    });
}

#[test]
fn a_pause_that_is_asked_for_is_kept_to_by_taps_made_meanwhile() {
    isolated(|| {
        let mut odd = Odd::new("ok", &[]).set("retry_interval", json!(600));
        let running = odd.run();
        let answer = |status: u16, after: &str| json!({"mode": "answer", "status": status, "headers": [["Retry-After", after]]});
        let mut sent = 0;
        for status in [429, 503, 302] {
            odd.mode(&answer(status, "4"));
            odd.tap(1);
            wait_until(
                "the first attempt",
                || odd.posts().len() > sent,
                || odd.scene.log(),
            );
            odd.mode(&json!({"mode": "ok"}));
            odd.tap(1);
            odd.wait_until_delivered();
            let posts = odd.posts();
            let at = |n: usize| posts[n]["at"].as_f64().unwrap();
            assert!(at(sent + 1) - at(sent) >= 3.9, "{status}: {posts:?}");
            assert_eq!(posts.len(), sent + 3, "{status}: {posts:?}");
            sent = posts.len();
        }
        // Nonsense is no pause; and no pause is longer than is configured.
        odd.mode(&answer(503, "for ever"));
        odd.tap(1);
        wait_until(
            "several attempts",
            || odd.posts().len() > sent + 2,
            || odd.scene.log(),
        );
        odd.mode(&json!({"mode": "ok"}));
        odd.wait_until_delivered();
        assert_eq!(running.stop().0.code(), Some(0));

        odd.scene.config["retry_interval"] = json!(1);
        let running = odd.run();
        odd.mode(&answer(429, "86400"));
        odd.tap(1);
        running.wait_for_log("it asks to come again in 86400 s (Retry-After)");
        odd.mode(&json!({"mode": "ok"}));
        odd.wait_until_delivered();
        assert_eq!(running.stop().0.code(), Some(0));
    });
}

/// The page of a portal is not the server, whoever asks.
#[test]
fn a_captive_portal_is_not_taken_for_the_server() {
    isolated(|| {
        let mut odd = Odd::new("ok", &[]);
        for (mode, named) in [
            (
                json!({"mode": "answer", "page": "\u{feff}<!DOCTYPE html><title>Wi-Fi</title>", "health": true}),
                "captive portal",
            ),
            (
                json!({"mode": "answer", "status": 302, "headers": [["Location", "http://portal.example/login"]],
                       "health": true}),
                "a redirect to http://portal.example/login",
            ),
            (
                json!({"mode": "answer", "status": 511, "health": true}),
                "captive portal",
            ),
            (json!({"mode": "204", "health": true}), "an empty answer"),
        ] {
            odd.mode(&mode);
            let running = odd.run();
            running.wait_for_log(named);
            odd.tap(1);
            let check = odd.said(&["check"]);
            let row = check.lines().find(|l| l.starts_with("server")).unwrap();
            assert!(row.contains("FAILED") && row.contains(named), "{check}");
            let doctor = odd.said(&["doctor", "--no-file"]);
            assert!(doctor.contains(named), "{doctor}");
            assert!(
                !odd.scene.log().contains("server connected"),
                "{}",
                odd.scene.log()
            );
            odd.mode(&json!({"mode": "ok"}));
            running.wait_for_log("server connected");
            odd.wait_until_delivered();
            assert_eq!(running.stop().0.code(), Some(0));
        }
        assert_eq!(odd.stored().len(), 4);
    });
}

/// What proxies and firewalls say of a tap is not the server's word: nothing is rejected.
#[test]
fn refusals_of_something_on_the_way_reject_no_tap() {
    isolated(|| {
        let mut odd = Odd::new("ok", &[]);
        let running = odd.run();
        let error = r#"{"status":"error","message":"policy"}"#;
        for (status, page, named) in [
            (
                403,
                "<html>Squid: Access Denied</html>",
                "firewall or proxy",
            ),
            (
                404,
                "<html>nginx</html>",
                "no attendance server is at this address",
            ),
            (405, error, "405"),
            (
                407,
                "<html>Proxy Authentication Required</html>",
                "asks for a password",
            ),
            (413, error, "413"),
            (502, "<html>Bad Gateway</html>", "before the server"),
            (504, "", "before the server"),
        ] {
            odd.mode(&json!({"mode": "answer", "status": status, "page": page}));
            odd.tap(1);
            let before = odd.posts().len();
            wait_until(
                "two attempts",
                || odd.posts().len() >= before + 2,
                || odd.scene.log(),
            );
            let status = || odd.said(&["status"]);
            wait_until(named, || status().contains(named), status);
            odd.mode(&json!({"mode": "ok"}));
            odd.wait_until_delivered();
        }
        assert!(
            !odd.scene.log().contains("rejected tap"),
            "{}",
            odd.scene.log()
        );
        assert_eq!(odd.stored().len(), 7);
        assert_eq!(running.stop().0.code(), Some(0));
    });
}

#[test]
fn a_certificate_of_somebody_else_is_named_and_gets_no_tap() {
    let (scene, _) = cards::scene();
    let [key, certificate] = ["key.pem", "cert.pem"].map(|n| scene.path(n).display().to_string());
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "30",
        ])
        .args([
            "-subj",
            "/CN=login.hotel.example",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            "subjectAltName=DNS:login.hotel.example",
        ])
        .args(["-keyout", &key, "-out", &certificate])
        .output();
    if !made.is_ok_and(|o| o.status.success()) {
        eprintln!("SKIPPED: openssl is not here");
        return;
    }
    isolated(move || {
        let more = ["--certificate", &certificate, "--key", &key];
        let mut odd = Odd::new("ok", &more);
        let url = format!("https://127.0.0.1:{}", odd.port);
        for (ca, named) in [
            (json!(null), "ca_file"),
            (json!(certificate), "for another name"),
        ] {
            odd.scene.config["server_url"] = json!(url);
            odd.scene.config["ca_file"] = ca;
            let running = odd.run();
            running.wait_for_log(named);
            odd.tap(1);
            let check = odd.said(&["check"]);
            let row = check.lines().find(|l| l.starts_with("server")).unwrap();
            assert!(
                row.contains("FAILED") && row.contains(named) && row.contains("captive portal"),
                "{check}"
            );
            assert_eq!(running.stop().0.code(), Some(0));
        }
        // The other way round: a server that does not encrypt, asked for https.
        let plain = Odd::new("ok", &[]);
        odd.scene.config["server_url"] = json!(format!("https://127.0.0.1:{}", plain.port));
        let running = odd.run();
        running.wait_for_log("what answers is not encrypted");
        assert_eq!(running.stop().0.code(), Some(0));
        assert!(odd.posts().is_empty() && plain.posts().is_empty());
    });
}

#[test]
fn name_and_password_of_the_address_are_used_and_never_told() {
    isolated(|| {
        let mut odd = Odd::new("ok", &[]);
        let url = format!("http://ann:geheim%21@127.0.0.1:{}/", odd.port);
        odd.scene.config["server_url"] = json!(url);
        odd.scene.config["log"]["level"] = json!("DEBUG");
        let running = odd.run();
        odd.tap(1);
        odd.wait_until_delivered();
        // ann:geheim!
        assert_eq!(odd.posts()[0]["authorization"], "Basic YW5uOmdlaGVpbSE=");
        odd.mode(&json!({"mode": "answer", "status": 401, "health": true, "headers": [["WWW-Authenticate", "Basic"]]}));
        odd.tap(1);
        let mut told = odd.said(&["status"]) + &odd.said(&["status", "--json"]);
        told += &(odd.said(&["check"]) + &odd.said(&["doctor"]) + &odd.said(&["reload"]));
        assert!(told.contains("auth_token_file"), "{told}");
        assert_eq!(running.stop().0.code(), Some(0));
        odd.scene.config["server_url"] = json!("http://ann:geheim%21@127.0.0.1:1");
        let running = odd.run();
        running.wait_for_log("the server takes no taps now");
        told += &(odd.said(&["check"]) + &odd.said(&["doctor"]));
        assert_eq!(running.stop().0.code(), Some(0));
        odd.scene.config["server_url"] = json!("http://ann:geheim%21@127.0.0.1:99999");
        std::fs::write(odd.scene.path("config.json"), odd.scene.config.to_string()).unwrap();
        told += &(odd.said(&["check"]) + &odd.said(&["doctor"]));
        assert!(told.contains("a number from 1 to 65535"), "{told}");
        let files = std::fs::read_dir(odd.scene.dir.path()).unwrap().flatten();
        let logs = files
            .map(|f| f.path())
            .filter(|p| p.extension().is_some_and(|e| e == "log"));
        for log in logs {
            told += &std::fs::read_to_string(log).unwrap();
        }
        assert!(told.contains("[SERVER_START]"));
        assert!(
            !told.contains("geheim") && !told.contains("YW5uOmdl"),
            "{told}"
        );
    });
}

#[test]
fn what_a_server_says_is_text_wherever_it_is_shown() {
    let page = "denied \u{1b}[2J\u{9b}31m card\u{202e}fdp.exe \u{2066}end";
    let mode = json!({"mode": "answer", "status": 400, "page": page,
        "headers": [["Content-Type", "text/plain; charset=utf-8"]]});
    let mut odd = Odd::new("ok", &[]);
    odd.mode(&mode);
    let running = odd.run();
    odd.tap(1);
    wait_until(
        "an answer",
        || odd.scene.log().contains("denied"),
        || odd.scene.log(),
    );
    assert_eq!(running.stop().0.code(), Some(0));
    let shown: Vec<String> = [
        &["attendance", "list"][..],
        &["attendance", "export", "--format", "json"],
        &["attendance", "export", "--format", "csv"],
        &["status", "--json"],
    ]
    .iter()
    .map(|args| String::from_utf8(odd.command(args).stdout).unwrap())
    .chain([odd.scene.log()])
    .collect();
    assert!(
        shown[1].contains("denied [2J 31m cardfdp.exe end"),
        "{}",
        shown[1]
    );
    for text in shown {
        let obeyed = |c: char| facetap::base::outside::is_obeyed(c) && !"\r\n\u{feff}".contains(c);
        assert!(
            !text.contains(obeyed) && !text.contains("\\u00"),
            "{text:?}"
        );
    }
}
