//! Requests that cannot be answered: the right status, a JSON error that says what is wrong, and a
//! server that goes on.

use std::{
    io::{Read, Write},
    time::Duration,
};

use quintet_components::containers::Root;

use crate::support::{
    chain,
    http::{Served, connect, exchange, get, get_as, read_answer, request},
    node::Setup,
};

const ADMIN: &str = "/lean/v0/admin/aggregator";

fn served() -> Served {
    Served::start(Setup::new(chain::genesis(4)))
}

#[test]
fn malformed_ids_are_400_and_unknown_ones_404() {
    let served = served();
    let unknown_root = Root::repeat_byte(7).to_string();
    for kind in ["blocks/{}", "blocks/{}/header", "headers/{}", "states/{}"] {
        let path = |id: &str| format!("/lean/v0/{}", kind.replace("{}", id));
        for id in ["x", "-1", "0x12", "0xzz", "1.5", "18446744073709551616", "%00", "..%2f..%2fetc"]
        {
            let answer = served.get(&path(id));
            assert_eq!(answer.status, 400, "{kind} {id}");
            assert!(answer.error().starts_with("an id is head, justified"), "{kind} {id}");
        }
        assert_eq!(served.get(&path(&unknown_root)).status, 404);
        let answer = served.get(&path("7"));
        assert_eq!((answer.status, answer.error().as_str()), (404, "the slot is after the head"));
        assert_eq!(served.get(&path("%ff")).status, 400, "no UTF-8");
    }
}

#[test]
fn unknown_paths_are_404_and_unknown_methods_405() {
    let served = served();
    for path in ["/nothing", "/lean/v0/nothing", "/lean/v0/", "/lean/v0/health/", "/lean/v1/health"]
    {
        assert!(served.get(path).error().contains("no such path"), "{path}");
    }
    let answer = exchange(served.address, &request("PUT", ADMIN, &[], b"{}"));
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD,POST")));
    answer.error();
    let answer = exchange(served.address, &request("POST", "/lean/v0/health", &[], b""));
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")));
    let answer = exchange(served.address, &request("NONSENSE", "/lean/v0/health", &[], b""));
    assert_eq!(answer.status, 405);
    assert_eq!(exchange(served.metrics, &request("GET", "/lean/v0/health", &[], b"")).status, 404);
}

#[test]
fn a_coded_body_is_415_and_the_coding_that_is_taken_is_named() {
    let served = served();
    let body = b"{\"enabled\":true}";
    for coding in ["gzip", "br", "zstd", "identity, gzip", "x"] {
        let header = format!("content-encoding: {coding}");
        let answer = exchange(served.address, &request("POST", ADMIN, &[&header], body));
        assert_eq!(answer.status, 415, "{coding}");
        assert!(answer.error().contains("Content-Encoding"), "{coding}");
        assert_eq!(answer.header("accept-encoding"), Some("identity"));
    }
    let driver = request("POST", ADMIN, &["content-encoding: gzip"], b"");
    assert_eq!(exchange(served.address, &driver).status, 415, "also without a body");
    // Without a body there is nothing that is coded.
    let get = request("GET", ADMIN, &["content-encoding: gzip"], b"");
    assert_eq!(exchange(served.address, &get).status, 200);
}

#[test]
fn nothing_acceptable_is_406() {
    let served = served();
    for path in ["/lean/v0/states/finalized", "/lean/v0/blocks/head", "/lean/v0/headers/head"] {
        for accept in ["text/html", "application/json;q=0, application/octet-stream;q=0", "x"] {
            let answer = served.get_as(path, accept);
            assert_eq!(answer.status, 406, "{path} {accept}");
            assert!(answer.error().contains("application/octet-stream"));
        }
    }
    let answer = served.get_as("/lean/v0/events?topics=head", "application/json");
    assert_eq!(answer.status, 406);
}

#[test]
fn bodies_that_are_no_role_are_refused_and_change_nothing() {
    let served = served();
    let post = |headers: &[&str], body: &[u8]| {
        exchange(served.address, &request("POST", ADMIN, headers, body))
    };
    let json = ["content-type: application/json"];
    let bodies: [&[u8]; 13] = [
        b"",
        b"true",
        b"{}",
        b"[]",
        b"null",
        b"{\"enabled\":1}",
        b"{\"enabled\":\"true\"}",
        b"{\"enabled\":null}",
        b"{\"enabled\":true",
        b"{\"enabled\":true}x",
        b"{\"enabled\":true,\"enabled\":false}",
        b"\xff\xfe",
        b"{\"Enabled\":true}",
    ];
    for body in bodies {
        let answer = post(&json, body);
        assert_eq!(answer.status, 400, "{}", String::from_utf8_lossy(body));
        assert!(answer.error().contains("`enabled`"));
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "\u{e9}"] {
        let answer = post(&[&format!("content-type: {kind}")], b"{\"enabled\":true}");
        assert_eq!(answer.status, 415, "{kind}");
        answer.error();
    }
    assert_eq!(served.get(ADMIN).json()["is_aggregator"], false);
}

