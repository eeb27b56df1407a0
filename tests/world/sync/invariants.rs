//! Random peers: the node ends on the honest chain, and every cap holds at every update (which
//! [`SyncWorld::update`] looks at).

use std::sync::{Arc, LazyLock};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use quintet_components::network::DisconnectReason;

use crate::sync::{ledger::Chain, peers::Behaviour, world::SyncWorld};

const TIP: u64 = 220;

static HONEST: LazyLock<Arc<Chain>> = LazyLock::new(|| {
    let slots = (1..=TIP).filter(|slot| slot % 11 != 3 && !(70..84).contains(slot));
    Arc::new(Chain::genesis().grow(slots, 4))
});
/// Attestations of less than two thirds, off the honest chain early.
static FORK: LazyLock<Arc<Chain>> =
    LazyLock::new(|| Arc::new(HONEST.up_to(30).grow((32..=TIP).filter(|slot| slot % 3 != 0), 1)));

/// An event of a history.
#[derive(Clone, Debug)]
enum Step {
    Connect { peer: u8, behaviour: usize, is_fork: bool },
    Disconnect { peer: u8 },
    Gossip { slot: u64, is_fork: bool },
    Wait { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..6_u8, 0..Behaviour::ALL.len(), prop::bool::weighted(0.3))
            .prop_map(|(peer, behaviour, is_fork)| Step::Connect { peer, behaviour, is_fork }),
        1 => (0..6_u8).prop_map(|peer| Step::Disconnect { peer }),
        2 => (1..=TIP, any::<bool>()).prop_map(|(slot, is_fork)| Step::Gossip { slot, is_fork }),
        2 => prop_oneof![Just(100_u64), Just(900), Just(5_000), Just(20_000)]
            .prop_map(|ms| Step::Wait { ms }),
    ]
}

fn play(steps: &[Step]) {
    let mut world = SyncWorld::at_slot(&HONEST, TIP);
    for step in steps {
        match *step {
            Step::Connect { peer, behaviour, is_fork } => {
                let name = format!("p{peer}");
                if !world.is_connected(&name) {
                    let chain = if is_fork { &FORK } else { &HONEST };
                    world.connect(&name, chain, Behaviour::ALL[behaviour]);
                }
            }
            Step::Disconnect { peer } => {
                world.disconnect(&format!("p{peer}"), DisconnectReason::ClosedByPeer);
            }
            Step::Gossip { slot, is_fork } => {
                let chain = if is_fork { &FORK } else { &HONEST };
                if let Some(link) = chain.range(slot, 1).first() {
                    world.gossip(&link.block);
                }
            }
            Step::Wait { ms } => world.run_ms(ms),
        }
        world.settle();
    }
    world.connect("z1", &HONEST, Behaviour::Honest);
    world.connect("z2", &HONEST, Behaviour::Late(400));
    // The longest pause of a peer is 64 slots.
    let tip = HONEST.tip();
    assert!(
        world.run_until(160, |world| world.head() == tip),
        "{:?} {:?}",
        world.head(),
        world.counts()
    );
    assert_eq!((world.points_of("z1"), world.points_of("z2")), (0.0, 0.0));
    assert!(world.is_connected("z1") && world.is_connected("z2"));
}

#[test]
fn among_random_peers_the_node_ends_on_the_honest_chain_and_every_cap_holds() {
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let steps = prop::collection::vec(step(), 1..24);
    TestRunner::new(config)
        .run(&steps, |steps| {
            play(&steps);
            Ok(())
        })
        .expect("every history ends well");
}
