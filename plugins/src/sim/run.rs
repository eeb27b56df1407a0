//! The loop: it takes events in their order, updates nodes for which something is due, and lets the
//! oracles look after each update.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};

use quintet_components::{network::PeerId, task::TaskKind};

use super::{
    adversary::Player,
    ear::Ear,
    edge::Outbound,
    events::Event,
    gossip::meshes,
    links::Links,
    machine::{Beginning, Customize, GENESIS_MS, LULL_MS, Node, SimMachine},
    oracle::Oracles,
    port::{Port, identity},
    queue::EventQueue,
    random::{Fingerprint, Random},
    report::{Counts, Violation},
    scenario::{Delay, Scenario},
    signer::SignatureLog,
    trace::Recorder,
};

/// The time before genesis at which the nodes begin to start, one after the other.
const START_MS: u64 = 2_500;
/// The node number of events that belong to no node. They come after the events of all nodes.
pub(super) const NOBODY: usize = usize::MAX;

/// A running simulation.
pub(super) struct Run {
    pub(super) scenario: Arc<Scenario>,
    pub(super) beginning: Beginning,
    pub(super) customize: Option<Customize>,
    pub(super) queue: EventQueue<Event>,
    pub(super) now_ms: u64,
    pub(super) machines: Vec<SimMachine>,
    pub(super) players: Vec<Option<Player>>,
    /// The node of each name that worlds give to peers.
    pub(super) names: BTreeMap<PeerId, usize>,
    pub(super) links: Links,
    /// For each node, the peers to which it passes gossip on.
    pub(super) mesh: Vec<Vec<bool>>,
    /// The events that wait for a node that is paused.
    pub(super) held: Vec<Vec<Event>>,
    pub(super) next_connection: u64,
    pub(super) random: Random,
    task_times: Random,
    pub(super) log: Fingerprint,
    pub(super) counts: Counts,
    pub(super) oracles: Oracles,
    pub(super) violation: Option<Violation>,
    pub(super) recorder: Recorder,
    /// Collects the errors that nodes log.
    ear: Ear,
}

impl Run {
    pub(super) fn new(
        scenario: Arc<Scenario>,
        customize: Option<Customize>,
        oracles: Oracles,
    ) -> Self {
        let random = Random::new(scenario.seed);
        let signed = SignatureLog::of(&scenario);
        let of_adversary = SignatureLog::default();
        let machine = |index: usize| {
            let log = if scenario.is_honest(index) { &signed } else { &of_adversary };
            SimMachine::new(index, log.clone(), random.stream("machine", index as u64))
        };
        let machines: Vec<_> = (0..scenario.nodes).map(machine).collect();
        let blank = Port::new(Vec::new());
        let name = |node: usize| (blank.book.name_of(&identity(node)), node);
        let mut run = Self {
            beginning: Beginning::of(&scenario),
            customize,
            queue: EventQueue::new(GENESIS_MS - START_MS),
            now_ms: GENESIS_MS - START_MS,
            players: (0..scenario.nodes).map(|node| Player::of(&scenario, node)).collect(),
            names: (0..scenario.nodes).map(name).collect(),
            links: Links::new(&scenario, random.stream("links", 0)),
            mesh: meshes(&scenario, &random),
            held: (0..scenario.nodes).map(|_| Vec::new()).collect(),
            next_connection: 0,
            task_times: random.stream("tasks", 0),
            log: Fingerprint::new(0),
            counts: Counts::default(),
            oracles: oracles.watching(signed),
            violation: None,
            recorder: Recorder::default(),
            ear: Ear::new(),
            machines,
            random,
            scenario,
        };
        run.plan();
        run
    }

    fn plan(&mut self) {
        let mut starts = self.random.stream("starts", 0);
        for node in 0..self.scenario.nodes {
            let at_ms = self.now_ms + starts.below(1_000);
            self.queue.push(at_ms, node, Event::Start);
        }
        let scenario = Arc::clone(&self.scenario);
        for (fault, planned) in scenario.faults.iter().enumerate() {
            for (at_ms, is_on) in [(planned.from_ms, true), (planned.until_ms(), false)] {
                self.queue.push(GENESIS_MS + at_ms, NOBODY, Event::Fault { fault, is_on });
            }
            self.plan_copy(planned);
        }
        for (node, player) in self.players.iter().enumerate() {
            if let Some(player) = player {
                self.machines[node].clock.step(player.clock_ahead_ms());
            }
        }
    }

