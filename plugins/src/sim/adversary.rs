//! Nodes that do not follow the protocol: real nodes whose sent and served data is changed.

use std::sync::Arc;

use bevy_ecs::prelude::World;
use quintet_components::{
    chain::{Head, Registry, States},
    constants::{INTERVAL_DURATION_MS, SLOT_DURATION_MS},
    containers::{
        AggregatedAttestations, AttestationData, Block, BlockBody, Checkpoint, ProofBytes, Root,
        SignedAggregatedAttestation, SignedAttestation, SignedBlock, State,
    },
    tree::BlockTree,
};
use quintet_systems::transition::{process_block, process_slots};
use tree_hash::TreeHash;

use super::{
    crypto::{attestation_key, block_proof, sign},
    edge::Content,
    events::Event,
    fault::{Adversary, Script},
    machine::GENESIS_MS,
    random::Random,
    run::Run,
    scenario::Scenario,
};

/// The number of items that a flooder sends for each of its own.
const FLOOD: u64 = 24;

/// The time between two releases of colluders.
const RELEASE_MS: u64 = 8 * SLOT_DURATION_MS;

/// A custom adversary: it decides what a node sends in place of its own messages.
pub trait Behaviour: Send {
    /// Returns the messages that are sent in place of one that the node has made.
    fn publish(&mut self, content: &Content, sight: &Sight<'_>) -> Vec<Sent>;

    /// Changes the blocks with which the node answers a request.
    fn serve(&mut self, _blocks: &mut Vec<Arc<SignedBlock>>) {}
}

/// Plays a script.
pub(super) struct Player {
    scripts: Vec<Script>,
    custom: Option<Box<dyn Behaviour>>,
    /// The nodes that collude, if it does.
    fellows: Vec<usize>,
    random: Random,
}

/// A message of an adversary.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its delay in milliseconds.
    pub after_ms: u64,
    /// The receiving nodes.
    pub to: Vec<usize>,
    /// Its content.
    pub content: Content,
}

/// The part of the world that an adversary sees.
pub struct Sight<'a> {
    /// The world of its node.
    pub world: &'a World,
    /// Milliseconds since genesis.
    pub now_ms: u64,
    /// Connected peers.
    pub peers: Vec<usize>,
    /// Validators of the network.
    pub validators: u64,
}

impl Player {
    /// Returns the player of a node, if the node has a script.
    pub(super) fn of(scenario: &Scenario, node: usize) -> Option<Self> {
        let own = scenario.adversaries.iter().filter(|adversary| adversary.node == node);
        let scripts: Vec<_> = own.map(|adversary| adversary.script).collect();
        let random = Random::new(scenario.seed).stream("script", node as u64);
        let colludes = |each: &&Adversary| each.script == Script::Colluder;
        let fellows = scenario.adversaries.iter().filter(colludes).map(|each| each.node).collect();
        (!scripts.is_empty()).then_some(Self { scripts, custom: None, fellows, random })
    }

    /// Replaces the player's scripts with a program.
    pub(super) fn hand_over(&mut self, custom: Box<dyn Behaviour>) {
        self.custom = Some(custom);
    }

    fn plays(&self, script: Script) -> bool {
        self.scripts.contains(&script)
    }

    /// The time by which its clock is ahead, in milliseconds.
    pub(super) fn clock_ahead_ms(&self) -> i64 {
        let ahead = SLOT_DURATION_MS - INTERVAL_DURATION_MS / 2;
        if self.plays(Script::FastClock) { i64::try_from(ahead).unwrap_or(0) } else { 0 }
    }

    /// Changes the blocks that it serves.
    pub(super) fn serve(&mut self, blocks: &mut Vec<Arc<SignedBlock>>) {
        if let Some(custom) = &mut self.custom {
            return custom.serve(blocks);
        }
        if !self.plays(Script::LyingServer) {
            return;
        }
        match self.random.below(4) {
            0 => blocks.clear(),
            1 => _ = blocks.pop(),
            2 => blocks.retain(|block| block.block.slot % 2 == 0),
            _ => {
                for block in blocks {
                    let mut other = SignedBlock::clone(block);
                    other.block.state_root = Root::repeat_byte(0x11);
                    *block = Arc::new(other);
                }
            }
        }
    }

