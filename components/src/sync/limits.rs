//! The limits of sync: how much of each thing is kept, and what is dropped beyond that.
//!
//! | what | limit | what is dropped |
//! | --- | --- | --- |
//! | orphans of one source | 64 blocks, 24 MiB | the source's block farthest from the head: `Ignored`, counted |
//! | orphans | 256 blocks, 64 MiB | the block farthest from the head, of the source with the most |
//! | remembered roots of refused blocks | 256 | the oldest |
//! | valid attestations, aggregates that wait for a block | 1024, 256, at most 2 slots; one per validator and slot, none more than 4 slots old | new ones: judged at once |
//! | requests for blocks in flight | 16, 2 per peer | none: sent later |
//! | status requests in flight | 1 per peer | none: sent later |
//! | requests by root in flight | 8, one per root, 2 for what one source sent, and a second one only while fewer than 4 are in flight | none: sent later |
//! | roots whose failures are remembered | 512 | the one that may be requested first |
//! | batches | 8 of 64 slots; one that breaks off is cut in two | none: begun later |
//! | blocks of batches, bytes | 64 MiB, one batch 48 MiB | the newest batch; it is requested again later |
//! | blocks passed to the import queue | until it holds 128 | none: passed on later |
//! | blocks from before the anchor | 1 request of 64 slots in flight, 2 batches waiting for the store | none: requested later |
//! | a peer's claim to be ahead | 8 slots without a block of it | duties do not wait for it |
//! | the wait for peers after starting or waking | 0.5 s | none: duties are done |
//! | dialling silent peers again | after 4 slots without a block, then 8, 16 … 64 slots apart | none |
//! | disconnects kept for inspection | 128 | the oldest |
//! | bans | 1024 | the one that ends first |

use crate::containers::Slot;

/// The largest number of blocks that wait for their parent.
pub const MAX_ORPHANS: usize = 256;
/// The largest total size of blocks that wait for their parent, in bytes.
pub const MAX_ORPHAN_BYTES: usize = 64 << 20;
/// The largest number of blocks of one source that wait for their parent. It is more than
/// [`MAX_ORPHAN_DEPTH`], so that one honest peer can send a whole branch.
pub const MAX_ORPHANS_PER_SOURCE: usize = 64;
/// The largest total size of one source's blocks that wait for their parent, in bytes. It is more
/// than a branch of [`MAX_ORPHAN_DEPTH`] blocks with the largest proof.
pub const MAX_ORPHAN_BYTES_PER_SOURCE: usize = 24 << 20;
/// The largest number of missing ancestors that are fetched one by one; a longer gap is left to
/// range sync.
pub const MAX_ORPHAN_DEPTH: usize = 32;
/// A missing parent is not requested by root if the orphan is more than this many slots ahead of
/// the head.
pub const FETCH_WINDOW_SLOTS: Slot = 64;
/// The number of roots of refused blocks that are remembered.
pub const MAX_REFUSED_ROOTS: usize = 256;

/// The number of attestations that may wait for a block.
pub const MAX_WAITING_VOTES: usize = 1024;
/// The number of aggregates that may wait for a block.
pub const MAX_WAITING_AGGREGATES: usize = 256;
/// Attestations and aggregates of this many newest slots may wait for a block.
pub const WAITING_SLOTS: Slot = 4;
/// The time for which attestations and aggregates wait for a block, in intervals: two slots.
pub const WAIT_INTERVALS: u64 = 2 * crate::constants::INTERVALS_PER_SLOT;

/// The number of requests for blocks that may be in flight to all peers together.
pub const MAX_REQUESTS: usize = 16;
/// The number of requests for blocks that may be in flight to one peer.
pub const MAX_REQUESTS_PER_PEER: usize = 2;
/// The number of requests by root that may be in flight to all peers together.
pub const MAX_FETCHES: usize = 8;
/// The number of requests by root that may be in flight for one source's items.
pub const MAX_FETCHES_PER_SOURCE: usize = 2;
/// If this many requests by root are in flight, each source may have only one: the remaining
/// places are for sources that have none.
pub const SHARED_FETCHES: usize = 4;
/// The number of peers that are asked for a root before a pause.
pub const FETCH_TRIES: usize = 3;
/// The number of times that a root is requested again before the blocks that need it are dropped.
pub const FETCH_ROUNDS: u32 = 6;
/// The number of roots whose failures are remembered.
pub const MAX_FETCH_ENTRIES: usize = 512;
/// The time for which a root is not requested after its first failure, in milliseconds; doubles
/// each time.
pub const FETCH_BACKOFF_MS: u64 = 2_000;
/// The longest time for which a root is not requested, in milliseconds.
pub const MAX_FETCH_BACKOFF_MS: u64 = 64_000;

