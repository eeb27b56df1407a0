//! A custom network model: the nodes form a ring, and each step along it takes some time.
//!
//! ```console
//! $ cargo run --release --example sim_network
//! ```

use quintet::plugins::sim::{Carrier, Simulation};

const NODES: usize = 8;

struct Ring {
    step_ms: u64,
}

impl Carrier for Ring {
    fn carry(&mut self, from: usize, to: usize, bytes: usize, sent_ms: u64) -> Option<u64> {
        let way = from.abs_diff(to);
        let steps = way.min(NODES - way) as u64;
        // Each step hands it on as a whole, at a megabyte a second.
        Some(sent_ms + steps * (self.step_ms + bytes as u64 / 1_000))
    }
}

fn finalized(step_ms: u64) -> u64 {
    let network = Simulation::new(1).nodes(NODES).validators(8).slots(30);
    network.without("no-finality").carrier(Ring { step_ms }).run().finalized_slot()
}

fn main() {
    for step_ms in [10, 200, 5_000] {
        println!("steps of {step_ms} ms: slot {} of 30 is finalized", finalized(step_ms));
    }
}

#[cfg(test)]
#[test]
fn a_ring_that_is_too_slow_does_not_finalize() {
    assert!(finalized(10) > 20);
    assert!(finalized(5_000) < 10);
}
