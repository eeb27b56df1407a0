//! Lanes: bounded, drained by kind and up to a budget.

use std::sync::Arc;

use bevy_ecs::message::Messages;
use quintet_components::{
    containers::{AttestationData, Block, Root},
    lane::Lane,
    messages::{
        AggregateReceived, AttestationReceived, BlockReceived, InputId, InputJudged, Verdict,
    },
    rejection::RejectionReason,
};
use quintet_plugins::InboundLanes;

use crate::support::{
    chain::{aggregate, attested_by, genesis, signed},
    node::{Setup, TestNode},
};

fn node() -> TestNode {
    TestNode::new(Setup::new(genesis(4)))
}

fn lanes(node: &TestNode) -> InboundLanes {
    node.app.world().resource::<InboundLanes>().clone()
}

/// Items that are refused as soon as they are read: their chain is unknown.
fn block(id: u64) -> BlockReceived {
    let state_root = Root::left_padding_from(&id.to_be_bytes());
    let parent_root = Root::repeat_byte(1);
    let block = Block { slot: 1, parent_root, state_root, ..Block::default() };
    BlockReceived::new(InputId(id), Arc::new(signed(block)))
}

fn an_aggregate(id: u64) -> AggregateReceived {
    let aggregate = Arc::new(aggregate(AttestationData::default(), &[0]));
    AggregateReceived::new(InputId(id), aggregate)
}

fn attestation(id: u64) -> AttestationReceived {
    let attestation = Arc::new(attested_by(AttestationData::default(), 0));
    AttestationReceived::new(InputId(id), attestation)
}

/// The refusals of one update, in order.
fn judged(node: &mut TestNode) -> Vec<(u64, RejectionReason)> {
    node.app.update();
    let mut judged = node.world().resource_mut::<Messages<InputJudged>>();
    judged
        .drain()
        .map(|InputJudged { id, verdict }| match verdict {
            Verdict::Rejected(rejection) => (id.0, rejection.reason),
            other => panic!("{id:?}: {other:?}"),
        })
        .collect()
}

#[test]
fn a_full_lane_drops_what_comes_and_counts_it() {
    let mut node = node();
    let lanes = lanes(&node);
    let taken = (0..300).filter(|id| lanes.blocks.offer(block(*id))).count();
    let lane = node.world().resource::<Lane<BlockReceived>>();
    assert_eq!((taken, lane.depth(), lane.dropped()), (256, 256, 44));

    // The oldest stay, and another lane still has room.
    assert!(lanes.attestations.offer(attestation(1000)));
    let first = judged(&mut node);
    assert_eq!(first[0], (0, RejectionReason::UnknownParentBlock));
    assert!(first.contains(&(1000, RejectionReason::UnknownSourceBlock)));
    assert!(lanes.blocks.offer(block(301)), "a drained lane takes more");
    assert_eq!(node.world().resource::<Lane<BlockReceived>>().dropped(), 44);
}

#[test]
fn an_update_takes_up_to_its_budget_of_each_lane_and_the_rest_later() {
    let mut node = node();
    let lanes = lanes(&node);
    for id in 0..40 {
        assert!(lanes.blocks.offer(block(id)));
    }
    for id in 100..230 {
        assert!(lanes.aggregates.offer(an_aggregate(id)));
    }
    for id in 1000..2100 {
        assert!(lanes.attestations.offer(attestation(id)));
    }
    let mut updates: Vec<Vec<u64>> = Vec::new();
    for _ in 0..4 {
        updates.push(judged(&mut node).into_iter().map(|(id, _)| id).collect());
    }
    let sizes = |range: std::ops::Range<u64>| -> Vec<usize> {
        updates.iter().map(|ids| ids.iter().filter(|id| range.contains(id)).count()).collect()
    };
    assert_eq!(sizes(0..100), [16, 16, 8, 0]);
    assert_eq!(sizes(100..1000), [64, 64, 2, 0]);
    assert_eq!(sizes(1000..3000), [512, 512, 76, 0]);
    let mut all = updates.concat();
    all.sort_unstable();
    assert_eq!(all, (0..40).chain(100..230).chain(1000..2100).collect::<Vec<_>>());
}

/// Offered in the opposite order.
#[test]
fn blocks_are_read_before_aggregates_and_aggregates_before_attestations() {
    let mut node = node();
    let lanes = lanes(&node);
    lanes.attestations.offer(attestation(1));
    lanes.aggregates.offer(an_aggregate(2));
    lanes.blocks.offer(block(3));
    lanes.attestations.offer(attestation(4));
    lanes.aggregates.offer(an_aggregate(5));
    lanes.blocks.offer(block(6));
    let ids: Vec<u64> = judged(&mut node).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [3, 6, 2, 5, 1, 4]);
}

#[test]
fn a_block_behind_a_flood_of_attestations_is_read_in_the_next_update() {
    let mut node = node();
    let lanes = lanes(&node);
    for id in 0..8192 {
        assert!(lanes.attestations.offer(attestation(id)));
    }
    lanes.blocks.offer(block(9000));
    assert_eq!(judged(&mut node)[0], (9000, RejectionReason::UnknownParentBlock));
}
