//! Checks that the safe target is the one that a literal fork choice selects from the votes of the
//! slot.

use std::collections::BTreeMap;

use bevy_app::App;
use bevy_ecs::prelude::*;
use quintet_components::{
    attestations::{New, Phase},
    chain::{Finalized, Justified, Registry, SafeTarget},
    containers::{Root, Slot},
    schedule::{Interval, IntervalSystems, OnInterval},
    tree::{BlockTree, NodeId},
};
use quintet_systems::{fork_choice::safe_target::update_safe_target, pool::Attestations};

use super::{Broken, View, broken, heaviest::heaviest};

/// The error of the safe target of the newest slot.
#[derive(Resource, Default)]
struct Finding(Option<String>);

/// Makes a node compare its safe target right after it has selected it, while its pool is the same.
pub(super) fn prepare(app: &mut App) {
    let after = compare.in_set(IntervalSystems::ForkChoice).after(update_safe_target);
    app.init_resource::<Finding>().add_systems(OnInterval(Interval::SafeTarget), after);
}

pub(super) fn look(view: &mut View<'_>) -> Result<(), Broken> {
    let finding = view.world.get_resource_mut::<Finding>();
    let found = finding.and_then(|mut finding| finding.bypass_change_detection().0.take());
    found.map_or(Ok(()), |text| broken("safe-target", text))
}

fn compare(
    pool: Attestations,
    tree: Res<BlockTree>,
    (registry, justified, finalized): (Res<Registry>, Res<Justified>, Res<Finalized>),
    safe_target: Res<SafeTarget>,
    mut finding: ResMut<Finding>,
) {
    let Some(start) = tree.find(&justified.0.root) else { return };
    let votes = votes(&pool, &tree, finalized.0.slot);
    let minimum = (0..).find(|votes| 3 * votes >= 2 * registry.len() as u64).unwrap_or(u64::MAX);
    let leaf = heaviest(&tree, votes, start, minimum);
    if *tree.root(leaf) != safe_target.0.root {
        finding.0 = Some(format!(
            "with {minimum} votes {} of slot {} is safe, and it has {:?}",
            tree.root(leaf),
            tree.slot(leaf),
            safe_target.0
        ));
    }
}

/// Each validator's newest vote that waits to count. Of two for one slot it is the one with the
/// larger root.
fn votes(pool: &Attestations, tree: &BlockTree, finalized: Slot) -> Vec<NodeId> {
    let mut newest: BTreeMap<u64, ((Slot, Root), Option<NodeId>)> = BTreeMap::new();
    for attestation in pool.members::<New>() {
        let pooled = pool.data(attestation);
        let (rank, head) = ((pooled.data.slot, pooled.root), pooled.data.head);
        for (_, payload) in pool.payloads(attestation, Phase::New) {
            for voter in payload.participants.indices().filter(|_| head.slot > finalized) {
                let vote = (rank, tree.find(&head.root));
                let known = newest.entry(voter).or_insert(vote);
                if known.0 < rank {
                    *known = vote;
                }
            }
        }
    }
    newest.into_values().filter_map(|(_, head)| head).collect()
}
