//! The real client against a server that misbehaves over a real connection.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::base::stop::Reason;

/// Answers each connection with the next of `answers` and passes on what it was sent. None: hangs up
/// without an answer. An empty answer: says nothing and keeps the line open.
fn server(answers: Vec<Option<String>>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else {
                return;
            };
            let _ = sender.send(request(&mut stream));
            if let Some(text) = answer {
                let _ = stream.write_all(text.as_bytes());
                if text.is_empty() {
                    open.push(stream);
                }
            }
        }
        // Until the test is over: a line that is kept open must not be hung up.
        let _ = listener.accept();
        drop(open);
    });
    (url, requests)
}

fn parcel(body: &str, key: &str) -> Parcel {
    Parcel {
        body: body.to_owned(),
        idempotency_key: key.to_owned(),
        clock: "synchronised".to_owned(),
    }
}

/// Head and body of a request.
fn request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let all = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = all.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|l| {
                    l.to_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            if body.len() >= length {
                return all;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return all,
            Ok(n) => text.extend_from_slice(&buffer[..n]),
        }
    }
}

fn http(status: &str, body: &str) -> Option<String> {
    Some(format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    ))
}

fn client(url: &str) -> HttpServer {
    client_with(url, &Stop::new(), |_| ())
}

fn client_with(url: &str, stop: &Stop, change: impl FnOnce(&mut Config)) -> HttpServer {
    let mut config = Config {
        server_url: Some(url.to_owned()),
        ..Config::default()
    };
    change(&mut config);
    HttpServer::new(&config, stop).unwrap().unwrap()
}

fn answered(status: u16, body: &str) -> Reply {
    Reply::Answer {
        status,
        body: body.to_owned(),
        head: Head::default(),
        retry_after: None,
    }
}

/// The old server was written for this request; the extra headers are ours.
#[test]
fn the_request_is_frozen() {
    let (url, requests) = server(vec![http("200 OK", "{}")]);
    assert_eq!(
        client(&format!("{url}/")).post(&parcel(r#"{"idm": "04"}"#, "00ff")),
        answered(200, "{}")
    );
    let request = requests.recv().unwrap();
    assert!(
        request.starts_with("POST /api/attendance HTTP/1.1\r\n"),
        "{request}"
    );
    let lower = request.to_lowercase();
    for header in [
        "content-type: application/json\r\n",
        "content-length: 13\r\n",
        "idempotency-key: 00ff\r\n",
        "facetap-clock: synchronised\r\n",
    ] {
        assert!(lower.contains(header), "{header} in {request}");
    }
    assert!(!lower.contains("authorization"), "{request}");
    assert!(request.ends_with("\r\n\r\n{\"idm\": \"04\"}"), "{request}");
}

#[test]
fn answers_come_back_as_they_are() {
    let page = "<html>not the API</html>";
    let (url, requests) = server(vec![
        http("400 BAD REQUEST", "missing"),
        http("500 INTERNAL SERVER ERROR", ""),
        http("200 OK", page),
        Some("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into()),
        Some("HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into()),
    ]);
    let client = client(&url);
    let moved = |status| Reply::Answer {
        status,
        body: String::new(),
        head: Head {
            target: Some(format!("{url}/elsewhere")),
            packing: None,
        },
        retry_after: None,
    };
    for want in [
        answered(400, "missing"),
        answered(500, ""),
        answered(200, page),
        moved(302),
        moved(307),
    ] {
        assert_eq!(client.post(&parcel("{}", "k")), want);
    }
    assert_eq!(requests.try_iter().count(), 5, "no redirect was followed");
}

#[test]
fn the_time_to_come_again_is_read_whatever_the_status() {
    let date = "Date: Sat, 21 Nov 2026 09:00:00 GMT\r\n";
    let cases = [
        (
            "429 Too Many Requests",
            "Retry-After: 17\r\n".to_owned(),
            Some(17),
        ),
        (
            "503 Service Unavailable",
            format!("{date}retry-after: Sat, 21 Nov 2026 09:02:00 GMT\r\n"),
            Some(120),
        ),
        (
            "301 Moved Permanently",
            "RETRY-AFTER:3\r\n".to_owned(),
            Some(3),
        ),
        (
            "429 Too Many Requests",
            "Retry-After: soon\r\n".to_owned(),
            None,
        ),
        ("403 Forbidden", String::new(), None),
    ];
    let answers = cases.iter().map(|(status, headers, _)| {
        Some(format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"
        ))
    });
    let (url, _requests) = server(answers.collect());
    let client = client(&url);
    for (status, headers, seconds) in cases {
        let want = Reply::Answer {
            status: status[..3].parse().unwrap(),
            body: String::new(),
            head: Head::default(),
            retry_after: seconds.map(Duration::from_secs),
        };
        assert_eq!(client.post(&parcel("{}", "k")), want, "{headers}");
    }
}

/// What servers, and what stands before them, really write.
#[test]
fn answers_in_every_form_are_understood() {
    let json = r#"{"status":"success"}"#;
    let length = json.len();
    let answers = [
        format!("HTTP/1.0 200 OK\r\n\r\n{json}"),
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{json}"),
        format!("HTTP/1.1 200\r\ncontent-LENGTH: {length}\r\n\r\n{json}"),
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nContent-Length: {length}\r\n\r\n{json}"
        ),
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{json}\r\n\r\nrest"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{json}"),
        format!(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{json}"
        ),
        format!(
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
             HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{json}"
        ),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:X};x=y\r\n{json}\r\n0\r\nTrailer: 1\r\n\r\n"
        ),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n000{length:x}\r\n{json}\r\n0\r\n"
        ),
        // The last chunk is missing, and the server hangs up.
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{json}\r\n"),
    ];
    let (url, _requests) = server(answers.iter().cloned().map(Some).collect());
    let client = client(&url);
    for answer in answers {
        let reply = client.post(&parcel("{}", "k"));
        let Reply::Answer {
            status: 200, body, ..
        } = &reply
        else {
            panic!("{answer}: {reply:?}");
        };
        assert_eq!(word(body).as_deref(), Some("success"), "{answer}");
    }
}

