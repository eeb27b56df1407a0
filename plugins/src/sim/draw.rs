//! Draws the network of a seed, so that many seeds cover many combinations.

use quintet_components::constants::SLOT_DURATION_MS;

use super::{
    fault::{Adversary, Fault, FaultKind, Loss, Script},
    random::Random,
    scenario::{Delay, NetworkModel, Scenario, SharedKey, TaskModel},
};

/// The tenths of the time, at its end, that are without faults, so that finality can come back.
const CALM_TENTHS: u64 = 5;

/// Draws the scenario of a seed for this many slots: nodes, validators, network, faults and
/// adversaries. The adversaries have less than a third of the validators.
pub fn draw(seed: u64, slots: u64) -> Scenario {
    let mut random = Random::new(seed).stream("draw", 0);
    let nodes = [1, 2, 3, 4, 4, 4, 5, 6, 7, 8, 10, 12, 16][random.place(13)];
    let a_node = [1, 1, 1, 2, 2, 4, 8, 16, 64][random.place(9)];
    let validators = (nodes as u64 * a_node).clamp(4, 1024);
    let mut scenario = Scenario {
        seed,
        slots,
        nodes,
        validators,
        committees: [1, 1, 1, 2, 4][random.place(5)],
        aggregators: 1 + random.place(nodes.min(4)),
        network: network(&mut random),
        tasks: tasks(&mut random),
        shared_keys: Vec::new(),
        faults: Vec::new(),
        adversaries: Vec::new(),
    };
    add_adversaries(&mut scenario, &mut random);
    add_shared_key(&mut scenario, &mut random);
    add_faults(&mut scenario, &mut random);
    scenario
}

fn network(random: &mut Random) -> NetworkModel {
    NetworkModel {
        latency: [Delay::new(1, 10, 1), Delay::new(5, 60, 2), Delay::new(20, 150, 3)]
            [random.place(3)],
        jitter_ms: [0, 5, 20, 60][random.place(4)],
        loss_per_mille: [0, 0, 0, 2, 10][random.place(5)],
        duplicate_per_mille: [0, 5, 50][random.place(3)],
        stall_per_mille: [0, 0, 20, 100][random.place(4)],
        cut_per_mille: [0, 0, 20, 100][random.place(4)],
        bandwidth_kib: [0, 0, 0, 256, 64][random.place(5)],
        calls: [0, 0, 0, 3, 6][random.place(5)],
    }
}

fn tasks(random: &mut Random) -> TaskModel {
    let prove = [Delay::new(5, 40, 2), Delay::new(50, 250, 3), Delay::new(150, 450, 4)];
    TaskModel { prove: prove[random.place(3)], ..TaskModel::default() }
}

fn add_adversaries(scenario: &mut Scenario, random: &mut Random) {
    let mut nodes: Vec<usize> = (0..scenario.nodes).collect();
    random.shuffle(&mut nodes);
    let mut weight = 0;
    let colludes = random.chance(80);
    let count = if colludes { nodes.len() } else { random.place(4) };
    for node in nodes.into_iter().take(count) {
        weight += scenario.validators_of(node).len() as u64;
        if 3 * weight >= scenario.validators {
            return;
        }
        if colludes {
            scenario.adversaries.push(Adversary { node, script: Script::Colluder });
            continue;
        }
        for _ in 0..=random.place(2) {
            // A colluder never plays alone, so it is not drawn here.
            let script = Script::ALL[random.place(Script::ALL.len() - 1)];
            let adversary = Adversary { node, script };
            if !scenario.adversaries.contains(&adversary) {
                scenario.adversaries.push(adversary);
            }
        }
    }
}

