//! Possible answers of a node: canned networks, made from their shape.

use serde_json::{Value, json};

/// Milliseconds between two slots, and two intervals.
const SLOT_MS: u64 = 4000;
const INTERVAL_MS: u64 = 800;

/// A network to show.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// The slot of the node's clock.
    pub slot: u64,
    /// The finalized slot; the justified one is the next.
    pub finalized: u64,
    /// Every how manieth slot a branch of three blocks begins; 0 for none.
    pub fork_every: u64,
    pub validators: u64,
    pub peers: u64,
    pub warnings: bool,
    /// No records of slots, sessions, duties.
    pub quiet: bool,
}

impl Scene {
    /// A network that finalizes.
    pub const LIVE: Self = Self {
        slot: 128,
        finalized: 125,
        fork_every: 0,
        validators: 4,
        peers: 3,
        warnings: false,
        quiet: false,
    };
    /// One that has not for 88 slots.
    pub const STALLED: Self = Self { finalized: 40, fork_every: 9, warnings: true, ..Self::LIVE };
    /// 500 blocks after the finalized one, branches among them.
    pub const LARGE: Self = Self {
        slot: 400,
        finalized: 25,
        fork_every: 9,
        validators: 64,
        warnings: true,
        ..Self::LIVE
    };
    /// A node alone at genesis.
    pub const EMPTY: Self = Self { slot: 0, finalized: 0, peers: 0, quiet: true, ..Self::LIVE };

    fn checkpoint(slot: u64) -> Value {
        json!({"slot": slot, "root": root(0, slot)})
    }

    fn justified(&self) -> u64 {
        (self.finalized + 1).min(self.slot)
    }

    /// `/quintet/v0/overview` at this time.
    pub fn overview(&self, now_ms: u64) -> Value {
        let genesis_time = (now_ms / 1000).saturating_sub(self.slot * SLOT_MS / 1000);
        let slot_ms = |slot: u64| genesis_time * 1000 + slot * SLOT_MS;
        let interval = (now_ms - slot_ms(self.slot)).min(SLOT_MS - 1) / INTERVAL_MS;
        let recent = if self.quiet { 0..0 } else { self.slot.saturating_sub(15)..self.slot + 1 };
        let peer = |number: u64| {
            json!({"peer_id": format!("16Uiu2HAm7TYVs6qvDKnrovd9m4vvRikc4HPXm1WyLumKSe5fHxB{number}"),
                "name": (number != 2).then(|| format!("quintet_{number}")), "direction": "inbound",
                "agent": "quintet/0.1.0", "score": -1.5 * (number as f64 - 1.0),
                "head_slot": self.slot - number % 2, "finalized_slot": self.finalized,
                "connected_ms": now_ms - 60_000 * number})
        };
        json!({
            "node": {"name": "quintet_0", "version": "0.1.0", "agent": "quintet/0.1.0",
                "peer_id": "16Uiu2HAm", "start_time_ms": now_ms - 600_000, "genesis_time": genesis_time,
                "validator_count": self.validators, "is_aggregator": true, "committee_count": 1,
                "subnets": [0], "validators": [0]},
            "clock": {"slot": self.slot, "interval": interval,
                "time_ms": slot_ms(self.slot) + interval * INTERVAL_MS, "seconds_per_slot": 4},
            "head": Self::checkpoint(self.slot), "safe_target": Self::checkpoint(self.justified()),
            "justified": Self::checkpoint(self.justified()),
            "finalized": Self::checkpoint(self.finalized),
            "sync": {"state": "synced", "head_slot": self.slot, "target_slot": self.slot},
            "slots": recent.clone().map(|slot| slot_record(slot, if slot == self.slot { interval } else { 4 }))
                .collect::<Vec<_>>(),
            "sessions": recent.clone().map(|slot| session(slot, slot_ms(slot) + 2 * INTERVAL_MS)).collect::<Vec<_>>(),
            "peers": (1..=self.peers).map(peer).collect::<Vec<_>>(),
            "duties": {"proposed": 32, "attested": 128, "aggregated": 120, "missed": u64::from(!self.quiet),
                "recent": recent.flat_map(duties).collect::<Vec<_>>()},
            "warnings": if self.warnings { json!([
                {"code": "finality_stalled", "text": "Finality has not advanced for 88 slots.", "since_slot": 52},
                {"code": "no_aggregator", "text": "No aggregate came in for 8 slots. <b>Start one</b>.",
                    "since_slot": 100}]) } else { json!([]) },
        })
    }

