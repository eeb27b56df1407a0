//! The beginning and the end of faults.

use std::sync::Arc;

use super::{
    events::Event,
    fault::{Fault, FaultKind, Loss},
    links::IDLE_MS,
    machine::GENESIS_MS,
    run::{NOBODY, Run},
    trace::What,
};

impl Run {
    /// Plans the copy of a disk that a later fault puts back.
    pub(super) fn plan_copy(&mut self, fault: &Fault) {
        if let FaultKind::Crash { node, loses: Loss::Rollback } = fault.kind {
            self.queue.push(GENESIS_MS + fault.from_ms / 2, node, Event::Copy);
        }
    }

    /// Begins or ends a fault.
    pub(super) fn strike(&mut self, fault: usize, is_on: bool) {
        let scenario = Arc::clone(&self.scenario);
        let Fault { from_ms, for_ms, ref kind } = scenario.faults[fault];
        match *kind {
            FaultKind::Crash { node, loses } => self.crash(node, loses, is_on),
            FaultKind::Pause { node } => self.pause(node, is_on),
            FaultKind::Skew { node, by_ms } => {
                let by_ms = if is_on { by_ms } else { -by_ms };
                self.machines[node].clock.step(by_ms);
                self.prod(node);
            }
            FaultKind::Drift { node, ppm } => self.drift(node, ppm, is_on, from_ms),
            FaultKind::DiskFull { node } => self.machines[node].disk.set_full(is_on),
            FaultKind::DiskSlow { node, factor } => {
                self.machines[node].disk_factor = if is_on { factor.max(1) } else { 1 };
            }
            FaultKind::ProverSlow { node, factor } => {
                self.machines[node].prover_factor = if is_on { factor.max(1) } else { 1 };
            }
            FaultKind::ProverStuck { node } => {
                let stuck = &mut self.machines[node].stuck;
                *stuck = if is_on { *stuck + 1 } else { stuck.saturating_sub(1) };
            }
            FaultKind::ProverPanics { node } => self.machines[node].proofs.set_panics(is_on),
            FaultKind::ProverWrong { node } => self.machines[node].proofs.set_wrong(is_on),
            FaultKind::SmallLanes { node, items } => {
                self.machines[node].lane_items = if is_on { items.max(1) } else { usize::MAX };
            }
            FaultKind::Partition { ref groups } => self.part(groups, is_on),
            FaultKind::OneWay { from, to } => self.block(from, to, is_on),
            FaultKind::Swizzle { node } if is_on => self.swizzle(node, for_ms),
            FaultKind::Swizzle { .. } => {}
            FaultKind::Loss { per_mille } => self.links.lose(per_mille, is_on),
        }
    }

    fn crash(&mut self, node: usize, loses: Loss, is_on: bool) {
        if !is_on {
            let down = &mut self.machines[node].down;
            *down = down.saturating_sub(1);
            self.queue.push(self.now_ms, node, Event::Start);
            return;
        }
        // The system closes no connection of a process that is killed: peers notice it in time.
        let after_ms = self.random.within(500..=IDLE_MS);
        self.abandon(node, after_ms);
        self.crashed(node, loses);
        self.record(node, What::Stop);
        let machine = &mut self.machines[node];
        machine.down += 1;
        machine.stop();
        self.held[node].clear();
        self.counts.crashes += 1;
        match loses {
            Loss::Process => {}
            Loss::Power => {
                machine.disk.lose_power(&mut self.random);
                machine.mark.tear(&mut self.random);
            }
            Loss::Rollback => {
                machine.disk.roll_back();
                machine.is_rolled_back = true;
            }
        }
    }

    fn pause(&mut self, node: usize, is_on: bool) {
        let machine = &mut self.machines[node];
        if is_on {
            machine.paused += 1;
            self.abandon(node, IDLE_MS);
            return;
        }
        machine.paused = machine.paused.saturating_sub(1);
        if machine.paused > 0 {
            return;
        }
        // Connections that its peers have given up are gone for it too.
        self.notice_lost(node);
        for event in std::mem::take(&mut self.held[node]) {
            self.queue.push(self.now_ms, node, event);
        }
        self.prod(node);
    }

    /// Lets a node that continues notice which of its connections are gone.
    fn notice_lost(&mut self, node: usize) {
        let Some(alive) = &self.machines[node].node else { return };
        let peers: Vec<_> =
            alive.port.peers.iter().map(|(peer, number)| (*peer, *number)).collect();
        for (peer, connection) in peers {
            if self.connection(peer, node) != Some(connection) {
                self.queue.push(self.now_ms, node, Event::Lost { peer, connection });
            }
        }
    }

    fn drift(&mut self, node: usize, ppm: i64, is_on: bool, from_ms: u64) {
        let now_ms = self.now_ms;
        let clock = &mut self.machines[node].clock;
        if is_on {
            clock.drift(now_ms, ppm);
        } else {
            clock.drift(now_ms, 0);
            let passed = i64::try_from(now_ms - GENESIS_MS - from_ms).unwrap_or(0);
            clock.step(-(passed * ppm / 1_000_000));
        }
        self.prod(node);
    }

    fn part(&mut self, groups: &[Vec<usize>], is_on: bool) {
        let nodes = self.scenario.nodes;
        for from in 0..nodes {
            for to in (0..nodes).filter(|to| *to != from) {
                let share = |group: &Vec<usize>| group.contains(&from) && group.contains(&to);
                if !groups.iter().any(share) {
                    self.block(from, to, is_on);
                }
            }
        }
    }

    fn block(&mut self, from: usize, to: usize, is_on: bool) {
        self.links.block(from, to, is_on);
        if let Some(connection) = self.connection(from, to).filter(|_| is_on) {
            self.queue.push(self.now_ms + IDLE_MS, from, Event::Idle { peer: to, connection });
        }
    }

    /// Stops the links of a node one after the other in the first half of the time, and opens them
    /// in another order in the second half.
    fn swizzle(&mut self, node: usize, for_ms: u64) {
        let mut others: Vec<usize> =
            (0..self.scenario.nodes).filter(|other| *other != node).collect();
        let step = for_ms / 2 / (others.len() as u64).max(1);
        self.random.shuffle(&mut others);
        let stopped = others.clone();
        self.random.shuffle(&mut others);
        for (place, peer) in (0..).zip(stopped) {
            let back = others.iter().position(|other| *other == peer).unwrap_or(0) as u64;
            let start_ms = self.now_ms + place * step;
            let end_ms = self.now_ms + for_ms / 2 + back * step;
            self.links.clog((node, peer), start_ms, end_ms);
        }
    }
}

/// Events that belong to no node come after those of nodes.
const _: () = assert!(NOBODY > super::scenario::MAX_NODES);
