//! Requests and answers, between nodes and with peers that misbehave.

use std::{sync::Arc, time::Duration};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use quintet_components::{
    containers::{
        BlocksByRangeRequest, BlocksByRootRequest, Checkpoint, Root, SignedBlock, Status,
    },
    messages::{BlockReceived, InputId},
    network::{
        Answer, NetworkCommand, PeerEvent, Request, RequestEvent, RequestFailure, RequestId,
        ResponseError,
    },
};
use quintet_plugins::network::{
    Rate,
    codec::wire::{self, ResponseCode},
};
use ssz::Encode;

use crate::quic::{
    node::{Script, TestNode, config, meet},
    raw::RawPeer,
    samples::{block, block_with},
};

const STATUS: &str = "/leanconsensus/req/status/1/ssz_snappy";
const BY_ROOT: &str = "/leanconsensus/req/blocks_by_root/1/ssz_snappy";
const BY_RANGE: &str = "/leanconsensus/req/blocks_by_range/1/ssz_snappy";

fn root(block: &Arc<SignedBlock>) -> Root {
    BlockReceived::new(InputId(0), Arc::clone(block)).root
}

pub(super) fn by_root(roots: impl IntoIterator<Item = Root>) -> Request {
    let mut request = BlocksByRootRequest::default();
    for root in roots {
        request.roots.0.push(root).expect("at most 1024");
    }
    Request::BlocksByRoot(request)
}

pub(super) fn by_range(start_slot: u64, count: u64) -> Request {
    Request::BlocksByRange(BlocksByRangeRequest { start_slot, count })
}

/// Serves these blocks by root, and by range in the order given.
fn serving(blocks: Vec<Arc<SignedBlock>>) -> Script {
    let by_slot: Vec<(u64, Root)> =
        blocks.iter().map(|block| (block.block.slot, root(block))).collect();
    Script {
        blocks,
        answer: Box::new(move |request| {
            Some(match request {
                Request::Status(status) => Answer::Status(*status),
                Request::BlocksByRoot(request) => {
                    Answer::Blocks(request.roots.0.iter().copied().collect())
                }
                Request::BlocksByRange(request) => {
                    let slots = request.start_slot..request.start_slot + request.count;
                    let asked = by_slot.iter().filter(|(slot, _)| slots.contains(slot));
                    Answer::Blocks(asked.map(|(_, root)| *root).collect())
                }
            })
        }),
        ..Script::default()
    }
}

/// A client and a server, connected.
fn pair(script: Script) -> (TestNode, TestNode) {
    let server = TestNode::scripted(config(1), script);
    let mut set_up = config(2);
    set_up.bootnodes = server.bootnode();
    let client = TestNode::start(set_up);
    meet(&client, &server);
    (client, server)
}

#[test]
fn statuses_and_blocks_are_exchanged() {
    let blocks: Vec<_> = (1..=20).map(|slot| block_with(slot, 3_000)).collect();
    let (client, server) = pair(serving(blocks.clone()));
    let mine =
        Status { head: Checkpoint { slot: 7, ..Checkpoint::default() }, ..Status::default() };
    client.request(1, server.peer(), Request::Status(mine));
    assert_eq!(client.wait_ended(1), (0, Ok(())));
    client.look(|log| {
        assert!(matches!(log.events[0], RequestEvent::Status { status, .. } if status == mine));
    });
    server.look(|log| assert_eq!(*log.requests[0].peer.0, *client.peer().to_base58()));

    client.request(2, server.peer(), by_range(1, 1024));
    assert_eq!(client.wait_ended(2), (20, Ok(())));
    // Unknown roots are left out; a root that is asked for twice may come twice.
    let roots = [root(&blocks[3]), Root::repeat_byte(9), root(&blocks[4]), root(&blocks[3])];
    client.request(3, server.peer(), by_root(roots));
    assert_eq!(client.wait_ended(3), (3, Ok(())));
    client.look(|log| {
        let received: Vec<_> = log
            .events
            .iter()
            .filter_map(|event| match event {
                RequestEvent::Block { id: RequestId(3), root, block } => {
                    Some((*root, block.clone()))
                }
                _ => None,
            })
            .collect();
        assert_eq!(received[0], (roots[0], blocks[3].clone()));
        assert_eq!(received[1], (roots[2], blocks[4].clone()));
    });
    client.request(4, server.peer(), by_root([Root::repeat_byte(8)]));
    assert_eq!(client.wait_ended(4), (0, Ok(())));
    client.request(5, server.peer(), by_range(1_000, 1));
    assert_eq!(client.wait_ended(5), (0, Ok(())));
    server.wait("served", |_| server.counters.blocks_by_root.served.get() == 2);
    assert_eq!(client.counters.blocks_by_range.chunks_received.get(), 20);
}

