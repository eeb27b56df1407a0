//! What may never be, and what has to come in time. Looked at after every update of a node.

mod calm;
mod duties;
mod errors;
mod heaviest;
mod limits;
mod literal;
mod safe_target;
mod safety;
mod time;

use bevy_app::App;
use bevy_ecs::prelude::World;
use quintet_components::{
    chain::{Finalized, Head, Justified},
    containers::Checkpoint,
    messages::Verdict,
    network::DisconnectReason,
};

use super::{
    ear::LoggedError, fault::Loss, machine::GENESIS_MS, run::Run, scenario::Scenario,
    signer::SignatureLog,
};

/// What an oracle sees after an update.
pub struct View<'a> {
    /// Milliseconds since genesis.
    pub now_ms: u64,
    /// The node that was updated.
    pub node: usize,
    /// Its world.
    pub world: &'a mut World,
    /// What is simulated.
    pub scenario: &'a Scenario,
}

/// A rule of its own: it sees every node after each of its updates.
pub trait Oracle: Send {
    /// The rule's name.
    fn name(&self) -> &'static str;

    /// Looks at a node that follows the protocol after an update.
    ///
    /// # Errors
    /// What is wrong, in a sentence: the simulation ends with it.
    fn look(&mut self, view: &mut View<'_>) -> Result<(), String>;

    /// Looks at the end, once for each node that follows the protocol and runs.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    fn conclude(&mut self, _view: &mut View<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// A rule that was broken.
pub(super) struct Broken {
    rule: &'static str,
    text: String,
}

fn broken(rule: &'static str, text: String) -> Result<(), Broken> {
    Err(Broken { rule, text })
}

/// All rules, with what they remember.
pub(super) struct Oracles {
    safety: safety::Safety,
    calm: calm::Calm,
    time: time::Time,
    heaviest: heaviest::Heaviest,
    literal: literal::Literal,
    duties: duties::Duties,
    signed: SignatureLog,
    custom: Vec<Box<dyn Oracle>>,
    /// Rules that may be broken.
    left_out: Vec<&'static str>,
    /// What was found between updates.
    found: Option<Broken>,
    /// The newest refusal that cost a peer points, for the text of a ban.
    refusal: String,
}

impl Oracles {
    pub(super) fn new(custom: Vec<Box<dyn Oracle>>, left_out: Vec<&'static str>) -> Self {
        Self {
            safety: safety::Safety::default(),
            calm: calm::Calm::default(),
            time: time::Time::default(),
            heaviest: heaviest::Heaviest::default(),
            literal: literal::Literal::default(),
            duties: duties::Duties::default(),
            signed: SignatureLog::default(),
            custom,
            left_out,
            found: None,
            refusal: String::new(),
        }
    }

    /// Watches these signatures of honest nodes.
    pub(super) fn watching(self, signed: SignatureLog) -> Self {
        Self { signed, ..self }
    }

    pub(super) fn note_rejection(&mut self, node: usize, from: usize, verdict: &Verdict) {
        self.refusal = format!("node {node} refuses what node {from} sent: {verdict:?}");
    }

    pub(super) fn note_ban(
        &mut self,
        scenario: &Scenario,
        (node, peer): (usize, usize),
        at_ms: u64,
        reason: &DisconnectReason,
    ) {
        // Nobody can tell a prover that is broken from one that lies.
        let is_usual = |node| scenario.is_honest(node) && !scenario.makes_wrong_proofs(node);
        if scenario.is_honest(node) && is_usual(peer) {
            let text = format!(
                "node {node} bans node {peer} at {at_ms} ms: {reason:?}; the newest refusal: {}",
                self.refusal
            );
            self.found.get_or_insert(Broken { rule: "honest-ban", text });
        }
    }

    fn look(&mut self, view: &mut View<'_>) -> Result<(), Broken> {
        if let Some(found) = self.found.take() {
            return Err(found);
        }
        if let Some((key, slot)) = self.signed.twice() {
            let text = format!("the key {key} signed two messages for slot {slot}");
            return broken("one-message-a-slot", text);
        }
        if !view.scenario.is_honest(view.node) {
            return Ok(());
        }
        self.safety.look(view)?;
        limits::look(view)?;
        self.time.look(view)?;
        self.heaviest.look(view)?;
        self.literal.look(view)?;
        safe_target::look(view)?;
        self.calm.look(view);
        self.duties.look(view);
        for oracle in &mut self.custom {
            let rule = oracle.name();
            oracle.look(view).map_err(|text| Broken { rule, text })?;
        }
        Ok(())
    }

    fn conclude(&mut self, view: &mut View<'_>) -> Result<(), Broken> {
        self.calm.conclude(view)?;
        self.duties.conclude(view)?;
        for oracle in &mut self.custom {
            let rule = oracle.name();
            oracle.conclude(view).map_err(|text| Broken { rule, text })?;
        }
        Ok(())
    }
}

/// Adds to a node what the rules need of it.
pub(super) fn prepare(app: &mut App) {
    safe_target::prepare(app);
}

/// The checkpoints of a world: head, justified, finalized.
pub(super) fn checkpoints(world: &World) -> [Checkpoint; 3] {
    [world.resource::<Head>().0, world.resource::<Justified>().0, world.resource::<Finalized>().0]
}

impl Run {
    /// Has the oracles look at a node.
    pub(super) fn watch(&mut self, node: usize) {
        self.consult(node, Oracles::look);
    }

    /// Has the oracles look at every node for the last time.
    pub(super) fn conclude(&mut self) {
        for node in (0..self.scenario.nodes)
            .filter(|node| self.scenario.is_honest(*node))
            .collect::<Vec<_>>()
        {
            if self.violation.is_none() {
                self.consult(node, Oracles::conclude);
            }
        }
    }

    fn consult(
        &mut self,
        node: usize,
        rules: fn(&mut Oracles, &mut View<'_>) -> Result<(), Broken>,
    ) {
        let now_ms = self.now_ms.saturating_sub(GENESIS_MS);
        let Some(alive) = &mut self.machines[node].node else { return };
        let scenario = &*self.scenario;
        let mut view = View { now_ms, node, world: alive.app.world_mut(), scenario };
        let looked = rules(&mut self.oracles, &mut view);
        self.take_outcome(node, looked);
    }

    fn take_outcome(&mut self, node: usize, outcome: Result<(), Broken>) {
        if let Err(Broken { rule, text }) = outcome
            && !self.oracles.left_out.contains(&rule)
        {
            self.violate(rule, Some(node), text);
        }
    }

    /// A node has logged an error.
    pub(super) fn note_error(&mut self, node: usize, error: &LoggedError) {
        let now_ms = self.now_ms.saturating_sub(GENESIS_MS);
        let judged = errors::judge(&self.scenario, node, now_ms, error);
        self.take_outcome(node, judged);
    }

    /// A node is about to crash.
    pub(super) fn crashed(&mut self, node: usize, loses: Loss) {
        let Some(alive) = &self.machines[node].node else { return };
        // What a world has, and nothing of it waits to be written, is on the disk.
        let is_written = loses == Loss::Process && !alive.writer.has_work();
        let kept = is_written.then(|| checkpoints(alive.app.world())[2]);
        self.oracles.safety.crashed(node, kept);
        self.oracles.literal.crashed(node);
    }

    /// A node has started from what its disk has.
    pub(super) fn resumed(&mut self, node: usize) {
        let Some(alive) = &self.machines[node].node else { return };
        let [_, _, finalized] = checkpoints(alive.app.world());
        let resumed = self.oracles.safety.resumed(node, finalized);
        self.take_outcome(node, resumed);
    }
}
