//! A step's checks, all of them: an unknown one fails.

use std::collections::{BTreeMap, BTreeSet};

use bevy_ecs::prelude::*;
use libtest_mimic::Failed;
use quintet_components::{
    attestations::{Known, New, Phase, Pool, PooledAttestation, Signed},
    chain::{Finalized, Head, Justified, SafeTarget},
    clock::CurrentInterval,
    containers::{AttestationData, Block, Checkpoint, Root, Slot},
    tree::BlockTree,
};
use quintet_systems::{fork_choice::block_weights, pool, production::attestation_target};
use serde::Deserialize;
use serde_json::Value;
use tree_hash::TreeHash;

use super::Scenario;
use crate::vectors::{entries, read, same, strict};

pub fn run(
    scenario: &mut Scenario,
    checks: &Value,
    block: Option<&Block>,
    old_head: Root,
) -> Result<(), Failed> {
    for (name, expected) in entries(checks)? {
        check(scenario, name, expected, block, old_head)?;
    }
    Ok(())
}

fn check(
    scenario: &mut Scenario,
    name: &str,
    expected: &Value,
    block: Option<&Block>,
    old_head: Root,
) -> Result<(), Failed> {
    let labels = scenario.labels.clone();
    let label = |label: &str| -> Result<Root, Failed> {
        labels.get(label).copied().ok_or_else(|| format!("unknown label {label}").into())
    };
    let expected_label = || label(&read::<String>(expected)?);
    let world = scenario.driven.node.world();
    let head = world.resource::<Head>().0;
    let safe_target = world.resource::<SafeTarget>().0;
    let justified = world.resource::<Justified>().0;
    let finalized = world.resource::<Finalized>().0;
    let block = || block.ok_or("the step has no block");
    match name {
        "time" => same(name, &world.resource::<CurrentInterval>().count, &read(expected)?),
        "headSlot" => same(name, &head.slot, &read(expected)?),
        "headRoot" => same(name, &head.root, &read(expected)?),
        "headRootLabel" => same(name, &head.root, &expected_label()?),
        "safeTarget" => same(name, &safe_target.root, &read(expected)?),
        "safeTargetSlot" => same(name, &safe_target.slot, &read(expected)?),
        "safeTargetRootLabel" => same(name, &safe_target.root, &expected_label()?),
        "latestJustifiedSlot" => same(name, &justified.slot, &read(expected)?),
        "latestJustifiedRoot" => same(name, &justified.root, &read(expected)?),
        "latestJustifiedRootLabel" => same(name, &justified.root, &expected_label()?),
        "latestFinalizedSlot" => same(name, &finalized.slot, &read(expected)?),
        "latestFinalizedRoot" => same(name, &finalized.root, &read(expected)?),
        "latestFinalizedRootLabel" => same(name, &finalized.root, &expected_label()?),
        "attestationTargetSlot" => same(name, &target(world).slot, &read(expected)?),
        "attestationTargetRootLabel" => same(name, &target(world).root, &expected_label()?),
        "filledBlockRootLabel" => same(name, &block()?.tree_hash_root(), &expected_label()?),
        "blockAttestationCount" => same(name, &block()?.body.attestations.len(), &read(expected)?),
        "blockAttestations" => block_attestations(block()?, strict(expected)?),
        "attestationChecks" => {
            for check in strict::<Vec<AttestationCheck>>(expected)? {
                let source = check.source_root_label.as_deref().map(label).transpose()?;
                check.run(world, source)?;
            }
            Ok(())
        }
        "attestationSignatureTargetSlots" => target_slots::<Signed>(world, name, expected),
        "latestNewAggregatedTargetSlots" => target_slots::<New>(world, name, expected),
        "latestKnownAggregatedTargetSlots" => target_slots::<Known>(world, name, expected),
        "newPoolProofParticipants" => {
            let actual = new_participants(world);
            for (slot, participants) in strict::<BTreeMap<Slot, BTreeSet<u64>>>(expected)? {
                same(name, &actual.get(&slot).cloned().unwrap_or_default(), &participants)?;
            }
            Ok(())
        }
        "lexicographicHeadAmong" => {
            let roots = read::<Vec<String>>(expected)?
                .iter()
                .map(|each| label(each))
                .collect::<Result<Vec<Root>, _>>()?;
            let weights: BTreeMap<Root, u32> = block_weights(world).into_iter().collect();
            let tied: BTreeSet<Option<&u32>> = roots.iter().map(|root| weights.get(root)).collect();
            same("weights that tie", &tied.len(), &1)?;
            same(name, &Some(head.root), &roots.into_iter().max())
        }
        "reorgDepth" => {
            let tree = world.resource::<BlockTree>();
            let depth = chain(tree, old_head).difference(&chain(tree, head.root)).count();
            same(name, &depth, &read(expected)?)
        }
        "labelsInStore" => {
            for each in read::<Vec<String>>(expected)? {
                let known = world.resource::<BlockTree>().contains(&label(&each)?);
                same(&format!("{each} in store"), &known, &true)?;
            }
            Ok(())
        }
        name => Err(format!("unknown check {name}").into()),
    }
}

