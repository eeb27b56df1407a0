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
//! | [`check_chains`] | a peer on another chain is found |
//! | [`remember_refused`] | a block that was refused for good is remembered |
//! | [`hold_orphans`] | a block without a parent is held, as the orphan policy says |
//! | [`follow_verdicts`] | whoever sent a block on request is credited or blamed for it |
//! | [`release_orphans`] | blocks that waited for a parent arrive again |
//! | [`drop_hopeless_orphans`] | blocks that wait in vain are judged |
//! | [`sync_range`] | batches are begun, asked for, linked and handed to the import |
//! | [`fetch_missing`] | missing parents are asked for by root |
//! | [`backfill`] | blocks from before the anchor are asked for, when nothing is more urgent |
//! | [`ask_statuses`] | peers are asked what their chain is |
//! | [`renew_silent_mesh`] | peers whose gossip has gone silent are called anew |
//! | [`update_sync_state`] | the state of sync, and the gate of the duties |
//! | [`score_peers`] | peers lose points for what they did wrong |
//!
//! Every choice is made in the order of peer ids, roots or slots: the same messages give the same
//! commands.

mod answers;
mod backfill;
mod chain_check;
mod fetch;
mod handed;
mod mesh;
mod orphans;
mod peers;
mod range;
mod requests;
mod roles;
mod scoring;
mod serve;
mod state;
mod status;
mod target;
mod verdicts;

pub use answers::collect_answers;
pub use backfill::{Backfill, backfill};
pub use chain_check::check_chains;
pub use fetch::{Fetches, fetch_missing};
pub use handed::RequestedBlocks;
pub use mesh::{GossipHeard, renew_silent_mesh};
pub use orphans::{drop_hopeless_orphans, hold_orphans, release_orphans, remember_refused};
pub use peers::track_peers;
pub use range::{RangeSync, sync_range};
pub use requests::RequestNumbers;
pub use scoring::score_peers;
pub use serve::{ServedHistory, answer_requests, range_of};
pub use state::{Alone, Awake, Standing, judge_standing, notice_waking, update_sync_state};
pub use status::ask_statuses;
pub use target::{Followed, PeerView, choose_target};
pub use verdicts::follow_verdicts;
