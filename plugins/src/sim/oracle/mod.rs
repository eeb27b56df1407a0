//! The rules: things that must never happen, and things that must happen in time. They are checked
//! after every update of a node.

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

/// The view of an oracle after an update.
pub struct View<'a> {
    /// Milliseconds since genesis.
    pub now_ms: u64,
    /// The node that was updated.
    pub node: usize,
    /// Its world.
    pub world: &'a mut World,
    /// The scenario.
    pub scenario: &'a Scenario,
}

/// A custom rule. It sees every node after each of its updates.
pub trait Oracle: Send {
    /// The rule's name.
    fn name(&self) -> &'static str;

    /// Checks a node that follows the protocol after an update.
    ///
    /// # Errors
    /// A sentence that says what is wrong. The simulation ends with it.
    fn look(&mut self, view: &mut View<'_>) -> Result<(), String>;

    /// Checks at the end each node that follows the protocol and runs.
    ///
    /// # Errors
    /// Like [`look`](Self::look).
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

/// All rules, with their data.
pub(super) struct Oracles {
    safety: safety::Safety,
    calm: calm::Calm,
    time: time::Time,
    heaviest: heaviest::Heaviest,
    literal: literal::Literal,
    duties: duties::Duties,
    signed: SignatureLog,
    custom: Vec<Box<dyn Oracle>>,
    /// The names of rules that may be broken.
    left_out: Vec<&'static str>,
    /// A violation that was found between updates.
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
        // Peers cannot tell a broken prover from one that lies.
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

/// Adds to a node what the rules need.
pub(super) fn prepare(app: &mut App) {
    safe_target::prepare(app);
}

/// The checkpoints of a world: head, justified, finalized.
pub(super) fn checkpoints(world: &World) -> [Checkpoint; 3] {
    [world.resource::<Head>().0, world.resource::<Justified>().0, world.resource::<Finalized>().0]
}

impl Run {
    /// Lets the oracles check a node.
    pub(super) fn watch(&mut self, node: usize) {
        self.consult(node, Oracles::look);
    }

    /// Lets the oracles check every node for the last time.
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
        let Some(alive) = &self.machines[node].node else {
            // It is down already. Its disk stays as it is, unless more than the process is lost.
            if loses != Loss::Process {
                self.oracles.safety.crashed(node, None);
            }
            return;
        };
        // If the process ends and nothing waits to be written, everything that the world has is on
        // the disk.
        let is_written = loses == Loss::Process && !alive.writer.has_work();
        let kept = is_written.then(|| checkpoints(alive.app.world())[2]);
        self.oracles.safety.crashed(node, kept);
        self.oracles.literal.crashed(node);
    }

    /// A node has started from its disk.
    pub(super) fn resumed(&mut self, node: usize) {
        let Some(alive) = &self.machines[node].node else { return };
        let [_, _, finalized] = checkpoints(alive.app.world());
        let resumed = self.oracles.safety.resumed(node, finalized);
        self.take_outcome(node, resumed);
    }
}
