//! The event stream.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use quintet_components::{
    chain::{Finalized, Justified},
    containers::{AttestationData, Checkpoint, Root},
    messages::HeadChanged,
};
use serde_json::{Value, json};
use tree_hash::TreeHash;

use crate::support::{
    chain,
    http::{Served, connect, get},
    node::Setup,
};

/// A client of the stream.
struct Client(BufReader<TcpStream>);

impl Client {
    fn open(address: SocketAddr, topics: &str) -> Self {
        let mut stream = connect(address);
        let request =
            format!("GET /lean/v0/events?topics={topics} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is open");
        let mut client = Self(BufReader::new(stream));
        assert!(client.line().contains("200"));
        let mut headers = BTreeMap::new();
        loop {
            let line = client.line();
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        assert_eq!(headers["content-type"], "text/event-stream");
        assert_eq!(client.chunk(), ": connected\n\n");
        client
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("it goes on");
        line.trim_end().to_owned()
    }

    /// One piece of the stream.
    fn chunk(&mut self) -> String {
        let size = usize::from_str_radix(&self.line(), 16).expect("a size");
        let mut chunk = vec![0; size + 2];
        self.0.read_exact(&mut chunk).expect("a chunk");
        chunk.truncate(size);
        String::from_utf8(chunk).expect("text")
    }

    /// The next event, or comment as an event without data.
    fn next(&mut self) -> (String, Value) {
        let chunk = self.chunk();
        let Some((event, data)) = chunk.trim_end().split_once("\ndata: ") else {
            return (chunk.trim_end().to_owned(), Value::Null);
        };
        let name = event.strip_prefix("event: ").expect("an event");
        (name.to_owned(), serde_json::from_str(data).expect("JSON"))
    }
}

#[test]
fn every_topic_tells_what_happens() {
    let anchor = chain::genesis(4);
    let mut served = Served::start(Setup::new(anchor.clone()).accepting_signatures());
    served.node.tick_to(5, false);
    let mut all = Client::open(
        served.address,
        "head,block,justified_checkpoint,finalized_checkpoint,block_gossip,attestation,aggregate",
    );
    let mut heads = Client::open(served.address, "head&topics=finalized_checkpoint");
    let (block, _) = chain::build_on(&anchor.state, 1, Vec::new()).expect("a valid block");
    let root = block.tree_hash_root();
    let at = Checkpoint { root, slot: 1 };
    served.node.block(chain::signed(block.clone()));
    let block_data = json!({ "slot": 1, "block": root });
    let state_data = json!({ "slot": 1, "block": root, "state": block.state_root });
    assert_eq!(all.next(), ("block_gossip".into(), block_data.clone()));
    assert_eq!(all.next(), ("block".into(), block_data));
    assert_eq!(all.next(), ("head".into(), state_data.clone()));
    assert_eq!(heads.next(), ("head".into(), state_data.clone()));

    let source = Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 };
    let data = AttestationData { slot: 1, head: at, target: at, source };
    served.node.attestation(chain::attested_by(data, 2));
    let vote = json!({ "validator_id": 2, "data": data });
    assert_eq!(all.next(), ("attestation".into(), vote));
    served.node.aggregate(chain::aggregate(data, &[1, 3]));
    assert_eq!(all.next(), ("aggregate".into(), json!({ "participants": [1, 3], "data": data })));
    // One that is refused is not told.
    let unknown =
        AttestationData { head: Checkpoint { root: Root::repeat_byte(9), slot: 1 }, ..data };
    served.node.attestation(chain::attested_by(unknown, 3));

    served.node.world().resource_mut::<Justified>().0 = at;
    served.node.update();
    served.node.world().resource_mut::<Finalized>().0 = at;
    served.node.update();
    assert_eq!(all.next(), ("justified_checkpoint".into(), state_data.clone()));
    assert_eq!(all.next(), ("finalized_checkpoint".into(), state_data.clone()));
    assert_eq!(heads.next(), ("finalized_checkpoint".into(), state_data));
}

