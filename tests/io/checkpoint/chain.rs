//! A chain with finalized blocks, and servers that serve them.

use std::{sync::Arc, time::Duration};

use quintet_components::{
    checkpoint::KnownGenesis,
    containers::{AttestationData, Checkpoint, Root, SignedBlock, State, Validators},
    rejection::{Rejection, RejectionReason},
};
use quintet_plugins::checkpoint::{
    CheckpointSource, CheckpointSyncError, FetchOptions, FetchedCheckpoint, SourceError,
    fetch_checkpoint,
};
use quintet_systems::transition::generate_genesis;
use ssz::Encode;
use tree_hash::TreeHash;

use crate::support::{
    chain::{GENESIS_TIME, aggregated, build_on, signed, validators},
    http_server::{Answer, Asked, HttpServer},
};

pub const VALIDATORS: u64 = 4;
pub const STATE: &str = "/lean/v0/states/finalized";
pub const BLOCK: &str = "/lean/v0/blocks/finalized";

/// A block with its post-state.
#[derive(Clone)]
pub struct Link {
    pub block: SignedBlock,
    pub state: State,
}

impl Link {
    pub fn root(&self) -> Root {
        self.block.block.tree_hash_root()
    }

    pub fn slot(&self) -> u64 {
        self.block.block.slot
    }
}

/// Blocks at these slots upon genesis, each with attestations of all to its parent.
pub fn grow(genesis: &State, slots: impl IntoIterator<Item = u64>) -> Vec<Link> {
    let mut header = genesis.latest_block_header;
    header.state_root = genesis.tree_hash_root();
    let genesis_root: Root = header.tree_hash_root();
    let mut links: Vec<Link> = Vec::new();
    let mut state = genesis.clone();
    let mut head = Checkpoint { root: genesis_root, slot: 0 };
    let voters: Vec<u64> = (0..genesis.validators.len() as u64).collect();
    for slot in slots {
        let source = match state.latest_justified {
            Checkpoint { root: Root::ZERO, .. } => Checkpoint { root: genesis_root, slot: 0 },
            justified => justified,
        };
        let votes = if head.slot == 0 {
            vec![]
        } else {
            let data = AttestationData { slot: head.slot, head, target: head, source };
            vec![aggregated(data, &voters)]
        };
        let (block, post) = build_on(&state, slot, votes).expect("a valid block");
        head = Checkpoint { root: block.tree_hash_root(), slot };
        state = post.clone();
        links.push(Link { block: signed(block), state: post });
    }
    links
}

pub fn genesis() -> State {
    generate_genesis(GENESIS_TIME, validators(VALIDATORS))
}

/// A chain of 30 blocks.
pub fn chain() -> Vec<Link> {
    grow(&genesis(), 1..=30)
}

/// The answers of a well-behaved node that has finalized this block.
pub fn honest(link: &Link) -> impl Fn(&Asked) -> Answer + Send + Sync + 'static {
    let (state, block) = (link.state.as_ssz_bytes(), link.block.as_ssz_bytes());
    move |asked| match asked.path.as_str() {
        STATE => Answer::ssz(state.clone()),
        BLOCK => Answer::ssz(block.clone()),
        _ => Answer::of(404, "application/json", "{}"),
    }
}

pub fn serve(link: &Link) -> HttpServer {
    HttpServer::start(honest(link))
}

/// Small limits, so that a test need not wait for them.
pub fn options() -> FetchOptions {
    FetchOptions {
        connect_timeout: Duration::from_secs(20),
        silence_timeout: Duration::from_secs(20),
        total_timeout: Duration::from_secs(60),
        attempts: 3,
        pause: Duration::from_millis(1),
        proxy: false,
        ..FetchOptions::default()
    }
}

pub fn sources(urls: &[String]) -> Vec<CheckpointSource> {
    urls.iter().map(|url| CheckpointSource::parse(url).expect("a URL")).collect()
}

pub fn fetch_with(
    urls: &[String],
    options: &FetchOptions,
) -> Result<Option<FetchedCheckpoint>, CheckpointSyncError> {
    let known = validators(VALIDATORS);
    fetch_known(urls, options, GENESIS_TIME, &known)
}

/// Takes placeholders, as the test preset's proof system does.
fn check_proof(block: &SignedBlock, root: Root) -> Result<(), Rejection> {
    if block.proof == signed(block.block.clone()).proof {
        return Ok(());
    }
    Err(RejectionReason::InvalidBlockProof.because(format!("not the proof of {root}")))
}

pub fn fetch_known(
    urls: &[String],
    options: &FetchOptions,
    genesis_time: u64,
    validators: &Validators,
) -> Result<Option<FetchedCheckpoint>, CheckpointSyncError> {
    let known = KnownGenesis {
        genesis_time: Some(genesis_time),
        validators: Some(validators),
        now_ms: Some((genesis_time + 400) * 1_000),
        genesis_header: Some(
            generate_genesis(genesis_time, validators.clone()).latest_block_header,
        ),
    };
    fetch_checkpoint(&sources(urls), known, &check_proof, options)
}

pub fn fetch(urls: &[String]) -> Result<Option<FetchedCheckpoint>, CheckpointSyncError> {
    fetch_with(urls, &options())
}

/// The reason the only source fails.
pub fn failure(url: String, options: &FetchOptions) -> SourceError {
    match fetch_with(std::slice::from_ref(&url), options).map(|found| found.is_some()) {
        Err(CheckpointSyncError::NoSource(mut errors)) if errors.len() == 1 => {
            let error = errors.remove(0);
            let text = error.to_string();
            assert!(text.contains(url.split('?').next().expect("a URL")), "no URL: {text}");
            assert!(text.contains(';'), "no remedy: {text}");
            error
        }
        other => panic!("{other:?}"),
    }
}

/// Asserts that this block was taken.
pub fn is_taken(found: Option<FetchedCheckpoint>, link: &Link) -> FetchedCheckpoint {
    let found = found.expect("there is a checkpoint");
    assert_eq!(found.checkpoint, Checkpoint { root: link.root(), slot: link.slot() });
    assert_eq!(found.block, link.block);
    assert_eq!(found.state, Arc::new(link.state.clone()));
    found
}
