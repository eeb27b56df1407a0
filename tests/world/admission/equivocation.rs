//! Validators that attest to different things in one slot.

use quintet_components::{
    chain::Head,
    containers::Checkpoint,
    messages::{IgnoreReason, Verdict},
};
use quintet_systems::pool::{limits::PoolLimits, pool_sizes};
use tree_hash::TreeHash;

use crate::{
    admission::{Gate, ignored},
    support::chain::{aggregate, attested_by},
};

/// A node at slot 5 with blocks of slots 1 to 4, each on genesis.
fn gate() -> (Gate, Vec<Checkpoint>) {
    let mut gate = Gate::new();
    gate.node.set_aggregator(true);
    gate.node.tick_to(25, false);
    let heads = (1..=4).map(|slot| gate.import(slot)).collect();
    (gate, heads)
}

#[test]
fn a_validator_takes_two_places_for_a_slot_and_another_keeps_its_own() {
    let (mut gate, heads) = gate();
    let mut verdicts = Vec::new();
    for head in &heads {
        let data = gate.attestation(5, *head);
        let id = gate.attestation_from("peer", attested_by(data, 1));
        verdicts.push(gate.verdict(id).expect("judged"));
    }
    let equivocates = ignored(IgnoreReason::Equivocation);
    let expected = [Verdict::Accepted, Verdict::Accepted, equivocates.clone(), equivocates.clone()];
    assert_eq!(verdicts, expected);
    assert_eq!(pool_sizes(gate.node.world())[0], 2);
    // Nor by way of aggregates.
    let data = gate.attestation(5, heads[2]);
    let id = gate.aggregate_from("peer", aggregate(data, &[1]));
    assert_eq!(gate.verdict(id), Some(equivocates));
    // Who does not equivocate is heard, also together with it.
    let id = gate.attestation_from("peer", attested_by(data, 2));
    assert_eq!(gate.verdict(id), Some(Verdict::Accepted));
    let id = gate.aggregate_from("peer", aggregate(data, &[1, 3]));
    assert_eq!(gate.verdict(id), Some(Verdict::Accepted));
}

#[test]
fn the_larger_attestation_root_counts_whatever_came_first() {
    let mut heads_seen = Vec::new();
    for order in [[0, 1], [1, 0]] {
        let (mut gate, heads) = gate();
        // A session would drop payloads that it has nothing to join with.
        gate.node.set_aggregator(false);
        let two = order.map(|place| gate.attestation(5, heads[place]));
        for data in two {
            let id = gate.aggregate_from("peer", aggregate(data, &[0, 1, 2, 3, 4, 5]));
            assert_eq!(gate.verdict(id), Some(Verdict::Accepted));
        }
        gate.node.tick_to(29, false);
        let expected = two.into_iter().max_by_key(TreeHash::tree_hash_root);
        let head = gate.node.world().resource::<Head>().0;
        assert_eq!(Some(head), expected.map(|data| data.head), "order {order:?}");
        heads_seen.push(head);
    }
    assert_eq!(heads_seen[0], heads_seen[1]);
}

#[test]
fn no_other_validators_attestation_is_evicted_for_an_equivocating_one() {
    let (mut gate, heads) = gate();
    *gate.node.world().resource_mut::<PoolLimits>() =
        PoolLimits { attestations: 4, ..PoolLimits::default() };
    // The honest one's is the oldest in the pool.
    let honest = gate.attestation(4, heads[0]);
    let id = gate.attestation_from("peer", attested_by(honest, 0));
    assert_eq!(gate.verdict(id), Some(Verdict::Accepted));
    // Two a slot are evidence, and go first all the same.
    for slot in [4, 5] {
        for head in &heads[..2] {
            let data = gate.attestation(slot, *head);
            let id = gate.attestation_from("peer", attested_by(data, 7));
            assert_eq!(gate.verdict(id), Some(Verdict::Accepted));
        }
    }
    let next = gate.attestation(5, heads[3]);
    let id = gate.attestation_from("peer", attested_by(next, 2));
    assert_eq!(gate.verdict(id), Some(Verdict::Accepted));
    gate.node.set_aggregator(false);
    gate.node.tick_to(30, false);
    let world = gate.node.world();
    let index = world.resource::<quintet_components::attestations::AttestationsByData>();
    assert!(index.get(&honest).is_some() && index.get(&next).is_some());
    assert!(index.len() <= 4);
}
