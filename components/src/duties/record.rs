//! The ends of duties: counts since the node began, and a record of the newest slots.

use std::collections::VecDeque;

use bevy_ecs::prelude::Resource;

use crate::containers::{Slot, ValidatorIndex};

/// The number of slots whose duties are recorded.
pub const RECORD_SLOTS: u64 = 16;
/// The largest number of recorded duties; the oldest are dropped first.
pub const MAX_RECORDS: usize = 1024;

/// The duties of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Duty {
    /// Interval 0: propose a block.
    Propose,
    /// Interval 1: attest.
    Attest,
    /// Interval 2: aggregate the slot's attestations. It is a duty of the node, not of a validator.
    Aggregate,
}

impl Duty {
    /// Every duty, in the order of a slot.
    pub const ALL: [Self; 3] = [Self::Propose, Self::Attest, Self::Aggregate];

    /// Its name in logs, metrics and on the node's page.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Propose => "propose",
            Self::Attest => "attest",
            Self::Aggregate => "aggregate",
        }
    }
}

/// The reason a duty was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MissReason {
    /// Not started: the node is syncing, so its head is not the network's.
    Syncing,
    /// Not started: the head is behind the clock, and there has been no peer to ask for less than
    /// four slots.
    Alone,
    /// Not started: the node has started or was asleep, and has not heard from its peers since.
    Unsure,
    /// Not started: the slot was over when the duty's interval was walked.
    Late,
    /// Started, but not ready in time.
    NotReady,
    /// The prover did not accept the work: its queue is full, or the work needs too much memory.
    NoProver,
    /// The proof failed.
    ProofFailed,
    /// There is no signature: the key is missing, it has signed another message, or the record
    /// cannot be written.
    NotSigned,
    /// The chain does not allow it.
    NotAllowed,
    /// The work panicked.
    Panicked,
}

impl MissReason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::Syncing,
        Self::Alone,
        Self::Unsure,
        Self::Late,
        Self::NotReady,
        Self::NoProver,
        Self::ProofFailed,
        Self::NotSigned,
        Self::NotAllowed,
        Self::Panicked,
    ];

    /// Its name in logs, metrics and on the node's page.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syncing => "syncing",
            Self::Alone => "alone",
            Self::Unsure => "unsure",
            Self::Late => "late",
            Self::NotReady => "not_ready",
            Self::NoProver => "no_prover",
            Self::ProofFailed => "proof_failed",
            Self::NotSigned => "not_signed",
            Self::NotAllowed => "not_allowed",
            Self::Panicked => "panicked",
        }
    }

    /// Returns true if the duty was held back on purpose, because doing it would have been wrong.
    pub const fn is_held_back(self) -> bool {
        matches!(self, Self::Syncing | Self::Alone | Self::Unsure | Self::Late)
    }
}

/// The way in which a duty ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DutyOutcome {
    /// It was done.
    Done,
    /// It was missed.
    Missed(MissReason),
}

/// Duties done and missed since the node began. An attestation counts for each validator.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DutyCounts {
    /// Blocks proposed.
    pub proposed: u64,
    /// Attestations made.
    pub attested: u64,
    /// Slots for which this node published an aggregate.
    pub aggregated: u64,
    /// Duties missed, for any reason.
    pub missed: u64,
    /// The same by duty and reason.
    by_reason: [[u64; MissReason::ALL.len()]; Duty::ALL.len()],
}

impl DutyCounts {
    /// The number of times that a duty was missed for this reason.
    pub const fn missed_for(&self, duty: Duty, reason: MissReason) -> u64 {
        self.by_reason[duty as usize][reason as usize]
    }

    /// The number of times that any duty was missed for this reason.
    pub fn missed_because(&self, reason: MissReason) -> u64 {
        Duty::ALL.into_iter().map(|duty| self.missed_for(duty, reason)).sum()
    }

    /// The number of duties that were started or due, and failed. Duties that were held back on
    /// purpose are not included.
    pub fn failed(&self) -> u64 {
        let reasons = MissReason::ALL.into_iter().filter(|reason| !reason.is_held_back());
        reasons.map(|reason| self.missed_because(reason)).sum()
    }

