//! The world's side of the event stream: at the end of every update, messages become events.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    chain::{Finalized, Justified},
    clock::{CurrentInterval, SlotClock, UnixTime},
    containers::{Checkpoint, Root, SignedAggregatedAttestation, SignedAttestation},
    duties::AttestationProduced,
    messages::{
        AggregateProduced, AggregateReceived, AttestationReceived, BlockImported, BlockReceived,
        HeadChanged, InputId, InputJudged, Verdict,
    },
    tree::BlockTree,
};

use super::{
    hub::Announcer,
    topics::{ChainEvent, Topic},
};

/// A head that is further behind the clock is not announced: the node is catching up.
const HEAD_RECENCY_SLOTS: u64 = 32;
/// The number of attestations and aggregates that may wait for their verdict; beyond that the
/// oldest are not announced.
const MAX_UNJUDGED: usize = 16_384;

/// Messages and checkpoints of the chain.
#[derive(SystemParam)]
pub(super) struct ChainNews<'w, 's> {
    heads: MessageReader<'w, 's, HeadChanged>,
    imported: MessageReader<'w, 's, BlockImported>,
    received: MessageReader<'w, 's, BlockReceived>,
    justified: Res<'w, Justified>,
    finalized: Res<'w, Finalized>,
    tree: Res<'w, BlockTree>,
    clock: Res<'w, SlotClock>,
    now: Res<'w, UnixTime>,
    time: Res<'w, CurrentInterval>,
}

impl ChainNews<'_, '_> {
    /// The root of a block's post-state; zero if the tree no longer has the block.
    fn state_of(&self, block: Checkpoint) -> Root {
        self.tree.find(&block.root).map_or(Root::ZERO, |id| self.tree[id].state_root)
    }
}

/// The checkpoints that were announced last.
#[derive(Default)]
pub(super) struct Told {
    justified: Option<Checkpoint>,
    finalized: Option<Checkpoint>,
}

/// Announces blocks, heads and checkpoints.
pub(super) fn announce_chain(
    mut news: ChainNews,
    announcer: Res<Announcer>,
    mut told: Local<Told>,
) {
    for BlockReceived { id, root, block, .. } in news.received.read() {
        if !id.is_requested() {
            let at = Checkpoint { root: *root, slot: block.block.slot };
            announcer.announce(ChainEvent::BlockGossip(at));
        }
    }
    for BlockImported { root, block, .. } in news.imported.read() {
        announcer.announce(ChainEvent::Block(Checkpoint { root: *root, slot: block.block.slot }));
    }
    let clock_slot = news.clock.current_slot(news.now.now_ms).max(news.time.slot());
    let heads: Vec<Checkpoint> = news.heads.read().map(|changed| changed.new).collect();
    for head in heads {
        if head.slot.saturating_add(HEAD_RECENCY_SLOTS) >= clock_slot {
            announcer.announce(ChainEvent::Head { head, state: news.state_of(head) });
        }
    }
    // The checkpoints of the first update are not news.
    let justified = news.justified.0;
    if told.justified.replace(justified).is_some_and(|before| before.slot < justified.slot) {
        let state = news.state_of(justified);
        announcer.announce(ChainEvent::Justified { checkpoint: justified, state });
    }
    let finalized = news.finalized.0;
    if told.finalized.replace(finalized).is_some_and(|before| before.slot < finalized.slot) {
        let state = news.state_of(finalized);
        announcer.announce(ChainEvent::Finalized { checkpoint: finalized, state });
    }
}

/// Attestations and aggregates that wait for their verdict, oldest first.
#[derive(Default)]
pub(super) struct Unjudged {
    events: HashMap<InputId, ChainEvent>,
    order: VecDeque<InputId>,
}

impl Unjudged {
    fn hold(&mut self, id: InputId, event: ChainEvent) {
        self.events.insert(id, event);
        self.order.push_back(id);
        if self.order.len() > MAX_UNJUDGED
            && let Some(oldest) = self.order.pop_front()
        {
            self.events.remove(&oldest);
        }
    }

    fn take(&mut self, id: InputId) -> Option<ChainEvent> {
        let event = self.events.remove(&id)?;
        while self.order.front().is_some_and(|oldest| !self.events.contains_key(oldest)) {
            self.order.pop_front();
        }
        Some(event)
    }

    fn clear(&mut self) {
        self.events.clear();
        self.order.clear();
    }
}

/// Attestations and aggregates that arrived or were made.
#[derive(SystemParam)]
pub(super) struct AttestationNews<'w, 's> {
    attestations: MessageReader<'w, 's, AttestationReceived>,
    aggregates: MessageReader<'w, 's, AggregateReceived>,
    judged: MessageReader<'w, 's, InputJudged>,
    own_attestations: MessageReader<'w, 's, AttestationProduced>,
    own_aggregates: MessageReader<'w, 's, AggregateProduced>,
}

/// Announces accepted attestations and aggregates, and own ones.
pub(super) fn announce_attestations(
    mut news: AttestationNews,
    announcer: Res<Announcer>,
    mut unjudged: Local<Unjudged>,
) {
    let attestations = announcer.is_wanted(Topic::Attestation);
    let aggregates = announcer.is_wanted(Topic::Aggregate);
    if !attestations && !aggregates {
        unjudged.clear();
        let AttestationNews { attestations, aggregates, judged, own_attestations, own_aggregates } =
            &mut news;
        attestations.clear();
        aggregates.clear();
        judged.clear();
        own_attestations.clear();
        own_aggregates.clear();
        return;
    }
    let attestation_event =
        |attestation: &Arc<SignedAttestation>| ChainEvent::Attestation(Arc::clone(attestation));
    let aggregate =
        |whole: &Arc<SignedAggregatedAttestation>| ChainEvent::Aggregate(Arc::clone(whole));
    for AttestationReceived { id, attestation, .. } in
        news.attestations.read().filter(|_| attestations)
    {
        unjudged.hold(*id, attestation_event(attestation));
    }
    for received in news.aggregates.read().filter(|_| aggregates) {
        unjudged.hold(received.id, aggregate(&received.aggregate));
    }
    for InputJudged { id, verdict } in news.judged.read() {
        if let Some(event) = unjudged.take(*id).filter(|_| *verdict == Verdict::Accepted) {
            announcer.announce(event);
        }
    }
    for AttestationProduced(own) in news.own_attestations.read() {
        announcer.announce(attestation_event(own));
    }
    for AggregateProduced(own) in news.own_aggregates.read() {
        announcer.announce(aggregate(own));
    }
}
