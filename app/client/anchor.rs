//! Chooses the block that the node starts from: the newest in the database, the one that other nodes
//! have finalized, or genesis.

use std::{fmt::Display, sync::Arc};

use quintet_components::{
    chain::Registry,
    checkpoint::KnownGenesis,
    containers::{Root, SignedBlock, Slot, State},
    storage::ResumeData,
};
use quintet_plugins::{
    Anchor,
    checkpoint::{
        CheckpointSource, CheckpointSyncError, FetchOptions, FetchedCheckpoint, fetch_checkpoint,
        is_stale, is_worth_it,
    },
    storage::Store,
};
use quintet_prover::ProofSystem;
use quintet_systems::{transition::anchor_block, verification::verify_block};

use super::ClientError;

/// Begins the store where that is called for, and says what the node starts from.
pub(super) fn anchor(
    store: &Store,
    (genesis, proofs): (&State, &dyn ProofSystem),
    urls: &[String],
    (now_ms, now_slot): (u64, Slot),
) -> Result<(Anchor, Option<ResumeData>), ClientError> {
    let sources = sources(urls)?;
    let fetch = || fetch(&sources, genesis, proofs, now_ms);
    match store.facts()? {
        None if sources.is_empty() => return at_genesis(store, genesis),
        None => match fetch()? {
            Some(found) => store.begin_anew(&found.block, &found.state)?,
            None => {
                tracing::info!("the network has finalized nothing yet: starting from genesis");
                return at_genesis(store, genesis);
            }
        },
        Some(_) if sources.is_empty() => {}
        Some(facts) if !is_stale(facts.head.slot, now_slot) => {
            tracing::info!(
                head_slot = facts.head.slot,
                now_slot,
                "the database is fresh: no checkpoint is fetched"
            );
        }
        Some(facts) => {
            let finalized_slot = facts.finalized.slot;
            match fetch() {
                Ok(Some(found)) if is_worth_it(finalized_slot, found.checkpoint.slot) => {
                    tracing::info!(
                        head_slot = facts.head.slot,
                        finalized_slot,
                        now_slot,
                        "the database is stale: beginning anew from the checkpoint"
                    );
                    store.begin_anew(&found.block, &found.state)?;
                }
                Ok(_) => tracing::info!(
                    finalized_slot,
                    "the checkpoint is not ahead of the database: continuing from the database"
                ),
                Err(error) => tracing::warn!(
                    head_slot = facts.head.slot,
                    now_slot,
                    "the database is stale; continuing from it without a checkpoint: {error}"
                ),
            }
        }
    }
    let data = store.resume()?.ok_or_else(|| {
        ClientError::Network("the database has begun and has no checkpoints".into())
    })?;
    Ok((Anchor::from(&data), Some(data)))
}

/// The sources at these URLs. One URL that is empty counts as unset.
fn sources(urls: &[String]) -> Result<Vec<CheckpointSource>, ClientError> {
    let refused = |error: &dyn Display| ClientError::setting("checkpoint-sync-url", error);
    if let [only] = urls
        && only.trim().is_empty()
    {
        return Ok(Vec::new());
    }
    if let Some(at) = urls.iter().position(|url| url.trim().is_empty()) {
        return Err(refused(&format!("URL {} of {} is empty", at + 1, urls.len())));
    }
    urls.iter().map(|url| CheckpointSource::parse(url).map_err(|error| refused(&error))).collect()
}

fn at_genesis(store: &Store, genesis: &State) -> Result<(Anchor, Option<ResumeData>), ClientError> {
    let anchor = Anchor { block: anchor_block(genesis), state: Arc::new(genesis.clone()) };
    store.begin(&anchor.block, &anchor.state)?;
    Ok((anchor, None))
}

fn fetch(
    sources: &[CheckpointSource],
    genesis: &State,
    proofs: &dyn ProofSystem,
    now_ms: u64,
) -> Result<Option<FetchedCheckpoint>, CheckpointSyncError> {
    let names: Vec<_> = sources.iter().map(ToString::to_string).collect();
    tracing::info!(sources = names.join(", "), "asking for a checkpoint");
    let known = KnownGenesis {
        genesis_time: Some(genesis.config.genesis_time),
        validators: Some(&genesis.validators),
        now_ms: Some(now_ms),
        genesis_header: Some(genesis.latest_block_header),
    };
    let registry = Registry::new(&genesis.validators);
    let check_proof =
        |block: &SignedBlock, root: Root| verify_block(block, root, &registry, proofs);
    let found = fetch_checkpoint(sources, known, &check_proof, &FetchOptions::default())?;
    if let Some(found) = &found {
        for failure in &found.failures {
            tracing::warn!("a checkpoint source is left out: {failure}");
        }
        tracing::info!(
            slot = found.checkpoint.slot,
            root = %found.checkpoint.root,
            source = found.source,
            agreeing = found.agreeing,
            "checkpoint"
        );
    }
    Ok(found)
}