#[test]
fn topics_are_needed_and_have_to_be_known() {
    let served = Served::start(Setup::new(chain::genesis(4)));
    for query in ["", "?", "?topics", "?topics=", "?topics=,", "?topic=head"] {
        let answer = served.get(&format!("/lean/v0/events{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.error().contains("head, block, justified_checkpoint"));
    }
    let answer = served.get("/lean/v0/events?topics=head,heads");
    assert_eq!(answer.status, 400);
    assert!(answer.error().starts_with("\"heads\" is not a topic"));
}

/// Tells of so many heads, a few an update.
fn tell_heads(served: &mut Served, slots: std::ops::Range<u64>) {
    for slot in slots {
        let head = |slot| Checkpoint { root: Root::repeat_byte(5), slot };
        let (old, new) = (head(slot.saturating_sub(1)), head(slot));
        served.node.world().write_message(HeadChanged { old, new, reorg_depth: 0 });
        if slot % 64 == 0 {
            served.node.update();
        }
    }
    served.node.update();
}

#[test]
fn a_slow_reader_is_told_what_it_has_lost_and_goes_on() {
    let mut served = Served::with(Setup::new(chain::genesis(4)), |config| {
        config.limits.event_buffer = 16;
    });
    let mut slow = Client::open(served.address, "head");
    // More than any socket buffers.
    const TOLD: u64 = 100_000;
    tell_heads(&mut served, 1..TOLD);
    let (mut seen, mut lost, mut last, mut told) = (0, 0, 0, TOLD);
    loop {
        let (event, data) = slow.next();
        if let Some(rest) = event.strip_prefix(": error - dropped ") {
            lost += rest.strip_suffix(" messages").and_then(|n| n.parse::<u64>().ok()).expect("N");
        } else {
            assert_eq!(event, "head");
            seen += 1;
            last = data["slot"].as_u64().expect("a slot");
        }
        if seen + lost + 1 == told {
            if last + 1 == told {
                break;
            }
            // What comes after the gap.
            tell_heads(&mut served, told..told + 1);
            told += 1;
        }
    }
    assert_eq!(seen + lost, told - 1, "everything is seen or told to be lost");
    assert!(lost > 0 && seen > 16);
}

#[test]
fn a_thousand_clients_hear_the_same_and_one_too_many_is_told() {
    let mut served = Served::with(Setup::new(chain::genesis(4)), |config| {
        config.limits.event_clients = 1000;
    });
    // A client has a file on either side.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
    let mut clients: Vec<Client> =
        (0..1000).map(|_| Client::open(served.address, "head")).collect();
    let answer = served.get("/lean/v0/events?topics=head");
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (503, "too many clients of the event stream")
    );
    tell_heads(&mut served, 1..4);
    for client in &mut clients {
        for slot in 1..4 {
            let (event, data) = client.next();
            assert_eq!((event.as_str(), &data["slot"]), ("head", &json!(slot)));
        }
    }
    assert_eq!(get(served.address, "/lean/v0/health").status, 200);
    drop(clients);
    let is_free = (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        let mut stream = connect(served.address);
        let request = b"GET /lean/v0/events?topics=head HTTP/1.1\r\nhost: localhost\r\n\r\n";
        stream.write_all(request).expect("open");
        let mut status = [0; 12];
        stream.read_exact(&mut status).expect("an answer");
        &status[9..] == b"200"
    });
    assert!(is_free, "places are given back");
}

#[test]
fn a_quiet_stream_is_kept_open() {
    let served = Served::with(Setup::new(chain::genesis(4)), |config| {
        config.limits.keep_alive = Duration::from_millis(20);
    });
    let mut client = Client::open(served.address, "head");
    for _ in 0..3 {
        assert_eq!(client.next().0, ": keep-alive");
    }
}
