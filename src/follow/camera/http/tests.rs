//! The real socket code against small servers on this machine.

use std::net::TcpListener;
use std::thread::JoinHandle;

use super::*;
use crate::base::beat::Beat;
use crate::base::clock::SystemClock;
use crate::base::stop::Reason;
use crate::follow::camera::{Frame, Picture};

/// Reads a request.
fn request(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

/// Takes one connection, reads the request, and lets `answer` deal with it. Returns the request.
fn serve(answer: impl FnOnce(&mut TcpStream) + Send + 'static) -> (HttpUrl, JoinHandle<String>) {
    let (url, listener) = listen();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let request = request(&mut socket);
        answer(&mut socket);
        request
    });
    (url, server)
}

fn listen() -> (HttpUrl, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = HttpUrl::parse(&format!("http://me:secret@127.0.0.1:{port}/stream?x=1")).unwrap();
    (url, listener)
}

/// Gives these answers, one at each connection, and returns the requests.
fn serve_each(answers: &[&[u8]]) -> (HttpUrl, JoinHandle<Vec<String>>) {
    let (url, listener) = listen();
    let answers: Vec<Vec<u8>> = answers.iter().map(|a| a.to_vec()).collect();
    let server = std::thread::spawn(move || {
        let connections = answers.into_iter().map(|answer| {
            let (mut socket, _) = listener.accept().unwrap();
            let request = request(&mut socket);
            socket.write_all(&answer).unwrap();
            request
        });
        connections.collect()
    });
    (url, server)
}

fn open(url: &HttpUrl, stop: &Stop) -> Result<HttpSource> {
    let names = Names::new("names", stop, &Beat::default());
    HttpSource::open(url, Arc::new(SystemClock), stop, &names)
}

const HEAD: &[u8] =
    b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\n";

/// A picture of this size, with one byte of data.
fn picture(width: u16, height: u16) -> Vec<u8> {
    let head = jpeg::header(width, height);
    [&head[..head.len() - 2], &[0xFF, 0xDA, 0, 2, 1, 0xFF, 0xD9]].concat()
}

fn part(picture: &[u8]) -> Vec<u8> {
    let mut part = format!("--frame\r\nContent-Length: {}\r\n\r\n", picture.len()).into_bytes();
    part.extend(picture);
    part.extend(b"\r\n");
    part
}

/// Asks until a picture or a failure comes; `Nothing` means asking again.
fn next(source: &mut HttpSource, stop: &Stop) -> Result<Frame> {
    loop {
        match source.grab(stop)? {
            Grab::Frame(frame) => return Ok(frame),
            Grab::Nothing => {}
            Grab::End => bail!("a stream has no end"),
        }
    }
}

#[test]
fn pictures_arrive_and_a_closed_stream_is_a_failure() {
    let picture = picture(320, 240);
    let sent = picture.clone();
    let (seen, wait) = std::sync::mpsc::channel::<()>();
    let (url, server) = serve(move |socket| {
        socket.write_all(HEAD).unwrap();
        socket.write_all(&part(&sent)).unwrap();
        // The next one when the first was seen.
        assert!(wait.recv().is_err());
        socket.write_all(&part(&sent)).unwrap();
    });
    let stop = Stop::new();
    let mut source = open(&url, &stop).unwrap();
    let mut seen = Some(seen);
    for number in 0..2 {
        let frame = next(&mut source, &stop).unwrap();
        assert_eq!(frame.number, number);
        assert_eq!(frame.picture, Picture::Jpeg(picture.clone()));
        seen = None;
    }
    assert!(seen.is_none());
    let why = next(&mut source, &stop).unwrap_err().to_string();
    assert!(
        why.contains("closed") && why.contains("/stream?x=[...]"),
        "{why}"
    );
    assert!(!why.contains("secret") && !source.describe().contains("secret"));
    assert!(source.describe().contains("320x240"));
    let request = server.join().unwrap();
    assert!(
        request.starts_with("GET /stream?x=1 HTTP/1.1\r\nHost: 127.0.0.1:"),
        "{request}"
    );
    assert!(!request.contains("Authorization"), "nobody has asked");
}

#[test]
fn after_a_delay_of_ours_the_newest_picture_is_taken_and_not_called_fresh() {
    let (sent, wait) = std::sync::mpsc::channel::<()>();
    let (url, server) = serve(move |socket| {
        socket.write_all(HEAD).unwrap();
        for width in [100, 200, 300] {
            socket.write_all(&part(&picture(width, 80))).unwrap();
        }
        sent.send(()).unwrap();
    });
    let stop = Stop::new();
    let mut source = open(&url, &stop).unwrap();
    let before = source.clock.now();
    wait.recv().unwrap();
    server.join().unwrap();
    let frame = next(&mut source, &stop).unwrap();
    assert_eq!(frame.picture, Picture::Jpeg(picture(300, 80)));
    assert!(frame.captured <= before, "{:?}", frame.captured);
    assert_eq!(frame.number, 0);
    let why = next(&mut source, &stop).unwrap_err().to_string();
    assert!(why.contains("closed the connection"), "{why}");
}