#[test]
fn the_most_that_may_be_asked_for_is_served_and_nothing_is_lost_in_a_full_lane() {
    let blocks: Vec<_> = (1..=1024).map(block).collect();
    let (client, server) = pair(serving(blocks.clone()));
    // A world that sleeps takes nothing from its lanes.
    client.act(|_| std::thread::sleep(Duration::from_millis(300)));
    client.request(1, server.peer(), by_root(blocks.iter().map(root)));
    assert_eq!(client.wait_ended(1), (1024, Ok(())));
    client.request(2, server.peer(), by_range(1, 1024));
    assert_eq!(client.wait_ended(2), (1024, Ok(())));
}

#[test]
fn too_few_and_too_many_are_refused_by_name() {
    let (client, server) = pair(serving(vec![block(1)]));
    let invalid =
        |text: &str| Err(RequestFailure::Refused(ResponseError::InvalidRequest(text.into())));
    let server_peer = server.peer();
    client.request(1, server_peer, by_root([]));
    assert_eq!(client.wait_ended(1), (0, invalid("No roots")));
    client.request(2, server_peer, by_range(1, 0));
    assert_eq!(client.wait_ended(2), (0, invalid("Invalid count")));
    client.request(3, server_peer, by_range(1, 1025));
    assert_eq!(client.wait_ended(3), (0, invalid("Invalid count")));
    server.look(|log| assert!(log.requests.is_empty(), "the world is not bothered"));

    // This node cannot even write down 1025 roots; others can.
    let peer = RawPeer::start(None);
    peer.connect(&server.address());
    let text = |answer: &[u8]| match wire::decode_chunks(answer).as_deref() {
        Ok([(ResponseCode::InvalidRequest, text)]) => String::from_utf8_lossy(text).into_owned(),
        other => panic!("expected an error, got {other:?}"),
    };
    let mut roots = 4_u32.to_le_bytes().to_vec();
    roots.resize(4 + 32 * 1025, 1);
    let bytes = wire::encode_request(&roots).expect("encodes");
    let malformed = "Invalid BlocksByRootRequest message";
    assert_eq!(text(&peer.exchange(server_peer, BY_ROOT, bytes)), malformed);
    let bytes = wire::encode_request(&roots[..4 + 33]).expect("encodes");
    assert_eq!(text(&peer.exchange(server_peer, BY_ROOT, bytes)), malformed);
    let bytes = wire::encode_request(&[0; 79]).expect("encodes");
    assert_eq!(text(&peer.exchange(server_peer, STATUS, bytes)), "Invalid Status message");
    let bytes = b"\x10no frames at all".to_vec();
    let malformed = "Invalid BlocksByRangeRequest message";
    assert_eq!(text(&peer.exchange(server_peer, BY_RANGE, bytes)), malformed);
    assert_eq!(text(&peer.exchange(server_peer, BY_RANGE, Vec::new())), "Empty request");
    // Half of a length, and nothing more.
    assert_eq!(text(&peer.exchange(server_peer, BY_RANGE, vec![0x80])), "Empty request");
}

