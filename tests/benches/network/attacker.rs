//! The hostile peer, in a process of its own, so that its memory does not count.

use std::{
    env,
    io::Read,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use quintet::{
    components::{
        containers::{
            AttestationData, Checkpoint, Root, Signature, SignedAttestation, Slot, State,
        },
        preset::SignaturePreset,
    },
    plugins::network::codec::{snappy, topic::Topic},
    systems::transition::generate_genesis,
};
use ssz::Encode;
use tree_hash::TreeHash;

use crate::{
    raw::{self, RawPeer},
    running::{MARK, Running},
    support::chain,
};

/// Slots since genesis: enough for an attestation of each validator in each.
pub const FLOOD_SLOTS: u64 = 5_000;
/// Names the network in its topics.
pub const DIGEST: &str = "12345678";
/// Validators of the network.
const VALIDATORS: u64 = 64;

/// The messages that the hostile peer sends.
#[derive(Clone, Copy, PartialEq)]
pub enum Attack {
    /// Attestations that differ, each validator's of each slot since genesis.
    Attestations,
    /// Aggregates cut out of a public one, each of other participants.
    SubAggregates,
    /// Attestations of blocks that nobody has, with signatures that are none.
    UnknownBlocks,
    /// Blocks of slots that have not begun.
    FutureBlocks,
}

impl Attack {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attestations => "attestations",
            Self::SubAggregates => "sub-aggregates",
            Self::UnknownBlocks => "unknown-block attestations",
            Self::FutureBlocks => "future blocks",
        }
    }

    fn by_name(name: &str) -> Self {
        [Self::Attestations, Self::SubAggregates, Self::UnknownBlocks, Self::FutureBlocks]
            .into_iter()
            .find(|attack| attack.name() == name)
            .expect("set by the parent")
    }

    /// Messages a second.
    pub const fn rate(self) -> u64 {
        match self {
            Self::Attestations | Self::SubAggregates => 10_000,
            Self::UnknownBlocks => 2_000,
            Self::FutureBlocks => 100,
        }
    }

    fn topic(self) -> String {
        let topic = match self {
            Self::Attestations | Self::UnknownBlocks => Topic::Attestation(0),
            Self::SubAggregates => Topic::Aggregation,
            Self::FutureBlocks => Topic::Block,
        };
        topic.text(DIGEST)
    }
}

/// The process of a hostile peer.
pub struct Attacker(Child);

impl Attacker {
    pub fn start(node: &Running, genesis: Root, attack: Attack, seconds: u64) -> Self {
        let child = Command::new(env::current_exe().expect("known"))
            .env("QUINTET_ATTACK", node.local.address())
            .env("QUINTET_ATTACK_KIND", attack.name())
            .env("QUINTET_ATTACK_ROOT", genesis.to_string())
            .env("QUINTET_ATTACK_SECONDS", seconds.to_string())
            .stdout(Stdio::piped())
            .spawn();
        Self(child.expect("starts"))
    }

    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("a child").is_none()
    }

    /// The number of messages that it offered, and that its own queue refused.
    pub fn offered(&mut self) -> String {
        let mut text = String::new();
        let output = self.0.stdout.as_mut().expect("piped");
        output.read_to_string(&mut text).expect("text");
        text.trim().to_owned()
    }
}

/// Makes the messages of an attack.
struct Ammunition {
    attack: Attack,
    genesis: Checkpoint,
    /// Seconds since the epoch.
    genesis_time: u64,
    state: State,
    signature: Vec<u8>,
}

impl Ammunition {
    fn slot(&self) -> Slot {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
        now.as_secs().saturating_sub(self.genesis_time) / 4
    }

