//! The real socket code against small servers on this machine.

use std::net::TcpListener;
use std::thread::JoinHandle;

use super::*;
use crate::base::beat::Beat;
use crate::base::clock::SystemClock;
use crate::base::stop::Reason;

/// Takes one connection, reads the request, and lets `answer` deal with it. Returns the request.
fn serve(answer: impl FnOnce(&mut TcpStream) + Send + 'static) -> (HttpUrl, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            socket.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        answer(&mut socket);
        String::from_utf8(request).unwrap()
    });
    let url = HttpUrl::parse(&format!("http://me:secret@127.0.0.1:{port}/stream?x=1")).unwrap();
    (url, server)
}

fn open(url: &HttpUrl, stop: &Stop) -> Result<HttpSource> {
    let names = Names::new("names", stop, &Beat::default());
    HttpSource::open(url, Arc::new(SystemClock), stop, &names)
}

const HEAD: &[u8] =
    b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\n";

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
    let picture = jpeg::header(320, 240);
    let sent = picture.clone();
    let (url, server) = serve(move |socket| {
        socket.write_all(HEAD).unwrap();
        socket.write_all(&part(&sent)).unwrap();
        socket.write_all(&part(&sent)).unwrap();
    });
    let stop = Stop::new();
    let mut source = open(&url, &stop).unwrap();
    for number in 0..2 {
        let frame = next(&mut source, &stop).unwrap();
        assert_eq!(frame.number, number);
        assert_eq!(frame.picture, Picture::Jpeg(picture.clone()));
    }
    let why = next(&mut source, &stop).unwrap_err().to_string();
    assert!(
        why.contains("closed") && why.contains("/stream?x=1"),
        "{why}"
    );
    assert!(!why.contains("secret") && !source.describe().contains("secret"));
    assert!(source.describe().contains("320x240"));
    let request = server.join().unwrap();
    assert!(
        request.starts_with("GET /stream?x=1 HTTP/1.1\r\nHost: 127.0.0.1:"),
        "{request}"
    );
    assert!(
        request.contains("\r\nAuthorization: Basic bWU6c2VjcmV0\r\n"),
        "{request}"
    );
}

#[test]
fn a_web_page_is_refused_with_the_address() {
    let (url, server) = serve(|socket| {
        socket
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>")
            .unwrap();
    });
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
fn something_else_than_a_picture_is_a_failure_and_the_next_one_is_taken() {
    let (url, server) = serve(|socket| {
        socket.write_all(HEAD).unwrap();
        socket.write_all(&part(b"GIF89a")).unwrap();
        socket.write_all(&part(&jpeg::header(64, 48))).unwrap();
    });
    let stop = Stop::new();
    let mut source = open(&url, &stop).unwrap();
    let why = next(&mut source, &stop).unwrap_err().to_string();
    assert!(why.contains("not a JPEG"), "{why}");
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