#[test]
fn errors_of_the_world_arrive_as_they_are() {
    let error = ResponseError::ResourceUnavailable("Requested slot predates history window".into());
    let told = error.clone();
    let script = Script {
        answer: Box::new(move |_| Some(Answer::Error(told.clone()))),
        ..Script::default()
    };
    let (client, server) = pair(script);
    client.request(1, server.peer(), by_range(1, 1));
    assert_eq!(client.wait_ended(1), (0, Err(RequestFailure::Refused(error))));
    // A long one is cut, and not within a letter.
    let long = ResponseError::ServerError("é".repeat(200));
    let chunks = wire::decode_chunks(&wire::encode_error(&long)).expect("decodes");
    assert_eq!(chunks[0].1.len(), 256);
}

#[test]
fn a_world_that_never_answers_is_answered_for() {
    let mut set_up = config(1);
    set_up.timeouts.progress = Duration::from_secs(1);
    let script = Script { answer: Box::new(|_| None), ..Script::default() };
    let server = TestNode::scripted(set_up, script);
    let mut set_up = config(2);
    set_up.bootnodes = server.bootnode();
    let client = TestNode::start(set_up);
    meet(&client, &server);
    client.request(1, server.peer(), Request::Status(Status::default()));
    let error = ResponseError::ServerError("Internal error".into());
    assert_eq!(client.wait_ended(1), (0, Err(RequestFailure::Refused(error))));
}

#[test]
fn a_request_that_is_never_finished_is_given_up() {
    let mut set_up = config(1);
    set_up.timeouts.progress = Duration::from_secs(1);
    let server = TestNode::start(set_up);
    let peer = RawPeer::start(None);
    peer.connect(&server.address());
    server.wait_connected(peer.peer);
    let mut stream = peer.open(server.peer(), STATUS).expect("opens");
    let answer = peer.run(async move {
        // Eighty bytes are announced, and none come.
        stream.write_all(&[80]).await.expect("writes");
        stream.flush().await.expect("writes");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    });
    assert_eq!(answer, Vec::<u8>::new());
    server.wait("counted", |_| server.counters.status.stalled.get() == 1);
}

#[test]
fn who_asks_too_much_is_told_so() {
    let mut set_up = config(1);
    set_up.rates.status = Rate { burst: 2.0, per_second: 0.0 };
    let server = TestNode::scripted(set_up, serving(Vec::new()));
    let mut set_up = config(2);
    set_up.bootnodes = server.bootnode();
    let client = TestNode::start(set_up);
    meet(&client, &server);
    for id in 0..2 {
        client.request(id, server.peer(), Request::Status(Status::default()));
        assert_eq!(client.wait_ended(id), (0, Ok(())));
    }
    client.request(2, server.peer(), Request::Status(Status::default()));
    let error = ResponseError::ServerError("Too many requests".into());
    assert_eq!(client.wait_ended(2), (0, Err(RequestFailure::Refused(error))));
    // Other protocols have rates of their own.
    client.request(3, server.peer(), by_range(1, 1));
    assert_eq!(client.wait_ended(3), (0, Ok(())));
    server.wait("counted", |_| server.counters.status.rate_limited.get() == 1);
}

#[test]
fn so_many_requests_at_once_and_no_more_are_listened_to() {
    let script = Script { answer: Box::new(|_| None), ..Script::default() };
    let mut set_up = config(1);
    // None of them ends meanwhile.
    set_up.timeouts.progress = Duration::from_secs(60);
    let server = TestNode::scripted(set_up, script);
    let peer = RawPeer::start(None);
    peer.connect(&server.address());
    server.wait_connected(peer.peer);
    let bytes = wire::encode_request(&Status::default().as_ssz_bytes()).expect("encodes");
    let mut open = Vec::new();
    for number in 0..8 {
        let mut stream = peer.open(server.peer(), STATUS).expect("opens");
        let bytes = bytes.clone();
        open.push(peer.run(async move {
            stream.write_all(&bytes).await.expect("writes");
            stream
        }));
        server.wait("asked", |log| log.requests.len() == number + 1);
    }
    assert_eq!(peer.exchange(server.peer(), STATUS, bytes), Vec::<u8>::new());
    server.wait("counted", |_| server.counters.status.rate_limited.get() == 1);
    assert_eq!(server.look(|log| log.requests.len()), 8);
}

