//! Connections: which node dials which, and how connections end.

use std::sync::Arc;

use quintet_components::network::{
    Direction, DisconnectReason, NetworkCommand, PeerEvent, RequestEvent, RequestFailure,
};

use super::{
    events::Event, links::IDLE_MS, machine::GENESIS_MS, port::identity, run::Run, trace::What,
};
use crate::network::{BAN_TIME, Redial};

/// The time between two checks of scores while any peer has lost points.
const TEND_MS: u64 = 1_000;
/// The time until a node that could not start on a full disk is started again.
const RESTART_MS: u64 = 2_000;

impl Run {
    /// The nodes that a node dials.
    fn calls(&self, node: usize) -> Vec<usize> {
        let mut others: Vec<usize> =
            (0..self.scenario.nodes).filter(|other| *other != node).collect();
        let calls = self.scenario.network.calls;
        if calls > 0 && calls < others.len() {
            self.random.stream("calls", node as u64).shuffle(&mut others);
            // The next node is always among them, so that the network is connected.
            others.retain(|other| *other != (node + 1) % self.scenario.nodes);
            others.truncate(calls - 1);
            others.push((node + 1) % self.scenario.nodes);
        }
        others
    }

    /// Starts a node. Returns true if it has to be updated.
    pub(super) fn start(&mut self, node: usize) -> bool {
        let machine = &mut self.machines[node];
        if machine.down > 0 || machine.node.is_some() {
            return false;
        }
        let (scenario, customize) = (Arc::clone(&self.scenario), self.customize.clone());
        let started = machine.start(&scenario, &self.beginning, customize.as_ref(), self.now_ms);
        if started.is_err() && self.machines[node].disk.is_full() {
            // A service manager does the same.
            self.queue.push(self.now_ms + RESTART_MS, node, Event::Start);
            return false;
        }
        if let Err(error) = started {
            self.violate("start", Some(node), format!("the node does not start: {error}"));
            return false;
        }
        self.record(node, What::Start);
        self.resumed(node);
        for peer in self.calls(node) {
            let first_ms = Redial::default().first.as_millis();
            let wait_ms = u64::try_from(first_ms).expect("a second");
            self.queue.push(self.now_ms + 1, node, Event::Dial { peer, wait_ms });
        }
        true
    }

    /// Lets a node be updated at this time.
    pub(super) fn prod(&mut self, node: usize) {
        if let Some(alive) = &mut self.machines[node].node {
            alive.wakes_at = Some(self.now_ms);
            self.queue.push(self.now_ms, node, Event::Wake);
        }
    }

    /// A node dials a peer, unless they are connected.
    pub(super) fn dial(&mut self, node: usize, peer: usize, wait_ms: u64) -> bool {
        let Some(alive) = &self.machines[node].node else { return false };
        if alive.port.peers.contains_key(&peer) {
            return false;
        }
        if !self.can_connect(node, peer) {
            let longest = u64::try_from(Redial::default().longest.as_millis()).expect("a minute");
            let next_ms = (wait_ms * 2).min(longest);
            let wait_ms = wait_ms * 3 / 4 + self.random.within(0..=wait_ms / 2);
            self.queue.push(self.now_ms + wait_ms, node, Event::Dial { peer, wait_ms: next_ms });
            return false;
        }
        // A peer that still has an earlier connection drops it and begins anew.
        if let Some(connection) = self.connection(peer, node) {
            self.lose(peer, node, connection);
        }
        self.next_connection += 1;
        let connection = self.next_connection;
        let now_ms = self.now_ms;
        for (one, other, direction) in
            [(node, peer, Direction::Outbound), (peer, node, Direction::Inbound)]
        {
            if let Some(alive) = &mut self.machines[one].node {
                alive.port.connect(other, (connection, direction), now_ms);
            }
        }
        self.prod(peer);
        true
    }

    fn can_connect(&self, node: usize, peer: usize) -> bool {
        let bans = |one: usize, other: usize| {
            let alive = self.machines[one].node.as_ref();
            alive.is_none_or(|alive| alive.port.book.is_banned(&identity(other)))
        };
        self.machines[peer].paused == 0
            && !self.links.is_blocked(node, peer)
            && !self.links.is_blocked(peer, node)
            && !bans(node, peer)
            && !bans(peer, node)
    }

    /// The number of a node's connection to a peer.
    pub(super) fn connection(&self, node: usize, peer: usize) -> Option<u64> {
        self.machines[node].node.as_ref()?.port.peers.get(&peer).copied()
    }

    /// A node notices that a connection is gone.
    pub(super) fn lose(&mut self, node: usize, peer: usize, connection: u64) -> bool {
        let is_it = self.connection(node, peer) == Some(connection);
        is_it && {
            let reason = DisconnectReason::ConnectionLost("timed out".into());
            self.drop_peer(node, peer, reason);
            true
        }
    }

    /// Ends a connection on one side.
    fn drop_peer(&mut self, node: usize, peer: usize, reason: DisconnectReason) {
        let now_ms = self.now_ms;
        let Some(alive) = &mut self.machines[node].node else { return };
        let port = &mut alive.port;
        port.peers.remove(&peer);
        let (now, name) = (port.instant(now_ms), port.name_of(peer));
        if let Some(state) = port.book.disconnect(&identity(peer), now) {
            state.reported = false;
        }
        port.tell(PeerEvent::Disconnected { peer: name, reason });
        let asked: Vec<_> = port
            .asking
            .iter()
            .filter(|(_, asking)| asking.peer == peer)
            .map(|(id, _)| *id)
            .collect();
        for id in asked {
            port.asking.remove(&id);
            let result = Err(RequestFailure::Disconnected);
            port.tell_request(RequestEvent::Ended { id, result });
        }
        if self.calls(node).contains(&peer) {
            let wait_ms = 1_000;
            self.queue.push(now_ms + wait_ms, node, Event::Dial { peer, wait_ms });
        }
    }

