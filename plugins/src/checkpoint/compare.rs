//! A checkpoint that all sources agree on.

use std::sync::Arc;

use quintet_components::{
    checkpoint::{CheckpointError, KnownGenesis, verify_checkpoint},
    containers::{Checkpoint, Root, SignedBlock, State, decode_failure},
    rejection::Rejection,
};
use ssz::Decode;
use tree_hash::TreeHash;

use super::{
    client::{Client, FetchOptions},
    error::{CheckpointSyncError, SourceError},
    source::{CheckpointSource, MAX_SOURCES},
};

/// A checkpoint to start from.
#[derive(Debug)]
pub struct FetchedCheckpoint {
    /// The finalized block, with its proof.
    pub block: SignedBlock,
    /// Its post-state.
    pub state: Arc<State>,
    /// Its root and slot.
    pub checkpoint: Checkpoint,
    /// The source that it is from.
    pub source: String,
    /// The number of sources on its chain, including this one.
    pub agreeing: usize,
    /// The errors of the other sources.
    pub failures: Vec<SourceError>,
}

/// Checks that a block's proof was made by this network's validators. Takes the block and its root.
pub type CheckProof<'a> = dyn Fn(&SignedBlock, Root) -> Result<(), Rejection> + Sync + 'a;

/// The finalized block and state of a source.
struct Answer {
    source: String,
    checkpoint: Checkpoint,
    /// `None` if nothing after genesis is finalized.
    content: Option<(SignedBlock, State)>,
}

/// Asks every source, and takes the newest checkpoint if all sources are on its chain. `None` if
/// the network has finalized nothing after genesis yet: genesis is then the checkpoint.
///
/// # Errors
/// [`CheckpointSyncError`]: no source has a checkpoint, or two sources are on different chains.
pub fn fetch_checkpoint(
    sources: &[CheckpointSource],
    known: KnownGenesis<'_>,
    check_proof: &CheckProof<'_>,
    options: &FetchOptions,
) -> Result<Option<FetchedCheckpoint>, CheckpointSyncError> {
    if sources.len() > MAX_SOURCES {
        return Err(CheckpointSyncError::TooMany(sources.len()));
    }
    let outcomes: Vec<Result<Answer, SourceError>> = std::thread::scope(|scope| {
        let begin = |source| scope.spawn(move || ask(source, known, check_proof, options));
        let asked: Vec<_> = sources.iter().map(begin).collect();
        let broken = |at: usize| SourceError::Unreachable {
            url: sources[at].to_string(),
            reason: "asking it ended with a panic".into(),
        };
        let joined = asked.into_iter().enumerate();
        joined.map(|(at, asked)| asked.join().unwrap_or_else(|_| Err(broken(at)))).collect()
    });
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(answer) => answers.push(answer),
            Err(error) => failures.push(error),
        }
    }
    // Among equals, the source that was named first.
    let Some(newest) = answers.iter().rev().max_by_key(|answer| answer.checkpoint.slot) else {
        return Err(CheckpointSyncError::NoSource(failures));
    };
    check_agreement(newest, &answers)?;
    let (source, checkpoint) = (newest.source.clone(), newest.checkpoint);
    let agreeing = answers.len();
    let newest = answers.into_iter().find(|answer| answer.source == source);
    let content = newest.and_then(|answer| answer.content);
    Ok(content.map(|(block, state)| FetchedCheckpoint {
        block,
        state: Arc::new(state),
        checkpoint,
        source,
        agreeing,
        failures,
    }))
}

/// Checks that every answer is on the newest one's chain.
fn check_agreement(newest: &Answer, answers: &[Answer]) -> Result<(), CheckpointSyncError> {
    for answer in answers {
        let Checkpoint { slot, root } = answer.checkpoint;
        let expected = match &newest.content {
            Some((_, state)) if slot < newest.checkpoint.slot => {
                // Where the newest one's chain has an empty slot, the root is zero.
                state.historical_block_hashes.get(slot).copied().unwrap_or_default()
            }
            _ => newest.checkpoint.root,
        };
        if root != expected {
            return Err(CheckpointSyncError::Disagreement {
                slot,
                one: newest.source.clone(),
                one_root: expected,
                other: answer.source.clone(),
                other_root: root,
            });
        }
    }
    Ok(())
}