#[test]
fn requests_to_nobody_end_and_cancelled_ones_say_no_more() {
    let script = Script { answer: Box::new(|_| None), ..Script::default() };
    let (client, server) = pair(script);
    client.request(1, libp2p::PeerId::random(), Request::Status(Status::default()));
    assert_eq!(client.wait_ended(1), (0, Err(RequestFailure::Disconnected)));
    client.request(2, server.peer(), Request::Status(Status::default()));
    server.wait("asked", |log| log.requests.len() == 1);
    client.write(NetworkCommand::Cancel(RequestId(2)));
    client.request(3, server.peer(), Request::Status(Status::default()));
    server.wait("asked again", |log| log.requests.len() == 2);
    server.stop();
    assert_eq!(client.wait_ended(3), (0, Err(RequestFailure::Disconnected)));
    client.look(|log| assert_eq!(log.events.len(), 2, "{:?}", log.events));
}

/// A peer that answers range requests with this.
fn answering<F>(
    timeout: Duration,
    write: impl Fn(libp2p::Stream) -> F + Send + 'static,
) -> (TestNode, RawPeer)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut set_up = config(1);
    set_up.timeouts.progress = timeout;
    let node = TestNode::start(set_up);
    let peer = RawPeer::start(None);
    let mut streams = peer.accept(BY_RANGE);
    peer.spawn(async move {
        while let Some((_, mut stream)) = streams.next().await {
            let mut request = Vec::new();
            let _ = stream.read_to_end(&mut request).await;
            tokio::spawn(write(stream));
        }
    });
    peer.connect(&node.address());
    node.wait_connected(peer.peer);
    (node, peer)
}

fn chunk(block: &SignedBlock) -> Vec<u8> {
    wire::encode_chunk(ResponseCode::Success, &block.as_ssz_bytes()).expect("encodes")
}

#[test]
fn a_peer_that_stalls_in_the_middle_is_given_up() {
    let (node, peer) = answering(Duration::from_secs(2), |mut stream| async move {
        let second = chunk(&block(2));
        let _ = stream
            .write_all(&[chunk(&block(1)), second[..second.len() / 2].to_vec()].concat())
            .await;
        let _ = stream.flush().await;
        std::future::pending::<()>().await;
    });
    node.request(1, peer.peer, by_range(1, 10));
    assert_eq!(node.wait_ended(1), (1, Err(RequestFailure::Timeout)));
    node.wait("counted", |_| node.counters.blocks_by_range.timed_out.get() == 1);
}

#[test]
fn a_peer_that_answers_slowly_but_steadily_is_waited_for() {
    let (node, peer) = answering(Duration::from_secs(5), |mut stream| async move {
        for slot in 1..=8 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let _ = stream.write_all(&chunk(&block(slot))).await;
            let _ = stream.flush().await;
        }
        let _ = stream.close().await;
    });
    node.request(1, peer.peer, by_range(1, 8));
    assert_eq!(node.wait_ended(1), (8, Ok(())));
    // But not for ever.
    let mut set_up = config(2);
    set_up.timeouts.total = Duration::from_millis(300);
    let hasty = TestNode::start(set_up);
    peer.dial(&hasty.address());
    hasty.wait_connected(peer.peer);
    hasty.request(1, peer.peer, by_range(1, 8));
    assert_eq!(hasty.wait_ended(1).1, Err(RequestFailure::Timeout));
}

