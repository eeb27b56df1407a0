//! The same inputs give the same world: whatever the order in which plugins are added, however
//! many threads run tasks, and in whichever order tasks end.
//!
//! The clock is turned one interval at a time, and everything under way ends before it is turned
//! on: that is what "the same inputs" means to a node whose proofs take time.

mod script;

use crate::support::{
    chain,
    node::{PLUGINS, Setup, TestNode},
};
use quintet_components::containers::Root;
use quintet_plugins::PoolSpawner;

/// The digest of the scripted replay. It changes with the protocol or with the script, and then
/// only on purpose.
const GOLDEN: &str = "0xc5657e99f464939c04a0abcee2a09975eacd30a2d29d9fb836ee4f2401ce8d16";

fn setup() -> Setup {
    Setup::new(chain::genesis(script::VALIDATORS)).accepting_signatures()
}

fn replay(setup: Setup) -> Vec<Root> {
    script::play(&mut TestNode::new(setup))
}

/// Fails at the first slot that differs.
fn same_replay(name: &str, setup: Setup, expected: &[Root]) {
    for (slot, (actual, expected)) in replay(setup).iter().zip(expected).enumerate() {
        assert_eq!(actual, expected, "{name}: the worlds differ after slot {}", slot + 1);
    }
}

#[test]
fn a_scripted_replay_gives_the_golden_hash() {
    let mut node = TestNode::new(setup());
    let digests = script::play(&mut node);
    assert_eq!(script::digest_of(&digests).to_string(), GOLDEN);
}

/// A hash over a chain where nothing happens would prove nothing.
#[test]
fn the_script_sees_forks_reorganisations_aggregates_and_finality() {
    let seen = script::observe(setup());
    assert!(seen.finalized_slot > 40, "{seen:?}");
    assert!(seen.blocks > 60, "{seen:?}");
    assert!(seen.forks > 5, "{seen:?}");
    assert!(seen.reorganisations > 2, "{seen:?}");
    assert!(seen.aggregates_made > 20, "{seen:?}");
    assert!(seen.refused > 3, "{seen:?}");
}

#[test]
fn plugins_added_in_any_order_give_the_same_world() {
    let expected = replay(setup());
    for order in permutations() {
        let name = format!("{:?}", order.map(|index| PLUGINS[index]));
        same_replay(&name, Setup { order, ..setup() }, &expected);
    }
}

#[test]
fn task_pools_of_any_size_give_the_same_world() {
    let expected = replay(setup());
    for threads in [1, 2, 3, 8] {
        let pool = PoolSpawner::own(threads);
        same_replay(&format!("{threads} threads"), setup().tasks_on(pool), &expected);
    }
}

#[test]
fn tasks_that_end_out_of_order_give_the_same_world() {
    let expected = replay(setup());
    for seed in 0..8 {
        same_replay(&format!("seed {seed}"), setup().scrambled(seed), &expected);
    }
}

/// An aggregate that arrives with a block which finalizes past it: it is admitted before the block
/// is in, so it goes with the attestations that finality makes stale, whichever check ends first.
#[test]
fn an_aggregate_beside_the_block_that_makes_it_stale_goes_whichever_ends_first() {
    let expected = script::stale_beside_its_block(&mut TestNode::new(setup()));
    for seed in 0..16 {
        let mut node = TestNode::new(setup().scrambled(seed));
        assert_eq!(script::stale_beside_its_block(&mut node), expected, "seed {seed}");
    }
}

fn permutations() -> Vec<[usize; PLUGINS.len()]> {
    let mut all = vec![];
    for code in 0..256 {
        let order = [code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6];
        if (0..4).all(|index| order.contains(&index)) {
            all.push(order);
        }
    }
    assert_eq!(all.len(), 24);
    all
}
