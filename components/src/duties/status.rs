//! What a signer says of its keys.

use crate::containers::Slot;

/// What a signer says of its keys, and what it was asked for since the node began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignerStatus {
    /// Keys in memory.
    pub keys: usize,
    /// Bytes that their trees take.
    pub memory_bytes: usize,
    /// The first slot for which some key has yet to be prepared.
    pub prepared_until: Slot,
    /// Slots for which the key with the smallest window is prepared.
    pub window_slots: u64,
    /// The first slot for which some key can never sign.
    pub lifetime_until: Slot,
    /// Slots of the shortest lifetime.
    pub lifetime_slots: u64,
    /// Windows that were moved in the background.
    pub advanced: u64,
    /// Times that signing had to wait for a window.
    pub waited: u64,
    /// Signatures made.
    pub signed: u64,
    /// Signatures given again.
    pub repeated: u64,
    /// Requests refused: the key has signed another message for the slot.
    pub conflicting: u64,
    /// Requests refused: the record no longer says what was signed for the slot.
    pub too_old: u64,
    /// Requests refused: the record could not be written or read.
    pub unrecorded: u64,
}
