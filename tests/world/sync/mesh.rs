//! Several nodes with duties and sync, wired to each other, in groups that hear one another.

use std::{collections::HashMap, sync::Arc};

use bevy_app::App;
use bevy_ecs::{
    message::{Message, MessageCursor, Messages},
    prelude::*,
};
use quintet_components::{
    chain::{Finalized, Head},
    clock::{SlotClock, UnixTime},
    constants::SLOT_DURATION_MS,
    containers::{Checkpoint, Root, Signature, SignedBlock, Slot, ValidatorIndex},
    duties::{
        AttestationProduced, BlockProduced, DutyCounts, SignError, SignRequest, Signer, Signing,
    },
    messages::{
        AggregateProduced, AggregateReceived, AttestationReceived, BlockImported, BlockReceived,
        InputId,
    },
    network::{
        Answer, Direction, DisconnectReason, InboundRequestId, NetworkCommand, PeerEvent, PeerId,
        RequestEvent, RequestFailure, RequestId, RequestReceived,
    },
    preset::SignaturePreset,
    sync::SyncState,
};
use quintet_plugins::{DutiesPlugin, InboundLanes, SyncPlugin};

use crate::{
    support::node::{Setup, TestNode},
    sync::ledger::Chain,
};

/// Signs with placeholders.
pub struct Placeholders(pub Vec<ValidatorIndex>);

impl Signer for Placeholders {
    fn validators(&self) -> Vec<ValidatorIndex> {
        self.0.clone()
    }

    fn sign(&self, _: &SignRequest) -> Result<Signature, SignError> {
        Ok(Signature::placeholder(SignaturePreset::Test))
    }
}

pub fn signing(validators: impl IntoIterator<Item = ValidatorIndex>) -> Signing {
    Signing(Arc::new(Placeholders(validators.into_iter().collect())))
}

#[derive(Default)]
struct Cursors {
    blocks: MessageCursor<BlockProduced>,
    votes: MessageCursor<AttestationProduced>,
    aggregates: MessageCursor<AggregateProduced>,
    imported: MessageCursor<BlockImported>,
    commands: MessageCursor<NetworkCommand>,
}

struct MeshNode {
    node: TestNode,
    cursors: Cursors,
    blocks: HashMap<Root, Arc<SignedBlock>>,
    is_asleep: bool,
}

pub struct Mesh {
    nodes: Vec<MeshNode>,
    /// The group of each node.
    groups: Vec<usize>,
    now_ms: u64,
    sequence: u64,
    /// The node that waits for the answer to each request.
    inbound: HashMap<InboundRequestId, (usize, RequestId)>,
}

fn name(index: usize) -> PeerId {
    PeerId::from(&*format!("n{index}"))
}

fn produced<M: Message + Clone>(world: &World, cursor: &mut MessageCursor<M>) -> Vec<M> {
    cursor.read(world.resource::<Messages<M>>()).cloned().collect()
}

impl Mesh {
    /// Nodes of one validator each, at genesis; all aggregate.
    pub fn new(count: usize) -> Self {
        let anchor = Chain::genesis().anchor;
        let nodes = (0..count).map(|index| {
            let signing = signing([index as u64]);
            let setup = Setup::new(anchor.clone())
                .accepting_signatures()
                .with(|app: &mut App| _ = app.add_plugins(SyncPlugin))
                .with(|app: &mut App| _ = app.add_plugins(DutiesPlugin { signing }));
            let mut node = TestNode::new(setup);
            node.set_aggregator(true);
            let cursors = Cursors::default();
            MeshNode { node, cursors, blocks: HashMap::new(), is_asleep: false }
        });
        let mut mesh = Self {
            nodes: nodes.collect(),
            groups: vec![usize::MAX; count],
            now_ms: 0,
            sequence: 0,
            inbound: HashMap::new(),
        };
        mesh.now_ms = mesh.nodes[0].node.world().resource::<SlotClock>().interval_start_ms(0);
        for index in 0..count {
            mesh.groups[index] = index + 1_000;
        }
        mesh
    }

