//! Answers that are not what they should be.

use std::{net::TcpListener, time::Duration};

use quintet_components::containers::{MultiMessageAggregate, ProofBytes, Root, SignedBlock, State};
use quintet_plugins::checkpoint::{FetchOptions, SourceError};
use ssz::Encode;

use crate::{
    checkpoint::chain::{BLOCK, Link, STATE, chain, failure, honest, options, serve},
    support::http_server::{Answer, Asked, HttpServer, Manner},
};

/// A source whose answers to one path are changed.
fn harmed(
    link: &Link,
    path: &'static str,
    harm: impl Fn(Answer) -> Answer + Send + Sync + 'static,
) -> HttpServer {
    let honest = honest(link);
    HttpServer::start(move |asked: &Asked| {
        let answer = honest(asked);
        if asked.path == path { harm(answer) } else { answer }
    })
}

fn link() -> Link {
    chain().swap_remove(20)
}

#[test]
fn an_answer_that_ends_early_broke_off() {
    for path in [STATE, BLOCK] {
        for bytes in [0, 1, 100] {
            let server = harmed(&link(), path, move |all| all.sent(Manner::EndsAfter(bytes)));
            let error = failure(server.url(), &options());
            assert!(
                matches!(&error, SourceError::BrokeOff { url, .. } if url.contains(path)),
                "{error}"
            );
        }
    }
}

#[test]
fn an_answer_that_is_too_large_is_not_read() {
    let (state, block) = (link().state.ssz_bytes_len() as u64, link().block.ssz_bytes_len() as u64);
    let whole = FetchOptions { state_bytes: state, block_bytes: block, ..options() };
    let server = serve(&link());
    let fetched = crate::checkpoint::chain::fetch_with(&[server.url()], &whole);
    assert!(fetched.expect("as large as is allowed").is_some());
    for (options, limit) in [
        (FetchOptions { state_bytes: state - 1, ..whole.clone() }, state - 1),
        (FetchOptions { block_bytes: block - 1, ..whole }, block - 1),
    ] {
        let error = failure(server.url(), &options);
        assert!(matches!(error, SourceError::TooLarge { limit: l, .. } if l == limit), "{error}");
    }
    // One that tells no length, and never ends.
    let server = harmed(&link(), STATE, |all| all.sent(Manner::Endless));
    let error = failure(server.url(), &options());
    assert!(matches!(error, SourceError::TooLarge { limit, .. } if limit == 64 << 20), "{error}");
}

#[test]
fn a_source_that_is_too_slow_is_given_up() {
    let silent = FetchOptions { silence_timeout: Duration::from_millis(300), ..options() };
    let server = harmed(&link(), STATE, |all| all.sent(Manner::HangsAfter(50)));
    let error = failure(server.url(), &silent);
    assert!(matches!(&error, SourceError::Slow { what, .. } if what.contains("0.3 s")), "{error}");

    let slow = FetchOptions { total_timeout: Duration::from_secs(3), ..options() };
    let server = harmed(&link(), BLOCK, |all| all.sent(Manner::Trickles(200)));
    let error = failure(server.url(), &slow);
    assert!(matches!(&error, SourceError::Slow { url, .. } if url.contains(BLOCK)), "{error}");
}

#[test]
fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let error = failure(url, &options());
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
    let error = failure("http://nowhere.invalid:5052".into(), &options());
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
}

#[test]
fn other_statuses_say_what_to_do() {
    for (status, remedy) in [
        (404, "base URL"),
        (401, "password or token"),
        (403, "password or token"),
        (500, "try again later"),
        (503, "try again later"),
        (204, "another node"),
    ] {
        for path in [STATE, BLOCK] {
            let server = harmed(&link(), path, move |_| Answer::of(status, "text/plain", "no"));
            let error = failure(server.url(), &options());
            let text = error.to_string();
            assert!(text.contains(remedy) && text.contains(path), "{status}: {text}");
        }
    }
}

#[test]
fn redirects_are_followed_a_little_and_a_loop_is_not() {
    let good = serve(&link());
    let to = good.url();
    let server = HttpServer::start(move |asked| Answer::redirect(&format!("{to}{}", asked.path)));
    let found = crate::checkpoint::chain::fetch(&[server.url()]).expect("it leads to a good one");
    assert!(found.is_some());

    let server = HttpServer::start(|asked| Answer::redirect(&asked.path));
    let error = failure(server.url(), &options());
    assert!(matches!(error, SourceError::Redirect { .. }), "{error}");
    assert!(server.asked().len() <= 5, "{} requests", server.asked().len());

    let server = HttpServer::start(|_| Answer::redirect("gopher://elsewhere?token=hidden"));
    let text = failure(server.url(), &options()).to_string();
    assert!(!text.contains("hidden"), "{text}");
}

#[test]
fn a_web_page_and_json_are_called_so() {
    for content_type in ["text/html; charset=utf-8", "application/json", "text/plain"] {
        let server =
            harmed(&link(), STATE, move |_| Answer::of(200, content_type, "<!doctype html>"));
        let error = failure(server.url(), &options());
        let kind = content_type.split(';').next().expect("a kind");
        assert!(
            matches!(&error, SourceError::NotSsz { content_type, .. } if content_type == kind),
            "{error}"
        );
    }
    // A page that claims to be SSZ.
    for path in [STATE, BLOCK] {
        let server = harmed(&link(), path, |_| Answer::ssz(b"<!doctype html><p>hello".to_vec()));
        let error = failure(server.url(), &options());
        assert!(matches!(error, SourceError::Undecodable { .. }), "{error}");
    }
}

