//! Fork-choice scenarios, step by step through a node, by the test driver's own runner.
//!
//! After every step, refused ones included, the whole store snapshot is compared and every check
//! of the vector made.

mod builder;
mod checks;
mod snapshot;

use std::collections::HashMap;

use libtest_mimic::Failed;
use quintet_components::{
    chain::Head,
    containers::{
        Block, BlockBody, Root, SignedAggregatedAttestation, SignedAttestation, Slot, State,
    },
    messages::{IgnoreReason, Verdict},
    preset::SignaturePreset,
};
use quintet_plugins::scenario::{self, InitError, Step};
use serde_json::Value;
use tree_hash::TreeHash;

use crate::vectors::{at, field, find, items, optional, same, within};
use snapshot::Snapshot;

/// A scenario under way.
struct Scenario {
    driven: scenario::Scenario,
    /// Blocks by the labels that the vector gave them.
    labels: HashMap<String, Root>,
}

pub fn run(case: &Value) -> Result<(), Failed> {
    let reason = optional::<String>(case, "rejectionReason")?;
    // The driver reads them once more.
    field::<State>(case, "anchorState")?;
    let anchor: Block = field(case, "anchorBlock")?;
    let steps = items(case, "steps")?;
    let max_slot: Slot = field(case, "maxSlot")?;
    let driven = match (scenario::Scenario::begin(case, SignaturePreset::Test), reason) {
        (Err(InitError::Rejected(rejection)), reason) => {
            let refused = Some(rejection.reason.name().to_owned());
            return same("refusal of the anchor", &refused, &reason);
        }
        (Ok(_), Some(reason)) => return Err(format!("no refusal with {reason}").into()),
        (driven, None) | (driven @ Err(_), _) => driven?,
    };
    let labels = HashMap::from([("genesis".to_owned(), anchor.tree_hash_root())]);
    let mut scenario = Scenario { driven, labels };
    let mut newest = 0;
    for (index, step) in steps.iter().enumerate() {
        let slot =
            scenario.step(step).map_err(|failed| within(&format!("step {index}"), failed))?;
        newest = newest.max(slot);
    }
    same("keys last as long as the steps", &(newest <= max_slot), &true)
}

impl Scenario {
    /// Runs a step. Returns the slot that was signed in.
    fn step(&mut self, step: &Value) -> Result<Slot, Failed> {
        let expected: Snapshot = field(step, "storeSnapshot")?;
        let label = read_step(step)?;
        let old_head = self.driven.node.world().resource::<Head>().0.root;
        let (mut block, mut slot) = (None, 0);
        let verdict = match Step::read(step)? {
            Step::Block(read) => {
                slot = read.block.slot;
                if let Some(label) = label {
                    self.labels.insert(label, read.block.tree_hash_root());
                }
                self.driven.prepare_block(&read)?;
                builder::rebuild(self.driven.node.world(), &read.block)?;
                block = Some(read.block.clone());
                self.driven.import_block(read.block)
            }
            other => {
                match &other {
                    Step::Attestation { attestation, .. } => slot = attestation.data.slot,
                    Step::Aggregate(aggregate) => slot = aggregate.data.slot,
                    Step::Tick { .. } | Step::Block(_) => {}
                }
                self.driven.run(other)?
            }
        };
        let refused = match verdict {
            Verdict::Accepted | Verdict::Ignored(IgnoreReason::KnownBlock) => None,
            Verdict::Ignored(why) => return Err(format!("ignored: {why}").into()),
            Verdict::Rejected(rejection) => Some(rejection.reason.name().to_owned()),
        };
        same("rejection reason", &refused, &optional::<String>(step, "rejectionReason")?)?;
        same("valid", &refused.is_none(), &field(step, "valid")?)?;
        expected.compare(&Snapshot::of(self.driven.node.world()))?;
        if let Some(checks) = find(step, "checks") {
            checks::run(self, checks, block.as_ref(), old_head)?;
        }
        Ok(slot)
    }
}

/// Reads what the driver reads once more. Returns the label of a block's root.
fn read_step(step: &Value) -> Result<Option<String>, Failed> {
    match field::<String>(step, "stepType")?.as_str() {
        "tick" => {
            let to = (optional::<u64>(step, "interval")?, optional::<u64>(step, "time")?);
            same("one time", &(to.0.is_some() != to.1.is_some()), &true)?;
            field::<bool>(step, "hasProposal")?;
        }
        "block" => {
            optional::<bool>(step, "tickToSlot")?;
            let block = at(step, "block")?;
            field::<Slot>(block, "slot")?;
            field::<u64>(block, "proposerIndex")?;
            field::<Root>(block, "parentRoot")?;
            field::<Root>(block, "stateRoot")?;
            field::<BlockBody>(block, "body")?;
            return optional(block, "blockRootLabel");
        }
        "attestation" => {
            optional::<bool>(step, "isAggregator")?;
            field::<SignedAttestation>(step, "attestation")?;
        }
        "gossipAggregatedAttestation" => {
            field::<SignedAggregatedAttestation>(step, "attestation")?;
        }
        kind => return Err(format!("unknown step {kind}").into()),
    }
    Ok(None)
}
