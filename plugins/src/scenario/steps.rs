//! Runs fork-choice scenarios step by step through a node.

use std::sync::Arc;

use bevy_app::App;
use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::AggregationConfig,
    chain::{Finalized, Head, Justified, SafeTarget},
    clock::{CurrentInterval, SlotClock, first_interval},
    containers::{
        Block, Checkpoint, MultiMessageAggregate, ProofBytes, Root, SignedAggregatedAttestation,
        SignedAttestation, SignedBlock, Slot, State,
    },
    messages::Verdict,
    preset::SignaturePreset,
    prover::ProverLimits,
    rejection::Rejection,
    rules::Rules,
    task::{InlineSpawner, Tasks},
    tree::BlockTree,
    waker::NodeWaker,
};
use quintet_systems::{
    fork_choice::set_anchor,
    verification::{Proofs, Signatures, XmssVerifier},
};
use serde::Serialize;
use serde_json::Value;
use tree_hash::TreeHash;

use super::{
    authored::{self, PayloadPoolEntry},
    node::DrivenNode,
    proofs::{ProofKind, ScenarioProofs, block_stand_in, preset_of},
    read::{ReadError, field, optional},
};
use crate::{
    AggregationPlugin, Anchor, ClockPlugin, ForkChoicePlugin, InboundPlugin, OrderPlugin,
    ProverPlugin,
};

/// The number of intervals by which one step may move the clock: 4096 slots.
pub const MAX_INTERVALS_A_STEP: u64 = 5 * 4096;
/// The number of blocks that a scenario may have, including the anchor.
pub const MAX_BLOCKS: usize = 4096;
/// The newest slot and the latest genesis time, in seconds, of a scenario. Times in milliseconds
/// then do not overflow.
pub const MAX_SLOT: Slot = 1 << 40;

/// The reason a scenario does not begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InitError {
    /// The JSON lacks something.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The anchor's block does not commit to its state.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

/// A step of a scenario, read from the vectors' JSON.
#[derive(Clone, Debug)]
pub enum Step {
    /// Time passes.
    Tick {
        /// The new time.
        to: Time,
        /// True if there is a proposal at the last interval, if a slot begins there.
        has_proposal: bool,
    },
    /// A block arrives. Its proof is not in the vector, only that it was valid.
    Block(BlockStep),
    /// One validator's attestation arrives.
    Attestation {
        /// The attestation.
        attestation: SignedAttestation,
        /// True if the node aggregates.
        is_aggregator: bool,
    },
    /// An aggregate arrives.
    Aggregate(SignedAggregatedAttestation),
}

/// A time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// An interval, counted since genesis.
    Interval(u64),
    /// Unix seconds.
    Seconds(u64),
}

/// A block, and the payloads that its author had before.
#[derive(Clone, Debug)]
pub struct BlockStep {
    /// The block.
    pub block: Block,
    /// True if the clock is set to the block's slot first.
    pub tick_to_slot: bool,
    /// The known pool after the step, which has the aggregates of the block's author.
    pub known: Vec<PayloadPoolEntry>,
}

impl Step {
    /// Reads a step.
    ///
    /// # Errors
    /// A field is missing or has another form, or the type of the step is unknown.
    pub fn read(step: &Value) -> Result<Self, ReadError> {
        let kind: String = field(step, "stepType")?;
        match kind.as_str() {
            "tick" => {
                let to = match optional(step, "interval")? {
                    Some(interval) => Time::Interval(interval),
                    None => Time::Seconds(field(step, "time")?),
                };
                Ok(Self::Tick { to, has_proposal: field(step, "hasProposal")? })
            }
            "block" => {
                let known = step.get("storeSnapshot").map_or(Ok(Vec::new()), |snapshot| {
                    let pool = optional(snapshot, "knownAggregatedPayloads");
                    pool.map(Option::unwrap_or_default)
                })?;
                let tick_to_slot = optional(step, "tickToSlot")?.unwrap_or(true);
                Ok(Self::Block(BlockStep { block: field(step, "block")?, tick_to_slot, known }))
            }
            "attestation" => Ok(Self::Attestation {
                attestation: field(step, "attestation")?,
                is_aggregator: optional(step, "isAggregator")?.unwrap_or(true),
            }),
            "gossipAggregatedAttestation" => Ok(Self::Aggregate(field(step, "attestation")?)),
            kind => Err(ReadError(format!(
                "stepType: unknown step {kind:?}; known are tick, block, attestation and \
                 gossipAggregatedAttestation"
            ))),
        }
    }
}

