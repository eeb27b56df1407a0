//! A custom adversary: it sends each of its messages to a single peer, in turn.
//!
//! ```console
//! $ cargo run --release --example sim_adversary
//! ```

use quintet::plugins::sim::{Behaviour, Content, Report, Sent, Sight, Simulation};

#[derive(Default)]
struct Whisperer(usize);

impl Behaviour for Whisperer {
    fn publish(&mut self, content: &Content, sight: &Sight<'_>) -> Vec<Sent> {
        self.0 += 1;
        let peer = sight.peers.iter().copied().cycle().nth(self.0 % 7);
        let content = content.clone();
        peer.map(|peer| Sent { after_ms: 0, to: vec![peer], content }).into_iter().collect()
    }
}

fn whispered() -> Report {
    Simulation::new(1).nodes(7).validators(7).slots(40).adversary(6, Whisperer::default()).run()
}

fn main() {
    let report = whispered();
    println!("finalized slot {} of 40, {:?}", report.finalized_slot(), report.violation);
}

#[cfg(test)]
#[test]
fn a_whisperer_delays_nothing() {
    let report = whispered();
    assert_eq!(report.violation, None);
    assert!(report.finalized_slot() > 30, "{report:?}");
}