    fn message(&self, number: u64) -> Vec<u8> {
        let genesis = self.genesis;
        let data = |slot| AttestationData { slot, head: genesis, target: genesis, source: genesis };
        match self.attack {
            Attack::Attestations => {
                let (slot, validator_index) = (number / VALIDATORS, number % VALIDATORS);
                let signature = numbered(&self.signature, number, [0; 4]);
                SignedAttestation { validator_index, data: data(slot), signature }.as_ssz_bytes()
            }
            Attack::SubAggregates => {
                // The public one comes first.
                let mask = if number == 0 { u64::MAX } else { mixed(number) | 1 };
                let participants: Vec<u64> =
                    (0..VALIDATORS).filter(|index| mask >> index & 1 == 1).collect();
                chain::aggregate(data(self.slot()), &participants).as_ssz_bytes()
            }
            Attack::UnknownBlocks => {
                let slot = self.slot();
                let head = Checkpoint {
                    root: Root::right_padding_from(&mixed(number).to_be_bytes()),
                    slot,
                };
                let data = AttestationData { head, ..data(slot) };
                let signature = numbered(&self.signature, number, MARK);
                let validator_index = number % VALIDATORS;
                SignedAttestation { validator_index, data, signature }.as_ssz_bytes()
            }
            Attack::FutureBlocks => {
                let slot = self.slot() + 10 + number % 1_000;
                let (block, _) = chain::build_on(&self.state, slot, vec![]).expect("valid");
                chain::signed(block).as_ssz_bytes()
            }
        }
    }
}

/// Sends messages at a steady rate until the time is over.
pub fn run(address: &str) {
    let text = |name: &str| env::var(name).expect("set by the parent");
    let attack = Attack::by_name(&text("QUINTET_ATTACK_KIND"));
    let root: Root = text("QUINTET_ATTACK_ROOT").parse().expect("a root");
    let seconds: u64 = text("QUINTET_ATTACK_SECONDS").parse().expect("a number");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs();
    // Genesis was a few seconds more than the slots ago: the root says which second it was.
    let (genesis_time, state) = (now - 4 * FLOOD_SLOTS - 60..=now - 4 * FLOOD_SLOTS)
        .rev()
        .map(|time| (time, generate_genesis(time, chain::validators(VALIDATORS))))
        .find(|(_, state)| {
            quintet::systems::transition::anchor_block(state).tree_hash_root() == root
        })
        .expect("genesis was a minute more ago at most");
    let signature = Signature::placeholder(SignaturePreset::Production).as_bytes().to_vec();
    let genesis = Checkpoint { root, slot: 0 };
    let ammunition = Ammunition { attack, genesis, genesis_time, state, signature };
    let topic = attack.topic();
    let peer = RawPeer::start(Some(raw::gossip(false)));
    peer.connect(address);
    peer.wait("subscribes", |events| {
        events.iter().any(|event| matches!(event, raw::RawEvent::Subscribed(_, on) if *on == topic))
    });
    let (mut sent, mut refused, begun) = (0_u64, 0_u64, Instant::now());
    while begun.elapsed() < Duration::from_secs(seconds) {
        let passed = u64::try_from(begun.elapsed().as_millis()).expect("short");
        let due = passed * attack.rate() / 1000;
        let messages: Vec<Vec<u8>> = (sent + refused..due)
            .map(|number| snappy::compress(&ammunition.message(number)))
            .collect();
        let count = messages.len() as u64;
        let on = libp2p::gossipsub::IdentTopic::new(topic.clone());
        let published = peer.act(move |swarm| {
            let gossip = swarm.behaviour_mut().gossip.as_mut().expect("with gossip");
            let publish = |data| gossip.publish(on.clone(), data).is_ok();
            messages.into_iter().map(publish).filter(|is_out| *is_out).count()
        }) as u64;
        (sent, refused) = (sent + published, refused + count - published);
        thread::sleep(Duration::from_millis(5));
    }
    println!("{sent} {refused}");
}

/// A number without a pattern.
const fn mixed(number: u64) -> u64 {
    let mixed = (number ^ number >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 29
}

/// A signature like this one, with a mark and a number in its randomness and noise in its hashes.
fn numbered(bytes: &[u8], number: u64, mark: [u8; 4]) -> Signature {
    let mut bytes = bytes.to_vec();
    bytes[4..8].copy_from_slice(&mark);
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    let mut random = number;
    let from = bytes.len() / 2;
    for byte in &mut bytes[from..] {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = random.to_be_bytes()[0];
    }
    <Signature as ssz::Decode>::from_ssz_bytes(&bytes).expect("only its hashes differ")
}