    /// Runs until this many milliseconds since genesis, or until the first violation.
    pub(super) fn run_until(&mut self, until_ms: u64) {
        let ear = self.ear.clone();
        ear.listen(|| self.go_on_until(until_ms));
    }

    fn go_on_until(&mut self, until_ms: u64) {
        let end_ms = GENESIS_MS + until_ms;
        while let Some((at_ms, node)) = self.queue.next_due()
            && at_ms < end_ms
            && self.violation.is_none()
        {
            self.now_ms = at_ms;
            let (mut is_due, mut can_wait) = (false, false);
            while let Some(event) = self.queue.pop_due(at_ms, node) {
                self.counts.events += 1;
                let is_wake = matches!(event, Event::Wake);
                if self.happen(node, event) {
                    let alive = self.machines[node].node.as_ref();
                    let waits = !is_wake && alive.is_some_and(Node::can_wait);
                    is_due |= !waits;
                    can_wait |= waits;
                }
            }
            if is_due || (can_wait && !self.wait_for_others(node)) {
                self.update(node);
            }
            for error in self.ear.take() {
                self.counts.errors += 1;
                self.note_error(node, &error);
            }
        }
        if self.violation.is_none() {
            self.now_ms = end_ms;
        }
    }

    /// Handles an event. Returns true if the node has to be updated for it.
    fn happen(&mut self, node: usize, event: Event) -> bool {
        self.note(node, &event);
        if let Event::Fault { fault, is_on } = event {
            self.strike(fault, is_on);
            return false;
        }
        let machine = &mut self.machines[node];
        if machine.paused > 0 && !matches!(event, Event::Start | Event::Copy) {
            self.held[node].push(event);
            return false;
        }
        match event {
            Event::Start => self.start(node),
            Event::Copy => {
                machine.disk.copy();
                false
            }
            Event::Wake => {
                let now_ms = self.now_ms;
                machine.node.as_mut().is_some_and(|alive| {
                    let is_due = alive.wakes_at.is_some_and(|at_ms| at_ms <= now_ms);
                    if is_due {
                        alive.wakes_at = None;
                    }
                    is_due
                })
            }
            Event::Job { life, job } => self.end_job(node, life, job),
            Event::Write { life } => self.write(node, life),
            Event::Arrive { from, connection, parcel } => {
                self.arrive(node, (from, connection), parcel)
            }
            Event::Dial { peer, wait_ms } => self.dial(node, peer, wait_ms),
            Event::Lost { peer, connection } => self.lose(node, peer, connection),
            Event::Idle { peer, connection } => self.idle(node, peer, connection),
            Event::Expire { life, request } => self.expire(node, life, request),
            Event::Tend { life } => self.tend(node, life),
            Event::Act { content, to } => {
                self.send_as(node, &content, &to);
                false
            }
            Event::Fault { .. } => false,
        }
    }

    fn end_job(&mut self, node: usize, life: u32, job: u64) -> bool {
        let machine = &mut self.machines[node];
        let Some(alive) = machine.node.as_mut().filter(|_| machine.life == life) else {
            return false;
        };
        let Some(job) = alive.jobs.remove(&job) else { return false };
        self.counts.tasks += 1;
        job();
        true
    }

    fn write(&mut self, node: usize, life: u32) -> bool {
        let machine = &mut self.machines[node];
        let Some(alive) = machine.node.as_mut().filter(|_| machine.life == life) else {
            return false;
        };
        alive.is_writing = false;
        let had_fault = !alive.writer.store().health().can_sign();
        alive.writer.turn();
        let has_fault = !alive.writer.store().health().can_sign();
        if alive.writer.has_work() {
            self.plan_write(node, has_fault);
        }
        had_fault != has_fault
    }