#[test]
fn answers_that_were_not_asked_for_are_refused_and_left_to_the_world_to_charge() {
    let wrong: [(Vec<u8>, usize, &str); 7] = [
        (b"\x00\x05garbage".to_vec(), 0, "undecodable snappy: no stream identifier"),
        (
            vec![0, 0xff, 0xff, 0xff, 0xff, 0x0f],
            0,
            "a payload of 4294967295 bytes, the limit is 10485760",
        ),
        (vec![2, 0xff, 0x7f], 0, "a payload of 16383 bytes, the limit is 256"),
        (
            wire::encode_chunk(ResponseCode::Success, b"no block").expect("encodes"),
            0,
            "an undecodable block",
        ),
        ([chunk(&block(2)), chunk(&block(1))].concat(), 1, "a block out of range or order"),
        ([chunk(&block(1)), chunk(&block(1))].concat(), 1, "a block out of range or order"),
        ((1..=4).flat_map(|slot| chunk(&block(slot))).collect(), 3, "more blocks than requested"),
    ];
    for (answer, whole, why) in wrong {
        let (node, peer) = answering(Duration::from_secs(10), move |mut stream| {
            let answer = answer.clone();
            async move {
                let _ = stream.write_all(&answer).await;
                let _ = stream.close().await;
            }
        });
        // As many as would be a ban, were the network to charge them beside the world.
        for id in 1..=6 {
            node.request(id, peer.peer, by_range(1, 3));
            let failure = Err(RequestFailure::InvalidAnswer(why.into()));
            assert_eq!(node.wait_ended(id), (whole, failure), "{why}");
        }
        node.wait("counted", |_| node.counters.blocks_by_range.invalid.get() == 6);
        let is_charged = |event: &PeerEvent| match event {
            PeerEvent::Disconnected { .. } | PeerEvent::Banned { .. } => true,
            PeerEvent::Scored { score, .. } => *score < 0.0,
            _ => false,
        };
        node.look(|log| assert!(!log.peers.iter().any(is_charged), "{:?}", log.peers));
        assert_eq!(node.counters.banned.get(), 0, "{why}");
    }
}

#[test]
fn an_error_without_a_text_and_a_frame_is_an_error_and_no_fault() {
    for closes in [true, false] {
        let (node, peer) = answering(Duration::from_secs(10), move |mut stream| async move {
            let _ = stream.write_all(&[3, 0]).await;
            let _ = stream.flush().await;
            if closes {
                let _ = stream.close().await;
            } else {
                std::future::pending::<()>().await;
            }
        });
        let refused = || RequestFailure::Refused(ResponseError::ResourceUnavailable(String::new()));
        // More of them than invalid answers make a ban.
        for id in 1..=6 {
            node.request(id, peer.peer, by_range(1, 3));
            assert_eq!(node.wait_ended(id), (0, Err(refused())), "closes: {closes}");
        }
        assert_eq!(node.counters.blocks_by_range.refused.get(), 6);
        assert_eq!(node.counters.blocks_by_range.invalid.get(), 0);
        assert_eq!(node.counters.banned.get(), 0);
    }
    assert_eq!(
        wire::decode_chunks(&[3, 0]),
        Ok(vec![(ResponseCode::ResourceUnavailable, Vec::new())])
    );
    assert!(wire::decode_chunks(&[0, 0]).is_err(), "nothing is no answer");
}

#[test]
fn an_answer_has_so_many_bytes_and_no_more() {
    let mut set_up = config(1);
    set_up.answer_bytes = 1_000_000;
    let blocks: Vec<_> = (1..=9).map(|slot| block_with(slot, 300_000)).collect();
    let roots: Vec<_> = blocks.iter().map(root).collect();
    let server = TestNode::scripted(set_up, serving(blocks));
    let mut set_up = config(2);
    set_up.bootnodes = server.bootnode();
    let client = TestNode::start(set_up);
    meet(&client, &server);
    let cut = || {
        let error = ResponseError::ServerError("Answer too long".into());
        Err(RequestFailure::Refused(error))
    };
    client.request(1, server.peer(), by_range(1, 9));
    assert_eq!(client.wait_ended(1), (3, cut()));
    client.request(2, server.peer(), by_root(roots));
    assert_eq!(client.wait_ended(2), (3, cut()));
    client.request(3, server.peer(), by_range(4, 3));
    assert_eq!(client.wait_ended(3), (3, Ok(())), "who asks for fewer gets on");
    server.wait("counted", |_| server.counters.blocks_by_range.errors.get() == 1);
}

