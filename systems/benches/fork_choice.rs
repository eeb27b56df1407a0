//! Selects the head over 10,000 unfinalized blocks.

use std::hint::black_box;

use bevy_ecs::prelude::*;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use quintet_components::{
    containers::{Checkpoint, Root},
    tree::{BlockNode, BlockTree, NodeId},
};
use quintet_systems::fork_choice::weights::{VoteMove, VoteWeights};

const BLOCKS: u64 = 10_000;
const VALIDATORS: usize = 4096;

fn root(index: u64) -> Root {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&index.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes[24..].copy_from_slice(&index.to_be_bytes());
    Root::from(bytes)
}

/// The parent of each block: an unbroken chain, two branches side by side, or a fork every third
/// block whose branches are short.
const SHAPES: [(&str, fn(u64) -> u64); 3] = [
    ("chain", |index| index - 1),
    ("two branches", |index| index.saturating_sub(2)),
    ("short forks", |index| if index % 3 == 0 { index.saturating_sub(3) } else { index - 1 }),
];

fn tree(parent_of: fn(u64) -> u64) -> (World, Vec<NodeId>) {
    let mut world = World::new();
    world.init_resource::<BlockTree>();
    for index in 0..BLOCKS {
        world.spawn(BlockNode {
            root: root(index),
            parent_root: if index == 0 { Root::ZERO } else { root(parent_of(index)) },
            slot: index,
            proposer_index: index % VALIDATORS as u64,
            state_root: Root::ZERO,
            justified: Checkpoint::default(),
            finalized_slot: 0,
        });
    }
    let tree = world.resource::<BlockTree>();
    let ids = (0..BLOCKS).map(|index| tree.find(&root(index)).expect("inserted")).collect();
    (world, ids)
}

/// Picks blocks from all over the tree, without a pattern.
fn pick(ids: &[NodeId], seed: usize) -> NodeId {
    ids[seed.wrapping_mul(2_654_435_761) % ids.len()]
}

fn head(criterion: &mut Criterion) {
    for (shape, parent_of) in SHAPES {
        let (world, ids) = tree(parent_of);
        let tree = world.resource::<BlockTree>();
        let mut weights = VoteWeights::default();
        let start = ids[0];
        let place = |from: usize, to: usize| -> Vec<VoteMove> {
            (0..VALIDATORS)
                .map(|validator| VoteMove {
                    from: (from > 0).then(|| pick(&ids, validator * 31 + from)),
                    to: Some(pick(&ids, validator * 31 + to)),
                })
                .collect()
        };
        weights.move_votes(&place(0, 1), tree);

        let mut group = criterion.benchmark_group(format!("head over 10,000 blocks, {shape}"));
        let mut at = 1;
        group.bench_function("4096 votes moved", |bencher| {
            bencher.iter_batched(
                || {
                    at += 1;
                    place(at - 1, at)
                },
                |moves| {
                    weights.move_votes(&moves, tree);
                    black_box(weights.heaviest_leaf(start))
                },
                BatchSize::SmallInput,
            );
        });

        let tip = *ids.last().expect("ten thousand");
        // Forwards and back, so that the weights do not change overall.
        for (name, from, to) in [
            ("one vote moved by a few blocks", ids[ids.len() - 6], tip),
            ("one vote moved from the first block to the last", ids[1], tip),
            ("one vote moved across the tree", pick(&ids, 7), pick(&ids, 11)),
        ] {
            let mut ends = (from, to);
            weights.move_votes(&[VoteMove { from: None, to: Some(from) }], tree);
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    weights.move_votes(&[VoteMove { from: Some(ends.0), to: Some(ends.1) }], tree);
                    ends = (ends.1, ends.0);
                    black_box(weights.heaviest_leaf(start))
                });
            });
            weights.move_votes(&[VoteMove { from: Some(ends.0), to: None }], tree);
        }
        group.finish();
    }
}

criterion_group!(benches, head);
criterion_main!(benches);
