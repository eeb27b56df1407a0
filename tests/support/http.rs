//! A node that serves HTTP, and a client that sends exactly what it is told to.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use quintet_plugins::{HttpConfig, HttpPlugin, http::LocalHttp};

use super::node::{Setup, TestNode};

/// For an answer that should come at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("headers end");
        let head = std::str::from_utf8(&bytes[..end]).expect("headers are text");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut answer =
            Self { status: status.expect("a status"), headers, body: bytes[end + 4..].to_vec() };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = unchunked(&answer.body);
        }
        answer
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The message of an error, whose body has to say its status too.
    pub fn error(&self) -> String {
        let body = self.json();
        assert_eq!(body["code"], self.status, "{body}");
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"));
        body["error"].as_str().expect("a message").to_owned()
    }
}

/// The content of chunks, as far as they came.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).ok();
        let Some(size) = size.and_then(|size| usize::from_str_radix(size, 16).ok()) else { break };
        let Some(chunk) = bytes.get(end + 2..end + 2 + size).filter(|_| size > 0) else { break };
        content.extend_from_slice(chunk);
        bytes = bytes.get(end + 4 + size..).unwrap_or_default();
    }
    content
}

/// A connection with a limit on every read.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// Sends bytes, and reads until the server closes.
pub fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = connect(address);
    // The server may have answered and closed before it has read everything.
    let _ = stream.write_all(request);
    read_answer(&mut stream)
}

/// Reads until the server closes.
pub fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert!(!bytes.is_empty(), "no answer: {error}");
    }
    Answer::parse(&bytes)
}

/// A request with these further header lines.
pub fn request(method: &str, path: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    if !body.is_empty() || method == "POST" {
        text += &format!("content-length: {}\r\n", body.len());
    }
    for header in headers {
        text += header;
        text += "\r\n";
    }
    text += "\r\n";
    [text.as_bytes(), body].concat()
}

/// A GET.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    exchange(address, &request("GET", path, &[], b""))
}

/// A GET that accepts this.
pub fn get_as(address: SocketAddr, path: &str, accept: &str) -> Answer {
    exchange(address, &request("GET", path, &[&format!("accept: {accept}")], b""))
}

/// A node with its servers on free ports of loopback.
pub struct Served {
    pub node: TestNode,
    pub address: SocketAddr,
    pub metrics: SocketAddr,
}

impl Served {
    /// A node as it is after its first update.
    pub fn start(setup: Setup) -> Self {
        Self::with(setup, |_| {})
    }

    /// The same with another configuration of the servers.
    pub fn with(setup: Setup, change: impl FnOnce(&mut HttpConfig)) -> Self {
        let mut config = HttpConfig {
            api: Some(([127, 0, 0, 1], 0).into()),
            metrics: Some(([127, 0, 0, 1], 0).into()),
            ..HttpConfig::default()
        };
        change(&mut config);
        let mut node = TestNode::new(setup.with(move |app| {
            app.add_plugins(HttpPlugin { config });
        }));
        node.update();
        let LocalHttp { api, metrics } = *node.world().resource::<LocalHttp>();
        let address = api.expect("the API is on");
        Self { node, address, metrics: metrics.unwrap_or(address) }
    }

    pub fn get(&self, path: &str) -> Answer {
        get(self.address, path)
    }

    pub fn get_as(&self, path: &str, accept: &str) -> Answer {
        get_as(self.address, path, accept)
    }

    /// Sends a request to the world, which goes on meanwhile.
    pub fn ask(&mut self, request: &[u8]) -> Answer {
        let address = self.address;
        self.while_updating(|| exchange(address, request))
    }

    /// Does something while the node goes on.
    pub fn while_updating<T: Send>(&mut self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let work = scope.spawn(work);
            while !work.is_finished() {
                self.node.update();
                std::thread::sleep(Duration::from_millis(1));
            }
            work.join().expect("it does not panic")
        })
    }
}