/// The time for which a peer is not asked after its first failure, in milliseconds; doubles each
/// time.
pub const PEER_BACKOFF_MS: u64 = 4_000;
/// The longest time for which a peer is not asked, in milliseconds.
pub const MAX_PEER_BACKOFF_MS: u64 = 256_000;
/// The time in which a status or a block by root must arrive, in milliseconds.
pub const REQUEST_DEADLINE_MS: u64 = 12_000;
/// The time in which a batch must be complete, in milliseconds.
pub const BATCH_DEADLINE_MS: u64 = 15_000;

/// The number of batches that are in progress at a time.
pub const MAX_BATCHES: usize = 8;
/// The number of slots of a batch.
pub const BATCH_SLOTS: u64 = 64;
/// The largest total size of the blocks of all batches that wait to be imported, in bytes.
pub const MAX_RANGE_BYTES: usize = 64 << 20;
/// The largest total size of the blocks of one batch, in bytes: 64 blocks with the largest proof
/// take 34 MiB.
pub const MAX_BATCH_BYTES: usize = 48 << 20;
/// Range sync fills the import queue only up to this many blocks, so that gossip has room in it.
pub const IMPORT_BACKLOG: usize = 128;
/// The number of times that a round goes back for blocks that do not link before it ends.
pub const MAX_RETREATS: u32 = 8;

/// A peer's status is requested again after this many slots.
pub const STATUS_PERIOD_SLOTS: u64 = 8;
/// A peer's status is requested again after this many slots while the head is behind the clock.
pub const STATUS_PERIOD_BEHIND_SLOTS: u64 = 2;
/// A status older than this many slots does not show that the network stands still.
pub const STATUS_FRESH_SLOTS: u64 = 4;

/// A node that is at most this many slots behind a chain that it follows does not start syncing.
pub const SYNCING_BEHIND_SLOTS: u64 = 4;
/// A syncing node that is at most this many slots behind is synced.
pub const SYNCED_BEHIND_SLOTS: u64 = 1;
/// The number of slots without a status of any peer after which duties are done anyway.
pub const ALONE_SLOTS: u64 = 4;

/// After waking, no request times out for this long, in milliseconds.
pub const WAKING_GRACE_MS: u64 = 2_000;
/// The number of slots for which a peer's claim to be ahead holds duties back, unless one of its
/// blocks is imported.
pub const CLAIM_SLOTS: u64 = 8;
/// The shortest time between two requests for a peer's status, in milliseconds.
pub const STATUS_GAP_MS: u64 = 1_000;

/// The longest time that a node that has started or woken waits for its peers' statuses, in
/// milliseconds. If the node was awake at the start of a slot, the wait ends before attestations
/// are due in it.
pub const ASK_WAIT_MS: u64 = 500;

/// The number of slots until the operator is told again that no peer serves what the node needs.
pub const WARNING_PERIOD_SLOTS: u64 = 60;

/// The number of batches of blocks from before the anchor that may wait for the store.
pub const MAX_BACKFILL_UNSTORED: usize = 2;
/// The time for which blocks from before the anchor are not requested after no peer had them, in
/// milliseconds; doubles each time.
pub const BACKFILL_BACKOFF_MS: u64 = 8_000;
/// The longest time for which they are not requested, in milliseconds.
pub const MAX_BACKFILL_BACKOFF_MS: u64 = 256_000;

/// A node answers range requests for this many slots before the current one.
pub const SERVED_SLOTS: u64 = 3600;

/// If peers' chains advance for this many slots and no block arrives by gossip, these peers are
/// dialled again.
pub const SILENT_MESH_SLOTS: u64 = 4;
/// The time after that for which they are not dialled again, in milliseconds; doubles each time.
pub const RENEW_BACKOFF_MS: u64 = 8 * crate::constants::SLOT_DURATION_MS;
/// The longest time for which they are not dialled again, in milliseconds.
pub const MAX_RENEW_BACKOFF_MS: u64 = 64 * crate::constants::SLOT_DURATION_MS;

/// The number of disconnects that are kept for inspection.
pub const MAX_DISCONNECTS: usize = 128;
/// The number of bans that are remembered.
pub const MAX_BANS: usize = 1024;
