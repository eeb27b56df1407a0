//! A node with validators whose prover works in virtual time.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use bevy_app::App;
use bevy_ecs::message::Messages;
use quintet_components::{
    chain::Head,
    clock::{SlotClock, UnixTime, first_interval},
    containers::{
        AttestationData, Block, Checkpoint, Root, Signature, SignedBlock, Slot, State,
        ValidatorIndex,
    },
    duties::{
        AttestationProduced, BlockProduced, Duty, DutyCounts, DutyOutcome, DutyRecord,
        RecentDuties, Role, SignError, SignRequest, Signer, Signing,
    },
    preset::SignaturePreset,
};
use quintet_plugins::DutiesPlugin;
use tree_hash::TreeHash;

use crate::support::{
    chain,
    node::{Setup, TestNode},
    prover::VirtualProver,
};

pub const VALIDATORS: u64 = 4;

/// A request to sign.
type Request = (ValidatorIndex, Role, Slot, Root);

/// Signs with placeholders and remembers for whom.
#[derive(Clone, Default)]
struct Keys {
    validators: Vec<ValidatorIndex>,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Signer for Keys {
    fn validators(&self) -> Vec<ValidatorIndex> {
        self.validators.clone()
    }

    fn sign(&self, request: &SignRequest) -> Result<Signature, SignError> {
        let SignRequest { index, role, slot, message } = *request;
        self.asked.lock().expect("nobody panics").push((index, role, slot, message));
        Ok(Signature::placeholder(SignaturePreset::Test))
    }
}

/// The node.
pub struct Proposer {
    pub node: TestNode,
    pub prover: VirtualProver,
    keys: Keys,
    /// Blocks handed out, each with the time in milliseconds after its slot began.
    pub proposed: Vec<(u64, Arc<SignedBlock>)>,
    /// The slots and validators of attestations handed out.
    pub voted: Vec<(Slot, ValidatorIndex)>,
}

impl Proposer {
    /// A node with these of four validators, at interval 0 of slot 0.
    pub fn new(validators: &[ValidatorIndex]) -> Self {
        Self::with(validators, |_| ())
    }

    /// The same with more in its app.
    pub fn with(validators: &[ValidatorIndex], more: impl FnOnce(&mut App) + 'static) -> Self {
        let prover = VirtualProver::default();
        let keys = Keys { validators: validators.to_vec(), ..Keys::default() };
        let signing = Signing(Arc::new(keys.clone()));
        let mut setup = Setup::new(chain::genesis(VALIDATORS))
            .accepting_signatures()
            .tasks_on(prover.clone())
            .with(|app| _ = app.add_plugins(DutiesPlugin { signing }))
            .with(more);
        setup.proofs = Arc::new(prover.proofs());
        let node = TestNode::new(setup);
        Self { node, prover, keys, proposed: Vec::new(), voted: Vec::new() }
    }

    fn clock(&mut self) -> SlotClock {
        *self.node.world().resource::<SlotClock>()
    }

    /// Turns the clock to so many milliseconds after a slot began, with an update at every interval
    /// and whenever a proof ends on the way, as the runner would.
    pub fn at(&mut self, slot: Slot, after_ms: u64) {
        let clock = self.clock();
        let target = clock.interval_start_ms(first_interval(slot)) + after_ms;
        loop {
            let due = self.prover.next_end_ms().filter(|end| *end <= target);
            let now = self.node.world().resource::<UnixTime>().now_ms;
            let boundary = clock.interval_start_ms(clock.total_intervals(now) + 1);
            let next = [due, Some(boundary), Some(target)].into_iter().flatten();
            let next = next.min().expect("the target is one").max(now);
            self.wake(next);
            if next >= target {
                return;
            }
        }
    }

    /// Turns the clock without waking in between, as a machine that slept would.
    pub fn jump(&mut self, slot: Slot, after_ms: u64) {
        let now_ms = self.clock().interval_start_ms(first_interval(slot)) + after_ms;
        self.wake(now_ms);
    }

    fn wake(&mut self, now_ms: u64) {
        self.node.world().resource_mut::<UnixTime>().now_ms = now_ms;
        // What an update starts may end at once, and what follows from it, too.
        for _ in 0..4 {
            self.prover.turn_to(now_ms);
            self.update();
        }
    }

    fn update(&mut self) {
        self.node.update();
        let clock = self.clock();
        let world = self.node.world();
        let now_ms = world.resource::<UnixTime>().now_ms;
        let blocks: Vec<BlockProduced> =
            world.resource_mut::<Messages<BlockProduced>>().drain().collect();
        let votes: Vec<AttestationProduced> =
            world.resource_mut::<Messages<AttestationProduced>>().drain().collect();
        for BlockProduced(block) in blocks {
            let start_ms = clock.interval_start_ms(first_interval(block.block.slot));
            self.proposed.push((now_ms - start_ms, block));
        }
        let voted = votes.iter().map(|vote| (vote.0.data.slot, vote.0.validator_index));
        self.voted.extend(voted);
        self.check_signatures();
    }

    /// No key signs twice for one slot.
    fn check_signatures(&self) {
        let asked = self.keys.asked.lock().expect("nobody panics");
        let distinct: HashSet<_> =
            asked.iter().map(|(index, role, slot, _)| (index, role, slot)).collect();
        assert_eq!(distinct.len(), asked.len(), "{asked:?}");
    }

    /// The slots for which a block was signed.
    pub fn blocks_signed(&self) -> Vec<Slot> {
        let asked = self.keys.asked.lock().expect("nobody panics");
        asked.iter().filter(|asked| asked.1 == Role::Proposer).map(|asked| asked.2).collect()
    }

    pub fn head(&mut self) -> Checkpoint {
        self.node.world().resource::<Head>().0
    }

    /// Another validator's block arrives, without attestations.
    pub fn import(&mut self, parent: &State, slot: Slot) -> State {
        let (block, state) = chain::build_on(parent, slot, vec![]).expect("a valid block");
        self.node.offer_block(chain::signed(block));
        self.update();
        self.update();
        state
    }

    pub fn genesis(&mut self) -> State {
        State::clone(&chain::genesis(VALIDATORS).state)
    }

    /// An aggregate of these validators arrives.
    pub fn receive(&mut self, data: AttestationData, validators: &[ValidatorIndex]) {
        self.node.offer_aggregate(chain::aggregate(data, validators));
        self.update();
        self.update();
    }

    pub fn counts(&mut self) -> DutyCounts {
        *self.node.world().resource::<DutyCounts>()
    }

    /// The outcomes of the proposals on record.
    pub fn proposals(&mut self) -> Vec<(Slot, DutyOutcome)> {
        let records = self.records();
        let proposals = records.iter().filter(|record| record.duty == Duty::Propose);
        proposals.map(|record| (record.slot, record.outcome)).collect()
    }

    pub fn records(&mut self) -> Vec<DutyRecord> {
        self.node.world().resource::<RecentDuties>().iter().copied().collect()
    }
}

/// The voters of each attestation in a block.
pub fn voters(block: &Block) -> Vec<Vec<ValidatorIndex>> {
    block.body.attestations.iter().map(|each| each.aggregation_bits.indices().collect()).collect()
}

/// A block as a checkpoint.
pub fn checkpoint(block: &Block) -> Checkpoint {
    Checkpoint { root: block.tree_hash_root(), slot: block.slot }
}