    /// Counts how a duty ended.
    pub const fn add(&mut self, duty: Duty, outcome: DutyOutcome) {
        match (outcome, duty) {
            (DutyOutcome::Done, Duty::Propose) => self.proposed += 1,
            (DutyOutcome::Done, Duty::Attest) => self.attested += 1,
            (DutyOutcome::Done, Duty::Aggregate) => self.aggregated += 1,
            (DutyOutcome::Missed(reason), duty) => {
                self.missed += 1;
                self.by_reason[duty as usize][reason as usize] += 1;
            }
        }
    }
}

/// The record of one duty's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DutyRecord {
    /// The slot.
    pub slot: Slot,
    /// The duty.
    pub duty: Duty,
    /// The validator; absent for a duty of the node itself.
    pub validator: Option<ValidatorIndex>,
    /// The way in which it ended.
    pub outcome: DutyOutcome,
    /// The time from the start of its interval until the duty was done, or found to be missed, in
    /// milliseconds.
    pub late_ms: u64,
}

/// The duties of the newest [`RECORD_SLOTS`] slots, at most [`MAX_RECORDS`], in the order in which
/// they ended.
#[derive(Resource, Clone, Debug, Default, PartialEq, Eq)]
pub struct RecentDuties {
    records: VecDeque<DutyRecord>,
    newest: Slot,
}

impl RecentDuties {
    /// Adds a record, and drops those that are too old or too many.
    pub fn push(&mut self, record: DutyRecord) {
        self.newest = self.newest.max(record.slot);
        self.records.push_back(record);
        while self.records.len() > MAX_RECORDS
            || self.records.front().is_some_and(|first| !self.is_recent(first))
        {
            self.records.pop_front();
        }
    }

    const fn is_recent(&self, record: &DutyRecord) -> bool {
        record.slot.saturating_add(RECORD_SLOTS) > self.newest
    }

    /// The records, in the order in which the duties ended.
    pub fn iter(&self) -> impl Iterator<Item = &DutyRecord> {
        self.records.iter().filter(|record| self.is_recent(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(slot: Slot) -> DutyRecord {
        let outcome = DutyOutcome::Missed(MissReason::NotReady);
        DutyRecord { slot, duty: Duty::Propose, validator: Some(1), outcome, late_ms: 4_000 }
    }

    #[test]
    fn sixteen_slots_are_kept_and_no_more_than_the_limit() {
        let mut recent = RecentDuties::default();
        for slot in 1..=40 {
            recent.push(record(slot));
        }
        let slots: Vec<Slot> = recent.iter().map(|record| record.slot).collect();
        assert_eq!(slots, (25..=40).collect::<Vec<Slot>>());
        recent.push(record(3));
        assert_eq!(recent.iter().count(), 16, "what is too old is not kept");
        for _ in 0..2 * MAX_RECORDS {
            recent.push(record(40));
        }
        assert_eq!(recent.iter().count(), MAX_RECORDS);
    }

    #[test]
    fn every_reason_has_its_count_and_its_name() {
        let mut counts = DutyCounts::default();
        let mut names = std::collections::HashSet::new();
        for (times, reason) in (1..).zip(MissReason::ALL) {
            for _ in 0..times {
                counts.add(Duty::Attest, DutyOutcome::Missed(reason));
            }
            assert!(names.insert(reason.name()));
        }
        for (times, reason) in (1..).zip(MissReason::ALL) {
            assert_eq!(counts.missed_for(Duty::Attest, reason), times);
            assert_eq!(counts.missed_for(Duty::Propose, reason), 0);
        }
        assert_eq!((counts.missed, counts.failed()), (55, 55 - 1 - 2 - 3 - 4));
        for duty in Duty::ALL {
            counts.add(duty, DutyOutcome::Done);
        }
        assert_eq!((counts.proposed, counts.attested, counts.aggregated), (1, 1, 1));
    }
}
