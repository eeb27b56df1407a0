//! Fork-choice scenarios, step by step through a node.
//!
//! After every step, refused ones included, the whole store snapshot is compared and every check
//! of the vector made.

mod builder;
mod checks;
mod snapshot;

use std::{collections::HashMap, sync::Arc};

use libtest_mimic::Failed;
use quintet_components::{
    chain::Head,
    clock::first_interval,
    containers::{
        Block, MultiMessageAggregate, ProofBytes, Root, SignedAggregatedAttestation,
        SignedAttestation, SignedBlock, State,
    },
    messages::Verdict,
};
use quintet_plugins::Anchor;
use quintet_systems::fork_choice::set_anchor;
use serde_json::Value;
use tree_hash::TreeHash;

use crate::{
    support::{
        mocked,
        node::{Setup, TestNode},
    },
    vectors::{field, optional, same},
};
use snapshot::Snapshot;

/// A scenario under way.
struct Scenario {
    node: TestNode,
    /// Blocks by the labels that the vector gave them.
    labels: HashMap<String, Root>,
}

pub fn run(case: &Value) -> Result<(), Failed> {
    let state: Arc<State> = Arc::new(field(case, "anchorState")?);
    let block: Block = field(case, "anchorBlock")?;
    if let Some(reason) = optional::<String>(case, "rejectionReason")? {
        let refused = set_anchor(&mut bevy_ecs::world::World::new(), state, &block)
            .err()
            .map(|rejection| rejection.reason.name().to_owned());
        return same("refusal of the anchor", &refused, &Some(reason));
    }
    let labels = HashMap::from([("genesis".to_owned(), block.tree_hash_root())]);
    let node = TestNode::new(Setup::new(Anchor { state, block }));
    let mut scenario = Scenario { node, labels };
    for (index, step) in field::<Vec<Value>>(case, "steps")?.iter().enumerate() {
        scenario.step(step).map_err(|failed| {
            Failed::from(format!("step {index}: {}", failed.message().unwrap_or("failed")))
        })?;
    }
    Ok(())
}

impl Scenario {
    fn step(&mut self, step: &Value) -> Result<(), Failed> {
        let expected: Snapshot = field(step, "storeSnapshot")?;
        let old_head = self.node.world().resource::<Head>().0.root;
        let kind: String = field(step, "stepType")?;
        let mut block = None;
        let verdict = match kind.as_str() {
            "tick" => {
                self.tick(step)?;
                Verdict::Accepted
            }
            "block" => {
                let filled: Block = field(step, "block")?;
                let verdict = self.block(step, &filled, &expected)?;
                block = Some(filled);
                verdict
            }
            "attestation" => {
                self.node.set_aggregator(field(step, "isAggregator")?);
                self.node.attestation(field::<SignedAttestation>(step, "attestation")?)
            }
            "gossipAggregatedAttestation" => {
                self.node.aggregate(field::<SignedAggregatedAttestation>(step, "attestation")?)
            }
            kind => return Err(format!("unknown step {kind}").into()),
        };
        let refused = match verdict {
            Verdict::Accepted | Verdict::Ignored("known block") => None,
            Verdict::Ignored(why) => return Err(format!("ignored: {why}").into()),
            Verdict::Rejected(rejection) => Some(rejection.reason.name().to_owned()),
        };
        same("rejection reason", &refused, &optional::<String>(step, "rejectionReason")?)?;
        same("valid", &refused.is_none(), &field(step, "valid")?)?;
        expected.compare(&Snapshot::of(self.node.world()))?;
        match step.get("checks").and_then(Value::as_object) {
            Some(checks) => checks::run(self, checks, block.as_ref(), old_head),
            None => Ok(()),
        }
    }

    /// The vectors' node aggregates whenever its clock ticks.
    fn tick(&mut self, step: &Value) -> Result<(), Failed> {
        let has_proposal = field(step, "hasProposal")?;
        self.node.set_aggregator(true);
        match optional::<u64>(step, "interval")? {
            Some(interval) => self.node.tick_to(interval, has_proposal),
            None => self.node.tick_to_ms(field::<u64>(step, "time")? * 1000, has_proposal),
        }
        Ok(())
    }

    fn block(
        &mut self,
        step: &Value,
        block: &Block,
        expected: &Snapshot,
    ) -> Result<Verdict, Failed> {
        if let Some(label) = optional::<String>(&step["block"], "blockRootLabel")? {
            self.labels.insert(label, block.tree_hash_root());
        }
        self.node.set_aggregator(true);
        if field(step, "tickToSlot")? {
            self.node.tick_to(first_interval(block.slot), true);
        }
        builder::replay(self.node.world(), block, expected)?;
        // Vectors do not carry the block's proof, only that it was valid.
        let root = block.tree_hash_root();
        let proof = ProofBytes::new(mocked::placeholder_of(&root.to_string()));
        let proof = MultiMessageAggregate { proof: proof.ok_or("a placeholder is short")? };
        Ok(self.node.block(SignedBlock { block: block.clone(), proof }))
    }
}
