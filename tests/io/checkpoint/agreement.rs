//! One source or several: the newest checkpoint that all of them are on the chain of.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use quintet_components::containers::{Root, SignedBlock, State};
use quintet_plugins::checkpoint::{CheckpointSyncError, MAX_SOURCES, SourceError};
use quintet_systems::transition::anchor_block;
use ssz::Encode;

use crate::{
    checkpoint::chain::{
        BLOCK, Link, STATE, VALIDATORS, chain, failure, fetch, fetch_known, fetch_with, genesis,
        grow, honest, is_taken, options, serve,
    },
    support::{
        chain::{GENESIS_TIME, validators},
        http_server::{Answer, HttpServer},
    },
};

#[test]
fn a_base_url_and_a_full_path_give_the_finalized_block_with_its_state() {
    let chain = chain();
    let server = serve(&chain[20]);
    for end in ["", "/", STATE, BLOCK] {
        let found = fetch(&[format!("{}{end}", server.url())]).expect("a checkpoint");
        let found = is_taken(found, &chain[20]);
        assert_eq!((found.agreeing, found.failures.len()), (1, 0));
        assert_eq!(found.source, server.url());
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 8);
    let accepts = |header: &String| header.to_lowercase() == "accept: application/octet-stream";
    assert!(asked.iter().all(|asked| asked.headers.iter().any(accepts)), "{asked:?}");
}

#[test]
fn a_source_that_is_behind_on_the_same_chain_is_fine() {
    let chain = grow(&genesis(), (1..=30).filter(|slot| slot % 5 != 0));
    let [old, newer, newest] = [3, 12, 20].map(|at| serve(&chain[at]));
    for order in [[&old, &newer, &newest], [&newest, &old, &newer], [&newer, &newest, &old]] {
        let urls = order.map(HttpServer::url);
        let found = is_taken(fetch(&urls).expect("they agree"), &chain[20]);
        assert_eq!((found.agreeing, found.source), (3, newest.url()));
    }
}

#[test]
fn sources_that_disagree_on_a_slot_are_refused_with_both_roots() {
    let chain = chain();
    // The same slot, another chain: its blocks before were elsewhere.
    let other = grow(&genesis(), (1..=30).filter(|slot| *slot != 7));
    let theirs = other.iter().find(|link| link.slot() == 21).expect("a block of slot 21");
    let [one, two, three] = [serve(&chain[20]), serve(theirs), serve(&chain[20])];
    let urls = [&one, &two, &three].map(HttpServer::url);
    let error = fetch(&urls).map(|found| found.is_some()).expect_err("they disagree");
    let text = error.to_string();
    for part in [&chain[20].root().to_string(), &theirs.root().to_string(), &one.url(), &two.url()]
    {
        assert!(text.contains(part.as_str()), "{part} is not in {text}");
    }
    assert!(text.contains("slot 21") && text.contains("leave the other URL out"), "{text}");
    // Without the liar it goes.
    is_taken(fetch(&[one.url(), three.url()]).expect("they agree"), &chain[20]);
}

#[test]
fn an_older_source_on_another_chain_is_refused_with_both_roots() {
    let chain = chain();
    let other = grow(&genesis(), (1..=30).filter(|slot| *slot != 7));
    let theirs = other.iter().find(|link| link.slot() == 12).expect("a block of slot 12");
    let [one, two] = [serve(&chain[20]), serve(theirs)];
    let error = fetch(&[two.url(), one.url()]).map(|found| found.is_some());
    match error.expect_err("they disagree") {
        CheckpointSyncError::Disagreement { slot, one_root, other_root, .. } => {
            assert_eq!((slot, one_root, other_root), (12, chain[11].root(), theirs.root()));
        }
        error => panic!("{error}"),
    }
    // An empty slot on the newest chain is a disagreement too.
    let skipped = grow(&genesis(), (1..=30).filter(|slot| *slot != 12));
    let newest = skipped.iter().find(|link| link.slot() == 25).expect("a block of slot 25");
    let [one, two] = [serve(newest), serve(&chain[11])];
    let error = fetch(&[one.url(), two.url()]).map(|found| found.is_some());
    let error = error.expect_err("they disagree");
    assert!(
        matches!(error, CheckpointSyncError::Disagreement { one_root: Root::ZERO, slot: 12, .. }),
        "{error}"
    );
}