fn target(world: &World) -> Checkpoint {
    let tree = world.resource::<BlockTree>();
    let head = tree.find(&world.resource::<Head>().0.root).expect("the head is known");
    attestation_target(
        tree,
        head,
        world.resource::<SafeTarget>().0.slot,
        world.resource::<Finalized>().0.slot,
    )
}

/// A block and all its known ancestors.
fn chain(tree: &BlockTree, root: Root) -> BTreeSet<Root> {
    let first = tree.find(&root);
    std::iter::successors(first, |id| tree.parent(*id)).map(|id| tree[id].root).collect()
}

fn data<P: Pool>(world: &World) -> impl Iterator<Item = (Entity, AttestationData)> {
    pool::members::<P>(world)
        .into_iter()
        .filter_map(|vote| Some((vote, world.get::<PooledAttestation>(vote)?.data)))
}

fn target_slots<P: Pool>(world: &World, name: &str, expected: &Value) -> Result<(), Failed> {
    let actual: BTreeSet<Slot> = data::<P>(world).map(|(_, data)| data.target.slot).collect();
    let mut expected: Vec<Slot> = read(expected)?;
    expected.sort_unstable();
    same(name, &actual.into_iter().collect(), &expected)
}

fn new_participants(world: &World) -> BTreeMap<Slot, BTreeSet<u64>> {
    let mut participants: BTreeMap<Slot, BTreeSet<u64>> = BTreeMap::new();
    for (vote, data) in data::<New>(world) {
        for (_, payload) in pool::payloads(world, vote, Phase::New) {
            participants
                .entry(data.target.slot)
                .or_default()
                .extend(payload.participants.indices());
        }
    }
    participants
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BlockAttestationCheck {
    participants: BTreeSet<u64>,
    attestation_slot: Option<Slot>,
    target_slot: Option<Slot>,
}

fn block_attestations(block: &Block, checks: Vec<BlockAttestationCheck>) -> Result<(), Failed> {
    for check in checks {
        let found = block
            .body
            .attestations
            .iter()
            .find(|each| {
                each.aggregation_bits.indices().collect::<BTreeSet<_>>() == check.participants
            })
            .ok_or_else(|| format!("no attestation of {:?}", check.participants))?;
        if let Some(slot) = check.attestation_slot {
            same("attestation slot", &found.data.slot, &slot)?;
        }
        if let Some(slot) = check.target_slot {
            same("target slot", &found.data.target.slot, &slot)?;
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AttestationCheck {
    validator: u64,
    location: String,
    attestation_slot: Option<Slot>,
    head_slot: Option<Slot>,
    source_slot: Option<Slot>,
    source_root_label: Option<String>,
    target_slot: Option<Slot>,
}

impl AttestationCheck {
    fn run(&self, world: &World, source: Option<Root>) -> Result<(), Failed> {
        let votes: Vec<AttestationData> = match self.location.as_str() {
            "signatures" => data::<Signed>(world)
                .filter(|(vote, _)| {
                    pool::signatures(world, *vote)
                        .any(|(_, each)| each.validator_index == self.validator)
                })
                .map(|(_, data)| data)
                .collect(),
            "new" => self.covered::<New>(world, Phase::New),
            "known" => self.covered::<Known>(world, Phase::Known),
            location => return Err(format!("unknown location {location}").into()),
        };
        // The newest; of two for one slot the first.
        let newest = votes
            .into_iter()
            .reduce(|best, each| if each.slot > best.slot { each } else { best })
            .ok_or_else(|| format!("validator {} is not in {}", self.validator, self.location))?;
        for (name, expected, actual) in [
            ("attestation slot", self.attestation_slot, newest.slot),
            ("head slot", self.head_slot, newest.head.slot),
            ("source slot", self.source_slot, newest.source.slot),
            ("target slot", self.target_slot, newest.target.slot),
        ] {
            if let Some(expected) = expected {
                same(name, &actual, &expected)?;
            }
        }
        source.map_or(Ok(()), |source| same("source root", &newest.source.root, &source))
    }

    fn covered<P: Pool>(&self, world: &World, phase: Phase) -> Vec<AttestationData> {
        data::<P>(world)
            .filter(|(vote, _)| {
                pool::payloads(world, *vote, phase)
                    .any(|(_, payload)| payload.participants.contains(self.validator))
            })
            .map(|(_, data)| data)
            .collect()
    }
}
