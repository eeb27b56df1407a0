//! Fork choice: LMD-GHOST over vote entities and compact blocks.
//!
//! Functions that change several facts at once take the world; the exclusive systems that call
//! them run one after another, in the order that `quintet-plugins` gives them.

pub mod anchor;
pub mod head;
pub mod import;
pub mod interval;
pub mod prune;
pub mod resume;
pub mod safe_target;

pub use anchor::set_anchor;
pub use head::{block_weights, update_head};
pub use resume::resume;