    /// Plans the write of the data that waits for the disk.
    fn plan_write(&mut self, node: usize, is_retry: bool) {
        let machine = &mut self.machines[node];
        let Some(alive) = machine.node.as_mut() else { return };
        if std::mem::replace(&mut alive.is_writing, true) {
            return;
        }
        let factor = machine.disk_factor;
        let delay = self.scenario.tasks.write.draw(&mut self.task_times).saturating_mul(factor);
        let at_ms = self.now_ms + if is_retry { delay.max(500) } else { delay };
        self.queue.push(at_ms, node, Event::Write { life: machine.life });
    }

    /// Updates a node, handles its requests, and lets the oracles look at it.
    pub(super) fn update(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        let shown_ms = machine.clock.at(self.now_ms);
        let Some(alive) = &mut machine.node else { return };
        self.counts.updates += 1;
        alive.lull_until = self.now_ms + LULL_MS;
        let updated = std::panic::catch_unwind(AssertUnwindSafe(|| alive.update(shown_ms)));
        let outbox = match updated {
            Ok(Ok(outbox)) => outbox,
            Ok(Err(text)) => return self.violate("stopped", Some(node), text),
            Err(_) => return self.violate("panic", Some(node), "a system panicked".into()),
        };
        for outbound in outbox {
            match outbound {
                Outbound::Verdict(id, verdict) => self.judge(node, id, &verdict),
                Outbound::Publish(content) => self.publish(node, content),
                Outbound::Command(command) => self.obey(node, command),
            }
        }
        self.plan_tasks(node);
        self.plan_wake(node);
        self.watch(node);
    }

    fn plan_tasks(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        let Some(alive) = &mut machine.node else { return };
        let (has_work, life) = (alive.writer.has_work(), machine.life);
        let mut planned = Vec::new();
        for (kind, job) in alive.take_tasks() {
            let id = alive.next_job;
            alive.next_job += 1;
            alive.jobs.insert(id, job);
            let factor = match kind {
                TaskKind::Prove => machine.prover_factor,
                TaskKind::Sign => machine.disk_factor,
                _ => 1,
            };
            let delay = delay_of(&self.scenario, kind).draw(&mut self.task_times);
            // A proof that a stuck prover begins never ends.
            if kind != TaskKind::Prove || machine.stuck == 0 {
                planned.push((kind, id, self.now_ms + delay.saturating_mul(factor).max(1)));
            }
        }
        for (kind, job, at_ms) in planned {
            self.record_task(node, kind, at_ms);
            self.queue.push(at_ms, node, Event::Job { life, job });
        }
        if has_work {
            self.plan_write(node, false);
        }
    }

    /// Plans a wake for the end of a node's lull, as the runner does. Returns false if it is over.
    fn wait_for_others(&mut self, node: usize) -> bool {
        let Some(alive) = &mut self.machines[node].node else { return false };
        let at_ms = alive.lull_until;
        if at_ms <= self.now_ms {
            return false;
        }
        if alive.wakes_at.is_none_or(|planned| at_ms < planned) {
            alive.wakes_at = Some(at_ms);
            self.queue.push(at_ms, node, Event::Wake);
        }
        true
    }

    /// Plans a wake for the time at which the node has something to do by itself.
    fn plan_wake(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        let Some(alive) = &mut machine.node else { return };
        let shown_ms = alive.next_deadline();
        let at_ms = machine.clock.when(shown_ms, self.now_ms).max(self.now_ms + 1);
        // What waited for others is done, so a wake for it is not needed.
        if alive.wakes_at != Some(at_ms) {
            alive.wakes_at = Some(at_ms);
            self.queue.push(at_ms, node, Event::Wake);
        }
    }

    pub(super) fn violate(&mut self, rule: &str, node: Option<usize>, text: String) {
        let at_ms = self.now_ms.saturating_sub(GENESIS_MS);
        self.violation.get_or_insert(Violation { rule: rule.into(), at_ms, node, text });
    }
}

fn delay_of(scenario: &Scenario, kind: TaskKind) -> Delay {
    let model = &scenario.tasks;
    match kind {
        TaskKind::CheckSignatures => model.check_signatures,
        TaskKind::CheckAggregate => model.check_aggregate,
        TaskKind::Import | TaskKind::CheckHistory => model.import,
        TaskKind::Sign | TaskKind::Other => model.sign,
        TaskKind::Prove => model.prove,
    }
}
