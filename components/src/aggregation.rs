//! Aggregation sessions: configuration, outcomes and counts.

use std::collections::{BTreeMap, VecDeque};

use bevy_ecs::prelude::*;

use crate::containers::Slot;

/// One round of aggregation. Its entity identifies it: a slot may have two sessions. Despawning the
/// entity cancels the session's jobs.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct AggregationSession {
    /// The slot whose attestations it aggregates.
    pub slot: Slot,
    /// The time at which it was opened, in Unix milliseconds.
    pub opened_ms: u64,
    /// True once its deadline has passed.
    pub is_cut: bool,
}

/// A session has ended.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionEnded {
    /// The session.
    pub session: Entity,
    /// The slot whose attestations it aggregated.
    pub slot: Slot,
    /// The time at which it was opened, in Unix milliseconds.
    pub opened_ms: u64,
    /// The time at which it ended, in Unix milliseconds.
    pub ended_ms: u64,
    /// The way in which it ended.
    pub outcome: SessionOutcome,
}

/// The session whose results count, if any. Results of other sessions only change a counter.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CurrentSession(pub Option<Entity>);

/// The settings of an aggregator.
#[derive(Resource, Clone, Debug, PartialEq, Eq)]
pub struct AggregationConfig {
    /// The time in milliseconds in which a session may start jobs: counted from the start of
    /// interval 2, or from the session's opening if that is later.
    pub deadline_ms: u64,
    /// True if a session opens before interval 2 once two thirds of the expected attestations are in.
    pub early_start: bool,
    /// Attestation subnets of the network, at least one.
    pub committee_count: u64,
    /// The subnets that the node aggregates; empty for all.
    pub subnets: Vec<u64>,
    /// The subnets of the node's own validators. The node listens to them and forwards their
    /// attestations in every role.
    pub validator_subnets: Vec<u64>,
}

impl Default for AggregationConfig {
    fn default() -> Self {
        Self {
            deadline_ms: 750,
            early_start: true,
            committee_count: 1,
            subnets: Vec::new(),
            validator_subnets: Vec::new(),
        }
    }
}

impl AggregationConfig {
    /// The subnets that the node aggregates while it is an aggregator, ascending.
    pub fn expected_subnets(&self) -> Vec<u64> {
        if self.subnets.is_empty() {
            (0..self.committee_count).collect()
        } else {
            self.existing(self.subnets.clone())
        }
    }

    /// The subnets whose attestations the node receives in this role, ascending. A node with
    /// validators receives those of their subnets even if it does not aggregate, because it helps
    /// to forward them: otherwise they may not reach an aggregator.
    pub fn subscribed_subnets(&self, is_aggregator: bool) -> Vec<u64> {
        let mut subnets = self.validator_subnets.clone();
        if is_aggregator {
            subnets.extend(self.expected_subnets());
        }
        self.existing(subnets)
    }

    /// The subnets that the network has, each once, ascending.
    fn existing(&self, mut subnets: Vec<u64>) -> Vec<u64> {
        subnets.retain(|subnet| *subnet < self.committee_count);
        subnets.sort_unstable();
        subnets.dedup();
        subnets
    }
}

/// The reason an attestation that a session examined got no proof, or an imported one no payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SkipReason {
    /// It has one proof and no fresh signature: nothing can be added.
    LoneProof,
    /// No proof over more than one of its inputs fits into a block.
    TooLarge,
    /// Another job of the session works on these inputs.
    InProgress,
    /// The prover's queue was full.
    QueueFull,
    /// The deadline passed before the job got a permit.
    Deadline,
    /// The next session opened, or the node gave up the role.
    Replaced,
    /// The attestation adds nothing to what the pool has.
    NoGain,
    /// The block is too old to gain from its attestations.
    OldBlock,
    /// The block has more attestations than may be split from it.
    OverLimit,
}

impl SkipReason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::LoneProof,
        Self::TooLarge,
        Self::InProgress,
        Self::QueueFull,
        Self::Deadline,
        Self::Replaced,
        Self::NoGain,
        Self::OldBlock,
        Self::OverLimit,
    ];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoneProof => "lone_proof",
            Self::TooLarge => "too_large",
            Self::InProgress => "in_progress",
            Self::QueueFull => "queue_full",
            Self::Deadline => "deadline",
            Self::Replaced => "replaced",
            Self::NoGain => "no_gain",
            Self::OldBlock => "old_block",
            Self::OverLimit => "over_limit",
        }
    }
}

/// The reason a slot was not aggregated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CycleSkip {
    /// The node does not aggregate.
    NotAggregator,
    /// The node is syncing, or does not know yet whether it should be.
    NotSynced,
    /// The head's state is not in memory.
    MissingState,
    /// The prover accepted none of the jobs.
    SpawnFailed,
    /// There was nothing to aggregate, or the slot was over.
    Other,
}

impl CycleSkip {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::NotAggregator, Self::NotSynced, Self::MissingState, Self::SpawnFailed, Self::Other];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotAggregator => "not_aggregator",
            Self::NotSynced => "not_synced",
            Self::MissingState => "missing_state",
            Self::SpawnFailed => "spawn_failed",
            Self::Other => "other",
        }
    }
}

/// The way in which a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionOutcome {
    /// Every proof was made before the deadline.
    Published,
    /// Every proof was made, one of them after the deadline.
    Late,
    /// The deadline passed before some job began.
    Cut,
    /// Some job failed.
    Failed,
    /// Another session opened, or the node gave up the role, before it ended.
    Replaced,
    /// It had no job.
    Empty,
}

