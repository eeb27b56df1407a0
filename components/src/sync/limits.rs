//! The limits of sync. Whatever grows is bounded here, and says what goes when it is full.
//!
//! | what | limit | what is dropped |
//! | --- | --- | --- |
//! | orphans | 256 blocks, 64 MiB | the one farthest from the head: `Ignored`, counted |
//! | refused roots remembered | 256 | the oldest |
//! | valid attestations, aggregates that wait for a block | 1024, 256, at most 2 slots; one of a validator and slot, none more than 4 slots old | none is let in: judged at once |
//! | requests for blocks in flight | 16, 2 a peer | none: sent later |
//! | status requests in flight | 1 a peer | none: sent later |
//! | requests by root in flight | 4, one a root | none: sent later |
//! | roots whose failures are remembered | 512 | the one that may be asked for first |
//! | batches | 8 of 64 slots; one that breaks off is cut in two | none: begun later |
//! | blocks of batches, bytes | 64 MiB, one batch 48 MiB | the newest batch, asked for again later |
//! | blocks handed to the import queue | until it holds 128 | none: handed on later |
//! | blocks from before the anchor | 1 request of 64 slots in flight, 2 batches on their way to the store | none: asked for later |
//! | a peer's claim to be ahead | 8 slots without a block of it | duties do not wait for it |
//! | the wait for peers after beginning or waking | 0.5 s | none: duties are done |
//! | disconnects kept for inspection | 128 | the oldest |
//! | bans | 1024 | the one that ends first |

use crate::containers::Slot;

/// Blocks without a parent held at most.
pub const MAX_ORPHANS: usize = 256;
/// Bytes of blocks without a parent held at most.
pub const MAX_ORPHAN_BYTES: usize = 64 << 20;
/// Missing ancestors fetched one by one at most; a longer gap is range sync's.
pub const MAX_ORPHAN_DEPTH: usize = 32;
/// An orphan further ahead of the head than this is not what a request by root brings nearer.
pub const FETCH_WINDOW_SLOTS: Slot = 64;
/// Roots of refused blocks remembered at most.
pub const MAX_REFUSED_ROOTS: usize = 256;

/// Attestations that wait for a block at most.
pub const MAX_WAITING_VOTES: usize = 1024;
/// Aggregates that wait for a block at most.
pub const MAX_WAITING_AGGREGATES: usize = 256;
/// Slots whose attestations and aggregates may wait for a block: the newest ones.
pub const WAITING_SLOTS: Slot = 4;
/// How long attestations and aggregates wait for a block, in intervals: two slots.
pub const WAIT_INTERVALS: u64 = 2 * crate::constants::INTERVALS_PER_SLOT;

/// Requests for blocks in flight at most, to all peers together.
pub const MAX_REQUESTS: usize = 16;
/// Requests for blocks in flight at most to one peer.
pub const MAX_REQUESTS_PER_PEER: usize = 2;
/// Requests by root in flight at most, to all peers together.
pub const MAX_FETCHES: usize = 4;
/// Peers asked for a root before it is left alone for a while.
pub const FETCH_TRIES: usize = 3;
/// Times that a root is asked for again before what needs it is dropped.
pub const FETCH_ROUNDS: u32 = 6;
/// Roots whose failures are remembered at most.
pub const MAX_FETCH_ENTRIES: usize = 512;
/// How long a root is left alone after its first failure, in milliseconds; doubles each time.
pub const FETCH_BACKOFF_MS: u64 = 2_000;
/// How long a root is left alone at most, in milliseconds.
pub const MAX_FETCH_BACKOFF_MS: u64 = 64_000;

/// How long a peer is left alone after its first failure, in milliseconds; doubles each time.
pub const PEER_BACKOFF_MS: u64 = 4_000;
/// How long a peer is left alone at most, in milliseconds.
pub const MAX_PEER_BACKOFF_MS: u64 = 256_000;
/// When a status or a block by its root has not come, in milliseconds after asking.
pub const REQUEST_DEADLINE_MS: u64 = 12_000;
/// When a batch has to be whole, in milliseconds after asking.
pub const BATCH_DEADLINE_MS: u64 = 15_000;

/// Batches begun at a time at most.
pub const MAX_BATCHES: usize = 8;
/// Slots of a batch.
pub const BATCH_SLOTS: u64 = 64;
/// Bytes of blocks of all batches that wait to be imported at most.
pub const MAX_RANGE_BYTES: usize = 64 << 20;
/// Bytes of blocks of one batch at most: 64 blocks with the largest proof are 34 MiB.
pub const MAX_BATCH_BYTES: usize = 48 << 20;
/// Range sync keeps the import queue at this many blocks, so that gossip finds room in it.
pub const IMPORT_BACKLOG: usize = 128;
/// Times that a round goes back for blocks that do not link, before it gives up.
pub const MAX_RETREATS: u32 = 8;

/// A peer's status is asked for again after this many slots.
pub const STATUS_PERIOD_SLOTS: u64 = 8;
/// A peer's status is asked for again after this many slots while the head is behind the clock.
pub const STATUS_PERIOD_BEHIND_SLOTS: u64 = 2;
/// A status older than this many slots does not show that the network stands still.
pub const STATUS_FRESH_SLOTS: u64 = 4;

/// A node this many slots behind a chain that it follows is not yet syncing.
pub const SYNCING_BEHIND_SLOTS: u64 = 4;
/// A syncing node this many slots behind is synced.
pub const SYNCED_BEHIND_SLOTS: u64 = 1;
/// Slots without a peer that says what its chain is, after which duties are done nevertheless.
pub const ALONE_SLOTS: u64 = 4;

/// After waking no request is given up for so long, in milliseconds.
pub const WAKING_GRACE_MS: u64 = 2_000;
/// Slots for which a peer's claim to be ahead holds duties up, unless a block of it is imported.
pub const CLAIM_SLOTS: u64 = 8;
/// Between two requests for a peer's status at least, in milliseconds.
pub const STATUS_GAP_MS: u64 = 1_000;

/// How long a node that has begun or woken waits for its peers to say what their chain is, in
/// milliseconds. It is over before votes are due in a slot whose beginning the node was there for.
pub const ASK_WAIT_MS: u64 = 500;

/// The operator is told again after this many slots that nobody serves what the node needs.
pub const WARNING_PERIOD_SLOTS: u64 = 60;

/// Batches of blocks from before the anchor that are on their way to the store at most.
pub const MAX_BACKFILL_UNSTORED: usize = 2;
/// How long blocks from before the anchor are left alone when no peer has them, in milliseconds;
/// doubles each time.
pub const BACKFILL_BACKOFF_MS: u64 = 8_000;
/// How long they are left alone at most, in milliseconds.
pub const MAX_BACKFILL_BACKOFF_MS: u64 = 256_000;

/// The slots before the current one that a node answers range requests about.
pub const SERVED_SLOTS: u64 = 3600;

/// Disconnects kept for inspection at most.
pub const MAX_DISCONNECTS: usize = 128;
/// Bans known at most.
pub const MAX_BANS: usize = 1024;