/// A running scenario: a world of the node's own plugins, with tasks that run at once, a clock that
/// the steps set, and the proofs of its vector.
pub struct Scenario {
    /// The node.
    pub node: DrivenNode,
    proofs: ProofKind,
}

impl Scenario {
    /// Begins with `{anchorState, anchorBlock}` and optionally the `genesisTime` that the state
    /// must have, the `proofSetting` and the `leanEnv`. Without `leanEnv`, signatures are of this
    /// preset.
    ///
    /// # Errors
    /// See [`InitError`].
    pub fn begin(init: &Value, preset: SignaturePreset) -> Result<Self, InitError> {
        let (proofs, preset) = (ProofKind::read(init)?, preset_of(init, preset)?);
        let state: State = field(init, "anchorState")?;
        let block: Block = field(init, "anchorBlock")?;
        let genesis_time = state.config.genesis_time;
        let said = optional::<u64>(init, "genesisTime")?.unwrap_or(genesis_time);
        let too_late = |what: &str, is: u64| {
            InitError::Read(ReadError(format!("{what}: {is} is past {MAX_SLOT}")))
        };
        if said != genesis_time {
            let text = format!("genesisTime: {said}, the anchor state's is {genesis_time}");
            return Err(InitError::Read(ReadError(text)));
        }
        if genesis_time > MAX_SLOT {
            return Err(too_late("anchorState.config.genesisTime", genesis_time));
        }
        if block.slot > MAX_SLOT {
            return Err(too_late("anchorBlock.slot", block.slot));
        }
        let state = Arc::new(state);
        set_anchor(&mut World::new(), Arc::clone(&state), &block)?;
        let app = app(Anchor { state, block }, ScenarioProofs::new(proofs, preset), preset);
        Ok(Self { node: DrivenNode::new(app, Box::new(|| {})), proofs })
    }

    /// Runs a step.
    ///
    /// # Errors
    /// The step exceeds a limit, or names aggregates that are impossible. Only the clock of the
    /// world has then changed.
    pub fn run(&mut self, step: Step) -> Result<Verdict, ReadError> {
        match step {
            Step::Tick { to, has_proposal } => {
                // The vectors' node aggregates whenever its clock ticks.
                self.node.set_aggregator(true);
                let count = self.reachable(to)?;
                match to {
                    Time::Interval(_) => self.node.tick_to(count, has_proposal),
                    Time::Seconds(time) => {
                        self.node.tick_to_ms(time.saturating_mul(1000), has_proposal);
                    }
                }
                Ok(Verdict::Accepted)
            }
            Step::Block(step) => {
                self.prepare_block(&step)?;
                Ok(self.import_block(step.block))
            }
            Step::Attestation { attestation, is_aggregator } => {
                self.node.set_aggregator(is_aggregator);
                self.use_preset(attestation.signature.preset());
                Ok(self.node.attestation(attestation))
            }
            Step::Aggregate(aggregate) => Ok(self.node.aggregate(aggregate)),
        }
    }