    fn number(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Puts nodes into groups, which are connected among themselves and to no other.
    pub fn group(&mut self, groups: &[usize]) {
        for a in 0..self.nodes.len() {
            for b in 0..self.nodes.len() {
                let before = self.groups[a] == self.groups[b];
                let after = groups[a] == groups[b];
                if a == b || before == after {
                    continue;
                }
                let event = if after {
                    PeerEvent::Connected {
                        peer: name(b),
                        direction: Direction::Outbound,
                        address: String::new(),
                    }
                } else {
                    let reason = DisconnectReason::ConnectionLost("partition".into());
                    PeerEvent::Disconnected { peer: name(b), reason }
                };
                self.nodes[a].node.world().write_message(event);
            }
        }
        self.groups = groups.to_vec();
    }

    pub fn sleep(&mut self, index: usize, is_asleep: bool) {
        self.nodes[index].is_asleep = is_asleep;
    }

    pub fn run_slots(&mut self, slots: u64) {
        let end = self.now_ms + slots * SLOT_DURATION_MS;
        while self.now_ms < end {
            self.now_ms += 200;
            for _ in 0..6 {
                self.round();
            }
        }
    }

    /// Everything stops for a while.
    pub fn pause_slots(&mut self, slots: u64) {
        self.now_ms += slots * SLOT_DURATION_MS;
    }

    fn round(&mut self) {
        let now_ms = self.now_ms;
        for each in self.nodes.iter_mut().filter(|each| !each.is_asleep) {
            each.node.world().resource_mut::<UnixTime>().now_ms = now_ms;
            each.node.update();
        }
        for index in 0..self.nodes.len() {
            if !self.nodes[index].is_asleep {
                self.pass_on(index);
            }
        }
    }

    fn others(&self, index: usize) -> Vec<usize> {
        let hears = |other: &usize| {
            *other != index
                && self.groups[*other] == self.groups[index]
                && !self.nodes[*other].is_asleep
        };
        (0..self.nodes.len()).filter(hears).collect()
    }

    fn pass_on(&mut self, index: usize) {
        let MeshNode { node, cursors, blocks, .. } = &mut self.nodes[index];
        let world = node.world();
        for BlockImported { root, block, .. } in produced(world, &mut cursors.imported) {
            blocks.insert(root, block);
        }
        let new_blocks = produced(world, &mut cursors.blocks);
        let votes = produced(world, &mut cursors.votes);
        let aggregates = produced(world, &mut cursors.aggregates);
        let commands = produced(world, &mut cursors.commands);
        for other in self.others(index) {
            for BlockProduced(block) in &new_blocks {
                let id = InputId(self.number());
                let received = BlockReceived::new(id, Arc::clone(block)).sent_by(name(index));
                self.lanes(other).blocks.offer(received);
            }
            for AttestationProduced(vote) in &votes {
                let received = AttestationReceived::new(InputId(self.number()), Arc::clone(vote));
                self.lanes(other).attestations.offer(received.sent_by(name(index)));
            }
            for AggregateProduced(aggregate) in &aggregates {
                let received =
                    AggregateReceived::new(InputId(self.number()), Arc::clone(aggregate));
                self.lanes(other).aggregates.offer(received.sent_by(name(index)));
            }
        }
        for command in commands {
            self.obey(index, command);
        }
    }

    fn lanes(&mut self, index: usize) -> InboundLanes {
        self.nodes[index].node.world().resource::<InboundLanes>().clone()
    }

    fn obey(&mut self, index: usize, command: NetworkCommand) {
        match command {
            NetworkCommand::Request { id, peer, request } => {
                let others = self.others(index);
                let Some(other) = others.into_iter().find(|other| name(*other) == peer) else {
                    // A node that sleeps does not answer; one that is gone is not connected.
                    let is_there = (0..self.nodes.len())
                        .any(|other| name(other) == peer && self.nodes[other].is_asleep);
                    if !is_there {
                        let result = Err(RequestFailure::Disconnected);
                        let ended = RequestEvent::Ended { id, result };
                        self.nodes[index].node.world().write_message(ended);
                    }
                    return;
                };
                let inbound = InboundRequestId(self.number());
                self.inbound.insert(inbound, (index, id));
                let received = RequestReceived { id: inbound, peer: name(index), request };
                self.nodes[other].node.world().write_message(received);
            }
            NetworkCommand::Respond { id, answer } => {
                let Some((asker, id)) = self.inbound.remove(&id) else { return };
                let mut result = Ok(());
                let mut events = Vec::new();
                match answer {
                    Answer::Status(status) => events.push(RequestEvent::Status { id, status }),
                    Answer::Blocks(roots) => {
                        let blocks = &self.nodes[index].blocks;
                        events.extend(roots.iter().filter_map(|root| {
                            let block = Arc::clone(blocks.get(root)?);
                            Some(RequestEvent::Block { id, root: *root, block })
                        }));
                    }
                    Answer::Error(error) => result = Err(RequestFailure::Refused(error)),
                }
                events.push(RequestEvent::Ended { id, result });
                self.nodes[asker].node.world().write_message_batch(events);
            }
            NetworkCommand::Disconnect { peer, reason, .. } => {
                panic!("node {index} drops {peer}: {reason:?}");
            }
            NetworkCommand::Reconnect(peer) => panic!("node {index} hears nothing of {peer}"),
            NetworkCommand::Penalize { .. }
            | NetworkCommand::Cancel(_)
            | NetworkCommand::Subscribe(_) => {}
        }
    }

    pub fn heads(&mut self) -> Vec<Checkpoint> {
        self.facts(|world| world.resource::<Head>().0)
    }

    pub fn finalized(&mut self) -> Vec<Slot> {
        self.facts(|world| world.resource::<Finalized>().0.slot)
    }

    pub fn states(&mut self) -> Vec<SyncState> {
        self.facts(|world| *world.resource::<SyncState>())
    }

    pub fn duties(&mut self) -> Vec<DutyCounts> {
        self.facts(|world| *world.resource::<DutyCounts>())
    }

    fn facts<T>(&mut self, fact: impl Fn(&World) -> T) -> Vec<T> {
        self.nodes.iter_mut().map(|each| fact(each.node.world())).collect()
    }
}
