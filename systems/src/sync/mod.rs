//! Sync: peers and requests as entities, missing parents, ranges, and what the node may do
//! meanwhile.
//!
//! The systems run once an update, after the import, in this order:
//!
//! | system | what it does |
//! | --- | --- |
//! | [`notice_waking`] | slots that passed without an update are noticed |
//! | [`track_peers`] | connections become entities and cease to be |
//! | [`collect_answers`] | answers reach the requests that they are for; late requests are given up |
//! | [`answer_requests`] | peers are answered |
//! | [`check_chains`] | a peer on another chain is dropped |
//! | [`follow_imports`] | what waited for a block is released, refused or expires |
//! | [`sync_range`] | batches are begun, asked for, linked and handed to the import |
//! | [`fetch_missing`] | missing parents are asked for by root |
//! | [`backfill`] | blocks from before the anchor are asked for, when nothing is more urgent |
//! | [`ask_statuses`] | peers are asked what their chain is |
//! | [`update_sync_state`] | the state of sync, and the gate of the duties |
//!
//! Every choice is made in the order of peer ids, roots or slots: the same messages give the same
//! commands.

mod answers;
mod backfill;
mod chain_check;
pub mod checkpoint;
mod fetch;
mod imports;
mod peers;
mod range;
mod serve;
mod state;
mod status;
mod target;

pub use answers::collect_answers;
pub use backfill::{Backfill, backfill};
pub use chain_check::check_chains;
pub use checkpoint::{CheckpointError, KnownGenesis, verify_checkpoint};
pub use fetch::{Fetches, fetch_missing};
pub use imports::{RequestedBlocks, follow_imports};
pub use peers::{RequestNumbers, track_peers};
pub use range::{RangeSync, sync_range};
pub use serve::{ServedHistory, answer_requests, range_of};
pub use state::{Alone, Awake, Standing, judge_standing, notice_waking, update_sync_state};
pub use status::{ask_statuses, own_status};
pub use target::{Followed, PeerView, choose_target};