impl SessionOutcome {
    /// Every outcome.
    pub const ALL: [Self; 6] =
        [Self::Published, Self::Late, Self::Cut, Self::Failed, Self::Replaced, Self::Empty];

    /// Its name in metrics and on the node's page.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Late => "late",
            Self::Cut => "cut",
            Self::Failed => "failed",
            Self::Replaced => "replaced",
            Self::Empty => "empty",
        }
    }

    /// The outcome of a session that ended with these counts.
    pub fn of(counts: &AggregationCounts) -> Self {
        if counts.prepared == 0 {
            Self::Empty
        } else if counts.failed > 0 {
            Self::Failed
        } else if counts.cancelled > 0 {
            Self::Cut
        } else if counts.late > 0 {
            Self::Late
        } else {
            Self::Published
        }
    }
}

/// Counts of one slot, or of the time since the node began. A job is prepared once, and is then
/// proved, failed or cancelled once. A late job is also counted as proved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AggregationCounts {
    /// Sessions opened.
    pub sessions: u64,
    /// Sessions opened before interval 2.
    pub early: u64,
    /// Sessions whose deadline passed with jobs that waited or ran.
    pub cut: u64,
    /// Sessions closed with jobs that waited or ran, because another opened or the node gave up the
    /// role.
    pub replaced: u64,
    /// Attestations examined.
    pub groups: u64,
    /// Jobs prepared.
    pub prepared: u64,
    /// Jobs that made a proof which counted.
    pub proved: u64,
    /// Proved jobs that ended after the deadline.
    pub late: u64,
    /// Late jobs whose proof was not published, because it could no longer count.
    pub unpublished: u64,
    /// Early jobs whose proof was not published, because the proof of interval 2 replaced it in
    /// time.
    pub superseded: u64,
    /// Jobs that failed or panicked.
    pub failed: u64,
    /// Jobs cancelled before they made a proof.
    pub cancelled: u64,
    /// Proofs that were ready after their session was gone. They changed nothing.
    pub stale: u64,
    /// Aggregates published.
    pub published: u64,
    /// Payloads split from blocks.
    pub split: u64,
    /// Skipped attestations, by reason.
    pub skipped: BTreeMap<SkipReason, u64>,
}

/// The counts of recent slots, and the sum since the node began.
#[derive(Resource, Clone, Debug, Default, PartialEq, Eq)]
pub struct AggregationHistory {
    /// The sum since the node began.
    pub total: AggregationCounts,
    /// The newest slots, oldest first, at most [`HISTORY_SLOTS`].
    pub slots: VecDeque<(Slot, AggregationCounts)>,
}

/// Slots whose counts are kept.
pub const HISTORY_SLOTS: usize = 64;

impl AggregationCounts {
    /// Adds other counts.
    pub fn add(&mut self, other: &Self) {
        let Self {
            sessions,
            early,
            cut,
            replaced,
            groups,
            prepared,
            proved,
            late,
            unpublished,
            superseded,
            failed,
            cancelled,
            stale,
            published,
            split,
            skipped,
        } = other;
        self.sessions += sessions;
        self.early += early;
        self.cut += cut;
        self.replaced += replaced;
        self.groups += groups;
        self.prepared += prepared;
        self.proved += proved;
        self.late += late;
        self.unpublished += unpublished;
        self.superseded += superseded;
        self.failed += failed;
        self.cancelled += cancelled;
        self.stale += stale;
        self.published += published;
        self.split += split;
        for (reason, count) in skipped {
            *self.skipped.entry(*reason).or_default() += count;
        }
    }
}

impl AggregationHistory {
    /// Adds counts to a slot's counts and to the sum.
    pub fn add(&mut self, slot: Slot, counts: &AggregationCounts) {
        self.count(slot, |mine| mine.add(counts));
    }

    /// Counts something for a slot and for the sum.
    pub fn count(&mut self, slot: Slot, mut add: impl FnMut(&mut AggregationCounts)) {
        add(&mut self.total);
        let place = self.slots.partition_point(|(each, _)| *each < slot);
        if self.slots.get(place).is_none_or(|(each, _)| *each != slot) {
            self.slots.insert(place, (slot, AggregationCounts::default()));
        }
        add(&mut self.slots[place].1);
        if self.slots.len() > HISTORY_SLOTS {
            self.slots.pop_front();
        }
    }

    /// Counts something that was skipped.
    pub fn skip(&mut self, slot: Slot, reason: SkipReason, count: u64) {
        if count > 0 {
            self.count(slot, |counts| *counts.skipped.entry(reason).or_default() += count);
        }
    }

    /// The counts of a slot.
    pub fn of(&self, slot: Slot) -> Option<&AggregationCounts> {
        self.slots.iter().find(|(each, _)| *each == slot).map(|(_, counts)| counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_listens_to_its_validators_subnets_in_every_role() {
        let config = AggregationConfig {
            committee_count: 4,
            subnets: vec![3, 1, 9],
            validator_subnets: vec![2, 1, 1],
            ..AggregationConfig::default()
        };
        assert_eq!(config.subscribed_subnets(false), [1, 2]);
        assert_eq!(config.subscribed_subnets(true), [1, 2, 3]);
        assert_eq!(config.expected_subnets(), [1, 3]);
        let observer = AggregationConfig { committee_count: 2, ..AggregationConfig::default() };
        assert_eq!(observer.subscribed_subnets(false), [0_u64; 0]);
        assert_eq!(observer.subscribed_subnets(true), [0, 1]);
    }
}