#[test]
fn a_block_longer_than_an_answer_is_sent_alone() {
    let mut set_up = config(1);
    set_up.answer_bytes = 1_000;
    let server =
        TestNode::scripted(set_up, serving((1..=2).map(|slot| block_with(slot, 9_000)).collect()));
    let mut set_up = config(2);
    set_up.bootnodes = server.bootnode();
    let client = TestNode::start(set_up);
    meet(&client, &server);
    client.request(1, server.peer(), by_range(2, 1));
    assert_eq!(client.wait_ended(1), (1, Ok(())));
}

#[test]
fn a_peer_that_takes_its_answer_slowly_but_steadily_is_given_up_in_the_end() {
    let mut set_up = config(1);
    set_up.timeouts.progress = Duration::from_secs(60);
    set_up.timeouts.total = Duration::from_secs(2);
    let blocks: Vec<_> = (1..=100).map(|slot| block_with(slot, 500_000)).collect();
    let server = TestNode::scripted(set_up, serving(blocks));
    let peer = RawPeer::start(None);
    peer.connect(&server.address());
    server.wait_connected(peer.peer);
    let mut stream = peer.open(server.peer(), BY_RANGE).expect("opens");
    let request = BlocksByRangeRequest { start_slot: 1, count: 100 };
    let bytes = wire::encode_request(&request.as_ssz_bytes()).expect("encodes");
    peer.spawn(async move {
        stream.write_all(&bytes).await.expect("writes");
        stream.close().await.expect("closes");
        let mut piece = [0; 10_000];
        while let Ok(1..) = stream.read(&mut piece).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    server.wait("given up", |_| server.counters.blocks_by_range.stalled.get() == 1);
    assert_eq!(server.counters.blocks_by_range.served.get(), 0);
}

#[test]
fn a_peer_that_does_not_speak_a_protocol_says_so() {
    let (node, peer) = answering(Duration::from_secs(10), |_| async {});
    node.request(1, peer.peer, Request::Status(Status::default()));
    assert_eq!(node.wait_ended(1), (0, Err(RequestFailure::Unsupported)));
    // An answer without a word is an empty one.
    node.request(2, peer.peer, by_range(1, 3));
    assert!(matches!(node.wait_ended(2), (0, Ok(()) | Err(_))));
}

#[test]
fn a_peer_that_does_not_read_is_given_up_and_does_not_hold_up_others() {
    let mut set_up = config(1);
    set_up.timeouts.progress = Duration::from_secs(3);
    let blocks: Vec<_> = (1..=60).map(|slot| block_with(slot, 500_000)).collect();
    let server = TestNode::scripted(set_up, serving(blocks));
    let peer = RawPeer::start(None);
    peer.connect(&server.address());
    server.wait_connected(peer.peer);
    let mut stream = peer.open(server.peer(), BY_RANGE).expect("opens");
    let request = BlocksByRangeRequest { start_slot: 1, count: 60 };
    let bytes = wire::encode_request(&request.as_ssz_bytes()).expect("encodes");
    let stream = peer.run(async move {
        stream.write_all(&bytes).await.expect("writes");
        stream.close().await.expect("closes");
        stream
    });
    let mut set_up = config(2);
    set_up.bootnodes = server.bootnode();
    let client = TestNode::start(set_up);
    meet(&client, &server);
    client.request(1, server.peer(), by_range(1, 5));
    assert_eq!(client.wait_ended(1), (5, Ok(())));
    server.wait("given up", |_| server.counters.blocks_by_range.stalled.get() == 1);
    drop(stream);
}
