//! The schedules of intervals, and the phases of an update.

use std::hash::Hash;

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::ScheduleLabel;

use crate::constants::INTERVALS_PER_SLOT;

/// One fifth of a slot, named after its duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Interval {
    /// Interval 0: the proposer publishes its block.
    Propose,
    /// Interval 1: validators attest.
    Attest,
    /// Interval 2: aggregators aggregate the slot's signatures.
    Aggregate,
    /// Interval 3: the safe target is updated.
    SafeTarget,
    /// Interval 4: pending attestations begin to count.
    Accept,
}

impl Interval {
    /// Every interval, in slot order.
    pub const ALL: [Self; 5] =
        [Self::Propose, Self::Attest, Self::Aggregate, Self::SafeTarget, Self::Accept];

    /// The position in its slot of the `count`th interval since genesis.
    pub const fn of(count: u64) -> Self {
        match count % INTERVALS_PER_SLOT {
            0 => Self::Propose,
            1 => Self::Attest,
            2 => Self::Aggregate,
            3 => Self::SafeTarget,
            _ => Self::Accept,
        }
    }
}

/// Runs once when this interval of a slot begins.
#[derive(ScheduleLabel, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OnInterval(pub Interval);

/// Walks every due interval; between `PreUpdate` and `Update`.
#[derive(ScheduleLabel, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunIntervals;

/// Runs once when the node stops, after its last update.
#[derive(ScheduleLabel, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shutdown;

/// A set that runs before all of the node's systems of a phase. A phase is a [`NodeSystems`] or
/// [`IntervalSystems`], or one of their steps. The node adds no system to it. A custom client adds
/// its systems with `.in_set(First(NodeSystems::Admit))`.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct First<Phase: SystemSet + Copy + Eq + Hash>(pub Phase);

/// A set that runs after all of the node's systems of a phase, and before the next phase. The node
/// adds no system to it.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Last<Phase: SystemSet + Copy + Eq + Hash>(pub Phase);

/// The phases of every [`OnInterval`] schedule, in this order.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntervalSystems {
    /// Finished tasks are collected. A node that is catching up therefore sees in each interval the
    /// results of tasks that it started in the previous one.
    Collect,
    /// Fork choice does its part of the interval.
    ForkChoice,
    /// The node's own validators do their duties.
    Duties,
}

/// The phases of one update outside the interval walk, in this order.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeSystems {
    /// `PreUpdate`: lanes are drained, each up to its budget.
    Receive,
    /// `PreUpdate`: finished proofs free their permits for waiting jobs.
    Prove,
    /// `PreUpdate`: finished tasks become components and messages.
    Collect,
    /// `PreUpdate`: items get their cheap checks; work that needs cryptography or a transition
    /// becomes a task.
    Admit,
    /// `Update`: finished transitions are committed, in the order in which the blocks arrived.
    Import,
    /// `Update`, after the import: missing blocks are requested, and peers are answered.
    Sync,
    /// `Update`, after the sync: a proposal that sync held back is started.
    HeldDuties,
    /// `PostUpdate`: pools and caches are reduced to their limits.
    Prune,
    /// `PostUpdate`: each warning is set or cleared; gossip subnets follow the node's role.
    Review,
    /// `PostUpdate`: results are published, stored and shown.
    Flush,
    /// `PostUpdate`, last: messages and resources are measured; the app exits when asked to.
    Measure,
}

/// The steps of [`NodeSystems::Collect`] and of [`IntervalSystems::Collect`], in this order.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CollectSystems {
    /// Attestations and blocks that the node's own validators signed enter its chain and its pools.
    Duties,
    /// Finished aggregations enter the pools.
    Sessions,
    /// Finished splits of blocks' proofs enter the pools.
    Splits,
    /// Aggregates and attestations whose check has ended enter the pools.
    Checks,
    /// A session opens early, if the pools hold enough.
    EarlySession,
}

/// The steps of [`NodeSystems::Import`], in this order.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImportSystems {
    /// Finished transitions are committed, in the order they were asked for.
    Commit,
    /// The proofs of committed blocks are queued to be split.
    Split,
    /// Items that waited for a committed block are looked at again.
    Release,
}
