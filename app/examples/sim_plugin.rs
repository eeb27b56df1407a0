//! A custom system in every node of a simulated network. It counts reorganisations while messages
//! are lost.
//!
//! ```console
//! $ cargo run --release --example sim_plugin
//! ```

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bevy_app::Update;
use bevy_ecs::prelude::*;
use quintet::{
    components::{
        messages::HeadChanged,
        schedule::{Last, NodeSystems},
    },
    plugins::sim::Simulation,
};

fn reorganisations(loss_per_mille: u64) -> u64 {
    let all = Arc::new(AtomicU64::new(0));
    let shared = Arc::clone(&all);
    let network = Simulation::new(1).slots(40);
    let network = network.with(|it| it.network.loss_per_mille = loss_per_mille);
    let counting = network.customize(move |_, app| {
        let all = Arc::clone(&shared);
        let count = move |mut heads: MessageReader<HeadChanged>| {
            let deep = heads.read().filter(|head| head.reorg_depth > 0).count();
            all.fetch_add(deep as u64, Ordering::Relaxed);
        };
        app.add_systems(Update, count.in_set(Last(NodeSystems::HeldDuties)));
    });
    counting.run();
    all.load(Ordering::Relaxed)
}

fn main() {
    println!("{} without loss, {} with", reorganisations(0), reorganisations(300));
}

#[cfg(test)]
#[test]
fn loss_reorganises() {
    assert!(reorganisations(300) > reorganisations(0));
}