/// Adds a validator's keys to a second node, if there is one and the validators that do not work
/// stay below a third.
fn add_shared_key(scenario: &mut Scenario, random: &mut Random) {
    if scenario.nodes == 1 || !random.chance(60) {
        return;
    }
    let validator = random.below(scenario.validators);
    let home = validator % scenario.nodes as u64;
    let node = (home + 1 + random.below(scenario.nodes as u64 - 1)) % scenario.nodes as u64;
    let node = usize::try_from(node).expect("below the number of nodes");
    scenario.shared_keys.push(SharedKey { validator, node });
    if 3 * scenario.unusable_validators() >= scenario.validators {
        scenario.shared_keys.clear();
    }
}

fn add_faults(scenario: &mut Scenario, random: &mut Random) {
    let end_ms = scenario.slots * SLOT_DURATION_MS / 10 * (10 - CALM_TENTHS);
    for _ in 0..random.place(7) {
        let kind = kind(scenario.nodes, random);
        let from_ms = random.below(end_ms);
        // Many faults last only a moment, such as a process that restarts within a slot.
        let longest = if random.chance(300) { 2_000 } else { 16 * SLOT_DURATION_MS };
        let for_ms = random.within(200..=longest).min(end_ms - from_ms);
        scenario.faults.push(Fault { from_ms, for_ms, kind });
    }
}

fn kind(nodes: usize, random: &mut Random) -> FaultKind {
    let node = random.place(nodes);
    let other = (node + 1 + random.place(nodes.saturating_sub(1).max(1))) % nodes;
    match random.below(17) {
        0 | 1 => {
            let loses = [Loss::Process, Loss::Process, Loss::Power, Loss::Rollback];
            FaultKind::Crash { node, loses: loses[random.place(4)] }
        }
        2 => FaultKind::Pause { node },
        3 | 15 => {
            let by_ms = [-30_000, -9_000, -2_500, -400, 200, 500, 3_000, 20_000];
            FaultKind::Skew { node, by_ms: by_ms[random.place(8)] }
        }
        4 => FaultKind::Drift { node, ppm: [-2_000, -200, 200, 2_000][random.place(4)] },
        5 => FaultKind::DiskFull { node },
        6 => FaultKind::DiskSlow { node, factor: [4, 20, 100][random.place(3)] },
        7 => FaultKind::ProverSlow { node, factor: [2, 6, 30][random.place(3)] },
        8 => FaultKind::ProverStuck { node },
        9 => FaultKind::ProverPanics { node },
        10 => FaultKind::Partition { groups: groups(nodes, random) },
        11 if node != other => FaultKind::OneWay { from: node, to: other },
        12 => FaultKind::Swizzle { node },
        13 => FaultKind::ProverWrong { node },
        14 => FaultKind::SmallLanes { node, items: [1, 4, 16][random.place(3)] },
        _ => FaultKind::Loss { per_mille: [20, 100, 300][random.place(3)] },
    }
}

/// Two groups. One node may be in both.
fn groups(nodes: usize, random: &mut Random) -> Vec<Vec<usize>> {
    let mut all: Vec<usize> = (0..nodes).collect();
    random.shuffle(&mut all);
    let mut second = all.split_off(random.place(nodes) / 2 + nodes.min(2) / 2);
    if random.chance(300)
        && let Some(bridge) = all.first()
    {
        second.push(*bridge);
    }
    vec![all, second]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_draw_can_be_and_ends_calm_with_a_minority_of_adversaries() {
        let mut scripts = std::collections::HashSet::new();
        let mut shared = 0;
        for seed in 0..2_000 {
            let scenario = draw(seed, 100);
            scenario.check().expect("it can be");
            assert!(scenario.calm_from_ms() <= 50 * SLOT_DURATION_MS, "seed {seed}");
            let calm = Scenario { faults: Vec::new(), ..scenario.clone() };
            assert!(3 * calm.unusable_validators() < scenario.validators, "seed {seed}");
            scripts.extend(scenario.adversaries.iter().map(|adversary| adversary.script));
            shared += scenario.shared_keys.len();
            assert_eq!(draw(seed, 100), scenario);
        }
        assert_eq!(scripts.len(), Script::ALL.len());
        assert!((40..200).contains(&shared), "{shared} of 2000 share a key");
    }
}