/// Gets a source's checkpoint and checks it.
fn ask(
    source: &CheckpointSource,
    known: KnownGenesis<'_>,
    check_proof: &CheckProof<'_>,
    options: &FetchOptions,
) -> Result<Answer, SourceError> {
    let client = Client::new(source, options);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let (outcome, url) = ask_once(&client, source, known, options)?;
        match outcome {
            Ok(answer) => {
                if let Some((block, _)) = &answer.content {
                    check_proof(block, answer.checkpoint.root)
                        .map_err(|error| SourceError::Unproven { url, error })?;
                }
                return Ok(answer);
            }
            // The source may have finalized another block between the two requests.
            Err(_) if attempts < options.attempts => std::thread::sleep(options.pause),
            Err(error) => return Err(SourceError::Unsettled { url, attempts, error }),
        }
    }
}

/// Makes one request for the state and one for the block. The inner error may disappear with
/// another attempt.
fn ask_once(
    client: &Client<'_>,
    source: &CheckpointSource,
    known: KnownGenesis<'_>,
    options: &FetchOptions,
) -> Result<(Result<Answer, CheckpointError>, String), SourceError> {
    let target = source.state();
    let bytes = client.get(&target, options.state_bytes)?;
    let state = State::from_ssz_bytes(&bytes)
        .map_err(|error| undecodable(&target.shown, "state", &error, bytes.len()))?;
    drop(bytes);
    verify_checkpoint(&state, None, known).map_err(|error| refused(&target.shown, error))?;
    let is_genesis = state.latest_block_header.slot == 0;
    if is_genesis {
        check_genesis(&state, known).map_err(|error| refused(&target.shown, error))?;
    }
    let target = source.block();
    let bytes = match client.get(&target, options.block_bytes) {
        // Not every client serves the genesis block, and this node knows it.
        Err(SourceError::Status { status: 404, .. }) if is_genesis => {
            return Ok((Ok(at_genesis(source, &state)), target.shown));
        }
        answer => answer?,
    };
    let block = SignedBlock::from_ssz_bytes(&bytes)
        .map_err(|error| undecodable(&target.shown, "block", &error, bytes.len()))?;
    let checkpoint = Checkpoint { root: block.block.tree_hash_root(), slot: block.block.slot };
    let outcome = match verify_checkpoint(&state, Some(&block.block), known) {
        // Nobody signs genesis: its proof is empty and is not checked.
        Ok(()) if is_genesis => Ok(at_genesis(source, &state)),
        Ok(()) => {
            Ok(Answer { source: source.to_string(), checkpoint, content: Some((block, state)) })
        }
        Err(error @ (CheckpointError::OtherState { .. } | CheckpointError::OtherBlock)) => {
            Err(error)
        }
        Err(error) => return Err(refused(&target.shown, error)),
    };
    Ok((outcome, target.shown))
}

/// The answer of a source that has finalized nothing after genesis.
fn at_genesis(source: &CheckpointSource, state: &State) -> Answer {
    let mut header = state.latest_block_header;
    header.state_root = state.tree_hash_root();
    let checkpoint = Checkpoint { root: header.tree_hash_root(), slot: 0 };
    Answer { source: source.to_string(), checkpoint, content: None }
}

/// Checks that a state at genesis is this network's, as far as that is known.
fn check_genesis(state: &State, known: KnownGenesis<'_>) -> Result<(), CheckpointError> {
    if known.genesis_header.is_none_or(|header| header == state.latest_block_header) {
        return Ok(());
    }
    Err(CheckpointError::Contradiction(
        "it is the genesis state, but its block is not the genesis block",
    ))
}

fn undecodable(
    url: &str,
    what: &'static str,
    error: &ssz::DecodeError,
    bytes: usize,
) -> SourceError {
    let reason = format!("{bytes} bytes, {}", decode_failure(error));
    SourceError::Undecodable { url: url.to_owned(), what, reason }
}

fn refused(url: &str, error: CheckpointError) -> SourceError {
    let url = url.to_owned();
    match error {
        CheckpointError::GenesisTime { .. } | CheckpointError::Validators => {
            SourceError::WrongNetwork { url, error }
        }
        error => SourceError::Invalid { url, error },
    }
}
