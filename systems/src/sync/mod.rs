//! Sync: peers and requests as entities, missing parents, ranges, and the decision whether the node
//! may do its duties.
//!
//! The systems run after the import, in this order, in each update in which [`sync_is_due`]:
//!
//! | system | what it does |
//! | --- | --- |
//! | [`notice_waking`] | notices that slots passed without an update |
//! | [`track_peers`] | spawns and despawns the entities of connections |
//! | [`collect_answers`] | passes answers to their requests; cancels late requests |
//! | [`answer_requests`] | answers peers |
//! | [`check_chains`] | finds peers on another chain |
//! | [`remember_refused`] | remembers blocks that were refused for good |
//! | [`hold_orphans`] | keeps blocks without a parent, according to the orphan policy |
//! | [`follow_verdicts`] | credits or blames the peers that sent requested blocks |
//! | [`release_orphans`] | admits blocks again whose parent has arrived |
//! | [`drop_hopeless_orphans`] | judges blocks that wait in vain |
//! | [`sync_range`] | starts, requests and links batches, and passes them to the import |
//! | [`fetch_missing`] | requests missing parents by root |
//! | [`backfill`] | requests blocks from before the anchor, when nothing is more urgent |
//! | [`ask_statuses`] | asks peers for their status |
//! | [`renew_silent_mesh`] | has peers dialled again whose gossip is silent |
//! | [`update_sync_state`] | updates the state of sync, and whether duties may be done |
//! | [`score_peers`] | subtracts points from peers for their faults |
//!
//! Every choice is made in the order of peer ids, roots or slots: the same messages give the same
//! commands.

mod answers;
mod backfill;
mod chain_check;
mod due;
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
pub use due::sync_is_due;
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
