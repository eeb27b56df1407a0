//! An anchor that was fetched from elsewhere.

use std::sync::Arc;

use quintet_components::{
    checkpoint::{CheckpointError, KnownGenesis, verify_checkpoint},
    containers::{Block, Checkpoint, Root, State, Validators},
};
use quintet_systems::transition::generate_genesis;
use tree_hash::TreeHash;

use crate::{
    support::chain::{GENESIS_TIME, validators},
    sync::ledger::{Chain, VALIDATORS},
};

fn anchor() -> (Arc<State>, Block) {
    let chain = Chain::genesis().grow((1..=20).filter(|slot| slot % 6 != 0), VALIDATORS);
    let link = chain.at(20);
    (Arc::clone(&link.state), link.block.block.clone())
}

fn verify(state: &State, block: &Block) -> Result<(), CheckpointError> {
    let known = validators(VALIDATORS);
    let known = KnownGenesis {
        genesis_time: Some(GENESIS_TIME),
        validators: Some(&known),
        now_ms: Some((GENESIS_TIME + 100) * 1_000),
        genesis_header: None,
    };
    verify_checkpoint(state, Some(block), known)
}

#[test]
fn a_state_with_its_block_can_be_started_from() {
    let (state, block) = anchor();
    assert_eq!(verify(&state, &block), Ok(()));
    let genesis = Chain::genesis().anchor;
    assert_eq!(verify(&genesis.state, &genesis.block), Ok(()));
    let link = Chain::voted(1);
    let link = link.at(1);
    assert_eq!(verify(&link.state, &link.block.block), Ok(()));
}

#[test]
fn another_network_is_refused() {
    let (state, block) = anchor();
    let verify = |known| verify_checkpoint(&state, Some(&block), known);
    let found = GENESIS_TIME;
    assert_eq!(
        verify(KnownGenesis { genesis_time: Some(7), ..KnownGenesis::default() }),
        Err(CheckpointError::GenesisTime { found, expected: 7 })
    );
    let others = validators(5);
    assert_eq!(
        verify(KnownGenesis { validators: Some(&others), ..KnownGenesis::default() }),
        Err(CheckpointError::Validators)
    );
    let now_ms = Some((GENESIS_TIME + 79) * 1_000);
    assert_eq!(
        verify(KnownGenesis { now_ms, ..KnownGenesis::default() }),
        Err(CheckpointError::FromTheFuture { slot: 20, now: 19 })
    );
    assert_eq!(verify(KnownGenesis::default()), Ok(()));
}

#[test]
fn a_block_of_another_state_is_refused() {
    let (state, block) = anchor();
    let computed = state.tree_hash_root();
    let other = Block { state_root: Root::repeat_byte(1), ..block.clone() };
    assert_eq!(
        verify(&state, &other),
        Err(CheckpointError::OtherState { committed: Root::repeat_byte(1), computed })
    );
    let other = Block { proposer_index: 3, ..block };
    assert_eq!(verify(&state, &other), Err(CheckpointError::OtherBlock));
}

#[test]
fn an_empty_registry_is_refused() {
    let state = generate_genesis(GENESIS_TIME, Validators::default());
    assert_eq!(
        verify_checkpoint(&state, None, KnownGenesis::default()),
        Err(CheckpointError::NoValidators)
    );
}

#[test]
fn a_state_that_contradicts_itself_is_refused() {
    let (state, _) = anchor();
    let refuse = |change: &dyn Fn(&mut State)| {
        let mut state = State::clone(&state);
        change(&mut state);
        match verify_checkpoint(&state, None, KnownGenesis::default()) {
            Err(CheckpointError::Contradiction(what)) => what,
            other => panic!("{other:?}"),
        }
    };
    let unknown = |slot| Checkpoint { root: Root::repeat_byte(9), slot };
    let findings = [
        refuse(&|state| state.slot = 19),
        refuse(&|state| state.latest_block_header.slot = 19),
        refuse(&|state| state.latest_block_header.parent_root = Root::repeat_byte(9)),
        refuse(&|state| state.latest_finalized.slot = state.latest_justified.slot + 1),
        refuse(&|state| state.latest_justified = unknown(18)),
        refuse(&|state| state.latest_justified = unknown(25)),
        refuse(&|state| state.latest_finalized = unknown(2)),
        refuse(&|state| state.latest_finalized.slot = 6),
    ];
    assert_eq!(findings.iter().collect::<std::collections::BTreeSet<_>>().len(), 5, "{findings:?}");
}
