//! A custom rule: no head is more than three slots behind the clock. A node that is cut off
//! breaks it.
//!
//! ```console
//! $ cargo run --release --example sim_oracle
//! ```

use quintet::{
    components::{chain::Head, clock::CurrentInterval},
    plugins::sim::{Fault, FaultKind, Oracle, Simulation, View, Violation},
};

struct Fresh;

impl Oracle for Fresh {
    fn name(&self) -> &'static str {
        "fresh-head"
    }

    fn look(&mut self, view: &mut View<'_>) -> Result<(), String> {
        let head = view.world.resource::<Head>().0.slot;
        let slot = view.world.resource::<CurrentInterval>().slot();
        (head + 3 >= slot).then_some(()).ok_or_else(|| format!("head {head} in slot {slot}"))
    }
}

fn cut_off(for_ms: u64) -> Option<Violation> {
    let kind = FaultKind::Partition { groups: vec![vec![0, 1, 2], vec![3]] };
    let fault = Fault { from_ms: 40_000, for_ms, kind };
    let simulation = Simulation::new(1).slots(30).oracle(Fresh);
    simulation.with(|it| it.faults.push(fault)).run().violation
}

fn main() {
    println!("for 2 s: {:?}", cut_off(2_000));
    println!("for 40 s: {:?}", cut_off(40_000));
}

#[cfg(test)]
#[test]
fn only_the_node_that_is_cut_off_breaks_the_rule() {
    assert_eq!(cut_off(2_000), None);
    let violation = cut_off(40_000).expect("it is long enough");
    assert_eq!((&*violation.rule, violation.node), ("fresh-head", Some(3)));
}
