//! A node whose clock is set by hand: any app with the node's plugins, without its runner.

use std::{collections::HashMap, sync::Arc};

use bevy_app::App;
use bevy_ecs::{message::Messages, prelude::*};
use quintet_components::{
    chain::{IsAggregator, LandedProposal},
    clock::{CurrentInterval, SlotClock, UnixTime},
    constants::INTERVALS_PER_SLOT,
    containers::{SignedAggregatedAttestation, SignedAttestation, SignedBlock, Slot},
    messages::{
        AggregateReceived, AttestationReceived, BlockReceived, InputId, InputJudged, Verdict,
    },
};
use quintet_systems::{
    admission::{aggregates::AggregateChecks, attestations::AttestationChecks},
    fork_choice::import::ImportQueue,
    proving::ProverScheduler,
};

use crate::InboundLanes;

/// A node that is driven by hand. Its app has the node's plugins, is finished, and is never run.
///
/// Nothing here waits for a task on another thread. In `between_updates` a caller can let such
/// tasks end.
pub struct DrivenNode {
    /// The app.
    pub app: App,
    next_id: u64,
    verdicts: HashMap<InputId, Verdict>,
    between_updates: Box<dyn FnMut()>,
}

impl DrivenNode {
    /// Takes an app. `between_updates` runs once before every update.
    pub fn new(app: App, between_updates: Box<dyn FnMut()>) -> Self {
        Self { app, next_id: 0, verdicts: HashMap::new(), between_updates }
    }

    /// The world.
    pub fn world(&mut self) -> &mut World {
        self.app.world_mut()
    }

    /// Updates until no work is in progress.
    pub fn settle(&mut self) {
        loop {
            self.update();
            if self.is_idle() {
                break;
            }
            std::thread::yield_now();
        }
        self.update();
    }

    /// Returns true if no import, check or proof is in progress.
    fn is_idle(&self) -> bool {
        let world = self.app.world();
        world.resource::<ImportQueue>().is_empty()
            && world.resource::<AttestationChecks>().is_empty()
            && world.resource::<AggregateChecks>().is_empty()
            && world.resource::<ProverScheduler>().running() == 0
            && world.resource::<ProverScheduler>().waiting() == 0
    }

    /// Runs one update.
    ///
    /// # Panics
    /// If an item is judged twice, which no node does.
    pub fn update(&mut self) {
        (self.between_updates)();
        self.app.update();
        let mut judged = self.app.world_mut().resource_mut::<Messages<InputJudged>>();
        for InputJudged { id, verdict } in judged.drain() {
            let before = self.verdicts.insert(id, verdict);
            assert!(before.is_none(), "{id:?} was judged twice");
        }
    }

    /// Intervals since genesis.
    pub fn time(&self) -> u64 {
        self.app.world().resource::<CurrentInterval>().count
    }

    /// Sets the clock to an interval and walks there, however far it is. If `has_proposal`, the
    /// last interval has a proposal.
    pub fn tick_to(&mut self, count: u64, has_proposal: bool) {
        let now_ms = self.app.world().resource::<SlotClock>().interval_start_ms(count);
        self.tick_to_ms(now_ms, has_proposal);
    }

    /// Sets the clock to an interval and walks there, without waiting for work in progress.
    pub fn turn_to(&mut self, count: u64) {
        let now_ms = self.app.world().resource::<SlotClock>().interval_start_ms(count);
        self.world().resource_mut::<UnixTime>().now_ms = now_ms;
        while self.time() < count {
            self.update();
        }
    }

    /// Sets the clock to a Unix time in milliseconds. An earlier time changes nothing: this clock
    /// is never set back.
    pub fn tick_to_ms(&mut self, now_ms: u64, has_proposal: bool) {
        let world = self.app.world_mut();
        let count = world.resource::<SlotClock>().total_intervals(now_ms);
        let landed: Option<Slot> = (has_proposal && count.is_multiple_of(INTERVALS_PER_SLOT))
            .then_some(count / INTERVALS_PER_SLOT);
        world.resource_mut::<LandedProposal>().0 = landed;
        let mut time = world.resource_mut::<UnixTime>();
        time.now_ms = time.now_ms.max(now_ms);
        while self.time() < count {
            self.update();
        }
        self.settle();
        self.world().resource_mut::<LandedProposal>().0 = None;
    }

    /// Sets whether the node aggregates.
    pub fn set_aggregator(&mut self, yes: bool) {
        self.world().resource_mut::<IsAggregator>().0 = yes;
    }

    fn id(&mut self) -> InputId {
        self.next_id += 1;
        InputId(self.next_id)
    }

    /// Offers a block and waits for its verdict.
    pub fn block(&mut self, block: SignedBlock) -> Verdict {
        let id = self.offer_block(block);
        self.verdict(id)
    }

    /// Offers a block.
    ///
    /// # Panics
    /// If the lane is full: update in between.
    pub fn offer_block(&mut self, block: SignedBlock) -> InputId {
        let id = self.id();
        let lanes = self.app.world().resource::<InboundLanes>();
        assert!(lanes.blocks.offer(BlockReceived::new(id, Arc::new(block))), "lane is full");
        id
    }

    /// Offers an attestation and waits for its verdict.
    pub fn attestation(&mut self, attestation: SignedAttestation) -> Verdict {
        let id = self.offer_attestation(attestation);
        self.verdict(id)
    }

    /// Offers an attestation.
    ///
    /// # Panics
    /// Like [`Self::offer_block`].
    pub fn offer_attestation(&mut self, attestation: SignedAttestation) -> InputId {
        let id = self.id();
        let lanes = self.app.world().resource::<InboundLanes>();
        let received = AttestationReceived::new(id, Arc::new(attestation));
        assert!(lanes.attestations.offer(received), "lane is full");
        id
    }

    /// Offers an aggregate and waits for its verdict.
    pub fn aggregate(&mut self, aggregate: SignedAggregatedAttestation) -> Verdict {
        let id = self.offer_aggregate(aggregate);
        self.verdict(id)
    }

    /// Offers an aggregate.
    ///
    /// # Panics
    /// Like [`Self::offer_block`].
    pub fn offer_aggregate(&mut self, aggregate: SignedAggregatedAttestation) -> InputId {
        let id = self.id();
        let lanes = self.app.world().resource::<InboundLanes>();
        let received = AggregateReceived::new(id, Arc::new(aggregate));
        assert!(lanes.aggregates.offer(received), "lane is full");
        id
    }

    /// The verdict on an item, if there is one already.
    pub fn verdict_now(&mut self, id: InputId) -> Option<Verdict> {
        self.verdicts.remove(&id)
    }

    /// The verdict on an item, after all work in progress has ended.
    ///
    /// # Panics
    /// If the item is not judged, or its verdict was taken before.
    pub fn verdict(&mut self, id: InputId) -> Verdict {
        self.settle();
        self.verdicts.remove(&id).expect("every item is judged")
    }
}
