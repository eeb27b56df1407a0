//! Checkpoints fetched from elsewhere.

use libtest_mimic::Failed;
use quintet_components::{
    checkpoint::{CheckpointError, KnownGenesis, verify_checkpoint},
    containers::{Slot, State},
};
use serde_json::Value;
use ssz::{Decode, Encode};

use crate::vectors::{at, bytes, field, same};

pub fn run(case: &Value) -> Result<(), Failed> {
    let operation = at(case, "operation")?;
    let kind: String = field(operation, "kind")?;
    same("operation", &kind.as_str(), &"verify_checkpoint")?;
    let output = at(case, "output")?;
    let bytes = bytes(output, "stateBytes")?;
    let state = State::from_ssz_bytes(&bytes).map_err(|error| format!("{error:?}"))?;
    same("bytes", &(state.as_ssz_bytes() == bytes), &true)?;
    let count: u64 = field(output, "validatorCount")?;
    same("validators", &(state.validators.len() as u64), &count)?;
    same("validators asked for", &field(operation, "numValidators")?, &count)?;
    let slot: Slot = field(output, "anchorSlot")?;
    same("slot", &state.slot, &slot)?;
    same("slot asked for", &field(operation, "anchorSlot")?, &slot)?;
    let valid: bool = field(output, "valid")?;
    let expected = if valid { Ok(()) } else { Err(CheckpointError::NoValidators) };
    same("verdict", &verify_checkpoint(&state, None, KnownGenesis::default()), &expected)
}