    /// `/lean/v0/fork_choice`.
    pub fn fork_choice(&self) -> Value {
        let mut nodes = Vec::new();
        let mut add = |branch: u64, slot: u64, parent: Value, weight: u64| {
            nodes.push(json!({"root": root(branch, slot), "slot": slot, "parent_root": parent,
                "proposer_index": slot % self.validators, "weight": weight}));
        };
        for slot in self.finalized..=self.slot {
            let weight = if slot == self.slot { 0 } else { self.validators };
            add(0, slot, root(0, slot.wrapping_sub(1)), weight);
            let forks = self.fork_every > 0 && slot % self.fork_every == 1;
            if forks && slot > self.finalized && slot + 3 <= self.slot {
                add(slot, slot + 1, root(0, slot), 1);
                add(slot, slot + 2, root(slot, slot + 1), 0);
                add(slot, slot + 3, root(slot, slot + 2), 0);
            }
        }
        json!({"nodes": nodes, "head": root(0, self.slot), "justified": Self::checkpoint(self.justified()),
            "finalized": Self::checkpoint(self.finalized), "safe_target": root(0, self.justified()),
            "validator_count": self.validators})
    }
}

/// A root like no other's.
fn root(branch: u64, slot: u64) -> Value {
    let mixed = (slot ^ branch << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    json!(format!("0x{mixed:016x}{:016x}{branch:016x}{slot:016x}", !mixed))
}

/// Each interval that has begun, one of them late every seventh slot.
fn slot_record(slot: u64, last: u64) -> Value {
    let systems = ["propose", "attest", "aggregate_slot", "update_safe_target", "accept_new"];
    let ran = (0..=last).zip(systems).map(|(interval, system)| {
        let late = if slot % 7 == 3 && interval == 2 { 260.0 } else { 0.4 };
        json!({"interval": interval, "late_ms": late, "ran_ms": 0.2, "systems": [system]})
    });
    json!({"slot": slot, "intervals": ran.collect::<Vec<_>>()})
}

fn session(slot: u64, boundary_ms: u64) -> Value {
    let outcome = match slot % 8 {
        3 => "late",
        5 => "failed",
        _ => "published",
    };
    let status = match outcome {
        "published" => "proved",
        other => other,
    };
    let end = boundary_ms + if outcome == "late" { 1100 } else { 200 };
    let job = |kind: &str, from: u64, to: u64, status: &str| {
        json!({"kind": kind, "asked_ms": from - 40, "started_ms": from, "ended_ms": to, "status": status,
            "signatures": 3, "children": 0, "subnet": 0})
    };
    json!({"id": format!("{slot}v0"), "slot": slot, "opened_ms": boundary_ms - 500,
        "boundary_ms": boundary_ms, "deadline_ms": boundary_ms + 750, "outcome": outcome,
        "jobs": [job("aggregation", boundary_ms - 450, end, status),
            job("reaggregation", boundary_ms + 300, boundary_ms + 500, "proved")]})
}

fn duties(slot: u64) -> Vec<Value> {
    let duty = |duty: &str, missed: bool| {
        json!({"slot": slot, "duty": duty, "validator": 0,
            "outcome": if missed { "missed" } else { "done" },
            "reason": missed.then_some("the slot was over"), "late_ms": 1.0})
    };
    let mut all = vec![duty("attest", slot % 16 == 6), duty("aggregate", false)];
    all.extend((slot.is_multiple_of(4)).then(|| duty("propose", false)));
    all
}