    /// Returns the messages that it sends in place of one of its own.
    fn publish(&mut self, content: &Content, sight: &Sight<'_>) -> Vec<Sent> {
        if let Some(custom) = &mut self.custom {
            return custom.publish(content, sight);
        }
        let everybody = || sight.peers.clone();
        let mut sent = Vec::new();
        if self.plays(Script::KeylessFlooder) {
            sent.extend((0..FLOOD).filter_map(|_| self.junk(content, sight)));
        }
        if self.plays(Script::Silent) {
            return sent;
        }
        if self.plays(Script::Colluder) {
            let is_fellow = |peer: &usize| self.fellows.contains(peer);
            let (fellows, others) = sight.peers.iter().copied().partition(is_fellow);
            let after_ms = RELEASE_MS - sight.now_ms % RELEASE_MS;
            sent.push(Sent { after_ms: 0, to: fellows, content: content.clone() });
            sent.push(Sent { after_ms, to: others, content: content.clone() });
            return sent;
        }
        let (near, far) = sight.peers.split_at(sight.peers.len() / 2);
        match content {
            Content::Block(block) if self.plays(Script::EquivocatingProposer) => {
                if let Some(other) = other_block(block, sight.world) {
                    let other = Content::Block(Arc::new(other));
                    sent.push(Sent { after_ms: 0, to: near.to_vec(), content: content.clone() });
                    sent.push(Sent { after_ms: 0, to: far.to_vec(), content: other });
                    return sent;
                }
            }
            Content::Block(_) if self.plays(Script::Withholder) => {
                let after_ms = SLOT_DURATION_MS * 3 / 2;
                sent.push(Sent { after_ms, to: everybody(), content: content.clone() });
                return sent;
            }
            Content::Attestation(vote) if self.plays(Script::DoubleVoter) => {
                if let Some(other) = other_vote(vote, sight.world) {
                    let other = Content::Attestation(Arc::new(other));
                    sent.push(Sent { after_ms: 0, to: near.to_vec(), content: content.clone() });
                    sent.push(Sent { after_ms: 0, to: far.to_vec(), content: other });
                    return sent;
                }
            }
            Content::Aggregate(_) if self.plays(Script::Censor) => return sent,
            Content::Aggregate(aggregate) if self.plays(Script::BadProofs) => {
                let mut bad = SignedAggregatedAttestation::clone(aggregate);
                bad.proof.proof = ProofBytes::new(vec![7; 16]).expect("short");
                let bad = Content::Aggregate(Arc::new(bad));
                sent.push(Sent { after_ms: 0, to: everybody(), content: bad });
            }
            _ => {}
        }
        sent.push(Sent { after_ms: 0, to: everybody(), content: content.clone() });
        sent
    }

    /// Makes a message that it has no key for.
    fn junk(&mut self, content: &Content, sight: &Sight<'_>) -> Option<Sent> {
        let to = vec![*sight.peers.get(self.random.place(sight.peers.len()))?];
        let content = match content {
            Content::Attestation(vote) => {
                let mut junk = SignedAttestation::clone(vote);
                junk.validator_index = self.random.below(sight.validators);
                if self.random.chance(500) {
                    junk.data.head.root = self.root();
                }
                Content::Attestation(Arc::new(junk))
            }
            Content::Block(block) => {
                let mut junk = SignedBlock::clone(block);
                junk.block.parent_root = self.root();
                Content::Block(Arc::new(junk))
            }
            Content::Aggregate(aggregate) => {
                let mut junk = SignedAggregatedAttestation::clone(aggregate);
                junk.data.head.root = self.root();
                Content::Aggregate(Arc::new(junk))
            }
        };
        Some(Sent { after_ms: self.random.below(INTERVAL_DURATION_MS), to, content })
    }

    fn root(&mut self) -> Root {
        let mut root = Root::ZERO;
        root[..8].copy_from_slice(&self.random.next().to_le_bytes());
        root
    }
}

/// Makes another block for the same slot on the same parent, without attestations.
fn other_block(block: &SignedBlock, world: &World) -> Option<SignedBlock> {
    let block = &block.block;
    let parent = world.resource::<States>().get(&block.parent_root)?;
    let mut state = State::clone(parent);
    process_slots(&mut state, block.slot).ok()?;
    let body = BlockBody { attestations: AggregatedAttestations::default() };
    let mut other = Block { body, state_root: Root::ZERO, ..block.clone() };
    process_block(&mut state, &other).ok()?;
    other.state_root = state.tree_hash_root();
    let is_another = other.tree_hash_root() != block.tree_hash_root();
    let proof = block_proof(&other, world.resource::<Registry>());
    is_another.then_some(SignedBlock { block: other, proof })
}

/// Makes an attestation of the same validator to the head's parent.
fn other_vote(vote: &SignedAttestation, world: &World) -> Option<SignedAttestation> {
    let tree = world.resource::<BlockTree>();
    let head = world.resource::<Head>().0;
    let parent = tree.parent(tree.find(&head.root)?)?;
    let head = Checkpoint { root: *tree.root(parent), slot: tree.slot(parent) };
    if head.slot < vote.data.target.slot {
        return None;
    }
    let data = AttestationData { head, ..vote.data };
    let key = attestation_key(vote.validator_index);
    let signature = sign(&key, data.slot, &data.tree_hash_root().0);
    Some(SignedAttestation { validator_index: vote.validator_index, data, signature })
}

impl Run {
    /// Plays for an adversary's node that wants to publish something.
    pub(super) fn play(&mut self, node: usize, content: Content) {
        let now_ms = self.now_ms;
        let validators = self.scenario.validators;
        let (Some(player), Some(alive)) = (&mut self.players[node], &self.machines[node].node)
        else {
            return;
        };
        let peers = alive.port.peers.keys().copied().collect();
        let sight = Sight {
            world: alive.app.world(),
            now_ms: now_ms.saturating_sub(GENESIS_MS),
            peers,
            validators,
        };
        for Sent { after_ms, to, content } in player.publish(&content, &sight) {
            self.queue.push(now_ms + after_ms, node, Event::Act { content, to });
        }
    }
}
