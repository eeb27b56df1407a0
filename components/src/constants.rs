//! Protocol constants of leanSpec's fork "lstar". Units last in every name.

/// Seconds in a slot.
pub const SECONDS_PER_SLOT: u64 = 4;
/// Milliseconds in a slot.
pub const SLOT_DURATION_MS: u64 = SECONDS_PER_SLOT * 1000;
/// Intervals in a slot.
pub const INTERVALS_PER_SLOT: u64 = 5;
/// Milliseconds in an interval.
pub const INTERVAL_DURATION_MS: u64 = SLOT_DURATION_MS / INTERVALS_PER_SLOT;
/// How many intervals ahead of the local clock an attestation's slot may start.
pub const GOSSIP_DISPARITY_INTERVALS: u64 = 1;
/// Validators a registry holds at most.
pub const VALIDATOR_REGISTRY_LIMIT: usize = 1 << 12;
/// Slots of history a state holds at most.
pub const HISTORICAL_ROOTS_LIMIT: usize = 1 << 18;
/// Distinct attestation data in one block at most.
pub const MAX_ATTESTATIONS_DATA: usize = 8;
/// Steps an attestation target walks back from the head towards the safe target.
pub const JUSTIFICATION_LOOKBACK_SLOTS: u64 = 3;
/// Slots after the finalized one that are all justifiable.
pub const IMMEDIATE_JUSTIFICATION_WINDOW: u64 = 5;
/// Attestation subnets, unless the network's configuration says otherwise.
pub const ATTESTATION_COMMITTEE_COUNT: u64 = 1;
/// Bytes of an aggregate proof at most.
pub const MAX_PROOF_BYTES: usize = 512 * 1024;
/// Block roots in one blocks-by-root request at most.
pub const MAX_REQUEST_BLOCKS: usize = 1024;
