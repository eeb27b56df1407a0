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
    containers::{Block, Root},
    messages::{IgnoreReason, Verdict},
};
use quintet_plugins::driver::{self, InitError, Step};
use serde_json::Value;
use tree_hash::TreeHash;

use crate::vectors::{field, optional, same};
use snapshot::Snapshot;

/// A scenario under way.
struct Scenario {
    driven: driver::Scenario,
    /// Blocks by the labels that the vector gave them.
    labels: HashMap<String, Root>,
}

pub fn run(case: &Value) -> Result<(), Failed> {
    let reason = optional::<String>(case, "rejectionReason")?;
    let driven = match (driver::Scenario::begin(case), reason) {
        (Err(InitError::Rejected(rejection)), reason) => {
            let refused = Some(rejection.reason.name().to_owned());
            return same("refusal of the anchor", &refused, &reason);
        }
        (Ok(_), Some(reason)) => return Err(format!("no refusal with {reason}").into()),
        (driven, None) | (driven @ Err(_), _) => driven?,
    };
    let root = field::<Block>(case, "anchorBlock")?.tree_hash_root();
    let labels = HashMap::from([("genesis".to_owned(), root)]);
    let mut scenario = Scenario { driven, labels };
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
        let old_head = self.driven.node.world().resource::<Head>().0.root;
        let mut block = None;
        let verdict = match Step::read(step)? {
            Step::Block(read) => {
                if let Some(label) = optional::<String>(&step["block"], "blockRootLabel")? {
                    self.labels.insert(label, read.block.tree_hash_root());
                }
                self.driven.prepare_block(&read)?;
                builder::rebuild(self.driven.node.world(), &read.block)?;
                block = Some(read.block.clone());
                self.driven.import_block(read.block)
            }
            other => self.driven.run(other)?,
        };
        let refused = match verdict {
            Verdict::Accepted | Verdict::Ignored(IgnoreReason::KnownBlock) => None,
            Verdict::Ignored(why) => return Err(format!("ignored: {why}").into()),
            Verdict::Rejected(rejection) => Some(rejection.reason.name().to_owned()),
        };
        same("rejection reason", &refused, &optional::<String>(step, "rejectionReason")?)?;
        same("valid", &refused.is_none(), &field(step, "valid")?)?;
        expected.compare(&Snapshot::of(self.driven.node.world()))?;
        match step.get("checks").and_then(Value::as_object) {
            Some(checks) => checks::run(self, checks, block.as_ref(), old_head),
            None => Ok(()),
        }
    }
}
