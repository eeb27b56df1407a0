//! The inspector, over HTTP and as a page in a headless Chromium. `--features inspector`.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(dead_code, reason = "the support is shared")]

#[path = "../process/page/browser.rs"]
mod browser;
#[path = "../support/mod.rs"]
mod support;
use support::folder;

mod answers;
mod page;

use bevy_app::App;
use quintet_components::{
    containers::{AttestationData, Checkpoint},
    network::{Agent, Direction, Peer, PeerScore, PeersById},
};
use quintet_plugins::InspectorPlugin;
use support::{chain, http::Served, node::Setup};
use tree_hash::TreeHash;

/// Validators of the network; each signs one attestation.
const VALIDATORS: u64 = 80;

/// The agent string of a hostile peer.
const HOSTILE: &str = "<b id=\"hostile\">quintet</b>";

fn plugins(app: &mut App) {
    app.init_resource::<PeersById>().add_plugins(InspectorPlugin);
}

/// A node with the inspector, and nothing else to see.
fn idle() -> Served {
    Served::start(Setup::new(chain::genesis(4)).with(plugins))
}

/// A node with an attestation that everybody has signed, a peer, and a session that has made a
/// proof.
fn busy() -> Served {
    let anchor = chain::genesis(VALIDATORS);
    let mut served = Served::start(Setup::new(anchor.clone()).accepting_signatures().with(plugins));
    served.node.set_aggregator(true);
    served.node.tick_to(6, false);
    let genesis = Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 };
    let data = AttestationData { slot: 1, head: genesis, target: genesis, source: genesis };
    for validator in 0..VALIDATORS {
        served.node.attestation(chain::attested_by(data, validator));
    }
    served.node.world().spawn((
        Peer { id: "16Uiu2HAm".into(), address: "/ip4/127.0.0.9/udp/9000/quic-v1".into() },
        (Direction::Outbound, Agent(HOSTILE.into()), PeerScore(-0.5)),
    ));
    served
}
