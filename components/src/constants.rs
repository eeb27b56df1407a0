//! Protocol constants of leanSpec's fork "lstar". Each name ends with its unit.

/// Seconds in a slot.
pub const SECONDS_PER_SLOT: u64 = 4;
/// Milliseconds in a slot.
pub const SLOT_DURATION_MS: u64 = SECONDS_PER_SLOT * 1000;
/// Intervals in a slot.
pub const INTERVALS_PER_SLOT: u64 = 5;
/// Milliseconds in an interval.
pub const INTERVAL_DURATION_MS: u64 = SLOT_DURATION_MS / INTERVALS_PER_SLOT;
/// The number of intervals by which an attestation's slot may start ahead of the local clock.
pub const GOSSIP_DISPARITY_INTERVALS: u64 = 1;
/// The largest number of validators in a registry.
pub const VALIDATOR_REGISTRY_LIMIT: usize = 1 << 12;
/// The largest number of slots in a state's history.
pub const HISTORICAL_ROOTS_LIMIT: usize = 1 << 18;
/// The largest number of distinct attestation data in one block.
pub const MAX_ATTESTATIONS_DATA: usize = 8;
/// The largest number of blocks by which an attestation target goes back from the head towards the
/// safe target.
pub const JUSTIFICATION_LOOKBACK_SLOTS: u64 = 3;
/// The number of slots after the finalized one that are all justifiable.
pub const IMMEDIATE_JUSTIFICATION_WINDOW: u64 = 5;
/// The number of attestation subnets, unless the network's configuration has another.
pub const ATTESTATION_COMMITTEE_COUNT: u64 = 1;
/// The largest size of an aggregate proof in bytes.
pub const MAX_PROOF_BYTES: usize = 512 * 1024;
/// The largest number of block roots in one blocks-by-root request.
pub const MAX_REQUEST_BLOCKS: usize = 1024;