    /// Sets the clock to a block's slot if the step says so, and puts the aggregates of its author
    /// into the known pool.
    ///
    /// # Errors
    /// Like [`Self::run`].
    pub fn prepare_block(&mut self, step: &BlockStep) -> Result<(), ReadError> {
        let blocks = self.node.world().resource::<BlockTree>().len();
        if blocks >= MAX_BLOCKS {
            return Err(ReadError(format!("a scenario has at most {MAX_BLOCKS} blocks")));
        }
        self.node.set_aggregator(true);
        if step.tick_to_slot {
            let to = self.reachable(Time::Interval(first_interval(step.block.slot)))?;
            self.node.tick_to(to, true);
        }
        if !self.node.world().resource::<BlockTree>().contains(&step.block.parent_root) {
            return Ok(());
        }
        authored::add_aggregates(self.node.world(), &step.block, &step.known)
    }

    /// Offers a block with a placeholder for the proof that is not in the vector.
    pub fn import_block(&mut self, block: Block) -> Verdict {
        let bytes = block_stand_in(block.tree_hash_root());
        let proof = ProofBytes::new(bytes).expect("a placeholder is short");
        self.node.block(SignedBlock { block, proof: MultiMessageAggregate { proof } })
    }

    /// The interval of a time, if a step may go there.
    fn reachable(&mut self, to: Time) -> Result<u64, ReadError> {
        let clock = *self.node.world().resource::<SlotClock>();
        let count = match to {
            Time::Interval(count) => count,
            Time::Seconds(time) => clock.total_intervals(time.saturating_mul(1000)),
        };
        if count.saturating_sub(self.node.time()) > MAX_INTERVALS_A_STEP {
            return Err(ReadError(format!(
                "the clock is at interval {} and a step moves it by at most \
                 {MAX_INTERVALS_A_STEP} intervals, not to {count}",
                self.node.time()
            )));
        }
        Ok(count)
    }

    /// A vector need not name the preset of its signatures; their length shows it.
    fn use_preset(&mut self, preset: SignaturePreset) {
        let proofs = ScenarioProofs::new(self.proofs, preset);
        let world = self.node.world();
        if *world.resource::<SignaturePreset>() != preset {
            world.insert_resource(preset);
            world.insert_resource(Signatures(Arc::new(XmssVerifier::new(preset))));
            world.insert_resource(Proofs(Arc::new(proofs)));
        }
    }

    /// The driver's answer after a step.
    pub fn summary(&self) -> Summary {
        let world = self.node.app.world();
        let head = world.resource::<Head>().0;
        Summary {
            head_slot: head.slot,
            head_root: head.root,
            time: world.resource::<CurrentInterval>().count,
            justified_checkpoint: world.resource::<Justified>().0,
            finalized_checkpoint: world.resource::<Finalized>().0,
            safe_target: world.resource::<SafeTarget>().0.root,
        }
    }
}

/// The plugins of a node that affect fork choice.
fn app(anchor: Anchor, proofs: ScenarioProofs, preset: SignaturePreset) -> App {
    let (waker, _) = NodeWaker::new();
    let mut app = App::new();
    app.insert_resource(Tasks::new(InlineSpawner, waker.clone())).insert_resource(waker);
    app.add_plugins((
        OrderPlugin,
        ClockPlugin,
        InboundPlugin,
        ForkChoicePlugin { anchor, preset, proofs: Arc::new(proofs), signatures: None },
        ProverPlugin { limits: ProverLimits { permits: 1, ..ProverLimits::default() } },
        AggregationPlugin { config: AggregationConfig::default() },
    ));
    app.insert_resource(Rules::VECTORS);
    app.finish();
    app.cleanup();
    app
}

/// The store after a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The head's slot.
    pub head_slot: Slot,
    /// The head's root.
    pub head_root: Root,
    /// Intervals since genesis.
    pub time: u64,
    /// The justified checkpoint.
    pub justified_checkpoint: Checkpoint,
    /// The finalized checkpoint.
    pub finalized_checkpoint: Checkpoint,
    /// Root of the safe target.
    pub safe_target: Root,
}