#[test]
fn name_and_password_are_told_in_the_way_that_is_asked_for() {
    let picture = picture(64, 48);
    let good = [HEAD, &part(&picture)].concat();
    for (refusal, scheme) in [
        (
            "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n",
            "Basic bWU6c2VjcmV0",
        ),
        (
            "HTTP/1.0 401 No\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"7\", qop=\"auth\"\r\n\
             Content-Length: 3\r\n\r\nNo!",
            "Digest username=\"me\"",
        ),
        ("HTTP/1.1 401 No\r\n\r\n", "Basic bWU6c2VjcmV0"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "Basic bWU6c2VjcmV0"),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<form>",
            "Basic bWU6c2VjcmV0",
        ),
    ] {
        let (url, server) = serve_each(&[refusal.as_bytes(), &good]);
        let stop = Stop::new();
        let mut source = open(&url, &stop).unwrap();
        let frame = next(&mut source, &stop).unwrap();
        assert_eq!(frame.picture, Picture::Jpeg(picture.clone()));
        let requests = server.join().unwrap();
        assert!(!requests[0].contains("Authorization"), "{}", requests[0]);
        assert!(
            requests[1].contains(&format!("\r\nAuthorization: {scheme}")),
            "{}",
            requests[1]
        );
    }
}

#[test]
fn a_name_that_is_not_taken_or_cannot_be_told_is_named() {
    let digest = b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"7\", qop=\"auth\"\r\n\r\n";
    let odd = b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"7\", algorithm=SHA-3\r\n\r\n";
    for (answers, part) in [
        (&[&digest[..], digest][..], "does not take the name"),
        (&[odd], "neither basic nor digest"),
        (&[b"HTTP/1.1 404 Not Found\r\n\r\n"], "404"),
    ] {
        let (url, server) = serve_each(answers);
        let why = open(&url, &Stop::new()).err().unwrap().to_string();
        assert!(why.contains(part) && !why.contains("secret"), "{why}");
        assert!(why.contains("http://127.0.0.1"), "{why}");
        assert_eq!(server.join().unwrap().len(), answers.len());
    }
}

#[test]
fn a_web_page_is_refused_with_the_address() {
    let page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>";
    let (url, server) = serve_each(&[page, page]);
    let why = open(&url, &Stop::new()).err().unwrap().to_string();
    assert!(
        why.contains("text/html") && why.contains("http://127.0.0.1"),
        "{why}"
    );
    server.join().unwrap();
}

#[test]
fn a_silent_server_lets_a_stop_be_heard() {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (url, server) = serve(move |socket| {
        socket.write_all(HEAD).unwrap();
        let _ = wait.recv();
    });
    let stop = Stop::new();
    let mut source = open(&url, &stop).unwrap();
    assert!(matches!(source.grab(&stop).unwrap(), Grab::Nothing));
    drop(release);
    server.join().unwrap();
}

#[test]
fn a_stop_ends_the_wait_for_the_head() {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (url, server) = serve(move |_| {
        let _ = wait.recv();
    });
    let stop = Stop::new();
    stop.request(Reason::Duration);
    assert!(open(&url, &stop).is_err());
    drop(release);
    server.join().unwrap();
}

#[test]
fn something_else_than_pictures_is_a_failure_and_the_next_picture_is_taken() {
    let (told, wait) = std::sync::mpsc::channel::<()>();
    let (url, server) = serve(move |socket| {
        socket.write_all(HEAD).unwrap();
        socket.write_all(&part(b"GIF89a").repeat(3)).unwrap();
        // Where a picture has come with them, nobody minds.
        assert!(wait.recv().is_err());
        socket.write_all(&part(&picture(64, 48))).unwrap();
    });
    let stop = Stop::new();
    let mut source = open(&url, &stop).unwrap();
    let why = next(&mut source, &stop).unwrap_err().to_string();
    assert!(why.contains("not a JPEG"), "{why}");
    drop(told);
    assert_eq!(next(&mut source, &stop).unwrap().number, 0);
    server.join().unwrap();
}

#[test]
fn no_server_is_told_with_the_address() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = HttpUrl::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    let why = open(&url, &Stop::new()).err().unwrap().to_string();
    assert!(
        why.contains("no connection") && !why.contains("error"),
        "{why}"
    );
}