#[test]
fn each_request_has_a_connection_of_its_own_that_ends_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().unwrap();
            let head = request(&mut stream).to_lowercase();
            assert!(head.contains("connection: close\r\n"), "{head}");
            // It does not hang up by itself.
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                .unwrap();
            assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0, "hung up");
        }
    });
    let client = client(&url);
    client.post(&parcel("{}", "k"));
    client.health();
    client.post(&parcel("{}", "k"));
    server.join().unwrap();
}

/// A redirect is told with its target, and nothing is sent there: neither tap nor token.
#[test]
fn name_and_password_go_to_the_server_alone_and_into_no_word() {
    let moved = "HTTP/1.1 308 Moved\r\nLocation: http://ann:geheim@127.0.0.1:1/api/attendance\r\nContent-Length: 0\r\n\r\n";
    let (url, requests) = server(vec![
        Some(moved.to_owned()),
        None,
        Some("nonsense\r\n\r\n".to_owned()),
    ]);
    let url = url.replace("http://", "http://ann:ge%40heim@");
    let client = client(&url);
    for _ in 0..3 {
        let reply = client.post(&parcel("{}", "k"));
        assert!(!format!("{reply:?}").contains("heim"), "{reply:?}");
        let head = requests.recv().unwrap();
        // ann:ge@heim
        assert!(
            head.to_lowercase()
                .contains("authorization: basic yw5uomdlqghlaw0=\r\n"),
            "{head}"
        );
        assert!(!head.contains("heim"), "{head}");
    }
    let config = Config {
        server_url: Some("http://ann:ge%40heim@127.0.0.1:1".to_owned()),
        ..Config::default()
    };
    let why = format!("{:#}", crate::attend::uplink::probe(&config).unwrap_err());
    assert!(
        !why.contains("heim") && why.contains("127.0.0.1:1"),
        "{why}"
    );
}

#[test]
fn no_answer_and_no_server_are_told_apart() {
    let (url, _requests) = server(vec![
        None,
        Some("gibberish\r\n\r\n".into()),
        Some("HTTP/1.1 200 OK\r\nContent-Length: 999\r\nConnection: close\r\n\r\n{".into()),
        Some("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}".into()),
    ]);
    let client_there = client(&url);
    for case in ["hangs up", "gibberish", "cut off", "of two lengths"] {
        let reply = client_there.post(&parcel("{}", "k"));
        assert!(matches!(reply, Reply::NoAnswer(_)), "{case}: {reply:?}");
    }
    let (url, _requests) = server(vec![http("200 OK", &"<p>".repeat(100_000))]);
    let reply = client(&url).post(&parcel("{}", "k"));
    assert!(
        matches!(&reply, Reply::Answer { body, .. } if body.len() as u64 == ANSWER_MAX),
        "an endless page is one all the same"
    );
    let free = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let reply = client(&format!("http://{free}")).health();
    assert!(matches!(reply, Reply::Unreachable(_)), "{reply:?}");
}

#[test]
fn the_order_to_stop_ends_a_request_that_nobody_answers() {
    let (url, requests) = server(vec![Some(String::new())]);
    let stop = Stop::new();
    let client = client_with(&url, &stop, |_| ());
    let waiting = std::thread::spawn(move || client.post(&parcel("{}", "k")));
    requests.recv().unwrap();
    stop.request(Reason::Duration);
    let reply = waiting.join().unwrap();
    assert!(matches!(reply, Reply::NoAnswer(_)), "{reply:?}");
}

#[test]
fn the_token_is_sent_and_renewed() {
    let (url, requests) = server(vec![http("200 OK", ""), http("200 OK", "")]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "first-token\n").unwrap();
    let client = client_with(&url, &Stop::new(), |c| {
        c.auth_token_file = Some(file.path().to_owned());
    });
    client.post(&parcel("{}", "k"));
    std::fs::write(&file, "second-token").unwrap();
    client.health();
    for token in ["first-token", "second-token"] {
        let request = requests.recv().unwrap().to_lowercase();
        let header = format!("authorization: bearer {token}\r\n");
        assert!(request.contains(&header), "{request}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named_with_their_key() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = |change: &dyn Fn(&mut Config)| {
        let mut config = Config {
            server_url: Some("https://localhost".to_owned()),
            ..Config::default()
        };
        change(&mut config);
        format!("{:#}", HttpServer::new(&config, &Stop::new()).unwrap_err())
    };
    let path = file.path().to_owned();
    let why = refused(&|c| c.ca_file = Some(path.clone()));
    assert!(
        why.contains("ca_file") && why.contains("no certificate"),
        "{why}"
    );
    let why = refused(&|c| c.ca_file = Some("/nonexistent".into()));
    assert!(why.contains("ca_file: cannot read /nonexistent"), "{why}");
    let why = refused(&|c| c.auth_token_file = Some(path.clone()));
    assert!(why.contains("auth_token_file"), "{why}");
}

#[test]
fn without_an_address_there_is_no_server() {
    let none = HttpServer::new(&Config::default(), &Stop::new()).unwrap();
    assert!(none.is_none());
}