#[test]
fn bytes_that_are_not_ssz_panic_nothing() {
    let link = link();
    let (state, block) = (link.state.as_ssz_bytes(), link.block.as_ssz_bytes());
    for (path, bytes) in [(STATE, state), (BLOCK, block)] {
        let cuts = [0, 1, 7, bytes.len() / 3, bytes.len() - 1];
        for cut in cuts {
            let short = bytes[..cut].to_vec();
            let server = harmed(&link, path, move |_| Answer::ssz(short.clone()));
            // A shorter list is still a list: then the two do not belong together.
            let error = failure(server.url(), &options());
            assert!(
                matches!(
                    error,
                    SourceError::Undecodable { .. }
                        | SourceError::Unsettled { .. }
                        | SourceError::Unproven { .. }
                        | SourceError::Invalid { .. }
                        | SourceError::WrongNetwork { .. }
                ),
                "{error}"
            );
        }
        for at in [0, 4, 8, 16, 40, 70, bytes.len() - 1] {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0xff;
            let server = harmed(&link, path, move |_| Answer::ssz(wrong.clone()));
            failure(server.url(), &options());
        }
    }
}

#[test]
fn a_block_that_nobody_has_signed_is_refused() {
    let mut link = link();
    let proof = ProofBytes::new(b"nothing".to_vec()).expect("short");
    link.block.proof = MultiMessageAggregate { proof };
    let server = serve(&link);
    let error = failure(server.url(), &options());
    assert!(matches!(&error, SourceError::Unproven { url, .. } if url.contains(BLOCK)), "{error}");
}

#[test]
fn a_block_and_a_state_that_do_not_belong_together_are_refused() {
    let chain = chain();
    let of = |state: State, block: SignedBlock| {
        let (state, block) = (state.as_ssz_bytes(), block.as_ssz_bytes());
        HttpServer::start(move |asked| {
            Answer::ssz(if asked.path == STATE { state.clone() } else { block.clone() })
        })
    };
    let (ours, theirs) = (&chain[20], &chain[21]);
    // The block of another slot.
    let server = of(ours.state.clone(), theirs.block.clone());
    let error = failure(server.url(), &options());
    assert!(matches!(error, SourceError::Unsettled { .. }), "{error}");
    // A block that commits to another state.
    let mut block = ours.block.clone();
    block.block.state_root = Root::repeat_byte(1);
    let error = failure(of(ours.state.clone(), block).url(), &options());
    assert!(matches!(error, SourceError::Unsettled { .. }), "{error}");
    // Another block that commits to this very state.
    let mut block = ours.block.clone();
    block.block.proposer_index += 1;
    let error = failure(of(ours.state.clone(), block).url(), &options());
    assert!(matches!(error, SourceError::Unsettled { .. }), "{error}");
    // A state whose header says what its root is: no transition leaves it so.
    let mut state = ours.state.clone();
    state.latest_block_header.state_root = ours.block.block.state_root;
    let error = failure(of(state, ours.block.clone()).url(), &options());
    assert!(matches!(error, SourceError::Unsettled { .. }), "{error}");
    // A state that contradicts itself.
    let mut state = ours.state.clone();
    state.latest_finalized.slot = state.latest_justified.slot + 1;
    let error = failure(of(state, ours.block.clone()).url(), &options());
    assert!(matches!(error, SourceError::Invalid { .. }), "{error}");
    // A state of a slot that has not begun.
    let late = crate::checkpoint::chain::grow(&crate::checkpoint::chain::genesis(), [1, 2, 3, 500]);
    let error = failure(serve(&late[3]).url(), &options());
    assert!(matches!(&error, SourceError::Invalid { .. }) && error.to_string().contains("500"));
}

#[test]
fn secrets_in_a_url_are_sent_and_never_told() {
    let honest = honest(&link());
    let server = HttpServer::start(move |asked| {
        let authorized =
            |header: &String| header.eq_ignore_ascii_case("authorization: Basic YW5uOmhpZGRlbg==");
        match asked.path.strip_suffix("?key=hidden") {
            Some(path) if asked.headers.iter().any(authorized) => {
                honest(&Asked { path: path.into(), headers: Vec::new() })
            }
            _ => Answer::of(401, "text/plain", "no"),
        }
    });
    let with = |user: &str, key: &str| {
        server.url().replace("http://", &format!("http://{user}@")) + "/?key=" + key
    };
    let found =
        crate::checkpoint::chain::fetch(&[with("ann:hidden", "hidden")]).expect("it is let in");
    assert!(!found.expect("a checkpoint").source.contains("hidden"));
    let error = crate::checkpoint::chain::fetch(&[with("ann:hidden", "wrong-hidden")]);
    let text = error.map(|found| found.is_some()).expect_err("it is not let in").to_string();
    assert!(text.contains("401") && !text.contains("hidden") && !text.contains("ann"), "{text}");
}