    /// A node closes a connection. The peer notices it after a while.
    fn disconnect(&mut self, node: usize, peer: usize, reason: DisconnectReason) {
        let Some(connection) = self.connection(node, peer) else { return };
        self.drop_peer(node, peer, reason);
        self.prod(node);
        let at_ms = self.links.arrival((node, peer), 0, self.now_ms);
        let at_ms = at_ms.unwrap_or(self.now_ms + IDLE_MS);
        self.queue.push(at_ms, peer, Event::Lost { peer: node, connection });
    }

    /// Closes a connection on both sides if its link is still blocked after the time that a
    /// connection lives.
    pub(super) fn idle(&mut self, node: usize, peer: usize, connection: u64) -> bool {
        if !self.links.is_blocked(node, peer) && !self.links.is_blocked(peer, node) {
            return false;
        }
        self.queue.push(self.now_ms, peer, Event::Lost { peer: node, connection });
        self.lose(node, peer, connection)
    }

    /// Lets the connections of a node that has ended, or that stands still, time out at its peers.
    pub(super) fn abandon(&mut self, node: usize, after_ms: u64) {
        let Some(alive) = &self.machines[node].node else { return };
        let peers: Vec<_> =
            alive.port.peers.iter().map(|(peer, number)| (*peer, *number)).collect();
        for (peer, connection) in peers {
            let lost = Event::Lost { peer: node, connection };
            self.queue.push(self.now_ms + after_ms, peer, lost);
        }
    }

    /// Executes a command of a node's world.
    pub(super) fn obey(&mut self, node: usize, command: NetworkCommand) {
        match command {
            NetworkCommand::Request { id, peer, request } => self.ask(node, id, &peer, request),
            NetworkCommand::Cancel(id) => {
                if let Some(alive) = &mut self.machines[node].node {
                    alive.port.asking.remove(&id);
                }
            }
            NetworkCommand::Respond { id, answer } => self.respond(node, id, answer),
            NetworkCommand::Penalize { peer, points, .. } => {
                if let Some(peer) = self.names.get(&peer).copied() {
                    self.penalize(node, peer, points);
                }
            }
            NetworkCommand::Disconnect { peer, reason, ban } => {
                let Some(peer) = self.names.get(&peer).copied() else { return };
                if ban {
                    self.ban(node, peer, reason);
                } else {
                    self.disconnect(node, peer, reason);
                }
            }
            NetworkCommand::Reconnect(peer) => {
                let Some(peer) = self.names.get(&peer).copied() else { return };
                self.disconnect(node, peer, DisconnectReason::SilentMesh);
                self.queue.push(self.now_ms + 1, node, Event::Dial { peer, wait_ms: 1_000 });
            }
            NetworkCommand::Subscribe(subnets) => {
                if let Some(alive) = &mut self.machines[node].node {
                    alive.port.subnets = subnets.to_vec();
                }
            }
        }
    }

    /// Takes points from a peer, which may lead to a ban.
    pub(super) fn penalize(&mut self, node: usize, peer: usize, points: f64) {
        let machine = &mut self.machines[node];
        let Some(alive) = &mut machine.node else { return };
        let id = identity(peer);
        if points == 0.0 || alive.port.book.is_banned(&id) {
            return;
        }
        if alive.port.book.penalize(&id, points) {
            self.ban(node, peer, DisconnectReason::LowScore);
        } else if !std::mem::replace(&mut alive.port.is_tending, true) {
            let life = machine.life;
            self.queue.push(self.now_ms + TEND_MS, node, Event::Tend { life });
        }
    }

    fn ban(&mut self, node: usize, peer: usize, reason: DisconnectReason) {
        let now_ms = self.now_ms;
        let shown_ms = self.machines[node].clock.at(now_ms);
        let Some(alive) = &mut self.machines[node].node else { return };
        let until = alive.port.instant(now_ms) + BAN_TIME;
        alive.port.book.ban(identity(peer), until);
        let time_ms = u64::try_from(BAN_TIME.as_millis()).expect("an hour");
        let name = alive.port.name_of(peer);
        alive.port.tell(PeerEvent::Banned { peer: name, until_ms: shown_ms + time_ms });
        self.counts.bans += 1;
        self.record(node, What::Ban { peer });
        let at_ms = now_ms.saturating_sub(GENESIS_MS);
        self.oracles.note_ban(&self.scenario, (node, peer), at_ms, &reason);
        self.prod(node);
        self.disconnect(node, peer, reason);
    }

    /// Gives points back and reports scores. Checks again later while there are points to give
    /// back.
    pub(super) fn tend(&mut self, node: usize, life: u32) -> bool {
        let now_ms = self.now_ms;
        let machine = &mut self.machines[node];
        let is_it = machine.life == life;
        let Some(alive) = machine.node.as_mut().filter(|_| is_it) else { return false };
        let port = &mut alive.port;
        let now = port.instant(now_ms);
        port.book.tend(std::time::Duration::from_millis(TEND_MS), now);
        port.book.unban(now);
        let mut scores = port.book.connected();
        scores.sort_unstable_by_key(|(peer, _)| *peer);
        let mut is_touched = false;
        port.is_tending = false;
        for (peer, score) in scores {
            port.is_tending |= score != 0.0;
            let Some(state) = port.book.get_mut(&peer) else { continue };
            if state.tell(score) {
                let peer = state.name.clone();
                port.tell(PeerEvent::Scored { peer, score });
                is_touched = true;
            }
        }
        if port.is_tending {
            self.queue.push(now_ms + TEND_MS, node, Event::Tend { life });
        }
        is_touched
    }
}