#[test]
fn oversized_bodies_are_413_whether_or_not_they_say_so() {
    let served = served();
    let json = "content-type: application/json";
    let large = vec![b' '; 80 << 10];
    let answer = exchange(served.address, &request("POST", ADMIN, &[json], &large));
    assert_eq!(answer.status, 413);
    answer.error();
    // Announced and never sent: the answer does not wait for it.
    let head = format!(
        "POST {ADMIN} HTTP/1.1\r\nhost: localhost\r\n{json}\r\ncontent-length: 99999999999\r\nconnection: close\r\n\r\n"
    );
    assert_eq!(exchange(served.address, head.as_bytes()).status, 413);
    // Not announced, in chunks.
    let mut body = format!("POST {ADMIN} HTTP/1.1\r\nhost: localhost\r\n{json}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n").into_bytes();
    for _ in 0..80 {
        body.extend_from_slice(b"400\r\n");
        body.extend_from_slice(&[b' '; 1024]);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    let answer = exchange(served.address, &body);
    assert_eq!(answer.status, 413);
    answer.error();
}

#[test]
fn who_sends_too_slowly_is_told_or_cut_off_and_others_are_served() {
    let served = Served::with(Setup::new(chain::genesis(4)), |config| {
        config.limits.headers = Duration::from_millis(1500);
        config.limits.answer = Duration::from_millis(1500);
    });
    // Headers that never end.
    let mut stream = connect(served.address);
    stream.write_all(b"GET /lean/v0/health HTTP/1.1\r\nhost: loc").expect("it is open");
    assert_eq!(served.get("/lean/v0/health").status, 200);
    let answer = read_answer(&mut stream);
    assert_eq!((answer.status, answer.error().contains("headers")), (408, true));
    // Nothing at all: there is no request to answer.
    let mut rest = Vec::new();
    let _ = connect(served.address).read_to_end(&mut rest);
    assert!(rest.is_empty());
    // A body that never ends.
    let mut stream = connect(served.address);
    let head = format!(
        "POST {ADMIN} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n{{\"ena"
    );
    stream.write_all(head.as_bytes()).expect("it is open");
    assert_eq!(served.get("/lean/v0/health").status, 200);
    let answer = read_answer(&mut stream);
    assert_eq!(answer.status, 408);
    answer.error();
}

#[test]
fn what_is_no_http_is_told_so_and_ends_the_connection_and_nothing_else() {
    let served = served();
    let long_header = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(64 << 10));
    let many_headers = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(200));
    let long_path = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(60 << 10));
    let requests: [(&[u8], u16); 9] = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"GET  HTTP/1.1\r\n\r\n", 400),
        (b"POST /lean/v0/admin/aggregator HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400),
        (long_header.as_bytes(), 431),
        (many_headers.as_bytes(), 431),
        (long_path.as_bytes(), 431),
    ];
    for (request, status) in requests {
        let start = String::from_utf8_lossy(&request[..request.len().min(40)]).into_owned();
        let answer = exchange(served.address, request);
        assert_eq!(
            (answer.status, answer.header("connection")),
            (status, Some("close")),
            "{start:?}"
        );
        answer.error();
    }
    assert_eq!(served.get("/lean/v0/health").status, 200);
}

#[test]
fn beyond_the_places_for_connections_one_is_told_so() {
    let served = Served::with(Setup::new(chain::genesis(4)), |config| {
        config.limits.connections = 2;
    });
    let held: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = connect(served.address);
            // Answered and kept open, so that it has its place.
            stream.write_all(b"GET /v0/health HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("open");
            stream.read_exact(&mut [0; 15]).expect("an answer");
            stream
        })
        .collect();
    let answer = get(served.address, "/v0/health");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.error(), "too many connections");
    drop(held);
    let is_free = (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        get(served.address, "/v0/health").status == 200
    });
    assert!(is_free, "places are given back");
}

#[test]
fn errors_name_no_path_of_the_disk_and_no_secret() {
    let served = served();
    for (path, accept) in [
        ("/lean/v0/blocks/x", "*/*"),
        ("/lean/v0/states/99", "*/*"),
        ("/lean/v0/states/head", "text/html"),
        ("/debug/pprof/allocs", "*/*"),
        ("/etc/passwd", "*/*"),
        ("/../../etc/passwd", "*/*"),
    ] {
        let answer = get_as(served.address, path, accept);
        assert!(answer.status >= 400);
        let error = answer.error();
        for secret in ["/etc", "/root", "/home", "/tmp", "src/"] {
            assert!(!error.contains(secret), "{path}: {error}");
        }
    }
}

#[test]
fn beyond_the_places_for_states_one_is_told_so_and_the_rest_is_served() {
    let served = Served::with(Setup::new(chain::genesis(4096)), |config| {
        config.limits.state_answers = 2;
    });
    let path = "/lean/v0/states/finalized";
    // Much more than a socket buffers, and nothing of it read.
    let held: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = connect(served.address);
            for _ in 0..64 {
                let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
                stream.write_all(request.as_bytes()).expect("open");
            }
            stream.read_exact(&mut [0; 15]).expect("an answer");
            stream
        })
        .collect();
    let is_full = (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        served.get(path).status == 503
    });
    assert!(is_full, "two are being sent");
    assert_eq!(served.get(path).error(), "too many states are being sent");
    assert_eq!(served.get("/lean/v0/head").status, 200);
    drop(held);
    let is_free = (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        served.get(path).status == 200
    });
    assert!(is_free, "places are given back");
}
