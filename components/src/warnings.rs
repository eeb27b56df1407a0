//! Warnings for the operator.

use std::collections::{BTreeMap, BTreeSet};

use bevy_ecs::prelude::Resource;

use crate::containers::Slot;

/// A state that may be a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WarningCode {
    /// No node aggregates the attestations of a subnet.
    NoAggregator,
    /// The finalized checkpoint is old.
    OldFinality,
    /// The clock differs from those of the peers.
    ClockSkew,
    /// A key's prepared slots end soon.
    KeyWindow,
    /// A key's lifetime ends soon.
    KeyLifetime,
    /// The disk is slow, or cannot be written.
    SlowDisk,
    /// An update took too long.
    SlowUpdate,
    /// The node's blocks have no room for attestations that are needed.
    CrowdedBlocks,
    /// Blocks or aggregates of peers are refused because of their proofs.
    ForeignProofs,
    /// A warning of a custom client, by its name. A constant of the client: the metric
    /// `quintet_warning` keeps every name that was ever active.
    Custom(&'static str),
}

impl WarningCode {
    /// Every code of the node's own.
    pub const ALL: [Self; 9] = [
        Self::NoAggregator,
        Self::OldFinality,
        Self::ClockSkew,
        Self::KeyWindow,
        Self::KeyLifetime,
        Self::SlowDisk,
        Self::SlowUpdate,
        Self::CrowdedBlocks,
        Self::ForeignProofs,
    ];

    /// Its name in logs, metrics and over HTTP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoAggregator => "no_aggregator",
            Self::OldFinality => "old_finality",
            Self::ClockSkew => "clock_skew",
            Self::KeyWindow => "key_window",
            Self::KeyLifetime => "key_lifetime",
            Self::SlowDisk => "slow_disk",
            Self::SlowUpdate => "slow_update",
            Self::CrowdedBlocks => "crowded_blocks",
            Self::ForeignProofs => "foreign_proofs",
            Self::Custom(name) => name,
        }
    }
}

/// An active warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The kind of the warning.
    pub code: WarningCode,
    /// A sentence that says what is wrong and what to do.
    pub text: String,
    /// The slot in which it appeared.
    pub since_slot: Slot,
}

/// The active warnings, at most one per code.
#[derive(Resource, Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    active: BTreeMap<WarningCode, Warning>,
    /// Codes of a custom client that were ever active.
    custom: BTreeSet<WarningCode>,
}

impl Warnings {
    /// Activates a warning, or replaces its text. Returns true if it was not active before.
    pub fn set(&mut self, code: WarningCode, slot: Slot, text: String) -> bool {
        if matches!(code, WarningCode::Custom(_)) {
            self.custom.insert(code);
        }
        match self.active.get_mut(&code) {
            Some(warning) => {
                warning.text = text;
                false
            }
            None => {
                self.active.insert(code, Warning { code, text, since_slot: slot });
                true
            }
        }
    }

    /// Ends a warning. Returns it if it was active.
    pub fn clear(&mut self, code: WarningCode) -> Option<Warning> {
        self.active.remove(&code)
    }

    /// The warning of a code, while it is active.
    pub fn get(&self, code: WarningCode) -> Option<&Warning> {
        self.active.get(&code)
    }

    /// Every code that a metric shows: the node's own, and those of a custom client that were ever
    /// active.
    pub fn codes(&self) -> impl Iterator<Item = WarningCode> {
        WarningCode::ALL.into_iter().chain(self.custom.iter().copied())
    }

    /// The active warnings, by code.
    pub fn iter(&self) -> impl Iterator<Item = &Warning> {
        self.active.values()
    }

    /// The number of active warnings.
    pub fn len(&self) -> usize {
        self.active.len()
    }

    /// Returns true if no warning is active.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_keeps_the_slot_in_which_it_appeared() {
        let mut warnings = Warnings::default();
        assert!(warnings.set(WarningCode::ClockSkew, 3, "1 s".into()));
        assert!(!warnings.set(WarningCode::ClockSkew, 9, "2 s".into()));
        let warning = warnings.get(WarningCode::ClockSkew).expect("active");
        assert_eq!((warning.since_slot, warning.text.as_str()), (3, "2 s"));
        assert_eq!(warnings.iter().count(), 1);
        assert!(warnings.clear(WarningCode::ClockSkew).is_some());
        assert!(warnings.clear(WarningCode::ClockSkew).is_none() && warnings.is_empty());
    }
}
