//! The status of nodes, from their API.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use quintet_components::containers::{Root, Slot};
use serde::Deserialize;

/// A node may take this long to answer.
const PATIENCE: Duration = Duration::from_millis(400);
/// The longest answer that is read.
const MAX_ANSWER_BYTES: u64 = 4 << 20;
/// Sessions of a node that are remembered: those of the slots that the node still tells of, and
/// some.
const MAX_SESSIONS: usize = 64;
/// The path that answers with everything at once.
const PATH: &str = "/quintet/v0/overview";

/// The part of a node's overview that the devnet looks at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Overview {
    pub(super) node: NodePart,
    pub(super) clock: ClockPart,
    pub(super) head: Point,
    pub(super) justified: Point,
    pub(super) finalized: Point,
    pub(super) sync: SyncPart,
    pub(super) sessions: Vec<Session>,
    pub(super) peers: Vec<serde::de::IgnoredAny>,
    pub(super) duties: DutiesPart,
    pub(super) warnings: Vec<WarningPart>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NodePart {
    pub(super) is_aggregator: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ClockPart {
    pub(super) slot: Slot,
    pub(super) interval: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Point {
    pub(super) slot: Slot,
    pub(super) root: Root,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SyncPart {
    pub(super) state: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) outcome: String,
    pub(super) jobs: Vec<Job>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Job {
    pub(super) status: String,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DutiesPart {
    pub(super) missed: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WarningPart {
    pub(super) text: String,
}

/// The condition of a node, as far as the devnet knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Condition {
    /// It has not answered yet.
    #[default]
    Starting,
    /// It answers.
    Running,
    /// Its process is stopped.
    Paused,
    /// It does not answer.
    Silent,
}

/// The known facts of a node.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeView {
    pub(super) name: String,
    pub(super) condition: Condition,
    pub(super) overview: Overview,
    /// Proofs made in all sessions so far.
    pub(super) proofs: u64,
    /// The number of sessions that ended, by outcome.
    pub(super) outcomes: BTreeMap<String, u64>,
    /// Proofs and outcome of the last sessions, in the order in which they were seen.
    sessions: Vec<(String, u64, String)>,
}

impl NodeView {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The node's condition in one word.
    pub(super) fn word(&self) -> &str {
        match self.condition {
            Condition::Starting => "starting",
            Condition::Paused => "paused",
            Condition::Silent => "silent",
            Condition::Running if self.overview.sync.state != "synced" => {
                self.overview.sync.state.as_str()
            }
            Condition::Running if self.overview.node.is_aggregator => "aggregates",
            Condition::Running => "follows",
        }
    }

    /// Takes what the node said last.
    pub(super) fn take(&mut self, answer: io::Result<Overview>) {
        let Ok(overview) = answer else {
            if self.condition != Condition::Starting {
                self.condition = Condition::Silent;
            }
            return;
        };
        for session in &overview.sessions {
            let made = session.jobs.iter().filter(|job| job.status == "proved").count() as u64;
            let known = self.sessions.iter().position(|(id, ..)| *id == session.id);
            let at = known.unwrap_or_else(|| {
                self.sessions.push((session.id.clone(), 0, String::new()));
                self.sessions.len() - 1
            });
            let (_, proofs, outcome) = &mut self.sessions[at];
            self.proofs += made.saturating_sub(std::mem::replace(proofs, made));
            if *outcome != session.outcome {
                *self.outcomes.entry(session.outcome.clone()).or_default() += 1;
                if let Some(count) = self.outcomes.get_mut(outcome.as_str()) {
                    *count -= 1;
                }
                outcome.clone_from(&session.outcome);
            }
        }
        let old = self.sessions.len().saturating_sub(MAX_SESSIONS);
        self.sessions.drain(..old);
        self.condition = Condition::Running;
        self.overview = overview;
    }
}

/// Asks a node.
pub(super) fn ask(address: SocketAddr) -> io::Result<Overview> {
    serde_json::from_slice(&get(address, PATH, PATIENCE)?).map_err(io::Error::from)
}

/// The body of an answer to GET. HTTP/1.0, so that it comes in one piece and the connection ends.
pub(super) fn get(address: SocketAddr, path: &str, patience: Duration) -> io::Result<Vec<u8>> {
    let wrong = |what: &str| io::Error::other(what.to_owned());
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let body = answer.split_off(end.ok_or_else(|| wrong("no HTTP"))? + 4);
    let status = answer.split(|byte| *byte == b' ').nth(1);
    if status == Some(b"200".as_slice()) { Ok(body) } else { Err(wrong("not 200")) }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn session(id: &str, outcome: &str, proved: usize) -> serde_json::Value {
        let jobs = vec![serde_json::json!({"kind": "aggregation", "status": "proved"}); proved];
        serde_json::json!({"id": id, "slot": 5, "outcome": outcome, "jobs": jobs})
    }

    fn overview(sessions: &[serde_json::Value]) -> Overview {
        let root = format!("0x{}", "11".repeat(32));
        let text = serde_json::json!({
            "node": {"name": "quintet_0", "is_aggregator": true, "more": 1},
            "clock": {"slot": 5, "interval": 2, "time_ms": 0, "seconds_per_slot": 4},
            "head": {"slot": 5, "root": root}, "finalized": {"slot": 2, "root": root},
            "sessions": sessions, "peers": [{"peer_id": "a"}, {"peer_id": "b"}],
            "duties": {"missed": 3},
        });
        serde_json::from_value(text).expect("it is an overview")
    }

    #[test]
    fn sessions_are_counted_once_however_often_they_are_told() {
        let mut view = NodeView::new("quintet_0");
        view.take(Err(io::Error::other("not there")));
        assert_eq!(view.condition, Condition::Starting);
        view.take(Ok(overview(&[session("1v0", "open", 1)])));
        view.take(Ok(overview(&[session("1v0", "published", 2), session("2v0", "cut", 0)])));
        view.take(Ok(overview(&[session("2v0", "cut", 0), session("3v0", "published", 1)])));
        assert_eq!(view.proofs, 3);
        assert_eq!(
            (view.outcomes["published"], view.outcomes["cut"], view.outcomes["open"]),
            (2, 1, 0)
        );
        assert_eq!((view.condition, view.overview.peers.len()), (Condition::Running, 2));
        view.take(Err(io::Error::other("gone")));
        assert_eq!((view.condition, view.overview.head.slot), (Condition::Silent, 5));
    }

    #[test]
    fn a_node_is_asked_over_http() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let address = listener.local_addr().expect("it is bound");
        let answers = [
            "HTTP/1.0 200 OK\r\nX: y\r\n\r\n{\"duties\":{\"missed\":7}}",
            "HTTP/1.0 404 no\r\n\r\n{}",
            "x",
        ];
        let server = std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().expect("somebody asks");
                let mut asked = [0; 1024];
                let read = stream.read(&mut asked).expect("the request");
                assert!(asked[..read].starts_with(b"GET /quintet/v0/overview HTTP/1.0\r\n"));
                stream.write_all(answer.as_bytes()).expect("it listens");
            }
        });
        assert_eq!(ask(address).expect("an overview").duties.missed, 7);
        assert!(ask(address).is_err() && ask(address).is_err());
        server.join().expect("no panic");
        assert!(ask(address).is_err(), "nobody listens");
    }
}