#[test]
fn a_source_that_fails_is_told_and_the_others_are_taken() {
    let chain = chain();
    let good = serve(&chain[20]);
    let away = HttpServer::start(|_| Answer::of(503, "text/plain", "starting"));
    // One that lies about its block: it does not fit its state.
    let (state, block) = (chain[20].state.as_ssz_bytes(), chain[19].block.as_ssz_bytes());
    let liar = HttpServer::start(move |asked| {
        Answer::ssz(if asked.path == STATE { state.clone() } else { block.clone() })
    });
    let urls = [away.url(), liar.url(), good.url()];
    let found = is_taken(fetch(&urls).expect("one is good"), &chain[20]);
    assert_eq!(found.agreeing, 1);
    assert_eq!(found.failures.len(), 2, "{:?}", found.failures);
    assert!(found.failures[0].to_string().contains(&away.url()));
    assert!(matches!(found.failures[1], SourceError::Unsettled { attempts: 3, .. }));

    let error = fetch(&urls[..2]).map(|found| found.is_some()).expect_err("none is good");
    let text = error.to_string();
    assert!(text.contains(&away.url()) && text.contains(&liar.url()), "{text}");
    assert!(text.contains("503") && text.contains("try again"), "{text}");
}

#[test]
fn a_source_that_finalizes_meanwhile_is_asked_again() {
    let chain = chain();
    let requests = Arc::new(AtomicUsize::new(0));
    let (before, after) = (honest(&chain[10]), honest(&chain[11]));
    let server = HttpServer::start(move |asked| match requests.fetch_add(1, Ordering::SeqCst) {
        0 => before(asked),
        _ => after(asked),
    });
    is_taken(fetch(&[server.url()]).expect("it settles"), &chain[11]);
    let paths: Vec<_> = server.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, [STATE, BLOCK, STATE, BLOCK]);
}

#[test]
fn another_network_is_called_so() {
    let server = serve(&chain()[20]);
    let urls = [server.url()];
    let fetch = |genesis_time, count| {
        let error = fetch_known(&urls, &options(), genesis_time, &validators(count));
        match error.map(|found| found.is_some()) {
            Err(CheckpointSyncError::NoSource(errors)) => errors[0].to_string(),
            other => panic!("{other:?}"),
        }
    };
    let time = fetch(GENESIS_TIME + 1, VALIDATORS);
    assert!(time.contains("wrong network") && time.contains("genesis time"), "{time}");
    let registry = fetch(GENESIS_TIME, VALIDATORS + 1);
    assert!(registry.contains("wrong network") && registry.contains("validators"), "{registry}");
    assert!(registry.contains("of this network"), "{registry}");
}

#[test]
fn a_network_that_has_finalized_nothing_gives_none() {
    let genesis = genesis();
    let bytes = genesis.as_ssz_bytes();
    // Nobody has a proof of the genesis block.
    let server = HttpServer::start(move |asked| match asked.path.as_str() {
        STATE => Answer::ssz(bytes.clone()),
        _ => Answer::of(404, "application/json", "{}"),
    });
    assert!(fetch(&[server.url()]).expect("it is a network").is_none());
    // It is behind whoever has.
    let chain = chain();
    let newer = serve(&chain[8]);
    let found = fetch(&[server.url(), newer.url()]).expect("they agree");
    assert_eq!(is_taken(found, &chain[8]).agreeing, 2);
}

#[test]
fn genesis_is_taken_with_an_empty_proof_when_it_is_the_genesis_block() {
    let genesis = genesis();
    let block = SignedBlock { block: anchor_block(&genesis), proof: Default::default() };
    assert!(block.proof.proof.as_bytes().is_empty());
    let link = |block: SignedBlock, state: State| Link { block, state };
    let server = serve(&link(block.clone(), genesis.clone()));
    assert!(fetch(&[server.url()]).expect("it is a network").is_none());
    assert_eq!(server.asked().len(), 2, "its block was looked at");

    // A block that is not the one of the state's header.
    let mut other = block.clone();
    other.block.proposer_index = 1;
    let error = failure(serve(&link(other, genesis.clone())).url(), &options());
    assert!(matches!(error, SourceError::Unsettled { .. }), "{error}");

    // A state at slot 0 that is another genesis.
    let mut state = genesis.clone();
    state.latest_block_header.parent_root = Root::repeat_byte(1);
    let block = SignedBlock { block: anchor_block(&state), proof: Default::default() };
    let error = failure(serve(&link(block, state)).url(), &options());
    assert!(error.to_string().contains("not the genesis block"), "{error}");

    // After genesis, an empty proof is none.
    let mut unproven = chain().swap_remove(20);
    unproven.block.proof = Default::default();
    let error = failure(serve(&unproven).url(), &options());
    assert!(matches!(error, SourceError::Unproven { .. }), "{error}");
}

#[test]
fn no_url_and_too_many_are_refused() {
    let error = fetch(&[]).map(|found| found.is_some()).expect_err("nobody to ask");
    assert!(error.to_string().contains("no URL"), "{error}");
    let urls: Vec<String> = (0..=MAX_SOURCES).map(|at| format!("http://127.0.0.{at}:1")).collect();
    let error = fetch_with(&urls, &options()).map(|found| found.is_some());
    assert!(matches!(error, Err(CheckpointSyncError::TooMany(17))), "{error:?}");
}
