//! The state of a signer's keys.

use crate::containers::Slot;

/// The state of a signer's keys, and counts of requests since the node began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignerStatus {
    /// Keys in memory.
    pub keys: usize,
    /// Bytes that their trees take.
    pub memory_bytes: usize,
    /// The first slot for which some key is not prepared yet.
    pub prepared_until: Slot,
    /// The number of slots for which the key with the smallest window is prepared.
    pub window_slots: u64,
    /// The first slot for which some key can never sign.
    pub lifetime_until: Slot,
    /// The number of slots of the shortest lifetime.
    pub lifetime_slots: u64,
    /// Windows that were moved in the background.
    pub advanced: u64,
    /// The number of times that signing had to wait for a window.
    pub waited: u64,
    /// Signatures made.
    pub signed: u64,
    /// Signatures that were returned again.
    pub repeated: u64,
    /// Requests refused because the key has signed another message for the slot.
    pub conflicting: u64,
    /// Requests refused because the record no longer has what was signed for the slot.
    pub too_old: u64,
    /// Requests refused because the record could not be written or read.
    pub unrecorded: u64,
}
